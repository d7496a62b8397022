"""Lets `tomoyo audit` record what a real kernel logs; `answers.json` says what came of each scene.

Each record is of a connection to a unix socket that does not exist, with a number in its name, so that a loss is seen.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.vm import guest, warm
from tomoyo.audit.kernel_log import AuditLog
from tomoyo.audit.log_file import LogFile
from tomoyo.audit.recorder import Recorder, record_waiting

PROFILE = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-CONFIG={ mode=disabled grant_log=yes reject_log=yes }
1-CONFIG::network::unix_stream_connect={ mode=permissive grant_log=yes reject_log=yes }
"""
LIMIT = "1-PREFERENCE={{ max_audit_log={} max_learning_entry=1 }}\n"
MANY = 4000
FOLDER = Path("/run/audit")
_NUMBER = re.compile(rb"connect /run/none/(\d+)\n")


def requests(name: str, count: int) -> None:
    """Make COUNT requests in a process of its own, each with its number; in the end all have been logged or dropped."""
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    status = 1
    try:
        guest.write("self_domain", f"<kernel> /{name}".encode())
        import socket

        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            for number in range(count):
                with suppress(FileNotFoundError):
                    client.connect(f"/run/none/{number}")
        status = 0
    finally:
        os._exit(status)


def numbers(log: bytes) -> list[int]:
    """The numbers in LOG, in their order."""
    return [int(number) for number in _NUMBER.findall(log)]


def daemon(*arguments: str) -> subprocess.Popen[str]:
    """The command as a daemon that has begun."""
    running = warm.start(["audit", *arguments], stderr=subprocess.PIPE, text=True)
    log = Path(arguments[arguments.index("--output") + 1]) if "--output" in arguments else FOLDER
    # A log lies in a directory of the same name as the kernel's file, and is opened first.
    while not (log.exists() and any(Path(link).name == "audit" for link in open_files(running.pid))):
        assert running.poll() is None
        guest.pause()
    return running


def said(*arguments: str, given: bytes = b"") -> bytes:
    """What the command prints."""
    done = warm.run(["audit", *arguments], input=given, stdout=subprocess.PIPE)
    done.check_returncode()
    output: bytes = done.stdout
    return output


def open_files(pid: int) -> list[str]:
    """What a process has open."""
    found = []
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


def end(running: subprocess.Popen[str]) -> list[object]:
    """End the daemon; gives its exit code and messages."""
    running.send_signal(signal.SIGTERM)
    _, messages = running.communicate()
    return [running.returncode, messages]


def limit(count: int) -> None:
    """Let the kernel hold COUNT records."""
    guest.write("profile", LIMIT.format(count).encode())


def at_full_speed(name: str) -> object:
    """What waits, read as fast as it can be, recorded in a log, and recorded by the C tool for another scene."""
    limit(10 * MANY)
    found: dict[str, object] = {}
    requests(name, MANY)
    with AuditLog() as log:
        records = []
        while batch := log.waiting():
            records += batch
        found["all read"] = numbers(b"".join(records)) == list(range(MANY))
        requests(name, MANY)
        path = FOLDER / "recorded.log"
        with LogFile(str(path), limit=None) as sink:
            recorder = Recorder(sink, None, lambda record: record + b"\n", print)
            record_waiting(log, recorder)
        found["all recorded"] = numbers(path.read_bytes()) == list(range(MANY))
    requests(name, MANY)
    run_auditd()
    return found


def run_auditd() -> None:
    """Have tomoyo-auditd record what waits."""
    folder = Path("/etc/tomoyo/tools")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "auditd.conf").write_text(f"header.contains profile=1\ndestination {FOLDER}/auditd.log\n")
    subprocess.run(["/usr/sbin/tomoyo-auditd"], check=True)
    while not guest.read("stat").count(b"audit log:                      0\n"):
        guest.pause()
    for process in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text() == "tomoyo-auditd\n":
                os.kill(int(process), signal.SIGTERM)


def another_tools_log(name: str) -> object:
    """tomoyo-auditd's log, read back: byte for byte, and as JSON."""
    log = FOLDER / "auditd.log"
    same = said(str(log)) == log.read_bytes()
    short = b"".join(log.read_bytes().partition(b"connect /run/none/300\n\n")[:2])
    lines = [json.loads(line)["result"] for line in said("--json", "-", given=short).splitlines()]
    return [same, len(lines), lines[7]["request"]["text"], lines[7]["mode"]]


def a_daemon_under_load(name: str) -> object:
    """While requests are made: rotation, a signal to open anew, and one to end; all is there in order."""
    limit(10 * MANY)
    running = daemon("--output", str(FOLDER / "log"), "--max-size", "200k", "--keep", "99")
    requests(name, 3000)
    guest.move(FOLDER / "log", FOLDER / "moved")
    running.send_signal(signal.SIGHUP)  # until it is noticed, records still go to the file that was moved
    while not (FOLDER / "log").exists():
        guest.pause()
    requests(name, 3000)
    ended = end(running)
    files = sorted(FOLDER.glob("log.*"), key=lambda path: -int(path.suffix[1:]))
    # What was moved away is newer than what had been full before it.
    texts = [path.read_bytes() for path in [*files, FOLDER / "moved", FOLDER / "log"]]
    found = sorted(number for text in texts for number in numbers(text))
    biggest = max(len(text) for text in texts)
    ordered = all(numbers(text) == sorted(numbers(text)) or 0 in numbers(text)[1:] for text in texts)
    return [ended, found == sorted([*range(3000)] * 2), len(files) > 3, biggest <= 200 << 10, ordered]


def what_the_kernel_drops(name: str) -> object:
    """More requests than the kernel holds while nobody reads."""
    limit(100)
    running = daemon("--output", str(FOLDER / "drops"))
    requests(name, 10)
    while len(numbers((FOLDER / "drops").read_bytes())) < 10:
        guest.pause()
    running.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, running.pid, os.WSTOPPED)
    requests(name, 1000)
    running.send_signal(signal.SIGCONT)
    ended = end(running)
    return [ended, len(numbers((FOLDER / "drops").read_bytes()))]


def a_full_disk(name: str) -> object:
    """Nothing that was read is lost while the log cannot be written."""
    limit(10 * MANY)
    small = FOLDER / "small"
    small.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", str(small)], check=True)
    running = daemon("--output", str(small / "log"))
    requests(name, 500)
    while (small / "log").stat().st_size < 64 << 10:
        guest.pause()
    subprocess.run(["mount", "-o", "remount,size=10m", str(small)], check=True)
    while len(numbers((small / "log").read_bytes())) < 500:
        guest.pause()
    ended = end(running)
    return [ended, numbers((small / "log").read_bytes()) == list(range(500))]


def choosing(name: str) -> object:
    """Records are chosen, and the rest is gone."""
    requests(name, 30)
    some = said("--once", "--path", "/run/none/2\\?", "--operation", "connect", "--granted", "no")
    return [numbers(some), said("--once").decode()]


SCENES = (at_full_speed, another_tools_log, a_daemon_under_load, what_the_kernel_drops, a_full_disk, choosing)


def main() -> None:
    """Play every scene."""
    guest.activate(profile=PROFILE.encode())
    FOLDER.mkdir(mode=0o755)
    answers = {}
    for scene in SCENES:
        name = scene.__name__
        lines = f"<kernel>\ntask manual_domain_transition <kernel> /{name}\n<kernel> /{name}\nuse_profile 1\n"
        guest.write("domain_policy", lines.encode())
        answers[name] = scene(name)
        print(name, flush=True)
        Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

"""The daemons of this package, confined by the library's policy for them: each does all of its work, and its domain no more.

Argument: the folder of the system. The set to load is in `set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.vm import confined, guest

LOG, SAVED, RULES, TOLD = "/var/log/tomoyo", "/var/lib/tomoyo/saved", "/etc/tomoyo/query.rules", "/run/told"
INTERFACE = guest.FOLDER
#: What no daemon may do, whichever it is.
FORBIDDEN: list[list[Any]] = [
    *(["write", f"{INTERFACE}/{name}"] for name in ("domain_policy", "exception_policy", "profile", "manager", "stat")),
    *(["write", f"{INTERFACE}/{name}"] for name in ("self_domain", ".process_status")),
    ["execute", "COMMAND"],
    *(["execute", f"COMMAND-{name}"] for name in ("audit", "notify", "query", "save")),
    ["execute", "/bin/sh"],
    ["execute", "PYTHON"],
    ["write", "COMMAND"],
    ["write", "PYTHON"],
    ["read", "/etc/shadow"],
    ["read", "/proc/1/environ"],
    ["write", "/proc/1/mem"],
    ["write", "/proc/sysrq-trigger"],
    ["read", "/dev/mem"],
    ["write", "/dev/kmsg"],
    ["create", "/etc/evil"],
    ["create", "/var/lib/tomoyo/current"],
    ["connect", "127.0.0.1", 22],
    ["listen", "127.0.0.1", 8080],
    ["unix stream", "/run/dbus/system_bus_socket"],
    ["unix stream", "/run/systemd/private"],
]
#: What one of them may, and the others may not.
OWN: dict[str, list[list[Any]]] = {
    "audit": [["append", f"{LOG}/audit.log"]],
    "notify": [],
    "query": [["write", f"{INTERFACE}/query"], ["read", RULES]],
    "save": [["read", f"{INTERFACE}/{name}"] for name in ("domain_policy", "exception_policy", "manager")],
}


def in_domain(name: str, act: Callable[[], None]) -> int:
    """A process in the enforced domain NAME that does ACT, which its policy does not allow."""
    child = os.fork()
    if not child:
        try:
            guest.write("self_domain", f"<kernel> /{name}".encode())
            act()
        finally:
            os._exit(0)
    return child


def denied(count: int) -> None:
    """COUNT requests that are denied."""

    def act() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            for number in range(count):
                with suppress(OSError):
                    client.connect(f"/run/none/{number}")

    os.waitpid(in_domain("denied", act), 0)


def logged(name: str) -> str:
    """What a log holds, which there may not be for a moment."""
    with suppress(FileNotFoundError):
        return Path(f"{LOG}/{name}").read_text()
    return ""


def asked(name: str) -> str:
    """What becomes of reading a file NAME in a domain whose policy does not allow it."""
    Path(f"/run/asked/{name}").write_text("")
    Path("/run/answer").write_text("")

    def act() -> None:
        answer = os.open("/run/answer", os.O_WRONLY)
        guest.write("self_domain", b"<kernel> /asking")
        try:
            os.close(os.open(f"/run/asked/{name}", os.O_RDONLY))
            os.write(answer, b"granted")
        except PermissionError:
            os.write(answer, b"denied")

    os.waitpid(in_domain("free", act), 0)
    return Path("/run/answer").read_text()


def prepare(system: confined.System) -> None:
    """Directories, rules, the policy in force, and the domains of what is denied and of what asks."""
    for folder in (LOG, SAVED, "/etc/tomoyo", "/run/asked"):
        os.makedirs(folder)
    Path(RULES).write_text("allow path=/run/asked/allowed\ndeny path=/run/asked/denied\n")
    system.activate()
    names = ("denied", "free", "asking")
    guest.write(
        "domain_policy", "".join(f"<kernel>\ntask manual_domain_transition <kernel> /{name}\n" for name in names).encode()
    )
    guest.write("domain_policy", b"<kernel> /denied\nuse_profile 3\n<kernel> /asking\nuse_profile 3\n")
    guest.write("domain_policy", b"<kernel> /free\nuse_profile 0\ntask manual_domain_transition <kernel> /asking\n")


def own_records(system: confined.System) -> list[str]:
    """What the daemons were denied, in the kernel and in their logs."""
    records = [*system.records(), *"".join(path.read_text() for path in Path(LOG).iterdir()).split("\n\n")]
    return sorted({record.strip().partition("\n")[2] for record in records if "\n<kernel> nix:/tomoyo/" in record})


class Daemons:
    """The daemons, each started as its unit starts it."""

    def __init__(self, system: confined.System) -> None:
        self.system = system
        self.command = system.path("tomoyo-0.1") + "/bin/tomoyo"
        self.answers: dict[str, Any] = {}

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        return self.system.start([f"{self.command}-{name}", *arguments])

    def end(self, name: str, process: subprocess.Popen[bytes], ends: signal.Signals = signal.SIGTERM) -> None:
        """End one of them; what domain it was in, its exit code and what it printed are its answer."""
        domain = self.system.domain(process.pid)
        process.send_signal(ends)
        self.answers[name] = [domain, process.wait(600), self.system.printed()]

    def audit(self) -> None:
        """Rotation, a log that is moved away, and the end."""
        audit = self.start("audit", "--output", f"{LOG}/audit.log", "--max-size", "20k", "--keep", "3")
        confined.wait_for(lambda: os.path.exists(f"{LOG}/audit.log"), audit)
        denied(300)
        # With the last record in it, no log begins anew: one that is moved in between would be missing from those kept.
        confined.wait_for(lambda: "/run/none/299\n" in logged("audit.log"), audit)
        os.rename(f"{LOG}/audit.log", f"{LOG}/moved")
        audit.send_signal(signal.SIGHUP)
        confined.wait_for(lambda: os.path.exists(f"{LOG}/audit.log"), audit)
        denied(1)
        confined.wait_for(lambda: os.path.getsize(f"{LOG}/audit.log") > 0, audit)
        self.end("audit", audit)
        # As finit starts it.
        bare = ["/usr/bin/setpriv", "--reset-env", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
        options = ["--output", f"{LOG}/audit.log", "--max-size", "1k", "--keep", "0"]
        once = self.system.start([*bare, f"{self.command}-audit", *options])
        begun(once, f"{INTERFACE}/audit")
        denied(20)
        self.answers["capabilities"] = re.findall(r"Cap(?:Prm|Eff|Bnd):\t(.*)", Path(f"/proc/{once.pid}/status").read_text())
        self.end("audit without capabilities", once)
        self.answers["logs"] = sorted(os.listdir(LOG))

    def save(self) -> None:
        for name in ("save", "save again"):
            done = self.system.run([f"{self.command}-save", SAVED])
            self.answers[name] = [done["status"], done["output"].startswith(f"{SAVED}/policy/")]
        self.answers["saved"] = sorted(os.listdir(f"{SAVED}/policy/current"))
        self.answers["links"] = sorted(name for name in os.listdir(f"{SAVED}/policy") if name in ("current", "previous"))

    def notify(self) -> None:
        """From the kernel, and by following the log."""
        command = self.system.path("tomoyo-notify-command") + "/bin/tomoyo-notify-command"
        Path(f"{LOG}/followed.log").write_text("")
        for name, source in (("notify", ()), ("notify follows", ("--follow", f"{LOG}/followed.log"))):
            Path(TOLD).unlink(missing_ok=True)
            notify = self.start("notify", "--interval", "0.1", *source, "--", command)
            if source:
                begun(notify, f"{LOG}/followed.log")
                denied(1)
                (record,) = (record for record in self.system.records() if "/run/none/0" in record)
                with open(f"{LOG}/followed.log", "a") as log:
                    log.write(f"{record}\n\n")
            else:
                begun(notify, f"{INTERFACE}/audit")
                denied(1)
            confined.wait_for(lambda: os.path.exists(TOLD), notify)
            self.end(name, notify)
            self.answers[f"{name}: told"] = Path(TOLD).read_text().split("\n")

    def query(self) -> None:
        """Answers by rules, and to what no rule is for."""
        self.answers["answers"] = []
        for place in (RULES, self.system.path("tomoyo-query-rules")):
            query = self.start("query", "--no-ask", "--rules", place)
            begun(query, f"{INTERFACE}/query")
            self.answers["answers"].append([asked(name) for name in ("allowed", "denied", "unknown")])
            self.end("query" if place == RULES else "query with rules in the store", query)

    def attempts(self) -> None:
        """What code in each domain may do, and what not."""
        words = {f"COMMAND-{name}": f"{self.command}-{name}" for name in OWN}
        words |= {"COMMAND": self.command, "PYTHON": self.system.path("python3") + "/bin/python3.11"}
        wrong = []
        for name in OWN:
            domain = f"<kernel> nix:/tomoyo/bin/tomoyo-{name}"
            foreign = [attempt for other in OWN if other != name for attempt in OWN[other]]
            if name == "notify":
                foreign = [attempt for attempt in foreign if attempt[0] != "read"]
            for attempt, error in self.system.answers(domain, [*FORBIDDEN, *foreign], words):
                if error != "EPERM":
                    wrong.append([name, attempt, error])
            for attempt, error in self.system.answers(domain, OWN[name], words):
                if error:
                    wrong.append([name, attempt, error])
        self.answers["wrong"] = wrong

    def ranks(self) -> None:
        """Which of the domains the kernel takes for a manager: each writes to a descriptor that it was given open."""
        ranks = {}
        for name in OWN:
            guest.write(
                "domain_policy", f"<kernel>\ntask manual_domain_transition <kernel> nix:/tomoyo/bin/tomoyo-{name}\n".encode()
            )
            reader, writer = os.pipe()
            child = os.fork()
            if not child:
                try:
                    self_domain = os.open(f"{INTERFACE}/self_domain", os.O_WRONLY)
                    policy = os.open(f"{INTERFACE}/query", os.O_WRONLY)
                    os.write(self_domain, f"<kernel> nix:/tomoyo/bin/tomoyo-{name}".encode())
                    try:
                        os.write(policy, b"\n")
                        os.write(writer, b"manager")
                    except PermissionError:
                        os.write(writer, b"none")
                finally:
                    os._exit(0)
            os.close(writer)
            os.waitpid(child, 0)
            ranks[name] = os.read(reader, 100).decode()
        self.answers["ranks"] = ranks


def begun(process: subprocess.Popen[bytes], path: str) -> None:
    """Wait until PROCESS has PATH open, which is the last that a daemon opens before it begins."""

    def has_open() -> bool:
        folder = f"/proc/{process.pid}/fd"
        with suppress(FileNotFoundError):
            return any(os.readlink(f"{folder}/{name}") == path for name in os.listdir(folder))
        return False

    confined.wait_for(has_open, process)


def main() -> None:
    system = confined.System(sys.argv[1])
    prepare(system)
    daemons = Daemons(system)
    records: set[str] = set()
    for scene in (daemons.save, daemons.notify, daemons.query, daemons.audit):
        scene()
        records.update(own_records(system))
    daemons.answers["records"] = sorted(records)
    daemons.attempts()
    daemons.ranks()
    Path("answers.json").write_text(json.dumps(daemons.answers))


if __name__ == "__main__":
    main()

"""Lets `tomoyo learn` learn what real programs need.

`answers.json` says what each scene printed, and whether everything was as before in the end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.vm import guest, warm

PROFILE = (
    guest.PROFILES
    + b"""\
1-PREFERENCE={ max_audit_log=0 max_learning_entry=10000 }
3-CONFIG::misc={ mode=disabled grant_log=no reject_log=no }
"""
)
FOLDER = Path("/run/learn")
#: So many programs are executed one after the other, as deep as domains' names may be long.
LEVELS = 350
#: Busybox is a shell where its name is "sh" or "ash".
SHELL = str(FOLDER / "sh")
DOMAIN = f"<kernel> {SHELL}"
#: The shell's own domain is enforced, and lets it do almost nothing.
POLICY = f"""\
{DOMAIN}
use_profile 3
file read {FOLDER}/known
file append {FOLDER}/both
{DOMAIN} /usr/bin/old
use_profile 2
file read /x
"""


def state() -> str:
    """All domains with what they hold."""
    return guest.read("domain_policy").decode()


def settled(before: str) -> bool:
    """Wait until the policy is what it was."""
    while state() != before:
        guest.pause()
    return True


def shell(script: str) -> list[str]:
    """What runs SCRIPT in the enforced domain."""
    return ["--", SHELL, "-c", script]


def learn(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command says."""
    return warm.run(["learn", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_shells() -> None:
    """End the processes that a killed command has left behind."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if os.readlink(f"/proc/{process}/exe") == SHELL:
                os.kill(int(process), signal.SIGKILL)


def a_program() -> object:
    """What an enforced domain needs beyond what it has: granted while it is learned, then denied again."""
    before = state()
    script = f"read line < {FOLDER}/known; echo x >> {FOLDER}/both; read line < {FOLDER}/both; echo y > {FOLDER}/new"
    done = learn(*shell(script))
    denied = subprocess.run([SHELL, "-c", f"echo y > {FOLDER}/new"], stderr=subprocess.DEVNULL, check=False).returncode
    return [done.returncode, (FOLDER / "new").read_text(), done.stdout, settled(before), denied != 0]


def a_new_domain() -> object:
    """A program that has no domain yet."""
    before = state()
    program = FOLDER / "ash"
    os.link(SHELL, program)
    done = learn("--", str(program), "-c", f"echo > {FOLDER}/z")
    return [done.returncode, done.stdout, settled(before)]


def a_domain_that_runs() -> object:
    """Learn for a time what a process does that is already there."""
    before = state()
    loop = f"while [ ! -e {FOLDER}/stop ]; do read line < {FOLDER}/loop; done"
    running = subprocess.Popen([SHELL, "-c", loop], stderr=subprocess.DEVNULL)
    done = learn("--domain", DOMAIN, "--for", "2")
    same = settled(before)
    running.kill()
    running.wait()
    return [done.returncode, f"file read {FOLDER}/loop\n" in done.stdout, same]


def interrupted() -> object:
    """Whatever comes in between, it is as before."""
    found = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        before = state()
        started = FOLDER / f"started{number}"
        script = f"echo > {started}; while :; do read line < {FOLDER}/loop; done"
        running = warm.start(["learn", *shell(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        while not started.exists():
            guest.pause()
        learning = state() != before
        running.send_signal(number)
        assert running.stdout is not None
        if number == signal.SIGKILL:
            status = running.wait()
            found.append([int(number), status, learning, settled(before)])
            kill_shells()
        else:
            output = running.stdout.read()
            found.append([int(number), running.wait(), learning, settled(before), output])
        running.stdout.close()
    return found


def refusals() -> object:
    """What cannot be done, and changes nothing."""
    before = state()
    found = []
    for arguments in (
        ["--", "/no/such/program"],
        ["--domain", "<other> /x", "--for", "1"],
        ["--domain", "nonsense", "--for", "1"],
        [],
    ):
        done = learn(*arguments)
        found.append([done.returncode, "Traceback" in done.stderr, done.stdout])
    return [found, settled(before)]


def a_program_that_runs_away() -> object:
    """From the session's beginning it executes one more program all the time, each by another path; the end comes soon."""
    programs = FOLDER / "p"
    for number in range(LEVELS):
        (programs / str(number)).mkdir(parents=True)
        os.link(SHELL, programs / str(number) / "sh")
    script = f'n=$(($1+1)); while [ ! -e {FOLDER}/go ]; do :; done; exec {programs}/$n/sh -c "$2" x $n "$2"'
    running = subprocess.Popen([SHELL, "-c", script, "x", "0", script], stderr=subprocess.DEVNULL)
    command = ["learn", "--domain", DOMAIN, "--for", "0.1"]
    learning = warm.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert learning.stderr is not None
    learning.stderr.readline()  # it says when it begins
    (FOLDER / "go").touch()
    output, messages = learning.communicate()
    text = state()
    running.kill()
    running.wait()
    for line in state().split("\n"):
        if line.startswith(f"{DOMAIN} {programs}/"):
            guest.write("domain_policy", f"delete {line}\n".encode())
    names = [line for line in output.split("\n") if line.startswith(f"{DOMAIN} {programs}/")]
    return [learning.returncode, messages, len(names), "use_profile 1\n" in text]


SCENES = (a_program, a_new_domain, a_domain_that_runs, interrupted, refusals, a_program_that_runs_away)


def main() -> None:
    """Play every scene."""
    FOLDER.mkdir(mode=0o755)
    for name in ("known", "both", "loop"):
        (FOLDER / name).write_text("x\n")
    Path(SHELL).write_bytes(Path("/bin/busybox").read_bytes())
    Path(SHELL).chmod(0o755)
    guest.activate(profile=PROFILE)
    lines = f"initialize_domain {SHELL} from any\ninitialize_domain {FOLDER}/ash from any\n"
    guest.write("exception_policy", lines.encode())
    guest.write("domain_policy", f"<kernel>\nuse_profile 0\n{POLICY}".encode())
    answers = {}
    for scene in SCENES:
        answers[scene.__name__] = scene()
        print(scene.__name__, flush=True)
        Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

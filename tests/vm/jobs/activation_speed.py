"""Times what an activation does, beside what the kernel and the C tools take for the same; see tests/bench/activation.py.

Argument: how often. `first.conf` and `second.conf` are domain policies, the second with some lines changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import tomoyo
from tests.vm import guest
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set

ROUNDS = int(sys.argv[1])
#: As tomoyo/nixos/package.nix installs the command.
PYTHON = (os.path.realpath(sys.executable), "-I", "-S")
COMMAND = f"""\
import sys
sys.path.insert(0, "{os.path.dirname(os.path.dirname(tomoyo.__file__))}")
from tomoyo.cli import main
sys.exit(main())
"""
#: All that the command loads, and no more.
START = COMMAND.partition("sys.exit")[0] + "import tomoyo.cli.commands.activate, tomoyo.activation.activation\n"
NAMES = ("domain_policy", "exception_policy", "profile", "manager", "stat")


def timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def run(*command: str, data: str | None = None) -> None:
    with open(data or os.devnull, "rb") as given:
        subprocess.run(command, stdin=given, check=True)


def clear() -> None:
    names = [line for line in guest.read("domain_policy").split(b"\n") if line.startswith(b"<kernel> /")]
    guest.write("domain_policy", b"".join(b"delete " + name + b"\n" for name in names))
    guest.settle()


def command(path: str) -> float:
    return timed(lambda: run(*PYTHON, "/run/command", "activate", path))


def main() -> None:
    """Take turns, so that what else the host does hits all alike; the best of each counts."""
    programs = ("/bin/sh", "/bin/cat", "/usr/sbin/tomoyo-loadpolicy")
    guest.activate(managers=[guest.own_program(), *(os.path.realpath(program).encode() for program in programs)])
    os.mkdir("/run/sets")
    with open("/run/command", "w", encoding="ascii") as file:
        file.write(COMMAND)
    with open("/run/start", "w", encoding="ascii") as file:
        file.write(START)
    managers = guest.read("manager").decode()
    paths = []
    for name in ("first", "second"):
        paths.append(f"/run/sets/{name}")
        profile = guest.read("profile").decode()
        exceptions = guest.read("exception_policy").decode()
        with open(f"{name}.conf", encoding="ascii") as file:
            write_policy_set(PolicySet(file.read(), exceptions, "", profile, managers), paths[-1])
    first = f"{paths[0]}/domain_policy.conf"
    command(paths[0])  # once for what is read from the disk
    clear()
    seconds: dict[str, list[float]] = {}

    def take(name: str, found: float) -> None:
        seconds.setdefault(name, []).append(found)

    for _ in range(ROUNDS):
        take("cat", timed(lambda: run("/bin/sh", "-c", f"cat {first} > {guest.FOLDER}/domain_policy")))
        clear()
        take("cold load", command(paths[0]))
        for _ in range(min(3, ROUNDS)):
            take("start Python", timed(lambda: run(*PYTHON, "-c", "pass")))
            take("start the command", timed(lambda: run(*PYTHON, "/run/start")))
            take("read the interfaces", timed(lambda: [guest.read(name) for name in NAMES]))
            take("second activation", command(paths[0]))
        take("1% changed", command(paths[1]))
        take("1% changed", command(paths[0]))
        clear()
        take("tomoyo-loadpolicy -df", timed(lambda: run("/usr/sbin/tomoyo-loadpolicy", "-df", data=first)))
        clear()
    with open("seconds.json", "w", encoding="ascii") as file:
        json.dump(seconds, file)


if __name__ == "__main__":
    main()

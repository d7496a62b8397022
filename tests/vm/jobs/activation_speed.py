"""Times what an activation does, beside what the kernel and the C tools take for the same; see tests/bench/activation.py."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable

from tests.vm import guest
from tomoyo.kernel.policy_set import PolicySet, write_policy_set

LINES = int(sys.argv[1])
PER_DOMAIN = int(sys.argv[2])
PYTHON = os.path.realpath(sys.executable)
NAMES = ("domain_policy", "exception_policy", "profile", "manager", "stat")


def text(draw: random.Random, changed: float = 0.0) -> str:
    """A learned policy: many domains that share many entries."""
    pool = [f"file read /usr/lib/x86_64-linux-gnu/package{draw.randint(0, 999)}/lib{i}.so.{i % 9}" for i in range(8000)]
    other = random.Random(1)
    domains = ["<kernel>\nuse_profile 0\n\n\n"]
    for number in range(LINES // (PER_DOMAIN + 4)):
        entries = sorted(draw.sample(pool, PER_DOMAIN))
        entries = [f"{entry}.new" if other.random() < changed else entry for entry in entries]
        domains.append(
            f"<kernel> /usr/sbin/daemon{number % 50} /usr/bin/tool{number}\nuse_profile 3\n\n" + "\n".join(entries) + "\n\n"
        )
    return "".join(domains)


def timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def run(*command: str, data: str | None = None) -> None:
    with open(data or os.devnull, "rb") as given:
        subprocess.run(command, stdin=given, check=True)


def clear() -> None:
    names = [line for line in guest.read("domain_policy").split(b"\n") if line.startswith(b"<kernel> /usr/")]
    guest.write("domain_policy", b"".join(b"delete " + name + b"\n" for name in names))
    guest.settle()


def command(path: str) -> float:
    return timed(lambda: run(PYTHON, "-S", "-m", "tomoyo", "activate", path))


def main() -> None:
    programs = ("/bin/sh", "/bin/cat", "/usr/sbin/tomoyo-loadpolicy")
    guest.activate(managers=[guest.own_program(), *(os.path.realpath(program).encode() for program in programs)])
    os.mkdir("/run/sets")
    managers = guest.read("manager").decode()
    paths = []
    for number, changed in enumerate((0.0, 0.01)):
        paths.append(f"/run/sets/{number}")
        profile = guest.read("profile").decode()
        exceptions = guest.read("exception_policy").decode()
        write_policy_set(PolicySet(text(random.Random(7), changed), exceptions, "", profile, managers), paths[-1])
    first = f"{paths[0]}/domain_policy.conf"
    seconds: dict[str, float] = {}
    seconds["cat"] = timed(lambda: run("/bin/sh", "-c", f"cat {first} > {guest.FOLDER}/domain_policy"))
    clear()
    seconds["tomoyo-loadpolicy -df"] = timed(lambda: run("/usr/sbin/tomoyo-loadpolicy", "-df", data=first))
    clear()
    seconds["start Python"] = min(timed(lambda: run(PYTHON, "-S", "-c", "pass")) for _ in range(5))
    run(PYTHON, "-S", "-m", "tomoyo", "--version")
    command(paths[0])  # once for what is read from the disk
    clear()
    seconds["cold load"] = command(paths[0])
    seconds["read the interfaces"] = min(timed(lambda: [guest.read(name) for name in NAMES]) for _ in range(3))
    seconds["second activation"] = min(command(paths[0]) for _ in range(3))
    seconds["1% changed"] = command(paths[1])
    with open("seconds.json", "w", encoding="ascii") as file:
        json.dump(seconds, file)


if __name__ == "__main__":
    main()

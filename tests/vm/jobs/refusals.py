"""Asks the kernel for what it refuses, and keeps what the library says: `answers.json`, by the name of the situation.

With the argument `missing` only what a kernel without TOMOYO says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

from tests.vm import guest
from tomoyo.kernel.securityfs import Securityfs, SecurityfsError

SECURITYFS = "/sys/kernel/security"


def refused(attempt: Callable[[], object]) -> list[object]:
    """The error's number and text; nothing where there is none."""
    try:
        attempt()
    except SecurityfsError as error:
        return [error.errno, str(error)]
    return []


def as_user(attempt: Callable[[], object]) -> list[object]:
    """The same by somebody who is not root."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(1000)
        os.setuid(1000)
        os.write(writer, json.dumps(refused(attempt)).encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        found: list[object] = json.loads(answer.read())
    os.wait()
    return found


def main() -> None:
    kernel = Securityfs()
    answers: dict[str, list[object]] = {}
    if sys.argv[1:] == ["missing"]:
        answers["no tomoyo in lsm="] = refused(kernel.profile)
    else:
        answers["nothing refused"] = refused(lambda: kernel.write_profile("9-COMMENT=before\n"))
        guest.activate()
        answers["manager"] = refused(lambda: kernel.write_profile("9-COMMENT=after\n"))
        answers["user reads"] = as_user(kernel.domain_policy)
        answers["user writes"] = as_user(lambda: kernel.write_stat("Memory used by policy: 0\n"))
        answers["user reads what all may"] = as_user(kernel.stat)
        answers["no such file"] = refused(lambda: kernel.read("nothing"))
        answers["domain"] = refused(lambda: kernel.enter_domain("<kernel> /elsewhere"))
        kernel.write_manager(f"delete {guest.own_program().decode()}\n")
        answers["no manager"] = refused(lambda: kernel.write_profile("9-COMMENT=dropped\n"))
        answers["no manager reads"] = refused(kernel.profile)
        answers["comment"] = [line for line in kernel.profile().split("\n") if line.startswith("9-")]
        # The initramfs mounted another one, which stays open somewhere: this is the one on the path.
        subprocess.run(["umount", SECURITYFS], check=True)
        answers["not mounted"] = refused(kernel.profile)
        os.mkdir("/run/other")
        subprocess.run(["mount", "-t", "securityfs", "securityfs", "/run/other"], check=True)
        answers["mounted elsewhere"] = refused(Securityfs("/run/other/tomoyo").profile)
    with suppress(FileNotFoundError), open(f"{SECURITYFS}/lsm", encoding="ascii") as modules:
        answers["modules"] = [modules.read()]
    with open("answers.json", "w", encoding="ascii") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()

"""Executes programs in every way that `script.json` says, and asks which domain the kernel put each in.

The script has "mounts" (real folder to inside folder, bound there), "links" (path to target), "copies" (path to file),
"exceptions" (exception policy), "paths" (to execute, each with itself as only argument) and "descriptors" (to open, then execute
as `/proc/self/fd/N`). `answers.json` has for each of the paths, then of the descriptors, the last word of the domain it ran in,
or the name of the error.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess

from tests.vm import guest


def domains() -> list[str]:
    """The names of all domains."""
    return [line for line in guest.read("domain_policy").decode("ascii").splitlines() if line.startswith("<")]


def executed(path: str, descriptor: int | None = None) -> str:
    """Execute what lies at PATH, and tell what the kernel called it."""
    own = guest.self_domain().decode("ascii")
    before = set(domains())
    process = os.fork()
    if process == 0:
        try:
            os.execv(path if descriptor is None else f"/proc/self/fd/{descriptor}", [path])
        except OSError as error:
            os._exit(error.errno or 1)
    _, status = os.waitpid(process, 0)
    new = [name for name in domains() if name not in before and name.startswith(f"{own} ")]
    for name in new:
        guest.write("domain_policy", f"delete {name}\n".encode("ascii"))
    # The interpreter of a script executes others, in domains below.
    words = {name.removeprefix(f"{own} ").partition(" ")[0] for name in new}
    if len(words) != 1:
        return errno.errorcode.get(os.waitstatus_to_exitcode(status), f"status {status}, domains {new}")
    return words.pop()


def prepare(script: dict[str, dict[str, str]]) -> None:
    """Make the mounts, links and copies."""
    for real, inside in script["mounts"].items():
        os.makedirs(inside, exist_ok=True)
        subprocess.run(["mount", "--bind", real, inside], check=True)
    for path, target in script["links"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(target, path)
    for path, file in script["copies"].items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(file, path)


if __name__ == "__main__":
    with open("script.json", encoding="utf-8", errors="surrogateescape") as file:
        script = json.load(file)
    prepare(script)
    guest.activate()
    guest.write("exception_policy", script["exceptions"].encode("ascii"))
    answers = [executed(path) for path in script["paths"]]
    for path in script["descriptors"]:
        opened = os.open(path, os.O_RDONLY)
        os.set_inheritable(opened, True)
        answers.append(executed(path, opened))
    with open("answers.json", "w", encoding="ascii") as result:
        json.dump(answers, result)

"""Executes chains of programs, and tells through which domains they lead.

`script.json` has "policy" (a list of [interface, text], written after activation), "programs" (paths to make: copies of the
shell), "links" (path to target) and "chains" (a list of [domain, program, program...]: the domain to start in, then what
is executed, each by the one before). `answers.json` has for each chain the domains in order, the last of them perhaps the name of
the error that the next execve gave. `domain_policy` is what the kernel holds in the end.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress

from tests.vm import guest

PROFILE = guest.PROFILES + b"".join(
    b"%d-CONFIG={ mode=disabled grant_log=no reject_log=no }\n"
    b"%d-CONFIG::file::execute={ mode=%s grant_log=no reject_log=no }\n" % (number, number, mode)
    for number, mode in ((4, b"disabled"), (5, b"learning"), (6, b"permissive"), (7, b"enforcing"))
)
#: Tells its domain, then executes its first argument to do the same with the others.
STEP = f"""\
read -r domain < {guest.FOLDER}/self_domain
echo "$domain"
[ $# = 0 ] && exit
program=$1
shift
exec "$program" {{step}} "$@"
"""
MESSAGES = {os.strerror(number): errno.errorcode[number] for number in (errno.EPERM, errno.ENOMEM, errno.ENOENT, errno.EACCES)}


def walk(domain: str, programs: list[str], step: str) -> list[str]:
    """Start in DOMAIN and execute PROGRAMS, each from the one before."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        try:
            descriptor = os.open(f"{guest.FOLDER}/self_domain", os.O_WRONLY)
            os.write(descriptor, domain.encode())
            os.execve(programs[0], [programs[0], step, *programs[1:]], {"W": "1"})
        except OSError as error:
            os.write(2, (error.strerror or "").encode())
        os._exit(1)
    os.close(writing)
    with open(reading, encoding="utf-8") as output:
        lines = output.read().splitlines()
    os.waitpid(process, 0)
    return [line if line.startswith("<") else MESSAGES.get(line.rpartition(": ")[2], line) for line in lines]


if __name__ == "__main__":
    with open("script.json", encoding="utf-8") as file:
        script = json.load(file)
    for path in script["programs"]:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with suppress(shutil.SameFileError):
            shutil.copy(os.path.realpath("/bin/sh"), path)
    for path, target in script["links"].items():
        os.symlink(target, path)
    step = script["step"]
    os.makedirs(os.path.dirname(step), exist_ok=True)
    with open(step, "w", encoding="ascii") as file:
        file.write(STEP.format(step=step))
    guest.activate(profile=PROFILE)
    for interface, text in script["policy"]:
        guest.write(interface, text.encode("ascii"))
    with open("answers.json", "w", encoding="ascii") as result:
        json.dump([walk(domain, programs, step) for domain, *programs in script["chains"]], result)
    with open("domain_policy", "wb") as held:
        held.write(guest.read("domain_policy"))

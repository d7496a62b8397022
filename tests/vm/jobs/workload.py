"""Real programs under a learned, then damaged, policy in permissive mode, with every request logged.

First the kernel learns what `learning.work` does; then what it learned is changed at random, by the seed that is the argument,
and the same is done again. `audit` holds the records of the second time, the other files are what the kernel holds then.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
from pathlib import Path

from tests.vm import guest
from tests.vm.jobs import learning
from tests.vm.layout import SHARE

PROFILE = learning.PROFILE + (
    b"2-PREFERENCE={ max_audit_log=1000000 max_learning_entry=100000 }\n"
    b"2-CONFIG={ mode=permissive grant_log=yes reject_log=yes }\n"
)
CONDITIONS = (
    *("task.uid=0", "task.uid!=0", "task.euid=0-10", "task.gid=path1.gid", "task.ppid=1-100000", "0=1"),
    *("path1.uid=0", "path1.uid=@n", "path1.type=file", "path1.type=directory", "path1.major=0", "path1.dev_minor=3"),
    *("path1.perm=owner_write", "path1.perm!=0755", "path1.perm=0600-0700", "path1.parent.perm=sticky", "path1.parent.uid=0"),
    *("path2.parent.uid=0", "path1.parent.ino=path1.ino", "exec.argc=1-2", "exec.envc=0-3", 'exec.argv[1]="\\*"'),
    *('exec.envp["HOME"]="/var/\\{\\*\\}/work"', 'exec.envp["A\\*"]=NULL', 'symlink.target="a\\?"'),
    *('exec.realpath="/usr/bin/\\*"', "exec.realpath!=@p", "grant_log=no", "grant_log=yes"),
)
GROUPS = b"""\
number_group n 0
number_group n 10-20
path_group p /usr/bin/ls
path_group p /usr/bin/\\*sh
path_group p /etc/\\*
path_group p /var/tmp/work/\\{\\*\\}/\\*
address_group a 127.0.0.1-127.0.0.2
acl_group 1 file read/getattr @p
acl_group 1 file execute /usr/bin/\\* keep
acl_group 3 misc env \\A task.uid=0
"""


def damaged(draw: random.Random, line: str) -> list[str]:
    """What is made of LINE: lost, changed in one way or another, or kept."""
    roll = draw.random()
    if not line.startswith(("file ", "network ", "misc ")):
        return [line]
    if roll < 0.25:
        return []
    if roll < 0.4:
        return [f"{line.split(' exec.')[0]} {' '.join(draw.sample(CONDITIONS, draw.randint(1, 2)))}"]
    if roll < 0.55:
        words = line.split(" ")
        place = 2 if words[0] in ("file", "misc") else 4
        words[place] = draw.choice(PATTERNS)(words[place]) if len(words) > place else ""
        return [" ".join(words)]
    if roll < 0.6:
        return [re.sub(r" (?:127\.0\.0\.\d|::1) .*", " @a 0-65535", line)]
    if roll < 0.65:
        return [re.sub(r" 0?[0-9x]+$", " @n", line)]
    return [line]


PATTERNS = (
    lambda word: re.sub(r"[^/\\]+$", r"\\*", word),
    lambda word: re.sub(r"(?<!\\)[0-9]+", r"\\$", word),
    lambda word: re.sub(r"/[^/\\]+/[^/\\]+(?=/)", r"/\\{\\*\\}", word, count=1),
    lambda word: re.sub(r"[a-z]+", r"\\A", word, count=1),
    lambda word: re.sub(r"[^/\\]+$", r"\\*\\-a\\@", word),
    lambda word: "@p",
    lambda word: re.sub(r"(?<!\\)[a-z0-9]$", r"\\?", word),
)


def damage(seed: int) -> None:
    """Write the learned policy anew, with changes; every domain becomes permissive."""
    draw = random.Random(seed)
    lines: list[str] = []
    for line in guest.read("domain_policy").decode("ascii").splitlines():
        if line.startswith("<"):
            lines += [f"delete {line}", line, "use_profile 2"]
            lines += [f"use_group {group}" for group in range(1, 4) if draw.random() < 0.5]
        elif not line.startswith("use_"):
            lines += damaged(draw, line)
    guest.write("exception_policy", GROUPS)
    guest.write("domain_policy", "".join(f"{line}\n" for line in lines if line).encode("ascii"))


if __name__ == "__main__":
    folder = Path("/var/tmp/work")
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", b"<kernel>\nuse_profile 1\n")
    learning.work(folder)
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    share = Path(SHARE) / "files"
    os.chdir(share)
    shutil.rmtree(folder)
    damage(int(sys.argv[1]))
    # Opening the log is a request, too, which must not be logged here.
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    while guest.read("audit"):
        pass
    guest.write("domain_policy", b"<kernel>\nuse_profile 2\n")
    learning.work(folder)
    os.chdir(share)
    held = guest.read("domain_policy")
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    Path("domain_policy").write_bytes(held)
    for name in ("audit", "exception_policy", "profile"):
        Path(name).write_bytes(guest.read(name))

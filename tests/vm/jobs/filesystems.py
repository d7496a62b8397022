"""Mounts each special filesystem that the kernel has, where it usually is and elsewhere, and asks for files in it.

`answers.json` has for each type that could be mounted the places; for each question the path, the operation and the names by
which the kernel asked, in the order of asking; and all that it asks where files and directories are taken for each other.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable
from contextlib import suppress

from tests.vm import guest
from tomoyo.model.filesystems import FILESYSTEMS

PROFILE = b"""\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-PREFERENCE={ max_audit_log=10000 max_learning_entry=0 }
1-CONFIG={ mode=permissive grant_log=yes reject_log=yes }
1-CONFIG::misc={ mode=disabled grant_log=no reject_log=no }
"""
DOMAIN = "<kernel> /asking"
C = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, place: str) -> bool:
    """Mount what there is of KIND; whether that worked."""
    return not C.mount(b"none", place.encode(), kind.encode(), 0, b"")


def records() -> list[list[str]]:
    """The records that wait, each as its lines."""
    found = []
    descriptor = os.open(f"{guest.FOLDER}/audit", os.O_RDONLY)
    while record := os.read(descriptor, 1 << 16):
        found.append(record.rstrip(b"\0\n").decode().split("\n"))
    os.close(descriptor)
    return found


def asked(operation: str, work: Callable[[], object]) -> list[str]:
    """The names with which the kernel asks for OPERATION, while a process does WORK."""
    words = (request.split(" ") for request in requests(work))
    return [name for keyword, each, name, *_ in words if (keyword, each) == ("file", operation)]


def requests(work: Callable[[], object]) -> list[str]:
    """What the kernel asks for while a process does WORK."""
    records()
    process = os.fork()
    if process == 0:
        guest.write("self_domain", DOMAIN.encode())
        with suppress(OSError):
            work()
        os._exit(0)
    os.waitpid(process, 0)
    return [lines[2] for lines in records() if lines[1] == DOMAIN]


def questions(place: str, new: str) -> list[tuple[str, str, list[str]]]:
    """What the kernel asks where the directory PLACE is read, a file in it looked at, and one called NEW made."""
    file = next((entry.path for entry in os.scandir(place) if entry.is_file(follow_symlinks=False)), None)
    found = [(place, "read", asked("read", lambda: os.listdir(place)))]
    created = asked("create", lambda: os.open(place + new, os.O_CREAT | os.O_WRONLY))
    found.append((place + new, "create", created))
    if file is not None:
        found.append((file, "getattr", asked("getattr", lambda: os.stat(file))))
    return found


def exchange(one: str, other: str) -> None:
    """Let two names change places."""
    C.syscall(316, -100, one.encode(), -100, other.encode(), 2)  # renameat2 with RENAME_EXCHANGE


def confusions() -> list[str]:
    """What the kernel asks for where a file is given for a directory, or the reverse, by every operation that there is."""
    os.makedirs("/run/confused")
    os.chdir("/run/confused")
    works: list[Callable[[], object]] = [
        *(lambda one=one, other=other: os.rename(one, other) for one, other in ("fd", "df", "fg")),  # type: ignore[misc]
        *(lambda one=one, other=other: os.link(one, other) for one, other in ("fd", "dx", "fy")),  # type: ignore[misc]
        lambda: [exchange("f", "d") for _ in range(2)],
    ]
    for name in ("f", "d", "g/", "new/", "new"):
        works += [
            lambda name=name: os.unlink(name),
            lambda name=name: os.rmdir(name),
            lambda name=name: os.mkdir(name),
            lambda name=name: os.truncate(name, 0),
            lambda name=name: os.execv(name, ["x"]),
            lambda name=name: os.mkfifo(name),
            lambda name=name: os.mknod(name),
            lambda name=name: os.symlink("x", name),
            lambda name=name: os.chroot(name),
            lambda name=name: os.chmod(name, 0o700),
            *(
                lambda name=name, flags=flags: os.open(name, flags)
                for flags in (0, os.O_WRONLY, os.O_RDWR, os.O_APPEND | os.O_WRONLY, os.O_CREAT, os.O_RDWR | os.O_TMPFILE)
            ),
        ]  # type: ignore[misc]
    found = []
    for work in works:
        os.makedirs("d", exist_ok=True)
        for name in "fg":
            os.close(os.open(name, os.O_CREAT | os.O_RDONLY, 0o755))
        found += requests(work)
    return found


def main() -> None:
    """Ask it all."""
    with open("/proc/filesystems", encoding="ascii") as file:
        known = {line.split()[-1] for line in file}
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", f"<kernel>\ntask manual_domain_transition {DOMAIN}\n{DOMAIN}\nuse_profile 1\n".encode())
    usual: dict[str, list[str]] = {}
    elsewhere = {}
    found = []
    for filesystem in FILESYSTEMS:
        kind = filesystem.type
        place = f"/run/elsewhere/{kind}/"
        os.makedirs(place)
        if kind not in known or not mount(kind, place):
            continue
        elsewhere[kind] = [(path.removeprefix(place), names) for path, _, names in questions(place, "new")]
        usual[kind] = [mount_ for mount_ in filesystem.mounts if os.path.isdir(mount_)]
        for each in usual[kind]:
            if os.path.ismount(each) or mount(kind, each):
                found += questions(each, "newer")
    for path in ("/proc/net/dev", "/proc/mounts", "/proc/thread-self/comm", "/proc/self/status", "/proc/self/ns/net"):
        found.append((path, "read", asked("read", lambda path=path: os.open(path, os.O_RDONLY))))  # type: ignore[misc]
    for path in ("/proc/mounts", "/proc/self/ns/net"):
        found.append((path, "getattr", asked("getattr", lambda path=path: os.lstat(path))))  # type: ignore[misc]
    with open("answers.json", "w", encoding="ascii") as result:
        json.dump({"usual": usual, "elsewhere": elsewhere, "questions": found, "confusions": confusions()}, result)


if __name__ == "__main__":
    main()

"""Makes requests one by one, each by a process of its own in one domain, and keeps what the kernel logs.

`script.json` has "domain" (where the requests are made), "policy" (a list of [interface, text], written after activation) and
"requests" (the words of each, as the last line of an audit record has them). What a request needs is made first: its
directories, and the file if the operation is on one that is there. `0`, `1` and so on hold the audit log of each, and
`errors.json` the error number of each, 0 if it succeeded, as far as Python says so.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import shutil
import socket
import stat
from contextlib import suppress

from tests.vm import guest
from tests.vm.jobs.patterns import raw

#: Every request is logged, and those that no entry grants happen all the same, so that the next question can come.
PROFILE = b"""\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
2-PREFERENCE={ max_audit_log=1000000 max_learning_entry=0 }
2-CONFIG={ mode=permissive grant_log=yes reject_log=yes }
"""
#: Operations whose last name is made by them.
MAKING = {"create", "mkdir", "mkfifo", "mksock", "mkblock", "mkchar", "symlink", "link", "rename"}
#: Filesystems whose files go by the filesystem's name, and where they are mounted here.
MOUNTED = {b"proc:/": b"/proc/", b"devpts:/": b"/dev/pts/", b"securityfs:/": b"/sys/kernel/security/"}
#: What a record of a mount has in the filesystem's place, and the flag that it means.
MOUNTS = {
    **{"--bind": 1 << 12, "--move": 1 << 13, "--remount": 1 << 5},
    **{"--make-unbindable": 1 << 17, "--make-private": 1 << 18, "--make-slave": 1 << 19, "--make-shared": 1 << 20},
}
LIBC = ctypes.CDLL(None, use_errno=True)


def place(word: str) -> bytes:
    """The path in this machine of a file that the kernel calls WORD."""
    name = raw(word)
    return next((path + name[len(prefix) :] for prefix, path in MOUNTED.items() if name.startswith(prefix)), name)


def number(word: str) -> int:
    """A number as the kernel prints it."""
    return int(word, 16) if word[:2] in ("0x", "0X") else int(word, 8 if word[0] == "0" else 10)


def prepare(request: list[str]) -> None:
    """Make what REQUEST needs."""
    keyword, operation, *arguments = request
    if keyword != "file" or operation == "mount":
        return
    names = [place(word) for word in arguments if "/" in word]
    for name in names:
        os.makedirs(os.path.dirname(name.rstrip(b"/")), exist_ok=True)
    for name in names[:-1] if operation in MAKING else names:
        if name.endswith(b"/"):
            os.makedirs(name, exist_ok=True)
        elif not os.path.lexists(name):
            shutil.copy("/bin/true", name)
    if operation == "unmount":
        LIBC.mount(b"tmpfs", names[0], b"tmpfs", 0, None)


def make(request: list[str]) -> None:
    """Make REQUEST; fails as the system call does that makes it."""
    match request:
        case ["file", operation, *words]:
            on_file(operation, words)
        case ["network", family, protocol, operation, *words]:
            on_socket(family, protocol, operation, words)
        case ["misc", "env", name]:
            os.execve("/bin/true", ["/bin/true"], {name: "1"})
        case ["task", "manual_domain_transition", *domain]:
            guest.write("self_domain", " ".join(domain).encode())
        case _:
            raise ValueError(f"no such request: {request}")


def on_file(operation: str, words: list[str]) -> None:
    """An operation of the keyword ``file``."""
    path, rest = place(words[0]), words[1:]
    match operation:
        case "execute":
            os.execve(path, [path], {})
        case "read" | "write" | "append":
            os.open(path, {"read": os.O_RDONLY, "write": os.O_WRONLY, "append": os.O_WRONLY | os.O_APPEND}[operation])
        case "unlink" | "rmdir" | "chroot":
            getattr(os, operation)(path)
        case "getattr":
            os.stat(path)
        case "truncate":
            os.truncate(path, 0)
        case "symlink":
            os.symlink(b"target", path)
        case "unmount":
            LIBC.umount2(path, 0)
        case "link" | "rename":
            getattr(os, operation)(path, place(rest[0]))
        case "pivot_root":
            LIBC.pivot_root(path, place(rest[0]))
        case "create":
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, number(rest[0]))
        case "mkdir" | "mkfifo" | "chmod":
            getattr(os, operation)(path, number(rest[0]))
        case "mksock":
            os.mknod(path, stat.S_IFSOCK | number(rest[0]))
        case "ioctl":
            fcntl.ioctl(os.open(path, os.O_RDONLY | os.O_NONBLOCK), number(rest[0]))
        case "chown":
            os.chown(path, number(rest[0]), -1)
        case "chgrp":
            os.chown(path, -1, number(rest[0]))
        case "mkblock" | "mkchar":
            kind = stat.S_IFBLK if operation == "mkblock" else stat.S_IFCHR
            os.mknod(path, kind | number(rest[0]), os.makedev(number(rest[1]), number(rest[2])))
        case "mount":
            directory, filesystem, flags = place(rest[0]), rest[1], number(rest[2])
            flags |= MOUNTS.get(filesystem, 0)
            LIBC.mount(path, directory, raw(filesystem), ctypes.c_ulong(flags), None)


def on_socket(family: str, protocol: str, operation: str, words: list[str]) -> None:
    """An operation of the keyword ``network``."""
    address: tuple[str, int] | bytes
    if family == "unix":
        address, number_of_family, number_of_protocol = raw(words[0]), socket.AF_UNIX, 0
    else:
        port = number(words[1])
        number_of_family = socket.AF_INET6 if ":" in words[0] else socket.AF_INET
        # To the kernel the port of a raw socket is its protocol.
        address, number_of_protocol = ((words[0], 0), port) if protocol == "raw" else ((words[0], port), 0)
    one = socket.socket(number_of_family, getattr(socket, f"SOCK_{protocol.upper()}"), number_of_protocol)
    one.setblocking(False)
    if operation == "send":
        one.sendto(b"x", address)
    elif operation == "listen":
        one.bind(address)
        one.listen()
    else:
        getattr(one, operation)(address)


def in_domain(domain: str, request: list[str]) -> int:
    """A process of its own makes REQUEST in DOMAIN; the error number, 0 if that succeeds."""
    pid = os.fork()
    if pid == 0:
        try:
            os.umask(0)
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            guest.write("self_domain", domain.encode())
            make(request)
        except OSError as error:
            os._exit(error.errno or 255)
        except Exception:
            os._exit(255)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    with open("script.json", encoding="ascii") as file:
        script = json.load(file)
    guest.activate(profile=PROFILE)
    for interface, text in script["policy"]:
        guest.write(interface, text.encode("latin-1"))
    errors = []
    for position, request in enumerate(script["requests"]):
        with suppress(OSError):
            prepare(request)
        guest.read("audit")
        errors.append(in_domain(script["domain"], request))
        with open(str(position), "wb") as log:
            log.write(guest.read("audit"))
    with open("errors.json", "w", encoding="ascii") as result:
        json.dump(errors, result)

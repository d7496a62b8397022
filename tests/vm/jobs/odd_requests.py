"""Does what no sensible program does, in permissive mode with everything logged: `audit` holds what the kernel asked.

Directories where files are meant and the reverse, names with dots, and every kind of socket.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.vm import guest

PROFILE = b"""\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
2-PREFERENCE={ max_audit_log=1000000 max_learning_entry=0 }
2-CONFIG={ mode=permissive grant_log=yes reject_log=yes }
"""
FOLDER = Path("/var/tmp/odd")
EXCHANGE = 2
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)
KINDS = ("STREAM", "DGRAM", "RAW", "SEQPACKET")


def attempts() -> list[Callable[[], object]]:
    """Each does one thing, or fails."""
    file, directory, new = b"/var/tmp/odd/file", b"/var/tmp/odd/dir", b"/var/tmp/odd/new"
    found: list[Callable[[], object]] = []
    for name in (
        file,
        directory,
        new,
        file + b"/",
        directory + b"/",
        new + b"/",
        b"/var/tmp/odd//dir/../file",
        b"/var/tmp/./odd/",
    ):
        found += [
            lambda name=name: os.unlink(name),
            lambda name=name: os.rmdir(name + b"x"),
            lambda name=name: os.mkdir(name, 0o1777),
            lambda name=name: os.rmdir(name),
            lambda name=name: os.close(os.open(name, os.O_RDONLY)),
            lambda name=name: os.close(os.open(name, os.O_WRONLY)),
            lambda name=name: os.close(os.open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o7777)),
            lambda name=name: os.close(os.open(name, 3)),
            lambda name=name: os.truncate(name, 0),
            lambda name=name: os.chmod(name, 0o7777),
            lambda name=name: os.chown(name, 1, -1),
            lambda name=name: os.symlink(b"target", name),
            lambda name=name: os.mkfifo(name, 0o600),
            lambda name=name: os.mknod(name, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
            lambda name=name: os.mknod(name, stat.S_IFSOCK | 0o600),
            lambda name=name: os.rename(name, new),
            lambda name=name: os.rename(file, name),
            lambda name=name: os.rename(directory, name),
            lambda name=name: os.link(name, new),
            lambda name=name: os.link(file, name),
            lambda name=name: os.link(directory, name),
            lambda name=name: LIBC.renameat2(AT_FDCWD, file, AT_FDCWD, name, EXCHANGE),
            lambda name=name: LIBC.renameat2(AT_FDCWD, directory, AT_FDCWD, name, EXCHANGE),
            lambda name=name: os.posix_spawn(name, [name], {}),
            lambda name=name: LIBC.mount(name, directory, None, 4096, None),  # MS_BIND
            lambda name=name: LIBC.umount2(name, 0),
            lambda name=name: LIBC.mount(b"tmpfs", name, b"tmpfs", 0, None),
            lambda name=name: LIBC.umount2(name, 0),
            lambda name=name: LIBC.pivot_root(name, name),
            lambda name=name: os.listxattr(name),
            lambda name=name: os.stat(name),
        ]
    return found


def sockets() -> None:
    """Bind, listen, connect and send, whatever the socket is of."""
    for family, addresses in (
        (socket.AF_INET, [("127.0.0.1", 0)]),
        (socket.AF_INET6, [("::1", 0), ("::ffff:127.0.0.1", 0)]),
        (socket.AF_UNIX, ["/var/tmp/odd/socket", b"\0abstract", "socket", "odd/../socket", "@socket"]),
    ):
        for kind in KINDS:
            protocol = socket.IPPROTO_TCP if kind == "RAW" and family != socket.AF_UNIX else 0
            for address in addresses:
                with suppress(OSError), socket.socket(family, getattr(socket, f"SOCK_{kind}"), protocol) as one:
                    one.setblocking(False)
                    use(one, address)


def use(one: socket.socket, address: Any) -> None:
    """Do with ONE all that it does not refuse."""
    for work in (
        lambda: one.bind(address),
        lambda: one.listen(1),
        lambda: one.connect(one.getsockname()),
        lambda: one.connect(address),
        lambda: one.send(b"x"),
        lambda: one.sendto(b"x", address),
    ):
        with suppress(OSError):
            work()


def begin() -> None:
    """The folder with a file and a directory in it."""
    for name in os.listdir(FOLDER):
        path = FOLDER / name
        with suppress(OSError):
            os.rmdir(path) if stat.S_ISDIR(path.lstat().st_mode) else os.unlink(path)
    with suppress(OSError):
        (FOLDER / "file").touch()
        (FOLDER / "dir").mkdir()


def in_a_child(work: Callable[[], object]) -> None:
    """What WORK does to the process itself is gone afterwards."""
    pid = os.fork()
    if pid == 0:
        with suppress(OSError):
            work()
        os._exit(0)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    share = Path.cwd()
    guest.activate(profile=PROFILE)
    FOLDER.mkdir(parents=True)
    os.chdir("/var/tmp")
    guest.write("domain_policy", b"<kernel>\nuse_profile 2\n")
    for attempt in attempts():
        begin()
        with suppress(OSError):
            attempt()
    for folder in ("/var/tmp/odd", "/var/tmp/odd/", "/proc"):
        in_a_child(lambda folder=folder: os.chroot(folder))
    sockets()
    with suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")
    os.chdir(share)
    Path("audit").write_bytes(guest.read("audit"))

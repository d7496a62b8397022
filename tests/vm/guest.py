"""The kernel's interface files, as a job sees them from inside the guest.

Beware: write() reports success whatever the line said; only reading back tells. And once TOMOYO is active, only a manager may
write, which `activate` makes the calling program.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable
from contextlib import suppress

from tests.vm.layout import TRIGGER

FOLDER = "/sys/kernel/security/tomoyo"

PROFILES = b"""\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-CONFIG={ mode=learning grant_log=no reject_log=no }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""


def read(name: str) -> bytes:
    """All that the file holds: a short read is not the end, an empty one is."""
    descriptor = os.open(f"{FOLDER}/{name}", os.O_RDONLY)
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def write(name: str, data: bytes) -> None:
    """Write `data` through one descriptor, in as few calls as the kernel takes."""
    write_pieces(name, [data])


def write_pieces(name: str, pieces: Iterable[bytes]) -> None:
    """Write each of `pieces` with a call of its own, all through one descriptor."""
    descriptor = os.open(f"{FOLDER}/{name}", os.O_WRONLY)
    try:
        for piece in pieces:
            _write(descriptor, piece)
    finally:
        os.close(descriptor)


def write_and_read(name: str, command: bytes) -> bytes:
    """Write `command`, such as b"select pid=1", and read what the same descriptor then gives."""
    descriptor = os.open(f"{FOLDER}/{name}", os.O_RDWR)
    try:
        _write(descriptor, command if command.endswith(b"\n") else command + b"\n")
        return _read(descriptor)
    finally:
        os.close(descriptor)


def pause() -> None:
    """Leave the processor, of which one who asks again at once would take half, to what is waited for."""
    time.sleep(0.005)


def settle() -> None:
    """Wait until the kernel has collected what was deleted, which it does in the background when a writer closes a file."""
    while any(_is_collector(process) for process in os.listdir("/proc") if process.isdigit()):
        pause()


def self_domain() -> bytes:
    """The domain of the calling process."""
    return read("self_domain")


def activate(*, profile: bytes = PROFILES, managers: Iterable[bytes] | None = None) -> None:
    """Execute the trigger: the kernel runs its loader, then is active.

    The kernel panics if a domain's profile is undefined by then, so `profile` is written first; pass b"" to leave that to the
    loader. `managers` are the lines of the manager file, by default the calling program; pass () to lose the right to write.
    The trigger's own domain is deleted again, where the caller may, so that it is in nobody's way.
    """
    if profile:
        write("profile", profile)
    for line in [own_program()] if managers is None else managers:
        write("manager", line + b"\n")
    _, status = os.waitpid(os.posix_spawn(TRIGGER, [TRIGGER, "-c", ":"], os.environ), 0)
    if status:
        raise OSError(f"the trigger ended with status {status}")
    with suppress(PermissionError):  # no manager
        write("domain_policy", f"delete <kernel> {TRIGGER}\n".encode())


def move(path: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Move a log that another process writes: while that one begins a new file, there is none for a moment."""
    while True:
        with suppress(FileNotFoundError):
            os.rename(path, target)
            return
        pause()


def own_program() -> bytes:
    """The calling program's name as the kernel compares it with manager entries."""
    return os.readlink(b"/proc/self/exe")


def connect_unix(name: bytes) -> bool:
    """Ask for a stream connection to the unix socket `name`, raw bytes; false if the kernel says EPERM.

    No socket needs to be there: permission comes before existence. That makes it the cheapest question about a pattern.
    """
    import socket  # here because it takes as long as everything else that most jobs import

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(name)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED):
                raise  # such as a name that is too long to be asked about
            return error.errno != errno.EPERM
        return True


def _is_collector(process: str) -> bool:
    try:
        with open(f"/proc/{process}/comm", "rb") as name:
            return name.read() == b"GC for TOMOYO\n"
    except OSError:  # it has ended meanwhile
        return False


def _read(descriptor: int) -> bytes:
    return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

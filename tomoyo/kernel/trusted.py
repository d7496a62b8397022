"""Files that nobody but root and the caller could have put where they are.

Logs and rules decide what a machine permits.  So every directory on the way to
one must belong to root or the caller, and be writable for no one else unless
it is sticky (``set_directory`` has the rule); a symbolic link is followed only
where root or the caller made it (NixOS has such links in ``/etc``).
"""

from __future__ import annotations

import errno
import os
import stat

from .set_directory import another_owner, other_writers

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MAX_LINKS = 40


class UnsafeFile(OSError):
    """A path that another user could turn elsewhere; ``strerror`` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.EPERM, reason, path)


def open_folder(path: str) -> int:
    """Open the directory PATH, and give a descriptor.

    Raises UnsafeFile where another user may decide what PATH leads to or what
    lies in it, OSError where it cannot be opened.
    """
    folder, name = _walk(os.path.join(path, "."))
    assert name == ""
    return folder


def read_file(path: str) -> bytes:
    """The contents of the regular file PATH; errors as in ``open_folder``."""
    folder, name = _walk(path)
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(folder)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnsafeFile(path, "no regular file")
        _refuse(path, another_owner(status) or other_writers(status, last=True))
        return file.read()


def _refuse(path: str, reason: str) -> None:
    if reason:
        raise UnsafeFile(path, reason)


def _walk(path: str) -> tuple[int, str]:
    """The directory that the last component of PATH lies in, open, and that component; "" where PATH ends in a dot."""
    waiting = _components(os.path.join(os.getcwd(), path))
    walked: list[str] = []
    links = 0
    descriptor = _enter("/", "/", None)
    try:
        while waiting:
            name = waiting.pop()
            if name == ".":
                continue
            shown = "/" + "/".join([*walked, name])
            target = _link(shown, name, descriptor)
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), shown)
                waiting += _components(os.path.join("/", *walked, target))
                walked = []
                below = _enter("/", "/", None)
            elif not waiting:
                return descriptor, name
            else:
                below = _enter(shown, name, descriptor)
                walked.append(name)
            os.close(descriptor)
            descriptor = below
        return descriptor, ""
    except BaseException:
        os.close(descriptor)
        raise


def _components(path: str) -> list[str]:
    """The components of the absolute PATH, the last one first; a dot at the end stays."""
    names = [name for name in reversed(os.path.normpath(path).split("/")) if name]
    return [".", *names] if path.endswith("/.") else names


def _link(path: str, name: str, folder: int) -> str | None:
    """Where the symbolic link NAME in FOLDER leads to; None where it is none or not there."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return None
    _refuse(path, another_owner(status))
    return os.readlink(name, dir_fd=folder)


def _enter(path: str, name: str, folder: int | None) -> int:
    """Open the directory NAME in FOLDER, if it can be trusted."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        error.filename = path
        raise
    try:
        status = os.fstat(descriptor)
        _refuse(path, another_owner(status) or other_writers(status, last=False))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor

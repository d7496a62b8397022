"""Files that nobody but root and the caller could have put where they are, or could lead elsewhere.

Logs and rules decide what a machine permits.  So every directory on the way to
one must belong to root or the caller, and be writable for no one else unless
it is sticky (``set_directory`` has the rule); a symbolic link is followed only
where root or the caller made it (NixOS has such links in ``/etc``).

What a command writes goes the same way: a path is walked a directory at a
time, and nothing is opened by a path that could mean something else by then.
As root all of the rule holds.  Others may write where colleagues may, as any
program does, but follow nobody else's links either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from ..model.errors import TomoyoError
from .directory import another_owner, other_writers

__all__ = ["UnsafeFile"]

# A directory on the way need not be readable, as /home of some is not.
_LOOK = getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = _LOOK | os.O_DIRECTORY
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40

_Check = Callable[[str, os.stat_result], None]


class UnsafeFile(TomoyoError, OSError):
    """A path that another user could turn elsewhere; ``strerror`` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.EPERM, reason, path)


def open_folder(path: str) -> int:
    """Open the directory PATH, and give a descriptor, which files in it can be opened by.

    Raises UnsafeFile where another user may decide what PATH leads to or what
    lies in it, OSError where it cannot be opened.
    """
    return _open_folder(path, _is_ours)


def read_file(path: str) -> bytes:
    """The contents of the regular file PATH; errors as in ``open_folder``."""
    return _read(path, _is_ours)


def make_output_folder(path: str) -> None:
    """Make the directory PATH, unless it is there; errors as in ``replace_file``."""
    try:
        os.close(_open_folder(path, _is_outputs))
    except FileNotFoundError:
        folder, name = _output_place(path.rstrip("/"))
        try:
            os.mkdir(name, dir_fd=folder)
        finally:
            os.close(folder)


def read_output(path: str) -> bytes:
    """What is in the file PATH that ``write_file`` wrote; errors as in ``replace_file``."""
    return _read(path, _is_outputs)


def check_output(path: str) -> None:
    """Raise what ``write_file`` would raise because of PATH, before there is anything to write."""
    folder, name = _output_place(path)
    try:
        _replaced(folder, name, path, must_exist=False)
    finally:
        os.close(folder)


def replace_file(path: str, data: bytes) -> None:
    """Put DATA in the place of the file PATH, all of it or nothing; keep its mode and group.

    Raises UnsafeFile where PATH is a symbolic link or no regular file, or where
    another user could turn it elsewhere; OSError, FileNotFoundError among
    them, where the system refuses.
    """
    _write(path, data, must_exist=True)


def write_file(path: str, data: bytes) -> None:
    """The same, but PATH need not exist yet: then it is made, for its owner alone to change."""
    _write(path, data, must_exist=False)


def _write(path: str, data: bytes, *, must_exist: bool) -> None:
    folder, name = _output_place(path)
    try:
        try:
            _put(folder, name, data, _replaced(folder, name, path, must_exist))
        except UnsafeFile:
            raise
        except OSError as error:
            # Of the draft nobody knows; what is said is said of the file that was named.
            raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(folder)


def _output_place(path: str) -> tuple[int, str]:
    """The open directory that PATH lies in, and its name there."""
    above, name = os.path.split(path)
    if name in ("", ".", ".."):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return _open_folder(above, _is_outputs), name


def _replaced(folder: int, name: str, path: str, must_exist: bool) -> os.stat_result | None:
    """What lies at NAME, a file that may be replaced; None where nothing does and nothing must."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if must_exist:
            raise
        return None
    if not stat.S_ISREG(status.st_mode):
        raise UnsafeFile(path, "no regular file; give the file itself")
    _refuse(path, another_owner(status) if _is_root() else "")
    return status


def _put(folder: int, name: str, data: bytes, like: os.stat_result | None) -> None:
    draft = f".tomoyo-{os.urandom(8).hex()}"
    descriptor = os.open(draft, _NEW, 0o600 if like else 0o644, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if like:
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            file.flush()
            os.fsync(descriptor)
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(draft, dir_fd=folder)
        raise


# What is trusted


def _is_root() -> bool:
    return os.geteuid() == 0


def _is_ours(path: str, status: os.stat_result) -> None:
    """Refuse a directory at PATH that others may put something into, or that is others'."""
    _refuse(path, another_owner(status) or other_writers(status, last=False))


def _is_outputs(path: str, status: os.stat_result) -> None:
    """Refuse what root must not write to."""
    if _is_root():
        _is_ours(path, status)


def _refuse(path: str, reason: str) -> None:
    if reason:
        raise UnsafeFile(path, reason)


# Walking


def _open_folder(path: str, check: _Check) -> int:
    folder, name = _walk(os.path.join(path, "."), check)
    assert name == ""
    return folder


def _read(path: str, check: _Check) -> bytes:
    folder, name = _walk(path, check)
    try:
        descriptor = os.open(name or ".", _READ, dir_fd=folder)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(folder)
    with open(descriptor, "rb", closefd=False) as file:
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnsafeFile(path, "no regular file")
            if check is _is_ours or _is_root():
                _refuse(path, another_owner(status) or other_writers(status, last=True))
            return file.read()
        finally:
            os.close(descriptor)


def _walk(path: str, check: _Check) -> tuple[int, str]:
    """The directory that the last component of PATH lies in, open, and that component; "" where PATH ends in a dot."""
    waiting = _components(os.path.join(os.getcwd(), path))
    walked: list[str] = []
    links = 0
    descriptor = _enter("/", "/", None, check)
    try:
        while waiting:
            name = waiting.pop()
            shown = "/" + "/".join([*walked, name])
            target = _link(shown, name, descriptor) if name not in (".", "..") else None
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), shown)
                waiting += _components(target)
                if not target.startswith("/"):
                    continue
                walked, name, shown = [], "/", "/"
            elif name == ".":
                continue
            elif name == "..":
                del walked[-1:]
            elif not waiting:
                return descriptor, name
            else:
                walked.append(name)
            below = _enter(shown, name, descriptor, check)
            os.close(descriptor)
            descriptor = below
        return descriptor, ""
    except BaseException:
        os.close(descriptor)
        raise


def _components(path: str) -> list[str]:
    """The components of PATH, the last one first; dots in the middle are left out."""
    names = [name for name in reversed(path.split("/")) if name]
    return [name for position, name in enumerate(names) if name != "." or position == 0]


def _link(path: str, name: str, folder: int) -> str | None:
    """Where the symbolic link NAME in FOLDER leads to; None where it is none or not there."""
    try:
        descriptor = os.open(name, _LOOK, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        error.filename = path
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISLNK(status.st_mode):
            return None
        _refuse(path, another_owner(status))
        return os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _enter(path: str, name: str, folder: int | None, check: _Check) -> int:
    """Open the directory NAME in FOLDER, if it stands the CHECK."""
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        error.filename = path
        raise
    try:
        check(path, os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor

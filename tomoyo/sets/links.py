"""Folders of one's own, and links in them that always lead to something whole."""

from __future__ import annotations

import os

from .directory import PolicySetError, open_directory

#: Where the links ``current`` and ``previous`` to the sets in use are.
STATE = "/var/lib/tomoyo"
#: Where the lock is that keeps two activations apart.
LOCKS = "/run/tomoyo"
#: Where the C tools keep policies.
SAVED = "/etc/tomoyo"


def absolute(path: str | os.PathLike[str]) -> str:
    """PATH from the root on, without ``.`` and ``..``."""
    return os.path.normpath(os.path.join(os.getcwd(), os.fspath(path)))


def make_directory(path: str | os.PathLike[str], mode: int) -> int:
    """Open the folder PATH, made with MODE if need be; what is above it must be there.

    Raises PolicySetError for one that others may write to, as ``open_directory`` does.
    """
    whole = absolute(path)
    try:
        return open_directory(whole)
    except PolicySetError:
        if os.path.lexists(whole):
            raise
    above = open_directory(os.path.dirname(whole))
    try:
        os.mkdir(os.path.basename(whole), mode, dir_fd=above)
    except FileExistsError:
        pass  # another was quicker
    finally:
        os.close(above)
    return open_directory(whole)


def read_link(directory: int, name: str) -> str | None:
    """What the link NAME in the open folder leads to; None if there is none."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:
        return None


def put_link(directory: int, name: str, target: str) -> None:
    """Let the link NAME in the open folder lead to TARGET, at once."""
    draft = f".{name}.{os.getpid()}"
    _remove(directory, draft)  # whatever one that was killed has left
    os.symlink(target, draft, dir_fd=directory)
    try:
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        _remove(directory, draft)
        raise


def put_file(directory: int, name: str, data: bytes) -> None:
    """Put DATA in the place of the file NAME in the open folder, all of it or nothing, for its owner alone."""
    draft = f".{name}.{os.getpid()}"
    _remove(directory, draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(draft, flags, 0o600, dir_fd=directory), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        _remove(directory, draft)
        raise


def _remove(directory: int, name: str) -> None:
    """Remove NAME from the open folder, if it is there: a link or a file, or a folder that holds nothing."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        os.rmdir(name, dir_fd=directory)


def advance_links(directory: int, target: str) -> None:
    """Let ``current`` lead to TARGET and ``previous`` to what ``current`` led to, if that is another."""
    before = read_link(directory, "current")
    if before == target:
        return
    if before is not None:
        put_link(directory, "previous", before)
    put_link(directory, "current", target)
    os.fsync(directory)

"""Writing a policy set: its directory appears as a whole or not at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..model.words import quoted
from .directory import FILES, MANIFEST, PolicySetError, another_owner, check_trust, open_directory, other_writers
from .policy_set import set_files, with_digests

if TYPE_CHECKING:
    from .policy_set import PolicySet

__all__ = ["write_policy_set"]

_DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_DIRECTORY
_FILE_MODES = {"boot": 0o755}


def write_policy_set(policy: PolicySet, directory: str | os.PathLike[str]) -> PolicySet:
    """Write POLICY to DIRECTORY, which appears as a whole or not at all; one that is there is replaced.

    The manifest gets its format and the digests of the files; the set as
    written is given back.  The directory above must exist.  Raises
    PolicySetError where DIRECTORY is no set that may be replaced, and for a
    text that no file can hold.

    To take the place of a directory takes two steps.  Killed between them,
    nothing is at DIRECTORY, and the old set is beside it as ``.NAME.PID.old``:
    the next call begins by putting it back.
    """
    path = os.path.normpath(os.path.join(os.getcwd(), os.fspath(directory)))
    parent = open_directory(os.path.dirname(path), holds_others=True)
    try:
        name = os.path.basename(path)
        _put_back(parent, name)
        _check_replaceable(parent, name, path)
        written = with_digests(policy)
        draft = f".{name}.{os.getpid()}"
        remove_directory(parent, draft)
        os.mkdir(draft, 0o700, dir_fd=parent)
        try:
            _fill(parent, draft, written)
            _exchange(parent, draft, name)
        finally:
            remove_directory(parent, draft)
        os.fsync(parent)
    finally:
        os.close(parent)
    return written


def _put_back(parent: int, name: str) -> None:
    """Where there is no set, put back the one that a killed run had moved aside (see ``_exchange``)."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
        return
    except FileNotFoundError:
        pass
    for aside in sorted(os.listdir(parent)):
        if aside.startswith(f".{name}.") and aside.endswith(".old"):
            status = os.stat(aside, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and not (another_owner(status) or other_writers(status, last=True)):
                os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)
                return


def _check_replaceable(parent: int, name: str, path: str) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise PolicySetError(path, "there is something that is no directory")
    check_trust(path, status, last=True)
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        foreign = sorted(set(os.listdir(descriptor)) - {*FILES.values(), MANIFEST})
    finally:
        os.close(descriptor)
    if foreign:
        raise PolicySetError(path, f"holds {quoted(foreign[0])}, which is no part of a policy set, so it is not replaced")


def _fill(parent: int, name: str, policy: PolicySet) -> None:
    import json

    directory = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        manifest = json.dumps(dict(policy.manifest), indent=2, sort_keys=True, ensure_ascii=True) + "\n"
        for file, text in {**set_files(policy), MANIFEST: manifest}.items():
            mode = _FILE_MODES.get(file, 0o644)
            descriptor = os.open(
                file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=directory
            )
            with open(descriptor, "wb") as opened:
                os.fchmod(descriptor, mode)
                opened.write(text.encode("latin-1"))
                opened.flush()
                os.fsync(descriptor)
        os.fchmod(directory, 0o755)
        os.fsync(directory)
    finally:
        os.close(directory)


def _exchange(parent: int, draft: str, name: str) -> None:
    """Put DRAFT in the place of NAME.  A directory cannot be renamed over a full one, so that one goes first.

    The kernel could exchange the two (renameat2), but Python has no such call.
    """
    aside = f"{draft}.old"
    remove_directory(parent, aside)
    try:
        os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=parent)
    except FileNotFoundError:
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        return
    try:
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)
        raise
    remove_directory(parent, aside)


def remove_directory(parent: int, name: str) -> None:
    """Remove NAME below the open directory PARENT, if it is there: a directory with the files in it, or whatever else it is."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=parent)
        return
    try:
        for file in os.listdir(directory):
            os.unlink(file, dir_fd=directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)

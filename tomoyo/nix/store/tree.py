"""A directory taken for ``/``, and symlinks followed within it as the kernel would.

Tests, image builders and containers look at a system that is not mounted at
``/``.  Paths that go in and out here are *inside* paths, ``/nix/store/...``
or ``/run/current-system``, whatever directory stands for the root; an
absolute symlink leads to that root again and ``..`` never leaves it, as after
chroot(2).  `os.path.realpath` knows neither.

Paths are `str` as `os.fsdecode` makes them.  A `Tree` remembers every
directory that it resolved: make a new one to see later changes.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from ...model.errors import TomoyoError
from ...model.words import quoted
from ...sets.directory import another_owner, other_writers
from .paths import STORE_DIRECTORY

__all__ = ["LinkError", "Resolved", "Tree"]

#: How many symlinks one look-up may follow (MAXSYMLINKS, linux/namei.h).
MAX_SYMLINKS = 40


class LinkError(TomoyoError, ValueError):
    """A path leads nowhere.

    Attributes:
        path: what was looked up, as an inside path.
        reason: why, in words.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{quoted(path)}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path leads.

    Attributes:
        path: the inside path without any symlink.
        links: how many symlinks were followed.
        passed: what was passed, symlinks and directories: whoever can change one
            of these can lead the path elsewhere.  Of the store only its entries,
            ``/nix/store/HASH-NAME``, which nobody changes within.
    """

    path: str
    links: int = 0
    passed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """A file system tree whose root is some directory.

    Attributes:
        root: the real directory that stands for ``/``.
        store_directory: inside path of the store, which only Nix changes.
    """

    root: str = "/"
    store_directory: str = STORE_DIRECTORY
    _directories: dict[str, Resolved | LinkError] = field(default_factory=dict, repr=False, compare=False)

    def outside(self, path: str) -> str:
        """The real path of the inside path PATH, to be opened or listed.

        Its parents must be resolved already; its last component must not
        be followed by whoever opens it.
        """
        return path if self.root == "/" else self.root.rstrip("/") + path

    def distrust(self, path: str) -> str:
        """Why others could put something else in the place of PATH, or into it; empty where root and the tree's owner alone can.

        Arguments:
            path: a resolved inside path outside the store, itself alone: what is
                above it is another question.

        A sticky bit excuses nothing: whoever cleans up such a directory makes
        room for others.  Of a tree that is not mounted at ``/``, a developer's
        checkout say, whoever owns its root decides what is in it, and so does
        a group that may write to its root.
        """
        try:
            status, root = self.status(path), os.stat(self.root)
        except LinkError as error:
            return error.reason
        if status is None:
            return ""
        if another_owner(status, root.st_uid):
            return f"it belongs to user {status.st_uid}"
        mode = status.st_mode
        same_group = self.root != "/" and root.st_mode & stat.S_IWGRP and status.st_gid == root.st_gid
        if stat.S_ISLNK(mode) or not other_writers(status, last=True) or (same_group and not mode & stat.S_IWOTH):
            return ""
        return "more than its owner may write to it"

    def status(self, path: str) -> os.stat_result | None:
        """What lies at the resolved inside path PATH itself; None for nothing.

        Raises `LinkError` where the system does not say.
        """
        try:
            return os.lstat(self.outside(path))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return None
            raise LinkError(path, error.strerror or str(error)) from None
        except ValueError:  # a NUL byte
            return None

    def target(self, here: str, path: str | None = None) -> str | None:
        """What the symlink HERE says; None for anything else that exists.

        Arguments:
            here: an inside path whose parents are resolved.
            path: what was being looked up, for the error.

        Raises `LinkError` if nothing is there.
        """
        try:
            return os.readlink(self.outside(here))
        except OSError as error:
            if error.errno == errno.EINVAL:
                return None
            if error.errno == errno.ENOENT:
                raise LinkError(path or here, f"{quoted(here)} does not exist") from None
            raise LinkError(path or here, f"{quoted(here)}: {error.strerror}") from None
        except ValueError:  # a NUL byte
            raise LinkError(path or here, f"{quoted(here)} is no file name") from None

    def directory(self, path: str) -> Resolved:
        """Follow the absolute PATH, which must lead to a directory.

        Raises `LinkError`.
        """
        known = self._directories.get(path)
        if known is None:
            try:
                known = self.follow(path)
                status = self.status(known.path)
                if status is None or not stat.S_ISDIR(status.st_mode):
                    raise LinkError(path, "not a directory")
            except LinkError as error:
                known = error
            self._directories[path] = known
        if isinstance(known, LinkError):
            raise LinkError(known.path, known.reason)
        return known

    def entry(self, path: str, base: str = "/") -> Resolved:
        """Follow the parents of PATH, not its last component: the name that execve(2) shows a security module.

        Arguments:
            base: the resolved directory that a relative PATH starts from.

        Raises `LinkError`; nothing needs to lie at the result.
        """
        parent, _, name = path.rpartition("/")
        if name in ("", ".", ".."):
            return self.directory(path if path.startswith("/") else f"{base}/{path}")
        if path.startswith("/"):
            directory = self.directory(parent or "/")
        elif parent:
            directory = self.directory(f"{base}/{parent}")
        else:
            directory = Resolved(base)
        return Resolved(_join(directory.path, name), directory.links, directory.passed)

    def follow(self, path: str) -> Resolved:
        """Follow PATH, absolute, to where nothing is left to follow.

        Raises `LinkError` for a loop, a missing file and a file taken as
        directory.
        """
        if not path.startswith("/"):
            raise LinkError(path, "not an absolute path")
        store = self.store_directory + "/"
        todo = path.split("/")[::-1]
        here = ""
        links = 0
        passed: list[str] = []
        while todo:
            name = todo.pop()
            if name in ("", "."):
                # A slash or dot after the last name asks for a directory.
                if not todo and here:
                    self._demand_directory(here, path)
                continue
            if name == "..":
                self._demand_directory(here, path)
                here = here.rpartition("/")[0]
                continue
            here = f"{here}/{name}"
            if here.rindex("/") < len(store) if here.startswith(store) else not store.startswith(here + "/"):
                passed.append(here)
            target = self.target(here, path)
            if target is None:
                continue
            links += 1
            if links > MAX_SYMLINKS:
                raise LinkError(path, "too many symlinks, or a loop of them")
            here = "" if target.startswith("/") else here.rpartition("/")[0]
            todo.extend(target.split("/")[::-1])
        return Resolved(here or "/", links, tuple(passed))

    def _demand_directory(self, here: str, path: str) -> None:
        status = self.status(here or "/")
        if status is None or not stat.S_ISDIR(status.st_mode):
            raise LinkError(path, f"{quoted(here)} is not a directory")


def _join(directory: str, name: str) -> str:
    return f"/{name}" if directory == "/" else f"{directory}/{name}"

"""Contents: what lies in the store paths of a closure, from one walk through them.

A closure has hundreds of thousands of files, so the walk takes from each
directory what it says itself, names and types, and asks the file system only
for the text of symlinks.  Whether a file can be executed, and what its head
says, is looked up when somebody wants to know.

File names are arbitrary bytes, as `os.fsdecode` makes them `str`.  A place in
a store path is its `StoreFile.file`, ``/bin/nginx``; the store path's own is
empty.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import Enum

from ...model.words import encode
from .executables import OTHER, Executable, read_executable
from .paths import StoreFile, StorePath
from .tree import LinkError, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Contents", "Node", "NodeType", "Report", "read_contents"]

_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class NodeType(Enum):
    """What lies at a place, if it is no symlink."""

    FILE = "regular file"
    DIRECTORY = "directory"
    OTHER = "neither file nor directory"


#: A symlink is its text.
Node = NodeType | str


@dataclass(frozen=True, slots=True, order=True)
class Report:
    """Something that was left out.

    Attributes:
        place: the path at fault.
        reason: why, in words.
        unsafe: whether it would be bound, if no other user could make it mean
            something else.
    """

    place: str
    reason: str
    unsafe: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in some store paths of a tree; made by `read_contents`.

    Attributes:
        tree: where they were looked at.
        nodes: by store path, then by place.  One that does not exist has none.
        reports: what could not be looked at, sorted.
    """

    tree: Tree
    nodes: dict[StorePath, dict[str, Node]]
    reports: tuple[Report, ...] = ()
    _entries: dict[str, StorePath] = field(init=False, repr=False, compare=False)
    _executables: dict[StoreFile, Executable | Report | None] = field(default_factory=dict, repr=False, compare=False)
    _words: dict[StorePath, tuple[list[str], list[str]]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_entries", {f"{path.hash}-{path.name}": path for path in self.nodes})

    def node(self, file: StoreFile) -> Node | None:
        """What lies at FILE; None for nothing, or in a store path that was not looked at."""
        return self.nodes.get(file.store_path, {}).get(file.file)

    def store_path(self, entry: str) -> StorePath | None:
        """The store path called ENTRY, ``HASH-NAME``, if it was looked at."""
        return self._entries.get(entry)

    def store_file(self, location: str) -> StoreFile | None:
        """The inside path LOCATION as a file of one of the store paths, whether or not it exists; None elsewhere."""
        store = self.tree.store_directory
        if not location.startswith(store + "/"):
            return None
        entry, slash, file = location[len(store) + 1 :].partition("/")
        path = self._entries.get(entry)
        return StoreFile(path, slash + file) if path else None

    def files(self) -> Iterator[StoreFile]:
        """Every regular file."""
        for path, nodes in self.nodes.items():
            for file, node in nodes.items():
                if node is NodeType.FILE:
                    yield StoreFile(path, file)

    def links(self) -> Iterator[StoreFile]:
        """Every symlink."""
        for path, nodes in self.nodes.items():
            for file, node in nodes.items():
                if isinstance(node, str):
                    yield StoreFile(path, file)

    def executable(self, file: StoreFile) -> Executable | None:
        """What the regular FILE is when it is executed; None for one without an x bit, or no regular file.

        A file that cannot be looked into is `OTHER`; see `unread`.
        """
        found = self._look(file)
        return OTHER if isinstance(found, Report) else found

    @property
    def unread(self) -> tuple[Report, ...]:
        """Files that `executable` could not look into so far, sorted."""
        return tuple(sorted(found for found in self._executables.values() if isinstance(found, Report)))

    def words(self, path: StorePath, head: str) -> list[tuple[str, str]]:
        """Places in PATH as words that begin with HEAD, sorted, and each as its `StoreFile.file`.

        A directory's word ends in ``/``, as the kernel names it.
        """
        known = self._words.get(path)
        if known is None:
            pairs = sorted(
                (encode(os.fsencode(file)) + "/" * (node is NodeType.DIRECTORY), file)
                for file, node in self.nodes.get(path, {}).items()
            )
            known = self._words[path] = [word for word, _ in pairs], [file for _, file in pairs]
        words, files = known
        start = bisect_left(words, head)
        end = start
        while end < len(words) and words[end].startswith(head):
            end += 1
        return list(zip(words[start:end], files[start:end]))

    def _look(self, file: StoreFile) -> Executable | Report | None:
        if file in self._executables:
            return self._executables[file]
        found: Executable | Report | None = None
        if self.node(file) is NodeType.FILE:
            location = self.tree.outside(str(file))
            try:
                if os.lstat(location).st_mode & _EXECUTABLE:
                    found = read_executable(location)
            except OSError as error:
                found = Report(str(file), f"not looked into: {error.strerror or error}")
        self._executables[file] = found
        return found


def read_contents(paths: Iterable[StorePath], tree: Tree) -> Contents:
    """Look at everything in PATHS, all of TREE's store directory.

    Takes time linear in the number of files.  Raises nothing for whatever
    lies there: see `Contents.reports`.
    """
    nodes: dict[StorePath, dict[str, Node]] = {}
    reports: list[Report] = []
    for path in paths:
        nodes[path] = {}
        try:
            status = tree.status(str(path))
            if status is None:
                raise LinkError(str(path), "does not exist")
            if stat.S_ISLNK(status.st_mode):
                nodes[path][""] = os.readlink(tree.outside(str(path)))
            elif stat.S_ISREG(status.st_mode):
                nodes[path][""] = NodeType.FILE
            elif stat.S_ISDIR(status.st_mode):
                nodes[path][""] = NodeType.DIRECTORY
                _read_directory(tree.outside(str(path)), nodes[path], str(path), reports)
            else:
                nodes[path][""] = NodeType.OTHER
        except LinkError as error:
            reports.append(Report(str(path), error.reason))
        except OSError as error:
            reports.append(Report(str(path), error.strerror or str(error)))
    return Contents(tree, nodes, tuple(sorted(reports)))


def _read_directory(top: str, nodes: dict[str, Node], inside: str, reports: list[Report]) -> None:
    directories = [""]
    while directories:
        directory = directories.pop()
        try:
            with os.scandir(top + directory) as entries:
                for entry in entries:
                    place = f"{directory}/{entry.name}"
                    try:
                        node = nodes[place] = _node(entry)
                    except OSError as error:
                        reports.append(Report(inside + place, error.strerror or str(error)))
                    else:
                        if node is NodeType.DIRECTORY:
                            directories.append(place)
        except OSError as error:
            reports.append(Report(inside + directory, error.strerror or str(error)))


def _node(entry: os.DirEntry[str]) -> Node:
    # The type comes from the directory, without a system call for each file.
    if entry.is_file(follow_symlinks=False):
        return NodeType.FILE
    if entry.is_dir(follow_symlinks=False):
        return NodeType.DIRECTORY
    return os.readlink(entry.path) if entry.is_symlink() else NodeType.OTHER

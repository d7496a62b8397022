"""Stores made by hand, for what no honest builder would make: loops, hostile names, strangers' packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tomoyo.nix.names.names import NameTable
from tomoyo.nix.store.closure import Closure, Member
from tomoyo.nix.store.contents import Contents, read_contents
from tomoyo.nix.store.paths import StorePath
from tomoyo.nix.store.tree import Tree

PROGRAM = b"\x7fELF\2\1\1" + bytes(9) + b"\2\0" + bytes(6) + b"\1" + bytes(40)
LIBRARY = b"\x7fELF\2\1\1" + bytes(9) + b"\3\0" + bytes(46)


@dataclass(frozen=True)
class Link:
    """A symlink."""

    target: str


@dataclass(frozen=True)
class Program:
    """A file with an x bit."""

    head: bytes = PROGRAM


#: A plain file is its text; None is a directory.
Content = Link | Program | str | None


class ToyStore:
    """A file system below a folder; store paths get hashes `aaa...`, `bbb...` in the order in which they are added."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths: list[StorePath] = []

    def path(self, name: str) -> StorePath:
        """The hash for the next store path, without anything there."""
        self.paths.append(StorePath("abcdfghijklmnpqrsvwxyz"[len(self.paths)] * 32, name))
        return self.paths[-1]

    def add(self, name: str, contents: Mapping[str, Content] | Content) -> StorePath:
        """Make a store path, from places such as `bin/x`; or one that is a single file."""
        path = self.path(name)
        self.fill(path, contents)
        return path

    def fill(self, path: StorePath, contents: Mapping[str, Content] | Content) -> None:
        """Make what PATH holds."""
        if isinstance(contents, Mapping):
            self.make(str(path), None)
            for place, content in contents.items():
                self.make(f"{path}/{place}", content)
        else:
            self.make(str(path), contents)

    def make(self, path: str, content: Content) -> None:
        """Make one thing at the inside path PATH, with its parents."""
        place = os.fsencode(self.root) + os.fsencode(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if content is None:
            os.makedirs(place, exist_ok=True)
        elif isinstance(content, Link):
            os.symlink(os.fsencode(content.target), place)
        else:
            with open(place, "wb") as file:
                file.write(content.head if isinstance(content, Program) else content.encode())
            os.chmod(place, 0o555 if isinstance(content, Program) else 0o444)

    @property
    def tree(self) -> Tree:
        """A tree that remembers nothing from before."""
        return Tree(str(self.root))

    @property
    def closure(self) -> Closure:
        """All that was added so far."""
        return Closure(tuple(Member(path) for path in self.paths))

    @property
    def names(self) -> NameTable:
        return NameTable(self.closure)

    @property
    def contents(self) -> Contents:
        return read_contents(self.paths, self.tree)

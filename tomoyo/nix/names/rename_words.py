"""Learned words: what stands in a named policy for each word that a kernel learned.

A kernel writes store paths in three ways.  What is executed becomes a name,
``nix:/nginx/bin/nginx``; any other path becomes a group, ``@nix:/nginx/...``; and in
argv and envp, which are text that some program chose, no group can stand, so
that the part which changes becomes a pattern.

`NamedWords` keeps the meaning.  A name is chosen so that it stands for the one
store file that was learned, with the version if need be.  Executed names have
a rule of their own: the kernel knows one for each program, so those that the
policy has already decide.

`UnsafeWords` writes hash patterns, which mean packages of strangers as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Protocol

from ...decision.matching import compile_pattern
from ...model.diagnostics import Diagnostic, Severity
from ...model.words import NAMES, GroupReference, Word, constant_length, decode, word_fault
from ..store.contents import Contents, NodeType
from ..store.paths import HASH_ALPHABET, HASH_LENGTH, StoreFile, StorePath, parse_drv_name
from .names import WRAPPERS, Name, NameTable, encode_file, is_name, parse_name
from .program_paths import DESCRIPTOR_PROGRAMS, WRAPPER_DIRECTORY, Executed, find_executed, find_program_paths

__all__ = ["Change"]

_WRAPPER = re.compile(re.escape(WRAPPER_DIRECTORY) + r"/wrappers\.(?:[A-Za-z0-9]{10}|\\\*)/([^/]+)")
_DESCRIPTOR = re.compile(r"proc:/self/fd/(?:[0-9]+|\\\$)")


class Change(Enum):
    """What `name` tells about; the value is the code of the diagnostic."""

    OUTSIDE = "outside-closure"
    """A store path outside the closure."""
    KEPT = "kept-store-path"
    """A store path that no name can stand for."""
    AMBIGUOUS = "ambiguous-name"
    """A name that stands for more than was learned."""
    LOOSENED = "loosened-condition"
    """A condition that holds more often than before."""
    UNREACHED = "unreached-program"
    """A pattern that no longer sees some programs."""
    UNBOUND = "old-binding"
    """An old binding, which is left out."""
    MERGED = "merged-domains"
    """Domains that became one."""
    UNSAFE = "unsafe-pattern"
    """A pattern that strangers can match."""

    def finding(self, text: str, reason: str) -> Diagnostic:
        """What became of TEXT, a word, test or domain of the learned policy, and why."""
        severity = Severity.NOTE if self in (Change.MERGED, Change.UNBOUND) else Severity.WARNING
        return Diagnostic(severity, self.value, f"{text}: {reason}", subject=text)


class Words(Protocol):
    """How words are written in the result; findings are told once each."""

    findings: dict[Diagnostic, None]

    def executed(self, word: str) -> str:
        """What stands for WORD where a program is executed, or names a domain."""

    def reference(self, word: str) -> Word | GroupReference:
        """What stands for WORD where the kernel compares real paths."""

    def target(self, word: str) -> Word | GroupReference:
        """What stands for WORD where the kernel compares the text of a new symlink."""

    def text(self, value: str) -> str | None:
        """What stands for VALUE of argv or envp, which may hold store paths; None where no pattern can."""


@dataclass(slots=True)
class NamedWords:
    """Names, which mean what the words meant.

    Attributes:
        names: the trusted closure.
        contents: what lies in it.
        programs: each executed word that is a way into a program, with that program.
        keys: for store paths with a program that the policy executes under a
            name already, that name's key.
    """

    names: NameTable
    contents: Contents
    programs: Mapping[str, StoreFile]
    keys: dict[StorePath, str]
    findings: dict[Diagnostic, None] = field(default_factory=dict)
    _executed: dict[str, str] = field(default_factory=dict)
    _references: dict[str, Word | GroupReference] = field(default_factory=dict)
    _places: dict[tuple[StorePath, str], bool] = field(default_factory=dict)
    _texts: StoreTexts = field(init=False)

    def __post_init__(self) -> None:
        self._texts = StoreTexts(self.names)

    @classmethod
    def learned(
        cls, names: NameTable, contents: Contents, executed: Iterable[str], links: Mapping[str, str] | None = None
    ) -> NamedWords:
        """For a policy in which the words EXECUTED are executed.

        Arguments:
            links: as for `find_program_paths`.
        """
        words = list(dict.fromkeys(executed))
        keys: dict[StorePath, str] = {}
        for word in words:
            if is_name(word):
                name = parse_name(word)
                for path in names.resolve(name):
                    keys.setdefault(path, name.key)
        found = {word: _executed(word, contents, links) for word in words if not is_name(word)}
        sought = {each.path.program for each in found.values() if each and not each.refused}
        program_paths = find_program_paths(contents, programs=sought, links=links)
        entrances = {encode_file(path.executed): path.program for path in program_paths.paths}
        programs = {word: entrances[word] for word in words if word in entrances}
        executors = _executors(contents)
        if len(executors) == 1:
            programs |= {word: executors[0] for word in words if _DESCRIPTOR.fullmatch(word)}
        made = cls(names, contents, programs, keys)
        for word, each in found.items():
            if each and each.refused:
                made.tell(Change.KEPT, word, f"kept: it {each.refused}")
        # A pattern of names gives its key to every program that it matches.
        for word in words:
            if word not in programs and Word(word).is_pattern and names.split_word(word):
                made.executed(word)
        made._tell_unreached(words, entrances)
        return made

    def executed(self, word: str) -> str:
        """As in `Words`."""
        found = self._executed.get(word)
        if found is None:
            found = self._executed[word] = self._name_executed(word)
        return found

    def _name_executed(self, word: str) -> str:
        if is_name(word):
            return word
        program = self.programs.get(word)
        if program is not None:
            return self._exact(word, self.names.names(program), program.store_path)
        wrapper = _wrapper_name(word)
        if wrapper:
            return wrapper
        path, _ = self.names.split_word(word) or (None, "")
        if path is None:
            self._tell_outside(word)
        elif Word(word).is_pattern:
            best = self.names.name_of_word(word)
            if best and self._holds(path, best):
                name = self._exact(word, self.names.names_of_word(word), path)
                self.keys.setdefault(path, parse_name(name).key)
                return name
            self.tell(Change.KEPT, word, "kept: nothing in the closure matches it")
        else:
            self.tell(Change.KEPT, word, "kept: it is no program of the closure")
        return word

    def reference(self, word: str) -> Word | GroupReference:
        """As in `Words`."""
        found = self._references.get(word)
        if found is None:
            found = self._references[word] = self._refer(word)
        return found

    def _refer(self, word: str) -> Word | GroupReference:
        path, _ = self.names.split_word(word) or (None, "")
        if path is None:
            wrapper = _wrapper_name(word)
            if wrapper:
                return GroupReference(wrapper)
            self._tell_outside(word)
            return Word(word)
        names = self.names.names_of_word(word)
        best = next(names, None)
        if best is None or not self._holds(path, best):
            self.tell(Change.KEPT, word, "kept: nothing in the closure is called so")
            return Word(word)
        return GroupReference(self._exact(word, chain((best,), names), None))

    def target(self, word: str) -> Word | GroupReference:
        """As in `Words`: as a reference, but that directories have no slash there."""
        path, file = self.names.split_word(word) or (None, "")
        if path and constant_length(file) == len(file):
            place = os.fsdecode(decode(file)) if file else ""
            if self.contents.node(StoreFile(path, place)) is NodeType.DIRECTORY:
                found = self.reference(f"{word}/")
                return GroupReference(found.name[:-1]) if isinstance(found, GroupReference) else Word(word)
        return self.reference(word)

    def text(self, value: str) -> str | None:
        """As in `Words`."""
        for outside in self._texts.outside(value):
            self._tell_outside(outside)
        return self._texts.generalised(value)

    def tell(self, change: Change, text: str, reason: str) -> None:
        """Note something, once."""
        self.findings[change.finding(text, reason)] = None

    def _exact(self, word: str, names: Iterable[Name], executed: StorePath | None) -> str:
        """The best of NAMES, which stand for WORD: one that means nothing else, if there is one.

        Arguments:
            executed: the store path of what is executed, whose key may be decided.
        """
        decided = self.keys.get(executed) if executed else None
        name = None
        for name in names:
            if decided in (None, name.key) and len(self._held(name)) < 2:
                return str(name)
            if name.key == decided:
                break
        assert name is not None
        others = ", ".join(f"{path}{name.file}" for path in self._held(name))
        self.tell(Change.AMBIGUOUS, word, f"{name} stands for all of {others}: all of them are granted")
        return str(name)

    def _held(self, name: Name) -> list[StorePath]:
        """The store paths that hold what NAME stands for; the one that there is, whether or not it does."""
        paths = self.names.resolve(name)
        return [path for path in paths if self._holds(path, name)] if len(paths) > 1 else list(paths)

    def _holds(self, path: StorePath, name: Name) -> bool:
        key = path, name.file
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = _holds(self.contents, path, name)
        return found

    def _tell_outside(self, word: str) -> None:
        if self._texts.outside(word):
            self.tell(Change.OUTSIDE, word, "kept: outside the closure, where anyone may have built it")

    def _tell_unreached(self, words: list[str], entrances: Mapping[str, StoreFile]) -> None:
        """Tell of executed patterns that see programs by paths which get names."""
        for word in words:
            if is_name(word) or not Word(word).is_pattern or word in self.programs or _wrapper_name(word):
                continue
            path, _ = self.names.split_word(word) or (None, "")
            pattern = compile_pattern(word)
            missed = [way for way, program in entrances.items() if program.store_path != path and pattern.matches(way)]
            if missed:
                more = f" and {len(missed) - 1} more" if len(missed) > 1 else ""
                reason = f"no longer matches {missed[0]}{more}, which now has a name: name these programs as well"
                self.tell(Change.UNREACHED, word, reason)


@dataclass(slots=True)
class UnsafeWords:
    """Hash patterns, ``/nix/store/\\\\*-nginx-\\\\*/bin/nginx``: whatever is called nginx, whoever built it."""

    names: NameTable
    findings: dict[Diagnostic, None] = field(default_factory=dict)
    _texts: StoreTexts = field(init=False)

    def __post_init__(self) -> None:
        self._texts = StoreTexts(self.names)

    def executed(self, word: str) -> str:
        """As in `Words`."""
        split = self.names.split_word(word)
        if split is None:
            for outside in self._texts.outside(word):
                self.findings[Change.OUTSIDE.finding(word, f"kept: {outside} is outside the closure")] = None
            return word
        pattern = path_pattern(split[0], self.names) + split[1]
        if word_fault(pattern):
            self.findings[Change.KEPT.finding(word, "kept: a pattern would have too many escapes")] = None
            return word
        self.findings[Change.UNSAFE.finding(word, f"{pattern} also matches what anyone may put into the store")] = None
        return pattern

    def reference(self, word: str) -> Word | GroupReference:
        """As in `Words`."""
        return Word(self.executed(word))

    def target(self, word: str) -> Word | GroupReference:
        """As in `Words`."""
        return self.reference(word)

    def text(self, value: str) -> str | None:
        """As in `Words`."""
        return self._texts.generalised(value)


class StoreTexts:
    """Store paths within longer text."""

    def __init__(self, names: NameTable) -> None:
        self._names = names
        self._paths = {encode_file(str(path)): path for path in names.paths}
        self._found = re.compile(re.escape(names.directory) + f"/[{HASH_ALPHABET}]{{{HASH_LENGTH}}}-[A-Za-z0-9+\\-._?=]+")

    def outside(self, text: str) -> list[str]:
        """The store paths in TEXT that lie outside the closure."""
        return [found[0] for found in self._found.finditer(text) if self._path(found[0]) is None]

    def generalised(self, text: str) -> str | None:
        """TEXT with a pattern in the place of whatever changes in a store path.

        As narrow as the kernel takes: name and version's dash stay if they
        can.  None where there are too many for a word.
        """
        for pattern in (self._pattern, self._bare):
            written = self._found.sub(pattern, text)
            if not written or word_fault(written) is None:
                return written
        return None

    def _path(self, text: str) -> tuple[StorePath, str] | None:
        """The store path that TEXT is, and what stands behind it: the end of a sentence, perhaps."""
        end = len(text)
        while text[:end] not in self._paths and text[end - 1] in ".?=":
            end -= 1
        path = self._paths.get(text[:end])
        return (path, text[end:]) if path else None

    def _pattern(self, found: re.Match[str]) -> str:
        path, rest = self._path(found[0]) or (None, "")
        return path_pattern(path, self._names) + rest if path else found[0]

    def _bare(self, found: re.Match[str]) -> str:
        path, rest = self._path(found[0]) or (None, "")
        return f"{self._names.directory}/\\*{rest}" if path else found[0]


def path_pattern(path: StorePath, names: NameTable) -> str:
    """A pattern for the store path PATH in every generation: hash and version are left open."""
    package = names.closure.package(path) if path in names.closure else None
    name, version = (package.name, package.version) if package else parse_drv_name(path.name)
    output = f"-{package.output}" if package and package.output != "out" else ""
    return f"{encode_file(path.directory)}/\\*-{name}" + ("-\\*" if version else "") + output


def _executed(word: str, contents: Contents, links: Mapping[str, str] | None) -> Executed | None:
    if not word.startswith("/") or constant_length(word) < len(word):
        return None
    return find_executed(contents, os.fsdecode(decode(word)), links)


def _executors(contents: Contents) -> list[StoreFile]:
    """Programs that may be executed through a descriptor."""
    files = [StoreFile(path, file) for path in contents.nodes for file in DESCRIPTOR_PROGRAMS]
    return [file for file in files if contents.executable(file)]


def _wrapper_name(word: str) -> str | None:
    wrapper = _WRAPPER.fullmatch(word)
    return f"{NAMES}{WRAPPERS}/{wrapper[1]}" if wrapper else None


def _holds(contents: Contents, path: StorePath, name: Name) -> bool:
    """Whether anything in PATH is what NAME stands for, as `bind` sees it."""
    if name.is_pattern:
        pattern = compile_pattern(name.file)
        return any(pattern.matches(word) for word, _ in contents.words(path, name.file[: constant_length(name.file)]))
    file = name.file_name
    node = contents.node(StoreFile(path, file.removesuffix("/")))
    return node is not None and (node is NodeType.DIRECTORY) is file.endswith("/")

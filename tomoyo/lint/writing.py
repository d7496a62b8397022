"""Lint: what may be changed by one and is executed, or believed, by another.

Told of only where a name is found that both entries match.  Of patterns one
example is tried, so some meetings of two patterns are not found out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..decision.containment import NameIndex, example
from ..model.diagnostics import Diagnostic
from ..model.entries import Argument, Entry, Kind
from ..model.words import NAMES, GroupReference, Word
from ..syntax.policy_text import Located
from .context import EntryList, LintContext, Remark

#: Operations that put something else into a file, or into its place.
PUTS: dict[Kind, tuple[frozenset[str], frozenset[str]]] = {
    Kind.PATH: (frozenset({"write", "append", "symlink"}), frozenset()),
    Kind.TWO_PATHS: (frozenset(), frozenset({"link", "rename"})),
    Kind.PATH_NUMBER: (frozenset({"create"}), frozenset()),
    Kind.MOUNT: (frozenset(), frozenset({"mount"})),
}
#: Operations that change a file or folder in the store in any way.
_CHANGES = {
    Kind.PATH: (frozenset({"write", "append", "unlink", "rmdir", "truncate", "symlink"}), frozenset()),
    Kind.TWO_PATHS: (frozenset({"rename"}), frozenset({"link", "rename"})),
    Kind.PATH_NUMBER: (frozenset({"create", "mkdir", "mkfifo", "mksock", "chmod", "chown", "chgrp"}), frozenset()),
    Kind.DEVICE: (frozenset({"mkblock", "mkchar"}), frozenset()),
    Kind.MOUNT: (frozenset(), frozenset({"mount"})),
}
#: Folders in which everybody may create files.
TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/")
_MEMBERS = 32
#: Names of a group that are tried with each domain that uses it.
_TRIED = 256


def named(entry: Entry, table: dict[Kind, tuple[frozenset[str], frozenset[str]]]) -> Iterator[tuple[Argument, str]]:
    """The files of ENTRY to which an operation of TABLE is done, with the first such operation."""
    found = table.get(entry.kind)
    if found is None:
        return
    for position, operations in enumerate(found):
        for operation in entry.operations:
            if operation in operations:
                yield entry.arguments[position], operation
                break


def find_store_writes(context: LintContext) -> Iterator[Diagnostic]:
    """Entries that let the store be changed."""
    below = context.store + "/"

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        found: list[Remark] = []
        for argument, operation in named(entry, _CHANGES) if below in entry.text or NAMES in entry.text else ():
            name = argument.name if isinstance(argument, GroupReference) else str(argument)
            if name.startswith((below, NAMES)):
                found.append(Remark("store-write", f"{operation} {argument}: files in the store do not change", str(argument)))
        return found

    return context.remarks(judge)


def find_temporary_execution(context: LintContext) -> Iterator[Diagnostic]:
    """Execution of what anybody may have put there."""

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        if entry.kind is not Kind.PATH or "execute" not in entry.operations:
            return []
        argument = entry.arguments[0]
        texts = [argument.text] if isinstance(argument, Word) else context.path_members(namespace, str(argument)[1:])
        for text in texts:
            if text.startswith(TEMPORARY):
                return [Remark("execute-temporary", f"{text}: everybody may create files in that folder", str(argument))]
        return []

    return context.remarks(judge)


# Who may do what, by names


@dataclass(slots=True)
class NamedFiles:
    """What the entries of a list execute and change: for each name an example, and an index of all."""

    executes: NameIndex[Located[Entry]]
    changes: NameIndex[Located[Entry]]
    executed: list[tuple[str, Located[Entry]]] = field(default_factory=list)
    changed: list[tuple[str, Located[Entry]]] = field(default_factory=list)
    moves: bool = False
    """Whether folders may be renamed, or mounted over."""


class FileReader:
    """Reads the files that entries name."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._sources: dict[str, dict[str, list[str]]] = {}
        self._known: dict[EntryList, NamedFiles] = {}

    def files(self, entries: EntryList) -> NamedFiles:
        """What ENTRIES execute and change."""
        found = self._known.get(entries)
        if found is None:
            found = self._known[entries] = self._read(entries)
        return found

    def _read(self, entries: EntryList) -> NamedFiles:
        groups = self._context.groups(entries.namespace)
        files = NamedFiles(NameIndex(groups), NameIndex(groups))
        seen: set[str] = set()
        for placed in entries.entries:
            entry: Entry = placed.value
            if entry.kind is Kind.PATH and "execute" in entry.operations:
                argument = entry.arguments[0]
                files.executes.add(argument, placed)
                for text in self._executed(argument, entries.namespace):
                    if text not in seen:
                        seen.add(text)
                        files.executed.append((text, placed))
                        files.executes.add_name(text, placed)
            for argument, operation in named(entry, PUTS):
                files.moves = files.moves or operation in ("rename", "mount")
                files.changes.add(argument, placed)
                for text in self._texts(argument, entries.namespace):
                    name = example(text)
                    if name is not None:
                        files.changed.append((name, placed))
        return files

    def _texts(self, argument: Argument, namespace: str) -> list[str]:
        if isinstance(argument, GroupReference):
            return self._context.path_members(namespace, argument.name)[:_MEMBERS]
        return [str(argument)]

    def _executed(self, argument: Argument, namespace: str) -> Iterator[str]:
        """Names of the files that are executed, those behind aggregators included."""
        sources = self._sources.get(namespace)
        if sources is None:
            sources = self._sources[namespace] = {}
            for aggregator in self._context.exceptions(namespace).aggregators:
                sources.setdefault(aggregator.name.text, []).append(aggregator.pattern.text)
        for text in self._texts(argument, namespace):
            for each in (text, *sources.get(text, ())[:_MEMBERS]):
                if not each.startswith(NAMES):
                    yield each


def find_write_and_execute(context: LintContext) -> Iterator[Diagnostic]:
    """Files that one domain may both change and execute."""
    reader = FileReader(context)
    told: set[tuple[int, int]] = set()
    for domain in context.policy.domains.values():
        own = context.own(domain)
        yield from _unwanted(context, reader, own, own, told)
        # Of two groups that meet in a domain, few have anything to do with each other.
        for shared in context.used(domain):
            yield from _unwanted(context, reader, own, shared, told)
            yield from _unwanted(context, reader, shared, own, told)
    for shared in context.shared_lists():
        yield from _unwanted(context, reader, shared, shared, told)


def _unwanted(
    context: LintContext, reader: FileReader, changing: EntryList, executing: EntryList, told: set[tuple[int, int]]
) -> Iterator[Diagnostic]:
    # A group is used by many domains: of it only some names are tried with each.
    most = None if changing is executing else _TRIED
    for change, execute, name in _meetings(reader.files(changing), reader.files(executing), most):
        if (id(change.text), change.line) in told:
            continue
        told.add((id(change.text), change.line))
        where = f"line {execute.line}" if execute.text is change.text else f"{execute.text.name}:{execute.line}"
        reason = f"'{change.value}' and '{execute.value}' in {where}: {name} may be changed and executed"
        lax = changing.lax if changing.domain is not None else executing.lax
        yield context.remark(Remark("write-and-execute", reason), change, lax=lax)


def _meetings(
    changing: NamedFiles, executing: NamedFiles, most: int | None
) -> Iterator[tuple[Located[Entry], Located[Entry], str]]:
    """Entries that may change what others may execute; at most so many names of each are tried."""
    if not changing.changed or not executing.executed:
        return
    for name, change in changing.changed[:most]:
        execute = next(executing.executes.find(name), None)
        if execute is not None:
            yield change, execute, name
    for text, execute in executing.executed[:most]:
        name = example(text) or ""
        for found in changing.changes.find(name) if name else ():
            yield found, execute, name
        # A folder above it may be renamed, or something mounted over it.
        slash = name.rfind("/", 1, -1) if changing.moves else -1
        while slash > 0:
            folder = name[: slash + 1]
            for found in changing.changes.find(folder):
                if found.value.kind in (Kind.MOUNT, Kind.TWO_PATHS):
                    yield found, execute, name
            slash = name.rfind("/", 1, slash)

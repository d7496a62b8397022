"""Lint: what may be changed by one and is executed, or believed, by another.

Told of only where a name is found that both entries match.  Of patterns one
example is tried, so some meetings of two patterns are not found out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..model.entries import Argument, Entry, Kind
from ..model.profiles import Mode
from ..model.words import DomainName, GroupReference, Word
from .containment import NameIndex, example
from .lint_codes import LintFinding, LintSeverity
from .lint_context import EntryList, LintContext, Remark
from .placed_policy import NAMES, Placed, PlacedDomain

#: Operations that put something else into a file, or into its place.
PUTS = {
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
_CONFIGURATION = re.compile(
    r"/etc/|/\.config/|/\.ssh/|/conf\.d/|/\.(?:bashrc|profile|bash_profile|zshrc|login|cshrc)\Z"
    r"|\.(?:conf|cfg|ini|toml|ya?ml|service|socket|timer|rules|sh|py|pl|rb|lua|so|ko|jar|desktop)(?:\.[0-9.]+)?\Z"
)


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


def find_store_writes(context: LintContext) -> Iterator[LintFinding]:
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


def find_temporary_execution(context: LintContext) -> Iterator[LintFinding]:
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
class _Files:
    """What the entries of a list execute and change: for each name an example, and an index of all."""

    executes: NameIndex[Placed]
    changes: NameIndex[Placed]
    executed: list[tuple[str, Placed]] = field(default_factory=list)
    changed: list[tuple[str, Placed]] = field(default_factory=list)


class _Reader:
    """Reads the files that entries name."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._sources: dict[str, dict[str, list[str]]] = {}
        self._known: dict[EntryList, _Files] = {}

    def files(self, entries: EntryList) -> _Files:
        """What ENTRIES execute and change."""
        found = self._known.get(entries)
        if found is None:
            found = self._known[entries] = self._read(entries)
        return found

    def _read(self, entries: EntryList) -> _Files:
        groups = self._context.groups(entries.namespace)
        files = _Files(NameIndex(groups), NameIndex(groups))
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
            for argument, _ in named(entry, PUTS):
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


def find_write_and_execute(context: LintContext) -> Iterator[LintFinding]:
    """Files that one domain may both change and execute."""
    reader = _Reader(context)
    told: set[tuple[int, int]] = set()
    for domain in context.policy.domains.values():
        lists = [context.own(domain), *context.used(domain)]
        for first in lists:
            for second in lists:
                if first is not lists[0] and second is not lists[0] and first is not second:
                    continue  # of two groups that meet in a domain, few have anything to do with each other
                for change, execute, name in _meetings(reader.files(first), reader.files(second)):
                    if (id(change.text), change.line) in told:
                        continue
                    told.add((id(change.text), change.line))
                    where = f"line {execute.line}" if execute.text is change.text else f"{execute.text.name}:{execute.line}"
                    reason = f"'{change.value}' and '{execute.value}' in {where}: {name} may be changed and executed"
                    remark = Remark("write-and-execute", reason)
                    yield context.remark(remark, change, lax=lists[0].lax)


def _meetings(changing: _Files, executing: _Files) -> Iterator[tuple[Placed, Placed, str]]:
    """Entries that may change what others may execute."""
    if not changing.changed or not executing.executed:
        return
    for name, change in changing.changed:
        execute = next(executing.executes.find(name), None)
        if execute is not None:
            yield change, execute, name
    for text, execute in executing.executed:
        name = example(text) or ""
        for found in changing.changes.find(name) if name else ():
            yield found, execute, name
        # A folder above it may be renamed, or something mounted over it.
        slash = name.rfind("/", 0, -1)
        while slash >= 0:
            folder = name[: slash + 1]
            for found in changing.changes.find(folder):
                if found.value.kind in (Kind.MOUNT, Kind.TWO_PATHS) and folder != "/":
                    yield found, execute, name
            slash = name.rfind("/", 0, slash)


# Across domains


@dataclass(slots=True)
class _Holders:
    """The domains whose entries say something: the most trusted one, and all names."""

    best: tuple[int, str] = (-1, "")
    names: set[str] = field(default_factory=set)
    placed: Placed | None = None


class Trust:
    """Which of two domains is the more trusted one.

    A manager is more trusted than any other domain, a domain in disabled mode
    more than one in another mode, and a domain more than those that it
    starts, whose names begin with its own.
    """

    def __init__(self, context: LintContext) -> None:
        managers = {placed.value for placed in context.policy.managers}
        self._levels = {
            name: self._level(domain, managers, context.mode(domain, "file::open"))
            for name, domain in context.policy.domains.items()
        }
        self._parents = {text for name in self._levels for text in _ancestors(name)}

    @staticmethod
    def _level(domain: PlacedDomain, managers: set[Word | DomainName], mode: Mode | None) -> int:
        last = domain.name.programs[-1:] or ("",)
        if domain.name in managers or (last[0] and Word(last[0]) in managers):
            return 2
        return 1 if mode is Mode.DISABLED else 0

    def level(self, domain: str) -> int:
        """2 for a manager, 1 for a domain in disabled mode, else 0."""
        return self._levels.get(domain, 0)

    def may_be_above(self, domain: str) -> bool:
        """Whether DOMAIN can be more trusted than any other."""
        return self.level(domain) > 0 or domain in self._parents

    def above(self, domain: str, holders: _Holders) -> str:
        """One of HOLDERS that is more trusted than DOMAIN; empty where none is."""
        if holders.best[0] > self.level(domain):
            return holders.best[1]
        return next((name for name in _ancestors(domain) if name in holders.names), "")


def _ancestors(name: str) -> Iterator[str]:
    above, space, _ = name.rpartition(" ")
    while space:
        yield above
        above, space, _ = above.rpartition(" ")


def find_changes_for_others(context: LintContext) -> Iterator[LintFinding]:
    """What a domain may change, and a more trusted one executes or reads as configuration."""
    trust = Trust(context)
    reader = _Reader(context)
    executes: dict[str, NameIndex[_Holders]] = {}
    reads: dict[str, NameIndex[_Holders]] = {}
    known: dict[tuple[str, str, str], _Holders] = {}
    for domain in context.policy.domains.values():
        name, namespace = domain.name.text, domain.name.namespace
        if not trust.may_be_above(name):
            continue
        for entries in (context.own(domain), *context.used(domain)):
            for text, placed in reader.files(entries).executed:
                _hold(known, executes, "execute", text, placed, (trust.level(name), name), namespace, context)
            for placed in entries.entries:
                entry: Entry = placed.value
                if entry.kind is Kind.PATH and "read" in entry.operations and isinstance(entry.arguments[0], Word):
                    text = entry.arguments[0].text
                    _hold(known, reads, "read", text, placed, (trust.level(name), name), namespace, context)
    told: set[tuple[str, int, str]] = set()
    for domain in context.policy.domains.values():
        name, namespace = domain.name.text, domain.name.namespace
        for entries in (context.own(domain), *context.used(domain)):
            for file, change in reader.files(entries).changed:
                for code, index in (("executed-elsewhere", executes), ("configures-elsewhere", reads)):
                    if code == "configures-elsewhere" and not _CONFIGURATION.search(file):
                        continue
                    key = (change.text.name, change.line, code)
                    for holders in index[namespace].find(file) if namespace in index and key not in told else ():
                        other = trust.above(name, holders)
                        if other and holders.placed is not None and key not in told:
                            told.add(key)
                            what = "executes" if code == "executed-elsewhere" else "reads"
                            reason = f"'{change.value}': {other}, which is more trusted, {what} {file}"
                            severity = LintSeverity.NOTE if "\\" in str(change.value) else None
                            yield context.remark(Remark(code, reason, severity=severity), change, lax=entries.lax)


def _hold(
    known: dict[tuple[str, str, str], _Holders],
    index: dict[str, NameIndex[_Holders]],
    what: str,
    text: str,
    placed: Placed,
    who: tuple[int, str],
    namespace: str,
    context: LintContext,
) -> None:
    holders = known.get((what, namespace, text))
    if holders is None:
        holders = known[what, namespace, text] = _Holders(placed=placed)
        if namespace not in index:
            index[namespace] = NameIndex(context.groups(namespace))
        index[namespace].add_name(text, holders)
    holders.best = max(holders.best, who)
    holders.names.add(who[1])

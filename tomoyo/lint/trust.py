"""Lint: what a domain may change, and a more trusted one executes or takes for configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..decision.containment import NameIndex
from ..model.diagnostics import Diagnostic, Severity
from ..model.entries import Entry, Kind
from ..model.profiles import Mode
from ..model.words import DomainName, Word
from ..simulation.located_policy import LocatedDomain
from ..syntax.policy_text import Located
from .context import EntryList, LintContext, Remark
from .writing import FileReader

_CONFIGURATION = re.compile(
    r"/etc/|/\.config/|/\.ssh/|/conf\.d/|/\.(?:bashrc|profile|bash_profile|zshrc|login|cshrc)\Z"
    r"|\.(?:conf|cfg|ini|toml|ya?ml|service|socket|timer|rules|sh|py|pl|rb|lua|so|ko|jar|desktop)(?:\.[0-9.]+)?\Z"
)


class Trust:
    """Which of two domains is the more trusted one.

    A manager is more trusted than any other domain, a domain in disabled mode
    more than one in another mode, and a domain more than those that it
    starts, whose names begin with its own.
    """

    def __init__(self, context: LintContext) -> None:
        managers = {placed.value for placed in context.policy.managers}
        self._levels = {
            name: _level(domain, managers, context.mode(domain, "file::open")) for name, domain in context.policy.domains.items()
        }
        self._parents = {text for name in self._levels for text in _ancestors(name)}

    def level(self, domain: str) -> int:
        """2 for a manager, 1 for a domain in disabled mode, else 0."""
        return self._levels.get(domain, 0)

    def may_be_above(self, domain: str) -> bool:
        """Whether DOMAIN can be more trusted than any other."""
        return self.level(domain) > 0 or domain in self._parents

    def above(self, domain: str, holders: Holders) -> str:
        """One of HOLDERS that is more trusted than DOMAIN; empty where none is."""
        if holders.best[0] > self.level(domain):
            return holders.best[1]
        return next((name for name in _ancestors(domain) if holders.has(name)), "")


def _level(domain: LocatedDomain, managers: set[Word | DomainName], mode: Mode | None) -> int:
    last = domain.name.programs[-1:]
    if domain.name in managers or (last and Word(last[0]) in managers):
        return 2
    return 1 if mode is Mode.DISABLED else 0


def _ancestors(name: str) -> Iterator[str]:
    above, space, _ = name.rpartition(" ")
    while space:
        yield above
        above, space, _ = above.rpartition(" ")


@dataclass(slots=True)
class Holders:
    """The domains whose entries say something: the most trusted one, those whose own they are, and those that share them."""

    best: tuple[int, str] = (-1, "")
    names: set[str] = field(default_factory=set)
    sharing: list[frozenset[str]] = field(default_factory=list)

    def has(self, domain: str) -> bool:
        """Whether DOMAIN is one of them."""
        return domain in self.names or any(domain in shared for shared in self.sharing)


@dataclass(slots=True)
class _Index:
    """Who executes, or reads, what; for each namespace by the names in its entries."""

    context: LintContext
    known: dict[tuple[str, str], Holders] = field(default_factory=dict)
    found: dict[str, NameIndex[Holders]] = field(default_factory=dict)

    def hold(self, entries: EntryList, text: str, best: tuple[int, str], names: frozenset[str]) -> None:
        """Remember that all of NAMES, of which BEST is the most trusted, may do so with TEXT."""
        namespace = entries.namespace
        holders = self.known.get((namespace, text))
        if holders is None:
            holders = self.known[namespace, text] = Holders()
            if namespace not in self.found:
                self.found[namespace] = NameIndex(self.context.groups(namespace))
            self.found[namespace].add_name(text, holders)
        holders.best = max(holders.best, best)
        if entries.domain is not None:
            holders.names |= names
        elif not holders.sharing or holders.sharing[-1] is not names:
            holders.sharing.append(names)

    def find(self, namespace: str, name: str) -> Iterator[Holders]:
        """Who may do so with NAME."""
        index = self.found.get(namespace)
        return index.find(name) if index is not None else iter(())


def find_changes_for_others(context: LintContext) -> Iterator[Diagnostic]:
    """What a domain may change, and a more trusted one executes or reads as configuration."""
    trust = Trust(context)
    reader = FileReader(context)
    executes, reads = _Index(context), _Index(context)
    lists = [(entries, [domain.name.text for domain in context.domains_of(entries)]) for entries in context.lists()]
    for entries, names in lists:
        if not any(map(trust.may_be_above, names)):
            continue
        best = max((trust.level(name), name) for name in names)
        who = frozenset(names)
        for text, _ in reader.files(entries).executed:
            executes.hold(entries, text, best, who)
        for placed in entries.entries:
            entry: Entry = placed.value
            if entry.kind is Kind.PATH and "read" in entry.operations and isinstance(entry.arguments[0], Word):
                reads.hold(entries, entry.arguments[0].text, best, who)
    for entries, names in lists:
        # What is shared is in the hands of the least trusted.
        weakest = min(names, key=trust.level, default="")
        told: set[tuple[int, str]] = set()
        for file, change in reader.files(entries).changed if weakest else ():
            for code, index in (("executed-elsewhere", executes), ("configures-elsewhere", reads)):
                if (change.line, code) in told or (index is reads and not _CONFIGURATION.search(file)):
                    continue
                other = next(filter(None, (trust.above(weakest, found) for found in index.find(entries.namespace, file))), "")
                if other:
                    told.add((change.line, code))
                    yield _finding(context, code, change, file, other, entries)


def _finding(context: LintContext, code: str, change: Located[Entry], file: str, other: str, entries: EntryList) -> Diagnostic:
    what = "executes" if code == "executed-elsewhere" else "reads"
    reason = f"'{change.value}': {other}, which is more trusted, {what} {file}"
    # A wildcard may not have been meant for that file.
    severity = Severity.NOTE if "\\" in str(change.value) else None
    return context.remark(Remark(code, reason, severity=severity), change, lax=entries.lax)

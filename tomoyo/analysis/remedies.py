"""Remedies: entries that grant a request, and to which lint has nothing to say.

Lint looks at a whole policy, which takes seconds where it is large.  So it is
given only the lines that a new entry can have to do with: those that read,
execute or change the same files, in the entry's domain and in more trusted
ones, and the domain that an execution leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..decision.engine import DecisionEngine
from ..decision.index import EntryIndex
from ..decision.requests import Request
from ..decision.transition import TransitionRules, destination
from ..model.domains import Domain
from ..model.entries import Entry, Kind
from ..model.profiles import Mode
from ..model.words import DomainName

#: Operations on whose exact names lint never says more than a note.
_HARMLESS = frozenset({"read", "getattr"})
#: Operations that put something into a file or into its place, with the argument that names it.
_PUTS = {
    **{(Kind.PATH, operation): 0 for operation in ("write", "append", "symlink")},
    (Kind.PATH_NUMBER, "create"): 0,
    **{(Kind.TWO_PATHS, operation): 1 for operation in ("link", "rename")},
    (Kind.MOUNT, "mount"): 1,
}
#: Members of a group, or aggregators of a name, that are looked at.
_MEMBERS = 256
_NAME = "(remedy)"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would grant a request.

    Attributes: ``entry``, to be added to the domain, or None where lint warns
    of it, or it would do nothing; ``objection``, why, else empty; ``domain``, what the policy
    should have with the entry, since the execution leads there.
    """

    entry: Entry | None
    objection: str = ""
    domain: Domain | None = None


class Remedies:
    """Looks at entries by one policy; WHOLE tells whether ENGINE has all domains, or only those that are asked about."""

    def __init__(self, engine: DecisionEngine, *, whole: bool = True) -> None:
        self._engine = engine
        self._whole = whole
        self._known: dict[tuple[str, str], Remedy] = {}
        self._lax: dict[str, tuple[EntryIndex, list[Domain]]] = {}

    def of(self, domain: Domain, request: Request, entry: Entry, rules: TransitionRules) -> Remedy:
        """What would grant REQUEST in DOMAIN, where ENTRY grants just that."""
        if request.operation in _HARMLESS or entry.kind.keyword.startswith(("network", "misc")):
            return Remedy(entry)
        key = (domain.name.text, entry.text)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._find(domain, request, entry, rules)
        return found

    def _find(self, domain: Domain, request: Request, entry: Entry, rules: TransitionRules) -> Remedy:
        policy = _Excerpt(self._engine)
        missing = None
        if self._whole and (request.operation == "execute" or request.kind is Kind.TRANSITION):
            argument = entry.arguments[0]
            chosen = argument if isinstance(argument, DomainName) else None
            way = destination(self._engine, domain, str(argument), chosen, rules)
            if way.entered is None:
                return Remedy(None, f"{way.wanted}, where it leads, cannot be entered: {way.reason}")
            if way.created is not None:
                # A domain that a process may choose must not be laxer than its own.
                missing = way.created if chosen else replace(way.created, profile=self._begin_with(domain))
            policy.lead(domain, way.control, missing or self._engine.domain(way.entered) or domain)
        for each, line in self._related(domain, request, rules):
            policy.add(each, line)
        objection = policy.objection(domain, entry, "" if self._whole else "created-domain")
        return Remedy(None, objection) if objection else Remedy(entry, domain=missing)

    def _begin_with(self, domain: Domain) -> int:
        """The profile for a domain that has no entries yet: one that learns, else one that only logs, else the other domain's."""
        profiles = self._engine.profiles
        part = profiles.namespace(domain.name.namespace) if profiles is not None else None
        for mode in (Mode.LEARNING, Mode.PERMISSIVE):
            for profile in part.profiles if part is not None else ():
                if profile.config("file::execute").mode is mode and profile.config("file::open").mode is mode:
                    return profile.number
        return domain.profile

    def _related(self, domain: Domain, request: Request, rules: TransitionRules) -> Iterator[tuple[Domain, Entry]]:
        """The entries that lint holds against one for REQUEST, each with its domain."""
        place = _PUTS.get((request.kind, request.operation))
        if request.operation == "execute":
            yield from ((domain, entry) for entry in self._changing(domain, request, rules))
        if place is None:
            return
        name = str(request.arguments[place])
        uses = [Request(Kind.PATH, "read", (name,))]
        uses += [Request(Kind.PATH, "execute", (each,)) for each in dict.fromkeys((name, rules.aggregated(name)))]
        above = domain.name.parent
        domains = [domain]
        while above is not None:
            held = self._engine.domain(above)
            domains += [held] if held is not None else []
            above = above.parent
        for each in domains:
            for _, index in self._engine.lists(each):
                yield from ((each, entry) for use in uses for _, entry in index.candidates(use))
        index, owners = self._lax_index(domain.name.namespace)
        for use in uses:
            yield from ((owners[position], entry) for position, entry in index.candidates(use))
        if request.operation in ("rename", "mount") and name.endswith("/"):
            # What is below a directory moves with it.
            for _, index in self._engine.lists(domain):
                yield from ((domain, entry) for _, entry in index.entries(Kind.PATH, "execute"))

    def _changing(self, domain: Domain, request: Request, rules: TransitionRules) -> Iterator[Entry]:
        """The entries of DOMAIN that may change the program of REQUEST, or the directories that it is in."""
        name = str(request.arguments[0])
        namespace = domain.name.namespace
        aggregators = self._engine.exceptions(namespace).aggregators
        names = [name, *(one.pattern.text for one in aggregators if one.name.text == name and not one.pattern.is_pattern)]
        for _, index in self._engine.lists(domain):
            for kind, operation in _PUTS:
                if kind in (Kind.TWO_PATHS, Kind.MOUNT):
                    yield from (entry for _, entry in index.entries(kind, operation))
                    continue
                for each in names[:_MEMBERS]:
                    arguments = (each,) if kind is Kind.PATH else (each, 0)
                    yield from (entry for _, entry in index.candidates(Request(kind, operation, arguments)))

    def _lax_index(self, namespace: str) -> tuple[EntryIndex, list[Domain]]:
        """The entries of all domains in disabled mode, which lint trusts more than others, with the domain of each."""
        found = self._lax.get(namespace)
        if found is None:
            entries: list[Entry] = []
            owners: list[Domain] = []
            shared = dict(self._engine.exceptions(namespace).acl_groups)
            for domain in self._engine.domains():
                settings = self._engine.config(domain, "file::open") if domain.name.namespace == namespace else None
                if settings is None or settings[1].mode is not Mode.DISABLED:
                    continue
                lists = [domain.entries, *(shared.get(group, ()) for group in domain.groups)]
                held = [entry for each in lists for entry in each if entry.kind is Kind.PATH]
                entries += held
                owners += [domain] * len(held)
            found = self._lax[namespace] = EntryIndex(entries, self._engine.groups(namespace)), owners
        return found


class _Excerpt:
    """A few lines of a policy, as lint takes them."""

    def __init__(self, engine: DecisionEngine) -> None:
        self._engine = engine
        self._entries: dict[str, tuple[Domain, dict[str, Entry]]] = {}
        self._controls: list[str] = []

    def add(self, domain: Domain, entry: Entry | None = None) -> None:
        """Take DOMAIN, and of it ENTRY."""
        _, entries = self._entries.setdefault(domain.name.text, (domain, {}))
        if entry is not None:
            entries[entry.text] = entry

    def lead(self, domain: Domain, control: object, target: Domain) -> None:
        """Take what CONTROL, if any, says, and the TARGET to which DOMAIN's execution leads."""
        if control is not None:
            self._controls.append(f"{domain.name.namespace} {control}\n")
        self.add(target)

    def objection(self, domain: Domain, entry: Entry, unheard: str) -> str:
        """What lint says of ENTRY, in DOMAIN, that is more than a note, but for the code UNHEARD; empty where it is nothing."""
        from ..lint.linter import lint_policy
        from ..model.diagnostics import Severity
        from ..syntax.formatting import format_profile
        from ..syntax.policy_text import PolicyText, TextKind

        self.add(domain)
        lines = [f"{domain.name}", f"use_profile {domain.profile}", *(f"use_group {each}" for each in domain.groups), entry.text]
        remedy = len(lines)
        own = self._entries.pop(domain.name.text)[1]
        lines += own
        for other, entries in self._entries.values():
            lines += [other.name.text, f"use_profile {other.profile}", *entries]
        every = [entry, *own.values(), *(each for _, entries in self._entries.values() for each in entries.values())]
        texts = [
            PolicyText(TextKind.DOMAIN, _NAME, "".join(f"{line}\n" for line in lines)),
            PolicyText(TextKind.EXCEPTION, f"{_NAME} exceptions", "".join([*self._controls, *self._groups(domain, every)])),
        ]
        if self._engine.profiles is not None:
            texts.append(PolicyText(TextKind.PROFILE, f"{_NAME} profiles", format_profile(self._engine.profiles)))
        for finding in lint_policy(texts):
            about = finding.place.line == remedy or (finding.code == "write-and-execute" and f"'{entry}'" in finding.message)
            if finding.place.file == _NAME and about and finding.severity.reaches(Severity.WARNING) and finding.code != unheard:
                return f"lint warns: {finding.message} [{finding.code}]"
        return ""

    def _groups(self, domain: Domain, entries: Iterable[Entry]) -> Iterator[str]:
        """The lines of the groups that ENTRIES name, and the aggregators of the programs that they execute."""
        namespace = domain.name.namespace
        exceptions = self._engine.exceptions(namespace)
        named = dict.fromkeys(reference for entry in entries for reference in entry.group_references())
        for kind, name in named:
            group = exceptions.group(kind, name)
            members = group.members[:_MEMBERS] if group is not None else ()
            yield from (f"{namespace} {kind.value} {name} {member}\n" for member in members)
        executed = {str(entry.arguments[0]) for entry in entries if "execute" in entry.operations}
        for aggregator in exceptions.aggregators:
            if aggregator.name.text in executed:
                yield f"{namespace} {aggregator}\n"

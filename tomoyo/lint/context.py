"""What the rules of lint look at: a policy with its places, and what follows from it.

A rule is a function of a `LintContext` that yields findings.  It judges
lists of entries (`EntryList`): those of a domain, of an acl_group, of a module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from ..decision.groups import Groups
from ..decision.transition import TransitionRules
from ..model.diagnostics import Diagnostic, Place, Severity
from ..model.entries import Argument, Entry, GroupKind, Kind
from ..model.exception_policy import Member, NamespaceExceptions
from ..model.profiles import Mode, Profile
from ..model.words import KERNEL, DomainName, GroupReference, Word
from ..simulation.located_policy import LocatedDomain, LocatedPolicy
from ..syntax.policy_text import Located
from .codes import LINT_CODES

__all__ = ["LintContext"]

#: Where the store is, unless a policy is for another.
STORE = "/nix/store"


class Access(Enum):
    """What an operation does to the file that an argument names."""

    EXECUTE = "execute"
    CHANGE = "change"
    READ = "read"
    LOOK = "look at"


#: What each operation does to its first path.
_ACCESS = {
    **dict.fromkeys(("read", "link"), Access.READ),
    "execute": Access.EXECUTE,
    **dict.fromkeys(("getattr", "ioctl", "chroot", "unmount", "pivot_root"), Access.LOOK),
}


def accesses(entry: Entry) -> Iterator[tuple[Argument, set[Access]]]:
    """Each argument of ENTRY that names files, with what the entry allows to do to them."""
    kind = entry.kind
    if kind is Kind.MOUNT:
        yield entry.arguments[0], {Access.READ}
        yield entry.arguments[1], {Access.CHANGE}
    elif kind.keyword == "file":
        yield entry.arguments[0], {_ACCESS.get(operation, Access.CHANGE) for operation in entry.operations}
        if kind is Kind.TWO_PATHS:
            change = Access.LOOK if entry.operations == ("pivot_root",) else Access.CHANGE
            yield entry.arguments[1], {change}


class Remark(NamedTuple):
    """What is to be said about an entry, wherever it stands.

    Attributes: ``word``, the part that it is about, for the column;
    ``severity``, if it is not that of the code; ``remedy``, likewise.
    """

    code: str
    reason: str
    word: str = ""
    severity: Severity | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class EntryList:
    """Entries that stand together.

    Attributes:
        namespace: whose groups they name.
        title: what they are, in words.
        entries: each with its place.
        domain: the domain that they are of, if they are.
        lax: whether nothing is denied there anyway, the mode being disabled or learning.
    """

    namespace: str
    title: str
    entries: list[Located[Entry]] = field(repr=False)
    domain: LocatedDomain | None = None
    lax: bool = False


#: A program, as the domain is named after it, the transition preference, and the entry that lets it execute.
Execution = tuple[str, Word | DomainName | None, Located[Entry]]


class LintContext:
    """A policy, and what its parts mean together; worked out when first asked for."""

    def __init__(self, policy: LocatedPolicy, store: str = STORE) -> None:
        self.policy = policy
        self.store = store
        self._exceptions: dict[str, NamespaceExceptions] = {}
        self._groups: dict[str, Groups] = {}
        self._path_members: dict[tuple[str, str], list[str]] = {}
        self._members: dict[tuple[GroupKind, str, str], tuple[Member, ...]] | None = None
        self._rules: dict[str, TransitionRules] = {}
        self._profiles: dict[tuple[str, int], Profile | None] = {}
        self._shared: dict[tuple[str, int | str], EntryList] = {}
        self._own: dict[str, EntryList] = {}
        self._executions: dict[tuple[EntryList, str], list[Execution]] = {}
        self._references: dict[tuple[str, GroupKind, str], list[Located[Entry]]] | None = None
        self._using: dict[tuple[str, int | str], list[LocatedDomain]] | None = None

    # What the policy means

    def exceptions(self, namespace: str) -> NamespaceExceptions:
        """The exception policy of NAMESPACE."""
        found = self._exceptions.get(namespace)
        if found is None:
            part = self.policy.namespaces.get(namespace)
            found = self._exceptions[namespace] = part.value() if part else NamespaceExceptions(namespace)
        return found

    def groups(self, namespace: str) -> Groups:
        """The groups of NAMESPACE, ready to be asked."""
        found = self._groups.get(namespace)
        if found is None:
            found = self._groups[namespace] = Groups(self.exceptions(namespace))
        return found

    def members(self, kind: GroupKind, namespace: str, name: str) -> tuple[Member, ...]:
        """The members of the group of KIND called NAME; none where there is no such group."""
        if self._members is None:
            self._members = {
                (group.kind, part.name, group.name.text): group.members
                for part in self.policy.namespaces.values()
                for group in self.exceptions(part.name).groups
            }
        return self._members.get((kind, namespace, name), ())

    def path_members(self, namespace: str, name: str) -> list[str]:
        """The members of path group NAME, as text; not to be changed."""
        found = self._path_members.get((namespace, name))
        if found is None:
            found = [str(member) for member in self.members(GroupKind.PATH, namespace, name)]
            self._path_members[namespace, name] = found
        return found

    def rules(self, namespace: str) -> TransitionRules:
        """Aggregators and transition control of NAMESPACE."""
        found = self._rules.get(namespace)
        if found is None:
            found = self._rules[namespace] = TransitionRules(self.exceptions(namespace))
        return found

    def profile(self, namespace: str, number: int) -> Profile | None:
        """Profile NUMBER of NAMESPACE; None where it is not defined."""
        key = (namespace, number)
        if key not in self._profiles:
            part = self.policy.profiles.namespace(namespace) if self.policy.profiles else None
            self._profiles[key] = part.profile(number) if part else None
        return self._profiles[key]

    def mode(self, domain: LocatedDomain, functionality: str) -> Mode | None:
        """DOMAIN's mode for FUNCTIONALITY; None where there are no profiles."""
        if self.policy.profiles is None:
            return None
        profile = self.profile(domain.name.namespace, domain.profile)
        return profile.config(functionality).mode if profile else Mode.DISABLED

    def is_lax(self, domain: LocatedDomain) -> bool:
        """Whether DOMAIN may open anything anyway: it is in disabled or learning mode."""
        return self.mode(domain, "file::open") in (Mode.DISABLED, Mode.LEARNING)

    # Lists of entries

    def own(self, domain: LocatedDomain) -> EntryList:
        """The entries of DOMAIN itself."""
        name = domain.name.text
        found = self._own.get(name)
        if found is None:
            found = self._own[name] = EntryList(domain.name.namespace, name, domain.entries, domain, self.is_lax(domain))
        return found

    def used_with_places(self, domain: LocatedDomain) -> Iterator[tuple[EntryList, Located[int | str]]]:
        """The acl_groups and modules that DOMAIN uses, each with the line that says so."""
        places = {placed.value: placed for placed in reversed(domain.groups)}
        for entries in self.used(domain):
            _, _, name = entries.title.partition(" ")
            yield entries, places[int(name) if entries.title.startswith("acl_group ") else name]

    def used(self, domain: LocatedDomain) -> list[EntryList]:
        """The acl_groups and modules that DOMAIN uses, each once; those that there are not are left out."""
        self.shared_lists()
        namespace = domain.name.namespace
        names = dict.fromkeys(placed.value for placed in domain.groups)
        found = (self._shared.get(("" if isinstance(name, str) else namespace, name)) for name in names)
        return [entries for entries in found if entries is not None]

    def shared_lists(self) -> list[EntryList]:
        """Every acl_group and module."""
        if not self._shared:
            users = self._users()
            for part in self.policy.namespaces.values():
                for number, entries in part.shared.items():
                    lax = self._all_lax(users.get((part.name, number), ()))
                    self._shared[part.name, number] = EntryList(part.name, f"acl_group {number}", entries, None, lax)
            for module, entries in self.policy.modules.items():
                using = users.get(("", module), [])
                namespace = using[0].name.namespace if using else KERNEL
                self._shared["", module] = EntryList(namespace, f"module {module}", entries, None, self._all_lax(using))
        return list(self._shared.values())

    def lists(self) -> Iterator[EntryList]:
        """Every list of entries: those of the domains, then the shared ones."""
        for domain in self.policy.domains.values():
            yield self.own(domain)
        yield from self.shared_lists()

    def domains_of(self, entries: EntryList) -> list[LocatedDomain]:
        """The domains whose ENTRIES these are, or that use them."""
        if entries.domain is not None:
            return [entries.domain]
        sort, _, name = entries.title.partition(" ")
        return self._users().get(("", name) if sort == "module" else (entries.namespace, int(name)), [])

    def executions(self, entries: EntryList, namespace: str) -> list[Execution]:
        """Each program that ENTRIES let execute, as the domain is named after it, with the transition preference."""
        found = self._executions.get((entries, namespace))
        if found is None:
            found = self._executions[entries, namespace] = list(self._read_executions(entries, namespace))
        return found

    def _read_executions(self, entries: EntryList, namespace: str) -> Iterator[Execution]:
        for placed in entries.entries:
            entry: Entry = placed.value
            if entry.kind is not Kind.PATH or entry.operations[0] != "execute":
                continue
            preference = entry.condition.transition if entry.condition else None
            argument = entry.arguments[0]
            if isinstance(argument, GroupReference):
                for member in self.members(GroupKind.PATH, namespace, argument.name):
                    yield str(member), preference, placed
            else:
                yield str(argument), preference, placed

    def references(self) -> dict[tuple[str, GroupKind, str], list[Located[Entry]]]:
        """Each group that entries name, by its namespace, with the entries; of those of the same text in a list, the first."""
        if self._references is None:
            found: dict[tuple[str, GroupKind, str], list[Located[Entry]]] = {}
            for entries in self.lists():
                namespaces = [entries.namespace]
                if entries.title.startswith("module "):
                    namespaces = self.namespaces_of(entries.title.removeprefix("module ")) or namespaces
                seen: set[str] = set()
                for placed in entries.entries:
                    entry: Entry = placed.value
                    if "@" in entry.subject and entry.text not in seen:
                        seen.add(entry.text)
                        for kind, name in entry.group_references():
                            for namespace in namespaces:
                                found.setdefault((namespace, kind, name), []).append(placed)
            self._references = found
        return self._references

    def namespaces_of(self, module: str) -> list[str]:
        """The namespaces whose domains use MODULE."""
        return list(dict.fromkeys(domain.name.namespace for domain in self._users().get(("", module), ())))

    def _users(self) -> dict[tuple[str, int | str], list[LocatedDomain]]:
        if self._using is not None:
            return self._using
        users: dict[tuple[str, int | str], list[LocatedDomain]] = {}
        for domain in self.policy.domains.values():
            for name in {placed.value for placed in domain.groups}:
                users.setdefault(("" if isinstance(name, str) else domain.name.namespace, name), []).append(domain)
        self._using = users
        return users

    def _all_lax(self, users: list[LocatedDomain] | tuple[()]) -> bool:
        return bool(users) and all(map(self.is_lax, users))

    # Findings

    def finding(
        self,
        code: str,
        placed: Located[object] | None,
        reason: str,
        *,
        word: str = "",
        offset: int | None = None,
        severity: Severity | None = None,
        remedy: str = "",
        entry: str = "",
        see: Iterable[Located[object]] = (),
    ) -> Diagnostic:
        """A finding of CODE at a line, at OFFSET of its normalised text or where WORD stands; without one, about the policy.

        SEE are other lines that have to do with it.
        """
        known = LINT_CODES[code]
        place = Place() if placed is None else placed.where(word, offset)
        related = tuple(each.where() for each in see)
        return Diagnostic(severity or known.severity, code, reason, remedy or known.remedy, place, entry, related)

    def remarks(self, judge: Callable[[Entry, str], list[Remark]]) -> Iterator[Diagnostic]:
        """What JUDGE says of each entry in its namespace; it is asked once for entries of the same text."""
        said: dict[str, dict[str, list[Remark]]] = {}
        for entries in self.lists():
            known = said.setdefault(entries.namespace, {})
            for placed in entries.entries:
                entry: Entry = placed.value
                found = known.get(entry.text)
                if found is None:
                    found = known[entry.text] = judge(entry, entries.namespace)
                for remark in found:
                    yield self.remark(remark, placed, lax=entries.lax)

    def remark(self, remark: Remark, placed: Located[object] | None, *, lax: bool = False) -> Diagnostic:
        """The finding that REMARK is at a line, or about all; less bad where it is LAX, so that nothing is denied anyway."""
        severity = remark.severity or LINT_CODES[remark.code].severity
        return self.finding(
            remark.code,
            placed,
            remark.reason,
            word=remark.word,
            severity=severity.lowered if lax and LINT_CODES[remark.code].eased else severity,
            remedy=remark.remedy,
            entry=str(placed.value) if placed else "",
        )

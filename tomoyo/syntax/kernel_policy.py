"""The policy that a kernel holds: the mutable counterpart of the policy values.

Statements are applied one by one, in constant time each, with the kernel's
merging and order.  A deleted entry keeps its place until ``collect`` (the
kernel's garbage collector, which runs when a writer closes its file): an
entry added again before that stands where it stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from ..model.domains import Domain, DomainPolicy
from ..model.entries import Entry, GroupKind
from ..model.exception_policy import (
    Aggregator,
    ExceptionPolicy,
    Group,
    Member,
    NamespaceExceptions,
    TransitionControl,
)
from ..model.profiles import PROFILE_VERSION, NamespaceProfiles, Profile, ProfilePolicy
from ..model.words import KERNEL, MAX_DOMAIN_NAME, DomainName, Word, is_namespace
from .statements import (
    Delete,
    DeleteDomain,
    DomainStatement,
    ExceptionStatement,
    GroupMember,
    InNamespace,
    OpenDomain,
    Rejected,
    Reset,
    SelectDomain,
    SetFlag,
    SharedEntry,
    UseGroup,
    UseProfile,
)

__all__ = ["KernelPolicy"]

#: Entries by subject, in order; None where one was deleted and not yet collected.
Entries = dict[str, Entry | None]
_Key = TypeVar("_Key")
_ENTRIES = {Entry}


def add_entry(entries: Entries, entry: Entry) -> None:
    """Add ENTRY, or its operations to the one that it merges with."""
    held = entries.get(entry.subject)
    if held is not entry:
        entries[entry.subject] = entry if held is None else held.merged(entry)


def delete_entry(entries: Entries, entry: Entry) -> str | None:
    """Take ENTRY's operations away; say why where there is nothing to take from."""
    if entry.subject not in entries:
        return "there is no such entry to delete"
    held = entries[entry.subject]
    entries[entry.subject] = held.reduced(entry) if held else None
    return None


def _add(held: dict[_Key, bool], key: _Key) -> None:
    held[key] = True


def _delete(held: dict[_Key, bool], key: _Key) -> str | None:
    if key not in held:
        return "there is no such entry to delete"
    held[key] = False
    return None


def _purge(held: dict[_Key, bool]) -> dict[_Key, bool]:
    return held if all(held.values()) else {key: True for key, live in held.items() if live}


@dataclass(slots=True)
class HeldDomain:
    """A domain, open to change."""

    name: DomainName
    namespace: HeldNamespace
    profile: int = 0
    groups: set[int] = field(default_factory=set)
    entries: Entries = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)

    def value(self) -> Domain:
        """The domain as it stands."""
        return Domain(
            self.name,
            self.profile,
            tuple(sorted(self.groups)),
            tuple(filter(None, self.entries.values())),
            "quota_exceeded" in self.flags,
            "transition_failed" in self.flags,
        )


@dataclass(slots=True)
class HeldNamespace:
    """A namespace's profiles and exception policy, open to change."""

    name: str
    version: int = PROFILE_VERSION
    profiles: dict[int, Profile] = field(default_factory=dict)
    transitions: dict[TransitionControl, bool] = field(default_factory=dict)
    aggregators: dict[Aggregator, bool] = field(default_factory=dict)
    groups: dict[GroupKind, dict[str, dict[Member, bool]]] = field(default_factory=lambda: {kind: {} for kind in GroupKind})
    acl_groups: dict[int, Entries] = field(default_factory=dict)

    def mention(self, groups: Iterable[tuple[GroupKind, str]]) -> None:
        """Create the groups that a line names."""
        for kind, name in groups:
            self.groups[kind].setdefault(name, {})

    def mention_those_of(self, entry: Entry) -> None:
        """Create the groups that ENTRY names."""
        if "@" in entry.subject:
            self.mention(entry.group_references())

    def exceptions(self) -> NamespaceExceptions:
        """The exception policy as it stands."""
        return NamespaceExceptions(
            self.name,
            tuple(key for key, live in self.transitions.items() if live),
            tuple(key for key, live in self.aggregators.items() if live),
            tuple(
                Group(kind, Word(name), tuple(key for key, live in members.items() if live))
                for kind, groups in self.groups.items()
                for name, members in groups.items()
                if any(members.values())
            ),
            tuple(
                (number, tuple(filter(None, self.acl_groups[number].values())))
                for number in sorted(self.acl_groups)
                if any(self.acl_groups[number].values())
            ),
        )

    def value(self) -> NamespaceProfiles:
        """The profiles as they stand."""
        profiles = tuple(self.profiles[number] for number in sorted(self.profiles))
        return NamespaceProfiles(self.name, self.version, profiles)


class KernelPolicy:
    """Domains and namespaces, open to change.

    ``active`` is the kernel's state after its loader ran: from then on a
    domain cannot be given a profile that is not defined.  ``updates`` counts
    what the kernel counts as policy updates.
    """

    def __init__(self) -> None:
        self.namespaces: dict[str, HeldNamespace] = {KERNEL: HeldNamespace(KERNEL)}
        self.domains: dict[str, HeldDomain] = {}
        self.selected: HeldDomain | None = None
        self._odd_namespaces = False
        self.active = False
        self.updates: int = 0

    # Domains

    def apply_domain(self, statement: DomainStatement) -> str | None:
        """Do what a domain policy line asks; say why where it has no effect."""
        domain = self.selected
        if type(statement) is Entry:  # nearly all lines
            if domain is None:
                return _NO_DOMAIN
            self.updates += 1
            subject = statement.subject
            held = domain.entries.setdefault(subject, statement)
            if held is not statement:
                domain.entries[subject] = statement if held is None else held.merged(statement)
            if "@" in subject:
                domain.namespace.mention_those_of(statement)
            return None
        if isinstance(statement, (OpenDomain, SelectDomain, DeleteDomain, Reset)):
            return self._select(statement)
        if isinstance(statement, (UseProfile, UseGroup, SetFlag, Delete, Rejected)):
            return _NO_DOMAIN if domain is None else self._change(domain, statement)
        return None

    def apply_entries(self, statements: Sequence[DomainStatement], may_name_groups: bool) -> bool:
        """Do what STATEMENTS ask one after another, if they are entries of the selected domain; gives whether they are."""
        domain = self.selected
        if domain is None or {*map(type, statements)} != _ENTRIES:
            return False
        entries = cast("Sequence[Entry]", statements)
        new: Entries = dict(zip([entry.subject for entry in entries], entries))
        if domain.entries or len(new) < len(entries):
            for entry in entries:
                self.apply_domain(entry)
            return True
        domain.entries = new
        self.updates += len(new)
        for entry in entries if may_name_groups else ():
            domain.namespace.mention_those_of(entry)
        return True

    def _select(self, statement: OpenDomain | SelectDomain | DeleteDomain | Reset) -> str | None:
        self.selected = None
        if isinstance(statement, Reset):
            return None
        if not isinstance(statement, SelectDomain) or not statement.prints:
            self.updates += 1
        if isinstance(statement, OpenDomain):
            if statement.name is not None:
                self.selected = self.open_domain(statement.name)
        elif isinstance(statement, SelectDomain):
            self.selected = self.domains.get(statement.name)
            if self.selected is None:
                return "there is no such domain"
        elif statement.name == KERNEL:
            return f"{KERNEL} cannot be deleted"
        elif self.domains.pop(statement.name, None) is None:
            return "there is no such domain"
        return None

    def open_domain(self, name: DomainName) -> HeldDomain:
        """The domain called NAME, created if need be."""
        domain = self.domains.get(name.text)
        if domain is None:
            domain = HeldDomain(name, self.namespace(name.namespace))
            self.domains[name.text] = domain
        return domain

    def _change(self, domain: HeldDomain, statement: UseProfile | UseGroup | SetFlag | Delete | Rejected) -> str | None:
        delete = isinstance(statement, Delete)
        content = statement.content if isinstance(statement, Delete) else statement
        if isinstance(content, Rejected):
            domain.namespace.mention(content.groups)
            return None
        if isinstance(content, Entry):
            domain.namespace.mention_those_of(content)
            reason = delete_entry(domain.entries, content)
            self.updates += reason is None
            return reason
        self.updates += 1
        if isinstance(content, UseGroup):
            (domain.groups.discard if delete else domain.groups.add)(content.group)
        elif isinstance(content, SetFlag):
            (domain.flags.discard if delete else domain.flags.add)(content.flag)
        elif isinstance(content, UseProfile):
            if self.active and content.profile not in domain.namespace.profiles:
                return f"profile {content.profile} is not defined, so the domain keeps its own"
            if delete:
                return "a domain always has a profile"
            domain.profile = content.profile
        return None

    # Exception policy

    def namespace(self, name: str) -> HeldNamespace:
        """The namespace called NAME, created if need be."""
        found = self.find_namespace(name)
        if found is None:
            found = self.namespaces[name] = HeldNamespace(name)
            self._odd_namespaces = self._odd_namespaces or ">" in name[:-1]
        return found

    def find_namespace(self, name: str) -> HeldNamespace | None:
        """The namespace that the kernel finds for NAME: the oldest that begins with it."""
        found = self.namespaces.get(name)
        # Only a namespace with a '>' inside, such as <a>b>, can hide another, here <a>.
        if self._odd_namespaces or (found is None and not is_namespace(name)):
            found = next((held for held in self.namespaces.values() if held.name.startswith(name)), None)
        return found

    def namespace_of_line(self, name: str) -> HeldNamespace | None:
        """The namespace that a line beginning with NAME is about; None where it can be none."""
        found = self.find_namespace(name)
        if found is None and is_namespace(name) and len(name) < MAX_DOMAIN_NAME:
            found = self.namespace(name)
        return found

    def apply_exception(self, statement: ExceptionStatement) -> str | None:
        """Do what an exception policy line asks; say why where it has no effect."""
        if not isinstance(statement, InNamespace):
            return None
        namespace = self.namespace_of_line(statement.namespace)
        if namespace is None:
            return "there is no such namespace"
        content = statement.content
        if isinstance(content, Rejected):
            namespace.mention(content.groups)
            return None
        if isinstance(content, Delete):
            reason = self._delete_exception(namespace, content)
            self.updates += reason is None
            return reason
        self.updates += 1
        if isinstance(content, Aggregator):
            _add(namespace.aggregators, content)
        elif isinstance(content, TransitionControl):
            _add(namespace.transitions, content)
        elif isinstance(content, GroupMember):
            _add(namespace.groups[content.kind].setdefault(content.name.text, {}), content.member)
        else:
            namespace.mention_those_of(content.entry)
            add_entry(namespace.acl_groups.setdefault(content.group, {}), content.entry)
        return None

    def _delete_exception(self, namespace: HeldNamespace, statement: Delete) -> str | None:
        content = statement.content
        if isinstance(content, Aggregator):
            return _delete(namespace.aggregators, content)
        if isinstance(content, TransitionControl):
            return _delete(namespace.transitions, content)
        if isinstance(content, GroupMember):
            return _delete(namespace.groups[content.kind].setdefault(content.name.text, {}), content.member)
        if isinstance(content, SharedEntry):
            namespace.mention_those_of(content.entry)
            return delete_entry(namespace.acl_groups.setdefault(content.group, {}), content.entry)
        return None

    # Both

    def collect(self) -> None:
        """Forget deleted entries, and groups without members that no entry names."""
        for domain in self.domains.values():
            domain.entries = _collect_entries(domain.entries)
        for namespace in self.namespaces.values():
            namespace.transitions = _purge(namespace.transitions)
            namespace.aggregators = _purge(namespace.aggregators)
            namespace.acl_groups = {n: _collect_entries(e) for n, e in namespace.acl_groups.items()}
            for groups in namespace.groups.values():
                for name in groups:
                    groups[name] = _purge(groups[name])
        self._collect_groups()

    def _collect_groups(self) -> None:
        if all(m for n in self.namespaces.values() for g in n.groups.values() for m in g.values()):
            return
        named = {
            (id(namespace), *reference)
            for namespace, entries in self._all_entries()
            for entry in entries.values()
            if entry is not None and "@" in entry.subject
            for reference in entry.group_references()
        }
        for namespace in self.namespaces.values():
            for kind, groups in namespace.groups.items():
                namespace.groups[kind] = {
                    name: members for name, members in groups.items() if members or (id(namespace), kind, name) in named
                }

    def _all_entries(self) -> Iterable[tuple[HeldNamespace, Entries]]:
        for domain in self.domains.values():
            yield domain.namespace, domain.entries
        for namespace in self.namespaces.values():
            for entries in namespace.acl_groups.values():
                yield namespace, entries

    def domain_policy(self) -> DomainPolicy:
        """The domain policy as it stands."""
        return DomainPolicy(tuple(domain.value() for domain in self.domains.values()))

    def exception_policy(self) -> ExceptionPolicy:
        """The exception policy as it stands."""
        return ExceptionPolicy(tuple(held.exceptions() for held in self.namespaces.values()))

    def profile_policy(self) -> ProfilePolicy:
        """The profiles as they stand."""
        return ProfilePolicy(tuple(held.value() for held in self.namespaces.values()))

    def copy(self) -> KernelPolicy:
        """An independent copy, with nothing selected; entries are shared, being immutable."""
        other = KernelPolicy()
        other.active, other.updates = self.active, self.updates
        other._odd_namespaces = self._odd_namespaces
        other.namespaces = {
            name: replace(
                held,
                profiles=dict(held.profiles),
                transitions=dict(held.transitions),
                aggregators=dict(held.aggregators),
                groups={
                    kind: {group: dict(members) for group, members in groups.items()} for kind, groups in held.groups.items()
                },
                acl_groups={number: dict(entries) for number, entries in held.acl_groups.items()},
            )
            for name, held in self.namespaces.items()
        }
        other.domains = {
            name: replace(
                held,
                namespace=other.namespaces[held.namespace.name],
                groups=set(held.groups),
                entries=dict(held.entries),
                flags=set(held.flags),
            )
            for name, held in self.domains.items()
        }
        return other


_NO_DOMAIN = "no domain is selected, so this applies to none"


def _collect_entries(entries: Entries) -> Entries:
    if None not in entries.values():
        return entries
    return {subject: entry for subject, entry in entries.items() if entry is not None}

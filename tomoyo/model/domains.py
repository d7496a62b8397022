"""Domains and the domain policy: who may do what.

Every update gives a new value.  To apply many lines at once, parse them or
write them to a simulated kernel: both are linear, a chain of single updates is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .entries import Entry
from .errors import InvalidValueError
from .words import DomainName

__all__ = ["Domain", "DomainPolicy"]

MAX_PROFILES = 256
MAX_GROUPS = 256


def merge_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Merge entries that differ in operations alone, each at the place of its first."""
    merged: dict[str, Entry] = {}
    for entry in entries:
        held = merged.get(entry.subject)
        merged[entry.subject] = entry if held is None else held.merged(entry)
    return tuple(merged.values())


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain: its name, profile, ``use_group`` numbers, flags and entries.

    Attributes:
        name: may be given as a str.
        profile: a number from 0 to 255.
        groups: numbers of acl_groups, from 0 to 255, ascending.
        entries: each subject once, in the kernel's order.
        quota_exceeded: set by the kernel when learning stopped at its limit.
        transition_failed: set by the kernel when a process could not enter the domain that it should have.

    Raises InvalidValueError for a name or a number that is none.
    """

    name: DomainName
    profile: int = 0
    groups: tuple[int, ...] = ()
    entries: tuple[Entry, ...] = ()
    quota_exceeded: bool = False
    transition_failed: bool = False

    if TYPE_CHECKING:  # what the constructor takes, which is more than what the attributes hold

        def __init__(
            self,
            name: DomainName | str,
            profile: int = 0,
            groups: tuple[int, ...] = (),
            entries: tuple[Entry, ...] = (),
            quota_exceeded: bool = False,
            transition_failed: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.name, str):
            object.__setattr__(self, "name", DomainName(self.name))
        if not 0 <= self.profile < MAX_PROFILES:
            raise InvalidValueError(f"no profile number: {self.profile}")
        if any(not 0 <= group < MAX_GROUPS for group in self.groups):
            raise InvalidValueError(f"no group numbers: {self.groups}")
        if any(a >= b for a, b in zip(self.groups, self.groups[1:])):
            object.__setattr__(self, "groups", tuple(sorted(set(self.groups))))

    def __repr__(self) -> str:
        return f"<Domain {self.name}: profile {self.profile}, entries: {len(self.entries)}>"

    def with_entry(self, entry: Entry) -> Domain:
        """This domain with ENTRY added, merged as the kernel merges it."""
        return replace(self, entries=merge_entries([*self.entries, entry]))

    def without_entry(self, entry: Entry) -> Domain:
        """This domain without ENTRY's operations, as ``delete`` takes them away."""
        left = (held.reduced(entry) for held in self.entries)
        return replace(self, entries=tuple(held for held in left if held is not None))

    def merged(self, other: Domain) -> Domain:
        """This domain with OTHER's groups, flags and entries added; OTHER's profile.

        Raises InvalidValueError where OTHER has another name.
        """
        if self.name != other.name:
            raise InvalidValueError(f"two domains: {self.name} and {other.name}")
        return Domain(
            self.name,
            other.profile,
            self.groups + other.groups,
            merge_entries([*self.entries, *other.entries]),
            self.quota_exceeded or other.quota_exceeded,
            self.transition_failed or other.transition_failed,
        )


@dataclass(frozen=True, slots=True)
class DomainPolicy:
    """Domains in the kernel's order, each name once.

    Attributes:
        domains: all of them.
    """

    domains: tuple[Domain, ...] = ()

    def __iter__(self) -> Iterator[Domain]:
        return iter(self.domains)

    def __len__(self) -> int:
        return len(self.domains)

    def __repr__(self) -> str:
        return f"<DomainPolicy: domains: {len(self.domains)}>"

    def domain(self, name: DomainName | str) -> Domain | None:
        """The domain called NAME, or None.  Raises InvalidValueError for a text that is no domain name."""
        name = DomainName.of(name)
        return next((domain for domain in self.domains if domain.name == name), None)

    def with_domain(self, domain: Domain) -> DomainPolicy:
        """Put DOMAIN in the place of the one of its name, or at the end."""
        if self.domain(domain.name) is None:
            return DomainPolicy((*self.domains, domain))
        return DomainPolicy(tuple(domain if held.name == domain.name else held for held in self.domains))

    def without_domain(self, name: DomainName | str) -> DomainPolicy:
        """Leave out the domain called NAME.  Raises InvalidValueError for a text that is no domain name."""
        name = DomainName.of(name)
        return DomainPolicy(tuple(domain for domain in self.domains if domain.name != name))

    def merged(self, other: DomainPolicy) -> DomainPolicy:
        """All domains of this policy and of OTHER; those of one name merged, with OTHER's profile."""
        domains = {domain.name: domain for domain in self.domains}
        for domain in other.domains:
            held = domains.get(domain.name)
            domains[domain.name] = domain if held is None else held.merged(domain)
        return DomainPolicy(tuple(domains.values()))

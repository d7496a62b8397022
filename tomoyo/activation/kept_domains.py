"""Domains that a kernel holds and nobody wants, but that stay: which, and what confines them.

A program that is started in a domain's child, which nobody names, is confined
as the domain is: so the kernel makes that child.  Where it is there already, it
cannot be used to escape the new policy.  So such a domain

- is as the domain above it, if it has no entries of its own;
- has the profile of the domain above it if that one enforces something that it
  does not, and its groups beside its own groups and entries;
- stays as it is otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..model.domains import Domain
from ..model.entries import Entry
from ..model.profiles import Mode
from ..model.words import DomainName
from ..simulation.policy_reading import PolicyReading, ancestors
from .differences import learns_on, modes_of, profile_of
from .order import is_stand_in


def keep_domains(
    held: PolicyReading,
    wanted: PolicyReading,
    names: Collection[str],
    *,
    keep_learning: bool = False,
    before: PolicyReading | None = None,
) -> tuple[str, ...]:
    """Put those domains of HELD that stay into WANTED, as they will be, and give their names.

    Arguments:
        names: of those that stay in any case.
        keep_learning: whether others stay that learn, before and afterwards,
            and need not be confined; but not those that the policy BEFORE has.
    """
    extra = [name for name in held.blocks if name not in wanted.blocks]
    for name in sorted(extra, key=lambda name: name.count(" ")):
        namespace = name.partition(" ")[0]
        profile, groups = held.head(name)
        is_learning = (
            keep_learning and not (before and name in before.blocks) and learns_on(held, wanted, namespace, profile, profile)
        )
        if not (is_learning or name in names):
            continue
        domain = held.domain(name)
        assert domain
        # What was lent, and not taken back where an activation was broken off, is not the domain's own.
        entries = tuple(entry for entry in domain.entries.values() if entry and not is_stand_in(entry))
        above = wanted.above(name)
        if above is None:
            wanted.put(_domain(name, profile, groups, entries))
            continue
        profile_above, groups_above = wanted.head(above)
        is_free = not enforced(held, wanted, namespace, profile_above) <= enforced(held, wanted, namespace, profile)
        if is_free and name not in names:
            continue
        if is_free and entries:
            wanted.put(_domain(name, profile_above, groups | groups_above, entries))
        elif is_free or not (entries or is_learning):
            wanted.put(_domain(name, profile_above, groups_above, entries))
        else:
            wanted.put(_domain(name, profile, groups, entries))
    return tuple(name for name in extra if name in wanted.blocks)


def _domain(name: str, profile: int, groups: Iterable[int], entries: tuple[Entry, ...]) -> Domain:
    return Domain(DomainName(name), profile, tuple(sorted(groups)), entries)


def enforced(held: PolicyReading, wanted: PolicyReading, namespace: str, number: int) -> frozenset[str]:
    """The functionalities that a profile enforces as wanted; as held, where it is not wanted."""
    profile = profile_of(wanted, namespace, number) or profile_of(held, namespace, number)
    return frozenset(name for name, mode in modes_of(profile).items() if mode is Mode.ENFORCING)


def says_nothing(policy: PolicyReading, name: str) -> bool:
    """Whether the domain NAME is as the kernel made it when a program ran, and would make it again."""
    above = policy.above(name)
    domain = policy.domain(name)
    return above is not None and domain is not None and not domain.entries and policy.head(name) == policy.head(above)


def are_made_by_programs(held: PolicyReading, wanted: PolicyReading) -> list[str]:
    """The domains that nobody wants, and that only say what a domain above them says that is wanted or such a one itself."""
    extra = [name for name in held.blocks if name not in wanted.blocks]
    held.parse(extra)
    found: set[str] = set()
    for name in sorted(extra, key=lambda name: name.count(" ")):
        if says_nothing(held, name) and any(above in wanted.blocks or above in found for above in ancestors(name)):
            found.add(name)
    return [name for name in extra if name in found]

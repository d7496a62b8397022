"""What differs between what a kernel holds and a policy set, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..kernel.held_policy import read_held_texts
from ..simulation.policy_reading import PolicyReading
from .differences import AggregatorChange, Differences, EntryChange, Lines, find_differences
from .kept_domains import are_made_by_programs
from .planner import read_wanted

if TYPE_CHECKING:
    from ..kernel.securityfs import Interface
    from ..simulation.policy_reading import Texts


def drift(interface: Interface, wanted: Texts) -> list[str]:
    """What differs between what a kernel holds and WANTED, in words; nothing where it holds just that.

    Raises PolicySyntaxError for a line of WANTED that no kernel would keep.
    """
    held, policy = PolicyReading(read_held_texts(interface)), read_wanted(wanted)
    found = find_differences(held, policy)
    # What the kernel made as a program ran, and would make again, is no drift.
    made = set(are_made_by_programs(held, policy))
    found.extra_domains = [name for name in found.extra_domains if name not in made]
    return list(_in_words(found))


def _in_words(found: Differences) -> Iterable[str]:
    for change in found.domains.values():
        if change.is_new:
            yield f"domain {change.name} is missing"
    for name in found.extra_domains:
        yield f"domain {name} is in no policy"
    for change in found.domains.values():
        if change.is_new:
            continue
        if change.held_profile != change.profile:
            yield f"domain {change.name} is in profile {change.held_profile} instead of {change.profile}"
        if change.held_groups != change.groups:
            held, wanted = (" ".join(map(str, sorted(groups))) or "none" for groups in (change.held_groups, change.groups))
            yield f"domain {change.name} uses groups {held} instead of {wanted}"
        yield from _changes_in_words(f"domain {change.name}", ("entry", "entries"), change.entries)
    yield from _lines_in_words("exception policy", ("transition control", "transition controls"), found.transitions)
    for namespace, aggregators in found.aggregators.items():
        yield from _changes_in_words(f"exception policy of {namespace}", ("aggregator", "aggregators"), aggregators)
    yield from _lines_in_words("exception policy", ("group member", "group members"), found.groups)
    for (namespace, number), shared in found.shared.items():
        yield from _changes_in_words(f"acl_group {number} of {namespace}", ("entry", "entries"), shared)
    for line in found.versions:
        yield f"profiles: {line}"
    for (namespace, number), profile in found.profiles.items():
        yield f"profile {number} of {namespace} {'differs' if profile.held else 'is not defined'}"
    yield from _lines_in_words("managers", ("manager", "managers"), found.managers)
    for name, (quota, wanted_quota) in found.quotas.items():
        yield f"quota for {name}: {quota} instead of {wanted_quota}"


def _changes_in_words(subject: str, nouns: tuple[str, str], change: EntryChange | AggregatorChange) -> Iterable[str]:
    yield from _counts_in_words(subject, nouns, len(change.add), len(change.delete), len(change.move))


def _lines_in_words(subject: str, nouns: tuple[str, str], lines: Lines) -> Iterable[str]:
    yield from _counts_in_words(subject, nouns, len(lines.add), len(lines.delete))


def _counts_in_words(subject: str, nouns: tuple[str, str], missing: int, surplus: int, moved: int = 0) -> Iterable[str]:
    parts = ((missing, "missing"), (surplus, "not wanted"), (moved, "in another order"))
    found = [f"{count} {nouns[count != 1]} {state}" for count, state in parts if count]
    if found:
        yield f"{subject}: {', '.join(found)}"

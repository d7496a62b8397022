"""The way from what a kernel holds to what is wanted, in four fixed stages.

- **grow**: everything new is added beside what is old.  What an acl_group
  cannot grant yet, as its number is used anew, is lent as entries of the domain.
- **switch**: aggregators and transition control change, then domains and
  profiles change their modes: a domain after the profile that it changes to,
  and before the one that it leaves.  A free number breaks a circle.
- **settle**: acl_groups whose numbers are used anew: leave, empty, fill, enter.
- **shrink**: what is old or lent goes; then what must stand last is added again.

So at every line, and wherever this is broken off, a domain that enforces in
both policies enforces, and what both permit is permitted.  Why: before a domain
switches it has its old modes and all that either policy grants; afterwards it
has its new modes and loses only what the old policy alone grants.

A path group may meanwhile be seen with old and new members at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..model.domains import MAX_PROFILES
from ..model.entries import Entry
from ..model.errors import InvalidValueError, TomoyoError
from ..model.exception_policy import TRANSITION_CONTROLS
from ..model.profiles import Profile
from ..sets.directory import FILES, SetTexts, printable
from ..simulation.policy_reading import PolicyReading, below_first
from .differences import (
    AggregatorChange,
    Differences,
    DomainChange,
    EntryChange,
    Number,
    ProfileChange,
    compare_profile,
    domains_that_differ,
    find_differences,
    in_namespace,
    profile_of,
)
from .kept_domains import keep_domains as put_kept_domains
from .order import aggregator_stand_in, entry_stand_in
from .plan import SETTLE, Plan, Write
from .temporary_entries import add_temporary_entries, reused_groups

if TYPE_CHECKING:
    from ..simulation.policy_reading import Texts

__all__ = ["plan"]

DOMAIN, EXCEPTION, PROFILE = "domain_policy", "exception_policy", "profile"


class NoFreeProfileError(TomoyoError, ValueError):
    """Profiles change in a circle, and there is no unused number to break it."""


class UnreadableLineError(TomoyoError, ValueError):
    """What is held has a line that no kernel reads: it grants, and can be neither compared nor deleted."""


def plan(
    held: Texts,
    wanted: Texts,
    *,
    keep_learned: bool = False,
    keep_lines: Collection[str] = (),
    keep_domains: Collection[str] = (),
    own: Collection[str] = (),
    named: str = "",
) -> Plan:
    """Find the writes that bring a kernel from HELD, as it prints it, to WANTED.  Returns them in order.

    After each line, what enforces in both policies enforces, and what both permit is permitted.

    Arguments:
        keep_learned: keep learned entries of domains that stay in learning
            mode, and domains that nobody wants and that learn.
        keep_lines: lines of exception policy that stay though they are not
            wanted: bindings in use.
        keep_domains: domains that stay though they are not wanted; what then
            confines them, ``kept_domains`` says.
        own: the caller's program and domain, which stay managers to the end.
        named: the domain policy that was wanted before: what it has was not
            learned.

    Raises PolicySyntaxError for a wanted line that a kernel would drop or store
    as something else, InvalidValueError where a wanted domain's profile is not
    defined, NoFreeProfileError, and UnreadableLineError for a held line that no
    kernel reads.
    """
    before = PolicyReading(SetTexts("", {"domain_policy": named})) if named else None
    options = {"keep_lines": keep_lines, "keep_domains": keep_domains, "own": own}
    return make_plan(PolicyReading(held), read_wanted(wanted), keep_learned=keep_learned, before=before, **options)


def read_wanted(texts: Texts) -> PolicyReading:
    """The policy set TEXTS; what a kernel would drop of it, or store as something else, is refused."""
    directory = texts.path if isinstance(texts, SetTexts) else ""
    return PolicyReading(texts, file_names={name: os.path.join(directory, file) for name, file in FILES.items()})


def make_plan(
    held: PolicyReading,
    wanted: PolicyReading,
    *,
    keep_learned: bool = False,
    keep_lines: Collection[str] = (),
    keep_domains: Collection[str] = (),
    own: Collection[str] = (),
    before: PolicyReading | None = None,
) -> Plan:
    """As ``plan``, of policies that were read; BEFORE is the one that was wanted before."""
    domains_that_differ(held, wanted)  # an unusual text is parsed as a whole, before domains are put into it
    left = put_kept_domains(held, wanted, keep_domains, keep_learning=keep_learned, before=before)
    found = find_differences(held, wanted, keep_learned=keep_learned, before=before)
    if held.dropped:
        line = printable(held.dropped[0])
        raise UnreadableLineError(f"'{line}' is held, which no kernel reads, so it can be neither compared nor deleted")
    _refuse_undefined_profiles(found, held, wanted)
    kept = _keep_lines(found, keep_lines)
    _inherit_groups(found, held)
    reused = reused_groups(found)
    add_temporary_entries(found, held, wanted, reused)
    writes = [
        *grow(found, reused),
        *switch(found, held, wanted),
        *settle(found, reused),
        *shrink(found, reused, own),
    ]
    return Plan(tuple(writes), kept, left, found.forgotten)


def _refuse_undefined_profiles(found: Differences, held: PolicyReading, wanted: PolicyReading) -> None:
    """Raise InvalidValueError for a profile that neither policy defines: the kernel drops its ``use_profile``."""
    for change in found.domains.values():
        if not any(profile_of(policy, change.namespace, change.profile) for policy in (held, wanted)):
            raise InvalidValueError(f"profile {change.profile} of {change.name} is not defined in namespace {change.namespace}")


def _keep_lines(found: Differences, lines: Collection[str]) -> tuple[str, ...]:
    """Take LINES out of what is deleted, and give those that were."""
    kept: list[str] = []
    for namespace, change in found.aggregators.items():
        texts = {line: in_namespace(namespace, str(line)) for line in change.delete}
        kept += [text for text in texts.values() if text in lines]
        change.delete = [line for line, text in texts.items() if text not in lines]
    kept += [line for line in found.groups.delete if line in lines]
    found.groups.delete = [line for line in found.groups.delete if line not in lines]
    return tuple(kept)


def _waits(found: Differences, change: DomainChange) -> bool:
    """Whether a new domain cannot have its profile before that changes."""
    profile = found.profiles.get((change.namespace, change.profile))
    return change.held_profile != change.profile and profile is not None and profile.decides


def _inherit_groups(found: Differences, held: PolicyReading) -> None:
    """Let a new domain that waits use the groups meanwhile that the kernel would have given it."""
    for change in found.domains.values():
        above = held.above(change.name) if change.is_new and _waits(found, change) else None
        if above:
            change.held_groups = held.head(above)[1]


# Grow


def grow(found: Differences, reused: Collection[Number]) -> Iterator[Write]:
    """Add everything new beside what is old."""
    for name, (before, after) in found.quotas.items():
        if before and (after > before or not after):
            yield Write("stat", f"Memory used by {name}: {after}")
    yield from _lines("manager", found.managers.add)
    yield from _lines(PROFILE, found.versions)
    for profile in found.profiles.values():
        yield from _lines(PROFILE, profile.others)
        if not profile.decides:
            yield from _lines(PROFILE, profile.modes)
    yield from _lines(EXCEPTION, found.groups.add)
    # A domain's own entries come before its groups', so they are added first, and deleted last.
    for change in found.domains.values():
        if not change.is_new:
            yield from _add_entries(change)
            if _is_alone(found, change):
                yield from _delete_entries(change)
    for key, shared in sorted(found.shared.items()):
        if key not in reused:
            yield from _lines(EXCEPTION, _shared_lines(key, shared.add))
    new = [change for change in found.domains.values() if change.is_new]
    for change in sorted(new, key=lambda change: below_first(change.name)):
        yield from _create(found, change, reused)
    for change in found.domains.values():
        if not change.is_new:
            yield from _use_groups(change, change.groups - change.held_groups, reused, in_reused=False)


def _create(found: Differences, change: DomainChange, reused: Collection[Number]) -> Iterator[Write]:
    """Create a domain confined as the kernel would have created it, fill it, and confine it as wanted."""
    name, first, last = change.name, change.held_profile, change.profile
    lines = [f"use_profile {first}"] if first else []
    lines += [entry.text for entry in (*change.entries.add, *change.lent)]
    groups = {group for group in change.groups if (change.namespace, group) not in reused} | change.held_groups
    lines += [f"use_group {group}" for group in sorted(groups)]
    if first != last and not _waits(found, change):
        lines.append(f"use_profile {last}")
        change.held_profile = last
    yield Write(DOMAIN, "\n".join(lines), name)


def _is_alone(found: Differences, change: DomainChange) -> bool:
    """Whether nothing but entries of this domain changes, so that old ones need not wait for anything else."""
    unchanged = change.held_profile == change.profile and change.held_groups == change.groups
    return unchanged and not (change.lent or change.entries.move or found.aggregators or found.profiles or found.shared)


def _add_entries(change: DomainChange) -> Iterator[Write]:
    yield from _lines(DOMAIN, [entry.text for entry in (*change.entries.add, *change.lent)], change.name)


def _delete_entries(change: DomainChange) -> Iterator[Write]:
    """Delete what was lent, and what is old."""
    lines = [f"delete {entry.text}" for entry in (*reversed(change.lent), *change.entries.drop())]
    yield from _lines(DOMAIN, lines, change.name)
    change.entries.delete, change.lent = [], []


def _use_groups(
    change: DomainChange, groups: Iterable[int], reused: Collection[Number], *, in_reused: bool, delete: bool = False
) -> Iterator[Write]:
    chosen = [group for group in sorted(groups) if ((change.namespace, group) in reused) is in_reused]
    yield from _lines(DOMAIN, [f"{'delete ' if delete else ''}use_group {group}" for group in chosen], change.name)


def _shared_lines(key: Number, entries: Iterable[Entry], delete: str = "") -> list[str]:
    return [f"{delete}{in_namespace(key[0], f'acl_group {key[1]} {entry}')}" for entry in entries]


def _lines(interface: str, lines: Sequence[str], domain: str = "") -> Iterator[Write]:
    return (Write(interface, line, domain) for line in lines)


# Switch


def switch(found: Differences, held: PolicyReading, wanted: PolicyReading) -> Iterator[Write]:
    """Change what leads to domains, then profiles and the profiles of domains."""
    for namespace, aggregators in found.aggregators.items():
        yield from _lines(EXCEPTION, [in_namespace(namespace, str(line)) for line in aggregators.add])
    # What takes precedence is added first and deleted last.
    order = {keyword: place for place, keyword in enumerate(TRANSITION_CONTROLS)}

    def place(line: str) -> int:
        words = line.split(" ")
        return order[words[1] if words[0].startswith("<") else words[0]]

    yield from _lines(EXCEPTION, sorted(found.transitions.add, key=place))
    yield from _lines(EXCEPTION, [f"delete {line}" for line in sorted(found.transitions.delete, key=place, reverse=True)])
    yield from _drop_aggregators(found.aggregators)
    changing: dict[str, dict[int, ProfileChange]] = {}
    for (namespace, number), profile in found.profiles.items():
        if profile.decides:
            changing.setdefault(namespace, {})[number] = profile
    movers: dict[str, list[DomainChange]] = {}
    for change in found.domains.values():
        if change.held_profile != change.profile:
            movers.setdefault(change.namespace, []).append(change)
    for namespace in sorted({*changing, *movers}):
        yield from _switch_profiles(held, wanted, namespace, changing.get(namespace, {}), movers.get(namespace, []))


def _switch_profiles(
    held: PolicyReading,
    wanted: PolicyReading,
    namespace: str,
    changing: dict[int, ProfileChange],
    movers: Sequence[DomainChange],
) -> Iterator[Write]:
    """Change the modes of profiles, and let domains change theirs: from a profile before it changes, to one afterwards."""
    leaving: dict[int, list[DomainChange]] = {}
    for change in movers:
        leaving.setdefault(change.held_profile, []).append(change)
    stands_in: dict[int, int] = {}
    while changing:
        # What domains change to that are still in a profile must have changed before it.
        ready = [
            number
            for number in changing
            if all(change.profile not in changing or change.profile in stands_in for change in leaving.get(number, ()))
        ]
        if not ready:
            number = next(number for number in changing if number not in stands_in)
            free = _free_profile(held, wanted, namespace, set(stands_in.values()))
            stands_in[number] = free
            yield from _define(held, namespace, replace(changing[number].wanted, number=free))
            continue
        for number in ready:
            for change in leaving.pop(number, ()):
                change.held_profile = (
                    stands_in.get(change.profile, change.profile) if change.profile in changing else change.profile
                )
                yield Write(DOMAIN, f"use_profile {change.held_profile}", change.name)
            yield from _lines(PROFILE, changing.pop(number).modes)
    for change in movers:
        if change.held_profile != change.profile:
            yield Write(DOMAIN, f"use_profile {change.profile}", change.name)


def _free_profile(held: PolicyReading, wanted: PolicyReading, namespace: str, taken: Collection[int]) -> int:
    """A number of a profile that is not wanted, and that no domain uses; best one that is not defined."""
    used = {policy.head(name)[0] for policy in (held, wanted) for name in policy.blocks if name.partition(" ")[0] == namespace}
    part = wanted.namespaces.get(namespace)
    used |= {*(part.profiles if part else ()), *taken}
    free = [number for number in reversed(range(MAX_PROFILES)) if number not in used]
    free.sort(key=lambda number: profile_of(held, namespace, number) is not None)
    if not free:
        raise NoFreeProfileError(
            f"profiles of {namespace} change in a circle, and all {MAX_PROFILES} numbers are in use: give one of them up"
        )
    return free[0]


def _define(held: PolicyReading, namespace: str, profile: Profile) -> Iterator[Write]:
    change = compare_profile(namespace, profile_of(held, namespace, profile.number), profile)
    return _lines(PROFILE, [*change.others, *change.modes])


# Settle


def settle(found: Differences, reused: Collection[Number]) -> Iterator[Write]:
    """Let domains leave the REUSED groups, change these, and let domains enter."""
    if not reused:
        return
    changes = found.domains.values()
    for change in changes:
        yield from _use_groups(change, change.held_groups - change.groups, reused, in_reused=True, delete=True)
    for key in sorted(reused, reverse=True):
        shared = found.shared[key]
        yield from _lines(EXCEPTION, _shared_lines(key, shared.last_first(shared.delete), "delete "))
        shared.delete = []
    for key in sorted(reused):
        yield from _lines(EXCEPTION, _shared_lines(key, found.shared[key].add))
    for change in changes:
        yield from _use_groups(change, change.groups - change.held_groups, reused, in_reused=True)


# Shrink


def shrink(found: Differences, reused: Collection[Number], own: Collection[str]) -> Iterator[Write]:
    """Delete what is old or lent, and add again what must stand last."""
    again: list[Write] = []
    for key, shared in sorted(found.shared.items(), reverse=True):
        stand_ins = _stand_ins(shared)
        yield from _lines(EXCEPTION, _shared_lines(key, stand_ins))
        yield from _lines(EXCEPTION, _shared_lines(key, shared.drop(), "delete "))
        again += _lines(EXCEPTION, _shared_lines(key, shared.move))
        again += _lines(EXCEPTION, _shared_lines(key, reversed(stand_ins), "delete "))
    for change in found.domains.values():
        left = change.held_groups - change.groups
        if change.is_new and not (change.lent or left):
            continue
        yield from _use_groups(change, left, reused, in_reused=False, delete=True)
        stand_ins = _stand_ins(change.entries, [entry.subject for entry in change.lent])
        yield from _lines(DOMAIN, list(map(str, stand_ins)), change.name)
        yield from _delete_entries(change)
        moved = [*map(str, change.entries.move), *(f"delete {entry}" for entry in reversed(stand_ins))]
        again += _lines(DOMAIN, moved, change.name)
    yield from _lines(EXCEPTION, [f"delete {line}" for line in found.groups.delete])
    if again:
        yield from (SETTLE, *again)
    # The deepest first, so that none is created anew from above.
    yield from _lines(DOMAIN, [f"delete {name}" for name in sorted(found.extra_domains, key=below_first)])
    for name, (before, after) in found.quotas.items():
        if after and not (before and after > before):
            yield Write("stat", f"Memory used by {name}: {after}")
    yield from _lines("manager", [f"delete {line}" for line in sorted(found.managers.delete, key=lambda line: line in own)])


def _stand_ins(change: EntryChange, taken: Iterable[str] = ()) -> list[Entry]:
    """What stands in for the entries that move; none has one of the subjects TAKEN."""
    if not change.move:
        return []
    subjects = {*change.places, *taken}
    return [entry_stand_in(entry, subjects) for entry in change.move]


def _drop_aggregators(changes: Mapping[str, AggregatorChange]) -> Iterator[Write]:
    """Delete old aggregators, and add again those that must stand last."""
    again: list[Write] = []
    for namespace, change in changes.items():
        stand_ins = [aggregator_stand_in(line, change.places) for line in change.move]
        yield from _lines(EXCEPTION, [in_namespace(namespace, str(line)) for line in stand_ins])
        yield from _lines(EXCEPTION, [f"delete {in_namespace(namespace, str(line))}" for line in change.drop()])
        again += _lines(EXCEPTION, [in_namespace(namespace, str(line)) for line in change.move])
        again += _lines(EXCEPTION, [f"delete {in_namespace(namespace, str(line))}" for line in reversed(stand_ins)])
    if again:
        yield from (SETTLE, *again)

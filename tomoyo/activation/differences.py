"""What differs between what a kernel holds and what is wanted, thing by thing.

Two policies are the same where

- each wanted domain has the same profile, groups and entries.  The flags
  ``quota_exceeded`` and ``transition_failed`` are the kernel's notes, no policy;
- transition control, aggregators, groups and managers are the same, and so are
  each wanted profile.  Other profiles stay, as a kernel forgets none;
- each memory quota is the wanted one, or none;
- the order is the same wherever it counts (see ``order``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..model.entries import Entry
from ..model.exception_policy import Aggregator, TransitionControl
from ..model.profiles import FUNCTIONALITIES, OLD_PROFILE_VERSION, PROFILE_VERSION, Mode, Profile
from ..simulation.policy_reading import KERNEL, PolicyReading, same_exceptions
from ..syntax.kernel_policy import HeldNamespace
from .order import aggregator_places, entry_places, is_stand_in, to_move

Item = TypeVar("Item", Entry, Aggregator)
#: A namespace and the number of a profile or of an acl_group in it.
Number = tuple[str, int]
#: The mode of each functionality.
Modes = Mapping[str, Mode]


@dataclass(slots=True)
class ListChange(Generic[Item]):
    """What changes in a list of entries or aggregators, of which the kernel takes the first that matches.

    Attributes:
        add: what is new, in the order in which it is wanted.
        delete: what is not wanted.
        move: what must be added again so that it stands last, in this order.
        places: where everything stands when what is new was added, by the
            subject of an entry, or the text of an aggregator.
    """

    add: list[Item] = field(default_factory=list)
    delete: list[Item] = field(default_factory=list)
    move: list[Item] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.add or self.delete or self.move)

    def drop(self) -> list[Item]:
        """What is deleted, and what moves, the last first.

        In that order every name is matched by what matched it before, until it
        is matched by what matches it afterwards.
        """
        return self.last_first(self.delete + self.move)

    def last_first(self, items: list[Item]) -> list[Item]:
        """ITEMS, the last of them first."""
        return sorted(items, key=lambda item: -self.places.get(key_of(item), 0))


def key_of(item: Entry | Aggregator) -> str:
    """What tells ITEM from others of its list."""
    return item.subject if isinstance(item, Entry) else str(item)


EntryChange = ListChange[Entry]
AggregatorChange = ListChange[Aggregator]


@dataclass(slots=True)
class DomainChange:
    """What changes in one domain.

    A new domain has the profile that the kernel would give it, and no groups.
    ``lent`` are entries that an acl_group grants only later.
    """

    name: str
    is_new: bool
    held_profile: int
    profile: int
    held_groups: frozenset[int]
    groups: frozenset[int]
    entries: EntryChange = field(default_factory=ListChange)
    lent: list[Entry] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.is_new or self.held_profile != self.profile or self.held_groups != self.groups or self.entries)

    @property
    def namespace(self) -> str:
        """The namespace of the domain."""
        return self.name.partition(" ")[0]


@dataclass(slots=True)
class ProfileChange:
    """What changes in a profile; ``modes`` are the lines after which a request may be decided in another way."""

    wanted: Profile
    held: Profile | None
    modes: list[str]
    others: list[str]

    @property
    def decides(self) -> bool:
        """Whether it is held, and any request is decided in another mode afterwards."""
        return self.held is not None and modes_of(self.held) != modes_of(self.wanted)


@dataclass(slots=True)
class Lines:
    """Lines to add and to delete whose order does not count."""

    add: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Differences:
    """All that differs; new domains stand before those below which they are."""

    domains: dict[str, DomainChange] = field(default_factory=dict)
    extra_domains: list[str] = field(default_factory=list)
    forgotten: int = 0
    transitions: Lines = field(default_factory=Lines)
    aggregators: dict[str, AggregatorChange] = field(default_factory=dict)
    groups: Lines = field(default_factory=Lines)
    shared: dict[Number, EntryChange] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    profiles: dict[Number, ProfileChange] = field(default_factory=dict)
    managers: Lines = field(default_factory=Lines)
    quotas: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        lines = (self.transitions, self.groups, self.managers)
        parts = (self.domains, self.extra_domains, self.aggregators, self.shared, self.versions, self.profiles, self.quotas)
        return any(parts) or any(part.add or part.delete for part in lines)


def in_namespace(namespace: str, line: str) -> str:
    """LINE of a profile or of exception policy, as it is written for NAMESPACE."""
    return line if namespace == KERNEL else f"{namespace} {line}"


def modes_of(profile: Profile | None) -> Modes:
    """The mode of each functionality; empty for a profile that is not defined."""
    return {name: profile.config(name).mode for name in FUNCTIONALITIES if "::" in name} if profile else {}


def profile_of(policy: PolicyReading, namespace: str, number: int) -> Profile | None:
    """Profile NUMBER of NAMESPACE, if POLICY defines it."""
    part = policy.namespaces.get(namespace)
    return part.profiles.get(number) if part else None


def domains_that_differ(held: PolicyReading, wanted: PolicyReading) -> list[str]:
    """The names of the domains of WANTED that are not held to the letter, in their order; in both policies they are parsed."""

    def differ() -> list[str]:
        return [name for name, block in wanted.blocks.items() if held.blocks.get(name) != block or name in wanted.domains]

    wanted.parse(differ())
    names = differ()  # once more, as all of an unusual text is parsed
    held.parse(names)
    return names


def find_differences(
    held: PolicyReading, wanted: PolicyReading, *, keep_learned: bool = False, before: PolicyReading | None = None
) -> Differences:
    """Compare what a kernel HOLDS with what is WANTED.

    KEEP_LEARNED takes what a domain learned for wanted where the domain goes on
    learning: its entries that neither WANTED nor the policy BEFORE has.

    Raises PolicySyntaxError for a wanted line that a kernel would drop, or
    store as something else.
    """
    found = Differences()
    _compare_exceptions(found, held, wanted, always=keep_learned)
    names = domains_that_differ(held, wanted)
    if keep_learned and before:
        before.parse(names)
    for name in names:
        change = _compare_domain(held, wanted, name)
        if keep_learned and not change.is_new and change.entries.delete:
            found.forgotten += _keep_learned(change, held, wanted, before)
        if change:
            found.domains[name] = change
    found.extra_domains = [name for name in held.blocks if name not in wanted.blocks]
    _compare_profiles(found, held, wanted)
    ours, theirs = list(map(str, held.managers)), list(map(str, wanted.managers))
    found.managers = Lines([line for line in theirs if line not in set(ours)], [line for line in ours if line not in set(theirs)])
    now, then = held.quotas, wanted.quotas
    quotas = {name: (now.get(name, 0), then.get(name, 0)) for name in {**then, **now}}
    found.quotas = {name: (before, after) for name, (before, after) in quotas.items() if before != after}
    return found


# Domains


def _compare_domain(held: PolicyReading, wanted: PolicyReading, name: str) -> DomainChange:
    then, now = wanted.domains[name], held.domains.get(name)
    if now is None:
        above = held.above(name)
        profile = held.head(above)[0] if above else 0
        entries: EntryChange = ListChange(_entries(then.entries))
        return DomainChange(name, True, profile, then.profile, frozenset(), frozenset(then.groups), entries)
    entries = compare_entries(now.entries, then.entries)
    return DomainChange(name, False, now.profile, then.profile, frozenset(now.groups), frozenset(then.groups), entries)


def _entries(found: Mapping[str, Entry | None]) -> list[Entry]:
    return [entry for entry in found.values() if entry is not None]


def compare_entries(held: Mapping[str, Entry | None], wanted: Mapping[str, Entry | None]) -> EntryChange:
    """What to write so that the entries HELD become those WANTED, both by their subjects."""
    change: EntryChange = ListChange()
    if held == wanted and list(held) == list(wanted):
        return change
    change.places = {subject: place for place, subject in enumerate(dict.fromkeys((*held, *wanted)))}
    for subject, entry in wanted.items():
        assert entry
        before = held.get(subject)
        if before is None:
            change.add.append(entry)
        elif before.operations != entry.operations:
            missing, surplus = _without(entry, before), _without(before, entry)
            change.add += [missing] if missing else []
            change.delete += [surplus] if surplus else []
    change.delete += [entry for subject, entry in held.items() if entry and subject not in wanted]
    places = entry_places(_entries(wanted))
    if places:
        moved = to_move([subject for subject in held if subject in wanted], places)
        change.move = [entry for entry in map(wanted.get, moved) if entry]
    return change


def _without(entry: Entry, other: Entry | None) -> Entry | None:
    """ENTRY without the operations of OTHER, which has the same subject; None where nothing is left."""
    return entry.reduced(other) if other else entry


def _keep_learned(change: DomainChange, held: PolicyReading, wanted: PolicyReading, before: PolicyReading | None) -> int:
    """Take what the domain learned out of what is deleted, where it goes on learning; else count that.

    What the policy BEFORE has was not learned, and neither was what stands in
    for something: an activation that was broken off may have left that.
    """
    named = before.domains[change.name].entries if before and change.name in before.domains else {}
    learned: dict[str, Entry] = {}
    for entry in change.entries.delete:
        rest = None if is_stand_in(entry) else _without(entry, named.get(entry.subject))
        if rest:
            learned[entry.subject] = rest
    if not learns_on(held, wanted, change.namespace, change.held_profile, change.profile):
        return len(learned) if is_learning(held, change.namespace, change.held_profile) else 0
    kept = [_without(entry, learned.get(entry.subject)) for entry in change.entries.delete]
    change.entries.delete = [entry for entry in kept if entry]
    return 0


def is_learning(policy: PolicyReading, namespace: str, number: int) -> bool:
    """Whether the profile NUMBER of NAMESPACE learns anything."""
    return Mode.LEARNING in modes_of(profile_of(policy, namespace, number)).values()


def learns_on(held: PolicyReading, wanted: PolicyReading, namespace: str, number: int, wanted_number: int) -> bool:
    """Whether a profile learns, as held, and the wanted one learns at least the same."""
    now = modes_of(profile_of(held, namespace, number))
    then = modes_of(profile_of(wanted, namespace, wanted_number) or profile_of(held, namespace, wanted_number))
    learned = {name for name, mode in now.items() if mode is Mode.LEARNING}
    return bool(learned) and learned <= {name for name, mode in then.items() if mode is Mode.LEARNING}


# Exception policy


def _compare_exceptions(found: Differences, held: PolicyReading, wanted: PolicyReading, *, always: bool) -> None:
    if not always and same_exceptions(held.texts, wanted.texts):
        return
    held.parse_exceptions()
    wanted.parse_exceptions()
    for name in {**wanted.namespaces, **held.namespaces}:
        now, then = (policy.namespaces.get(name) or HeldNamespace(name) for policy in (held, wanted))
        _compare_lines(found.transitions, name, _transitions(now.transitions), _transitions(then.transitions))
        _compare_lines(found.groups, name, _members(now), _members(then))
        aggregators = _compare_aggregators(list(now.aggregators), list(then.aggregators))
        if aggregators:
            found.aggregators[name] = aggregators
        for number in sorted({*now.acl_groups, *then.acl_groups}):
            change = compare_entries(now.acl_groups.get(number, {}), then.acl_groups.get(number, {}))
            if change:
                found.shared[name, number] = change


def _transitions(controls: Iterable[TransitionControl]) -> list[str]:
    return list(map(str, controls))


def _members(part: HeldNamespace) -> list[str]:
    return [
        f"{kind.value} {name} {member}"
        for kind, groups in part.groups.items()
        for name, some in groups.items()
        for member in some
    ]


def _compare_lines(found: Lines, namespace: str, held: Sequence[str], wanted: Sequence[str]) -> None:
    ours, theirs = set(held), set(wanted)
    found.add += [in_namespace(namespace, line) for line in wanted if line not in ours]
    found.delete += [in_namespace(namespace, line) for line in held if line not in theirs]


def _compare_aggregators(held: list[Aggregator], wanted: list[Aggregator]) -> AggregatorChange:
    change: AggregatorChange = ListChange()
    if held == wanted:
        return change
    ours, theirs = set(held), set(wanted)
    change.places = {str(line): place for place, line in enumerate(dict.fromkeys((*held, *wanted)))}
    change.add = [line for line in wanted if line not in ours]
    change.delete = [line for line in held if line not in theirs]
    by_text = {str(line): line for line in wanted}
    moved = to_move([str(line) for line in held if line in theirs], aggregator_places(wanted))
    change.move = [by_text[text] for text in moved]
    return change


# Profiles


def _compare_profiles(found: Differences, held: PolicyReading, wanted: PolicyReading) -> None:
    inhabited = {name.partition(" ")[0] for name in wanted.blocks}
    for name, part in wanted.namespaces.items():
        now = held.namespaces.get(name) or HeldNamespace(name)
        # A kernel that boots with the older version converts it where there is a domain.
        version = PROFILE_VERSION if part.version == OLD_PROFILE_VERSION and name in inhabited else part.version
        if now.version != version:
            found.versions.append(in_namespace(name, f"PROFILE_VERSION={version}"))
        for number, profile in part.profiles.items():
            change = compare_profile(name, now.profiles.get(number), profile)
            if change.modes or change.others:
                found.profiles[name, number] = change


def compare_profile(namespace: str, held: Profile | None, wanted: Profile) -> ProfileChange:
    """The lines that make the profile HELD the one WANTED.

    Their order keeps each functionality in its old mode or its new one: what is
    said in particular is set before what is said in general, and particulars
    are given up last, those of a category before those of its parts.
    """
    prefix = in_namespace(namespace, str(wanted.number))
    now = held or Profile(wanted.number)
    before, after = dict(now.configs), dict(wanted.configs)
    order = [name for name in FUNCTIONALITIES if "::" in name] + [name for name in FUNCTIONALITIES if "::" not in name]
    modes = [f"{prefix}-CONFIG::{name}={after[name]}" for name in order if name in after and after[name] != before.get(name)]
    if now.default != wanted.default:
        modes.append(f"{prefix}-CONFIG={wanted.default}")
    modes += [f"{prefix}-CONFIG::{name}=use_default" for name in reversed(order) if name in before and name not in after]
    others = [] if now.comment == wanted.comment else [f"{prefix}-COMMENT={wanted.comment}"]
    # What a new profile has there is for whoever built the kernel to say.
    if held is None or (now.max_audit_log, now.max_learning_entry) != (wanted.max_audit_log, wanted.max_learning_entry):
        limits = f"max_audit_log={wanted.max_audit_log} max_learning_entry={wanted.max_learning_entry}"
        others.append(f"{prefix}-PREFERENCE={{ {limits} }}")
    return ProfileChange(wanted, held, modes, others)

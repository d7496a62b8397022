"""Where the order of entries and aggregators counts, and which have to be added again to stand last.

The kernel takes the first that matches.  That counts where two can match one
name and then do different things: for ``file execute`` another transition
preference or another pattern, which becomes the new domain's name; for any
operation another ``grant_log``; for aggregators another name.  And where no
``file execute`` entry grants, the last one still names the new domain if its
pattern matches and only its condition does not hold.  Whatever is added comes
last, so what must stand behind something new has to be added again.

Whether two patterns can match one name is judged by their fixed beginnings:
some are taken for overlapping that are not, none the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..model.conditions import ALWAYS, Condition
from ..model.entries import Entry
from ..model.exception_policy import Aggregator
from ..model.words import Word, constant_length

#: Excludes a name that cannot be, so a pattern with it matches what the same one without it matches.
_EXCLUDE_NOTHING = "\\-\\000"


@dataclass(frozen=True, slots=True)
class Place:
    """Something whose place may count: which of KEY's operations it is asked for, what it matches, and what it does then.

    ``head`` is the fixed beginning of the pattern, ``literal`` whether that is
    all of it.
    """

    key: str
    operation: str
    head: str
    literal: bool
    effect: Hashable


def _head(word: object) -> tuple[str, bool]:
    text = word.text if isinstance(word, Word) else ""
    end = constant_length(text)
    return text[:end], isinstance(word, Word) and end == len(text)


def entry_places(entries: Iterable[Entry]) -> list[Place]:
    """What of ENTRIES has a place that may count; nothing of most."""
    entries = list(entries)
    logged = {(_asked(entry), operation) for entry in entries if _log(entry) is not None for operation in entry.operations}
    last = _last_that_names(entries)
    found = []
    for entry in entries:
        for operation in entry.operations:
            executes = operation == "execute"
            if executes or (_asked(entry), operation) in logged:
                argument = entry.arguments[0]
                transition = entry.condition.transition if entry.condition else None
                effect = (str(argument), str(transition), _log(entry)) if executes else _log(entry)
                found.append(Place(entry.subject, f"{_asked(entry)} {operation}", *_head(argument), effect))
                if executes and last:
                    # The last one stands behind all others, among which the order does not count for this.
                    found.append(Place(entry.subject, "last execute", "", False, entry is last))
    return found


def _last_that_names(entries: Iterable[Entry]) -> Entry | None:
    """The last entry for executing, where one of them has a condition that may keep it from granting."""
    executing = [entry for entry in entries if "execute" in entry.operations]
    return executing[-1] if any(entry.condition and entry.condition.tests for entry in executing) else None


def _asked(entry: Entry) -> str:
    """What ENTRY is about; of a network entry the kernel does not compare the protocol."""
    return " ".join(entry.kind.keyword.split(" ")[:2])


def _log(entry: Entry) -> bool | None:
    return entry.condition.grant_log if entry.condition else None


def aggregator_places(aggregators: Iterable[Aggregator]) -> list[Place]:
    """The places of AGGREGATORS."""
    return [Place(str(found), "aggregator", *_head(found.pattern), found.name) for found in aggregators]


def to_move(held: Sequence[str], wanted: Sequence[Place]) -> list[str]:
    """The keys of WANTED that must be added again, in this order, for all to stand as WANTED where that counts.

    HELD are keys in the order in which they are held; the others are added
    behind them, in the order of WANTED, where one key's places follow each
    other.
    """
    keys = list(dict.fromkeys(place.key for place in wanted))
    position = {key: place for place, key in enumerate(held)}
    if sorted((key for key in keys if key in position), key=position.__getitem__) == keys[: len(position.keys() & set(keys))]:
        return []
    position = {key: place for place, key in enumerate(dict.fromkeys((*held, *keys)))}
    heads: dict[str, set[str]] = {place.operation: set() for place in wanted}
    for place in wanted:
        if not place.literal:
            heads[place.operation].add(place.head)
    before = {operation: _Before(found) for operation, found in heads.items()}
    moved = []
    for key, group in groupby(wanted, key=lambda place: place.key):
        places = list(group)
        own = position[key]
        if any(before[place.operation].would_follow(own, place) for place in places):
            moved.append(key)
            own = len(position)
        for place in places:
            before[place.operation].add(own, place)
    return moved


class _Last:
    """Where the last of some places will stand, and the last that does something else."""

    __slots__ = ("_effect", "_last", "_other")

    def __init__(self) -> None:
        self._last = self._other = -1
        self._effect: Hashable = None

    def add(self, position: int, effect: Hashable) -> None:
        if effect == self._effect:
            self._last = max(position, self._last)
        elif position > self._last:
            self._last, self._other, self._effect = position, self._last, effect
        else:
            self._other = max(position, self._other)

    def differing(self, effect: Hashable) -> int:
        """Where the last stands that does something else than EFFECT; -1 if there is none."""
        return self._other if effect == self._effect else self._last


class _Before:
    """What stands before something, of one operation; HEADS are the beginnings of all its patterns."""

    def __init__(self, heads: set[str]) -> None:
        self._heads = heads
        self._lengths = sorted({len(head) for head in heads})
        self._literals: dict[str, _Last] = {}
        self._patterns: dict[str, _Last] = {}
        self._below: dict[str, _Last] = {}

    def add(self, position: int, place: Place) -> None:
        """PLACE is to stand before what comes, and will stand at POSITION."""
        same = self._literals if place.literal else self._patterns
        same.setdefault(place.head, _Last()).add(position, place.effect)
        for head in self._beginnings(place.head):
            self._below.setdefault(head, _Last()).add(position, place.effect)

    def would_follow(self, position: int, place: Place) -> bool:
        """Whether something that may match the same as PLACE, and then does something else, stands behind POSITION."""
        same = self._literals if place.literal else self._below
        found = [same.get(place.head), *map(self._patterns.get, self._beginnings(place.head))]
        return any(last.differing(place.effect) > position for last in found if last)

    def _beginnings(self, head: str) -> Iterator[str]:
        """The heads of patterns that HEAD begins with."""
        return (head[:length] for length in self._lengths if length <= len(head) and head[:length] in self._heads)


# What stands in for what is added again


def entry_stand_in(entry: Entry, taken: Collection[str]) -> Entry:
    """Another entry that grants what ENTRY does, and is none of those with the subjects TAKEN."""
    condition = entry.condition
    tests = condition.tests if condition else ()
    transition, log = (condition.transition, condition.grant_log) if condition else (None, None)
    while True:
        tests = (*tests, ALWAYS)
        found = Entry(entry.kind, entry.operations, entry.arguments, Condition(transition, tests, log))
        if found.subject not in taken:
            return found


def is_stand_in(entry: Entry) -> bool:
    """Whether ENTRY may stand in for another; no kernel learns such a one."""
    return bool(entry.condition and entry.condition.tests and entry.condition.tests[-1] == ALWAYS)


def aggregator_stand_in(aggregator: Aggregator, taken: Collection[str]) -> Aggregator:
    """Another aggregator that does what AGGREGATOR does, and has none of the texts TAKEN."""
    pattern = aggregator.pattern.text
    while True:
        pattern += _EXCLUDE_NOTHING
        found = Aggregator(Word(pattern), aggregator.name)
        if str(found) not in taken:
            return found

"""Where the order of entries and aggregators counts, and which have to be added again to stand last.

The kernel takes the first that matches.  That counts where two can match one
name and then do different things: for ``file execute`` another transition
preference or another pattern, which becomes the new domain's name; for any
operation another ``grant_log``; for aggregators another name.  Whatever is added
comes last, so what must stand behind something new has to be added again.

Whether two patterns can match one name is judged by their fixed beginnings:
some are taken for overlapping that are not, none the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

from ..model.conditions import Comparison, Condition
from ..model.entries import Entry
from ..model.exception_policy import Aggregator
from ..model.numbers import single
from ..model.words import Word, constant_length

#: Excludes a name that cannot be, so a pattern with it matches what the same one without it matches.
_EXCLUDE_NOTHING = "\\-\\000"
#: A test that always holds.
_ALWAYS = Comparison(single(0), single(0))


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

    def overlaps(self, other: Place) -> bool:
        """Whether it matters which of the two comes first; both are asked for the same operation."""
        if self.effect == other.effect:
            return False
        if self.literal:
            return self.head == other.head if other.literal else self.head.startswith(other.head)
        if other.literal:
            return other.head.startswith(self.head)
        return self.head.startswith(other.head) or other.head.startswith(self.head)


def _head(word: object) -> tuple[str, bool]:
    text = word.text if isinstance(word, Word) else ""
    end = constant_length(text)
    return text[:end], isinstance(word, Word) and end == len(text)


def entry_places(entries: Iterable[Entry]) -> list[Place]:
    """What of ENTRIES has a place that may count; nothing of most."""
    entries = list(entries)
    logged = {(_asked(entry), operation) for entry in entries if _log(entry) is not None for operation in entry.operations}
    found = []
    for entry in entries:
        for operation in entry.operations:
            executes = operation == "execute"
            if executes or (_asked(entry), operation) in logged:
                argument = entry.arguments[0]
                transition = entry.condition.transition if entry.condition else None
                effect = (str(argument), str(transition), _log(entry)) if executes else _log(entry)
                found.append(Place(entry.subject, f"{_asked(entry)} {operation}", *_head(argument), effect))
    return found


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
    behind them, in the order of WANTED.
    """
    keys = list(dict.fromkeys(place.key for place in wanted))
    position = {key: place for place, key in enumerate(held)}
    if sorted((key for key in keys if key in position), key=position.__getitem__) == keys[: len(position.keys() & set(keys))]:
        return []
    position = {key: place for place, key in enumerate(dict.fromkeys((*held, *keys)))}
    has_patterns = {place.operation for place in wanted if not place.literal}
    literals: dict[tuple[str, str], list[Place]] = {}
    patterns: dict[str, list[Place]] = {}
    before: dict[str, list[Place]] = {}
    moved: dict[str, None] = {}
    for place in wanted:
        if place.literal:
            others = [*literals.get((place.operation, place.head), ()), *patterns.get(place.operation, ())]
        else:
            others = before.get(place.operation, [])
        own = position[place.key]
        if any((other.key in moved or position[other.key] > own) and other.overlaps(place) for other in others):
            moved[place.key] = None
        if place.literal:
            literals.setdefault((place.operation, place.head), []).append(place)
        else:
            patterns.setdefault(place.operation, []).append(place)
        if place.operation in has_patterns:
            before.setdefault(place.operation, []).append(place)
    return [key for key in keys if key in moved]


# What stands in for what is added again


def entry_stand_in(entry: Entry, taken: Collection[str]) -> Entry:
    """Another entry that grants what ENTRY does, and is none of those with the subjects TAKEN."""
    condition = entry.condition
    tests = condition.tests if condition else ()
    transition, log = (condition.transition, condition.grant_log) if condition else (None, None)
    while True:
        tests = (*tests, _ALWAYS)
        found = Entry(entry.kind, entry.operations, entry.arguments, Condition(transition, tests, log))
        if found.subject not in taken:
            return found


def is_stand_in(entry: Entry) -> bool:
    """Whether ENTRY may stand in for another; no kernel learns such a one."""
    return bool(entry.condition and entry.condition.tests and entry.condition.tests[-1] == _ALWAYS)


def aggregator_stand_in(aggregator: Aggregator, taken: Collection[str]) -> Aggregator:
    """Another aggregator that does what AGGREGATOR does, and has none of the texts TAKEN."""
    pattern = aggregator.pattern.text
    while True:
        pattern += _EXCLUDE_NOTHING
        found = Aggregator(Word(pattern), aggregator.name)
        if str(found) not in taken:
            return found

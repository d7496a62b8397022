"""Where the order of entries and aggregators counts, and what has to move.

The kernel takes the first that matches.  That matters where two can match one
name and then do different things: entries with other transition preferences,
other ``grant_log``, or (for ``file execute``) another pattern, which becomes
the new domain's name; aggregators with other names.  Whatever is added comes
last, so what must stand behind something new has to be added again.

Whether two patterns can match one name is judged by their fixed beginnings:
some are taken for overlapping that are not, none the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from ..model.entries import Entry
from ..model.exception_policy import Aggregator
from ..model.words import Word, constant_length


@dataclass(frozen=True, slots=True)
class Ranked:
    """Something whose place may count: what it is matched with and what it does then.

    ``head`` is the fixed beginning of the pattern, ``literal`` whether that is
    all of it, ``kind`` what the kernel compares it for.
    """

    text: str
    kind: str
    head: str
    literal: bool
    effect: Hashable


def ranked_entry(entry: Entry) -> list[Ranked]:
    """What of ENTRY has a place that may count; nothing for most."""
    condition = entry.condition
    log = condition.grant_log if condition else None
    found = []
    argument = entry.arguments[0]
    text = argument.text if isinstance(argument, Word) else ""
    end = constant_length(text)
    literal = isinstance(argument, Word) and end == len(text)
    if "execute" in entry.operations:
        transition = condition.transition if condition else None
        effect = (str(argument), str(transition), log)
        found.append(Ranked(entry.subject, "execute", text[:end], literal, effect))
    if log is not None:
        found += [Ranked(entry.subject, f"{entry.kind.name} {op}", text[:end], literal, log) for op in entry.operations]
    return found


def ranked_aggregator(aggregator: Aggregator) -> list[Ranked]:
    """The place of AGGREGATOR."""
    text = aggregator.pattern.text
    end = constant_length(text)
    return [Ranked(str(aggregator), "aggregator", text[:end], end == len(text), aggregator.name)]


def _counts(a: Ranked, b: Ranked) -> bool:
    """Whether it matters which of A and B comes first."""
    if a.kind != b.kind or a.effect == b.effect:
        return False
    if a.literal and b.literal:
        return a.head == b.head
    if a.literal:
        return a.head.startswith(b.head)
    if b.literal:
        return b.head.startswith(a.head)
    return a.head.startswith(b.head) or b.head.startswith(a.head)


def comes_before(items: Sequence[Ranked], moved: Collection[str]) -> bool:
    """Whether any of ITEMS whose text is among MOVED comes before another one, where that counts."""
    return any(first.text in moved and second.text not in moved for first, second in _pairs(items))


def to_move(current: Sequence[Ranked], wanted: Sequence[Ranked]) -> list[str]:
    """Which of CURRENT have to be added anew, in which order, to stand as in WANTED where that counts.

    CURRENT is the order in which they would stand otherwise.  Both hold the same.
    """
    if [item.text for item in current] == [item.text for item in wanted]:
        return []
    place = {item: position for position, item in enumerate(current)}
    wrong: dict[Ranked, list[Ranked]] = {}
    pairs: list[tuple[Ranked, Ranked]] = []
    for first, second in _pairs(wanted):
        pairs.append((first, second))
        if place[first] > place[second]:
            wrong.setdefault(second, []).append(first)
    if not wrong:
        return []
    moved = {item.text for item in wrong}
    behind: dict[str, set[str]] = {}
    for first, second in pairs:
        behind.setdefault(first.text, set()).add(second.text)
    # What must stand behind something that moves to the end has to move, too.
    queue = list(moved)
    while queue:
        for text in behind.get(queue.pop(), ()):
            if text not in moved:
                moved.add(text)
                queue.append(text)
    return [text for text in dict.fromkeys(item.text for item in wanted) if text in moved]


def _pairs(items: Sequence[Ranked]) -> list[tuple[Ranked, Ranked]]:
    """The pairs of ITEMS, first and later, whose order counts."""
    literals: dict[tuple[str, str], list[Ranked]] = {}
    patterns: dict[str, list[Ranked]] = {}
    position = {item: index for index, item in enumerate(items)}
    for item in items:
        if item.literal:
            literals.setdefault((item.kind, item.head), []).append(item)
        else:
            patterns.setdefault(item.kind, []).append(item)
    found = [(a, b) for same in literals.values() for i, a in enumerate(same) for b in same[i + 1 :] if _counts(a, b)]
    by_kind: dict[str, list[Ranked]] = {}
    if patterns:
        for item in items:
            by_kind.setdefault(item.kind, []).append(item)
    for kind, some in patterns.items():
        for pattern in some:
            for other in by_kind[kind]:
                # Two patterns meet twice: once is enough.
                if other is pattern or (not other.literal and position[other] < position[pattern]):
                    continue
                if _counts(pattern, other):
                    found.append((pattern, other) if position[pattern] < position[other] else (other, pattern))
    return found

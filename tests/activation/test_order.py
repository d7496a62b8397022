"""What must be added again for all to stand in its order: as found by asking each pair, but without asking each pair."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.seeds import rounds
from tomoyo.activation.order import Place, to_move

HEADS = ("", "/", "/a", "/ab", "/abc", "/b")


def overlap(one: Place, other: Place) -> bool:
    """Whether both can match one name and then do different things."""
    if one.operation != other.operation or one.effect == other.effect:
        return False
    heads = (one.head, other.head)
    if one.literal and other.literal:
        return heads[0] == heads[1]
    longer_begins = heads[0].startswith(heads[1]) or heads[1].startswith(heads[0])
    literal = next((place for place in (one, other) if place.literal), None)
    pattern = one if literal is other else other
    return literal.head.startswith(pattern.head) if literal else longer_begins


def expected(held: Sequence[str], wanted: Sequence[Place]) -> list[str]:
    """What moves: whatever would stand before something that is to stand before it, where that counts."""
    keys = list(dict.fromkeys(place.key for place in wanted))
    position = {key: number for number, key in enumerate(dict.fromkeys((*held, *keys)))}
    for moved, key in enumerate(keys):
        before = {other: position[other] for other in keys[:moved]}
        pairs = ((one, other) for one in wanted if one.key == key for other in wanted if other.key in before)
        if any(before[other.key] > position[key] and overlap(one, other) for one, other in pairs):
            position[key] = len(keys) + moved
    return [key for key in keys if position[key] >= len(keys)]


def test_it_is_what_asking_each_pair_finds(draw: random.Random) -> None:
    some = 0
    for _ in range(rounds(3000)):
        keys = [f"key {number}" for number in range(draw.randrange(1, 9))]
        effects, operations = draw.choice(((1, 2), (1, 2, 3, None))), draw.choice((("x",), ("x", "y")))
        wanted = [
            Place(key, operation, draw.choice(HEADS), draw.random() < 0.5, draw.choice(effects))
            for key in keys
            for operation in draw.sample(operations, draw.randint(1, len(operations)))
        ]
        held = draw.sample(keys, draw.randint(0, len(keys)))
        found = to_move(held, wanted)
        assert found == expected(held, wanted), (held, wanted)
        some += bool(found)
    assert some > rounds(3000) // 10


class Counted:
    """Something that a place does, no other does, and that counts how often it is compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return self is other

    __hash__ = object.__hash__


def comparisons(number: int, literal: bool) -> int:
    Counted.compared = 0
    wanted = [Place(f"{place}", "x", f"/{place % 7}/" if place % 2 else "/", literal, Counted()) for place in range(number)]
    assert to_move([place.key for place in reversed(wanted)], wanted)
    return Counted.compared


def test_thousands_of_patterns_are_not_compared_with_each_other() -> None:
    for literal in (True, False):
        assert comparisons(4000, literal) < 4000 * 12

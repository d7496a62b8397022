"""Numbers of modules: the same ones whoever else is there."""

from __future__ import annotations

import random

import pytest

from tomoyo.nix.source.module_numbers import FIRST_NUMBER, Collision, ModuleNumbers, assign_numbers, hashed_number
from tomoyo.syntax.domain_policy import MODULE_NAME


def names_of(generator: random.Random, count: int) -> list[str]:
    return [f"module-{generator.getrandbits(32):x}" for _ in range(count)]


def test_the_numbers_are_these_for_good() -> None:
    # Another rule would give every system's modules new numbers.
    numbers = assign_numbers(["web", "base", "network"], {})
    assert numbers == ModuleNumbers({"base": 178, "network": 209, "web": 242}, ())
    assert list(numbers.numbers) == ["base", "network", "web"]


def test_a_module_keeps_its_number_or_the_newcomer_is_refused(draw: random.Random) -> None:
    refused = 0
    for _ in range(500):
        names = names_of(draw, 20)
        before = assign_numbers(names, {})
        pins = {collision.name: collision.free for collision in before.collisions if collision.free is not None}
        settled = assign_numbers(names, pins)
        assert not settled.collisions
        assert set(settled.numbers) == set(names)
        after = assign_numbers([*names, "newcomer"], pins)
        refused += bool(after.collisions)
        for name, number in settled.numbers.items():
            assert after.numbers.get(name, number) == number
        for collision in after.collisions:
            # One of the two stands in the way of the other, and the pin offered helps the newcomer without moving anyone.
            assert "newcomer" in {collision.name, collision.other}
            assert collision.free is not None
            mended = assign_numbers([*names, "newcomer"], {**pins, "newcomer": collision.free})
            assert mended == ModuleNumbers({**settled.numbers, "newcomer": collision.free}, ())
    assert refused


def test_a_collision_says_whose_the_number_is_and_which_is_free() -> None:
    twins: dict[int, str] = {}
    first = second = ""
    for number in range(300):
        second = f"module-{number:03}"
        first = twins.setdefault(hashed_number(second), second)
        if first != second:
            break
    number = hashed_number(first)
    assert assign_numbers([second, first], {}) == ModuleNumbers(
        {first: number}, (Collision(second, number, first, FIRST_NUMBER),)
    )
    assert assign_numbers([first, second], {first: FIRST_NUMBER}).numbers == {first: FIRST_NUMBER, second: number}
    assert assign_numbers([first, second], {second: 3}) == ModuleNumbers({first: number, second: 3}, ())


def test_a_pinned_number_is_nobody_else_s() -> None:
    pins = {"other": 178, "web": 3}
    # Even while the module that has it is not used.
    assert assign_numbers(["base", "web"], pins) == ModuleNumbers({"web": 3}, (Collision("base", 178, "other", 16),))


def test_numbers_that_the_policy_uses_itself() -> None:
    assert assign_numbers(["base"], {}, taken={178, 16}) == ModuleNumbers({}, (Collision("base", 178, None, 17),))
    assert assign_numbers(["base"], {"base": 5}, taken={5, 178}) == ModuleNumbers({}, (Collision("base", 5, None, 16),))


def test_more_modules_than_numbers() -> None:
    pins = {f"module-{number}": number for number in range(256)}
    assert assign_numbers(["base", *pins], pins) == ModuleNumbers(
        dict(sorted(pins.items())), (Collision("base", 178, "module-178", None),)
    )


@pytest.mark.parametrize("name", ["base", "X", "net-dns", "a.b_c+d", "a" * 64])
def test_names(name: str) -> None:
    assert MODULE_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "1", "1a", "a/b", "a b", "-a", ".a", "ä", "a" * 65, "a\n"])
def test_no_names(name: str) -> None:
    assert not MODULE_NAME.fullmatch(name)

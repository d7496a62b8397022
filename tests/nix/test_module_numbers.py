"""Numbers of modules: the same ones whoever else is there, or nearly."""

from __future__ import annotations

import random

import pytest

from tomoyo.nix.module_numbers import FIRST_NUMBER, MODULE_NAME, ModuleNumberError, assign_numbers

NAMES = [f"module-{number}" for number in range(240)]


def test_the_numbers_are_these_for_good() -> None:
    # Another rule would give every system's modules new numbers.
    assert assign_numbers(["base", "network", "web"], {}) == {"base": 178, "network": 209, "web": 242}


def test_order_does_not_matter() -> None:
    shuffled = random.Random(1).sample(NAMES, len(NAMES))
    assert list(assign_numbers(shuffled, {}).items()) == list(assign_numbers(NAMES, {}).items())


def test_every_number_but_the_first_ones_can_be_used_once() -> None:
    numbers = assign_numbers(NAMES, {})
    assert sorted(numbers.values()) == list(range(FIRST_NUMBER, 256))
    with pytest.raises(ModuleNumberError, match="no number is left"):
        assign_numbers([*NAMES, "one-more"], {})


def test_a_module_more_seldom_moves_others() -> None:
    # A newcomer wants one of 240 numbers, twenty of which have an owner, and half of those are stronger than it.
    moved = 0
    for attempt in range(500):
        names = [f"module-{attempt}-{number}" for number in range(20)]
        before, after = assign_numbers(names, {}), assign_numbers([*names, "newcomer"], {})
        moved += any(after[name] != before[name] for name in names)
    assert 0 < moved < 500 // 16


def test_a_module_that_is_pinned_never_moves_and_nobody_takes_its_number() -> None:
    pins = {"module-1": 178, "module-2": 3}
    numbers = assign_numbers([*NAMES[:200], "base"], pins)
    assert (numbers["module-1"], numbers["module-2"]) == (178, 3)
    assert numbers["base"] != 178
    # Even while the module is not used.
    assert assign_numbers(["base"], {"other": 178})["base"] != 178


def test_numbers_that_the_policy_uses_itself_are_left_alone() -> None:
    assert assign_numbers(["base"], {}, taken={178})["base"] != 178


@pytest.mark.parametrize("name", ["base", "X", "net-dns", "a.b_c+d", "a" * 64])
def test_names(name: str) -> None:
    assert MODULE_NAME.fullmatch(name)


@pytest.mark.parametrize("name", ["", "1", "1a", "a/b", "a b", "-a", ".a", "ä", "a" * 65, "a\n"])
def test_no_names(name: str) -> None:
    assert not MODULE_NAME.fullmatch(name)

"""Matching: cases that a kernel answered, and the time that hostile patterns take."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoyo.decision.groups import Groups
from tomoyo.decision.matching import Pattern, compile_pattern, matches
from tomoyo.model.exception_policy import NamespaceExceptions
from tomoyo.model.words import encode
from tomoyo.syntax.exception_policy import parse_exception_policy

CASES = [
    line.split()
    for line in (Path(__file__).parents[1] / "data" / "decision" / "patterns").read_text("ascii").splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("pattern", "name", "answer"), CASES)
def test_what_a_kernel_answered(pattern: str, name: str, answer: str) -> None:
    assert matches(pattern, name) is (answer == "yes")


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_there_are_cases(answer: str) -> None:
    assert sum(case[2] == answer for case in CASES) > 15


@given(st.binary(min_size=1, max_size=30))
def test_a_name_matches_itself_and_what_stands_for_all(data: bytes) -> None:
    name = encode(data)
    assert matches(name, name)
    assert matches("\\*", name) is (b"/" not in data)
    assert matches("\\?" * len(data), name) is (b"/" not in data)


@pytest.mark.parametrize(
    "pattern",
    [
        "/" + "\\*a" * 20 + "b",
        "/" + "\\@a\\*a" * 10 + "b",
        "/" + "\\Aa\\X" * 10 + "b",
        "/\\*\\-" + "\\Aa\\X" * 9 + "b",
        "/\\{\\*\\}/" * 5 + "b",
        "/\\{\\*a\\}/" * 5 + "b",
        "/\\{\\Aa\\A\\}/" * 4 + "b",
    ],
)
@pytest.mark.parametrize("name", ["/" + "a" * 4000, "/" + "a/" * 2000 + "a", "/" + "a/aa/" * 800 + "c"])
def test_no_pattern_takes_long(pattern: str, name: str) -> None:
    # Trying one way after the other would take years, so it needs no clock.
    assert matches(pattern.replace("//", "/"), name) is (pattern.startswith("/\\*\\-") and name.count("/") == 1)


def test_a_pattern_is_compiled_once() -> None:
    assert compile_pattern("/tmp/\\*") is compile_pattern("/tmp/\\*")
    assert (Pattern("/tmp/\\*").head, Pattern("/tmp/a").head) == ("/tmp/", "/tmp/a")
    assert [Pattern("/tmp/\\*").is_pattern, Pattern("/tmp/\\040").is_pattern] == [True, False]


def groups() -> Groups:
    """Groups of each kind."""
    policy = parse_exception_policy(
        "path_group p /a\npath_group p /\\*\npath_group p /b\npath_group q /\\$/x\npath_group q /1/x\n"
        "number_group n 1-5\nnumber_group n 0x10\naddress_group a 10.0.0.1-10.0.0.9\naddress_group a ::1\n"
    )
    part = policy.namespace()
    assert part is not None
    return Groups(part)


def test_the_first_member_that_matches_decides() -> None:
    held = groups()
    assert held.path_member("p", "/a") == "/a"
    assert held.path_member("p", "/b") == "/\\*"
    assert held.path_member("q", "/1/x") == "/\\$/x"
    assert held.path_member("q", "/2/x") == "/\\$/x"
    assert held.path_member("q", "/x") is None
    assert held.path_member("no", "/x") is None


def test_number_and_address_groups() -> None:
    held = groups()
    assert [n for n in range(30) if held.has_number("n", n)] == [1, 2, 3, 4, 5, 16]
    assert not held.has_number("no", 1)
    assert held.has_address("a", bytes([10, 0, 0, 9]))
    assert not held.has_address("a", bytes([10, 0, 0, 10]))
    assert held.has_address("a", bytes(15) + b"\1")
    assert not held.has_address("no", bytes(4))


def test_groups_of_no_namespace_are_empty() -> None:
    assert Groups(NamespaceExceptions()).path_member("p", "/a") is None

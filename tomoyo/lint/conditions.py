"""Conditions that cannot hold: a range of numbers for each attribute, and the strings that tests ask for.

A condition grants where all of its tests hold.  So each attribute's tests
narrow down what it may be, and where nothing is left the entry grants
nothing.  A test about something that a request of the entry's kind has not
fails whatever its sign (see `tomoyo.decision.conditions`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..decision.conditions import Holds, constant, is_strange_bit, test_holds
from ..decision.groups import Groups
from ..decision.matching import compile_pattern
from ..decision.requests import Request
from ..model.conditions import ArgumentTest, Attribute, Comparison, EnvironmentTest, Test
from ..model.entries import Entry, Kind
from ..model.exception_policy import NamespaceExceptions
from ..model.numbers import MAX_NUMBER, NumberRange
from ..model.words import GroupReference, Quoted

#: Numbers in ascending order, as ranges that do not meet.
Ranges = list[tuple[int, int]]

_MADE = frozenset({"create", "mkdir", "mkfifo", "mksock", "mkblock", "mkchar", "symlink"})
_WORD = 2**32 - 1
#: The largest number of an attribute, by the last part of its name.
_LARGEST = {
    "perm": 0o7777,
    **dict.fromkeys(("uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid", "pid", "ppid"), _WORD),
}


def contradiction(entry: Entry, numbers: Callable[[str], Iterable[object]]) -> str:
    """Why the tests of ENTRY's condition can never all hold; empty where they can.

    NUMBERS gives the members of a number group.
    """
    tests = entry.condition.tests if entry.condition else ()
    for test in tests:
        reason = _missing(test, entry) or _constant(test)
        if reason:
            return f"{test}: {reason}"
    texts = {str(test) for test in tests}
    for test in tests:
        if str(_opposite(test)) in texts:
            return f"{test} and {_opposite(test)} cannot both hold"
    if len(tests) > 1 or any(isinstance(test, Comparison) for test in tests):
        return _numbers(tests, numbers) or _strings(tests)
    return ""


def _opposite(test: Test) -> Test:
    if isinstance(test, Comparison):
        return Comparison(test.left, test.right, not test.equal)
    if isinstance(test, ArgumentTest):
        return ArgumentTest(test.index, test.value, not test.equal)
    return EnvironmentTest(test.name, test.value, not test.equal)


# What a request has not


def _missing(test: Test, entry: Entry) -> str:
    """Why requests for ENTRY have not what TEST asks for."""
    if isinstance(test, (ArgumentTest, EnvironmentTest)):
        return _missing_attribute("exec.", entry)
    for side in (test.left, test.right):
        reason = _missing_attribute(side.name, entry) if isinstance(side, Attribute) else ""
        if reason:
            return reason
    return ""


def _missing_attribute(name: str, entry: Entry) -> str:
    kind, operations = entry.kind, set(entry.operations)
    if name.startswith("exec."):
        if kind is not Kind.ENVIRONMENT and "execute" not in operations:
            return "nothing is executed here, so this always fails"
    elif name == "symlink.target":
        if "symlink" not in operations:
            return "no symlink is made here, so this always fails"
    elif name.startswith(("path1.", "path2.")):
        if kind.keyword != "file" and kind is not Kind.ENVIRONMENT:
            return "no file is looked at here, so this always fails"
        made = _made(name, kind, operations)
        if made:
            return made
    return ""


def _made(name: str, kind: Kind, operations: set[str]) -> str:
    if name.startswith("path2.") and kind not in (Kind.TWO_PATHS, Kind.MOUNT, Kind.ENVIRONMENT):
        return "there is only one file here, so this always fails"
    new = "the file is only just made, and has no attributes yet, so this always fails"
    if name.startswith("path1.") and not name.startswith("path1.parent.") and operations <= _MADE:
        return new
    if name.startswith("path2.") and not name.startswith("path2.parent.") and operations == {"link"}:
        return new
    return ""


_NO_REQUEST = Request(Kind.PATH, "read", ("/",))
_NO_GROUPS = Groups(NamespaceExceptions())


def _constant(test: Test) -> str:
    """Why TEST, both sides of which never change, does not hold."""
    if not isinstance(test, Comparison) or isinstance(test.right, (GroupReference, Quoted)):
        return ""
    if isinstance(test.left, Attribute) and test.left == test.right and not test.equal and constant(test.left) is None:
        return "nothing differs from itself"
    if isinstance(test.left, Attribute) and isinstance(test.right, Attribute) and is_strange_bit(test.left.name, test.right.name):
        return "permission bits are looked for in path1.perm and the like alone"
    sides = [constant(side) for side in (test.left, test.right)]
    if None not in sides and test_holds(test, _NO_REQUEST, _NO_GROUPS) is Holds.NO:
        return "this never holds"
    return ""


# Numbers


def _numbers(tests: tuple[Test, ...], numbers: Callable[[str], Iterable[object]]) -> str:
    """The tests of one attribute that leave no number for it."""
    left: dict[str, Ranges] = {}
    told: dict[str, list[str]] = {}
    for test in tests:
        if isinstance(test, ArgumentTest):
            if not test.equal:
                continue
            name, ranges, equal = "exec.argc", [(test.index + 1, MAX_NUMBER)], True
        else:
            found = _allowed(test, numbers) if isinstance(test, Comparison) else None
            if found is None:
                continue
            name, ranges = found
            equal = test.equal if isinstance(test, Comparison) else True
        largest = _LARGEST.get(name.rpartition(".")[2], MAX_NUMBER)
        held = left.get(name, [(0, largest)])
        told.setdefault(name, []).append(str(test))
        left[name] = _intersection(held, ranges if equal else _complement(ranges))
        if not left[name]:
            if len(told[name]) == 1:
                return f"{told[name][0]}: there is no such number"
            return (
                f"{' and '.join(told[name])} cannot both hold"
                if len(told[name]) == 2
                else f"{' '.join(told[name])}: no number is left"
            )
    return ""


def _allowed(test: Comparison, numbers: Callable[[str], Iterable[object]]) -> tuple[str, Ranges] | None:
    """The attribute of TEST, and the numbers that it is compared with; None where it is another kind of test."""
    if test.compares_strings:
        return None
    left, right = test.left, test.right
    if isinstance(right, Attribute) and constant(right) is None and constant(left) is not None:
        left, right = right, left
    if not isinstance(left, Attribute) or constant(left) is not None:
        return None
    if isinstance(right, GroupReference):
        # An empty one is told of as such.
        members = [member for member in numbers(right.name) if isinstance(member, NumberRange)]
        return (left.name, _union([(m.first.value, m.last.value) for m in members])) if members and len(members) <= 64 else None
    if isinstance(right, (Attribute, NumberRange)):
        value = constant(right)
        if value is None or (isinstance(right, Attribute) and left.name.endswith(".perm")):
            return None
        return left.name, [value]
    return None


def _union(ranges: Ranges) -> Ranges:
    result: Ranges = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def _complement(ranges: Ranges) -> Ranges:
    result: Ranges = []
    position = 0
    for first, last in ranges:
        if first > position:
            result.append((position, first - 1))
        position = last + 1
    if position <= MAX_NUMBER:
        result.append((position, MAX_NUMBER))
    return result


def _intersection(one: Ranges, other: Ranges) -> Ranges:
    result = []
    for first, last in one:
        for start, end in other:
            if first <= end and start <= last:
                result.append((max(first, start), min(last, end)))
    return result


# Strings


def _strings(tests: tuple[Test, ...]) -> str:
    """Two tests of one string that cannot both hold, where one of them says the whole of it."""
    fixed: dict[str, tuple[Test, str]] = {}
    others: list[tuple[str, Test, str, bool]] = []
    for test in tests:
        found = _string(test)
        if found is None:
            continue
        name, text, equal = found
        if equal and not compile_pattern(text).is_pattern:
            held = fixed.setdefault(name, (test, text))
            if held[1] != text:
                return f"{held[0]} and {test} cannot both hold"
        else:
            others.append((name, test, text, equal))
    for name, test, text, equal in others:
        whole = fixed.get(name)
        if whole is not None and compile_pattern(text).matches(whole[1]) is not equal:
            return f"{whole[0]} and {test} cannot both hold"
    return ""


def _string(test: Test) -> tuple[str, str, bool] | None:
    """What TEST is about, its text and its sign; None where a variable may be there more than once, or a group decides."""
    if isinstance(test, ArgumentTest):
        return f"exec.argv[{test.index}]", test.value.text, test.equal
    if isinstance(test, Comparison) and test.compares_strings and isinstance(test.right, Quoted):
        return str(test.left), test.right.text, test.equal
    return None

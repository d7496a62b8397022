"""Conditions: whether an entry's tests hold for a request, as the kernel evaluates them.

All numeric tests compare ranges: ``=`` holds where the two sides have a number
in common.  A test about something that the request has not (a file's owner for
a network request, an argument where nothing is executed) fails, whatever its
sign; one about something that is only not known, of a request that was written
by hand or a record that was cut off, may hold or not.  ``setuid`` and the other permission bits, against a ``.perm``, ask for a
bit; between themselves they never hold.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from enum import Enum

from ..model.conditions import STRING_ATTRIBUTES, ArgumentTest, Attribute, Comparison, Condition, EnvironmentTest, Test
from ..model.entries import Kind
from ..model.numbers import MAX_NUMBER, NumberRange
from ..model.records import FileAttributes, ParentAttributes, Strings
from ..model.words import NAMES, GroupReference, Quoted
from .groups import Groups
from .matching import compile_pattern
from .requests import Request, has_attribute

_TYPES = {
    "socket": stat.S_IFSOCK,
    "symlink": stat.S_IFLNK,
    "file": stat.S_IFREG,
    "block": stat.S_IFBLK,
    "directory": stat.S_IFDIR,
    "char": stat.S_IFCHR,
    "fifo": stat.S_IFIFO,
}
_BITS = {
    "setuid": stat.S_ISUID,
    "setgid": stat.S_ISGID,
    "sticky": stat.S_ISVTX,
    **{
        f"{who}_{what}": bit << shift
        for who, shift in (("owner", 6), ("group", 3), ("others", 0))
        for what, bit in (("read", 4), ("write", 2), ("execute", 1))
    },
}
_CONSTANTS = _TYPES | _BITS
_TASK = ("uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid", "pid", "ppid")
_VARIABLE = 'exec.envp["'
_PERMISSIONS = frozenset({"path1.perm", "path1.parent.perm", "path2.perm", "path2.parent.perm"})


class Holds(Enum):
    """Whether a test holds; what it asks for may be unknown, or a record cut off before it."""

    YES = "it holds"
    NO = "it does not hold"
    UNKNOWN = "what it asks for is not known"


def holds(condition: Condition | None, request: Request, groups: Groups) -> Holds:
    """Whether every test of CONDITION holds for REQUEST."""
    if condition is None or not condition.tests:
        return Holds.YES
    answer = Holds.YES
    for test in condition.tests:
        found = test_holds(test, request, groups)
        if found is Holds.NO:
            return Holds.NO
        if found is Holds.UNKNOWN:
            answer = Holds.UNKNOWN
    return answer


def failing_tests(condition: Condition | None, request: Request, groups: Groups) -> tuple[Test, ...]:
    """The tests of CONDITION that do not hold for REQUEST, or may not."""
    tests = condition.tests if condition else ()
    return tuple(test for test in tests if test_holds(test, request, groups) is not Holds.YES)


def test_holds(test: Test, request: Request, groups: Groups) -> Holds:
    """Whether TEST holds for REQUEST."""
    if isinstance(test, ArgumentTest):
        return _argument_holds(test, request)
    if isinstance(test, EnvironmentTest):
        return _environment_holds(test, request)
    if test.compares_strings:
        return _string_holds(test, request, groups)
    return _numbers_hold(test, request, groups)


def constant(side: Attribute | NumberRange | GroupReference | Quoted) -> tuple[int, int] | None:
    """Lowest and highest number of a side of a test that is the same for all requests; None for any other."""
    if isinstance(side, NumberRange):
        return side.first.value, side.last.value
    value = _CONSTANTS.get(side.name) if isinstance(side, Attribute) else None
    return None if value is None else (value, value)


def is_strange_bit(left: str, right: str) -> bool:
    """Whether one of two attributes is a permission bit, and the other no permissions: that never holds."""
    return (left in _BITS) is not (right in _BITS) and not _PERMISSIONS.intersection((left, right))


def _answer(found: bool) -> Holds:
    return Holds.YES if found else Holds.NO


def _argument_holds(test: ArgumentTest, request: Request) -> Holds:
    execution = request.execution
    if execution is None:
        return _given_argument_holds(test, request)
    if test.index >= execution.argc:
        return _answer(not test.equal)
    if execution.argv is None or test.index >= len(execution.argv.values):
        return Holds.UNKNOWN
    value = execution.argv.values[test.index].text
    return _answer(compile_pattern(test.value.text).matches(value) is test.equal)


def _given_argument_holds(test: ArgumentTest, request: Request) -> Holds:
    if not _is_unknown("exec.argv", request):
        return Holds.NO
    given = request.given or {}
    value, argc = given.get(f"exec.argv[{test.index}]"), given.get("exec.argc")
    if isinstance(value, str):
        return _answer(compile_pattern(test.value.text).matches(value) is test.equal)
    return _answer(not test.equal) if isinstance(argc, int) and test.index >= argc else Holds.UNKNOWN


def _environment_holds(test: EnvironmentTest, request: Request) -> Holds:
    """The name may be a pattern; then the test must hold for each variable that it matches."""
    execution = request.execution
    name = compile_pattern(test.name.text)
    variables: list[tuple[str, str]] = []
    if execution is not None:
        pairs = (variable.text.partition("=") for variable in (execution.envp.values if execution.envp else ()))
        variables = [(found, value) for found, sign, value in pairs if sign]
        complete = not _is_cut(execution.envp)
    elif _is_unknown("exec.envp", request):
        given = request.given or {}
        variables = [
            (key[len(_VARIABLE) : -2], str(value))
            for key, value in given.items()
            if key.startswith(_VARIABLE) and value is not None
        ]
        complete = given.get("exec.envc") == len(variables) or (not name.is_pattern and f'{_VARIABLE}{test.name}"]' in given)
    else:
        return Holds.NO
    met = False
    for found, value in variables:
        if name.matches(found):
            met = True
            good = not test.equal if test.value is None else compile_pattern(test.value.text).matches(value) is test.equal
            if not good:
                return Holds.NO
    return _answer(met or (test.value is None) is test.equal) if complete else Holds.UNKNOWN


def _is_unknown(name: str, request: Request) -> bool:
    """Whether REQUEST may have the attribute NAME, which stands in no part of a record."""
    return request.given is not None and has_attribute(request.kind, request.operation, name)


def _is_cut(strings: Strings | None) -> bool:
    return strings is None or strings.truncated


def _string_holds(test: Comparison, request: Request, groups: Groups) -> Holds:
    assert isinstance(test.left, Attribute)
    name = test.left.name
    held = request.symlink_target
    if name == "exec.realpath":
        held = request.execution.realpath if request.execution else None
    value = held.text if held is not None else None
    if value is None:
        if not _is_unknown(name, request):
            return Holds.NO
        found = (request.given or {}).get(name)
        if not isinstance(found, str):
            empty = isinstance(test.right, GroupReference) and not groups.paths(test.right.name)
            return _answer(not test.equal) if empty else Holds.UNKNOWN
        value = found
    if name == "exec.realpath" and value.startswith(NAMES):
        return _program_is(value, test)
    if isinstance(test.right, GroupReference):
        return _answer((groups.path_member(test.right.name, value) is not None) is test.equal)
    assert isinstance(test.right, Quoted)
    return _answer(compile_pattern(test.right.text).matches(value) is test.equal)


def _program_is(package_name: str, test: Comparison) -> Holds:
    """Whether the real path of the program that PACKAGE_NAME stands for passes TEST, without knowing that path.

    The group that is called so holds it; a text that is itself made up is never a real path.
    """
    if isinstance(test.right, GroupReference):
        return _answer(test.equal) if test.right.name == package_name else Holds.UNKNOWN
    assert isinstance(test.right, Quoted)
    return _answer(not test.equal) if test.right.text.startswith(NAMES) else Holds.UNKNOWN


def _numbers_hold(test: Comparison, request: Request, groups: Groups) -> Holds:
    left = _range(test.left, request)
    if isinstance(test.right, GroupReference):
        if left is None:
            found = _without(test, request)
            empty = found is Holds.UNKNOWN and not groups.numbers_overlap(test.right.name, 0, MAX_NUMBER)
            return _answer(not test.equal) if empty else found
        return _answer(groups.numbers_overlap(test.right.name, *left) is test.equal)
    assert not isinstance(test.right, Quoted)
    right = _range(test.right, request)
    if left is None or right is None:
        return _without(test, request)
    if isinstance(test.right, Attribute):
        names = [side.name if isinstance(side, Attribute) else "" for side in (test.left, test.right)]
        bits = [name in _BITS for name in names]
        if any(bits):
            other = names[0] if bits[1] else names[1]
            return _answer(not all(bits) and other in _PERMISSIONS and bool(left[0] & right[0]) is test.equal)
    return _answer((left[0] <= right[1] and right[0] <= left[1]) is test.equal)


def _without(test: Comparison, request: Request) -> Holds:
    """Whether TEST holds where a side of it has no value: the request has not that attribute, or it is not known."""
    names = [side.name for side in (test.left, test.right) if isinstance(side, Attribute)]
    for name in names:
        if _VALUES[name](request) is None and (name in STRING_ATTRIBUTES or not _is_unknown(name, request)):
            return Holds.NO
    if len(names) == 2 and (names[0] == names[1] or is_strange_bit(*names)):
        return _answer(test.equal and names[0] == names[1])
    for number in (1, 2):
        if set(names) == {f"path{number}.type", "directory"} and not _may_be_directory(request, number):
            return _answer(not test.equal)
    return Holds.UNKNOWN


def _may_be_directory(request: Request, number: int) -> bool:
    """Whether the name of a file, the first or the second, leaves open that it is a directory."""
    place = number - 1 if len(request.arguments) >= number else 0
    return request.kind.keyword == "file" and str(request.arguments[place]).endswith("/")


def _range(side: Attribute | NumberRange, request: Request) -> tuple[int, int] | None:
    """Lowest and highest number of a side of a test; None where it has none, or it is not known."""
    if isinstance(side, NumberRange):
        return side.first.value, side.last.value
    value = _VALUES[side.name](request)
    if value is None:
        value = _given(side.name, request) if request.given is not None else None
    return None if value is None else (value, value)


def _given(name: str, request: Request) -> int | None:
    """The attribute NAME of a request that was written by hand; None where it is not known."""
    value = (request.given or {}).get(name)
    if value is None and name in ("path1.type", "path2.type") and _may_be_directory(request, int(name[4])):
        value = "directory"
    elif value is None and name == "path1.type" and (request.operation == "execute" or request.kind is Kind.ENVIRONMENT):
        value = "file"
    return _TYPES.get(value, 0) if isinstance(value, str) else value


def _of_task(name: str) -> Callable[[Request], int | None]:
    return lambda request: None if request.task is None else getattr(request.task, name)


def _of_execution(name: str) -> Callable[[Request], int | None]:
    return lambda request: None if request.execution is None else getattr(request.execution, name)


def _of_file(path: str, name: str) -> Callable[[Request], int | None]:
    def value(request: Request) -> int | None:
        attributes: FileAttributes | ParentAttributes | None = getattr(request, path)
        if attributes is None:
            return None
        if name == "type":
            return _TYPES.get(getattr(attributes, name), 0)
        found: int | None = getattr(attributes, name)
        return found or 0

    return value


def _fixed(value: int) -> Callable[[Request], int | None]:
    return lambda request: value


#: Each attribute that stands for a number, and how to get it; None where a request has none.
_VALUES: dict[str, Callable[[Request], int | None]] = {
    **{f"task.{name}": _of_task(name) for name in _TASK},
    **{f"exec.{name}": _of_execution(name) for name in ("argc", "envc")},
    **{name: _fixed(value) for name, value in _CONSTANTS.items()},
    **{
        f"{path}.{name}": _of_file(path, name)
        for path in ("path1", "path2")
        for name in ["uid", "gid", "ino", "major", "minor", "perm", "type", "dev_major", "dev_minor"]
    },
    **{
        f"{path}.parent.{name}": _of_file(f"{path}_parent", name)
        for path in ("path1", "path2")
        for name in ["uid", "gid", "ino", "perm"]
    },
    # Right of a number, which the kernel takes as a test that cannot hold.
    **{name: lambda request: None for name in ("exec.realpath", "symlink.target")},
}

"""Requests: what a process asks the kernel, and all that a condition can test about it.

An audit record is a request with the kernel's answer; ``request_of`` takes the
request out of it, with every attribute.  One that is written by hand
(``parse_request``) has the attributes that are written behind it; the others
are unknown, which is not the same as false:

    >>> request = parse_request("file execute /bin/ls task.uid=0 exec.argv[0]=ls")
    >>> request.text, dict(request.given or {})
    ('file execute /bin/ls', {'task.uid': 0, 'exec.argv[0]': 'ls'})
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..model.addresses import AddressRange, address_text
from ..model.conditions import ATTRIBUTES, STRING_ATTRIBUTES, ArgumentTest, Attribute, Comparison, Condition, Test
from ..model.diagnostics import did_you_mean
from ..model.entries import Argument, ArgumentType, Entry, Kind
from ..model.errors import InvalidValueError
from ..model.numbers import NumberRange, Radix, single
from ..model.records import FILE_TYPES, AuditRecord, Execution, FileAttributes, ParentAttributes, Task
from ..model.words import DomainName, Quoted, Word, encode_character, word_fault

__all__ = ["Request", "Value", "parse_request", "request_of", "with_attributes"]

#: A name (with ``\\ooo`` as the kernel writes it), a number, or a packed address.
Value = str | int | bytes

#: Numbers that the kernel does not print in decimal.
_OCTAL = {
    *((Kind.PATH_NUMBER, operation) for operation in ("create", "mkdir", "mkfifo", "mksock", "chmod")),
    *((Kind.DEVICE, operation) for operation in Kind.DEVICE.operations),
}
_HEXADECIMAL = {(Kind.PATH_NUMBER, "ioctl"), (Kind.MOUNT, "mount")}


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        kind, operation: what is done.
        arguments: in the order of the Kind table: names as words, numbers, packed addresses.
        task, path1, path1_parent, path2, path2_parent, symlink_target: what
            conditions look at; None for what the request has not.
        execution: the same; there while a program is executed.
        device_counts: for a mount whether the kernel compares the device: not
            for a filesystem that needs none, such as tmpfs.
        given: None for a request of which everything is known, as of a record.
            Else the attributes that are known beside those above, by the
            names that conditions have for them (``task.uid``,
            ``exec.argv[0]``, ``exec.envp["HOME"]``): a number, a word, or
            None for a variable that is not set.  All others are unknown.

    Raises InvalidValueError for an operation or a number of arguments that the kind has not.
    """

    kind: Kind
    operation: str
    arguments: tuple[Value, ...]
    task: Task | None = None
    path1: FileAttributes | None = None
    path1_parent: ParentAttributes | None = None
    path2: FileAttributes | None = None
    path2_parent: ParentAttributes | None = None
    execution: Execution | None = None
    symlink_target: Quoted | None = None
    device_counts: bool = field(default=True, kw_only=True)
    given: Mapping[str, int | str | None] | None = field(default=None, kw_only=True, hash=False)

    def __post_init__(self) -> None:
        if self.operation not in self.kind.operations:
            raise InvalidValueError(f"operations of {self.kind.name} are {'/'.join(self.kind.operations)}, not {self.operation}")
        if len(self.arguments) != len(self.kind.arguments):
            raise InvalidValueError(f"{self.kind.name} takes {len(self.kind.arguments)} arguments")

    @property
    def entry(self) -> Entry:
        """The entry that grants just this, numbers written as the kernel prints them.

        A name that begins with ``@`` would read as a group, so ``\\?`` stands for that character.
        """
        arguments: list[Argument] = []
        for (name, wanted), value in zip(self.kind.arguments.items(), self.arguments):
            if isinstance(value, bytes):
                arguments.append(AddressRange(value, value))
            elif isinstance(value, int):
                arguments.append(single(value, self._radix(name)))
            elif wanted is ArgumentType.DOMAIN:
                arguments.append(DomainName(value))
            else:
                is_group = wanted is ArgumentType.NAME and value.startswith("@")
                arguments.append(Word(f"\\?{value[1:]}" if is_group else value))
        return Entry(self.kind, (self.operation,), tuple(arguments))

    def __repr__(self) -> str:
        return f"<Request {self.text}>"

    @property
    def text(self) -> str:
        """The request as a record's last line says it."""
        words = [self.kind.keyword, self.operation]
        words += map(self.value_text, self.kind.arguments, self.arguments)
        return " ".join(words)

    def value_text(self, argument: str, value: Value) -> str:
        """VALUE as a record shows it as the argument called ARGUMENT: a mode in octal."""
        if isinstance(value, bytes):
            return address_text(value)
        return str(single(value, self._radix(argument))) if isinstance(value, int) else value

    def _radix(self, argument: str) -> Radix:
        """In what the kernel prints the number called ARGUMENT."""
        if argument in ("major", "minor"):
            return Radix.DECIMAL
        if (self.kind, self.operation) in _OCTAL:
            return Radix.OCTAL
        return Radix.HEXADECIMAL if (self.kind, self.operation) in _HEXADECIMAL else Radix.DECIMAL

    @property
    def learned(self) -> Entry:
        """The entry that learning mode adds: with what was executed, or where a symlink leads, as far as that is known.

        Where a name begins with ``@``, the kernel adds one that means a group. This one is for the name.
        """
        tests: list[Test] = []
        given = (self.given or {}) if self.kind.keyword == "file" else {}
        realpath, first, target = (given.get(name) for name in ("exec.realpath", "exec.argv[0]", "symlink.target"))
        if self.kind.keyword == "file" and self.execution is not None:
            realpath = self.execution.realpath.text
            argv = self.execution.argv
            first = argv.values[0].text if argv is not None and argv.values else None
        if self.symlink_target is not None:
            target = self.symlink_target.text
        if isinstance(realpath, str):
            tests.append(Comparison(Attribute("exec.realpath"), Quoted(realpath)))
        if isinstance(first, str):
            tests.append(ArgumentTest(0, Quoted(first)))
        if isinstance(target, str):
            tests.append(Comparison(Attribute("symlink.target"), Quoted(target)))
        entry = self.entry
        return Entry(entry.kind, entry.operations, entry.arguments, Condition(tests=tuple(tests))) if tests else entry


def request_of(record: AuditRecord) -> Request:
    """The request in RECORD.  Raises InvalidValueError where the record is of an event, not of a request."""
    asked = record.request
    if not isinstance(asked, Entry):
        raise InvalidValueError(f"an event, not a request: {asked}")
    return Request(
        asked.kind,
        asked.operations[0],
        _values(asked),
        record.task,
        record.path1,
        record.path1_parent,
        record.path2,
        record.path2_parent,
        record.execution,
        record.symlink_target,
        # Only where it compares the device does the kernel look the device up.
        device_counts=asked.kind is not Kind.MOUNT or record.path1 is not None,
    )


def bare_request(asked: Entry) -> Request:
    """The request that ASKED, the last line of a record, says, without attributes: as if the record had none."""
    return Request(asked.kind, asked.operations[0], _values(asked))


def _values(asked: Entry) -> tuple[Value, ...]:
    return tuple(map(_value, asked.arguments))


def _value(argument: Argument) -> Value:
    if isinstance(argument, NumberRange):
        return argument.first.value
    return argument.first if isinstance(argument, AddressRange) else str(argument)


def functionality_of(kind: Kind, operation: str) -> str:
    """The name by which a profile sets the mode of OPERATION, such as ``file::open``.

    Raises InvalidValueError for an operation that the kernel never asks about.
    """
    found = _FUNCTIONALITIES.get((kind, operation))
    if found is None:
        raise InvalidValueError(f"the kernel never asks for {kind.keyword} {operation}")
    return found


def _functionality(kind: Kind, operation: str) -> str:
    if kind.keyword == "file":
        return "file::open" if operation in ("read", "write", "append") else f"file::{operation}"
    if kind is Kind.ENVIRONMENT:
        return "misc::env"
    if kind is Kind.TRANSITION:
        return "file::execute"
    return f"network::{'_'.join(kind.keyword.split()[1:])}_{operation}"


_FUNCTIONALITIES = {
    (kind, operation): _functionality(kind, operation)
    for kind in Kind
    for operation in kind.operations
    if operation not in kind.unasked
}


def parse_request(text: str) -> Request:
    """The request that TEXT says: an entry of one operation without patterns, ranges, groups or transition preference.

    Behind it may stand what is known of its attributes, each as a condition
    that it meets: ``task.uid=0``, ``path1.perm=0644``, ``exec.argv[0]="ls"``.
    Raises InvalidValueError where TEXT says something else.
    """
    from ..syntax.entries import read_entry
    from ..syntax.lines import Dropped, Effect, Line, normalise

    words = normalise(text).split(" ")
    end = len(words)
    while end > 1 and _ATTRIBUTE.match(words[end - 1]):
        end -= 1
    line = Line(" ".join(words[:end]))
    try:
        entry = read_entry(line)
    except Dropped as dropped:
        problem = dropped.problem
        if text.startswith("network unix") and problem.text.isdecimal():
            raise InvalidValueError(f"not a request: a unix socket has no port: leave out '{problem.text}'") from None
        advice = f"; {problem.advice}" if problem.advice else ""
        raise InvalidValueError(f"not a request: {problem.message}: '{problem.text}'{advice}") from None
    several = len(entry.operations) > 1 or entry.condition is not None
    altered = any(problem.effect is not Effect.USELESS for problem in line.problems)
    if several or altered or any(not _is_single(argument) for argument in entry.arguments):
        raise InvalidValueError(f"not a single request: {entry}")
    request = Request(entry.kind, entry.operations[0], _values(entry))
    return with_attributes(request, words[end:])


def with_attributes(request: Request, attributes: Sequence[str]) -> Request:
    """REQUEST, of which these ATTRIBUTES are known too: ``task.uid=0``, ``exec.realpath=/bin/ls`` and so on.

    Strings are words as the kernel writes them, in quotes or not; a character
    that a word cannot hold is written as it must be.  Raises InvalidValueError for
    what is no attribute of such a request, or has no single value.
    """
    given = dict(request.given or {})
    for text in attributes:
        name, value = _parse_attribute(text)
        if not has_attribute(request.kind, request.operation, name):
            raise InvalidValueError(f"{name}: a request for '{request.kind.keyword} {request.operation}' has no such attribute")
        if given.setdefault(name, value) != value:
            raise InvalidValueError(f"{name} has two values: {_shown(given[name])} and {_shown(value)}; give one")
    return replace(request, given=given)


def has_attribute(kind: Kind, operation: str, name: str) -> bool:
    """Whether a request for OPERATION can have the attribute NAME; a test of one that it has not never holds.

    From tomoyo_condition() and tomoyo_get_attributes() in security/tomoyo/condition.c.
    """
    if name.startswith("exec."):
        return kind is Kind.ENVIRONMENT or operation == "execute"
    if name == "symlink.target":
        return operation == "symlink"
    if not name.startswith(("path1.", "path2.")):
        return True
    if kind is Kind.ENVIRONMENT:
        return True
    if kind.keyword != "file" or (name.startswith("path2.") and kind not in (Kind.TWO_PATHS, Kind.MOUNT)):
        return False
    # What is only just made has no attributes yet, but its directory has.
    made = (operation in _MADE and name.startswith("path1.")) or (operation == "link" and name.startswith("path2."))
    return not made or ".parent." in name


_MADE = frozenset({"create", "mkdir", "mkfifo", "mksock", "mkblock", "mkchar", "symlink"})
_ATTRIBUTE = re.compile(r"(?:task|exec|path1|path2|symlink)\.[^/=]*!?=")
_MAJOR, _MINOR = 2**12 - 1, 2**20 - 1
#: The largest number that attributes have, by the last part of their names; an inode's may be any.
_LARGEST = {
    **dict.fromkeys(("uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid"), 2**32 - 1),
    **dict.fromkeys(("pid", "ppid", "argc", "envc"), 2**31 - 1),
    **{"perm": 0o7777, "major": _MAJOR, "dev_major": _MAJOR, "minor": _MINOR, "dev_minor": _MINOR},
}
_ARGUMENT = re.compile(r"exec\.argv\[([0-9]+)\]")
_VARIABLE = re.compile(r"exec\.envp\[(\"?)([^\"]+)\1\]")


def _parse_attribute(text: str) -> tuple[str, int | str | None]:
    """The name of an attribute, as conditions write it, and its value."""
    from ..syntax.arguments import parse_range

    name, equals, value = text.partition("=")
    if not equals or name.endswith("!"):
        raise InvalidValueError(f"not an attribute: '{text}' (expected NAME=VALUE, such as task.uid=0)")
    argument, variable = _ARGUMENT.fullmatch(name), _VARIABLE.fullmatch(name)
    if argument:
        return f"exec.argv[{int(argument[1])}]", _string(name, value)
    if variable:
        return f'exec.envp["{_word(name, variable[2])}"]', None if value == "NULL" else _string(name, value)
    if name not in ATTRIBUTES or "." not in name:
        near = did_you_mean(name, ATTRIBUTES)
        raise InvalidValueError(f"unknown attribute: '{name}'" + (f"; {near}" if near else ""))
    if name in STRING_ATTRIBUTES:
        return name, _string(name, value)
    if name.endswith(".type"):
        if value not in FILE_TYPES:
            raise InvalidValueError(f"{name}: no file type: '{value}' (expected {', '.join(FILE_TYPES)})")
        return name, value
    found = parse_range(value)
    if not isinstance(found, tuple) or found[1] or found[0].first.value != found[0].last.value:
        raise InvalidValueError(f"{name}: not a number: '{value}'")
    largest = _LARGEST.get(name.rpartition(".")[2])
    if largest is not None and found[0].first.value > largest:
        raise InvalidValueError(
            f"{name}: '{value}' is too large: at most {f'0{largest:o}' if name.endswith('.perm') else largest}"
        )
    return name, found[0].first.value


def _shown(value: int | str | None) -> str:
    return "NULL" if value is None else str(value)


def _string(name: str, text: str) -> str:
    return _word(name, text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text) if text not in ("", '""') else ""


def _word(name: str, text: str) -> str:
    """TEXT, in which what a word cannot hold is written as octal."""
    word = "".join(each if "!" <= each <= "~" else encode_character(each) for each in text)
    fault = word_fault(word)
    if fault is not None or Word(word).is_pattern:
        raise InvalidValueError(f"{name}: not a name as the kernel writes it: '{text}': {fault.reason if fault else 'a pattern'}")
    return word


def _is_single(argument: Argument) -> bool:
    if isinstance(argument, Word):
        return not argument.is_pattern
    if isinstance(argument, NumberRange):
        return argument.first.value == argument.last.value
    return argument.first == argument.last if isinstance(argument, AddressRange) else isinstance(argument, DomainName)

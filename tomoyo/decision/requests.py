"""Requests: what a process asks the kernel, and all that a condition can test about it.

An audit record is a request with the kernel's answer; ``request_of`` takes the
request out of it.  One can also be built by hand:

    >>> Request(Kind.PATH, "read", ("/etc/passwd",)).text
    'file read /etc/passwd'
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.addresses import AddressRange
from ..model.conditions import ArgumentTest, Attribute, Comparison, Condition, Test
from ..model.entries import Argument, ArgumentType, Entry, Kind
from ..model.numbers import NumberRange, Radix, single
from ..model.records import AuditRecord, Execution, FileAttributes, ParentAttributes, Task
from ..model.words import DomainName, GroupReference, Quoted, Word

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
    """One request.  Attributes that are None are those that the kernel does not know of it.

    ``arguments`` are in the order of the Kind table: names as words, numbers,
    packed addresses.  ``device_counts`` tells for a mount whether the kernel
    compares the device: not for a filesystem that needs none, such as tmpfs.
    ``execution`` is there while a program is executed.
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

    def __post_init__(self) -> None:
        if self.operation not in self.kind.operations:
            raise ValueError(f"operations of {self.kind.name} are {'/'.join(self.kind.operations)}, not {self.operation}")
        if len(self.arguments) != len(self.kind.arguments):
            raise ValueError(f"{self.kind.name} takes {len(self.kind.arguments)} arguments")

    @property
    def entry(self) -> Entry:
        """The entry that grants just this, numbers written as the kernel prints them."""
        radix = Radix.DECIMAL
        if (self.kind, self.operation) in _OCTAL:
            radix = Radix.OCTAL
        elif (self.kind, self.operation) in _HEXADECIMAL:
            radix = Radix.HEXADECIMAL
        arguments: list[Argument] = []
        for (name, wanted), value in zip(self.kind.arguments.items(), self.arguments):
            if isinstance(value, bytes):
                arguments.append(AddressRange(value, value))
            elif isinstance(value, int):
                arguments.append(single(value, Radix.DECIMAL if name in ("major", "minor") else radix))
            elif wanted is ArgumentType.DOMAIN:
                arguments.append(DomainName(value))
            elif wanted is ArgumentType.NAME and value.startswith("@"):
                arguments.append(GroupReference(value[1:]))  # a socket, say; the line cannot be told from that of a group
            else:
                arguments.append(Word(value))
        return Entry(self.kind, (self.operation,), tuple(arguments))

    @property
    def text(self) -> str:
        """The request as a record's last line says it."""
        return self.entry.text

    @property
    def learned(self) -> Entry:
        """The entry that learning mode adds: with what was executed, or where a symlink leads.

        Where a name begins with ``@``, the kernel adds one that means a group. This one is for the name.
        """
        tests: list[Test] = []
        if self.kind.keyword == "file" and self.execution is not None:
            tests.append(Comparison(Attribute("exec.realpath"), self.execution.realpath))
            if self.execution.argv is not None and self.execution.argv.values:
                tests.append(ArgumentTest(0, self.execution.argv.values[0]))
        if self.symlink_target is not None:
            tests.append(Comparison(Attribute("symlink.target"), self.symlink_target))
        entry = self.entry
        arguments = tuple(Word(f"\\?{value.name}") if isinstance(value, GroupReference) else value for value in entry.arguments)
        if not tests and arguments == entry.arguments:
            return entry
        return Entry(entry.kind, entry.operations, arguments, Condition(tests=tuple(tests)) if tests else None)


def request_of(record: AuditRecord) -> Request:
    """The request in RECORD.  Raises ValueError where the record is of an event, not of a request."""
    asked = record.request
    if not isinstance(asked, Entry):
        raise ValueError(f"an event, not a request: {asked}")
    return Request(
        asked.kind,
        asked.operations[0],
        tuple(map(_value, asked.arguments)),
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


def _value(argument: Argument) -> Value:
    if isinstance(argument, NumberRange):
        return argument.first.value
    return argument.first if isinstance(argument, AddressRange) else str(argument)


def functionality_of(kind: Kind, operation: str) -> str:
    """The name by which a profile sets the mode of OPERATION, such as ``file::open``.

    Raises ValueError for an operation that the kernel never asks about.
    """
    found = _FUNCTIONALITIES.get((kind, operation))
    if found is None:
        raise ValueError(f"the kernel never asks for {kind.keyword} {operation}")
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
    """The request that TEXT, an entry of one operation without patterns, ranges, groups or conditions, says.

    Raises ValueError where it says something else.
    """
    from ..syntax.entries import read_entry
    from ..syntax.lines import Dropped, Line, normalise

    line = Line(normalise(text))
    try:
        entry = read_entry(line)
    except Dropped as dropped:
        problem = dropped.problem
        expected = f"; expected {problem.expected}" if problem.expected else ""
        raise ValueError(f"not a request: {problem.message}: {problem.text!r}{expected}") from None
    several = len(entry.operations) > 1 or entry.condition is not None
    if several or line.problems or any(not _is_single(argument) for argument in entry.arguments):
        raise ValueError(f"not a single request: {entry}")
    return Request(entry.kind, entry.operations[0], tuple(map(_value, entry.arguments)))


def _is_single(argument: Argument) -> bool:
    if isinstance(argument, Word):
        return not argument.is_pattern
    if isinstance(argument, NumberRange):
        return argument.first.value == argument.last.value
    return argument.first == argument.last if isinstance(argument, AddressRange) else isinstance(argument, DomainName)

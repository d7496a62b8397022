"""ACL entries: what a domain, or an acl_group, may do.

``Kind`` is the one table of the language's operations: their keyword, their
order, the arguments they take and the operations that the kernel accepts but
never asks about.  Parser, writer and decision engine all read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cache

from .addresses import AddressRange
from .conditions import Comparison, Condition
from .errors import InvalidValueError
from .numbers import NumberRange
from .words import DomainName, GroupReference, Word, quoted

TYPE_CHECKING = False

__all__ = ["Argument", "ArgumentType", "Entry", "GroupKind", "Kind"]

MAX_PORT = 65535


class ArgumentType(Enum):
    """What may stand in an argument's place."""

    NAME = "a word or @PATH_GROUP"
    NUMBER = "a number, a range or @NUMBER_GROUP"
    PORT = "a port (at most 65535), a range or @NUMBER_GROUP"
    ADDRESS = "an IP address, a range or @ADDRESS_GROUP"
    VARIABLE = "the name of an environment variable"
    DOMAIN = "a domain name"


_NAME, _NUMBER, _PORT = ArgumentType.NAME, ArgumentType.NUMBER, ArgumentType.PORT
_INET = {"address": ArgumentType.ADDRESS, "port": _PORT}
_UNIX = {"address": _NAME}
_SOCKET = ("bind", "listen", "connect", "send")


class Kind(Enum):
    """A kind of entry.  The kernel merges entries of one kind that differ only in operations.

    Attributes: ``keyword``, the words before the operations; ``operations``
    in the kernel's order; ``arguments``, name to type, in order; ``unasked``,
    operations that are accepted but never asked about.

    Beware: a network entry grants its operations to every protocol of its
    family.  The kernel compares operation, address and port, but not the
    protocol, so ``network inet stream bind`` also grants ``inet dgram bind``.
    """

    # The kernel looks for an operation of each "file" kind in this order.
    PATH = (
        "file",
        ("execute", "read", "write", "append", "unlink", "getattr", "rmdir", "truncate", "symlink", "chroot", "unmount"),
        {"path": _NAME},
    )
    TWO_PATHS = ("file", ("link", "rename", "pivot_root"), {"path1": _NAME, "path2": _NAME})
    PATH_NUMBER = (
        "file",
        ("create", "mkdir", "mkfifo", "mksock", "ioctl", "chmod", "chown", "chgrp"),
        {"path": _NAME, "number": _NUMBER},
    )
    DEVICE = (
        "file",
        ("mkblock", "mkchar"),
        {"path": _NAME, "mode": _NUMBER, "major": _NUMBER, "minor": _NUMBER},
    )
    MOUNT = (
        "file",
        ("mount",),
        {"device": _NAME, "directory": _NAME, "filesystem": _NAME, "flags": _NUMBER},
    )
    INET_STREAM = ("network inet stream", _SOCKET, _INET, ("send",))
    INET_DGRAM = ("network inet dgram", _SOCKET, _INET, ("listen", "connect"))
    INET_RAW = ("network inet raw", _SOCKET, _INET, ("listen", "connect"))
    INET_SEQPACKET = ("network inet seqpacket", _SOCKET, _INET, _SOCKET)
    UNIX_STREAM = ("network unix stream", _SOCKET, _UNIX, ("send",))
    UNIX_DGRAM = ("network unix dgram", _SOCKET, _UNIX, ("listen", "connect"))
    UNIX_RAW = ("network unix raw", _SOCKET, _UNIX, _SOCKET)
    UNIX_SEQPACKET = ("network unix seqpacket", _SOCKET, _UNIX, ("send",))
    ENVIRONMENT = ("misc", ("env",), {"name": ArgumentType.VARIABLE})
    TRANSITION = ("task", ("manual_domain_transition",), {"domain": ArgumentType.DOMAIN})

    def __init__(
        self,
        keyword: str,
        operations: tuple[str, ...],
        arguments: dict[str, ArgumentType],
        unasked: tuple[str, ...] = (),
    ) -> None:
        self.keyword = keyword
        self.operations = operations
        self.arguments = arguments
        self.unasked = unasked

    def __repr__(self) -> str:
        return f"<Kind.{self.name}>"

    if not TYPE_CHECKING:
        __hash__ = object.__hash__  # that of Enum is a function in Python, and each decision looks up several


#: Kinds that share the keyword ``file``, in the order in which the kernel looks for operations.
FILE_KINDS = tuple(kind for kind in Kind if kind.keyword == "file")
#: ``network inet stream`` and so on, to their kind.
NETWORK_KINDS = {kind.keyword: kind for kind in Kind if kind.keyword.startswith("network ")}

Argument = Word | GroupReference | NumberRange | AddressRange | DomainName

_ALLOWED: dict[ArgumentType, tuple[type, ...]] = {
    ArgumentType.NAME: (Word, GroupReference),
    ArgumentType.NUMBER: (NumberRange, GroupReference),
    ArgumentType.PORT: (NumberRange, GroupReference),
    ArgumentType.ADDRESS: (AddressRange, GroupReference),
    ArgumentType.VARIABLE: (Word,),
    ArgumentType.DOMAIN: (DomainName,),
}


@cache
def sort_operations(kind: Kind, operations: frozenset[str]) -> tuple[str, ...]:
    """OPERATIONS in the kernel's order.  Raises InvalidValueError for one that KIND has not."""
    unknown = operations.difference(kind.operations)
    if unknown or not operations:
        given = ", ".join(sorted(unknown)) or "none"
        raise InvalidValueError(f"operations of {kind.name} are {'/'.join(kind.operations)}, not {given}")
    return tuple(operation for operation in kind.operations if operation in operations)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One ACL entry.  Two entries are equal when their texts and subjects are.

    Attributes:
        kind: the keyword, with the operations and arguments that it has.
        operations: kept in the kernel's order.
        arguments: one for each name in ``kind.arguments``, of the type that it has there.
        condition: when the entry counts; None for always.
        text: the entry as policy has it.
        subject: the text with the kind's first operation alone: the kernel merges
            entries of the same subject.  Only those whose condition ``is_misread``
            have a text of others.

    Raises InvalidValueError for operations or arguments that KIND has not.
    """

    kind: Kind
    operations: tuple[str, ...]
    arguments: tuple[Argument, ...]
    condition: Condition | None = None
    text: str = field(init=False, repr=False)
    subject: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kind = self.kind
        if len(self.operations) != 1 or self.operations[0] not in kind.operations:
            object.__setattr__(self, "operations", sort_operations(kind, frozenset(self.operations)))
        self._check_arguments()
        tail = " ".join(map(str, self.arguments))
        if self.condition is not None:
            if self.condition.transition is not None and self.operations != ("execute",):
                raise InvalidValueError("a transition preference goes with 'file execute' alone")
            tail = f"{tail} {self.condition}"
        object.__setattr__(self, "text", f"{kind.keyword} {'/'.join(self.operations)} {tail}")
        object.__setattr__(self, "subject", _subject(kind, self.arguments, self.condition, tail))

    def _check_arguments(self) -> None:
        types = self.kind.arguments.items()
        if len(self.arguments) != len(types):
            raise InvalidValueError(f"{self.kind.name} takes {len(types)} arguments")
        for value, (name, kind) in zip(self.arguments, types):
            if not isinstance(value, _ALLOWED[kind]):
                raise InvalidValueError(f"{name} must be {kind.value}, not {quoted(value)}")
            if kind is ArgumentType.PORT and isinstance(value, NumberRange):
                if value.last.value > MAX_PORT:
                    raise InvalidValueError(f"no port: {value}")
            elif kind is ArgumentType.VARIABLE and "=" in str(value):
                raise InvalidValueError(f"no name of an environment variable: {value}")
            elif kind is ArgumentType.NAME and type(value) is Word and value.text[0] == "@":
                raise InvalidValueError(f"{value} would read as a group: use GroupReference")

    @classmethod
    def trusted(
        cls,
        kind: Kind,
        operations: tuple[str, ...],
        arguments: tuple[Argument, ...],
        condition: Condition | None,
        tail: str,
        text: str = "",
    ) -> Entry:
        """An entry of parts that the caller has checked: operations in order, arguments of the right types.

        Arguments:
            kind, operations, arguments, condition: as in `Entry`.
            tail: the text behind the operations.
            text: all of the text, where the caller has it.

        Reading a policy makes hundreds of thousands of entries, and checks each part as it reads it.
        """
        entry = _Unfrozen()
        entry.kind = kind
        entry.operations = operations
        entry.arguments = arguments
        entry.condition = condition
        entry.text = text or f"{kind.keyword} {'/'.join(operations)} {tail}"
        if condition is None:
            entry.subject = f"{kind.keyword} {kind.operations[0]} {tail}"
        else:
            entry.subject = _subject(kind, arguments, condition, tail)
        entry.__class__ = cls  # type: ignore[assignment]
        return entry  # type: ignore[return-value]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Entry {self.text}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self.text == other.text and self.subject == other.subject

    def __hash__(self) -> int:
        return hash(self.text)

    def argument(self, name: str) -> Argument:
        """The argument called NAME in the Kind table.  Raises KeyError if there is none."""
        return dict(zip(self.kind.arguments, self.arguments))[name]

    def with_operations(self, operations: tuple[str, ...]) -> Entry:
        """The same entry for OPERATIONS."""
        return Entry(self.kind, operations, self.arguments, self.condition)

    def merged(self, other: Entry) -> Entry:
        """The one entry that the kernel makes of this one and OTHER, which differ in operations alone.

        Raises InvalidValueError where they differ in more.
        """
        if self.subject != other.subject:
            raise InvalidValueError(f"entries differ in more than their operations: {self} and {other}")
        if set(other.operations).issubset(self.operations):
            return self
        return self.with_operations(self.operations + other.operations)

    def reduced(self, other: Entry) -> Entry | None:
        """What ``delete OTHER`` leaves of this entry; None when nothing is left."""
        if self.subject != other.subject:
            return self
        kept = tuple(operation for operation in self.operations if operation not in other.operations)
        return self.with_operations(kept) if kept else None

    def group_references(self) -> list[tuple[GroupKind, str]]:
        """The groups named by arguments and condition, in the order written."""
        found = [
            (_GROUP_KINDS[kind], value.name)
            for value, kind in zip(self.arguments, self.kind.arguments.values())
            if isinstance(value, GroupReference)
        ]
        for test in self.condition.tests if self.condition else ():
            if isinstance(test, Comparison) and isinstance(test.right, GroupReference):
                group = GroupKind.PATH if test.compares_strings else GroupKind.NUMBER
                found.append((group, test.right.name))
        return found


class _Unfrozen:
    """An entry that is being made: to set the fields of one that is frozen takes three times as long."""

    __slots__ = ("arguments", "condition", "kind", "operations", "subject", "text")
    kind: Kind
    operations: tuple[str, ...]
    arguments: tuple[Argument, ...]
    condition: Condition | None
    text: str
    subject: str


def _subject(kind: Kind, arguments: tuple[Argument, ...], condition: Condition | None, tail: str) -> str:
    if condition is not None and condition.is_misread:
        tail = " ".join([*map(str, arguments), condition.readable])
    return f"{kind.keyword} {kind.operations[0]} {tail}"


class GroupKind(Enum):
    """The three kinds of groups, in the order in which the kernel prints them."""

    PATH = "path_group"
    NUMBER = "number_group"
    ADDRESS = "address_group"


_GROUP_KINDS = {
    ArgumentType.NAME: GroupKind.PATH,
    ArgumentType.NUMBER: GroupKind.NUMBER,
    ArgumentType.PORT: GroupKind.NUMBER,
    ArgumentType.ADDRESS: GroupKind.ADDRESS,
}

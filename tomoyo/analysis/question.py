"""Questions of what may be done: an operation, and as much of its arguments as matters.

What is left out may be anything: ``parse_question("connect", {"port": "22"})``
is about any address, of any protocol.  A path may be either of two, a number
or an address a range of which any will do.  A host is the same by its IPv4
address and by the IPv6 address for it, a file in a special filesystem by its
path and by the kernel's own name.  What the kernel never asks for is left out:
nobody may do it.

    >>> question = parse_question("rename", {"path": "/etc/passwd"})
    >>> [(kind.name, operation) for kind, operation in question.operations]
    [('TWO_PATHS', 'rename')]
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..decision.groups import Groups
from ..decision.impossible_requests import largest_number, name_fault, never_asked
from ..decision.index import asked_argument_matches, asked_as
from ..decision.requests import Request
from ..model.addresses import AddressRange
from ..model.diagnostics import did_you_mean
from ..model.entries import MAX_PORT, Argument, ArgumentType, Entry, Kind
from ..model.errors import InvalidValueError
from ..model.filesystems import asked_name
from ..model.numbers import NumberRange, single
from ..model.words import GroupReference, Word, domain_fault, word_fault
from ..syntax.arguments import parse_range, read_ipv4, read_ipv6

__all__ = ["Case", "Question", "Wanted", "parse_question", "question_of"]

Wanted = str | NumberRange | AddressRange

#: What an argument is called that may be any name: either path of two, the device or the directory of a mount.
PATH = "path"
#: Every name of an argument, ``path`` first.
ARGUMENTS = tuple(dict.fromkeys((PATH, *(name for kind in Kind for name in kind.arguments))))
#: Several operations for which a profile has one mode.
_TOGETHER = {"open": ("read", "write", "append")}
#: How the names of unix sockets begin that an address may be: a path, an abstract name, or none at all.
_SOCKET = re.compile(r"/|\\000|anonymous\Z")
#: An address in brackets, or with a port behind it.
_WITH_PORT = re.compile(r"(?:\[([^]]+)\]|([0-9.]+)(?=:))(?::([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Case:
    """An operation of one kind, with what is asked about its arguments: places of which one must match, and what."""

    kind: Kind
    operation: str
    wanted: tuple[tuple[tuple[int, ...], Wanted], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What may be done, in any of CASES; NEVER tells why the kernel never asks for others.

    Attributes:
        names: the packages' names, patterns among them, that stand for the real paths of their files.
    """

    cases: tuple[Case, ...]
    never: tuple[str, ...] = ()
    names: Collection[str] = ()

    @property
    def operations(self) -> list[tuple[Kind, str]]:
        """The kinds and operations that are asked about."""
        return [(case.kind, case.operation) for case in self.cases]

    @property
    def domains(self) -> list[str]:
        """The domains that manual transitions are asked about."""
        wanted = (what for case in self.cases if case.kind is Kind.TRANSITION for _, what in case.wanted)
        return [what for what in wanted if isinstance(what, str)]

    def granting(self, entry: Entry, groups: Groups) -> bool:
        """Whether ENTRY grants it, whatever its condition says."""
        kind = asked_as(entry.kind)
        return any(
            asked_as(case.kind) is kind
            and case.operation in entry.operations
            and all(
                any(_overlaps(case, at, entry.arguments[at], wanted, groups) for at in places) for places, wanted in case.wanted
            )
            for case in self.cases
        )


def question_of(request: Request, *, names: Collection[str] = ()) -> Question:
    """The question who may make just REQUEST; NAMES as in `Question`."""
    called = (
        _special(request.kind, request.operation, place, value) if isinstance(value, str) else value
        for place, value in enumerate(request.arguments)
    )
    request = replace(request, arguments=tuple(called))
    wanted: list[tuple[tuple[int, ...], Wanted]] = []
    for position, value in enumerate(request.arguments):
        if isinstance(value, bytes):
            wanted.append(((position,), AddressRange(value, value)))
        else:
            wanted.append(((position,), single(value) if isinstance(value, int) else value))
    never = never_asked(request, names=names)
    if never is not None:
        return Question((), (f"the kernel never asks for '{request.text}': {never}",), names)
    return Question((Case(request.kind, request.operation, tuple(wanted)),), (), names)


def _asked(cases: Sequence[Case], names: Collection[str]) -> Question:
    """The question of those CASES of which the kernel asks."""
    faults = [(case, _fault(case, names)) for case in cases]
    return Question(
        tuple(case for case, fault in faults if not fault),
        tuple(dict.fromkeys(fault for _, fault in faults if fault)),
        names,
    )


def _fault(case: Case, names: Collection[str]) -> str:
    """Why the kernel never asks CASE; empty where it may."""
    if case.operation in case.kind.unasked:
        return f"the kernel never asks for '{case.kind.keyword} {case.operation}'"
    for places, name in case.wanted:
        largest = largest_number(case.operation, list(case.kind.arguments)[places[0]])
        if isinstance(name, NumberRange) and largest is not None and name.first.value > largest:
            return f"the kernel never asks '{case.operation}' for more than {largest}"
        if not isinstance(name, str):
            continue
        faults = [name_fault(case.kind, case.operation, place, name, names=names) for place in places]
        if all(faults):
            reason, instead = faults[0] or ("", "")
            return f"the kernel never asks for '{name}' there: {reason}" + (f"; it would ask for '{instead}'" if instead else "")
    return ""


def parse_question(operation: str, arguments: Mapping[str, str] | None = None, *, names: Collection[str] = ()) -> Question:
    """The question that texts say.

    OPERATION is an operation (``write``), several (``write/append``, ``open``
    for all ways to open a file), or has its keyword before it (``network inet
    stream connect``, or as profiles write it ``inet_stream_connect``).
    ARGUMENTS are by their names in the Kind table, or ``path`` for any name.
    NAMES as in `Question`.

    Raises InvalidValueError where there is no such operation, or none with such arguments.
    """
    cases = []
    reasons = []
    for kind, each in _operations(operation):
        try:
            cases.append(Case(kind, each, tuple(_wanted(kind, each, name, text) for name, text in (arguments or {}).items())))
        except ValueError as reason:
            reasons.append(str(reason))
    if not cases:
        raise InvalidValueError("; ".join(dict.fromkeys(reasons)))
    return _asked(cases, names)


def _operations(text: str) -> list[tuple[Kind, str]]:
    keyword, _, last = " ".join(text.split()).rpartition(" ")
    names = [name for each in last.split("/") for name in _TOGETHER.get(each, (each,))]
    found: list[tuple[Kind, str]] = []
    for name in names:
        known = [
            (kind, each)
            for kind in Kind
            for each in kind.operations
            if each not in kind.unasked and (name == each or name == _functionality(kind, each)) and keyword in ("", kind.keyword)
        ]
        if not known:
            there = sorted({each for kind in Kind for each in kind.operations if each not in kind.unasked})
            near = did_you_mean(name, there)
            hint = f"; {near}" if near else f" (expected {', '.join(there)})"
            raise InvalidValueError(f"unknown operation: '{f'{keyword} {name}'.strip()}'{hint}")
        found += known
    return found


def _functionality(kind: Kind, operation: str) -> str:
    return "_".join([*kind.keyword.split()[1:], operation])


def _wanted(kind: Kind, operation: str, name: str, text: str) -> tuple[tuple[int, ...], Wanted]:
    """The places that an argument of OPERATION called NAME may have, and what is to match there."""
    types = list(kind.arguments.values())
    if name == PATH:
        # The type of a filesystem is no path.
        places = tuple(at for at, wanted in enumerate(types) if wanted in (ArgumentType.NAME, ArgumentType.VARIABLE))[:2]
    else:
        places = tuple(at for at, argument in enumerate(kind.arguments) if argument == name)
    if not places:
        raise InvalidValueError(f"there is no {name} in {kind.keyword} {operation}, but {' and '.join(kind.arguments)}")
    value = _value(types[places[0]], text)
    if name == "address" and isinstance(value, str) and not _SOCKET.match(value):
        raise _no_address(text)
    return places, _special(kind, operation, places[0], value) if isinstance(value, str) else value


def _special(kind: Kind, operation: str, place: int, name: str) -> str:
    """NAME, or where it is of a file in a special filesystem, by which name the kernel asks for that."""
    if kind.keyword != "file":
        return name
    return asked_name(name, "read" if kind is Kind.MOUNT and place == 0 else operation)


def _value(wanted: ArgumentType, text: str) -> Wanted:
    """TEXT as an argument of the type WANTED."""
    if wanted in (ArgumentType.NUMBER, ArgumentType.PORT):
        found = parse_range(text)
        if not isinstance(found, tuple) or found[1]:
            raise InvalidValueError(f"not a number, nor a range of numbers: '{text}'")
        if wanted is ArgumentType.PORT and found[0].last.value > MAX_PORT:
            raise InvalidValueError(f"no port: {text}")
        return found[0]
    if wanted is ArgumentType.ADDRESS:
        addresses = _addresses(text)
        if addresses is None:
            raise _no_address(text)
        return addresses
    fault = domain_fault(text) if wanted is ArgumentType.DOMAIN else word_fault(text)
    if fault is not None or (wanted is not ArgumentType.DOMAIN and Word(text).is_pattern):
        reason = f": {fault.reason}" if fault else ", but a pattern"
        raise InvalidValueError(f"not a name as the kernel writes it: '{text}'{reason}")
    return text


def _addresses(text: str) -> AddressRange | None:
    """The IP address or the range that TEXT says, or None."""
    first, dash, last = text.partition("-")
    read = read_ipv6 if ":" in text else read_ipv4
    lower = read(first)
    upper = read(last) if dash else lower
    return None if lower is None or upper is None or lower > upper else AddressRange(lower, upper)


def _no_address(text: str) -> InvalidValueError:
    """The error about TEXT, which is no address of the family that was asked about."""
    if _SOCKET.match(text):
        return InvalidValueError(f"not an IP address, nor a range of addresses, but a unix socket: '{text}'")
    if _addresses(text) is not None:
        return InvalidValueError(f"not the name of a unix socket, but an IP address: '{text}'")
    return InvalidValueError(
        "not an IP address, nor a range of addresses, nor the name of a unix socket (/..., \\000... or anonymous): "
        f"'{text}'; {_address_advice(text)}"
    )


def _address_advice(text: str) -> str:
    """What to give instead of TEXT, which is no address as policies have it."""
    found = _WITH_PORT.fullmatch(text)
    if found is not None and (read_ipv6(found[1]) if found[1] else read_ipv4(found[2])) is not None:
        address = found[1] or found[2]
        return f"write {address}, and {found[3]} as the port" if found[3] else f"write {address}"
    head, slash, length = text.partition("/")
    lowest = (read_ipv6 if ":" in head else read_ipv4)(head)
    if slash and lowest is not None and length.isdecimal() and len(length) < 4 and int(length) <= 8 * len(lowest):
        rest = (1 << (8 * len(lowest) - int(length))) - 1
        first = int.from_bytes(lowest, "big") & ~rest
        ends = (end.to_bytes(len(lowest), "big") for end in (first, first | rest))
        return f"write {AddressRange(*ends)}"
    turned = "-".join(reversed(text.split("-")))
    if _addresses(turned) is not None:
        return f"write {turned}"
    return "write one as 10.0.0.1, ::1 or 10.0.0.1-10.0.0.9, or leave it out for any"


def _overlaps(case: Case, place: int, argument: Argument, wanted: Wanted, groups: Groups) -> bool:
    """Whether ARGUMENT of an entry matches anything that CASE has as WANTED at PLACE."""
    if isinstance(wanted, str):
        return asked_argument_matches(case.kind, case.operation, place, argument, wanted, groups)
    if isinstance(wanted, NumberRange):
        if isinstance(argument, GroupReference):
            return groups.numbers_overlap(argument.name, wanted.first.value, wanted.last.value)
        assert isinstance(argument, NumberRange)
        return argument.first.value <= wanted.last.value and wanted.first.value <= argument.last.value
    if isinstance(argument, GroupReference):
        return groups.shares_host(argument.name, wanted)
    return isinstance(argument, AddressRange) and argument.shares_host(wanted)

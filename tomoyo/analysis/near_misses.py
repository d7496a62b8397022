"""Near misses: what an entry that does not grant a request lacks, in words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import takewhile

from ..decision.conditions import Holds, failing_tests, test_holds
from ..decision.groups import Groups
from ..decision.index import argument_matches, asked_argument_matches
from ..decision.matching import matches
from ..decision.requests import Request, Value
from ..model.addresses import AddressRange, address_text
from ..model.entries import Argument, Entry
from ..model.words import GroupReference, Word

__all__ = ["NearMiss", "Part"]


class Part(Enum):
    """Which part of an entry did not match; the later, the nearer it came."""

    ARGUMENT = "argument"
    OPERATION = "operation"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An entry that does not grant the request, and why.

    Attributes: ``group``, the acl_group that it is in, or None; ``part``, what
    did not match; ``reason``, the same in words.
    """

    entry: Entry
    group: int | None
    part: Part
    reason: str

    def __str__(self) -> str:
        return f"'{self.entry}'{of_group(self.group)}, but {self.reason}"


def of_group(group: int | None) -> str:
    """Words for the acl_group that an entry is in, behind the entry."""
    return "" if group is None else f" of acl_group {group}"


def near_miss(entry: Entry, request: Request, groups: Groups) -> tuple[float, Part, str] | None:
    """How near ENTRY came to granting REQUEST (larger is nearer), what did not match and why; None if it did not come near.

    An entry whose operation and arguments both differ did not, nor one with a path that begins otherwise.
    """
    operation = request.operation in entry.operations
    # The kernel does not compare the protocol, but whoever asks about one looks for entries for it.
    of_protocol = 100.0 if entry.kind is request.kind else 0.0
    for position, (name, argument, value) in enumerate(zip(request.kind.arguments, entry.arguments, request.arguments)):
        if position == 0 and not request.device_counts:
            continue
        if asked_argument_matches(request.kind, request.operation, position, argument, value, groups):
            continue
        share, reason = _argument_reason(name, argument, value, request.value_text(name, value))
        if argument_matches(argument, value, groups):
            reason = f"{argument} has a package's name without @, which no file has ({name})"
        near = operation and (position > 0 or share > 0 or not isinstance(value, str))
        return (of_protocol + position + share, Part.ARGUMENT, reason) if near else None
    if not operation:
        return of_protocol + 10.0, Part.OPERATION, f"it is for {'/'.join(entry.operations)}, not for {request.operation}"
    tests = failing_tests(entry.condition, request, groups)
    failing = [test for test in tests if test_holds(test, request, groups) is Holds.NO]
    told = failing or tests
    shown = ", ".join(map(str, told))
    if not tests:
        reason = "the kernel never asks for it"
    elif len(told) == 1:
        reason = f"its condition {shown} {'does' if failing else 'may'} not hold"
    else:
        reason = f"of its condition these {'do' if failing else 'may'} not hold: {shown}"
    return of_protocol + 20.0 - len(tests), Part.CONDITION, reason


def _argument_reason(name: str, argument: Argument, value: Value, shown: str) -> tuple[float, str]:
    """The share of ARGUMENT that matches VALUE, which reads SHOWN, and what does not."""
    if isinstance(argument, GroupReference):
        # A group may be called after what is in it, as names are; in nix:/glibc/lib/libc.so.6 another glibc is not.
        share = 0.0
        if isinstance(value, str):
            pairs = zip(reversed(argument.name.split("/")), reversed(value.split("/")))
            share = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) / (value.count("/") + 3)
        return share, f"no member of @{argument.name} matches {shown} ({name})"
    if isinstance(value, bytes) and isinstance(argument, AddressRange):
        return _address_reason(argument, value)
    if not isinstance(value, str) or not isinstance(argument, Word):
        return 0.0, f"{argument} does not match {shown} ({name})"
    wanted, given = argument.text.split("/"), value.split("/")
    common = 0
    for pattern, component in zip(wanted, given):
        if pattern.startswith("\\{"):  # it may stand for several
            break
        if pattern != component and not (pattern and component and matches(pattern, component)):
            break
        common += 1
    # That both begin at the root is nothing in common.
    share = max(common - (value[0] == "/"), 0) / (len(given) + 2)
    several = common < len(wanted) and wanted[common].startswith("\\{")
    if argument.is_directory is not value.endswith("/") and (several or common >= min(len(wanted), len(given)) - 1):
        if argument.is_directory:
            return share, f"{argument} is for directories, whose names end in '/', and {value} is none"
        return share, f"{argument} is for no directory, and {value} is one"
    if common < min(len(wanted), len(given)) and not several and wanted[common]:
        return share, f"'{wanted[common]}' does not match '{given[common]}' in the {name}"
    return share, f"{argument} does not match {value} ({name})"


def _address_reason(argument: AddressRange, value: bytes) -> tuple[float, str]:
    """How much of an address a range has in common with it, and why it is not in the range."""
    reason = f"{argument} does not match {address_text(value)} (address)"
    if len(argument.first) == len(value):
        ends = (int.from_bytes(end, "big") ^ int.from_bytes(value, "big") for end in (argument.first, argument.last))
        return 0.9 - min(each.bit_length() for each in ends) / (9 * len(value)), reason
    if argument.shares_host(AddressRange(value, value)):
        return 0.9, f"{reason}: an entry for IPv4 is for no IPv6 socket, and the reverse"
    return 0.0, reason

"""An index over a list of entries, so that a decision looks at few of them.

For each operation the entries are found by one argument, the path in most
kinds: by the whole of it where it is fixed, by its fixed head and tail where it is a
pattern, by group where it names one.  What is found is put into its order
again, because the first entry that grants is the one that decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from ..model.addresses import AddressRange
from ..model.entries import NETWORK_KINDS, Argument, Entry, Kind
from ..model.numbers import NumberRange
from ..model.words import DomainName, GroupReference, constant_length
from .groups import Groups, PatternIndex
from .impossible_requests import is_package_name
from .matching import compile_pattern
from .requests import Request, Value

__all__ = ["EntryIndex", "Scrutiny"]

#: The argument by which entries are found, where it is not the first.
_INDEXED = {Kind.MOUNT: 1}
#: The kinds that grant each other's operations: the kernel does not compare a network entry's protocol.
_ASKED_AS = {kind: NETWORK_KINDS[f"network {kind.keyword.split()[1]} stream"] for kind in NETWORK_KINDS.values()}

Place = tuple[int, Entry]


class Scrutiny(IntEnum):
    """What conditions look at: nothing, attributes of requests, or even the number of a process."""

    NONE = 0
    ATTRIBUTES = 1
    PROCESS = 2


class EntryIndex:
    """The entries of a domain or an acl_group.

    ``weight`` counts them as learning does: each operation for itself,
    ``manual_domain_transition`` not at all.
    """

    __slots__ = ("_groups", "_operations", "_scrutiny", "weight")

    def __init__(self, entries: Iterable[Entry], groups: Groups) -> None:
        self._groups = groups
        self._operations: dict[tuple[Kind, str], _OperationIndex] = {}
        self._scrutiny: dict[tuple[Kind, str], Scrutiny] = {}
        self.weight: int = 0
        for place in enumerate(entries):
            entry = place[1]
            for operation in entry.operations:
                self._of(entry.kind, operation).add(place)
                if entry.condition is not None:
                    self._note(entry, (_ASKED_AS.get(entry.kind, entry.kind), operation))
            if entry.kind is not Kind.TRANSITION:
                self.weight += len(entry.operations)

    def _of(self, kind: Kind, operation: str) -> _OperationIndex:
        key = (_ASKED_AS.get(kind, kind), operation)
        found = self._operations.get(key)
        if found is None:
            found = self._operations[key] = _OperationIndex(_INDEXED.get(kind, 0))
        return found

    def _note(self, entry: Entry, key: tuple[Kind, str]) -> None:
        numbers = "task.pid" in entry.text or "task.ppid" in entry.text
        found = Scrutiny.PROCESS if numbers else Scrutiny.ATTRIBUTES
        self._scrutiny[key] = max(found, self._scrutiny.get(key, found))

    def scrutiny(self, kind: Kind, operation: str) -> Scrutiny:
        """What the entries for OPERATION look at beside the arguments; perhaps less than that."""
        return self._scrutiny.get((_ASKED_AS.get(kind, kind), operation), Scrutiny.NONE)

    def candidates(self, request: Request) -> list[Place]:
        """The entries whose operation and indexed argument may match REQUEST, in order."""
        found = self._operations.get((_ASKED_AS.get(request.kind, request.kind), request.operation))
        return found.candidates(request, self._groups) if found is not None else []

    def entries(self, kind: Kind, operation: str) -> list[Place]:
        """All entries for OPERATION, in order."""
        found = self._operations.get((_ASKED_AS.get(kind, kind), operation))
        return found.entries if found is not None else []


class _OperationIndex:
    __slots__ = ("_by_group", "_by_pattern", "_by_value", "_others", "_position", "entries")

    def __init__(self, position: int) -> None:
        self._position = position
        self.entries: list[Place] = []
        self._by_value: dict[Value, list[Place]] = {}
        self._by_pattern: PatternIndex[Place] = PatternIndex()
        self._by_group: dict[str, list[Place]] = {}
        self._others: list[Place] = []

    def add(self, place: Place) -> None:
        self.entries.append(place)
        argument = place[1].arguments[self._position]
        if isinstance(argument, GroupReference):
            self._by_group.setdefault(argument.name, []).append(place)
        elif isinstance(argument, AddressRange):
            if argument.first == argument.last:
                self._by_value.setdefault(argument.first, []).append(place)
            else:
                self._others.append(place)
        else:
            text = str(argument)
            head = text[: constant_length(text)] if "\\" in text else text
            if len(head) < len(text):
                self._by_pattern.add(head, text, place)
            else:
                self._by_value.setdefault(text, []).append(place)

    def candidates(self, request: Request, groups: Groups) -> list[Place]:
        value = request.arguments[self._position]
        exact = self._by_value.get(value)
        found = list(exact) if exact else []
        kept = len(found)
        if isinstance(value, str):
            found += self._by_pattern.candidates(value)
            if self._by_group:
                for group in groups.path_groups_of(value):
                    found += self._by_group.get(group, ())
        else:
            found += self._others
            for places in self._by_group.values():
                found += places
        if len(found) > 1 and len(found) > kept:
            found.sort(key=_order)
        return found


def asked_as(kind: Kind) -> Kind:
    """The kind that stands for KIND among those that grant each other's operations."""
    return _ASKED_AS.get(kind, kind)


def _order(place: Place) -> int:
    return place[0]


def argument_matches(argument: Argument, value: Value, groups: Groups) -> str | bool:
    """Whether ARGUMENT of an entry matches VALUE of a request; for a name, the pattern that did."""
    if isinstance(value, str):
        if isinstance(argument, GroupReference):
            return groups.path_member(argument.name, value) or False
        text = str(argument)
        if text == value or ("\\" in text and compile_pattern(text).matches(value)):
            # A domain's name may hold patterns, but is none.
            return text if text == value or not isinstance(argument, DomainName) else False
        return False
    if isinstance(value, int):
        if isinstance(argument, GroupReference):
            return groups.has_number(argument.name, value)
        assert isinstance(argument, NumberRange)
        return value in argument
    if isinstance(argument, GroupReference):
        return groups.has_address(argument.name, value)
    assert isinstance(argument, AddressRange)
    return value in argument


def asked_argument_matches(kind: Kind, operation: str, place: int, argument: Argument, value: Value, groups: Groups) -> bool:
    """Whether ARGUMENT of an entry matches VALUE, the argument at PLACE of a request for OPERATION.

    A package's name stands for a file only in the group that is called so:
    without ``@``, and in other groups, the kernel would compare it with a real path.
    """
    found = argument_matches(argument, value, groups)
    if found and is_package_name(kind, operation, place, value):
        return isinstance(argument, GroupReference) and found == argument.name
    return bool(found)


def arguments_match(entry: Entry, request: Request, groups: Groups) -> bool:
    """Whether every argument of ENTRY matches that of REQUEST."""
    for position, (argument, value) in enumerate(zip(entry.arguments, request.arguments)):
        if position == 0 and not request.device_counts:
            continue
        if not asked_argument_matches(request.kind, request.operation, position, argument, value, groups):
            return False
    return True

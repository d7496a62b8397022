"""A namespace's path, number and address groups, ready to be asked.

A group that has no members, or was never named, matches nothing.  Members are
tried in their order; for a path group the first that matches counts, because
``file execute @GROUP`` gives the new domain that member's name.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from ..model.addresses import AddressRange
from ..model.entries import GroupKind
from ..model.exception_policy import NamespaceExceptions
from ..model.numbers import NumberRange
from ..model.words import constant_length
from .matching import Pattern, compile_pattern, fixed_tail

__all__ = ["Groups"]

_Item = TypeVar("_Item")


class PatternIndex(Generic[_Item]):
    """Items by the fixed head and the fixed tail of a pattern, found by a name that has both."""

    __slots__ = ("_heads", "_lengths")

    def __init__(self) -> None:
        self._heads: dict[str, dict[int, dict[str, list[_Item]]]] = {}
        self._lengths: list[int] = []

    def add(self, head: str, pattern: str, item: _Item) -> None:
        """Put ITEM under PATTERN, whose fixed head is HEAD."""
        tail = fixed_tail(pattern[len(head) :])
        tails = self._heads.get(head)
        if tails is None:
            tails = self._heads[head] = {}
            self._lengths = []
        tails.setdefault(len(tail), {}).setdefault(tail, []).append(item)

    def candidates(self, name: str) -> list[_Item]:
        """The items under all patterns that NAME begins and ends like."""
        found: list[_Item] = []
        heads = self._heads
        if heads and not self._lengths:
            self._lengths = sorted(set(map(len, heads)))
        end = len(name)
        for length in self._lengths:
            if length > end:
                break
            tails = heads.get(name[:length])
            if tails is not None:
                for tail, items in tails.items():
                    held = items.get(name[end - tail :] if tail <= end else name)
                    if held:
                        found += held
        return found


class Groups:
    """The groups of one namespace."""

    __slots__ = ("_containing", "_members", "_paths", "_patterned")

    def __init__(self, exceptions: NamespaceExceptions) -> None:
        self._members = {(group.kind, group.name.text): group.members for group in exceptions.groups}
        self._paths: dict[str, _PathGroup] = {}
        self._containing: dict[str, list[str]] | None = None
        self._patterned: PatternIndex[str] = PatternIndex()

    def path_groups_of(self, name: str) -> list[str]:
        """The path groups that may have a member that matches NAME, each once."""
        containing = self._containing
        if containing is None:
            containing = self._containing = self._index()
        found = containing.get(name, [])
        patterned = self._patterned.candidates(name)
        return list(dict.fromkeys([*found, *patterned])) if patterned else found

    def _index(self) -> dict[str, list[str]]:
        containing: dict[str, list[str]] = {}
        for (kind, group), members in self._members.items():
            for member in members if kind is GroupKind.PATH else ():
                text = str(member)
                head = text[: constant_length(text)] if "\\" in text else text
                if len(head) < len(text):
                    self._patterned.add(head, text, group)
                else:
                    groups = containing.setdefault(text, [])
                    if not groups or groups[-1] != group:
                        groups.append(group)
        return containing

    def path_member(self, group: str, name: str) -> str | None:
        """The first member of path group GROUP that matches NAME, or None."""
        return self._path_group(group).member(name)

    def paths(self, group: str) -> list[str]:
        """The members of the path group GROUP, in their order."""
        return [str(member) for member in self._members.get((GroupKind.PATH, group), ())]

    def smallest_group_of(self, name: str, beginning: str = "") -> str | None:
        """Of the path groups called BEGINNING... that have NAME itself as a member, the smallest; None where none has."""
        groups = (group for group in self.path_groups_of(name) if group.startswith(beginning))
        held = [group for group in groups if self._path_group(group).holds(name)]
        return min(held, key=lambda group: len(self._members[GroupKind.PATH, group]), default=None)

    def has_number(self, group: str, number: int) -> bool:
        """Whether NUMBER is in the number group GROUP."""
        members = self._members.get((GroupKind.NUMBER, group), ())
        return any(number in member for member in members if isinstance(member, NumberRange))

    def numbers_overlap(self, group: str, lowest: int, highest: int) -> bool:
        """Whether some number from LOWEST to HIGHEST is in the number group GROUP."""
        members = self._members.get((GroupKind.NUMBER, group), ())
        return any(
            member.first.value <= highest and lowest <= member.last.value for member in members if isinstance(member, NumberRange)
        )

    def has_address(self, group: str, address: bytes) -> bool:
        """Whether ADDRESS, packed, is in the address group GROUP."""
        members = self._members.get((GroupKind.ADDRESS, group), ())
        return any(address in member for member in members if isinstance(member, AddressRange))

    def addresses_overlap(self, group: str, addresses: AddressRange) -> bool:
        """Whether any of ADDRESSES is in the address group GROUP."""
        members = self._members.get((GroupKind.ADDRESS, group), ())
        return any(member.overlaps(addresses) for member in members if isinstance(member, AddressRange))

    def shares_host(self, group: str, addresses: AddressRange) -> bool:
        """Whether the address group GROUP has an address of a host that is reached by any of ADDRESSES, or by its counterpart."""
        counterpart = addresses.counterpart
        return self.addresses_overlap(group, addresses) or (
            counterpart is not None and self.addresses_overlap(group, counterpart)
        )

    def _path_group(self, group: str) -> _PathGroup:
        found = self._paths.get(group)
        if found is None:
            found = self._paths[group] = _PathGroup(self.paths(group))
        return found


class _PathGroup:
    """Members by name, and the patterns among them in order: a bound group has thousands of the former."""

    __slots__ = ("_names", "_patterns")

    def __init__(self, members: list[str]) -> None:
        self._names: dict[str, int] = {}
        self._patterns: list[tuple[int, Pattern]] = []
        for position, member in enumerate(members):
            pattern = compile_pattern(member)
            if pattern.is_pattern:
                self._patterns.append((position, pattern))
            else:
                self._names.setdefault(member, position)

    def holds(self, name: str) -> bool:
        return name in self._names

    def member(self, name: str) -> str | None:
        exact = self._names.get(name)
        for position, pattern in self._patterns:
            if exact is not None and position > exact:
                break
            if pattern.matches(name):
                return pattern.text
        return None if exact is None else name

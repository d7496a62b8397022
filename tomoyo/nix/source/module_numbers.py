"""Which acl_group each module of a policy source becomes.

The kernel knows 256 numbered groups of entries, a policy source has modules
with names.  A number stays the same whatever other modules come and go: a
module that changes its number is written to the kernel anew, with all the
domains that use it.  So the number is a hash of the name and of nothing else.
Where two names have the same one, no rule could give way for the newcomer
alone, since a name does not say which of the two that is.  It is refused then
until one of them is pinned, which who adds a module does once.

Numbers below `FIRST_NUMBER` are left to those who write numbers themselves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ...model.domains import MAX_GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

#: The first number that a module gets by itself.
FIRST_NUMBER = 16


@dataclass(frozen=True, slots=True)
class Collision:
    """A module whose number is another's already.

    Attributes:
        name: the module.
        number: the acl_group that its name gives.
        other: the module that has it, None if the policy uses the number by itself.
        free: a number that nothing has, for a pin; None if there is none.
    """

    name: str
    number: int
    other: str | None
    free: int | None

    @property
    def explained(self) -> tuple[str, str]:
        """What is wrong, and what to write."""
        number, name, other, free = self.number, self.name, self.other, self.free
        if free is None:
            return f"module {name}: no acl_group is left for it", ""
        if other is None:
            return (
                f"module {name}: the policy itself uses acl_group {number}, which is this name's",
                f"pin another one in module-numbers.conf: {name} {free}",
            )
        return (
            f"modules {other} and {name} would both be acl_group {number}",
            "pin the one that is newer in module-numbers.conf, so that the other keeps its number: "
            f"{name} {free}, or {other} {free}",
        )


@dataclass(frozen=True, slots=True)
class ModuleNumbers:
    """Numbers of modules.

    Attributes:
        numbers: the number of each module that could be given one, sorted by name.
        collisions: those that could not, sorted by name.
    """

    numbers: dict[str, int]
    collisions: tuple[Collision, ...]


def assign_numbers(names: Iterable[str], pins: Mapping[str, int], taken: Collection[int] = ()) -> ModuleNumbers:
    """Give each module a number.

    Arguments:
        names: the modules, in any order; the order does not matter.
        pins: numbers that some names, among them perhaps others, have for good.
        taken: numbers that the policy uses by itself.

    A module's number depends on its own name and pin alone: with more names, pins
    or numbers taken it keeps that number, or is a collision.
    """
    wanted = sorted(set(names))
    owners = {number: name for name, number in pins.items()}
    numbers: dict[str, int] = {}
    refused: list[tuple[str, int, str | None]] = []
    for name in wanted:
        number = pins.get(name, hashed_number(name))
        if number in taken:
            refused.append((name, number, None))
        elif owners.setdefault(number, name) != name:
            refused.append((name, number, owners[number]))
        else:
            numbers[name] = number
    free = (number for number in range(FIRST_NUMBER, MAX_GROUPS) if number not in owners and number not in taken)
    return ModuleNumbers(numbers, tuple(Collision(*found, next(free, None)) for found in refused))


def hashed_number(name: str) -> int:
    """The number that a module called NAME gets if none is pinned."""
    return FIRST_NUMBER + hashlib.sha256(name.encode("ascii")).digest()[-1] % (MAX_GROUPS - FIRST_NUMBER)

"""Which acl_group each module of a policy source becomes.

The kernel knows 256 numbered groups of entries, a policy source has modules
with names.  A number should stay the same when other modules come and go: a
module that changes its number is written to the kernel anew, with all the
domains that use it.  So the number is a hash of the name, and where two names
want the same one, one of the two gives way, always the same.  A new module
therefore moves another one only if they want the same number: among twenty
modules, in about one case of twenty.  Whoever wants none of that pins the numbers.

Numbers below `FIRST_NUMBER` are left to those who write numbers themselves.
"""

from __future__ import annotations

import hashlib
import re

from ..model.domains import MAX_GROUPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

#: The first number that a module gets by itself.
FIRST_NUMBER = 16
#: What a module may be called: a name that is no number and a file name everywhere.
MODULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,63}")


class ModuleNumberError(ValueError):
    """There are more modules than numbers."""


def assign_numbers(names: Iterable[str], pins: Mapping[str, int], taken: Collection[int] = ()) -> dict[str, int]:
    """Give each module a number.

    names: the modules, in any order; the order does not matter.
    pins: numbers that some names, among them perhaps others, have for good.
    taken: numbers that the policy uses by itself.

    Returns the numbers by name, sorted by name.  Raises `ModuleNumberError`.
    """
    wanted = set(names)
    numbers = {name: pins[name] for name in wanted if name in pins}
    free = set(range(FIRST_NUMBER, MAX_GROUPS)).difference(taken, pins.values())
    for digest, name in sorted((_digest(name), name) for name in wanted.difference(pins)):
        if not free:
            raise ModuleNumberError(f"no number is left for module {name}: there are {MAX_GROUPS - FIRST_NUMBER} for modules")
        numbers[name] = next(number for number in _candidates(digest) if number in free)
        free.remove(numbers[name])
    return dict(sorted(numbers.items()))


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("ascii")).digest()


def _candidates(digest: bytes) -> Iterator[int]:
    """The numbers that a module would like, best first; in the end all of them.

    Taken from the end of the digest: its beginning says who chooses first.
    """
    for byte in reversed(digest):
        yield FIRST_NUMBER + byte % (MAX_GROUPS - FIRST_NUMBER)
    yield from range(FIRST_NUMBER, MAX_GROUPS)

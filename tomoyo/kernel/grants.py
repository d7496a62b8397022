"""What a domain's entries grant, one operation on one thing at a time.

For judging whether a domain needs an acl_group for that: entries are compared
by their text.  Whether some other entry might grant the same through a pattern
is judged cautiously, by whether there is any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..model.profiles import Mode

if TYPE_CHECKING:  # hardly any plan has to look at entries so closely
    from ..model.entries import Entry

#: The functionality that is asked, and an entry of one operation.
Grant = tuple[str, str]


def grants_of(lines: Iterable[str]) -> frozenset[Grant]:
    """What entries grant; those that the kernel never looks at grant nothing."""
    found = (_grant(entry, operation) for entry in _entries(lines) for operation in entry.operations)
    return frozenset(filter(None, found))


def _entries(lines: Iterable[str]) -> Iterator[Entry]:
    from ..model.entries import Entry
    from ..syntax.domain_policy import read_domain_line
    from ..syntax.lines import read_line

    for line in lines:
        entry, _ = read_line(line, read_domain_line)
        if isinstance(entry, Entry):
            yield entry


def _grant(entry: Entry, operation: str) -> Grant | None:
    from ..decision.requests import functionality_of

    if operation in entry.kind.unasked:
        return None
    return functionality_of(entry.kind, operation), entry.with_operations((operation,)).text


def lacking(lines: Iterable[str], granted: frozenset[Grant]) -> list[str]:
    """The entries in LINES, without the operations that are GRANTED."""
    found = []
    for entry in _entries(lines):
        operations = tuple(op for op in entry.operations if (one := _grant(entry, op)) and one not in granted)
        if operations:
            found.append(entry.with_operations(operations).text)
    return found


def _is_plain(grant: Grant) -> bool:
    """Whether it is about one path, without pattern, group or condition."""
    words = grant[1].split(" ")
    return len(words) == 3 and words[0] == "file" and words[2][0] != "@" and "\\" not in words[2]


def _operation(grant: Grant) -> str:
    # The kernel does not compare a network entry's protocol.
    keyword, operation, _ = grant[1].split(" ", 2)
    return operation if keyword == "file" else keyword


class _Entries:
    """Grants, and what of them might grant more than their text says."""

    def __init__(self, grants: frozenset[Grant]) -> None:
        self.grants = grants
        self.operations = set(map(_operation, grants))
        self.wide = {_operation(grant) for grant in grants if not _is_plain(grant)}

    def lack(self, grant: Grant) -> bool:
        """Whether none of them grants any of what GRANT does."""
        operation = _operation(grant)
        if _is_plain(grant):
            return grant not in self.grants and operation not in self.wide
        return operation not in self.operations


class Grants:
    """What a domain is granted: by its OWN entries all the time, and by all of them BEFORE and AFTER."""

    def __init__(self, own: frozenset[Grant], before: frozenset[Grant], after: frozenset[Grant]) -> None:
        self.own, self.before, self.after = own, before, after
        self._sides = (_Entries(before), _Entries(after))

    def may_be_missed(self, grant: Grant, mode: Mode, before: Mode, after: Mode) -> bool:
        """Whether nobody gets a wrong answer who asks for GRANT and is not granted it in MODE.

        That is so where the one policy or the other, in the modes BEFORE and
        AFTER, gives the same answer for want of an entry.
        """
        if mode not in (Mode.ENFORCING, Mode.LEARNING):
            return True
        return any(other is mode and entries.lack(grant) for other, entries in zip((before, after), self._sides))

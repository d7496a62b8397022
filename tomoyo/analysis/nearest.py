"""Entries that came near to granting a request, found without a look at all the others.

Policies are learned, and most of what is learned are paths: a domain may have
a hundred thousand of them.  So these are sorted, and those that begin like the
path that was asked for stand together.  Of other kinds there are few.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..decision.groups import Groups
from ..decision.index import EntryIndex, Place, arguments_match, asked_as
from ..decision.requests import Request
from ..model.entries import Kind
from ..model.words import GroupReference, constant_length

#: Sorts before all that a word may hold, so that what has a component in common stands together.
_SEPARATOR = "\0"
_BEHIND = "\1"


class NearEntries:
    """The entries in INDEX, those of a domain or an acl_group, by what may come near to a request."""

    def __init__(self, index: EntryIndex) -> None:
        self._index = index
        self._paths: dict[str, _SortedPaths] = {}

    def candidates(self, request: Request, groups: Groups, count: int) -> list[Place]:
        """Entries of which the COUNT nearest to REQUEST are some, in no order."""
        found = dict(self._matching(request, groups))
        if request.kind is not Kind.PATH:
            kinds = [kind for kind in Kind if asked_as(kind) is kind and kind is asked_as(request.kind)]
            found.update(place for kind in kinds for place in self._index.entries(kind, request.operation))
            return list(found.items())
        found.update(self._sorted(request.operation).nearest(str(request.arguments[0]), count))
        return list(found.items())

    def _matching(self, request: Request, groups: Groups) -> Iterator[Place]:
        """Entries whose arguments match: only their operation or their condition does not."""
        for operation in request.kind.operations:
            asked = request if operation == request.operation else replace(request, operation=operation)
            for place in self._index.candidates(asked):
                if arguments_match(place[1], asked, groups):
                    yield place

    def _sorted(self, operation: str) -> _SortedPaths:
        found = self._paths.get(operation)
        if found is None:
            found = self._paths[operation] = _SortedPaths(self._index.entries(Kind.PATH, operation))
        return found


class _SortedPaths:
    """Entries with one path each, sorted by its components."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._patterns: dict[str, list[Place]] = {}
        self._named: dict[str, list[Place]] = {}
        keyed = []
        for place in places:
            argument = place[1].arguments[0]
            if isinstance(argument, GroupReference):
                self._named.setdefault(argument.name.rpartition("/")[2], []).append(place)
                continue
            text = str(argument)
            if "\\" in text and constant_length(text) < len(text):
                head = text[: constant_length(text)]
                self._patterns.setdefault(head[: head.rfind("/") + 1], []).append(place)
            keyed.append((text.replace("/", _SEPARATOR) + _SEPARATOR, place))
        keyed.sort(key=lambda pair: pair[0])
        self._keys = [key for key, _ in keyed]
        self._positions = [place[0] for _, place in keyed]
        self._entries = {place[0]: place[1] for _, place in keyed}

    def nearest(self, name: str, count: int) -> list[Place]:
        """The COUNT entries that have the most leading components in common with NAME, and all that may have more.

        Those are patterns, and groups whose name ends as NAME does.
        """
        parts = name.split("/")
        found: dict[int, None] = {}
        depth = len(parts)
        while depth >= 0 and len(found) < count:
            prefix = "".join(part + _SEPARATOR for part in parts[:depth])
            first = bisect_left(self._keys, prefix)
            behind = bisect_left(self._keys, prefix[:-1] + _BEHIND) if prefix else len(self._keys)
            # The first in order are the ones that one meets first in the policy.
            found.update(dict.fromkeys(heapq.nsmallest(count + len(found), self._positions[first:behind])))
            depth -= 1
        places = [(position, self._entries[position]) for position in found]
        for depth in range(len(parts) + 1):
            places += self._patterns.get("".join(f"{part}/" for part in parts[:depth]), ())
        return places + self._named.get(parts[-1], [])

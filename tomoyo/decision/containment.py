r"""Which names and patterns contain others, and who has one that matches a name.

>>> covers("/srv/\\{\\*\\}/\\*", "/srv/www/\\*.html")
True

`covers` is careful: what it claims is so, but of two patterns that say the
same in different ways it may not find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Generic, TypeVar

from ..model.entries import Argument
from ..model.words import GroupReference, constant_length
from .groups import Groups, PatternIndex
from .matching import compile_pattern, fixed_tail

_Item = TypeVar("_Item")

_STARS = re.compile(r"(?:\\[*@])+")
_ESCAPES = re.compile(r"\\(?:[0-3][0-7]{2}|.)")
#: A character for each escape.
_EXAMPLES = {"*": "x", "@": "x", "?": "x", "$": "1", "+": "1", "X": "a", "x": "a", "A": "x", "a": "x", "{": "", "}": ""}
_ONE_STAR = re.compile(r"((?:[^\\]|\\\\|\\[0-3][0-7]{2})*)\\\*([^\\]*)")
#: Patterns of one head and tail that an index keeps; more than these are no policy that anybody wrote.
_MOST = 64


def example(text: str) -> str | None:
    """A name that the word TEXT matches; None where none is found."""
    return text if "\\" not in text or constant_length(text) == len(text) else _example(text)


@lru_cache(maxsize=1 << 16)
def _example(text: str) -> str | None:
    parts = [part.partition("\\-")[0] if "\\-" in part else part for part in text.split("/")]
    name = _ESCAPES.sub(lambda found: _EXAMPLES.get(found[0][1:], found[0]), "/".join(parts))
    return name if compile_pattern(text).matches(name) else None


def covers(wide: str, narrow: str) -> bool:
    """Whether the word WIDE matches every name that the word NARROW does."""
    if wide == narrow:
        return True
    if constant_length(narrow) == len(narrow):
        return compile_pattern(wide).matches(narrow)
    if constant_length(wide) == len(wide) or wide.endswith("/") != narrow.endswith("/"):
        return False
    if "\\-" in wide or "\\-" in narrow or _is_shortened(narrow):
        return False
    return _components_cover(wide.split("/"), narrow.split("/"))


def _is_shortened(text: str) -> bool:
    """Whether TEXT also matches names without its last component."""
    words = text[constant_length(text) :].split("/")
    return len(words) > 1 and _STARS.fullmatch(words[-1]) is not None and not words[-2].startswith("\\{")


def _components_cover(wide: list[str], narrow: list[str]) -> bool:
    """Whether each way through NARROW is one through WIDE."""
    # The positions in WIDE that may be next.
    active = {0}
    for position, component in enumerate(narrow):
        last = position == len(narrow) - 1
        following: set[int] = set()
        for place in active:
            if place == len(wide):
                continue
            other = wide[place]
            if other.startswith("\\{"):
                inner = component[2:-2] if component.startswith("\\{") else component
                if not last and inner and _component_covers(other[2:-2], inner):
                    following |= {place, place + 1}
            elif not component.startswith("\\{") and _component_covers(other, component):
                following.add(place + 1)
        active = following
        if not active:
            return False
    return len(wide) in active


def _component_covers(wide: str, narrow: str) -> bool:
    if wide == narrow or wide == "\\*":
        return True
    if constant_length(narrow) == len(narrow):
        return bool(narrow) and compile_pattern(f"/{wide}").matches(f"/{narrow}")
    found = _ONE_STAR.fullmatch(wide)
    if found is None:
        return False
    tail = fixed_tail(narrow)
    return narrow[: constant_length(narrow)].startswith(found[1]) and tail.endswith(found[2]) and "\\" not in tail


class NameIndex(Generic[_Item]):
    """Items by an argument that names files, found by a name that it matches; the first for each argument."""

    __slots__ = ("_counts", "_groups", "_names", "_patterns", "_referred")

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._names: dict[str, _Item] = {}
        self._patterns: PatternIndex[tuple[str, _Item]] = PatternIndex()
        self._counts: dict[tuple[str, str], int] = {}
        self._referred: dict[str, _Item] = {}

    def add(self, argument: Argument, item: _Item) -> None:
        """Put ITEM under ARGUMENT, a word or a path group."""
        if isinstance(argument, GroupReference):
            self._referred.setdefault(argument.name, item)
        else:
            self.add_name(str(argument), item)

    def add_name(self, text: str, item: _Item) -> None:
        """Put ITEM under TEXT, a name, a pattern, or a group's member that need not even be a word."""
        length = constant_length(text)
        if length == len(text):
            self._names.setdefault(text, item)
            return
        key = (text[:length], fixed_tail(text[length:]))
        count = self._counts.get(key, 0)
        if count < _MOST:
            self._counts[key] = count + 1
            self._patterns.add(text[:length], text, (text, item))

    def find(self, name: str) -> Iterator[_Item]:
        """The items whose arguments match NAME, a word without patterns."""
        exact = self._names.get(name)
        if exact is not None:
            yield exact
        for text, item in self._patterns.candidates(name):
            if compile_pattern(text).matches(name):
                yield item
        if self._referred:
            for group in self._groups.path_groups_of(name):
                if group in self._referred and self._groups.path_member(group, name) is not None:
                    yield self._referred[group]

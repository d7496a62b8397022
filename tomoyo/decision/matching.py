r"""Patterns: which names a word matches, exactly as the kernel compares them.

A name is compared as a sequence of *units*: a plain character, ``\\`` or
``\ooo``, so ``\?`` matches ``\040`` whole.  The fixed head of a pattern is
compared with the name's beginning; what follows is compared component by
component.  Some of what the kernel does here surprises:

- ``\-`` ("but not") is looked for behind the fixed head, so in ``/ab\*\-abc``
  the excluded ``abc`` is compared with what follows ``/ab``;
- a last component of nothing but ``\*`` and ``\@`` may be missing together with
  its slash: ``/\*/\*`` matches ``/a``;
- an escape that is none (a path group may hold such) matches nothing, so that
  behind ``\-`` it excludes nothing.

The time to match is bounded by the product of the two lengths, whatever the
pattern: names come from anyone who may create a file.

    >>> matches("proc:/\\$/status", "proc:/1/status")
    True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ..model.words import constant_length

__all__ = ["Pattern", "compile_pattern", "matches"]

#: Escapes for one unit, as the class of characters that they match.
_SINGLE = {"?": "[^/]", "+": "[0-9]", "x": "[0-9A-Fa-f]", "a": "[A-Za-z]"}
#: Escapes for a run of units; only that of ``\*`` and ``\@`` may be empty.
_RUNS = {"*": "[^/]", "@": "[^/.]", "$": "[0-9]", "X": "[0-9A-Fa-f]", "A": "[A-Za-z]"}
_NEVER = "(?!)"
_END = r"(?=/|\Z)"
_OCTAL = re.compile(r"[0-3][0-7]{2}")
_UNIT = re.compile(r"\\(?:\\|([0-3][0-7]{2}))")
_FIXED = re.compile(r"\\(?:\\|[0-3][0-7]{2})")
_PIECES = re.compile(r"\\(?:[0-3][0-7]{2}|.|\Z)|[^\\]+", re.DOTALL)
_STARS = re.compile(r"(?:\\[*@])*")
_LONE_RUN = re.compile(r"\\([*@$XA])((?:[^\\]|\\\\|\\[0-3][0-7]{2})*)")


@lru_cache(maxsize=1 << 16)
def compile_pattern(text: str) -> Pattern:
    """The compiled form of the word TEXT; one of a path group need not even be a word."""
    return Pattern(text)


def matches(pattern: str, name: str) -> bool:
    """Whether the word PATTERN matches NAME, a word without patterns."""
    return compile_pattern(pattern).matches(name)


class Pattern:
    """A word, ready to be compared with names.

    Attributes: ``text``; ``head``, the fixed part that it begins with (all of
    it, unless it ``is_pattern``).  What is behind the head is compiled when a
    name first gets that far.
    """

    __slots__ = ("_directory", "_match", "_tail", "head", "is_pattern", "text")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self.head: str = text[: constant_length(text)]
        self.is_pattern: bool = len(self.head) < len(text)
        self._directory = text.endswith("/")
        self._tail = ""
        self._match: Callable[[str], object] | None = None

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def matches(self, name: str) -> bool:
        """Whether NAME, a word without patterns, is one of those that the pattern stands for."""
        if not self.is_pattern:
            return name == self.text
        if name.endswith("/") is not self._directory or not name.startswith(self.head):
            return False
        rest = name[len(self.head) :]
        if not rest:
            return _STARS.fullmatch(self.text, len(self.head)) is not None
        match = self._match
        if match is None:
            match = self._match = _compile(self.text[len(self.head) :], self.head.endswith("/"))
        return bool(match(_units(rest) if "\\" in rest else rest))


def fixed_tail(text: str) -> str:
    """What every name that matches ends with, where TEXT is what is behind a pattern's fixed head."""
    last = text.rfind("\\")
    if last < 0 or "\\-" in text:
        return ""
    tail = ""
    for piece in _PIECES.findall(text):
        tail = tail + piece if piece[0] != "\\" or _FIXED.fullmatch(piece) else ""
    return tail


def _units(name: str) -> str:
    """NAME with one character for each unit."""
    return _UNIT.sub(_unit, name)


def _unit(found: re.Match[str]) -> str:
    if found[1] is None:
        return "\\"
    code = int(found[1], 8)
    return found[0] if 0x20 < code < 0x7F else chr(code)


def _compile(text: str, behind_slash: bool) -> Callable[[str], object]:
    """What tells whether the units behind a name's head match TEXT; there is at least one."""
    lone = _LONE_RUN.fullmatch(text)
    if lone is not None:
        return _lone_run(lone[1], _units(lone[2]))
    components = _components(text, behind_slash)
    if all(component.simple for component in components) and sum(component.repeated for component in components) < 2:
        return re.compile(_expression(components), re.DOTALL).fullmatch
    walk = [_Walked.of(component) for component in components]
    return lambda units: _walk(walk, units.split("/"))


def _lone_run(kind: str, tail: str) -> Callable[[str], object]:
    """The commonest pattern, one run and a fixed tail, needs no regular expression."""
    short = kind not in "*@"
    expression = re.compile(f"{_RUNS[kind]}+" if short else f"{_RUNS[kind]}*", re.DOTALL)

    def match(units: str) -> bool:
        end = len(units) - len(tail)
        return end >= short and units.endswith(tail) and expression.fullmatch(units, 0, end) is not None

    return match


@dataclass(frozen=True, slots=True)
class _Step:
    """A class of characters, met once or, as a ``run``, any number of times."""

    characters: str
    run: bool = False


@dataclass(frozen=True, slots=True)
class _Component:
    """A path component: what must match it, what must not, and whether it may repeat.

    ``optional`` tells that it may be missing, being the last and nothing but ``\\*``.
    """

    wanted: tuple[_Step, ...]
    excluded: tuple[tuple[_Step, ...], ...] = ()
    repeated: bool = False
    optional: bool = False

    @property
    def simple(self) -> bool:
        """Whether a regular expression can match without trying one way after the other."""
        return all(map(_is_simple, (self.wanted, *self.excluded)))


def _components(text: str, behind_slash: bool) -> list[_Component]:
    r"""The components of TEXT, what is behind a pattern's head, which may end ``behind_slash``.

    A ``\{`` elsewhere than behind a slash, or without its ``\}``, matches nothing.
    """
    components: list[_Component] = []
    words = text.split("/")
    for position, word in enumerate(words):
        last = position == len(words) - 1
        if word.startswith("\\{"):
            closed = len(word) > 3 and word.endswith("\\}") and not last and (position > 0 or behind_slash)
            wanted, *excluded = map(_steps, _split(word[2:-2])) if closed else [[_Step(_NEVER)]]
            components.append(_Component(tuple(wanted), tuple(map(tuple, excluded)), repeated=True))
            continue
        wanted, *excluded = map(_steps, _split(word))
        optional = last and position > 0 and word != "" and _STARS.fullmatch(word) is not None
        optional = optional and not components[-1].repeated
        components.append(_Component(tuple(wanted), tuple(map(tuple, excluded)), optional=optional))
    return components


def _split(word: str) -> list[str]:
    r"""The alternatives of a component: what stands between the ``\-`` in it."""
    parts = [""]
    for piece in re.findall(r"\\.|[^\\]|\\\Z", word, re.DOTALL):
        if piece == "\\-":
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _steps(text: str) -> list[_Step]:
    steps: list[_Step] = []
    position = 0
    while position < len(text):
        kind = text[position + 1 : position + 2]
        if text[position] != "\\":
            steps.append(_Step(re.escape(text[position])))
            position += 1
        elif kind in _SINGLE:
            steps.append(_Step(_SINGLE[kind]))
            position += 2
        elif kind in _RUNS:
            if kind not in "*@":
                steps.append(_Step(_RUNS[kind]))
            elif steps and steps[-1].run and (kind == "*" or steps[-1].characters != _RUNS["*"]):
                # Of two runs side by side the later one, which holds all characters of the other, does for both.
                steps.pop()
            if not steps or not steps[-1].run:
                steps.append(_Step(_RUNS[kind], run=True))
            position += 2
        elif kind == "\\":
            steps.append(_Step(r"\\"))
            position += 2
        else:
            octal = _OCTAL.match(text, position + 1)
            code = int(octal[0], 8) if octal else 0x21
            if 0x20 < code < 0x7F:  # a printable character stands for itself in every name
                return [_Step(_NEVER)]
            steps.append(_Step(re.escape(chr(code))))
            position += 4
    return steps


def _is_simple(steps: tuple[_Step, ...]) -> bool:
    runs = [step.characters for step in steps if step.run]
    return len(runs) < 2 or set(runs) == {_RUNS["*"]}


# Matching by regular expression, without backtracking over more than one run


def _expression(components: list[_Component]) -> str:
    source = ""
    groups = 0
    for position, component in enumerate(components):
        alternatives = []
        for steps in (*component.excluded, component.wanted):
            piece, groups = _alternative(steps, groups)
            alternatives.append(piece)
        *excluded, wanted = alternatives
        body = "".join(f"(?!{piece}{_END})" for piece in excluded) + wanted + _END
        if component.repeated:
            source += f"(?:{body}/)+"
        elif component.optional:
            source = f"{source.removesuffix('/')}(?:/{body})?"
        else:
            source += body + "/" * (position < len(components) - 1)
    return source


def _alternative(steps: tuple[_Step, ...], groups: int) -> tuple[str, int]:
    """The expression for STEPS, where GROUPS are in use already, and how many are then."""
    runs = [position for position, step in enumerate(steps) if step.run]
    if len(runs) < 2:
        return "".join(step.characters + "*" * step.run for step in steps), groups
    source = "".join(step.characters for step in steps[: runs[0]])
    for start, end in pairwise(runs):
        # What stands between two \* is best found as early as it can be.  A group in a
        # lookahead, then matched again, keeps the expression from trying later ones.
        groups += 1
        between = "".join(step.characters for step in steps[start + 1 : end])
        source += f"(?=({steps[start].characters}*?{between}))\\{groups}"
    return source + "[^/]*" + "".join(step.characters for step in steps[runs[-1] + 1 :]), groups


# Matching by walking along the components, with all ways at once


class _Automaton:
    """An alternative whose states are the bits of a number, moved on all at once by each unit."""

    __slots__ = ("_runs", "_steps", "_transitions")

    def __init__(self, steps: tuple[_Step, ...]) -> None:
        self._steps = steps
        self._runs = sum(1 << position for position, step in enumerate(steps) if step.run)
        self._transitions: dict[str, tuple[int, int]] = {}

    def matches(self, units: str) -> bool:
        """Whether the alternative matches all of UNITS."""
        states = 1 | (1 & self._runs) << 1
        for unit in units:
            transition = self._transitions.get(unit)
            if transition is None:
                transition = self._transitions[unit] = self._transition(unit)
            moved, kept = transition
            states = (states & moved) << 1 | (states & kept)
            states |= (states & self._runs) << 1
            if not states:
                return False
        return bool(states >> len(self._steps) & 1)

    def _transition(self, unit: str) -> tuple[int, int]:
        met = sum(1 << n for n, step in enumerate(self._steps) if re.fullmatch(step.characters, unit, re.DOTALL))
        return met & ~self._runs, met & self._runs


@dataclass(frozen=True, slots=True)
class _Walked:
    wanted: _Automaton
    excluded: tuple[_Automaton, ...]
    repeated: bool
    optional: bool

    @classmethod
    def of(cls, component: _Component) -> _Walked:
        excluded = tuple(map(_Automaton, component.excluded))
        return cls(_Automaton(component.wanted), excluded, component.repeated, component.optional)

    def matches(self, units: str) -> bool:
        return self.wanted.matches(units) and not any(automaton.matches(units) for automaton in self.excluded)


def _walk(components: list[_Walked], names: list[str]) -> bool:
    """Whether COMPONENTS match NAMES; each of them at most once with each."""
    active = {0}
    end = len(components)
    for name in names[:-1]:
        following = set()
        for position in active:
            if position < end and components[position].matches(name):
                following.add(position + 1)
                if components[position].repeated:
                    following.add(position)
        active = following
        if not active:
            return False
    for position in active:
        # The last name ends without a slash, which a repeated component needs behind it.
        rest = components[position:]
        left_out = len(rest) == 2 and rest[1].optional
        if rest and not rest[0].repeated and (len(rest) == 1 or left_out) and rest[0].matches(names[-1]):
            return True
    return False


def matches_nothing(text: str) -> bool:
    r"""Whether the word TEXT can match no name, because a component excludes all that it includes.

    Found out where an alternative behind ``\-`` is ``\*``, or the same as what stands before it.
    """
    if "\\-" not in text:
        return False
    head = text[: constant_length(text)]
    components = _components(text[len(head) :], head.endswith("/"))
    for component in components:
        for steps in component.excluded:
            if steps == component.wanted or steps == (_ANY_RUN,):
                return True
    # What is behind a fixed head, or the last slash, must not be empty: no name ends there.
    return not components[-1].wanted and bool(components[-1].excluded)


_ANY_RUN = _Step(_RUNS["*"], run=True)

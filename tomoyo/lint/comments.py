"""Lint: comments that allow what would be found.

    # lint: allow CODE[, CODE]... REASON

A line of its own.  It counts for the next line that is no comment; before a
domain's line for all of that domain in this text; in the first comments of a
text that end with a blank line, for all of the text.  A kernel drops it as it
drops every comment.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from ..model.diagnostics import Diagnostic, did_you_mean
from ..syntax.policy_text import Comment, Located, PolicyText, read_lines
from ..syntax.statements import OpenDomain
from .codes import LINT_CODES
from .context import LintContext

_ALLOW = re.compile(r"#+\s*lint:\s*allow\b\s*(.*)")
_LINT = re.compile(r"#+\s*lint:")
_CODES = re.compile(r"([a-z][a-z-]*)(\s*,\s*)?")


class Reach(Enum):
    """How far a comment counts."""

    LINE = "the next line"
    DOMAIN = "the domain that begins in the next line"
    TEXT = "all of the text"


@dataclass(slots=True)
class Allowance:
    """A comment that allows some codes: how far, and for a line or domain the line that it counts for."""

    placed: Located[Comment]
    codes: tuple[str, ...]
    reach: Reach
    line: int
    used: set[str] = field(default_factory=set)


#: The number of a line that is not there.
_NONE = -1


class _Lines:
    """Which line of a text each comment is about."""

    def __init__(self, text: PolicyText) -> None:
        self._saying: list[int] = []
        self._domains: list[int] = []
        self._blank = 0
        # What is wrong with a line is allowed as well.
        for placed in read_lines(text, lambda problem: self._saying.append(problem.line)):
            if placed.value is None:
                self._blank = self._blank if self._saying else placed.line
            elif not isinstance(placed.value, Comment):
                self._saying.append(placed.line)
                if isinstance(placed.value, OpenDomain):
                    self._domains.append(placed.line)

    def reach(self, number: int) -> tuple[Reach, int]:
        """How far the comment in line NUMBER counts, and for which line."""
        if number < self._blank:
            return Reach.TEXT, 0
        position = bisect_right(self._saying, number)
        following = self._saying[position] if position < len(self._saying) else _NONE
        return (Reach.DOMAIN if self.domain(following) == following else Reach.LINE), following

    def domain(self, number: int) -> int:
        """The line at which the domain begins that line NUMBER is in; 0 where it is in none."""
        place = bisect_right(self._domains, number)
        return self._domains[place - 1] if place else 0


class Allowances:
    """All comments of a policy that allow something."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._found: dict[tuple[str, str, Reach, int], list[Allowance]] = {}
        self._lines: dict[str, _Lines] = {}
        self.all: list[Allowance] = []
        self.faults: list[Diagnostic] = []
        for placed in context.policy.comments:
            if _LINT.match(placed.value.text):
                if placed.text.name not in self._lines:
                    self._lines[placed.text.name] = _Lines(placed.text)
                self._read(placed, self._lines[placed.text.name])

    def _read(self, placed: Located[Comment], lines: _Lines) -> None:
        found = _ALLOW.match(placed.value.text)
        rest = found[1] if found else ""
        codes: list[str] = []
        more = True
        while more:
            named = _CODES.match(rest)
            if named is None:
                break
            codes.append(named[1])
            rest = rest[named.end() :].lstrip()
            more = named[2] is not None
        unknown = [code for code in codes if code not in LINT_CODES]
        if unknown or not codes:
            what, word = (f"there is no code {unknown[0]}", unknown[0]) if unknown else ("the comment names no code", "")
            near = did_you_mean(word, LINT_CODES)
            self.faults.append(self._context.finding("unknown-code", placed, what, word=word, remedy=near))
        elif not rest.strip(":- "):
            self.faults.append(self._context.finding("unreasoned-allow", placed, "the comment does not say why"))
        reach, line = lines.reach(placed.line)
        allowance = Allowance(placed, tuple(code for code in codes if code in LINT_CODES), reach, line)
        self.all.append(allowance)
        for code in allowance.codes:
            self._found.setdefault((placed.text.name, code, reach, line), []).append(allowance)

    def allows(self, finding: Diagnostic) -> bool:
        """Whether a comment allows FINDING; remembers which."""
        lines = self._lines.get(finding.place.file)
        if lines is None:
            return False
        found: list[Allowance] = []
        file, number = finding.place.file, finding.place.line
        for reach, line in ((Reach.LINE, number), (Reach.DOMAIN, lines.domain(number)), (Reach.TEXT, 0)):
            found += self._found.get((file, finding.code, reach, line), ())
        for allowance in found:
            allowance.used.add(finding.code)
        return bool(found)

    def unused(self, asked: Iterable[str]) -> Iterator[Diagnostic]:
        """The comments that allow what was not found, of the codes that were ASKED for."""
        looked_for = set(asked)
        for allowance in self.all:
            for code in allowance.codes:
                if code in looked_for and code not in allowance.used:
                    yield self._context.finding("unused-allow", allowance.placed, f"there is no {code} here", word=code)

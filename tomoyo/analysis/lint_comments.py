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

from .lint_codes import LINT_CODES, LintFinding
from .lint_context import LintContext
from .placed_policy import Placed, PolicyText, TextKind

_ALLOW = re.compile(r"#+\s*lint:\s*allow\b\s*(.*)")
_LINT = re.compile(r"#+\s*lint:")
_CODES = re.compile(r"([a-z][a-z-]*)(\s*,\s*)?")


@dataclass(slots=True)
class Allowance:
    """A comment that allows some codes from its first line to its last."""

    placed: Placed
    codes: tuple[str, ...]
    first: int
    last: int
    used: set[str] = field(default_factory=set)


class Allowances:
    """All comments of a policy that allow something."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._by_line: dict[tuple[str, int, str], list[Allowance]] = {}
        self._wide: dict[tuple[str, str], list[Allowance]] = {}
        self.all: list[Allowance] = []
        self.faults: list[LintFinding] = []
        lines: dict[PolicyText, tuple[list[str], list[int]]] = {}
        for placed in context.policy.comments:
            if _LINT.match(placed.value):
                if placed.text not in lines:
                    raw = placed.text.text.split("\n")
                    domain = placed.text.kind is TextKind.DOMAIN
                    lines[placed.text] = raw, [n for n, line in enumerate(raw, 1) if domain and line.lstrip().startswith("<")]
                self._read(placed, *lines[placed.text])

    def _read(self, placed: Placed, lines: list[str], domains: list[int]) -> None:
        found = _ALLOW.match(placed.value)
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
            what = f"there is no code {unknown[0]}{_near(unknown[0])}" if unknown else "the comment names no code"
            self.faults.append(self._context.finding("unknown-code", placed, what, word=unknown[0] if unknown else ""))
        elif not rest.strip(":- "):
            self.faults.append(self._context.finding("unreasoned-allow", placed, "the comment does not say why"))
        first, last = _scope(placed.line, lines, domains)
        allowance = Allowance(placed, tuple(code for code in codes if code in LINT_CODES), first, last)
        self.all.append(allowance)
        for code in allowance.codes:
            if first == last:
                self._by_line.setdefault((placed.text.name, first, code), []).append(allowance)
            else:
                self._wide.setdefault((placed.text.name, code), []).append(allowance)

    def allows(self, finding: LintFinding) -> bool:
        """Whether a comment allows FINDING; remembers which."""
        found = self._by_line.get((finding.file, finding.line, finding.code), [])
        wide = self._wide.get((finding.file, finding.code), ())
        found = [*found, *(each for each in wide if each.first <= finding.line <= each.last)]
        for allowance in found:
            allowance.used.add(finding.code)
        return bool(found)

    def unused(self, asked: Iterable[str]) -> Iterator[LintFinding]:
        """The comments that allow what was not found, of the codes that were ASKED for."""
        looked_for = set(asked)
        for allowance in self.all:
            for code in allowance.codes:
                if code in looked_for and code not in allowance.used:
                    yield self._context.finding("unused-allow", allowance.placed, f"there is no {code} here", word=code)


def _scope(number: int, lines: list[str], domains: list[int]) -> tuple[int, int]:
    """First and last line that the comment in line NUMBER is about."""
    following = number
    blank = False
    while following < len(lines):
        text = lines[following].strip()
        if text and not text.startswith("#"):
            break
        blank = blank or not text
        following += 1
    leading = all(not line.strip() or line.lstrip().startswith("#") for line in lines[: min(number, 200)]) and number <= 200
    if leading and blank:
        return 1, len(lines) + 1
    target = following + 1
    if target in domains:
        place = bisect_right(domains, target)
        return target, domains[place] - 1 if place < len(domains) else len(lines) + 1
    return target, target


def _near(code: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(code, LINT_CODES, 1)
    return f"; did you mean {near[0]}?" if near else ""

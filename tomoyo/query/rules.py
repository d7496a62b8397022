"""Rules that answer waiting requests without asking.

One rule a line, the first that fits decides; ``#`` begins a comment.

    deny  path=/etc/shadow
    allow program=/usr/bin/backup operation=read path=/home/\\{\\*\\}/\\*
    ask   domain="<kernel> /usr/sbin/sshd"

A line is ``allow``, ``deny`` or ``ask`` and what the request must be:
``domain`` (the whole name), ``program`` (the last one of the domain),
``operation`` (``read``, ``connect``, ``network``...), ``path`` (a file or unix
socket that it names) and ``request`` (the whole of it, as a line of policy).
All that are given must hold; one given several times holds where any of its
values does.  Words may be patterns as in policy.  A value with spaces stands
in double or single quotes, or in several such pieces, one directly after the
other: names may hold both kinds, ``"<kernel> /tmp/a'b"'"c'``.

A request may name two paths, as a rename does: ``allow`` wants both to be
among its ``path`` values, while ``deny`` and ``ask`` are content with one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..analysis.record_filter import RecordFilter
from ..decision.matching import compile_pattern
from ..model.errors import InvalidValueError
from ..model.words import quoted
from ..syntax.lines import Effect, PolicySyntaxError, Problem
from ..syntax.record_grammar import Outline

__all__ = ["QueryRule", "Ruling", "parse_query_rules"]

_KEYS = ("domain", "program", "operation", "path", "request")
_PART = re.compile(r"""\s*([^\s=]*)(=?)(?:((?:"[^"]*"|'[^']*')+)|([^\s"']\S*))?""")
_PIECE = re.compile(r"""(["'])(.*?)\1""")
_EXPECTED = "allow, deny or ask, then domain=, program=, operation=, path= or request="


class Ruling(Enum):
    """What a rule says to a request."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class QueryRule:
    """One rule: what ``chooses`` takes, and whose request line is among ``requests`` if there are any, gets ``verdict``."""

    verdict: Ruling
    chooses: RecordFilter
    requests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for request in self.requests:
            if not (request and request.isascii() and request.isprintable()):
                raise InvalidValueError(f"{quoted(request)} can never match: a request is one line of printable ASCII")

    def fits(self, outline: Outline) -> bool:
        """Whether the rule is for a request like OUTLINE."""
        return self.chooses(outline) and (not self.requests or any(_is_line(line, outline.request) for line in self.requests))

    def __str__(self) -> str:
        chooses = self.chooses
        parts = [self.verdict.value]
        for key, values in zip(_KEYS, (chooses.domains, chooses.programs, chooses.operations, chooses.paths, self.requests)):
            parts += [f"{key}={_quoted(value)}" for value in values]
        return " ".join(parts)


def decide(rules: Iterable[QueryRule], outline: Outline) -> Ruling:
    """What RULES say to a request like OUTLINE; to ask, where none fits."""
    return next((rule.verdict for rule in rules if rule.fits(outline)), Ruling.ASK)


def exact_rule(verdict: Ruling, outline: Outline) -> QueryRule:
    """The rule for requests like OUTLINE, of the same domain, and no other."""
    chooses = RecordFilter(domains=(outline.domain,), every_path=verdict is Ruling.ALLOW)
    return QueryRule(verdict, chooses, (outline.request,))


def parse_query_rules(text: str, *, file: str = "rules") -> tuple[QueryRule, ...]:
    """Parse rules.  Raises PolicySyntaxError for the first line that is none."""
    rules = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            rules.append(_rule(line.rstrip(), file, number))
    return tuple(rules)


def _rule(line: str, file: str, number: int) -> QueryRule:
    first = re.match(r"\s*(\S+)", line)
    assert first is not None
    verdict = {verdict.value: verdict for verdict in Ruling}.get(first[1])
    if verdict is None:
        raise _error(file, number, first.start(1), first[1], "no rule", _EXPECTED)
    values: dict[str, list[str]] = {key: [] for key in _KEYS}
    position = first.end()
    while position < len(line):
        part = _PART.match(line, position)
        assert part is not None
        key, equals = part[1], part[2]
        value = "".join(text for _, text in _PIECE.findall(part[3])) if part[3] else part[4]
        ends = part.end() == len(line) or line[part.end()].isspace()
        if key not in values or not equals or not value or not ends or part.end() == position:
            raise _error(file, number, part.start(1), line[part.start(1) :], "no part of a rule", _EXPECTED)
        values[key].append(value)
        position = part.end()
    if not any(values.values()):
        raise _error(file, number, len(line), "", "this fits every request", "at least one of " + "=, ".join(_KEYS) + "=")
    try:
        chooses = RecordFilter(
            domains=tuple(values["domain"]),
            programs=tuple(values["program"]),
            operations=tuple(values["operation"]),
            paths=tuple(values["path"]),
            every_path=verdict is Ruling.ALLOW,
        )
        return QueryRule(verdict, chooses, tuple(values["request"]))
    except ValueError as error:
        raise _error(file, number, first.start(1), line.strip(), str(error), "") from None


def _error(file: str, line: int, offset: int, text: str, message: str, expected: str) -> PolicySyntaxError:
    return PolicySyntaxError(file, line, offset + 1, Problem(Effect.DROPPED, offset, text, message, expected))


def _is_line(pattern: str, line: str) -> bool:
    patterns, words = pattern.split(" "), line.split(" ")
    return len(patterns) == len(words) and all(
        pattern == word or compile_pattern(pattern).matches(word) for pattern, word in zip(patterns, words)
    )


def _quoted(value: str) -> str:
    """VALUE as a rule has it: what ``_rule`` reads as VALUE."""
    if " " not in value and value[0] not in "\"'":
        return value
    if '"' in value and "'" not in value:
        return f"'{value}'"
    return "'\"'".join(f'"{piece}"' for piece in value.split('"'))

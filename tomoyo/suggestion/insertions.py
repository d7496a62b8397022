"""Insertions: adding entries to the text of a domain policy, and showing that as a diff.

What is in the text stays as it is, comments too: lines are put in, none is
changed.  Both take time linear in the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..model.domains import DomainPolicy
from ..model.entries import Entry
from ..model.errors import InvalidValueError
from ..syntax.formatting import format_domain
from ..syntax.lines import Problem, normalise
from ..syntax.policy_text import Comment, Located, PolicyText, TextKind, read_lines
from ..syntax.statements import OpenDomain

__all__ = ["Insertion", "find_insertions", "insert_lines", "unified_diff"]

#: Lines around a change that a diff shows.
_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Insertion:
    """Lines to be put in front of the line at ``position``, counted from 0."""

    position: int
    lines: tuple[str, ...]


def find_insertions(text: str, added: DomainPolicy) -> list[Insertion]:
    """Where the entries of ADDED go in TEXT: to the end of their domain; new domains to the end of all.

    Entries that their domain has already are left out.

    Raises InvalidValueError where the last line has no newline: the kernel drops
    such a line, and would act on it if something came behind.
    """
    lines = _lines(text)
    wanted = {domain.name.text: domain for domain in added}
    ends, held = _read_domains(text, wanted)
    found = []
    for name, end in sorted(ends.items(), key=lambda item: item[1]):
        had = held[name]
        new = tuple(entry.text for entry in wanted[name].entries if not had.get(entry.subject, set()) >= {*entry.operations})
        if new:
            found.append(Insertion(end, new))
    behind: list[str] = []
    for domain in added:
        if domain.name.text not in ends:
            behind += ["", *format_domain(domain).rstrip("\n").split("\n")]
    if behind:
        blank = not lines or not lines[-1].strip()
        found.append(Insertion(len(lines), tuple(behind[1:] if blank else behind)))
    return found


def _read_domains(text: str, wanted: Collection[str]) -> tuple[dict[str, int], dict[str, dict[str, set[str]]]]:
    """Where each domain that is WANTED ends in TEXT, and the operations that it has, by the subjects of entries.

    Comments behind its last line are its own if a blank line follows them, else they are the next domain's.
    """
    ends: dict[str, int] = {}
    held: dict[str, dict[str, set[str]]] = {}
    current = ""
    comments = 0  # the last of those that follow at once

    def leave(problem: Located[Problem]) -> None:
        nonlocal current
        if normalise(problem.raw).startswith(("delete <", "select ")):
            current = ""

    for placed in read_lines(PolicyText(TextKind.DOMAIN, "", text), leave):
        said = placed.value
        if isinstance(said, Comment):
            comments = placed.line if current and comments == placed.line - 1 else 0
        elif said is None:
            if current and comments == placed.line - 1:
                ends[current] = comments
        else:
            if isinstance(said, OpenDomain):
                current = str(said.name) if str(said.name) in wanted else ""
            if current:
                ends[current] = comments = placed.line
                operations = held.setdefault(current, {})
                if isinstance(said, Entry):
                    operations.setdefault(said.subject, set()).update(said.operations)
    if current and comments:
        ends[current] = comments
    return ends, held


def insert_lines(text: str, insertions: list[Insertion]) -> str:
    """TEXT with INSERTIONS, which are in the order of their positions."""
    lines = _lines(text)
    made: list[str] = []
    position = 0
    for insertion in insertions:
        made += lines[position : insertion.position]
        made += insertion.lines
        position = insertion.position
    made += lines[position:]
    return "".join(f"{line}\n" for line in made)


def unified_diff(text: str, insertions: list[Insertion], name: str) -> Iterator[str]:
    """The lines of a diff, each with its newline, that makes ``insert_lines(TEXT, INSERTIONS)`` of the file NAME."""
    lines = _lines(text)
    if insertions:
        yield f"--- {name}\n"
        yield f"+++ {name}\n"
    moved = 0
    first = 0
    while first < len(insertions):
        last = first
        while last + 1 < len(insertions) and insertions[last + 1].position - insertions[last].position <= 2 * _CONTEXT:
            last += 1
        together = insertions[first : last + 1]
        begin = max(0, together[0].position - _CONTEXT)
        end = min(len(lines), together[-1].position + _CONTEXT)
        new = sum(len(insertion.lines) for insertion in together)
        old_start = begin + 1 if end > begin else begin
        new_start = begin + moved + 1
        yield f"@@ -{old_start},{end - begin} +{new_start},{end - begin + new} @@\n"
        position = begin
        for insertion in together:
            yield from (f" {line}\n" for line in lines[position : insertion.position])
            yield from (f"+{line}\n" for line in insertion.lines)
            position = insertion.position
        yield from (f" {line}\n" for line in lines[position:end])
        moved += new
        first = last + 1


def _lines(text: str) -> list[str]:
    *lines, rest = text.split("\n")
    if rest:
        raise InvalidValueError("the last line has no newline, so the kernel never acts on it")
    return lines

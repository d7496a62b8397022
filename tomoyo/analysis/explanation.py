"""Explaining a decision: what granted a request, or which entries came near and what each of them lacks.

>>> from tomoyo import parse_domain_policy
>>> engine = DecisionEngine(parse_domain_policy("<kernel> /bin/sh\\nfile read /etc/passwd\\n"))
>>> print(*explain(engine, "<kernel> /bin/sh", Request(Kind.PATH, "read", ("/etc/shadow",))).sentences(), sep="\\n")
denied: no entry of <kernel> /bin/sh grants 'file read /etc/shadow'
nearest: 'file read /etc/passwd', but 'passwd' does not match 'shadow' in the path
this would allow it: file read /etc/shadow
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from ..decision.conditions import failing_tests
from ..decision.engine import DecisionEngine, Verdict
from ..decision.groups import Groups
from ..decision.index import argument_matches, asked_as
from ..decision.matching import matches
from ..decision.requests import Request, Value
from ..decision.transition import Transition, transition
from ..model.entries import Argument, Entry, Kind
from ..model.words import DomainName, GroupReference, Word

#: How many entries that came near are given.
NEAREST = 3


class Part(Enum):
    """Which part of an entry did not match; the later, the nearer it came."""

    ARGUMENT = "argument"
    OPERATION = "operation"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class NearMiss:
    """An entry that does not grant the request, and why.

    Attributes: ``group``, the acl_group that it is in, or None; ``part``, what
    did not match; ``reason``, the same in words.
    """

    entry: Entry
    group: int | None
    part: Part
    reason: str

    def __str__(self) -> str:
        place = "" if self.group is None else f" of acl_group {self.group}"
        return f"'{self.entry}'{place}, but {self.reason}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request is answered as it is.

    Attributes: ``verdict``; ``transition``, what becomes of the process, if
    the request is an execution; ``near``, the nearest entries where none
    grants it, best first; ``remedy``, the entry that would grant just this, or
    None where one does.
    """

    domain: DomainName
    request: Request
    verdict: Verdict
    transition: Transition | None
    near: tuple[NearMiss, ...]
    remedy: Entry | None

    def sentences(self) -> Iterator[str]:
        """The explanation, a line at a time."""
        verdict, text = self.verdict, self.request.text
        mode = "" if verdict.mode is None else f" ({verdict.mode.value} mode)"
        if verdict.entry is not None:
            place = "" if verdict.group is None else f" of acl_group {verdict.group}"
            yield f"granted{mode}: '{verdict.entry}'{place} grants '{text}' in {self.domain}"
        elif verdict.granted:
            yield f"granted{mode}: '{text}' needs no entry, as nothing like it is denied to {self.domain}"
        else:
            word = "denied" if not verdict.allowed else "let happen"
            yield f"{word}{mode}: no entry of {self.domain} grants '{text}'"
        if not verdict.certain:
            yield "uncertain: the record was cut off before an argument or a variable that a condition asks for"
        for miss in self.near:
            yield f"nearest: {miss}"
        if verdict.learned is not None:
            yield f"learning mode adds: {verdict.learned}"
        if self.remedy is not None:
            yield f"this would allow it: {self.remedy}"
        if self.transition is not None:
            yield from _transition_sentences(self.transition)


def explain(engine: DecisionEngine, domain: DomainName | str, request: Request) -> Explanation:
    """Ask ENGINE what it answers to REQUEST in DOMAIN, and why.  Raises UnknownDomain."""
    origin = engine.origin(domain)
    moved = None
    if request.kind is Kind.PATH and request.operation == "execute":
        moved = transition(engine, origin.name, request)
        verdict = moved.verdict
        # Entries must name it as the aggregators do.
        request = replace(request, arguments=(moved.program,))
    else:
        verdict = engine.decide(origin.name, request)
    if verdict.granted:
        return Explanation(origin.name, request, verdict, moved, (), None)
    groups = engine.groups(origin.name.namespace)
    scored = (
        (score, -position, NearMiss(entry, group, part, reason))
        for position, (group, entry) in enumerate(_entries(engine, origin.name))
        if asked_as(entry.kind) is asked_as(request.kind)
        for score, part, reason in [_miss(entry, request, groups)]
    )
    near = heapq.nlargest(NEAREST, scored, key=lambda found: found[:2])
    return Explanation(origin.name, request, verdict, moved, tuple(miss for _, _, miss in near), request.entry)


def _entries(engine: DecisionEngine, name: DomainName) -> Iterator[tuple[int | None, Entry]]:
    domain = engine.origin(name)
    for entry in domain.entries:
        yield None, entry
    shared = dict(engine.exceptions(name.namespace).acl_groups)
    for group in domain.groups:
        for entry in shared.get(group, ()):
            yield group, entry


def _miss(entry: Entry, request: Request, groups: Groups) -> tuple[float, Part, str]:
    """How near ENTRY came to granting REQUEST (larger is nearer), what did not match and why."""
    operation = request.operation in entry.operations
    for position, (name, argument, value) in enumerate(zip(request.kind.arguments, entry.arguments, request.arguments)):
        if (position == 0 and not request.device_counts) or argument_matches(argument, value, groups):
            continue
        share, reason = _argument_reason(name, argument, value)
        return position + share + operation, Part.ARGUMENT, reason
    if not operation:
        return 10.0, Part.OPERATION, f"it is for {'/'.join(entry.operations)}, not for {request.operation}"
    tests = failing_tests(entry.condition, request, groups)
    return 20.0 - len(tests), Part.CONDITION, f"its condition {' '.join(map(str, tests))} does not hold"


def _argument_reason(name: str, argument: Argument, value: Value) -> tuple[float, str]:
    """The share of ARGUMENT that matches VALUE, and what does not."""
    if isinstance(argument, GroupReference):
        return 0.0, f"no member of @{argument.name} matches {_shown(value)} ({name})"
    if not isinstance(value, str) or not isinstance(argument, Word):
        return 0.0, f"{argument} does not match {_shown(value)} ({name})"
    wanted, given = argument.text.split("/"), value.split("/")
    if argument.is_directory and not value.endswith("/"):
        return 0.0, f"{argument} is for directories, and {value} is none"
    for position, (pattern, component) in enumerate(zip(wanted, given)):
        if pattern.startswith("\\{"):
            break
        if pattern != component and not (pattern and component and matches(pattern, component)):
            return position / (len(given) + 1), f"'{pattern}' does not match '{component}' in the {name}"
    length = min(len(wanted), len(given))
    return length / (len(given) + 2), f"{argument} does not match {value} ({name})"


def _shown(value: Value) -> str:
    if isinstance(value, bytes):
        from ..model.addresses import address_text

        return address_text(value)
    return str(value)


def _transition_sentences(moved: Transition) -> Iterator[str]:
    rule = f": {moved.control}" if moved.control is not None else ""
    if moved.failure is not None and moved.transition_failed is not None:
        yield f"execve fails with {moved.failure.value}: {moved.transition_failed} cannot be entered ({moved.cause.value}{rule})"
    elif moved.transition_failed is not None:
        yield f"stays in {moved.domain}: {moved.transition_failed} cannot be entered ({moved.cause.value}{rule})"
    elif moved.failure is None:
        created = ", which is created" if moved.created is not None else ""
        yield f"runs in {moved.domain}{created} ({moved.cause.value}{rule})"

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
from itertools import takewhile
from typing import Any

from ..decision.conditions import failing_tests
from ..decision.engine import DecisionEngine, Verdict
from ..decision.groups import Groups
from ..decision.index import EntryIndex, argument_matches
from ..decision.matching import matches
from ..decision.requests import Request, Value, request_of
from ..decision.transition import Transition, TransitionRules, transition
from ..model.domains import DomainPolicy
from ..model.entries import Argument, ArgumentType, Entry, Kind
from ..model.records import AuditRecord
from ..model.words import DomainName, GroupReference, Word
from .nearest import NearEntries

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
    None where one does; ``named``, the same by the groups that hold the paths
    (a *name*, such as ``@nix:/glibc/lib/libc.so.6``), or None.
    """

    domain: DomainName
    request: Request
    verdict: Verdict
    transition: Transition | None
    near: tuple[NearMiss, ...]
    remedy: Entry | None
    named: Entry | None = None

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
        if self.named is not None:
            yield f"so would this, by name: {self.named}"
        if self.transition is not None:
            yield from _transition_sentences(self.transition)

    def plain(self) -> dict[str, Any]:
        """The explanation as plain data, for JSON."""
        verdict, moved = self.verdict, self.transition
        return {
            "domain": self.domain.text,
            "request": self.request.text,
            "mode": verdict.mode.value if verdict.mode else None,
            "granted": verdict.granted,
            "allowed": verdict.allowed,
            "certain": verdict.certain,
            "entry": verdict.entry.text if verdict.entry else None,
            "acl_group": verdict.group,
            "logged": verdict.logged,
            "learned": verdict.learned.text if verdict.learned else None,
            "nearest": [
                {"entry": miss.entry.text, "acl_group": miss.group, "part": miss.part.value, "reason": miss.reason}
                for miss in self.near
            ],
            "remedy": self.remedy.text if self.remedy else None,
            "named": self.named.text if self.named else None,
            "next_domain": moved.domain.text if moved and not moved.failure else None,
            "failure": moved.failure.value if moved and moved.failure else None,
        }


class Explainer:
    """Explains many requests by one policy: each list of entries is sorted once, when first asked about."""

    def __init__(self, engine: DecisionEngine) -> None:
        self.engine = engine
        self._near: dict[int, tuple[EntryIndex, NearEntries]] = {}
        self._rules: dict[str, tuple[TransitionRules, TransitionRules]] = {}

    def with_domains(self, domains: DomainPolicy) -> Explainer:
        """The explainer for other DOMAINS under the same exception policy and profiles, which are not looked through again."""
        other = Explainer(self.engine.with_domains(domains))
        other._rules = self._rules
        return other

    def explain(self, domain: DomainName | str, request: Request) -> Explanation:
        """What is answered to REQUEST, a program named as it is executed, in DOMAIN.  Raises UnknownDomain."""
        return self._explain(domain, request, 0)

    def explain_record(self, record: AuditRecord) -> Explanation:
        """The same for the request in RECORD.

        Raises ValueError where the record is of an event, UnknownDomain where
        its domain could not be there.
        """
        # The kernel names a program in a record as aggregators do, and so nothing is aggregated again.
        return self._explain(record.domain, request_of(record), 1)

    def _explain(self, domain: DomainName | str, request: Request, rules: int) -> Explanation:
        engine = self.engine
        origin = engine.origin(domain)
        namespace = origin.name.namespace
        moved = None
        if request.kind is Kind.PATH and request.operation == "execute":
            moved = transition(engine, origin.name, request, self._transition_rules(namespace)[rules])
            verdict = moved.verdict
            # Entries must name it as the aggregators do.
            request = replace(request, arguments=(moved.program,))
        else:
            verdict = engine.decide(origin.name, request)
        if verdict.granted:
            return Explanation(origin.name, request, verdict, moved, (), None)
        groups = engine.groups(namespace)
        scored = []
        for number, (group, index) in enumerate(engine.lists(origin)):
            for position, entry in self._near_entries(index).candidates(request, groups, NEAREST):
                miss = _miss(entry, request, groups)
                if miss is not None:
                    score, part, reason = miss
                    scored.append((score, -number, -position, NearMiss(entry, group, part, reason)))
        near = tuple(found[3] for found in heapq.nlargest(NEAREST, scored, key=lambda found: found[:3]))
        return Explanation(origin.name, request, verdict, moved, near, request.entry, named_entry(request.entry, groups))

    def _near_entries(self, index: EntryIndex) -> NearEntries:
        found = self._near.get(id(index))
        if found is None:  # the index is kept, so that no other takes its number
            found = self._near[id(index)] = (index, NearEntries(index))
        return found[1]

    def _transition_rules(self, namespace: str) -> tuple[TransitionRules, TransitionRules]:
        """Those of NAMESPACE, and the same without aggregators."""
        found = self._rules.get(namespace)
        if found is None:
            exceptions = self.engine.exceptions(namespace)
            found = (TransitionRules(exceptions), TransitionRules(replace(exceptions, aggregators=())))
            self._rules[namespace] = found
        return found


def explain(engine: DecisionEngine, domain: DomainName | str, request: Request) -> Explanation:
    """Ask ENGINE what it answers to REQUEST in DOMAIN, and why.  Raises UnknownDomain.

    For many requests use an ``Explainer``.
    """
    return Explainer(engine).explain(domain, request)


def named_entry(entry: Entry, groups: Groups) -> Entry | None:
    """ENTRY with path groups in the place of the paths that they hold; None where no group does.

    Of several the one with the fewest members is taken.
    """
    if entry.operations == ("execute",):
        return None  # a domain is named after what its entry says, so that is the aggregators' business
    arguments = list(entry.arguments)
    for position, wanted in enumerate(entry.kind.arguments.values()):
        value = arguments[position]
        if wanted is ArgumentType.NAME and isinstance(value, Word):
            name = groups.smallest_group_of(value.text)
            arguments[position] = value if name is None else GroupReference(name)
    return replace(entry, arguments=tuple(arguments)) if arguments != list(entry.arguments) else None


def _miss(entry: Entry, request: Request, groups: Groups) -> tuple[float, Part, str] | None:
    """How near ENTRY came to granting REQUEST (larger is nearer), what did not match and why; None if it did not come near.

    An entry whose operation and arguments both differ did not, nor one with a path that begins otherwise.
    """
    operation = request.operation in entry.operations
    for position, (name, argument, value) in enumerate(zip(request.kind.arguments, entry.arguments, request.arguments)):
        if (position == 0 and not request.device_counts) or argument_matches(argument, value, groups):
            continue
        share, reason = _argument_reason(name, argument, value)
        near = operation and (position > 0 or share > 0 or not isinstance(value, str))
        return (position + share, Part.ARGUMENT, reason) if near else None
    if not operation:
        return 10.0, Part.OPERATION, f"it is for {'/'.join(entry.operations)}, not for {request.operation}"
    tests = failing_tests(entry.condition, request, groups)
    shown = ", ".join(map(str, tests))
    reason = f"its condition {shown} does not hold" if len(tests) == 1 else f"of its condition these do not hold: {shown}"
    return 20.0 - len(tests), Part.CONDITION, reason


def _argument_reason(name: str, argument: Argument, value: Value) -> tuple[float, str]:
    """The share of ARGUMENT that matches VALUE, and what does not."""
    if isinstance(argument, GroupReference):
        # A group may be called after what is in it, as names are; in nix:/glibc/lib/libc.so.6 another glibc is not.
        share = 0.0
        if isinstance(value, str):
            pairs = zip(reversed(argument.name.split("/")), reversed(value.split("/")))
            share = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) / (value.count("/") + 3)
        return share, f"no member of @{argument.name} matches {_shown(value)} ({name})"
    if not isinstance(value, str) or not isinstance(argument, Word):
        return 0.0, f"{argument} does not match {_shown(value)} ({name})"
    wanted, given = argument.text.split("/"), value.split("/")
    common = 0
    for pattern, component in zip(wanted, given):
        if pattern.startswith("\\{"):  # it may stand for several
            break
        if pattern != component and not (pattern and component and matches(pattern, component)):
            break
        common += 1
    # That both begin at the root is nothing in common.
    share = max(common - (value[0] == "/"), 0) / (len(given) + 2)
    if argument.is_directory and not value.endswith("/"):
        return share, f"{argument} is for directories, and {value} is none"
    if common < min(len(wanted), len(given)) and not wanted[common].startswith("\\{"):
        return share, f"'{wanted[common]}' does not match '{given[common]}' in the {name}"
    return share, f"{argument} does not match {value} ({name})"


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

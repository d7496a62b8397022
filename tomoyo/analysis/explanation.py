"""Explaining a decision: what granted a request, or which entries came near and what each of them lacks.

An attribute that is not known is not a condition that fails: where one decides,
the answer is "granted if" and the conditions left.

>>> from tomoyo import parse_domain_policy
>>> engine = DecisionEngine(parse_domain_policy("<kernel> /bin/sh\\nfile read /etc/passwd\\n"))
>>> print(*explain(engine, "<kernel> /bin/sh", Request(Kind.PATH, "read", ("/etc/shadow",))).sentences(), sep="\\n")
denied: no entry of <kernel> /bin/sh grants 'file read /etc/shadow'
nearest: 'file read /etc/passwd', but 'passwd' does not match 'shadow' in the path
this would allow it: file read /etc/shadow
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ..decision.conditions import failing_tests
from ..decision.engine import DecisionEngine, Verdict
from ..decision.groups import Groups
from ..decision.impossible_requests import NeverAsked, never_asked
from ..decision.index import EntryIndex
from ..decision.requests import Request, request_of
from ..decision.transition import Transition, TransitionRules, transition
from ..model.conditions import Test
from ..model.domains import Domain, DomainPolicy
from ..model.entries import ArgumentType, Entry, Kind
from ..model.records import AuditRecord
from ..model.words import NAMES, DomainName, GroupReference, Word
from .near_misses import NearMiss, near_miss, of_group
from .nearest import NearEntries
from .remedies import Remedies
from .undefined import UndefinedDomain, undefined_domain

__all__ = ["Conclusion", "Conditional", "Explainer", "Explanation", "explain"]

#: How many entries that came near are given.
NEAREST = 3


class Conclusion(Enum):
    """What a request is answered."""

    GRANTED = "granted"
    DENIED = "denied"
    CONDITIONAL = "granted if"
    """It hangs on attributes that are not known."""
    FAILS = "fails"
    """It is granted, but the domain that it leads to cannot be entered."""
    NEVER_ASKED = "never asked"
    """The kernel makes no such request, so no entry grants it."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """An entry that grants the request if its TESTS hold, of which it is not known; GROUP as in NearMiss."""

    entry: Entry
    group: int | None
    tests: tuple[Test, ...]

    @property
    def condition(self) -> str:
        """The tests, as conditions are written."""
        return " ".join(map(str, self.tests))

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of what the tests ask for, as conditions write them."""
        sides = (side for test in self.tests for side in re.split("!?=", str(test), maxsplit=1))
        return tuple(dict.fromkeys(side for side in sides if side.startswith(("task.", "exec.", "path", "symlink."))))


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request is answered as it is.

    Attributes:
        domain, request: what was asked; an executed program as aggregators name it.
        verdict: the answer of the entries.
        transition: what becomes of the process, if the request is an execution or a manual transition.
        near: the nearest entries where none grants it, best first.
        remedy: the entry that would grant just this, by the package's name
            where there is one (``@nix:/glibc/lib/libc.so.6``); None where one
            grants it already, may grant it, or none could.
        objection: what is against such an entry, so that there is no remedy; else empty.
        new_domain: the domain to define with the remedy, since the execution leads there, or None.
        conditional: the entries that decide, the first whose tests hold.
        never_asked: why the kernel never makes this request, or None.
        undefined: what to say where the policy does not have the domain, or None.
    """

    domain: DomainName
    request: Request
    verdict: Verdict
    transition: Transition | None = None
    near: tuple[NearMiss, ...] = ()
    remedy: Entry | None = None
    conditional: tuple[Conditional, ...] = ()
    never_asked: NeverAsked | None = None
    undefined: UndefinedDomain | None = None
    objection: str = ""
    new_domain: Domain | None = None

    def __repr__(self) -> str:
        return f"<Explanation of {self.request.text} in {self.domain}: {self.conclusion.value}>"

    @property
    def conclusion(self) -> Conclusion:
        """The answer in one word: only GRANTED is a plain yes."""
        moved = self.transition
        if self.never_asked is not None:
            return Conclusion.NEVER_ASKED
        if self.conditional and not self.verdict.granted:
            return Conclusion.CONDITIONAL
        if not self.verdict.granted:
            return Conclusion.DENIED
        failures = {each.failure is not None for each in (moved, *moved.alternatives)} if moved is not None else {False}
        if failures == {False}:
            return Conclusion.GRANTED
        return Conclusion.FAILS if failures == {True} else Conclusion.CONDITIONAL

    @property
    def named(self) -> Entry | None:
        """The remedy, where it is by name."""
        return self.remedy if self.remedy != self.request.entry else None

    def sentences(self) -> Iterator[str]:
        """The explanation, a line at a time."""
        verdict, text = self.verdict, self.request.text
        if self.undefined is not None:
            yield from filter(None, (self.undefined.problem, self.undefined.meant, self.undefined.creation))
        if self.never_asked is not None:
            yield f"never asked: no process can ask for '{text}': {self.never_asked}"
            return
        mode = "" if verdict.mode is None else f" ({verdict.mode.value} mode)"
        moved = self.transition
        for number, each in enumerate(self.conditional if not verdict.granted else ()):
            start = f"{'or ' if number else ''}granted if {each.condition}{mode if not number else ''}"
            yield f"{start}: '{each.entry}'{of_group(each.group)} grants '{text}' in {self.domain}"
        if verdict.entry is not None:
            by = f"'{verdict.entry}'{of_group(verdict.group)} grants '{text}' in {self.domain}"
            if self.conclusion is Conclusion.FAILS and moved is not None and moved.failure is not None:
                yield f"fails with {moved.failure.value}{mode}: {by}, but {_why(moved)}"
            else:
                yield f"granted{mode}: {by}"
        elif self.conclusion is Conclusion.FAILS and moved is not None and moved.failure is not None:
            yield f"fails with {moved.failure.value}{mode}: {self.domain} may execute '{moved.program}', but {_why(moved)}"
        elif verdict.granted:
            yield f"granted{mode}: '{text}' needs no entry in {self.domain}, which is not enforcing"
        else:
            word = "denied" if not verdict.allowed else "allowed"
            start = f"else {word}" if self.conditional else f"{word}{mode}"
            yield f"{start}: no {'other ' if self.conditional else ''}entry of {self.domain} grants '{text}'"
        if self.conditional and self.request.given is None:
            yield "uncertain: the record was cut off before an argument or a variable that a condition asks for"
        for miss in self.near if not self.conditional else ():
            yield f"nearest: {miss}"
        if verdict.learned is not None:
            yield f"learning mode adds: {verdict.learned}"
        if self.remedy is not None:
            yield f"this would allow it{', once the policy has the domain' if self.undefined else ''}: {self.remedy}"
        if self.objection:
            yield f"no entry is proposed: {self.objection}"
        if self.new_domain is not None:
            new = self.new_domain
            groups = "".join(f", use_group {group}" for group in new.groups)
            yield f"define the domain that it leads to, too: {new.name}, use_profile {new.profile}{groups}"
        if moved is not None and self.conclusion is not Conclusion.FAILS:
            yield from self._transition_sentences(moved)

    def _transition_sentences(self, moved: Transition) -> Iterator[str]:
        """What becomes of the process, for each condition of which it is not known whether it holds."""
        ways = [_way(each) for each in (*moved.alternatives, moved)]
        if len(set(ways)) == 1:
            yield from filter(None, ways[:1])
            return
        way_of = dict(zip((entry for _, entry in self.verdict.conditional), ways))
        for each in self.conditional:
            yield f"if {each.condition}: {way_of[each.entry]}"
        if ways[-1]:
            yield f"else: {ways[-1]}"

    def plain(self) -> dict[str, Any]:
        """The explanation as plain data, for JSON."""
        verdict, moved = self.verdict, self.transition
        never = self.never_asked
        return {
            "domain": self.domain.text,
            "domain_defined": verdict.domain_defined,
            "created_from": verdict.created_from.text if verdict.created_from else None,
            "similar": list(self.undefined.similar) if self.undefined else [],
            "request": self.request.text,
            "answer": self.conclusion.value,
            "never_asked": never.reason if never else None,
            "asked_instead": never.instead.text if never and never.instead else None,
            "mode": verdict.mode.value if verdict.mode else None,
            "granted": verdict.granted,
            "allowed": verdict.allowed,
            "certain": verdict.certain,
            "entry": verdict.entry.text if verdict.entry else None,
            "acl_group": verdict.group,
            "logged": verdict.logged,
            "learned": verdict.learned.text if verdict.learned else None,
            "granted_if": [
                {"entry": each.entry.text, "acl_group": each.group, "conditions": list(map(str, each.tests))}
                for each in self.conditional
            ],
            "nearest": [
                {"entry": miss.entry.text, "acl_group": miss.group, "part": miss.part.value, "reason": miss.reason}
                for miss in self.near
            ],
            "remedy": self.remedy.text if self.remedy else None,
            "objection": self.objection or None,
            "new_domain": None
            if self.new_domain is None
            else {"name": self.new_domain.name.text, "profile": self.new_domain.profile, "groups": list(self.new_domain.groups)},
            "next_domain": moved.domain.text if moved and not moved.failure else None,
            "failure": moved.failure.value if moved and moved.failure else None,
            "reason": moved.reason if moved else None,
        }


class Explainer:
    """Explains many requests by one policy: each list of entries is sorted once, when first asked about."""

    def __init__(self, engine: DecisionEngine) -> None:
        self.engine = engine
        self._near: dict[int, tuple[EntryIndex, NearEntries]] = {}
        self._rules: dict[str, tuple[TransitionRules, TransitionRules]] = {}
        self._remedies = Remedies(engine)

    def with_domains(self, domains: DomainPolicy) -> Explainer:
        """The explainer for other DOMAINS under the same exception policy and profiles, which are not looked through again."""
        other = Explainer(self.engine.with_domains(domains))
        other._rules = self._rules
        other._remedies = Remedies(other.engine, whole=False)
        return other

    def explain(self, domain: DomainName | str, request: Request) -> Explanation:
        """What is answered to REQUEST, a program named as it is executed, in DOMAIN.  Raises UnknownDomain."""
        return self._explain(domain, request, 0)

    def explain_record(self, record: AuditRecord) -> Explanation:
        """The same for the request in RECORD.

        Raises InvalidValueError where the record is of an event, UnknownDomain where
        its domain could not be there.
        """
        # The kernel names a program in a record as aggregators do, and so nothing is aggregated again.
        return self._explain(record.domain, request_of(record), 1)

    def _explain(self, domain: DomainName | str, request: Request, rules: int) -> Explanation:
        engine = self.engine
        origin = engine.origin(domain)
        namespace = origin.name.namespace
        groups = engine.groups(namespace)
        moved = None
        # What a record is of was asked.
        never = self._never_asked(request, namespace) if not rules else None
        if never is not None:
            created_from = None if engine.domain(origin.name) else engine.ancestor(origin.name).name
            verdict = Verdict(None, granted=False, created_from=created_from, never_asked=never)
        elif request.operation == "execute" or request.kind is Kind.TRANSITION:
            moved = transition(engine, origin.name, request, self._transition_rules(namespace)[rules])
            verdict = moved.verdict
            if request.operation == "execute":  # entries must name it as the aggregators do
                request = replace(request, arguments=(moved.program,))
        else:
            verdict = engine.decide_entries(origin.name, request)
        undefined = None
        if not verdict.domain_defined:
            # A record's domain is not misspelt, and to find what is similar takes a look at all domains.
            missing = UndefinedDomain(origin.name.text, (), engine.ancestor(origin.name))
            undefined = missing if rules else undefined_domain(engine, origin.name)
        conditional = _conditional(verdict, request, groups)
        if verdict.granted:
            return Explanation(origin.name, request, verdict, moved, conditional=conditional, undefined=undefined)
        scored = []
        for number, (group, index) in enumerate(engine.lists(origin)):
            for position, entry in self._near_entries(index).candidates(request, groups, NEAREST):
                miss = near_miss(entry, request, groups)
                if miss is not None:
                    score, part, reason = miss
                    scored.append((score, -number, -position, NearMiss(entry, group, part, reason)))
        near = tuple(found[3] for found in heapq.nlargest(NEAREST, scored, key=lambda found: found[:3]))
        # Where something may grant it, more of the request should be told before anything is added.
        if never is not None or conditional:
            return Explanation(origin.name, request, verdict, moved, near, None, conditional, never, undefined)
        entry = named_entry(request.entry, groups) or request.entry
        remedy = self._remedies.of(origin, request, entry, self._transition_rules(namespace)[rules])
        return Explanation(
            *(origin.name, request, verdict, moved, near, remedy.entry),
            undefined=undefined,
            objection=remedy.objection,
            new_domain=remedy.domain,
        )

    def _never_asked(self, request: Request, namespace: str) -> NeverAsked | None:
        """Why the kernel never makes REQUEST; for a package's name it asks by a path that this is bound to."""
        never = never_asked(request, names=self.engine.names)
        if request.operation == "execute" and never is None:
            name, rules = str(request.arguments[0]), self._transition_rules(namespace)[0]
            if name.startswith(NAMES) and rules.gives_names(NAMES) and not rules.is_aggregate(name):
                return NeverAsked(f"no aggregator gives a program the name {name}")
        if never is None or never.instead is not None:
            return never
        groups = self.engine.groups(namespace)
        bound = (groups.paths(each)[:1] if isinstance(each, str) and each.startswith(NAMES) else [] for each in request.arguments)
        arguments = tuple(paths[0] if paths else each for paths, each in zip(bound, request.arguments))
        return never if arguments == request.arguments else replace(never, instead=replace(request, arguments=arguments))

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


def _conditional(verdict: Verdict, request: Request, groups: Groups) -> tuple[Conditional, ...]:
    """The entries that may decide; of several that hang on the same tests only the first can."""
    found: dict[tuple[str, ...], Conditional] = {}
    for group, entry in verdict.conditional:
        tests = failing_tests(entry.condition, request, groups)
        found.setdefault(tuple(map(str, tests)), Conditional(entry, group, tests))
    return tuple(found.values())


def named_entry(entry: Entry, groups: Groups) -> Entry | None:
    """ENTRY with packages' names in the place of the paths that they are bound to; None where none is.

    Of several names the one with the fewest paths is taken.
    """
    if entry.operations == ("execute",):
        return None  # a domain is named after what its entry says, so that is the aggregators' business
    arguments = list(entry.arguments)
    for position, wanted in enumerate(entry.kind.arguments.values()):
        value = arguments[position]
        if wanted is ArgumentType.NAME and isinstance(value, Word):
            # A name that was asked for stands for its file.
            name = value.text if value.text.startswith(NAMES) else groups.smallest_group_of(value.text, NAMES)
            arguments[position] = value if name is None else GroupReference(name)
    return replace(entry, arguments=tuple(arguments)) if arguments != list(entry.arguments) else None


def _why(moved: Transition) -> str:
    """Why the domain that was wanted cannot be entered, and what led there."""
    rule = f": {moved.control}" if moved.control is not None else ""
    return f"{moved.transition_failed} cannot be entered ({moved.cause.value}{rule}): {moved.reason}"


def _way(moved: Transition) -> str:
    """What becomes of the process; empty where that is said already, as it is denied."""
    rule = f": {moved.control}" if moved.control is not None else ""
    if moved.failure is not None:
        return f"fails with {moved.failure.value}: {_why(moved)}" if moved.transition_failed is not None else ""
    if moved.transition_failed is not None:
        return f"stays in {moved.domain}: {_why(moved)}"
    created = ", which is created" if moved.created is not None else ""
    return f"runs in {moved.domain}{created} ({moved.cause.value}{rule})"

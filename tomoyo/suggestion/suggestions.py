"""Suggestions: the entries that a policy lacks, found in audit records or in what a kernel learned.

What names are like for the rules (see `generalisation`) is one suggestion,
with the evidence for it.  Records are taken one after the other; in memory is
a bounded amount for each suggestion, and for all together, however many
records there are: whoever makes a process ask for millions of different names
has the rest of them counted only (`Suggestions.left_out`).

    >>> collector = Suggestions()
    >>> collector.suggestions()
    []
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..decision.engine import DecisionEngine, UnknownDomain
from ..decision.requests import bare_request, parse_request, request_of
from ..model.conditions import ArgumentTest, Attribute, Comparison, Test
from ..model.domains import Domain, DomainPolicy, merge_entries
from ..model.entries import Entry, Kind
from ..model.records import AuditRecord, Execution, Strings
from ..model.stat import Timestamp
from ..model.words import DomainName, Quoted, Word
from ..syntax.lines import Dropped, PolicySyntaxError
from ..syntax.record_grammar import RecordText
from ..syntax.records import read_domain, read_request, read_text, read_time
from .generalisation import DEFAULT, GeneralEntry, Rule, UserRule, generalise

__all__ = ["Evidence", "Suggestion", "Suggestions", "merge_suggestions", "missing_paths", "policy_of"]

#: How many different entries are remembered that became one.
KEPT = 8
#: How much is remembered of what records ask for, in characters; an entry counts for a few hundred more than it has.
ROOM = 1 << 26
_ENTRY = 500
#: What is longer is not remembered for itself.
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a suggestion rests upon.

    Attributes:
        records: how many requests; 0 for what a kernel learned.
        first, last: when they were made; None for what a kernel learned.
        example: an entry that grants just one of them.
    """

    records: int
    first: Timestamp | None
    last: Timestamp | None
    example: Entry

    def merged(self, other: Evidence) -> Evidence:
        """The evidence of both, this one's example."""
        firsts = [time for time in (self.first, other.first) if time]
        lasts = [time for time in (self.last, other.last) if time]
        first = min(firsts, key=str, default=None)
        return Evidence(self.records + other.records, first, max(lasts, key=str, default=None), self.example)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to be added to a domain.

    Attributes:
        domain: the domain's name.
        profile: the profile that it had.
        exact: the entries that grant what was seen, and nothing else.
        complete: whether ``exact`` is all that was seen; else only the first of it.
        general: the entry that the rules make of them; None where no rule is for them.
        rules: the rules that did.
        enough: whether the rules want to have seen no more than this.
        evidence: what it rests upon.
    """

    domain: DomainName
    profile: int
    exact: tuple[Entry, ...]
    complete: bool
    general: Entry | None
    rules: tuple[str, ...]
    enough: bool
    evidence: Evidence

    @property
    def recommended(self) -> tuple[Entry, ...]:
        """What to add where nobody is asked."""
        return (self.general,) if self.general is not None and self.enough else self.exact

    @property
    def key(self) -> str:
        """What the suggestion is about: the same however much evidence there is."""
        return f"{self.domain} {self.general or self.exact[0]}"


@dataclass(slots=True)
class _Family:
    """What became one entry of one operation; ``first`` and ``last`` are times as the kernel writes them."""

    profile: int
    general: GeneralEntry
    example: Entry
    exact: dict[str, Entry]
    records: int = 0
    first: str = ""
    last: str = ""
    complete: bool = True

    def note(self, time: str) -> None:
        """Take a record of TIME as evidence."""
        self.records += 1
        if time != self.last:
            if _is_earlier(self.last, time):
                self.last = time
            if not self.first or _is_earlier(time, self.first):
                self.first = time

    def add(self, entry: Entry) -> bool:
        """Take ENTRY as one that was seen; gives whether it is remembered for itself."""
        if entry.text in self.exact:
            return False
        if len(self.exact) < KEPT:
            self.exact[entry.text] = entry
            return True
        self.complete = False
        return False

    @property
    def enough(self) -> bool:
        return len(self.exact) >= self.general.least

    @property
    def evidence(self) -> Evidence:
        first, last = (read_time(time) if time else None for time in (self.first, self.last))
        return Evidence(self.records, first, last, self.example)


def _is_earlier(time: str, other: str) -> bool:
    return (len(time), time) < (len(other), other)  # years may have more digits than four


class Suggestions:
    """Collects evidence, and makes suggestions of it.

    Arguments:
        rules, user_rules: as for `generalise`.
        room: how many characters are remembered of what records ask for.

    Attributes:
        left_out: how many records asked for more than that.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT, user_rules: Sequence[UserRule] = (), room: int = ROOM) -> None:
        self.left_out: int = 0
        self._rules = rules
        self._user_rules = user_rules
        self._room = room
        self._families: dict[tuple[str, str], _Family] = {}
        self._seen: dict[tuple[str, str, str], _Family] = {}
        self._seen_room = room // 4

    def __repr__(self) -> str:
        records = sum(family.records for family in self._families.values())
        return f"<Suggestions: entries: {len(self._families)}, from records: {records}>"

    def add(self, record: AuditRecord) -> None:
        """Take what RECORD asked for as needed.  A record of an event says nothing."""
        if isinstance(record.request, Entry) and record.request.kind is not Kind.TRANSITION:
            self._take(record.domain.text, record.profile, request_of(record).learned, str(record.time))

    def add_text(self, text: RecordText) -> None:
        """Take TEXT, a record as text, as `add` takes a record.  What repeats is looked at once.

        Raises PolicySyntaxError where it cannot be read.
        """
        # Words in quotes, of what is executed or where a symlink leads, are part of an entry.
        quotes = '="' in text.details
        key = (text.domain, text.request, text.details if quotes else "")
        family = self._seen.get(key)
        if family is not None:
            family.note(text.time)
            return
        line = 3  # of the record
        try:
            asked = read_request(text.request)
            line = 2
            domain = read_domain(text.domain).text
        except Dropped as dropped:
            problem = dropped.problem
            raise PolicySyntaxError("audit", line, problem.offset + 1, problem, text[line + 6]) from None
        if not isinstance(asked, Entry) or asked.kind is Kind.TRANSITION:
            return
        request = request_of(read_text(text)) if quotes else bare_request(asked)
        family = self._take(domain, int(text.profile), request.learned, text.time)
        size = sum(map(len, key)) + _ENTRY
        if family is not None and size <= min(self._seen_room, _LONGEST):
            self._seen_room -= size
            self._seen[domain, *key[1:]] = family

    def _take(self, domain: str, profile: int, entry: Entry, time: str) -> _Family | None:
        """Take ENTRY, which a record of TIME asked for."""
        family = self._add(domain, profile, entry, is_record=True)
        if family is not None:
            family.note(time)
        return family

    def add_learned(self, domains: DomainPolicy) -> None:
        """Take the entries of DOMAINS, which a kernel learned, as needed."""
        for domain in domains:
            for entry in domain.entries:
                for operation in entry.operations:
                    one = entry if len(entry.operations) == 1 else entry.with_operations((operation,))
                    self._add(domain.name.text, domain.profile, one, is_record=False)

    def _add(self, domain: str, profile: int, entry: Entry, *, is_record: bool) -> _Family | None:
        """Take ENTRY as needed in DOMAIN; gives where it is remembered, or None where there is no room."""
        general = generalise(entry, self._rules, self._user_rules)
        family = self._families.get((domain, general.entry.text))
        if family is not None:
            if family.add(entry):
                self._room -= len(entry.text) + _ENTRY
            return family
        if self._room <= 0 and is_record:  # what a kernel learned is in memory already
            self.left_out += 1
            return None
        self._room -= len(domain) + len(entry.text) + len(general.entry.text) + _ENTRY
        family = self._families[domain, general.entry.text] = _Family(profile, general, entry, {entry.text: entry})
        return family

    def suggestions(self) -> list[Suggestion]:
        """What the evidence suggests, domain by domain, in the order in which it was seen.

        Operations on the same names are one suggestion, as they are one entry.
        """
        merged: dict[str, dict[tuple[str, bool], list[_Family]]] = {}
        for (domain, _), family in self._families.items():
            parts = merged.setdefault(domain, {})
            parts.setdefault((family.general.entry.subject, family.enough), []).append(family)
        return [_suggestion(domain, families) for domain, parts in merged.items() for families in parts.values()]


def _suggestion(domain: str, families: list[_Family]) -> Suggestion:
    first = families[0]
    evidence = first.evidence
    general = first.general.entry
    for family in families[1:]:
        evidence = evidence.merged(family.evidence)
        general = general.merged(family.general.entry)
    rules = tuple(dict.fromkeys(rule for family in families for rule in family.general.rules))
    return Suggestion(
        DomainName(domain),
        first.profile,
        merge_entries(entry for family in families for entry in family.exact.values()),
        all(family.complete for family in families),
        general if rules else None,
        rules,
        first.enough,
        evidence,
    )


def policy_of(added: Iterable[tuple[Suggestion, Iterable[Entry]]]) -> DomainPolicy:
    """The domains with what is ADDED to them, with the profiles that they had."""
    profiles: dict[DomainName, int] = {}
    entries: dict[DomainName, list[Entry]] = {}
    for suggestion, chosen in added:
        profiles.setdefault(suggestion.domain, suggestion.profile)
        entries.setdefault(suggestion.domain, []).extend(chosen)
    return DomainPolicy(
        tuple(Domain(name, profiles[name], entries=merge_entries(found)) for name, found in entries.items() if found)
    )


def lacking(engine: DecisionEngine, learned: DomainPolicy) -> DomainPolicy:
    """What the policy of ENGINE does not grant of what a kernel LEARNED.

    An entry that was learned is one request, of which no more is known than
    its own condition tells: what the policy grants under another stays.
    """
    found = []
    for domain in learned:
        held = engine.domain(domain.name)
        same = {entry.subject: entry.operations for entry in held.entries} if held is not None else {}
        entries: list[Entry] = []
        for entry in domain.entries:
            left = [each for each in entry.operations if each not in same.get(entry.subject, ())]
            operations = tuple(each for each in left if not _grants(engine, domain.name, entry, each))
            if operations:
                entries.append(entry if operations == entry.operations else entry.with_operations(operations))
        found.append(replace(domain, entries=tuple(entries)))
    return DomainPolicy(tuple(found))


def _grants(engine: DecisionEngine, domain: DomainName, entry: Entry, operation: str) -> bool:
    one = entry if len(entry.operations) == 1 else entry.with_operations((operation,))
    tests = one.condition.tests if one.condition is not None else ()
    try:
        request = parse_request(str(replace(one, condition=None)))
        verdict = engine.decide_entries(domain, replace(request, given=None, **_known(tests)))
    except (ValueError, UnknownDomain):  # written by hand: it is about more than one request
        return False
    if verdict.entry is None or not verdict.certain:
        return False
    condition = verdict.entry.condition
    return condition is None or set(map(str, condition.tests)) <= set(map(str, tests))


def _known(tests: Sequence[Test]) -> dict[str, Any]:
    """What TESTS, those that learning makes, tell of a request."""
    strings = {test.left.name: test.right for test in tests if isinstance(test, Comparison) and isinstance(test.left, Attribute)}
    arguments = tuple(test.value for test in tests if isinstance(test, ArgumentTest) and test.index == 0)
    known: dict[str, Any] = {}
    if isinstance(real := strings.get("exec.realpath"), Quoted):
        known["execution"] = Execution(real, 1, 0, Strings(arguments, truncated=False), None)
    if isinstance(target := strings.get("symlink.target"), Quoted):
        known["symlink_target"] = target
    return known


def missing_paths(suggestion: Suggestion, exists: Callable[[str], bool]) -> tuple[str, ...]:
    """The names that were seen and that EXISTS says are no more: likely those of temporary files.

    As tomoyo-findtemp does, asks only about names from the root directory.
    """
    found: dict[str, None] = {}
    for entry in suggestion.exact:
        for value in entry.arguments:
            if isinstance(value, Word) and value.text.startswith("/") and not value.is_pattern and not exists(value.text):
                found[value.text] = None
    return tuple(found)


def renamed(suggestion: Suggestion, domain: DomainName, names: Callable[[Entry], tuple[Entry, ...]]) -> Suggestion:
    """SUGGESTION for DOMAIN, with what NAMES gives for each of its entries."""
    general = names(suggestion.general) if suggestion.general is not None else ()
    exact = merge_entries(entry for one in suggestion.exact for entry in names(one))
    if len(general) > 1:  # one entry became several, which only what was seen can say
        general = ()
    example = names(suggestion.evidence.example)[0]
    return replace(
        suggestion,
        domain=domain,
        exact=exact,
        general=general[0] if general else None,
        evidence=replace(suggestion.evidence, example=example),
    )


def merge_suggestions(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    """SUGGESTIONS with those that became one, since their domains or names did, merged."""
    alike: dict[str, list[Suggestion]] = {}
    for suggestion in suggestions:
        alike.setdefault(suggestion.key, []).append(suggestion)
    return [parts[0] if len(parts) == 1 else _merged(parts) for parts in alike.values()]


def _merged(parts: list[Suggestion]) -> Suggestion:
    evidence = parts[0].evidence
    for part in parts[1:]:
        evidence = evidence.merged(part.evidence)
    return replace(
        parts[0],
        exact=merge_entries(entry for part in parts for entry in part.exact),
        complete=all(part.complete for part in parts),
        rules=tuple(dict.fromkeys(rule for part in parts for rule in part.rules)),
        enough=any(part.enough for part in parts),
        evidence=evidence,
    )

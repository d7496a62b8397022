"""Lint: lines that are there twice, and entries that wider ones make superfluous.

A claim is proved: taking the entry away changes no decision.  Order counts
where a domain transition or ``grant_log`` hangs on which entry is found
first, so there only an entry that is found earlier takes another's place.

No entry is compared with all others: wide ones are found by an example of
what an entry matches, through the fixed head and tail of their patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from ..decision.containment import covers, example
from ..decision.groups import Groups, PatternIndex
from ..decision.matching import compile_pattern, fixed_tail
from ..model.addresses import AddressRange
from ..model.diagnostics import Diagnostic
from ..model.entries import Argument, Entry, Kind
from ..model.numbers import NumberRange
from ..model.words import NAMES, DomainName, GroupReference, Word, constant_length, quoted
from ..syntax.policy_text import Located
from .context import EntryList, LintContext

#: The argument by which wide entries are found, where it is not the first.
_INDEXED = {Kind.MOUNT: 1}
#: At most so many wide entries are tried, of one place in the index and in all.
_MOST_ALIKE, _MOST_TRIED = 32, 64
#: Members of a group that are looked at one by one.
_MEMBERS = 64


def find_duplicates(context: LintContext) -> Iterator[Diagnostic]:
    """Lines that are there twice."""
    for entries in context.lists():
        held: dict[str, tuple[Located[Entry], set[str]]] = {}
        for placed in entries.entries:
            entry: Entry = placed.value
            first = held.get(entry.subject)
            if first is None:
                held[entry.subject] = placed, set(entry.operations)
            elif first[1].issuperset(entry.operations):
                yield _duplicate(context, placed, first[0])
            else:
                first[1].update(entry.operations)
    for domain in context.policy.domains.values():
        # Several files may say the same of one domain, so that each can be read by itself.
        for text in dict.fromkeys(placed.text for placed in (*domain.groups, *domain.profiles)):
            yield from _repeated(context, [placed for placed in domain.groups if placed.text is text])
            profiles = [placed for placed in domain.profiles if placed.text is text]
            for earlier, later in pairwise(profiles):
                if earlier.value == later.value:
                    yield _duplicate(context, later, earlier)
                else:
                    reason = f"use_profile {earlier.value} counts for nothing: line {later.line} gives the domain another profile"
                    yield context.finding("duplicate", earlier, reason, entry=f"use_profile {earlier.value}", see=[later])
    for part in context.policy.namespaces.values():
        yield from _repeated(context, part.transitions)
        yield from _repeated(context, part.aggregators)
        yield from _repeated(context, part.members)
    yield from _repeated(context, context.policy.managers)


def _repeated(context: LintContext, placed: Iterable[Located[object]]) -> Iterator[Diagnostic]:
    held: dict[object, Located[object]] = {}
    for each in placed:
        first = held.setdefault(each.value, each)
        if first is not each:
            yield _duplicate(context, each, first)


def _duplicate(context: LintContext, placed: Located[object], first: Located[object]) -> Diagnostic:
    where = f"line {first.line}" if first.text is placed.text else f"{first.text.name}:{first.line}"
    line = placed.raw.strip()
    shown = line if len(line) <= 120 else f"{line[:117]}..."
    return context.finding("duplicate", placed, f"{quoted(shown)} is already in {where}", entry=line, see=[first])


@dataclass(slots=True)
class _Held:
    """An entry as the kernel holds it: at the place of its first line, with the operations of all."""

    entry: Entry
    placed: Located[Entry]
    order: int
    tests: str


@dataclass(slots=True)
class _Wide:
    """Entries that may cover others, for one operation and one set of tests."""

    by_value: dict[str, list[_Held]] = field(default_factory=dict)
    by_group: dict[str, list[_Held]] = field(default_factory=dict)
    others: list[_Held] = field(default_factory=list)
    patterns: PatternIndex[tuple[str, _Held]] = field(default_factory=PatternIndex)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, argument: Argument, held: _Held) -> None:
        if isinstance(argument, GroupReference):
            if _is_pattern_of_names(argument):
                self._add_pattern(str(argument), held)
            found = self.by_group.setdefault(argument.name, [])
        elif isinstance(argument, (AddressRange, NumberRange)):
            found = self.others
        else:
            text = str(argument)
            length = constant_length(text)
            if length < len(text):
                self._add_pattern(text, held)
                return
            found = self.by_value.setdefault(text, [])
        if len(found) < _MOST_ALIKE:
            found.append(held)

    def _add_pattern(self, text: str, held: _Held) -> None:
        length = constant_length(text)
        key = (text[:length], fixed_tail(text[length:]))
        count = self.counts.get(key, 0)
        if count < _MOST_ALIKE:
            self.counts[key] = count + 1
            self.patterns.add(text[:length], text, (text, held))

    def candidates(self, argument: Argument, groups: Groups, members: list[str]) -> list[_Held]:
        """Those that may cover an entry with ARGUMENT, whose MEMBERS are some of the group that it names."""
        if isinstance(argument, (AddressRange, NumberRange)):
            return self.others
        found: list[_Held] = []
        name: str | None
        if isinstance(argument, GroupReference):
            found += self.by_group.get(argument.name, ())
            some = [str(argument)] if argument.name.startswith(NAMES) else members
            name = example(some[0]) if some else None
        else:
            found += self.by_value.get(str(argument), ())
            name = example(str(argument))
        if name is not None:
            found += [held for text, held in self.patterns.candidates(name) if compile_pattern(text).matches(name)]
            if self.by_group and not isinstance(argument, GroupReference):
                for group in groups.path_groups_of(name):
                    found += self.by_group.get(group, ())
        return found[:_MOST_TRIED]


class _Index:
    """What an entry list holds that may cover other entries."""

    def __init__(self, entries: EntryList) -> None:
        self.held: dict[str, _Held] = {}
        self._exact: dict[tuple[str, str], _Held] = {}
        self._wide: dict[tuple[Kind, str, str], _Wide] = {}
        for order, placed in enumerate(entries.entries):
            entry: Entry = placed.value
            known = self.held.get(entry.subject)
            if known is None:
                tests = " ".join(map(str, entry.condition.tests)) if entry.condition else ""
                self.held[entry.subject] = _Held(entry, placed, order, tests)
            elif not set(known.entry.operations).issuperset(entry.operations):
                known.entry = known.entry.merged(entry)
        for held in self.held.values():
            self._add(held)

    def _add(self, held: _Held) -> None:
        entry = held.entry
        if not held.tests:
            arguments = _arguments(entry)
            for operation in entry.operations:
                self._exact.setdefault((operation, arguments), held)
        if all(map(_is_single, entry.arguments)):
            return
        argument = entry.arguments[_INDEXED.get(entry.kind, 0)]
        for operation in entry.operations:
            key = (entry.kind, operation, held.tests)
            wide = self._wide.get(key)
            if wide is None:
                wide = self._wide[key] = _Wide()
            wide.add(argument, held)

    def candidates(self, held: _Held, operation: str, groups: Groups, members: list[str]) -> Iterator[_Held]:
        """Entries of this list that may grant OPERATION of all that HELD does."""
        entry = held.entry
        if not self._wide and not held.tests:
            return
        argument = entry.arguments[_INDEXED.get(entry.kind, 0)]
        if held.tests or entry.condition:
            exact = self._exact.get((operation, _arguments(entry)))
            if exact is not None:
                yield exact
        for tests in ("", held.tests) if held.tests else ("",):
            wide = self._wide.get((entry.kind, operation, tests))
            if wide is not None:
                yield from wide.candidates(argument, groups, members)


def _arguments(entry: Entry) -> str:
    return f"{entry.kind.name} {' '.join(map(str, entry.arguments))}"


def _is_pattern_of_names(argument: GroupReference) -> bool:
    return argument.name.startswith(NAMES) and "\\" in argument.name


def _is_single(argument: Argument) -> bool:
    if isinstance(argument, Word):
        return "\\" not in argument.text or not argument.is_pattern
    if isinstance(argument, NumberRange):
        return argument.first.value == argument.last.value
    if isinstance(argument, AddressRange):
        return argument.first == argument.last
    return isinstance(argument, DomainName)


def find_shadowed(context: LintContext) -> Iterator[Diagnostic]:
    """Entries that other entries of the domain, or of what it uses, make superfluous."""
    indexes: dict[int, _Index] = {}

    def index(entries: EntryList) -> _Index:
        found = indexes.get(id(entries))
        if found is None:
            found = indexes[id(entries)] = _Index(entries)
        return found

    for domain in context.policy.domains.values():
        own = _Index(context.own(domain))
        others = [(entries, index(entries)) for entries in context.used(domain)]
        yield from _shadowed(context, context.own(domain), own, others)
    for entries in context.shared_lists():
        yield from _shadowed(context, entries, index(entries), [])


def _shadowed(
    context: LintContext, entries: EntryList, own: _Index, others: list[tuple[EntryList, _Index]]
) -> Iterator[Diagnostic]:
    groups = context.groups(entries.namespace)
    for held in own.held.values():
        argument = held.entry.arguments[_INDEXED.get(held.entry.kind, 0)]
        members: list[str] = []
        if isinstance(argument, GroupReference):
            members = context.path_members(entries.namespace, argument.name)
        shadows: list[tuple[str, _Held, str]] = []
        for operation in held.entry.operations:
            for title, candidates in (("", own), *((each.title, found) for each, found in others)):
                before = not title
                shadow = next(
                    (
                        wide
                        for wide in candidates.candidates(held, operation, groups, members)
                        if wide is not held and _takes_over(wide, held, operation, groups, members, own_list=before)
                    ),
                    None,
                )
                if shadow is not None:
                    shadows.append((operation, shadow, title))
                    break
            else:
                break
        else:
            yield _finding(context, held, shadows)


def _finding(context: LintContext, held: _Held, shadows: list[tuple[str, _Held, str]]) -> Diagnostic:
    told = dict.fromkeys((shadow.entry.text, title, shadow.placed.line) for _, shadow, title in shadows)
    by = " and ".join(f"'{text}' {f'of {title}' if title else f'in line {line}'}" for text, title, line in list(told)[:2])
    reason = f"'{held.entry}' adds nothing to {by}"
    see = list(dict.fromkeys(shadow.placed for _, shadow, _ in shadows))[:2]
    return context.finding("shadowed", held.placed, reason, entry=held.entry.text, see=see)


def _takes_over(wide: _Held, held: _Held, operation: str, groups: Groups, members: list[str], *, own_list: bool) -> bool:
    """Whether WIDE grants all that HELD does for OPERATION, and nothing hangs on which of the two is found first."""
    earlier = own_list and wide.order < held.order
    if not earlier:
        logs = [each.entry.condition.grant_log if each.entry.condition else None for each in (wide, held)]
        if operation == "execute" or logs[0] is not logs[1]:
            return False
    if wide.entry.kind is not held.entry.kind or not _arguments_cover(wide.entry, held.entry, groups, members):
        return False
    # Two that say the same must not each be told to go because of the other.
    same = own_list and wide.tests == held.tests and not earlier and _arguments_cover(held.entry, wide.entry, groups, [])
    return not same


def _arguments_cover(wide: Entry, narrow: Entry, groups: Groups, members: list[str]) -> bool:
    return all(
        _argument_covers(one, other, groups, members if position == _INDEXED.get(narrow.kind, 0) else [])
        for position, (one, other) in enumerate(zip(wide.arguments, narrow.arguments))
    )


def _argument_covers(wide: Argument, narrow: Argument, groups: Groups, members: list[str]) -> bool:
    if isinstance(narrow, GroupReference):
        if isinstance(wide, GroupReference):
            # A name with a pattern stands for all files of its package that match it, whatever these are.
            return wide.name == narrow.name or (_is_pattern_of_names(wide) and covers(wide.name, narrow.name))
        if isinstance(wide, Word) and 0 < len(members) <= _MEMBERS:
            return all("\\-" not in member and covers(wide.text, member) for member in members)
        return False
    if isinstance(narrow, NumberRange):
        if isinstance(wide, NumberRange):
            return wide.first.value <= narrow.first.value and narrow.last.value <= wide.last.value
        single = narrow.first.value == narrow.last.value
        return isinstance(wide, GroupReference) and single and groups.has_number(wide.name, narrow.first.value)
    if isinstance(narrow, AddressRange):
        if isinstance(wide, AddressRange):
            return len(wide.first) == len(narrow.first) and wide.first <= narrow.first and narrow.last <= wide.last
        return isinstance(wide, GroupReference) and narrow.first == narrow.last and groups.has_address(wide.name, narrow.first)
    if isinstance(narrow, Word):
        if isinstance(wide, GroupReference):
            return not narrow.is_pattern and groups.path_member(wide.name, narrow.text) is not None
        return isinstance(wide, Word) and covers(wide.text, narrow.text)
    return wide == narrow

"""Who may do what: the domains that a policy lets do something, and how a process gets into each.

Conditions hang on who asks and when, so an entry counts whatever its condition
says; it is given with it.  One that names files as the kernel never does
counts for nothing.  A domain that is not in enforcing mode may do
anything but choose its domain.  Domains that execve would create on the way
are not followed: they have no entries of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..decision.engine import DecisionEngine
from ..decision.groups import Groups
from ..decision.impossible_requests import name_fault
from ..decision.requests import Request, functionality_of
from ..decision.transition import TransitionRules, destination
from ..model.addresses import AddressRange
from ..model.domains import Domain
from ..model.entries import ArgumentType, Entry, GroupKind, Kind
from ..model.errors import InvalidValueError
from ..model.profiles import Mode
from ..model.words import NAMES, DomainName, GroupReference
from .question import Question, question_of

__all__ = ["Access", "Chains", "Step", "who_may"]


@dataclass(frozen=True, slots=True)
class Step:
    """A domain on the way to another.

    Attributes: ``entry``, what lets the domain before execute, or choose, what
    leads here: None at the beginning, and where that domain is not enforced.
    """

    domain: DomainName
    entry: Entry | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether a process goes here by its own will, without an execution."""
        return self.entry is not None and self.entry.kind is Kind.TRANSITION

    def __str__(self) -> str:
        return self.domain.text


@dataclass(frozen=True, slots=True)
class Access:
    """A domain that may do what was asked.

    Attributes: ``mode``, None where no profiles were given; ``entries``, what
    grants it, each with its acl_group or None, empty where only the mode does;
    ``chain``, the shortest way there from where processes begin, both ends
    included, or None where none leads there; ``other_sockets``, of the entries
    those that reach a host only by an address of the other family than asked.
    """

    domain: DomainName
    mode: Mode | None
    entries: tuple[tuple[int | None, Entry], ...]
    chain: tuple[Step, ...] | None
    other_sockets: frozenset[Entry] = frozenset()


def who_may(engine: DecisionEngine, question: Question | Request) -> Iterator[Access]:
    """The domains that may do what QUESTION asks about, in the policy's order, each as an `Access`.

    Arguments:
        engine: the policy that is asked.
        question: a request, as `parse_request` reads it; or what `parse_question` of ``tomoyo.analysis.question``
            reads, which may leave arguments open or have ranges and several operations.

    Raises InvalidValueError where it is called with anything else.
    """
    if isinstance(question, Request):
        question = question_of(question, names=engine.names)
    if not isinstance(question, Question):
        raise InvalidValueError(f"who_may takes a Request or a Question, not {type(question).__name__}: see parse_request")
    return _accesses(engine, question)


def _accesses(engine: DecisionEngine, question: Question) -> Iterator[Access]:
    shared: dict[tuple[str, int], tuple[Entry, ...]] = {}
    granting: dict[str, _Granting] = {}
    chains = Chains(engine)
    for domain in engine.domains():
        namespace = domain.name.namespace
        groups = engine.groups(namespace)
        if namespace not in granting:
            granting[namespace] = _Granting(question, groups)
        entries: list[tuple[int | None, Entry]] = [(None, one) for one in granting[namespace](domain.entries)]
        for group in domain.groups:
            if (namespace, group) not in shared:
                held = dict(engine.exceptions(namespace).acl_groups).get(group, ())
                shared[namespace, group] = tuple(granting[namespace](held))
            entries += [(group, entry) for entry in shared[namespace, group]]
        # No mode lets a process choose its domain: that takes an entry.
        modes = [_mode(engine, domain, kind, each) for kind, each in question.operations if kind is not Kind.TRANSITION]
        lax = [mode for mode in modes if mode not in (Mode.ENFORCING, None)]
        if entries or lax:
            other = frozenset(entry for _, entry in entries if not _reaches(entry, question, groups))
            yield Access(domain.name, (lax or modes or [None])[0], tuple(entries), chains.to(domain.name), other)


def unbound(engine: DecisionEngine, question: Question) -> str:
    """Why no program is executed by the package's name that QUESTION is about; empty where one may be.

    That is so where aggregators give programs such names, but none this one.
    """
    for case in question.cases:
        names = [name for _, name in case.wanted if isinstance(name, str) and name.startswith(NAMES)]
        if case.operation != "execute" or not names:
            return ""
        rules = [TransitionRules(engine.exceptions(space)) for space in {domain.name.namespace for domain in engine.domains()}]
        given = any(each.is_aggregate(name) for each in rules for name in names)
        if given or not any(each.gives_names(NAMES) for each in rules):
            return ""
        return f"the kernel never asks for 'file execute {names[0]}': no aggregator gives a program that name"
    return ""


class _Granting:
    """Which entries of a namespace grant what a question asks about, by names for which the kernel asks."""

    def __init__(self, question: Question, groups: Groups) -> None:
        self._question = question
        self._groups = groups
        self._operations = {operation for _, operation in question.operations}
        self._never: dict[tuple[Kind, str, int, str], bool] = {}

    def __call__(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            asked = (each for each in entry.operations if each in self._operations)
            if self._question.granting(entry, self._groups) and any(self._is_asked(entry, operation) for operation in asked):
                yield entry

    def _is_asked(self, entry: Entry, operation: str) -> bool:
        """Whether the kernel may ask for files that ENTRY names when OPERATION is done to them."""
        kind = entry.kind
        if kind.keyword != "file":
            return True
        for place, (argument, wanted) in enumerate(zip(entry.arguments, kind.arguments.values())):
            if wanted is not ArgumentType.NAME:
                continue
            if not isinstance(argument, GroupReference):
                if self._is_never(kind, operation, place, str(argument)):
                    return False
            elif self._is_never_in(kind, operation, place, argument.name):
                return False
        return True

    def _is_never_in(self, kind: Kind, operation: str, place: int, group: str) -> bool:
        """Whether the path group has members, none of which the kernel asks for."""
        key = kind, operation, place, group
        if key not in self._never:
            members = self._groups.paths(group)
            self._never[key] = bool(members) and all(
                self._is_never(kind, operation, place, member, self._question.names if member == group else ())
                for member in members
            )
        return self._never[key]

    def _is_never(self, kind: Kind, operation: str, place: int, name: str, names: Collection[str] = ()) -> bool:
        # A pattern such as pi\* may be of pipes and others that have no path.
        fault = name_fault(kind, operation, place, name, names=names)
        return "\\" not in name.partition("/")[0] and fault is not None


def _reaches(entry: Entry, question: Question, groups: Groups) -> bool:
    """Whether ENTRY, which grants what QUESTION asks about, names an address of those themselves."""
    if ArgumentType.ADDRESS not in entry.kind.arguments.values():
        return True
    address = entry.arguments[0]
    asked = [value for case in question.cases for _, value in case.wanted if isinstance(value, AddressRange)]
    for wanted in asked:
        if isinstance(address, GroupReference):
            if groups.addresses_overlap(address.name, wanted):
                return True
        elif isinstance(address, AddressRange) and address.overlaps(wanted):
            return True
    return not asked


def _mode(engine: DecisionEngine, domain: Domain, kind: Kind, operation: str) -> Mode | None:
    settings = engine.config(domain, functionality_of(kind, operation))
    return settings[1].mode if settings else None


class Chains:
    """The shortest ways from each namespace's root to every domain, found once when first asked."""

    def __init__(self, engine: DecisionEngine) -> None:
        self._engine = engine
        self._from: dict[str, tuple[str, Entry | None]] | None = None
        self._rules: dict[str, TransitionRules] = {}

    def to(self, domain: DomainName | str) -> tuple[Step, ...] | None:
        """The way to DOMAIN, the root first; None where none leads there."""
        if self._from is None:
            self._from = self._search()
        name = DomainName.of(domain).text
        if name not in self._from:
            return None
        way = []
        while True:
            before, entry = self._from[name]
            way.append(Step(DomainName(name), entry))
            if before == name:
                return tuple(reversed(way))
            name = before

    def _search(self) -> dict[str, tuple[str, Entry | None]]:
        """Each domain that can be reached, with the one before it on the way and what lets it; a root with itself."""
        engine = self._engine
        children: dict[str, list[str]] = {}
        for domain in engine.domains():
            parent = domain.name.parent
            if parent is not None:
                children.setdefault(parent.text, []).append(domain.name.text)
        roots = [domain.name.text for domain in engine.domains() if domain.name.parent is None]
        # Only the kernel's own namespace is where processes begin.
        came_from: dict[str, tuple[str, Entry | None]] = {
            name: (name, None) for name in (["<kernel>"] if "<kernel>" in roots else roots)
        }
        waiting = deque(came_from)
        while waiting:
            name = waiting.popleft()
            for following, entry in self._following(name, children):
                if following not in came_from:
                    came_from[following] = (name, entry)
                    waiting.append(following)
        return came_from

    def _following(self, name: str, children: dict[str, list[str]]) -> Iterator[tuple[str, Entry | None]]:
        engine = self._engine
        domain = engine.domain(name)
        if domain is None:
            return
        namespace = domain.name.namespace
        rules = self._rules.get(namespace)
        if rules is None:
            rules = self._rules[namespace] = TransitionRules(engine.exceptions(namespace))
        for _, index in engine.lists(domain):
            for _, entry in index.entries(Kind.PATH, "execute"):
                for path in self._names(entry, namespace):
                    preference = entry.condition.transition if entry.condition else None
                    entered = destination(engine, domain, path, preference, rules).entered
                    if entered is not None:
                        yield entered.text, entry
            for _, entry in index.entries(Kind.TRANSITION, "manual_domain_transition"):
                if engine.domain(str(entry.arguments[0])) is not None:
                    yield str(entry.arguments[0]), entry
        mode = _mode(engine, domain, Kind.PATH, "execute")
        if mode not in (Mode.ENFORCING, None):
            # It may execute anything; where to, its existing children and the rules for all programs say.
            for child in children.get(name, ()):
                yield child, None
            for control in engine.exceptions(namespace).transitions:
                if control.program is not None and not control.keyword.startswith("no_"):
                    entered = destination(engine, domain, control.program.text, None, rules).entered
                    if entered is not None:
                        yield entered.text, None

    def _names(self, entry: Entry, namespace: str) -> list[str]:
        argument = entry.arguments[0]
        if not isinstance(argument, GroupReference):
            return [str(argument)]
        group = self._engine.exceptions(namespace).group(GroupKind.PATH, argument.name)
        return [str(member) for member in group.members] if group else []

"""Who may do what: the domains that a policy lets do something, and how a process gets into each.

Conditions hang on who asks and when, so an entry counts whatever its condition
says; it is given with it.  A domain that is not in enforcing mode may do
anything.  Domains that execve would create on the way are not followed: they
have no entries of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..decision.engine import DecisionEngine
from ..decision.groups import Groups
from ..decision.index import argument_matches, asked_as
from ..decision.requests import functionality_of
from ..decision.transition import TransitionRules, destination
from ..model.domains import Domain
from ..model.entries import Entry, GroupKind, Kind
from ..model.profiles import Mode
from ..model.words import DomainName, GroupReference


@dataclass(frozen=True, slots=True)
class Access:
    """A domain that may do what was asked.

    Attributes: ``mode``, None where no profiles were given; ``entries``, what
    grants it, each with its acl_group or None, empty where only the mode does;
    ``chain``, the domains on the shortest way there from its namespace's root,
    both included, or None where no execution leads there.
    """

    domain: DomainName
    mode: Mode | None
    entries: tuple[tuple[int | None, Entry], ...]
    chain: tuple[DomainName, ...] | None


def operations(name: str) -> list[tuple[Kind, str]]:
    """The kinds that have an operation NAME, which may be ``open`` for all ways to open a file.

    Raises ValueError where none has.
    """
    names = ("read", "write", "append") if name == "open" else (name,)
    found = [(kind, each) for each in names for kind in Kind if each in kind.operations and each not in kind.unasked]
    if not found:
        known = sorted({operation for kind in Kind for operation in kind.operations if operation not in kind.unasked})
        raise ValueError(f"no operation {name}; there are {', '.join(known)}")
    return found


def who_may(engine: DecisionEngine, operation: str, name: str) -> Iterator[Access]:
    """The domains that may do OPERATION with NAME (a path, an address' name, a variable), in the policy's order.

    For operations with two paths, NAME may be either.  Raises ValueError for
    an operation that there is not.
    """
    kinds = operations(operation)
    shared: dict[tuple[str, int], tuple[Entry, ...]] = {}
    chains = Chains(engine)
    for domain in engine.domains():
        namespace = domain.name.namespace
        groups = engine.groups(namespace)
        entries: list[tuple[int | None, Entry]] = [(None, entry) for entry in _granting(domain.entries, kinds, name, groups)]
        for group in domain.groups:
            if (namespace, group) not in shared:
                held = dict(engine.exceptions(namespace).acl_groups).get(group, ())
                shared[namespace, group] = tuple(_granting(held, kinds, name, groups))
            entries += [(group, entry) for entry in shared[namespace, group]]
        modes = [_mode(engine, domain, kind, each) for kind, each in kinds]
        lax = [mode for mode in modes if mode not in (Mode.ENFORCING, None)]
        if entries or lax:
            yield Access(domain.name, lax[0] if lax else modes[0], tuple(entries), chains.to(domain.name))


def _granting(entries: Iterable[Entry], kinds: list[tuple[Kind, str]], name: str, groups: Groups) -> Iterator[Entry]:
    for entry in entries:
        if any(asked_as(entry.kind) is asked_as(kind) and operation in entry.operations for kind, operation in kinds):
            named = entry.arguments[:2] if entry.kind is Kind.TWO_PATHS or entry.kind is Kind.MOUNT else entry.arguments[:1]
            if not entry.kind.keyword.startswith("network inet") and any(argument_matches(a, name, groups) for a in named):
                yield entry


def _mode(engine: DecisionEngine, domain: Domain, kind: Kind, operation: str) -> Mode | None:
    settings = engine.config(domain, functionality_of(kind, operation))
    return settings[1].mode if settings else None


class Chains:
    """The shortest ways from each namespace's root to every domain, found once when first asked."""

    def __init__(self, engine: DecisionEngine) -> None:
        self._engine = engine
        self._from: dict[str, str] | None = None
        self._rules: dict[str, TransitionRules] = {}

    def to(self, domain: DomainName) -> tuple[DomainName, ...] | None:
        """The domains on the way to DOMAIN, the root first; None where no execution leads there."""
        if self._from is None:
            self._from = self._search()
        name = domain.text
        if name not in self._from:
            return None
        way = [name]
        while self._from[name] != name:
            name = self._from[name]
            way.append(name)
        return tuple(map(DomainName, reversed(way)))

    def _search(self) -> dict[str, str]:
        """Each domain that can be reached, with the one before it on the way; a root with itself."""
        engine = self._engine
        children: dict[str, list[str]] = {}
        for domain in engine.domains():
            parent = domain.name.parent
            if parent is not None:
                children.setdefault(parent.text, []).append(domain.name.text)
        came_from = {domain.name.text: domain.name.text for domain in engine.domains() if domain.name.parent is None}
        # Only the kernel's own namespace is where processes begin.
        if "<kernel>" in came_from:
            came_from = {"<kernel>": "<kernel>"}
        waiting = deque(came_from)
        while waiting:
            name = waiting.popleft()
            for following in self._following(name, children):
                if following not in came_from:
                    came_from[following] = name
                    waiting.append(following)
        return came_from

    def _following(self, name: str, children: dict[str, list[str]]) -> Iterator[str]:
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
                        yield entered.text
        mode = _mode(engine, domain, Kind.PATH, "execute")
        if mode not in (Mode.ENFORCING, None):
            # It may execute anything; where to, its existing children and the rules for all programs say.
            yield from children.get(name, ())
            for control in engine.exceptions(namespace).transitions:
                if control.program is not None and not control.keyword.startswith("no_"):
                    entered = destination(engine, domain, control.program.text, None, rules).entered
                    if entered is not None:
                        yield entered.text

    def _names(self, entry: Entry, namespace: str) -> list[str]:
        argument = entry.arguments[0]
        if not isinstance(argument, GroupReference):
            return [str(argument)]
        group = self._engine.exceptions(namespace).group(GroupKind.PATH, argument.name)
        return [str(member) for member in group.members] if group else []

"""The exception policy: transition control, aggregators, groups and shared entries.

Each namespace has its own; ``<kernel>`` always exists and comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .addresses import AddressRange
from .domains import merge_entries
from .entries import Entry, GroupKind
from .errors import InvalidValueError
from .numbers import NumberRange
from .words import KERNEL, DomainName, UncheckedWord, Word, is_namespace, quoted

__all__ = ["Aggregator", "ExceptionPolicy", "Group", "Member", "NamespaceExceptions", "TransitionControl"]

#: Transition control keywords, in the order in which the kernel consults them.
TRANSITION_CONTROLS = (
    "no_reset_domain",
    "reset_domain",
    "no_initialize_domain",
    "initialize_domain",
    "no_keep_domain",
    "keep_domain",
)


@dataclass(frozen=True, slots=True)
class TransitionControl:
    """``KEYWORD PROGRAM from DOMAIN``; None stands for ``any``.

    A domain given as a path (a Word) means every domain whose last word it is.
    """

    keyword: str
    program: Word | None = None
    domain: DomainName | Word | None = None

    def __post_init__(self) -> None:
        if self.keyword not in TRANSITION_CONTROLS:
            raise InvalidValueError(f"no transition control: {quoted(self.keyword)}")
        for word in (self.program, self.domain):
            if isinstance(word, Word) and not word.is_path:
                raise InvalidValueError(f"not a path: {word}")

    def __str__(self) -> str:
        program = "any" if self.program is None else self.program
        return f"{self.keyword} {program} from {'any' if self.domain is None else self.domain}"


@dataclass(frozen=True, slots=True)
class Aggregator:
    """``aggregator PATTERN NAME``: a program that matches PATTERN is executed as NAME."""

    pattern: Word
    name: Word

    def __post_init__(self) -> None:
        if not self.name.is_path or self.name.is_pattern:
            raise InvalidValueError(f"an aggregator's name is a path without patterns, not {self.name}")

    def __str__(self) -> str:
        return f"aggregator {self.pattern} {self.name}"


Member = Word | UncheckedWord | NumberRange | AddressRange


@dataclass(frozen=True, slots=True)
class Group:
    """A path, number or address group: its name and members."""

    kind: GroupKind
    name: Word
    members: tuple[Member, ...] = ()

    def lines(self) -> list[str]:
        """One line for each member."""
        return [f"{self.kind.value} {self.name} {member}" for member in self.members]


@dataclass(frozen=True, slots=True)
class NamespaceExceptions:
    """One namespace's exception policy, each part in the kernel's order.

    ``acl_groups`` maps numbers to entries, ascending, empty ones left out.
    """

    namespace: str = KERNEL
    transitions: tuple[TransitionControl, ...] = ()
    aggregators: tuple[Aggregator, ...] = ()
    groups: tuple[Group, ...] = ()
    acl_groups: tuple[tuple[int, tuple[Entry, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not is_namespace(self.namespace):
            raise InvalidValueError(f"not a namespace: {quoted(self.namespace)}")

    def __repr__(self) -> str:
        return f"<NamespaceExceptions {self.namespace}: lines: {len(self.lines())}>"

    def lines(self) -> list[str]:
        """The lines that the kernel prints, without a namespace before them."""
        lines = [str(transition) for transition in self.transitions]
        lines += [str(aggregator) for aggregator in self.aggregators]
        for kind in GroupKind:
            for group in self.groups:
                if group.kind is kind:
                    lines += group.lines()
        for number, entries in self.acl_groups:
            lines += [f"acl_group {number} {entry.text}" for entry in entries]
        return lines

    def group(self, kind: GroupKind, name: str) -> Group | None:
        """The group of KIND called NAME, or None."""
        return next((g for g in self.groups if g.kind is kind and g.name.text == name), None)

    def merged(self, other: NamespaceExceptions) -> NamespaceExceptions:
        """All of both, duplicates once."""
        groups = {(group.kind, group.name): group for group in self.groups}
        for group in other.groups:
            held = groups.get((group.kind, group.name))
            members = group.members if held is None else (*held.members, *group.members)
            groups[group.kind, group.name] = replace(group, members=tuple(dict.fromkeys(members)))
        acl_groups = dict(self.acl_groups)
        for number, entries in other.acl_groups:
            acl_groups[number] = merge_entries((*acl_groups.get(number, ()), *entries))
        return NamespaceExceptions(
            self.namespace,
            tuple(dict.fromkeys(self.transitions + other.transitions)),
            tuple(dict.fromkeys(self.aggregators + other.aggregators)),
            tuple(groups.values()),
            tuple(sorted(acl_groups.items())),
        )


@dataclass(frozen=True, slots=True)
class ExceptionPolicy:
    """The exception policies of all namespaces, in the order of their creation.

    ``named`` tells whether every line says its namespace, as the kernel's do
    once there is a second one, though that may have no lines here.
    """

    namespaces: tuple[NamespaceExceptions, ...] = (NamespaceExceptions(),)
    named: bool = False

    def __post_init__(self) -> None:
        if len(self.namespaces) > 1:
            object.__setattr__(self, "named", True)

    def __repr__(self) -> str:
        return f"<ExceptionPolicy: namespaces: {len(self.namespaces)}>"

    def __iter__(self) -> Iterator[NamespaceExceptions]:
        return iter(self.namespaces)

    def namespace(self, name: str = KERNEL) -> NamespaceExceptions | None:
        """The part of namespace NAME, or None."""
        return next((part for part in self.namespaces if part.namespace == name), None)

    def with_namespace(self, part: NamespaceExceptions) -> ExceptionPolicy:
        """Put PART in the place of the one of its namespace, or at the end."""
        parts = {held.namespace: held for held in self.namespaces}
        parts[part.namespace] = part
        return ExceptionPolicy(tuple(parts.values()), self.named)

    def merged(self, other: ExceptionPolicy) -> ExceptionPolicy:
        """All of this policy and of OTHER, namespace by namespace."""
        result = self
        for part in other.namespaces:
            held = self.namespace(part.namespace)
            result = result.with_namespace(part if held is None else held.merged(part))
        return result

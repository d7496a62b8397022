"""Executed words: the words of a policy that stand for an executed program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...model.conditions import TRANSITION_KEYWORDS
from ...model.domains import DomainPolicy
from ...model.entries import Entry, GroupKind, Kind
from ...model.exception_policy import (
    ExceptionPolicy,
)
from ...model.words import DomainName, GroupReference, Word

__all__ = ["executed_groups", "executed_words"]


def executed_words(domains: DomainPolicy, exceptions: ExceptionPolicy | None) -> Iterator[str]:
    """Every word of a policy that stands for an executed program."""
    shared: list[Iterable[Entry]] = [domain.entries for domain in domains]
    for domain in domains:
        yield from _programs(domain.name)
    groups = executed_groups(domains, exceptions)
    for part in exceptions or ():
        yield from _programs(DomainName(part.namespace))
        for control in part.transitions:
            for word in (control.program, control.domain):
                yield from _programs(word)
        for aggregator in part.aggregators:
            yield aggregator.name.text
            if not aggregator.pattern.is_pattern:
                yield aggregator.pattern.text
        for group in part.groups:
            if (part.namespace, group.name.text) in groups and group.kind is GroupKind.PATH:
                yield from (member.text for member in group.members if isinstance(member, Word))
        shared += [entries for _, entries in part.acl_groups]
    for entries in shared:
        for entry in entries:
            if entry.kind is Kind.TRANSITION:
                yield from _programs(entry.arguments[0])
            elif entry.kind is Kind.PATH and "execute" in entry.operations:
                yield from _programs(entry.arguments[0])
                if entry.condition is not None:
                    yield from _programs(entry.condition.transition)


def _programs(value: object) -> Iterator[str]:
    if isinstance(value, DomainName):
        namespace, *programs = value.text.split(" ")
        if "/" in namespace:
            yield namespace[1:-1]
        yield from programs
    elif isinstance(value, Word) and value.text not in TRANSITION_KEYWORDS:
        yield value.text


def executed_groups(domains: DomainPolicy, exceptions: ExceptionPolicy | None) -> set[tuple[str, str]]:
    """Namespace and name of each group that a ``file execute`` names."""
    held = [(domain.name.namespace, domain.entries) for domain in domains]
    held += [(part.namespace, entries) for part in exceptions or () for _, entries in part.acl_groups]
    return {
        (namespace, entry.arguments[0].name)
        for namespace, entries in held
        for entry in entries
        if entry.kind is Kind.PATH and isinstance(entry.arguments[0], GroupReference) and "execute" in entry.operations
    }

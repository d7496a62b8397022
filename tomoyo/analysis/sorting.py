"""Sorting a policy so that two of them can be compared, without changing what it means.

Order counts in a few places, because the first match wins: it decides on
logging (``grant_log``), and for ``file execute`` on the domain to enter.
There, entries keep the order that they have among themselves.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

from ..model.addresses import AddressRange
from ..model.domains import Domain, DomainPolicy
from ..model.entries import Entry
from ..model.exception_policy import (
    TRANSITION_CONTROLS,
    Aggregator,
    ExceptionPolicy,
    Group,
    Member,
    NamespaceExceptions,
)
from ..model.managers import ManagerPolicy
from ..model.numbers import NumberRange
from ..model.words import KERNEL, UncheckedWord, Word

__all__ = ["sort_domain_policy", "sort_exception_policy", "sort_managers"]

_EXECUTE = "file execute"
_text = attrgetter("text")


def sort_domain_policy(policy: DomainPolicy) -> DomainPolicy:
    """Domains by name (``<kernel>`` ones first), and the entries of each."""
    domains = sorted(policy.domains, key=_domain_key)
    return DomainPolicy(tuple(replace(domain, entries=sort_entries(domain.entries)) for domain in domains))


def _domain_key(domain: Domain) -> tuple[bool, list[str]]:
    return domain.name.namespace != KERNEL, domain.name.text.split(" ")


def sort_entries(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """ENTRIES by their text, as far as their order does not count."""
    ordered = sorted(entries, key=_text)
    if not any(text.startswith(_EXECUTE) or " grant_log=" in text for text in map(_text, ordered)):
        return tuple(ordered)
    logged = {entry.kind for entry in entries if entry.condition and entry.condition.grant_log is not None}
    executed = [entry.arguments[0] for entry in entries if entry.text.startswith(_EXECUTE)]
    literal = all(type(name) is Word and not name.is_pattern for name in executed)

    def key(entry: Entry) -> str:
        if entry.kind in logged:
            # One key for the whole kind, so that the stable sort keeps its order.
            return f"{entry.kind.keyword} {entry.kind.operations[0]}"
        if entry.text.startswith(_EXECUTE):
            return f"{_EXECUTE} {entry.arguments[0]}" if literal else _EXECUTE
        return entry.text

    return tuple(sorted(entries, key=key))


def sort_exception_policy(policy: ExceptionPolicy) -> ExceptionPolicy:
    """Each namespace's lines by their text, as far as their order does not count."""
    first, *others = policy.namespaces
    others.sort(key=lambda part: part.namespace)
    return ExceptionPolicy(tuple(map(_sort_namespace, (first, *others))), policy.named)


def _sort_namespace(part: NamespaceExceptions) -> NamespaceExceptions:
    controls = {keyword: position for position, keyword in enumerate(TRANSITION_CONTROLS)}
    return NamespaceExceptions(
        part.namespace,
        tuple(sorted(part.transitions, key=lambda t: (controls[t.keyword], str(t)))),
        _sort_aggregators(part.aggregators),
        tuple(sorted(map(_sort_group, part.groups), key=lambda group: group.name.text)),
        tuple((number, sort_entries(entries)) for number, entries in part.acl_groups),
    )


def _sort_aggregators(aggregators: tuple[Aggregator, ...]) -> tuple[Aggregator, ...]:
    # The first whose pattern matches wins: names can be sorted, patterns cannot.
    if any(aggregator.pattern.is_pattern for aggregator in aggregators):
        return aggregators
    return tuple(sorted(aggregators, key=lambda aggregator: aggregator.pattern.text))


def _sort_group(group: Group) -> Group:
    # A program executed through a group takes the name of the first member that matches.
    if any(isinstance(m, UncheckedWord) or (isinstance(m, Word) and m.is_pattern) for m in group.members):
        return group
    return replace(group, members=tuple(sorted(group.members, key=_member_key)))


def _member_key(member: Member) -> tuple[int, bytes, bytes, str]:
    if isinstance(member, NumberRange):
        first, last = (n.value.to_bytes(8, "big") for n in (member.first, member.last))
        return 0, first, last, str(member)
    if isinstance(member, AddressRange):
        return len(member.first), member.first, member.last, ""
    return 0, b"", b"", member.text


def sort_managers(policy: ManagerPolicy) -> ManagerPolicy:
    """Managers by name."""
    return replace(policy, managers=tuple(sorted(policy.managers, key=str)))

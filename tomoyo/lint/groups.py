"""Lint: groups, modules and aggregators that are named and not there, or there and not named."""

from __future__ import annotations

from collections.abc import Iterator

from ..decision.containment import NameIndex
from ..decision.groups import Groups
from ..model.diagnostics import Diagnostic
from ..model.entries import Entry, GroupKind, Kind
from ..model.exception_policy import NamespaceExceptions
from ..model.words import NAMES, DomainName, Word
from ..syntax.policy_text import Located, TextKind
from .context import LintContext


def find_group_faults(context: LintContext) -> Iterator[Diagnostic]:
    """Groups that are undefined or unused."""
    named = context.references()
    if context.policy.has(TextKind.EXCEPTION):
        for (namespace, kind, name), places in named.items():
            bound = kind is GroupKind.PATH and name.startswith(NAMES)
            if not bound and not context.members(kind, namespace, name):
                for placed in places:
                    reason = f"there is no {kind.value} {name} in {namespace}, so '{placed.value}' grants nothing"
                    yield context.finding("undefined-group", placed, reason, word=f"@{name}", entry=str(placed.value))
    if context.policy.has(TextKind.DOMAIN):
        yield from _unused_groups(context, named)


def _unused_groups(context: LintContext, named: dict[tuple[str, GroupKind, str], list[Located[Entry]]]) -> Iterator[Diagnostic]:
    told: set[tuple[str, GroupKind, str]] = set()
    for part in context.policy.namespaces.values():
        for placed in part.members:
            kind, name = placed.value.kind, placed.value.name.text
            key = (part.name, kind, name)
            if key in named or key in told or (kind is GroupKind.PATH and name.startswith(NAMES)):
                continue
            told.add(key)
            yield context.finding("unused-group", placed, f"no entry names {kind.value} {name}", word=name)


def find_shared_faults(context: LintContext) -> Iterator[Diagnostic]:
    """acl_groups and modules that are undefined or unused."""
    policy = context.policy
    used: set[tuple[str, int | str]] = set()
    for domain in policy.domains.values():
        for placed in domain.groups:
            name, namespace = placed.value, domain.name.namespace
            if isinstance(name, str):
                used.add(("", name))
                if name not in policy.modules:
                    remedy = (
                        "" if policy.modules else "judge the policy source as a whole: give its directory, with modules/ in it"
                    )
                    yield context.finding("undefined-module", placed, f"there is no module {name}", word=name, remedy=remedy)
            else:
                used.add((namespace, name))
                part = policy.namespaces.get(namespace)
                if policy.has(TextKind.EXCEPTION) and (part is None or not part.shared.get(name)):
                    reason = f"there is no acl_group {name} in {namespace}"
                    yield context.finding("undefined-acl-group", placed, reason, word=str(name))
    if not policy.has(TextKind.DOMAIN):
        return
    for part in policy.namespaces.values():
        for number, entries in part.shared.items():
            if (part.name, number) not in used:
                yield context.finding("unused-acl-group", entries[0], f"no domain of {part.name} uses acl_group {number}")
    for module, text in policy.module_texts.items():
        if ("", module) not in used:
            yield context.finding("unused-module", Located(None, text, 1), f"no domain uses module {module}")


def find_unused_aggregators(context: LintContext) -> Iterator[Diagnostic]:
    """Aggregators to names for which there is nothing."""
    policy = context.policy
    if not policy.has(TextKind.DOMAIN):
        return
    patterns = [placed for part in policy.namespaces.values() for placed in part.aggregators]
    if not patterns:
        return
    names = {program for domain in policy.domains.values() for program in domain.name.programs}
    for part in policy.namespaces.values():
        controls = [placed.value for placed in part.transitions]
        names.update(str(word) for control in controls for word in (control.program, control.domain) if isinstance(word, Word))
        names.update(str(placed.value.member) for placed in part.members)
    executed: list[str] = []
    for entries in context.lists():
        for placed in entries.entries:
            entry: Entry = placed.value
            if entry.kind is Kind.PATH and "execute" in entry.operations:
                argument = entry.arguments[0]
                if isinstance(argument, Word):
                    (executed.append if argument.is_pattern else names.add)(argument.text)
            if entry.condition is not None and isinstance(entry.condition.transition, (Word, DomainName)):
                names.update(str(entry.condition.transition).split(" "))
    found: NameIndex[str] = NameIndex(Groups(NamespaceExceptions()))
    for text in executed:
        found.add_name(text, text)
    for aggregator in patterns:
        name = aggregator.value.name.text
        if name not in names and not name.startswith(NAMES) and next(found.find(name), None) is None:
            yield context.finding(
                "unused-aggregator", aggregator, f"nothing is said about {name}", word=name, entry=str(aggregator.value)
            )

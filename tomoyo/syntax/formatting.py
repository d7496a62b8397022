"""Writing values as text, byte for byte as the kernel prints them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # so that writing one kind of policy does not load the others
    from ..model.domains import Domain, DomainPolicy
    from ..model.exception_policy import ExceptionPolicy
    from ..model.managers import ManagerPolicy
    from ..model.profiles import ProfilePolicy
    from ..model.records import AuditRecord, Query
    from ..model.stat import Stat

__all__ = [
    "format_audit",
    "format_domain_policy",
    "format_exception_policy",
    "format_manager",
    "format_profile",
    "format_query",
    "format_stat",
]


#: A kernel knows groups by their numbers.
NO_MODULES: Mapping[int, str] = MappingProxyType({})


class _Part(Protocol):
    @property
    def namespace(self) -> str: ...

    def lines(self) -> list[str]: ...


def format_domain(domain: Domain, modules: Mapping[int, str] = NO_MODULES) -> str:
    """One domain: name, profile, flags, groups, those of MODULES by their names, a blank line, entries, a blank line."""
    head = [domain.name.text, f"use_profile {domain.profile}"]
    if domain.quota_exceeded:
        head.append("quota_exceeded")
    if domain.transition_failed:
        head.append("transition_failed")
    head += [f"use_group {modules.get(group, group)}" for group in domain.groups]
    return "\n".join([*head, "", *(entry.text for entry in domain.entries), "", ""])


def format_domain_policy(policy: DomainPolicy) -> str:
    """The text of POLICY as the kernel prints it; `parse_domain_policy` reads it back."""
    return "".join(map(format_domain, policy.domains))


def _format_parts(parts: Iterable[_Part], named: bool) -> str:
    return "".join(f"{part.namespace} {line}\n" if named else f"{line}\n" for part in parts for line in part.lines())


def format_exception_policy(policy: ExceptionPolicy) -> str:
    """The text of POLICY as the kernel prints it; `parse_exception_policy` reads it back."""
    return _format_parts(policy.namespaces, policy.named)


def format_profile(policy: ProfilePolicy) -> str:
    """The text of POLICY as the kernel prints it; with a second namespace every line says which one it belongs to."""
    return _format_parts(policy.namespaces, named=len(policy.namespaces) > 1)


def format_manager(policy: ManagerPolicy) -> str:
    """The text of POLICY as the kernel prints it, and ``manage_by_non_root``, which a kernel takes but does not print."""
    lines = [str(manager) for manager in policy.managers]
    if policy.manage_by_non_root:
        lines.append("manage_by_non_root")
    return "".join(f"{line}\n" for line in lines)


def format_stat(stat: Stat) -> str:
    """The text of STAT, a report or settings, as `parse_stat` reads it."""
    return "".join(f"{line}\n" for line in stat.lines())


def format_audit(records: Iterable[AuditRecord]) -> str:
    """The text of RECORDS as the kernel writes it, each ended by a NUL byte; `parse_audit` reads it back."""
    return "".join(f"{record}\0" for record in records)


def format_query(queries: Iterable[Query]) -> str:
    """The text of QUERIES, each ended by a NUL byte."""
    return "".join(f"{query}\0" for query in queries)

"""The text of a policy source: modules by their names, where a kernel knows a number alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...model.domains import DomainPolicy
from ...model.exception_policy import (
    ExceptionPolicy,
)
from ...syntax.formatting import format_domain, format_exception_policy
from ...syntax.policy_text import PolicyText, TextKind, format_text
from ...syntax.statements import (
    Statement,
    UseGroup,
    UseModule,
)
from .naming import Named

__all__ = ["format_named", "format_source_domains", "without_modules"]


def format_source_domains(domains: DomainPolicy, modules: Mapping[str, int]) -> str:
    """The text of DOMAINS as a policy source says it: ``use_group base``, where the kernel knows a number alone.

    Arguments:
        modules: the number of each module, as in the manifest of the set that the
            kernel held.  A number that is no module's stays.
    """
    names = {number: name for name, number in modules.items()}
    return "".join(format_domain(domain, names) for domain in domains)


def format_named(named: Named, source: PolicyText, modules: Mapping[str, int]) -> str:
    """The text of NAMED that is of the kind of SOURCE, which it was made of, with the comments of that.

    Arguments:
        modules: as for `format_source_domains`.
    """
    names = {number: name for name, number in modules.items()}

    def renamed(said: Statement, namespace: str) -> Statement | None:
        if isinstance(said, UseGroup) and said.group in names:
            return UseModule(names[said.group])
        return named.renamed(said, namespace)

    if source.kind is TextKind.DOMAIN:
        text = format_source_domains(named.domains, modules)
    else:
        text = format_exception_policy(without_modules(named.exceptions or ExceptionPolicy(), modules))
    return format_text(source, text, renamed=renamed)


def without_modules(exceptions: ExceptionPolicy, modules: Mapping[str, int]) -> ExceptionPolicy:
    """EXCEPTIONS without the acl_groups that are modules: a policy source says them elsewhere.

    Arguments:
        modules: as for `format_source_domains`.
    """
    numbers = set(modules.values())
    parts = (
        replace(part, acl_groups=tuple((number, held) for number, held in part.acl_groups if number not in numbers))
        for part in exceptions
    )
    return replace(exceptions, namespaces=tuple(parts))

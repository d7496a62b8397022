"""Transitions into a domain of another namespace, which the kernel does not create.

Within a namespace a program enters a domain that comes into being with it.
Another namespace has profiles and groups of its own, so there the kernel
creates nothing, and where the domain does not exist the execution fails with
ENOMEM, in whatever mode (tomoyo_assign_domain() and
tomoyo_find_next_domain() in security/tomoyo/domain.c).  ``reset_domain any``
alone thus stops every program of a system, the first one included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..model.domains import DomainPolicy
from ..model.entries import Entry, Kind
from ..model.exception_policy import ExceptionPolicy, TransitionControl
from ..model.words import DomainName, Word


@dataclass(frozen=True, slots=True)
class MissingDomain:
    """A rule that sends programs to a domain which is not there.

    Attributes:
        namespace: whose rule it is.
        rule: the rule.
        domain: the domain's name; None where each program would need its own.
    """

    namespace: str
    rule: TransitionControl | Entry
    domain: str | None

    @property
    def reason(self) -> str:
        """What is wrong, in words."""
        if self.domain is None:
            return "every program would need a namespace and a domain of its own, and execution fails where they are not defined"
        return f"the domain {self.domain} is not defined, and the kernel does not create it, so execution fails"


def missing_domains(domains: DomainPolicy, exceptions: ExceptionPolicy) -> Iterator[MissingDomain]:
    """Find the rules whose transitions always fail, in the order of the policy.

    A ``reset_domain`` that another line switches off for some programs counts
    as well; one that has to do with a pattern does not, since what it leads to
    is not known.
    """
    known = {domain.name.text for domain in domains}
    for part in exceptions:
        for control in part.transitions:
            if control.keyword != "reset_domain":
                continue
            if control.program is None:
                yield MissingDomain(part.namespace, control, None)
            elif f"<{control.program}>" not in known:
                yield MissingDomain(part.namespace, control, f"<{control.program}>")
        for _, entries in part.acl_groups:
            yield from _missing_for(entries, part.namespace, known)
    for domain in domains:
        yield from _missing_for(domain.entries, domain.name.namespace, known)


def _missing_for(entries: tuple[Entry, ...], namespace: str, known: set[str]) -> Iterator[MissingDomain]:
    for entry in entries:
        if entry.condition is None or entry.kind is not Kind.PATH or entry.condition.transition is None:
            continue
        target, program = entry.condition.transition, entry.arguments[0]
        if isinstance(target, DomainName):
            if target.namespace != namespace and target.text not in known:
                yield MissingDomain(namespace, entry, target.text)
        # A rule's own path, pattern included, becomes the name.
        elif target.text == "reset" and isinstance(program, Word) and f"<{program}>" not in known:
            yield MissingDomain(namespace, entry, f"<{program}>")

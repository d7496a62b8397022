"""Domains that a policy does not have: names like theirs, and what the kernel would create.

A domain that is not defined is no error to a kernel: a process that gets there
creates it, without entries, with profile and groups of the domain that it
comes from.  Whoever asks about one has most likely misspelt it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..decision.engine import DecisionEngine, UnknownDomain
from ..model.domains import Domain
from ..model.errors import InvalidValueError
from ..model.words import DomainName, domain_fault
from .selection import similar_names

__all__ = ["UndefinedDomain"]


@dataclass(frozen=True, slots=True)
class UndefinedDomain:
    """A domain's NAME that the policy does not have, SIMILAR names that it has, and the nearest domain ABOVE it, if any."""

    name: str
    similar: tuple[str, ...]
    above: Domain | None

    @property
    def problem(self) -> str:
        """What is wrong."""
        return f"the policy has no domain '{self.name}'"

    @property
    def meant(self) -> str:
        """``did you mean 'X'?`` for the names that may be meant; empty where none is like it."""
        hint = " or ".join(f"'{one}'" for one in self.similar)
        return f"did you mean {hint}?" if hint else ""

    @property
    def creation(self) -> str:
        """What the kernel would create."""
        if self.above is None:
            return "the policy has no domain above it either, from which the kernel could create it"
        groups = "".join(f" and acl_group {group}" for group in self.above.groups)
        return f"a process that enters it from {self.above.name} would create it, with profile {self.above.profile}{groups}"


def undefined_domain(engine: DecisionEngine, name: DomainName | str) -> UndefinedDomain | None:
    """What to say of the domain NAME; None where the policy of ENGINE has it.

    Raises InvalidValueError for what is no domain's name.
    """
    text = str(name)
    if engine.domain(text) is not None:
        return None
    fault = domain_fault(text)
    if fault is not None:
        hint = f"; did you mean '<kernel> {text}'?" if not text.startswith("<") else ""
        raise InvalidValueError(f"not a domain's name: '{text}': {fault.reason}{hint}")
    try:
        above = engine.ancestor(text)
    except UnknownDomain:
        above = None
    return UndefinedDomain(text, similar_names((domain.name.text for domain in engine.domains()), text), above)

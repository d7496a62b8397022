"""Checking a policy set: what would make a boot panic, be stored otherwise than written, or grant nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..simulation.policy_reading import line_of
from .directory import FILES, digest, printable
from .policy_set import set_files

if TYPE_CHECKING:
    from ..simulation.simulated_kernel import SimulatedKernel
    from .policy_set import PolicySet

__all__ = ["Fault", "SetProblem", "check_policy_set"]


class Fault(Enum):
    """What would go wrong with a policy set."""

    PANIC = "a kernel that boots with this panics"
    STOPPED = "programs that this applies to cannot be executed any more"
    LOST = "the kernel drops this, or stores something else"
    UNDEFINED = "nothing defines this, so it grants nothing"
    DAMAGED = "not the file that the manifest tells of"


@dataclass(frozen=True, slots=True)
class SetProblem:
    """Something wrong with a set: in which of its files, and where (from 1; 0: the file as a whole)."""

    fault: Fault
    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {printable(self.message)}"


def check_policy_set(policy: PolicySet) -> list[SetProblem]:
    """Find what would make a boot panic, be stored otherwise than written, or grant nothing.

    The judge is a simulated kernel that loads the set.  Problems come in the
    order panic, damage, lost lines, undefined groups.
    """
    from ..syntax.lines import Effect, PolicySyntaxError

    lost: list[SetProblem] = []

    def report(error: PolicySyntaxError) -> None:
        if error.effect is not Effect.COMMENT:
            lost.append(SetProblem(Fault.LOST, error.file, error.line, error.column, error.explanation))

    kernel = policy.loaded(report)
    return [*_panics(policy, kernel), *check_digests(policy), *lost, *_undefined(policy, kernel)]


def check_digests(policy: PolicySet) -> list[SetProblem]:
    """Compare the set's files with the digests in its manifest, if it has any."""
    known = policy.manifest.get("files")
    if not isinstance(known, Mapping):
        return []
    texts = set_files(policy)
    found = [
        SetProblem(Fault.DAMAGED, file, 0, 0, "differs from what the manifest tells: the set is damaged or was changed")
        for file, known_digest in known.items()
        if file in texts and digest(texts[file]) != known_digest
    ]
    gone = sorted(set(known) - set(texts) - {FILES["bindings"]})
    return found + [SetProblem(Fault.DAMAGED, file, 0, 0, "the manifest tells of it, but it is not there") for file in gone]


def _panics(policy: PolicySet, kernel: SimulatedKernel) -> list[SetProblem]:
    from ..model.profiles import OLD_PROFILE_VERSION, PROFILE_VERSION

    found = []
    told: set[str] = set()
    for domain in kernel.holding.domains.values():
        namespace = domain.namespace
        if namespace.version not in (PROFILE_VERSION, OLD_PROFILE_VERSION) and namespace.name not in told:
            told.add(namespace.name)
            message = f"namespace {namespace.name} has profile version {namespace.version}, and must have {PROFILE_VERSION}"
            found.append(SetProblem(Fault.PANIC, FILES["profile"], 0, 0, message))
        if domain.profile not in namespace.profiles:
            line = line_of(policy.domain_policy, domain.name.text)
            message = f"profile {domain.profile} of {domain.name} is not defined in namespace {namespace.name}"
            found.append(SetProblem(Fault.PANIC, FILES["domain_policy"], line, 1 if line else 0, message))
    return found


def _undefined(policy: PolicySet, kernel: SimulatedKernel) -> list[SetProblem]:
    found = []
    for domain in kernel.holding.domains.values():
        defined = domain.namespace.acl_groups
        for group in sorted(number for number in domain.groups if not defined.get(number)):
            line = line_of(policy.domain_policy, domain.name.text)
            message = f"{domain.name} uses group {group}, which has no entries"
            found.append(SetProblem(Fault.UNDEFINED, FILES["domain_policy"], line, 1 if line else 0, message))
    for namespace in kernel.holding.namespaces.values():
        for kind, groups in namespace.groups.items():
            for name in (name for name, members in groups.items() if not members):
                message = f"{kind.value} {name} is named, but has no members in namespace {namespace.name}"
                found.append(SetProblem(Fault.UNDEFINED, FILES["exception_policy"], 0, 0, message))
    return found

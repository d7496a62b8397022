"""Checking a policy set: what would make a boot panic, be stored otherwise than written, or grant nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..model.diagnostics import Diagnostic, Place, Severity
from ..simulation.policy_reading import line_of
from .directory import FILES, digest
from .policy_set import set_files

if TYPE_CHECKING:
    from ..simulation.simulated_kernel import SimulatedKernel
    from .policy_set import PolicySet

__all__ = ["check_policy_set"]


#: Codes of what a kernel panics of when it boots.
PANICS = ("profile-version", "undefined-profile")


def check_policy_set(policy: PolicySet) -> list[Diagnostic]:
    """Find what would make a boot with POLICY panic, be stored otherwise than written, or grant nothing.

    The judge is a simulated kernel that loads the set.  Returns errors, which make a
    boot panic (`PANICS`) or mean that a file is damaged, first; what is lost or
    grants nothing is a warning.
    """
    from ..syntax.lines import Effect, PolicySyntaxError

    lost: list[Diagnostic] = []

    def report(error: PolicySyntaxError) -> None:
        if error.effect is not Effect.COMMENT:
            lost.append(error.diagnostic(Severity.WARNING))

    kernel = policy.loaded(report)
    return [*_panics(policy, kernel), *check_digests(policy), *lost, *_undefined(policy, kernel)]


def check_digests(policy: PolicySet) -> list[Diagnostic]:
    """Compare the set's files with the digests in its manifest, if it has any."""
    known = policy.manifest.get("files")
    if not isinstance(known, Mapping):
        return []
    texts = set_files(policy)
    found = [
        damaged(file, "differs from what the manifest tells: the set is damaged or was changed")
        for file, known_digest in known.items()
        if file in texts and digest(texts[file]) != known_digest
    ]
    gone = sorted(set(known) - set(texts) - {FILES["bindings"]})
    return found + [damaged(file, "the manifest tells of it, but it is not there") for file in gone]


def damaged(file: str, message: str, advice: str = "") -> Diagnostic:
    """An error about FILE of a set, which is not what it should be."""
    return Diagnostic(Severity.ERROR, "damaged-set", message, advice, Place(file))


def _panics(policy: PolicySet, kernel: SimulatedKernel) -> list[Diagnostic]:
    from ..model.profiles import OLD_PROFILE_VERSION, PROFILE_VERSION

    found = []
    told: set[str] = set()
    for domain in kernel.holding.domains.values():
        namespace = domain.namespace
        if namespace.version not in (PROFILE_VERSION, OLD_PROFILE_VERSION) and namespace.name not in told:
            told.add(namespace.name)
            message = f"namespace {namespace.name} has profile version {namespace.version}, and must have {PROFILE_VERSION}"
            found.append(Diagnostic(Severity.ERROR, "profile-version", message, place=Place(FILES["profile"])))
        if domain.profile not in namespace.profiles:
            message = f"profile {domain.profile} of {domain.name} is not defined in namespace {namespace.name}"
            place = domain_place(policy.domain_policy, domain.name.text)
            found.append(Diagnostic(Severity.ERROR, "undefined-profile", message, place=place, subject=domain.name.text))
    return found


def _undefined(policy: PolicySet, kernel: SimulatedKernel) -> list[Diagnostic]:
    found = []
    for domain in kernel.holding.domains.values():
        defined = domain.namespace.acl_groups
        for group in sorted(number for number in domain.groups if not defined.get(number)):
            message = f"{domain.name} uses group {group}, which has no entries"
            place = domain_place(policy.domain_policy, domain.name.text)
            found.append(Diagnostic(Severity.WARNING, "undefined-acl-group", message, place=place, subject=domain.name.text))
    for namespace in kernel.holding.namespaces.values():
        for kind, groups in namespace.groups.items():
            for name in (name for name, members in groups.items() if not members):
                message = f"{kind.value} {name} is named, but has no members in namespace {namespace.name}"
                place = Place(FILES["exception_policy"])
                found.append(Diagnostic(Severity.WARNING, "undefined-group", message, place=place, subject=name))
    return found


def domain_place(text: str, name: str) -> Place:
    """Where the domain NAME begins in the domain policy TEXT of a set."""
    line = line_of(text, name)
    return Place(FILES["domain_policy"], line, 1, name) if line else Place(FILES["domain_policy"])

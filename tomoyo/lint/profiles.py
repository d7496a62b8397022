"""Lint: profiles, and what domains get from theirs."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.diagnostics import Diagnostic
from ..model.profiles import Mode
from ..model.words import KERNEL
from ..simulation.located_policy import LocatedDomain
from ..syntax.policy_text import Located, TextKind
from .context import LintContext

#: Profiles that most systems have, used or not.
_USUAL = range(4)
_FLAGS = {
    "quota_exceeded": ("learning-stopped", "the kernel stopped learning at max_learning_entry"),
    "transition_failed": ("transition-failed", "a process could not enter the domain that it should have"),
}


def find_profile_faults(context: LintContext) -> Iterator[Diagnostic]:
    """Domains whose profile does not do what it should, and profiles that nothing uses."""
    policy = context.policy
    for domain in policy.domains.values():
        yield from _judge_domain(context, domain)
    if policy.profiles is None:
        return
    used = {(domain.name.namespace, domain.profile) for domain in policy.domains.values()} | {(KERNEL, 0)}
    for (namespace, number), placed in policy.defined.items():
        if policy.has(TextKind.DOMAIN) and (namespace, number) not in used and number not in _USUAL:
            yield context.finding("unused-profile", placed, f"no domain of {namespace} uses profile {number}")
        yield from _judge_profile(context, namespace, number, placed)


def _judge_domain(context: LintContext, domain: LocatedDomain) -> Iterator[Diagnostic]:
    name, opened = domain.name, domain.opened[0]
    for placed in domain.flags:
        code, reason = _FLAGS[placed.value]
        yield context.finding(code, placed, f"{name}: {reason}", entry=placed.value)
    if not domain.profiles and name.text != KERNEL:
        yield context.finding("implicit-profile", opened, f"no line gives {name} a profile, so it has profile 0", entry=name.text)
    if context.policy.profiles is None:
        return
    if context.profile(name.namespace, domain.profile) is None:
        where = domain.profiles[-1] if domain.profiles else opened
        reason = f"profile {domain.profile} is not defined in {name.namespace}"
        yield context.finding("undefined-profile", where, reason, word=str(domain.profile), entry=name.text)
        return
    modes = {context.mode(domain, functionality) for functionality in ("file::open", "file::execute")}
    entries = [domain.entries, *(shared.entries for shared in context.used(domain))]
    if name.text == KERNEL and Mode.ENFORCING in modes:
        reason = f"{name} is enforced, and with it whatever boots the system"
        yield context.finding("root-enforced", domain.profiles[-1] if domain.profiles else opened, reason, entry=name.text)
    if modes == {Mode.ENFORCING} and not any(entries):
        yield context.finding("enforced-without-entries", opened, f"{name} is enforced, and nothing grants it anything")


def _judge_profile(context: LintContext, namespace: str, number: int, placed: Located[int]) -> Iterator[Diagnostic]:
    profile = context.profile(namespace, number)
    if profile is None:
        return
    configs = [profile.default, *(config for _, config in profile.configs)]
    if all(config.mode is not Mode.ENFORCING for config in configs):
        return
    lax = [name for name in ("file::execute", "file::open") if profile.config(name).mode is not Mode.ENFORCING]
    if lax:
        reason = f"profile {number} enforces other things, but {lax[0]} is in {profile.config(lax[0]).mode.value} mode"
        yield context.finding("partly-enforced", placed, reason)
    silent = any(config.mode is Mode.ENFORCING and not config.reject_log for config in configs)
    if silent or profile.max_audit_log == 0:
        how = "max_audit_log=0" if not silent else "reject_log=no"
        yield context.finding("silent-enforcement", placed, f"profile {number} denies without a record: {how}")

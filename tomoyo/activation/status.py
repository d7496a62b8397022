"""What a kernel's TOMOYO is doing: modes, refusals, memory, bindings, and how far it is from a policy set."""

from __future__ import annotations

import os
from collections import Counter as Count
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..kernel.bindings_in_use import bindings, old_bindings
from ..kernel.modes import MODES, read_heads, read_profiles
from ..model.stat import Counter, MemoryUse
from ..sets.policy_set import PolicySet
from .drift import drift

if TYPE_CHECKING:
    from ..kernel.securityfs import Interface, Securityfs

__all__ = ["Status", "read_status"]

STORE = "/nix/store"


@dataclass(frozen=True, slots=True)
class Status:
    """What a kernel is doing.

    Attributes:
        version: of the kernel's TOMOYO.
        active: whether policy is in force; None where that cannot be known.
        domains, processes: how many are in each mode, of those with any.
        counters: updates and violations, with their last time (UTC).
        memory: bytes in use and quotas (0 is none).
        quota_exceeded, transition_failed: domains that the kernel has so marked.
        stale_bindings: lines of exception policy that bind a store path which
            is not wanted any more.
        drift: what differs from the wanted set, in words; None where no set
            was given.
        inactive: the reasons why policy is not in force, where it is not.
    """

    version: str
    active: bool | None
    domains: Mapping[str, int]
    processes: Mapping[str, int]
    counters: tuple[Counter, ...]
    memory: tuple[MemoryUse, ...]
    quota_exceeded: tuple[str, ...]
    transition_failed: tuple[str, ...]
    stale_bindings: tuple[str, ...]
    drift: tuple[str, ...] | None = None
    inactive: tuple[str, ...] = ()


def read_status(securityfs: Securityfs, wanted: PolicySet | None = None) -> Status:
    """The status of the kernel behind SECURITYFS; WANTED is the set that it should hold.

    Without WANTED, a binding is stale where its store path is gone.  Raises
    SecurityfsError where the kernel does not tell.
    """
    processes = [(profile, domain) for profile, domain in securityfs.process_status().values()]
    status = status_of(securityfs, securityfs.version(), processes, wanted)
    if status.active is not False:
        return status
    from ..kernel.diagnosis import why_inactive
    from ..kernel.machine import Machine

    return replace(status, inactive=tuple(finding.message for finding in why_inactive(Machine())))


def status_of(
    interface: Interface,
    version: str,
    processes: Iterable[tuple[int, str]],
    wanted: PolicySet | None = None,
    exists: Callable[[str], bool] = os.path.lexists,
) -> Status:
    """The status of a kernel, real or simulated.

    PROCESSES are the profile and the domain of each; EXISTS tells whether a
    store path is there.
    """
    from ..syntax.stat import parse_stat

    modes = read_profiles(interface)
    heads = read_heads(interface)
    stat = parse_stat(interface.read("stat"))
    exceptions = interface.read("exception_policy")
    return Status(
        version,
        interface.active,
        _ordered(modes.of(domain).mode for domain in heads),
        _ordered(modes.mode(domain.partition(" ")[0], profile) for profile, domain in processes),
        stat.counters,
        stat.memory,
        tuple(domain.name.text for domain in heads if domain.quota_exceeded),
        tuple(domain.name.text for domain in heads if domain.transition_failed),
        tuple(stale_bindings(exceptions, wanted, exists)),
        None if wanted is None else tuple(drift(interface, wanted)),
    )


def _ordered(modes: Iterable[str]) -> dict[str, int]:
    counts = Count(modes)
    return {mode: counts[mode] for mode in MODES if counts[mode]}


def stale_bindings(exceptions: str, wanted: PolicySet | None, exists: Callable[[str], bool]) -> list[str]:
    """The bindings among EXCEPTIONS, as a kernel prints them, that bind a store path without need.

    That is one which WANTED has not; without WANTED, one whose store path is
    not there.
    """
    if wanted is not None:
        return list(old_bindings(exceptions, wanted))
    found = list(bindings(exceptions))
    gone = {name for name in dict.fromkeys(binding.store_path for binding in found) if not exists(f"{STORE}/{name}")}
    return [binding.line for binding in found if binding.store_path in gone]

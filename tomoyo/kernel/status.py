"""What a kernel's TOMOYO is doing: modes, refusals, memory, bindings, and how far it is from a policy set."""

from __future__ import annotations

import os
from collections import Counter as Count
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.stat import Counter, MemoryUse
from .modes import MODES, read_heads, read_profiles
from .policy_set import PolicySet
from .policy_text import domain_blocks, is_byproduct
from .store_use import bindings, old_bindings

if TYPE_CHECKING:
    from .differences import Differences, Lines
    from .securityfs import Interface, Securityfs

STORE = "/nix/store"


@dataclass(frozen=True, slots=True)
class Status:
    """What a kernel is doing.

    Attributes:
        version: of the kernel's TOMOYO.
        active: whether policy is in force.
        domains, processes: how many are in each mode, of those with any.
        counters: updates and violations, with their last time (UTC).
        memory: bytes in use and quotas (0 is none).
        quota_exceeded, transition_failed: domains that the kernel has so marked.
        stale_bindings: lines of exception policy that bind a store path which
            is not wanted any more.
        drift: what differs from the wanted set, in words; None where no set
            was given.
    """

    version: str
    active: bool
    domains: Mapping[str, int]
    processes: Mapping[str, int]
    counters: tuple[Counter, ...]
    memory: tuple[MemoryUse, ...]
    quota_exceeded: tuple[str, ...]
    transition_failed: tuple[str, ...]
    stale_bindings: tuple[str, ...]
    drift: tuple[str, ...] | None = None


def read_status(securityfs: Securityfs, wanted: PolicySet | None = None) -> Status:
    """The status of the kernel behind SECURITYFS; WANTED is the set that it should hold.

    Without WANTED, a binding is stale where its store path is gone.  Raises
    SecurityfsError where the kernel does not tell.
    """
    processes = [(profile, domain) for profile, domain in securityfs.process_status().values()]
    return status_of(securityfs, securityfs.version(), processes, wanted)


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
    gone = {name for name in {binding.store_path for binding in found} if not exists(f"{STORE}/{name}")}
    return [binding.line for binding in found if binding.store_path in gone]


def drift(interface: Interface, wanted: PolicySet) -> list[str]:
    """What differs between what a kernel holds and WANTED, in words; nothing where it holds just that.

    Raises PolicySyntaxError for a line of WANTED that no kernel would keep.
    """
    from .activation import read_held
    from .differences import find_differences, refuse_lost_lines

    refuse_lost_lines(wanted)
    held = read_held(interface)
    blocks = domain_blocks(held.domain_policy)
    found = find_differences(held, wanted)
    # What the kernel made as a program ran, and would make again, is no drift.
    found.extra_domains = [name for name in found.extra_domains if not is_byproduct(name, blocks[name], blocks)]
    return list(_in_words(found))


def _in_words(found: Differences) -> Iterable[str]:
    for new in found.new_domains:
        yield f"domain {new.name} is missing"
    for name in found.extra_domains:
        yield f"domain {name} is in no policy"
    for domain in found.domains:
        if domain.held_profile != domain.profile:
            yield f"domain {domain.name} is in profile {domain.held_profile} instead of {domain.profile}"
        if domain.held_groups != domain.groups:
            held, wanted = (" ".join(map(str, sorted(groups))) or "none" for groups in (domain.held_groups, domain.groups))
            yield f"domain {domain.name} uses groups {held} instead of {wanted}"
        yield from _lines_in_words(f"domain {domain.name}", "entries", domain.lines)
    yield from _lines_in_words("exception policy", "transition controls", found.transitions)
    for namespace, lines in found.aggregators.items():
        yield from _lines_in_words(f"exception policy of {namespace}", "aggregators", lines)
    yield from _lines_in_words("exception policy", "group members", found.groups)
    for (namespace, number), lines in found.shared.items():
        yield from _lines_in_words(f"acl_group {number} of {namespace}", "entries", lines)
    for line in found.versions:
        yield f"profiles: {line}"
    for profile in found.profiles:
        state = "is not defined" if profile.is_new else "differs"
        yield f"profile {profile.number} of {profile.namespace} {state}"
    yield from _lines_in_words("managers", "managers", found.managers)
    for name, (quota, wanted_quota) in found.quotas.items():
        yield f"quota for {name}: {quota} instead of {wanted_quota}"


def _lines_in_words(subject: str, what: str, lines: Lines) -> Iterable[str]:
    moved = sum(move.held is not None for move in lines.move)
    parts = (
        (len(lines.add) + len(lines.move) - moved, "missing"),
        (len(lines.delete), "not wanted"),
        (moved, "in another order"),
    )
    told = [f"{count} {what} {state}" for count, state in parts if count]
    if told:
        yield f"{subject}: {', '.join(told)}"

"""Deleting what is no longer wanted and no longer used: old bindings, and domains that nobody names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..kernel.bindings_in_use import old_bindings, used_bindings
from ..kernel.held_policy import read_held_texts
from ..kernel.securityfs import Securityfs
from ..sets.directory import printable, read_set_texts
from ..sets.policy_set import policy_set_of
from ..simulation.policy_reading import PolicyReading
from .activation import refuse_damaged, refuse_unbootable
from .apply import SHOWN, write_plan
from .differences import is_learning
from .kept_domains import says_nothing
from .outcome import ActivationError, Outcome
from .plan import Plan, Write
from .planner import read_wanted
from .state import Lock, places, recorded_set, refuse_unknown

if TYPE_CHECKING:
    from ..kernel.securityfs import Interface

__all__ = ["collect_garbage"]


def collect_garbage(
    directory: str | os.PathLike[str] | None = None,
    interface: Interface | None = None,
    *,
    keep_used: bool = True,
    dry_run: bool = False,
    state: str | None = None,
    locks: str | None = None,
    proc: str = "/proc",
) -> Outcome:
    """Delete old bindings that no process needs (see ``used_bindings``), and domains that nobody names and no process is in.

    Domains that have learned something, and learn, stay.

    DIRECTORY is the set in force, by default the recorded one; other arguments
    and errors are as in ``activate``.  Raises ActivationError where no set is
    recorded.
    """
    interface = interface or Securityfs(proc=proc)
    state, locks = places(interface, state, locks)
    if not dry_run:
        refuse_unknown(state, locks)
    path = os.fspath(directory) if directory is not None else recorded_set(state)
    if path is None:
        raise ActivationError(f"no set is recorded in {state}; name the one in force")
    with Lock(locks):
        texts = read_set_texts(path)
        refuse_damaged(texts)
        wanted = read_wanted(texts)
        wanted.parse(list(wanted.blocks))
        refuse_unbootable(wanted)
        held_texts = read_held_texts(interface)
        held = PolicyReading(held_texts)
        kept: frozenset[str] = frozenset()
        policies = policy_set_of(held_texts), policy_set_of(texts)
        if keep_used:
            kept = used_bindings(interface, *policies, proc)
        lines = [line for line in old_bindings(held_texts.exception_policy, policies[1]) if line not in kept]
        extra = [name for name in held.blocks if name not in wanted.blocks and not _has_learned(held, name)]
        used = set(interface.process_domains().values()) if extra else set()
        unused = [name for name in extra if name not in used]
        writes = [Write("exception_policy", f"delete {line}") for line in lines]
        writes += [Write("domain_policy", f"delete {name}") for name in unused]
        found = Plan(tuple(writes), tuple(sorted(kept)), tuple(name for name in extra if name in used))
        if found and not dry_run:
            write_plan(interface, found)
            _check_gone(interface, lines, unused)
    return Outcome(found)


def _has_learned(held: PolicyReading, name: str) -> bool:
    if not is_learning(held, name.partition(" ")[0], held.head(name)[0]):
        return False
    domain = held.domain(name)
    return domain is not None and bool(domain.entries)


def _check_gone(interface: Interface, lines: list[str], domains: list[str]) -> None:
    texts = read_held_texts(interface)
    now = PolicyReading(texts)
    left = set(texts.exception_policy.split("\n")) & set(lines)
    # A domain may be there again: somebody ran that program.
    left |= {name for name in domains if name in now.blocks and not says_nothing(now, name)}
    if left:
        raise ActivationError(f"the kernel did not delete: {'; '.join(printable(line) for line in sorted(left)[:SHOWN])}")

"""Deleting what is no longer wanted and no longer used."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .activation import (
    SHOWN,
    ActivationError,
    Outcome,
    learning_domains,
    lock,
    read_held,
    recorded_set,
    refuse_damaged,
    refuse_unbootable,
    write_plan,
)
from .links import LOCKS, STATE
from .plan import Plan, Write
from .policy_set import policy_set_of
from .policy_text import KERNEL, DomainLines, domain_blocks, is_byproduct, plain
from .securityfs import Securityfs
from .set_directory import printable, read_set_texts
from .store_use import old_bindings, used_bindings

if TYPE_CHECKING:
    from .securityfs import Interface


def collect_garbage(
    directory: str | os.PathLike[str] | None = None,
    interface: Interface | None = None,
    *,
    keep_used: bool = True,
    dry_run: bool = False,
    state: str = STATE,
    locks: str = LOCKS,
    proc: str = "/proc",
) -> Outcome:
    """Delete old bindings that no process needs (see ``used_bindings``), and domains that nobody names and no process is in.

    Domains that have learned something, and learn, stay.

    DIRECTORY is the set in force, by default the recorded one; other arguments
    and errors are as in ``activate``.
    """
    interface = interface or Securityfs(proc=proc)
    path = os.fspath(directory) if directory is not None else recorded_set(state)
    if path is None:
        raise ActivationError(f"no set is recorded in {state}; name the one in force")
    with lock(locks):
        texts = read_set_texts(path)
        refuse_damaged(texts)
        refuse_unbootable(texts)
        wanted = policy_set_of(texts)
        held = read_held(interface)
        kept = used_bindings(interface, held, wanted, proc) if keep_used else frozenset()
        lines = [line for line in old_bindings(held.exception_policy, wanted) if line not in kept]
        blocks = domain_blocks(held.domain_policy)
        staying = {KERNEL, *domain_blocks(plain(wanted.domain_policy))}
        staying |= {name for name in learning_domains(held) if DomainLines(blocks[name]).entries}
        extra = [name for name in blocks if name not in staying]
        used = set(interface.process_domains().values()) if extra else set()
        writes = [Write("exception_policy", f"delete {line}") for line in lines]
        writes += [Write("domain_policy", f"delete {name}") for name in extra if name not in used]
        found = Plan(tuple(writes), tuple(sorted(kept)), tuple(name for name in extra if name in used))
        if found and not dry_run:
            write_plan(interface, found)
            _check_gone(interface, lines, [name for name in extra if name not in used])
    return Outcome(found)


def _check_gone(interface: Interface, lines: list[str], domains: list[str]) -> None:
    now = read_held(interface)
    left = set(now.exception_policy.split("\n")) & set(lines)
    # A domain may be there again: somebody ran that program.
    blocks = domain_blocks(now.domain_policy)
    left |= {name for name in set(domains) & blocks.keys() if not is_byproduct(name, blocks[name], blocks)}
    if left:
        raise ActivationError(f"the kernel did not delete: {'; '.join(printable(line) for line in sorted(left)[:SHOWN])}")

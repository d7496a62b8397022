"""Domains that a kernel holds and nobody wants, but that stay: which, and what confines them.

A program that is started in a domain's child, which nobody names, is confined as
the domain is: so the kernel makes that child.  Where it is there already, it must
not be a way out.  So such a domain

- is as the domain above it, if it has no entries of its own;
- has the profile of the domain above it if that one enforces something that it
  does not, and its groups beside its own groups and entries;
- stays as it is otherwise.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from .policy_pair import PolicyPair
from .policy_text import EMPTY_DOMAIN, KERNEL, DomainLines, ancestors, domain_blocks, plain

if TYPE_CHECKING:
    from .policy_set import PolicySet


def with_kept_domains(
    held: PolicySet, wanted: PolicySet, names: Collection[str], *, keep_learning: bool = False, named: str = ""
) -> tuple[PolicySet, tuple[str, ...]]:
    """WANTED with those domains of HELD that stay, as they will be; and their names.

    Arguments:
        names: of those that stay in any case.
        keep_learning: whether others stay that learn, before and afterwards,
            and need not be confined; but those that the domain policy NAMED
            has are given up.
    """
    now = domain_blocks(held.domain_policy)
    then = {KERNEL: EMPTY_DOMAIN, **domain_blocks(plain(wanted.domain_policy))}
    extra = [name for name in now if name not in then]
    if not extra:
        return wanted, ()
    given_up = domain_blocks(plain(named)) if keep_learning else {}
    policies = PolicyPair(held, wanted)
    enforced = policies.enforced
    kept: list[str] = []
    for name in sorted(extra, key=lambda name: name.count(" ")):
        namespace, own = name.partition(" ")[0], DomainLines(now[name])
        is_learning = keep_learning and name not in given_up and policies.learns_on(namespace, own.profile, own.profile)
        if not (is_learning or name in names):
            continue
        block = now[name]
        above = next((then[above] for above in ancestors(name) if above in then), None)
        if above is not None:
            other = DomainLines(above)
            is_free = not enforced(namespace, other.profile, True) <= enforced(namespace, own.profile, True)
            if is_free and name not in names:
                continue
            if is_free and own.entries:
                block = _block(other.profile, own.groups | other.groups, own.entries)
            elif is_free or not (own.entries or is_learning):
                block = _block(other.profile, other.groups, own.entries)
        then[name] = block
        kept.append(name)
    if not kept:
        return wanted, ()
    text = wanted.domain_policy + "".join(f"{name}\n{then[name]}\n" for name in kept)
    return replace(wanted, domain_policy=text), tuple(name for name in extra if name in then)


def _block(profile: int, groups: Collection[int], entries: Collection[str]) -> str:
    uses = "".join(f"use_group {number}\n" for number in sorted(groups))
    return f"use_profile {profile}\n{uses}\n" + "".join(f"{entry}\n" for entry in entries)

"""Writing a plan, verifying what the kernel then holds, and undoing what it did not take.

What programs do meanwhile is followed: a domain that is to learn no more learns
on until it switches, and a program makes a domain as those above are then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import TYPE_CHECKING

from ..kernel.held_policy import read_held_texts
from ..sets.directory import SetTexts, printable
from ..simulation.policy_reading import PolicyReading, is_unchanged
from .differences import is_learning
from .outcome import ROOT_ALONE, ActivationError
from .plan import Plan, Write
from .planner import make_plan, read_wanted

if TYPE_CHECKING:
    from ..kernel.securityfs import Interface

#: How many lines an error names.
SHOWN = 5
#: So often what happens meanwhile is followed.
ROUNDS = 5


def write_plan(interface: Interface, found: Plan) -> None:
    """Write FOUND, each batch through one opening."""
    for name, data in found.batches():
        if name:
            interface.write(name, data)
        else:
            interface.settle()


def carry_out(interface: Interface, held: SetTexts, wanted: SetTexts, found: Plan, own: Collection[str]) -> None:
    """Write FOUND, which leads from HELD to WANTED, and verify that; else bring HELD back and raise ActivationError.

    OWN are the caller's program and domain.
    """
    # Whoever is no manager any more can undo nothing, so that comes when all else is found right.
    resignation = {f"delete {name}" for name in own}
    last = tuple(write for write in found.writes if write.interface == "manager" and write.text in resignation)
    first = Plan(tuple(write for write in found.writes if write not in last))
    try:
        interface.settle()
        interface.write("manager", ROOT_ALONE)
        write_plan(interface, first)
        wrong = _follow(interface, held, wanted, first, found.kept, {write.text for write in last})
        reason = _refused(interface, wrong) if wrong else _over_quota(interface)
        if not reason:
            write_plan(interface, Plan(last))
    except (OSError, ValueError) as error:
        raise _undone(interface, held, wanted, f"{error}", own) from error
    if reason:
        raise _undone(interface, held, wanted, reason, own)


def _follow(
    interface: Interface,
    held: SetTexts,
    wanted: SetTexts,
    done: Plan,
    keep_lines: Collection[str] = (),
    resignation: Collection[str] = (),
    read: Callable[[SetTexts], PolicyReading] = read_wanted,
) -> list[str]:
    """Write, after DONE, what is still to be written because of what programs did since HELD was read.

    Gives the lines that the kernel did not take.
    """
    if is_unchanged(read_held_texts(interface), wanted):
        return []
    before = PolicyReading(held)
    then = PolicyReading(wanted).blocks.keys()
    learning = cache(lambda namespace, profile: is_learning(before, namespace, profile))
    learned = {name for name in before.blocks if learning(name.partition(" ")[0], before.head(name)[0])}

    def is_of_meanwhile(write: Write) -> bool:
        if not write.domain or write.domain not in then:
            return bool(write.domain)
        is_new = write.domain not in before.blocks
        return (write.text.startswith("delete ") and (write.domain in learned or is_new)) or (
            write.text.startswith("use_profile ") and is_new
        )

    left = Plan()
    for _ in range(ROUNDS):
        left = _left(interface, before, wanted, done, keep_lines, resignation, read)
        if not left or not all(map(is_of_meanwhile, left.writes)):
            break
        write_plan(interface, left)
    return left.text().splitlines()


def _left(
    interface: Interface,
    before: PolicyReading,
    wanted: SetTexts,
    done: Plan,
    keep_lines: Collection[str],
    resignation: Collection[str],
    read: Callable[[SetTexts], PolicyReading],
) -> Plan:
    """What would still have to be written after DONE, but for what a domain learned that goes on learning.

    Nor are domains deleted that a program made meanwhile.
    """
    now = PolicyReading(read_held_texts(interface))
    # One that is there again says nothing of what it said before.
    deleted = {write.text.removeprefix("delete ") for write in done.writes if not write.domain}
    undeleted = {
        name
        for name in deleted & now.blocks.keys()
        if now.blocks[name] == before.blocks.get(name) and now.blocks[name].partition("\n\n")[2].strip()
    }
    keep = now.blocks.keys() - undeleted
    left = make_plan(now, read(wanted), keep_learned=True, keep_lines=keep_lines, keep_domains=keep)
    return Plan(tuple(write for write in left.writes if write.interface != "manager" or write.text not in resignation))


def _undone(interface: Interface, old: SetTexts, wanted: SetTexts, reason: str, own: Collection[str]) -> ActivationError:
    """Bring the OLD policy back, verify that, and give the error to raise."""
    try:
        interface.settle()
        texts = read_held_texts(interface)
        now, named = PolicyReading(texts), PolicyReading(wanted)
        used = set(interface.process_domains().values())
        keep = set()
        for name in now.blocks.keys() - PolicyReading(old).blocks.keys():
            # A program made those that say nothing, or learn; what else is there this run made.
            domain = now.domain(name)
            says_something = domain is not None and bool(domain.entries)
            learns = is_learning(now, name.partition(" ")[0], now.head(name)[0])
            if name in used or (name not in named.blocks and (learns or not says_something)):
                keep.add(name)
        # What was learned meanwhile stays; what this run wrote is what the other set names.
        found = make_plan(now, PolicyReading(old), keep_learned=True, keep_domains=keep, own=own, before=named)
        write_plan(interface, found)
        wrong = _follow(interface, texts, old, found, read=PolicyReading)
    except (OSError, ValueError) as error:
        return ActivationError(f"{reason}; and the old policy could not be brought back: {error}", restored=False)
    if wrong:
        lines = ", ".join(printable(line) for line in wrong[:SHOWN])
        return ActivationError(f"{reason}; and the old policy is not wholly back: {lines}", restored=False)
    return ActivationError(f"{reason}; the old policy is in force again")


def _refused(interface: Interface, wrong: list[str]) -> str:
    shown = [printable(line) for line in wrong[:SHOWN]]
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    used, quota = _policy_quota(interface)
    reason = f" (policy uses {used} bytes, its quota is {quota})" if quota else ""
    return f"the kernel did not take{reason}: {'; '.join(shown)}{more}"


def _policy_quota(interface: Interface) -> tuple[int, int]:
    """How many bytes policy uses, and how many it may; 0 where there is no quota."""
    from ..syntax.stat import parse_stat

    memory = {use.name: use for use in parse_stat(interface.read("stat")).memory}
    found = memory.get("policy")
    return (found.used or 0, found.quota) if found else (0, 0)


def _over_quota(interface: Interface) -> str:
    """What is wrong where a quota is reached, so that the kernel would drop whatever comes next; else nothing."""
    used, quota = _policy_quota(interface)
    if not quota or used < quota:
        return ""
    return f"policy uses {used} bytes, its quota is {quota}: the kernel would add nothing any more, not even a domain; raise it"

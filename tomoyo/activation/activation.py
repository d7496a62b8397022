"""Bringing a kernel to a policy set: planned, written, verified, and undone where the kernel does not take it.

    import tomoyo
    outcome = tomoyo.activate("/nix/store/...-policy")

Where the kernel holds what the set says, reading that is all that happens the
second time.
Killed at any point, the next activation goes on from what it finds.

The set is then recorded: ``current`` in the state directory leads to it and
``previous`` to the one before, which the boot loader falls back to.
"""

from __future__ import annotations

import os

from ..kernel.held_policy import read_held_texts
from ..kernel.securityfs import Securityfs
from ..sets.directory import PolicySetError, SetTexts, digest, read_set_texts
from ..sets.links import absolute, make_directory
from ..simulation.policy_reading import is_unchanged
from .outcome import ROOT_ALONE, ActivationError, InactiveError, Outcome
from .state import Lock, places, record, recorded_domains, recorded_set, refuse_unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.securityfs import Interface
    from ..simulation.policy_reading import PolicyReading

__all__ = ["activate"]


def activate(
    directory: str | os.PathLike[str],
    interface: Interface | None = None,
    *,
    inactive: bool = False,
    keep_learned: bool = False,
    keep_used: bool = True,
    dry_run: bool = False,
    state: str | None = None,
    locks: str | None = None,
    proc: str = "/proc",
) -> Outcome:
    """Bring a kernel to the policy set in DIRECTORY, and verify that it holds it; what fails is undone.

    Returns what was written, or in a dry run what would be.

    Arguments:
        interface: the kernel, by default the running one.
        inactive: load the set even if the kernel does not enforce policy yet.
        keep_learned: keep learned entries of domains that stay in learning
            mode, and domains of no set that learn.  What the set that was
            activated last named then was not learned.
        keep_used: keep old bindings while a program uses their store paths.
        dry_run: find the plan, and write nothing.
        state: the directory of the links to this set and the one before, and of
            a copy of its domain policy; for the running kernel /var/lib/tomoyo
            by default.
        locks: the directory of the lock that keeps two activations apart; for
            the running kernel /run/tomoyo by default.
        proc: where procfs is mounted.

    The kernel does not print ``manage_by_non_root``: it is taken away when
    something is written, or a set is activated that is not recorded yet.

    Raises PolicySetError for a set that cannot be used, PolicySyntaxError for a
    line that a kernel would drop or store as something else, InactiveError where
    TOMOYO is not active, ActivationError where the kernel did not take the set,
    NoFreeProfileError where no profile number is free for a step of it, InvalidValueError
    where a domain has a profile that is not defined, UnknownStateError where another
    kernel's directories are not given, and OSError (SecurityfsError) where the system
    refuses.
    """
    interface = interface or Securityfs(proc=proc)
    state, locks = places(interface, state, locks)
    record_in = None if dry_run else refuse_unknown(state, locks)
    path = absolute(directory)
    with Lock(locks):
        wanted = read_set_texts(directory)
        refuse_damaged(wanted)
        if not (inactive or dry_run):
            refuse_inactive(interface)
        held = read_held_texts(interface)
        # What could keep the set from being recorded is found out first.
        if record_in is not None:
            os.close(make_directory(record_in, 0o755))
        recorded = recorded_set(state)
        if not is_unchanged(held, wanted):
            outcome = _bring(interface, held, wanted, recorded_domains(state), keep_learned, keep_used, dry_run, proc)
        else:
            outcome = Outcome()
            # With a manifest it is as it was when it was recorded.
            if recorded != path or wanted.manifest is None:
                _refuse_unbootable_texts(wanted)
        if record_in is not None:
            if not outcome and recorded != path:
                interface.write("manager", ROOT_ALONE)
            try:
                record(path, wanted.domain_policy, record_in)
            except OSError as error:
                reason = (
                    f"the policy is in force, but cannot be recorded in {state}: {error}; the boot loader does not know of it"
                )
                raise ActivationError(reason, restored=False) from error
    return outcome


def _bring(
    interface: Interface,
    held_texts: SetTexts,
    wanted_texts: SetTexts,
    recorded: str,
    keep_learned: bool,
    keep_used: bool,
    dry_run: bool,
    proc: str,
) -> Outcome:
    from dataclasses import replace

    from ..kernel.bindings_in_use import used_bindings
    from ..sets.policy_set import policy_set_of
    from ..simulation.policy_reading import PolicyReading, same_exceptions
    from .apply import carry_out
    from .differences import domains_that_differ
    from .kept_domains import are_made_by_programs
    from .planner import NoFreeProfileError, UnreadableLineError, make_plan, read_wanted

    held, wanted = PolicyReading(held_texts), read_wanted(wanted_texts)
    domains_that_differ(held, wanted)  # parses what has to be
    if not same_exceptions(held_texts, wanted_texts):
        wanted.parse_exceptions()
    refuse_unbootable(wanted)
    before = PolicyReading(SetTexts("", {"domain_policy": recorded})) if recorded else None
    extra = [name for name in held.blocks if name not in wanted.blocks]
    named = before.blocks.keys() if before else set()
    made = {name for name in are_made_by_programs(held, wanted) if name not in named}
    used = (set(extra) - made) & set(interface.process_domains().values()) if extra else set()
    own = interface.own_names()
    keep_lines: frozenset[str] = frozenset()
    if keep_used:
        keep_lines = used_bindings(interface, policy_set_of(held_texts), policy_set_of(wanted_texts), proc)
    try:
        found = make_plan(
            held,
            wanted,
            keep_learned=keep_learned,
            keep_lines=keep_lines,
            keep_domains=made | used,
            own=own,
            before=before,
        )
    except NoFreeProfileError as error:
        raise ActivationError(f"{error}; nothing was changed") from None
    except UnreadableLineError as error:
        raise ActivationError(f"{error}; nothing was changed: boot the set instead") from None
    found = replace(found, left=tuple(name for name in found.left if name in used))
    outcome = Outcome(found)
    if found and not dry_run:
        carry_out(interface, held_texts, wanted_texts, found, own)
    return outcome


# What is refused


def refuse_inactive(interface: Interface) -> None:
    """Raise InactiveError where the kernel does not enforce policy; a simulated one confines nobody in any case."""
    if isinstance(interface, Securityfs) and not (active := interface.active):
        state = "cannot find out whether TOMOYO is active" if active is None else "TOMOYO is not active, so it confines nothing"
        raise InactiveError(f"{state}; nothing was changed")


def refuse_damaged(wanted: SetTexts) -> None:
    """Raise PolicySetError where the texts are not those that the manifest has digests of, or where that is none."""
    known, texts = wanted.digests(), wanted.files()
    if wanted.manifest is None or (
        known is not None
        and not set(known) - {"bindings.conf"} - set(texts)
        and all(digest(texts[file]) == known[file] for file in known if file in texts)
    ):
        return
    from ..sets.checks import check_digests
    from ..sets.policy_set import policy_set_of

    for problem in check_digests(policy_set_of(wanted)):
        raise PolicySetError(os.path.join(wanted.path, problem.place.file), problem.message)


def _refuse_unbootable_texts(wanted: SetTexts) -> None:
    from .planner import read_wanted

    reading = read_wanted(wanted)
    reading.parse(list(reading.blocks))
    refuse_unbootable(reading)


def refuse_unbootable(wanted: PolicyReading) -> None:
    """Raise PolicySetError where the boot loader would refuse the set."""
    from ..boot.faults import boot_faults

    path = getattr(wanted.texts, "path", "")
    for fault in boot_faults(wanted):
        place = fault.place
        raise PolicySetError(os.path.join(path, place.file), fault.message, place.line, place.text)
    if wanted.manage_by_non_root:
        reason = "manage_by_non_root lets other users change the policy, and the kernel does not print it, so it is not activated"
        raise PolicySetError(os.path.join(path, "manager.conf"), reason)

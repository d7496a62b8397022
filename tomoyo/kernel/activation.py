"""Bringing a kernel to a policy set: planned, verified, and undone where the kernel does not take it.

    import tomoyo
    outcome = tomoyo.activate("/nix/store/...-policy")

What the kernel holds is read first, and where it is what the set says, that is
all that happens.  Else the plan (see ``shortcut`` and ``plan``) is written, what
may have changed is read back, and any line that the kernel does not hold as it
should is an error, after which the old policy is brought back in the same way.
Killed at any point, the next activation goes on from what it finds.

The set is then recorded: ``current`` in the state directory leads to it and
``previous`` to the one before, which the boot loader falls back to.
"""

from __future__ import annotations

import os

from .held_texts import HeldTexts, read_held_texts
from .links import LOCKS, STATE, absolute, advance_links, make_directory, read_link
from .policy_text import (
    KERNEL,
    DomainLines,
    ancestors,
    domain_blocks,
    has_learning,
    is_byproduct,
    named_lines,
    plain,
    same_domains,
)
from .securityfs import Securityfs
from .set_directory import PolicySetError, SetTexts, digest, open_directory, printable, read_set_text, read_set_texts
from .shortcut import Shortcut, find_shortcut, same_but_domains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan
    from .policy_set import PolicySet
    from .securityfs import Interface
    from .shortcut import Texts

#: How many lines an error names.
SHOWN = 5
#: So many domains' names are looked for one by one.
_FEW = 5
#: So often what happens while an activation goes on is followed.
_ROUNDS = 5


class ActivationError(Exception):
    """The kernel does not hold what it should, or must not be given it; the message says which lines.

    ``restored`` tells whether it holds again what it held before.
    """

    def __init__(self, message: str, *, restored: bool = True) -> None:
        super().__init__(message)
        self.restored = restored


class Outcome:
    """What an activation did.

    changes: how many lines were written (or would be, in a dry run).
    plan: what was written; None where nothing had to be.
    kept: bindings that stay until no process uses their store paths.
    left: domains that stay until no process is in them.
    forgotten: how many learned entries go though learned ones are kept, as
        their domains learn no more.
    """

    __slots__ = ("_plan", "changes", "forgotten", "kept", "left")

    def __init__(self, plan: Plan | Shortcut | None = None) -> None:
        self._plan = plan
        self.changes = plan.count if plan is not None else 0
        self.kept = plan.kept if plan is not None else ()
        self.left = plan.left if plan is not None else ()
        self.forgotten = 0

    @property
    def plan(self) -> Plan | None:
        """What was written, or would be."""
        return self._plan.as_plan() if isinstance(self._plan, Shortcut) else self._plan

    def __bool__(self) -> bool:
        return self.changes > 0

    def __str__(self) -> str:
        parts = [_counted(self.changes, "line", "written") if self.changes else "nothing to do"]
        if self.kept:
            parts.append(_counted(len(self.kept), "old binding", "kept while in use"))
        if self.left:
            parts.append(_counted(len(self.left), "old domain", "kept while in use"))
        if self.forgotten:
            parts.append(_counted(self.forgotten, "line", "that was learned deleted where nothing is learned any more"))
        return ", ".join(parts)


def _counted(number: int, noun: str, what: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {what}"


def read_held(interface: Interface) -> PolicySet:
    """Everything that a kernel holds, as it prints it, in one read of each file."""
    return _policy_set(read_held_texts(interface))


def _policy_set(texts: SetTexts) -> PolicySet:
    """A set of TEXTS that were read from a directory, or from a kernel."""
    from .policy_set import policy_set_of

    return policy_set_of(texts)


def holds(held: Texts, wanted: Texts) -> bool:
    """Whether HELD is WANTED to the letter, so that nothing need be parsed.  False may also mean: not sure."""
    return same_domains(held.domain_policy, wanted.domain_policy) and same_but_domains(held, wanted)


def activate(
    directory: str | os.PathLike[str],
    interface: Interface | None = None,
    *,
    keep_learned: bool = False,
    keep_used: bool = True,
    dry_run: bool = False,
    state: str = STATE,
    locks: str = LOCKS,
    proc: str = "/proc",
) -> Outcome:
    """Bring a kernel to the policy set in DIRECTORY.

    Arguments:
        interface: the kernel, by default the running one.
        keep_learned: keep what domains learned that go on learning, and what
            learns in no set.  What the recorded set names was not learned.
        keep_used: keep old bindings that processes need (see ``used_bindings``).
        dry_run: find the plan, and write nothing.
        state: where the links to this set and the one before are put.
        locks: the folder of the lock that keeps two activations apart.
        proc: where procfs is mounted.

    Raises PolicySetError for a set that cannot be used, PolicySyntaxError for a
    line that a kernel would drop, ActivationError where the kernel did not take
    the set, and OSError (SecurityfsError) where the system refuses.
    """
    interface = interface or Securityfs(proc=proc)
    path = absolute(directory)
    with lock(locks):
        with HeldTexts(interface) as reading:
            wanted = read_set_texts(directory)
            if wanted.digests() is None:
                _policy_set(wanted)  # is the manifest one?
            refuse_damaged(wanted)
            held = reading.texts()
        # What could keep the set from being recorded is found out first.
        if not dry_run:
            os.close(make_directory(state, 0o755))
        recorded = recorded_set(state)
        outcome = _go_shortcut(interface, held, wanted, recorded, path, keep_learned, dry_run)
        if outcome is None:
            held_set, wanted_set = _policy_set(held), _policy_set(wanted)
            outcome = _bring(interface, held_set, wanted_set, recorded, keep_learned, keep_used, dry_run, proc)
        if not dry_run:
            try:
                record(path, state)
            except OSError as error:
                reason = (
                    f"the policy is in force, but cannot be recorded in {state}: {error}; the boot loader does not know of it"
                )
                raise ActivationError(reason, restored=False) from error
    return outcome


def _go_shortcut(
    interface: Interface,
    held: SetTexts,
    wanted: SetTexts,
    recorded: str | None,
    path: str,
    keep_learned: bool,
    dry_run: bool,
) -> Outcome | None:
    """Do what can be done without parsing; None where something must be planned."""
    is_same = held.domain_policy == wanted.domain_policy and same_but_domains(held, wanted)
    found = None if is_same else find_shortcut(held, wanted, keep_learned=keep_learned)
    settled = is_same or (not found if found is not None else holds(held, wanted))
    # With digests it is as it was when it was recorded.
    if settled and recorded == path and wanted.manifest is not None:
        return Outcome()
    refuse_unbootable(wanted)
    if is_same:  # no other domain is held then, so none is left to name
        return Outcome()
    named = _named_before(found.extra if found is not None else _extra_domains(held, wanted), wanted, recorded)
    if settled and not named:
        return Outcome()
    if found is None or named:
        return None
    outcome = Outcome(found)
    if not found or dry_run:
        return outcome
    over = ""
    try:
        wrong: list[str] = []
        if not _is_reached(interface, found, wanted):
            wrong = _follow(interface, _policy_set(held), _policy_set(wanted), found.as_plan(), frozenset())
        if "Quota:" in held.stat:
            over = _over_quota(interface)
    except (OSError, ValueError) as error:
        reason = f"{error}"
    else:
        if not (wrong or over):
            return outcome
        reason = _explain(interface, wrong) if wrong else over
    raise _undone(interface, _policy_set(held), _policy_set(wanted), reason, interface.own_names())


def _is_reached(interface: Interface, found: Shortcut, wanted: SetTexts) -> bool:
    """Write what was FOUND, and tell whether the kernel then prints what it should; False may also mean: not sure."""
    if found.is_local:
        commands = found.by_domain()
        return interface.select_all("domain_policy", commands) == [*commands.values()]
    interface.write("domain_policy", found.text)
    now = read_held_texts(interface)
    return found.is_reached(now.domain_policy) and same_but_domains(now, wanted)


def refuse_damaged(wanted: SetTexts) -> None:
    """Raise PolicySetError where the texts are not those of which the manifest tells, or where that is none."""
    known, texts = wanted.digests(), wanted.files()
    if wanted.manifest is None or (
        known is not None
        and not set(known) - {"bindings.conf"} - set(texts)
        and all(digest(texts[file]) == known[file] for file in known if file in texts)
    ):
        return
    from .policy_set import check_digests

    for problem in check_digests(_policy_set(wanted)):
        raise PolicySetError(os.path.join(wanted.path, problem.file), problem.message)


def refuse_unbootable(wanted: SetTexts) -> None:
    """Raise PolicySetError where the boot loader would refuse the set."""
    from .boot_faults import boot_faults

    for fault in boot_faults(wanted):
        place = os.path.join(wanted.path, fault.file)
        raise PolicySetError(f"{place}:{fault.line}:1" if fault.line else place, fault.message)


def _bring(
    interface: Interface,
    held: PolicySet,
    wanted: PolicySet,
    recorded: str | None,
    keep_learned: bool,
    keep_used: bool,
    dry_run: bool,
    proc: str,
) -> Outcome:
    from dataclasses import replace

    from .plan import Plan
    from .planner import plan
    from .store_use import used_bindings

    interface.settle()
    keep_lines = used_bindings(interface, held, wanted, proc) if keep_used else frozenset()
    own = interface.own_names()
    before = _recorded_domains(recorded)
    byproducts, used = _domains_to_keep(interface, held, wanted, before)
    try:
        found = plan(
            held,
            wanted,
            keep_learned=keep_learned,
            keep_lines=keep_lines,
            keep_domains=byproducts | used,
            own=own,
            named=before,
        )
    except ValueError as error:
        from ..syntax.lines import PolicySyntaxError

        if isinstance(error, PolicySyntaxError):
            raise
        raise ActivationError(f"{error}; nothing was changed") from None
    found = replace(found, left=tuple(name for name in found.left if name in used))
    outcome = Outcome(found)
    if keep_learned:
        outcome.forgotten = _count_forgotten(found, held, before)
    if not found or dry_run:
        return outcome
    # Whoever is no manager any more can undo nothing, so that comes when all else is found right.
    resignation = {f"delete {name}" for name in own}
    last = tuple(write for write in found.writes if write.interface == "manager" and write.text in resignation)
    first = Plan(tuple(write for write in found.writes if write not in last))
    try:
        write_plan(interface, first)
        mine = "".join(f"{write.text.removeprefix('delete ')}\n" for write in last)
        wrong = _follow(interface, held, replace(wanted, manager=wanted.manager + mine), first, keep_lines)
        over = _over_quota(interface)
        if not (wrong or over):
            write_plan(interface, Plan(last))
    except (OSError, ValueError) as error:  # such as a line of a new domain that is none
        raise _undone(interface, held, wanted, f"{error}", own) from error
    if wrong or over:
        raise _undone(interface, held, wanted, _explain(interface, wrong) if wrong else over, own)
    return outcome


def write_plan(interface: Interface, found: Plan) -> None:
    """Write FOUND, each batch through one opening."""
    for name, data in found.batches():
        if name:
            interface.write(name, data)
        else:
            interface.settle()


def _follow(interface: Interface, held: PolicySet, wanted: PolicySet, done: Plan, keep_lines: frozenset[str]) -> list[str]:
    """Write, after DONE, what is still to be written because of what happened since HELD was read.

    Gives the lines that the kernel did not take.  What happens meanwhile is
    that a domain that is to learn no more learned on, and that a program made
    a domain as those above were then, perhaps even one that is wanted.
    """
    learned = learning_domains(held)
    before, then = domain_blocks(held.domain_policy), domain_blocks(plain(wanted.domain_policy))

    def is_of_meanwhile(domain: str, line: str) -> bool:
        if not domain or domain not in then:
            return bool(domain)
        return (line.startswith("delete ") and (domain in learned or domain not in before)) or (
            line.startswith("use_profile ") and domain not in before
        )

    for _ in range(_ROUNDS):
        left = plan_left(interface, held, wanted, done, keep_lines)
        if not left or not all(is_of_meanwhile(write.domain, write.text) for write in left.writes):
            break
        write_plan(interface, left)
    return left.text().splitlines()


def _count_forgotten(found: Plan, held: PolicySet, before: str) -> int:
    """How many entries are deleted that domains of HELD learned, and that the policy BEFORE has not."""
    learned = learning_domains(held)
    known = domain_blocks(plain(before))
    named = {name: set(known[name].split("\n")) for name in learned & known.keys()}
    return sum(
        write.text.startswith("delete ")
        and not write.text.startswith("delete use_group ")
        and write.domain in learned
        and write.text.removeprefix("delete ") not in named.get(write.domain, ())
        for write in found.writes
    )


def learning_domains(held: PolicySet) -> set[str]:
    """The domains that learn."""
    learning = {namespace: has_learning(lines) for namespace, lines in named_lines(held.profile).items()}
    return {
        name
        for name, block in domain_blocks(held.domain_policy).items()
        if DomainLines(block).profile in learning.get(name.partition(" ")[0], ())
    }


def plan_left(
    interface: Interface, held: PolicySet, wanted: PolicySet, done: Plan, keep_lines: frozenset[str] = frozenset()
) -> Plan:
    """What would still have to be written after DONE, which was planned from HELD.

    Nothing of what a domain learned that goes on learning; nor are domains
    deleted that were made in the meantime.
    """
    from .plan import Plan
    from .planner import plan

    now = read_held(interface)
    if holds(now, wanted):
        return Plan()
    # One that is there again says nothing that it said before.
    before, blocks = domain_blocks(held.domain_policy), domain_blocks(now.domain_policy)
    deleted = {write.text.removeprefix("delete ") for write in done.writes if not write.domain}
    undeleted = {
        name for name in deleted & blocks.keys() if DomainLines(blocks[name]).entries and blocks[name] == before.get(name)
    }
    return plan(now, wanted, keep_learned=True, keep_lines=keep_lines, keep_domains=blocks.keys() - undeleted)


def _undone(interface: Interface, old: PolicySet, wanted: PolicySet, reason: str, own: list[str]) -> ActivationError:
    """Bring the OLD policy back, verify that, and give the error to raise."""
    from .planner import plan

    try:
        interface.settle()
        now = read_held(interface)
        now_blocks = domain_blocks(now.domain_policy)
        created = now_blocks.keys() - domain_blocks(old.domain_policy).keys()
        used = set(interface.process_domains().values())
        named = domain_blocks(plain(wanted.domain_policy))
        # A program made those that say nothing, or learn; what else is there this run made.
        learning = learning_domains(now)
        keep = {
            name
            for name in created
            if name in used or (name not in named and (name in learning or not DomainLines(now_blocks[name]).entries))
        }
        # What was learned meanwhile stays; what this run wrote is what the other set names.
        found = plan(now, old, keep_learned=True, keep_domains=keep, own=own, named=wanted.domain_policy)
        write_plan(interface, found)
        wrong = _follow(interface, now, old, found, frozenset())
    except (OSError, ValueError) as error:
        return ActivationError(f"{reason}; and the old policy could not be brought back: {error}", restored=False)
    if wrong:
        lines = ", ".join(printable(line) for line in wrong[:SHOWN])
        return ActivationError(f"{reason}; and the old policy is not wholly back: {lines}", restored=False)
    return ActivationError(f"{reason}; the old policy is in force again")


def _explain(interface: Interface, wrong: list[str]) -> str:
    shown = [printable(line) for line in wrong[:SHOWN]]
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    found = _policy_quota(interface)
    reason = f" (policy uses {found[0]} bytes, its quota is {found[1]})" if found is not None else ""
    return f"the kernel did not take{reason}: {'; '.join(shown)}{more}"


def _policy_quota(interface: Interface) -> tuple[int, int] | None:
    """How many bytes policy uses, and how many it may; None where there is no quota."""
    for line in interface.read("stat").split("\n"):
        used, _, quota = line.partition("(Quota:")
        if line.startswith("Memory used by policy:") and quota:
            return int(used.rpartition(":")[2]), int(quota.strip(" )"))
    return None


def _over_quota(interface: Interface) -> str:
    """What is wrong where a quota is reached, so that the kernel would drop whatever comes next; else nothing."""
    used, quota = _policy_quota(interface) or (0, 1)
    if used < quota:
        return ""
    return f"policy uses {used} bytes, its quota is {quota}: the kernel would add nothing any more, not even a domain; raise it"


# Domains that stay though they are not wanted


def _domains_to_keep(
    interface: Interface, held: PolicySet, wanted: PolicySet, before: str
) -> tuple[frozenset[str], frozenset[str]]:
    """Domains that nobody names, but that say nothing of their own; and others, that somebody is in.

    BEFORE is the domain policy of the recorded set.
    """
    extra = _extra_domains(held, wanted)
    if not extra:
        return frozenset(), frozenset()
    now = domain_blocks(held.domain_policy)
    named = domain_blocks(plain(before))
    staying = {KERNEL, *domain_blocks(plain(wanted.domain_policy))}
    byproducts = set()
    for name in sorted(extra - named.keys(), key=lambda name: name.count(" ")):
        if is_byproduct(name, now[name], now) and not staying.isdisjoint(ancestors(name)):
            byproducts.add(name)
            staying.add(name)
    return frozenset(byproducts), frozenset((extra & set(interface.process_domains().values())) - byproducts)


def _extra_domains(held: Texts, wanted: Texts) -> frozenset[str]:
    """Domains that are held and not wanted; the kernel's own always is."""
    return frozenset(domain_blocks(held.domain_policy).keys() - domain_blocks(plain(wanted.domain_policy)).keys() - {KERNEL})


def _named_before(extra: frozenset[str], wanted: Texts, recorded: str | None) -> frozenset[str]:
    """Those of the domains EXTRA, which are not wanted, that the recorded set names."""
    before = _recorded_domains(recorded) if extra else ""
    if before == wanted.domain_policy or (len(extra) <= _FEW and not any(name.rpartition(" ")[2] in before for name in extra)):
        return frozenset()
    return extra & domain_blocks(plain(before)).keys()


def _recorded_domains(recorded: str | None) -> str:
    """The domain policy of the RECORDED set, as far as there is one."""
    try:
        return "" if recorded is None else read_set_text(recorded, "domain_policy")
    except (PolicySetError, OSError):
        return ""  # it is gone


# Lock and record


def lock(folder: str = LOCKS) -> Lock:
    """Keep other activations away, waiting for one that goes on."""
    return Lock(folder)


class Lock:
    """Held in a ``with`` statement; the lock file lies in FOLDER."""

    __slots__ = ("_descriptor", "_folder")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> None:
        import fcntl

        directory = make_directory(self._folder, 0o700)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open("activation.lock", flags, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def recorded_set(state: str = STATE) -> str | None:
    """The set that was activated last, as the folder STATE tells; None if there is none, or STATE cannot be trusted."""
    try:
        directory = open_directory(absolute(state))
    except (PolicySetError, OSError):
        return None
    try:
        found = read_link(directory, "current")
    finally:
        os.close(directory)
    return found if found and found.startswith("/") else None


def record(path: str, state: str = STATE) -> None:
    """Let ``current`` in the folder STATE lead to the set PATH, and ``previous`` to what it led to."""
    directory = make_directory(state, 0o755)
    try:
        advance_links(directory, path)
    finally:
        os.close(directory)

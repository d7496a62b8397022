"""What differs between two policy sets: what to add, to delete and to move, thing by thing.

Two sets are the same where

- each wanted domain has the same profile, groups and entries.  The flags
  ``quota_exceeded`` and ``transition_failed`` are notes of the kernel's, no policy;
- the exception policies have the same lines, and each wanted profile and quota
  is the same.  Other profiles stay, for a kernel cannot forget one;
- the managers are the same;
- the order is the same wherever it counts (see ``ordering``), which it does not
  for transition control, for groups' members, and for what never matches the
  same name.

Lines that both have are not parsed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .policy_pair import PolicyPair
from .policy_set import FILES, PolicySet
from .policy_text import (
    EMPTY_DOMAIN,
    KERNEL,
    DomainLines,
    domain_blocks,
    is_ordered,
    is_plain_policy,
    manager_lines,
    named_lines,
    plain,
    profiles_differ,
    quotas,
    read_number,
)
from .shortcut import PATH_OPERATIONS
from .stand_in import is_stand_in, stand_in_for

if TYPE_CHECKING:  # parsers are loaded where there is something to parse
    from ..model.entries import Entry
    from ..model.profiles import Profile
    from ..syntax.lines import Line, PolicySyntaxError, Problem
    from .ordering import Ranked


#: More endings than this are not looked for one by one.
_FEW = 30


@dataclass(frozen=True, slots=True)
class Move:
    """A line that must come last: as it is held (None if it is not), as it is wanted, and what says both."""

    held: str | None
    wanted: str
    both: str


@dataclass(slots=True)
class Lines:
    """Lines to add, to delete, and to add (again) so that they stand last.

    ``is_moved_last`` tells that what moves has to wait until the others are
    deleted, as one of them would come before it meanwhile.
    """

    add: list[str] = field(default_factory=list)
    delete: list[str] = field(default_factory=list)
    move: list[Move] = field(default_factory=list)
    is_moved_last: bool = False

    def __bool__(self) -> bool:
        return bool(self.add or self.delete or self.move)

    @property
    def adds(self) -> bool:
        """Whether anything is granted that is not held."""
        return bool(self.add) or any(move.both != move.held for move in self.move)

    @property
    def deletes(self) -> bool:
        """Whether anything that is held is not granted any more."""
        return bool(self.delete) or any(move.both != move.wanted for move in self.move)


@dataclass(slots=True)
class DomainChange:
    """What changes in a domain that is there and is wanted."""

    name: str
    held_profile: int
    profile: int
    held_groups: set[int]
    groups: set[int]
    lines: Lines = field(default_factory=Lines)

    def __bool__(self) -> bool:
        return self.held_profile != self.profile or self.held_groups != self.groups or bool(self.lines)


@dataclass(slots=True)
class NewDomain:
    """A domain to create.  ``entries`` are as wanted, one after another, not parsed."""

    name: str
    profile: int
    groups: set[int]
    entries: list[str]


@dataclass(slots=True)
class ProfileChange:
    """What changes in a profile: its lines in the order in which they are safe.

    ``modes`` are those after which a request may be decided in another way.
    """

    namespace: str
    number: int
    is_new: bool
    modes: list[str]
    others: list[str]


@dataclass(slots=True)
class Differences:
    """All that differs.  Keys of ``shared`` are a namespace and an acl_group's number."""

    new_domains: list[NewDomain] = field(default_factory=list)
    domains: list[DomainChange] = field(default_factory=list)
    extra_domains: list[str] = field(default_factory=list)
    transitions: Lines = field(default_factory=Lines)
    aggregators: dict[str, Lines] = field(default_factory=dict)
    groups: Lines = field(default_factory=Lines)
    shared: dict[tuple[str, int], Lines] = field(default_factory=dict)
    versions: list[str] = field(default_factory=list)
    profiles: list[ProfileChange] = field(default_factory=list)
    managers: Lines = field(default_factory=Lines)
    quotas: dict[str, tuple[int, int]] = field(default_factory=dict)


def find_differences(held: PolicySet, wanted: PolicySet, *, keep_learned: bool = False, named: str = "") -> Differences:
    """Compare what a kernel holds (as it prints it) with what is wanted.

    KEEP_LEARNED takes what a domain learned for wanted, where it goes on
    learning: its entries that are not wanted and that the domain policy NAMED
    has not, either.

    Raises PolicySyntaxError for a wanted line that a kernel would drop, where
    that line would have to be written.
    """
    found = Differences()
    _compare_domains(found, held, wanted, named if keep_learned else None)
    _compare_exceptions(found, held, wanted)
    _compare_profiles(found, held, wanted)
    _compare_managers(found, held, wanted)
    now = quotas(held.stat)
    for name, quota in quotas(wanted.stat).items():
        if quota != now.get(name, 0):
            found.quotas[name] = (now.get(name, 0), quota)
    return found


def refuse_lost_lines(wanted: PolicySet) -> None:
    """Raise PolicySyntaxError for the first line that a kernel would drop, in texts that cannot simply be cut up."""
    names = ("domain_policy", "exception_policy", "bindings", "profile", "manager", "stat")
    odd = [name for name in names if not is_plain_policy(name, getattr(wanted, name))]
    if not odd:
        return
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.exception_policy import parse_exception_policy
    from ..syntax.lines import Effect
    from ..syntax.managers import parse_manager
    from ..syntax.profiles import parse_profile
    from ..syntax.stat import parse_stat

    first: list[PolicySyntaxError] = []

    def report(error: PolicySyntaxError) -> None:
        # A line may be without a domain because that one's line is odd.
        if error.effect in (Effect.DROPPED, Effect.ALTERED):
            first.append(error)
        if error.effect is Effect.DROPPED:
            raise first[0]

    parsers: tuple[tuple[str, Callable[..., object]], ...] = (
        ("domain_policy", parse_domain_policy),
        ("exception_policy", parse_exception_policy),
        ("bindings", parse_exception_policy),
        ("profile", parse_profile),
        ("manager", parse_manager),
    )
    for name, parse in parsers:
        if name in odd:
            first.clear()
            parse(getattr(wanted, name), file=FILES[name], report=report)
    if "stat" in odd:
        parse_stat(wanted.stat, file=FILES["stat"])


def _namespace(domain: str) -> str:
    return domain.partition(" ")[0]


def _statement(line: str, reader: Callable[[Line], Any], policy: PolicySet | None, texts: tuple[str, ...]) -> Any:
    """What LINE says.  POLICY is the set that it stands in, in one of TEXTS; None if a kernel printed it."""
    from ..syntax.lines import Effect, read_line

    statement, problems = read_line(line, reader)
    if policy is not None:
        for problem in problems:
            if problem.effect is Effect.DROPPED:
                raise _error(line, problem, policy, texts)
    return statement


def _error(line: str, problem: Problem, policy: PolicySet, texts: tuple[str, ...]) -> PolicySyntaxError:
    from ..syntax.lines import PolicySyntaxError

    for name in texts:
        for number, raw in enumerate(getattr(policy, name).split("\n"), 1):
            if " ".join(raw.split()).endswith(line):
                return PolicySyntaxError(FILES[name], number, problem.offset + 1, problem)
    return PolicySyntaxError(FILES[texts[0]], 0, problem.offset + 1, problem)


# Domains


def _compare_domains(found: Differences, held: PolicySet, wanted: PolicySet, named: str | None) -> None:
    """Compare domains.  What was learned beyond the domain policy NAMED is wanted, too; None says that it is not."""
    now = domain_blocks(held.domain_policy)
    then = {KERNEL: EMPTY_DOMAIN, **domain_blocks(plain(wanted.domain_policy))}
    known = {} if named is None else domain_blocks(plain(named))
    policies = PolicyPair(held, wanted)
    for name, block in then.items():
        before = now.get(name)
        if before == block:
            continue
        after = DomainLines(block)
        if before is None:
            found.new_domains.append(_new_domain(name, after))
            continue
        old = DomainLines(before)
        learned: list[str] = []
        if named is not None and policies.learns_on(_namespace(name), old.profile, after.profile):
            groups = [(_namespace(name), group) for group in old.groups | after.groups]
            granted = [entry for key in groups for which in (False, True) for entry in policies.shared(key, is_wanted=which)]
            learned = _learned(old.entries, after.entries, [*DomainLines(known.get(name, "")).entries, *granted])
        lines = compare_entries(old.entries, [*after.entries, *learned], wanted)
        change = DomainChange(name, old.profile, after.profile, old.groups, after.groups, lines)
        if change:
            found.domains.append(change)
    found.extra_domains += [name for name in now if name not in then]


def _learned(held: list[str], wanted: list[str], named: list[str]) -> list[str]:
    """What a domain learned of the entries HELD: not WANTED, not NAMED by the policy that it had or granted by its groups.

    And no stand-in that is left of a plan that was broken off.
    """
    others = {*wanted, *named}
    learned = [line for line in held if line not in others and not is_stand_in(line)]
    # The kernel holds what was named and what was learned of one path in one line.
    tails = {line.rpartition(" ")[2] for line in named} & {line.rpartition(" ")[2] for line in learned}
    if not tails:
        return learned
    before = _by_subject((line for line in named if line.rpartition(" ")[2] in tails), None)
    found = []
    for line in learned:
        rest = line
        if line.rpartition(" ")[2] in tails:
            for subject, entry in _by_subject([line], None).items():
                named_operations = before[subject].operations if subject in before else ()
                operations = tuple(operation for operation in entry.operations if operation not in named_operations)
                rest = entry.with_operations(operations).text if operations else ""
        if rest:
            found.append(rest)
    return found


def _new_domain(name: str, lines: DomainLines) -> NewDomain:
    return NewDomain(name, lines.profile, lines.groups, lines.entries)


def compare_entries(held: list[str], wanted: list[str], policy: PolicySet, *, prefix: str = "") -> Lines:
    """What to write so that the entries HELD become those WANTED.

    PREFIX stands before each line that is to be written.
    """
    lines = Lines()
    wanted_set, held_set = set(wanted), set(held)
    gone_lines = [line for line in held if line not in wanted_set]
    new_lines = [line for line in wanted if line not in held_set]
    gone_lines, new_lines = _take_plain(lines, gone_lines, new_lines, wanted, prefix)
    gone = _by_subject(gone_lines, None)
    new = _by_subject(new_lines, policy)
    _move_entries(lines, gone, new, held, wanted, prefix)
    # A text written by hand may say in two lines what the kernel holds in one.
    ends = tuple({line.rpartition(" ")[2] for line in new_lines})
    alike = [line for line in held if line.endswith(ends)] if 0 < len(ends) < _FEW else held if ends else []
    staying = _by_subject((line for line in alike if line in wanted_set), None)
    for subject, entry in new.items():
        before = gone.pop(subject, None)
        operations = before.operations if before else ()
        if subject in staying:
            operations = staying[subject].operations
        missing = tuple(op for op in entry.operations if op not in operations)
        surplus = tuple(op for op in operations if op not in entry.operations)
        if missing:
            lines.add.append(prefix + entry.with_operations(missing).text)
        if surplus and before:
            lines.delete.append(prefix + before.with_operations(surplus).text)
    lines.delete += [prefix + entry.text for entry in gone.values()]
    _leave_stand_ins(lines)
    return lines


def _leave_stand_ins(lines: Lines) -> None:
    """Take out of what LINES delete the stand-ins, left by a plan that was broken off, that are needed again."""
    needed = {stand_in_for(move.both) for move in lines.move if move.held or lines.is_moved_last}
    if needed:
        lines.delete = [line for line in lines.delete if line not in needed]


def _take_plain(lines: Lines, gone: list[str], new: list[str], wanted: list[str], prefix: str) -> tuple[list[str], list[str]]:
    """Put into LINES what is GONE and NEW and need not be parsed; give back the rest.

    That is ``file OPERATIONS PATH`` where no other line is about that path: the
    kernel stores such a path as it stands, and there is nothing to merge with.
    """
    tails = _tails((*gone, *new))
    text = "\n".join(wanted) + "\n"
    # To count is quicker where there are few.
    all_tails = _tails(wanted) if len(new) > _FEW else None

    def is_plain_entry(line: str) -> bool:
        words = line.split(" ")
        return len(words) == 3 and words[0] == "file" and tails[words[2]] == 1 and PATH_OPERATIONS.issuperset(words[1].split("/"))

    def is_alone(line: str) -> bool:
        tail = line.rpartition(" ")[2]
        return (all_tails[tail] if all_tails else text.count(f" {tail}\n")) == 1

    rest_gone, rest_new = [], []
    for line in gone:
        if is_plain_entry(line):
            lines.delete.append(prefix + line)
        else:
            rest_gone.append(line)
    for line in new:
        if is_plain_entry(line) and is_alone(line):
            lines.add.append(prefix + line)
        else:
            rest_new.append(line)
    return rest_gone, rest_new


def _tails(lines: Iterable[str]) -> Counter[str]:
    """How many of LINES end with each word."""
    return Counter(line.rpartition(" ")[2] for line in lines)


def _by_subject(lines: Iterable[str], policy: PolicySet | None) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    lines = list(lines)
    if not lines:
        return found
    from ..model.entries import Entry
    from ..syntax.domain_policy import read_domain_line

    for line in lines:
        entry = _statement(line, read_domain_line, policy, ("domain_policy",) if policy else ())
        if isinstance(entry, Entry):
            before = found.get(entry.subject)
            found[entry.subject] = entry if before is None else before.merged(entry)
    return found


def _move_entries(
    lines: Lines,
    gone: dict[str, Entry],
    new: dict[str, Entry],
    held: list[str],
    wanted: list[str],
    prefix: str,
) -> None:
    """Put into LINES the wanted entries that have to be added (again) at the end; take them from GONE and NEW."""
    ranked = [line for line in wanted if is_ordered(line)] if is_ordered("\n".join(wanted)) else []
    if len(ranked) < 2:
        return
    wanted_set, held_set = set(wanted), set(held)
    staying = [line for line in held if line in wanted_set and is_ordered(line)]
    if ranked == staying:
        return
    if held_set >= wanted_set and [line for line in ranked if line in held_set] == staying:
        return
    from .ordering import comes_before, ranked_entry, to_move

    then = _by_subject(wanted, None)
    # An entry that comes to be ordered keeps the place that it has.
    tails = {line.rpartition(" ")[2] for line in ranked if line not in held_set}
    now = _by_subject((line for line in held if is_ordered(line) or line.rpartition(" ")[2] in tails), None)
    order = [item for entry in then.values() for item in ranked_entry(entry)]
    current = [item for subject in now if subject in then for item in ranked_entry(then[subject])]
    known = set(current)
    moved = to_move([*current, *(item for item in order if item not in known)], order)
    if not moved:
        return
    before = _by_subject(held, None)
    for subject in moved:
        entry, old = then[subject], before.get(subject)
        both = entry if old is None else old.merged(entry)
        lines.move.append(Move(None if old is None else prefix + old.text, prefix + entry.text, prefix + both.text))
        gone.pop(subject, None)
        new.pop(subject, None)
    if gone:
        some = {**gone, **{subject: then[subject] for subject in moved}}
        ranked_now = [item for subject in now if subject in some for item in ranked_entry(some[subject])]
        lines.is_moved_last = comes_before(ranked_now, set(moved))


# Exception policy


def _compare_exceptions(found: Differences, held: PolicySet, wanted: PolicySet) -> None:
    now = named_lines(held.exception_policy)
    then = named_lines(plain(wanted.exception_policy))
    for namespace, lines in named_lines(plain(wanted.bindings)).items():
        then[namespace] = then.get(namespace, []) + lines
    for namespace in dict.fromkeys((*then, *now)):
        _compare_namespace(found, namespace, now.get(namespace, []), then.get(namespace, []), wanted)


def _content(line: str, policy: PolicySet | None) -> Any:
    from ..syntax.exception_policy import read_exception_line
    from ..syntax.statements import InNamespace

    statement = _statement(line, read_exception_line, policy, ("exception_policy", "bindings"))
    return statement.content if isinstance(statement, InNamespace) else None


def _canonical(content: Any) -> str:
    from ..syntax.statements import GroupMember, SharedEntry

    if isinstance(content, GroupMember):
        return f"{content.kind.value} {content.name} {content.member}"
    if isinstance(content, SharedEntry):
        return f"acl_group {content.group} {content.entry.text}"
    return str(content)


def _compare_namespace(found: Differences, namespace: str, held: list[str], wanted: list[str], policy: PolicySet) -> None:
    held_set = set(held)
    prefix = "" if namespace == KERNEL else f"{namespace} "
    contents = {line: _content(line, policy) for line in dict.fromkeys(wanted) if line not in held_set}
    # Written in another way than the kernel prints it, it may be held all the same.
    wanted = [_canonical(contents[line]) if contents.get(line) is not None else line for line in wanted]
    wanted_set = set(wanted)
    new = {_canonical(content): content for content in contents.values() if content is not None}
    gone = {line: _content(line, None) for line in held if line not in wanted_set}
    for text, content in new.items():
        if text not in held_set:
            _lines_for(found, namespace, content).add.append(prefix + text)
    for text, content in gone.items():
        _lines_for(found, namespace, content).delete.append(prefix + text)
    _order_aggregators(found, namespace, prefix, held, wanted)
    _compare_shared(found, namespace, prefix, held, wanted, policy)


def _lines_for(found: Differences, namespace: str, content: Any) -> Lines:
    from ..model.exception_policy import Aggregator, TransitionControl
    from ..syntax.statements import GroupMember

    if isinstance(content, TransitionControl):
        return found.transitions
    if isinstance(content, Aggregator):
        return found.aggregators.setdefault(namespace, Lines())
    if isinstance(content, GroupMember):
        return found.groups
    return Lines()  # entries of acl_groups, which are compared on their own


def _order_aggregators(found: Differences, namespace: str, prefix: str, held: list[str], wanted: list[str]) -> None:
    then = list(dict.fromkeys(line for line in wanted if line.startswith("aggregator ")))
    wanted_set = set(then)
    now = [line for line in held if line in wanted_set]
    held_set = set(now)
    now += [line for line in then if line not in held_set]
    if now == then:
        return
    from ..model.exception_policy import Aggregator
    from .ordering import comes_before, ranked_aggregator, to_move

    ranked: dict[str, list[Ranked]] = {}
    for line in then:
        content = _content(line, None)
        ranked[line] = ranked_aggregator(content) if isinstance(content, Aggregator) else []
    moves = to_move([item for line in now for item in ranked[line]], [item for line in then for item in ranked[line]])
    if not moves:
        return
    lines = found.aggregators.setdefault(namespace, Lines())
    lines.move = [Move(prefix + text if text in held_set else None, prefix + text, prefix + text) for text in moves]
    new = {move.wanted for move in lines.move}
    lines.add = [line for line in lines.add if line not in new]
    moved = set(moves)
    some = [_content(line, None) for line in held if line in moved or (line.startswith("aggregator ") and line not in wanted_set)]
    ranked_now = [item for content in some if isinstance(content, Aggregator) for item in ranked_aggregator(content)]
    lines.is_moved_last = comes_before(ranked_now, moved)
    _leave_stand_ins(lines)


def _compare_shared(
    found: Differences, namespace: str, prefix: str, held: list[str], wanted: list[str], policy: PolicySet
) -> None:
    now, then = _shared(held), _shared(wanted)
    for number in sorted({*now, *then}):
        if now.get(number) != then.get(number):
            before = f"{prefix}acl_group {number} "
            lines = compare_entries(now.get(number, []), then.get(number, []), policy, prefix=before)
            if lines:
                found.shared[namespace, number] = lines


def _shared(lines: list[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for line in lines:
        if line.startswith("acl_group "):
            number, _, entry = line[len("acl_group ") :].partition(" ")
            group = read_number(number)
            if group is not None:
                found.setdefault(group, []).append(entry)
    return found


# Profiles


def _compare_profiles(found: Differences, held: PolicySet, wanted: PolicySet) -> None:
    if not profiles_differ(held.profile, wanted.profile):
        return
    from ..syntax.profiles import parse_profile

    now = parse_profile(held.profile)
    then = parse_profile(wanted.profile, file=FILES["profile"])
    for part in then:
        prefix = "" if part.namespace == KERNEL else f"{part.namespace} "
        before = now.namespace(part.namespace)
        if before is None or before.version != part.version:
            found.versions.append(f"{prefix}PROFILE_VERSION={part.version}")
        for profile in part.profiles:
            change = compare_profile(part.namespace, before.profile(profile.number) if before else None, profile)
            if change.modes or change.others:
                found.profiles.append(change)


def compare_profile(namespace: str, held: Profile | None, wanted: Profile) -> ProfileChange:
    """The lines that make the profile HELD the one WANTED.

    Their order keeps each functionality in its old mode or its new one: what is
    said in particular is set before what is said in general, and particulars
    are given up last, those of a category before those of its parts.
    """
    from ..model.profiles import FUNCTIONALITIES, Profile

    prefix = ("" if namespace == KERNEL else f"{namespace} ") + str(wanted.number)
    now = held or Profile(wanted.number)
    before, after = dict(now.configs), dict(wanted.configs)
    order = [name for name in FUNCTIONALITIES if "::" in name] + [name for name in FUNCTIONALITIES if "::" not in name]
    modes = [f"{prefix}-CONFIG::{name}={after[name]}" for name in order if name in after and after[name] != before.get(name)]
    if now.default != wanted.default:
        modes.append(f"{prefix}-CONFIG={wanted.default}")
    modes += [f"{prefix}-CONFIG::{name}=use_default" for name in reversed(order) if name in before and name not in after]
    others = []
    if now.comment != wanted.comment:
        others.append(f"{prefix}-COMMENT={wanted.comment}")
    # What a new profile has there is for whoever built the kernel to say.
    if held is None or (now.max_audit_log, now.max_learning_entry) != (wanted.max_audit_log, wanted.max_learning_entry):
        limits = f"max_audit_log={wanted.max_audit_log} max_learning_entry={wanted.max_learning_entry}"
        others.append(f"{prefix}-PREFERENCE={{ {limits} }}")
    return ProfileChange(namespace, wanted.number, held is None, modes, others)


# Managers


def _compare_managers(found: Differences, held: PolicySet, wanted: PolicySet) -> None:
    now, then = manager_lines(held.manager), manager_lines(wanted.manager)
    found.managers.add = [line for line in then if line not in set(now)]
    found.managers.delete = [line for line in now if line not in set(then)]

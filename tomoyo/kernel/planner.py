"""The way from what a kernel holds to what is wanted: the fewest lines, in a safe order.

At every moment on that way, and wherever it is broken off,

- a domain that enforces both before and afterwards enforces,
- what is permitted both before and afterwards is permitted.

So everything is added before anything is deleted; in between both policies'
lines are held.  The order is

1. quotas that grow, managers, new profiles, and what of profiles decides nothing
2. group members, entries of acl_groups, new domains, entries of domains, and
   what is deleted and added again only to stand last
3. aggregators and transition control, which lead into those domains
4. profiles that change their modes, and domains that change their profile
5. deleted entries, group members and domains
6. what stands last only when others are deleted
7. quotas that shrink, managers that go

An acl_group whose number is used anew (other entries, other domains) is neither
filled while domains use it that are to leave it, nor used by others before it
is emptied; a profile likewise.  Where these wait for each other in a circle,
something stands in for one of them: another profile that is there, entries of
the domains' own, or else a number that nobody uses.

A new domain is filled before it is confined by more than the kernel would have
confined it by, which gives it the profile of the domain above; where neither
its own nor profile 0 is right meanwhile, it has that one first.  The kernel
creates a domain with profile 0, so between two lines of one write it has that.

No safe way is shorter, but now and then where a number stands in for another
(judged by numbers, not by each request: one to four lines more), and where
profile 0 enforces something.

A path group may meanwhile be seen with old and new members at once, by old and
new entries; and an order of group members is not kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..model.profiles import FUNCTIONALITIES, Mode
from .differences import Differences, Lines, NewDomain, compare_profile, find_differences
from .plan import SETTLE, Plan, Write
from .policy_set import PolicySet
from .policy_text import KERNEL, DomainLines, ancestors, domain_blocks, is_ordered, named_lines, plain, profile_numbers
from .reuse import Act, Event, User, order

if TYPE_CHECKING:
    from ..model.profiles import ProfilePolicy

#: In this order no transition is added before what takes precedence over it.
_TRANSITIONS = (
    *("no_reset_domain", "reset_domain"),
    *("no_initialize_domain", "initialize_domain"),
    *("no_keep_domain", "keep_domain"),
)
#: In this order they can be deleted.
_DELETIONS = (
    *("keep_domain", "no_keep_domain"),
    *("initialize_domain", "no_initialize_domain"),
    *("reset_domain", "no_reset_domain"),
)
#: A test that always holds; an entry with it stands in for the same one without.
_ALWAYS = "0=0"
#: Excludes a name that cannot be, so a pattern with it stands in for the same one without.
_NEVER = "\\-\\000"
_NUMBERS = 256


def plan(
    held: PolicySet,
    wanted: PolicySet,
    *,
    keep_learned: bool = False,
    keep_lines: Collection[str] = (),
    keep_domains: Collection[str] = (),
    own: Collection[str] = (),
) -> Plan:
    """Find the writes that bring a kernel from HELD, as it prints it, to WANTED.

    Arguments:
        keep_learned: keep entries and domains that are not wanted where the
            domain, as held, is learning.
        keep_lines: lines of exception policy that stay though they are not
            wanted: bindings in use.
        keep_domains: domains that stay though they are not wanted.
        own: the caller's program and domain, which stay managers to the end.

    Raises PolicySyntaxError for a wanted line that a kernel would drop, where
    it would have to be written, and ValueError where a wanted domain's profile
    is not defined.
    """
    found = find_differences(held, wanted, keep_learned=keep_learned)
    return _Planner(held, wanted, found, frozenset(keep_lines), frozenset(keep_domains), frozenset(own)).plan()


class _Planner:
    def __init__(
        self,
        held: PolicySet,
        wanted: PolicySet,
        found: Differences,
        keep_lines: frozenset[str],
        keep_domains: frozenset[str],
        own: frozenset[str],
    ) -> None:
        self.held, self.wanted, self.found = held, wanted, found
        self.keep_lines, self.keep_domains, self.own = keep_lines, keep_domains, own
        self.writes: list[Write] = []
        self.kept: list[str] = []
        self.left: list[str] = []
        self.after: list[Write] = []  # what ends the use of numbers that stood in for others
        self.users: dict[str, User] = {}
        self.events: set[Event] = set()
        self.modes: dict[tuple[str, int], list[str]] = {}

    def plan(self) -> Plan:
        self._check_profiles()
        deleted = self._deletable()
        self._prepare()
        self._find_users()
        self._find_events()
        order = self._stand_in()
        self._add()
        self._switch(order)
        self._delete()
        self._finish(deleted)
        return Plan(tuple(self.writes), tuple(self.kept), tuple(self.left))

    def _write(self, interface: str, lines: Iterable[str], domain: str = "") -> None:
        self.writes += [Write(interface, line, domain) for line in lines]

    def _check_profiles(self) -> None:
        """A kernel drops ``use_profile`` of a profile that is not defined, and boots with none."""
        defined: dict[str, set[str]] = {}
        for text in (self.held.profile, plain(self.wanted.profile)):
            for namespace, lines in named_lines(text).items():
                defined.setdefault(namespace, set()).update(line.partition("-")[0] for line in lines)
        changed = [(change.name, change.profile) for change in self.found.domains if change.profile != change.held_profile]
        for name, profile in [*((domain.name, domain.profile) for domain in self.found.new_domains), *changed]:
            if str(profile) not in defined.get(name.partition(" ")[0], ()):
                raise ValueError(f"profile {profile} of {name} is not defined in namespace {name.partition(' ')[0]}")

    def _deletable(self) -> list[str]:
        extra = [name for name in self.found.extra_domains if name != KERNEL]
        self.left = [name for name in extra if name in self.keep_domains]
        return [name for name in extra if name not in self.keep_domains]

    # 1

    def _prepare(self) -> None:
        for name, (before, after) in self.found.quotas.items():
            if before and (after > before or not after):
                self._write("stat", [f"Memory used by {name}: {after}"])
        self._write("manager", self.found.managers.add)
        self._write("profile", self.found.versions)
        for change in self.found.profiles:
            self._write("profile", change.others)
            if change.is_new:
                self._write("profile", change.modes)

    # Numbers used anew

    def _find_users(self) -> None:
        found = self.found
        for new in found.new_domains:
            self.users[new.name] = User(new.name, None, new.profile, frozenset(), frozenset(new.groups))
        for change in found.domains:
            now, then = frozenset(change.held_groups), frozenset(change.groups)
            self.users[change.name] = User(change.name, change.held_profile, change.profile, now, then)
        for user in self.users.values():
            user.enters = set(user.groups - user.old_groups)
            user.leaves = set(user.old_groups - user.groups)
        for profile in found.profiles:
            if profile.modes and not profile.is_new:
                self.modes[profile.namespace, profile.number] = profile.modes
        if not self.modes and not found.shared:
            return
        # Others are users, too, if anything that they use changes.
        changed = self.modes.keys() | found.shared.keys()
        deleted = set(found.extra_domains)
        for name, block in domain_blocks(self.held.domain_policy).items():
            if name not in self.users and name not in deleted:
                lines, space = DomainLines(block), name.partition(" ")[0]
                if (space, lines.profile) in changed or any((space, number) in changed for number in lines.groups):
                    groups = frozenset(lines.groups)
                    self.users[name] = User(name, lines.profile, lines.profile, groups, groups)

    def _find_events(self) -> None:
        comers = {(user.namespace, number) for user in self.users.values() for number in user.enters}
        leavers = {(user.namespace, number) for user in self.users.values() for number in user.leaves}
        self.events = {(Act.MODES, *key) for key in self.modes}
        for user in self.users.values():
            space, old, new = user.namespace, user.old_profile, user.profile
            after = self._modes(space, new, self.wanted)
            user.free_after = _is_free(after)
            if old is None:
                continue
            before = self._modes(space, old, self.held)
            user.free_before = _is_free(before)
            if old != new:
                user.early = (space, new) in self.modes and _is_between(self._modes(space, new, self.held), before, after)
                user.late = (space, old) in self.modes and _is_between(self._modes(space, old, self.wanted), before, after)
        for key, lines in self.found.shared.items():
            # Else it can be filled with all that is added, and emptied with all that is deleted.
            if (lines.add and key in leavers) or (lines.delete and key in comers):
                self.events |= {(act, *key) for act, some in ((Act.FILL, lines.add), (Act.EMPTY, lines.delete)) if some}

    def _stand_in(self) -> list[Event]:
        """Break circles: another number is used in the place of one, until the end.  Give the events in their order."""
        while True:
            # Whoever uses a number that stands in does not wait for what it stands in for.
            found, circle = order(list(self.users.values()), self.events)
            if not circle:
                return found
            if self._stand_in_profile_held(circle):
                continue
            act, namespace, number = circle[0]
            users = [user for user in self.users.values() if user.namespace == namespace]
            prefix = "" if namespace == KERNEL else f"{namespace} "
            if act is Act.MODES:
                free = self._free_number("profile", namespace)
                self._stand_in_profile(prefix, number, free)
                for user in (user for user in users if user.profile == number and user.old_profile != number):
                    user.profile = free
                    self.after.append(Write("domain_policy", f"use_profile {number}", user.name))
                continue
            members = [user for user in users if number in user.groups]
            entries = self._shared_entries(self.wanted, namespace, number)
            if not entries or (1 in (len(entries), len(members)) and self._may_own(members, entries)):
                self._stand_in_alone(members, number, entries)
                continue
            free = self._free_number("group", namespace)
            self._write("exception_policy", [f"{prefix}acl_group {free} {entry}" for entry in entries])
            for user in members:
                # It stays in the old one as long as it must: what it is to leave is decided by what it has.
                lines = f"delete use_group {free}"
                self.after.append(
                    Write("domain_policy", lines if number in user.old_groups else f"use_group {number}\n{lines}", user.name)
                )
                user.enters = user.enters - {number} | {free}
                user.groups = user.groups - {number} | {free}
            self.after += [Write("exception_policy", f"delete {prefix}acl_group {free} {entry}") for entry in entries]

    def _may_own(self, members: list[User], entries: list[str]) -> bool:
        """Whether MEMBERS may have ENTRIES themselves for a while: the order does not count, and the kernel merges nothing."""
        if any(user.old_profile is None for user in members) or any(map(is_ordered, entries)):
            return False
        words = {word for entry in entries for word in entry.split(" ")[2:]}
        blocks = [
            domain_blocks(plain(text.domain_policy)).get(user.name, "") for text in (self.held, self.wanted) for user in members
        ]
        return words.isdisjoint(word for block in blocks for word in block.split())

    def _stand_in_alone(self, members: list[User], number: int, entries: list[str]) -> None:
        """Let MEMBERS have the ENTRIES of group NUMBER, if it has any, in its place."""
        for user in members:
            self._write("domain_policy", entries, user.name)
            if number not in user.old_groups:
                self.after.append(Write("domain_policy", f"use_group {number}", user.name))
            self.after += [Write("domain_policy", f"delete {entry}", user.name) for entry in entries]
            user.enters = user.enters - {number}
            user.groups = user.groups - {number}

    def _stand_in_profile_held(self, circle: list[Event]) -> bool:
        """Break CIRCLE with a profile that is there, stays as it is, and does for all who shall have another one meanwhile.

        False if there is none.
        """
        for act, namespace, number in circle:
            users = [user for user in self.users.values() if (user.namespace, user.profile) == (namespace, number)]
            users = [user for user in users if user.old_profile not in (None, number)]
            if act is not Act.MODES or not users:
                continue
            held = map(int, sorted(profile_numbers(named_lines(self.held.profile).get(namespace, ()))))
            for free in held:
                if (namespace, free) not in self.modes and all(self._does_meanwhile(user, free) for user in users):
                    for user in users:
                        self.after.append(Write("domain_policy", f"use_profile {number}", user.name))
                        user.profile = free
                    return True
        return False

    def _does_meanwhile(self, user: User, number: int) -> bool:
        """Whether USER may be in profile NUMBER between its old one and its new one."""
        assert user.old_profile is not None
        before = self._modes(user.namespace, user.old_profile, self.held)
        after = self._modes(user.namespace, user.profile, self.wanted)
        return number != user.old_profile and _is_between(self._modes(user.namespace, number, self.held), before, after)

    def _stand_in_profile(self, prefix: str, number: int, free: int) -> None:
        namespace = prefix.strip() or KERNEL
        part = _profiles(self.wanted.profile).namespace(namespace)
        wanted = part.profile(number) if part else None
        assert wanted is not None  # its modes are to change
        modes = compare_profile(namespace, None, replace(wanted, number=free)).modes
        self._write("profile", modes or [f"{prefix}{free}-CONFIG={wanted.default}"])

    def _free_number(self, kind: str, namespace: str) -> int:
        texts = (self.held, self.wanted)
        if kind == "profile":
            used = {line.partition("-")[0] for text in texts for line in named_lines(plain(text.profile)).get(namespace, ())}
        else:
            blocks = [DomainLines(block) for text in texts for block in domain_blocks(plain(text.domain_policy)).values()]
            used = {str(number) for block in blocks for number in block.groups}
            for text in texts:
                for policy in (text.exception_policy, text.bindings):
                    lines = named_lines(plain(policy)).get(namespace, ())
                    used |= {line.split(" ")[1] for line in lines if line.startswith("acl_group ")}
        for user in self.users.values():
            used |= {str(user.profile)} if kind == "profile" else {str(number) for number in user.enters}
        for number in range(_NUMBERS - 1, -1, -1):
            if str(number) not in used:
                return number
        raise ValueError(f"all {kind} numbers of namespace {namespace} are in use, and one is needed to get there safely")

    @staticmethod
    def _shared_entries(policy: PolicySet, namespace: str, number: int) -> list[str]:
        start = f"acl_group {number} "
        lines = [
            line
            for text in (policy.exception_policy, policy.bindings)
            for line in named_lines(plain(text)).get(namespace, ())
            if line.startswith(start)
        ]
        return [line[len(start) :] for line in lines]

    # 2

    def _add(self) -> None:
        self._write("exception_policy", self.found.groups.add)
        shared = [
            ("exception_policy", lines, "") for key, lines in self.found.shared.items() if (Act.FILL, *key) not in self.events
        ]
        changes = [*shared, *(("domain_policy", change.lines, change.name) for change in self.found.domains)]
        for interface, lines, domain in changes:
            self._write(interface, _at_first(lines), domain)
        blocks = domain_blocks(self.held.domain_policy) if self.found.new_domains else {}
        created: dict[str, int] = {}
        for new in self.found.new_domains:
            self._create(new, self.users[new.name], blocks, created)
        self._move(changes)
        for user in self.users.values():
            self._enter(user)

    def _enter(self, user: User) -> None:
        """Let USER use the groups that are as they should be, or will be before anything is deleted."""
        acts = (Act.FILL, Act.EMPTY)
        ready = sorted(n for n in user.enters if not any((act, user.namespace, n) in self.events for act in acts))
        self._write("domain_policy", [f"use_group {number}" for number in ready], user.name)
        user.enters.difference_update(ready)

    def _create(self, new: NewDomain, user: User, blocks: Mapping[str, str], created: dict[str, int]) -> None:
        inherited = 0
        for name in ancestors(new.name):
            if name in created or name in blocks:
                inherited = created[name] if name in created else DomainLines(blocks[name]).profile
                break
        created[new.name] = inherited
        meanwhile = self._profile_while_filled(user, inherited, new.entries)
        first = [f"use_profile {meanwhile}"] if meanwhile else []
        lines = "\n".join([*first, *new.entries])
        before = len(self.writes)
        self._write("domain_policy", [lines] if lines else [], new.name)
        self._enter(user)
        if user.profile == meanwhile:
            user.switched = True
        elif (Act.MODES, user.namespace, user.profile) not in self.events and not user.enters:
            self._switch_user(user)
        # A program cannot enter a namespace that is not there; any other domain its next line creates.
        is_written_later = user.enters or not user.switched
        if len(self.writes) == before and not (is_written_later and " " in new.name):
            self.writes.append(Write("domain_policy", "", new.name))

    def _profile_while_filled(self, user: User, inherited: int, entries: list[str]) -> int:
        """The profile of a new domain until it has its entries; INHERITED is what the kernel would have given it.

        What INHERITED and its own one enforce is enforced, and nothing else
        that INHERITED does not.  Mostly its own one, or the 0 that it is
        created with, will do, which saves a line.
        """
        if inherited in (user.profile, 0):
            return inherited
        # A domain that is to have profile 0 is complete with its first line.
        if len(entries) + len(user.groups) <= (user.profile == 0) and not self._is_waited_for(user):
            return user.profile
        before = self._enforced(user.namespace, inherited, self.held)
        both = before & self._enforced(user.namespace, user.profile, self.wanted)
        for number in (user.profile, 0):
            # One that changes its modes in between is neither.
            if (user.namespace, number) not in self.modes and both <= self._enforced(user.namespace, number, self.held) <= before:
                return number
        return inherited

    def _is_waited_for(self, user: User) -> bool:
        """Whether the profile of USER, or a group, is not yet what it will be."""
        acts = (Act.FILL, Act.EMPTY)
        waiting = any((act, user.namespace, number) in self.events for act in acts for number in user.groups)
        return waiting or (user.namespace, user.profile) in self.modes

    def _enforced(self, namespace: str, number: int, policy: PolicySet) -> frozenset[str]:
        """What profile NUMBER enforces, as POLICY has it, or else as the other policy has it."""
        return frozenset(name for name, mode in self._modes(namespace, number, policy).items() if mode is Mode.ENFORCING)

    def _modes(self, namespace: str, number: int, policy: PolicySet) -> Mapping[str, Mode]:
        """The modes of profile NUMBER, as POLICY has it, or else as the other policy has it; empty where neither has it."""
        for text in (policy, self.held, self.wanted):
            part = _profiles(text.profile).namespace(namespace)
            profile = part.profile(number) if part else None
            if profile is not None:
                return {name: profile.config(name).mode for name in FUNCTIONALITIES if "::" in name}
        return {}

    # 3 and 4

    def _switch(self, events: list[Event]) -> None:
        for lines in self.found.aggregators.values():
            self._write("exception_policy", _at_first(lines))
        self._move([("exception_policy", lines, "") for lines in self.found.aggregators.values()])
        self._write("exception_policy", _sorted(self.found.transitions.add, _TRANSITIONS))
        self._write("exception_policy", [f"delete {line}" for line in _sorted(self.found.transitions.delete, _DELETIONS)])
        for lines in self.found.aggregators.values():
            self._write("exception_policy", self._deletions(lines))
        for event in events:
            self._happen(*event)
        for user in self.users.values():
            self._switch_user(user)
        for user in self.users.values():
            self._write("domain_policy", [f"delete use_group {number}" for number in sorted(user.leaves)], user.name)

    def _happen(self, act: Act, namespace: str, number: int) -> None:
        """Let those who must not see it go, change what NUMBER stands for, and let those in who waited for it."""
        users = [user for user in self.users.values() if user.namespace == namespace]
        self.events.discard((act, namespace, number))
        if act is Act.MODES:
            for user in users:
                if user.old_profile == number != user.profile and (
                    user.early or (Act.MODES, namespace, user.profile) not in self.events
                ):
                    self._switch_user(user)
            self._write("profile", self.modes[namespace, number])
            return
        for user in users:
            if number in user.old_groups and (act is Act.EMPTY or number in user.leaves) and not user.free_before:
                self._switch_user(user)
            if number in user.leaves:
                self._write("domain_policy", [f"delete use_group {number}"], user.name)
                user.leaves.discard(number)
        lines = self.found.shared[namespace, number]
        if act is Act.FILL:
            lines.is_moved_last = True
            self._write("exception_policy", _at_first(lines))
        else:
            self._write("exception_policy", [f"delete {line}" for line in lines.delete])
            lines.delete = []
        for user in users:
            if number in user.enters:
                self._enter(user)

    def _switch_user(self, user: User) -> None:
        if not user.switched and user.old_profile != user.profile:
            self._write("domain_policy", [f"use_profile {user.profile}"], user.name)
        user.switched = True

    def _deletions(self, lines: Lines) -> list[str]:
        return [f"delete {line}" for line in _at_last(lines) if not self._is_kept(line)]

    def _is_kept(self, line: str) -> bool:
        kept = line in self.keep_lines
        if kept:
            self.kept.append(line)
        return kept

    # 5 and 6

    def _delete(self) -> None:
        self.writes += self.after
        found = self.found
        for change in found.domains:
            self._write("domain_policy", [f"delete {line}" for line in _at_last(change.lines)], change.name)
        for lines in found.shared.values():
            self._write("exception_policy", [f"delete {line}" for line in _at_last(lines)])
        self._write("exception_policy", self._deletions(found.groups))
        changes = [("domain_policy", change.lines, change.name) for change in found.domains]
        shared = [("exception_policy", lines, "") for lines in (*found.aggregators.values(), *found.shared.values())]
        self._move([*changes, *shared], last=True)

    def _move(self, changes: Iterable[tuple[str, Lines, str]], *, last: bool = False) -> None:
        """Put the lines that move where their stand-ins are; the last goes first, so that none is ever before another wrongly.

        LAST tells that all is deleted that is to go; else only what need not wait for that moves.
        """
        first: list[Write] = []
        second: list[Write] = []
        for interface, lines, domain in changes:
            if lines.is_moved_last is last:
                first += [Write(interface, f"delete {move.held}", domain) for move in reversed(lines.move) if move.held]
                second += [Write(interface, move.wanted, domain) for move in lines.move]
                if last:
                    second += [Write(interface, f"delete {_stand_in_for(move.both)}", domain) for move in reversed(lines.move)]
        if first:
            self.writes += [*first, SETTLE]
        self.writes += second

    # 7

    def _finish(self, deleted: list[str]) -> None:
        # The deepest first, so that none is created anew from above.
        self._write("domain_policy", [f"delete {name}" for name in sorted(deleted, key=lambda name: -name.count(" "))])
        for name, (before, after) in self.found.quotas.items():
            if after and not (before and after > before):
                self._write("stat", [f"Memory used by {name}: {after}"])
        going = sorted(self.found.managers.delete, key=lambda line: line in self.own)
        self._write("manager", [f"delete {line}" for line in going])


def _is_free(modes: Mapping[str, Mode]) -> bool:
    """Whether it does not matter what is granted: nothing is denied, and nothing learned."""
    return not {Mode.ENFORCING, Mode.LEARNING}.intersection(modes.values())


def _is_between(modes: Mapping[str, Mode], old: Mapping[str, Mode], new: Mapping[str, Mode]) -> bool:
    """Whether MODES enforce what OLD and NEW both do, and enforce and learn nothing that neither does."""
    return modes.keys() == old.keys() == new.keys() and all(
        mode in (old[name], new[name])
        or (mode in (Mode.DISABLED, Mode.PERMISSIVE) and not old[name] is new[name] is Mode.ENFORCING)
        for name, mode in modes.items()
    )


@lru_cache(maxsize=2)
def _profiles(text: str) -> ProfilePolicy:
    from ..syntax.profiles import parse_profile

    return parse_profile(plain(text))


def _sorted(lines: Iterable[str], keywords: tuple[str, ...]) -> list[str]:
    def place(line: str) -> int:
        words = line.split(" ")
        return keywords.index(words[1] if words[0].startswith("<") else words[0])

    return sorted(lines, key=place)


def _at_first(lines: Lines) -> list[str]:
    """What to add before anything of LINES is deleted, in this order.

    What moves has a stand-in; so has what comes behind it, if it has to wait until others are deleted.
    """
    return lines.add + [_stand_in_for(move.both) for move in lines.move if move.held or lines.is_moved_last]


def _at_last(lines: Lines) -> list[str]:
    """What to delete when all is added."""
    moved = () if lines.is_moved_last else reversed(lines.move)
    return lines.delete + [_stand_in_for(move.both) for move in moved if move.held]


def _stand_in_for(line: str) -> str:
    """Another line that does the same."""
    head, keyword, rest = line.partition("aggregator ")
    if keyword and "acl_group" not in head and not head.startswith("file"):
        pattern, _, name = rest.partition(" ")
        return f"{head}{keyword}{pattern}{_NEVER} {name}"
    entry, log, value = line.partition(" grant_log=")
    return f"{entry} {_ALWAYS}{log}{value}"

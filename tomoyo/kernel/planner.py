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
is emptied; a profile likewise (see ``reuse``).  Where these wait for each other
in a circle, something stands in for one of them (see ``detour``).  A new domain
is filled before it is confined by more than the kernel would have confined it
by (see ``creation``).

No safe way is shorter, as far as random pairs of small policies show; where
more domains are concerned in such a circle than all ways can be tried for, the
plan may take a few lines more.

A path group may meanwhile be seen with old and new members at once, by old and
new entries; and an order of group members is not kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from .course import Act, Course, Event, User
from .creation import USE_GROUP, Creations
from .detour import Detours
from .differences import Differences, Lines, NewDomain, ProfileChange, find_differences, refuse_lost_lines
from .kept_domains import with_kept_domains
from .plan import SETTLE, Plan, Write
from .policy_pair import PolicyPair
from .policy_set import PolicySet
from .policy_text import DomainLines, below_first, domain_blocks, named_lines, plain
from .profile_changes import ProfileChanges
from .reuse import acts
from .stand_in import stand_in_for

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


def plan(
    held: PolicySet,
    wanted: PolicySet,
    *,
    keep_learned: bool = False,
    keep_lines: Collection[str] = (),
    keep_domains: Collection[str] = (),
    own: Collection[str] = (),
    named: str = "",
) -> Plan:
    """Find the writes that bring a kernel from HELD, as it prints it, to WANTED.

    Arguments:
        keep_learned: keep what a domain learned that goes on learning, and
            domains that nobody wants and that learn.
        keep_lines: lines of exception policy that stay though they are not
            wanted: bindings in use.
        keep_domains: domains that stay though they are not wanted; what
            confines them then, ``kept_domains`` tells.
        own: the caller's program and domain, which stay managers to the end.
        named: the domain policy that was wanted before: what it has was not
            learned.

    Raises PolicySyntaxError for a wanted line that a kernel would drop, where
    it would have to be written, or is written in an unusual way; and ValueError
    where a wanted domain's profile is not defined.
    """
    refuse_lost_lines(wanted)
    wanted, left = with_kept_domains(held, wanted, keep_domains, keep_learning=keep_learned, named=named)
    found = find_differences(held, wanted, keep_learned=keep_learned, named=named)
    return _Planner(held, wanted, found, frozenset(keep_lines), frozenset(own), left).plan()


class _Planner:
    def __init__(
        self,
        held: PolicySet,
        wanted: PolicySet,
        found: Differences,
        keep_lines: frozenset[str],
        own: frozenset[str],
        left: tuple[str, ...],
    ) -> None:
        self.held, self.wanted, self.found = held, wanted, found
        self.policies = PolicyPair(held, wanted)
        self.keep_lines, self.own, self.left = keep_lines, own, left
        self.writes: list[Write] = []
        self.kept: list[str] = []
        self.course = Course()
        self.changes = ProfileChanges(self.policies, self.course)
        self.coming: dict[str, tuple[NewDomain, User]] = {}
        self.concerned: dict[Event, list[User]] = {}

    def plan(self) -> Plan:
        self._check_profiles()
        self._prepare()
        self._find_users()
        self._find_events()
        creations = Creations(self.policies, self.course, self.changes, may_wait=not self._leads_anywhere())
        creations.find(self.found.new_domains)
        moved = {(act, *key) for key, lines in self.found.shared.items() for act in (Act.FILL, Act.EMPTY) if lines.move}
        order = deque(Detours(self.course, self.policies, self.changes, creations).order(moved & self.events))
        self._find_concerned()
        self.writes += self.course.first
        self._add(order)
        self._switch(order)
        self.writes += self.course.after
        self._leave()
        self.writes += self.course.last
        self._delete()
        self._finish()
        return Plan(tuple(self.writes), tuple(self.kept), self.left)

    @property
    def users(self) -> dict[str, User]:
        """Those that are there."""
        return self.course.users

    @property
    def events(self) -> set[Event]:
        """What is still to happen."""
        return self.course.events

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

    # 1

    def _prepare(self) -> None:
        for name, (before, after) in self.found.quotas.items():
            if before and (after > before or not after):
                self._write("stat", [f"Memory used by {name}: {after}"])
        self._write("manager", self.found.managers.add)
        self._write("profile", self.found.versions)
        for change in self.found.profiles:
            self._write("profile", change.others)
            if change.is_new or not self._changes(change):
                self._write("profile", change.modes)

    def _changes(self, change: ProfileChange) -> bool:
        """Whether any request is decided in another mode; else it does not matter when."""
        old, new = (self.policies.modes(change.namespace, change.number, is_wanted) for is_wanted in (False, True))
        return old != new

    def _leads_anywhere(self) -> bool:
        """Whether anything new might lead into a new domain: that must be there before."""
        found = self.found
        changed = [*(change.lines for change in found.domains), *found.shared.values()]
        added = [line for lines in changed for line in (*lines.add, *(move.wanted for move in lines.move))]
        return bool(found.transitions or found.aggregators or any("execute" in line for line in added))

    # Numbers used anew

    def _find_users(self) -> None:
        found = self.found
        for new in found.new_domains:
            above = self.policies.above(new.name)
            inherited = self.policies.domains_held[above] if above else 0
            self.users[new.name] = User(new.name, inherited, new.profile, frozenset(), frozenset(new.groups), is_new=True)
        for change in found.domains:
            now, then = frozenset(change.held_groups), frozenset(change.groups)
            self.users[change.name] = User(change.name, change.held_profile, change.profile, now, then)
        for profile in found.profiles:
            if profile.modes and not profile.is_new and self._changes(profile):
                self.course.lines[Act.MODES, profile.namespace, profile.number] = profile.modes
        if not self.course.lines and not found.shared:
            return
        # Others are users, too, if anything that they use changes.
        changed = {(namespace, number) for _, namespace, number in self.course.lines} | found.shared.keys()
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
        self.events.update(self.course.lines)
        modes = self.policies.modes
        for user in self.users.values():
            user.before = modes(user.namespace, user.old_profile, False)
            user.after = modes(user.namespace, user.profile, True)
            self.changes.look(user)
        for key, lines in self.found.shared.items():
            # Else it can be filled with all that is added, and emptied with all that is deleted.
            if lines.adds and key in leavers:
                self.events.add((Act.FILL, *key))
            if lines.deletes and key in comers:
                self.events.add((Act.EMPTY, *key))

    def _find_concerned(self) -> None:
        """See for whom something is to be written when an event happens."""
        for user in self.users.values():
            assert user.claim
            entered = (event for number in user.enters for event in acts(user.namespace, number))
            asked = user.claim.switches | user.claim.departures
            for event in self.events.intersection((*asked, *entered, user.passes, user.exit)):
                self.concerned.setdefault(event, []).append(user)

    # 2

    def _add(self, order: deque[Event]) -> None:
        self._write("exception_policy", self.found.groups.add)
        shared = [
            ("exception_policy", lines, "") for key, lines in self.found.shared.items() if (Act.FILL, *key) not in self.events
        ]
        for interface, lines, _ in shared:
            self._write(interface, _at_first(lines))
        # Before anything that leads into them.
        for new in sorted(self.found.new_domains, key=lambda new: below_first(new.name)):
            if (Act.CREATE, new.name, 0) in self.events:
                self.coming[new.name] = new, self.users.pop(new.name)
            else:
                self._create(new)
        while order and order[0][0] is Act.CREATE:
            self._happen(order.popleft())
        changes = [("domain_policy", change.lines, change.name) for change in self.found.domains]
        for interface, lines, domain in changes:
            self._write(interface, _at_first(lines), domain)
        self._move([*shared, *changes])
        for user in self.users.values():
            self._enter(user)

    def _enter(self, user: User) -> None:
        """Let USER use the groups that are as they should be, or will be before anything is deleted."""
        assert user.claim
        for number in sorted(user.enters):
            group = user.namespace, number
            if number in user.claim.open or self.events.isdisjoint(((Act.FILL, *group), (Act.EMPTY, *group))):
                self._write("domain_policy", [f"use_group {number}"], user.name)
                user.enters.discard(number)

    def _create(self, new: NewDomain) -> None:
        user = self.users[new.name]
        assert user.claim
        assert user.creation
        first = [user.creation.first] if user.creation.first else []
        if user.creation.first.startswith(USE_GROUP):
            user.enters.discard(int(user.creation.first[len(USE_GROUP) :]))
        if user.old_profile:
            first.append(f"use_profile {user.old_profile}")
        lines = "\n".join([*first, *(line for line in new.entries if line not in first)])
        if user.passes and user.passes not in self.events:
            user.profile, user.passes = user.last_profile, None
        before = len(self.writes)
        self._write("domain_policy", [lines] if lines else [], new.name)
        self._enter(user)
        if user.entry not in self.events and self.events.isdisjoint(user.claim.needs):
            self._switch_user(user)
        if len(self.writes) == before:
            self.writes.append(Write("domain_policy", "", new.name))

    # 3 and 4

    def _switch(self, events: Iterable[Event]) -> None:
        for lines in self.found.aggregators.values():
            self._write("exception_policy", _at_first(lines))
        self._move([("exception_policy", lines, "") for lines in self.found.aggregators.values()])
        self._write("exception_policy", _sorted(self.found.transitions.add, _TRANSITIONS))
        self._write("exception_policy", [f"delete {line}" for line in _sorted(self.found.transitions.delete, _DELETIONS)])
        for lines in self.found.aggregators.values():
            self._write("exception_policy", self._deletions(lines))
        for event in events:
            self._happen(event)
        for user in self.users.values():
            self._switch_user(user)

    def _happen(self, event: Event) -> None:
        """Let those who must not see it go, change what a number stands for, and let those in who waited for it."""
        act, namespace, number = event
        self.events.discard(event)
        if act is Act.CREATE:
            new, self.users[namespace] = self.coming.pop(namespace)
            self._create(new)
            return
        users = [user for user in self.concerned.get(event, ()) if user.name in self.users]
        if act in (Act.MODES, Act.SOME_MODES):
            for user in users:
                if user.passes == event:
                    user.profile, user.passes = user.last_profile, None
                    self._switch_user(user)
                elif user.exit == event:
                    self._switch_user(user)
            self._write("profile", self.course.lines[event])
            return
        for user in users:
            assert user.claim
            if event in user.claim.switches:
                self._switch_user(user)
            if event in user.claim.departures:
                self._write("domain_policy", [f"delete use_group {number}"], user.name)
                user.leaves.discard(number)
        lines = self.found.shared[namespace, number]
        if act is Act.FILL:
            lines.is_moved_last = True
            self._write("exception_policy", _at_first(lines))
        else:
            self._write("exception_policy", [f"delete {line}" for line in _at_last(lines)])
            if lines.is_moved_last:
                self._move([("exception_policy", lines, "")], last=True)
            lines.delete, lines.move = [], []
        for user in users:
            if number in user.enters:
                self._enter(user)

    def _switch_user(self, user: User) -> None:
        if user.old_profile != user.profile:
            self._write("domain_policy", [f"use_profile {user.profile}"], user.name)
            user.old_profile = user.profile

    def _deletions(self, lines: Lines) -> list[str]:
        return [f"delete {line}" for line in _at_last(lines) if not self._is_kept(line)]

    def _is_kept(self, line: str) -> bool:
        kept = line in self.keep_lines
        if kept:
            self.kept.append(line)
        return kept

    # 5 and 6

    def _leave(self) -> None:
        for user in self.users.values():
            self._write("domain_policy", [f"delete use_group {number}" for number in sorted(user.leaves)], user.name)

    def _delete(self) -> None:
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
                    second += [Write(interface, f"delete {stand_in_for(move.both)}", domain) for move in reversed(lines.move)]
        if first:
            self.writes += [*first, SETTLE]
        self.writes += second

    # 7

    def _finish(self) -> None:
        # The deepest first, so that none is created anew from above.
        self._write("domain_policy", [f"delete {name}" for name in sorted(self.found.extra_domains, key=below_first)])
        for name, (before, after) in self.found.quotas.items():
            if after and not (before and after > before):
                self._write("stat", [f"Memory used by {name}: {after}"])
        going = sorted(self.found.managers.delete, key=lambda line: line in self.own)
        self._write("manager", [f"delete {line}" for line in going])


def _sorted(lines: Iterable[str], keywords: tuple[str, ...]) -> list[str]:
    def place(line: str) -> int:
        words = line.split(" ")
        return keywords.index(words[1] if words[0].startswith("<") else words[0])

    return sorted(lines, key=place)


def _at_first(lines: Lines) -> list[str]:
    """What to add before anything of LINES is deleted, in this order.

    What moves has a stand-in; so has what comes behind it, if it has to wait until others are deleted.
    """
    return lines.add + [stand_in_for(move.both) for move in lines.move if move.held or lines.is_moved_last]


def _at_last(lines: Lines) -> list[str]:
    """What to delete when all is added."""
    moved = () if lines.is_moved_last else reversed(lines.move)
    return lines.delete + [stand_in_for(move.both) for move in moved if move.held]

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
No safe way is shorter, but now and then where a number stands in for another
(judged by numbers, not by each request: one to four lines more), and where
profile 0 enforces something.

A path group may meanwhile be seen with old and new members at once, by old and
new entries; and an order of group members is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ..model.profiles import FUNCTIONALITIES, Config, Mode
from .differences import Differences, Lines, NewDomain, ProfileChange, compare_profile, find_differences
from .grants import Grants, grants_of, lacking
from .plan import SETTLE, Plan, Write
from .policy_set import PolicySet
from .policy_text import KERNEL, DomainLines, ancestors, domain_blocks, is_ordered, named_lines, plain, profile_numbers
from .reuse import Act, Content, Event, Pair, User, claim, order, waits

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
        # What ends the use of what stood in, before others are deleted, and that itself.
        self.after: list[Write] = []
        self.last: list[Write] = []
        self.waiting: dict[str, NewDomain] = {}
        self.new_users: dict[str, User] = {}
        self.created: dict[str, int] = {}
        self.stand_ins: dict[tuple[str, int], int] = {}
        self.contents: dict[tuple[str, int], Content] = {}
        self.users: dict[str, User] = {}
        self.events: set[Event] = set()
        self.modes: dict[tuple[str, int], list[str]] = {}

    def plan(self) -> Plan:
        self._check_profiles()
        deleted = self._deletable()
        self._prepare()
        self._find_users()
        self._find_events()
        order = self._order()
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
            if change.is_new or not self._changes(change):
                self._write("profile", change.modes)

    def _changes(self, change: ProfileChange) -> bool:
        """Whether any request is decided in another mode; else it does not matter when."""
        old, new = (self._modes(change.namespace, change.number, policy) for policy in (self.held, self.wanted))
        return old != new

    # Numbers used anew

    def _find_users(self) -> None:
        found = self.found
        for new in found.new_domains:
            self.users[new.name] = User(new.name, None, new.profile, frozenset(), frozenset(new.groups))
        for change in found.domains:
            now, then = frozenset(change.held_groups), frozenset(change.groups)
            self.users[change.name] = User(change.name, change.held_profile, change.profile, now, then)
        for profile in found.profiles:
            if profile.modes and not profile.is_new and self._changes(profile):
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
            user.after = self._modes(space, new, self.wanted)
            if old is None:
                continue
            user.before = self._modes(space, old, self.held)
            if old != new:
                user.early = (space, new) in self.modes and _is_between(self._modes(space, new, self.held), user)
                user.late = (space, old) in self.modes and _is_between(self._modes(space, old, self.wanted), user)
        for key, lines in self.found.shared.items():
            # Else it can be filled with all that is added, and emptied with all that is deleted.
            if lines.adds and key in leavers:
                self.events.add((Act.FILL, *key))
            if lines.deletes and key in comers:
                self.events.add((Act.EMPTY, *key))

    def _order(self) -> list[Event]:
        """The events in their order; where they wait for each other in a circle, something stands in for a number."""
        moved = {(act, *key) for key, lines in self.found.shared.items() for act in Act if lines.move}
        is_known = False
        self._claim()
        self._find_waiting()
        while True:
            self._claim()
            found, circle = order(self.users.values(), self.events, moved & self.events)
            if not circle:
                self._return_to_profiles()
                return found
            if is_known:
                self._break(circle, len(found))
            else:
                self._find_grants()
                is_known = True

    def _claim(self) -> None:
        for user in self.users.values():
            user.claim = claim(user, self.events, self.contents)

    def _find_waiting(self) -> None:
        """Find the new domains that would take a line less if they were created when their profile has its new modes."""
        if not self.found.new_domains:
            return
        blocks = domain_blocks(self.held.domain_policy)
        self.created = {name: DomainLines(block).profile for name, block in blocks.items()}
        for new in self.found.new_domains:
            user, above = self.users[new.name], self._above(new.name)
            inherited = self.created.get(above, 0)
            first = self._profile_while_filled(new, user, inherited, is_late=False)
            # The kernel creates it with profile 0, and a line for another one cannot be saved.
            if (first != 0) + (user.profile != first) > (user.profile != 0):
                parent = self.users.get(above)
                may_wait = not (parent and parent.old_profile is None)
                if may_wait and self._profile_while_filled(new, user, inherited, is_late=True) in (0, user.profile):
                    user.parent = None if self._may_wait(new, user, above) else parent
                    self.waiting[new.name] = new
                    self.events.add((Act.CREATE, new.name, 0))
                    continue
            self.created[new.name] = first

    def _find_grants(self) -> None:
        """Look at what users of groups that change are granted, but for those where the order of entries counts."""
        changing = {event[1:] for event in self.events if event[0] is not Act.MODES}
        blocks = [domain_blocks(plain(text.domain_policy)) for text in (self.held, self.wanted)]
        ordered = set()
        for user in self.users.values():
            keys = {(user.namespace, number) for number in user.old_groups | user.groups}
            if keys.isdisjoint(changing):
                continue
            for key in keys - self.contents.keys():
                lines = [self._shared_entries(text, *key) for text in (self.held, self.wanted)]
                self.contents[key] = Content(*map(grants_of, lines))
                ordered |= {key for some in lines if is_ordered("\n".join(some))}
            own = [DomainLines(some[user.name]).entries if user.name in some else [] for some in blocks]
            if keys.isdisjoint(ordered) and not any(is_ordered("\n".join(some)) for some in own):
                before, after = map(grants_of, own)
                user.grants = Grants(
                    before | after,
                    before.union(*(self.contents[user.namespace, number].before for number in user.old_groups)),
                    after.union(*(self.contents[user.namespace, number].after for number in user.groups)),
                )

    # Something stands in

    def _break(self, circle: list[Pair], sorted_: int) -> None:
        """Let something stand in for a number of CIRCLE, with the fewest lines; SORTED events come before it."""
        ways = [way for pair in circle for way in self._ways_out(*pair, sorted_)]
        _, way = min(ways, key=lambda way: way[0])
        way()

    def _ways_out(self, first: Event, second: Event, sorted_: int) -> Iterator[tuple[int, Callable[[], None]]]:
        """How those can do without FIRST before SECOND who need it; how many lines each way takes."""
        creations = [event for event in (first, second) if event[0] is Act.CREATE]
        if creations:
            yield 1, lambda: self._create_first(creations[0])
            return
        act, namespace, number = first
        users = [user for user in self.users.values() if (first, second) in waits(user, self.events)]
        if not users:
            return
        if act is Act.MODES:
            meanwhile = self._profile_meanwhile(users, sorted_)
            if meanwhile is not None:
                yield len(users), lambda: self._use_meanwhile(users, *meanwhile)
            modes = self._modes_of_stand_in(users, number)
            yield len(users) + len(modes), lambda: self._stand_in_profile(users, namespace, modes)
            return
        entries = self._shared_entries(self.wanted, namespace, number)
        new = 0 if (namespace, number) in self.stand_ins else 2 * len(entries)
        yield 2 * len(users) + new, lambda: self._stand_in_group(users, namespace, number, entries)
        if all(user.grants for user in users):
            yield self._own_way(users, entries)
            if second[0] is not Act.MODES:
                lost = self._shared_entries(self.held, *second[1:])
                if second[0] is Act.EMPTY:
                    lost = lacking(lost, self.contents[second[1:]].after)
                yield self._own_way(users, lost)

    def _create_first(self, event: Event) -> None:
        self.events.discard(event)
        del self.waiting[event[1]]

    def _own_way(self, users: list[User], entries: list[str]) -> tuple[int, Callable[[], None]]:
        """Let USERS have ENTRIES themselves for a while, but for what they have."""
        missing = [lacking(entries, user.grants.own) for user in users if user.grants]

        def way() -> None:
            for user, lines in zip(users, missing):
                self._write("domain_policy", lines, user.name)
                self.after += [Write("domain_policy", f"delete {line}", user.name) for line in lines]
                assert user.grants
                user.grants.own |= grants_of(lines)

        return 2 * sum(map(len, missing)), way

    def _stand_in_group(self, users: list[User], namespace: str, number: int, entries: list[str]) -> None:
        """Let USERS use another group meanwhile, which has the ENTRIES that group NUMBER is to have."""
        prefix = "" if namespace == KERNEL else f"{namespace} "
        if (namespace, number) not in self.stand_ins:
            free = self.stand_ins[namespace, number] = self._free_number("group", namespace)
            self._write("exception_policy", [f"{prefix}acl_group {free} {entry}" for entry in entries])
            self.last += [Write("exception_policy", f"delete {prefix}acl_group {free} {entry}") for entry in entries]
        free = self.stand_ins[namespace, number]
        for user in users:
            user.enters.add(free)
            self.after.append(Write("domain_policy", f"delete use_group {free}", user.name))
            user.spared.add(number)
            if user.grants:
                user.grants.own |= grants_of(entries)

    def _profile_meanwhile(self, users: list[User], sorted_: int) -> tuple[int, bool] | None:
        """A profile that does for USERS between their old ones and their new ones; one that stays as it is, if any.

        And whether it does so only as it is before it changes.
        """
        if any(user.claim and user.claim.switches for user in users):
            return None  # who needs all that its new profile permits
        space = users[0].namespace
        found = []
        for number in map(int, sorted(profile_numbers(named_lines(self.held.profile).get(space, ())))):
            if all(number not in (user.old_profile, user.profile) for user in users):
                for policy in (self.wanted, self.held):
                    modes = self._modes(space, number, policy)
                    if all(_is_between(modes, user) for user in users):
                        if (space, number) not in self.modes:
                            return number, False
                        found.append((number, policy is self.held))
        # One that changes may wait for others, even those that wait for it.
        before = [(user, user.profile, user.early, user.passes) for user in users]
        for number, passes in found:
            self._use_meanwhile(users, number, passes)
            sorted_then, _ = order(self.users.values(), self.events)
            for user, profile, early, passed in before:
                user.profile, user.early, user.passes = profile, early, passed
            if len(sorted_then) > sorted_:
                return number, passes
        return None

    def _use_meanwhile(self, users: list[User], profile: int, passes: bool) -> None:
        for user in users:
            user.profile, user.passes = profile, passes
            user.early = _is_between(self._modes(user.namespace, profile, self.held), user)

    def _modes_of_stand_in(self, users: list[User], number: int) -> list[str]:
        """What makes a free profile do for USERS meanwhile: like the one that NUMBER is to be, or of one mode."""
        namespace = users[0].namespace
        free = self._free_number("profile", namespace)
        start = f"{'' if namespace == KERNEL else f'{namespace} '}{free}-CONFIG="
        if not any(user.claim and user.claim.switches for user in users):
            for mode in Mode:
                if all(_is_between(dict.fromkeys(user.before, mode), user) for user in users):
                    return [f"{start}{Config(mode, grant_log=False)}"]
        part = _profiles(self.wanted.profile).namespace(namespace)
        wanted = part.profile(number) if part else None
        assert wanted is not None  # its modes are to change
        return compare_profile(namespace, None, replace(wanted, number=free)).modes or [f"{start}{wanted.default}"]

    def _stand_in_profile(self, users: list[User], namespace: str, modes: list[str]) -> None:
        free = self._free_number("profile", namespace)
        self._write("profile", modes)
        for user in users:
            user.profile = free

    def _return_to_profiles(self) -> None:
        for user in self.users.values():
            if user.profile != user.last_profile and not user.passes:
                self.after.append(Write("domain_policy", f"use_profile {user.last_profile}", user.name))

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
        used |= (
            {str(user.profile) for user in self.users.values()} if kind == "profile" else set(map(str, self.stand_ins.values()))
        )
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
        for new in self.found.new_domains:
            if new.name in self.waiting:
                self.new_users[new.name] = self.users.pop(new.name)
            else:
                self._create(new, self.users[new.name])
        self._move(changes)
        for user in self.users.values():
            self._enter(user)

    def _enter(self, user: User) -> None:
        """Let USER use the groups that are as they should be, or will be before anything is deleted."""
        assert user.claim
        waiting = {event[2] for event in self.events if event[0] in (Act.FILL, Act.EMPTY) and event[1] == user.namespace}
        ready = sorted(user.enters & (user.claim.open | (user.enters - waiting)))
        self._write("domain_policy", [f"use_group {number}" for number in ready], user.name)
        user.enters.difference_update(ready)

    def _create(self, new: NewDomain, user: User, *, is_late: bool = False) -> None:
        inherited = self.created.get(self._above(new.name), 0)
        meanwhile = self._profile_while_filled(new, user, inherited, is_late=is_late)
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

    def _above(self, name: str) -> str:
        """The domain whose profile the kernel would give to one of this NAME; the namespace where there is none."""
        return next((other for other in ancestors(name) if other in self.created), name.partition(" ")[0])

    def _profile_while_filled(self, new: NewDomain, user: User, inherited: int, *, is_late: bool) -> int:
        """The profile of a new domain until it has its entries; INHERITED is what the kernel would have given it.

        What INHERITED and its own one enforce is enforced, and nothing else
        that INHERITED does not, but what it will be denied in any case.  Mostly
        its own one, or the 0 that it is created with, will do, which saves a line.
        """
        if inherited in (user.profile, 0) and not is_late:
            return inherited
        # A domain that is to have profile 0 is complete with its first line.
        if len(new.entries) + len(user.groups) <= (user.profile == 0) and (is_late or not self._is_waited_for(user)):
            return user.profile
        for number in (user.profile, 0):
            if self._does_while_filled(new, user, number, inherited, is_late=is_late):
                return number
        return inherited

    def _does_while_filled(self, new: NewDomain, user: User, number: int, inherited: int, *, is_late: bool) -> bool:
        space = user.namespace
        before = self._enforced(space, inherited, self.held)
        both = before & self._enforced(space, user.profile, self.wanted)

        def does(enforced: frozenset[str]) -> bool:
            if not both <= enforced:
                return False
            # It is created with profile 0 and with its first line.
            return enforced <= before or not self._left_out(new, user, enforced - before, with_first=number == 0)

        if not is_late and not does(self._enforced(space, number, self.held)):
            return False
        if not is_late and (space, number) not in self.modes:
            return True
        # Its own one may change its modes if all is there by then.
        assert user.claim
        if number == user.profile and not is_late:
            return not user.claim.needs
        is_changed = number == user.profile or (space, number) not in self.modes
        return does(self._enforced(space, number, self.wanted)) and (is_changed or does(self._enforced(space, number, self.held)))

    def _left_out(self, new: NewDomain, user: User, enforced: frozenset[str], *, with_first: bool) -> bool:
        """Whether a new domain is denied anything meanwhile, as ENFORCED is, that it will be granted in the end.

        WITH_FIRST puts first the only entry that grants any of that, as nothing
        is denied then.
        """
        shared = [entry for number in user.groups for entry in self._shared_entries(self.wanted, user.namespace, number)]
        if not enforced <= self._enforced(user.namespace, user.profile, self.wanted) or _grant_any(shared, enforced):
            return True
        needed = [line for line in new.entries if _grant_any([line], enforced)]
        if with_first and len(needed) == 1 and not is_ordered(needed[0]):
            new.entries.sort(key=needed[0].__ne__)
            return False
        return bool(needed)

    def _may_wait(self, new: NewDomain, user: User, above: str) -> bool:
        """Whether the domain ABOVE, by whose profile a new one is confined until it is created, may change before."""
        parent = self.users.get(above)
        space, inherited = user.namespace, self.created.get(above, 0)
        before, after = self._enforced(space, inherited, self.held), self._enforced(space, user.profile, self.wanted)
        then = self._enforced(space, parent.last_profile if parent else inherited, self.wanted)
        return before & after <= then and not (then - before and self._left_out(new, user, then - before, with_first=False))

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
            self._happen(event)
        for user in self.users.values():
            self._switch_user(user)
        for user in self.users.values():
            self._write("domain_policy", [f"delete use_group {number}" for number in sorted(user.leaves)], user.name)

    def _happen(self, event: Event) -> None:
        """Let those who must not see it go, change what a number stands for, and let those in who waited for it."""
        act, namespace, number = event
        users = [user for user in self.users.values() if user.namespace == namespace]
        self.events.discard(event)
        if act is Act.CREATE:
            user = self.users[namespace] = self.new_users[namespace]
            self._create(self.waiting[namespace], user, is_late=True)
            return
        if act is Act.MODES:
            for user in users:
                if user.passes and user.profile == number:
                    user.profile, user.passes, user.switched = user.last_profile, False, False
                    self._switch_user(user)
                if user.old_profile == number != user.profile and (
                    user.early or (Act.MODES, namespace, user.profile) not in self.events
                ):
                    self._switch_user(user)
            self._write("profile", self.modes[namespace, number])
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
        self.writes += [*self.after, *self.last]
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


def _grant_any(lines: Iterable[str], functionalities: frozenset[str]) -> bool:
    """Whether entries grant any of FUNCTIONALITIES."""
    return any(functionality in functionalities for functionality, _ in grants_of(lines))


def _is_between(modes: Mapping[str, Mode], user: User) -> bool:
    """Whether MODES enforce what USER's old and new ones both do, and enforce and learn nothing that neither does."""
    old, new = user.before, user.after
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

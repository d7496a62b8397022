"""What stands in for numbers used anew, where changes wait for each other in a circle.

Whoever must wait for a number does without it meanwhile: with another profile
that is there, even one that changes before or afterwards, or a free one; with a
free acl_group; or with entries of its own, in place of those that it is to get
or of those that it loses.  The way that takes the fewest lines is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from ..model.profiles import Config, Mode
from .creation import Creations
from .differences import compare_profile
from .grants import Grants, grants_of, lacking
from .plan import Write
from .policy_pair import NUMBERS, Group, in_namespace
from .policy_text import is_ordered
from .profile_changes import is_between
from .reuse import Act, Content, Event, User, claim, order, waits

#: How many lines a way takes, and what takes it.
Way = tuple[int, Callable[[], object]]


class Detours:
    """The order of events, and what has to be written so that there is one.

    ``first`` is written before anything else is added, ``after`` when all has
    happened, and ``last`` after that.
    """

    def __init__(self, creations: Creations) -> None:
        self.first: list[Write] = []
        self.after: list[Write] = []
        self.last: list[Write] = []
        self._creations = creations
        self._policies, self._users = creations.policies, creations.users
        self._events, self._changes = creations.events, creations.changes
        self._contents: dict[Group, Content] = {}
        self._stand_ins: dict[Group, int] = {}

    def order(self, moved: set[Event]) -> list[Event]:
        """The events in a safe order.  MOVED are groups that must be filled before they are emptied."""
        is_known = False
        while True:
            for user in self._users.values():
                user.claim = claim(user, self._events, self._contents)
            found, circle = order(self._users.values(), self._events, moved)
            if not circle:
                break
            if is_known:
                ways = [way for pair in circle for way in self._ways(*pair, _count(found))]
                min(ways, key=lambda way: way[0])[1]()
            else:
                self._find_grants()
                is_known = True
        # With its last profile a domain can do without what else stands in.
        self.after[:0] = [
            Write("domain_policy", f"use_profile {user.last_profile}", user.name)
            for user in self._users.values()
            if user.profile != user.last_profile and not user.passes
        ]
        return found

    def _find_grants(self) -> None:
        """Look at what users of groups that change are granted, but for those where the order of entries counts."""
        changing = {event[1:] for event in self._events if event[0] in (Act.FILL, Act.EMPTY)}
        ordered = set()
        for user in self._users.values():
            groups = {(user.namespace, number) for number in user.old_groups | user.groups}
            if groups.isdisjoint(changing):
                continue
            for group in groups - self._contents.keys():
                lines = [self._policies.shared(group, is_wanted=is_wanted) for is_wanted in (False, True)]
                self._contents[group] = Content(*map(grants_of, lines))
                ordered |= {group for some in lines if is_ordered("\n".join(some))}
            own = [self._policies.own(user.name, is_wanted=is_wanted) for is_wanted in (False, True)]
            if groups.isdisjoint(ordered) and not any(is_ordered("\n".join(some)) for some in own):
                before, after = map(grants_of, own)
                user.grants = Grants(
                    before | after,
                    before.union(*(self._contents[user.namespace, number].before for number in user.old_groups)),
                    after.union(*(self._contents[user.namespace, number].after for number in user.groups)),
                )

    def _ways(self, first: Event, second: Event, found: int) -> Iterator[Way]:
        """How those can do without FIRST before SECOND who ask for it, where FOUND events have their place."""
        creation = next((event for event in (first, second) if event[0] is Act.CREATE), None)
        if creation:
            yield self._creations.giving_up(creation)
            return
        users = [user for user in self._users.values() if (first, second) in waits(user, self._events)]
        if not users:
            return
        parting = self._parting(first, users, found) or self._parting(second, users, found)
        if parting:
            yield parting
            return
        if first[0] in (Act.MODES, Act.SOME_MODES):
            yield from self._profile_ways(users, first[2], found)
            return
        group = first[1:]
        entries = self._policies.shared(group, is_wanted=True)
        new = 0 if group in self._stand_ins else 2 * len(entries)
        yield 2 * len(users) + new, lambda: self._use_group(users, group, entries)
        if all(user.grants for user in users):
            yield self._own_way(users, entries)
            if second[0] not in (Act.MODES, Act.SOME_MODES):
                lost = self._policies.shared(second[1:], is_wanted=False)
                if second[0] is Act.EMPTY:
                    lost = lacking(lost, self._contents[second[1:]].after)
                yield self._own_way(users, lost)

    # Profiles

    def _parting(self, event: Event, users: list[User], found: int) -> Way | None:
        """How to get further by letting USERS come, or go, between two lines that change a profile."""
        if event[0] is not Act.MODES or self._is_waited_with(event) or (Act.SOME_MODES, *event[1:]) in self._events:
            return None
        whole = self._changes.lines[event]
        for some in self._changes.partings(event):
            earlier = self._part(event, some)
            if all(earlier == user.entry or event == user.exit for user in users):
                found_then, _ = order(self._users.values(), self._events)
                gets_further = _count(found_then) > found
            else:
                gets_further = False
            del self._changes.lines[earlier]
            self._changes.lines[event] = whole
            self._events.discard(earlier)
            self._look(event)
            if gets_further:
                return 0, partial(self._part, event, some)
        return None

    def _is_waited_with(self, event: Event) -> bool:
        """Whether domains that are not there have, when they are created, the profile of EVENT."""
        users = (self._users[name] for name in self._creations.waiting)
        return any((user.namespace, user.old_profile) == event[1:] for user in users)

    def _part(self, event: Event, some: tuple[str, ...]) -> Event:
        earlier = self._changes.part(event, some)
        self._events.add(earlier)
        self._look(event)
        return earlier

    def _look(self, event: Event) -> None:
        """See what the change of a profile that EVENT is means to those who have it."""
        for user in self._users.values():
            if user.namespace == event[1] and event[2] in (user.old_profile, user.profile):
                self._changes.look(user)

    def _profile_ways(self, users: list[User], number: int, found: int) -> Iterator[Way]:
        space = users[0].namespace
        some = self._profile_between(users, found)
        if some:
            yield len(users), lambda: self._use_profile(users, *some)
        free = self._free(space, self._policies.used_profiles(space) | {user.profile for user in self._users.values()}, "profile")
        modes = self._free_profile(users, number, free)

        def use_free() -> None:
            self.first += [Write("profile", line) for line in modes]
            self._use_profile(users, free, passes=False)

        yield len(users) + len(modes), use_free

    def _profile_between(self, users: list[User], found: int) -> tuple[int, bool] | None:
        """A profile that does for USERS between their old and new ones; whether only as it is before it changes."""
        if not all(map(_is_content_with_less, users)):
            return None
        space = users[0].namespace
        changing = []
        for number in self._policies.profiles_held.get(space, ()):
            if any(number in (user.old_profile, user.profile) for user in users):
                continue
            for is_wanted in (True, False):
                modes = self._policies.modes(space, number, is_wanted)
                if all(is_between(modes, user) for user in users):
                    if (Act.MODES, space, number) not in self._events:
                        return number, False
                    changing.append((number, not is_wanted))
        # One that changes may wait for others, even those that wait for it.
        before = [(user, user.profile, user.passes) for user in users]
        for number, passes in changing:
            self._use_profile(users, number, passes)
            found_then, _ = order(self._users.values(), self._events)
            for user, profile, passed in before:
                self._use_profile([user], profile, passed)
            if _count(found_then) > found:
                return number, passes
        return None

    def _use_profile(self, users: list[User], number: int, passes: bool) -> None:
        for user in users:
            user.profile, user.passes = number, passes
            self._changes.look(user)

    def _free_profile(self, users: list[User], number: int, free: int) -> list[str]:
        """What makes the profile FREE do for USERS meanwhile: of one mode, or like the one that NUMBER is to be."""
        space = users[0].namespace
        if all(map(_is_content_with_less, users)):
            for mode in Mode:
                if all(is_between(dict.fromkeys(user.before, mode), user) for user in users):
                    return [in_namespace(space, f"{free}-CONFIG={Config(mode, grant_log=False)}")]
        wanted = self._policies.profile(space, number, is_wanted=True)
        assert wanted is not None  # its modes are to change
        modes = compare_profile(space, None, replace(wanted, number=free)).modes
        return modes or [in_namespace(space, f"{free}-CONFIG={wanted.default}")]

    # Groups

    def _use_group(self, users: list[User], group: Group, entries: list[str]) -> None:
        """Let USERS use another group meanwhile, which has the ENTRIES that GROUP is to have."""
        space = group[0]
        if group not in self._stand_ins:
            free = self._free(space, self._policies.used_groups(space) | set(self._stand_ins.values()), "group")
            self._stand_ins[group] = free
            lines = [in_namespace(space, f"acl_group {free} {entry}") for entry in entries]
            self.first += [Write("exception_policy", line) for line in lines]
            self.last += [Write("exception_policy", f"delete {line}") for line in lines]
        free = self._stand_ins[group]
        for user in users:
            user.enters.add(free)
            user.spared.add(group[1])
            self.after.append(Write("domain_policy", f"delete use_group {free}", user.name))
            if user.grants:
                user.grants.own |= grants_of(entries)

    def _own_way(self, users: list[User], entries: list[str]) -> Way:
        """Let USERS have ENTRIES themselves for a while, but for what they have."""
        missing = [lacking(entries, user.grants.own) for user in users if user.grants]

        def way() -> None:
            for user, lines in zip(users, missing):
                self.first += [Write("domain_policy", line, user.name) for line in lines]
                self.after += [Write("domain_policy", f"delete {line}", user.name) for line in lines]
                assert user.grants
                user.grants.own |= grants_of(lines)

        return 2 * sum(map(len, missing)), way

    @staticmethod
    def _free(namespace: str, used: set[int], kind: str) -> int:
        for number in range(NUMBERS - 1, -1, -1):
            if number not in used:
                return number
        raise ValueError(f"all {kind} numbers of namespace {namespace} are in use, and one is needed to get there safely")


def _is_content_with_less(user: User) -> bool:
    """Whether USER need not have all that its new profile permits before something happens to its groups."""
    assert user.claim
    return not user.claim.switches


def _count(events: list[Event]) -> int:
    """How many EVENTS have their place, a change in two steps counted once."""
    return sum(act is not Act.SOME_MODES for act, *_ in events)

"""What stands in for numbers used anew, where changes wait for each other in a circle.

Whoever must wait for a number does without it meanwhile: with another profile
that is there, be it at some stage of its change, or a free one; with a free
acl_group; or with entries of its own, in place of those that it is to get or of
those that it loses.  A new domain may be created otherwise, or later, and the
change of a profile be parted, so that others come and go in between.

Where few domains are concerned all such ways are tried, those with the fewest
lines first; else always the one that seems shortest is gone, by all new domains
at once that are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from functools import partial
from heapq import heappop, heappush

from ..model.profiles import Mode
from .course import Act, Content, Course, Creation, Event, Pair, User
from .creation import Creations
from .grants import Grants, grants_of, lacking
from .plan import Write
from .policy_pair import NUMBERS, Group, PolicyPair
from .policy_text import in_namespace, is_ordered
from .profile_changes import ProfileChanges, fewest_lines, is_between_at
from .reuse import claim, is_free, order, waits

#: How many lines a way is thought to take, and what goes it.
Way = tuple[int, Callable[[], object]]
#: All ways are tried where no more domains than these are concerned, until so many have been.
_FEW = 40
_MOST = 500


class Detours:
    """The order of events, and what has to be written so that there is one."""

    def __init__(self, course: Course, policies: PolicyPair, changes: ProfileChanges, creations: Creations) -> None:
        self._course, self._policies, self._changes, self._creations = course, policies, changes, creations
        self._contents: dict[Group, Content] = {}
        self._moved: set[Event] = set()
        self._start: Mapping[str, User] = {}
        self._seen: set[object] = set()

    def order(self, moved: set[Event]) -> list[Event]:
        """The events in a safe order.  MOVED are groups that must be filled before they are emptied."""
        self._moved = moved
        found, circle = self._look()
        are_few = len(self._course.users) <= _FEW
        if circle or (are_few and self._creations.dear()):
            self._find_grants()
            self._start = dict(self._course.users)
            found, circle = self._search() if are_few else self._look()
        self._seen.clear()
        while circle:
            found, circle = self._get_further(found, circle)
        # With its last profile a domain can do without what else stands in.
        self._course.after[:0] = [
            Write("domain_policy", f"use_profile {user.last_profile}", user.name)
            for user in self._course.users.values()
            if user.profile != user.last_profile and not user.passes
        ]
        return found

    def _look(self) -> tuple[list[Event], list[Pair]]:
        users, events = self._course.users, self._course.events
        for user in users.values():
            if user.claim is None:
                user.claim = claim(user, events, self._contents)
                self._creations.look(user)
        return order(users, events, self._moved)

    def _search(self) -> tuple[list[Event], list[Pair]]:
        """Go the ways that take the fewest lines together; or the best that is found, after many."""
        course = self._course
        queue: list[tuple[int, int, int, Course, list[Event], list[Pair]]] = []

        def meet() -> None:
            if self._is_new():
                found, circle = self._look()
                heappush(queue, (course.detour, -_count(found), len(self._seen), course.copy(), found, circle))

        for start in self._starts():
            course.take(start)
            meet()
        while True:
            here, found, circle = heappop(queue)[3:]
            course.take(here.copy())
            if not circle or len(self._seen) > _MOST:
                break
            for _, go in [way for pair in circle for way in self._ways(*pair)]:
                course.take(here.copy())
                go()
                meet()
            if not queue:
                course.take(here)
                break
        return found, circle

    def _starts(self) -> list[Course]:
        """The course as it is, and with profiles' changes parted where domains might be created in fewer lines for that."""
        course = self._course
        found = [course.copy()]
        for start in found:
            course.take(start.copy())
            numbers = {(user.namespace, number): None for user in self._creations.dear() for number in (user.last_profile, 0)}
            for space, number in numbers:
                event = (Act.MODES, space, number)
                for some in self._partings(event) if len(found) < _MOST else ():
                    course.take(start.copy())
                    self._part(event, some)
                    self._creations.choose()
                    found.append(course.copy())
                course.take(start.copy())
        return found

    def _get_further(self, found: list[Event], circle: list[Pair]) -> tuple[list[Event], list[Pair]]:
        """Go the shortest way that gets further than to FOUND and CIRCLE, or else the shortest that leads elsewhere."""
        here = self._course.copy()
        self._is_new()
        other: tuple[int, Course, tuple[list[Event], list[Pair]]] | None = None
        ways = (way for pair in circle for way in self._ways(*pair, circle))
        for cost, go in sorted(ways, key=lambda way: way[0]):
            self._course.take(here.copy())
            go()
            if self._course.key(self._start) not in self._seen:
                then = self._look()
                if _count(then[0]) > _count(found):
                    return then
                if other is None or (cost and not other[0]):
                    other = cost, self._course.copy(), then
        if other is None:
            raise ValueError(
                f"there is no safe order: all numbers of profiles or groups in {circle[0][0][1]} are in use, and one is needed"
            )
        self._course.take(other[1])
        return other[2]

    def _is_new(self) -> bool:
        """Whether the course has not been met yet; it has now."""
        key, known = self._course.key(self._start), len(self._seen)
        self._seen.add(key)
        return len(self._seen) > known

    def _partings(self, event: Event) -> Iterable[tuple[str, ...]]:
        """How the change of a profile that EVENT is, if it is one, may be parted."""
        can = event[0] is Act.MODES and event in self._course.events and (Act.SOME_MODES, *event[1:]) not in self._course.events
        return self._changes.partings(event) if can else ()

    def _find_grants(self) -> None:
        """Look at what users of groups that change are granted, but for those where the order of entries counts."""
        changing = {event[1:] for event in self._course.events if event[0] in (Act.FILL, Act.EMPTY)}
        ordered = set()
        for user in self._course.users.values():
            old_groups = self._policies.groups_held(self._policies.above(user.name)) if user.is_new else user.old_groups
            groups = {(user.namespace, number) for number in old_groups | user.groups}
            if groups.isdisjoint(changing):
                continue
            for group in groups - self._contents.keys():
                lines = [self._policies.shared(group, is_wanted=is_wanted) for is_wanted in (False, True)]
                self._contents[group] = Content(*map(grants_of, lines))
                ordered |= {group for some in lines if is_ordered("\n".join(some))}
            own = [self._policies.own(user.name, is_wanted=is_wanted) for is_wanted in (False, True)]
            if groups.isdisjoint(ordered) and not any(is_ordered("\n".join(some)) for some in own):
                before, after = map(grants_of, own)
                self._course.change(user.name).grants = Grants(
                    before | after,
                    before.union(*(self._contents[user.namespace, number].before for number in old_groups)),
                    after.union(*(self._contents[user.namespace, number].after for number in user.groups)),
                )

    def _ways(self, first: Event, second: Event, circle: Collection[Pair] = ()) -> Iterator[Way]:
        """How those can do without FIRST before SECOND who ask for it.

        New ones go alone, or together with all that are like them in CIRCLE.
        """
        course, pair = self._course, {(first, second)}
        users = [user for user in course.users.values() if pair <= waits(user, course.users, course.events)]
        seen: set[str] = set()
        for user in users:
            if user.creation and user.name not in seen:
                alike = self._alike(user, circle) if circle else [user.name]
                seen.update(alike)
                cost = self._creations.cost(user, user.creation)
                for how in self._creations.ways(user):
                    more = len(alike) * max(0, self._creations.cost(user, how) - cost)
                    yield more, partial(self._create, alike, how)
        for event in (first, second):
            for some in self._partings(event):
                yield 0, partial(self._part, event, some)
        users = [user for user in users if (Act.CREATE, user.name, 0) not in (first, second)]
        if not users:
            return
        names = [user.name for user in users]
        if first[0] in (Act.MODES, Act.SOME_MODES):
            yield from self._profile_ways(users, first[2])
            if len(users) > 1:
                yield from self._profile_ways(users[:1], first[2])
            return
        if first[0] is Act.CREATE:
            return
        group = first[1:]
        entries = self._policies.shared(group, is_wanted=True)
        new = 0 if group in self._course.stand_ins else 2 * len(entries)
        used = {*self._policies.used_groups(group[0]), *self._course.stand_ins.values()}
        free = self._course.stand_ins.get(group, _free(used))
        if free is not None:
            yield 2 * len(users) + new, partial(self._use_group, names, group, free, entries)
        if all(user.grants for user in users):
            yield self._own_way(users, entries)
            if second[0] not in (Act.MODES, Act.SOME_MODES, Act.CREATE):
                lost = self._policies.shared(second[1:], is_wanted=False)
                if second[0] is Act.EMPTY:
                    lost = lacking(lost, self._contents[second[1:]].after)
                yield self._own_way(users, lost)

    def _alike(self, user: User, circle: Collection[Pair]) -> list[str]:
        """Those that are created like USER and keep a circle like CIRCLE closed as it does."""
        users, events = self._course.users, self._course.events
        assert user.creation
        kind = user.creation.kind
        asked = [pair for pair in circle if pair in waits(user, users, events)]

        def does(other: User) -> bool:
            if not other.creation or other.creation.kind != kind or other.last_profile != user.last_profile:
                return False
            own = {(Act.CREATE, user.name, 0): (Act.CREATE, other.name, 0), user.above: other.above or user.above}
            return waits(other, users, events).issuperset((own.get(a) or a, own.get(b) or b) for a, b in asked)

        return [user.name, *(other.name for other in users.values() if other is not user and does(other))]

    def _create(self, names: list[str], how: Creation) -> None:
        """Let new users be created in the way HOW, as far as they can."""
        for name in names:
            user = self._course.users[name]
            ways = [how] if name == names[0] else self._creations.ways(user)
            alike = next((other for other in ways if other.kind == how.kind), None)
            if alike:
                self._creations.create(user, alike)

    # Profiles

    def _part(self, event: Event, some: tuple[str, ...]) -> None:
        """Let domains come and go between two lines that change a profile."""
        self._changes.part(event, some)
        for name, user in self._course.users.items():
            if user.namespace == event[1] and event[2] in (user.old_profile, user.profile, user.last_profile, user.inherited):
                user = self._course.change(name)
                if user.passes:
                    user.passes = self._leaving(user, user.profile)
                if user.creation:
                    self._creations.look_again(user)
                self._changes.look(user)

    def _profile_ways(self, users: list[User], number: int) -> Iterator[Way]:
        space, names = users[0].namespace, [user.name for user in users]
        for other in self._policies.profiles_held.get(space, ()):
            if not any(other in (user.old_profile, user.last_profile) for user in users):
                yield from self._stand_ins(users, other)
        free = _free({*self._policies.used_profiles(space), *(user.profile for user in self._course.users.values())})
        modes = self._free_profile(users, number, free) if free is not None else []

        def use_free() -> None:
            self._course.first += [Write("profile", line) for line in modes]
            self._use_profile(names, free or 0)

        if modes:
            yield len(users) + len(modes), use_free

    def _stand_ins(self, users: list[User], number: int) -> Iterator[Way]:
        """How profile NUMBER may stand in for USERS between their old and new ones: always, or at some stage of its change."""
        space, names = users[0].namespace, [user.name for user in users]
        if self._is_between(users, number):
            yield len(users), partial(self._use_profile, names, number)
        event = (Act.MODES, space, number)
        here = self._course.copy()
        for some in list(self._partings(event)):
            self._part(event, some)
            does = self._is_between(users, number)
            self._course.take(here.copy())
            if does:

                def way(some: tuple[str, ...] = some) -> None:
                    self._part(event, some)
                    self._use_profile(names, number)

                yield len(users), way

    def _is_between(self, users: list[User], number: int) -> bool:
        """Whether profile NUMBER does for all of USERS at some stage; at all, for those who need what their last one permits."""
        stages = [modes for _, modes in self._changes.stages(users[0].namespace, number)]

        def does(user: User) -> bool:
            fine = (self._changes.does(user, modes) for modes in stages)
            return any(fine) if _is_content_with_less(user) else all(fine) and all(map(is_free, stages))

        return all(map(does, users))

    def _use_profile(self, names: list[str], number: int) -> None:
        for name in names:
            user = self._course.change(name)
            user.profile, user.passes = number, None
            user.passes = self._leaving(user, number)
            self._changes.look(user)

    def _leaving(self, user: User, number: int) -> Event | None:
        """Before what USER must have left profile NUMBER, which does for it at some stage."""
        stages = self._changes.stages(user.namespace, number)
        does = [self._changes.does(user, modes) for _, modes in stages]
        place = does.index(True) if True in does else len(does)
        return next((event for (event, _), fine in zip(stages[place:], does[place:]) if not fine), None)

    def _free_profile(self, users: list[User], number: int, free: int) -> list[str]:
        """What makes the profile FREE do for USERS meanwhile, be it as NUMBER is to be; nothing if no profile does."""
        space = users[0].namespace
        wanted = self._policies.modes(space, number, True)
        are_content = all(map(_is_content_with_less, users))
        some = [mode for mode in Mode if are_content or is_free({"": mode})]
        does = {name: [mode for mode in some if all(is_between_at(name, mode, user) for user in users)] for name in wanted}
        ways = [does] if are_content else [does, {name: [mode] for name, mode in wanted.items()}]
        found = min((fewest_lines(way) for way in ways if all(way.values())), key=len, default=[])
        return [in_namespace(space, f"{free}-{line}") for line in found]

    # Groups

    def _use_group(self, names: list[str], group: Group, free: int, entries: list[str]) -> None:
        """Let users use the group FREE meanwhile, which has the ENTRIES that GROUP is to have."""
        space, course = group[0], self._course
        if group not in course.stand_ins:
            course.stand_ins[group] = free
            lines = [in_namespace(space, f"acl_group {free} {entry}") for entry in entries]
            course.first += [Write("exception_policy", line) for line in lines]
            course.last += [Write("exception_policy", f"delete {line}") for line in lines]
        for name in names:
            user = course.change(name)
            user.enters.add(free)
            user.spared |= {group[1]}
            course.after.append(Write("domain_policy", f"delete use_group {free}", name))
            if user.grants:
                user.grants.own |= grants_of(entries)

    def _own_way(self, users: list[User], entries: list[str]) -> Way:
        """Let USERS have ENTRIES themselves for a while, but for what they have."""
        missing = {user.name: lacking(entries, user.grants.own) for user in users if user.grants}

        def way() -> None:
            for name, lines in missing.items():
                user = self._course.change(name)
                self._course.first += [Write("domain_policy", line, name) for line in lines]
                self._course.after += [Write("domain_policy", f"delete {line}", name) for line in lines]
                assert user.grants
                user.grants.own |= grants_of(lines)

        return 2 * sum(map(len, missing.values())), way


def _free(used: Set[int]) -> int | None:
    """The last number of a profile or a group that is not USED; None if all are."""
    return next((number for number in range(NUMBERS - 1, -1, -1) if number not in used), None)


def _is_content_with_less(user: User) -> bool:
    """Whether USER need not have all that its new profile permits before something happens to its groups."""
    assert user.claim
    return not user.claim.switches


def _count(events: list[Event]) -> int:
    """How many EVENTS have their place, a change in two steps counted once."""
    return sum(act is not Act.SOME_MODES for act, *_ in events)

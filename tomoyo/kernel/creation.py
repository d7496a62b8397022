"""New domains: with which profile they are created, and when.

The kernel gives a domain that it creates itself the profile of the one above,
and one that is written profile 0.  A new domain has to be filled before it is
confined by more than it would have been before, but not left unconfined in what
both enforce.  Its own profile or profile 0 will mostly do from the first line
on, at some stage of their changes; else it has that of the domain above
meanwhile, which is a line more.

A domain that is created later than first of all is until then confined as the
one above, which may not change to what would deny it too much, or leave it
unconfined; nor may a new one be created between the two.  Where anything new
might lead into it, it has to be there first of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from ..model.profiles import Mode
from .course import Act, Creation, Event, User
from .grants import Grant, grants_of
from .policy_text import ancestors, is_ordered
from .reuse import acts

if TYPE_CHECKING:
    from .course import Course
    from .differences import NewDomain
    from .policy_pair import Modes, PolicyPair
    from .profile_changes import ProfileChanges, Stage

#: How a line begins that lets a domain use a group.
USE_GROUP = "use_group "


class _First(NamedTuple):
    """The line that is written first when a domain is created, if any; what it waits for, and what waits for it."""

    line: str
    ready: frozenset[Event] = frozenset()
    before: frozenset[Event] = frozenset()


class Creations:
    """The domains that are created on a COURSE between two policies.

    MAY_WAIT tells whether any may be created later than first of all.
    """

    def __init__(self, policies: PolicyPair, course: Course, changes: ProfileChanges, *, may_wait: bool) -> None:
        self.policies, self.course, self.changes = policies, course, changes
        self._may_wait = may_wait
        self._new: Mapping[str, NewDomain] = {}
        self._needed = cache(self._all_needed)
        self._known: dict[int, frozenset[str]] = {}

    def find(self, new_domains: Iterable[NewDomain]) -> None:
        """Find with which profile each of NEW_DOMAINS is created, in the fewest lines."""
        self._new = {new.name: new for new in new_domains}
        may_wait = self._may_wait and bool(self.course.events)
        for name in self._new:
            user = self.course.users[name]
            above = self.policies.above(name) or ""
            if above in self.course.users:
                user.parent = above
                self.course.below.setdefault(above, []).append(name)
            if may_wait and " " in name:
                self.course.events.add((Act.CREATE, name, 0))
                over = next((other for other in ancestors(name) if other in self._new), None)
                user.above = (Act.CREATE, over, 0) if over else None
        self.choose()

    def create(self, user: User, how: Creation) -> None:
        """Let USER be created like that."""
        user = self.course.change(user.name)
        user.creation, user.old_profile = how, how.profile
        self.changes.look(user)

    def look_again(self, user: User) -> None:
        """Let USER be created as before, as far as that can be, now that a profile's change has been parted."""
        how = user.creation
        assert how

        def likeness(other: Creation) -> tuple[bool, ...]:
            return (
                other.profile == how.profile,
                other.after == how.after,
                (other.ready, other.is_bare, other.precedes) == (how.ready, how.is_bare, how.precedes),
            )

        user.creation = max(self.ways(user), key=likeness)

    @staticmethod
    def cost(user: User, how: Creation) -> int:
        """How many lines more it takes to create USER like that."""
        return how.is_bare + (how.profile != 0) + (how.profile != user.last_profile)

    def look(self, user: User) -> None:
        """See until when USER, if it is created later than first of all, may be confined as the domain above."""
        if (Act.CREATE, user.name, 0) not in self.course.events:
            return
        parent = self.course.users.get(user.parent)
        stages = self.changes.stages(user.namespace, user.inherited)
        if parent and parent.exit:
            stages = stages[: [event for event, _ in stages].index(parent.exit)]
        holds = {event for event, modes in stages if event and not self._does_above(user, modes)}
        user.holds_on = False
        if parent:
            for number, entry in ((parent.profile, parent.entry), (parent.last_profile, parent.last_entry)):
                if number != parent.old_profile:
                    later = self.changes.stages(user.namespace, number)
                    later = later[[event for event, _ in later].index(entry) :]
                    bad = {event for event, modes in later if not self._does_above(user, modes)}
                    if entry in bad or (bad and user.creation and user.creation.precedes):
                        user.holds_on = True
                    else:
                        holds |= {event for event in bad if event}
        user.holds = frozenset(holds)

    def choose(self) -> None:
        """Let those that are new be created in the fewest lines, and early."""
        for name in self._new:
            user = self.course.users[name]
            least = int(user.last_profile != 0)
            ways: list[Creation] = []
            for how in self.ways(user):
                ways.append(how)
                if how.after is None and self.cost(user, how) == least:
                    break
            self.create(user, min(ways, key=lambda how: (self.cost(user, how), how.after is not None)))

    def dear(self) -> list[User]:
        """Those that are created with more lines than it might take, if a profile's change were parted."""
        users = (self.course.users[name] for name in self._new)
        return [user for user in users if user.creation and self.cost(user, user.creation) > (user.last_profile != 0)]

    def ways(self, user: User) -> Iterator[Creation]:
        """How USER, which is new, may be created."""
        last, inherited = user.last_profile, user.inherited
        others = self.policies.profiles_held.get(user.namespace, ()) if self._may_wait else ()
        for number in dict.fromkeys((inherited if inherited in (last, 0) else last, last, 0, inherited, *others)):
            stages = self.changes.stages(user.namespace, number)
            places = range(len(stages) if self._may_wait and " " in user.name else 1)
            for place in places:
                for how in self._ways_at(user, number, stages, place):
                    yield how
                    if user.parent:
                        yield replace(how, precedes=True)

    def _ways_at(self, user: User, number: int, stages: list[Stage], place: int) -> Iterator[Creation]:
        """How USER may be created with profile NUMBER at a stage of that, or later."""
        new, space = self._new[user.name], user.namespace
        after = stages[place][0]
        if number == user.last_profile and not all(self.changes.does(user, modes) for _, modes in stages[place + 1 :]):
            return
        waited = {group: self.course.events.intersection(acts(space, group)) for group in sorted(user.groups)}
        if (
            number == user.last_profile
            and len(new.entries) + len(user.groups) <= (number == 0)
            and self.changes.does(user, stages[place][1])
        ):
            # It is complete with its first line.
            ready = frozenset().union(*waited.values())
            if self._may_wait or not ready:
                yield Creation(number, after, frozenset(), ready, is_bare=not number and not new.entries and not waited)
        enforced: frozenset[str] = frozenset()
        windows: list[tuple[_First, frozenset[Event]]] = []
        for event, modes in stages[place:]:
            first = self._first(user, number, enforced | self._enforced(modes)) if self._is_confined(user, modes) else None
            if windows and event:
                # Whoever needs nothing first, or something else, may have to be created before this.
                windows[-1] = windows[-1][0], frozenset({event})
            if first is None or (first.ready and not self._may_wait):
                break
            if windows and windows[-1][0] == first:
                windows.pop()
            windows.append((first, frozenset()))
            enforced |= self._enforced(modes)
        for first, before in windows:
            if first.line or number or new.entries or not all(waited.values()):
                yield Creation(number, after, before | first.before, first.ready, first=first.line)
            else:
                if self._may_wait:
                    yield from (Creation(number, after, before, frozenset(some)) for some in waited.values())
                yield Creation(number, after, before, is_bare=True)

    def _is_confined(self, user: User, modes: Modes) -> bool:
        """Whether MODES enforce what USER is confined by before and afterwards."""
        return self._enforced(user.before) & self._enforced(user.after) <= self._enforced(modes)

    def _first(self, user: User, number: int, enforced: frozenset[str]) -> _First | None:
        """What must be written first so that USER is denied nothing that it will be granted, though ENFORCED is.

        None if nothing helps.
        """
        more = enforced - self._enforced(user.before)
        if not self._is_missed(user, more):
            return _First("")
        if number or not more <= self._enforced(user.after):
            return None
        # It is created with profile 0 and with its first line.
        needed = {grant for grant in self._needed(user.name) if grant[0] in more}
        for line in self._new[user.name].entries:
            if not is_ordered(line) and needed <= grants_of([line]):
                return _First(line)
        space, events = user.namespace, self.course.events
        # A group grants what is new in it as well as what is not yet deleted.
        for still in (False, True):
            for group in sorted(user.groups):
                lines = [line for then in {True, not still} for line in self.policies.shared((space, group), is_wanted=then)]
                if needed <= grants_of(lines):
                    ready = events.intersection(acts(space, group))
                    before = ready & {(Act.EMPTY, space, group)} if still else ()
                    return _First(f"{USE_GROUP}{group}", frozenset(ready), frozenset(before))
        return None

    def _does_above(self, user: User, modes: Modes) -> bool:
        """Whether the domain above may have MODES before USER is created, as that is confined by them.

        Not if they are not known, as those of a free profile that stands in.
        """
        return (
            bool(modes)
            and self._is_confined(user, modes)
            and not self._is_missed(user, self._enforced(modes) - self._enforced(user.before))
        )

    def _all_needed(self, name: str) -> frozenset[Grant]:
        """What a new domain is to be granted."""
        user = self.course.users[name]
        shared = [entry for number in user.groups for entry in self.policies.shared((user.namespace, number), is_wanted=True)]
        return grants_of([*self._new[name].entries, *shared])

    def _is_missed(self, user: User, enforced: frozenset[str]) -> bool:
        """Whether USER is denied anything meanwhile, as ENFORCED is, that it will be granted in the end."""
        return not enforced <= self._enforced(user.after) or any(grant[0] in enforced for grant in self._needed(user.name))

    def _enforced(self, modes: Modes) -> frozenset[str]:
        """The functionalities that MODES, which the policies remember, enforce."""
        found = self._known.get(id(modes))
        if found is None:
            found = self._known[id(modes)] = frozenset(name for name, mode in modes.items() if mode is Mode.ENFORCING)
        return found

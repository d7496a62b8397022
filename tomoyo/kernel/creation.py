"""New domains: with which profile they are created, and when.

The kernel gives a domain that it creates itself the profile of the one above,
and one that is written profile 0.  A new domain has to be filled before it is
confined by more than it would have been before, but not left unconfined in what
both enforce.  Its own profile or profile 0 will mostly do from the first line
on; else it has that of the domain above meanwhile, which is a line more.

That line is saved if the domain is created later: when the modes of its own
profile, or of profile 0, have changed.  So is the line that only creates one
whose groups are all still to change.  But then nothing new may lead into it
before that, nor may any domain above be created or changed that it would
meanwhile be confined by.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from .grants import grants_of
from .policy_text import ancestors, is_ordered
from .reuse import Act, Event, User, acts

if TYPE_CHECKING:
    from .differences import NewDomain
    from .policy_pair import PolicyPair
    from .profile_changes import ProfileChanges


class Creations:
    """The domains that are created on the way between two policies.

    ``waiting`` are those that are not created first of all; MAY_WAIT tells
    whether any may wait.  ``policies``, ``users``, ``events`` and ``changes`` are
    what the way consists of.
    """

    def __init__(
        self,
        policies: PolicyPair,
        users: Mapping[str, User],
        events: set[Event],
        changes: ProfileChanges,
        *,
        may_wait: bool,
    ) -> None:
        self.waiting: dict[str, NewDomain] = {}
        self.policies, self.users, self.events, self.changes = policies, users, events, changes
        self._may_any_wait = may_wait
        #: Those with which a line is saved if they wait.
        self._shorter: list[str] = []
        self._changing = {event[1:] for event in events if event[0] is Act.MODES}

    def find(self, new_domains: Iterable[NewDomain]) -> None:
        """Find with which profile each of NEW_DOMAINS is created, and which of them wait."""
        domains = {new.name: new for new in new_domains}
        for name, new in domains.items():
            self.users[name].inherited = self.users[name].old_profile
            self._give_profile(new)
        if not self._may_any_wait:
            return
        self._shorter = [name for name, new in domains.items() if self._is_shorter_later(new)]
        for name in self._shorter:
            # Those above must not be there before it is.
            some = [domains[other] for other in (name, *ancestors(name)) if other in domains]
            if all(map(self._can_wait, some)):
                self.waiting.update((other.name, other) for other in some)
        for new in self.waiting.values():
            self._wait(new)

    def _wait(self, new: NewDomain) -> None:
        user = self.users[new.name]
        user.parent = self.users.get(self.policies.above(new.name) or "")
        user.holds_on = not self._may_wait(new, user.parent.last_profile if user.parent else user.inherited)
        above = next((name for name in ancestors(new.name) if name in self.waiting), None)
        user.above = (Act.CREATE, above, 0) if above else None
        self.events.add((Act.CREATE, new.name, 0))
        self._give_profile(new)

    def _give_profile(self, new: NewDomain) -> None:
        user = self.users[new.name]
        first = self._first_profile(new, user.late if new.name in self.waiting else ())
        assert first is not None  # it can wait, or has what it inherits
        user.old_profile = first
        self.changes.look(user)

    def _can_wait(self, new: NewDomain) -> bool:
        """Whether a domain may be created later without a line more; a namespace has to be there."""
        user = self.users[new.name]
        if " " in new.name:
            for late in ({user.profile}, {0}, {user.profile, 0}):
                if self._first_profile(new, late) in (0, user.profile):
                    user.late = frozenset(late)
                    return True
        return False

    def _is_shorter_later(self, new: NewDomain) -> bool:
        """Whether a line is saved if a domain is created when its profile has its new modes, or its groups their entries."""
        user = self.users[new.name]
        waited = [self.events.intersection(acts(user.namespace, number)) for number in user.groups]
        if user.profile == 0:
            user.readiness = frozenset().union(*waited)
        # A line for another profile than its own cannot be saved by profile 0.
        is_longer = (user.old_profile != 0) + (user.profile != user.old_profile) > (user.profile != 0)
        return is_longer or self._is_bare(new, waited)

    def _is_bare(self, new: NewDomain, waited: list[set[Event]]) -> bool:
        """Whether there is nothing to write to a domain first of all; WAITED is what its groups wait for."""
        user = self.users[new.name]
        assert user.claim
        if user.old_profile or new.entries or not all(waited):
            return False
        if user.profile == 0:
            return bool(waited)
        return user.entry in self.events or bool(user.claim.needs)

    def giving_up(self, event: Event) -> tuple[int, Callable[[], None]]:
        """How to let the domain of EVENT, and others that wait for the same, not wait; and how many lines that takes."""

        def reason(name: str) -> tuple[object, ...]:
            user = self.users[name]
            return user.namespace, user.profile, user.holds_on, user.inherited, user.parent and user.parent.profile

        why = reason(event[1])
        same = {name for name in self.waiting if reason(name) == why}
        names = [name for name in self.waiting if name in same or not same.isdisjoint(ancestors(name))]

        def give_up() -> None:
            for name in names:
                self.events.discard((Act.CREATE, name, 0))
                self._give_profile(self.waiting.pop(name))
            for name in self.waiting:
                above = self.users[name].above
                if above not in self.events:
                    self.users[name].above = None

        return len(set(names).intersection(self._shorter)), give_up

    def _first_profile(self, new: NewDomain, late: Collection[int]) -> int | None:
        """The profile of a domain until it has its entries; None where it cannot be created when the profiles LATE have changed.

        What the one above and its own one enforce is enforced; and what only its own does, where nothing of it is granted.
        """
        user = self.users[new.name]
        if user.inherited in (user.profile, 0) and not late:
            return user.inherited
        # A domain that is to have profile 0 is complete with its first line.
        is_there = user.profile in late or not self._is_waited_for(user)
        if len(new.entries) + len(user.groups) <= (user.profile == 0) and is_there:
            return user.profile
        for number in (user.profile, 0):
            if self._does(new, number, late):
                return number
        return None if late else user.inherited

    def _does(self, new: NewDomain, number: int, late: Collection[int]) -> bool:
        """Whether profile NUMBER does until a domain has its entries."""
        user = self.users[new.name]
        assert user.claim
        if (user.namespace, number) not in self._changing or number in late:
            stages = [True]
        elif number == user.profile:
            # It may change its modes if all is there by then.
            if user.claim.needs:
                return False
            stages = [False]
        else:
            stages = [False, True]
        space, enforced = user.namespace, self.policies.enforced
        before = enforced(space, user.inherited, False)
        both = before & enforced(space, user.profile, True)
        # It is created with profile 0 and with its first line.
        return all(
            both <= now and (now <= before or not self._is_missed(new, now - before, with_first=number == 0))
            for now in (enforced(space, number, is_wanted) for is_wanted in stages)
        )

    def _is_missed(self, new: NewDomain, enforced: frozenset[str], *, with_first: bool) -> bool:
        """Whether a domain is denied anything meanwhile, as ENFORCED is, that it will be granted in the end.

        WITH_FIRST puts first an entry that grants all of that, as nothing is
        denied then.
        """
        user = self.users[new.name]
        shared = [entry for number in user.groups for entry in self.policies.shared((user.namespace, number), is_wanted=True)]
        if not enforced <= self.policies.enforced(user.namespace, user.profile, True):
            return True
        needed = {grant for grant in grants_of([*new.entries, *shared]) if grant[0] in enforced}
        if not needed or not with_first:
            return bool(needed)
        for line in new.entries:
            if needed <= grants_of([line]) and not is_ordered(line):
                new.entries.sort(key=line.__ne__)
                return False
        return True

    def _may_wait(self, new: NewDomain, profile: int) -> bool:
        """Whether the one above may have PROFILE, with its new modes, before the domain is created, as it is confined by that."""
        user = self.users[new.name]
        space, enforced = user.namespace, self.policies.enforced
        before, after = enforced(space, user.inherited, False), enforced(space, user.profile, True)
        then = enforced(space, profile, True)
        return before & after <= then and not (then - before and self._is_missed(new, then - before, with_first=False))

    def _is_waited_for(self, user: User) -> bool:
        """Whether the profile of USER, or a group, is not yet what it will be."""
        waiting = any(not self.events.isdisjoint(acts(user.namespace, number)) for number in user.groups)
        return waiting or (user.namespace, user.profile) in self._changing

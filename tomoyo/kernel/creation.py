"""New domains: with which profile they are created, and when.

The kernel gives a domain that it creates itself the profile of the one above,
and one that is written profile 0.  A new domain has to be filled before it is
confined by more than it would have been before, but not left unconfined in what
both enforce.  Its own profile or profile 0 will mostly do from the first line
on; else it has that of the domain above meanwhile, which is a line more, or is
created only when the modes of its own one have changed, if nothing leads into it
before that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from .grants import grants_of
from .policy_text import ancestors, is_ordered
from .reuse import Act, Event, User

if TYPE_CHECKING:
    from .differences import NewDomain
    from .policy_pair import PolicyPair


class Creations:
    """The domains that are created on the way between two policies.

    ``waiting`` are those that are created when their profile has its new modes;
    MAY_WAIT tells whether any may.
    """

    def __init__(
        self,
        policies: PolicyPair,
        users: Mapping[str, User],
        events: set[Event],
        new_domains: Iterable[NewDomain],
        *,
        may_wait: bool,
    ) -> None:
        self.waiting: dict[str, NewDomain] = {}
        self._policies, self._users, self._events = policies, users, events
        self._changing = {event[1:] for event in events if event[0] is Act.MODES}
        # The profile that the kernel would have given each of them before.
        self._inherited: dict[str, int] = {}
        self._find(new_domains, may_wait=may_wait)

    def _find(self, new_domains: Iterable[NewDomain], *, may_wait: bool) -> None:
        created: dict[str, int] = {}
        held: Mapping[str, int] = {}
        for new in new_domains:
            held = held or self._policies.domains_held
            above = next((name for name in ancestors(new.name) if name in created or name in held), "")
            inherited = self._inherited[new.name] = created.get(above, held.get(above, 0))
            user = self._users[new.name]
            first = self.first_profile(new)
            # A line for another profile than its own cannot be saved by profile 0.
            is_longer = (first != 0) + (user.profile != first) > (user.profile != 0)
            if may_wait and is_longer and above not in created and self._first_profile(new, is_late=True) in (0, user.profile):
                parent = self._users.get(above)
                user.parent = None if self._may_wait(new, parent.last_profile if parent else inherited) else parent
                self.waiting[new.name] = new
                self._events.add((Act.CREATE, new.name, 0))
            else:
                created[new.name] = first

    def give_up(self, event: Event) -> None:
        """Let the domain of EVENT, and others that wait for the same, not wait."""

        def reason(name: str) -> tuple[object, ...]:
            user = self._users[name]
            return user.namespace, user.profile, user.parent and (user.parent.old_profile, user.parent.profile)

        why = reason(event[1])
        for name in [name for name in self.waiting if reason(name) == why]:
            del self.waiting[name]
            self._events.discard((Act.CREATE, name, 0))

    def first_profile(self, new: NewDomain) -> int:
        """The profile of a domain until it has its entries."""
        return self._first_profile(new, is_late=new.name in self.waiting)

    def _first_profile(self, new: NewDomain, *, is_late: bool) -> int:
        """What the one above and its own one enforce is enforced; and what only its own does, where nothing of it is granted.

        IS_LATE tells that its own profile has its new modes.
        """
        user, inherited = self._users[new.name], self._inherited[new.name]
        if inherited in (user.profile, 0) and not is_late:
            return inherited
        # A domain that is to have profile 0 is complete with its first line.
        if len(new.entries) + len(user.groups) <= (user.profile == 0) and (is_late or not self._is_waited_for(user)):
            return user.profile
        for number in (user.profile, 0):
            if self._does(new, number, is_late=is_late):
                return number
        return inherited

    def _does(self, new: NewDomain, number: int, *, is_late: bool) -> bool:
        """Whether profile NUMBER does until a domain has its entries."""
        user = self._users[new.name]
        is_own = number == user.profile
        assert user.claim
        if (user.namespace, number) not in self._changing:
            stages = [True]
        elif is_own:
            # It may change its modes if all is there by then.
            if not is_late and user.claim.needs:
                return False
            stages = [is_late]
        else:
            stages = [False, True]
        space, enforced = user.namespace, self._policies.enforced
        before = enforced(space, self._inherited[new.name], False)
        both = before & enforced(space, user.profile, True)
        # It is created with profile 0 and with its first line.
        return all(
            both <= now and (now <= before or not self._is_missed(new, now - before, with_first=number == 0))
            for now in (enforced(space, number, is_wanted) for is_wanted in stages)
        )

    def _is_missed(self, new: NewDomain, enforced: frozenset[str], *, with_first: bool) -> bool:
        """Whether a domain is denied anything meanwhile, as ENFORCED is, that it will be granted in the end.

        WITH_FIRST puts first the only entry that grants any of that, as nothing
        is denied then.
        """
        user = self._users[new.name]
        shared = [entry for number in user.groups for entry in self._policies.shared((user.namespace, number), is_wanted=True)]
        if not enforced <= self._policies.enforced(user.namespace, user.profile, True) or _grant_any(shared, enforced):
            return True
        needed = [line for line in new.entries if _grant_any([line], enforced)]
        if with_first and len(needed) == 1 and not is_ordered(needed[0]):
            new.entries.sort(key=needed[0].__ne__)
            return False
        return bool(needed)

    def _may_wait(self, new: NewDomain, profile: int) -> bool:
        """Whether the one above may have PROFILE, with its new modes, before the domain is created, as it is confined by that."""
        user = self._users[new.name]
        space, enforced = user.namespace, self._policies.enforced
        before, after = enforced(space, self._inherited[new.name], False), enforced(space, user.profile, True)
        then = enforced(space, profile, True)
        return before & after <= then and not (then - before and self._is_missed(new, then - before, with_first=False))

    def _is_waited_for(self, user: User) -> bool:
        """Whether the profile of USER, or a group, is not yet what it will be."""
        acts = (Act.FILL, Act.EMPTY)
        waiting = any((act, user.namespace, number) in self._events for act in acts for number in user.groups)
        return waiting or (user.namespace, user.profile) in self._changing


def _grant_any(lines: Iterable[str], functionalities: frozenset[str]) -> bool:
    """Whether entries grant any of FUNCTIONALITIES."""
    return any(functionality in functionalities for functionality, _ in grants_of(lines))

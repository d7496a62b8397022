"""Profiles whose modes change while domains use them: in one step, or in two with what others do in between.

A domain may have a profile, old or new, at any stage of its change at which that
enforces and learns nothing but what the domain's old profile or its new one
does, and enforces what both do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from ..model.profiles import Mode
from .policy_pair import Modes, PolicyPair
from .reuse import Act, Event, User

#: The lines of a change are parted in all ways if there are no more than these.
_FEW = 6


class ProfileChanges:
    """The changes of profiles' modes between two policies, each the lines that it takes.

    ``lines`` has them by event.
    """

    def __init__(self, policies: PolicyPair) -> None:
        self.lines: dict[Event, list[str]] = {}
        self._policies = policies

    def look(self, user: User) -> None:
        """Find out when USER may have its profiles."""
        space, old, new = user.namespace, user.old_profile, user.profile
        user.entry = user.exit = None
        if old == new:
            return
        for event, before, _ in self._stages(space, new):
            if is_between(before, user):
                break
            user.entry = event
        user.exit = next((event for event, _, after in self._stages(space, old) if not is_between(after, user)), None)

    def _stages(self, space: str, number: int) -> Iterator[tuple[Event, Modes, Modes]]:
        """What happens to a profile, and its modes before and afterwards."""
        before = self._policies.modes(space, number, False)
        some, all_ = (Act.SOME_MODES, space, number), (Act.MODES, space, number)
        if some in self.lines:
            between = self._policies.changed_modes(space, number, self.lines[some])
            yield some, before, between
            before = between
        if all_ in self.lines:
            yield all_, before, self._policies.modes(space, number, True)

    def part(self, event: Event, some: Iterable[str]) -> Event:
        """Let SOME lines of a profile's change be written before the others; give what that is."""
        earlier = Act.SOME_MODES, event[1], event[2]
        self.lines[earlier] = list(some)
        self.lines[event] = [line for line in self.lines[event] if line not in self.lines[earlier]]
        return earlier

    def partings(self, event: Event) -> Iterator[tuple[str, ...]]:
        """The lines that may be written first, so that every functionality has its old mode or its new one all the time."""
        _, space, number = event
        lines = self.lines[event]
        old, new = (self._policies.modes(space, number, is_wanted) for is_wanted in (False, True))

        def is_sound(some: tuple[str, ...]) -> bool:
            modes = self._policies.changed_modes(space, number, some)
            return all(mode in (old[name], new[name]) for name, mode in modes.items())

        for count in range(1, len(lines)):
            for some in combinations(lines, count) if len(lines) <= _FEW else [tuple(lines[:count])]:
                rest = tuple(line for line in lines if line not in some)
                if all(is_sound((some + rest)[:end]) for end in range(1, len(lines))):
                    yield some


def is_between(modes: Modes, user: User) -> bool:
    """Whether MODES enforce what USER's old and new ones both do, and enforce and learn nothing that neither does.

    A new domain may learn.
    """
    old, new = user.before, user.after
    free = (Mode.DISABLED, Mode.PERMISSIVE, Mode.LEARNING) if user.is_new else (Mode.DISABLED, Mode.PERMISSIVE)
    return modes.keys() == old.keys() == new.keys() and all(
        mode in (old[name], new[name]) or (mode in free and not old[name] is new[name] is Mode.ENFORCING)
        for name, mode in modes.items()
    )

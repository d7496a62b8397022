"""Profiles whose modes change while domains use them: in one step, or in two with what others do in between.

A domain may have a profile, old or new, at any stage of its change at which that
enforces and learns nothing but what the domain's old profile or its new one
does, and enforces what both do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import combinations

from ..model.profiles import Config, Mode
from .course import Act, Course, Event, User
from .policy_pair import Modes, PolicyPair

#: The lines of a change are parted in all ways if there are no more than these.
_FEW = 6

#: What leads to a stage of a profile, None for the first one, and its modes there.
Stage = tuple[Event | None, Modes]


class ProfileChanges:
    """The changes of profiles' modes between two policies, on a COURSE."""

    def __init__(self, policies: PolicyPair, course: Course) -> None:
        self._policies, self._course = policies, course
        self._does: dict[tuple[int, int, int, bool], bool] = {}

    def look(self, user: User) -> None:
        """Find out when USER may have its profiles."""
        space = user.namespace
        first = user.creation.after if user.creation else None
        user.entry = self._entry(user, user.profile) if user.profile != user.old_profile else None
        user.last_entry = self._entry(user, user.last_profile)
        stages = self.stages(space, user.old_profile)
        known = [event for event, _ in stages]
        later = stages[known.index(first) + 1 if first in known else 1 :]
        user.exit = None
        if user.profile != user.old_profile:
            user.exit = next((event for event, modes in later if not self.does(user, modes)), None)

    def _entry(self, user: User, number: int) -> Event | None:
        """What must have happened before USER may have a profile, and its last one to the end."""
        stages = self.stages(user.namespace, number)
        if len(stages) == 1:
            return None
        does = [self.does(user, modes) for _, modes in stages]
        if number == user.last_profile:
            does = [all(does[place:]) for place in range(len(does))]
        return next((event for (event, _), fine in zip(stages, does) if fine), None)

    def stages(self, space: str, number: int) -> list[Stage]:
        """The stages of a profile."""
        modes, lines = self._policies.modes, self._course.lines
        some, all_ = (Act.SOME_MODES, space, number), (Act.MODES, space, number)
        found: list[Stage] = [(None, modes(space, number, False))]
        if some in lines:
            found.append((some, self._policies.changed_modes(space, number, tuple(lines[some]))))
        if all_ in lines:
            found.append((all_, modes(space, number, True)))
        return found

    def does(self, user: User, modes: Modes) -> bool:
        """Whether MODES enforce what USER's old and new ones both do, and enforce and learn nothing that neither does.

        A new domain may learn.  All modes are such that the policies remember.
        """
        key = id(modes), id(user.before), id(user.after), user.is_new
        if key not in self._does:
            known = modes.keys() == user.before.keys() == user.after.keys()
            self._does[key] = known and all(is_between_at(name, mode, user) for name, mode in modes.items())
        return self._does[key]

    def part(self, event: Event, some: Iterable[str]) -> None:
        """Let SOME lines of a profile's change be written before the others."""
        lines = self._course.lines
        earlier = Act.SOME_MODES, event[1], event[2]
        lines[earlier] = list(some)
        lines[event] = [line for line in lines[event] if line not in lines[earlier]]
        self._course.events.add(earlier)

    def partings(self, event: Event) -> Iterator[tuple[str, ...]]:
        """The lines of a change that may be written first, so that who has the profile all the time is never confined wrongly."""
        _, space, number = event
        lines = self._course.lines[event]
        old, new = (self._policies.modes(space, number, is_wanted) for is_wanted in (False, True))
        always = [
            user
            for user in self._course.users.values()
            if user.namespace == space and user.old_profile == user.profile == user.last_profile == number
        ]
        has_others = (space, number) in self._others

        def is_sound(written: list[str], more: list[str], middle: Modes) -> bool:
            """Whether between MORE lines nothing has another mode than before or after them all."""
            first = self._policies.changed_modes(space, number, tuple(written)) if written else old
            last = middle if not written else new
            steps = (self._policies.changed_modes(space, number, (*written, *more[:end])) for end in range(1, len(more)))
            return all(mode in (first[name], last[name]) for modes in steps for name, mode in modes.items())

        for count in range(1, len(lines)):
            for some in combinations(lines, count) if len(lines) <= _FEW else [tuple(lines[:count])]:
                middle = self._policies.changed_modes(space, number, some)
                if not all(self.does(user, middle) for user in always):
                    continue
                if has_others and not all(_is_between(mode, old[name], new[name]) for name, mode in middle.items()):
                    continue
                rest = [line for line in lines if line not in some]
                if is_sound([], list(some), middle) and is_sound(list(some), rest, middle):
                    yield some

    @cached_property
    def _others(self) -> set[tuple[str, int]]:
        """The profiles of domains that are held and not wanted."""
        held = self._policies.domains_held.items()
        return {(name.partition(" ")[0], number) for name, number in held if name not in self._course.users}


def is_between_at(functionality: str, mode: Mode, user: User) -> bool:
    """As ``ProfileChanges.does``, for the mode of one functionality."""
    old, new = user.before[functionality], user.after[functionality]
    return _is_between(mode, old, new) or (mode is Mode.LEARNING and user.is_new and not old is new is Mode.ENFORCING)


def _is_between(mode: Mode, old: Mode, new: Mode) -> bool:
    return mode in (old, new) or (mode in (Mode.DISABLED, Mode.PERMISSIVE) and not old is new is Mode.ENFORCING)


def fewest_lines(does: Mapping[str, Collection[Mode]]) -> list[str]:
    """What to write to a new profile, which is disabled, so that each functionality has one of the modes that DO for it.

    At least one line, so that the profile is there.
    """
    categories: dict[str, list[str]] = {}
    for name in does:
        categories.setdefault(name.partition("::")[0], []).append(name)
    some = (None, *Mode)

    def of_category(category: str, default: Mode) -> list[str]:
        ways = []
        for mode in some:
            others = [name for name in categories[category] if (mode or default) not in does[name]]
            ways.append(
                [
                    *_line(f"::{category}", mode),
                    *(line for name in others for line in _line(f"::{name}", min(does[name], key=_place))),
                ]
            )
        return min(ways, key=len)

    ways = []
    for mode in some:
        default = mode or Mode.DISABLED
        ways.append([*_line("", mode), *(line for category in categories for line in of_category(category, default))])
    return min(ways, key=len) or _line("", Mode.DISABLED)


_place = list(Mode).index


def _line(name: str, mode: Mode | None) -> list[str]:
    return [f"CONFIG{name}={Config(mode, grant_log=False)}"] if mode else []

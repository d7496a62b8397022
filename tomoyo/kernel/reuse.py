"""Numbers used anew: profiles and acl_groups that change while domains come and go.

Three things can happen to what a number stands for: an acl_group is *filled*
with new entries, *emptied* of old ones, and a profile gets other *modes*.
Each is seen by every domain that uses the number at that moment.  So

- a group is filled only after those have left that shall not have it, and
  emptied before others come who shall not have what was in it;
- a domain leaves a group, or sees one emptied, only after it has got all that
  is new and its new modes; one whose profile enforces and learns nothing waits
  for nothing, until it has another profile;
- modes change, or a domain changes its profile, only after it has got all that
  is new; and it changes its profile after the modes of the new one have changed
  and before those of the old one do, unless what it would else have meanwhile
  enforces and learns nothing but what it does before or afterwards.

`order` sorts what happens by these rules.  Where they go round in a circle it
names the numbers, one of which has to be stood in for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Act(Enum):
    """What happens to the content of a number."""

    FILL = "entries are added to an acl_group"
    EMPTY = "entries are deleted from an acl_group"
    MODES = "modes of a profile change"


#: What is changed: the namespace and the number of a group, or of a profile.
Event = tuple[Act, str, int]


@dataclass(slots=True)
class User:
    """A domain that is wanted, and the numbers that it uses and is to use.

    ``old_profile`` is None for a domain that is created.  ``enters`` and
    ``leaves`` are what is still to be written.  ``early`` and ``late`` tell
    whether it may have its new profile before the modes of that change, and
    its old one after the modes of that have changed; ``free_before`` and
    ``free_after``, whether its old profile
    enforces and learns nothing, and its new one.
    """

    name: str
    old_profile: int | None
    profile: int
    old_groups: frozenset[int]
    groups: frozenset[int]
    enters: set[int] = field(default_factory=set)
    leaves: set[int] = field(default_factory=set)
    switched: bool = False
    early: bool = False
    late: bool = False
    free_before: bool = False
    free_after: bool = False

    @property
    def namespace(self) -> str:
        """The namespace that the numbers are of."""
        return self.name.partition(" ")[0]


def needed(user: User, events: set[Event]) -> set[Event]:
    """What of EVENTS must have happened for USER to have all that is new and that it needs, modes apart."""
    if user.free_after:
        return set()
    space = user.namespace
    found = {event for number in user.groups for event in ((Act.FILL, space, number),) if event in events}
    entered = user.groups - user.old_groups
    return found | {event for number in entered for event in ((Act.EMPTY, space, number),) if event in events}


def _waits(user: User, events: set[Event]) -> list[tuple[Event, Event]]:
    """Pairs of events, first and later, that USER makes wait."""
    space = user.namespace
    ready = needed(user, events)
    modes = (Act.MODES, space, user.profile)
    found: list[tuple[Event, Event]] = []
    if modes in events:
        if user.old_profile == user.profile:
            found += [(event, modes) for event in ready]
        ready = ready | {modes}
    if user.old_profile is None:
        return found
    later: set[Event] = set()
    if not user.free_before:
        later |= {(Act.EMPTY, space, number) for number in user.old_groups}
        later |= {(Act.FILL, space, number) for number in user.leaves}
    if user.old_profile != user.profile:
        later.add((Act.MODES, space, user.old_profile))
    pairs = [(first, second) for second in later & events for first in ready if first != second]
    if user.early or user.late:
        pairs = [(first, second) for first, second in pairs if not first[0] is second[0] is Act.MODES]
    return found + pairs


def order(users: list[User], events: set[Event]) -> tuple[list[Event], list[Event]]:
    """EVENTS in a safe order; or some of them, and a circle that others go round in (those of groups first)."""
    before: dict[Event, set[Event]] = {event: set() for event in sorted(events, key=_place)}
    for act, space, number in events:
        if act is Act.EMPTY and (Act.FILL, space, number) in events:
            before[act, space, number].add((Act.FILL, space, number))
    for user in users:
        for first, second in _waits(user, events):
            before[second].add(first)
    after: dict[Event, list[Event]] = {event: [] for event in before}
    for event, others in before.items():
        for other in others:
            after[other].append(event)
    found: list[Event] = []
    ready = [event for event, others in before.items() if not others]
    while ready:
        event = ready.pop(0)
        found.append(event)
        del before[event]
        for other in after[event]:
            before[other].discard(event)
            if not before[other]:
                ready.append(other)
    return found, _circle(before) if before else []


def _circle(before: dict[Event, set[Event]]) -> list[Event]:
    walked: list[Event] = []
    event = next(iter(before))
    while event not in walked:
        walked.append(event)
        event = min(before[event], key=_place)
    return sorted(walked[walked.index(event) :], key=lambda event: event[0] is Act.MODES)


def _place(event: Event) -> tuple[str, str, int]:
    return event[0].name, event[1], event[2]

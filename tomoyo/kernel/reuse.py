"""Numbers used anew: profiles and acl_groups that change while domains come and go.

Three things can happen to what a number stands for: an acl_group is *filled*
with new entries, *emptied* of old ones, and a profile gets other *modes*.
Each is seen by every domain that uses the number at that moment.  So

- a group is filled only after those have left that shall not have what is new
  in it, and emptied before others come;
- a domain leaves a group, or sees one emptied, only after it has got what it
  needs in place of what it loses, be it an entry or its new modes;
- modes change, or a domain changes its profile, only after it has got what is
  new and needed under the new modes; and it changes its profile after the modes
  of the new one have changed and before those of the old one do, unless what it
  would else have meanwhile enforces and learns nothing but what it does before
  or afterwards.  That may be so in the middle of such a change, too.

What a domain needs is at first all that a group has, unless its profile enforces
and learns nothing.  Where that leads round in a circle, it is looked at more
closely (see ``grants``): a domain does not need what its own entries grant, nor
what the other policy would not grant, either.

`order` sorts what happens by these rules.  Where they still go round in a circle
it names that, and something has to stand in for one of its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from itertools import product

from ..model.profiles import Mode
from .course import Act, Claim, Content, Creation, Event, Pair, User
from .grants import Grant, Grants

#: Contents by namespace and number.
Contents = Mapping[tuple[str, int], Content]


def is_free(modes: Mapping[str, Mode]) -> bool:
    """Whether it does not matter what is granted: nothing is denied, and nothing learned."""
    return not {Mode.ENFORCING, Mode.LEARNING}.intersection(modes.values())


def claim(user: User, events: set[Event], contents: Contents) -> Claim:
    """What USER asks of the order of EVENTS; CONTENTS are looked at where its grants are known."""
    space = user.namespace
    open_ = frozenset(number for number in user.enters if user.grants and _is_open(user, contents.get((space, number))))
    entered = user.enters - open_
    gains = {
        number: {event for event in acts(space, number) if event in events and (number in entered or event[0] is Act.FILL)}
        for number in user.groups - user.spared
    }
    losses = {event for number in user.old_groups for event in ((Act.EMPTY, space, number),) if event in events}
    losses |= {event for number in user.leaves for event in ((Act.FILL, space, number),) if event in events}
    if user.is_new:
        losses = set()
    if user.grants is not None:
        return _close_claim(user, user.grants, gains, losses, contents, open_)
    return Claim(
        frozenset() if is_free(user.after) else frozenset().union(*gains.values()),
        frozenset() if is_free(user.before) else frozenset(losses),
        frozenset(event for event in losses if event[0] is Act.FILL),
        frozenset(),
    )


def acts(space: str, number: int) -> Iterator[Event]:
    """What may happen to the content of an acl_group."""
    yield Act.FILL, space, number
    yield Act.EMPTY, space, number


def _is_open(user: User, content: Content | None) -> bool:
    """Whether USER may be granted what a group has before; None is one that stands in."""
    return content is None or not _harms(user, content.before - content.after)


def _harms(user: User, granted: frozenset[Grant]) -> bool:
    """Whether USER is granted what neither policy permits, if it is GRANTED that."""
    assert user.grants
    foreign = granted - user.grants.before - user.grants.after
    return any(user.before.get(grant[0]) is user.after.get(grant[0]) is Mode.ENFORCING for grant in foreign)


def _close_claim(
    user: User,
    grants: Grants,
    gains: Mapping[int, set[Event]],
    losses: set[Event],
    contents: Contents,
    open_: frozenset[int],
) -> Claim:
    space = user.namespace
    steady = set(grants.own)
    for number in user.groups & user.old_groups:
        content = contents[space, number]
        steady |= content.before & content.after
    # Who enters where nothing happens, or stays where nothing is added, has it soon enough.
    soon = {number for number, some in gains.items() if not some}
    steady = steady.union(*(contents[space, number].after for number in soon))

    def fine(grant: Grant, modes: Mapping[str, Mode]) -> bool:
        before, after = (some.get(grant[0], Mode.DISABLED) for some in (user.before, user.after))
        return grants.may_be_missed(grant, modes.get(grant[0], Mode.DISABLED), before, after)

    def providers(grant: Grant) -> set[Event]:
        return min((some for number, some in gains.items() if grant in contents[space, number].after), key=len)

    needs = {event for grant in grants.after - steady if not fine(grant, user.after) for event in providers(grant)}
    switches, departures, pairs = set(), set(), set()
    for event in losses:
        content = contents[event[1:]]
        lost = content.before - content.after
        if event[0] is Act.FILL:
            if not _harms(user, content.after - content.before):
                continue
            departures.add(event)
            lost = content.before
        for grant in lost - steady:
            if fine(grant, user.before):
                continue
            if grant in grants.after and not fine(grant, user.after):
                pairs |= {(provider, event) for provider in providers(grant)}
            else:
                switches.add(event)
    return Claim(frozenset(needs), frozenset(switches), frozenset(departures), frozenset(pairs), open_)


def waits(user: User, users: Mapping[str, User], events: set[Event]) -> frozenset[Pair]:
    """What USER, one of USERS whose claims are known, makes wait for what."""
    if user.waits is None:
        user.waits = frozenset(_waits(user, users, events))
    return user.waits


def _waits(user: User, users: Mapping[str, User], events: set[Event]) -> Iterator[Pair]:
    asked = user.claim
    assert asked is not None
    yield from (pair for pair in asked.pairs if pair[0] != pair[1])
    if user.creation:
        yield from _creation_waits(user, user.creation, users, events)
    space = user.namespace
    if user.old_profile == user.profile:
        if not user.is_new:
            yield from product(asked.needs, _changes(space, user.profile, events))
    else:
        # Its old profile may get modes like its new one's, and it leaves that then if it must.
        old = _changes(space, user.old_profile, events)
        if user.creation and user.creation.after in old:
            old = old[old.index(user.creation.after) + 1 :]
        yield from product(asked.needs, old)
        if user.exit and user.entry in events:
            yield user.entry, user.exit
    if user.passes:
        # It must be through before.
        yield from ((first, user.passes) for first in (*asked.needs, user.last_entry) if first in events)
    ready = {*asked.needs, *_changes(space, user.last_profile if user.passes else user.profile, events)[-1:]}
    for later in asked.switches:
        yield from ((first, later) for first in ready if first != later)


def _creation_waits(user: User, how: Creation, users: Mapping[str, User], events: set[Event]) -> Iterator[Pair]:
    event = (Act.CREATE, user.name, 0)
    assert user.claim
    yield from product(user.claim.needs, how.before & events)
    if event not in events:
        return
    ready = how.ready - {(Act.EMPTY, user.namespace, number) for number in user.claim.open}
    yield from ((first, event) for first in (*ready, how.after) if first in events)
    yield from ((event, later) for later in (*user.holds, *how.before, user.above, user.exit) if later in events)
    parent = users.get(user.parent)
    if user.holds_on and parent:
        assert parent.claim
        yield from ((event, later) for later in (*parent.claim.switches, parent.exit, parent.passes) if later in events)


def _changes(space: str, number: int, events: set[Event]) -> list[Event]:
    """What happens to the modes of a profile, in order."""
    return [event for act in (Act.SOME_MODES, Act.MODES) for event in ((act, space, number),) if event in events]


def order(users: Mapping[str, User], events: set[Event], moved: Iterable[Event] = ()) -> tuple[list[Event], list[Pair]]:
    """EVENTS in a safe order, creations as soon as they can be; or some of them, and pairs of others that wait in a circle.

    MOVED are groups that must be filled before they are emptied.
    """
    before: dict[Event, set[Event]] = {event: set() for event in sorted(events, key=_place)}
    for act, space, number in moved:
        if act is Act.EMPTY and (Act.FILL, space, number) in events:
            before[act, space, number].add((Act.FILL, space, number))
    for act, space, number in events:
        if act is Act.SOME_MODES:
            before[Act.MODES, space, number].add((act, space, number))
    for first, second in set[Pair]().union(*(waits(user, users, events) for user in users.values())):
        before[second].add(first)
    after: dict[Event, list[Event]] = {event: [] for event in before}
    for event, others in before.items():
        for other in others:
            after[other].append(event)
    found: list[Event] = []
    ready = [(_place(event), event) for event, others in before.items() if not others]
    heapify(ready)
    while ready:
        _, event = heappop(ready)
        found.append(event)
        del before[event]
        for other in after[event]:
            before[other].discard(event)
            if not before[other]:
                heappush(ready, (_place(other), other))
    return found, _circle(before) if before else []


def _circle(before: dict[Event, set[Event]]) -> list[Pair]:
    walked: dict[Event, None] = {}
    event = next(iter(before))
    while event not in walked:
        walked[event] = None
        event = min(before[event], key=_place)
    circle = list(walked)
    circle = circle[circle.index(event) :]
    return [(first, second) for second, first in zip(circle, [*circle[1:], circle[0]])]


def _place(event: Event) -> tuple[str, str, int]:
    return event[0].name, event[1], event[2]

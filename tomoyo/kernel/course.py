"""The way from one policy to another: who uses what, what happens to that, and what stands in for something meanwhile.

`Course` is what the steps of planning share: `reuse` tells what must happen
before what, `creation` how domains are created, `profile_changes` when a domain
may have which profile, and `detour` changes the course until there is an order.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from enum import Enum

from ..model.profiles import Mode
from .grants import Grant, Grants
from .plan import Write


class Act(Enum):
    """What happens to the content of a number."""

    FILL = "entries are added to an acl_group"
    EMPTY = "entries are deleted from an acl_group"
    SOME_MODES = "some of the lines that change a profile's modes are written"
    MODES = "modes of a profile change"
    CREATE = "a domain is created"


#: What is changed: the namespace and the number of a group, or of a profile; a new domain's name and 0.
Event = tuple[Act, str, int]
#: Something that must have happened before something else.
Pair = tuple[Event, Event]


@dataclass(frozen=True, slots=True)
class Creation:
    """How a new domain is created: with which profile, and when.

    ``after`` must have happened before, if anything, and so must all of
    ``ready``, but that a group is emptied which it may use before; nothing of
    ``before`` must, as it would be denied then what it needs until it has its
    entries.  The line ``first`` is written first, if there is one, as it grants
    what would be denied meanwhile.  ``is_bare`` tells that there
    is nothing yet to write, so that it takes a line more, and ``precedes`` that
    the domain above must not have left its profile if some stage of its next one
    would deny too much.
    """

    profile: int
    after: Event | None = None
    before: frozenset[Event] = frozenset()
    ready: frozenset[Event] = frozenset()
    first: str = ""
    is_bare: bool = False
    precedes: bool = False

    @property
    def kind(self) -> object:
        """What it has in common with others of domains that have other entries."""
        return self.profile, self.after, self.before, self.ready, bool(self.first), self.is_bare, self.precedes


@dataclass(slots=True)
class User:
    """A domain that is wanted, and the numbers that it uses and is to use.

    ``old_profile`` is what it has at the start, or is created with, and later
    what it has then; ``profile`` what it gets first, ``last_profile`` what it has
    at the end; ``passes`` is the event before which it must leave the first, if it
    has another one meanwhile.  ``before`` and ``after`` are the modes of the old profile and of
    the last one, as they are at the start and at the end.  ``enters`` and
    ``leaves`` are the groups of which that is still to be written.  ``entry``
    must have happened before it may have its first new profile, ``last_entry``
    before it may have its last one, and ``exit`` must not while it still has its
    old one (see ``profile_changes``).  ``grants`` are what it is granted, where
    that has been looked at; ``spared`` are groups that something stands in for
    where it has not.

    For one that is new, ``creation`` tells how it is created.  Until then it is
    confined by the profile ``inherited``, of the domain ``parent`` if that is
    wanted, and ``before`` are the modes of that; none of ``holds`` may happen, nor
    may the parent switch if it ``holds_on``; and it is created before the new
    domain ``above``.

    ``claim``, ``holds`` and ``holds_on``, and with them ``waits``, are found by
    looking at it and its parent, and are to be found again when either changes:
    ``Course.change`` sees to that.
    """

    name: str
    old_profile: int
    profile: int
    old_groups: frozenset[int]
    groups: frozenset[int]
    is_new: bool = False
    before: Mapping[str, Mode] = field(default_factory=dict)
    after: Mapping[str, Mode] = field(default_factory=dict)
    last_profile: int = field(init=False)
    enters: set[int] = field(init=False)
    leaves: set[int] = field(init=False)
    entry: Event | None = None
    last_entry: Event | None = None
    exit: Event | None = None
    passes: Event | None = None
    creation: Creation | None = None
    inherited: int = field(init=False)
    parent: str = ""
    holds: frozenset[Event] = frozenset()
    holds_on: bool = False
    above: Event | None = None
    grants: Grants | None = None
    spared: frozenset[int] = frozenset()
    claim: Claim | None = None
    waits: frozenset[Pair] | None = None
    namespace: str = field(init=False)

    def __post_init__(self) -> None:
        self.namespace = self.name.partition(" ")[0]
        self.last_profile, self.inherited = self.profile, self.old_profile
        self.enters = set(self.groups - self.old_groups)
        self.leaves = set(self.old_groups - self.groups)

    @property
    def detour(self) -> int:
        """How many lines it takes to create it, and for its profiles."""
        made = (self.creation.is_bare + (self.old_profile != 0)) if self.creation else 0
        return made + (self.profile != self.old_profile) + (self.last_profile != self.profile)

    @property
    def way(self) -> object:
        """What tells it from another on a course with the same policies."""
        return self.profile, self.passes, self.creation

    def copy(self) -> User:
        """Another one that may be changed, and is to be looked at."""
        other = copy(self)
        other.claim = other.waits = None
        other.enters, other.leaves, other.grants = set(self.enters), set(self.leaves), copy(self.grants)
        return other


@dataclass(slots=True)
class Course:
    """What happens on a way, and what is written for that alone.

    ``lines`` are those of the profiles' changes, by event; ``below`` are the
    users that are created below others; ``stand_ins`` are groups that stand in
    for others.  What stands in is written ``first``, and deleted ``after`` all has
    happened or ``last``.
    """

    users: dict[str, User] = field(default_factory=dict)
    events: set[Event] = field(default_factory=set)
    lines: dict[Event, list[str]] = field(default_factory=dict)
    below: dict[str, list[str]] = field(default_factory=dict)
    stand_ins: dict[tuple[str, int], int] = field(default_factory=dict)
    first: list[Write] = field(default_factory=list)
    after: list[Write] = field(default_factory=list)
    last: list[Write] = field(default_factory=list)

    @property
    def detour(self) -> int:
        """How many lines are written for users' profiles, to create users, and for what stands in."""
        return sum(user.detour for user in self.users.values()) + sum(map(len, (self.first, self.after, self.last)))

    def change(self, name: str) -> User:
        """The user of that NAME, which may be changed; other courses keep what they have."""
        for other in (name, *self.below.get(name, ())):
            self.users[other] = self.users[other].copy()
        return self.users[name]

    def copy(self) -> Course:
        """Another one that may be changed, with the same users until they change."""
        return Course(
            dict(self.users),
            set(self.events),
            {event: list(lines) for event, lines in self.lines.items()},
            self.below,
            dict(self.stand_ins),
            *(list(writes) for writes in (self.first, self.after, self.last)),
        )

    def take(self, other: Course) -> None:
        """Go on as OTHER."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def key(self, start: Mapping[str, User]) -> object:
        """What tells it from another that began with the users START."""
        users = ((name, user.way) for name, user in self.users.items() if user is not start[name] and user.way != start[name].way)
        parted = ((event, tuple(lines)) for event, lines in self.lines.items() if event[0] is Act.SOME_MODES)
        return tuple(users), frozenset(parted), tuple(self.first), tuple(self.after)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a user asks of the order.

    ``needs`` must have happened before it may have its new modes.  Before
    ``switches`` happen it must have them, and before ``departures`` have left
    the group.  ``pairs`` are what else must happen one before the other.
    ``open`` are groups that it may enter before they are emptied.
    """

    needs: frozenset[Event]
    switches: frozenset[Event]
    departures: frozenset[Event]
    pairs: frozenset[Pair]
    open: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Content:
    """What the entries of an acl_group grant, before and afterwards."""

    before: frozenset[Grant]
    after: frozenset[Grant]

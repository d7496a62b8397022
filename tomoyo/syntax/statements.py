"""Statements: what one line asks of the kernel.

A policy file's lines are mostly entries; some select what later lines apply
to, and some are commands (``delete``, ``select``) to a running kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..model.entries import Entry, GroupKind
from ..model.exception_policy import Aggregator, Member, TransitionControl
from ..model.profiles import Profile
from ..model.words import DomainName, Word

__all__ = ["Statement"]


@dataclass(frozen=True, slots=True)
class Reset:
    """``reset``: forget what is selected."""


@dataclass(frozen=True, slots=True)
class OpenDomain:
    """``<kernel> ...``: create the domain if need be, and select it; None selects none."""

    name: DomainName | None


@dataclass(frozen=True, slots=True)
class SelectDomain:
    """``select <kernel> ...`` or ``select domain=...``: select it if it exists.

    ``prints`` says whether the next read prints that domain alone.
    """

    name: str
    prints: bool = False


@dataclass(frozen=True, slots=True)
class SelectProcess:
    """``select pid=N``: the domain of a process; the next read prints it alone.

    ``written`` is the line behind ``select``, which the kernel prints back.
    """

    pid: int
    written: str


@dataclass(frozen=True, slots=True)
class SelectQuery:
    """``select Q=N``: the domain of a pending query; the next read prints it alone."""

    serial: int
    written: str


@dataclass(frozen=True, slots=True)
class SelectTransitions:
    """``select transition_only``: the next read prints what decides on transitions."""


@dataclass(frozen=True, slots=True)
class DeleteDomain:
    """``delete <kernel> ...``."""

    name: str


@dataclass(frozen=True, slots=True)
class UseProfile:
    """``use_profile N``."""

    profile: int


@dataclass(frozen=True, slots=True)
class UseGroup:
    """``use_group N``."""

    group: int


@dataclass(frozen=True, slots=True)
class UseModule:
    """``use_group NAME``, which only policy sources have: a kernel knows nothing of modules."""

    name: str


@dataclass(frozen=True, slots=True)
class SetFlag:
    """``quota_exceeded`` or ``transition_failed``."""

    flag: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is dropped, but leaves the groups that it named behind, empty."""

    groups: tuple[tuple[GroupKind, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GroupMember:
    """``path_group NAME MEMBER`` and the like."""

    kind: GroupKind
    name: Word
    member: Member


@dataclass(frozen=True, slots=True)
class SharedEntry:
    """``acl_group N ENTRY``."""

    group: int
    entry: Entry


DomainContent = UseProfile | UseGroup | SetFlag | Entry
ExceptionContent = TransitionControl | Aggregator | GroupMember | SharedEntry


@dataclass(frozen=True, slots=True)
class Delete:
    """``delete`` before what it takes away."""

    content: DomainContent | ExceptionContent


DomainStatement = (
    Reset
    | OpenDomain
    | SelectDomain
    | SelectProcess
    | SelectQuery
    | SelectTransitions
    | DeleteDomain
    | DomainContent
    | Delete
    | Rejected
)


@dataclass(frozen=True, slots=True)
class InNamespace:
    """An exception policy line: its namespace, which it creates, and what it says there."""

    namespace: str
    content: ExceptionContent | Delete | Rejected


ExceptionStatement = InNamespace | Reset | SelectTransitions


@dataclass(frozen=True, slots=True)
class SetManager:
    """A line of the manager list; None stands for ``manage_by_non_root``."""

    manager: Word | DomainName | None
    delete: bool


ManagerStatement = SetManager | Reset


#: What a line does to a profile; None where the line does no more than define it.
Change = Callable[[Profile], Profile]


@dataclass(frozen=True, slots=True)
class SetVersion:
    """``PROFILE_VERSION=N``."""

    version: int


@dataclass(frozen=True, slots=True)
class ChangeProfile:
    """``N-...``: define profile N if need be, and change it."""

    number: int
    change: Change | None


@dataclass(frozen=True, slots=True)
class ProfileLine:
    """A line and the namespace that it is about, which it creates."""

    namespace: str
    content: SetVersion | ChangeProfile | None


ProfileStatement = ProfileLine | Reset


@dataclass(frozen=True, slots=True)
class SetQuota:
    """``Memory used by NAME: BYTES``; 0 is no quota."""

    name: str
    quota: int


StatStatement = SetQuota | Reset


@dataclass(frozen=True, slots=True)
class PinModule:
    """``NAME NUMBER`` in a policy source: the acl_group that a module keeps."""

    name: str
    number: int


#: What a line of policy says, of any kind.
Statement = DomainStatement | UseModule | PinModule | ExceptionStatement | ManagerStatement | ProfileStatement | StatStatement

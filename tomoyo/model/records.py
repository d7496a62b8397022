"""Audit and query records: one request, who made it, and what it was about.

A record holds every attribute that a condition can test, so a record is a
question to a policy together with the kernel's answer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from .domains import MAX_GROUPS, MAX_PROFILES
from .entries import Entry
from .errors import InvalidValueError
from .profiles import Mode
from .stat import Timestamp
from .words import DomainName, Quoted, quoted

__all__ = [
    "AuditRecord",
    "Execution",
    "FileAttributes",
    "FlagSet",
    "GroupUsed",
    "ParentAttributes",
    "ProfileUsed",
    "Query",
    "Strings",
    "Task",
]

#: File types, as ``type=`` in a record and as attributes in conditions.
FILE_TYPES = ("file", "directory", "symlink", "fifo", "socket", "block", "char", "unknown")


@dataclass(frozen=True, slots=True)
class Task:
    """The process that made the request; its numbers as in the initial namespaces, but pid and ppid."""

    pid: int
    ppid: int
    uid: int
    gid: int
    euid: int
    egid: int
    suid: int
    sgid: int
    fsuid: int
    fsgid: int

    def __str__(self) -> str:
        return " ".join(f"{item.name}={getattr(self, item.name)}" for item in fields(self))


@dataclass(frozen=True, slots=True)
class FileAttributes:
    """The file that a request is about; device numbers only for device files."""

    uid: int
    gid: int
    ino: int
    major: int
    minor: int
    perm: int
    type: str
    dev_major: int | None = None
    dev_minor: int | None = None

    def __str__(self) -> str:
        text = (
            f"uid={self.uid} gid={self.gid} ino={self.ino} major={self.major}"
            f" minor={self.minor} perm=0{self.perm:o} type={self.type}"
        )
        if self.dev_major is not None:
            text += f" dev_major={self.dev_major} dev_minor={self.dev_minor}"
        return text


@dataclass(frozen=True, slots=True)
class ParentAttributes:
    """The directory that holds the file that a request is about."""

    uid: int
    gid: int
    ino: int
    perm: int

    def __str__(self) -> str:
        return f"uid={self.uid} gid={self.gid} ino={self.ino} perm=0{self.perm:o}"


@dataclass(frozen=True, slots=True)
class Strings:
    """The beginning of argv or envp; ``truncated`` where the kernel cut it off with ``...``."""

    values: tuple[Quoted, ...] = ()
    truncated: bool = False

    def __str__(self) -> str:
        return "".join(f"{value} " for value in self.values) + ("... " if self.truncated else "")


@dataclass(frozen=True, slots=True)
class Execution:
    """What was executed.  ``argv`` and ``envp`` are None where the kernel could not read them."""

    realpath: Quoted
    argc: int
    envc: int
    argv: Strings | None
    envp: Strings | None

    def __str__(self) -> str:
        # The kernel's own text for strings that it could not read has a space more.
        strings = "argv[]={ ... } envp[]= { ... }"
        if self.argv is not None and self.envp is not None:
            strings = f"argv[]={{ {self.argv}}} envp[]={{ {self.envp}}}"
        return f"realpath={self.realpath} argc={self.argc} envc={self.envc} {strings}"


@dataclass(frozen=True, slots=True)
class ProfileUsed:
    """An event: a process created the record's domain, with this profile."""

    profile: int

    def __post_init__(self) -> None:
        if not 0 <= self.profile < MAX_PROFILES:
            raise InvalidValueError(f"no profile number: {self.profile}")

    def __str__(self) -> str:
        return f"use_profile {self.profile}"


@dataclass(frozen=True, slots=True)
class GroupUsed:
    """An event: a process created the record's domain, with this acl_group."""

    group: int

    def __post_init__(self) -> None:
        if not 0 <= self.group < MAX_GROUPS:
            raise InvalidValueError(f"no group number: {self.group}")

    def __str__(self) -> str:
        return f"use_group {self.group}"


@dataclass(frozen=True, slots=True)
class FlagSet:
    """An event: the kernel set a flag of the record's domain."""

    flag: str

    def __post_init__(self) -> None:
        if self.flag not in ("quota_exceeded", "transition_failed"):
            raise InvalidValueError(f"no domain flag: {quoted(self.flag)}")

    def __str__(self) -> str:
        return self.flag


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record of the audit log.  ``str()`` of it is its text.

    Attributes:
        time: when, in UTC, to the second.
        profile, mode: what held for the domain.
        granted: whether an entry granted the request.
        global_pid: the process number in the first namespace of process numbers.
        task: numbers of the process, its users and groups.
        domain: the domain that the process was in.
        request: what it asked for; or an event of the domain's profile, groups or flags.
        path1, path2: the files that the request is about; None where it has none.
        path1_parent, path2_parent: the directories that hold them.
        execution: what was executed; None where nothing was.
        symlink_target: where a symlink that is made leads; None for any other request.
    """

    time: Timestamp
    profile: int
    mode: Mode
    granted: bool
    global_pid: int
    task: Task
    domain: DomainName
    request: Entry | ProfileUsed | GroupUsed | FlagSet
    path1: FileAttributes | None = None
    path1_parent: ParentAttributes | None = None
    path2: FileAttributes | None = None
    path2_parent: ParentAttributes | None = None
    execution: Execution | None = None
    symlink_target: Quoted | None = None

    def __repr__(self) -> str:
        return f"<AuditRecord of {self.domain}: {self.request}>"

    def __str__(self) -> str:
        """The record's three lines, each with its newline."""
        parts = [
            f"#{self.time}# profile={self.profile} mode={self.mode.value}"
            f" granted={'yes' if self.granted else 'no'} (global-pid={self.global_pid})"
            f" task={{ {self.task} }}"
        ]
        for name, attributes in (
            ("path1", self.path1),
            ("path1.parent", self.path1_parent),
            ("path2", self.path2),
            ("path2.parent", self.path2_parent),
            ("exec", self.execution),
        ):
            if attributes is not None:
                parts.append(f"{name}={{ {attributes} }}")
        if self.symlink_target is not None:
            parts.append(f"symlink.target={self.symlink_target}")
        return f"{' '.join(parts)}\n{self.domain}\n{self.request}\n"


@dataclass(frozen=True, slots=True)
class Query:
    """A request that waits for an answer: ``A<serial>=1`` grants, 2 denies, 3 asks again."""

    serial: int
    retry: int
    record: AuditRecord

    def __str__(self) -> str:
        return f"Q{self.serial}-{self.retry}\n{self.record}"

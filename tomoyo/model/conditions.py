"""Conditions: what must hold, besides operation and arguments, for an entry to grant.

A condition is an optional domain transition preference (``file execute``
alone), tests in the order written, and an optional ``grant_log``.  The kernel
accepts any attribute on either side of a test; whether such a test can ever
hold is for the decision engine and lint to say.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InvalidValueError
from .numbers import NumberRange, single
from .words import DomainName, GroupReference, Quoted, Word, is_path, quoted

__all__ = ["ArgumentTest", "Attribute", "Comparison", "Condition", "EnvironmentTest", "Test"]

#: Attributes that a test may name, besides argv and envp, in the kernel's order.
ATTRIBUTES: tuple[str, ...] = (
    *(f"task.{name}" for name in ["uid", "euid", "suid", "fsuid", "gid", "egid", "sgid", "fsgid", "pid", "ppid"]),
    "exec.argc",
    "exec.envc",
    *["socket", "symlink", "file", "block", "directory", "char", "fifo"],
    *["setuid", "setgid", "sticky"],
    *(f"{who}_{what}" for who in ("owner", "group", "others") for what in ("read", "write", "execute")),
    "exec.realpath",
    "symlink.target",
    *(
        f"path{number}.{name}"
        for number in (1, 2)
        for name in ["uid", "gid", "ino", "major", "minor", "perm", "type", "dev_major", "dev_minor"]
    ),
    *(f"path{number}.parent.{name}" for number in (1, 2) for name in ["uid", "gid", "ino", "perm"]),
)
#: Attributes that are strings: compared with a quoted pattern or a path group.
STRING_ATTRIBUTES = frozenset({"exec.realpath", "symlink.target"})
#: Transition preferences that are keywords; else a path or a domain name stands there.
TRANSITION_KEYWORDS = ("keep", "initialize", "reset", "child", "parent")

_ATTRIBUTES = frozenset(ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Attribute:
    """The name of something a test looks at, such as ``task.uid`` or ``setuid``."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in _ATTRIBUTES:
            raise InvalidValueError(f"no such attribute: {quoted(self.name)}")

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Comparison:
    """``LEFT=RIGHT`` or ``LEFT!=RIGHT``.

    A string attribute stands on the left and has a Quoted or a reference to a
    path group on its right; else a reference is to a number group.
    """

    left: Attribute | NumberRange
    right: Attribute | NumberRange | GroupReference | Quoted
    equal: bool = True

    def __post_init__(self) -> None:
        if self.compares_strings:
            if not isinstance(self.right, (Quoted, GroupReference)):
                raise InvalidValueError(f'{self.left} is compared with "PATTERN" or @GROUP')
        elif isinstance(self.right, Quoted):
            raise InvalidValueError(f"{self.left} is not a string")

    @property
    def compares_strings(self) -> bool:
        """Whether this compares names rather than numbers."""
        return isinstance(self.left, Attribute) and self.left.name in STRING_ATTRIBUTES

    def __str__(self) -> str:
        return f"{self.left}{'=' if self.equal else '!='}{self.right}"


@dataclass(frozen=True, slots=True)
class ArgumentTest:
    """``exec.argv[INDEX]="PATTERN"``."""

    index: int
    value: Quoted
    equal: bool = True

    def __str__(self) -> str:
        return f"exec.argv[{self.index}]{'=' if self.equal else '!='}{self.value}"


@dataclass(frozen=True, slots=True)
class EnvironmentTest:
    """``exec.envp["NAME"]="PATTERN"``, or ``=NULL`` (no such variable) where value is None."""

    name: Word
    value: Quoted | None
    equal: bool = True

    def __str__(self) -> str:
        sign = "=" if self.equal else "!="
        return f'exec.envp["{self.name}"]{sign}{"NULL" if self.value is None else self.value}'


Test = Comparison | ArgumentTest | EnvironmentTest

#: A test that always holds.
ALWAYS = Comparison(single(0), single(0))


def _seems_path(test: Test) -> bool:
    return isinstance(test, Comparison) and isinstance(test.right, GroupReference) and is_path(str(test))


@dataclass(frozen=True, slots=True)
class Condition:
    """Everything that may follow an entry's arguments; at least one part is there."""

    transition: Word | DomainName | None = None
    tests: tuple[Test, ...] = ()
    grant_log: bool | None = None

    def __post_init__(self) -> None:
        if self.transition is None and not self.tests and self.grant_log is None:
            raise InvalidValueError("an empty condition: leave it out")
        if isinstance(self.transition, Word) and not (self.transition.text in TRANSITION_KEYWORDS or self.transition.is_path):
            raise InvalidValueError(f"no transition preference: {self.transition}")
        if self.grant_log is None and self._seems_transition:
            raise InvalidValueError(f"the kernel reads this as a transition preference: {self.tests[0]}")

    @classmethod
    def left(cls, transition: Word | DomainName | None, tests: tuple[Test, ...], grant_log: bool | None) -> Condition | None:
        """What is left of a condition of which tests were dropped or changed; None for nothing.

        Where the kernel would take the first test for a transition preference,
        one that always holds stands before it.
        """
        if transition is None and not tests:
            return None if grant_log is None else cls(grant_log=grant_log)
        if transition is None and _seems_path(tests[0]):
            tests = (ALWAYS, *tests)
        return cls(transition, tests, grant_log)

    @property
    def is_misread(self) -> bool:
        """Whether the kernel takes its own text of this for something else.

        It reads ``grant_log=no 0=@a/b`` as meant, but prints grant_log last;
        and a path that comes first is a transition preference.
        """
        return self.grant_log is not None and self._seems_transition

    @property
    def _seems_transition(self) -> bool:
        return self.transition is None and bool(self.tests) and _seems_path(self.tests[0])

    def __str__(self) -> str:
        parts = [] if self.transition is None else [str(self.transition)]
        parts += map(str, self.tests)
        if self.grant_log is not None:
            parts.append(self._grant_log)
        return " ".join(parts)

    @property
    def readable(self) -> str:
        """The text, or where that ``is_misread`` one that is not."""
        return " ".join([self._grant_log, *map(str, self.tests)]) if self.is_misread else str(self)

    @property
    def _grant_log(self) -> str:
        return "grant_log=yes" if self.grant_log else "grant_log=no"

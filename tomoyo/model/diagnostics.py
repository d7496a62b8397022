"""Diagnostics: what is wrong, how bad it is, where it stands and what to do about it.

Everything that judges a policy, a policy set or a machine gives values of this
type.  Printing is the business of the command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Diagnostic", "Place", "Severity", "has_errors", "sort_diagnostics"]


class Severity(Enum):
    """How bad it is."""

    ERROR = "error"
    """It cannot be used, does not do what it says, or gives away what confinement is for."""
    WARNING = "warning"
    """Most likely not meant."""
    NOTE = "note"
    """Worth knowing."""

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self.value]

    def reaches(self, limit: Severity) -> bool:
        """Whether this is as bad as LIMIT, or worse."""
        return self.rank <= limit.rank

    @property
    def lowered(self) -> Severity:
        """One step less bad."""
        return Severity.WARNING if self is Severity.ERROR else Severity.NOTE


_RANKS = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file.

    Attributes:
        file: empty for the policy as a whole.
        line, column: from 1; 0 where all of the file, or all of the line, is meant.
            A column counts characters of ``text``.
        text: the line as it is written, as far as it is known; where the file was
            read as bytes, each is one character.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        """``FILE:LINE:COLUMN``, as far as it is known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something wrong, or worth knowing.

    Attributes:
        severity: how bad it is.
        code: what kind of thing it is, such as ``dropped-line``; once released, it keeps its meaning.
        message: what is wrong.
        help: the one thing to do, may be empty.
        place: where in a text; a `Place` without a file where it is about the policy as a whole.
        subject: the word, entry or domain that it is about, as a policy has it; may be empty.
        related: other places that have to do with it, such as the first of two duplicates.
    """

    severity: Severity
    code: str
    message: str
    help: str = ""
    place: Place = Place()
    subject: str = ""
    related: tuple[Place, ...] = ()

    def __str__(self) -> str:
        """``FILE:LINE:COLUMN: error: MESSAGE [CODE]``, without the place if it has none."""
        where = f"{self.place}: " if self.place.file else ""
        return f"{where}{self.severity.value}: {self.message} [{self.code}]"


def readable(text: str) -> str:
    """TEXT, in which each character may be a byte, as a person reads it: UTF-8 as the characters that it stands for."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether any of DIAGNOSTICS is an error."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """DIAGNOSTICS by their place, each once; those of no file come first."""
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda one: (one.place.file, one.place.line, one.place.column)))


# What was probably meant


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean 'X'?`` for the one of KNOWN that is nearest to WORD; empty where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), 1)
    return f"did you mean '{near[0]}'?" if near else ""


#: Begins what people name: a path, a domain, a group, a pattern in quotes, a number.
_NAMES = tuple('/<@"0123456789')
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]*")


@cache
def vocabulary() -> frozenset[str]:
    """All keywords of all policy files."""
    from .conditions import ATTRIBUTES, TRANSITION_KEYWORDS
    from .entries import GroupKind, Kind
    from .exception_policy import TRANSITION_CONTROLS
    from .profiles import FUNCTIONALITIES, Mode
    from .stat import MEMORY

    kinds = {word for kind in Kind for word in (*kind.keyword.split(" "), *kind.operations)}
    modes = {mode.value for mode in Mode} | {f"CONFIG::{name}" for name in FUNCTIONALITIES}
    groups = {kind.value for kind in GroupKind}
    rest = (
        *("use_profile", "use_group", "quota_exceeded", "transition_failed", "exec.argv", "exec.envp", "NULL"),
        *("aggregator", "acl_group", "from", "any", "manage_by_non_root", "Memory", "used", "by", "memory"),
        *("PROFILE_VERSION", "COMMENT", "PREFERENCE", "CONFIG", "mode", "use_default", "yes", "no"),
        *("grant_log", "reject_log", "max_audit_log", "max_learning_entry"),
    )
    quotas = {word for name in MEMORY for word in name.split(" ")}
    return frozenset({*kinds, *modes, *groups, *rest, *quotas, *ATTRIBUTES, *TRANSITION_KEYWORDS, *TRANSITION_CONTROLS})


def meant(text: str) -> str:
    """The keyword that was probably meant by the first word of TEXT that is none; empty if there is none like it."""
    for word in _words(text):
        if word not in vocabulary():
            from difflib import get_close_matches

            near = get_close_matches(word, vocabulary(), 1, 0.65)
            return near[0] if near else ""
    return ""


def _words(text: str) -> Iterable[str]:
    """The words of TEXT that may be keywords, up to the first name of something."""
    for token in text.split(" "):
        if token.startswith(_NAMES):
            return
        yield from _WORD.findall(token.partition('"')[0])

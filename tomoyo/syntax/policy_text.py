"""Policy text: lines with what they say and where they stand, comments and blank lines among them.

Lines are read as the kernel reads them, with what policy sources have besides:
``use_group NAME`` for a module, and the texts of modules, which hold entries
alone.  A kernel drops comments; people write them, so whatever rewrites a text
keeps them: `format_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Generic, NamedTuple, TypeVar

from ..model.diagnostics import Place
from ..model.domains import MAX_GROUPS
from ..model.entries import Entry
from ..model.profiles import ServiceState
from ..model.words import NAMES
from .domain_policy import MODULE_NAME, read_source_line
from .entries import read_entry
from .lines import UNENDED, Effect, Line, Problem, column, normalise, read_line
from .statements import (
    InNamespace,
    OpenDomain,
    PinModule,
    ProfileLine,
    Rejected,
    SetFlag,
    SetQuota,
    SharedEntry,
    Statement,
    UseGroup,
    UseModule,
    UseProfile,
)

__all__ = ["PolicyText", "Renaming", "TextKind", "format_text"]


#: How the names of files of policy end.
SUFFIX = ".conf"
#: The number of the policy library among the directories: what it says gives way to what any other says.
LIBRARY = -1


class TextKind(Enum):
    """What a text holds."""

    DOMAIN = "domain policy"
    EXCEPTION = "exception policy"
    MODULE = "a module's entries"
    NUMBERS = "numbers of modules"
    PROFILE = "profiles"
    MANAGER = "managers"
    STAT = "memory quotas"


@dataclass(frozen=True, slots=True, eq=False)
class PolicyText:
    """A text of policy.

    Attributes:
        kind: what it holds.
        name: what messages call it, the path of a file.
        text: what it says, each byte one character.
        directory: which of the policy sources it is from, counted from 0; `LIBRARY`
            for the library's, which is written for all systems.
        state: the state that ``state.conf`` gives to all domains of its
            directory, or that is asked for of the library's service.
        adds: whether ``state.conf`` says ``library``: the profiles of the
            library's domains stand, whatever this directory says.
    """

    kind: TextKind
    name: str
    text: str = field(repr=False)
    directory: int = field(default=0, kw_only=True)
    state: ServiceState | None = field(default=None, kw_only=True)
    adds: bool = field(default=False, kw_only=True)

    @property
    def module(self) -> str:
        """The module that a text of modules is, by the name of its file."""
        return self.name.rpartition("/")[2].removesuffix(SUFFIX)

    def place(self, line: int = 0, column: int = 0) -> Place:
        """The place at LINE and COLUMN of this text."""
        return Place(self.name, line, column, self.text.split("\n")[line - 1] if line else "")

    def profile(self, said: int | None) -> int | None:
        """The profile that a domain gets here: where it is opened (SAID is None), or where ``use_profile`` says SAID.

        None for none.  In the library profile 0 is where a service's
        confinement ends, as with the shell of somebody who has logged in: no
        state changes that.
        """
        if self.state is None:
            return said
        if self.directory == LIBRARY:
            return said and self.state.value
        return self.state.value if said is None else None


class Comment(NamedTuple):
    """A line that begins with ``#``, which a kernel drops: each byte one character."""

    text: str


Value = TypeVar("Value", covariant=True)
_Other = TypeVar("_Other")


class Located(NamedTuple, Generic[Value]):
    """What a line says, the text that it is in, its number there, and how it is written; line 0 is all of the text."""

    value: Value
    text: PolicyText
    line: int
    raw: str = ""

    def saying(self, value: _Other) -> Located[_Other]:
        """The same place with another VALUE: a part of what the line says, or what is wrong with it."""
        return Located(value, self.text, self.line, self.raw)

    def texts(self) -> Iterator[str]:
        """What can be asked for in the line: all of it, each word, and what words have in quotes."""
        line = normalise(self.raw)
        yield line
        for word in line.split(" "):
            yield word
            if word.endswith('"'):
                yield word[:-1].partition('="')[2]

    def where(self, word: str = "", offset: int | None = None) -> Place:
        """The place of WORD, as in `column`, or of what stands at OFFSET of the normalised line."""
        position = self.column(word) if offset is None else column(self.raw, offset)
        return Place(self.text.name, self.line, position if self.line else 0, self.raw)

    def column(self, word: str = "") -> int:
        """The column (from 1) at which WORD stands in the line, alone rather than within another; else that of its first word."""
        position = first = self.raw.find(word) if word else -1
        while position >= 0:
            end = position + len(word)
            if self.raw[position - 1 : position] in _BEFORE_WORD and self.raw[end : end + 1] in _BEHIND_WORD:
                return position + 1
            position = self.raw.find(word, position + 1)
        return first + 1 if first >= 0 else column(self.raw, 0)


#: What may stand around a word: the end of a line, spaces, a condition's sign, and quotes.
_BEHIND_WORD = frozenset(("", '"', *(chr(byte) for byte in range(256) if not 0x20 < byte < 0x7F)))
_BEFORE_WORD = _BEHIND_WORD | {"="}


def read_lines(
    text: PolicyText, report: Callable[[Located[Problem]], None] = lambda _: None
) -> Iterator[Located[Statement | Comment | None]]:
    """Each line of TEXT with what it says, as policy sources have it: a comment, None for a blank line.

    Lines that a kernel would drop are left out; REPORT is called with what is
    wrong with them, and with those that it would store as something else.
    """
    reader = _readers()[text.kind]
    words = text.kind is TextKind.MANAGER  # a program may be called so
    # Learned policies repeat their lines, so each different line is read once.
    known: dict[str, Statement] = {}
    *lines, last = text.text.split("\n")
    for number, raw in enumerate(lines, 1):
        statement = known.get(raw)
        if statement is not None:
            yield Located(statement, text, number, raw)
        elif not raw or raw.isspace():
            yield Located(None, text, number, raw)
        elif "#" in raw and _is_comment(raw, words):
            yield Located(Comment(raw.strip(_SPACES)), text, number, raw)
        else:
            statement, problems = read_line(raw, reader)
            for problem in problems:
                report(Located(problem, text, number, raw))
            if statement is not None and not isinstance(statement, Rejected):
                if not problems:
                    known[raw] = statement
                yield Located(statement, text, number, raw)
    if "#" in last and _is_comment(last, words):
        yield Located(Comment(last.strip(_SPACES)), text, len(lines) + 1, last)
    elif normalise(last):
        report(Located(UNENDED, text, len(lines) + 1, last))


def _is_comment(raw: str, words: bool) -> bool:
    """Whether the kernel drops RAW for a comment, where one of WORDS alone may begin so, too."""
    line = normalise(raw)
    return line[:1] == "#" and not (words and " " not in line)


#: Spaces around a comment; other bytes may be part of a character.
_SPACES = " \t\v\f\r"


def _read_manager_line(line: Line) -> Statement:
    from .managers import read_manager_content

    statement = read_manager_content(line)
    if line.text.startswith(NAMES):  # compile puts the program's path in its place
        line.problems = [problem for problem in line.problems if problem.effect is not Effect.USELESS]
    return statement


def read_module_line(line: Line) -> Entry:
    """Read a line of a module."""
    if line.text.startswith(("use_", "<", "acl_group ")):
        line.drop(0, line.text, "a module holds entries and nothing else", "an entry such as file read /etc/passwd")
    return read_entry(line)


def read_number_line(line: Line) -> PinModule:
    name, _, digits = line.text.partition(" ")
    if not MODULE_NAME.fullmatch(name):
        line.drop(0, name, "not a module's name", "NAME NUMBER")
    if not digits.isascii() or not digits.isdigit() or int(digits) >= MAX_GROUPS:
        line.drop(len(name) + 1, digits, "not an acl_group", "a number from 0 to 255")
    return PinModule(name, int(digits))


@cache
def _readers() -> dict[TextKind, Callable[[Line], Statement]]:
    """What reads a line of each kind; loaded by those who read lines, and not by those who ask for a kind alone."""
    from .exception_policy import read_exception_content
    from .profiles import read_profile_content
    from .stat import read_setting

    return {
        TextKind.DOMAIN: read_source_line,
        TextKind.EXCEPTION: read_exception_content,
        TextKind.MODULE: read_module_line,
        TextKind.NUMBERS: read_number_line,
        TextKind.PROFILE: read_profile_content,
        TextKind.MANAGER: _read_manager_line,
        TextKind.STAT: read_setting,
    }


# Comments and groups of lines


#: What became of a statement in a namespace; None for nothing.
Renaming = Callable[[Statement, str], Statement | None]


def format_text(
    source: PolicyText,
    canonical: str,
    *,
    groups: bool = True,
    renamed: Renaming | None = None,
) -> str:
    """CANONICAL with the comments of SOURCE, which says the same, and with one blank line between its GROUPS of lines.

    A comment stays before the line that it stands before, or at the end of its
    domain.  Where lines became one, their comments stand before that.  A blank
    line stands wherever two lines meet that are of different groups.

    Arguments:
        renamed: where CANONICAL says the same in other words.
    """
    spaced = groups and (_SPACED_ENTRIES if source.kind is TextKind.DOMAIN else _SPACED).search(source.text)
    if "#" not in source.text and not spaced:
        return canonical
    lines = {placed.line: (key, placed.value) for key, placed in _keyed(replace(source, text=canonical))}
    notes = _read_notes(_keyed(source, renamed), {key for key, _ in lines.values()})
    domain = ""
    group = None
    made = [*notes.top]

    def add(some: Iterable[str]) -> None:
        for note in some:
            if note or (groups and made and made[-1]):
                made.append(note)

    for number, raw in enumerate(canonical.split("\n")[:-1], 1):
        key, said = lines.get(number, ((), None))
        if isinstance(said, OpenDomain):
            _add_to_domain(made, notes.after.pop(domain, []))
            domain, group = str(said.name), None
        if key:
            before, own = notes.before.get(key, []), notes.groups.get(key, group)
            rest = before[1:] if before[:1] == [""] else before
            add(["", *rest] if own != group is not None and (rest is not before or "" not in rest) else rest)
            group = own
        made.append(raw)
    _add_to_domain(made, notes.after.pop(domain, []))
    add(notes.end)
    return "".join(f"{line}\n" for line in made)


#: A blank line, and one between two entries of a domain, where other lines may stand besides.
_SPACED = re.compile(r"\n[^!-~\n]*\n")
_SPACED_ENTRIES = re.compile(
    r"\n[^!-~\n]*{0}[^\n]*\n(?:{1})*[^!-~\n]*\n(?:{1}|[^!-~\n]*\n)*[^!-~\n]*{0}".format(
        "(?:file|network|misc|task) ", r"[^!-~\n]*(?!<|file |network |misc |task )[!-~][^\n]*\n"
    )
)
#: What a domain has beside entries, which stands before them.
_HEAD = (UseProfile, UseGroup, UseModule, SetFlag)
#: What a line is about, which is the same in a text that says the same; empty for a comment or a blank line.
_Key = tuple[object, ...]


def _add_to_domain(made: list[str], comments: list[str]) -> None:
    """Put COMMENTS behind the last line of the domain that MADE ends with."""
    end = len(made)
    while end and not made[end - 1]:
        end -= 1
    made[end:end] = comments


def _keyed(text: PolicyText, renamed: Renaming | None = None) -> Iterator[tuple[_Key, Located[Statement | Comment | None]]]:
    """Each line of TEXT with what it is about, after it was RENAMED."""
    domain = namespace = ""
    for placed in read_lines(text):
        said = placed.value
        if said is None or isinstance(said, Comment):
            yield (), placed
            continue
        if isinstance(said, OpenDomain) and said.name:
            namespace = said.name.namespace
        elif isinstance(said, InNamespace):
            namespace = said.namespace
        new = renamed(said, namespace) if renamed else said
        if isinstance(new, OpenDomain):
            domain = str(new.name)
        yield (domain, *(_subject(new, placed.raw) if new else ())), placed.saying(new or said)


def _subject(said: Statement, raw: str) -> _Key:
    if isinstance(said, Entry):
        return "entry", said.subject
    if isinstance(said, UseProfile):
        return ("use_profile",)
    if isinstance(said, InNamespace):
        content = said.content
        inner = (content.group, content.entry.subject) if isinstance(content, SharedEntry) else (content,)
        return said.namespace, *inner
    if isinstance(said, ProfileLine):
        return said.namespace, normalise(raw).partition("=")[0].rpartition(" ")[2].lstrip("0")
    return (said.name,) if isinstance(said, SetQuota) else (said,)


@dataclass(slots=True)
class _Notes:
    """The comments of a text, and its blank lines as empty ones: at its top, before lines, at the end of domains and of all.

    GROUPS has the group of each line, by number: in a domain those of entries.
    """

    groups: dict[_Key, int] = field(default_factory=dict)
    top: list[str] = field(default_factory=list)
    before: dict[_Key, list[str]] = field(default_factory=dict)
    after: dict[str, list[str]] = field(default_factory=dict)
    end: list[str] = field(default_factory=list)

    def settle(self, merged: _Key, pending: list[str]) -> list[str]:
        """Give the comments PENDING to the line that theirs was MERGED into; what is left of them."""
        self.before[merged] += filter(None, pending)
        return [""] if "" in pending else []


def _read_notes(keyed: Iterable[tuple[_Key, Located[Statement | Comment | None]]], known: set[_Key]) -> _Notes:
    """The comments among KEYED lines, before those that are KNOWN; those of others stand before the next."""
    notes = _Notes()
    pending: list[str] = []
    domain = ""
    merged: _Key = ()
    begun = opened = spaced = False
    last: dict[str, int] = {}
    for key, placed in keyed:
        said = placed.value
        if merged and (not key or isinstance(said, OpenDomain)):
            # Had a line followed at once, then these would be the comments of a whole group.
            pending, merged = notes.settle(merged, pending), ()
        if not key:
            note = said.text if isinstance(said, Comment) else ""
            pending += [note] if note or pending[-1:] != [""] else []
            spaced = spaced or (not note and opened)
            continue
        if not begun:
            begun = True
            end = len(pending) - pending[::-1].index("") if "" in pending else 0
            notes.top, pending = [*pending[:end]] if end > 1 else [], pending[end:]
        elif isinstance(said, OpenDomain):
            own, pending = _first_block(pending)
            notes.after.setdefault(domain, []).extend(own)
        is_head = isinstance(said, _HEAD)
        if isinstance(said, OpenDomain):
            domain, opened, spaced = str(said.name), False, False
        elif not is_head:
            opened = True  # what is blank before the first entry of a domain divides nothing
        if key in known and key not in notes.before:
            notes.before[key] = [*filter(None, pending)] if is_head else pending
            pending, merged = [], ()
            if opened and not is_head:
                last[domain] = notes.groups[key] = last.get(domain, 0) + spaced
                spaced = False
        elif key in known and any(pending):
            merged = merged or key
    if merged:
        pending = notes.settle(merged, pending)
    if domain:
        own, pending = _first_block([*pending, ""])
        notes.after.setdefault(domain, []).extend(own)
    notes.end = pending[:-1] if pending[-1:] == [""] else pending
    return notes


def _first_block(pending: list[str]) -> tuple[list[str], list[str]]:
    """The comments that begin PENDING, if a blank line ends them, and the rest."""
    end = pending.index("") if "" in pending else 0
    return pending[:end], pending[end:]

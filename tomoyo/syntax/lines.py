"""Lines: how the kernel cuts its input up, and what may be wrong with a line.

The kernel takes a line at a time, turns every run of bytes outside printable
ASCII into one space, trims both ends, and reads what is left from left to
right.  ``Line`` is the cursor that the readers of this package move along such
a normalised line.  They read as the kernel does; where the kernel would drop
the line they raise ``Dropped``, and where it would store something else than
was written they note a ``Problem`` and go on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain, repeat
from typing import NoReturn, TypeVar, cast

from ..model.diagnostics import Diagnostic, Place, Severity, meant
from ..model.entries import GroupKind
from ..model.errors import TomoyoError
from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion
from ..model.words import encode_character, quoted, word_fault

__all__ = ["Effect", "PolicySyntaxError", "Problem", "Reading", "Report", "Source"]

Source = str | bytes | bytearray | memoryview | Iterable[str | bytes]

_WORDS = re.compile(r"[!-~]+")
_UNUSUAL = re.compile(r"[^ -~\t\n\v\f\r]")


class Effect(Enum):
    """What becomes of a line with a problem."""

    DROPPED = "the kernel drops this line"
    ALTERED = "the kernel stores something else"
    USELESS = "the kernel stores this, but it does not do what it says"
    COMMENT = "a comment, which the kernel drops"

    @property
    def code(self) -> str:
        """The code of a diagnostic about such a line."""
        return "comment" if self is Effect.COMMENT else f"{self.name.lower()}-line"


class Reading(Enum):
    """How to take lines that the kernel would not store as written."""

    STRICT = "refuse them"
    AS_KERNEL = "do what the kernel does"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at OFFSET of a normalised line.

    No `Diagnostic`: a line that is repeated is read once, so the reader knows
    neither file and number nor, since a kernel's view is taken too, how bad it
    is; and to find what was meant takes longer than to read the line.
    `PolicySyntaxError.diagnostic` makes one, for each place.
    """

    effect: Effect
    offset: int
    text: str
    message: str
    expected: str

    @property
    def what(self) -> str:
        """The message and the part that it is about, of which a long one is cut short."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return self.message + (f": {quoted(shown)}" if shown else "")

    @property
    def advice(self) -> str:
        """What to do: the keyword that was probably meant, else what should stand there; may be empty."""
        near = meant(self.text)
        return f"did you mean '{near}'?" if near else f"write {self.expected}" if self.expected else ""


class PolicySyntaxError(TomoyoError, ValueError):
    """A line that is refused, or that the kernel would drop or alter.

    Attributes:
        file: the name of the text.
        line, column: both from 1; the column counts characters of the text given.
        source: the line as it is written, as far as it is known.
        text: the offending part.
        message: what is wrong.
        expected: what should stand there, may be empty.
        effect: what the kernel does.

    It is made from a PROBLEM, which has the last four.
    """

    def __init__(self, file: str, line: int, column: int, problem: Problem, source: str = "") -> None:
        super().__init__(file, line, column, problem, source)
        self.file = file
        self.line = line
        self.column = column
        self.source = source
        self.text: str = problem.text
        self.message: str = problem.message
        self.expected: str = problem.expected
        self.effect: Effect = problem.effect
        self._problem = problem

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.explanation}"

    @property
    def explanation(self) -> str:
        """The message without the place."""
        return self._problem.what + (f" (expected {self.expected})" if self.expected else "")

    def diagnostic(self, severity: Severity = Severity.ERROR, file: str = "") -> Diagnostic:
        """The same as a diagnostic of SEVERITY; FILE is where that is to be called otherwise."""
        place = Place(file or self.file, self.line, self.column, self.source)
        return Diagnostic(severity, self.effect.code, self._problem.what, self._problem.advice, place, self.text)


class Dropped(TomoyoError):
    """Raised by a reader where the kernel would drop the line."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(slots=True)
class Line:
    """A normalised line, how far it has been read, and what was noticed.

    ``groups`` are those named so far: naming a group creates it in the kernel,
    even when the rest of the line is dropped.  ``version`` is the kernel's,
    for what differs between kernels.
    """

    text: str
    position: int = 0
    problems: list[Problem] = field(default_factory=list)
    groups: list[tuple[GroupKind, str]] = field(default_factory=list)
    version: KernelVersion = DEFAULT_KERNEL

    @property
    def rest(self) -> str:
        """What has not been read."""
        return self.text[self.position :]

    @property
    def ended(self) -> bool:
        """Whether all has been read."""
        return self.position >= len(self.text)

    def take(self, keyword: str) -> bool:
        """Read KEYWORD if it stands here."""
        if not self.text.startswith(keyword, self.position):
            return False
        self.position += len(keyword)
        return True

    def token(self) -> str:
        """Read up to the next space, and the space; empty at the end."""
        end = self.text.find(" ", self.position)
        if end < 0:
            end = len(self.text)
        token = self.text[self.position : end]
        self.position = end + 1
        return token

    def word(self, start: int, text: str, expected: str) -> str:
        """Give back TEXT, which begins at START, if it is a word; else the line is dropped."""
        if "\\" in text or not text:  # all else that a normalised line holds is a word
            fault = word_fault(text)
            if fault:
                self.drop(start + fault.offset, text, fault.reason, expected)
        return text

    def drop(self, offset: int, text: str, message: str, expected: str = "") -> NoReturn:
        """The kernel drops the line, because of TEXT at OFFSET."""
        raise Dropped(Problem(Effect.DROPPED, offset, text, message, expected))

    def note(self, effect: Effect, offset: int, text: str, message: str, expected: str = "") -> None:
        """The kernel keeps the line, but not as meant."""
        self.problems.append(Problem(effect, offset, text, message, expected))


#: What a reader makes of a line, such as one of ``statements``.
Said = TypeVar("Said")


def read_line(
    raw: str, reader: Callable[[Line], Said], version: KernelVersion = DEFAULT_KERNEL
) -> tuple[Said | None, Sequence[Problem]]:
    """Normalise RAW and let READER take it, as the kernel of VERSION does.

    Gives the statement, or None where the kernel drops the line or it is
    blank, and what is wrong with the line.
    """
    line = Line(normalise(raw), version=version)
    statement = None
    try:
        if line.text:
            statement = reader(line)
    except Dropped as dropped:
        line.problems.append(dropped.problem)
    if line.text is raw and not line.problems:
        return statement, ()
    if line.text.startswith("#") and any(p.effect is Effect.DROPPED for p in line.problems):
        return statement, (Problem(Effect.COMMENT, 0, line.text, Effect.COMMENT.value, ""),)
    return statement, (*_lossy_bytes(raw), *line.problems)


def normalise(raw: str) -> str:
    """A line as the kernel sees it.  It ends at a NUL byte."""
    if raw.isascii() and raw.isprintable() and "  " not in raw and raw[:1] != " " and raw[-1:] != " ":
        return raw
    return " ".join(_WORDS.findall(raw.partition("\0")[0]))


def _lossy_bytes(raw: str) -> list[Problem]:
    unusual = _UNUSUAL.search(raw) if not raw.isascii() or not raw.isprintable() else None
    if unusual is None:
        return []
    byte = unusual[0]
    offset = len(normalise(raw[: unusual.start()]))
    if byte == "\0":
        message = "the kernel ignores everything from a NUL byte on"
        return [Problem(Effect.ALTERED, offset, byte, message, "the line to end here")]
    message = "the kernel takes this for a space, which splits the word"
    return [Problem(Effect.ALTERED, offset, byte, message, encode_character(byte))]


def column(raw: str, offset: int) -> int:
    """The column (from 1) in RAW of what stands at OFFSET of its normalised text."""
    for word in _WORDS.finditer(raw):
        length = word.end() - word.start()
        if offset <= length:
            return word.start() + offset + 1
        offset -= length + 1
    return len(raw) + 1


def raw_lines(source: Source) -> Iterator[tuple[str, bool]]:
    """Each line without its newline, and whether the kernel would act on it.

    It does not act on a last line that has no newline.  Where SOURCE is an
    iterable of lines without newlines, all of them count.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = bytes(source).decode("latin-1")
    if not isinstance(source, str):
        return _given_lines(source)
    lines = source.split("\n")
    last = lines.pop()
    return chain(zip(lines, repeat(True)), [(last, False)] if last else [])


def _given_lines(source: Iterable[str | bytes]) -> Iterator[tuple[str, bool]]:
    carries_newlines = False
    for item in source:
        line = item.decode("latin-1") if isinstance(item, bytes) else item
        ends = line.endswith("\n")
        carries_newlines = carries_newlines or ends
        yield line.rstrip("\n"), ends or not carries_newlines


Report = Callable[[PolicySyntaxError], None]


@dataclass(frozen=True, slots=True)
class Listener:
    """How to read a file of a kernel of VERSION, and where problems go: raised, or handed to REPORT so that reading goes on."""

    file: str
    reading: Reading
    report: Report | None
    version: KernelVersion = DEFAULT_KERNEL

    def tell(self, number: int, raw: str, problem: Problem) -> None:
        """Report PROBLEM of line NUMBER, or raise it when reading strictly without a report."""
        if self.reading is Reading.STRICT:
            if problem.effect is Effect.COMMENT:
                return
        elif problem.effect is Effect.USELESS or self.report is None:
            return
        error = PolicySyntaxError(self.file, number, column(raw, problem.offset), problem, raw)
        if self.report is None:
            raise error
        self.report(error)


UNENDED = Problem(Effect.DROPPED, 0, "", "the last line has no newline, so the kernel never acts on it", "a newline")


def replay(
    source: Source,
    reader: Callable[[Line], Said],
    apply: Callable[[Said], str | None],
    listener: Listener,
    refuse: Callable[[Said | None], Said | None] = lambda _: None,
    first: int = 1,
    plain: Callable[[str], Said | None] = lambda _: None,
    gather: Callable[[list[Said], bool], bool] | None = None,
) -> None:
    """Read every line of SOURCE and apply what it says.

    APPLY returns why a statement has no effect where that hangs on what is
    held (no domain selected, say), else None.  Reading strictly, a line with a
    problem is not applied, but what REFUSE makes of it.  Learned policies repeat
    their lines, so each different line is read once.  FIRST is
    the first line's number.  PLAIN is a quick reader for the lines that most
    are: it gives what READER would, or None.  GATHER applies the statements of
    lines between two blank ones at once, and is told whether one may name a
    group; it gives False, having done nothing, where they take turns.
    """
    known: dict[str, Said] = {}
    strict = listener.reading is Reading.STRICT
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = bytes(source).decode("latin-1")
    if gather is not None and isinstance(source, str):
        lines = _lines_to_apply(source, first, known, plain, gather)
    else:
        lines = enumerate(raw_lines(source), first)
    for number, (raw, ended) in lines:
        statement = known.get(raw)
        if statement is None and ended:
            statement = plain(raw)
            if statement is not None:
                known[raw] = statement
        if statement is None or not ended:
            statement, problems = read_line(raw, reader, listener.version) if raw else (None, ())
            if not ended:
                statement, problems = None, (*problems, UNENDED) if normalise(raw) else ()
            for problem in problems:
                listener.tell(number, raw, problem)
            if strict and problems:
                statement = refuse(statement)
            if statement is None:
                continue
            if not problems:
                known[raw] = statement
        reason = apply(statement)
        if reason is not None:
            text = normalise(raw)
            if text.startswith("#"):
                listener.tell(number, raw, Problem(Effect.COMMENT, 0, text, Effect.COMMENT.value, ""))
            else:
                listener.tell(number, raw, Problem(Effect.DROPPED, 0, text, reason, ""))


def _lines_to_apply(
    source: str,
    number: int,
    known: dict[str, Said],
    plain: Callable[[str], Said | None],
    gather: Callable[[list[Said], bool], bool],
) -> Iterator[tuple[int, tuple[str, bool]]]:
    """The lines of SOURCE, the first of them line NUMBER, that GATHER does not apply; KNOWN gets what PLAIN reads."""
    *blocks, last = source.split("\n\n")
    for block in blocks:
        lines = block.split("\n")
        statements = list(map(known.get, lines))
        if not all(statements):
            for position in [position for position, statement in enumerate(statements) if statement is None]:
                statement = statements[position] = plain(lines[position])
                if statement is not None:
                    known[lines[position]] = statement
        if not (all(statements) and gather(cast("list[Said]", statements), "@" in block)):
            for offset, line in enumerate(lines):
                yield number + offset, (line, True)
        number += len(lines) + 1
    yield from enumerate(raw_lines(last), number)

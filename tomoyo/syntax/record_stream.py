"""Streams of audit and query records: cut into records, and split into their parts.

This is the one place that knows where a record begins and ends, whatever brings
it: a kernel (a NUL byte behind each), a log (an empty line, or none, behind
each), lines that end as on Windows, and anything else in between.

    >>> cutter = RecordCutter()
    >>> [record[:11] for record in cutter.feed(b"#2026/11/23 22:10:53# profile=2 ...")]
    []

And it is the one place that knows what a record looks like:

    #2026/11/23 22:10:53# profile=3 mode=enforcing granted=no (global-pid=9) task={ pid=9 ppid=1 ... } path1={ ... }
    <kernel> /bin/sh
    file read /etc/passwd

Tables become one regular expression, which splits a record into its parts.
Where that fails, ``refuse_header`` goes through the same tables field by field,
to say what is wrong.  An *outline* (who, what, and what the kernel decided) takes
no more than the beginning of the header for granted.  ``records`` reads the parts.

A log may hold a thousand million bytes, and a kernel may write twenty thousand
records a second, so all this is fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count, repeat
from typing import NamedTuple

from ..model.profiles import Mode
from ..model.records import FILE_TYPES
from .lines import Line

__all__ = ["Outline", "RecordCutter", "RecordText", "cut_records", "outline"]

# Cutting

#: No kernel writes a record of this many bytes: names and arguments are limited to a few pages.
MAX_RECORD = 1 << 18
#: The lines of an audit record: header, domain, request.  A query has one more, before them.
RECORD_LINES = 3
#: Of what is no record, so many lines are kept.
_KEPT_LINES = 8

QUERY_HEAD = re.compile(rb"Q([0-9]{1,10})-([0-9]{1,10})")
#: What an audit record's first line begins with, even where the rest of it is damaged.
_AUDIT_HEAD = re.compile(rb"#[0-9]{4,}/")
#: Audit records one after the other as nearly all are, with an empty line behind each or a NUL byte; but for control characters.
_USUAL = re.compile(b"|".join(rb"(?:#[0-9]{4,}/.*\n<.*\n[a-z].*\n%s)++" % end for end in (rb"\n", rb"\0")))
_LINE_END = re.compile(rb"[\0\n]")
_NULS = re.compile(rb"\0{2,}")


class Piece(NamedTuple):
    """A piece of a stream: a record, or what stands where one should.

    Attributes:
        line: the number of its first line in the stream, from 1.
        text: its lines, each with its newline; of what is no record the first
            few.  Empty if it is too long for a record.
        lines: how many lines it has.
    """

    line: int
    text: bytes
    lines: int


class RecordCutter:
    """Cuts bytes as they come into records.

    A record ends at a NUL byte, at an empty line, or where the next one begins.
    Each is given without that end, with a newline after each line.  Whether it
    is a record at all is not looked at; what stands between two records is one
    piece up to an empty line.

    Attributes:
        oversized: how many pieces longer than LIMIT bytes were left out, so
            that a file without any end takes no more memory than that.
        lines: for each of the records that ``feed`` or ``close`` gave last, the
            number of its first line in the stream, from 1.
    """

    def __init__(self, limit: int = MAX_RECORD) -> None:
        self.oversized: int = 0
        self.lines: list[int] = []
        self._limit = limit
        self._number = 1
        # The line that has not ended yet, in parts; nothing but its end counts where it is too long.
        self._parts: list[bytes] = []
        self._length = 0
        self._skipping = False
        # The piece that has not ended yet, and whether it begins as a record does.
        self._first = 1
        self._kept: list[bytes] = []
        self._count = 0
        self._size = 0
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The records that DATA, the next bytes of the stream, completes."""
        return self._records(self._pieces(data))

    def close(self) -> list[bytes]:
        """What is left at the end of the stream."""
        return self._records(self._last())

    def _records(self, pieces: list[Piece]) -> list[bytes]:
        records = [piece for piece in pieces if piece.text]
        self.oversized += len(pieces) - len(records)
        self.lines = [piece.line for piece in records]
        return [piece.text for piece in records]

    def _pieces(self, data: bytes) -> list[Piece]:
        """What DATA completes, pieces that are too long for a record among it."""
        found: list[Piece] = []
        if self._skipping:
            end = _LINE_END.search(data)
            if end is None:
                return found
            self._skipping = False
            self._number += end[0] == b"\n"
            data = data[end.start() + (end[0] == b"\n") :]
        if b"\0\0" in data:
            data = _NULS.sub(b"\0", data)
        position = unusual = 0
        while True:
            if not self._count and not self._parts and position >= unusual:
                usual = _USUAL.match(data, position)
                if usual and self._take_usual(usual[0], found):
                    position = usual.end()
                    continue
                # Not before another line begins again, or a hostile line would be read from each of its bytes on.
                unusual = usual.end() if usual else data.find(b"\n", position) + 1 or len(data)
            end = _LINE_END.search(data, position)
            if end is None:
                break
            self._take(self._part() + data[position : end.start()], found)
            if end[0] == b"\n":
                self._number += 1
            elif self._begun:
                self._end(found)
            position = end.end()
        if position < len(data):
            self._parts.append(data[position:])
            self._length += len(data) - position
            if self._length > self._limit:
                self._take(self._part(), found)
                self._skipping = True
        return found

    def _take_usual(self, run: bytes, found: list[Piece]) -> bool:
        """Take RUN, records one after the other with the same end, if nothing in it is odd; FOUND gets them."""
        end = run[-1:]
        texts = run.split(b"\n" + end)[:-1]
        if b"\r" in run or run.count(b"\0") != (len(texts) if end == b"\0" else 0) or max(map(len, texts)) >= self._limit:
            return False
        lines = RECORD_LINES + (end == b"\n")
        found += map(Piece._make, zip(count(self._number, lines), [text + b"\n" for text in texts], repeat(RECORD_LINES)))
        self._number += lines * len(texts)
        return True

    def _last(self) -> list[Piece]:
        """What is left at the end of the stream, as ``_pieces``."""
        found: list[Piece] = []
        if self._parts:
            self._take(self._part(), found)
        self._end(found)
        return found

    def _part(self) -> bytes:
        """What there is of the line that has not ended."""
        line = b"".join(self._parts)
        self._parts = []
        self._length = 0
        return line

    def _take(self, line: bytes, found: list[Piece]) -> None:
        """Take LINE, without its end; FOUND gets what it ends."""
        if line[-1:] == b"\r":
            line = line[:-1]
        if not line or line.isspace():
            self._end(found)
            return
        if (_AUDIT_HEAD.match(line) and not self._is_query()) or QUERY_HEAD.fullmatch(line):
            self._end(found)
            self._begun = True
        if not self._count:
            self._first = self._number
        self._count += 1
        if self._count <= _KEPT_LINES:
            self._size += len(line) + 1
            if self._size <= self._limit:
                self._kept.append(line)

    def _is_query(self) -> bool:
        """Whether the record of a query is to come."""
        return self._count == 1 and self._begun and bool(self._kept) and self._kept[0].startswith(b"Q")

    def _end(self, found: list[Piece]) -> None:
        """What has come so far is a piece, if it is anything."""
        if self._count:
            text = b"\n".join(self._kept) + b"\n" if self._size <= self._limit else b""
            found.append(Piece(self._first, text, self._count))
            self._kept = []
            self._count = self._size = 0
            self._begun = False


def cut_pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces of CHUNKS, bytes of one stream; in memory is one chunk at a time."""
    cutter = RecordCutter()
    for chunk in chunks:
        yield from cutter._pieces(chunk)
    yield from cutter._last()


def cut_records(chunks: Iterable[bytes], cutter: RecordCutter | None = None) -> Iterator[bytes]:
    """The records in CHUNKS, bytes of one stream; in memory is one chunk at a time."""
    cutter = cutter or RecordCutter()
    for chunk in chunks:
        yield from cutter.feed(chunk)
    yield from cutter.close()


# Splitting

#: How the last line of a record begins that is of an event, and not of a request.
EVENTS = ("use_profile ", "use_group ", "quota_exceeded", "transition_failed")
HEADER = "an audit record such as '#2026/11/23 22:10:53# profile=...'"


class RecordText(NamedTuple):
    """An audit record as text, in its parts.

    Attributes:
        time, profile, mode, granted, global_pid, pid, ppid: the values in its header.
        details: what follows in the header: who the process runs as, the files
            that the request is about, and what it executes.
        domain, request: the other two lines.
    """

    time: str
    profile: str
    mode: str
    granted: str
    global_pid: str
    pid: str
    ppid: str
    details: str
    domain: str
    request: str

    @property
    def event(self) -> bool:
        """Whether it is of an event, and not of a request."""
        return self.request.startswith(EVENTS)


class _Value(NamedTuple):
    """What may stand behind a name: a pattern, and what to say of anything else."""

    pattern: str
    message: str
    expected: str


_DIGITS = "0|[1-9][0-9]{0,19}+"
_NUMBER = _Value(_DIGITS, "not a number", "a number")
_OCTAL = _Value("0(?:0|[1-7][0-7]{0,18})", "not a number", "an octal number such as 0644")
_PROFILE = _Value("0|[1-9][0-9]{0,2}", "no profile", "a number from 0 to 255")
_MODE = _Value("|".join(mode.value for mode in Mode), "no mode", "disabled, learning, permissive or enforcing")
_ANSWER = _Value("yes|no", "neither yes nor no", "yes or no")
_GLOBAL_PID = _Value(rf"(?:{_DIGITS})\)", "not a number", "a number and ')'")
_TYPE = _Value("|".join(FILE_TYPES), "no file type", ", ".join(FILE_TYPES))
#: A name as the kernel writes it in quotes: each byte that is no printable character, and each backslash, is escaped.
_STRING = _Value(
    r'"[!-\[\]-~]*(?:\\(?:\\|0[0-3][0-7]|040|177|[23][0-7]{2})[!-\[\]-~]*)*"',
    "not a quoted word as the kernel writes it",
    '"WORD"',
)

_Fields = tuple[tuple[str, _Value], ...]


def _numbers(names: str) -> _Fields:
    return tuple((name, _NUMBER) for name in names.split())


_HEAD: _Fields = (("profile", _PROFILE), ("mode", _MODE), ("granted", _ANSWER))
_PROCESS = _numbers("pid ppid")
_CREDENTIALS = _numbers("uid gid euid egid suid sgid fsuid fsgid")
_FILE: _Fields = (*_numbers("uid gid ino major minor"), ("perm", _OCTAL), ("type", _TYPE))
_DEVICE = _numbers("dev_major dev_minor")
_PARENT: _Fields = (*_numbers("uid gid ino"), ("perm", _OCTAL))
_FILES = ("path1", "path2")
_EXECUTION: _Fields = (("realpath", _STRING), *_numbers("argc envc"))
_TARGET: _Fields = (("symlink.target", _STRING),)
#: What the kernel writes where it could not read the arguments: with a space more than there should be.
_UNREAD = "argv[]={ ... } envp[]= { ... } }"


def _pattern(fields: _Fields, form: str = "(?:{})") -> str:
    return " ".join(f"{re.escape(name)}={form.format(value.pattern)}" for name, value in fields)


def _strings(name: str) -> str:
    return rf"{name}\[\]=\{{ (?:{_STRING.pattern} )*(?:\.\.\. )?\}}"


def _details() -> str:
    files = "".join(
        rf"(?: {name}=\{{ {_pattern(_FILE)}(?: {_pattern(_DEVICE)})? \}})?(?: {name}\.parent=\{{ {_pattern(_PARENT)} \}})?"
        for name in _FILES
    )
    arguments = rf"{_strings('argv')} {_strings('envp')} \}}|{re.escape(_UNREAD)}"
    return rf"{_pattern(_CREDENTIALS)} \}}{files}(?: exec=\{{ {_pattern(_EXECUTION)} (?:{arguments})| {_pattern(_TARGET)})?"


_TIME = "#((?:[0-9]{4}|[1-9][0-9]{4,8})/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})#"
#: How each record begins: when it was written, and what was decided.
HEAD = f"{_TIME} {_pattern(_HEAD, '({})')}"
_PID = _pattern((("(global-pid", _NUMBER),), "({})") + r"\)"
_RECORD = re.compile(rf"{HEAD} {_PID} task=\{{ {_pattern(_PROCESS, '({})')} ({_details()})\n(<[ -~]+)\n([!-~][ -~]*)\n")
_MOMENT = re.compile(_TIME)


def split_record(text: str) -> RecordText | None:
    """The parts of the record TEXT, three lines, of which each ends; None where its header is none, or a byte is odd."""
    found = _RECORD.fullmatch(text)
    return None if found is None else tuple.__new__(RecordText, found.groups())


# What is wrong with a header


def refuse_header(line: Line) -> None:
    """Raise Dropped for the first thing in LINE, a record's first line, that does not follow the grammar."""
    moment = _MOMENT.match(line.text)
    if moment is None or not line.text.startswith(" ", moment.end()):
        line.drop(0, line.text, "not a record", HEADER)
    line.position = moment.end() + 1
    _check(line, _HEAD)
    _check(line, (("(global-pid", _GLOBAL_PID),))
    _expect(line, "task={")
    _check(line, (*_PROCESS, *_CREDENTIALS))
    _expect(line, "}")
    for name in _FILES:
        if line.take(f"{name}={{ "):
            _check(line, _FILE)
            if line.text.startswith("dev_major=", line.position):
                _check(line, _DEVICE)
            _expect(line, "}")
        if line.take(f"{name}.parent={{ "):
            _check(line, _PARENT)
            _expect(line, "}")
    if line.take("exec={ "):
        _check(line, _EXECUTION)
        if not line.take(_UNREAD):
            _check_strings(line, "argv[]={")
            _check_strings(line, "envp[]={")
            _expect(line, "}")
    elif line.text.startswith("symlink.target=", line.position):
        _check(line, _TARGET)
    if not line.ended or line.text.endswith(" "):
        line.drop(line.position, line.rest, "not expected in a record", "the line to end here")


def _check(line: Line, fields: _Fields) -> None:
    for name, value in fields:
        start = line.position
        found, equals, text = line.token().partition("=")
        if found != name or not equals:
            line.drop(start, found, "not a record", f"{name}=")
        _check_value(line, start + len(name) + 1, text, value)


def _check_value(line: Line, start: int, text: str, value: _Value) -> None:
    if re.fullmatch(value.pattern, text) is None:
        number = value in (_NUMBER, _OCTAL) and re.fullmatch("[0-9]{1,20}", text)
        line.drop(start, text, "not as the kernel prints numbers" if number else value.message, value.expected)


def _check_strings(line: Line, opening: str) -> None:
    _expect(line, opening)
    while True:
        start = line.position
        token = line.token()
        if token == "...":
            return _expect(line, "}")
        if token == "}":
            return None
        _check_value(line, start, token, _STRING)


def _expect(line: Line, token: str) -> None:
    start = line.position
    found = line.token()
    if found != token:
        line.drop(start, found, "not a record", token)


# Outlines

#: As much of the grammar as an outline tells: a kernel to come may write more attributes than ``records`` knows.
_OUTLINE = re.compile(HEAD.encode() + rb" [ -~]*\n(<[ -~]+)\n([!-~][ -~]*)\n?")
_EVENTS = tuple(event.encode() for event in EVENTS)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a record says, its attributes left out.

    ``request`` is the record's last line, an entry of policy unless ``event``.
    """

    profile: int
    mode: str
    granted: bool
    domain: str
    request: str
    event: bool

    @property
    def operations(self) -> tuple[str, ...]:
        """By what names the operation goes: ``file``, ``read``; ``network``, ``inet_stream_bind``, ``bind``."""
        words = self.request.split(" ", 4)
        if self.event or len(words) < 2:
            return (words[0],)
        if words[0] != "network":
            return (words[0], *words[1].split("/"))
        operations = words[3].split("/") if len(words) > 3 else []
        return ("network", *operations, *(f"{words[1]}_{words[2]}_{operation}" for operation in operations))

    @property
    def paths(self) -> tuple[str, ...]:
        """The names of files and of unix sockets that the request is about."""
        words = self.request.split(" ")
        if words[0] == "file" and len(words) > 2:
            second = words[1] in ("link", "rename", "pivot_root", "mount") and len(words) > 3
            return (words[2], words[3]) if second else (words[2],)
        if words[0] == "network" and len(words) > 4 and words[1] == "unix":
            return (words[4],)
        return ()


def outline(record: bytes) -> Outline | None:
    """What RECORD, as a ``RecordCutter`` gives it, says; None where it is none."""
    found = _OUTLINE.fullmatch(record)
    if found is None:
        return None
    _, profile, mode, granted, domain, request = found.groups()
    event = request.startswith(_EVENTS)
    return Outline(int(profile), mode.decode(), granted == b"yes", domain.decode(), request.decode(), event)


def outline_of(text: RecordText) -> Outline:
    """What TEXT says."""
    return Outline(int(text.profile), text.mode, text.granted == "yes", text.domain, text.request, text.event)


class Glance(Enum):
    """As much of a record as is told at a glance, faster than its outline."""

    BROKEN = "no record"
    GRANTED = "a request that was granted"
    DENIED = "a request that was not granted, whatever the mode made of that"
    EVENT = "an event"


def glance(record: bytes) -> Glance:
    """What RECORD, as a ``RecordCutter`` gives it, is."""
    found = _OUTLINE.fullmatch(record)
    if found is None:
        return Glance.BROKEN
    if found[4] == b"yes":
        return Glance.GRANTED
    return Glance.EVENT if record.startswith(_EVENTS, found.start(6)) else Glance.DENIED

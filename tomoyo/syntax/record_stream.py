"""Streams of audit and query records: cut into records, and read as far as most questions need.

This is the one place that knows where a record begins and ends, whatever brings
it: a kernel (a NUL byte behind each), a log (an empty line, or none, behind
each), lines that end as on Windows, and anything else in between.

A log may hold a thousand million bytes, and a kernel may write twenty thousand
records a second.  So here a record stays bytes, and its *outline* (who, what,
and what the kernel decided) is one regular expression away; ``records`` reads
every detail.

    >>> cutter = RecordCutter()
    >>> [record[:11] for record in cutter.feed(b"#2026/11/23 22:10:53# profile=2 ...")]
    []
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

#: No kernel writes a record of this many bytes: names and arguments are limited to a few pages.
MAX_RECORD = 1 << 18
#: The lines of an audit record: header, domain, request.  A query has one more, before them.
RECORD_LINES = 3
#: Of what is no record, so many lines are kept.
_KEPT_LINES = 8

#: When a record was written: year, month, day, hour, minute, second.
TIME = r"#(\d{4,})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)#"
QUERY_HEAD = re.compile(rb"Q([0-9]{1,10})-([0-9]{1,10})")
#: What an audit record's first line begins with, even where the rest of it is damaged.
_AUDIT_HEAD = re.compile(rb"#[0-9]{4,}/")
#: An audit record and its end, as nearly all are; but for control characters.
_USUAL = re.compile(rb"(#[0-9]{4,}/.*\n<.*\n[a-z].*\n)[\0\n]")
_LINE_END = re.compile(rb"[\0\n]")
_NULS = re.compile(rb"\0{2,}")
_OUTLINE = re.compile(
    re.sub(r"[()]", "", TIME).encode() + rb" profile=(0|[1-9][0-9]{0,2})"
    rb" mode=(disabled|learning|permissive|enforcing) granted=(yes|no)"
    rb" [ -~]*\n(<[ -~]+)\n([!-~][ -~]*)\n?"
)
#: Events that a record may tell of in place of a request.
_EVENTS = (b"use_profile ", b"use_group ", b"quota_exceeded", b"transition_failed")


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
        self.oversized = 0
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
            while not self._count and not self._parts and position >= unusual:
                usual = _USUAL.match(data, position)
                text = usual[1] if usual else b""
                if not usual or b"\0" in text or b"\r" in text or len(text) > self._limit:
                    # Not before another line begins again, or a hostile line would be read from each of its bytes on.
                    unusual = data.find(b"\n", position) + 1 or len(data)
                    break
                position = usual.end()
                found.append(Piece(self._number, text, RECORD_LINES))
                self._number += RECORD_LINES + (data[position - 1] == 0x0A)
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
    profile, mode, granted, domain, request = found.groups()
    event = request.startswith(_EVENTS)
    return Outline(int(profile), mode.decode(), granted == b"yes", domain.decode(), request.decode(), event)


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
    if found[3] == b"yes":
        return Glance.GRANTED
    return Glance.EVENT if record.startswith(_EVENTS, found.start(5)) else Glance.DENIED

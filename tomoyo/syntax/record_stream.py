"""Streams of audit and query records, cut into records.

This is the one place that knows where a record begins and ends, whatever brings
it: a kernel (a NUL byte behind each), a log (an empty line, or none, behind
each), lines that end as on Windows, and anything else in between.

    >>> cutter = RecordCutter()
    >>> [record[:11] for record in cutter.feed(b"#2026/11/23 22:10:53# profile=2 ...")]
    []

``record_grammar`` knows what a record looks like.

A log may hold a thousand million bytes, and a kernel may write twenty thousand
records a second, so all this is fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import NamedTuple

__all__ = ["RecordCutter", "cut_records"]

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

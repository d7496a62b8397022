"""Streams of audit records: cut into records, and read as far as most questions need.

A log may hold a thousand million bytes, and a kernel may write twenty thousand
records a second; ``parse_audit`` is for a list that fits into memory, and for
every detail.  Here a record stays bytes, and its *outline* (who, what, and
what the kernel decided) is one regular expression away.

    >>> cutter = RecordCutter()
    >>> [record[:11] for record in cutter.feed(b"#2026/11/23 22:10:53# profile=2 ...")]
    []
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ..model.records import AuditRecord
from .lines import PolicySyntaxError
from .records import parse_audit

#: No kernel writes a record of this many bytes: names and arguments are limited to a few pages.
MAX_RECORD = 1 << 18

_OUTLINE = re.compile(rb"#[0-9/: ]+# profile=([0-9]+) mode=([a-z]+) granted=(yes|no) [ -~]*\n(<[ -~]+)\n([!-~][ -~]*)\n?")
_HEADER = re.compile(rb"^(?=#[0-9]{4,}/)", re.MULTILINE)
#: Events that a record may tell of in place of a request.
_EVENTS = (b"use_profile ", b"use_group ", b"quota_exceeded", b"transition_failed")


class RecordCutter:
    """Cuts bytes as they come into records.

    A record ends at a NUL byte, as the kernel ends it, or at an empty line, as
    log daemons write it.  Each is given without that end, with a newline after
    its last line.  Whether it is a record at all is not looked at.

    Attributes: ``oversized``, how many pieces longer than LIMIT bytes were
    left out, so that a file without any end takes no more memory than that.
    """

    def __init__(self, limit: int = MAX_RECORD) -> None:
        self.oversized = 0
        self._limit = limit
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The records that DATA, the next bytes of the stream, completes."""
        pieces = (self._rest + data.replace(b"\0", b"\n")).split(b"\n\n")
        self._rest = pieces.pop()
        if self._skipping and pieces:
            del pieces[0]
            self._skipping = False
        if len(self._rest) > self._limit or self._skipping:
            self.oversized += not self._skipping
            self._skipping = True
            self._rest = self._rest[-1:]  # its newline may be half of an empty line
        return self._records(pieces)

    def close(self) -> list[bytes]:
        """What is left at the end of the stream."""
        pieces = [] if self._skipping else [self._rest]
        self._rest, self._skipping = b"", False
        return self._records(pieces)

    def _records(self, pieces: list[bytes]) -> list[bytes]:
        records = []
        for piece in pieces:
            record = piece.strip(b"\n") + b"\n"
            if len(record) > self._limit:
                self.oversized += 1
            elif record.count(b"\n") == 3:
                records.append(record)
            elif record != b"\n":
                # After one that was cut off in the middle, the next begins where a header does.
                records += [part for part in _HEADER.split(record) if part]
        return records


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


def cut_records(chunks: Iterable[bytes], cutter: RecordCutter | None = None) -> Iterator[bytes]:
    """The records in CHUNKS, bytes of one stream; in memory is one chunk at a time."""
    cutter = cutter or RecordCutter()
    for chunk in chunks:
        yield from cutter.feed(chunk)
    yield from cutter.close()


def parse_record(record: bytes, file: str = "audit") -> AuditRecord:
    """RECORD, as a ``RecordCutter`` gives it, with every detail.

    Raises PolicySyntaxError where it is none.
    """
    found = parse_audit(record, file=file)
    if len(found) != 1:
        raise ValueError(f"{len(found)} records")
    return found[0]


def is_broken(record: bytes) -> str | None:
    """Why RECORD cannot be read, in words; None where it can."""
    try:
        parse_record(record)
    except (PolicySyntaxError, ValueError) as error:
        return error.explanation if isinstance(error, PolicySyntaxError) else str(error)
    return None

"""The dialogue about requests that wait for an answer, free of I/O.

While someone has the kernel's ``query`` file open, a request that an enforcing
domain may not make waits for that someone's word.  How the kernel does it:

- Reading the file gives one waiting request a read, and an empty read behind
  the last; that is one *pass*, and the next begins anew.  A request may be left
  out of a pass where others come and go meanwhile.
- ``A<serial>=1`` grants, ``=2`` denies, ``=3`` lets the kernel look at the
  policy again, which asks again (a new serial, retry + 1) unless it grants.
- Each request waits for 10 seconds, counted anew whenever anyone writes
  anything; then it is denied.  Its process notices an answer within a second.
- If nobody has the file open any more, all requests are denied at once.  So a
  program that dies denies, and hangs nobody.

``QueryDialogue`` takes what was read and what is to be answered, and says what
happened and what to write.  Time is given to it, in seconds of whatever clock.

    >>> dialogue = QueryDialogue()
    >>> dialogue.receive([], now=0.0)
    []
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from ..model.records import AuditRecord
from ..syntax.lines import PolicySyntaxError
from ..syntax.record_grammar import Outline, outline
from ..syntax.record_stream import QUERY_HEAD
from ..syntax.records import parse_record

__all__ = ["Answer", "Arrived", "Event", "Gone", "PendingRequest", "QueryDialogue"]

#: Seconds after which the kernel denies by itself.
KERNEL_TIMEOUT = 10.0
#: Seconds after which we write something, to make it wait on.
KEEP_ALIVE = 3.0
#: What to write where there is nothing to say; the kernel makes nothing of an empty line.
NOTHING = b"\n"
#: Passes in which a request may be missing before it is taken to be gone.
_MISSING = 2


class Answer(Enum):
    """What may be said to a request."""

    GRANT = 1
    DENY = 2
    RETRY = 3


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A request that waits.

    Attributes:
        serial: its number in this dialogue; a kernel gives each only once.
        retry: how often it was asked before.
        text: the record, three lines, as the kernel wrote it.
        outline, record: what the record says; None where it is broken, which
            can only be denied.
        since: when it was first seen.
    """

    serial: int
    retry: int
    text: bytes
    outline: Outline | None
    record: AuditRecord | None
    since: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request waits that did not before."""

    request: PendingRequest


@dataclass(frozen=True, slots=True)
class Gone:
    """A request waits no more, though we gave no answer: its process was killed, or another program answered."""

    request: PendingRequest


Event = Arrived | Gone


class QueryDialogue:
    """What waits, and what is to be written so that it goes on.

    ``patience`` is how long a request may wait for its answer in seconds,
    after which ``overdue`` names it; None means without end.
    """

    def __init__(self, patience: float | None = None) -> None:
        self.patience = patience
        self._pending: dict[int, PendingRequest] = {}
        self._missing: dict[int, int] = {}
        self._answered: set[int] = set()
        self._written = 0.0

    @property
    def pending(self) -> list[PendingRequest]:
        """The requests that wait for an answer, the oldest first."""
        return list(self._pending.values())

    def find(self, serial: int) -> PendingRequest | None:
        """The request SERIAL, if it waits."""
        return self._pending.get(serial)

    def receive(self, reads: Iterable[bytes], now: float) -> list[Event]:
        """Take a whole pass over the file: what each read gave, up to the empty one."""
        events: list[Event] = []
        seen = set()
        for data in reads:
            request = read_request(data, now)
            if request is None:
                continue
            serial = request.serial
            seen.add(serial)
            if serial not in self._pending and serial not in self._answered:
                if not self._pending:
                    self._written = now  # its 10 seconds have just begun
                self._pending[serial] = request
                events.append(Arrived(request))
        self._answered &= seen
        for serial in [serial for serial in self._pending if serial not in seen]:
            self._missing[serial] = self._missing.get(serial, 0) + 1
            if self._missing[serial] >= _MISSING:
                events.append(Gone(self._pending.pop(serial)))
        self._missing = {serial: n for serial, n in self._missing.items() if serial in self._pending and serial not in seen}
        return events

    def answer(self, serial: int, answer: Answer, now: float) -> bytes:
        """What to write to give ANSWER to the request SERIAL; nothing if it does not wait."""
        if self._pending.pop(serial, None) is None:
            return b""
        # It may still be in the next pass, if that has begun.
        self._answered.add(serial)
        self._written = now
        return b"A%d=%d\n" % (serial, answer.value)

    def answer_all(self, answer: Answer, now: float) -> bytes:
        """What to write to give the same ANSWER to all that wait."""
        return b"".join([self.answer(serial, answer, now) for serial in list(self._pending)])

    def keep_alive(self, now: float) -> bytes:
        """What to write now so that the kernel waits on; nothing while it need not."""
        if not self._pending or now - self._written < KEEP_ALIVE:
            return b""
        self._written = now
        return NOTHING

    def overdue(self, now: float) -> list[PendingRequest]:
        """The requests that have waited longer than ``patience``."""
        if self.patience is None:
            return []
        return [request for request in self._pending.values() if now - request.since > self.patience]


def read_request(data: bytes, now: float) -> PendingRequest | None:
    """The request in DATA, what one read of the file gave; None where it is none."""
    first, _, text = data.rstrip(b"\0").partition(b"\n")
    head = QUERY_HEAD.fullmatch(first)
    if head is None:
        return None
    found = outline(text)
    record = None
    if found is not None:
        try:
            record = parse_record(text, "query")
        except (PolicySyntaxError, ValueError):
            found = None
    return PendingRequest(int(head[1]), int(head[2]), text, found, record, now)


def same_question(one: PendingRequest, other: PendingRequest) -> bool:
    """Whether OTHER is ONE, asked again."""
    if one.record is None or other.record is None:
        return False
    return replace(one.record, time=other.record.time) == other.record

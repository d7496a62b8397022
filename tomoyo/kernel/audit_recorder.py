"""Recording: audit records from a kernel or a log, through a filter, into a log.

Nothing that was read is given up: where the log cannot be written, say because
the disk is full, reading stops (the kernel goes on collecting up to its limit)
until it can.
"""

from __future__ import annotations

import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ..syntax.record_stream import Glance, Outline, RecordCutter, glance, is_broken, outline
from .audit import AuditLog, DropCounter
from .signals import SignalPipe

#: How many broken records are told of one by one.
_TOLD = 10
#: Seconds between two looks at what the kernel dropped.
_INTERVAL = 10.0


class Sink(Protocol):
    """Where records go; see ``LogFile``."""

    waiting: list[bytes]

    def write(self, records: list[bytes] = ..., /) -> None:
        """Write RECORDS, and what an error left waiting."""

    def reopen(self) -> None:
        """Begin again after something else has moved the file away."""


@dataclass
class Recorder:
    """Takes records to SINK.

    Attributes:
        chooses: which records to take; None for all.
        form: what to write of a record; raises ValueError where it is broken.
        report: takes messages, in words.
        read, written, broken: how many records there were so far.
    """

    sink: Sink
    chooses: Callable[[Outline], bool] | None
    form: Callable[[bytes], bytes]
    report: Callable[[str], None]
    read: int = 0
    written: int = 0
    broken: int = 0

    def take(self, records: Iterable[bytes], drops: DropCounter | None = None) -> None:
        """Record those of RECORDS that are wanted; DROPS is told of all.

        An error of the sink is raised when all are in its hands.
        """
        chosen = self._all(records, drops) if self.chooses is None else self._chosen(records, self.chooses, drops)
        self.written += len(chosen)
        if chosen:
            self.sink.write(chosen)

    def _all(self, records: Iterable[bytes], drops: DropCounter | None) -> list[bytes]:
        """All of RECORDS, which takes no more than a glance at each."""
        found = []
        denied = 0
        form, broken = self.form, Glance.BROKEN
        for record in records:
            self.read += 1
            seen = glance(record)
            if seen is broken:
                self._tell_broken(record)
                continue
            denied += seen is Glance.DENIED
            try:
                found.append(form(record))
            except ValueError:
                self._tell_broken(record)
        if drops is not None:
            drops.note_denied(denied)
        return found

    def _chosen(self, records: Iterable[bytes], chooses: Callable[[Outline], bool], drops: DropCounter | None) -> list[bytes]:
        found = []
        denied = 0
        for record in records:
            self.read += 1
            seen = outline(record)
            if seen is None:
                self._tell_broken(record)
                continue
            denied += not seen.granted and not seen.event
            if chooses(seen):
                try:
                    found.append(self.form(record))
                except ValueError:
                    self._tell_broken(record)
        if drops is not None:
            drops.note_denied(denied)
        return found

    def _tell_broken(self, record: bytes) -> None:
        self.broken += 1
        if self.broken <= _TOLD:
            why = is_broken(record) or "not as a kernel writes it"
            self.report(f"record {self.read} is broken, and skipped: {why}")
        elif self.broken == _TOLD + 1:
            self.report("more broken records are counted only")


def record_chunks(chunks: Iterable[bytes], recorder: Recorder) -> None:
    """Record what is in CHUNKS, the bytes of a log of whatever length."""
    cutter = RecordCutter()
    for chunk in chunks:
        recorder.take(cutter.feed(chunk))
    recorder.take(cutter.close())
    if cutter.oversized:
        recorder.read += cutter.oversized
        recorder.broken += cutter.oversized
        recorder.report(f"{cutter.oversized} pieces are too long for records, and skipped")


def record_kernel(log: AuditLog, recorder: Recorder, signals: SignalPipe, drops: DropCounter | None = None) -> int:
    """Record what the kernel logs until a signal says to end; gives how many records could not be written.

    SIGHUP opens the log anew; any other signal that SIGNALS catches ends, when
    all that waits at that moment has been recorded.  What the kernel drops is
    reported as it grows.
    """
    told = 0
    looked = time.monotonic()
    for batch in log.batches(wake=[signals.fileno()], seconds=_INTERVAL):
        try:
            recorder.take(batch, drops)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not _written_later(recorder, signals, error):
                return len(recorder.sink.waiting)
        if drops is not None:
            drops.note_batch(len(batch))
        came = signals.take() if not batch else set()
        if signal.SIGHUP in came:
            recorder.sink.reopen()
        ending = bool(came - {signal.SIGHUP})
        if ending or time.monotonic() - looked > _INTERVAL:
            looked = time.monotonic()
            told = _tell_drops(log, recorder, drops, told)
        if ending:
            while batch := log.waiting():
                recorder.take(batch, drops)
            return 0
    return 0


def record_waiting(log: AuditLog, recorder: Recorder) -> None:
    """Record what waits in the kernel now."""
    while batch := log.waiting():
        recorder.take(batch)


def _tell_drops(log: AuditLog, recorder: Recorder, drops: DropCounter | None, told: int) -> int:
    if drops is None:
        return 0
    found, batch = drops.drops(log)
    recorder.take(batch)
    if found.denied > told:
        recorder.report(str(found))
    return max(found.denied, told)


def _written_later(recorder: Recorder, signals: SignalPipe, error: OSError) -> bool:
    """Wait until the sink takes what it has; false where a signal ended that."""
    recorder.report(f"cannot write, and try again each second: {error.strerror}")
    while True:
        if select.select([signals.fileno()], [], [], 1.0)[0] and signals.take() - {signal.SIGHUP}:
            return False
        try:
            recorder.sink.write()
        except OSError:
            continue
        recorder.report("can write again")
        return True

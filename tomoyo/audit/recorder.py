"""Recording: audit records from a kernel or a log, through a filter, into a log.

Nothing that was read is given up: where the log cannot be written, say because
the disk is full, reading stops (the kernel goes on collecting up to its limit)
until it can.
"""

from __future__ import annotations

import select
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..kernel.signals import SignalPipe
from ..syntax.record_grammar import Glance, Outline, glance, outline
from ..syntax.record_stream import RecordCutter
from ..syntax.records import is_broken
from .kernel_log import AuditLog, DropCounter

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
        form: what to write of a record; raises InvalidValueError where it is broken.
        report: takes messages, in words.
        lines: where each of the records to take next begins, in a log.
        read, written, broken: how many records there were so far.
    """

    sink: Sink
    chooses: Callable[[Outline], bool] | None
    form: Callable[[bytes], bytes]
    report: Callable[[str], None]
    read: int = 0
    written: int = 0
    broken: int = 0
    lines: Sequence[int] = ()

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
        for index, record in enumerate(records):
            self.read += 1
            seen = glance(record)
            if seen is broken:
                self._tell_broken(record, index)
                continue
            denied += seen is Glance.DENIED
            try:
                found.append(form(record))
            except ValueError:
                self._tell_broken(record, index)
        if drops is not None:
            drops.note_denied(denied)
        return found

    def _chosen(self, records: Iterable[bytes], chooses: Callable[[Outline], bool], drops: DropCounter | None) -> list[bytes]:
        found = []
        denied = 0
        for index, record in enumerate(records):
            self.read += 1
            seen = outline(record)
            if seen is None:
                self._tell_broken(record, index)
                continue
            denied += not seen.granted and not seen.event
            if chooses(seen):
                try:
                    found.append(self.form(record))
                except ValueError:
                    self._tell_broken(record, index)
        if drops is not None:
            drops.note_denied(denied)
        return found

    def _tell_broken(self, record: bytes, index: int) -> None:
        self.broken += 1
        if self.broken <= _TOLD:
            why = is_broken(record) or "not as a kernel writes it"
            place = f" (line {self.lines[index]})" if self.lines else ""
            self.report(f"record {self.read}{place} is broken, and skipped: {why}")
        elif self.broken == _TOLD + 1:
            self.report("more broken records are counted only")


def record_chunks(chunks: Iterable[bytes], recorder: Recorder) -> None:
    """Record what is in CHUNKS, the bytes of a log of whatever length."""
    cutter = RecordCutter()
    for chunk in chunks:
        records = cutter.feed(chunk)
        recorder.lines = cutter.lines
        recorder.take(records)
    records = cutter.close()
    recorder.lines = cutter.lines
    recorder.take(records)
    if cutter.oversized:
        recorder.read += cutter.oversized
        recorder.broken += cutter.oversized
        recorder.report(f"what is too long for a record was skipped, {cutter.oversized} times")


def record_kernel(log: AuditLog, recorder: Recorder, signals: SignalPipe, drops: DropCounter | None = None) -> int:
    """Record what the kernel logs until a signal says to end; gives how many records could not be written.

    SIGHUP opens the log anew, again and again until that succeeds; any other
    signal that SIGNALS catches ends, when all that waits at that moment has
    been recorded.  What the kernel drops is reported as it grows.
    """
    told = 0
    looked = time.monotonic()
    reopening = False
    for batch in log.batches(wake=[signals.fileno()], seconds=_INTERVAL):
        if not _taken(batch, recorder, signals, drops):
            return len(recorder.sink.waiting)
        if drops is not None:
            drops.note_batch(len(batch))
        came = signals.take() if not batch else set()
        ending = bool(came - {signal.SIGHUP})
        looking = ending or time.monotonic() - looked > _INTERVAL
        if signal.SIGHUP in came or (reopening and looking):
            reopening = not _reopened(recorder, again=reopening)
        if looking:
            looked = time.monotonic()
            if drops is not None:
                found, batch = drops.drops(log)
                if found.denied > told:
                    recorder.report(str(found))
                    told = found.denied
                if not _taken(batch, recorder, None if ending else signals):
                    return len(recorder.sink.waiting)
        if ending:
            while batch := log.waiting():
                if not _taken(batch, recorder, None, drops):
                    return len(recorder.sink.waiting)
            return 0
    return 0


def record_waiting(log: AuditLog, recorder: Recorder, signals: SignalPipe | None = None) -> bool:
    """Record what waits in the kernel now.

    Where the log cannot be written, with SIGNALS waits until it can, and gives
    false where one of them ended that; without, raises OSError.
    """
    while batch := log.waiting():
        if signals is None:
            recorder.take(batch)
        elif not _taken(batch, recorder, signals):
            return False
    return True


def _taken(batch: Iterable[bytes], recorder: Recorder, signals: SignalPipe | None, drops: DropCounter | None = None) -> bool:
    """Record BATCH, however long that takes; false where a signal ended the wait, or, without SIGNALS, at the first error."""
    try:
        recorder.take(batch, drops)
    except BrokenPipeError:
        raise
    except OSError as error:
        if signals is not None:
            return _written_later(recorder, signals, error)
        recorder.report(f"cannot write: {error.strerror}")
        return False
    return True


def _reopened(recorder: Recorder, *, again: bool) -> bool:
    """Open the log anew; where that is not possible records go on to the file that is open."""
    try:
        recorder.sink.reopen()
    except OSError as error:
        if not again:
            recorder.report(f"cannot open the log anew, and write on to the old file meanwhile: {error.strerror}")
        return False
    if again:
        recorder.report("the log is open anew")
    return True


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

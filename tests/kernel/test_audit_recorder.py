"""Recording what a kernel logs: nothing that goes wrong with the log ends it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tomoyo.audit import recorder as audit_recorder
from tomoyo.audit.kernel_log import Drops
from tomoyo.audit.recorder import Recorder, record_kernel, record_waiting

RECORDS = (Path(__file__).parents[1] / "data" / "records" / "audit.log").read_bytes().split(b"\0")[:-1]


class Log:
    """A kernel that gives BATCHES, and then WAITING."""

    def __init__(self, batches: list[list[bytes]], waiting: list[list[bytes]] | None = None) -> None:
        self._batches = batches
        self._waiting = waiting or []

    def batches(self, **_: object) -> Iterator[list[bytes]]:
        yield from self._batches

    def waiting(self, _: int = 0) -> list[bytes]:
        return self._waiting.pop(0) if self._waiting else []


class Signals:
    """Signals that come one by one, each when it is asked."""

    def __init__(self, *signals: set[int]) -> None:
        self._signals = list(signals)
        self._reading, self._writing = os.pipe()
        os.write(self._writing, b"x")  # so that nothing waits for a second

    def fileno(self) -> int:
        return self._reading

    def take(self) -> set[int]:
        return self._signals.pop(0) if self._signals else set()


class Full:
    """A log on a disk that is full for the next writes and openings."""

    def __init__(self, writes: int = 0, openings: int = 0) -> None:
        self.waiting: list[bytes] = []
        self.written: list[bytes] = []
        self.opened = 0
        self._writes, self._openings = writes, openings

    def write(self, records: list[bytes] | None = None) -> None:
        self.waiting += records or []
        if self._writes:
            self._writes -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.written += self.waiting
        self.waiting = []

    def reopen(self) -> None:
        if self._openings:
            self._openings -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.opened += 1


class Counter:
    """Drops nothing, but had to read a record to know."""

    def __init__(self, *batches: list[bytes]) -> None:
        self._batches = list(batches)

    def note_denied(self, _: int) -> None:
        pass

    def note_batch(self, _: int) -> None:
        pass

    def drops(self, _: object) -> tuple[Drops, list[bytes]]:
        return Drops(0, certain=True, full=False), self._batches.pop(0) if self._batches else []


A, B, C = RECORDS[:3]
FULL = "cannot write, and try again each second: No space left on device"


@pytest.mark.parametrize(
    ("sink", "signals", "written", "told", "lost"),
    [
        (Full(), [{signal.SIGTERM}], [A, B, C], [], 0),
        # A batch, then what had to be read to know of drops, then what waits at the end.
        (Full(writes=2), [set(), set(), {signal.SIGTERM}], [A, B, C], [FULL, "can write again"], 0),
        (Full(writes=99), [{signal.SIGTERM}], [], [FULL], 1),
        (Full(openings=1), [{signal.SIGHUP}, {signal.SIGTERM}], [A, B, C], ["cannot open the log anew", "is open anew"], 0),
        (Full(openings=9), [{signal.SIGHUP, signal.SIGTERM}], [A, B, C], ["cannot open the log anew"], 0),
    ],
    ids=["fine", "full for a while", "full", "cannot be opened for a while", "cannot be opened"],
)
def test_what_goes_wrong_with_the_log(
    sink: Full, signals: list[set[int]], written: list[bytes], told: list[str], lost: int
) -> None:
    messages: list[str] = []
    recorder = Recorder(sink, None, lambda record: record, messages.append)
    log: Any = Log([[A], [], [], []], [[C]])
    drops: Any = Counter([B])
    pipe: Any = Signals(*signals)
    assert record_kernel(log, recorder, pipe, drops) == lost
    assert sink.written == written
    assert [expected in message for message, expected in zip(messages, told)] == [True] * len(told)
    assert len(messages) == len(told)


@pytest.mark.parametrize(("writes", "written", "lost"), [(1, [A], 1), (2, [A], 2)], ids=["the last", "the one to know of drops"])
def test_what_cannot_be_written_at_the_end_is_counted(
    writes: int, written: list[bytes], lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Full()
    messages: list[str] = []
    recorder = Recorder(sink, None, lambda record: record, messages.append)
    taken = Recorder.take

    def take(self: Recorder, records: Any, drops: Any = None) -> None:
        if sink.written:
            sink._writes = 9
        taken(self, records, drops)

    monkeypatch.setattr(audit_recorder.Recorder, "take", take)
    log: Any = Log([[A], []], [[B]] if writes == 1 else [[C]])
    drops: Any = Counter([] if writes == 1 else [B, C])
    pipe: Any = Signals({signal.SIGTERM})
    assert record_kernel(log, recorder, pipe, drops) == lost
    assert sink.written == written
    assert messages == ["cannot write: No space left on device"]


def test_what_waits_at_the_beginning() -> None:
    sink = Full(writes=1)
    messages: list[str] = []
    recorder = Recorder(sink, None, lambda record: record, messages.append)
    log: Any = Log([], [[A], [B]])
    pipe: Any = Signals()
    assert record_waiting(log, recorder, pipe)
    assert (sink.written, messages) == ([A, B], [FULL, "can write again"])
    ending: Any = Signals({signal.SIGTERM})
    again: Any = Log([], [[A]])
    sink._writes = 2
    assert not record_waiting(again, recorder, ending)
    with pytest.raises(OSError, match="No space"):
        record_waiting(Log([], [[A]]), recorder)  # type: ignore[arg-type]

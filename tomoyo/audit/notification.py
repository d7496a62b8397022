"""Telling someone about denials: a command that is run, but not too often.

Whoever can make a process be denied can make a thousand denials a second, and
chooses part of what a record says.  So the command is run as it is given, with
no shell, the records go to its standard input and nowhere else, at most one is
running, and those that come in between are told of together by the next one.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..kernel.signals import SignalPipe
from ..model.words import quoted
from ..query.dialogue import Answer, Arrived
from ..query.kernel_file import QueryFile
from ..syntax.record_grammar import Outline, outline
from ..syntax.record_stream import RecordCutter
from .kernel_log import AuditLog

#: Records that one command is given; more are counted.
MAX_RECORDS = 100
#: Seconds between two reports that the command fails.
FAILURES = 600.0
#: Seconds between two looks at what is due.
_STEP = 0.2
_CHUNK = 1 << 16


@dataclass
class Gathering:
    """Collects records, and says when it is time to tell of them; free of I/O.

    ``interval`` is the least time between two notifications in seconds.
    """

    interval: float
    _records: list[bytes] = field(default_factory=list)
    _left_out: int = 0
    _last: float | None = None

    def add(self, record: bytes) -> None:
        """A denial was recorded."""
        if len(self._records) < MAX_RECORDS:
            self._records.append(record)
        else:
            self._left_out += 1

    def wait(self, now: float) -> float | None:
        """Seconds until there is something to tell; None where nothing has come."""
        if not self._records:
            return None
        return 0.0 if self._last is None else max(self._last + self.interval - now, 0.0)

    def take(self, now: float) -> Notification | None:
        """What is to be told now, if it is time."""
        if self.wait(now) != 0.0:
            return None
        self._last = now
        return self.rest()

    def rest(self) -> Notification | None:
        """What has not been told, whether or not it is time."""
        found = Notification(tuple(self._records), self._left_out) if self._records else None
        self._records, self._left_out = [], 0
        return found


@dataclass(frozen=True, slots=True)
class Notification:
    """Records to tell of, and how many more there were."""

    records: tuple[bytes, ...]
    left_out: int = 0

    @property
    def text(self) -> bytes:
        """What the command is given to read."""
        more = b"and %d more\n" % self.left_out if self.left_out else b""
        return b"\n".join(self.records) + b"\n" * bool(more) + more


class Command:
    """Runs COMMAND, a program and its arguments, for one notification at a time.

    A run that takes longer than LIMIT seconds is killed, with all that it
    started in its process group.  It writes to the file descriptor STDOUT, by
    default standard output.

    Attribute ``failure``: why the last run that has ended failed; empty where
    it did not.
    """

    def __init__(self, command: Sequence[str], limit: float = 60.0, stdout: int | None = None) -> None:
        self.command: tuple[str, ...] = tuple(command)
        self.limit = limit
        self.stdout = stdout
        self.failure: str = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    def start(self, notification: Notification, now: float) -> None:
        """Run the command; raises OSError where it cannot be run.  Only while ``is_running`` is false."""
        # A file in memory: a command that reads slowly, or not at all, holds up nothing.
        descriptor = os.memfd_create("denials", os.MFD_CLOEXEC)
        try:
            text = notification.text
            while text:
                text = text[os.write(descriptor, text) :]
            os.lseek(descriptor, 0, os.SEEK_SET)
            count = len(notification.records) + notification.left_out
            self._process = subprocess.Popen(
                self.command,
                stdin=descriptor,
                stdout=self.stdout,
                env={**os.environ, "TOMOYO_DENIALS": str(count)},
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self._started = now

    def is_running(self, now: float) -> bool:
        """Whether the last run still goes on; it is ended where it has taken too long."""
        if self._process is None:
            return False
        overdue = self._process.poll() is None and now - self._started > self.limit
        if overdue:
            self._kill()
        if self._process.poll() is None:
            return True
        self._conclude(overdue)
        return False

    def finish(self) -> None:
        """Wait for the run that still goes on, no longer than it may take."""
        if self._process is not None:
            overdue = False
            try:
                self._process.wait(self.limit)
            except subprocess.TimeoutExpired:
                overdue = True
                self._kill()
            self._conclude(overdue)

    def _conclude(self, overdue: bool) -> None:
        assert self._process is not None
        status = self._process.returncode
        self._process = None
        if overdue:
            self.failure = f"took longer than {self.limit:g} seconds, and was ended"
        elif status < 0:
            self.failure = f"was ended by signal {-status}"
        else:
            self.failure = f"ended with exit status {status}" if status else ""

    def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Notifier:
    """Gathers what CHOOSES takes, and runs COMMAND when it is time; ``report`` takes messages.

    That a run failed is reported, but not more often than each `FAILURES` seconds.

    Attributes: ``read``, how many records there were, and ``broken``, how many of them were none.
    """

    def __init__(
        self,
        command: Command,
        interval: float,
        chooses: Callable[[Outline], bool],
        report: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.command = command
        self.gathering: Gathering = Gathering(interval)
        self.read: int = 0
        self.broken: int = 0
        self._failures = 0
        self._failed: float | None = None
        self._chooses = chooses
        self._report = report
        self._clock = clock

    def take(self, records: Iterable[bytes]) -> None:
        """Records came."""
        for record in records:
            self.read += 1
            found = outline(record)
            if found is None:
                self.broken += 1
            elif self._chooses(found):
                self.gathering.add(record)

    def step(self) -> None:
        """Run the command, if it is time and none is running."""
        now = self._clock()
        if not self.command.is_running(now):
            self._look(now)
            self._start(self.gathering.take(now), now)

    def finish(self) -> None:
        """Tell of what is left, and wait for that; report how much was no record."""
        self.command.finish()
        self._look(self._clock())
        self._start(self.gathering.rest(), self._clock())
        self.command.finish()
        self._look(self._clock())
        if self._failures:
            self._report(f"of the runs of {quoted(self.command.command[0])} since, {self._failures} failed")

    def _start(self, notification: Notification | None, now: float) -> None:
        if notification is not None:
            try:
                self.command.start(notification, now)
            except OSError as error:
                self._fail(f"cannot run {quoted(self.command.command[0])}: {error.strerror}", now)

    def _look(self, now: float) -> None:
        """Report what became of the last run."""
        if self.command.failure:
            self._fail(f"{quoted(self.command.command[0])} {self.command.failure}", now)
            self.command.failure = ""

    def _fail(self, reason: str, now: float) -> None:
        if self._failed is not None and now - self._failed < FAILURES:
            self._failures += 1
            return
        self._failed = now
        self._report(f"{reason}; {self._failures} runs before failed, too" if self._failures else reason)
        self._failures = 0


def notify_of_audit(log: AuditLog, notifier: Notifier, signals: SignalPipe) -> None:
    """Tell of what the kernel logs, until a signal comes."""
    for batch in log.batches(wake=[signals.fileno()], seconds=_STEP):
        notifier.take(batch)
        notifier.step()
        if not batch and signals.take():
            return


def notify_of_queries(file: QueryFile, notifier: Notifier, signals: SignalPipe) -> None:
    """Tell of requests that wait, and deny them when the file's patience ends, until a signal comes."""
    while True:
        waits = [signals.fileno()] if file.dialogue.pending else [signals.fileno(), file.fileno()]
        ready, _, _ = select.select(waits, [], [], _STEP)
        if signals.fileno() in ready:
            return
        notifier.take(event.request.text for event in file.look() if isinstance(event, Arrived))
        for request in file.overdue():
            file.answer(request.serial, Answer.DENY)
        notifier.step()


class Followed:
    """What is added to the log PATH from now on, also where a new one takes its place, as when it is full."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1
        if self._open():
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self) -> bytes:
        """What has been added since the last time, or some of it; nothing where nothing was."""
        data = os.read(self._descriptor, _CHUNK) if self._descriptor >= 0 else b""
        # Whoever writes goes on with a new file only when the old one is finished.
        return data or (os.read(self._descriptor, _CHUNK) if self._open() else b"")

    def _open(self) -> bool:
        """Open the log that is there now; false where that is the one that is open, or there is none."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        if self._descriptor >= 0 and os.path.samestat(os.fstat(descriptor), os.fstat(self._descriptor)):
            os.close(descriptor)
            return False
        self.close()
        self._descriptor = descriptor
        return True


def notify_of_log(path: str, notifier: Notifier, signals: SignalPipe) -> None:
    """Tell of what is added to the log PATH, which need not be there yet, until a signal comes."""
    cutter = RecordCutter()
    log = Followed(path)
    try:
        while not select.select([signals.fileno()], [], [], _STEP)[0]:
            while data := log.read():
                notifier.take(cutter.feed(data))
            notifier.step()
    finally:
        log.close()


def notify_of_stream(descriptor: int, notifier: Notifier, signals: SignalPipe) -> None:
    """Tell of the records that DESCRIPTOR, such as a pipe from ``tomoyo audit``, brings, until it ends or a signal comes."""
    cutter = RecordCutter()
    while True:
        ready, _, _ = select.select([descriptor, signals.fileno()], [], [], _STEP)
        if signals.fileno() in ready:
            return
        if descriptor in ready:
            data = os.read(descriptor, _CHUNK)
            notifier.take(cutter.feed(data) if data else cutter.close())
            if not data:
                notifier.read += cutter.oversized
                notifier.broken += cutter.oversized
                notifier.step()
                return
        notifier.step()

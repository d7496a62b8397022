"""The kernel's audit log: records as they come, none lost, and how many the kernel lost itself.

The kernel holds at most ``max_audit_log`` records of a profile's domains (and
the bytes that the quota for audit logs allows) until someone reads them, and
drops what comes beyond that without a word.  Each read takes one record away:
two readers share what there is, they do not both see it.

Reading a record costs one system call; in an emulated processor that is about
110,000 a second.  Nothing here parses a record, so that a reader keeps up.

    with AuditLog() as log:
        for batch in log.batches(seconds=1.0):
            for record in batch:
                ...
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..kernel.securityfs import FOLDER
from ..model.profiles import Mode
from ..model.stat import Stat
from ..syntax.profiles import parse_profile
from ..syntax.record_grammar import Glance, glance
from ..syntax.stat import parse_stat

__all__ = ["AuditLog", "DropCounter", "Drops"]

#: More than any record has.
_READ = 1 << 16
#: Records given at once; more of them wait for the next batch.
BATCH = 2000


class AuditLog:
    """The audit log of the kernel whose interface files are in FOLDER, open for reading.

    Raises OSError where it cannot be opened: FileNotFoundError without TOMOYO
    or without securityfs, PermissionError for anyone but root.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self._descriptor = os.open(f"{folder}/audit", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

    def __repr__(self) -> str:
        return f"<AuditLog: {'open' if self._descriptor >= 0 else 'closed'}>"

    def __enter__(self) -> AuditLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it.  The kernel goes on collecting for whoever opens it next."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def fileno(self) -> int:
        """The descriptor, which can be polled."""
        return self._descriptor

    def waiting(self, limit: int = BATCH) -> list[bytes]:
        """The records that wait now, at most LIMIT; each ends in a newline, without the NUL byte."""
        descriptor, read, size = self._descriptor, os.read, _READ
        records = []
        for _ in range(limit):
            record = read(descriptor, size)
            if not record:
                break
            while record[-1]:  # no NUL byte at the end: the kernel keeps the rest for the next read
                more = read(descriptor, size)
                if not more:
                    break
                record += more
            records.append(record.rstrip(b"\0"))
        return records

    def batches(self, *, wake: Sequence[int] = (), seconds: float | None = None) -> Iterator[list[bytes]]:
        """Yield records in batches as they come, without end; leave the loop when you have enough.

        A batch is empty when one of the descriptors WAKE is readable, or when
        nothing has come for SECONDS.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        for descriptor in wake:
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]
            if self._descriptor in ready:
                batch = self.waiting()
                if batch:
                    yield batch
            if not ready or any(descriptor in wake for descriptor in ready):
                yield []


@dataclass(frozen=True, slots=True)
class Drops:
    """What a reader of the audit log did not get to see.

    Attributes:
        denied: requests that were not granted, and of which there was no record.
        certain: whether every profile logs such requests, so that the kernel
            must have dropped these records; else ``reject_log=no`` may be why.
        full: whether as many records came in one go as the kernel holds for a
            profile, so that there may have been more, of granted requests too.
    """

    denied: int
    certain: bool
    full: bool

    def __bool__(self) -> bool:
        return self.full or self.denied > 0

    def __str__(self) -> str:
        if not self:
            return "the kernel dropped no record of a denied request"
        if not self.denied:
            return "the kernel's audit log was full: it may have dropped records of granted requests (see max_audit_log)"
        why = "the kernel dropped" if self.certain else "the kernel dropped, or was told by reject_log=no not to keep,"
        also = "; its audit log was full, so records of granted requests may be missing, too" if self.full else ""
        requests = "1 denied request" if self.denied == 1 else f"{self.denied} denied requests"
        return f"{why} the records of {requests} (see max_audit_log, and the memory quota){also}"


class DropCounter:
    """Finds out what the kernel drops, from its counters of denied requests.

    A kernel counts every request that was not granted, in learning and
    permissive mode too, whether or not it could keep a record of it; granted
    ones it does not count.  Make one when all waiting records have been read.
    """

    def __init__(self, folder: str = FOLDER) -> None:
        self._folder = folder
        self._seen = self._denied = 0
        self._in_a_row = 0
        self._full = False
        self._limit, self._certain = self._profiles()
        self._before = _violations(self._stat())

    def note_denied(self, count: int) -> None:
        """COUNT records were read of requests that were not granted, events left out."""
        self._seen += count

    def note_batch(self, count: int) -> None:
        """COUNT records were read at once, as many as there were or ``BATCH``."""
        self._in_a_row += count
        self._full = self._full or self._in_a_row >= self._limit
        if count < BATCH:
            self._in_a_row = 0

    def drops(self, log: AuditLog) -> tuple[Drops, list[bytes]]:
        """What was dropped since this counter was made, and the records of LOG that had to be read to know.

        Those are noted already, and otherwise for the caller to use.
        """
        after = _violations(self._stat())
        # The kernel makes a record before it counts: every record of what was counted has been read, or is read now.
        batch = log.waiting(1 << 20)
        self.note_denied(sum(glance(record) is Glance.DENIED for record in batch))
        counted = (after - self._before) % 2**32
        # Some of what was read may not have been counted yet, so this is the least that it can be.
        self._denied = max(self._denied, counted - self._seen)
        return Drops(self._denied, self._certain, self._full), batch

    def _stat(self) -> Stat:
        with open(f"{self._folder}/stat", "rb") as file:
            return parse_stat(file.read())

    def _profiles(self) -> tuple[int, bool]:
        """The fewest records that a profile lets the kernel hold, and whether all log what they deny."""
        with open(f"{self._folder}/profile", "rb") as file:
            policy = parse_profile(file.read(), report=lambda _: None)
        profiles = [profile for part in policy for profile in part.profiles]
        limits = [profile.max_audit_log for profile in profiles if profile.max_audit_log]
        configs = [config for profile in profiles for config in (profile.default, *(c for _, c in profile.configs))]
        certain = all(config.reject_log for config in configs if config.mode is not Mode.DISABLED)
        return min(limits, default=1 << 62), certain and len(limits) == len(profiles)


def _violations(stat: Stat) -> int:
    return sum(counter.count for counter in stat.counters if counter.name != "update")

"""The ``stat`` interface: how often policy changed and was violated, and memory.

The file is read as a report and written as settings: ``Memory used by policy:
N`` reports bytes in use in the one and sets the quota in the other.  So a
report is never to be written back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from .errors import InvalidValueError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Counter", "MemoryUse", "Stat", "Timestamp"]

#: What the kernel counts, in its order.
COUNTERS = (
    "update",
    "violation in learning mode",
    "violation in permissive mode",
    "violation in enforcing mode",
)
#: What the kernel accounts memory for, in its order.
MEMORY = ("policy", "audit log", "query message")


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """A moment in UTC, as the kernel prints it: ``2026/11/23 22:10:53``."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int

    @property
    def datetime(self) -> datetime:
        """The moment as Python has it, in UTC.  Raises InvalidValueError where Python knows no such moment."""
        from datetime import datetime

        try:
            return datetime(self.year, self.month, self.day, self.hour, self.minute, self.second, tzinfo=UTC)
        except (OverflowError, ValueError) as error:
            raise InvalidValueError(f"not a time: {self}: {error}") from None

    def __str__(self) -> str:
        date = f"{self.year:04}/{self.month:02}/{self.day:02}"
        return f"{date} {self.hour:02}:{self.minute:02}:{self.second:02}"


@dataclass(frozen=True, slots=True)
class Counter:
    """How often something happened (modulo 2**32) and when last."""

    name: str
    count: int
    last: Timestamp | None = None

    def __str__(self) -> str:
        last = "" if self.last is None else f" (Last: {self.last})"
        return f"Policy {self.name + ':':<30} {self.count:>10}{last}"


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory in use and its quota, in bytes.

    ``used`` is None in settings; a quota of 0 is none.
    """

    name: str
    used: int | None = None
    quota: int = 0

    def __str__(self) -> str:
        if self.used is None:
            return f"Memory used by {self.name}: {self.quota}"
        quota = f" (Quota: {self.quota:>10})" if self.quota else ""
        return f"Memory used by {self.name + ':':<22} {self.used:>10}{quota}"


@dataclass(frozen=True, slots=True)
class Stat:
    """A report (``total`` is there) or settings (only ``memory`` is).

    Attributes:
        counters: what was counted since the kernel started; times are in UTC.
        memory: bytes in use, and quotas in bytes.
        total: the bytes in use altogether; None in settings.
    """

    counters: tuple[Counter, ...] = ()
    memory: tuple[MemoryUse, ...] = ()
    total: int | None = None

    def __repr__(self) -> str:
        return f"<Stat: lines: {len(self.lines())}>"

    def lines(self) -> list[str]:
        """The lines that the kernel prints, or those that set the quotas."""
        lines = [str(counter) for counter in self.counters]
        lines += [str(memory) for memory in self.memory]
        if self.total is not None:
            lines.append(f"Total memory used:                    {self.total:>10}")
        return lines

    def settings(self) -> Stat:
        """The quotas alone, as they are to be written to a kernel."""
        return Stat(memory=tuple(MemoryUse(m.name, None, m.quota) for m in self.memory))

"""Signals as something that can be waited for, together with files.

A daemon that is asked to end has work to finish.  So a signal interrupts
nothing: it makes a descriptor readable, and the daemon asks which came when it
gets there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)


class SignalPipe:
    """Catches SIGNALS while it is open; only the main thread can have one.

    ``fileno`` is readable when one came; ``take`` says which.
    """

    def __init__(self, signals: Iterable[signal.Signals] = ENDING) -> None:
        self._signals = tuple(signals)
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1
        self._reader = self._writer = -1

    def __enter__(self) -> SignalPipe:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._signals:
            self._before[number] = signal.signal(number, _ignore)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._reader

    def take(self) -> set[int]:
        """The signals that came since the last call."""
        try:
            return set(os.read(self._reader, 4096)) & set(self._signals)
        except BlockingIOError:
            return set()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Stand in for a handler: the number is in the pipe."""

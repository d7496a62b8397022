"""What a command is doing, for whoever waits at a terminal.

One line on standard error, which is gone before anything else is written.
Where standard error is no terminal there is none: a log needs no such lines.
"""

from __future__ import annotations

import os
import sys
import time

from .messages import say, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import TypeVar

    Item = TypeVar("Item")

#: Seconds between two changes of a count: quicker ones cannot be read.
INTERVAL = 0.2
#: Items between two looks at the clock.
_STEP = 1024
_CLEAR = "\r\033[K"


class Progress:
    """A context in which calls say what is being done now."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._dirty = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the line away, for something else is to be written."""
        if self._dirty:
            say(_CLEAR)
            self._dirty = False

    def __call__(self, text: str) -> None:
        """Say that TEXT is being done: ``reading the closure``."""
        if self._shown:
            # Not over the terminal's last column, where some terminals begin a new line that cannot be cleared.
            width = _columns() - 5
            say(f"{_CLEAR}{visible(text)[:width]} ...")
            self._dirty = True

    def counted(self, items: Iterable[Item], what: str) -> Iterable[Item]:
        """ITEMS, saying now and then how many of WHAT there were: ``120000 records``."""
        return self._counted(items, what) if self._shown else items

    def _counted(self, items: Iterable[Item], what: str) -> Iterator[Item]:
        next_time = 0.0
        for number, item in enumerate(items):
            if number % _STEP == 0 and time.monotonic() >= next_time:
                self(f"{number} {what}")
                next_time = time.monotonic() + INTERVAL
            yield item


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80

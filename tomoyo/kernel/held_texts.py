"""What a kernel holds, as the texts that it prints."""

from __future__ import annotations

# The module above this one, threading, takes longer to load than it would save here.
from _thread import allocate_lock, start_new_thread

from .set_directory import SetTexts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .securityfs import Interface

#: What is read of a kernel, in this order.
INTERFACES = ("domain_policy", "exception_policy", "profile", "manager", "stat")


def read_held_texts(interface: Interface) -> SetTexts:
    """All texts that a kernel holds, in one read of each file."""
    return SetTexts("", {name: interface.read(name) for name in INTERFACES})


class HeldTexts:
    """The same, read in the background: a large policy takes a kernel long to print, and meanwhile there is other work.

        with HeldTexts(interface) as held:
            wanted = read_set_texts(directory)
            texts = held.texts()

    At the end of the ``with`` statement the reading is over, too.
    """

    __slots__ = ("_error", "_interface", "_over", "_texts")

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._texts: SetTexts | None = None
        self._error: BaseException | None = None
        self._over = allocate_lock()

    def __enter__(self) -> HeldTexts:
        self._over.acquire()
        try:
            start_new_thread(self._read, ())
        except RuntimeError:  # there are no more threads
            self._read()
        return self

    def __exit__(self, *_: object) -> None:
        with self._over:
            pass

    def texts(self) -> SetTexts:
        """The texts, as soon as all are read; raises what reading them raised."""
        with self._over:
            if self._texts is None:
                raise self._error or AssertionError
            return self._texts

    def _read(self) -> None:
        try:
            self._texts = read_held_texts(self._interface)
        except BaseException as error:
            self._error = error
        finally:
            self._over.release()

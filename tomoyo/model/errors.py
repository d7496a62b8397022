"""The base of every error that this package raises for bad input, or for what a kernel or a system refused."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["InvalidValueError", "TomoyoError"]


class TomoyoError(Exception):
    """The base of this package's errors; each says more in its attributes.

    Errors can be pickled and copied, whatever their constructors ask for.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # An OSError has its file's name beside its arguments.
        file = getattr(self, "filename", None)
        return _restore, (type(self), self.args if file is None else (*self.args, file)), self.__dict__


class InvalidValueError(TomoyoError, ValueError):
    """A value that policy, or the function that it is given to, cannot have; the message says which and why."""


def _restore(kind: type[TomoyoError], arguments: tuple[Any, ...]) -> TomoyoError:
    """An error of KIND, made without its constructor."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    if isinstance(error, OSError):
        OSError.__init__(error, *arguments)
    return error

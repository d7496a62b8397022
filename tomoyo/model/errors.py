"""Errors: the base of all that this package raises, and what is said of a path that cannot be used.

Activations load this at each boot, so it imports next to nothing.
"""

from __future__ import annotations

import errno

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


#: What is wrong with a path, in the same words everywhere, and what to do.
MISSING = ("no such file or directory", "give a path that exists")
NO_FILE = ("a directory, not a file", "give a file")
NO_DIRECTORY = ("not a directory", "give a directory")
NOT_READABLE = ("permission denied", "run this as root, or as a user who has access")
BINARY = ("a binary file", "give a text file")
NOT_UTF8 = ("not UTF-8", "save it as UTF-8")

_FAULTS = {
    errno.ENOENT: MISSING,
    errno.EISDIR: NO_FILE,
    errno.ENOTDIR: NO_DIRECTORY,
    errno.EACCES: NOT_READABLE,
    errno.EPERM: NOT_READABLE,
}
#: So much of a file tells whether it is text.
_HEAD = 1024
#: What a text may have beside printable characters: white space, and the byte that ends records and paths.
_CONTROLS = bytes({*range(32), 127} - {*b"\0\t\n\v\f\r\x1b"})


def path_fault(error: OSError) -> tuple[str, str]:
    """What is wrong with the path that ERROR is about, and what to do, which may be empty."""
    reason = error.strerror or str(error)
    if isinstance(error, TomoyoError):  # which says itself what to do
        message, _, advice = reason.partition("; ")
        return message, advice
    return _FAULTS.get(error.errno or 0, (reason[:1].lower() + reason[1:], ""))


def is_binary(data: bytes) -> bool:
    """Whether DATA, the beginning of a file, is of no text."""
    head = data[:_HEAD]
    return len(head) - len(head.translate(None, _CONTROLS)) > len(head) // 25 or head.count(0) > len(head) // 4


def _restore(kind: type[TomoyoError], arguments: tuple[Any, ...]) -> TomoyoError:
    """An error of KIND, made without its constructor."""
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    if isinstance(error, OSError):
        OSError.__init__(error, *arguments)
    return error

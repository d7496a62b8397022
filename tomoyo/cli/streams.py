"""The standard streams, whatever the caller made of them: closed ones, full disks, and readers that have gone."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def fill_streams() -> None:
    """Put /dev/null in place of standard streams that are closed: no file that is opened may take the place of one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8", errors="backslashreplace"))


def output_error() -> OSError | None:
    """Write what waits for standard output; why that cannot be done, if it cannot.

    What waited is given up then, or the interpreter would try again at its end.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        silence(sys.stdout)
        return error
    return None


class ReaderMayGo:
    """A block that may print; where the reader has gone it prints nothing more, but the command ends with the right exit code."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, BrokenPipeError):
            return False
        silence(sys.stdout)
        return True


def settle_messages() -> None:
    """Write what waits for standard error; where nobody can be told, nobody is."""
    try:
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Let nothing more come to where STREAM leads: it goes to /dev/null."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # a caller's own, which is nobody's descriptor
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)

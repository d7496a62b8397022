"""What the commands say on standard error.  Nothing that takes long to load is imported: activations start with each boot."""

from __future__ import annotations

import os
import sys

from .streams import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_COLOURS = {"error": "31", "warning": "33", "note": "36"}


def message(severity: str, text: str) -> None:
    """Write a message to standard error: ``error``, ``warning`` or ``note`` and TEXT."""
    tell("tomoyo", severity, text)


def tell(subject: str, severity: str, text: str) -> None:
    """Write ``SUBJECT: SEVERITY: TEXT`` to standard error; SUBJECT is a place, or who speaks."""
    say(f"{visible(subject)}: {coloured(severity, sys.stderr)}: {visible(text)}\n")


#: A longer line is shown in part.
_SHOWN = 120


def show_line(source: str, column: int) -> None:
    """Write the line SOURCE to standard error, and a caret below the COLUMN (from 1); nothing for an empty one."""
    if not source.strip():
        return
    start = max(0, column - 1 - _SHOWN // 2) if len(source) > _SHOWN else 0
    before, shown = visible(source[start : column - 1]), visible(source[start : start + _SHOWN])
    say(f"    {shown}\n    {' ' * len(before)}^\n")


def say(text: str) -> None:
    """Write TEXT to standard error at once; that nobody can be told is no reason to stop."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def counted(number: int, noun: str, nouns: str = "") -> str:
    """NUMBER things in words: ``1 line``, ``2 lines``; NOUNS is the plural where that is not NOUN with an s."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def coloured(severity: str, stream: TextIO) -> str:
    """SEVERITY in its colour, where STREAM is a terminal."""
    if severity in _COLOURS and stream.isatty() and "NO_COLOR" not in os.environ:
        return f"\033[{_COLOURS[severity]}m{severity}\033[0m"
    return severity


def visible(text: str) -> str:
    """TEXT on one line and without control characters, which could make a terminal do anything."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)

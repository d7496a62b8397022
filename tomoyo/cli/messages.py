"""What the commands say on standard error.  Nothing that takes long to load is imported: activations start with each boot."""

from __future__ import annotations

import os
import sys

_COLOURS = {"error": "31", "warning": "33"}


def message(severity: str, text: str) -> None:
    """Write a message to standard error: ``error``, ``warning`` or ``note`` and TEXT."""
    tell("tomoyo", severity, text)


def tell(subject: str, severity: str, text: str) -> None:
    """Write ``SUBJECT: SEVERITY: TEXT`` to standard error; SUBJECT is a place, or who speaks."""
    prefix = f"{severity}:"
    if severity in _COLOURS and sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        prefix = f"\033[{_COLOURS[severity]}m{prefix}\033[0m"
    sys.stderr.write(f"{visible(subject)}: {prefix} {visible(text)}\n")


def visible(text: str) -> str:
    """TEXT on one line and without control characters, which could make a terminal do anything."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)

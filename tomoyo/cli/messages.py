"""What the commands say: diagnostics, as lines on standard error or in a document for programs.

Every command reports through `report` and `message`.  With ``--json`` what is
reported is collected, and `write_document` prints it with the command's result.
Nothing that takes long to load is imported: activations start with each boot.
"""

from __future__ import annotations

import os
import sys

from .streams import silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TextIO

    from ..model.diagnostics import Diagnostic, Place

_COLOURS = {"error": "31", "warning": "33", "note": "36", "help": "32"}
#: Characters of a line that are shown before and behind the caret.
_BEFORE, _BEHIND = 60, 60
_TAB = 8


class _Output:
    """Where diagnostics go: to ``take`` if that is set, else to standard error as text."""

    __slots__ = ("form", "found", "result", "take")

    def __init__(self) -> None:
        self.take: Callable[[Diagnostic], None] | None = None
        self.found: list[Diagnostic] = []
        self.result: Any = None
        self.form = ""


_OUTPUT = _Output()


def report(diagnostic: Diagnostic, stream: TextIO | None = None) -> None:
    """Report DIAGNOSTIC: as text to STREAM (default: standard error), or in the document that is being made."""
    if _OUTPUT.take is not None:
        _OUTPUT.take(diagnostic)
    elif stream is None:
        say(shown(diagnostic, sys.stderr))
    else:
        stream.write(shown(diagnostic, stream))


def message(severity: str, text: str, advice: str = "", *, code: str = "general", subject: str = "tomoyo") -> None:
    """Report what has no place in a policy.

    SEVERITY is ``error``, ``warning`` or ``note``, ADVICE the one thing to do,
    SUBJECT who speaks.
    """
    if _OUTPUT.take is not None:
        from ..model.diagnostics import Diagnostic, Severity

        _OUTPUT.take(Diagnostic(Severity(severity), code, text, advice))
        return
    told = f"{visible(subject)}: {coloured(severity, sys.stderr)}: {visible(text)}\n"
    say(told + (f"{coloured('help', sys.stderr)}: {visible(advice)}\n" if advice else ""))


def advise(text: str) -> None:
    """Say what to do, after what a command printed."""
    say(f"{coloured('help', sys.stderr)}: {visible(text)}\n")


def say(text: str) -> None:
    """Write TEXT to standard error at once; that nobody can be told is no reason to stop."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


# Documents for programs


def collect(form: str) -> None:
    """Collect what is reported from here on, for a document in FORM, ``json`` or ``sarif``."""
    _OUTPUT.found, _OUTPUT.result, _OUTPUT.form = [], None, form
    _OUTPUT.take = _OUTPUT.found.append


def write_lines() -> None:
    """Write what is reported from here on to standard output, each as one line: an object with ``diagnostics``."""
    _OUTPUT.take = _write_line


def as_text() -> None:
    """Write what is reported from here on as text."""
    _OUTPUT.take = None


def collecting() -> bool:
    """Whether `write_document` has to be called."""
    return _OUTPUT.take is not None and _OUTPUT.take is not _write_line


def set_result(value: Any) -> None:
    """Let VALUE, plain data, be the command's result in the document."""
    _OUTPUT.result = value


def write_document(status: int) -> None:
    """Print the document of a command that ends with STATUS.

    JSON is an object with ``diagnostics`` and ``result``, which is null where there is none.
    """
    as_text()
    if _OUTPUT.form == "sarif":
        from ..lint.codes import LINT_CODES
        from ..report.sarif import sarif

        print_json(sarif(_OUTPUT.found, LINT_CODES, successful=status < 2))
    else:
        from ..report.plain import plain

        print_json({"diagnostics": plain(_OUTPUT.found), "result": _OUTPUT.result})


def _write_line(diagnostic: Diagnostic) -> None:
    import json

    from ..report.plain import plain

    sys.stdout.write(json.dumps({"diagnostics": [plain(diagnostic)]}) + "\n")
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """Print plain data as JSON."""
    import json

    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


# Text


def shown(diagnostic: Diagnostic, stream: TextIO) -> str:
    """DIAGNOSTIC as text for STREAM: ``FILE:LINE:COLUMN: error: TEXT [CODE]``, the line with a caret, then ``help:``."""
    severity = coloured(diagnostic.severity.value, stream)
    where = visible(str(diagnostic.place)) or "tomoyo"
    lines = [f"{where}: {severity}: {visible(diagnostic.message)} [{diagnostic.code}]", *_source(diagnostic.place)]
    for place in (place for place in diagnostic.related if place.line):
        lines += [f"{visible(str(place))}: {coloured('note', stream)}: see also", *_source(place)]
    if diagnostic.help:
        lines.append(f"{coloured('help', stream)}: {visible(diagnostic.help)}")
    return "".join(f"{line}\n" for line in lines)


def _source(place: Place) -> Iterator[str]:
    """The line at PLACE as far as it is known, of a long one what is around the caret, and a line with the caret."""
    from ..model.diagnostics import readable

    text = readable(place.text)
    if not text.strip():
        return
    caret = len(readable(place.text[: max(place.column - 1, 0)]))
    begin, end = max(caret - _BEFORE, 0), caret + _BEHIND
    head = ("..." if begin else "") + _drawn(text[begin:caret])
    tail = _drawn(text[caret:end].rstrip() if end >= len(text) else text[caret:end], _width(head))
    yield f"    {head}{tail}{'...' if end < len(text) else ''}"
    if place.column:
        yield f"    {' ' * _width(head)}^"


def _drawn(text: str, column: int = 0) -> str:
    """TEXT, which is drawn from COLUMN on, without tabs and control characters."""
    drawn = ""
    for position, part in enumerate(text.split("\t")):
        if position:
            drawn += " " * (_TAB - (column + _width(drawn)) % _TAB)
        drawn += visible(part)
    return drawn


def _width(text: str) -> int:
    """How many columns of a terminal TEXT takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)


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

"""What the commands say: diagnostics, as lines on standard error or in a document for programs.

Every command reports through `report` and `message`.  With ``--json`` what is
reported is collected, and `write_document` prints it with the command's result.
A command that goes on and on writes a document a line instead: `write_lines`.
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
    """Where diagnostics go: to ``take`` if that is set, else to standard error as text.

    Of the text at most ``most`` are shown of one code, if that is set; ``told`` counts all.
    """

    __slots__ = ("form", "found", "most", "result", "take", "told")

    def __init__(self) -> None:
        self.take: Callable[[Diagnostic], None] | None = None
        self.found: list[Diagnostic] = []
        self.result: Any = None
        self.form = ""
        self.most: int | None = None
        self.told: dict[str, int] = {}


_OUTPUT = _Output()


def report(diagnostic: Diagnostic, stream: TextIO | None = None) -> None:
    """Report DIAGNOSTIC: as text to STREAM (default: standard error), or in the document that is being made."""
    if _OUTPUT.take is not None:
        _OUTPUT.take(diagnostic)
        return
    number = _OUTPUT.told[diagnostic.code] = _OUTPUT.told.get(diagnostic.code, 0) + 1
    if _OUTPUT.most is not None and number > _OUTPUT.most:
        return
    if stream is None:
        say(shown(diagnostic, sys.stderr))
    else:
        stream.write(shown(diagnostic, stream))


def limit(most: int | None) -> None:
    """Show at most MOST of what is reported from here on of one code, or all."""
    _OUTPUT.most, _OUTPUT.told = most, {}


def tell_hidden(stream: TextIO | None = None) -> None:
    """Say to STREAM (default: standard error) how many were left out for the limit."""
    told, most = _OUTPUT.told, _OUTPUT.most
    _OUTPUT.told = {}
    for code, number in told.items() if most is not None and _OUTPUT.take is None else ():
        if most is not None and number > most:
            text = _headed("tomoyo", "note", f"{number - most} more of this kind", code, stream or sys.stderr)
            text += _helped("--all shows them", stream or sys.stderr)
            say(text) if stream is None else stream.write(text)


def message(severity: str, text: str, advice: str = "", *, code: str) -> None:
    """Report what has no place in a policy, whose kind is CODE.

    SEVERITY is ``error``, ``warning`` or ``note``, ADVICE the one thing to do.
    """
    if _OUTPUT.take is not None:
        from ..model.diagnostics import Diagnostic, Severity

        _OUTPUT.take(Diagnostic(Severity(severity), code, text, advice))
        return
    say(_headed("tomoyo", severity, text, code, sys.stderr) + (_helped(advice, sys.stderr) if advice else ""))


def advise(text: str) -> None:
    """Say what to do, after what a command printed."""
    say(_helped(text, sys.stderr))


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
    """Write what was reported, and what is from here on, to standard output: each as a document in one line."""
    found, _OUTPUT.found, _OUTPUT.take = _OUTPUT.found, [], _write_diagnostic
    for diagnostic in found:
        _write_diagnostic(diagnostic)


def as_text() -> None:
    """Write what is reported from here on as text."""
    _OUTPUT.take = None


def collecting() -> bool:
    """Whether `write_document` has to be called."""
    return _OUTPUT.take is not None and not writes_lines()


def writes_lines() -> bool:
    """Whether each thing that is reported is a document in one line."""
    return _OUTPUT.take is _write_diagnostic


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


def _write_diagnostic(diagnostic: Diagnostic) -> None:
    from ..report.plain import plain

    _write_line([plain(diagnostic)], None)
    sys.stdout.flush()


def write_result(value: Any) -> None:
    """Print VALUE, plain data and a part of a command's result, as a document in one line."""
    _write_line([], value)


def _write_line(diagnostics: list[Any], value: Any) -> None:
    import json

    sys.stdout.write(json.dumps({"diagnostics": diagnostics, "result": value}) + "\n")


def print_json(value: Any) -> None:
    """Print plain data as JSON."""
    import json

    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


# Text


def shown(diagnostic: Diagnostic, stream: TextIO) -> str:
    """DIAGNOSTIC as text for STREAM: ``FILE:LINE:COLUMN: error: TEXT [CODE]``, the line with a caret, then ``help:``."""
    head = _headed(str(diagnostic.place) or "tomoyo", diagnostic.severity.value, diagnostic.message, diagnostic.code, stream)
    lines = [*_source(diagnostic.place)]
    for place in (place for place in diagnostic.related if place.line):
        lines += [f"{visible(str(place))}: {coloured('note', stream)}: see also", *_source(place)]
    return head + "".join(f"{line}\n" for line in lines) + (_helped(diagnostic.help, stream) if diagnostic.help else "")


def _headed(where: str, severity: str, text: str, code: str, stream: TextIO) -> str:
    return f"{visible(where)}: {coloured(severity, stream)}: {visible(text)} [{code}]\n"


def _helped(text: str, stream: TextIO) -> str:
    return f"{coloured('help', stream)}: {visible(text)}\n"


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

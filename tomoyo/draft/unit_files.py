"""The text of one unit file: its settings, each with the section that it is in and the place where it begins.

Lines are read as systemd reads them: a backslash at the end continues a line, comments may stand between, and what systemd
ignores is ignored with a diagnostic.  What a setting means hangs on its key: see `units`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..model.diagnostics import Diagnostic, Place, Severity
from ..model.words import quoted

__all__ = ["Setting", "UnitFile", "read_unit_file"]

_WHITESPACE = " \t\n\r"
_END_OF_LINE = re.compile("\n\r?\0?|\r\n?\0?|\0")
_MARK = "\xef\xbb\xbf"
#: What the name of a section cannot hold.
_UNSAFE = re.compile("[\x01-\x1f\x7f\"'\\\\]")
#: Code points that systemd takes for no character: surrogates, which Python refuses itself, and those that Unicode excludes.
_NO_CHARACTER = re.compile(
    "[\ufdd0-\ufdef]|" + "|".join(f"[{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}]" for plane in range(0, 0x110000, 0x10000))
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A line ``KEY=VALUE`` of a unit file.

    Attributes:
        section: such as ``Service``.
        value: without white space around it, each byte one character; an empty one resets most lists.
        place: where the key stands.
    """

    section: str
    key: str
    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class UnitFile:
    """What a unit file says.

    Attributes:
        path: the file.
        settings: in the order of the file.
        diagnostics: lines that systemd ignores.  An error is a line at which systemd stops reading.
    """

    path: str
    settings: tuple[Setting, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def read_unit_file(path: str, text: str) -> UnitFile:
    """Read TEXT, the contents of the unit file PATH, each byte one character."""
    settings: list[Setting] = []
    diagnostics: list[Diagnostic] = []
    section = ""
    for place, line in _joined(path, text.removeprefix(_MARK)):
        key, equals, value = line.partition("=")
        if line.startswith("["):
            if not line.endswith("]") or _UNSAFE.search(line[1:-1]) or not _is_text(line):
                diagnostics.append(_stops(f"no section header: {quoted(line)}", place))
                break
            section = line[1:-1]
        elif not _is_text(line):
            diagnostics.append(_stops(f"not UTF-8: {quoted(line)}", place))
            break
        elif not section:
            diagnostics.append(_ignored(f"a setting outside any section: {quoted(line)}", place))
        elif not equals or not key:
            diagnostics.append(_ignored(f"no setting KEY=VALUE: {quoted(line)}", place))
        else:
            settings.append(Setting(section, key.rstrip(_WHITESPACE), value.lstrip(_WHITESPACE), place))
    return UnitFile(path, tuple(settings), tuple(diagnostics))


def _joined(path: str, text: str) -> Iterator[tuple[Place, str]]:
    """The lines of TEXT that say something, continued ones put together, each with the place where it begins."""
    begun: list[str] = []
    place: Place | None = None
    for number, raw in enumerate(_END_OF_LINE.split(text), 1):
        if raw.lstrip(_WHITESPACE)[:1] in ("#", ";"):
            continue
        place = place or Place(path, number, len(raw) - len(raw.lstrip(_WHITESPACE)) + 1, raw)
        if (len(raw) - len(raw.rstrip("\\"))) % 2:
            begun.append(raw[:-1])
            continue
        line = " ".join((*begun, raw)).strip(_WHITESPACE)
        if line:
            yield place, line
        begun, place = [], None
    rest = " ".join(begun).strip(_WHITESPACE)
    if rest and place:
        yield place, rest


def _is_text(line: str) -> bool:
    if line.isascii():
        return True
    try:
        return not _NO_CHARACTER.search(line.encode("latin-1").decode())
    except UnicodeError:
        return False


def _stops(message: str, place: Place) -> Diagnostic:
    return Diagnostic(Severity.ERROR, "unit-file", message, "systemd reads no further: mend the line", place)


def _ignored(message: str, place: Place) -> Diagnostic:
    return Diagnostic(Severity.WARNING, "unit-line", message, "systemd ignores the line: mend or remove it", place)

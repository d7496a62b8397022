"""What a record looks like: a record's text split into its parts.

This is the one place that knows:

    #2026/11/23 22:10:53# profile=3 mode=enforcing granted=no (global-pid=9) task={ pid=9 ppid=1 ... } path1={ ... }
    <kernel> /bin/sh
    file read /etc/passwd

Tables become one regular expression, which splits a record into its parts.
Where that fails, ``refuse_header`` goes through the same tables field by field,
to say what is wrong.  An *outline* (who, what, and what the kernel decided) takes
no more than the beginning of the header for granted.  ``records`` reads the parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ..model.profiles import Mode
from ..model.records import FILE_TYPES
from .lines import Line

__all__ = ["Outline", "RecordText", "outline"]

#: How the last line of a record begins that is of an event, and not of a request.
EVENTS = ("use_profile ", "use_group ", "quota_exceeded", "transition_failed")
HEADER = "an audit record such as '#2026/11/23 22:10:53# profile=...'"


class RecordText(NamedTuple):
    """An audit record as text, in its parts.

    Attributes:
        time, profile, mode, granted, global_pid, pid, ppid: the values in its header.
        details: what follows in the header: who the process runs as, the files
            that the request is about, and what it executes.
        domain, request: the other two lines.
    """

    time: str
    profile: str
    mode: str
    granted: str
    global_pid: str
    pid: str
    ppid: str
    details: str
    domain: str
    request: str

    @property
    def event(self) -> bool:
        """Whether it is of an event, and not of a request."""
        return self.request.startswith(EVENTS)


class _Value(NamedTuple):
    """What may stand behind a name: a pattern, and what to say of anything else."""

    pattern: str
    message: str
    expected: str


_DIGITS = "0|[1-9][0-9]{0,19}+"
_NUMBER = _Value(_DIGITS, "not a number", "a number")
_OCTAL = _Value("0(?:0|[1-7][0-7]{0,18})", "not a number", "an octal number such as 0644")
_PROFILE = _Value("0|[1-9][0-9]{0,2}", "no profile", "a number from 0 to 255")
_MODE = _Value("|".join(mode.value for mode in Mode), "no mode", "disabled, learning, permissive or enforcing")
_ANSWER = _Value("yes|no", "neither yes nor no", "yes or no")
_GLOBAL_PID = _Value(rf"(?:{_DIGITS})\)", "not a number", "a number and ')'")
_TYPE = _Value("|".join(FILE_TYPES), "no file type", ", ".join(FILE_TYPES))
#: A name as the kernel writes it in quotes: each byte that is no printable character, and each backslash, is escaped.
_STRING = _Value(
    r'"[!-\[\]-~]*(?:\\(?:\\|0[0-3][0-7]|040|177|[23][0-7]{2})[!-\[\]-~]*)*"',
    "not a quoted word as the kernel writes it",
    '"WORD"',
)

_Fields = tuple[tuple[str, _Value], ...]


def _numbers(names: str) -> _Fields:
    return tuple((name, _NUMBER) for name in names.split())


_HEAD: _Fields = (("profile", _PROFILE), ("mode", _MODE), ("granted", _ANSWER))
_PROCESS = _numbers("pid ppid")
_CREDENTIALS = _numbers("uid gid euid egid suid sgid fsuid fsgid")
_FILE: _Fields = (*_numbers("uid gid ino major minor"), ("perm", _OCTAL), ("type", _TYPE))
_DEVICE = _numbers("dev_major dev_minor")
_PARENT: _Fields = (*_numbers("uid gid ino"), ("perm", _OCTAL))
_FILES = ("path1", "path2")
_EXECUTION: _Fields = (("realpath", _STRING), *_numbers("argc envc"))
_TARGET: _Fields = (("symlink.target", _STRING),)
#: What the kernel writes where it could not read the arguments: with a space more than there should be.
_UNREAD = "argv[]={ ... } envp[]= { ... } }"


def _pattern(fields: _Fields, form: str = "(?:{})") -> str:
    return " ".join(f"{re.escape(name)}={form.format(value.pattern)}" for name, value in fields)


def _strings(name: str) -> str:
    return rf"{name}\[\]=\{{ (?:{_STRING.pattern} )*(?:\.\.\. )?\}}"


def _details() -> str:
    files = "".join(
        rf"(?: {name}=\{{ {_pattern(_FILE)}(?: {_pattern(_DEVICE)})? \}})?(?: {name}\.parent=\{{ {_pattern(_PARENT)} \}})?"
        for name in _FILES
    )
    arguments = rf"{_strings('argv')} {_strings('envp')} \}}|{re.escape(_UNREAD)}"
    return rf"{_pattern(_CREDENTIALS)} \}}{files}(?: exec=\{{ {_pattern(_EXECUTION)} (?:{arguments})| {_pattern(_TARGET)})?"


_TIME = "#((?:[0-9]{4}|[1-9][0-9]{4,8})/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})#"
#: How each record begins: when it was written, and what was decided.
HEAD = f"{_TIME} {_pattern(_HEAD, '({})')}"
_PID = _pattern((("(global-pid", _NUMBER),), "({})") + r"\)"
_RECORD = re.compile(rf"{HEAD} {_PID} task=\{{ {_pattern(_PROCESS, '({})')} ({_details()})\n(<[ -~]+)\n([!-~][ -~]*)\n")
_MOMENT = re.compile(_TIME)


def split_record(text: str) -> RecordText | None:
    """The parts of the record TEXT, three lines, of which each ends; None where its header is none, or a byte is odd."""
    found = _RECORD.fullmatch(text)
    return None if found is None else tuple.__new__(RecordText, found.groups())


# What is wrong with a header


def refuse_header(line: Line) -> None:
    """Raise Dropped for the first thing in LINE, a record's first line, that does not follow the grammar."""
    moment = _MOMENT.match(line.text)
    if moment is None or not line.text.startswith(" ", moment.end()):
        line.drop(0, line.text, "not a record", HEADER)
    line.position = moment.end() + 1
    _check(line, _HEAD)
    _check(line, (("(global-pid", _GLOBAL_PID),))
    _expect(line, "task={")
    _check(line, (*_PROCESS, *_CREDENTIALS))
    _expect(line, "}")
    for name in _FILES:
        if line.take(f"{name}={{ "):
            _check(line, _FILE)
            if line.text.startswith("dev_major=", line.position):
                _check(line, _DEVICE)
            _expect(line, "}")
        if line.take(f"{name}.parent={{ "):
            _check(line, _PARENT)
            _expect(line, "}")
    if line.take("exec={ "):
        _check(line, _EXECUTION)
        if not line.take(_UNREAD):
            _check_strings(line, "argv[]={")
            _check_strings(line, "envp[]={")
            _expect(line, "}")
    elif line.text.startswith("symlink.target=", line.position):
        _check(line, _TARGET)
    if not line.ended or line.text.endswith(" "):
        line.drop(line.position, line.rest, "not expected in a record", "the line to end here")


def _check(line: Line, fields: _Fields) -> None:
    for name, value in fields:
        start = line.position
        found, equals, text = line.token().partition("=")
        if found != name or not equals:
            line.drop(start, found, "not a record", f"{name}=")
        _check_value(line, start + len(name) + 1, text, value)


def _check_value(line: Line, start: int, text: str, value: _Value) -> None:
    if re.fullmatch(value.pattern, text) is None:
        number = value in (_NUMBER, _OCTAL) and re.fullmatch("[0-9]{1,20}", text)
        line.drop(start, text, "not as the kernel prints numbers" if number else value.message, value.expected)


def _check_strings(line: Line, opening: str) -> None:
    _expect(line, opening)
    while True:
        start = line.position
        token = line.token()
        if token == "...":
            return _expect(line, "}")
        if token == "}":
            return None
        _check_value(line, start, token, _STRING)


def _expect(line: Line, token: str) -> None:
    start = line.position
    found = line.token()
    if found != token:
        line.drop(start, found, "not a record", token)


# Outlines

#: As much of the grammar as an outline tells: a kernel to come may write more attributes than ``records`` knows.
_OUTLINE = re.compile(HEAD.encode() + rb" [ -~]*\n(<[ -~]+)\n([!-~][ -~]*)\n?")
_EVENTS = tuple(event.encode() for event in EVENTS)


@dataclass(frozen=True, slots=True)
class Outline:
    """What a record says, its attributes left out.

    ``request`` is the record's last line, an entry of policy unless ``event``.
    """

    profile: int
    mode: str
    granted: bool
    domain: str
    request: str
    event: bool

    @property
    def operations(self) -> tuple[str, ...]:
        """By what names the operation goes: ``file``, ``read``; ``network``, ``inet_stream_bind``, ``bind``."""
        words = self.request.split(" ", 4)
        if self.event or len(words) < 2:
            return (words[0],)
        if words[0] != "network":
            return (words[0], *words[1].split("/"))
        operations = words[3].split("/") if len(words) > 3 else []
        return ("network", *operations, *(f"{words[1]}_{words[2]}_{operation}" for operation in operations))

    @property
    def paths(self) -> tuple[str, ...]:
        """The names of files and of unix sockets that the request is about."""
        words = self.request.split(" ")
        if words[0] == "file" and len(words) > 2:
            second = words[1] in ("link", "rename", "pivot_root", "mount") and len(words) > 3
            return (words[2], words[3]) if second else (words[2],)
        if words[0] == "network" and len(words) > 4 and words[1] == "unix":
            return (words[4],)
        return ()


def outline(record: bytes) -> Outline | None:
    """What RECORD, as a ``RecordCutter`` gives it, says; None where it is none."""
    found = _OUTLINE.fullmatch(record)
    if found is None:
        return None
    _, profile, mode, granted, domain, request = found.groups()
    event = request.startswith(_EVENTS)
    return Outline(int(profile), mode.decode(), granted == b"yes", domain.decode(), request.decode(), event)


def outline_of(text: RecordText) -> Outline:
    """What TEXT says."""
    return Outline(int(text.profile), text.mode, text.granted == "yes", text.domain, text.request, text.event)


class Glance(Enum):
    """As much of a record as is told at a glance, faster than its outline."""

    BROKEN = "no record"
    GRANTED = "a request that was granted"
    DENIED = "a request that was not granted, whatever the mode made of that"
    EVENT = "an event"


def glance(record: bytes) -> Glance:
    """What RECORD, as a ``RecordCutter`` gives it, is."""
    found = _OUTLINE.fullmatch(record)
    if found is None:
        return Glance.BROKEN
    if found[4] == b"yes":
        return Glance.GRANTED
    return Glance.EVENT if record.startswith(_EVENTS, found.start(6)) else Glance.DENIED

"""Reading audit and query records in every detail.

Where a record begins and ends, ``record_stream`` knows.  Names in a record are
words, so spaces always separate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, NoReturn, TypeVar

from ..model.domains import MAX_GROUPS, MAX_PROFILES
from ..model.entries import Entry
from ..model.profiles import Mode
from ..model.records import (
    FILE_TYPES,
    AuditRecord,
    Execution,
    FileAttributes,
    FlagSet,
    GroupUsed,
    ParentAttributes,
    ProfileUsed,
    Query,
    Strings,
    Task,
)
from ..model.stat import Timestamp
from ..model.words import DomainName, Quoted, domain_fault, encode_character, word_fault
from .entries import read_entry
from .lines import Dropped, Effect, Line, Listener, PolicySyntaxError, Problem, Reading, Report, Source
from .record_stream import QUERY_HEAD, RECORD_LINES, TIME, Piece, cut_pieces

Record = TypeVar("Record")

_TIME = re.compile(TIME)
_DIGITS = re.compile(r"\d{1,20}")
_HEADER = "an audit record such as '#2026/11/23 22:10:53# profile=...'"
_BLOCK = 1 << 20
_TASK = ["pid", "ppid", "uid", "gid", "euid", "egid", "suid", "sgid", "fsuid", "fsgid"]
_FILE = ["uid", "gid", "ino", "major", "minor", "perm", "type"]
_PARENT = ["uid", "gid", "ino", "perm"]


def parse_audit(source: Source, *, file: str = "audit", report: Report | None = None) -> list[AuditRecord]:
    """Parse audit records.

    Raises PolicySyntaxError for the first broken record; with REPORT, hands it
    over and goes on with the next record.
    """
    return list(iterate_audit(source, file=file, report=report))


def iterate_audit(
    source: Source | BinaryIO,
    *,
    file: str = "audit",
    report: Report | None = None,
    wanted: Callable[[bytes], bool] | None = None,
) -> Iterator[AuditRecord]:
    """Parse audit records one after the other; errors as in ``parse_audit``.

    A file, or the pieces that an iterable gives, are taken as they come: the
    memory in use is that of one record, however long the log is and whatever
    it holds.  WANTED is shown each record before it is parsed, as a
    ``RecordCutter`` gives it; one that it does not want is left out.
    """
    pieces = cut_pieces(_chunks(source))
    chosen = pieces if wanted is None else (piece for piece in pieces if not piece.text or wanted(piece.text))
    return _read(chosen, _read_audit, Listener(file, Reading.STRICT, report))


def parse_query(source: Source | BinaryIO, *, file: str = "query", report: Report | None = None) -> list[Query]:
    """Parse pending requests; arguments and errors as in ``parse_audit``."""
    return list(_read(cut_pieces(_chunks(source)), _read_query, Listener(file, Reading.STRICT, report)))


def parse_record(record: bytes, file: str = "audit", *, line: int = 1) -> AuditRecord:
    """RECORD, as a ``RecordCutter`` gives it, with every detail.

    LINE is the number of its first line in FILE, for errors.  Raises
    PolicySyntaxError where it cannot be read, ValueError where it is not one.
    """
    found = list(_read(cut_pieces([record]), _read_audit, Listener(file, Reading.STRICT, None), line - 1))
    if len(found) != 1:
        raise ValueError(f"expected one audit record, found {len(found)}")
    return found[0]


def is_broken(record: bytes) -> str | None:
    """Why RECORD cannot be read, in words; None where it can."""
    try:
        parse_record(record)
    except (PolicySyntaxError, ValueError) as error:
        return error.explanation if isinstance(error, PolicySyntaxError) else str(error)
    return None


def _read(pieces: Iterable[Piece], read: Callable[[Piece], Record], listener: Listener, before: int = 0) -> Iterator[Record]:
    """What READ makes of PIECES; BEFORE is how many lines precede them."""
    for piece in pieces:
        try:
            record = read(piece)
        except _Refused as refused:
            index, raw, problem = refused.args
            listener.tell(before + piece.line + index, raw, problem)
        else:
            yield record


class _Refused(Exception):
    """Arguments: index of the line within the record, the line, the problem."""


def _refuse(index: int, raw: str, offset: int, text: str, message: str, expected: str) -> NoReturn:
    raise _Refused(index, raw, Problem(Effect.DROPPED, offset, text, message, expected))


def _chunks(source: Source | BinaryIO) -> Iterator[bytes]:
    """The bytes of SOURCE, in pieces as they come."""
    if isinstance(source, (str, bytes, bytearray, memoryview)):
        source = [source if isinstance(source, str) else bytes(source)]
    stream: Any = source
    read = getattr(stream, "read1", getattr(stream, "read", None))  # what has come, where a log is still written
    pieces: Iterable[str | bytes] = iter(lambda: read(_BLOCK), b"") if read else stream
    for piece in pieces:
        # What is not Latin-1 stands in no record: whatever it becomes is refused.
        yield piece.encode("latin-1", "backslashreplace") if isinstance(piece, str) else bytes(piece)


def _lines(piece: Piece, kind: str, count: int) -> list[str]:
    """The lines of PIECE, which must be COUNT for one of KIND."""
    if not piece.text:
        _refuse(0, "", 0, "", f"too long for {kind}", _HEADER)
    lines = piece.text.decode("latin-1").split("\n")[:-1]
    if piece.lines != count:
        # What is no record at all may have NUL bytes in a line, so that only its beginning has a place.
        index = min(len(lines) - 1, count) if lines[0][0] in "#Q" else 0
        _refuse(index, lines[index], 0, lines[index], f"expected {count} lines in {kind}, found {piece.lines}", "")
    return lines


def _read_audit(piece: Piece) -> AuditRecord:
    first = piece.text.partition(b"\n")[0]
    if QUERY_HEAD.fullmatch(first):
        _refuse(0, first.decode(), 0, first.decode(), "a pending request, not an audit record", _HEADER)
    return read_record(_lines(piece, "an audit record", RECORD_LINES), 0)


def _read_query(piece: Piece) -> Query:
    lines = _lines(piece, "a query", 1 + RECORD_LINES)
    found = QUERY_HEAD.fullmatch(lines[0].encode("latin-1"))
    if found is None:
        _refuse(0, lines[0], 0, lines[0], "not a query", "Q<serial>-<retry>")
    return Query(int(found[1]), int(found[2]), read_record(lines, 1))


def read_record(lines: list[str], first: int) -> AuditRecord:
    """Read the three lines of a record that begin at index FIRST."""
    index = first
    line = Line(lines[first])
    try:
        _check_bytes(line)
        values = _read_header(line)
        index += 1
        line = Line(lines[index])
        _check_bytes(line)
        fault = domain_fault(line.text)
        if fault:
            line.drop(fault.offset, line.text, fault.reason, "a domain name")
        domain = DomainName(line.text)
        index += 1
        line = Line(lines[index])
        _check_bytes(line)
        request = _read_request(line)
        if line.problems:
            raise Dropped(line.problems[0])
    except Dropped as dropped:
        raise _Refused(index, line.text, dropped.problem) from None
    return AuditRecord(domain=domain, request=request, **values)


def _check_bytes(line: Line) -> None:
    """A kernel writes printable ASCII alone; a log may hold anything."""
    text = line.text
    if not (text.isascii() and text.isprintable()):
        offset = next(offset for offset, byte in enumerate(text) if not " " <= byte <= "~")
        line.drop(offset, text[offset], "a kernel writes no such byte", encode_character(text[offset]))


def _read_request(line: Line) -> Entry | ProfileUsed | GroupUsed | FlagSet:
    for keyword, limit, event in (
        ("use_profile ", MAX_PROFILES, ProfileUsed),
        ("use_group ", MAX_GROUPS, GroupUsed),
    ):
        if line.take(keyword):
            number = _number(line, line.rest, 10)
            if number >= limit:
                line.drop(line.position, line.rest, "out of range", f"0 to {limit - 1}")
            return event(number)
    if line.text in ("quota_exceeded", "transition_failed"):
        return FlagSet(line.text)
    return read_entry(line)


def _read_header(line: Line) -> dict[str, Any]:
    found = _TIME.match(line.text)
    if found is None or not line.text.startswith(" ", found.end()):
        line.drop(0, line.text, "not a record", _HEADER)
    line.position = found.end() + 1
    values: dict[str, Any] = {"time": Timestamp(*map(int, found.groups()))}
    values["profile"] = _number(line, _value(line, "profile"), 10)
    mode = _value(line, "mode")
    if mode not in [mode.value for mode in Mode]:
        line.drop(line.position, mode, "no mode", "disabled, learning, permissive or enforcing")
    values["mode"] = Mode(mode)
    values["granted"] = _yes(line, _value(line, "granted"))
    pid = line.token()
    if not pid.startswith("(global-pid=") or not pid.endswith(")"):
        line.drop(line.position, pid, "not a record", "(global-pid=N)")
    values["global_pid"] = _number(line, pid[12:-1], 10)
    _expect(line, "task={")
    values["task"] = Task(*(_number(line, _value(line, name), 10) for name in _TASK))
    _expect(line, "}")
    for name in ("path1", "path2"):
        if line.take(f"{name}={{ "):
            values[name] = _read_file(line)
        if line.take(f"{name}.parent={{ "):
            numbers = [_number(line, _value(line, key), 8 if key == "perm" else 10) for key in _PARENT]
            values[f"{name}_parent"] = ParentAttributes(*numbers)
            _expect(line, "}")
    if line.take("exec={ "):
        values["execution"] = _read_execution(line)
    elif line.text.startswith("symlink.target=", line.position):
        values["symlink_target"] = _quoted(line, _value(line, "symlink.target"))
    if not line.ended:
        line.drop(line.position, line.rest, "not expected in a record", "the line to end here")
    return values


def _expect(line: Line, token: str) -> None:
    start = line.position
    found = line.token()
    if found != token:
        line.drop(start, found, "not a record", token)


def _value(line: Line, name: str) -> str:
    start = line.position
    found, equals, value = line.token().partition("=")
    if found != name or not equals:
        line.drop(start, found, "not a record", f"{name}=")
    return value


def _number(line: Line, text: str, base: int) -> int:
    if not text.isascii() or not _DIGITS.fullmatch(text) or (base == 8 and text.strip("01234567")):
        line.drop(line.position, text, "not a number", "a number")
    number = int(text, base)
    if (base == 8 and text != f"0{number:o}") or (base == 10 and text != str(number)):
        line.drop(line.position, text, "not as the kernel prints numbers", "a number")
    return number


def _yes(line: Line, text: str) -> bool:
    if text not in ("yes", "no"):
        line.drop(line.position, text, "neither yes nor no", "yes or no")
    return text == "yes"


def _quoted(line: Line, text: str) -> Quoted:
    inner = text[1:-1]
    if len(text) < 2 or text[0] != '"' or text[-1] != '"' or (inner and word_fault(inner)):
        line.drop(line.position, text, "not a quoted word", '"WORD"')
    return Quoted(inner)


def _read_file(line: Line) -> FileAttributes:
    numbers: list[Any] = [_number(line, _value(line, key), 8 if key == "perm" else 10) for key in _FILE[:-1]]
    kind = _value(line, "type")
    if kind not in FILE_TYPES:
        line.drop(line.position, kind, "no file type", ", ".join(FILE_TYPES))
    if line.text.startswith("dev_major=", line.position):
        device = [_number(line, _value(line, name), 10) for name in ("dev_major", "dev_minor")]
        numbers = [*numbers, kind, *device]
    else:
        numbers = [*numbers, kind]
    _expect(line, "}")
    return FileAttributes(*numbers)


def _read_execution(line: Line) -> Execution:
    realpath = _quoted(line, _value(line, "realpath"))
    argc = _number(line, _value(line, "argc"), 10)
    envc = _number(line, _value(line, "envc"), 10)
    if line.take("argv[]={ ... } envp[]= { ... } }"):
        line.take(" ")
        return Execution(realpath, argc, envc, None, None)
    _expect(line, "argv[]={")
    argv = _read_strings(line)
    _expect(line, "envp[]={")
    envp = _read_strings(line)
    _expect(line, "}")
    return Execution(realpath, argc, envc, argv, envp)


def _read_strings(line: Line) -> Strings:
    values: list[Quoted] = []
    while True:
        token = line.token()
        if token == "}":
            return Strings(tuple(values))
        if token == "...":
            _expect(line, "}")
            return Strings(tuple(values), truncated=True)
        values.append(_quoted(line, token))

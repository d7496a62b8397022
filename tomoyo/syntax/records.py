"""Reading audit and query records in every detail.

Where a record begins and ends, ``record_stream`` knows, and ``record_grammar``
what it looks like.  Logs repeat their processes, files and requests, so each
part of a record is read once and remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache, wraps
from itertools import islice
from typing import Any, BinaryIO, NoReturn, TypeVar

from ..model.domains import MAX_GROUPS, MAX_PROFILES
from ..model.entries import Entry
from ..model.errors import InvalidValueError
from ..model.profiles import Mode
from ..model.records import (
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
from ..model.words import DomainName, Quoted, domain_fault, encode_character
from .entries import read_entry, read_plain_entry
from .lines import Dropped, Effect, Line, Listener, PolicySyntaxError, Problem, Reading, Report, Source
from .record_grammar import EVENTS, HEADER, RecordText, refuse_header, split_record
from .record_stream import MAX_RECORD, QUERY_HEAD, RECORD_LINES, Piece, cut_pieces

__all__ = ["iterate_audit", "parse_audit", "parse_query", "parse_record"]

Record = TypeVar("Record")
Part = TypeVar("Part")

_BLOCK = 1 << 20
_Request = Entry | ProfileUsed | GroupUsed | FlagSet


def remembered(count: int, longest: int) -> Callable[[Callable[[str], Part]], Callable[[str], Part]]:
    """For what reads a part of a record from its text: remember the last COUNT, so that what repeats is read once.

    A text longer than LONGEST is not remembered: a hostile log is to take no more than a few megabytes.
    """

    def decorate(read: Callable[[str], Part]) -> Callable[[str], Part]:
        known = lru_cache(count)(read)
        return wraps(read)(lambda text: known(text) if len(text) <= longest else read(text))

    return decorate


def parse_audit(source: Source, *, file: str = "audit", report: Report | None = None) -> list[AuditRecord]:
    """Parse audit records.  Returns them in the order of the text.

    Arguments:
        source: text, bytes, or an iterable of lines, of which each record ends in an empty line or a NUL byte.
        file: the name to give in errors.
        report: called with each broken record's error, and reading goes on with the next record.

    Raises PolicySyntaxError for the first broken record, without a report.
    """
    return list(iterate_audit(source, file=file, report=report))


def iterate_audit(source: Source | BinaryIO, *, file: str = "audit", report: Report | None = None) -> Iterator[AuditRecord]:
    """Parse audit records one after the other.  Yields each as soon as it is whole.

    A file, or the pieces that an iterable gives, are taken as they come: the
    memory in use is that of one record, however long the log is and whatever
    it holds.

    Arguments:
        source: as in `parse_audit`, or a file opened to read bytes.
        file: the name to give in errors.
        report: called with each broken record's error, and reading goes on with the next record.

    Raises PolicySyntaxError for the first broken record, without a report.
    """
    return map(read_text, iterate_texts(source, file=file, report=report))


def iterate_texts(source: Source | BinaryIO, *, file: str = "audit", report: Report | None = None) -> Iterator[RecordText]:
    """The texts of audit records in their parts, each of which can be read; arguments and errors as in ``iterate_audit``.

    It takes a fraction of the time, for who needs a few parts of each record.
    """
    return _read(cut_pieces(_chunks(source)), _split, Listener(file, Reading.STRICT, report))


def parse_query(source: Source | BinaryIO, *, file: str = "query", report: Report | None = None) -> list[Query]:
    """Parse pending requests, as ``query`` gives them.  Returns them in the order of the text.

    Arguments:
        source: as in `iterate_audit`.
        file: the name to give in errors.
        report: called with each broken record's error, and reading goes on with the next record.

    Raises PolicySyntaxError for the first broken record, without a report.
    """
    return list(_read(cut_pieces(_chunks(source)), _read_query, Listener(file, Reading.STRICT, report)))


def parse_record(record: bytes, file: str = "audit", *, line: int = 1) -> AuditRecord:
    """RECORD, as a ``RecordCutter`` gives it, with every detail.

    LINE is the number of its first line in FILE, for errors.  Raises
    PolicySyntaxError where it cannot be read, InvalidValueError where it is not one.
    """
    return read_text(parse_text(record, file, line=line))


def parse_text(record: bytes, file: str = "audit", *, line: int = 1) -> RecordText:
    """The parts of RECORD, each of which can be read; arguments and errors as in ``parse_record``."""
    text = split_record(record.decode("latin-1")) if len(record) <= MAX_RECORD else None
    if text is not None:
        with suppress(_Refused):
            return _checked(text, 0)
    found = list(_read(cut_pieces([record]), _split, Listener(file, Reading.STRICT, None), line - 1))
    if len(found) != 1:
        raise InvalidValueError(f"expected one audit record, found {len(found)}")
    return found[0]


def is_broken(record: bytes) -> str | None:
    """Why RECORD cannot be read, in words; None where it can."""
    try:
        parse_text(record)
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
        _refuse(0, "", 0, "", f"too long for {kind}", HEADER)
    lines = piece.text.decode("latin-1").split("\n")[:-1]
    if piece.lines != count:
        # What is no record at all may have NUL bytes in a line, so that only its beginning has a place.
        index = min(len(lines) - 1, count) if lines[0][0] in "#Q" else 0
        _refuse(index, lines[index], 0, lines[index], f"expected {count} lines in {kind}, found {piece.lines}", "")
    return lines


# Splitting


def _split(piece: Piece) -> RecordText:
    """The parts of PIECE, each of which can be read."""
    text = split_record(piece.text.decode("latin-1")) if piece.lines == RECORD_LINES else None
    if text is None:
        first = piece.text.partition(b"\n")[0]
        if QUERY_HEAD.fullmatch(first):
            _refuse(0, first.decode(), 0, first.decode(), "a pending request, not an audit record", HEADER)
        _refuse_lines(_lines(piece, "an audit record", RECORD_LINES), 0)
    return _checked(text, 0)


def _read_query(piece: Piece) -> Query:
    lines = _lines(piece, "a query", 1 + RECORD_LINES)
    found = QUERY_HEAD.fullmatch(lines[0].encode("latin-1"))
    if found is None:
        _refuse(0, lines[0], 0, lines[0], "not a query", "Q<serial>-<retry>")
    text = split_record("".join(f"{line}\n" for line in lines[1:]))
    if text is None:
        _refuse_lines(lines, 1)
    return Query(int(found[1]), int(found[2]), read_text(_checked(text, 1)))


def _checked(text: RecordText, first: int) -> RecordText:
    """TEXT, which begins at the line of index FIRST, if its domain and request can be read; the request as policy has it."""
    index = first + 1
    try:
        read_domain(text.domain)
        index += 1
        request = str(read_request(text.request))
    except Dropped as dropped:
        raise _Refused(index, text.domain if index == first + 1 else text.request, dropped.problem) from None
    return text if request == text.request else text._replace(request=request)


def _refuse_lines(lines: list[str], first: int) -> NoReturn:
    """Say what is wrong with the record whose lines begin at index FIRST."""
    checks: list[Callable[[Line], object]] = [
        refuse_header,
        lambda line: read_domain(line.text),
        lambda line: read_request(line.text),
    ]
    for index, check in enumerate(checks, first):
        line = Line(lines[index])
        try:
            _check_bytes(line)
            check(line)
        except Dropped as dropped:
            raise _Refused(index, line.text, dropped.problem) from None
    _refuse(first, lines[first], 0, lines[first], "not a record", HEADER)


def _check_bytes(line: Line) -> None:
    """A kernel writes printable ASCII alone; a log may hold anything."""
    text = line.text
    if not (text.isascii() and text.isprintable()):
        offset = next(offset for offset, byte in enumerate(text) if not " " <= byte <= "~")
        line.drop(offset, text[offset], "a kernel writes no such byte", encode_character(text[offset]))


# Reading


def read_text(text: RecordText) -> AuditRecord:
    """The record that TEXT says."""
    credentials, attributes = read_details(text.details)
    return AuditRecord(
        read_time(text.time),
        int(text.profile),
        Mode(text.mode),
        text.granted == "yes",
        int(text.global_pid),
        Task(int(text.pid), int(text.ppid), *credentials),
        read_domain(text.domain),
        read_request(text.request),
        **attributes,
    )


def text_of(record: AuditRecord | RecordText) -> RecordText:
    """RECORD as text."""
    return record if isinstance(record, RecordText) else parse_text(str(record).encode())


@remembered(64, 64)
def read_time(text: str) -> Timestamp:
    """The moment that TEXT says."""
    date, _, time = text.partition(" ")
    return Timestamp(*map(int, date.split("/")), *map(int, time.split(":")))


@remembered(4096, 600)
def read_domain(text: str) -> DomainName:
    """The domain that TEXT names.  Raises Dropped."""
    fault = domain_fault(text)
    if fault is not None:
        Line(text).drop(fault.offset, text, fault.reason, "a domain name")
    return DomainName(text)


@remembered(4096, 600)
def read_request(text: str) -> _Request:
    """The request or event that TEXT says.  Raises Dropped."""
    plain = read_plain_entry(text)
    if plain is not None:
        return plain
    line = Line(text)
    if text.startswith(EVENTS):
        return _read_event(line)
    entry = read_entry(line)
    if line.problems:
        raise Dropped(line.problems[0])
    return entry


def _read_event(line: Line) -> ProfileUsed | GroupUsed | FlagSet:
    profile = line.take("use_profile ")
    if not profile and not line.take("use_group "):
        try:
            return FlagSet(line.text)
        except ValueError:
            line.drop(0, line.text, "not an event", " or ".join(EVENTS[2:]))
    limit = MAX_PROFILES if profile else MAX_GROUPS
    if not re.fullmatch("0|[1-9][0-9]{0,4}", line.rest) or int(line.rest) >= limit:
        line.drop(line.position, line.rest, "out of range", f"0 to {limit - 1}")
    return ProfileUsed(int(line.rest)) if profile else GroupUsed(int(line.rest))


@remembered(4096, 600)
def read_details(details: str) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Who a process runs as, and the attributes of an ``AuditRecord`` by their names, from what the grammar took for DETAILS."""
    files, executes, execution = details.partition(" exec={ ")
    tokens = iter(files.split(" "))
    credentials = tuple(int(_value(token)) for token in islice(tokens, 8))
    found: dict[str, Any] = {"execution": read_execution(execution)} if executes else {}
    next(tokens)
    for token in tokens:
        name = token.partition("=")[0]
        if name == "symlink.target":
            found["symlink_target"] = Quoted(_value(token)[1:-1])
        elif name.endswith(".parent"):
            found[name.replace(".", "_")] = _read_parent(tokens)
        else:
            found[name] = _read_file(tokens)
    return credentials, found


def _value(token: str) -> str:
    return token.partition("=")[2]


def _block(tokens: Iterator[str]) -> list[str]:
    """The values up to the next closing brace."""
    return [_value(token) for token in iter(tokens.__next__, "}")]


def _read_file(tokens: Iterator[str]) -> FileAttributes:
    uid, gid, inode, major, minor, perm, kind, *device = _block(tokens)
    return FileAttributes(int(uid), int(gid), int(inode), int(major), int(minor), int(perm, 8), kind, *map(int, device))


def _read_parent(tokens: Iterator[str]) -> ParentAttributes:
    uid, gid, inode, perm = _block(tokens)
    return ParentAttributes(int(uid), int(gid), int(inode), int(perm, 8))


@remembered(512, 8000)
def read_execution(text: str) -> Execution:
    """What was executed, from what the grammar took for it: TEXT is what stands behind ``exec={``."""
    tokens = iter(text.split(" "))
    realpath, argc, envc = (_value(token) for token in islice(tokens, 3))
    next(tokens)
    argv = _read_strings(tokens)
    if next(tokens) == "envp[]=":  # as the kernel writes it where it could not read them
        return Execution(Quoted(realpath[1:-1]), int(argc), int(envc), None, None)
    return Execution(Quoted(realpath[1:-1]), int(argc), int(envc), argv, _read_strings(tokens))


def _read_strings(tokens: Iterator[str]) -> Strings:
    values = list(iter(tokens.__next__, "}"))
    truncated = values[-1:] == ["..."]
    return Strings(tuple(Quoted(value[1:-1]) for value in (values[:-1] if truncated else values)), truncated)

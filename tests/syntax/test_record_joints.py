"""One grammar: a sequence of records is the same sequence to all that read one, however the records are joined."""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tomoyo
from tests.seeds import rounds
from tomoyo.audit.notification import Command, Notifier, notify_of_stream
from tomoyo.audit.recorder import Recorder, record_chunks
from tomoyo.cli import main
from tomoyo.kernel.signals import SignalPipe
from tomoyo.query.dialogue import read_request
from tomoyo.report.plain import plain
from tomoyo.report.record_lines import record_line
from tomoyo.syntax.record_grammar import outline
from tomoyo.syntax.record_stream import RecordCutter, cut_records
from tomoyo.syntax.records import parse_record

FOLDER = Path(__file__).parents[1] / "data" / "records"
AUDIT = [record for record in (FOLDER / "audit.log").read_bytes().split(b"\0") if record]
QUERIES = [query for query in (FOLDER / "query.txt").read_bytes().split(b"\0") if query]
seeds = st.integers(0, 2**32)

#: What may stand between two records; the first few are what kernels and log daemons put there.
JOINTS = (b"\0", b"\n", b"", b"\n\0", b"\0\n", b"\0\0\0", b"\n\n\n", b"\r\n", b" \n\t\n", b"\r\n\0\r\n")
#: What may stand there as well, and is reported.
GARBAGE = (
    *(b"-- MARK --\n", b"\n\xff\xfe\0", b"x\n" * 100, b"\0nonsense\0", b"#2026/11/23 22:10:53# profile=\n", b"# comment\n\n"),
    *(b"<kernel> /bin/sh\n", b"file read /etc/passwd\n", b"#2026/1", b"Q\n", b"Q1-2x\n", b"\n" + b"y" * 300_000 + b"\n"),
    b"z\0" * 300,
)


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """DATA in pieces of any size."""
    found = []
    while data:
        size = chance.choice((1, 2, 7, 100, 5000, 1 << 20))
        found.append(data[:size])
        data = data[size:]
    return found


def joined(records: list[bytes], chance: random.Random, garbage: bool) -> tuple[bytes, int]:
    """RECORDS in one stream, and how many pieces of GARBAGE at least are among them."""
    stream = b""
    dirt = 0
    for record in records:
        stream += record.replace(b"\n", b"\r\n") if chance.random() < 0.2 else record
        stream += chance.choice(JOINTS)
        if garbage and chance.random() < 0.3:
            # Without an end before it, it would be a line too many of the record; without one behind it, part of the next line.
            stream += chance.choice((b"\n", b"\0")) + chance.choice(GARBAGE) + chance.choice((b"\n", b"\0", b"\n\n"))
            dirt += 1
    if chance.random() < 0.3 and not garbage:
        stream = stream.rstrip(b"\0\r\n \t")
    return stream, dirt


def by_recorder(chunks: Iterable[bytes], form: Callable[[bytes], bytes]) -> list[bytes]:
    """What a recorder makes of CHUNKS."""

    class Kept:
        waiting: list[bytes] = []  # noqa: RUF012

        def __init__(self) -> None:
            self.records: list[bytes] = []

        def write(self, records: list[bytes] | None = None) -> None:
            self.records += records or []

        def reopen(self) -> None:
            """There is nothing to open."""

    kept = Kept()
    record_chunks(chunks, Recorder(kept, None, form, lambda _: None))
    return kept.records


def by_notifier(stream: bytes) -> int:
    """How many records a notifier finds in STREAM."""

    notifier = Notifier(Command(["false"]), 60.0, lambda _: False, lambda _: None)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(stream)
        os._exit(0)
    os.close(writing)
    with SignalPipe() as signals:
        notify_of_stream(reading, notifier, signals)
    os.close(reading)
    os.waitpid(pid, 0)
    return notifier.read - notifier.broken


@pytest.mark.parametrize("garbage", [False, True], ids=["clean", "garbage"])
@settings(max_examples=rounds(50))
@given(seed=seeds)
def test_records_are_the_same_to_every_reader(garbage: bool, seed: int) -> None:
    chance = random.Random(seed)
    records = [chance.choice(AUDIT) for _ in range(chance.randint(1, 6))]
    expected = [parse_record(record) for record in records]
    stream, dirt = joined(records, chance, garbage)
    errors: list[tomoyo.PolicySyntaxError] = []
    assert tomoyo.parse_audit(stream, report=errors.append) == expected
    assert len(errors) >= dirt
    assert len(errors) == 0 or garbage
    lines = stream.split(b"\n")
    assert all(1 <= error.line <= len(lines) for error in errors)
    assert tomoyo.parse_audit(stream.decode("latin-1"), report=lambda _: None) == expected
    assert list(tomoyo.iterate_audit(io.BytesIO(stream), report=lambda _: None)) == expected
    assert list(tomoyo.iterate_audit(pieces(stream, chance), report=lambda _: None)) == expected
    cutter = RecordCutter()
    cut = [(record, line) for chunk in pieces(stream, chance) for record, line in zip(cutter.feed(chunk), cutter.lines)]
    cut += zip(cutter.close(), cutter.lines)
    found = [(record, line) for record, line in cut if outline(record)]
    assert [record for record, _ in found] == records
    assert [lines[line - 1].rpartition(b"\0")[2].rstrip(b"\r") for _, line in found] == [r.split(b"\n")[0] for r in records]
    assert by_recorder(pieces(stream, chance), bytes) == records
    assert by_recorder([stream], record_line) == [record_line(record) for record in records]


@pytest.mark.parametrize("garbage", [False, True], ids=["clean", "garbage"])
@settings(max_examples=rounds(50))
@given(seed=seeds)
def test_queries_are_the_same_to_every_reader(garbage: bool, seed: int) -> None:
    chance = random.Random(seed)
    queries = [chance.choice(QUERIES) for _ in range(chance.randint(1, 4))]
    expected = [tomoyo.parse_query(query)[0] for query in queries]
    stream, _ = joined(queries, chance, garbage)
    assert tomoyo.parse_query(stream, report=lambda _: None) == expected
    assert tomoyo.parse_query(pieces(stream, chance), report=lambda _: None) == expected
    for query, parsed in zip(queries, expected):
        request = read_request(query + b"\0", 0.0)
        assert request is not None
        assert (request.serial, request.retry, request.record) == (parsed.serial, parsed.retry, parsed.record)
    # To a reader of audit records each is something else, and costs no record.
    record = chance.choice(AUDIT)
    assert tomoyo.parse_audit(stream + b"\n" + record, report=lambda _: None)[-1:] == [parse_record(record)]


@pytest.mark.parametrize("joint", JOINTS)
def test_the_commands_read_the_same(joint: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [parse_record(record) for record in AUDIT]
    stream = joint.join(AUDIT) + joint
    for data in (stream, stream.replace(b"\r", b"").replace(b"\n", b"\r\n"), b"-- MARK --\n" + stream):
        log = tmp_path / "log"
        log.write_bytes(data)
        assert main(["audit", str(log)]) == 0
        assert capsys.readouterr().out == "".join(f"{record}\n" for record in expected)
        assert main(["audit", "--json", str(log)]) == 0
        # What is no record is told in a line of its own.
        shown = [found for line in capsys.readouterr().out.splitlines() if (found := json.loads(line)["result"]) is not None]
        assert shown == json.loads(json.dumps([plain(record) for record in expected]))
        outputs = []
        canonical = tmp_path / "canonical"
        canonical.write_bytes(b"".join(record + b"\0" for record in AUDIT))
        for file in (log, canonical):
            assert main(["convert", str(file)]) == 0
            outputs.append(capsys.readouterr().out)
            assert main(["suggest", "--json", str(file)]) == 0
            outputs.append(json.loads(capsys.readouterr().out)["result"])
        assert outputs[:2] == outputs[2:]
        assert by_notifier(data) == len(AUDIT)


def test_what_stands_behind_a_record_is_reported_in_its_place() -> None:
    errors: list[tomoyo.PolicySyntaxError] = []
    text = AUDIT[0] + b"file read /x\n" + AUDIT[1]
    assert tomoyo.parse_audit(text, file="log", report=errors.append) == [parse_record(AUDIT[1])]
    assert [str(error) for error in errors] == ["log:4:1: expected 3 lines in an audit record, found 4: 'file read /x'"]
    with pytest.raises(tomoyo.PolicySyntaxError, match="found 4"):
        parse_record(AUDIT[0] + b"file read /x\n")
    with pytest.raises(ValueError, match="expected one audit record, found 2"):
        parse_record(AUDIT[0] + AUDIT[1])
    with pytest.raises(ValueError, match="a pending request, not an audit record"):
        tomoyo.parse_audit(QUERIES[0])


def test_a_command_says_where_a_log_is_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_bytes(AUDIT[0] + b"\n" + AUDIT[1][:60] + b"\n" + AUDIT[2])
    for command in ("audit", "convert", "suggest"):
        assert main([command, str(log)]) == 0
        told = capsys.readouterr().err
        assert "log:5:" in told or "(line 5)" in told
        assert "expected 3 lines in an audit record, found 1" in told


#: What would take hours if any of it was read again and again.
HOSTILE = {
    "headers and NULs": b"#2026/\0" * 150_000,
    "headers": b"#2026/" * 200_000,
    "headers and newlines": b"#2026/\n" * 50_000,
    "halves of records": b"#2026/\n<k>\n" * 50_000,
    "damaged records": b"#2026/\n<k>\na\0\n\n" * 20_000,
    "carriage returns": b"\r" * 1_000_000,
    "NULs and carriage returns": b"\0\r" * 100_000,
    "empty lines": b"\n" * 200_000,
    "queries": b"Q1-1\n" * 50_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("size", [3, 1 << 20])
def test_reading_is_linear(text: bytes, size: int) -> None:
    chunks = (text[start : start + size] for start in range(0, len(text), size))
    *_, last = cut_records([*chunks, b"\n\n", AUDIT[0]])
    assert last == AUDIT[0]

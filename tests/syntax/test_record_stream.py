"""Streams of records: cut wherever they are cut, and read without a full parse."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tomoyo.model.entries import Entry, Kind
from tomoyo.syntax.record_grammar import Glance, glance, outline
from tomoyo.syntax.record_stream import MAX_RECORD, RecordCutter, cut_records
from tomoyo.syntax.records import is_broken, parse_record

AUDIT = (Path(__file__).parents[1] / "data" / "records" / "audit.log").read_bytes()
RECORDS = AUDIT.split(b"\0")[:-1]


def pieces(data: bytes, draw: random.Random) -> list[bytes]:
    """DATA in pieces of any size."""
    found = []
    while data:
        size = draw.choice((1, 2, 7, 100, 5000))
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.mark.parametrize("end", [b"\0", b"\n", b"\n\0\n", b"\0\0\n\n"], ids=["kernel", "daemon", "both", "several"])
def test_records_come_out_whole_however_they_are_cut(end: bytes, draw: random.Random) -> None:
    stream = b"".join(record + end for record in RECORDS)
    assert list(cut_records(pieces(stream, draw))) == RECORDS


def test_the_last_record_needs_no_end() -> None:
    cutter = RecordCutter()
    assert cutter.feed(RECORDS[0].rstrip(b"\n")) == []
    assert cutter.close() == [RECORDS[0]]
    assert cutter.close() == []


def test_a_record_that_was_cut_off_costs_no_other() -> None:
    damaged = RECORDS[0][:50] + b"\n" + RECORDS[1] + b"\0" + RECORDS[2] + b"\0"
    found = list(cut_records([damaged]))
    assert found == [RECORDS[0][:50] + b"\n", RECORDS[1], RECORDS[2]]
    assert [outline(record) is None for record in found] == [True, False, False]


def test_a_stream_without_ends_takes_no_memory_and_ends_nothing_else() -> None:
    cutter = RecordCutter()
    for _ in range(64):
        assert cutter.feed(b"x" * (MAX_RECORD // 2)) == []
    assert cutter.feed(b"x\n\n" + RECORDS[0] + b"\n") == [RECORDS[0]]
    assert cutter.oversized == 1


@pytest.mark.parametrize("record", RECORDS)
def test_an_outline_says_what_the_record_does(record: bytes) -> None:
    parsed, found = parse_record(record), outline(record)
    assert found is not None
    assert (found.profile, found.mode, found.granted) == (parsed.profile, parsed.mode.value, parsed.granted)
    assert (found.domain, found.request) == (str(parsed.domain), str(parsed.request))
    assert found.event is not isinstance(parsed.request, Entry)
    seen = Glance.GRANTED if found.granted else Glance.EVENT if found.event else Glance.DENIED
    assert glance(record) is seen
    if isinstance(parsed.request, Entry):
        assert set(parsed.request.operations) <= set(found.operations)
        names = [str(argument) for argument in parsed.request.arguments]
        assert set(found.paths) <= set(names)
        if parsed.request.kind in (Kind.PATH, Kind.PATH_NUMBER, Kind.UNIX_STREAM):
            assert found.paths == (names[0],)
        if parsed.request.kind is Kind.TWO_PATHS:
            assert found.paths == tuple(names)


def test_operations_have_several_names() -> None:
    head, _, _ = RECORDS[0].partition(b"\n")
    record = head + b"\n<kernel> /x\nnetwork inet stream bind 127.0.0.1 80\n"
    found = outline(record)
    assert found is not None
    assert found.operations == ("network", "bind", "inet_stream_bind")
    assert found.paths == ()


BROKEN = {
    "empty": b"\n",
    "noise": b"\x00\xff\n",
    "no request": b"\n".join(RECORDS[0].split(b"\n")[:2]) + b"\n",
    "a line too many": RECORDS[0] + b"file read /x\n",
    "another's bytes": RECORDS[0].replace(b"/", b"\xc3\xa9/"),
    "an escape": RECORDS[0].replace(b"/", b"\x1b[31m/"),
    "no header": b"x\n" + RECORDS[0].partition(b"\n")[2],
}


@pytest.mark.parametrize("record", BROKEN.values(), ids=BROKEN)
def test_what_is_no_record_has_no_outline_and_a_reason(record: bytes) -> None:
    assert outline(record) is None
    assert glance(record) is Glance.BROKEN
    assert is_broken(record)
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        parse_record(record)


def test_damaged_records_are_never_a_crash(draw: random.Random) -> None:
    for record in RECORDS * 20:
        damaged = bytearray(record)
        for _ in range(draw.randint(1, 5)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        for piece in cut_records(pieces(bytes(damaged), draw)):
            outline(piece)
            is_broken(piece)

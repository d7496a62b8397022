"""Records as a kernel wrote them, and records that are broken."""

from __future__ import annotations

import io
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

import tomoyo
from tomoyo import PolicySyntaxError
from tomoyo.syntax.formatting import format_query

FOLDER = Path(__file__).parents[1] / "data" / "records"
AUDIT = (FOLDER / "audit.log").read_bytes()
QUERY = (FOLDER / "query.txt").read_bytes()
RECORD = next(record for record in AUDIT.decode().split("\0") if " exec={" in record)


def test_records_round_trip() -> None:
    records = tomoyo.parse_audit(AUDIT)
    assert len(records) == AUDIT.count(b"\0")
    assert tomoyo.format_audit(records).encode() == AUDIT
    queries = tomoyo.parse_query(QUERY)
    assert format_query(queries).encode() == QUERY


def test_every_part_of_a_record_is_read() -> None:
    records = tomoyo.parse_audit(AUDIT)
    requests = {type(record.request).__name__ for record in records}
    assert requests == {"Entry", "ProfileUsed"}
    assert any(record.symlink_target for record in records)
    assert any(record.path2_parent for record in records)
    assert any(record.path1 and record.path1.dev_minor is not None for record in records)
    executed = [record.execution for record in records if record.execution]
    assert any(execution.argv and execution.argv.values for execution in executed)
    assert [query.serial for query in tomoyo.parse_query(QUERY)] == [0, 1, 2]
    query = tomoyo.parse_query(QUERY)[1].record
    assert str(query.request).startswith("file execute /usr/bin/")
    assert (query.mode, query.granted) == (tomoyo.Mode.ENFORCING, False)


def test_a_log_with_blank_lines_between_records_is_the_same() -> None:
    assert tomoyo.parse_audit(AUDIT.replace(b"\0", b"\n")) == tomoyo.parse_audit(AUDIT)


def test_a_log_is_read_in_pieces() -> None:
    records = tomoyo.parse_audit(AUDIT)
    assert list(tomoyo.iterate_audit(io.BytesIO(AUDIT))) == records
    for size in (1, 7, 1000):
        pieces = [AUDIT[start : start + size] for start in range(0, len(AUDIT), size)]
        assert list(tomoyo.iterate_audit(pieces)) == records


class Endless(io.RawIOBase):
    """PIECE, again and again, up to a GIGABYTE."""

    def __init__(self, piece: bytes, length: int = 1 << 30) -> None:
        self.piece = piece
        self.left = length // len(piece)

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        return self.piece if self.left >= 0 else b""


@pytest.mark.parametrize(
    ("piece", "length", "wrong"),
    [
        (b"x" * (1 << 20), 1 << 30, 1),
        (bytes(1 << 20), 1 << 30, 0),
        (b"\xff\n" * 50_000, 1_000_000, 1),
        (b"\xff\n\n" * 1000, 30_000, 10_000),
        (RECORD[:-40].encode() + b"\n\0", 2_000_000, None),
    ],
)
def test_any_log_is_read_in_constant_memory(piece: bytes, length: int, wrong: int | None) -> None:
    errors = Counter[str]()
    tracemalloc.start()
    try:
        records = tomoyo.iterate_audit(Endless(piece, length), report=lambda error: errors.update([error.message]))
        assert sum(1 for _ in records) == 0
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert sum(errors.values()) == (length // len(piece) if wrong is None else wrong)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("profile=", "profil=", 1, "profile="),
        ("granted=yes", "granted=maybe", 1, "yes or no"),
        ("mode=learning", "mode=teaching", 1, "disabled, learning, permissive or enforcing"),
        ("task={ ", "task={", 1, "task={"),
        ("uid=0", "uid=root", 1, "a number"),
        ("uid=0", "uid=00", 1, "not as the kernel prints numbers"),
        ("type=file", "type=door", 1, "no file type"),
        (" argc=", " argc=99999999999999999999999", 1, "not a number"),
        ("exec={", "exek={", 1, "not expected in a record"),
        ("\n<kernel>", "\nkernel", 2, "a domain name"),
        ("\nfile execute", "\nfile run", 3, "unknown file operation"),
        ("\nfile execute", "\n\nfile execute", 2, "expected 3 lines in an audit record, found 2"),
        ("\n<kernel>", "\n<kernel>\n<kernel>", 4, "expected 3 lines in an audit record, found 4"),
        ("#2026", "2026", 1, "not a record"),
    ],
)
def test_a_broken_record_is_told_and_skipped(old: str, new: str, line: int, message: str) -> None:
    record = RECORD.replace("granted=no", "granted=yes")
    assert old in record
    errors: list[PolicySyntaxError] = []
    good = f"{RECORD}\0"
    found = tomoyo.parse_audit(f"{good}{record.replace(old, new, 1)}\0{good}", report=errors.append)
    assert found == tomoyo.parse_audit(good * 2)
    assert errors
    # The record begins on the line that the one before it ends on.
    assert errors[0].line == 3 + line
    assert message in errors[0].explanation


def test_without_a_report_the_first_is_raised() -> None:
    with pytest.raises(PolicySyntaxError, match="expected 3 lines in an audit record, found 1"):
        tomoyo.parse_audit("nonsense\n\n\n\0")

"""The dialogue about waiting requests, without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

import tomoyo
from tomoyo.query.dialogue import KEEP_ALIVE, NOTHING, Answer, Arrived, Event, Gone, QueryDialogue, read_request, same_question
from tomoyo.query.session import learned_entry

READS = [data + b"\0" for data in (Path(__file__).parents[1] / "data" / "records" / "query.txt").read_bytes().split(b"\0")[:-1]]
RECORDS = tomoyo.parse_audit((Path(__file__).parents[1] / "data" / "records" / "audit.log").read_bytes())


def asked(serial: int, retry: int = 0) -> bytes:
    """A request as the kernel writes it."""
    return b"Q%d-%d\n" % (serial, retry) + READS[0].partition(b"\n")[2]


def arrived(events: list[Event]) -> list[int]:
    assert all(isinstance(event, Arrived) for event in events)
    return [event.request.serial for event in events]


def test_each_request_arrives_once() -> None:
    dialogue = QueryDialogue()
    assert arrived(dialogue.receive([asked(5), asked(6)], 0.0)) == [5, 6]
    assert dialogue.receive([asked(5), asked(6)], 0.1) == []
    assert arrived(dialogue.receive([asked(6), asked(7)], 0.2)) == [7]
    assert [request.serial for request in dialogue.pending] == [5, 6, 7]


def test_a_request_says_what_it_is() -> None:
    dialogue = QueryDialogue()
    dialogue.receive(READS, 0.0)
    for request, query in zip(dialogue.pending, tomoyo.parse_query(b"".join(READS))):
        assert (request.serial, request.retry, request.record) == (query.serial, query.retry, query.record)
        assert request.outline is not None
        assert request.outline.request == str(query.record.request)


def test_an_answer_ends_a_request_and_is_written_once() -> None:
    dialogue = QueryDialogue()
    dialogue.receive([asked(5), asked(6), asked(7)], 0.0)
    assert dialogue.answer(6, Answer.GRANT, 1.0) == b"A6=1\n"
    assert dialogue.answer(6, Answer.GRANT, 1.0) == b""
    assert dialogue.answer(99, Answer.GRANT, 1.0) == b""
    assert dialogue.answer(5, Answer.RETRY, 1.0) == b"A5=3\n"
    assert dialogue.answer_all(Answer.DENY, 1.0) == b"A7=2\n"
    assert dialogue.pending == []


def test_an_answered_request_in_the_next_pass_is_not_asked_about_again() -> None:
    dialogue = QueryDialogue()
    dialogue.receive([asked(5)], 0.0)
    dialogue.answer(5, Answer.GRANT, 1.0)
    assert dialogue.receive([asked(5), asked(6)], 1.0) == [Arrived(dialogue.pending[0])]
    assert dialogue.pending[0].serial == 6


def test_a_request_that_a_pass_leaves_out_is_not_gone_yet() -> None:
    dialogue = QueryDialogue()
    dialogue.receive([asked(5), asked(6)], 0.0)
    assert dialogue.receive([asked(6)], 0.1) == []
    assert dialogue.receive([asked(5), asked(6)], 0.2) == []
    assert dialogue.receive([asked(6)], 0.3) == []
    (gone,) = dialogue.receive([asked(6)], 0.4)
    assert isinstance(gone, Gone)
    assert gone.request.serial == 5
    assert dialogue.answer(5, Answer.GRANT, 0.5) == b""


def test_the_kernel_is_kept_waiting_while_anything_waits() -> None:
    dialogue = QueryDialogue()
    assert dialogue.keep_alive(100.0) == b""
    dialogue.receive([asked(5)], 100.0)
    written = []
    for tenth in range(1000, 1300):
        dialogue.receive([asked(5)], tenth / 10)
        if data := dialogue.keep_alive(tenth / 10):
            assert data == NOTHING
            written.append(tenth / 10)
    gaps = [after - before for before, after in zip([100.0, *written], [*written, 130.0])]
    assert max(gaps) <= KEEP_ALIVE + 0.2
    assert len(written) <= 30 / KEEP_ALIVE
    dialogue.answer(5, Answer.DENY, 130.0)
    assert dialogue.keep_alive(200.0) == b""


def test_a_request_is_overdue_when_patience_ends() -> None:
    dialogue = QueryDialogue(patience=60.0)
    dialogue.receive([asked(5)], 0.0)
    dialogue.receive([asked(5), asked(6)], 50.0)
    assert dialogue.overdue(60.0) == []
    assert [request.serial for request in dialogue.overdue(61.0)] == [5]
    assert QueryDialogue().overdue(1e9) == []


@pytest.mark.parametrize(
    "data",
    [
        b"Q5-0\n",
        b"Q5-0\nnonsense\0",
        asked(5).replace(b"/", b"\xff/"),
        asked(5).replace(b"\nfile", b"\n\nfile"),
        asked(5)[:-30] + b"\0",
    ],
    ids=["empty", "nonsense", "bytes", "lines", "truncated"],
)
def test_a_broken_request_can_only_be_denied(data: bytes) -> None:
    dialogue = QueryDialogue()
    (event,) = dialogue.receive([data], 0.0)
    assert isinstance(event, Arrived)
    if data != asked(5)[:-30] + b"\0":  # a shorter name is a name
        assert (event.request.record, event.request.outline) == (None, None)
    assert dialogue.answer(5, Answer.DENY, 0.0) == b"A5=2\n"


@pytest.mark.parametrize("data", [b"", b"\0", b"nonsense", b"Q-1\n", b"Qx-0\n", b"\xff" * 100], ids=repr)
def test_what_is_no_request_is_passed_over(data: bytes) -> None:
    assert QueryDialogue().receive([data], 0.0) == []


def test_a_request_is_recognised_when_it_is_asked_again() -> None:
    first, again = read_request(asked(5), 0.0), read_request(asked(9, 1), 3.0)
    other = read_request(asked(9, 1).replace(b" uid=", b" uid=1"), 3.0)
    assert first is not None
    assert again is not None
    assert other is not None
    assert same_question(first, again)
    assert not same_question(first, other)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.request))
def test_what_would_be_learned(record: tomoyo.AuditRecord) -> None:
    entry = learned_entry(record)
    if not isinstance(record.request, tomoyo.Entry):
        assert entry is None
        return
    conditions = []
    if record.execution is not None and record.request.operations == ("execute",):
        assert record.execution.argv is not None
        conditions = [f"exec.realpath={record.execution.realpath}", f"exec.argv[0]={record.execution.argv.values[0]}"]
    if record.symlink_target is not None and record.request.operations == ("symlink",):
        conditions = [f"symlink.target={record.symlink_target}"]
    assert str(entry) == " ".join([str(record.request), *conditions])

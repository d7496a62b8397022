"""One grammar of records: all readers agree, and what they remember changes nothing."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tomoyo
from tests.seeds import rounds
from tomoyo.analysis.conversion import converted, execution_conditions, request_conditions
from tomoyo.analysis.replay import replay, replay_texts
from tomoyo.decision.engine import DecisionEngine
from tomoyo.model.entries import Entry
from tomoyo.suggestion.suggestions import Suggestions
from tomoyo.syntax.lines import Dropped, Line
from tomoyo.syntax.record_grammar import RecordText, outline, outline_of, refuse_header, split_record
from tomoyo.syntax.records import iterate_texts, parse_record, parse_text, read_text

AUDIT = (Path(__file__).parents[1] / "data" / "records" / "audit.log").read_bytes()
RECORDS = AUDIT.split(b"\0")[:-1]
PIECES = [
    b"0",
    b"7",
    b" ",
    b"=",
    b"{",
    b"}",
    b'"',
    b"\\",
    b"\\*",
    b"\\040",
    b"/",
    b"\n",
    b"-",
    b"<",
    b">",
    b"@",
    b"uid",
    b"...",
    b"00",
]
seeds = st.integers(0, 2**32)


def damaged(record: bytes, chance: random.Random) -> bytes:
    """RECORD with a few changes of any kind."""
    for _ in range(chance.randint(0, 3)):
        place = chance.randrange(len(record) + 1)
        other = chance.randrange(len(record) + 1)
        record = (
            record[:place]
            + chance.choice((chance.choice(PIECES), b"", record[other : other + 20]))
            + record[place + chance.choice((0, 1, 1, 4)) :]
        )
    return record


@settings(max_examples=rounds(150))
@given(seed=seeds)
def test_all_readers_agree(seed: int) -> None:
    chance = random.Random(seed)
    record = damaged(chance.choice(RECORDS), chance)
    told = outline(record)
    header = record.decode("latin-1").partition("\n")[0]
    rest = "\n<kernel>\nfile read /x\n"
    try:
        refuse_header(Line(header))
    except Dropped:
        assert split_record(header + rest) is None
    else:
        assert split_record(header + rest) is not None or not header.isprintable()
    try:
        parsed = parse_record(record)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
            parse_text(record)
        return
    text = parse_text(record)
    assert read_text(text) == parsed
    assert told is not None
    assert (told.profile, told.mode, told.granted) == (parsed.profile, parsed.mode.value, parsed.granted)
    assert (told.domain, told.event) == (parsed.domain.text, not isinstance(parsed.request, Entry))
    assert outline_of(text) == outline(str(parsed).encode())
    assert parse_record(str(parsed).encode()) == parsed


@pytest.mark.parametrize("digits", [5, 9, 10, 5000])
def test_a_year_of_many_digits_is_no_crash(digits: int) -> None:
    record = RECORDS[0].replace(b"#2026/", b"#" + b"9" * digits + b"/", 1)
    errors: list[tomoyo.PolicySyntaxError] = []
    assert len(tomoyo.parse_audit(record, report=errors.append)) == (digits < 10)
    assert len(errors) == (digits >= 10)


# What is remembered

#: Records that differ in a part alone that is not looked at for most requests, or in one that some condition looks at.
VARIED = (
    (rb"pid=\d+", b"pid=%d", 5),
    (rb"global-pid=\d+", b"global-pid=%d", 5),
    (rb"(?<= )uid=\d+", b"uid=%d", 3),
    (rb"ino=\d+", b"ino=%d", 4),
    (rb"(?<=\d\d:)\d\d#", b"1%d#", 9),
    (rb"granted=[a-z]+", None, 0),
    (rb'(?<=")[^" ]*(?=")', b"word%d", 4),
)
POLICY = (
    "use_profile 3\nfile getattr /\\*\\*\\*\nfile getattr 9p:/usr/\\*/\\* task.pid=1-3\nfile read /etc/\\* task.uid=0-1\n"
    "file read/write/getattr /\\{\\*\\}/\\* path1.ino=0-2\nfile execute /usr/bin/\\* exec.argc=1-3\nfile rename \\* \\*\n"
    'file execute /usr/bin/\\* exec.argv[0]="word\\$"\nfile symlink \\* symlink.target="word\\$"\nfile mount \\* \\* \\* 0-9\n'
    "misc env \\* task.ppid=0-2\nmisc env P\\*\nnetwork inet stream connect 127.0.0.0-127.0.0.255 0-65535 task.uid=2\n"
)


def varied_log(chance: random.Random) -> bytes:
    """Records of a few kinds, again and again with small differences, some of them damaged."""
    few = [chance.choice(RECORDS) for _ in range(6)]
    found = []
    for _ in range(40):
        record = chance.choice(few)
        for pattern, form, most in VARIED:
            if chance.random() < 0.4:
                value = form % chance.randrange(most) if form else chance.choice((b"granted=yes", b"granted=no"))
                record = re.sub(pattern, lambda _, value=value: value, record)  # type: ignore[misc]
        if chance.random() < 0.05:
            record = record.replace(b" exec={", b"").replace(b"path1={", b'exec={ realpath="/x" argc=1 path1={')
        found.append(damaged(record, chance) if chance.random() < 0.1 else record)
    return b"\0".join(found)


def engine(log: bytes) -> DecisionEngine:
    """The engine for a policy with conditions of many sorts in some of the domains of LOG."""
    domains = sorted({record.domain.text for record in tomoyo.parse_audit(log, report=lambda _: None)})
    return DecisionEngine(tomoyo.parse_domain_policy("".join(f"{name}\n{POLICY}\n" for name in ["<kernel>", *domains[::2]])))


@settings(max_examples=rounds(60))
@given(seed=seeds)
def test_what_is_remembered_changes_no_answer(seed: int) -> None:
    log = varied_log(random.Random(seed))
    texts = list(iterate_texts(log, report=lambda _: None))
    records = tomoyo.parse_audit(log, report=lambda _: None)
    assert records == [alone(text) for text in texts]
    asked = engine(log)
    found = list(replay_texts(asked, texts))
    assert [(outcome, verdict) for _, outcome, verdict in found] == [(one.outcome, one.verdict) for one in replay(asked, records)]
    one, other = Suggestions(), Suggestions()
    for text, record in zip(texts, records):
        one.add_text(text)
        other.add(record)
        for conditions in (request_conditions, execution_conditions):
            assert converted(text, conditions) == converted(record, conditions)
    assert one.suggestions() == other.suggestions()


def alone(text: RecordText) -> tomoyo.AuditRecord:
    """What TEXT says, read as a record of its own."""
    header = f"#{text.time}# profile={text.profile} mode={text.mode} granted={text.granted} (global-pid={text.global_pid})"
    process = f"task={{ pid={text.pid} ppid={text.ppid} {text.details}"
    (record,) = tomoyo.parse_audit(f"{header} {process}\n{text.domain}\n{text.request}\n")
    return record


def test_conditions_are_those_of_the_record() -> None:
    for record in map(parse_record, RECORDS):
        if isinstance(record.request, Entry):
            expected = [f"task.{test}" for test in str(record.task).split(" ")]
            for name in ("path1", "path1_parent", "path2", "path2_parent"):
                if (attributes := getattr(record, name)) is not None:
                    expected += [f"{name.replace('_', '.')}.{test}" for test in str(attributes).split(" ")]
            assert request_conditions(record)[: len(expected)] == expected

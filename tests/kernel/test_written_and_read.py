"""What is written is read again as it was, whatever names the kernel tells of: rules, logs, policies, states, names.

Names are of any bytes that a file's name may have; what goes by spaces, quotes, ``#``, ``@`` or lines is among them often.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.seeds import rounds
from tomoyo.analysis.record_filter import RecordFilter
from tomoyo.audit.log_file import LogFile
from tomoyo.cli.query_terminal import entry_of
from tomoyo.decision.matching import matches
from tomoyo.decision.requests import request_of
from tomoyo.model.words import GroupReference, encode
from tomoyo.nix.names.names import encode_file, parse_name
from tomoyo.query.dialogue import PendingRequest, read_request
from tomoyo.query.rules import QueryRule, Ruling, exact_rule, parse_query_rules
from tomoyo.query.rules_file import prepend_rule, read_rules
from tomoyo.query.session import learned_entry
from tomoyo.report.record_lines import record_line
from tomoyo.suggestion.dialogue import SuggestionDialogue, parse_entry
from tomoyo.suggestion.insertions import find_insertions, insert_lines
from tomoyo.suggestion.suggestions import Suggestions, policy_of
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.formatting import format_domain_policy
from tomoyo.syntax.record_grammar import outline
from tomoyo.syntax.record_stream import RecordCutter
from tomoyo.syntax.records import parse_audit, parse_record

BYTES = [byte for byte in range(1, 256) if byte != ord("/")]
ODD = [*b" \t\n\r\\\"'#@=<>{}()[]*?$!&;,:.-", 0o177, 0o200, 0o377]
REQUESTS = (
    *("file execute P", "file read P", "file write P", "file append P", "file unlink P", "file getattr D", "file rmdir D"),
    *("file create P 0644", "file mkdir D 0755", "file ioctl P 0x5401", "file chown P 1000", "file link P P", "file rename D D"),
    *("file symlink P", "file mount A D A 0x0", "file mkchar P 0600 1 3", "misc env E", "network unix stream connect A"),
    *("network unix dgram bind P", "network inet stream connect 10.0.0.1 80", "network inet dgram bind :: 53"),
)


def raw(draw: random.Random, least: int = 1) -> bytes:
    """A component's bytes."""
    return bytes(draw.choice(ODD if draw.random() < 0.6 else BYTES) for _ in range(draw.randint(least, 6)))


def path(draw: random.Random) -> str:
    head = draw.choice(("/", "/", "/", "proc:/", "nix:/"))
    return head + "/".join(encode(raw(draw)) for _ in range(draw.randint(1, 3)))


def domain(draw: random.Random) -> str:
    head = draw.choice(("<kernel>", "<kernel>", f"<{encode(raw(draw)).replace('/', '')}>"))
    return " ".join([head, *(path(draw) for _ in range(draw.randint(0, 3)))])


def request(draw: random.Random) -> str:
    words = {
        "P": lambda: path(draw),
        "D": lambda: path(draw) + "/",
        "A": lambda: draw.choice(("\\000", "@", "")) + encode(raw(draw)),
        "E": lambda: encode(raw(draw)).replace("=", "-"),
    }
    return " ".join(words[word]() if word in words else word for word in draw.choice(REQUESTS).split(" "))


def record(draw: random.Random) -> bytes:
    """A record as the kernel writes it, without its end."""
    line = request(draw)
    details = ""
    if line.startswith("file execute"):
        argv = " ".join(f'"{encode(raw(draw))}"' for _ in range(draw.randint(0, 3)))
        argv += " " * bool(argv)
        details = f' exec={{ realpath="{path(draw)}" argc=1 envc=1 argv[]={{ {argv}}} envp[]={{ "A={encode(raw(draw))}" }} }}'
    elif line.startswith("file symlink"):
        details = f' symlink.target="{encode(raw(draw))}"'
    return (
        "#2026/11/24 08:00:00# profile=3 mode=enforcing granted=no (global-pid=7) task={ pid=7 ppid=1 uid=0 gid=0 euid=0 egid=0 "
        f"suid=0 sgid=0 fsuid=0 fsgid=0 }}{details}\n{domain(draw)}\n{line}\n"
    ).encode("ascii")


@pytest.fixture
def records(draw: random.Random) -> list[bytes]:
    return [record(draw) for _ in range(rounds(1500))]


def waiting(text: bytes, serial: int = 1) -> PendingRequest:
    found = read_request(b"Q%d-0\n%s\0" % (serial, text), 0.0)
    assert found is not None
    assert found.outline is not None, text
    assert found.record is not None
    return found


def test_never_writes_a_rule_that_is_read_again(records: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text("# mine\nallow path=/x\n")
    rules: list[QueryRule] = list(read_rules(str(file)))
    for number, text in enumerate(records):
        told = waiting(text).outline
        assert told is not None
        for verdict in Ruling:
            rule = exact_rule(verdict, told)
            assert parse_query_rules(f"{rule}\n") == (rule,)
            assert rule.fits(told)
        if number % 100 == 0:  # the file is written anew each time
            rules.insert(0, rule)
            prepend_rule(str(file), rule)
            assert list(read_rules(str(file))) == rules
    other = waiting(records[0]).outline
    assert other is not None
    assert not exact_rule(Ruling.DENY, other).fits(waiting(records[0].replace(b"\n<", b"\n<x")).outline or other)


def test_rules_of_several_parts_are_read_again(draw: random.Random) -> None:
    for _ in range(rounds(500)):
        chooses = RecordFilter(
            domains=tuple(domain(draw) for _ in range(draw.randint(0, 2))),
            programs=tuple(path(draw) for _ in range(draw.randint(0, 2))),
            operations=("read", "file")[: draw.randint(0, 2)],
            paths=tuple(path(draw) for _ in range(draw.randint(1, 2))),
        )
        rule = QueryRule(Ruling.DENY, chooses, tuple(request(draw) for _ in range(draw.randint(0, 2))))
        assert parse_query_rules(f"  {rule}  \n") == (rule,)


@pytest.mark.parametrize("text", ["", "file read /a\nallow path=/b", "file read /\xe9", "a\tb"])
def test_what_would_be_several_lines_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="can never match"):
        QueryRule(Ruling.DENY, RecordFilter(), (text,))


def test_always_proposes_an_entry_that_grants_the_request(records: list[bytes]) -> None:
    for text in records:
        found = waiting(text).record
        assert found is not None
        entry = learned_entry(found)
        assert entry is not None
        assert entry_of(str(entry)) == parse_entry(str(entry)) == entry
        for value, wanted in zip(request_of(found).arguments, entry.arguments):
            assert not isinstance(value, str) or str(wanted) == value or matches(str(wanted), value)
            assert not isinstance(wanted, GroupReference)


def test_a_log_is_read_as_it_was_written(records: list[bytes], tmp_path: Path) -> None:
    with LogFile(str(tmp_path / "log"), limit=None) as log:
        log.write([text + b"\n" for text in records])
    data = (tmp_path / "log").read_bytes()
    cutter = RecordCutter()
    cut = [*cutter.feed(data), *cutter.close()]
    assert cut == records
    parsed = [parse_record(text) for text in cut]
    assert parse_audit(data) == parsed
    for text, found in zip(records, parsed):
        told = outline(text)
        assert told is not None
        assert (told.domain, told.request) == (found.domain.text, str(found.request))
        plain = json.loads(record_line(text))
        assert plain["domain"] == told.domain


def test_what_is_suggested_is_read_as_it_was_meant(records: list[bytes]) -> None:
    suggestions = Suggestions()
    for text in records:
        suggestions.add(parse_record(text))
    found = suggestions.suggestions()
    added = policy_of((one, one.recommended) for one in found)
    text = insert_lines("", find_insertions("", added))
    assert {domain.name: domain.entries for domain in parse_domain_policy(text)} == {
        domain.name: domain.entries for domain in added
    }
    assert find_insertions(text, added) == []
    assert format_domain_policy(parse_domain_policy(format_domain_policy(added))) == format_domain_policy(added)
    dialogue = SuggestionDialogue(found)
    while (current := dialogue.current) is not None:
        dialogue.generalise() if current.general else dialogue.allow()
    again = SuggestionDialogue(found, json.loads(json.dumps(dialogue.state())))
    assert again.current is None
    assert again.chosen() == dialogue.chosen()


def test_names_are_read_as_they_were_written(draw: random.Random) -> None:
    for _ in range(rounds(1500)):
        parts = [raw(draw) for _ in range(draw.randint(1, 3))]
        file = "/" + b"/".join(part for part in parts if part not in (b".", b"..")).decode("utf-8", "surrogateescape")
        name = parse_name(f"nix:/nginx{encode_file(file)}")
        assert (name.file_name, str(parse_name(str(name)))) == (file, str(name))

"""Rules that answer without asking, and the filter of records below them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo import PolicySyntaxError
from tomoyo.analysis.record_filter import RecordFilter
from tomoyo.query.rules import QueryRule, Ruling, decide, exact_rule, parse_query_rules
from tomoyo.query.rules_file import prepend_rule
from tomoyo.syntax.record_grammar import Outline


def request(text: str, domain: str = "<kernel> /usr/sbin/sshd /bin/sh", mode: str = "enforcing") -> Outline:
    return Outline(3, mode, False, domain, text, event=False)


READ = request("file read /etc/shadow")
RENAME = request("file rename /tmp/a /etc/shadow")
BIND = request("network inet stream bind 127.0.0.1 80")
CONNECT = request("network unix stream connect /run/\\040x")


def verdict(rules: str, outline: Outline) -> Ruling:
    return decide(parse_query_rules(rules), outline)


@pytest.mark.parametrize(
    ("rule", "outline", "fits"),
    [
        ("path=/etc/shadow", READ, True),
        ("path=/etc/\\*", READ, True),
        ("path=/etc/\\*", BIND, False),
        ("path=/etc", READ, False),
        ("path=/x path=/etc/shadow", READ, True),
        ("operation=read", READ, True),
        ("operation=file", READ, True),
        ("operation=write", READ, False),
        ("operation=bind", BIND, True),
        ("operation=inet_stream_bind", BIND, True),
        ("operation=network", CONNECT, True),
        ("path=/run/\\?x", CONNECT, True),
        ("program=/bin/sh", READ, True),
        ("program=/usr/sbin/sshd", READ, False),
        ("program=/bin/\\*", READ, True),
        ('domain="<kernel> /usr/sbin/sshd /bin/sh"', READ, True),
        ("domain='<kernel> /usr/sbin/\\* /bin/sh'", READ, True),
        ('domain="<kernel> /usr/sbin/sshd"', READ, False),
        ('domain="<kernel> /bin/sh"', READ, False),
        ('request="file read /etc/shadow"', READ, True),
        ('request="file read /etc/\\*"', READ, True),
        ('request="file read"', READ, False),
        ("program=/bin/sh operation=write path=/etc/shadow", READ, False),
        ("program=/bin/sh operation=read path=/etc/shadow", READ, True),
    ],
)
def test_what_a_rule_fits(rule: str, outline: Outline, fits: bool) -> None:
    for word in Ruling:
        if word is not Ruling.ASK:
            assert verdict(f"{word.value} {rule}", outline) is (word if fits else Ruling.ASK)


def test_a_second_path_must_be_allowed_too() -> None:
    assert verdict("allow path=/tmp/\\*", RENAME) is Ruling.ASK
    assert verdict("allow path=/etc/shadow", RENAME) is Ruling.ASK
    assert verdict("allow path=/tmp/\\* path=/etc/shadow", RENAME) is Ruling.ALLOW
    assert verdict("deny path=/etc/shadow", RENAME) is Ruling.DENY
    assert verdict("ask path=/etc/shadow\nallow operation=rename", RENAME) is Ruling.ASK


def test_the_first_rule_that_fits_decides() -> None:
    rules = "# first\n\ndeny path=/etc/shadow\n  allow operation=read\n"
    assert verdict(rules, READ) is Ruling.DENY
    assert verdict(rules, request("file read /x")) is Ruling.ALLOW
    assert verdict(rules, request("file write /x")) is Ruling.ASK
    assert verdict("", READ) is Ruling.ASK


@pytest.mark.parametrize(
    ("rules", "line", "column"),
    [
        ("permit path=/x", 1, 1),
        ("allow", 1, 6),
        ("# all\nallow  ", 2, 6),
        ("allow path", 1, 7),
        ("allow path=", 1, 7),
        ('allow path="" ', 1, 7),
        ("allow path=/x file=/y", 1, 15),
        ('allow path="/x"/y', 1, 7),
        ("allow path=\"/x'", 1, 7),
        ("deny path=/x\nallow path=/\\q", 2, 1),
        ("allow domain=/x/\\", 1, 1),
    ],
)
def test_what_is_no_rule_is_refused_at_its_place(rules: str, line: int, column: int) -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        parse_query_rules(rules)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "text", ['file read /a"b', "file read /a'b", "file read /a\"b'c", "file read /a\\\\b\\040*", "misc env A"]
)
def test_a_rule_for_one_request_fits_it_and_can_be_read_back(text: str) -> None:
    outline = request(text)
    rule = exact_rule(Ruling.DENY, outline)
    assert rule.fits(outline)
    assert not rule.fits(request(text, domain="<kernel>"))
    assert not rule.fits(request(text + "x"))
    assert parse_query_rules(f"{rule}\n")[0] == rule


def test_a_rule_reads_back_as_it_was_written() -> None:
    text = "ask domain=\"<kernel> /x\" program=/y operation=read path=/z path=/'\"' request='file read \"'"
    (rule,) = parse_query_rules(text.replace(" path=/'\"'", ""))
    assert isinstance(rule, QueryRule)
    assert parse_query_rules(str(rule)) == (rule,)


@pytest.mark.parametrize(
    ("criteria", "chosen"),
    [
        ({}, True),
        ({"modes": ("learning", "enforcing")}, True),
        ({"modes": ("learning",)}, False),
        ({"profiles": (3,)}, True),
        ({"profiles": (2,)}, False),
        ({"granted": False}, True),
        ({"granted": True}, False),
    ],
)
def test_records_are_chosen_by_verdict_mode_and_profile(criteria: dict[str, object], chosen: bool) -> None:
    assert RecordFilter(**criteria)(READ) is chosen  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ({"paths": ("/a b",)}, "a space that must be written"),
        ({"paths": ("*",)}, r"a '\*' stands for itself \(expected a path, or a pattern such as /etc/\\\*\)"),
        ({"programs": ("",)}, "a path needs a '/'"),
        ({"programs": ("sshd",)}, r"'sshd' can never match: a path needs a '/' \(expected a program"),
        ({"programs": ("\\*",)}, "a path needs a '/'"),
        ({"domains": ("<kernel>  /x",)}, "a path needs a '/'"),
        ({"domains": ("/usr/sbin/sshd",)}, "a domain name begins with a namespace such as <kernel>"),
        ({"domains": ("*",)}, "a domain name begins with a namespace"),
        ({"operations": ("read", "raed")}, "unknown operation: 'raed'; did you mean 'read'"),
        ({"operations": ("read", "-")}, "unknown operation: '-' .*execute, read, .*inet_stream_bind.*quota_exceeded"),
        ({"profiles": (256,)}, "no profile: 256 .expected 0 to 255"),
        ({"profiles": (-1,)}, "no profile: -1"),
    ],
)
def test_what_no_record_can_be_of_is_refused(criteria: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        RecordFilter(**criteria)  # type: ignore[arg-type]


def test_what_records_can_be_of_is_taken() -> None:
    operations = ("file", "read", "network", "bind", "inet_stream_bind", "env", "manual_domain_transition", "use_profile")
    programs = ("<kernel>", "/usr/\\*/sshd", "nix:/nginx/bin/nginx", "proc:/self/exe")
    RecordFilter(("<kernel>", "<\\*> /bin/\\*"), programs, operations, ("/tmp/*", "pipe:[\\$]"), profiles=(0, 255))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "NEW"),
        ("deny path=/a\n", "NEWdeny path=/a\n"),
        ("# of the first\ndeny path=/a\n", "NEW# of the first\ndeny path=/a\n"),
        ("# of all: \xfc\n\n# of the first\ndeny path=/a\n\n", "# of all: \xfc\n\nNEW# of the first\ndeny path=/a\n\n"),
        ("# of all\n \t\n", "# of all\n \t\nNEW"),
    ],
)
def test_a_rule_is_put_before_all_others_and_behind_what_is_about_all(before: str, after: str, tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_bytes(before.encode("latin-1"))
    rule = parse_query_rules("allow path=/b\n")[0]
    prepend_rule(str(file), rule)
    assert file.read_bytes() == after.replace("NEW", f"{rule}\n").encode("latin-1")

"""Suggestions: enough for what was seen, and for nothing that neither it nor a rule stands for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tomoyo.decision.engine import DecisionEngine, UnknownDomain
from tomoyo.decision.requests import Request, request_of
from tomoyo.model.domains import DomainPolicy
from tomoyo.model.entries import Entry, Kind
from tomoyo.model.records import AuditRecord
from tomoyo.suggestion.generalisation import BUILT_IN_RULES, DEFAULT, Rule, generalise, parse_user_rules
from tomoyo.suggestion.suggestions import KEPT, Suggestion, Suggestions, lacking, missing_paths, policy_of
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.records import iterate_audit, parse_audit

LOG = Path(__file__).parents[1] / "data/records/audit.log"
ALL = tuple(BUILT_IN_RULES.values())
RECORD = """\
#2026/11/24 08:{time:02}:00# profile=3 mode=enforcing granted=no (global-pid=211) task={{ pid=211 ppid=129 uid=0 gid=0 euid=0 \
egid=0 suid=0 sgid=0 fsuid=0 fsgid=0 }}
{domain}
{request}
"""


def record(request: str, domain: str = "<kernel> /bin/sh", time: int = 0) -> AuditRecord:
    return parse_audit(RECORD.format(request=request, domain=domain, time=time))[0]


def suggest(records: Iterable[AuditRecord], rules: tuple[Rule, ...] = DEFAULT) -> list[Suggestion]:
    collector = Suggestions(rules)
    for one in records:
        collector.add(one)
    return collector.suggestions()


def recommended(requests: Iterable[str], rules: tuple[Rule, ...] = DEFAULT) -> list[str]:
    return [str(entry) for one in suggest(map(record, requests), rules) for entry in one.recommended]


def engine_of(suggestions: Iterable[Suggestion]) -> DecisionEngine:
    return DecisionEngine(policy_of((one, one.recommended) for one in suggestions))


def real_records() -> list[AuditRecord]:
    with LOG.open("rb") as file:
        return [one for one in iterate_audit(file) if isinstance(one.request, Entry)]


def key(one: AuditRecord, rules: tuple[Rule, ...]) -> tuple[str, str]:
    """What RULES say that a record is like.  A kernel compares no protocol of the network."""
    entry = generalise(request_of(one).learned, rules).entry
    if entry.kind.keyword.startswith("network"):
        return one.domain.text, f"{entry.kind.keyword.split()[1]} {entry.operations} {entry.arguments}"
    return one.domain.text, entry.text


def replay_unrelated(evidence: list[AuditRecord], others: list[AuditRecord], rules: tuple[Rule, ...]) -> int:
    """How many of OTHERS the suggestions from EVIDENCE grant though no rule says that they are like any of it."""
    engine = engine_of(suggest(evidence, rules))
    for one in evidence:
        assert engine.decide(one.domain, request_of(one)).granted
    domains = {one.domain for one in evidence}
    seen = {key(one, rules) for one in evidence}
    return sum(
        engine.decide(domain, request_of(one)).granted and key(replace(one, domain=domain), rules) not in seen
        for one in others
        for domain in domains
    )


@pytest.mark.parametrize("rules", [(), DEFAULT, ALL], ids=["none", "default", "all"])
def test_over_grant_of_real_records(draw: random.Random, rules: tuple[Rule, ...]) -> None:
    """Half of the records are the evidence; all, in every domain, are what else may be asked: no over-grant."""
    records = real_records()
    draw.shuffle(records)
    half = records[: len(records) // 2]
    assert replay_unrelated(half, records, rules) == 0
    # And it would be noticed: what was given too much is found.
    wide = Rule("wide", "", lambda name: name[: name.rindex("/") + 1] + r"\*" if "/" in name and name[-1] != "/" else name)
    engine = engine_of(suggest(half, (wide,)))
    narrow = {key(one, rules) for one in half}
    assert any(engine.decide(one.domain, request_of(one)).granted and key(one, rules) not in narrow for one in records)


NAMES = ("proc:/{}/status", "/tmp/tmp.aB3d{:06}", "/srv/{}.log", "/var/log/2026-11-{:02}", "/run/user/{}/bus", "/etc/conf{}x")


def is_like(seen: str, asked: str) -> bool:
    """Whether a name differs in numbers alone, or in what mktemp puts into it: all that any rule stands for."""
    numbers = [re.sub("[0-9]+", "0", name) for name in (seen, asked)]
    random_part = seen.startswith("/tmp/tmp.") and re.fullmatch(r"/tmp/tmp\.[^/]{10}", asked) and len(seen) == len(asked)
    return numbers[0] == numbers[1] or bool(random_part)


def test_over_grant_of_made_records(draw: random.Random) -> None:
    """Names like those that were seen, and nearly like them: in other domains, for other operations, spelt otherwise."""

    def made() -> tuple[str, str, str]:
        name = draw.choice(NAMES).format(draw.randrange(1, 29))
        if not draw.randrange(4):
            place = draw.randrange(1, len(name))
            name = name[:place] + draw.choice("x/0") + name[place + 1 :]
        return draw.choice(["<kernel>", "<kernel> /bin/sh", "<kernel> /bin/sh /bin/cat"]), draw.choice(["read", "write"]), name

    others = [made() for _ in range(3000)]
    for rules in ((), DEFAULT, ALL):
        seen = [made() for _ in range(60)]
        engine = engine_of(suggest((record(f"file {operation} {name}", domain) for domain, operation, name in seen), rules))
        granted = 0
        for domain, operation, name in others:
            try:
                if not engine.decide(domain, Request(Kind.PATH, operation, (name,))).granted:
                    continue
            except UnknownDomain:
                continue
            granted += 1
            like = [
                one for one in seen if one[:2] == (domain, operation) and (is_like(one[2], name) if rules else one[2] == name)
            ]
            assert like, (domain, operation, name)
        assert granted


def test_all_that_was_denied_is_granted_then() -> None:
    records = real_records()
    denied = [one for one in records if not one.granted]
    suggestions = suggest(denied)
    engine = engine_of(suggestions)
    assert len(denied) > 100
    assert all(engine.decide(one.domain, request_of(one)).granted for one in denied)
    assert sum(one.evidence.records for one in suggestions) == len(denied)


def test_evidence() -> None:
    requests = [("file read /tmp/tmp.aB3dE6", 5), ("file write /tmp/tmp.aB3dE7", 3), ("file read /tmp/tmp.aB3dE7", 9)]
    (one,) = suggest(record(request, time=time) for request, time in requests)
    assert str(one.general) == r"file read/write /tmp/tmp.\?\?\?\?\?\?"
    assert one.rules == ("temporary",)
    assert list(map(str, one.exact)) == ["file read /tmp/tmp.aB3dE6", "file read/write /tmp/tmp.aB3dE7"]
    evidence = one.evidence
    assert (evidence.records, str(evidence.first), str(evidence.last), str(evidence.example)) == (
        3,
        "2026/11/24 08:03:00",
        "2026/11/24 08:09:00",
        "file read /tmp/tmp.aB3dE6",
    )


def test_a_rule_waits_for_enough_names_of_each_operation() -> None:
    two = ["file read /srv/1.log", "file read /srv/2.log", "file read /srv/2.log"]
    assert recommended(two, ALL) == ["file read /srv/1.log", "file read /srv/2.log"]
    assert recommended([*two, "file read /srv/3.log"], ALL) == [r"file read /srv/\$.log"]
    # One name was written to: that is no reason to let all be written to.
    assert recommended([*two, "file read /srv/3.log", "file write /srv/3.log"], ALL) == [
        r"file read /srv/\$.log",
        "file write /srv/3.log",
    ]


def test_memory_is_bounded() -> None:
    (one,) = suggest(record(f"file read proc:/{number}/status") for number in range(1, 1000))
    assert len(one.exact) == KEPT
    assert not one.complete
    assert one.evidence.records == 999
    assert one.recommended == (one.general,)


def test_a_store_path_is_never_a_pattern() -> None:
    hashes = ["0123456789abcdfghijklmnpqrsvwxy" + end for end in "zab"]
    requests = [f"file read /nix/store/{found}-x-2026-11-24/tmp/aB3dE6" for found in hashes]
    assert recommended(requests, ALL) == requests


def test_events_and_transitions_say_nothing() -> None:
    with LOG.open("rb") as file:
        events = [one for one in iterate_audit(file) if not isinstance(one.request, Entry)]
    assert events
    assert suggest(events) == []


def test_what_a_kernel_learned() -> None:
    collector = Suggestions()
    collector.add_learned(
        parse_domain_policy(
            "<kernel> /bin/sh\nuse_profile 1\n\nfile read/write proc:/4/x\nfile read proc:/5/x\nfile read /a\\*\n"
        )
    )
    first, second = collector.suggestions()
    assert [str(entry) for entry in first.recommended] == [r"file read/write proc:/\$/x"]
    assert (first.evidence.records, first.evidence.first, first.profile) == (0, None, 1)
    assert [str(entry) for entry in second.recommended] == [r"file read /a\*"]


def test_rules_of_the_user_come_first() -> None:
    collector = Suggestions(DEFAULT, parse_user_rules("rewrite path_pattern proc:/\\$/status @STATUS\n"))
    for request in ("file read proc:/4/status", "file read proc:/4/maps"):
        collector.add(record(request))
    first, second = collector.suggestions()
    assert str(first.general) == "file read @STATUS"
    assert first.rules == (r"path_pattern proc:/\$/status @STATUS",)
    assert str(second.general) == r"file read proc:/\$/maps"


def test_missing_paths() -> None:
    (one,) = suggest([record("file rename /a /b")])
    assert missing_paths(one, lambda name: name == "/b") == ("/a",)
    (other,) = suggest([record("file read proc:/4/x")])
    assert missing_paths(other, lambda name: False) == ()


def test_policy_of_keeps_profiles() -> None:
    found = suggest([record("file read /a"), record("file write /a"), record("file read /b", "<kernel>")])
    policy = policy_of((one, one.recommended) for one in found)
    assert isinstance(policy, DomainPolicy)
    assert [(domain.name.text, domain.profile, len(domain.entries)) for domain in islice(policy, 3)] == [
        ("<kernel> /bin/sh", 3, 1),
        ("<kernel>", 3, 1),
    ]


def test_what_a_later_entry_grants_is_not_lacking() -> None:
    """An entry before it has a condition, of which what was learned tells nothing."""
    held = parse_domain_policy("<kernel> /x\nfile read /\\* task.uid=0\nfile read /a\\*\n")
    learned = parse_domain_policy("<kernel> /x\nfile read /ab\nfile read /b\n")
    assert [str(entry) for domain in lacking(DecisionEngine(held), learned) for entry in domain.entries] == ["file read /b"]

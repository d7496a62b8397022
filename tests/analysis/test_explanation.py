"""Explanations in words, and who may do what."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.work import work
from tomoyo.analysis.explanation import Explainer, explain
from tomoyo.analysis.near_misses import near_miss
from tomoyo.analysis.question import parse_question
from tomoyo.analysis.reachability import Chains, who_may
from tomoyo.cli import main
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.model.words import DomainName
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.profiles import parse_profile
from tomoyo.syntax.records import parse_audit

DOMAINS = """\
<kernel>
use_profile 3
file execute /sbin/init

<kernel> /sbin/init
use_profile 3
file execute /usr/sbin/sshd
file execute @shells keep

<kernel> /usr/sbin/sshd
use_profile 3
use_group 1
file read /etc/passwd
file read /etc/ssh/\\* task.uid=0
file write /etc/shadow
file execute /bin/bash exec.argc=1

<kernel> /usr/sbin/sshd /bin/bash
use_profile 2
file read /etc/shadow

<kernel> /lonely
use_profile 3
file write/append /etc/\\* task.uid=0
"""
EXCEPTIONS = "initialize_domain /usr/sbin/sshd\npath_group shells /bin/sh\nacl_group 1 file write /etc/sha\\*\n"
PROFILES = """\
PROFILE_VERSION=20150505
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
SSHD = "<kernel> /usr/sbin/sshd"


@pytest.fixture
def engine() -> DecisionEngine:
    """The engine for a small system."""
    return DecisionEngine(parse_domain_policy(DOMAINS), parse_exception_policy(EXCEPTIONS), parse_profile(PROFILES))


@pytest.mark.parametrize(
    ("request_text", "part", "reason"),
    [
        ("file read /etc/group", "argument", "'passwd' does not match 'group' in the path"),
        ("file write /etc/passwd", "operation", "it is for read, not for write"),
        ("file read /etc/ssh/key", "condition", "its condition task.uid=0 may not hold"),
        ("file read /etc/ssh/key task.uid=1", "condition", "its condition task.uid=0 does not hold"),
    ],
)
def test_the_nearest_entry(engine: DecisionEngine, request_text: str, part: str, reason: str) -> None:
    found = explain(engine, SSHD, parse_request(request_text))
    assert (found.near[0].part.value, found.near[0].reason) == (part, reason)
    assert str(found.remedy or "") == ("" if "may not" in reason else request_text.removesuffix(" task.uid=1"))


def test_in_words(engine: DecisionEngine) -> None:
    assert list(explain(engine, SSHD, parse_request("file write /etc/shadow")).sentences()) == [
        "granted (enforcing mode): 'file write /etc/shadow' grants 'file write /etc/shadow' in <kernel> /usr/sbin/sshd",
    ]
    assert list(explain(engine, SSHD, parse_request("file write /etc/shade")).sentences()) == [
        "granted (enforcing mode): 'file write /etc/sha\\*' of acl_group 1"
        " grants 'file write /etc/shade' in <kernel> /usr/sbin/sshd",
    ]
    assert list(explain(engine, "<kernel> /sbin/init", parse_request("file execute /bin/sh")).sentences())[1:] == [
        "runs in <kernel> /sbin/init (the transition preference of the entry)",
    ]
    assert list(explain(engine, "<kernel> /sbin/init", parse_request("file execute /usr/sbin/sshd")).sentences())[1:] == [
        "runs in <kernel> /usr/sbin/sshd (the exception policy: initialize_domain /usr/sbin/sshd from any)",
    ]


def test_the_line_that_would_allow_it_does(engine: DecisionEngine) -> None:
    for text in ("file read /x", "file chmod /x 0644", "network inet stream connect ::1 80", "misc env A", "file execute /x"):
        found = explain(engine, SSHD, parse_request(text))
        assert found.remedy is not None
        policy = parse_domain_policy(f"{DOMAINS}{SSHD}\n{found.remedy}\n")
        assert DecisionEngine(policy).decide(SSHD, parse_request(text)).granted


def test_who_may(engine: DecisionEngine) -> None:
    found = {access.domain.text: access for access in who_may(engine, parse_question("write", {"path": "/etc/shadow"}))}
    assert list(found) == [SSHD, f"{SSHD} /bin/bash", "<kernel> /lonely"]
    assert [(group, str(entry)) for group, entry in found[SSHD].entries] == [
        (None, "file write /etc/shadow"),
        (1, "file write /etc/sha\\*"),
    ]
    assert found[f"{SSHD} /bin/bash"].entries == ()
    chain = found[f"{SSHD} /bin/bash"].chain
    assert chain is not None
    assert list(map(str, chain)) == ["<kernel>", "<kernel> /sbin/init", SSHD, f"{SSHD} /bin/bash"]
    assert found["<kernel> /lonely"].chain is None


def test_a_chain_through_a_domain_that_is_not_enforced() -> None:
    policy = parse_domain_policy("<kernel>\nuse_profile 2\n<kernel> /a\nuse_profile 3\n<kernel> /a /b\nuse_profile 3\n")
    chains = Chains(DecisionEngine(policy, None, parse_profile(PROFILES)))
    assert chains.to(DomainName("<kernel> /a")) is not None
    assert chains.to(DomainName("<kernel> /a /b")) is None


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The same policy as files."""
    for name, text in (("domain_policy", DOMAINS), ("exception_policy", EXCEPTIONS), ("profile", PROFILES)):
        (tmp_path / f"{name}.conf").write_text(text)
    return str(tmp_path)


def test_the_command_explain(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--policy", folder, SSHD, "file", "write", "/etc/shadow"]) == 0
    capsys.readouterr()
    assert main(["explain", "--policy", folder, "--json", SSHD, "file", "read", "/etc/shadow"]) == 1
    found = json.loads(capsys.readouterr().out)["result"]
    assert (found["granted"], found["remedy"], found["mode"]) == (False, "file read /etc/shadow", "enforcing")
    for words in ([SSHD, "file", "read", "/\\*"], [SSHD], ["<none> /x", "file", "read", "/x"], []):
        assert main(["explain", "--policy", folder, *words]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_command_can(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["can", "--policy", folder, "--op", "write", "--path", "/etc/shadow"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{SSHD}  (enforcing)",
        "    file write /etc/shadow",
        "    acl_group 1 file write /etc/sha\\*",
        "    by <kernel> -> /sbin/init -> /usr/sbin/sshd",
        f"{SSHD} /bin/bash  (permissive)",
        "    not enforced",
        "    by <kernel> -> /sbin/init -> /usr/sbin/sshd -> /bin/bash",
        "<kernel> /lonely  (enforcing)",
        "    file write/append /etc/\\* task.uid=0",
        "    no execution leads there",
    ]
    assert main(["can", "--policy", folder, "--enforced", "--json", "--op", "open", "--path", "/nowhere"]) == 1
    assert json.loads(capsys.readouterr().out) == {"diagnostics": [], "result": []}
    assert main(["can", "--policy", folder, "--op", "fly", "--path", "/x"]) == 2
    assert "unknown operation: 'fly'" in capsys.readouterr().err


COMPONENTS = ("a", "b", "c", "ab", "\\*", "a\\*", "\\?", "\\{a\\}")


def test_the_nearest_are_found_without_a_look_at_all(draw: random.Random) -> None:
    """The same entries as by scoring each of them."""

    def path(components: tuple[str, ...]) -> str:
        text = "".join(f"/{draw.choice(components)}" for _ in range(draw.randint(1, 4)))
        return text + "/" if text.endswith("}") or not draw.randrange(4) else text

    def line(components: tuple[str, ...]) -> str:
        name = path(components)
        if components is COMPONENTS and not draw.randrange(10):
            name = draw.choice(("@shells", "@nix:/x/a", "@nix:/x/b/ab"))
        condition = " task.uid=0" if components is COMPONENTS and not draw.randrange(4) else ""
        return f"file {draw.choice(['read', 'write', 'unlink'])} {name}{condition}"

    denied = near = 0
    for _ in range(40):
        lines = list(dict.fromkeys(line(COMPONENTS) for _ in range(draw.randint(0, 40))))
        text = "".join(f"{one}\n" for one in lines)
        shared = "".join(f"acl_group 1 {line(COMPONENTS)}\n" for _ in range(5))
        domains = parse_domain_policy(f"{SSHD}\nuse_profile 3\nuse_group 1\n\n{text}")
        engine = DecisionEngine(domains, parse_exception_policy(f"path_group shells /b/b\n{shared}"))
        explainer = Explainer(engine)
        for _ in range(20):
            request = parse_request(line(COMPONENTS[:4]))
            found = explainer.explain(SSHD, request)
            if found.verdict.granted:
                continue
            denied += 1
            everything = next(iter(domains)).entries, dict(engine.exceptions("<kernel>").acl_groups)[1]
            scores = [
                (miss[0], -number, -position, entry)
                for number, entries in enumerate(everything)
                for position, entry in enumerate(entries)
                for miss in [near_miss(entry, request, engine.groups("<kernel>"))]
                if miss is not None
            ]
            best = [entry for *_, entry in sorted(scores, key=lambda score: score[:3], reverse=True)[:3]]
            assert [str(miss.entry) for miss in found.near] == [str(entry) for entry in best]
            near += len(best)
    assert near > 50
    assert denied > 50


def test_what_did_not_come_near(engine: DecisionEngine) -> None:
    for text in ("file read /srv/x", "file truncate /etc/ssh", "network inet stream connect ::1 80", "file execute /x"):
        assert explain(engine, SSHD, parse_request(text)).near == (), text


def test_a_name_that_is_bound_to_another_package() -> None:
    bound = parse_exception_policy(f"path_group nix:/x/lib/x /nix/store/{'1' * 32}-x/lib/x\n")
    domains = parse_domain_policy(f"{SSHD}\nuse_profile 3\nfile read @nix:/x/lib/x\nfile read /nix/store/\\*/lib/y\n")
    path = f"/nix/store/{'2' * 32}-x/lib/x"
    found = explain(DecisionEngine(domains, bound), SSHD, parse_request(f"file read {path}"))
    assert found.near[1].reason == f"no member of @nix:/x/lib/x matches {path} (path)"


@pytest.mark.parametrize(
    ("entry", "request_text", "reason"),
    [
        ("file chmod /x 0600-0700", "file chmod /x 0777", "0600-0700 does not match 0777 (number)"),
        ("file create /x @modes", "file create /x 0777", "no member of @modes matches 0777 (number)"),
        ("file mkblock /x 0600 8 0", "file mkblock /x 0777 8 0", "0600 does not match 0777 (mode)"),
        ("file mkblock /x 0600 8 0", "file mkblock /x 0600 9 0", "8 does not match 9 (major)"),
        ("file ioctl /x 0x5401", "file ioctl /x 0x5402", "0x5401 does not match 0x5402 (number)"),
        ("file chown /x 8", "file chown /x 9", "8 does not match 9 (number)"),
        ("network inet stream connect 10.0.0.1 80", "network inet stream connect 10.0.0.1 81", "80 does not match 81 (port)"),
    ],
)
def test_a_number_is_shown_as_records_show_it(entry: str, request_text: str, reason: str) -> None:
    engine = DecisionEngine(parse_domain_policy(f"{SSHD}\nuse_profile 3\n{entry}\n"))
    assert [miss.reason for miss in explain(engine, SSHD, parse_request(request_text)).near] == [reason]


def test_an_entry_by_name() -> None:
    exceptions = parse_exception_policy("path_group big /lib/x\npath_group big /lib/y\npath_group nix:/x/lib/x /lib/x\n")
    engine = DecisionEngine(parse_domain_policy(f"{SSHD}\nuse_profile 3\n"), exceptions)
    found = explain(engine, SSHD, parse_request("file link /lib/x /lib/z"))
    assert str(found.named) == "file link @nix:/x/lib/x /lib/z"
    assert "this would allow it: file link @nix:/x/lib/x /lib/z" in found.sentences()
    assert explain(engine, SSHD, parse_request("file execute /lib/x")).named is None
    assert explain(engine, SSHD, parse_request("file read /lib/z")).named is None


def test_a_record_names_a_program_as_aggregators_do() -> None:
    exceptions = parse_exception_policy("aggregator /a /b\naggregator /b /c\n")
    engine = DecisionEngine(parse_domain_policy(f"{SSHD}\nuse_profile 3\nfile execute /b\n"), exceptions)
    record = parse_audit(
        "#2026/11/24 08:45:01# profile=3 mode=enforcing granted=yes (global-pid=1) task={ pid=1 ppid=1 uid=0 gid=0 euid=0 egid=0"
        f" suid=0 sgid=0 fsuid=0 fsgid=0 }}\n{SSHD}\nfile execute /b\n"
    )[0]
    explainer = Explainer(engine)
    assert explainer.explain_record(record).verdict.granted
    assert explainer.explain(SSHD, parse_request("file execute /a")).verdict.granted
    assert not explainer.explain(SSHD, parse_request("file execute /b")).verdict.granted


def test_explaining_by_a_large_input_is_quick() -> None:
    """Entries are sorted once: with ten times as many in one domain, explaining a request is hardly more work."""

    def lines(entries: int) -> int:
        text = "".join(f"file read/getattr /usr/lib/{number % 30}/x{number}\n" for number in range(entries))
        explainer = Explainer(DecisionEngine(parse_domain_policy(f"{SSHD}\nuse_profile 3\n\n{text}")))
        first = explainer.explain(SSHD, parse_request("file read /usr/lib/7/z")).near[0]
        assert str(first.entry) == "file read/getattr /usr/lib/7/x7"

        def explain() -> None:
            for number in range(20):
                request = parse_request(f"file {('read', 'write')[number % 2]} /usr/lib/{number}/x{number}z")
                assert len(explainer.explain(SSHD, request).near) == 3 * (1 - number % 2)

        return work(explain)

    assert lines(20_000) < 2 * lines(2_000)


def test_the_command_explain_with_a_log(folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = (
        "#2026/11/24 08:45:01# profile=3 mode=enforcing granted=no (global-pid=1) task={ pid=1 ppid=1 uid=0 gid=0 euid=0 egid=0"
        " suid=0 sgid=0 fsuid=0 fsgid=0 }"
    )
    good = f"{header}\n{SSHD}\nfile read /etc/passwd\n\n{header}\n<none> /x\nfile read /a\n\n{header}\n{SSHD}\nuse_profile 3\n\n"
    log = tmp_path / "log"
    log.write_bytes(b"\xff\0noise\n\n" * 20 + good.encode() + header.encode() + b"\n<kernel>\n")
    assert main(["explain", "--policy", folder, "--log", str(log)]) == 2
    output, messages = capsys.readouterr()
    assert output.splitlines() == ["granted (enforcing mode): 'file read /etc/passwd' grants 'file read /etc/passwd' in " + SSHD]
    assert messages.count(f"{log}:") == 10
    assert "more broken records are counted only" in messages
    assert "the policy has no domain '<none> /x'" in messages
    assert "note: 21 broken records were skipped [broken-record]\n" in messages
    assert messages.endswith("error: 1 record of 1 domain that the policy does not have: not answered [undefined-domain]\n")

"""Explanations in words, and who may do what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tomoyo.analysis.explanation import explain
from tomoyo.analysis.reachability import Chains, who_may
from tomoyo.cli import main
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.model.words import DomainName
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.profiles import parse_profile

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
        ("file read /etc/ssh/key", "condition", "its condition task.uid=0 does not hold"),
    ],
)
def test_the_nearest_entry(engine: DecisionEngine, request_text: str, part: str, reason: str) -> None:
    found = explain(engine, SSHD, parse_request(request_text))
    assert (found.near[0].part.value, found.near[0].reason) == (part, reason)
    assert str(found.remedy) == request_text


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
    found = {access.domain.text: access for access in who_may(engine, "write", "/etc/shadow")}
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
    assert main(["explain", "--policy", folder, "--json", SSHD, "file", "read", "/etc/shadow"]) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
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
    assert json.loads(capsys.readouterr().out) == []
    assert main(["can", "--policy", folder, "--op", "fly", "--path", "/x"]) == 2
    assert "no operation fly" in capsys.readouterr().err

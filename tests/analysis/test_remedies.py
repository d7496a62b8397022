"""Remedies: added to the policy they grant what was asked for, and neither `check` nor lint has anything against them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cli.command import tomoyo
from tests.seeds import rounds
from tomoyo.analysis.explanation import Explainer
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.model.diagnostics import Severity
from tomoyo.nix.source.lint import lint_names
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.policy_text import PolicyText, TextKind
from tomoyo.syntax.profiles import parse_profile

A, B, C = (f"/nix/store/{hash * 32}-" for hash in ("1", "2", "3"))
EXCEPTIONS = f"""\
path_group nix:/notes/share/help {A}notes-1.2/share/help
path_group nix:/notes/share/ {A}notes-1.2/share/
path_group nix:/notes/bin/notes {A}notes-1.2/bin/notes
path_group shared {A}notes-1.2/share/help
path_group shared {B}other/lib/x
path_group etc /etc/\\*
aggregator {A}notes-1.2/bin/notes nix:/notes/bin/notes
aggregator /opt/bin/tool nix:/tool/bin/tool
initialize_domain nix:/notes/bin/notes from any
acl_group 0 file read/getattr @etc
acl_group 0 misc env PATH
"""
PROFILES = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-CONFIG={ mode=learning grant_log=no reject_log=yes }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
DOMAINS = ("<kernel>", "<kernel> /sbin/init", "<kernel> /sbin/init /bin/app", "<kernel> nix:/notes/bin/notes", "<kernel> /free")
FILES = (
    *(f"{A}notes-1.2/share/help", f"{A}notes-1.2/bin/notes", f"{B}other/lib/x", f"{C}z/bin/z", "/etc/app.conf", "/etc/shadow"),
    *("/srv/my\\040file", "/srv/\\303\\234ber", "/srv/data/x", "/bin/app", "/bin/ls", "/opt/bin/tool", "/tmp/x", "/dev/sda"),
    *("proc:/self/maps", "proc:/sys/kernel/core_pattern", "/sys/kernel/uevent_helper", "pipe:[1]", "socket:[1]", "devpts:/0"),
    *("/home/me/.ssh/config", "/root/\\\\x", "/lib/libx.so", "/var/lib/app/@x"),
)
FOLDERS = (
    "/",
    "/etc/",
    "/srv/data/",
    f"{A}notes-1.2/share/",
    "/bin/",
    "/tmp/",
    "/srv/my\\040dir/",
    "proc:/self/",
    "/var/lib/app/",
)


def request(draw: random.Random) -> str:
    """A request of any kind."""
    file, other, folder = draw.choice(FILES), draw.choice(FILES), draw.choice(FOLDERS)
    mode = draw.choice(("0644", "0600", "04755", "02755", "0", "07777"))
    device, kind = draw.choice(("/dev/sda1", "tmpfs", "any", folder)), draw.choice(("ext4", "tmpfs", "--bind"))
    socket = draw.choice((file, "\\000x", "run/x", "anonymous"))
    address = draw.choice(("10.0.0.1", "::1", "::ffff:10.0.0.1", "0.0.0.0"))
    number = draw.randrange(2000)
    return draw.choice(
        (
            f"file {draw.choice(('read', 'write', 'append', 'unlink', 'getattr', 'truncate', 'symlink', 'execute'))} {file}",
            f"file execute {file}",
            f"file write {file}",
            f"file {draw.choice(('read', 'getattr', 'rmdir', 'chroot', 'unlink'))} {folder}",
            f"file {draw.choice(('rename', 'link'))} {file} {other}",
            f"file rename {folder} {draw.choice(FOLDERS)}",
            f"file {draw.choice(('create', 'mkfifo', 'chmod'))} {file} {mode}",
            f"file mkdir {folder} {draw.choice(('0755', '01777'))}",
            f"file {draw.choice(('chown', 'chgrp'))} {file} {number}",
            f"file ioctl {draw.choice((file, folder))} 0x{number:X}",
            f"file {draw.choice(('mkblock', 'mkchar'))} {file} 0660 {number % 9} {number % 7}",
            f"file mount {device} {folder} {kind} 0x{number:X}",
            f"network inet {draw.choice(('stream bind', 'stream connect', 'dgram send', 'raw bind'))} {address} {number}",
            f"network unix {draw.choice(('stream connect', 'dgram send', 'stream listen'))} {socket}",
            f"misc env {draw.choice(('HOME', 'LD_PRELOAD', 'PATH', 'TWO_WORDS'))}",
            f"task manual_domain_transition {draw.choice(DOMAINS)}",
        )
    )


def policy(draw: random.Random) -> str:
    """Domains with some of what could be asked for."""
    text = ""
    for name in DOMAINS:
        profile = 0 if name == "<kernel> /free" else draw.choice((2, 3, 3))
        lines = [name, f"use_profile {profile}", *draw.choice(([], ["use_group 0"]))]
        lines += dict.fromkeys(request(draw) for _ in range(draw.randrange(12)))
        text += "".join(f"{line}\n" for line in lines) + "\n"
    return text


def findings(domains: str) -> list[tuple[str, str, str]]:
    """All that lint says of it and that is more than a note: the line, the code, and why."""
    texts = [
        PolicyText(TextKind.DOMAIN, "domain_policy.conf", domains),
        PolicyText(TextKind.EXCEPTION, "exception_policy.conf", EXCEPTIONS),
        PolicyText(TextKind.PROFILE, "profile.conf", PROFILES),
    ]
    lines = domains.split("\n")
    found = [one for one in lint_names(texts) if one.severity.reaches(Severity.WARNING)]
    return [
        (lines[one.place.line - 1] if one.place.file == "domain_policy.conf" and one.place.line else "", one.code, one.message)
        for one in found
    ]


def test_what_is_proposed_grants_and_is_taken(draw: random.Random, tmp_path: Path) -> None:
    exceptions, profiles = parse_exception_policy(EXCEPTIONS), parse_profile(PROFILES)
    proposed: dict[str, int] = {}
    refused: dict[str, int] = {}
    times = max(60, rounds(60))  # so many that the rarest refusal is met
    for _ in range(times):
        text = policy(draw)
        explainer = Explainer(DecisionEngine(parse_domain_policy(text, report=lambda _: None), exceptions, profiles))
        before = findings(text)
        for _ in range(12):
            domain, asked = draw.choice(DOMAINS), request(draw)
            found = explainer.explain(domain, parse_request(asked))
            if found.remedy is None:
                if found.objection:
                    code = found.objection.rpartition("[")[2]
                    refused[code] = refused.get(code, 0) + 1
                continue
            new = found.new_domain
            more = (
                ""
                if new is None
                else f"{new.name}\nuse_profile {new.profile}\n" + "".join(f"use_group {g}\n" for g in new.groups)
            )
            after = f"{text}{domain}\n{found.remedy}\n\n{more}"
            engine = DecisionEngine(parse_domain_policy(after, report=lambda _: None), exceptions, profiles)
            granted = Explainer(engine).explain(domain, parse_request(asked))
            assert granted.verdict.granted, (after, asked)
            about = [one for one in findings(after) if one not in before]
            assert [one for one in about if one[0] == str(found.remedy) or one[1] == "write-and-execute"] == [], (after, asked)
            word = str(found.remedy).split(" ")[1]
            proposed[word] = proposed.get(word, 0) + 1
            if (
                "notes-1.2/share/help" in asked
                and asked.startswith("file ")
                and not asked.startswith(("file execute", "file mount"))
            ):
                assert "@nix:/notes/share/help" in str(found.remedy)
                assert A not in str(found.remedy).replace(f"{A}notes-1.2/bin/", "")
            if asked == f"file execute {A}notes-1.2/bin/notes":
                assert str(found.remedy) == "file execute nix:/notes/bin/notes"
    assert sum(proposed.values()) > times * 3
    assert len(proposed) > 15
    # Some would grant, and yet are not proposed.
    assert {"store-write]", "setuid-mode]"} <= set(refused), refused


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("file write /bin/ls", "write-and-execute"),
        ("file execute /srv/w", "write-and-execute"),
        ("file write /sbin/init", "executed-elsewhere"),
        ("file write /etc/app.conf", "configures-elsewhere"),
        ("file write /free/tool", "executed-elsewhere"),
        (f"file unlink {A}notes-1.2/share/help", "store-write"),
        ("file execute /tmp/x", "execute-temporary"),
        ("file create /srv/x 04755", "setuid-mode"),
        ("file mount tmpfs /bin/ tmpfs 0x0", "write-and-execute"),
    ],
)
def test_what_is_not_proposed(asked: str, said: str) -> None:
    text = """\
<kernel>
use_profile 3
file execute /sbin/init
<kernel> /sbin/init
use_profile 3
file read /etc/app.conf
file execute /bin/app
<kernel> /sbin/init /bin/app
use_profile 3
file execute /bin/ls
file write /srv/w
<kernel> /free
use_profile 0
file execute /free/tool
"""
    engine = DecisionEngine(parse_domain_policy(text), parse_exception_policy(EXCEPTIONS), parse_profile(PROFILES))
    found = Explainer(engine).explain("<kernel> /sbin/init /bin/app", parse_request(asked))
    assert (found.conclusion.value, found.remedy) == ("denied", None)
    assert found.objection.endswith(f"[{said}]")
    assert any(said in sentence for sentence in found.sentences())
    assert not any(sentence.startswith("this would") for sentence in found.sentences())


def test_a_choice_comes_with_its_domain() -> None:
    engine = DecisionEngine(parse_domain_policy("<kernel>\nuse_profile 3\n"), None, parse_profile(PROFILES))
    found = Explainer(engine).explain("<kernel>", parse_request("task manual_domain_transition <kernel> /x"))
    assert list(found.sentences())[1:] == [
        "this would allow it: task manual_domain_transition <kernel> /x",
        "define the domain that it leads to, too: <kernel> /x, use_profile 3",
    ]
    none = Explainer(engine).explain("<kernel>", parse_request("task manual_domain_transition <none> /x"))
    assert none.objection.startswith("<none> /x, where it leads, cannot be entered: the policy has no such domain")


def test_an_execution_comes_with_its_domain(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text("<kernel>\nuse_profile 3\nuse_group 0\nfile execute /x\n")
    (tmp_path / "exception_policy.conf").write_text(EXCEPTIONS)
    (tmp_path / "profile.conf").write_text(PROFILES)
    done = tomoyo("explain", "--policy", tmp_path, "<kernel>", "file", "execute", f"{A}notes-1.2/bin/notes")
    assert done.output.splitlines()[-2:] == [
        "this would allow it: file execute nix:/notes/bin/notes",
        "define the domain that it leads to, too: <kernel> nix:/notes/bin/notes, use_profile 1, use_group 0",
    ]

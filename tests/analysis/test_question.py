"""Questions of who may do what: of every operation, and of any part of its arguments."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoyo.analysis.question import ARGUMENTS, parse_question, question_of
from tomoyo.analysis.reachability import unbound, who_may
from tomoyo.cli.commands.can import _ARGUMENTS
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.model.entries import Kind
from tomoyo.model.errors import TomoyoError
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy

from ..cli.command import Done, tomoyo

GROUPS = """\
path_group pages /srv/\\*
number_group ports 80
number_group ports 8000-8099
address_group inside 10.0.0.0-10.255.255.255
address_group inside fe80::-fe80::ffff
address_group mapped ::ffff:10.0.0.0-::ffff:10.0.0.255
path_group special /proc/meminfo
path_group special /sys/kernel/x
"""
#: Each with a question that it answers, and one that it does not.
QUESTIONS = [
    ("file read/write /etc/\\*", "write", {"path": "/etc/shadow"}, {"path": "/etc/ssh/key"}),
    ("file append /x", "open", {"path": "/x"}, {"path": "/y"}),
    ("file append /x", "file read/append", {"path": "/x"}, {"path": "/y"}),
    ("file execute @pages", "execute", {"path": "/srv/a"}, {"path": "/srv/a/b"}),
    ("file rename /a /b", "rename", {"path": "/b"}, {"path": "/c"}),
    ("file rename /a /b", "rename", {"path1": "/a", "path2": "/b"}, {"path1": "/b"}),
    ("file link @pages /b", "link", {"path1": "/srv/x", "path2": "/b"}, {"path1": "/srv/x", "path2": "/c"}),
    ("file chmod /x 0644", "chmod", {"path": "/x", "number": "0600-0777"}, {"number": "04755"}),
    ("file chown /x 0-99", "chown", {"number": "0"}, {"number": "100"}),
    ("file ioctl /dev/tty 0x5413", "ioctl", {"path": "/dev/tty", "number": "0x5413"}, {"number": "0x5414"}),
    ("file mkblock /dev/\\* 0600 8 0-15", "mkblock", {"major": "8", "minor": "3"}, {"major": "9"}),
    ("file mkchar /dev/mem 0600 1 1", "mkchar", {"path": "/dev/mem", "mode": "0600"}, {"mode": "0666"}),
    ("file mount /dev/sda1 /mnt/ ext4 0x1", "mount", {"device": "/dev/sda1", "filesystem": "ext4"}, {"flags": "0"}),
    ("file mount /dev/sda1 /mnt/ ext4 0x1", "mount", {"path": "/mnt/"}, {"directory": "/srv/"}),
    ("file mount any /mnt/ tmpfs 0", "mount", {}, {"filesystem": "ext4"}),
    ("network inet stream connect 10.0.0.1 22", "connect", {"address": "10.0.0.1", "port": "22"}, {"port": "23"}),
    ("network inet stream connect @inside @ports", "inet_stream_connect", {"address": "10.1.2.3"}, {"address": "11.0.0.0"}),
    ("network inet stream connect @inside @ports", "connect", {"address": "fe80::1-fe80::2"}, {"address": "fe80::1:0"}),
    ("network inet stream connect @inside @ports", "connect", {"port": "8050"}, {"port": "8100"}),
    ("network inet stream connect ::1 1-1024", "network inet stream connect", {"address": "::-::5"}, {"address": "::2"}),
    # The kernel compares no protocol of an inet entry.
    ("network inet dgram bind 0.0.0.0 53", "network inet stream bind", {"address": "0.0.0.0"}, {"address": "127.0.0.1"}),
    ("network inet raw send 10.0.0.1 1", "send", {"address": "10.0.0.1", "port": "1"}, {"port": "2"}),
    # A host has an IPv4 address, and an IPv6 one by which IPv6 sockets reach it.
    ("network inet stream connect ::ffff:10.0.0.1 22", "connect", {"address": "10.0.0.1"}, {"address": "10.0.0.2"}),
    ("network inet stream connect 10.0.0.1 22", "connect", {"address": "::ffff:10.0.0.1"}, {"address": "::10.0.0.1"}),
    ("network inet stream connect 10.0.0.1 22", "connect", {"address": "::ffff:a00:0-::ffff:a00:2"}, {"address": "::1"}),
    ("network inet dgram send ::ffff:10.0.0.0-::ffff:10.0.0.9 1", "send", {"address": "10.0.0.9"}, {"address": "10.0.0.10"}),
    ("network inet dgram send ::ffff:10.0.0.5 1", "send", {"address": "10.0.0.0-10.0.0.9"}, {"address": "10.0.0.0-10.0.0.4"}),
    ("network inet stream bind @mapped 1", "bind", {"address": "10.0.0.9"}, {"address": "10.0.1.0"}),
    ("network inet stream bind @inside 1", "bind", {"address": "::ffff:10.1.2.3"}, {"address": "::ffff:11.0.0.0"}),
    ("network inet raw send ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1", "send", {"address": "1.2.3.4"}, {"port": "2"}),
    ("network inet raw send ::fffe:ffff:ffff-::ffff:1.2.3.4 1", "send", {"address": "0.0.0.0"}, {"address": "1.2.3.5"}),
    ("file read pi\\*", "read", {"path": "pipe:[1]"}, {"path": "socket:[1]"}),
    ("file mount any /mnt/ tmpfs 0", "mount", {"directory": "/mnt/"}, {"directory": "/srv/"}),
    # A special file has a path, and another name by which the kernel asks.
    ("file read proc:/meminfo", "read", {"path": "/proc/meminfo"}, {"path": "/proc/stat"}),
    ("file read proc:/\\*", "open", {"path": "/proc/meminfo"}, {"path": "/meminfo"}),
    ("file write /sys/kernel/x", "write", {"path": "sysfs:/kernel/x"}, {"path": "sysfs:/x"}),
    ("file chmod devpts:/\\$ 0600", "chmod", {"path": "/dev/pts/3"}, {"path": "/dev/pts/ptmx"}),
    ("file rename mqueue:/a mqueue:/b", "rename", {"path2": "/dev/mqueue/b"}, {"path2": "/dev/mqueue/a"}),
    ("file read/getattr proc:/self/mounts", "read", {"path": "/proc/mounts"}, {"path": "/proc/self/stat"}),
    ("file getattr /sys/kernel/x", "getattr", {"path": "/sys/kernel/x"}, {"path": "/sys/kernel/debug/x"}),
    ("file read @special", "read", {"path": "sysfs:/kernel/x"}, {"path": "/proc/meminfo"}),
    ("file mount proc /proc/ proc 0", "mount", {"directory": "/proc/"}, {"directory": "/proc/sys/"}),
    ("network unix stream connect /proc/self/fd/3/x", "connect", {"path": "/proc/self/fd/3/x"}, {"path": "/proc/self/x"}),
    ("network unix stream connect /run/\\*", "connect", {"path": "/run/bus"}, {"path": "/tmp/bus"}),
    ("network unix dgram send /run/log", "network unix dgram send", {"address": "/run/log"}, {"address": "/run/other"}),
    ("network unix stream bind \\000abstract", "bind", {"address": "\\000abstract"}, {"address": "\\000other"}),
    ("misc env LD_\\*", "env", {"name": "LD_PRELOAD"}, {"name": "PATH"}),
    ("misc env LD_\\*", "misc env", {"path": "LD_PRELOAD"}, {"path": "PATH"}),
    (
        "task manual_domain_transition <kernel> /x",
        "manual_domain_transition",
        {"domain": "<kernel> /x"},
        {"domain": "<kernel> /y"},
    ),
]


@pytest.mark.parametrize(("entry", "operation", "yes", "no"), QUESTIONS)
def test_a_question(entry: str, operation: str, yes: dict[str, str], no: dict[str, str]) -> None:
    engine = DecisionEngine(parse_domain_policy(f"<kernel> /a\n{entry}\n"), parse_exception_policy(GROUPS))
    assert [str(access.entries[0][1]) for access in who_may(engine, parse_question(operation, yes))] == [entry]
    assert list(who_may(engine, parse_question(operation, no))) == []


@pytest.mark.parametrize(
    "entry",
    [
        "file read/write /proc/meminfo",
        "file read sysfs:/kernel/x",
        "file read sysfs:/kernel/\\*",
        "file write /dev/pts/\\$",
        "file write /sys/kernel/debug/\\{\\*\\}/\\*",
        "file rename /a /proc/b",
        "file write @special",
        "file mkdir /a 0700",
        "file mkdir /a/\\* 0700",
        "file write /a/",
        "file read a/b",
        "file read /a/../b",
    ],
)
def test_an_entry_for_names_that_the_kernel_never_uses_counts_for_nothing(entry: str) -> None:
    groups = "path_group special /proc/meminfo\npath_group special devtmpfs:/null\n"
    engine = DecisionEngine(parse_domain_policy(f"<kernel> /a\n{entry}\n"), parse_exception_policy(groups))
    for operation in ("read", "write", "rename", "mkdir"):
        assert list(who_may(engine, parse_question(operation))) == []
    assert list(who_may(engine, question_of(parse_request("file read /proc/meminfo")))) == []


def test_every_argument_is_an_option_and_every_operation_can_be_asked_about() -> None:
    assert tuple(_ARGUMENTS) == tuple(name for name in ARGUMENTS if name in _ARGUMENTS)
    assert set(_ARGUMENTS) == set(ARGUMENTS)
    for kind in Kind:
        for operation in set(kind.operations) - set(kind.unasked):
            for name in (operation, f"{kind.keyword} {operation}"):
                assert (kind, operation) in parse_question(name).operations
        for operation in kind.unasked:
            with pytest.raises(ValueError, match="unknown operation"):
                parse_question(f"{kind.keyword} {operation}")


@pytest.mark.parametrize(
    ("operation", "arguments", "reason"),
    [
        ("fly", {}, "unknown operation: 'fly' (expected append, bind"),
        ("network inet stream read", {}, "unknown operation: 'network inet stream read'"),
        ("read", {"port": "1"}, "there is no port in file read, but path"),
        ("connect", {"address": "10.0.0.256", "port": "1"}, "not an IP address"),
        ("connect", {"address": "10.0.0.2-10.0.0.1", "port": "1"}, "not an IP address"),
        ("connect", {"port": "65536"}, "no port"),
        ("chmod", {"number": "x"}, "not a number"),
        ("read", {"path": "/etc/\\*"}, "but a pattern"),
        ("read", {"path": "/a b"}, "not a name"),
        ("manual_domain_transition", {"domain": "x"}, "not a name"),
    ],
)
def test_what_is_no_question(operation: str, arguments: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", "\\(")):
        parse_question(operation, arguments)


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("192.168.1.0/24", "write 192.168.1.0-192.168.1.255"),
        ("192.168.1.77/24", "write 192.168.1.0-192.168.1.255"),
        ("::/0", "write ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("10.0.0.0/33", "leave it out for any"),
        ("192.168.1.256", "write one as 10.0.0.1"),
        ("[::1]", "write ::1"),
        ("[::1]:80", "write ::1, and 80 as the port"),
        ("192.168.1.20:80", "write 192.168.1.20, and 80 as the port"),
        ("192.168.1.30-192.168.1.10", "write 192.168.1.10-192.168.1.30"),
        ("::2-::1", "write ::1-::2"),
        ("::1-10.0.0.1", "write one as"),
        ("localhost", "write one as"),
        ("any", "leave it out for any"),
        ("*", "leave it out for any"),
        ("@x", "write one as"),
        ("anonymous2", "write one as"),
        ("run/bus", "write one as"),
    ],
)
def test_a_misspelt_address_is_no_unix_socket(address: str, advice: str, tmp_path: Path) -> None:
    """To "nobody may" a misspelt question would be as good as a refusal."""
    with pytest.raises(ValueError, match="not an IP address") as caught:
        parse_question("connect", {"address": address})
    assert advice in str(caught.value)
    with pytest.raises(ValueError, match="nor the name of a unix socket"):
        parse_question("network unix stream connect", {"address": address})
    policy = tmp_path / "policy"
    policy.write_text("<kernel> /a\nnetwork inet stream connect 192.168.1.20 80\n")
    done = can(str(policy), "--op", "connect", "--address", address)
    assert (done.status, done.output) == (2, "")
    assert f"help: {advice}" in done.messages or advice in done.messages.partition("help: write")[2]


@pytest.mark.parametrize("address", ["/run/bus", "\\000bus", "anonymous", "10.0.0.1", "::1", "10.0.0.1-10.0.0.9"])
def test_an_address_is_of_one_family(address: str) -> None:
    other = "network unix stream connect" if address[0] in "1:" else "network inet stream connect"
    with pytest.raises(ValueError, match=r"^not .*, but (an IP address|a unix socket): '"):
        parse_question(other, {"address": address})
    kinds = {kind.keyword.split()[1] for kind, _ in parse_question("connect", {"address": address}).operations}
    assert kinds == {"inet" if address[0] in "1:" else "unix"}


def requests(chance: random.Random) -> Iterator[str]:
    """Requests of every kind."""
    path, number = chance.choice(("/a", "/b", "/srv/a", "/srv/b")), chance.choice(("80", "8050", "1", "010", "0x50"))
    address = chance.choice(("10.0.0.1", "11.0.0.1", "fe80::1", "::1"))
    yield f"file {chance.choice(('read', 'write', 'execute'))} {path}"
    yield f"file {chance.choice(('rename', 'link'))} {path} {chance.choice(('/a', '/srv/c'))}"
    yield f"file {chance.choice(('chmod', 'ioctl'))} {path} {number}"
    yield f"file mkblock {path} 0600 {number} 1"
    yield f"file mount {path} /srv/ ext4 {number}"
    yield f"network inet {chance.choice(('stream bind', 'dgram send', 'raw bind', 'stream connect'))} {address} {number}"
    yield f"network unix {chance.choice(('stream bind', 'dgram send'))} {path}"
    yield f"misc env {chance.choice(('A', 'B'))}"


def test_a_question_of_one_request_is_answered_as_the_request_is(draw: random.Random) -> None:

    def blurred(line: str) -> str:
        words = line.split()
        for at, word in enumerate(words[2:], 2):
            if draw.randrange(2) and word[0] == "/" and not word.endswith("/"):
                words[at] = draw.choice(("@pages", "/\\*", "/srv/\\*"))
            elif draw.randrange(2) and word[0].isdigit() and "." not in word and ":" not in word:
                words[at] = draw.choice(("@ports", "0-100"))
            elif draw.randrange(2) and ("." in word or ":" in word):
                words[at] = draw.choice(("@inside", "10.0.0.0-12.0.0.0"))
        return " ".join(words)

    granted = 0
    for _ in range(60):
        lines = "".join(f"{blurred(line)}\n" for _ in range(3) for line in requests(draw) if draw.randrange(3))
        engine = DecisionEngine(parse_domain_policy(f"<kernel> /x\n{lines}"), parse_exception_policy(GROUPS))
        for line in requests(draw):
            request = parse_request(line)
            answer = engine.decide("<kernel> /x", request).granted
            assert bool(list(who_may(engine, question_of(request)))) is answer, line
            assert bool(list(who_may(engine, request))) is answer, line
            granted += answer
    assert 60 < granted < 420


PROFILES = """\
PROFILE_VERSION=20150505
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
DOMAINS = """\
<kernel>
use_profile 3
file execute /sbin/init

<kernel> /sbin/init
use_profile 3
task manual_domain_transition <kernel> /chosen
task manual_domain_transition <kernel> /none

<kernel> /chosen
use_profile 3
network inet stream connect 10.0.0.0-10.0.0.255 22 task.uid=0
file mount /dev/sda1 /mnt/ ext4 0x1

<kernel> /lax
use_profile 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A policy as files."""
    (tmp_path / "domain_policy.conf").write_text(DOMAINS)
    (tmp_path / "profile.conf").write_text(PROFILES)
    return str(tmp_path)


def can(folder: str, *arguments: str) -> Done:
    return tomoyo("can", "--policy", folder, *arguments)


SSH = """\
<kernel> /chosen  (enforcing)
    network inet stream connect 10.0.0.0-10.0.0.255 22 task.uid=0
    by <kernel> -> /sbin/init -> <kernel> /chosen (by its own will)
<kernel> /lax  (permissive)
    not enforced
    no execution leads there
"""


def test_the_command(folder: str) -> None:
    for words in (
        ("--op", "connect", "--address", "10.0.0.1", "--port", "22"),
        ("--op", "network inet stream connect", "--port", "1-1024"),
        ("network", "inet", "stream", "connect", "10.0.0.1", "22"),
    ):
        done = can(folder, *words)
        assert (done.status, done.output) == (0, SSH)
    assert can(folder, "--enforced", "--op", "connect", "--port", "80") == Done(1, "", "")
    found = json.loads(can(folder, "--json", "--enforced", "--op", "mount", "--directory", "/mnt/").output)["result"]
    assert found[0]["entries"] == [{"acl_group": None, "entry": "file mount /dev/sda1 /mnt/ ext4 0x1"}]
    assert found[0]["chain"][1:] == [
        {"domain": "<kernel> /sbin/init", "entry": "file execute /sbin/init"},
        {"domain": "<kernel> /chosen", "entry": "task manual_domain_transition <kernel> /chosen"},
    ]


def test_no_mode_lets_a_process_choose_its_domain(folder: str) -> None:
    found = json.loads(can(folder, "--json", "--op", "manual_domain_transition").output)["result"]
    assert [access["domain"] for access in found] == ["<kernel> /sbin/init"]


def test_the_command_tells_of_sockets_and_of_the_right_names(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(
        "<kernel> /a\nuse_profile 3\nnetwork inet stream connect 10.0.0.1 22\nfile read /proc/stat\n"
        "<kernel> /b\nuse_profile 3\nnetwork inet stream connect ::ffff:10.0.0.0-::ffff:10.0.0.9 22\nfile read proc:/stat\n"
    )
    (tmp_path / "profile.conf").write_text(PROFILES)
    for address, sockets in (("10.0.0.1", [None, "IPv6"]), ("::ffff:10.0.0.1", ["IPv4", None])):
        words = ("--enforced", "--op", "connect", "--address", address)
        found = json.loads(can(str(tmp_path), "--json", *words).output)["result"]
        assert [entry.get("socket") for access in found for entry in access["entries"]] == sockets
        assert can(str(tmp_path), *words).output.count("(from an IPv") == 1
    for path in ("/proc/stat", "proc:/stat"):
        done = can(str(tmp_path), "--enforced", "file", "read", path)
        assert done.output.startswith("<kernel> /b  (enforcing)\n    file read proc:/stat\n")
        assert ("note: the kernel calls this file proc:/stat" in done.messages) is (path == "/proc/stat")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--op", "read", "file", "read", "/x"),
        ("file", "read", "/x", "--path", "/x"),
        ("file", "read", "/\\*"),
        ("--op", "read", "--port", "1"),
        ("--op", ""),
    ],
)
def test_what_is_no_question_is_unusable(folder: str, words: tuple[str, ...]) -> None:
    done = can(folder, *words)
    assert (done.status, done.output) == (2, "")
    assert "error:" in done.messages


@pytest.mark.parametrize(
    ("aggregators", "refused"),
    [
        ("aggregator /nix/store/x nix:/bound\n", True),
        ("aggregator /nix/store/x nix:/bound\naggregator /nix/store/y nix:/unbound\n", False),
        ("<other> aggregator /nix/store/x nix:/unbound\n", True),  # where no domain is
        ("", False),  # a source, whose names nothing binds yet
    ],
)
def test_a_name_that_nothing_binds_is_executed_by_nobody(aggregators: str, refused: bool) -> None:
    exceptions = f"{aggregators}aggregator /nix/store/z nix:/z\n" if aggregators else ""
    engine = DecisionEngine(parse_domain_policy("<kernel> /x\nfile execute nix:/unbound\n"), parse_exception_policy(exceptions))
    reason = unbound(engine, question_of(parse_request("file execute nix:/unbound")))
    assert reason == (
        "the kernel never asks for 'file execute nix:/unbound': no aggregator gives a program that name" if refused else ""
    )


@pytest.mark.parametrize(("operation", "number"), [("chmod", "010000"), ("create", "4096-5000"), ("ioctl", "0x100000000")])
def test_a_number_that_the_kernel_never_asks_for_is_refused(operation: str, number: str) -> None:
    question = parse_question(operation, {"path": "/a", "number": number})
    assert not question.cases
    assert "for more than" in question.never[0]
    assert parse_question("chmod", {"number": "4000-5000"}).cases


def test_what_is_no_question_is_refused_at_once() -> None:
    engine = DecisionEngine(parse_domain_policy("<kernel>\nfile read /x\n"))
    for wrong in ("file read /x", None, parse_domain_policy("<kernel>\n")):
        with pytest.raises(TomoyoError, match="who_may takes a Request or a Question"):
            who_may(engine, wrong)  # type: ignore[arg-type]

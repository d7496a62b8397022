"""The commands `explain` and `can`: domains that there are not, requests that are never made, and what is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from .command import tomoyo

S = "<kernel> nix:/openssh/bin/sshd"
STORE = "/nix/store/g4dc4h0qwqqwcqjx3zwwv2w30ndkcw4q"
FILES = {
    "domain_policy.conf": rf"""
<kernel>
use_profile 3
file execute nix:/openssh/bin/sshd
file execute /sbin/reset reset
file execute /sbin/late <late> /x

{S}
use_profile 3
use_group 0
file read /etc/ssh/\*
file read /etc/shadow task.euid=0
file execute /bin/ls keep exec.realpath="/usr/bin/ls" exec.argv[0]="ls"
file execute /bin/\* exec.realpath="/usr/bin/\*"
file mkdir /srv/x 0755
file read etc/shadow
file rmdir /srv/x
file write /srv/d/
network inet dgram send 10.0.1.7 53
network inet raw bind 10.0.1.7 6
network inet stream connect 10.0.0.0-10.0.0.255 88
network inet seqpacket bind ::1 80
network unix stream connect /run/x
task manual_domain_transition <kernel> /x
task manual_domain_transition <none> /x
file read /usr/share/\*
file unlink /usr/lib/\*/

<late> /x
use_profile 7
""",
    "exception_policy.conf": f"""
path_group nix:/glibc/lib/libc.so.6 {STORE}-glibc-2.40/lib/libc.so.6
acl_group 0 file read @nix:/glibc/lib/libc.so.6 task.uid=1
aggregator {STORE}-openssh/bin/sshd nix:/openssh/bin/sshd
""",
    "profile.conf": """
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
<late> PROFILE_VERSION=20150505
""",
}


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """A directory with a policy."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        (
            "<kernel> nix:/openssh/bin/ssh",
            ["did you mean '<kernel> nix:/openssh/bin/sshd'?", "from <kernel> would create it, with profile 3"],
        ),
        (f"{S} /bin/ls", [f"from {S} would create it, with profile 3 and acl_group 0"]),
        ("<kernel> /usr/sbin/sshd", [f"did you mean '{S}'?"]),
        ("<kernal> nix:/openssh/bin/sshd", [f"did you mean '{S}'?", "no domain above it"]),
        ("<late>", ["did you mean '<late> /x'?"]),
        ("nix:/openssh/bin/sshd", [f"did you mean '{S}'?"]),
        ("sshd", ["not a domain's name: 'sshd'"]),
    ],
)
def test_a_domain_that_the_policy_does_not_have(policy: str, domain: str, said: list[str]) -> None:
    done = tomoyo("explain", "--policy", policy, domain, "file", "read", "/etc/shadow")
    assert (done.status, done.output) == (2, "")
    assert all(text in done.messages for text in said), done.messages
    if domain.startswith("<"):
        done = tomoyo("can", "--policy", policy, "--op", "manual_domain_transition", "--domain", domain)
        assert (done.status, done.output) == (2, "")
        assert f"the policy has no domain '{domain}'" in done.messages


def test_what_the_kernel_would_create_is_answered_where_that_is_meant(policy: str) -> None:
    domain = f"{S} /bin/ls"
    done = tomoyo("explain", "--policy", policy, "--as-created", domain, "file", "read", "/etc/ssh/x")
    assert done.status == 1
    assert done.output.startswith(f"the policy has no domain '{domain}'")
    found = tomoyo("explain", "--json", "--policy", policy, "--as-created", domain, "file", "read", "/x").result
    assert (found["domain_defined"], found["created_from"], found["mode"]) == (False, S, "enforcing")
    assert tomoyo("explain", "--policy", policy, "--as-created", "<none> /x", "file", "read", "/x").status == 2
    may = tomoyo("can", "--policy", policy, "--as-created", "--op", "manual_domain_transition", "--domain", "<kernel> /x")
    assert (may.status, may.output.splitlines()[0]) == (0, S)


def test_records_of_domains_that_the_policy_does_not_have(policy: str, tmp_path: Path) -> None:
    head = (
        "#2026/11/24 08:45:02# profile=3 mode=enforcing granted=yes (global-pid=1) task={ pid=1 ppid=1 uid=0 gid=0 euid=0 egid=0"
        " suid=0 sgid=0 fsuid=0 fsgid=0 }"
    )
    log = tmp_path / "log"
    names = [f"{S} /x{number}" for number in range(30)]
    log.write_text("".join(f"{head}\n{name}\nfile read /etc/ssh/x\n\n" for name in (*names, *names, S)))
    for command in (["explain", "--log"], ["replay"]):
        done = tomoyo(command[0], "--policy", policy, *command[1:], log)
        assert done.status == 2
        assert done.messages.count("the policy has no domain '") == 10
        assert done.messages.endswith(
            "error: 60 records of 30 domains that the policy does not have: not answered [undefined-domain]\n"
        )
        answered = tomoyo(command[0], "--policy", policy, "--as-created", *command[1:], log)
        assert (answered.status, answered.messages) == (1, "")


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ("file mkdir /srv/x 0755", "file mkdir /srv/x/ 0755"),
        ("file rmdir /srv/x", "file rmdir /srv/x/"),
        ("file write /srv/d/", "file write /srv/d"),
        ("file read etc/shadow", "file read /etc/shadow"),
        ("file read /proc/meminfo", "file read proc:/meminfo"),
        ("file read nix:/glibc/lib/libc.so.6", f"file read {STORE}-glibc-2.40/lib/libc.so.6"),
        ("file execute nix:/gone/bin/x", ""),
        ("network inet seqpacket bind ::1 80", ""),
        ("network inet dgram connect 10.0.1.7 53", "network inet dgram send 10.0.1.7 53"),
    ],
)
def test_a_request_that_the_kernel_never_makes(policy: str, words: str, instead: str) -> None:
    done = tomoyo("explain", "--policy", policy, S, *words.split())
    assert (done.status, done.output) == (2, "")
    assert f"the kernel never asks for '{words}': " in done.messages
    assert (f"help: it would ask for '{instead}'" in done.messages) is bool(instead)
    found = tomoyo("explain", "--json", "--policy", policy, S, *words.split()).result
    assert (found["granted"], found["answer"], found["asked_instead"] or "") == (False, "never asked", instead)
    if "/proc/" in words or "execute" in words:
        return  # who may do that, by the right name or any, is shown
    may = tomoyo("can", "--policy", policy, *words.split())
    assert (may.status, may.output) == (2, "")
    assert "the kernel never asks for" in may.messages


def test_what_anybody_can_ask_is_left(policy: str) -> None:
    assert tomoyo("can", "--policy", policy, "--op", "mkdir", "--path", "/srv/x").status == 2
    assert tomoyo("can", "--policy", policy, "--enforced", "--op", "write/read", "--path", "/srv/d/").output == ""
    assert tomoyo("can", "--policy", policy, "--op", "unlink").output.startswith(S)
    # Its entry lacks the '/' of a directory's name.
    assert S not in tomoyo("can", "--policy", policy, "--op", "rmdir").output
    assert "no attributes" in tomoyo("can", "--policy", policy, "file", "read", "/x", "task.uid=0").messages


def test_what_is_not_known_is_not_false(policy: str) -> None:
    ls = ("explain", "--policy", policy, S, "file", "execute", "/bin/ls")
    asked = tomoyo(*ls)
    assert asked.status == 1
    assert asked.output.splitlines() == [
        'granted if exec.realpath="/usr/bin/ls" exec.argv[0]="ls" (enforcing mode): \'file execute /bin/ls keep'
        f' exec.realpath="/usr/bin/ls" exec.argv[0]="ls"\' grants \'file execute /bin/ls\' in {S}',
        'or granted if exec.realpath="/usr/bin/\\*": \'file execute /bin/\\* exec.realpath="/usr/bin/\\*"\''
        f" grants 'file execute /bin/ls' in {S}",
        f"else denied: no other entry of {S} grants 'file execute /bin/ls'",
        f'if exec.realpath="/usr/bin/ls" exec.argv[0]="ls": runs in {S} (the transition preference of the entry)',
        f'if exec.realpath="/usr/bin/\\*": runs in {S} /bin/\\*, which is created (no rule, so the program\'s own domain)',
    ]
    assert "what is known of exec.realpath, exec.argv[0] after the request" in asked.messages
    found = tomoyo(*ls, "--json").result
    assert (found["answer"], found["granted"], found["certain"], found["remedy"]) == ("granted if", False, False, None)
    assert found["granted_if"][1]["conditions"] == ['exec.realpath="/usr/bin/\\*"']
    same = tomoyo(*ls, "--realpath", "/usr/bin/ls")
    assert same.status == 0
    assert f'if exec.argv[0]="ls": runs in {S} (' in same.output
    assert f"else: runs in {S} /bin/\\*, which is created" in same.output
    assert tomoyo(*ls, "--realpath", "/usr/bin/ls", "--argv", "ls").output.endswith(
        f"runs in {S} (the transition preference of the entry)\n"
    )
    assert tomoyo(*ls, "exec.realpath=/usr/bin/ls", "exec.argv[0]=x").status == 0
    assert tomoyo(*ls, "--realpath", "/opt/ls").output.startswith("denied (enforcing mode)")


def test_attributes_of_processes_and_files(policy: str) -> None:
    shadow = ("explain", "--policy", policy, S, "file", "read", "/etc/shadow")
    statuses = {("--uid", "0"): 0, ("--uid", "33"): 1, ("task.euid=0",): 0, ("task.uid=0",): 1, ("--gid", "0", "task.euid=00"): 0}
    assert {words: tomoyo(*shadow, *words).status for words in statuses} == statuses
    assert "denied" in tomoyo(*shadow, "--uid", "33").output
    assert "granted if task.euid=0" in tomoyo(*shadow, "task.uid=0").output
    key = tomoyo("explain", "--policy", policy, S, "file", "read", "/etc/ssh/my \N{KEY}")
    assert (key.status, "/etc/ssh/my\\040\\360\\237\\224\\221" in key.output) == (0, True)
    for words in (["--uid", "x"], ["--envp", "A"], ["--realpath", "/x"], ["task.uid!=0"], ["--argv", "x"], ["task.nid=0"]):
        assert tomoyo(*shadow, *words).status == 2, words


@pytest.mark.parametrize(
    ("domain", "words", "said"),
    [
        (
            "<kernel>",
            "file execute /sbin/reset",
            ["fails with ENOMEM (enforcing mode)", "the kernel creates none in another namespace"],
        ),
        ("<kernel>", "file execute /sbin/late", ["fails with ENOMEM (enforcing mode)", "its profile 7 is not defined in <late>"]),
        (S, "task manual_domain_transition <none> /x", ["fails with ENOENT", "the kernel creates none in another namespace"]),
    ],
)
def test_a_domain_that_cannot_be_entered(policy: str, domain: str, words: str, said: list[str]) -> None:
    done = tomoyo("explain", "--policy", policy, domain, *words.split())
    assert done.status == 1
    assert not done.output.startswith("granted")
    assert all(text in done.output for text in said), done.output
    assert tomoyo("explain", "--json", "--policy", policy, domain, *words.split()).result["answer"] == "fails"


def test_a_domain_that_is_chosen(policy: str) -> None:
    done = tomoyo("explain", "--policy", policy, S, "task", "manual_domain_transition", "<kernel>", "/x")
    assert (done.status, done.output.splitlines()[1]) == (0, "runs in <kernel> /x, which is created (the process chose it)")


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        ("file read /etc/ssh/", ["'file read /etc/ssh/\\*', but /etc/ssh/\\* is for no directory, and /etc/ssh/ is one"]),
        (
            "file read /etc/ssh/keys/",
            ["'file read /etc/ssh/\\*', but /etc/ssh/\\* is for no directory, and /etc/ssh/keys/ is one"],
        ),
        ("file read /usr/share/", ["'file read /usr/share/\\*', but /usr/share/\\* is for no directory, and /usr/share/ is one"]),
        (
            "file unlink /usr/lib/x",
            ["'file unlink /usr/lib/\\*/', but /usr/lib/\\*/ is for directories, whose names end in '/', and /usr/lib/x is none"],
        ),
        ("network inet stream connect 10.0.1.7 53", ["'network inet stream connect 10.0.0.0-10.0.0.255 88', but"]),
        ("network inet stream connect 10.0.1.7 88", ["'network inet stream connect 10.0.0.0-10.0.0.255 88', but"]),
        (
            "network inet stream connect ::ffff:10.0.0.7 88",
            ["'network inet stream connect 10.0.0.0-10.0.0.255 88', but", "IPv6 socket"],
        ),
        ("network inet raw bind 10.0.1.7 80", ["'network inet raw bind 10.0.1.7 6', but 6 does not match 80 (port)"]),
        ("network inet stream bind 10.0.1.7 80", ["'network inet raw bind 10.0.1.7 6', but 6 does not match 80 (port)"]),
    ],
)
def test_what_comes_nearest_and_why(policy: str, words: str, nearest: list[str]) -> None:
    done = tomoyo("explain", "--policy", policy, S, *words.split())
    shown = [line.removeprefix("nearest: ") for line in done.output.splitlines() if line.startswith("nearest: ")]
    assert not nearest or all(text in shown[0] for text in nearest), done.output
    assert "does not match ''" not in done.output

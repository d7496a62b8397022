"""The decision engine: search, modes, logging, learning and transition, each in a few lines of policy."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tomoyo.decision.conditions import Holds, holds
from tomoyo.decision.engine import DecisionEngine, UnknownDomain
from tomoyo.decision.groups import Groups
from tomoyo.decision.index import arguments_match
from tomoyo.decision.requests import Request, parse_request
from tomoyo.decision.transition import Cause, Failure, transition
from tomoyo.model.domains import DomainPolicy
from tomoyo.model.entries import Kind
from tomoyo.model.exception_policy import NamespaceExceptions
from tomoyo.model.profiles import Mode
from tomoyo.model.records import Execution, FileAttributes, ParentAttributes, Strings, Task
from tomoyo.model.words import Quoted, is_word
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy

PROFILES = """\
0-CONFIG={ mode=disabled grant_log=yes reject_log=yes }
1-PREFERENCE={ max_audit_log=10 max_learning_entry=2 }
1-CONFIG={ mode=learning grant_log=no reject_log=yes }
2-CONFIG={ mode=permissive grant_log=yes reject_log=no }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
3-CONFIG::file::mkdir={ mode=permissive grant_log=no reject_log=no }
"""
D = "<kernel> /bin/sh"
TASK = Task(pid=10, ppid=1, uid=1000, gid=100, euid=0, egid=0, suid=0, sgid=0, fsuid=0, fsgid=0)
FILE = FileAttributes(uid=1000, gid=5, ino=7, major=8, minor=1, perm=0o4755, type="file")


def engine(entries: str, exceptions: str = "", profile: int = 3, more: str = "") -> DecisionEngine:
    """The engine for one domain with ENTRIES."""
    kernel = SimulatedKernel()
    kernel.write("profile", PROFILES)
    kernel.write("exception_policy", f"{exceptions}\n")
    kernel.write("domain_policy", f"{D}\nuse_profile {profile}\n{entries}\n<kernel>\n{more}")
    return DecisionEngine.of(kernel.holding)


def ask(policy: DecisionEngine, text: str, *, device_counts: bool = True) -> str | None:
    """The entry that grants TEXT, or None."""
    verdict = policy.decide(D, replace(parse_request(text), device_counts=device_counts))
    return str(verdict.entry) if verdict.entry else None


def test_the_first_entry_in_order_decides() -> None:
    policy = engine(
        "file read /\\{\\*\\}/x\nfile read /a/\\*\nfile read /a/x\nfile read /a/\\?\nfile read @g\n", "path_group g /b"
    )
    assert ask(policy, "file read /a/x") == "file read /\\{\\*\\}/x"
    assert ask(policy, "file read /a/y") == "file read /a/\\*"
    assert ask(policy, "file read /b") == "file read @g"
    assert ask(policy, "file write /a/x") is None
    later = engine("file read @g\nfile read /\\*\nfile read /b\n", "path_group g /b")
    assert ask(later, "file read /b") == "file read @g"


def test_acl_groups_come_after_the_domain_ascending() -> None:
    policy = engine(
        "use_group 9\nuse_group 2\nfile read /own\n",
        "acl_group 9 file read /\\*\nacl_group 2 file read /two\nacl_group 2 file read /own\n",
    )
    found = {name: policy.decide(D, parse_request(f"file read /{name}")) for name in ("own", "two", "x")}
    assert [(verdict.group, verdict.granted) for verdict in found.values()] == [(None, True), (2, True), (9, True)]


@pytest.mark.parametrize(
    ("entry", "request_text", "granted"),
    [
        ("file mkdir /a/\\* 0700-0755", "file mkdir /a/b/ 0700", False),
        ("file mkdir /a/\\*/ 0700-0755", "file mkdir /a/b/ 0700", True),
        ("file mkdir /a/\\*/ 0700-0755", "file mkdir /a/b/ 0777", False),
        ("file chown /a @n", "file chown /a 10", True),
        ("file chown /a @n", "file chown /a 11", False),
        ("file rename /a /b", "file rename /a /b", True),
        ("file rename /a /b", "file rename /a /c", False),
        ("file mkchar /dev/n 0666 1 3-5", "file mkchar /dev/n 0666 1 4", True),
        ("file mkchar /dev/n 0666 1 3-5", "file mkchar /dev/n 0666 2 4", False),
        ("file mount /dev/a /m/ ext4 0x0-0xF", "file mount /dev/a /m/ ext4 0x1", True),
        ("file mount /dev/a /m/ ext4 0x0-0xF", "file mount /dev/b /m/ ext4 0x1", False),
        ("network inet stream connect 10.0.0.0-10.0.0.9 1-1023", "network inet stream connect 10.0.0.5 80", True),
        ("network inet stream connect 10.0.0.0-10.0.0.9 1-1023", "network inet stream connect 10.0.1.5 80", False),
        ("network inet stream connect @a 80", "network inet stream connect ::1 80", True),
        ("network inet stream connect 10.0.0.1 80", "network inet dgram bind 10.0.0.1 80", False),
        ("network unix stream connect /run/\\*", "network unix stream connect /run/x", True),
        ("misc env LD_\\*", "misc env LD_PRELOAD", True),
        ("misc env LD_\\*", "misc env PATH", False),
        ("task manual_domain_transition <kernel> /a\\*", "task manual_domain_transition <kernel> /a\\*", True),
        ("task manual_domain_transition <kernel> /a\\*", "task manual_domain_transition <kernel> /ab", False),
    ],
)
def test_every_kind_of_argument(entry: str, request_text: str, granted: bool) -> None:
    policy = engine(entry, "number_group n 10\naddress_group a ::1\n")
    assert (ask(policy, request_text) is not None) is granted


def test_a_device_counts_only_where_the_filesystem_needs_one() -> None:
    policy = engine("file mount none /m/ tmpfs 0x0")
    assert ask(policy, "file mount tmpfs /m/ tmpfs 0x0") is None
    assert ask(policy, "file mount tmpfs /m/ tmpfs 0x0", device_counts=False) is not None


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("task.uid=1000", "YES"),
        ("task.uid!=1000", "NO"),
        ("task.uid=0-999", "NO"),
        ("task.uid=path1.uid", "YES"),
        ("task.gid=path1.gid", "NO"),
        ("path1.perm=setuid", "YES"),
        ("setgid!=path1.perm", "YES"),
        ("setuid=owner_read", "NO"),
        ("setuid!=owner_read", "NO"),
        ("setuid=04000", "YES"),
        ("path1.type=file", "YES"),
        ("path1.type=directory", "NO"),
        ("path1.dev_major=0", "YES"),
        ("path1.parent.perm=sticky", "YES"),
        ("path2.uid=0", "NO"),
        ("path2.uid!=0", "NO"),
        ("1-5=3-9", "YES"),
        ("1-5=@n", "NO"),
        ("1-10=@n", "YES"),
        ("1-10!=@n", "NO"),
        ("exec.argc=3", "YES"),
        ('exec.argv[1]="-\\*"', "YES"),
        ('exec.argv[1]!="-c"', "NO"),
        ('exec.argv[2]="x"', "UNKNOWN"),
        ('exec.argv[7]="x"', "NO"),
        ('exec.argv[7]!="x"', "YES"),
        ('exec.envp["A"]="1"', "YES"),
        ('exec.envp["A"]=NULL', "NO"),
        ('exec.envp["A"]!=NULL', "YES"),
        ('exec.envp["B\\*"]="\\+"', "NO"),
        ('exec.envp["C"]=NULL', "YES"),
        ('exec.envp["C"]="1"', "NO"),
        ('exec.envp["C"]!="1"', "YES"),
        ('exec.realpath="/bin/\\*"', "YES"),
        ("exec.realpath=@p", "YES"),
        ("exec.realpath!=@p", "NO"),
        ('symlink.target="x"', "NO"),
        ('symlink.target!="x"', "NO"),
        ("1=exec.realpath", "NO"),
        ("task.uid=1000 task.gid=99", "NO"),
    ],
)
def test_conditions(condition: str, answer: str) -> None:
    exceptions = parse_exception_policy("number_group n 7-8\npath_group p /bin/\\*\n").namespace()
    assert exceptions is not None
    entry = parse_domain_policy(f"<kernel>\nfile execute /bin/x {condition}\n").domains[0].entries[0]
    argv = Strings((Quoted("x"), Quoted("-c")), truncated=True)
    envp = Strings((Quoted("A=1"), Quoted("B1=1"), Quoted("B2=x")))
    asked = Request(
        Kind.PATH,
        "execute",
        ("/bin/x",),
        TASK,
        FILE,
        ParentAttributes(uid=0, gid=0, ino=2, perm=0o1777),
        execution=Execution(Quoted("/bin/x"), 3, 3, argv, envp),
    )
    assert holds(entry.condition, asked, Groups(exceptions)) is Holds[answer]
    if condition.startswith("exec."):
        nothing = Groups(NamespaceExceptions())
        assert holds(entry.condition, replace(asked, execution=None), nothing) is Holds.NO


@pytest.mark.parametrize(
    ("profile", "text", "mode", "allowed", "logged"),
    [
        (0, "file read /x", Mode.DISABLED, True, False),
        (1, "file read /x", Mode.LEARNING, True, True),
        (2, "file read /x", Mode.PERMISSIVE, True, False),
        (2, "file read /a", Mode.PERMISSIVE, True, True),
        (3, "file read /x", Mode.ENFORCING, False, True),
        (3, "file mkdir /x/ 0755", Mode.PERMISSIVE, True, False),
        (3, "file read /a", Mode.ENFORCING, True, False),
        (3, "file read /b", Mode.ENFORCING, True, True),
        (2, "file read /c", Mode.PERMISSIVE, True, False),
    ],
)
def test_modes_and_logs(profile: int, text: str, mode: Mode, allowed: bool, logged: bool) -> None:
    policy = engine("file read /a\nfile read /b grant_log=yes\nfile read /c grant_log=no\n", profile=profile)
    verdict = policy.decide(D, parse_request(text))
    assert (verdict.mode, verdict.allowed, verdict.logged) == (mode, allowed, logged)


def test_what_learning_adds() -> None:
    policy = engine("", profile=1)
    execution = Execution(Quoted("/bin/ls"), 1, 0, Strings((Quoted("ls"),)), Strings())
    asked = replace(parse_request("file execute /bin/x"), execution=execution)
    learned = policy.decide(D, asked).learned
    assert str(learned) == 'file execute /bin/x exec.realpath="/bin/ls" exec.argv[0]="ls"'
    variable = replace(parse_request("misc env A"), execution=execution)
    assert str(policy.decide(D, variable).learned) == "misc env A"
    link = replace(parse_request("file symlink /s"), symlink_target=Quoted("t"))
    assert str(policy.decide(D, link).learned) == 'file symlink /s symlink.target="t"'
    for text in ("file chmod /x 0644", "file ioctl /x 0x5401", "file chown /x 10", "file mkchar /x 0600 1 3"):
        assert str(policy.decide(D, parse_request(text)).learned) == text


@pytest.mark.parametrize(
    ("entries", "learns"),
    [
        ("file read /a", True),
        ("file read/write /a", False),
        ("file read /a\nmisc env A", False),
        ("file read /a\ntask manual_domain_transition <kernel>", True),
        ("quota_exceeded", False),
    ],
)
def test_learning_ends_at_its_limit(entries: str, learns: bool) -> None:
    assert (engine(entries, profile=1).decide(D, parse_request("file read /x")).learned is not None) is learns


def test_a_domain_that_execve_would_create() -> None:
    policy = engine("use_group 1\nfile read /own", "acl_group 1 file read /shared")
    assert policy.decide(f"{D} /new /er", parse_request("file read /shared")).granted
    assert not policy.decide(f"{D} /new /er", parse_request("file read /own")).granted
    with pytest.raises(UnknownDomain, match="<other>"):
        policy.decide("<other>", parse_request("file read /shared"))


def test_without_profiles_the_entries_answer() -> None:
    verdict = DecisionEngine(DomainPolicy()).domain(D)
    assert verdict is None
    bare = DecisionEngine(parse_domain_policy(f"{D}\nuse_profile 0\nfile read /a\n"))
    found = [bare.decide(D, parse_request(text)) for text in ("file read /a", "file read /b")]
    assert [(verdict.mode, verdict.granted, verdict.allowed) for verdict in found] == [(None, True, True), (None, False, False)]


@pytest.mark.parametrize(
    ("entries", "exceptions", "program", "end", "cause"),
    [
        ("file execute /a", "", "/a", f"{D} /a", Cause.CHILD),
        ("file execute /\\*", "", "/a", f"{D} /\\*", Cause.CHILD),
        ("file execute @g", "path_group g /b\npath_group g /\\?", "/a", f"{D} /\\?", Cause.CHILD),
        ("file execute nix:/a", "aggregator /\\* nix:/a\naggregator /a nix:/b", "/a", f"{D} nix:/a", Cause.CHILD),
        ("file execute /a", "initialize_domain /a", "/a", "<kernel> /a", Cause.CONTROL),
        ("file execute /a", "initialize_domain /a from /bin/sh", "/a", "<kernel> /a", Cause.CONTROL),
        ("file execute /a", "initialize_domain /a from /bin", "/a", f"{D} /a", Cause.CHILD),
        ("file execute /a", f"initialize_domain any from {D}", "/a", "<kernel> /a", Cause.CONTROL),
        ("file execute /\\*", "initialize_domain /a", "/a", f"{D} /\\*", Cause.CHILD),
        ("file execute /a", f"keep_domain any from {D}", "/a", D, Cause.CONTROL),
        ("file execute /a", "keep_domain any\ninitialize_domain /a", "/a", "<kernel> /a", Cause.CONTROL),
        ("file execute /a", "keep_domain any\ninitialize_domain /a\nno_initialize_domain /a", "/a", D, Cause.CONTROL),
        ("file execute /a", "keep_domain any\nno_keep_domain /a from any", "/a", f"{D} /a", Cause.CHILD),
        ("file execute /a", "no_reset_domain /a\nreset_domain /a\nkeep_domain any", "/a", D, Cause.CONTROL),
        ("file execute /a keep", "initialize_domain /a", "/a", D, Cause.PREFERENCE),
        ("file execute /a child", "keep_domain any", "/a", f"{D} /a", Cause.PREFERENCE),
        ("file execute /a initialize", "", "/a", "<kernel> /a", Cause.PREFERENCE),
        ("file execute /a parent", "", "/a", "<kernel>", Cause.PREFERENCE),
        ("file execute /a /z", "", "/a", f"{D} /z", Cause.PREFERENCE),
        ("file execute /a <kernel> /y", "", "/a", "<kernel> /y", Cause.PREFERENCE),
    ],
)
def test_transitions(entries: str, exceptions: str, program: str, end: str, cause: Cause) -> None:
    found = transition(engine(entries, exceptions), D, Request(Kind.PATH, "execute", (program,)))
    assert (found.domain.text, found.cause, found.failure) == (end, cause, None)


@pytest.mark.parametrize(
    ("entries", "exceptions", "profile", "failure", "failed"),
    [
        ("file read /a", "", 3, Failure.DENIED, None),
        ("file execute /a reset", "", 3, Failure.NOT_READY, "</a>"),
        ("file execute /a reset", "", 2, Failure.NOT_READY, "</a>"),
        ("", "reset_domain /a", 2, Failure.NOT_READY, "</a>"),
        ("", f"aggregator /a /{'x' * 4070}", 2, None, f"{D} /{'x' * 4070}"),
        (f"file execute /{'x' * 4070}", f"aggregator /a /{'x' * 4070}", 3, Failure.NOT_READY, f"{D} /{'x' * 4070}"),
        ("file execute /a <o> /a", "", 3, Failure.NOT_READY, "<o> /a"),
    ],
)
def test_domains_that_cannot_be_entered(
    entries: str, exceptions: str, profile: int, failure: Failure | None, failed: str | None
) -> None:
    found = transition(engine(entries, exceptions, profile), D, Request(Kind.PATH, "execute", ("/a",)))
    assert (found.failure, found.transition_failed, found.domain.text) == (failure, failed, D)


def test_a_created_domain_inherits_profile_and_groups() -> None:
    found = transition(engine("use_group 7\nfile execute /a"), D, Request(Kind.PATH, "execute", ("/a",)))
    assert found.created is not None
    assert (found.created.profile, found.created.groups, found.created.entries) == (3, (7,), ())


def test_the_last_entry_that_matched_in_part_names_the_domain() -> None:
    """Outside enforcing mode, where no entry grants: a quirk of the kernel's search, seen in a kernel."""
    policy = engine("file execute /b\nfile execute /\\* task.uid=0\n", profile=2)
    found = transition(policy, D, Request(Kind.PATH, "execute", ("/a",), TASK))
    assert (found.verdict.granted, found.domain.text) == (False, f"{D} /\\*")
    other = engine("file execute /\\* task.uid=0\nfile execute /b\n", profile=2)
    assert transition(other, D, Request(Kind.PATH, "execute", ("/a",), TASK)).domain.text == f"{D} /a"


@pytest.mark.parametrize("text", ["file read /\\*", "file read @g", "file read/write /a", "file chmod /a 1-2", "file", "x", ""])
def test_what_is_no_single_request(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        parse_request(text)


def test_the_index_finds_what_a_scan_finds(draw: random.Random) -> None:
    pieces = ("a", "b", "/", "/", "\\*", "\\@", "\\?", "\\-", "\\040", "\\\\", "/\\{\\*\\}/", ".")
    words = ["/" + "".join(draw.choice(pieces) for _ in range(draw.randint(0, 5))) for _ in range(400)]
    words = [word for word in words if is_word(word)]
    exceptions = "".join(f"path_group g{number % 30} {word}\n" for number, word in enumerate(words[:100]))
    lines = [f"file read @g{draw.randint(0, 40)}" if draw.random() < 0.2 else f"file read {word}" for word in words[100:]]
    policy = engine("\n".join(lines), exceptions)
    domain = policy.domain(D)
    assert domain is not None
    found = set()
    for _ in range(2000):
        name = "/" + "".join(draw.choice(("a", "b", "/", "\\040", "\\\\", ".")) for _ in range(draw.randint(0, 5)))
        asked = Request(Kind.PATH, "read", (name,))
        first = next((entry for entry in domain.entries if arguments_match(entry, asked, policy.groups("<kernel>"))), None)
        assert policy.decide_entries(D, asked).entry == first
        found.add(first)
    assert len(found) > 5

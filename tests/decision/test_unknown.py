"""Requests of which not everything is known: what is said holds for each request that they may be."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from tests.seeds import rounds
from tomoyo.decision.conditions import Holds, holds
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.groups import Groups
from tomoyo.decision.requests import Request, parse_request, with_attributes
from tomoyo.decision.transition import transition
from tomoyo.model.exception_policy import NamespaceExceptions
from tomoyo.model.profiles import Mode
from tomoyo.model.records import Execution, FileAttributes, ParentAttributes, Strings, Task
from tomoyo.model.words import Quoted
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.profiles import parse_profile

D = "<kernel> /bin/sh"
EXCEPTIONS = "number_group n 0\nnumber_group n 5-7\npath_group p /bin/\\*\npath_group p /x/y\n"
PROFILES = "PROFILE_VERSION=20150505\n3-CONFIG={ mode=%s grant_log=no reject_log=yes }\n"
TESTS = (
    *("task.uid=0", "task.uid!=0", "task.uid=@n", "task.uid!=@n", "task.uid=@none", "task.uid!=@none", "task.uid=task.euid"),
    *(
        "task.gid=1-9",
        "task.uid=path1.uid",
        "path1.uid=0",
        "path1.perm=setuid",
        "others_write!=path1.perm",
        "path1.perm=0600-0700",
    ),
    *(
        "path1.type=file",
        "path1.type=directory",
        "directory!=path1.type",
        "path1.parent.uid=0",
        "path2.uid=0",
        "path1.uid=path1.uid",
    ),
    *("exec.argc=1-2", 'exec.argv[0]="ls"', 'exec.argv[1]!="a\\*"', 'exec.envp["A"]="1"', 'exec.envp["A"]=NULL', "1=1", "1=2"),
    *('exec.envp["\\*"]!=NULL', 'exec.envp["B"]!=NULL', 'exec.realpath="/bin/\\*"', "exec.realpath=@p", "exec.realpath!=@none"),
    *('symlink.target="a\\*"', 'symlink.target!="b"', "setuid=owner_read", "grant_log=no", "exec.envc=1", "1=exec.realpath"),
)
REQUESTS = ("file read /a", "file read /a/", "file execute /a", "file symlink /a", "file create /a 0644", "misc env A")
REQUESTS += ("file rename /a /b", "network inet stream connect ::1 80")


def whole(draw: random.Random, text: str) -> tuple[Request, list[str]]:
    """A request as a record has it, and all that is true of it."""
    request = replace(parse_request(text), given=None)
    small = [draw.choice((0, 1, 6)) for _ in range(12)]
    task = Task(*small[:10])
    facts = [f"task.{name}={getattr(task, name)}" for name in ("uid", "gid", "euid", "pid", "ppid", "fsuid")]
    request = replace(request, task=task)
    operation, kind = request.operation, request.kind.keyword
    if kind in ("file", "misc"):
        parent = ParentAttributes(small[0], small[1], 3, 0o755)
        request = replace(request, path1_parent=parent)
        facts += [f"path1.parent.uid={parent.uid}", "path1.parent.perm=0755"]
        if operation in ("read", "execute", "rename", "env"):
            named = "directory" if str(request.arguments[0]).endswith("/") else draw.choice(("file", "fifo"))
            if operation in ("execute", "env"):
                named = "file"
            file = FileAttributes(small[2], 0, 5, 8, 1, draw.choice((0o644, 0o4755, 0o602)), named)
            request = replace(request, path1=file)
            facts += [f"path1.uid={file.uid}", f"path1.perm=0{file.perm:o}", f"path1.type={file.type}"]
        if operation == "rename":
            request = replace(request, path2=replace(file, uid=small[5]), path2_parent=parent)
            facts += [f"path2.uid={small[5]}"]
    if operation == "symlink":
        target = draw.choice(("a1", "b"))
        request = replace(request, symlink_target=Quoted(target))
        facts.append(f"symlink.target={target}")
    if operation == "execute" or kind == "misc":
        argv = [draw.choice(("ls", "a1")) for _ in range(draw.randint(1, 2))]
        envp = draw.sample(("A=1", "A=2", "B=1", "C="), draw.randint(0, 2))
        envp = list({each[0]: each for each in envp}.values())
        real = draw.choice(("/bin/ls", "/x/y", "/x/z"))
        given = (Strings(tuple(map(Quoted, each))) for each in (argv, envp))
        request = replace(request, execution=Execution(Quoted(real), len(argv), len(envp), *given))
        facts += [f"exec.realpath={real}", f"exec.argc={len(argv)}", f"exec.envc={len(envp)}"]
        facts += [f"exec.argv[{at}]={word}" for at, word in enumerate(argv)]
        facts += [f"exec.envp[{each[0]}]={each[2:]}" for each in envp]
        facts += [f"exec.envp[{name}]=NULL" for name in "ABC" if name not in [each[0] for each in envp]]
    return request, facts


def test_what_is_said_of_a_request_that_is_known_in_part_holds_for_the_whole(draw: random.Random) -> None:
    exceptions = parse_exception_policy(EXCEPTIONS)
    seen: dict[str, int] = {}
    for _ in range(rounds(600)):
        text = draw.choice(REQUESTS)
        request, facts = whole(draw, text)
        words = text.split(" ")
        preferences = ("", "keep", "initialize", "/w") if request.operation == "execute" else ("",)
        lines = []
        for _ in range(draw.randint(1, 4)):
            tests = draw.sample(TESTS, draw.randint(0, 2))
            name = draw.choice((words[-1], "/\\*")) if words[0] == "file" and len(words) == 3 else words[-1]
            lines.append(" ".join(filter(None, (*words[:-1], name, draw.choice(preferences), *tests))))
        mode = draw.choice(("enforcing", "permissive"))
        policy = parse_domain_policy(f"{D}\nuse_profile 3\n" + "".join(f"{line}\n" for line in lines), report=lambda _: None)
        engine = DecisionEngine(policy, exceptions, parse_profile(PROFILES % mode))
        known = draw.sample(facts, draw.randint(0, len(facts)))
        if draw.random() < 0.3:
            known = facts
        part = with_attributes(parse_request(text), known)
        said, answer = engine.decide(D, part), engine.decide(D, request)
        told = (policy, known, str(request), said)
        possible = [entry for _, entry in said.conditional]
        assert said.certain is not bool(possible)
        if said.certain:
            assert (answer.granted, answer.entry) == (said.granted, said.entry), told
        else:
            # The first entry that matches is one of those that may, or the one that surely does.
            assert answer.entry in [*possible, said.entry], told
        if request.operation == "execute":
            moved, one = transition(engine, D, part), transition(engine, D, request)
            ways = [(each.domain, each.failure, each.transition_failed) for each in (*moved.alternatives, moved)]
            assert (one.domain, one.failure, one.transition_failed) in ways, told
            assert len(moved.alternatives) == len(possible)
        seen[f"{said.certain} {said.granted}"] = seen.get(f"{said.certain} {said.granted}", 0) + 1
    assert min(seen.values()) > rounds(600) / 60, seen
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("text", "condition", "answer"),
    [
        ("file read /a", "task.uid=0", "UNKNOWN"),
        ("file read /a task.uid=0", "task.uid=0", "YES"),
        ("file read /a task.uid=1", "task.uid=0", "NO"),
        ("file read /a", "task.uid=task.uid", "YES"),
        ("file read /a", "task.uid!=task.uid", "NO"),
        ("file read /a", "task.uid=@none", "NO"),
        ("file read /a", "task.uid!=@none", "YES"),
        ("file read /a", "exec.argc=1", "NO"),
        ("file read /a", "path2.uid=0", "NO"),
        ("file read /a", "path1.type=directory", "NO"),
        ("file read /a/", "path1.type=directory", "YES"),
        ("file execute /a", "path1.type=file", "YES"),
        ("file execute /a", "exec.realpath=@none", "NO"),
        ("file execute /a", 'exec.realpath="/a"', "UNKNOWN"),
        ("file execute /a exec.argc=1", 'exec.argv[1]="x"', "NO"),
        ("file execute /a exec.argc=1", 'exec.argv[1]!="x"', "YES"),
        ("file execute /a exec.envp[A]=1", 'exec.envp["A"]!=NULL', "YES"),
        ("file execute /a exec.envp[A]=1", 'exec.envp["B"]=NULL', "UNKNOWN"),
        ('file execute /a exec.envp["A"]=NULL', 'exec.envp["A"]=NULL', "YES"),
        ('file execute /a exec.envp["A"]=""', 'exec.envp["A"]=""', "YES"),
        ("file mkdir /a/ 0755", "path1.uid=0", "NO"),
        ("file mkdir /a/ 0755", "path1.parent.uid=0", "UNKNOWN"),
        ("network inet stream connect ::1 1", "path1.uid=0", "NO"),
        ("network inet stream connect ::1 1", "task.uid=0 path1.uid=0", "NO"),
        ("network inet stream connect ::1 1 task.uid=0", "task.uid=0 task.gid=0", "UNKNOWN"),
    ],
)
def test_a_condition(text: str, condition: str, answer: str) -> None:
    entry = parse_domain_policy(f"<kernel>\nfile execute /x {condition}\n", report=lambda _: None).domains[0].entries[0]
    assert holds(entry.condition, parse_request(text), Groups(NamespaceExceptions())) is Holds[answer]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file read /a task.uid!=0", "expected NAME=VALUE"),
        ("file read /a task.uidd=0", "did you mean 'task.uid'"),
        ("file read /a task.uid=0-5", "not a number"),
        ("file read /a task.uid=@n", "not a number"),
        ("file read /a path1.perm=setuid", "not a number"),
        ("file read /a path1.type=dir", "no file type"),
        ("file read /a path1.uid=0 path1.uid=1", "path1.uid has two values: 0 and 1"),
        ("file execute /a exec.realpath=/a exec.realpath=/b", "exec.realpath has two values"),
        ("file execute /a exec.argv[0]=a exec.argv[00]=b", "exec.argv[0] has two values"),
        ("file execute /a exec.envp[A]=NULL exec.envp[A]=1", "has two values: NULL and 1"),
        ("file read /a task.euid=4294967296", "at most 4294967295"),
        ("file read /a task.pid=0x80000000", "at most 2147483647"),
        ("file read /a path1.perm=0777777", "at most 07777"),
        ("file read /a path1.parent.perm=010000", "at most 07777"),
        ("file read /a path1.dev_major=4096", "at most 4095"),
        ("file read /a path1.ino=99999999999999999999999", "not a number"),
        ("file read /a exec.argc=1", "no such attribute"),
        ("file read /a path2.uid=1", "no such attribute"),
        ("file create /a 0644 path1.uid=1", "no such attribute"),
        ('file execute /a exec.realpath="/a\\*"', "a pattern"),
        ("file read /a exec.argv[x]=1", "unknown attribute"),
        ("file read /a grant_log=yes", "not a single request"),
        ("network unix stream connect /x 80", "a unix socket has no port"),
    ],
)
def test_what_is_no_attribute(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_request(text)


def test_no_mode_lets_a_process_choose_its_domain() -> None:
    policy = parse_domain_policy(f"{D}\nuse_profile 3\n")
    for mode in ("disabled", "permissive", "learning"):
        engine = DecisionEngine(policy, None, parse_profile(PROFILES % mode))
        verdict = engine.decide(D, parse_request("task manual_domain_transition <kernel> /x"))
        assert (verdict.granted, verdict.allowed, verdict.mode) == (False, False, None)
        assert engine.decide(D, parse_request("file read /x")).mode is Mode(mode)


def test_a_domain_that_is_not_defined() -> None:
    engine = DecisionEngine(parse_domain_policy(f"{D}\nuse_profile 0\n"), None, parse_profile(PROFILES % "enforcing"))
    verdict = engine.decide(f"{D} /misspelt", parse_request("file read /x"))
    assert (verdict.granted, verdict.domain_defined, str(verdict.created_from)) == (True, False, D)
    assert engine.decide(D, parse_request("file read /x")).domain_defined


@pytest.mark.parametrize(
    ("condition", "granted", "certain"),
    [
        ("exec.realpath=@nix:/a/b", True, True),
        ("exec.realpath!=@nix:/a/b", False, True),
        # A made-up name is never a real path.
        ('exec.realpath="nix:/a/b"', False, True),
        ('exec.realpath="nix:/a/\\*"', False, True),
        ('exec.realpath!="nix:/a/b"', True, True),
        # Where the program lies is not known.
        ('exec.realpath="/nix/store/\\*"', False, False),
        ("exec.realpath!=@p", False, False),
        ("exec.realpath=@names", False, False),
    ],
)
def test_a_program_that_is_named_by_its_package(condition: str, granted: bool, certain: bool) -> None:
    policy = parse_domain_policy(f"{D}\nuse_profile 3\nfile execute /bin/ls {condition}\n")
    exceptions = parse_exception_policy(f"{EXCEPTIONS}path_group nix:/a/b nix:/a/b\npath_group names nix:/a/b\n")
    engine = DecisionEngine(policy, exceptions, parse_profile(PROFILES % "enforcing"), names=("nix:/a/b",))
    verdict = engine.decide(D, parse_request("file execute /bin/ls exec.realpath=nix:/a/b"))
    assert (verdict.granted, verdict.certain) == (granted, certain)

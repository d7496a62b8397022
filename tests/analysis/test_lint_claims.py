"""What lint claims is so: an entry that never matches, or adds nothing, can go without any decision changing.

Random policies, from few names so that entries meet, are put to random requests as a kernel could make them: with and without
each line that is told of.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

from tests.generate import Generator
from tests.seeds import rounds
from tomoyo.decision.containment import covers, example
from tomoyo.decision.engine import DecisionEngine, Verdict
from tomoyo.decision.matching import matches
from tomoyo.decision.requests import Request, Value
from tomoyo.decision.transition import transition
from tomoyo.lint.linter import lint_policy
from tomoyo.model.diagnostics import Diagnostic
from tomoyo.model.domains import DomainPolicy
from tomoyo.model.entries import Entry, Kind
from tomoyo.model.exception_policy import TRANSITION_CONTROLS, ExceptionPolicy
from tomoyo.model.records import Execution, FileAttributes, ParentAttributes, Strings, Task
from tomoyo.model.words import Quoted, decode, is_word
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.entries import read_entry
from tomoyo.syntax.lines import Line, normalise, read_line
from tomoyo.syntax.policy_text import PolicyText, TextKind

#: So many that the rarest claim is met.
POLICIES = max(60, rounds(60))
REQUESTS = 400
DOMAIN = "<kernel> /d"
NEVER = ("not-canonical", "wrong-directory", "impossible-pattern", "impossible-condition", "impossible-number", "never-executed")
PROFILES = "PROFILE_VERSION=20150505\n" + "".join(
    f"{number}-CONFIG={{ mode={mode} grant_log=no reject_log=yes }}\n"
    for number, mode in enumerate(("disabled", "learning", "permissive", "enforcing"))
)

NAMES = ("/a", "/b", "/a/b", "/a/b/c", "/ab", "/a/x", "/a/x1", "/b/x/y", "/a.b", "/x/a", "proc:/self/x", "/a/\\040b", "pipe:[1]")
WORDS = (
    *(
        "/a",
        "/b",
        "/a/b",
        "/a/b/c",
        "/ab",
        "/a/x1",
        "/a/x2",
        "/a/",
        "/a/b/",
        "/a//b",
        "/a/./b",
        "/a/..",
        "a",
        "a/b",
        "proc:/self/x",
        "pipe:[1]",
    ),
    *(
        "/\\*",
        "/a/\\*",
        "/\\*/\\*",
        "/\\{\\*\\}/\\*",
        "/\\{\\*\\}/",
        "/a/\\{\\*\\}/\\*",
        "/a\\*",
        "/\\*b",
        "/a/x\\*",
        "/a/x\\+",
        "/a/\\@",
    ),
    *(
        "/a/\\*\\-b",
        "/a/\\*\\-\\*",
        "/a/\\?\\-\\?",
        "/a\\-b",
        "/\\*/",
        "/a/\\*/",
        "/\\?",
        "/a\\?",
        "/\\A",
        "/\\{a\\}/\\*",
        "/\\{\\*\\-a\\}/x",
    ),
    *(
        "/a/\\*\\*",
        "/a/\\*x\\*",
        "/\\{\\?\\}/\\*",
        "/a/\\040\\*",
        "/\\*\\-a",
        "/a\\*/\\*",
        "/\\{\\*\\}/x\\$",
        "/\\x",
        "/a/\\X",
        "@g",
        "@h",
        "@e",
    ),
)
TESTS = (
    *(
        "task.uid=0",
        "task.uid=1",
        "task.uid!=0",
        "task.uid=0-1",
        "task.uid=@n",
        "task.uid!=@n",
        "task.gid=task.uid",
        "task.uid!=task.uid",
    ),
    *("path1.uid=0", "path1.perm=setuid", "path1.perm!=setuid", "path1.perm=0755", "path1.type=file", "path1.type=directory"),
    *(
        "path1.parent.uid=0",
        "path2.uid=0",
        "path2.parent.uid=1",
        "exec.argc=1",
        "exec.argc=2-3",
        "exec.argc!=1",
        "1=1",
        "1=2",
        "file=32768",
    ),
    *(
        'exec.argv[0]="/a"',
        'exec.argv[0]="/\\*"',
        'exec.argv[0]!="/\\*"',
        'exec.argv[1]="x"',
        'exec.argv[1]!="x"',
        "task.uid=setuid",
    ),
    *(
        'exec.realpath="/a"',
        'exec.realpath="/\\*"',
        "exec.realpath=@g",
        "exec.realpath!=@g",
        'exec.realpath="/a//b"',
        "grant_log=yes",
    ),
    *(
        'exec.envp["A"]="x"',
        'exec.envp["A"]=NULL',
        'exec.envp["A"]!="x"',
        'exec.envp["A"]!=NULL',
        'symlink.target="x"',
        "grant_log=no",
    ),
    *(
        'symlink.target="\\*"',
        "task.uid=4294967296",
        "path1.perm=010000-020000",
        "path2.perm=setuid",
        "setuid=path1.perm",
        "0-1=task.uid",
    ),
)
NUMBERS = ("0", "1", "5", "0-5", "0-07777", "0644", "0600-0755", "010000", "4294967296", "0-4294967296", "@n", "@m")
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.0-10.0.0.9",
    "0.0.0.0-255.255.255.255",
    "::1",
    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "@i",
)
VARIABLES = ("A", "AB", "A\\*", "\\*", "B")
EXCEPTIONS = """\
path_group g /a
path_group g /a/\\*
path_group h /a/b
path_group h /b/
number_group n 0-1
number_group n 5
number_group m 7
address_group i 10.0.0.1
"""


def entry_line(draw: random.Random) -> str:
    """A line of domain policy, most often a valid entry."""
    if draw.random() < 0.2:
        return Generator(draw.randrange(2**32)).entry()
    kind = draw.choice((*[Kind.PATH] * 6, *Kind))
    operations = draw.sample(kind.operations, draw.randint(1, min(2, len(kind.operations))))
    if kind is Kind.PATH and draw.random() < 0.3:
        operations = ["execute"]
    pools = {
        "NAME": WORDS,
        "NUMBER": NUMBERS,
        "PORT": NUMBERS[:4],
        "ADDRESS": ADDRESSES,
        "VARIABLE": VARIABLES,
        "DOMAIN": (DOMAIN,),
    }
    arguments = [draw.choice(pools[wanted.name]) for wanted in kind.arguments.values()]
    tests = draw.sample(TESTS, draw.choice((0, 0, 0, 0, 0, 1, 1, 2, 3)))
    if operations == ["execute"] and draw.random() < 0.2:
        tests.insert(0, draw.choice(("keep", "child", "initialize", "/w")))
    return " ".join([kind.keyword, "/".join(operations), *arguments, *tests])


def policy_texts(draw: random.Random) -> tuple[str, str]:
    """Domain policy, with one domain, and exception policy."""
    lines = [DOMAIN, f"use_profile {draw.choice((0, 1, 2, 3, 3, 3))}"]
    shared = []
    if draw.random() < 0.4:
        lines.append("use_group 2")
        shared = [f"acl_group 2 {entry_line(draw)}" for _ in range(draw.randint(1, 5))]
    lines += [entry_line(draw) for _ in range(draw.randint(2, 25))]
    aggregators = ["aggregator /a/x\\$ /a", "aggregator /ab /b"][: draw.choice((0, 1, 2))]
    return "".join(f"{line}\n" for line in lines), EXCEPTIONS + "".join(f"{line}\n" for line in (*aggregators, *shared))


def engine(domains: str, exceptions: str) -> DecisionEngine:
    """What a simulated kernel answers that holds a policy."""
    kernel = SimulatedKernel()
    for interface, text in (("profile", PROFILES), ("exception_policy", exceptions), ("domain_policy", domains)):
        kernel.write(interface, text)
    return DecisionEngine.of(kernel.holding)


DIRECTORIES = {"rmdir", "chroot", "mkdir", "pivot_root"}
FILES = {"execute", "write", "append", "truncate", "symlink", "create", "mkfifo", "mksock", "mkblock", "mkchar"}
MADE = {"create", "mkdir", "mkfifo", "mksock", "mkblock", "mkchar", "symlink"}


class Requests:
    """Random requests as a kernel makes them, most often for names that some entry is about."""

    def __init__(self, draw: random.Random, texts: str) -> None:
        self.draw = draw
        words = {word for line in texts.split("\n") for word in normalise(line).split(" ") if "/" in word and is_word(word)}
        found = (example(word) for word in words)
        self.names = [*NAMES, *sorted(name for name in found if name and self.is_canonical(name))]

    @staticmethod
    def is_canonical(name: str) -> bool:
        """Whether a file may have this name."""
        system, _, rest = name.rstrip("/").partition("/")
        return (system == "" or ":" in system) and not {"", ".", ".."}.intersection(rest.split("/")) and name[:1] not in "@<"

    def name(self, operation: str) -> str:
        """A name that OPERATION may be about."""
        name = self.draw.choice(self.names).rstrip("/") or "/x"
        if operation in FILES:
            return name
        return f"{name}/" if operation in DIRECTORIES or self.draw.random() < 0.4 else name

    def attributes(self) -> FileAttributes:
        """A file's attributes."""
        kind = self.draw.choice(("file", "directory", "fifo"))
        return FileAttributes(self.number(), self.number(), 3, 8, 1, self.draw.choice((0o644, 0o755, 0o4755)), kind)

    def number(self) -> int:
        """A user, say."""
        return self.draw.choice((0, 0, 1, 5, 7))

    def value(self, wanted: str, operation: str) -> Value:
        """An argument."""
        draw = self.draw
        if wanted == "NAME":
            return self.name(operation)
        if wanted == "ADDRESS":
            return draw.choice((bytes([10, 0, 0, 1]), bytes([10, 0, 0, 7]), bytes(15) + b"\x01"))
        if wanted == "VARIABLE":
            return draw.choice(("A", "AB", "B"))
        if wanted == "DOMAIN":
            return draw.choice((DOMAIN, "<kernel>"))
        largest = (0, 1, 5, 7, 0o600, 0o644, 0o755, 0o7777)
        return draw.choice((*largest, 2**32 - 1) if operation in ("chown", "chgrp", "ioctl") else largest)

    def request(self) -> Request:
        """A request."""
        draw = self.draw
        kind = draw.choice((*[Kind.PATH] * 6, *Kind))
        operation = draw.choice([each for each in kind.operations if each not in kind.unasked] or [""])
        if not operation:
            return self.request()
        if kind is Kind.PATH and draw.random() < 0.3:
            operation = "execute"
        arguments = [self.value(wanted.name, operation) for wanted in kind.arguments.values()]
        if kind is Kind.TWO_PATHS:
            folder = operation == "pivot_root" or draw.random() < 0.3
            arguments = [f"{str(name).rstrip('/')}{'/' if folder else ''}" for name in arguments]
        number = self.number
        task = Task(1, 1, *(number() for _ in range(8)))
        request = Request(kind, operation, tuple(arguments), task)
        if kind.keyword == "file":
            parent = ParentAttributes(number(), number(), 5, 0o755)
            request = replace(request, path1=None if operation in MADE else self.attributes(), path1_parent=parent)
            if kind in (Kind.TWO_PATHS, Kind.MOUNT):
                second = None if operation == "link" or draw.random() < 0.3 else self.attributes()
                request = replace(request, path2=second, path2_parent=parent)
            if kind is Kind.MOUNT and draw.random() < 0.5:
                request = replace(request, path1=None, device_counts=False)
        if operation in ("execute", "env"):
            words = draw.choice((("/a",), ("/a", "x"), ("/b", "x", "y"), ()))
            environment = draw.choice(((), ("A=x",), ("A=y", "AB=x")))
            request = replace(
                request,
                execution=Execution(
                    Quoted(draw.choice(("/a", "/b", "/a/b"))),
                    len(words),
                    len(environment),
                    Strings(tuple(map(Quoted, words))),
                    Strings(tuple(map(Quoted, environment))),
                ),
            )
        if operation == "symlink":
            request = replace(request, symlink_target=Quoted(draw.choice(("x", "/a"))))
        return request


def answer(verdict: Verdict) -> tuple[object, ...]:
    """What comes of a verdict, whichever entry decided.

    Where none did, a kernel that denies nothing names the new domain after the last entry that it looked at; an entry that
    grants nothing can have such an effect, which is left out here.
    """
    condition = verdict.entry.condition if verdict.entry else None
    name = verdict.matched_path if verdict.entry else None
    return verdict.mode, verdict.granted, verdict.logged, name, condition.transition if condition else None


def without(domains: str, exceptions: str, finding: Diagnostic) -> tuple[str, str]:
    """The texts without the entry, or its operations, that FINDING is about."""
    lines = (domains if finding.place.file == "domains" else exceptions).split("\n")
    written = lines[finding.place.line - 1]
    prefix = "" if finding.place.file == "domains" else "acl_group 2 "
    entry = read_entry(Line(normalise(written).removeprefix(prefix)))
    operations: tuple[str, ...] = ()
    if finding.code in ("wrong-directory", "impossible-number", "never-executed"):
        operations = tuple(finding.message.split(" ")[0].split("/"))
    kept = []
    for line in lines:
        statement, _ = read_line(normalise(line).removeprefix(prefix), read_entry)
        if isinstance(statement, Entry) and statement.subject == entry.subject and line.startswith(prefix):
            left = [operation for operation in statement.operations if operation not in operations] if operations else []
            if left:
                kept.append(prefix + str(statement.with_operations(tuple(left))))
        else:
            kept.append(line)
    text = "\n".join(kept)
    return (text, exceptions) if finding.place.file == "domains" else (domains, text)


def test_what_is_claimed_changes_no_decision(draw: random.Random) -> None:
    told: Counter[str] = Counter()
    for _ in range(POLICIES):
        domains, exceptions = policy_texts(draw)
        texts = [
            PolicyText(TextKind.DOMAIN, "domains", domains),
            PolicyText(TextKind.EXCEPTION, "exceptions", exceptions),
            PolicyText(TextKind.PROFILE, "profile", PROFILES),
        ]
        whole = engine(domains, exceptions)
        findings = [finding for finding in lint_policy(texts) if finding.code in (*NEVER, "shadowed")]
        requests = Requests(draw, domains + exceptions)
        asked = [requests.request() for _ in range(REQUESTS)] if findings else []
        answers = [answer(whole.decide(DOMAIN, request)) for request in asked]
        for finding in findings:
            told[finding.code] += 1
            part = engine(*without(domains, exceptions, finding))
            for request, expected in zip(asked, answers):
                if request.operation == "execute" and finding.code == "never-executed":
                    continue  # asked without aggregators, which are what it is about
                found = answer(part.decide(DOMAIN, request))
                assert found == expected, f"{finding}\n{request}\n{domains}\n{exceptions}"
            if finding.code == "never-executed":
                for request in (request for request in asked if request.operation == "execute"):
                    both = [transition(each, DOMAIN, request) for each in (whole, part)]
                    assert both[0].verdict.granted == both[1].verdict.granted, f"{finding}\n{request}\n{domains}"
    print(told)
    # One in two hundred runs never meets the rarest.
    assert sum(told[code] > 0 for code in (*NEVER, "shadowed")) >= len(NEVER), told


def test_duplicates_are_what_the_kernel_merges(draw: random.Random) -> None:
    told = 0
    for _ in range(POLICIES):
        domains, exceptions = policy_texts(draw)
        more = draw.choices(domains.split("\n")[1:-1], k=2)
        domains += "".join(f"{line}\n" for line in more)
        held = engine(domains, exceptions)
        for finding in lint_policy([PolicyText(TextKind.DOMAIN, "domains", domains)], codes=["duplicate"]):
            told += 1
            lines = domains.split("\n")
            left = engine("\n".join(lines[: finding.place.line - 1] + lines[finding.place.line :]), exceptions)
            assert left.domain(DOMAIN) == held.domain(DOMAIN), f"{finding}\n{domains}"
    assert told > POLICIES / 2


def test_a_pattern_that_covers_another_matches_all_that_it_does(draw: random.Random) -> None:
    units = (
        "a",
        "b",
        "1",
        "/",
        "/",
        "\\*",
        "\\@",
        "\\?",
        "\\$",
        "\\+",
        "\\x",
        "\\A",
        "\\040",
        "/\\{\\*\\}/",
        "/\\{a\\*\\}/",
        ".",
    )
    words = [word for word in ("/" + "".join(draw.choices(units, k=draw.randint(1, 6))) for _ in range(3000)) if is_word(word)]
    words += [word for word in WORDS if word[0] == "/"]
    names = {example(word) for word in words if "//" not in word} - {None}
    for word in words:
        for filling in ("", "a", "xb", "1", "12", "\\040", "a/b", "b/1/a"):
            name = word.replace("\\*", filling).replace("\\@", filling).replace("\\{", "").replace("\\}", "")
            names.add(name)
    names = {name for name in names if name and is_word(name) and "//" not in name and is_fixed(name)}
    claims = 0
    for wide, narrow in zip(draw.choices(words, k=40_000), draw.choices(words, k=40_000)):
        if wide != narrow and covers(wide, narrow):
            claims += 1
            for name in draw.sample(sorted(names), 200):
                assert not matches(narrow, name) or matches(wide, name), (wide, narrow, name)
    assert claims > 100


def is_fixed(word: str) -> bool:
    """Whether WORD holds no pattern."""
    try:
        decode(word)
    except ValueError:
        return False
    return True


PROGRAMS = ("/p", "/q", "/r")


def chain_texts(draw: random.Random) -> tuple[str, str]:
    """Policy with a few domains and rules that lead from one to another."""

    def name() -> str:
        return " ".join(["<kernel>" if draw.random() < 0.9 else "<o>", *draw.choices(PROGRAMS, k=draw.randint(1, 3))])

    names = ["<kernel>", *{name() for _ in range(draw.randint(2, 7))}]
    lines = []
    for each in names:
        lines += [each, f"use_profile {draw.choice((0, 3, 3, 3))}"]
        lines += ["use_group 1"] * (draw.random() < 0.3)
        for _ in range(draw.randint(0, 3)):
            way = draw.choice(
                ("", "", "", "", " keep", " child", " initialize", " reset", " parent", " /q", f" {draw.choice(names)}")
            )
            lines.append(f"file execute {draw.choice((*PROGRAMS, '/?', '@g')).replace('?', chr(92) + '?')}{way}")
        if draw.random() < 0.1:
            lines.append(f"task manual_domain_transition {draw.choice(names)}")
    exceptions = ["path_group g /p", "path_group g /\\?"]
    for _ in range(draw.randint(0, 6)):
        keyword = draw.choice(TRANSITION_CONTROLS)
        exceptions.append(f"{keyword} {draw.choice((*PROGRAMS, 'any'))} from {draw.choice(('any', *PROGRAMS, *names))}")
    for _ in range(draw.choice((0, 0, 1, 2))):
        exceptions.append(f"aggregator {draw.choice(PROGRAMS)} {draw.choice(PROGRAMS)}")
    for _ in range(draw.randint(0, 2)):
        way = draw.choice(("", " child", " /r", " parent", " keep"))
        exceptions.append(f"acl_group 1 file execute {draw.choice(PROGRAMS)}{way}")
    return "".join(f"{line}\n" for line in lines), "".join(f"{line}\n" for line in exceptions)


def walk(draw: random.Random, policy: DecisionEngine, exceptions: ExceptionPolicy) -> set[str]:
    """The domains that a process comes through that executes programs at random."""
    visited = {"<kernel>"}
    execution = Execution(Quoted("/p"), 1, 0, Strings((Quoted("/p"),)), Strings(()))
    held = {str(domain.name): domain for domain in policy.domains()}
    for _ in range(12):
        here = "<kernel>"
        for _ in range(8):
            request = Request(Kind.PATH, "execute", (draw.choice(PROGRAMS),), Task(1, 1, *(0,) * 8), execution=execution)
            manual = [str(each.arguments[0]) for each in held[here].entries if each.kind is Kind.TRANSITION]
            if manual and draw.random() < 0.5:
                here = draw.choice(manual)
                if here not in held:
                    break
            else:
                moved = transition(policy, here, request)
                if moved.created is not None:
                    held[str(moved.created.name)] = moved.created
                    policy = DecisionEngine(DomainPolicy(tuple(held.values())), exceptions, policy.profiles)
                here = str(moved.domain)
            visited.add(here)
    return visited


def test_a_superfluous_control_decides_nothing(draw: random.Random) -> None:
    told = 0
    execution = Execution(Quoted("/p"), 1, 0, Strings((Quoted("/p"),)), Strings(()))
    for _ in range(3 * POLICIES):
        domains, exceptions = chain_texts(draw)
        texts = [PolicyText(TextKind.DOMAIN, "domains", domains), PolicyText(TextKind.EXCEPTION, "exceptions", exceptions)]
        lines = exceptions.split("\n")
        whole = engine(domains, exceptions)
        for finding in lint_policy(texts, codes=["shadowed"]):
            if finding.place.file != "exceptions" or lines[finding.place.line - 1].startswith("acl_group"):
                continue
            told += 1
            part = engine(domains, "\n".join(lines[: finding.place.line - 1] + lines[finding.place.line :]))
            for domain in whole.domains():
                for program in PROGRAMS:
                    request = Request(Kind.PATH, "execute", (program,), Task(1, 1, *(0,) * 8), execution=execution)
                    one, other = (transition(each, domain.name, request) for each in (whole, part))
                    assert (one.domain, one.failure, one.program) == (other.domain, other.failure, other.program), finding
    assert told > POLICIES / 10


def test_what_is_unreachable_no_chain_of_programs_reaches(draw: random.Random) -> None:
    told = reached = 0
    for _ in range(3 * POLICIES):
        domains, exceptions = chain_texts(draw)
        profiles = PROFILES + "".join(f"<o> {line}\n" for line in PROFILES.splitlines())
        kernel = SimulatedKernel()
        for interface, text in (("profile", profiles), ("exception_policy", exceptions), ("domain_policy", domains)):
            kernel.write(interface, text)
        texts = [
            PolicyText(TextKind.DOMAIN, "domains", domains),
            PolicyText(TextKind.EXCEPTION, "exceptions", exceptions),
            PolicyText(TextKind.PROFILE, "profile", profiles),
        ]
        unreachable = {finding.subject: finding for finding in lint_policy(texts, codes=["unreachable-domain"])}
        visited = walk(draw, DecisionEngine.of(kernel.holding), kernel.holding.exception_policy())
        told += len(unreachable)
        reached += len(visited)
        wrong = visited.intersection(unreachable)
        assert not wrong, f"{[str(unreachable[name]) for name in wrong]}\n{domains}\n{exceptions}"
    assert told > POLICIES / 2
    assert reached > 5 * POLICIES


KINDS = {
    "domain_policy": TextKind.DOMAIN,
    "exception_policy": TextKind.EXCEPTION,
    "profile": TextKind.PROFILE,
    "manager": TextKind.MANAGER,
}


def test_any_text_can_be_judged(draw: random.Random) -> None:
    for _ in range(POLICIES):
        generator = Generator(draw.randrange(2**32))
        texts = []
        for interface, kind in KINDS.items():
            lines = [generator.line(interface) for _ in range(draw.randint(0, 40))]
            if draw.random() < 0.3:
                lines += ["# lint: allow shadowed x", "# lint: allow", "# lint: allow x, y", ""]
                draw.shuffle(lines)
            texts.append(PolicyText(kind, interface, "\n".join(lines) + draw.choice(("", "\n"))))
        module = [generator.entry() for _ in range(draw.randint(0, 5))]
        texts.append(PolicyText(TextKind.MODULE, "modules/m", "\n".join(module)))
        sizes = {text.name: text.text.count("\n") + 1 for text in texts}
        for finding in lint_policy(texts):
            assert 0 <= finding.place.line <= sizes.get(finding.place.file, 0), finding

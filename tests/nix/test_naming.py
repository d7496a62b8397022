"""Naming what a kernel learned: word by word, and the meaning of the whole."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest

from tomoyo.decision.engine import DecisionEngine, UnknownDomain
from tomoyo.decision.matching import matches
from tomoyo.decision.requests import Request
from tomoyo.model.entries import Kind
from tomoyo.model.exception_policy import ExceptionPolicy
from tomoyo.model.records import Execution, Strings
from tomoyo.model.words import Quoted
from tomoyo.nix.names.binder import bind
from tomoyo.nix.names.bindings import Bindings
from tomoyo.nix.names.name_uses import policy_uses
from tomoyo.nix.names.names import NameSyntaxError, NameTable, encode_file
from tomoyo.nix.names.naming import Named, name_policy, unsafe_policy
from tomoyo.nix.names.program_paths import find_program_paths
from tomoyo.nix.names.rename_words import Change
from tomoyo.nix.store.contents import Contents, read_contents
from tomoyo.nix.store.paths import StorePath
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.formatting import format_domain_policy, format_exception_policy

from .toystore import Link, Program, ToyStore


@dataclass(frozen=True)
class System:
    """A small system: its store, and its store paths by a short name."""

    toy: ToyStore
    paths: dict[str, StorePath]
    closure: tuple[StorePath, ...]

    def text(self, template: str) -> str:
        """TEMPLATE with `$NAME` for store paths."""
        for name, path in sorted(self.paths.items(), reverse=True):
            template = template.replace(f"${name}", str(path))
        return template

    @property
    def names(self) -> NameTable:
        return NameTable(type(self.toy.closure)(tuple(m for m in self.toy.closure.members if m.path in self.closure)))

    def name(self, domains: str, exceptions: str | None = None) -> Named:
        """Name policies, given as templates."""
        policy = parse_domain_policy(self.text(domains))
        part = None if exceptions is None else parse_exception_policy(self.text(exceptions))
        return name_policy(policy, part, self.names, _contents(self))

    def bind(self, named: Named) -> Bindings:
        """The bindings of a named policy."""
        uses = policy_uses(named.domains, named.exceptions)
        return bind(uses, self.names, self.toy.tree, exceptions=named.exceptions, contents=_contents(self))


def _contents(system: System) -> Contents:
    return read_contents(system.closure, system.toy.tree)


@pytest.fixture
def system(tmp_path: Path) -> System:
    toy = ToyStore(tmp_path)
    paths = {
        "nginx": toy.add(
            "nginx-1.26.0", {"bin/nginx": Program(), "bin/.nginx-wrapped": Program(), "share/page": "x", "lib/a.so": ""}
        ),
        "libc": toy.add("glibc-2.40", {"lib/libc.so.6": Program(), "lib/libm.so.6": Program(), "share/x y": ""}),
        "devel": toy.add("glibc-2.40-dev", {"include/stdio.h": "", "include/math.h": ""}),
        "old": toy.add("openssl-1.1.1w", {"bin/openssl": Program(), "etc/cert": "", "etc/old": ""}),
        "new": toy.add("openssl-3.3.1", {"bin/openssl": Program(), "etc/cert": "", "bin/modern": Program()}),
        "core": toy.add("coreutils-9.5", {"bin/coreutils": Program(), "bin/ls": Link("coreutils"), "bin/cat": Link("coreutils")}),
        "twin": toy.add("twin-1", {"bin/twin": Program(), "share/data": "", "share/one": ""}),
        "other": toy.add("twin-1", {"bin/twin": Program(), "share/data": ""}),
        "hosts": toy.add("hosts", "localhost"),
        "init": toy.add("systemd-256.7", {"lib/systemd/systemd-executor": Program()}),
    }
    links = {f"bin/{n}": Link(f"{paths[p]}/bin/{n}") for p, n in (("nginx", "nginx"), ("new", "openssl"), ("core", "ls"))}
    paths["sw"] = toy.add("system-path", links)
    closure = tuple(toy.paths)
    paths["stranger"] = toy.add("nginx-1.26.0", {"bin/nginx": Program(), "share/page": "x"})
    toy.make("/bin/sh", Link(f"{paths['core']}/bin/coreutils"))
    return System(toy, paths, closure)


def entries(named: Named) -> list[str]:
    """The entries of the first domain."""
    return [entry.text for entry in named.domains.domains[0].entries]


def changes(named: Named) -> list[Change]:
    return [Change(finding.code) for finding in named.findings]


HEAD = "<kernel> /x\nuse_profile 1\n"


@pytest.mark.parametrize(
    ("learned", "expected"),
    [
        ("file read $libc/lib/libc.so.6", ["file read @nix:/glibc/lib/libc.so.6"]),
        ("file read $devel/include/stdio.h", ["file read @nix:/glibc^dev/include/stdio.h"]),
        ("file read $devel/include/\\*.h", ["file read @nix:/glibc^dev/include/\\*.h"]),
        ("file read $hosts", ["file read @nix:/hosts"]),
        ("file getattr $libc/lib/", ["file getattr @nix:/glibc/lib/"]),
        ("file read $libc/share/x\\040y", ["file read @nix:/glibc/share/x\\040y"]),
        ("file read $old/etc/old", ["file read @nix:/openssl/etc/old"]),
        ("file read $old/etc/cert", ["file read @nix:/openssl-1.1.1w/etc/cert"]),
        ("file read $new/etc/\\*", ["file read @nix:/openssl-3.3.1/etc/\\*"]),
        ("file read /etc/passwd", ["file read /etc/passwd"]),
        ("file link $hosts /tmp/hosts", ["file link @nix:/hosts /tmp/hosts"]),
        ("file execute $nginx/bin/nginx", ["file execute nix:/nginx/bin/nginx"]),
        ("file execute $sw/bin/nginx", ["file execute nix:/nginx/bin/nginx"]),
        ("file execute $sw/bin/ls", ["file execute nix:/coreutils/bin/ls"]),
        ("file execute /bin/sh", ["file execute nix:/coreutils/bin/coreutils"]),
        ("file read /bin/sh", ["file read /bin/sh"]),
        ("file execute $sw/bin/openssl", ["file execute nix:/openssl-3.3.1/bin/openssl"]),
        ("file execute $new/bin/modern", ["file execute nix:/openssl/bin/modern"]),
        ("file execute $core/bin/\\*", ["file execute nix:/coreutils/bin/\\*"]),
        ("file execute/read $nginx/bin/nginx", ["file execute nix:/nginx/bin/nginx", "file read @nix:/nginx/bin/nginx"]),
        ("file execute/read /usr/bin/x", ["file execute/read /usr/bin/x"]),
        (
            'file execute $sw/bin/ls exec.realpath="$core/bin/coreutils" exec.argv[0]="ls"',
            ['file execute nix:/coreutils/bin/ls exec.realpath=@nix:/coreutils/bin/coreutils exec.argv[0]="ls"'],
        ),
        ('file symlink /tmp/x symlink.target="$hosts"', ["file symlink /tmp/x symlink.target=@nix:/hosts"]),
        ('file symlink /tmp/x symlink.target="$nginx"', ["file symlink /tmp/x symlink.target=@nix:/nginx"]),
        ('file symlink /tmp/x symlink.target="$libc/lib"', ["file symlink /tmp/x symlink.target=@nix:/glibc/lib"]),
        ('file symlink /tmp/x symlink.target="$sw/bin/ls"', ["file symlink /tmp/x symlink.target=@nix:/system-path/bin/ls"]),
        ('file symlink /tmp/x symlink.target="../x"', ['file symlink /tmp/x symlink.target="../x"']),
        ('file read /x exec.realpath!="$nginx/bin/nginx"', ["file read /x exec.realpath!=@nix:/nginx/bin/nginx"]),
        ("file execute $sw/bin/ls /x/y task.uid=0", ["file execute nix:/coreutils/bin/ls /x/y task.uid=0"]),
        ("file execute /a $nginx/bin/nginx", ["file execute /a nix:/nginx/bin/nginx"]),
        ("file execute /a keep", ["file execute /a keep"]),
        ("file execute /a <kernel> $sw/bin/ls", ["file execute /a <kernel> nix:/coreutils/bin/ls"]),
        (
            "task manual_domain_transition <kernel> $sw/bin/ls /y",
            ["task manual_domain_transition <kernel> nix:/coreutils/bin/ls /y"],
        ),
        (
            'file execute /run/wrappers/wrappers.aB3dE6gH9j/sudo exec.realpath="/run/wrappers/wrappers.aB3dE6gH9j/sudo"',
            ["file execute nix:/wrappers/sudo exec.realpath=@nix:/wrappers/sudo"],
        ),
        ("file getattr /run/wrappers/wrappers.aB3dE6gH9j/su", ["file getattr @nix:/wrappers/su"]),
        (
            'file execute proc:/self/fd/9 exec.realpath="$init/lib/systemd/systemd-executor"',
            ["file execute nix:/systemd/lib/systemd/systemd-executor exec.realpath=@nix:/systemd/lib/systemd/systemd-executor"],
        ),
        ("file execute nix:/nginx/bin/nginx", ["file execute nix:/nginx/bin/nginx"]),
        ("file read @nix:/glibc/lib/libc.so.6", ["file read @nix:/glibc/lib/libc.so.6"]),
        ("file read $nginx/share/page\nfile write $nginx/share/page", ["file read/write @nix:/nginx/share/page"]),
    ],
)
def test_words_become_names(system: System, learned: str, expected: list[str]) -> None:
    named = system.name(f"{HEAD}{learned}\n")
    assert entries(named) == expected
    assert changes(named) == []
    assert system.bind(named).errors == ()


@pytest.mark.parametrize(
    ("learned", "change", "reason"),
    [
        ("file read $stranger/share/page", Change.OUTSIDE, "outside the closure"),
        ("file execute $stranger/bin/nginx", Change.OUTSIDE, "outside the closure"),
        ("file execute /nix/store/\\*-nginx-\\*/bin/nginx", None, ""),
        ("file read $nginx/share/none", Change.KEPT, "nothing in the closure is called so"),
        ("file read $nginx/share/\\*.none", Change.KEPT, "nothing in the closure is called so"),
        ("file read $nginx/share", Change.KEPT, "nothing in the closure is called so"),
        ("file execute $nginx/share/page", Change.KEPT, "no program of the closure"),
        ("file execute $nginx/sbin/\\*", Change.KEPT, "nothing in the closure matches"),
        ('file execute /x exec.argv[1]="$stranger/a"', Change.OUTSIDE, "outside the closure"),
    ],
)
def test_what_has_no_name_is_kept_and_told(system: System, learned: str, change: Change | None, reason: str) -> None:
    named = system.name(f"{HEAD}{learned}\n")
    assert entries(named) == [system.text(learned)]
    assert changes(named) == ([change] if change else []), named.findings
    assert all(reason in finding.message for finding in named.findings)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ('exec.argv[0]="$nginx/bin/nginx"', ' exec.argv[0]="/nix/store/\\*-nginx-\\*/bin/nginx"'),
        (
            'exec.envp["P"]="$core/bin:$hosts:/bin"',
            ' exec.envp["P"]="/nix/store/\\*-coreutils-\\*/bin:/nix/store/\\*-hosts:/bin"',
        ),
        ('exec.argv[1]="--dev=$devel/include"', ' exec.argv[1]="--dev=/nix/store/\\*-glibc-\\*-dev/include"'),
        ('exec.argv[1]="$hosts."', ' exec.argv[1]="/nix/store/\\*-hosts."'),
        ('exec.argv[1]!="$hosts"', ""),
        # One pattern each where two are too many, and none where one is.
        (f'exec.argv[1]="{":".join(["$nginx"] * 15)}"', f' exec.argv[1]="{":".join(["/nix/store/" + chr(92) + "*"] * 15)}"'),
        (f'exec.argv[1]="{":".join(["$nginx"] * 21)}"', ""),
    ],
)
def test_arguments_are_generalised_with_a_warning(system: System, test: str, expected: str) -> None:
    named = system.name(f"{HEAD}file execute /x {test}\n")
    assert entries(named) == [f"file execute /x{expected}"]
    assert changes(named) == [Change.LOOSENED]
    assert "loosens" in named.findings[0].message
    assert named.findings[0].subject == system.text(test)


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ('exec.argv[1]!="$hosts" 0=@a/b', " 0=0 0=@a/b"),
        ('exec.argv[1]!="$hosts" 0=@a/b 1=1', " 0=0 0=@a/b 1=1"),
        ('exec.argv[1]!="$hosts" 0=@a/b grant_log=no', " 0=0 0=@a/b grant_log=no"),
        ('exec.argv[1]!="$hosts" grant_log=yes', " grant_log=yes"),
        ('keep exec.argv[1]!="$hosts" 0=@a/b', " keep 0=@a/b"),
        ('exec.argv[1]!="$hosts" 1=1 0=@a/b', " 1=1 0=@a/b"),
    ],
)
def test_what_is_left_of_a_condition_is_no_transition_preference(system: System, tests: str, expected: str) -> None:
    """The kernel takes a word with a slash for one where it comes first."""
    named = system.name(f"{HEAD}file execute /x {tests}\n")
    assert entries(named) == [f"file execute /x{expected}"]


def test_two_packages_of_one_name_and_version_are_both_granted_and_told(system: System) -> None:
    named = system.name(f"{HEAD}file read $twin/share/data\nfile read $twin/share/one\nfile execute $other/bin/twin\n")
    assert entries(named) == [
        "file read @nix:/twin-1/share/data",
        "file read @nix:/twin/share/one",
        "file execute nix:/twin-1/bin/twin",
    ]
    assert changes(named) == [Change.AMBIGUOUS] * 2 or sorted(map(str, changes(named))) == [str(Change.AMBIGUOUS)] * 2
    for finding in named.findings:
        assert all(str(system.paths[name]) in finding.message for name in ("twin", "other"))


def test_ways_into_one_program_are_one_domain(system: System) -> None:
    named = system.name(
        "<kernel> $sw/bin/nginx\nuse_profile 1\nuse_group 1\nfile read /a\nfile read $hosts\n\n"
        "<kernel> $nginx/bin/nginx\nuse_profile 3\nfile read /b\nfile write $hosts\nfile read /a\n"
    )
    assert format_domain_policy(named.domains) == (
        "<kernel> nix:/nginx/bin/nginx\nuse_profile 1\nuse_group 1\n\nfile read /a\nfile read/write @nix:/hosts\nfile read /b\n\n"
    )
    (finding,) = named.findings
    assert (Change(finding.code), finding.subject) == (Change.MERGED, system.text("<kernel> $nginx/bin/nginx"))
    assert "profile 1, where this one had 3" in finding.message
    assert "groups of both" in finding.message
    assert named.merged_entries == 2


def test_a_name_that_the_policy_executes_already_decides(system: System) -> None:
    named = system.name("<kernel> nix:/openssl/bin/openssl\nuse_profile 1\n\n<kernel> $sw/bin/openssl\nuse_profile 1\n")
    assert [domain.name.text for domain in named.domains] == ["<kernel> nix:/openssl/bin/openssl"]
    assert set(changes(named)) == {Change.AMBIGUOUS, Change.MERGED}
    assert system.bind(named).errors == ()


def test_a_pattern_and_a_program_that_it_matches_have_one_name(system: System) -> None:
    # By itself `modern` needs no version, but the pattern does.
    named = system.name(f"{HEAD}file execute $new/bin/modern\nfile execute $new/bin/\\*\n")
    assert entries(named) == ["file execute nix:/openssl-3.3.1/bin/modern", "file execute nix:/openssl-3.3.1/bin/\\*"]
    assert system.bind(named).errors == ()


def test_patterns_that_no_longer_see_a_program_are_told(system: System) -> None:
    named = system.name(f"{HEAD}file execute /\\{{\\*\\}}/nginx\nfile execute $sw/bin/nginx\n")
    (finding,) = named.findings
    assert (Change(finding.code), finding.subject) == (Change.UNREACHED, "/\\{\\*\\}/nginx")
    assert "nginx" in finding.message


def test_a_word_that_claims_to_be_a_name_and_is_none(system: System) -> None:
    with pytest.raises(NameSyntaxError):
        system.name("<kernel> nix:/a/../b\nuse_profile 1\n")


def test_a_domain_that_would_be_too_long_is_kept(system: System) -> None:
    words = " ".join(["/bin/sh"] * 500)
    named = system.name(f"<kernel> {words}\nuse_profile 1\n")
    assert named.domains.domains[0].name.text == f"<kernel> {words}"
    assert changes(named) == [Change.KEPT], named.findings


def test_namespaces_made_of_a_program(system: System) -> None:
    named = system.name(
        "<$sw/bin/nginx> /a\nuse_profile 1\n", "<$sw/bin/nginx> path_group A /a\n<$nginx/bin/nginx> path_group A /b\n"
    )
    assert named.domains.domains[0].name.text == "<nix:/nginx/bin/nginx> /a"
    assert named.exceptions is not None
    assert "<nix:/nginx/bin/nginx> path_group A /a\n<nix:/nginx/bin/nginx> path_group A /b\n" in format_exception_policy(
        named.exceptions
    )


EXCEPTIONS = """\
initialize_domain $sw/bin/nginx from any
initialize_domain $nginx/bin/nginx from any
no_keep_domain /bin/sh from <kernel> $sw/bin/ls
keep_domain any from $sw/bin/ls
aggregator $sw/bin/nginx nix:/nginx/bin/nginx
aggregator $sw/bin/ls $core/bin/ls
aggregator $core/bin/cat $core/bin/ls
aggregator /opt/\\* $nginx/bin/nginx
path_group nix:/glibc/lib/libc.so.6 $libc/lib/libc.so.6
path_group LIBS $libc/lib/\\*.so.6
path_group LIBS /usr/lib/\\*
path_group ONLY $hosts
path_group RUN $sw/bin/nginx
path_group RUN /opt/x
acl_group 0 file read $hosts
acl_group 0 file read @LIBS
acl_group 1 file read @ONLY exec.realpath=@LIBS
acl_group 1 file read /y exec.realpath!=@LIBS
acl_group 2 file execute @RUN
"""

NAMED_EXCEPTIONS = """\
initialize_domain nix:/nginx/bin/nginx from any
no_keep_domain nix:/coreutils/bin/coreutils from <kernel> nix:/coreutils/bin/ls
keep_domain any from nix:/coreutils/bin/ls
aggregator $core/bin/cat nix:/coreutils/bin/ls
aggregator /opt/\\* nix:/nginx/bin/nginx
path_group LIBS /usr/lib/\\*
path_group RUN nix:/nginx/bin/nginx
path_group RUN /opt/x
acl_group 0 file read @nix:/hosts
acl_group 0 file read @LIBS
acl_group 0 file read @nix:/glibc/lib/\\*.so.6
acl_group 1 file read @nix:/hosts exec.realpath=@LIBS
acl_group 1 file read @nix:/hosts exec.realpath=@nix:/glibc/lib/\\*.so.6
acl_group 1 file read /y exec.realpath!=@LIBS exec.realpath!=@nix:/glibc/lib/\\*.so.6
acl_group 2 file execute @RUN
"""


def test_exception_policies(system: System) -> None:
    named = system.name(HEAD, EXCEPTIONS)
    assert named.exceptions is not None
    assert format_exception_policy(named.exceptions) == system.text(NAMED_EXCEPTIONS)
    assert [(Change(finding.code), finding.subject) for finding in named.findings if finding.code == Change.KEPT.value] == [
        (Change.KEPT, system.text("$core/bin/cat"))
    ]


def test_unsafe_patterns(system: System) -> None:
    learned = (
        "<kernel> $sw/bin/nginx\nuse_profile 1\nfile read $devel/include/x\nfile read $stranger/x\n"
        'file execute $nginx/bin/nginx exec.realpath="$nginx/bin/nginx" exec.argv[0]="$hosts"\n'
        f"file read $hosts/{'/'.join(['a' + chr(92) + '*'] * 20)}\n"
    )
    named = unsafe_policy(parse_domain_policy(system.text(learned)), None, system.names)
    assert format_domain_policy(named.domains) == system.text(
        "<kernel> /nix/store/\\*-system-path/bin/nginx\nuse_profile 1\n\n"
        "file read /nix/store/\\*-glibc-\\*-dev/include/x\nfile read $stranger/x\n"
        'file execute /nix/store/\\*-nginx-\\*/bin/nginx exec.realpath="/nix/store/\\*-nginx-\\*/bin/nginx" '
        'exec.argv[0]="/nix/store/\\*-hosts"\n'
        f"file read $hosts/{'/'.join(['a' + chr(92) + '*'] * 20)}\n\n"
    )
    assert {Change.UNSAFE, Change.OUTSIDE, Change.KEPT, Change.LOOSENED} == set(changes(named))


# The meaning of the whole


@dataclass(frozen=True)
class Asked:
    """A request: in which domain, and for an execution the path that is executed."""

    domain: str
    operation: str
    paths: tuple[str, ...]
    executed: tuple[str, str] | None = None
    target: str | None = None

    def request(self, name: str | None = None) -> Request:
        """The request, in which a program is called NAME."""
        kind = Kind.TWO_PATHS if len(self.paths) == 2 else Kind.PATH
        execution = None
        if self.executed:
            real, argument = self.executed
            execution = Execution(Quoted(real), 1, 0, Strings((Quoted(argument),)), Strings())
        target = Quoted(self.target) if self.target is not None else None
        paths = (name,) if name is not None else self.paths
        return Request(kind, self.operation, paths, execution=execution, symlink_target=target)


class Meaning:
    """What a policy answers."""

    def __init__(self, domains: str, exceptions: ExceptionPolicy) -> None:
        self.engine = DecisionEngine(parse_domain_policy(domains), exceptions)
        self.aggregators = [(a.pattern.text, a.name.text) for a in self.engine.exceptions("<kernel>").aggregators]

    def called(self, path: str) -> str:
        """What the kernel calls an executed path."""
        return next((name for pattern, name in self.aggregators if matches(pattern, path)), path)

    def answers(self, asked: Asked) -> bool:
        domain = " ".join(["<kernel>", *map(self.called, asked.domain.split(" ")[1:])])
        name = self.called(asked.paths[0]) if asked.operation == "execute" else None
        try:
            return self.engine.decide(domain, asked.request(name)).granted
        except UnknownDomain:
            return False


def random_policy(system: System, draw: random.Random, programs: dict[str, str], files: list[str]) -> str:
    """A policy as a kernel learns it: whole paths, conditions on executions and symlinks; a few patterns as people add."""
    lines = []
    for _ in range(6):
        words = draw.choices(sorted(programs), k=draw.randint(1, 3))
        lines += [f"<kernel> {' '.join(words)}", "use_profile 1"]
        for _ in range(draw.randint(1, 12)):
            file = draw.choice(files)
            kind = draw.randrange(7)
            if kind < 3:
                operations = "/".join(draw.sample(["read", "write", "getattr", "unlink"], draw.randint(1, 2)))
                lines.append(f"file {operations} {file}")
            elif kind == 3:
                program = draw.choice(sorted(programs))
                condition = f'exec.realpath="{programs[program]}" exec.argv[0]="{draw.choice(["x", "y"])}"'
                lines.append(f"file execute {program} {draw.choice(['', condition])}".strip())
            elif kind == 4:
                lines.append(f"file rename {file} {draw.choice(files)}")
            elif kind == 5:
                lines.append(f'file symlink /tmp/link symlink.target="{file}"')
            else:
                folder = file.rpartition("/")[0]
                lines.append(f"file read {folder}/\\*" if folder != "/nix/store" else f"file read {file}")
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("bound", [False, True])
def test_the_meaning_is_kept(system: System, draw: random.Random, bound: bool) -> None:
    """The named policy with its bindings answers every request as the learned one did, whatever way a program is executed.

    A program is one in the named policy: the learned one granted it if it granted it by any of its ways.
    """
    contents = _contents(system)
    ways = find_program_paths(contents)
    real = {encode_file(way.executed): system.toy.tree.follow(str(way.program)).path for way in ways.paths}
    programs = {encode_file(way.executed): encode_file(real[encode_file(way.executed)]) for way in ways.paths}
    together: dict[str, list[str]] = {}
    for way in ways.paths:
        together.setdefault(str(way.program), []).append(encode_file(way.executed))
    siblings = {path: some for some in together.values() for path in some}
    # Both twins have one name; a policy cannot say one of them.
    apart = {path: some for path, some in siblings.items() if "-twin-" not in path}
    files = [encode_file(str(file)) for file in contents.files() if "-twin-" not in str(file)]
    learnable = {path: programs[path] for path in apart}
    granted = denied = 0
    for _ in range(25):
        learned = random_policy(system, draw, learnable, files)
        policy = parse_domain_policy(learned)
        exceptions = ExceptionPolicy()
        named = name_policy(policy, exceptions, system.names, contents)
        assert not {Change.OUTSIDE, Change.KEPT, Change.AMBIGUOUS} & set(changes(named)), named.findings
        bindings = system.bind(named)
        assert bindings.errors == ()
        assert "/nix/store/" not in format_domain_policy(named.domains)
        before = Meaning(learned, exceptions)
        if bound:
            # Learned again where the kernel had names from the beginning: nothing is left to be done.
            again = name_policy(named.domains, bindings.policy, system.names, contents)
            assert again.domains == named.domains
            assert again.exceptions == ExceptionPolicy() or format_exception_policy(again.exceptions or ExceptionPolicy()) == ""
            named = again
        after = Meaning(format_domain_policy(named.domains), (named.exceptions or ExceptionPolicy()).merged(bindings.policy))
        for asked in _requests(draw, policy, learnable, files, system):
            expected = any(before.answers(other) for other in _same_program(asked, apart))
            assert after.answers(asked) == expected, (asked, learned, format_domain_policy(named.domains))
            granted, denied = granted + expected, denied + (not expected)
    assert min(granted, denied) > 500


def _same_program(asked: Asked, siblings: dict[str, list[str]]) -> list[Asked]:
    """ASKED by every way into its programs."""
    found = [["<kernel>"]]
    for word in asked.domain.split(" ")[1:]:
        found = [[*names, sibling] for names in found for sibling in siblings.get(word, [word])]
    paths = [asked.paths]
    if asked.operation == "execute":
        paths = [(path,) for path in siblings.get(asked.paths[0], [asked.paths[0]])]
    return [Asked(" ".join(names), asked.operation, some, asked.executed, asked.target) for names in found for some in paths]


def _requests(draw: random.Random, policy: object, programs: dict[str, str], files: list[str], system: System) -> list[Asked]:
    """What was learned, what lies near it, and anything else."""
    asked = []
    strangers = [system.text("$stranger/bin/nginx"), system.text("$stranger/share/page"), "/etc/passwd"]
    for domain in policy:  # type: ignore[attr-defined]
        name = domain.name.text
        for entry in domain.entries:
            paths = tuple(map(str, entry.arguments))
            for operation in entry.operations:
                if operation == "execute":
                    for path in (paths[0], draw.choice(sorted(programs)), strangers[0]):
                        executed = (programs.get(path, path), draw.choice("xy"))
                        asked.append(Asked(name, operation, (path,), executed))
                elif operation == "symlink":
                    target = str(entry.condition.tests[0].right.text)
                    asked += [Asked(name, operation, paths, target=one) for one in (target, draw.choice(files), strangers[1])]
                else:
                    paths = tuple(draw.choice(files) if "\\*" in path else path for path in paths)
                    asked.append(Asked(name, operation, paths))
                    near = [file for file in files if file.rpartition("/")[0] == paths[0].rpartition("/")[0]]
                    for other in (*near, draw.choice(files), draw.choice(strangers)):
                        asked.append(Asked(name, operation, (other, *paths[1:])))
    return asked

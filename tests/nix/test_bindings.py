"""Bindings: what a named policy needs in one system, and what it is told."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomoyo.decision.matching import matches
from tomoyo.model.diagnostics import Severity
from tomoyo.model.exception_policy import ExceptionPolicy
from tomoyo.nix.names.binder import bind
from tomoyo.nix.names.bindings import Bindings, Programs, Several
from tomoyo.nix.names.name_uses import (
    Role,
    Use,
    policy_uses,
    use_places,
)
from tomoyo.nix.names.names import NameTable, encode_file
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.paths import StorePath, parse_store_path
from tomoyo.nix.store.tree import Tree
from tomoyo.simulation.located_policy import read_located_policy
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.formatting import format_exception_policy
from tomoyo.syntax.lines import Reading
from tomoyo.syntax.managers import parse_manager
from tomoyo.syntax.policy_text import PolicyText, TextKind

from .nixstore import NixStore
from .toystore import LIBRARY, Link, Program, ToyStore


@pytest.fixture
def toy(tmp_path: Path) -> ToyStore:
    return ToyStore(tmp_path)


def uses(domains: str = "", exceptions: str = "", managers: str = "") -> dict[Use, None]:
    return policy_uses(
        parse_domain_policy(domains),
        parse_exception_policy(exceptions),
        parse_manager(managers, reading=Reading.AS_KERNEL),
    )


def bound(toy: ToyStore, domains: str = "", exceptions: str = "", managers: str = "", **options: object) -> Bindings:
    written = parse_exception_policy(exceptions) if exceptions else None
    names = options.pop("names", toy.names)
    return bind(uses(domains, exceptions, managers), names, toy.tree, exceptions=written, **options)  # type: ignore[arg-type]


def lines(bindings: Bindings) -> list[str]:
    return format_exception_policy(bindings.policy).splitlines()


def faults(bindings: Bindings) -> list[tuple[str, str]]:
    return [(problem.use.written, problem.diagnostic.code) for problem in bindings.problems]


# Uses


def test_every_place_of_a_name_is_found() -> None:
    domains = """\
<kernel> nix:/a/1 /usr/bin/x nix:/a/2
use_profile 0

file read @nix:/b/1
file rename @nix:/b/2 @plain
file execute nix:/a/3 nix:/a/4 exec.realpath=@nix:/b/3 exec.realpath!=@nix:/b/4
file execute nix:/a/5 <other> nix:/a/6
file symlink /tmp/x symlink.target=@nix:/b/5
task manual_domain_transition <kernel> nix:/a/7
network unix stream connect @nix:/b/6
misc env nix:/no
file mount @nix:/b/7 /mnt ext4 0
"""
    exceptions = """\
initialize_domain nix:/a/8 from <kernel> nix:/a/9
keep_domain any from nix:/a/10
path_group shells nix:/a/11
path_group plain nix:/m/1
acl_group 3 file execute @shells
acl_group 4 file read @nix:/b/8 exec.argc=@nix:/number
aggregator nix:/no /usr/bin/no
"""
    executed = {use.text for use in uses(domains, exceptions, "<kernel> nix:/a/12\n") if use.role is Role.EXECUTED}
    assert executed == {f"nix:/a/{number}" for number in range(1, 13)}
    found = uses(domains, exceptions, "nix:/man/1\n")
    assert {use.text for use in found if use.role is Role.REFERENCE} == {f"nix:/b/{number}" for number in range(1, 9)} - {
        "nix:/b/5"
    }
    assert {use.text for use in found if use.role is Role.TARGET} == {"nix:/b/5"}
    assert {use.text for use in found if use.role is Role.MANAGER} == {"nix:/man/1"}
    assert {use.text for use in found if use.role is Role.MEMBER} == {"nix:/m/1"}
    assert Use("<other>", Role.EXECUTED, "nix:/a/6") in found
    assert len(found) == 11 + 8 + 2


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("file read nix:/x/y", Role.BARE),
        ("file rename /tmp/a nix:/x/y", Role.BARE),
        ("file create nix:/x/y 0644", Role.BARE),
        ("file execute @nix:/x/y", Role.EXECUTED_REFERENCE),
        ('file execute /bin/a exec.realpath="nix:/x/y"', Role.QUOTED),
        ('file symlink /bin/a symlink.target!="nix:/x/y"', Role.QUOTED),
    ],
)
def test_a_name_that_never_matches_is_a_use_of_that_kind(toy: ToyStore, line: str, role: Role) -> None:
    toy.add("x", {"y": Program()})
    domains = f"<kernel>\n{line}\n"
    (use,) = uses(domains)
    assert use == Use("<kernel>", role, "nix:/x/y")
    result = bound(toy, domains)
    assert lines(result) == []
    assert faults(result) == [(use.written, "misplaced-name")]
    assert "nix:/x/y" in result.problems[0].diagnostic.message


def test_mixed_operations_are_both_uses(toy: ToyStore) -> None:
    toy.add("x", {"y": Program()})
    result = bound(toy, "<kernel>\nfile execute/read nix:/x/y\n")
    assert lines(result) == [f"aggregator {toy.paths[0]}/y nix:/x/y"]
    assert faults(result) == [("nix:/x/y", "misplaced-name")]
    result = bound(toy, "<kernel>\nfile execute/read @nix:/x/y\n")
    assert lines(result) == [f"path_group nix:/x/y {toy.paths[0]}/y"]
    assert faults(result) == [("@nix:/x/y", "misplaced-name")]


def placed(kind: TextKind, name: str, text: str) -> dict[Use, tuple[str, int, int]]:
    found = use_places(read_located_policy([PolicyText(kind, name, text)]))
    places = {use: one.where(use.written) for use, one in found.items()}
    return {use: (place.file, place.line, place.column) for use, place in places.items()}


def test_each_use_has_its_first_place() -> None:
    domains = """\
<kernel>

  file  read @nix:/b/1
<kernel> /x nix:/a/1
file read /y
file execute nix:/a/11 nix:/a/1
file read nix:/a/1
"""
    assert placed(TextKind.DOMAIN, "d", domains) == {
        Use("<kernel>", Role.REFERENCE, "nix:/b/1"): ("d", 3, 14),
        Use("<kernel>", Role.EXECUTED, "nix:/a/1"): ("d", 4, 13),
        Use("<kernel>", Role.EXECUTED, "nix:/a/11"): ("d", 6, 14),
        Use("<kernel>", Role.BARE, "nix:/a/1"): ("d", 7, 11),
    }
    exceptions = '<a> initialize_domain nix:/a/1 from any\nacl_group 1 file execute /x exec.realpath="nix:/q"\n'
    assert placed(TextKind.EXCEPTION, "e", exceptions) == {
        Use("<a>", Role.EXECUTED, "nix:/a/1"): ("e", 1, 23),
        Use("<kernel>", Role.QUOTED, "nix:/q"): ("e", 2, 43),
    }
    assert placed(TextKind.MANAGER, "m", "<kernel> nix:/a/1\nnix:/m/1\n") == {
        Use("<kernel>", Role.EXECUTED, "nix:/a/1"): ("m", 1, 10),
        Use("<kernel>", Role.MANAGER, "nix:/m/1"): ("m", 2, 1),
    }


def test_places_cover_all_uses() -> None:
    domains = "<kernel> nix:/a/1\nfile execute/read nix:/a/2 exec.realpath=@nix:/b/1\n<o> nix:/a/3\nfile read @nix:/b/2\n"
    exceptions = "path_group g nix:/a/4\nno_keep_domain nix:/a/5 from any\n<o> acl_group 0 file read @nix:/b/3\n"
    texts = PolicyText(TextKind.DOMAIN, "d", domains), PolicyText(TextKind.EXCEPTION, "e", exceptions)
    assert set(uses(domains, exceptions)) <= set(use_places(read_located_policy(texts)))


# What is bound


@pytest.fixture
def nginx(toy: ToyStore) -> ToyStore:
    """A server, its library and a profile."""
    toy.add("nginx-1.26.0", {"bin/nginx": Program(), "share/a b": "text", "lib/x.so": Program(LIBRARY)})
    toy.add("glibc-2.40", {"lib/libc.so.6": Program(LIBRARY), "lib/libm.so.6": "", "lib/ld.so": Program(), "lib/sub": None})
    toy.add("glibc-2.40-dev", {"include/a.h": "", "include/b.h": ""})
    toy.add("system-path", {"bin/nginx": Link(f"{toy.paths[0]}/bin/nginx")})
    return toy


def test_programs_get_aggregators_and_files_get_groups(nginx: ToyStore) -> None:
    domains = """\
<kernel> nix:/nginx/bin/nginx
use_profile 3
file read @nix:/glibc/lib/libc.so.6
file read @nix:/glibc/lib/\\*.so.\\*
file read @nix:/glibc^dev/include/a.h
file read @nix:/nginx-1.26.0/share/a\\040b
file getattr @nix:/glibc/lib/
file execute nix:/nginx/bin/nginx exec.realpath=@nix:/nginx/bin/nginx
"""
    a, b, c, d = nginx.paths
    result = bound(nginx, domains)
    assert lines(result) == [
        f"aggregator {a}/bin/nginx nix:/nginx/bin/nginx",
        f"aggregator {d}/bin/nginx nix:/nginx/bin/nginx",
        f"path_group nix:/glibc/lib/ {b}/lib/",
        f"path_group nix:/glibc/lib/\\*.so.\\* {b}/lib/\\*.so.\\*",
        f"path_group nix:/glibc/lib/libc.so.6 {b}/lib/libc.so.6",
        f"path_group nix:/glibc^dev/include/a.h {c}/include/a.h",
        f"path_group nix:/nginx-1.26.0/share/a\\040b {a}/share/a\\040b",
        f"path_group nix:/nginx/bin/nginx {a}/bin/nginx",
    ]
    assert result.problems == ()


def test_nothing_is_bound_that_is_not_used(nginx: ToyStore) -> None:
    assert lines(bound(nginx, "<kernel>\nuse_profile 0\n\nfile read /etc/passwd\n")) == []


def test_each_namespace_has_its_own(nginx: ToyStore) -> None:
    domains = "<kernel> nix:/nginx/bin/nginx\n<web> nix:/nginx/bin/nginx\nfile read @nix:/glibc/lib/ld.so\n"
    a, b, _, d = nginx.paths
    assert lines(bound(nginx, domains)) == [
        f"<kernel> aggregator {a}/bin/nginx nix:/nginx/bin/nginx",
        f"<kernel> aggregator {d}/bin/nginx nix:/nginx/bin/nginx",
        f"<web> aggregator {a}/bin/nginx nix:/nginx/bin/nginx",
        f"<web> aggregator {d}/bin/nginx nix:/nginx/bin/nginx",
        f"<web> path_group nix:/glibc/lib/ld.so {b}/lib/ld.so",
    ]
    assert lines(bound(nginx, "<web>\nfile read @nix:/glibc/lib/ld.so\n")) == [
        f"<web> path_group nix:/glibc/lib/ld.so {b}/lib/ld.so"
    ]


def test_the_lines_are_policy(nginx: ToyStore) -> None:
    domains = "<kernel> nix:/nginx/bin/nginx\nfile read @nix:/nginx/share/a\\040b\n"
    result = bound(nginx, domains)
    assert parse_exception_policy(format_exception_policy(result.policy)) == result.policy


def test_two_versions_are_both_bound(toy: ToyStore) -> None:
    one = toy.add("openssl-1.1.1w", {"bin/openssl": Program(), "lib/old.so": ""})
    three = toy.add("openssl-3.3.1", {"bin/openssl": Program()})
    domains = "<kernel> nix:/openssl/bin/openssl\nfile read @nix:/openssl/bin/openssl\nfile read @nix:/openssl/lib/old.so\n"
    expected = [
        f"aggregator {one}/bin/openssl nix:/openssl/bin/openssl",
        f"aggregator {three}/bin/openssl nix:/openssl/bin/openssl",
        f"path_group nix:/openssl/bin/openssl {one}/bin/openssl",
        f"path_group nix:/openssl/bin/openssl {three}/bin/openssl",
        f"path_group nix:/openssl/lib/old.so {one}/lib/old.so",
    ]
    assert lines(bound(toy, domains)) == expected
    strict = bound(toy, domains, several=Several.REFUSE)
    # Only one of the two has that file.
    assert lines(strict) == expected[-1:]
    assert {fault for _, fault in faults(strict)} == {"ambiguous-name"}
    assert all([place.file for place in problem.diagnostic.related] == [str(one), str(three)] for problem in strict.problems)
    assert str(one) in strict.problems[0].diagnostic.message
    versioned = "<kernel> nix:/openssl-3.3.1/bin/openssl\n"
    assert lines(bound(toy, versioned, several=Several.REFUSE)) == [
        f"aggregator {three}/bin/openssl nix:/openssl-3.3.1/bin/openssl"
    ]


def test_an_explicit_package_wins(nginx: ToyStore) -> None:
    other = StorePath("z" * 32, "nginx-2")
    nginx.fill(other, {"bin/nginx": Program()})
    names = NameTable(nginx.closure, {"nginx": (other,)})
    domains = "<kernel> nix:/nginx/bin/nginx\nfile read @nix:/nginx/bin/nginx\n"
    assert lines(bound(nginx, domains, names=names)) == [
        f"aggregator {other}/bin/nginx nix:/nginx/bin/nginx",
        f"path_group nix:/nginx/bin/nginx {other}/bin/nginx",
    ]


def test_a_strangers_package_is_never_bound(nginx: ToyStore) -> None:
    nginx.fill(StorePath("z" * 32, "nginx-1.26.0"), {"bin/nginx": Program()})
    nginx.fill(StorePath("y" * 32, "evil-1"), {"bin/evil": Program()})
    result = bound(nginx, "<kernel> nix:/nginx/bin/nginx nix:/evil/bin/evil\nfile read @nix:/evil/bin/evil\n")
    assert "zzz" not in str(lines(result))
    assert "yyy" not in str(lines(result))
    assert faults(result) == [("nix:/evil/bin/evil", "unknown-package"), ("@nix:/evil/bin/evil", "unknown-package")]


@pytest.mark.parametrize(
    ("use", "fault", "reason"),
    [
        ("@nix:/nosuch/x", "unknown-package", "no package nosuch, so this grants nothing"),
        ("@nix:/nginx-1.27/bin/nginx", "unknown-package", "no package nginx-1.27, so this grants nothing; there is nginx-1.26.0"),
        ("@nix:/nginx^dev/x", "unknown-package", "package nginx with output dev"),
        ("@nix:/glibc^lib/x", "unknown-package", "there is glibc-2.40, glibc-2.40^dev"),
        ("@nix:/nginx/bin/ngin", "missing-file", "is called so"),
        ("@nix:/nginx", "missing-file", "write @nix:/nginx/"),
        ("@nix:/glibc/lib", "missing-file", "write @nix:/glibc/lib/"),
        ("@nix:/glibc/lib/ld.so/", "missing-file", "no directory: write @nix:/glibc/lib/ld.so"),
        ("@nix:/glibc/lib/\\*.txt", "missing-file", "is called so"),
        ("@nix:/glibc/lib/\\*/", "", ""),
        ("@nix:/glibc/\\{\\*\\}/ld.so", "", ""),
        ("@nix:/../x", "malformed-name", "'..'"),
        ("@nix:/nginx/../x", "malformed-name", "'..'"),
        ("@nix:/ngin\\*/x", "malformed-name", "package"),
        ("@nix:/nginx^out/x", "malformed-name", "left out"),
    ],
)
def test_a_name_without_a_match_says_why(nginx: ToyStore, use: str, fault: str, reason: str) -> None:
    result = bound(nginx, f"<kernel>\nfile read {use}\n")
    assert faults(result) == ([(use, fault)] if fault else [])
    assert (lines(result) == []) == bool(fault)
    assert all(reason in problem.diagnostic.message for problem in result.problems)


@pytest.mark.parametrize(
    ("name", "fault", "reason"),
    [
        ("nix:/nginx/share/a\\040b", "not-executable", "no x bit"),
        ("nix:/system-path/bin/nginx", "not-executable", "another package: write nix:/nginx/bin/nginx"),
        ("nix:/nginx/bin", "missing-file", "directory cannot be executed"),
        ("nix:/nginx/lib/\\*", "not-executable", "no program matches"),
        ("nix:/nginx/bin/x", "missing-file", "is called so"),
    ],
)
def test_what_cannot_be_executed_says_why(nginx: ToyStore, name: str, fault: str, reason: str) -> None:
    result = bound(nginx, f"<kernel>\nfile execute {name}\n")
    assert faults(result) == [(name, fault)]
    assert reason in result.problems[0].diagnostic.message
    assert lines(result) == []


# Links


def test_a_symlink_in_a_group_is_told(toy: ToyStore) -> None:
    bash = toy.add("bash-5", {"bin/bash": Program(), "bin/sh": Link("bash"), "sbin": Link("bin"), "bin/gone": Link("x")})
    farm = toy.add("farm", {"sh": Link(f"{bash}/bin/sh"), "out": Link("/etc/passwd"), "dir": Link(f"{bash}/bin")})
    toy.make("/etc/passwd", "root")
    domains = "<kernel>\n" + "".join(
        f"file read @nix:/{name}\n" for name in ("bash/bin/sh", "farm/sh", "farm/out", "farm/dir", "bash/bin/gone", "farm/s\\?")
    )
    result = bound(toy, domains)
    assert [problem.diagnostic.severity for problem in result.problems] == 6 * [Severity.NOTE]
    assert {fault for _, fault in faults(result)} == {"linked-file"}
    told = [problem.diagnostic.message for problem in result.problems]
    assert told[0].endswith("write @nix:/bash/bin/bash")
    assert told[1].endswith("write @nix:/bash/bin/bash")
    assert "out of the closure, to '/etc/passwd'" in told[2]
    assert told[3].endswith("write @nix:/bash/bin/")
    assert "leads nowhere" in told[4]
    assert f"path_group nix:/bash/bin/sh {bash}/bin/sh" in lines(result)
    assert f"path_group nix:/farm/s\\? {farm}/s\\?" in lines(result)


def test_a_name_behind_a_linked_directory_is_never_seen(toy: ToyStore) -> None:
    toy.add("bash-5", {"bin/bash": Program(), "bin/sh": Link("bash"), "sbin": Link("bin")})
    result = bound(toy, "<kernel> nix:/bash/sbin/sh\nfile read @nix:/bash/sbin/sh\n")
    assert lines(result) == []
    assert [problem.diagnostic.message.partition("write ")[2] for problem in result.problems] == [
        "nix:/bash/bin/sh",
        "@nix:/bash/bin/bash",
    ]


def test_patterns_match_beside_links(toy: ToyStore) -> None:
    lib = toy.add("zlib-1", {"lib/libz.so": Link("libz.so.1"), "lib/libz.so.1": ""})
    result = bound(toy, "<kernel>\nfile read @nix:/zlib/lib/\\*\n")
    assert lines(result) == [f"path_group nix:/zlib/lib/\\* {lib}/lib/\\*"]
    assert result.problems == ()


# Programs by pattern


def test_a_pattern_binds_every_way_to_every_program_that_it_matches(toy: ToyStore) -> None:
    core = toy.add(
        "coreutils-9.5",
        {
            "bin/coreutils": Program(),
            "bin/ls": Link("coreutils"),
            "bin/a b": Program(b"#!/bin/sh\n"),
            "bin/readme": "text",
            "bin/plugin.so": Program(LIBRARY),
            "bin/deep/x": Program(),
            "libexec/y": Program(),
        },
    )
    farm = toy.add("farm", {"ls": Link(f"{core}/bin/ls"), "y": Link(f"{core}/libexec/y")})
    for domains in ("<kernel>\nfile execute nix:/coreutils/bin/\\*\n", "<kernel> nix:/coreutils/bin/\\*\n"):
        result = bound(toy, domains)
        assert lines(result) == [
            f"aggregator {core}/bin/a\\040b nix:/coreutils/bin/a\\040b",
            f"aggregator {core}/bin/coreutils nix:/coreutils/bin/coreutils",
            f"aggregator {core}/bin/ls nix:/coreutils/bin/ls",
            f"aggregator {farm}/ls nix:/coreutils/bin/ls",
        ]
        assert result.problems == ()
        for part in result.policy:
            assert all(matches("nix:/coreutils/bin/\\*", line.name.text) for line in part.aggregators)


def test_all_programs_for_learning(nginx: ToyStore) -> None:
    a, b, _, d = nginx.paths
    nginx.make("/run/wrappers/wrappers.0123456789/sudo", Program())
    result = bound(nginx, programs=Programs.ALL)
    assert lines(result) == [
        f"aggregator {b}/lib/ld.so nix:/glibc/lib/ld.so",
        f"aggregator {a}/bin/nginx nix:/nginx/bin/nginx",
        f"aggregator {d}/bin/nginx nix:/nginx/bin/nginx",
        "aggregator /run/wrappers/wrappers.\\*/sudo nix:/wrappers/sudo",
    ]
    # What the policy says keeps its spelling.
    used = bound(nginx, "<kernel> nix:/nginx-1.26.0/bin/nginx\n", programs=Programs.ALL)
    assert [line for line in lines(used) if "nginx" in line] == [
        f"aggregator {a}/bin/nginx nix:/nginx-1.26.0/bin/nginx",
        f"aggregator {d}/bin/nginx nix:/nginx-1.26.0/bin/nginx",
    ]


# Conflicts


def test_two_names_for_one_program_are_an_error(toy: ToyStore) -> None:
    one = toy.add("openssl-1.1.1w", {"bin/openssl": Program(), "bin/c_rehash": Program()})
    three = toy.add("openssl-3.3.1", {"bin/openssl": Program()})
    toy.add("farm", {"openssl": Link(f"{three}/bin/openssl")})
    domains = "<kernel> nix:/openssl/bin/openssl\nfile execute nix:/openssl-3.3.1/bin/openssl\n"
    result = bound(toy, domains)
    assert faults(result) == [("nix:/openssl-3.3.1/bin/openssl", "name-conflict")]
    assert result.problems[0].diagnostic.message.endswith("always write nix:/openssl-3.3.1/bin/openssl")
    assert lines(result) == [f"aggregator {one}/bin/openssl nix:/openssl/bin/openssl"]
    # Where there is one version, the shorter name does.
    both = bound(toy, "<kernel> nix:/openssl/bin/c_rehash nix:/openssl-1.1.1w/bin/\\*\n")
    assert [problem.diagnostic.message.rpartition(" ")[2] for problem in both.problems] == ["nix:/openssl/bin/c_rehash"]
    assert lines(both) == [f"aggregator {one}/bin/openssl nix:/openssl-1.1.1w/bin/openssl"]
    # Namespaces do not meddle with each other.
    assert bound(toy, "<kernel> nix:/openssl/bin/openssl\n<a> nix:/openssl-3.3.1/bin/openssl\n").problems == ()


def test_the_policys_own_aggregators_count(nginx: ToyStore) -> None:
    a, _, _, d = nginx.paths
    domains = "<kernel> nix:/nginx/bin/nginx\n"
    for own in (f"aggregator {d}/bin/nginx /usr/sbin/nginx\n", "aggregator /nix/store/\\*-system-path/bin/\\* /usr/sbin/nginx\n"):
        result = bound(nginx, domains, own)
        assert faults(result) == [("nix:/nginx/bin/nginx", "name-conflict")]
        assert lines(result) == [f"aggregator {a}/bin/nginx nix:/nginx/bin/nginx"]
    same = f"aggregator {d}/bin/nginx nix:/nginx/bin/nginx\n"
    assert bound(nginx, domains, same).problems == ()


def test_names_that_the_policy_gives_itself(nginx: ToyStore) -> None:
    exceptions = "aggregator /opt/tool nix:/tool/bin/tool\npath_group nix:/tool/data /opt/data\n"
    domains = "<kernel> nix:/tool/bin/tool\nfile read @nix:/tool/data\n"
    assert bound(nginx, domains, exceptions).problems == ()
    # An old binding is none of its own.
    exceptions = exceptions.replace("/opt", "/nix/store/" + "z" * 32 + "-tool-1")
    assert [fault for _, fault in faults(bound(nginx, domains, exceptions))] == 2 * ["unknown-package"]


# Special places


def test_wrappers_have_a_name_at_every_boot(toy: ToyStore) -> None:
    domains = "<kernel> nix:/wrappers/sudo\nfile execute nix:/wrappers/sudo exec.realpath=@nix:/wrappers/sudo\n"
    result = bound(toy, domains)
    assert lines(result) == [
        "aggregator /run/wrappers/wrappers.\\*/sudo nix:/wrappers/sudo",
        "path_group nix:/wrappers/sudo /run/wrappers/wrappers.\\*/sudo",
    ]
    assert result.problems == ()
    assert faults(bound(toy, "<kernel> nix:/wrappers\n<kernel> nix:/wrappers/a/b\n")) == [
        ("nix:/wrappers", "malformed-name"),
        ("nix:/wrappers/a/b", "malformed-name"),
    ]
    pattern = "<kernel>\nfile execute nix:/wrappers/s\\*\n"
    assert faults(bound(toy, pattern)) == [("nix:/wrappers/s\\*", "missing-file")]
    for name in ("sudo", "su", "ping"):
        toy.make(f"/run/wrappers/wrappers.0123456789/{name}", Program())
    assert lines(bound(toy, pattern)) == [
        "aggregator /run/wrappers/wrappers.\\*/su nix:/wrappers/su",
        "aggregator /run/wrappers/wrappers.\\*/sudo nix:/wrappers/sudo",
    ]


def test_systemds_executor_is_bound_to_its_descriptor_when_it_is_used(toy: ToyStore) -> None:
    systemd = toy.add("systemd-256", {"lib/systemd/systemd": Program(), "lib/systemd/systemd-executor": Program()})
    domains = "<kernel> nix:/systemd/lib/systemd/systemd nix:/systemd/lib/systemd/systemd-executor\n"
    result = bound(toy, domains)
    assert lines(result) == [
        f"aggregator {systemd}/lib/systemd/systemd nix:/systemd/lib/systemd/systemd",
        f"aggregator {systemd}/lib/systemd/systemd-executor nix:/systemd/lib/systemd/systemd-executor",
        "aggregator proc:/self/fd/\\$ nix:/systemd/lib/systemd/systemd-executor",
    ]
    assert [(problem.diagnostic.severity, problem.diagnostic.code) for problem in result.problems] == [
        (Severity.NOTE, "executed-by-descriptor")
    ]
    assert "proc:" not in str(lines(bound(toy, programs=Programs.ALL)))
    toy.add("systemd-257", {"lib/systemd/systemd-executor": Program()})
    two = "".join(f"<kernel> nix:/systemd-{version}/lib/systemd/systemd-executor\n" for version in (256, 257))
    assert "name-conflict" in {fault for _, fault in faults(bound(toy, two))}


def test_managers_are_told_by_their_real_path(toy: ToyStore) -> None:
    bash = toy.add("bash-5", {"bin/bash": Program(), "bin/sh": Link("bash")})
    result = bound(toy, managers="nix:/bash/bin/sh\n<kernel> nix:/bash/bin/bash\nnix:/x/y\nnix:/bash/bin/\\*\n")
    assert result.managers == (("nix:/bash/bin/sh", (f"{bash}/bin/bash",)),)
    assert lines(result) == [f"aggregator {bash}/bin/bash nix:/bash/bin/bash"]
    assert faults(result) == [("nix:/x/y", "unknown-package"), ("nix:/bash/bin/\\*", "misplaced-name")]


def test_hostile_file_names_are_bound_exactly(toy: ToyStore) -> None:
    files = ["new\nline", "sp ace", "\udcff", "star*", "back\\slash", "\x1b[2J"]
    own = toy.add("own-1", {f"bin/{name}": Program() for name in files})
    domains = "<kernel>\n" + "".join(f"file execute nix:/own/bin/{encode_file(name)}\n" for name in files)
    result = bound(toy, domains)
    assert sorted(lines(result)) == sorted(
        f"aggregator {own}/bin/{encode_file(name)} nix:/own/bin/{encode_file(name)}" for name in files
    )
    assert result.problems == ()


# Real stores


@pytest.fixture(scope="module")
def real(nix_store: NixStore, system: dict[str, str]) -> tuple[NameTable, Tree]:
    closure = StoreDatabase(str(nix_store.database)).closure([parse_store_path(system["toplevel"])])
    return NameTable(closure), Tree(str(nix_store.root))


def test_a_real_system(real: tuple[NameTable, Tree], system: dict[str, str]) -> None:
    domains = """\
<kernel> nix:/firefox/bin/firefox nix:/firefox/bin/.firefox-wrapped
file read @nix:/glibc/lib/ld.so
file execute nix:/openssl/bin/openssl
file execute nix:/glibc^bin/bin/ldd
file read @nix:/hosts
file read @nix:/bash-interactive^man/share/man/\\*
"""
    names, tree = real
    result = bind(uses(domains), names, tree, links={"/bin/sh": f"{system['bash']}/bin/sh"})
    assert result.problems == ()
    profile = system["system-path"]
    expected = [
        ("nix:/firefox/bin/.firefox-wrapped", [f"{system['firefox']}/bin/.firefox-wrapped"]),
        ("nix:/firefox/bin/firefox", [f"{profile}/bin/firefox", f"{system['firefox']}/bin/firefox"]),
        (
            "nix:/openssl/bin/openssl",
            [f"{profile}/bin/openssl", f"{system['openssl_1']}/bin/openssl", f"{system['openssl_3']}/bin/openssl"],
        ),
    ]
    for name, paths in expected:
        found = [line for line in lines(result) if line.endswith(f" {name}")]
        assert found == [f"aggregator {path} {name}" for path in sorted(paths)]
    assert f"path_group nix:/hosts {system['etc-hosts']}" in lines(result)
    assert len(lines(result)) == 1 + 2 + 3 + 2 + 3, "and nothing else"


def test_the_result_hangs_on_nothing_else(real: tuple[NameTable, Tree]) -> None:
    names, tree = real
    domains = "<kernel> nix:/coreutils/bin/\\*\nfile read @nix:/openssl/bin/openssl\nfile read @nix:/x/y\nfile read @nix:/hosts\n"
    wanted = list(uses(domains))
    expected = bind(wanted, names, Tree(tree.root))
    shuffled = random.Random(1).sample(wanted, len(wanted))
    other = bind(shuffled, NameTable(names.closure), Tree(tree.root))
    assert other.policy == expected.policy
    assert set(other.problems) == set(expected.problems)


def test_another_closure_changes_hashes_only(toy: ToyStore, tmp_path: Path) -> None:
    domains = "<kernel> nix:/nginx/bin/nginx\nfile read @nix:/nginx/etc/\\*\n"
    old = toy.add("nginx-1", {"bin/nginx": Program(), "etc/x": ""})
    new = StorePath("z" * 32, "nginx-2")
    toy.fill(new, {"bin/nginx": Program(), "etc/y": ""})
    before = lines(bound(toy, domains))
    toy.paths[:] = [new]
    assert [line.replace(str(new), str(old)) for line in lines(bound(toy, domains))] == before


# Any policy


texts = st.sampled_from(["nginx", "glibc", "glibc^dev", "nginx-1.26.0", "nosuch", "wrappers", "..", "system-path"])
places = st.sampled_from(
    ["", "/", "/bin/nginx", "/lib/\\*", "/lib/\\{\\*\\}/x", "/lib/", "/include/\\*.h", "/..", "/share/a\\040b", "/\\*/\\*"]
)
statements = st.sampled_from(
    [
        "file execute {0}",
        "file read @{0}",
        "file read {0}",
        "file execute /bin/x exec.realpath=@{0}",
        "<kernel> {0}",
        "file execute/read {0}",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.builds(lambda form, text, place: form.format(f"nix:/{text}{place}"), statements, texts, places), max_size=8))
def test_whatever_is_bound_is_used_and_trusted(nginx: ToyStore, chosen: list[str]) -> None:
    domains = parse_domain_policy("<kernel>\n" + "".join(f"{line}\n" for line in chosen), report=lambda _: None)
    wanted = policy_uses(domains)
    result = bind(wanted, nginx.names, nginx.tree)
    trusted = [str(path) for path in nginx.paths]
    executed = [use.text for use in wanted if use.role is Role.EXECUTED]
    referred = {use.text for use in wanted if use.role is Role.REFERENCE}
    wrong = {problem.use for problem in result.errors}
    for part in result.policy:
        for line in part.aggregators:
            assert line.pattern.text.startswith((*trusted, "/run/wrappers/wrappers.\\*/"))
            assert any(matches(name, line.name.text) for name in executed)
        assert len({line.pattern for line in part.aggregators}) == len(part.aggregators)
        for group in part.groups:
            assert group.name.text in referred
            assert all(str(member).startswith((*trusted, "/run/wrappers/")) for member in group.members)
    # Each use is bound or told, or the reason of a conflict that it is part of says its name.
    conflicts = [problem.diagnostic.message for problem in result.errors if problem.diagnostic.code == "name-conflict"]
    told = {word.strip(",") for reason in conflicts for word in reason.split()}
    groups = {group.name.text for part in result.policy for group in part.groups}
    names = [line.name.text for part in result.policy for line in part.aggregators]
    for use in wanted:
        if use in wrong or any(matches(use.text, word) for word in told if word.startswith("nix:/")):
            continue
        assert use.text in groups if use.role is Role.REFERENCE else any(matches(use.text, name) for name in names)


def test_nothing_to_bind_reads_no_program(toy: ToyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.add("x-1", {"bin/x": Program()})
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("a program was opened"))
    assert bound(toy).policy == ExceptionPolicy(())


def test_what_is_told_to_write_binds(toy: ToyStore) -> None:
    """Each remedy, put where it belongs, leaves nothing to say; where none would, none is told."""
    notes = {"bin/notes": Program(), "share/help": "x", "share/link": Link("help"), "lib": None, "bin/n": Link("notes")}
    toy.add("notes-1", notes)
    toy.add("farm", {"notes": Link(f"{toy.paths[0]}/bin/notes"), "help": Link(f"{toy.paths[0]}/share/help")})
    names = ("notes/share/help", "notes/share/link", "notes/lib", "notes/lib/", "notes/bin/notes", "notes/share/hlep", "none/x")
    names += ("farm/notes", "farm/help", "notes", "notes/bin/n")
    forms = ("file read nix:/{}", "file read @nix:/{}", "file execute @nix:/{}", "file execute nix:/{}", "file link /x nix:/{}")
    forms += ('file execute /x exec.realpath="nix:/{}"', "file read @g")
    told = 0
    for name in names:
        for form in forms:
            line, exceptions = form.format(name), f"path_group g nix:/{name}\n" if "@g" in form else ""
            for problem in bound(toy, f"<kernel>\n{line}\n", exceptions).problems:
                _, found, remedy = problem.diagnostic.message.rpartition("write ")
                if not found:
                    continue
                told += 1
                remedy = remedy.removesuffix(", without quotes").removesuffix(" in the entry")
                after = (
                    remedy if remedy.startswith("file ") else line.replace("@g" if "@g" in form else problem.use.written, remedy)
                )
                after = after.replace("==", "=")
                assert bound(toy, f"<kernel>\n{after}\n").problems == (), (line, problem.diagnostic.message)
    assert told > 30

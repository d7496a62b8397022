"""Policy sources: what is read, what files say together, and every way to get it wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.source.module_numbers import hashed_number
from tomoyo.nix.source.policy import Conflicts
from tomoyo.syntax.formatting import format_domain_policy, format_exception_policy, format_manager, format_profile, format_stat
from tomoyo.syntax.policy_text import TextKind

from .sources import combined, refusals, shown, warnings, write_source

DOMAIN = "<kernel> /a\nuse_profile 0"


def read_refusals(folder: Path) -> list[str]:
    with pytest.raises(SourceError) as caught:
        read_sources([folder])
    return shown(caught.value.diagnostics, folder.parent)


# Files


def test_files_are_found_by_their_place(tmp_path: Path) -> None:
    names = ("domain_policy", "domains__b", "domains__a", "exception_policy", "exceptions__x", "modules__base", "module-numbers")
    source = write_source(tmp_path, **dict.fromkeys((*names, "profile", "manager", "stat"), ""))
    (source / "README.md").write_text("hello")
    (source / "domains" / "a.conf~").write_text("an editor's copy")
    (source / ".git").mkdir()
    found = {str(Path(file.name).relative_to(source)): file.kind for file in read_sources([source])}
    assert found == {
        "domain_policy.conf": TextKind.DOMAIN,
        "domains/a.conf": TextKind.DOMAIN,
        "domains/b.conf": TextKind.DOMAIN,
        "exception_policy.conf": TextKind.EXCEPTION,
        "exceptions/x.conf": TextKind.EXCEPTION,
        "manager.conf": TextKind.MANAGER,
        "module-numbers.conf": TextKind.NUMBERS,
        "modules/base.conf": TextKind.MODULE,
        "profile.conf": TextKind.PROFILE,
        "stat.conf": TextKind.STAT,
    }
    assert list(found) == sorted(found)


def test_links_are_followed_as_nix_makes_them(tmp_path: Path) -> None:
    real = write_source(tmp_path / "real", domains__a=DOMAIN)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/domains").symlink_to(real / "domains")
    assert [file.text for file in read_sources([tmp_path / "source"])] == [f"{DOMAIN}\n"]


def test_what_nothing_would_read_is_an_error(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domain__a=DOMAIN, domains__a=DOMAIN, profiles="", zzz="")
    (source / "domains/deeper").mkdir()
    assert read_refusals(source) == [
        "source/domain: nothing reads this here; did you mean 'domains'?",
        "source/domains/deeper: nothing reads a directory here",
        "source/profiles.conf: nothing reads this here; did you mean 'profile.conf'?",
        "source/zzz.conf: nothing reads this here; policy is in domains, exceptions, modules and domain_policy.conf, "
        "exception_policy.conf, module-numbers.conf, profile.conf, manager.conf, stat.conf",
    ]


def test_a_folder_without_policy_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    assert read_refusals(tmp_path / "source")[0].startswith("source: no policy source: there is none of domains/, ")
    assert read_refusals(tmp_path / "missing") == ["missing: no such file or directory; give a path that exists"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=DOMAIN)
    os.mkfifo(source / "domains/pipe.conf")
    (source / "domains/link.conf").symlink_to("nowhere")
    (source / "profile.conf").mkdir()
    (source / "modules").write_text("")
    assert read_refusals(source) == [
        "source/modules: not a directory; give a directory",
        "source/domains/link.conf: no such file or directory; give a path that exists",
        "source/domains/pipe.conf: no regular file",
        "source/profile.conf: a directory, not a file; give a file",
    ]


# Domains


def test_files_about_one_domain_come_together(tmp_path: Path) -> None:
    source = write_source(
        tmp_path,
        domains__a="<kernel> /a\nuse_profile 3\nfile read /x\n\n# a comment\n<kernel> /b\nuse_profile 1",
        domains__b="<kernel> /a\nfile write /x\nfile read /y",
        domain_policy="<kernel> /a\nuse_profile 3",
    )
    policy = combined(source)
    assert [str(entry) for entry in policy.domains.domains[0].entries] == ["file read/write /x", "file read /y"]
    assert format_domain_policy(policy.domains).startswith("<kernel> /a\nuse_profile 3\n\nfile read/write /x\nfile read /y\n\n")


def test_the_domain_that_always_exists_is_in_every_policy(tmp_path: Path) -> None:
    policy = combined(write_source(tmp_path, domains__a=DOMAIN))
    assert [(str(domain.name), domain.profile) for domain in policy.domains] == [("<kernel> /a", 0), ("<kernel>", 0)]


def test_a_domain_has_one_profile(tmp_path: Path) -> None:
    text = "<kernel> /a\nuse_profile 1\nuse_profile 1"
    source = write_source(
        tmp_path / "source", domains__a=text, domains__b="<kernel> /a\nuse_profile 3\n<kernel> /b\nfile read /x"
    )
    assert refusals(source) == [
        "source/domains/b.conf:2:1: source/domains/a.conf:2 gives this domain profile 1: 'use_profile 3'",
        "source/domains/b.conf:3:1: no file gives <kernel> /b a use_profile; write use_profile 0 if nothing is to confine it",
    ]


def test_every_error_of_every_file_is_told(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__a="file read /x\n<kernel> /a\nuse_profile 0\nfile reed /x\nselect <kernel>",
        domains__b="<kernel> b\nfile read /x\nuse_group base",
        exceptions__a="path_group a\nfoo",
        modules__m="use_profile 1\nuse_group 1\n<kernel>\nfile read",
        manager="x y",
        profile="0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n1-CONFIG=foo",
        stat="Memory: 1",
    )
    found = refusals(source)
    assert [problem.split(": ")[0] for problem in found] == [
        "source/domains/a.conf:1:1",
        "source/domains/a.conf:4:6",
        "source/domains/a.conf:5:1",
        "source/domains/b.conf:1:10",
        "source/domains/b.conf:2:1",
        "source/domains/b.conf:3:1",
        "source/exceptions/a.conf:1:13",
        "source/exceptions/a.conf:2:1",
        "source/manager.conf:1:2",
        "source/modules/m.conf:1:1",
        "source/modules/m.conf:2:1",
        "source/modules/m.conf:3:1",
        "source/modules/m.conf:4:10",
        "source/profile.conf:2:10",
        "source/stat.conf:1:1",
    ]
    assert "no domain is selected" in found[0]


def test_a_last_line_without_newline_is_an_error(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=DOMAIN)
    (source / "domains/a.conf").write_text(f"{DOMAIN}\nfile read /x")
    assert refusals(source) == [
        "source/domains/a.conf:3:1: the last line has no newline, so the kernel never acts on it; write a newline"
    ]


def test_what_a_kernel_noted_is_left_out(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=f"{DOMAIN}\nquota_exceeded")
    assert not combined(source).domains.domains[0].quota_exceeded
    assert warnings(source) == ["source/domains/a.conf:3:1: left out: quota_exceeded says what happened in a kernel once"]


def test_a_namespace_that_would_hide_another_is_an_error(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=DOMAIN, exceptions__a="<x>y> path_group g /a")
    assert refusals(source) == [
        "source/exceptions/a.conf:1:1: namespace <x>y>: one with '>' inside takes the place of others in the kernel"
    ]


# Modules and groups


def test_a_module_is_an_acl_group_of_every_namespace_that_uses_it(tmp_path: Path) -> None:
    source = write_source(
        tmp_path,
        domains__a=f"{DOMAIN}\nuse_group base\nuse_group 1\n<other> /b\nuse_profile 0\nuse_group base",
        modules__base="# what every program needs\nfile read /etc/passwd\nfile write /etc/passwd\nfile getattr /",
        modules__unused="file read /x",
        exception_policy="acl_group 1 file read /y",
    )
    policy = combined(source)
    assert policy.modules == {"base": 178}
    assert [domain.groups for domain in policy.domains] == [(1, 178), (178,), ()]
    assert format_exception_policy(policy.exceptions) == (
        "<kernel> acl_group 1 file read /y\n"
        "<kernel> acl_group 178 file read/write /etc/passwd\n"
        "<kernel> acl_group 178 file getattr /\n"
        "<other> acl_group 178 file read/write /etc/passwd\n"
        "<other> acl_group 178 file getattr /\n"
    )


def test_an_empty_module_is_no_group_at_all(tmp_path: Path) -> None:
    policy = combined(write_source(tmp_path, domains__a=f"{DOMAIN}\nuse_group base", modules__base="# nothing yet"))
    assert policy.modules == {}
    assert policy.domains.domains[0].groups == ()


def test_modules_and_groups_that_there_are_not(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__a=f"{DOMAIN}\nuse_group bse\nuse_group 1\nfile read @lost\n<x> /a\nuse_profile 0\nuse_group 2\nfile read @here",
        modules__base="file chmod /x @modes\nnetwork inet stream connect @hosts 1",
        exception_policy="acl_group 2 file read /x\npath_group here /x\naggregator /@lost /b",
    )
    assert refusals(source) == [
        "source/domains/a.conf:3:11: there is no module 'bse'; did you mean 'base'?",
        "source/domains/a.conf:4:11: there is no acl_group 1 in <kernel>, nor a module",
        "source/domains/a.conf:5:11: there is no path_group lost in <kernel>",
        "source/domains/a.conf:8:11: there is no acl_group 2 in <x>, nor a module",
        "source/domains/a.conf:9:11: there is no path_group here in <x>",
    ]
    write_source(source, domains__a=f"{DOMAIN}\nuse_group base")
    assert refusals(source) == [
        "source/modules/base.conf:1:15: there is no number_group modes in <kernel>",
        "source/modules/base.conf:2:29: there is no address_group hosts in <kernel>",
    ]


def test_pinned_numbers(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__a=f"{DOMAIN}\nuse_group base\nuse_group web",
        modules__base="file read /x",
        modules__web="file read /y",
        **{"module-numbers": "base 3\n# others as they come"},
    )
    assert combined(source).modules == {"base": 3, "web": 242}
    write_source(
        source,
        exception_policy="acl_group 7 file read /z",
        **{"module-numbers": "base 256\n1 2\nbase 3\nweb 3\nbase 4\nwbe 5\nweb 7"},
    )
    assert refusals(source) == [
        "source/module-numbers.conf:1:6: not an acl_group: '256'; write a number from 0 to 255",
        "source/module-numbers.conf:2:1: not a module's name: '1'; write NAME NUMBER",
        "source/module-numbers.conf:4:1: source/module-numbers.conf:3 gives 3 to module base: 'web 3'",
        "source/module-numbers.conf:5:1: source/module-numbers.conf:3 gives module base another number: 'base 4'",
        "source/module-numbers.conf:6:5: there is no module 'wbe'; did you mean 'web'?",
        "source/module-numbers.conf:7:5: an exception policy has an acl_group 7 of its own",
    ]


def test_a_number_written_by_hand_is_no_module_s(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__a=f"{DOMAIN}\nuse_group base",
        modules__base="file read /x",
        exceptions__a="acl_group 178 file read /y",
    )
    assert refusals(source) == [
        "source/modules/base.conf:1:1: module base: the policy itself uses acl_group 178, which is this name's; "
        "pin another one in module-numbers.conf: base 16"
    ]
    write_source(source, **{"module-numbers": "base 16"})
    assert combined(source).modules == {"base": 16}


def test_two_modules_of_one_number_are_refused_until_one_is_pinned(tmp_path: Path) -> None:
    # No rule could give way for the newer one alone: nothing says which that is.
    files = {"modules__module-005": "file read /x", "modules__module-015": "file read /y"}
    source = write_source(tmp_path / "source", domains__a=f"{DOMAIN}\nuse_group module-005\nuse_group module-015", **files)
    assert hashed_number("module-005") == hashed_number("module-015") == 137
    assert refusals(source) == [
        "source/modules/module-015.conf:1:1: modules module-005 and module-015 would both be acl_group 137; pin the one "
        "that is newer in module-numbers.conf, so that the other keeps its number: module-015 16, or module-005 16"
    ]
    write_source(source, **{"module-numbers": "module-005 16"})
    assert combined(source).modules == {"module-005": 16, "module-015": 137}
    # One that no domain uses is in nobody's way.
    write_source(source, domains__a=f"{DOMAIN}\nuse_group module-005", **{"module-numbers": ""})
    assert combined(source).modules == {"module-005": 137}


# Profiles, managers, quotas


def test_default_profiles_are_for_every_namespace(tmp_path: Path) -> None:
    profiles = combined(write_source(tmp_path, domains__a="<x> /a\nuse_profile 3")).profiles
    for part in profiles:
        modes = [profile.default.mode.value for profile in part.profiles]
        assert modes == ["disabled", "learning", "permissive", "enforcing"]
    assert [part.namespace for part in profiles] == ["<kernel>", "<x>"]


def test_a_profile_that_there_is_not(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        domains__a="<kernel> /a\nuse_profile 3\n<x> /a\nuse_profile 1",
        profile="PROFILE_VERSION=20110903\n1-CONFIG={ mode=learning grant_log=no reject_log=no }",
    )
    assert refusals(source) == [
        "source/domains/a.conf:2:13: profile 3 of <kernel> is not defined: the kernel would panic at boot",
        "source/domains/a.conf:4:13: profile 1 of <x> is not defined: the kernel would panic at boot",
        "source/profile.conf: profile 0 of <kernel> is not defined, and the domain <kernel>, which always exists, has it: "
        "the kernel would panic at boot",
    ]


def test_the_profile_version_is_the_one_that_kernels_boot_with(tmp_path: Path) -> None:
    profile = "PROFILE_VERSION={}\n0-CONFIG={{ mode=disabled grant_log=no reject_log=no }}"
    source = write_source(tmp_path / "source", domains__a=DOMAIN, profile=profile.format(20110903))
    assert format_profile(combined(source).profiles).startswith("PROFILE_VERSION=20150505\n0-COMMENT=\n")
    write_source(source, profile=profile.format(20090903))
    assert [text.split(":")[1] for text in refusals(source)] == ["1"]


def test_managers_and_quotas(tmp_path: Path) -> None:
    source = write_source(
        tmp_path, domains__a=DOMAIN, manager="nix:/tomoyo/bin/tomoyo\n<kernel> /a\n/sbin/b", stat="Memory used by policy: 100"
    )
    policy = combined(source)
    assert format_manager(policy.managers) == "nix:/tomoyo/bin/tomoyo\n<kernel> /a\n/sbin/b\n"
    assert format_stat(policy.quotas) == "Memory used by policy: 100\n"


# Several folders


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("modules__base", "file read /x", "file read /y"),
        ("profile", *(f"0-CONFIG={{ mode={mode} grant_log=no reject_log=no }}" for mode in ("disabled", "learning"))),
        ("stat", "Memory used by policy: 1", "Memory used by policy: 2"),
        ("domains__b", "<kernel> /b\nuse_profile 0", "<kernel> /b\nuse_profile 1"),
        ("module-numbers", "base 3", "base 4"),
    ],
)
def test_folders_agree_or_the_later_one_is_told_to_win(tmp_path: Path, name: str, first: str, second: str) -> None:
    profiles = "0-COMMENT=\n1-CONFIG={ mode=learning grant_log=no reject_log=no }"
    common = {"domains__a": f"{DOMAIN}\nuse_group base", "modules__base": "file read /x"}
    if name != "profile":
        common["profile"] = profiles
    library = write_source(tmp_path / "library", **{**common, name: first})
    same = write_source(tmp_path / "same", **{name: first})
    own = write_source(tmp_path / "own", **{name: second})
    merged = write_source(tmp_path / "merged", **{**common, name: second})
    assert combined(library, same) == combined(library)
    found = refusals(library, own)
    assert len(found) == 1
    assert found[0].startswith(f"own/{name.replace('__', '/')}.conf")
    assert "library/" in found[0]
    assert combined(library, own, conflicts=Conflicts.LATER_WINS) == combined(merged)


def test_one_folder_cannot_overrule_itself(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", domains__a=DOMAIN, domains__b="<kernel> /a\nuse_profile 3")
    assert len(refusals(source, conflicts=Conflicts.LATER_WINS)) == 1


def test_a_user_adds_to_a_library(tmp_path: Path) -> None:
    library = write_source(
        tmp_path / "library", domains__a="<kernel> /a\nuse_profile 3\nuse_group base", modules__base="misc env A"
    )
    own = write_source(tmp_path / "own", domains__a="<kernel> /a\nfile read /srv/\\*")
    assert format_domain_policy(combined(library, own).domains).startswith(
        "<kernel> /a\nuse_profile 3\nuse_group 178\n\nfile read /srv/\\*\n\n"
    )

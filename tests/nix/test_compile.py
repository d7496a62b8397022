"""Compiling: named policy and a closure become one set that a kernel takes, or nothing at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.generate import Generator
from tomoyo.cli import main
from tomoyo.model.diagnostics import Severity
from tomoyo.nix.names.bindings import Several
from tomoyo.nix.names.names import NameTable
from tomoyo.nix.source.compile import BootSettings, Compiled, CompileSettings, Unresolved, compile_policy
from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.store.closure_formats import parse_listing
from tomoyo.nix.store.tree import Tree
from tomoyo.sets.checks import check_policy_set
from tomoyo.sets.policy_set import PolicySet, read_policy_set

from .sources import shown, write_source

PROGRAM = b"\x7fELF" + bytes(60)
ROOT = Path(__file__).resolve().parents[2]


def store_path(name: str, generation: str = "a") -> str:
    """The store path of the package NAME, of which there is one in each generation."""
    return f"/nix/store/{generation * 32}-{name}"


def write_store(root: Path, packages: Mapping[str, Mapping[str, bytes | str]]) -> Path:
    """Write store paths below ROOT: of each its files; text is a symlink, bytes are a file, executable below bin."""
    for path, files in packages.items():
        for name, content in files.items():
            place = root / (path + name).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                place.symlink_to(content)
            else:
                place.write_bytes(content)
                place.chmod(0o755 if "/bin/" in name else 0o644)
    (root / "store-paths").write_text("".join(f"{path}\n" for path in packages))
    return root


def generation(letter: str, nginx: str = "nginx-1.26.0") -> dict[str, dict[str, bytes | str]]:
    """A small system."""
    web, libc, shell = (store_path(name, letter) for name in (nginx, "glibc-2.40", "bash-5.2"))
    return {
        web: {"/bin/nginx": PROGRAM, "/conf/mime.types": b""},
        libc: {"/lib/libc.so.6": b"", "/lib/libm.so.6": b""},
        shell: {"/bin/sh": "bash", "/bin/bash": PROGRAM},
        store_path("tomoyo-0.1", letter): {
            "/bin/tomoyo": f"#!{store_path('bash-5.2', letter)}/bin/sh\n".encode(),
            "/bin/loader": PROGRAM,
        },
        store_path("system-path", letter): {
            "/bin/nginx": f"{web}/bin/nginx",
            "/bin/sh": f"{store_path('bash-5.2', letter)}/bin/sh",
        },
    }


POLICY = {
    "domains__web": """
        <kernel> nix:/nginx/bin/nginx
        use_profile 3
        use_group base
        file read @nix:/nginx/conf/mime.types
        file write/read /var/log/nginx/\\*.log
        file execute nix:/bash/bin/sh exec.realpath=@nix:/bash/bin/bash
        """,
    "modules__base": """
        file read @nix:/glibc/lib/\\*.so.\\*
        """,
    "exception_policy": """
        initialize_domain nix:/nginx/bin/nginx from any
        """,
    "manager": """
        nix:/tomoyo/bin/loader
        <kernel> nix:/tomoyo/bin/tomoyo
        """,
}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    return write_store(tmp_path / "system", generation("a"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source", **POLICY)


def compiled(source: Path, system: Path, settings: CompileSettings | None = None, *, more: tuple[Path, ...] = ()) -> Compiled:
    tree = Tree(str(system))
    closure = parse_listing((system / "store-paths").read_text())
    return compile_policy(read_sources([source, *more]), NameTable(closure), tree, settings=settings)


def refusals(source: Path, system: Path, settings: CompileSettings | None = None) -> list[str]:
    with pytest.raises(SourceError) as caught:
        compiled(source, system, settings)
    return shown(caught.value.diagnostics, source.parent)


def command(*arguments: object) -> int:
    return main(["compile", *map(str, arguments)])


def arguments(system: Path) -> tuple[object, ...]:
    return "--root", system, "--closure-file", system / "store-paths"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What comes out


def test_the_set(source: Path, system: Path) -> None:
    result = compiled(source, system)
    policy = result.policy
    assert result.warnings == ()
    assert policy.domain_policy == (
        "<kernel>\nuse_profile 0\n\n\n"
        "<kernel> nix:/nginx/bin/nginx\nuse_profile 3\nuse_group 178\n\n"
        "file execute nix:/bash/bin/sh exec.realpath=@nix:/bash/bin/bash\n"
        "file read @nix:/nginx/conf/mime.types\nfile read/write /var/log/nginx/\\*.log\n\n"
    )
    assert policy.exception_policy == (
        "initialize_domain nix:/nginx/bin/nginx from any\nacl_group 178 file read @nix:/glibc/lib/\\*.so.\\*\n"
    )
    a = "a" * 32
    assert sorted(policy.bindings.split("\n")[:-1]) == [
        f"aggregator /nix/store/{a}-bash-5.2/bin/sh nix:/bash/bin/sh",
        f"aggregator /nix/store/{a}-nginx-1.26.0/bin/nginx nix:/nginx/bin/nginx",
        f"aggregator /nix/store/{a}-system-path/bin/nginx nix:/nginx/bin/nginx",
        f"aggregator /nix/store/{a}-system-path/bin/sh nix:/bash/bin/sh",
        f"aggregator /nix/store/{a}-tomoyo-0.1/bin/tomoyo nix:/tomoyo/bin/tomoyo",
        f"path_group nix:/bash/bin/bash /nix/store/{a}-bash-5.2/bin/bash",
        f"path_group nix:/glibc/lib/\\*.so.\\* /nix/store/{a}-glibc-2.40/lib/\\*.so.\\*",
        f"path_group nix:/nginx/conf/mime.types /nix/store/{a}-nginx-1.26.0/conf/mime.types",
    ]
    assert policy.manager == f"/nix/store/{a}-tomoyo-0.1/bin/loader\n<kernel> nix:/tomoyo/bin/tomoyo\n"
    assert policy.stat == ""
    assert policy.profile.startswith("PROFILE_VERSION=20150505\n0-COMMENT=-----Disabled Mode-----\n")
    assert policy.boot is not None
    assert policy.boot.startswith("#!/bin/sh\n")
    assert check_policy_set(policy) == []
    assert policy.manifest["modules"] == {"base": 178}
    assert policy.manifest["counts"] == {
        "domains": 2,
        "entries": 3,
        "store_paths": 5,
        "aggregators": 5,
        "path_group_members": 3,
    }


def test_an_upgrade_changes_bindings_only(source: Path, system: Path, tmp_path: Path) -> None:
    before = compiled(source, system).policy
    after = compiled(source, write_store(tmp_path / "new", generation("b", "nginx-1.28.0"))).policy
    # The manager is a real path, since the kernel compares nothing else.
    assert after.manager == before.manager.replace("a" * 32, "b" * 32)
    assert after.bindings == before.bindings.replace("a" * 32, "b" * 32).replace("1.26.0", "1.28.0")
    same = {"bindings": "", "manager": "", "manifest": {}}
    assert replace(after, **same) == replace(before, **same)  # type: ignore[arg-type]


def test_two_namespaces(system: Path, tmp_path: Path) -> None:
    domains = "<web> nix:/nginx/bin/nginx\nuse_profile 1\nuse_group base\nfile read @nix:/glibc/lib/libc.so.6"
    source = write_source(tmp_path / "source", domains__a=domains, modules__base="file read @nix:/glibc/lib/libm.so.6")
    policy = compiled(source, system).policy
    # Aggregators and groups count in their namespace alone.
    assert all(line.startswith("<web> ") for line in policy.bindings.split("\n")[:-1])
    assert [line.split(" ")[2] for line in policy.bindings.split("\n") if " path_group " in line] == [
        "nix:/glibc/lib/libc.so.6",
        "nix:/glibc/lib/libm.so.6",
    ]
    kernel = policy.loaded()
    kernel.activate()
    namespace = kernel.holding.namespaces["<web>"]
    assert list(namespace.acl_groups) == [178]
    assert len(namespace.aggregators) == 2
    assert not kernel.holding.namespaces["<kernel>"].aggregators


def test_the_library_of_a_distribution_beside_a_policy_of_ones_own(source: Path, system: Path, tmp_path: Path) -> None:
    own = write_source(
        tmp_path / "own",
        domains__web="<kernel> nix:/nginx/bin/nginx\nfile read /srv/www/\\*",
        stat="Memory used by policy: 1000000",
    )
    policy = compiled(source, system, more=(own,)).policy
    assert "file read /srv/www/\\*\n" in policy.domain_policy
    assert policy.stat == "Memory used by policy: 1000000\n"


# What is refused


def test_every_error_has_its_place(source: Path, system: Path) -> None:
    write_source(
        source,
        domains__other="""
            <kernel> nix:/nginx/bin/ngins
            use_profile 3
            # @nix:/apache/conf in a comment
            file read @nix:/apache/conf
            file read nix:/nginx/conf/mime.types
            file reed /x
            file read @nix:/../x
            """,
        modules__other="file read /x\nfile read @nix:/glibc/lib/gone",
        domains__third="<kernel> /a\nuse_profile 0\nuse_group other",
        manager="nix:/tomoyo/bin/tomoyo\nnix:/tomoyo/bin/gone\n<kernel> nix:/tomoyo/bin/tomoyo",
    )
    found = refusals(source, system)
    assert [problem.partition(": ")[0] for problem in found] == [
        "source/domains/other.conf:1:10",
        "source/domains/other.conf:4:11",
        "source/domains/other.conf:5:11",
        "source/domains/other.conf:6:6",
        "source/domains/other.conf:7:11",
        "source/manager.conf:1:1",
        "source/manager.conf:2:1",
        "source/modules/other.conf:2:11",
    ]
    assert "is a script" in found[5]
    assert "<kernel> nix:/tomoyo/bin/tomoyo" in found[5]


def test_a_program_has_one_name(source: Path, system: Path) -> None:
    write_source(source, domains__other="<kernel> nix:/nginx-1.26.0/bin/nginx\nuse_profile 3")
    found = refusals(source, system)
    assert len(found) == 1
    assert "nix:/nginx/bin/nginx" in found[0]


def test_an_aggregator_that_would_hide_a_binding(source: Path, system: Path) -> None:
    write_source(source, exceptions__b="aggregator /\\*/\\*/\\*/bin/sh /shell")
    found = refusals(source, system)
    assert [problem.partition(": ")[0] for problem in found] == ["source/domains/web.conf:6:14"]
    assert "/shell" in found[0]


def test_an_old_binding_in_a_source(source: Path, system: Path) -> None:
    write_source(
        source,
        exceptions__a=f"""
            aggregator {store_path("nginx-1.24.0", "b")}/bin/nginx nix:/nginx/bin/nginx
            path_group nix:/nginx/conf/mime.types {store_path("nginx-1.24.0", "b")}/conf/mime.types
            aggregator /opt/\\*/bin/nginx nix:/nginx/bin/nginx
            path_group nix:/nginx/conf/mime.types /etc/mime.types
            """,
    )
    found = [problem for problem in refusals(source, system) if "never written by hand" in problem]
    assert [problem.partition(": ")[0] for problem in found] == ["source/exceptions/a.conf:1:12", "source/exceptions/a.conf:2:12"]


def test_a_transition_to_a_domain_that_there_is_not_is_an_error(source: Path, system: Path) -> None:
    # The kernel creates none in another namespace, so the program could not be executed, in whatever mode.
    write_source(
        source,
        exceptions__reset="reset_domain any from any\nreset_domain /a\nreset_domain /b\nacl_group 1 file execute /c reset",
        modules__jump="file execute /d <other> /e\nfile execute /d </b>\nfile execute /d <kernel> /anything",
        domains__b="</b>\nuse_profile 0\n<kernel> /f\nuse_profile 0\nuse_group jump\nuse_group 1\nfile execute /g reset",
    )
    found = refusals(source, system)
    assert [problem.partition(": ")[0] for problem in found] == [
        "source/domains/b.conf:7:1",
        "source/exceptions/reset.conf:1:1",
        "source/exceptions/reset.conf:2:1",
        "source/exceptions/reset.conf:4:1",
        "source/modules/jump.conf:1:1",
    ]
    assert [reason for reason in found if "</a>" in reason] == [
        "source/exceptions/reset.conf:2:1: reset_domain /a from any: the domain </a> is not defined, "
        "and the kernel does not create it, so execution fails"
    ]


def test_several_store_paths_of_one_name(source: Path, tmp_path: Path) -> None:
    system = write_store(tmp_path / "system", {**generation("a"), store_path("nginx-1.28.0", "b"): {"/bin/nginx": PROGRAM}})
    assert compiled(source, system).policy.bindings.count(" nix:/nginx/bin/nginx\n") == 3
    found = refusals(source, system, CompileSettings(several=Several.REFUSE))
    assert [problem.partition(": ")[0] for problem in found] == ["source/domains/web.conf:1:10"]
    assert store_path("nginx-1.28.0", "b") in found[0]


def test_names_in_no_closure_are_errors_or_warnings_or_nothing(source: Path, system: Path) -> None:
    write_source(source, domains__other="<kernel> nix:/apache/bin/httpd\nuse_profile 3\nfile read @nix:/apache/conf")
    places = ["source/domains/other.conf:1:10", "source/domains/other.conf:3:11"]
    assert [problem.partition(": ")[0] for problem in refusals(source, system)] == places
    result = compiled(source, system, CompileSettings(unresolved=Unresolved.WARN))
    assert [problem.partition(": ")[0] for problem in shown(result.warnings, source.parent)] == places
    assert "apache" not in result.policy.bindings
    assert compiled(source, system, CompileSettings(unresolved=Unresolved.ACCEPT)) == replace(result, warnings=())


def test_store_paths_in_a_source_are_warned_of(source: Path, system: Path) -> None:
    write_source(
        source,
        domains__other="""
            <kernel> /a
            use_profile 0
            # file read /nix/store/x
            file read /nix/store/aaa-b/c
            file read /nix/store/aaa-b/d
            file read /nix/store/\\*-b/d
            file read /var/nix/store/x
            file execute /bin/a exec.argv[0]="/nix/store/\\*-b/c" exec.envp["A"]!="/nix/store/\\*"
            """,
    )
    found = shown(compiled(source, system).warnings, source.parent)
    assert [problem.partition(": ")[0] for problem in found] == [
        "source/domains/other.conf:4:11",
        "source/domains/other.conf:6:11",
    ]
    assert "1 more in this file" in found[0]
    assert "pattern" in found[1]


def test_a_policy_that_nobody_can_change_is_warned_of(source: Path, system: Path) -> None:
    (source / "manager.conf").unlink()
    assert shown(compiled(source, system).warnings, source.parent) == [
        "there is no manager: once this policy is active, nothing can change it"
    ]


def test_a_manager_that_there_is_not_is_none(source: Path, system: Path) -> None:
    write_source(source, manager="nix:/tomoyo/bin/gone")
    result = compiled(source, system, CompileSettings(unresolved=Unresolved.ACCEPT))
    assert result.policy.manager == ""
    assert shown(result.warnings, source.parent) == [
        "source/manager.conf: there is no manager: once this policy is active, nothing can change it"
    ]


def test_the_boot_loader_is_told_real_paths(source: Path, system: Path) -> None:
    boot = BootSettings("nix:/bash/bin/sh", ("nix:/bash/bin", "/bin"), "/var/lib/set", fallback=False)
    policy = compiled(source, system, CompileSettings(boot=boot)).policy
    assert policy.boot is not None
    assert policy.boot.startswith(f"#!{store_path('bash-5.2')}/bin/sh\n")
    assert f"search_path={store_path('bash-5.2')}/bin:/bin\n" in policy.boot
    assert "previous=/var/lib/set\nstate=/var/lib/tomoyo\nfallback=no\n" in policy.boot
    assert policy.manifest["fallback"] is False


@pytest.mark.parametrize(
    ("boot", "reason"),
    [
        (BootSettings("nix:/dash/bin/sh"), "nothing in the closure has it"),
        (BootSettings(f"{store_path('bash-5.2', 'b')}/bin/sh"), "not in the closure"),
        (BootSettings(f"{store_path('bash-5.2')}/bin/dash"), "does not exist"),
        (BootSettings("sh"), "not an absolute path"),
        (BootSettings(search_path=("relative",)), "not an absolute path"),
    ],
)
def test_a_boot_loader_that_would_not_start(source: Path, system: Path, boot: BootSettings, reason: str) -> None:
    assert reason in refusals(source, system, CompileSettings(boot=boot))[0]


# The proof


def test_what_a_kernel_would_not_hold_is_found(source: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing that is known gets as far as this: so the compiler is made to err.
    from tomoyo.nix.source import compile as module

    made = module._policy_set
    wrong = {
        "domain_policy": ("file read/write /var", "file write/read /var"),
        "exception_policy": ("initialize_domain", "initialise_domain"),
        "bindings": ("path_group nix:/bash", "path_grup nix:/bash"),
        "profile": ("0-CONFIG", "0-KONFIG"),
    }
    for name, (right, error) in wrong.items():

        def damaged(*given: object, name: str = name, right: str = right, error: str = error) -> PolicySet:
            policy: PolicySet = made(*given)  # type: ignore[arg-type]
            assert right in getattr(policy, name)
            return replace(policy, **{name: getattr(policy, name).replace(right, error)})

        monkeypatch.setattr(module, "_policy_set", damaged)
        found = refusals(source, system)
        assert found
        assert all("would not hold this as written" in problem for problem in found), name


def test_a_set_that_panics_is_found(source: Path, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomoyo.nix.source import compile as module

    made = module._policy_set

    def damaged(*given: object) -> PolicySet:
        policy: PolicySet = made(*given)  # type: ignore[arg-type]
        return replace(policy, profile=policy.profile.replace("20150505", "20090903"))

    monkeypatch.setattr(module, "_policy_set", damaged)
    assert any("panics" in problem for problem in refusals(source, system))


# The command


def test_the_command_writes_a_set(source: Path, system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "set"
    assert command(*arguments(system), source, "-o", output) == 0
    assert capsys.readouterr() == (f"{output}: 2 domains, 3 entries, 5 store paths, 5 aggregators, 3 path group members\n", "")
    assert sorted(contents(output)) == [
        "bindings.conf",
        "boot",
        "domain_policy.conf",
        "exception_policy.conf",
        "manager.conf",
        "manifest.json",
        "profile.conf",
    ]
    assert stat.S_IMODE((output / "boot").stat().st_mode) == 0o755
    assert read_policy_set(output) == compiled(source, system).policy
    # Again, in the place of the old one; and what it prints as JSON is the manifest.
    assert command(*arguments(system), source, "-o", output, "--json") == 0
    assert json.loads(capsys.readouterr().out)["result"] == json.loads((output / "manifest.json").read_text())


def test_nothing_is_written_where_there_is_an_error(
    source: Path, system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(source, domains__x="<kernel> nix:/apache/bin/httpd\nuse_profile 3\nfile reed /x")
    before = sorted(tmp_path.rglob("*"))
    assert command(*arguments(system), source, "-o", tmp_path / "set") == 2
    assert sorted(tmp_path.rglob("*")) == before
    output, errors = capsys.readouterr()
    assert output == ""
    assert [line.split(": ")[0] for line in errors.splitlines() if ": error: " in line] == [
        f"{source}/domains/x.conf:1:10",
        f"{source}/domains/x.conf:3:6",
    ]
    assert command(*arguments(system), source, "--check", "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert [one["place"]["line"] for one in document["diagnostics"]] == [1, 3]
    assert document["result"] is None


@pytest.mark.parametrize(
    "given",
    [
        ("--check",),
        ("--check", "-o", "set", "source"),
        ("source",),
        ("missing", "--check"),
        ("source", "--check", "--unresolved", "x"),
    ],
)
def test_arguments_that_make_no_sense(
    source: Path, system: Path, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(source.parent)
    assert command(*arguments(system), *given) == 2
    assert "error" in capsys.readouterr().err
    assert not (source.parent / "set").exists()


def test_no_closure_is_an_error(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(source, "--check") == 2
    assert command(source, "--check", "--closure-file", tmp_path / "missing") == 2
    (tmp_path / "list").write_text("/nix/store/x\n")
    assert command(source, "--check", "--closure-file", tmp_path / "list") == 2
    assert f"{tmp_path}/list:1" in capsys.readouterr().err


def test_bad_input_is_an_error_and_nothing_is_written(
    source: Path, system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database, registration, loop = tmp_path / "db.sqlite", tmp_path / "registration", system / "loop"
    database.write_bytes(b"SQLite format 3\0" + bytes(100))
    registration.write_text(f"{store_path('nginx-1.26.0')}\nsha256:{'0' * 52}\n1\n\n5\n")
    loop.symlink_to("loop")
    listed = ("--closure-file", system / "store-paths")
    for given in (
        ("--closure", store_path("nginx-1.26.0"), "--database", database),
        ("--closure", store_path("nginx-1.26.0"), "--database", tmp_path / "missing"),
        ("--closure-file", registration),
        ("--closure", "/loop", *listed),
        ("--closure", "/nowhere", *listed),
        ("--package", "nginx=/nix/store/../x", *listed),
        ("--packages", registration, *listed),
        ("--link", "bin/sh=x", *listed),
        ("--store", "relative", *listed),
    ):
        assert command("--root", system, *given, source, "-o", tmp_path / "set") == 2
        assert "error: " in capsys.readouterr().err
        assert not (tmp_path / "set").exists()


def test_random_text_never_ends_in_anything_but_an_answer(system: Path, tmp_path: Path, seed: int) -> None:
    generator = Generator(seed)
    places = {
        "domains/a.conf": generator.domain_line,
        "exceptions/a.conf": generator.exception_line,
        "modules/base.conf": generator.entry,
        "module-numbers.conf": lambda: f"{generator.one(('base', 'web', '1'))} {generator.number()}",
        "profile.conf": generator.profile_line,
        "manager.conf": generator.manager_line,
        "stat.conf": generator.stat_line,
    }
    compiled_sets = 0
    unplaced: list[str] = []
    for number in range(120):
        source = tmp_path / str(number)
        for name, draw in places.items():
            # Short ones, so that some have no error; the rest of the time the names of the system.
            lines = [draw() for _ in range(generator.random.choice((0, 0, 0, 0, 0, 1, 2)))]
            if name == "domains/a.conf":
                lines = ["<kernel> nix:/nginx/bin/nginx", "use_profile 0", *lines, *(["use_group base"] * generator.chance(0.5))]
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            if lines or name != "profile.conf":
                (source / name).write_bytes("".join(f"{line}\n" for line in lines).encode("latin-1"))
        try:
            policy = compiled(source, system).policy
        except SourceError as error:
            unplaced += [
                problem.message for problem in error.diagnostics if problem.severity is Severity.ERROR and not problem.place.file
            ]
        else:
            compiled_sets += 1
            assert check_policy_set(policy) == []
    assert unplaced == []
    assert compiled_sets


def test_what_is_no_set_is_never_replaced(source: Path, system: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine").write_text("mine")
    (tmp_path / "link").symlink_to("folder")
    before = {path: path.is_symlink() for path in tmp_path.rglob("*")}
    for name in ("file", "folder", "link", "missing/set"):
        assert command(*arguments(system), source, "-o", tmp_path / name) == 2
    assert {path: path.is_symlink() for path in tmp_path.rglob("*")} == before
    assert (tmp_path / "file").read_text() == "mine"


def test_the_source_is_only_read(source: Path, system: Path, tmp_path: Path) -> None:
    for path in [source, *source.rglob("*"), system, *system.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)
    before = {path: path.lstat().st_mtime_ns for path in [*source.rglob("*"), *system.rglob("*")]}
    assert command(*arguments(system), source, "-o", tmp_path / "set") == 0
    assert {path: path.lstat().st_mtime_ns for path in [*source.rglob("*"), *system.rglob("*")]} == before


def shuffled(folder: Path) -> Iterator[Path]:
    """The same files as in FOLDER, made in another order."""
    yield from sorted((path for path in folder.rglob("*") if path.is_file() or path.is_symlink()), reverse=True)


def test_the_same_input_gives_the_same_bytes(source: Path, system: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for path in [*shuffled(source), *shuffled(system)]:
        copy = elsewhere / path.relative_to(tmp_path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy, follow_symlinks=False)
    lines = (elsewhere / "system/store-paths").read_text().splitlines()
    (elsewhere / "system/store-paths").write_text("".join(f"{line}\n" for line in reversed(lines)))
    sets = []
    for number, folder in enumerate((tmp_path, elsewhere)):
        output = tmp_path / f"set{number}"
        given = [*arguments(folder / "system"), folder / "source", "-o", output]
        subprocess.run(
            [sys.executable, "-m", "tomoyo", "compile", "-q", *map(str, given)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(number + 1), "TZ": f"UTC+{number}"},
            check=True,
        )
        sets.append(contents(output))
    assert sets[0] == sets[1]

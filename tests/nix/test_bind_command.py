"""The command `bind`, on stores made by hand and by Nix."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.command import tomoyo
from tomoyo.nix.store.paths import StorePath
from tomoyo.syntax.exception_policy import parse_exception_policy

from .nixstore import NixStore
from .toystore import Link, Program, ToyStore

POLICY = """\
<kernel> nix:/nginx/bin/nginx
use_profile 3
file read @nix:/glibc/lib/libc.so.6
"""


@pytest.fixture
def toy(tmp_path: Path) -> ToyStore:
    toy = ToyStore(tmp_path / "root")
    toy.add("nginx-1.26.0", {"bin/nginx": Program()})
    toy.add("glibc-2.40", {"lib/libc.so.6": ""})
    toy.add("system-path", {"bin/nginx": Link(f"{toy.paths[0]}/bin/nginx")})
    (tmp_path / "closure").write_text("".join(f"{path}\n" for path in toy.paths))
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    return toy


@pytest.fixture
def closure(toy: ToyStore, tmp_path: Path) -> list[str]:
    """The options that say which closure."""
    return ["--closure-file", str(tmp_path / "closure"), "--root", str(toy.root)]


def expected(toy: ToyStore) -> str:
    nginx, glibc, profile = toy.paths[:3]
    return (
        f"aggregator {nginx}/bin/nginx nix:/nginx/bin/nginx\n"
        f"aggregator {profile}/bin/nginx nix:/nginx/bin/nginx\n"
        f"path_group nix:/glibc/lib/libc.so.6 {glibc}/lib/libc.so.6\n"
    )


def test_a_policy_is_bound(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    done = tomoyo("bind", *closure, tmp_path / "domain_policy.conf")
    assert (done.status, done.output, done.messages) == (0, expected(toy), "")


def test_standard_input_is_bound(toy: ToyStore, closure: list[str]) -> None:
    done = tomoyo("bind", *closure, "--kind", "domain", "-", stdin=POLICY.encode())
    assert (done.status, done.output) == (0, expected(toy))


def test_all_kinds_of_files_count(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    (tmp_path / "exception_policy.conf").write_text("initialize_domain nix:/nginx/bin/nginx from any\n")
    (tmp_path / "manager.conf").write_text("nix:/nginx/bin/nginx\n<kernel> nix:/nginx/bin/nginx\n")
    done = tomoyo("bind", *closure, tmp_path / "exception_policy.conf", tmp_path / "manager.conf")
    assert done.status == 0
    assert done.output == "".join(expected(toy).splitlines(keepends=True)[:2])
    assert f"for nix:/nginx/bin/nginx it must hold {toy.paths[0]}/bin/nginx" in done.messages
    (tmp_path / "profile.conf").write_text("PROFILE_VERSION=20150505\n")
    done = tomoyo("bind", *closure, tmp_path / "profile.conf")
    assert (done.status, done.output) == (2, "")
    assert "holds no names" in done.messages


def test_what_is_unresolved_is_told_with_its_place(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    policy = tmp_path / "domain_policy.conf"
    policy.write_text(f"{POLICY}file read  nix:/glibc/lib/libc.so.6\nfile read @nix:/evil/x\n")
    assert tomoyo("bind", *closure, policy) == tomoyo("bind", *closure, policy)
    done = tomoyo("bind", *closure, policy)
    assert (done.status, done.output) == (1, expected(toy))
    first, second = (line for line in done.messages.splitlines() if ": error: " in line)
    assert first.startswith(f"{policy}:4:12: error: nix:/glibc/lib/libc.so.6: ")
    assert "write @nix:/glibc/lib/libc.so.6" in first
    assert second.startswith(f"{policy}:5:11: error: @nix:/evil/x: ")


def test_a_file_gets_all_or_nothing(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    policy, output = tmp_path / "domain_policy.conf", tmp_path / "bindings.conf"
    assert tomoyo("bind", *closure, policy, "-o", output).output == ""
    assert output.read_text() == expected(toy)
    policy.write_text(f"{POLICY}file read @nix:/evil/x\n")
    done = tomoyo("bind", *closure, policy, "-o", output)
    assert (done.status, done.output) == (1, "")
    assert "left as it was" in done.messages
    assert output.read_text() == expected(toy)
    policy.write_text("<kernel> nix:/nginx/bin/nginx\n")
    assert tomoyo("bind", *closure, policy, "-o", output).status == 0
    assert output.read_text() != expected(toy)
    assert sorted(os.listdir(tmp_path)) == ["bindings.conf", "closure", "domain_policy.conf", "root"]


def test_output_is_not_written_through_a_link(closure: list[str], tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "link").symlink_to("target")
    done = tomoyo("bind", *closure, tmp_path / "domain_policy.conf", "-o", tmp_path / "link")
    assert done.status == 2
    assert (tmp_path / "target").read_text() == "precious"


def test_json_holds_everything(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    policy = tmp_path / "domain_policy.conf"
    policy.write_text(f"{POLICY}file read @nix:/evil/x\n")
    done = tomoyo("bind", "--json", *closure, policy)
    assert done.status == 1
    document = done.result
    assert document["aggregators"][0] == {
        "namespace": "<kernel>",
        "executed": f"{toy.paths[0]}/bin/nginx",
        "name": "nix:/nginx/bin/nginx",
    }
    assert document["path_groups"] == [
        {"namespace": "<kernel>", "name": "nix:/glibc/lib/libc.so.6", "members": [f"{toy.paths[1]}/lib/libc.so.6"]}
    ]
    (problem,) = done.diagnostics
    assert (problem["severity"], problem["code"], problem["subject"]) == ("error", "unknown-package", "@nix:/evil/x")
    assert problem["place"] == {"file": str(policy), "line": 4, "column": 11, "text": "file read @nix:/evil/x"}


def test_strict_names(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    other = toy.add("nginx-1.27.0", {"bin/nginx": Program()})
    (tmp_path / "closure").write_text("".join(f"{path}\n" for path in toy.paths))
    assert tomoyo("bind", *closure, tmp_path / "domain_policy.conf").status == 0
    done = tomoyo("bind", "--strict-names", *closure, tmp_path / "domain_policy.conf")
    assert done.status == 1
    assert f"{toy.paths[0]}, {other}" in done.messages
    assert "nginx" not in done.output


def test_packages_and_links_can_be_told(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    other = StorePath("z" * 32, "nginx-9")
    toy.fill(other, {"bin/nginx": Program()})
    (tmp_path / "packages.json").write_text(json.dumps({"nginx": str(other)}))
    links = ["--link", f"/usr/sbin/nginx={other}/bin/nginx"]
    by_option = tomoyo("bind", *closure, "--package", f"nginx={other}", *links, tmp_path / "domain_policy.conf")
    by_file = tomoyo("bind", *closure, "--packages", tmp_path / "packages.json", *links, tmp_path / "domain_policy.conf")
    assert by_option.output == by_file.output
    assert by_option.output.splitlines()[:2] == [
        f"aggregator {other}/bin/nginx nix:/nginx/bin/nginx",
        "aggregator /usr/sbin/nginx nix:/nginx/bin/nginx",
    ]


def test_all_programs_need_no_policy(toy: ToyStore, closure: list[str]) -> None:
    done = tomoyo("bind", "--all-programs", *closure)
    assert (done.status, done.output) == (0, "".join(expected(toy).splitlines(keepends=True)[:2]))


def test_links_that_lead_nowhere_are_told_on_request(toy: ToyStore, closure: list[str], tmp_path: Path) -> None:
    toy.make(f"{toy.paths[2]}/bin/\x1b[2J", Link("nowhere"))
    policy = tmp_path / "domain_policy.conf"
    assert tomoyo("bind", *closure, policy).messages == ""
    told = tomoyo("bind", "-v", *closure, policy).messages
    assert "does not exist: skipped" in told
    assert "\x1b" not in told


# Unusable input: exit 2, nothing printed, nothing written


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("<kernel>\nfile read @nix:/a/../b\n", ":2:11: error: @nix:/a/../b: "),
        ("<kernel> nix:/glibc^out/x\n", ":1:10: error: nix:/glibc^out/x: "),
        ("<kernel>\nfile read @nix:/ngin\\*/x\n", ":2:11: error: "),
        ("<kernel>\nfile nonsense /x\n", ":2:"),
        ("file read /x\n", ":1:"),
    ],
)
def test_bad_policy(closure: list[str], tmp_path: Path, policy: str, message: str) -> None:
    path, output = tmp_path / "domain_policy.conf", tmp_path / "bindings.conf"
    path.write_text(policy)
    for options in ([], ["-o", str(output)]):
        done = tomoyo("bind", *closure, path, *options)
        assert (done.status, done.output) == (2, "")
        assert f"{path}{message}" in done.messages
        assert not output.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "--closure"),
        (["--closure-file", "none"], "none: error: no such file"),
        (["--closure-file", "listing"], "listing:2: error: expected a store path"),
        (["--closure", "/run/loop"], "loop"),
        (["--closure", "/run/dangling"], "does not exist"),
        (["--closure", "/etc"], "not in the store"),
        (["--closure", "relative"], "absolute"),
        (["--closure-file", "closure", "--closure", f"/nix/store/{'z' * 32}-x"], "not in this closure"),
        (["--closure-file", "closure", "--package", "nginx"], "PACKAGE="),
        (["--closure-file", "closure", "--package", "../x=/nix/store/y"], "package"),
        (["--closure-file", "closure", "--package", "x=/etc"], "not in the store"),
        (["--closure-file", "closure", "--packages", "listing"], "listing"),
        (["--closure-file", "closure", "--link", "bin/sh=/x"], "--link"),
        (["--closure-file", "closure", "--store", "nix"], "absolute store directory"),
        (["--closure-file", "closure", "--root", "none"], "none: error: no such file"),
        (["--closure", f"/nix/store/{'a' * 32}-nginx-1.26.0", "--database", "listing"], "listing: error: file is not a database"),
        (["--closure", f"/nix/store/{'a' * 32}-nginx-1.26.0"], "does not exist"),
        (["--closure", f"/nix/store/{'a' * 32}-nginx-1.26.0", "--database", "none"], "none: error: no such file"),
    ],
)
def test_bad_closure(toy: ToyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listing").write_text(f"{toy.paths[0]}\nnonsense\n{'x' * 2000}\n")
    for path, target in {"/run/loop": "loop", "/run/dangling": "/nowhere", "/etc/x": "y"}.items():
        toy.make(path, Link(target))
    root = [] if "--root" in options else ["--root", str(toy.root)]
    done = tomoyo("bind", *root, *options, "domain_policy.conf", "-o", "bindings.conf")
    assert (done.status, done.output) == (2, "")
    assert message in done.messages
    assert "Traceback" not in done.messages
    assert not (tmp_path / "bindings.conf").exists()


# Real stores


@pytest.fixture
def real(nix_store: NixStore, system: dict[str, str], tmp_path: Path) -> list[str]:
    """Options for the real system, found through a symlink as on NixOS; a policy that it can bind."""
    link = nix_store.inside("/run/current-system")
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(system["toplevel"])
    (tmp_path / "domain_policy.conf").write_text(
        "<kernel> nix:/firefox/bin/firefox nix:/firefox/bin/.firefox-wrapped\n"
        "file read @nix:/glibc/lib/ld.so\n"
        "file read @nix:/bash-interactive^man/share/man/bash.1\n"
        "file execute nix:/openssl/bin/openssl exec.realpath=@nix:/openssl/bin/openssl\n"
        "file execute nix:/coreutils/bin/\\*\n"
    )
    return ["--root", str(nix_store.root), str(tmp_path / "domain_policy.conf")]


def test_database_and_listings_give_the_same(
    nix_store: NixStore, system: dict[str, str], real: list[str], tmp_path: Path
) -> None:
    by_database = tomoyo("bind", *real, "--closure", "/run/current-system")
    assert (by_database.status, by_database.messages) == (0, "")
    assert by_database.output == tomoyo("bind", *real, "--closure", system["toplevel"]).output
    assert {line.split()[0] for line in by_database.output.splitlines()} == {"aggregator", "path_group"}
    # With derivers (a dump), and without any (closureInfo's registration, a plain list).
    dump = nix_store.run("nix-store", "--dump-db")
    requisites = nix_store.requisites(system["toplevel"])
    registration = []
    for path in requisites:
        references = nix_store.references(path)
        registration += [path, "sha256:" + "0" * 52, "1", "", str(len(references)), *references]
    texts = {"dump": dump, "registration": "\n".join(registration) + "\n", "list": "\n".join(requisites) + "\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        root = [] if name == "list" else ["--closure", "/run/current-system"]
        done = tomoyo("bind", *real, "--closure-file", tmp_path / name, *root)
        assert (done.status, done.messages) == (0, "")
        assert done.output == by_database.output, name


def test_the_lines_are_what_a_kernel_takes(nix_store: NixStore, real: list[str]) -> None:
    done = tomoyo("bind", *real, "--all-programs", "--closure", "/run/current-system")
    assert done.status == 0
    parse_exception_policy(done.output)
    assert done.output == tomoyo("bind", *real, "--all-programs", "--closure", "/run/current-system").output


def test_a_damaged_database(nix_store: NixStore, system: dict[str, str], real: list[str], tmp_path: Path) -> None:
    damaged = tmp_path / "db.sqlite"
    shutil.copyfile(nix_store.database, damaged)
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE ValidPaths SET path = '/nix/store/../x' WHERE path = ?", (system["libc"],))
    connection.close()
    cut = tmp_path / "cut.sqlite"
    cut.write_bytes(damaged.read_bytes()[:9000])
    for database in (damaged, cut):
        done = tomoyo("bind", *real, "--closure", "/run/current-system", "--database", database, "-o", tmp_path / "out")
        assert (done.status, done.output) == (2, "")
        assert str(database) in done.messages
        assert not (tmp_path / "out").exists()


def test_a_truncated_derivation(nix_store: NixStore, system: dict[str, str], real: list[str], tmp_path: Path) -> None:
    """Only a listing's derivers are opened; the database states the outputs itself."""
    root = tmp_path / "root"
    deriver = nix_store.deriver(system["bash"])
    assert deriver
    (tmp_path / "dump").write_text(nix_store.run("nix-store", "--dump-db"))
    (root / "nix/store").mkdir(parents=True)
    whole = nix_store.inside(deriver).read_bytes()
    (root / deriver.lstrip("/")).write_bytes(whole[: len(whole) // 2])
    options = ["--root", str(root), "--closure-file", str(tmp_path / "dump"), "-o", str(tmp_path / "out")]
    done = tomoyo("bind", real[-1], *options, "--closure", system["bash"])
    assert (done.status, done.output) == (2, "")
    assert deriver in done.messages
    assert not (tmp_path / "out").exists()

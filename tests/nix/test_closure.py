"""Closures: the value, roots, and the texts in which Nix prints one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoyo.nix.store.closure import Closure, ClosureError, Member, Package, find_root, learn_outputs
from tomoyo.nix.store.closure_formats import parse_json, parse_listing, parse_paths, parse_registration, read_listing
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.paths import StorePath, parse_store_path
from tomoyo.nix.store.tree import Tree

from .nixstore import NixStore

A, B, C, D = (StorePath(letter * 32, name) for letter, name in zip("abcd", ("a-1", "b-2", "c-3", "d-4")))


def texts(closure: Closure) -> list[str]:
    return [str(path) for path in closure.paths]


def references(closure: Closure) -> dict[str, list[str]]:
    return {str(member.path): [str(path) for path in member.references or ()] for member in closure.members}


# The value


def test_restricting_keeps_what_the_roots_need() -> None:
    closure = Closure((Member(A, (A, B)), Member(B, (C,)), Member(C, (B,)), Member(D, ())))
    assert closure.restrict([A]).paths == (A, B, C)
    assert closure.restrict([C]).paths == (B, C)
    assert closure.restrict([D, A]) == closure
    assert closure.restrict([]).paths == ()


def test_a_root_must_be_a_member() -> None:
    with pytest.raises(ClosureError, match="not in this closure"):
        Closure((Member(A, ()),)).restrict([B])


def test_a_list_without_references_cannot_be_restricted() -> None:
    with pytest.raises(ClosureError, match="unknown"):
        parse_paths(f"{A}\n{B}\n").restrict([A])


def test_a_closure_is_closed_and_has_each_path_once() -> None:
    with pytest.raises(ClosureError, match=f"{A} refers to {B}"):
        Closure((Member(A, (B,)),))
    with pytest.raises(ClosureError, match="twice"):
        Closure((Member(A), Member(B), Member(A)))


def test_a_union_knows_what_both_know() -> None:
    listed, told = parse_paths(f"{A}\n{B}\n"), Closure((Member(B, (C,), D, "man"), Member(C, ())))
    for both in (listed.union(told), told.union(listed)):
        assert both == Closure((Member(A), Member(B, (C,), D, "man"), Member(C, ())))


def packages(*names: str, derivers: dict[str, str] | None = None) -> list[Package]:
    """What the packages of a closure with these names are taken for."""
    paths = [StorePath(f"{number:032}", name) for number, name in enumerate(names)]
    known = {name: StorePath("z" * 32, deriver) for name, deriver in (derivers or {}).items()}
    closure = Closure(tuple(Member(path, deriver=known.get(path.name)) for path in paths))
    return [closure.package(path) for path in paths]


def test_the_output_follows_from_the_deriver() -> None:
    derivers = {"toy-3.1-other": "toy-3.1.drv", "toy-man": "toy-man.drv", "toy-4-man": "toy-4-man.drv"}
    assert packages(*derivers, derivers=derivers) == [
        Package("toy", "3.1", "other"),
        Package("toy-man", "", "out"),
        Package("toy", "4-man", "out"),
    ]


def test_an_output_that_another_package_has_is_a_suffix() -> None:
    derivers = {"toy-3.1-other": "toy-3.1.drv"}
    assert packages("toy-3.1-other", "tool-1-other", derivers=derivers)[1] == Package("tool", "1", "other")
    assert packages("tool-1-other") == [Package("tool", "1-other", "out")]


def test_an_output_beside_its_main_one_is_a_suffix() -> None:
    assert packages("glibc-2.40-66-getent", "glibc-2.40-66") == [
        Package("glibc", "2.40-66", "getent"),
        Package("glibc", "2.40-66", "out"),
    ]
    # No output: the shorter name has no version, or the rest looks like one.
    assert packages("sudo", "sudo-rs") == [Package("sudo", "", "out"), Package("sudo-rs", "", "out")]
    assert packages("toy-3", "toy-3-2024") == [Package("toy", "3", "out"), Package("toy", "3-2024", "out")]


def test_nixpkgs_outputs_are_suffixes_everywhere() -> None:
    assert packages("systemd-256.7-man") == [Package("systemd", "256.7", "man")]


# Roots


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for folder in ("nix/store", "run", "home", "nix/var/nix/profiles"):
        (tmp_path / folder).mkdir(parents=True)
    for path in (A, B):
        (tmp_path / f".{path}" / "bin").mkdir(parents=True)
    (tmp_path / f".{A}/sw").symlink_to(str(B))
    (tmp_path / f".{C}").symlink_to(str(A))
    (tmp_path / "run/current-system").symlink_to(str(A))
    (tmp_path / "nix/var/nix/profiles/system").symlink_to("system-2-link")
    (tmp_path / "nix/var/nix/profiles/system-2-link").symlink_to(str(B))
    (tmp_path / "run/profiles").symlink_to("../nix/var/nix/profiles")
    (tmp_path / "run/up").symlink_to("../../../../../../nix/store/../../run/current-system")
    (tmp_path / "run/loop").symlink_to("loop2")
    (tmp_path / "run/loop2").symlink_to("/run/loop")
    (tmp_path / "run/dangling").symlink_to("/run/nothing")
    (tmp_path / "run/chain0").symlink_to(str(A))
    for number in range(1, 50):
        (tmp_path / f"run/chain{number}").symlink_to(f"chain{number - 1}")
    return Tree(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (str(A), A),
        (f"{A}/", A),
        (f"{A}/bin/x", A),
        ("/run/current-system", A),
        ("/run/current-system/", A),
        ("/run/current-system/bin", A),
        ("/run/current-system/sw", B),
        (f"{A}/sw", A),  # as Nix: a path in the store is not followed
        (str(C), C),
        ("/nix/var/nix/profiles/system", B),
        ("/run/profiles/system", B),
        ("/run/up", A),
        ("/run/../run/./current-system", A),
        (f"/run/../nix/store/{C.hash}-{C.name}", C),
        ("/run/chain39", A),
        (str(D), D),  # whether it exists is for the closure to tell
    ],
)
def test_a_root_is_found(tree: Tree, path: str, root: StorePath) -> None:
    assert find_root(path, tree) == root


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/run/loop", "loop"),
        ("/run/chain41", "loop"),
        ("/run/dangling", "does not exist"),
        ("/run/nothing", "does not exist"),
        ("/run/nothing/x", "does not exist"),
        ("/run", "not in the store"),
        ("/", "not in the store"),
        ("", "absolute"),
        ("run/current-system", "absolute"),
        ("/nix/store", "not in the store"),
        (f"{A}/../{B.hash}-b", "'..'"),
        ("/nix/store/..", "base 32"),
        ("/nix/store/not-a-store-path", "base 32"),
        ("/run/cur\0rent", "no file name"),
    ],
)
def test_a_bad_root_is_explained(tree: Tree, path: str, reason: str) -> None:
    with pytest.raises(ClosureError, match=reason) as caught:
        find_root(path, tree)
    assert caught.value.file == path


# Against Nix


def dump(nix_store: NixStore) -> str:
    return nix_store.run("nix-store", "--dump-db")


def test_a_dump_of_the_database(nix_store: NixStore, system: dict[str, str]) -> None:
    everything = parse_listing(dump(nix_store))
    for root in system.values():
        closure = everything.restrict([parse_store_path(root)])
        assert texts(closure) == nix_store.requisites(root)
    assert references(closure) == {path: nix_store.references(path) for path in texts(closure)}
    for member in closure.members:
        assert str(member.deriver) == nix_store.deriver(str(member.path))


def test_a_plain_list(nix_store: NixStore, system: dict[str, str]) -> None:
    text = nix_store.run("nix-store", "--query", "--requisites", system["toplevel"])
    assert texts(parse_listing(text)) == nix_store.requisites(system["toplevel"])
    assert parse_listing(text + "\n" + text) == parse_listing(text)


def test_path_info_in_all_flavours(nix_store: NixStore, system: dict[str, str]) -> None:
    root = system["toplevel"]
    printed = json.loads(nix_store.run("nix", "path-info", "--json", "--recursive", root))
    by_path = {entry["path"]: entry for entry in printed} if isinstance(printed, list) else printed
    as_list = [{**entry, "path": path} for path, entry in by_path.items()]

    def base(path: str) -> str:
        return path.removeprefix("/nix/store/")

    by_name = {
        base(path): {
            **entry,
            "references": [base(reference) for reference in entry["references"]],
            "deriver": base(entry["deriver"]) if entry.get("deriver") else None,
        }
        for path, entry in by_path.items()
    }
    versioned = {"version": 2, "storeDir": "/nix/store", "info": by_name}
    for document in (by_path, as_list, versioned):
        closure = parse_listing(json.dumps(document))
        assert references(closure) == {path: nix_store.references(path) for path in nix_store.requisites(root)}
        assert all(str(member.deriver) == nix_store.deriver(str(member.path)) for member in closure.members)


GRAPHS = """
{
  old = script "graph" "cp graph $out" { exportReferencesGraph = [ "graph" %s ]; };
  structured = derivation {
    name = "attributes"; system = builtins.currentSystem; builder = "/bin/bash";
    args = [ "-euc" ". ./.attrs.sh; /bin/cp .attrs.json ${"$"}{outputs[out]}; :" ];
    __structuredAttrs = true; exportReferencesGraph.closure = [ %s ]; other = [ 1 ];
  };
}
"""


@pytest.fixture(scope="module")
def graphs(nix_store: NixStore, system: dict[str, str]) -> dict[str, Path]:
    """The files that Nix writes for a build that asks for the system's closure."""
    root = f'(builtins.storePath "{system["toplevel"]}")'
    built = nix_store.build(GRAPHS.replace("%s", root))
    return {name: nix_store.inside(path) for name, path in built.items()}


def registration(attributes: dict[str, Any]) -> str:
    """What nixpkgs' closureInfo makes of the structured attributes, line by line as its jq program does."""
    lines = []
    for entry in attributes["closure"]:
        lines += [entry["path"], entry["narHash"], str(entry["narSize"]), "", str(len(entry["references"])), *entry["references"]]
    return "".join(f"{line}\n" for line in lines)


def test_what_a_build_is_given(nix_store: NixStore, system: dict[str, str], graphs: dict[str, Path]) -> None:
    expected = {path: nix_store.references(path) for path in nix_store.requisites(system["toplevel"])}
    alone = graphs["structured"].read_text()
    attributes = json.loads(alone)
    assert attributes["other"] == [1]
    for closure in (
        read_listing(str(graphs["old"])),
        read_listing(str(graphs["structured"])),
        parse_listing(alone, key="closure"),
        parse_listing(json.dumps(attributes["closure"])),
        parse_listing(registration(attributes)),
    ):
        assert references(closure) == expected
        assert not any(member.deriver for member in closure.members)
    with pytest.raises(ClosureError, match="no list 'other2'"):
        parse_listing(alone, key="other2")


def test_nix_loads_the_registration_that_is_read(nix_store: NixStore, graphs: dict[str, Path], tmp_path: Path) -> None:
    # Holds the test's own closureInfo to what Nix takes for one.
    text = registration(json.loads(graphs["structured"].read_text()))
    other = NixStore(tmp_path)
    other.run("nix-store", "--load-db", stdin=text)
    paths = texts(parse_registration(text))
    assert other.requisites(*paths) == paths


# Outputs


def test_every_source_tells_the_same_packages(nix_store: NixStore, system: dict[str, str], graphs: dict[str, Path]) -> None:
    root = parse_store_path(system["toplevel"])
    database = StoreDatabase(str(nix_store.database)).closure([root])
    dumped = parse_listing(dump(nix_store)).restrict([root])
    expected = [database.package(path) for path in database.paths]
    assert Package("glibc", "2.40-66", "bin") in expected
    assert Package("bash-interactive", "5.2p37", "man") in expected
    learned = learn_outputs(dumped, Tree(str(nix_store.root)))
    assert learned == database
    for closure in (dumped, learned, read_listing(str(graphs["old"]))):
        assert [closure.package(path) for path in closure.paths] == expected


def test_an_absent_deriver_does_not_matter(nix_store: NixStore, system: dict[str, str], tmp_path: Path) -> None:
    dumped = parse_listing(dump(nix_store)).restrict([parse_store_path(system["libc"])])
    learned = learn_outputs(dumped, Tree(str(tmp_path)))
    assert learned == dumped
    assert {learned.package(path).output for path in learned.paths} >= {"out", "bin"}


def test_a_damaged_deriver_is_an_error(nix_store: NixStore, system: dict[str, str], tmp_path: Path) -> None:
    closure = parse_listing(dump(nix_store)).restrict([parse_store_path(system["libc"])])
    deriver = closure.members[0].deriver
    damaged = tmp_path / f".{deriver}"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(nix_store.inside(str(deriver)).read_bytes()[:100])
    with pytest.raises(ClosureError) as caught:
        learn_outputs(closure, Tree(str(tmp_path)))
    assert caught.value.file == f"{tmp_path}{deriver}"
    assert caught.value.line == 1


# Bad input


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("no store path\n", 1, "below /nix/store"),
        (f"{A}\n{A}/bin\n", 2, "end of the store path"),
        (f"{A}\n\n/nix/store/..\n", 3, "base 32"),
        (f"{A}\nsha256:0a\n", 3, "ends where a size"),
        (f"{A}\nsha256:0a\nmany\n", 3, "expected a size, found 'many'"),
        (f"{A}\nsha256:0a\n1\n", 4, "ends where a deriver"),
        (f"{A}\nsha256:0a\n1\n\n", 5, "ends where the number"),
        (f"{A}\nsha256:0a\n1\n\nx\n", 5, "number of references"),
        (f"{A}\nsha256:0a\n1\n\n999999999\n{A}\n", 7, "ends where a reference"),
        (f"{A}\nsha256:0a\n1\n\n{'9' * 5000}\n{A}\n", 5, "number of references"),
        (f"{A}\nsha256:0a\n1\n\n0\n{A}\nmd5\n", 7, "expected a hash"),
        (f"{A}\n\n1\n", 4, "ends where a reference"),
        (f"{A}\nx\n1\n{A}\n", 2, "a deriver or an empty line"),
        ('[\n"a" "b"]', 2, "column"),
    ],
)
def test_a_fault_is_shown_at_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ClosureError, match=reason) as caught:
        parse_listing(text, "given")
    assert (caught.value.file, caught.value.line) == ("given", line)
    assert str(caught.value).startswith(f"given:{line}: ")


@pytest.mark.parametrize(
    ("document", "place", "reason"),
    [
        ({"a": 1}, "$", "no list 'closure'"),
        ({"closure": {}}, "$", "no list 'closure'"),
        ([1], "$[0].path", "not a string"),
        ([{"path": "x"}], "$[0]", "base 32"),
        ([{"path": str(A)}], "$[0].references", "no list"),
        ([{"path": str(A), "references": [1]}], "$[0].references[0]", "not a string"),
        ([{"path": str(A), "references": ["/"]}], "$[0].references[0]", "below"),
        ([{"path": str(A), "references": [], "deriver": 1}], "$[0].deriver", "not a string"),
        ([{"path": str(A), "valid": False}], "$[0]", "not valid"),
        ({str(A): None}, f"$['{A}']", "not valid"),
        ({str(A): 1}, f"$['{A}']", "not an object"),
        ({"closure": [{}]}, "$.closure[0].path", "not a string"),
        ({"info": {}, "storeDir": "/gnu/store"}, "$.storeDir", "not of the store"),
        ({"info": {f"{A.hash}-a": {"storeDir": "/x"}}}, f"$.info['{A.hash}-a']", "not of the store"),
        ([{"path": str(A), "references": [str(B)]}], None, "not closed"),
        ([{"path": str(A), "references": []}] * 2, None, "twice"),
    ],
)
def test_a_fault_is_shown_at_its_json_path(document: object, place: str | None, reason: str) -> None:
    with pytest.raises(ClosureError, match=reason) as caught:
        parse_listing(json.dumps(document), "given")
    assert (caught.value.file, caught.value.place) == ("given", place)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" + "9" * 5000 + "]", "{", "[1,", '"x"', "1"])
@pytest.mark.parametrize("parse", [parse_listing, parse_json])
def test_unreadable_json_is_an_error(parse: Callable[[str], Closure], text: str) -> None:
    with pytest.raises(ClosureError):
        parse(text)


@given(st.text(f'{A}\n 1sha256:[]{{}}",é\udcff', max_size=60))
def test_any_text_is_a_closure_or_an_error(text: str) -> None:
    for given_text in (text, f"{A}\n{text}", f"{A}\nsha256:0\n1\n{text}", f'[{{"path":"{A}",{text}'):
        try:
            parse_listing(given_text)
        except ClosureError as error:
            print(error)


@pytest.mark.parametrize("text", ["", "\n", "[]", "{}"])
def test_an_empty_closure(text: str) -> None:
    assert parse_listing(text) == Closure(())


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises((FileNotFoundError, IsADirectoryError)) as caught:
            read_listing(str(path))
        assert caught.value.filename == str(path)


def test_bytes_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    file = tmp_path / "paths"
    file.write_bytes(os.fsencode(str(A)) + b"\xff\n")
    with pytest.raises(ClosureError):
        read_listing(str(file))


def test_another_store_directory(nix_store: NixStore) -> None:
    text = dump(nix_store).replace("/nix/store/", "/gnu/store/")
    assert len(parse_listing(text, store_directory="/gnu/store")) == len(parse_listing(dump(nix_store)))
    with pytest.raises(ClosureError):
        parse_listing(text)

"""Names, and what they stand for."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tomoyo.model.words import is_path
from tomoyo.nix.names.names import (
    Name,
    NameSyntaxError,
    NameTable,
    collect_packages,
    encode_file,
    parse_name,
    parse_package,
    read_packages,
)
from tomoyo.nix.store.closure import Closure, ClosureError, Member
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.paths import HASH_ALPHABET, StoreFile, StorePath, parse_drv_name, parse_store_path
from tomoyo.nix.store.tree import Tree

from .nixstore import NixStore

NAME_CHARACTERS = "abcXYZ0129+-._?="

package_texts = st.text(NAME_CHARACTERS, min_size=1, max_size=12)
components = st.binary(min_size=1, max_size=6).filter(lambda name: b"/" not in name and b"\0" not in name and name.strip(b"."))
files = st.lists(components, max_size=4).map(lambda parts: os.fsdecode(b"".join(b"/" + part for part in parts)))
hashes = st.text(HASH_ALPHABET, min_size=32, max_size=32)


def closure(*names: str) -> Closure:
    """A closure of packages with these names, the hash counting up."""
    return Closure(tuple(Member(StorePath(f"{number:032}", name)) for number, name in enumerate(names)))


# Text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("nix:/nginx/bin/nginx", Name("nginx", None, "out", "/bin/nginx")),
        ("nix:/openssl-1.1.1w/bin/openssl", Name("openssl", "1.1.1w", "out", "/bin/openssl")),
        ("nix:/glibc^dev/include/\\*.h", Name("glibc", None, "dev", "/include/\\*.h")),
        ("nix:/gcc-13-20230304^lib/lib/", Name("gcc", "13-20230304", "lib", "/lib/")),
        ("nix:/perl/\\{\\*\\}/\\*.pm", Name("perl", None, "out", "/\\{\\*\\}/\\*.pm")),
        ("nix:/hosts", Name("hosts")),
        ("nix:/nginx.conf", Name("nginx.conf")),
        ("nix:/glibc/", Name("glibc", None, "out", "/")),
        ("nix:/python3.12-requests/lib/a\\040b\\\\c\\377", Name("python3.12-requests", None, "out", "/lib/a\\040b\\\\c\\377")),
        ("nix:/-1.0/x", Name("", "1.0", "out", "/x")),
        ("nix:/a?=+_./...", Name("a?=+_.", None, "out", "/...")),
    ],
)
def test_a_name_is_read_as_it_is_written(text: str, name: Name) -> None:
    assert parse_name(text) == name
    assert str(name) == text
    assert is_path(text)


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "nix:/"),
        ("/nix/store/x", 0, "nix:/"),
        ("nix:", 0, "nix:/"),
        ("nix:/", 5, "package"),
        ("nix://bin", 5, "package"),
        ("nix:/^dev/x", 5, "package"),
        ("nix:/\\*/bin/x", 5, "package"),
        ("nix:/ngin\\?/bin/x", 9, "package"),
        ("nix:/../x", 5, "'..'"),
        ("nix:/.", 5, "'.'"),
        ("nix:/a~b/x", 6, "package"),
        ("nix:/" + 212 * "x", 216, "211"),
        ("nix:/glibc^/x", 11, "output"),
        ("nix:/glibc^out/x", 10, "left out"),
        ("nix:/glibc^\\*/x", 11, "output"),
        ("nix:/glibc^dev^man/x", 14, "'/'"),
        ("nix:/x/../y", 7, "'..'"),
        ("nix:/x/a/..", 9, "'..'"),
        ("nix:/x/./a", 7, "'.'"),
        ("nix:/x//a", 7, "slash"),
        ("nix:/x/a//", 9, "slash"),
        ("nix:/x/a b", 8, "must be written"),
        ("nix:/x/é", 7, "must be written"),
        ("nix:/x/\\101", 7, "printable"),
        ("nix:/x/\\z", 7, "unknown escape"),
        ("nix:/x/a\\", 8, "lone backslash"),
        ("nix:/x/\\{a", 7, "without"),
        ("nix:/x/a\\{\\*\\}/", 8, "directly after"),
        ("nix:/x/a\\000b", 8, "NUL"),
        ("nix:/x/" + 21 * "\\*", 47, "more than 20"),
    ],
)
def test_a_fault_is_shown_at_its_place(text: str, position: int, expected: str) -> None:
    with pytest.raises(NameSyntaxError) as caught:
        parse_name(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert expected in caught.value.expected


def test_an_escaped_backslash_before_zeros_is_no_nul() -> None:
    assert parse_name("nix:/x/a\\\\000").file_name == "/a\\000"


@pytest.mark.parametrize(
    "parts",
    [
        ("toy-2", None, "out", ""),  # would be read as version 2
        ("toy", "", "out", ""),
        ("toy", None, "", ""),
        ("toy", None, "out", "bin"),
        ("toy/bin", None, "out", ""),
        ("toy^dev", None, "out", ""),
        ("toy", "x", "out", ""),  # no version begins with a letter
    ],
)
def test_a_name_that_would_be_read_otherwise_cannot_be_built(parts: tuple[str, str | None, str, str]) -> None:
    with pytest.raises(NameSyntaxError):
        Name(*parts)


@given(package_texts, st.sampled_from(["out", "dev", "static-dev"]), files)
def test_any_file_of_any_package_has_a_name(package: str, output: str, file: str) -> None:
    name, version = parse_drv_name(package)
    assume(package not in (".", ".."))
    assume(all(part not in (".", "..") for part in file.split("/")))
    built = Name(name, version or None, output, encode_file(file))
    assert parse_name(str(built)) == built
    assert built.file_name == file
    assert not built.is_pattern


@given(st.text("abx-1./^\\*{}0 ~é\udcff", max_size=12))
def test_reading_any_text_raises_nothing_else(text: str) -> None:
    for candidate in (text, f"nix:/{text}", f"nix:/x/{text}"):
        with contextlib.suppress(NameSyntaxError):
            assert str(parse_name(candidate)) == candidate
            assert is_path(candidate)


# What names stand for


def keys(table: NameTable, name: str) -> list[str]:
    return [path.name for path in table.resolve(parse_name(name))]


def test_a_package_is_named_with_and_without_its_version() -> None:
    table = NameTable(closure("openssl-1.1.1w", "openssl-3.3.1", "openssl-3.3.1-dev", "hosts"))
    assert keys(table, "nix:/openssl/bin/openssl") == ["openssl-1.1.1w", "openssl-3.3.1"]
    assert keys(table, "nix:/openssl-3.3.1/bin/openssl") == ["openssl-3.3.1"]
    assert keys(table, "nix:/openssl^dev/include/\\*.h") == ["openssl-3.3.1-dev"]
    assert keys(table, "nix:/openssl-1.1.1w^dev/include") == []
    assert keys(table, "nix:/hosts") == ["hosts"]
    assert keys(table, "nix:/open/x") == []
    assert [*table.several()] == ["openssl"]


def test_files_have_the_shorter_name_first() -> None:
    table = NameTable(closure("openssl-1.1.1w", "openssl-3.3.1", "curl-8.9-bin"))
    openssl = StoreFile(table.paths[0], "/bin/openssl")
    assert [str(name) for name in table.names(openssl)] == ["nix:/openssl/bin/openssl", "nix:/openssl-1.1.1w/bin/openssl"]
    assert str(table.exact_name(openssl)) == "nix:/openssl-1.1.1w/bin/openssl"
    curl = StoreFile(table.paths[2], "/bin/curl")
    assert str(table.name(curl)) == str(table.exact_name(curl)) == "nix:/curl^bin/bin/curl"


def test_an_explicit_table_wins() -> None:
    inside = closure("nginx-1.26.0", "curl-8.9")
    stranger = StorePath("z" * 32, "nginx-1.27.0")
    table = NameTable(inside, {"nginx": (stranger,), "web": (inside.paths[0],)})
    assert table.resolve(parse_name("nix:/nginx/bin/nginx")) == (stranger,)
    assert table.resolve(parse_name("nix:/nginx-1.27.0/bin/nginx")) == ()
    assert table.resolve(parse_name("nix:/nginx-1.26.0/bin/nginx")) == table.resolve(parse_name("nix:/web")) == inside.paths[:1]
    assert [str(name) for name in table.names(StoreFile(stranger, ""))] == ["nix:/nginx"]
    assert [str(name) for name in table.names(StoreFile(inside.paths[0], ""))] == ["nix:/web", "nix:/nginx-1.26.0"]
    assert stranger in table.paths


def test_a_stranger_has_no_name() -> None:
    table = NameTable(closure("nginx-1.26.0"))
    stranger = StorePath("z" * 32, "nginx-1.26.0")
    assert table.name(StoreFile(stranger, "/bin/nginx")) is None
    assert table.name_of_word(f"{stranger}/bin/nginx") is None
    assert table.resolve(parse_name("nix:/nginx/x")) == table.paths


def test_the_wrappers_are_no_package() -> None:
    table = NameTable(closure("wrappers", "wrappers-1"))
    assert table.resolve(parse_name("nix:/wrappers/sudo")) == ()
    assert table.name(StoreFile(table.paths[0], "/sudo")) is None
    assert str(table.name(StoreFile(table.paths[1], "/sudo"))) == "nix:/wrappers-1/sudo"
    with pytest.raises(NameSyntaxError, match="/run/wrappers"):
        NameTable(closure(), {"wrappers": ()})


@given(st.lists(package_texts, min_size=1, max_size=6, unique=True), files, st.data())
def test_a_name_leads_back_to_its_file(names: list[str], file: str, data: st.DataObject) -> None:
    assume(all(part not in (".", "..") for part in file.split("/")))
    table = NameTable(closure(*names))
    path = data.draw(st.sampled_from(table.paths))
    found = table.names(StoreFile(path, file))
    for name in found:
        assert parse_name(str(name)) == name
        assert StoreFile(path, file) in table.files(name)
        assert encode_file(f"{path}{file}") in table.words(name)
    # Only what has neither a name that can be part of a path nor a version.
    assert found or path.name in (".", "..")
    assert table.name_of_word(encode_file(f"{path}{file}")) == next(iter(found), None)


@given(hashes, package_texts, files)
def test_whatever_a_name_stands_for_is_trusted(hash_: str, package: str, file: str) -> None:
    table = NameTable(closure("nginx-1.26.0", "a", "a-1", "X-0.1-dev"))
    with contextlib.suppress(NameSyntaxError):
        name = parse_name(f"nix:/{package}{encode_file(file)}")
        assert set(table.resolve(name)) <= set(table.closure.paths)
    stranger = StorePath(hash_, package)
    if stranger not in table.closure:
        assert table.name(StoreFile(stranger, file)) is None


def test_words_keep_patterns_behind_the_store_path() -> None:
    table = NameTable(closure("perl-5.38", "perl-5.40"))
    first, second = table.paths
    name = parse_name("nix:/perl/\\{\\*\\}/a\\040\\*.pm")
    assert table.words(name) == (f"{first}/\\{{\\*\\}}/a\\040\\*.pm", f"{second}/\\{{\\*\\}}/a\\040\\*.pm")
    assert table.name_of_word(table.words(name)[1]) == name
    assert table.name_of_word("/nix/store/\\*-perl-\\*/bin/perl") is None
    assert table.name_of_word(f"{first}/../x") is None
    assert table.name_of_word(str(first)) == Name("perl")
    assert table.name_of_word("/etc/passwd") is None


def test_another_store_directory() -> None:
    path = StorePath("a" * 32, "toy-1", "/odd store/s")
    table = NameTable(Closure((Member(path),)))
    assert table.words(parse_name("nix:/toy/bin")) == (f"/odd\\040store/s/{path.hash}-toy-1/bin",)
    assert str(table.name_of_word(f"/odd\\040store/s/{path.hash}-toy-1/bin")) == "nix:/toy/bin"


# Against Nix: names of a real closure


def test_every_path_of_a_real_system_has_its_name(nix_store: NixStore, system: dict[str, str]) -> None:
    root = parse_store_path(system["toplevel"])
    table = NameTable(StoreDatabase(str(nix_store.database)).closure([root]))
    named = {str(path): str(table.name(StoreFile(path, ""))) for path in table.closure.paths}
    assert sorted(named) == nix_store.requisites(system["toplevel"])
    for path, name in named.items():
        asked = json.dumps(path[44:])
        assert parse_name(name).package.startswith(nix_store.evaluate(f"builtins.parseDrvName {asked}")["name"])
    assert named[system["openssl_1"]] == named[system["openssl_3"]] == "nix:/openssl"
    assert named[system["libc"]] == "nix:/glibc"
    assert sorted(name for name in named.values() if "glibc" in name) == ["nix:/glibc", "nix:/glibc^bin"]
    assert named[system["etc-hosts"]] == "nix:/hosts"


# Explicit tables


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "nix/store").mkdir(parents=True)
    (tmp_path / "result").symlink_to(f"/nix/store/{'b' * 32}-toy-2")
    (tmp_path / "nix/store" / f"{'b' * 32}-toy-2").mkdir()
    return Tree(str(tmp_path))


A, B = StorePath("a" * 32, "toy-1"), StorePath("b" * 32, "toy-2")


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (f"toy={A}", ("toy", A)),
        (f"toy={A}/bin/toy", ("toy", A)),
        ("toy^dev=/result", ("toy^dev", B)),
        (f"a=b-1={A}", ("a=b-1", A)),
    ],
)
def test_an_entry_of_an_explicit_table(tree: Tree, text: str, entry: tuple[str, StorePath]) -> None:
    assert parse_package(text, tree) == entry


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("toy", "PACKAGE="),
        ("toy=result", "PACKAGE="),
        (f"={A}", "package"),
        (f"a b={A}", "letters"),
        (f"toy^out={A}", "left out"),
        ("toy=/etc/passwd", "not exist"),
        ("toy=/nix/store/x", "base 32"),
    ],
)
def test_a_bad_entry_is_explained(tree: Tree, text: str, reason: str) -> None:
    with pytest.raises((NameSyntaxError, ClosureError), match=reason):
        parse_package(text, tree)


def test_a_table_is_read_from_json(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "packages.json"
    file.write_text(json.dumps({"toy": [str(A), "/result"], "web^dev": str(B)}))
    assert read_packages(str(file), tree) == {"toy": (A, B), "web^dev": (B,)}
    assert collect_packages([("x", B), ("x", A), ("x", B)]) == {"x": (A, B)}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "not an object"),
        ('{"toy": 1}', "'toy'.*neither"),
        ('{"toy": [null]}', "'toy'.*neither"),
        ('{"toy": "/etc"}', "'toy'.*exist"),
        ('{"../x": "/result"}', "a package, not"),
        ("\udcff", "not UTF-8"),
        (100_000 * "[", "unreadable|recursion"),
    ],
)
def test_a_bad_table_is_explained(tree: Tree, tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "packages.json"
    file.write_bytes(os.fsencode(text))
    with pytest.raises(ClosureError, match=reason) as caught:
        read_packages(str(file), tree)
    assert caught.value.file == str(file)


def test_a_missing_table_is_explained(tree: Tree, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_packages(str(tmp_path / "none.json"), tree)

"""Store paths and package names."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoyo.nix.store.paths import (
    HASH_ALPHABET,
    StoreFile,
    StorePath,
    StorePathError,
    find_store_path,
    output_by_deriver,
    parse_drv_name,
    parse_store_path,
    split_output,
)

from .nixstore import NixFailureError, NixStore

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._?="

names = st.text(NAME_CHARACTERS, min_size=1, max_size=211)
hashes = st.text(HASH_ALPHABET, min_size=32, max_size=32)
store_directories = st.sampled_from(["/nix/store", "/gnu/store", "/home/alice/.local/share/nix/root/nix/store", "/s"])


@given(hashes, names, store_directories)
def test_a_store_path_is_read_as_it_is_written(hash_: str, name: str, directory: str) -> None:
    path = StorePath(hash_, name, directory)
    assert parse_store_path(str(path), directory) == path


@given(hashes, names, store_directories, st.lists(st.text("ab.-\n é\udcff", min_size=3), max_size=4))
def test_a_file_lies_in_its_store_path(hash_: str, name: str, directory: str, below: list[str]) -> None:
    path = StorePath(hash_, name, directory)
    rest = "".join(f"/{component}" for component in below if component != "...")
    found = find_store_path(f"{path}{rest}", directory)
    assert found == StoreFile(path, rest)
    assert str(found) == f"{path}{rest}"


@given(st.text())
def test_reading_any_text_raises_nothing_else(text: str) -> None:
    for candidate in (text, f"/nix/store/{text}", f"/nix/store/{HASH}-{text}"):
        with contextlib.suppress(StorePathError):
            assert str(find_store_path(candidate)) == candidate


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 0, "/nix/store"),
        ("nix/store/" + HASH + "-x", 0, "/nix/store"),
        ("/nix/store", 0, "/nix/store"),
        ("/nix/stores/" + HASH + "-x", 0, "/nix/store"),
        ("/nix/store/", 11, "base 32"),
        ("/nix/store/.links", 11, "base 32"),
        ("/nix/store/" + HASH[:-1] + "-x", 42, "base 32"),
        ("/nix/store/" + HASH[:-1] + "e-x", 42, "base 32"),
        ("/nix/store/" + HASH[:-1] + "Z-x", 42, "base 32"),
        ("/nix/store/" + HASH + "x-x", 43, "'-'"),
        ("/nix/store/" + HASH, 43, "'-'"),
        ("/nix/store/" + HASH + "/bin", 43, "'-'"),
        ("/nix/store/" + HASH + "-", 44, "name"),
        ("/nix/store/" + HASH + "-/bin", 44, "name"),
        ("/nix/store/" + HASH + "-a b", 45, "name"),
        ("/nix/store/" + HASH + "-a\n", 45, "name"),
        ("/nix/store/" + HASH + "-é", 44, "name"),
        ("/nix/store/" + HASH + "-" + 212 * "x", 255, "211"),
        ("/nix/store/" + HASH + "-x/../" + HASH + "-y", 46, "'..'"),
        ("/nix/store/" + HASH + "-x/a/..", 48, "'..'"),
        ("/nix/store/" + HASH + "-x/./a", 46, "'.'"),
        ("/nix/store/" + HASH + "-x//a", 46, "slash"),
        ("/nix/store/../store/" + HASH + "-x", 11, "base 32"),
    ],
)
def test_a_fault_is_shown_at_its_place(text: str, position: int, expected: str) -> None:
    with pytest.raises(StorePathError) as caught:
        find_store_path(text)
    assert (caught.value.text, caught.value.position) == (text, position)
    assert expected in caught.value.expected


def test_a_store_path_is_no_file_in_one() -> None:
    with pytest.raises(StorePathError) as caught:
        parse_store_path(f"/nix/store/{HASH}-x/bin")
    assert caught.value.position == 45


@pytest.mark.parametrize("directory", ["", "/", "nix/store", "/nix/store/", "/nix//store", "/nix/../store"])
def test_a_store_directory_is_absolute_and_normal(directory: str) -> None:
    with pytest.raises(StorePathError):
        StorePath(HASH, "x", directory)
    with pytest.raises(StorePathError):
        find_store_path(f"{directory}/{HASH}-x/bin", directory)


@pytest.mark.parametrize(
    ("hash_", "name"), [("", "x"), (HASH, ""), (HASH[1:], "x-y"), (f"{HASH}-a", "x"), (HASH, "a/b"), (HASH, ".\n")]
)
def test_a_wrong_store_path_cannot_be_built(hash_: str, name: str) -> None:
    with pytest.raises(StorePathError):
        StorePath(hash_, name)


@pytest.mark.parametrize("name", ["a", 211 * "x", 212 * "x", "", "a?=+-._", "a%b", "a~b", "a b", "a/b", "é", "a\n"])
def test_nix_takes_the_same_names(nix_store: NixStore, name: str) -> None:
    expression = f'builtins.toFile {json.dumps(name, ensure_ascii=False)} ""'
    try:
        StorePath(HASH, name)
    except StorePathError:
        with pytest.raises(NixFailureError, match=r"name|illegal"):
            nix_store.evaluate(expression)
    else:
        assert parse_store_path(nix_store.evaluate(expression)).name == name


CHOSEN_NAMES = """
    glibc-2.40-66 python3.12-requests-2.32.3 nix-2.8.0pre20220530_af23d38 gcc-13-20230304 a-b-c foo- - -- --- foo--1 foo-1- -1.0
    7-zip-23 foo-_1 systemd-256.7-man firefox-unwrapped-131.0.3 foo-.1 foo-+ foo-a-1 foo-A1 foo-1-2-3 a-é é-1 a-1é -a -a-1 1 1-2
"""


def drv_names(draw: random.Random) -> list[str]:
    drawn = ["".join(draw.choices("ab1-2-._+é-Z=? -", k=draw.randrange(1, 16))) for _ in range(3000)]
    return [*CHOSEN_NAMES.split(), "", *drawn]


def test_names_are_split_as_nix_splits_them(nix_store: NixStore, tmp_path: Path, draw: random.Random) -> None:
    names = drv_names(draw)
    file = tmp_path / "names.json"
    file.write_text(json.dumps(names))
    answers = nix_store.evaluate(f"map builtins.parseDrvName (builtins.fromJSON (builtins.readFile {file}))")
    assert len(set(names)) > 1000
    assert {name: parse_drv_name(name) for name in names} == {
        name: (answer["name"], answer["version"]) for name, answer in zip(names, answers)
    }


@pytest.mark.parametrize(
    ("name", "stem", "output"),
    [
        ("systemd-256.7-man", "systemd-256.7", "man"),
        ("systemd-256.7", "systemd-256.7", "out"),
        ("glibc-2.40-66-dev", "glibc-2.40-66", "dev"),
        ("glibc-2.40-66-static-dev", "glibc-2.40-66", "static-dev"),
        ("systemd-256.7-other", "systemd-256.7-other", "out"),
        # Without a version before it, a suffix is part of a package's own name.
        ("xdg-man", "xdg-man", "out"),
        ("foo--man", "foo--man", "out"),
        ("man", "man", "out"),
        ("foo-1-", "foo-1-", "out"),
    ],
)
def test_a_known_output_is_taken_off_the_version(name: str, stem: str, output: str) -> None:
    assert split_output(name, {"man", "dev", "static-dev"}) == (stem, output)


@pytest.mark.parametrize(
    ("name", "deriver", "output"),
    [
        ("toy-3.1", "toy-3.1.drv", "out"),
        ("toy-3.1-lib", "toy-3.1.drv", "lib"),
        ("hosts-man", "hosts.drv", "man"),
        ("x.drv", "x.drv.drv", "out"),
        ("toy-3.1-out", "toy-3.1.drv", None),
        ("toy-3.1-", "toy-3.1.drv", None),
        ("toy-3.1", "toy.drv", None),
        ("sudo-rs-0.2", "sudo.drv", None),
        ("toy-3.1", "other-3.1.drv", None),
        ("toy-3.1", "toy-3.1", None),
        ("toy-3.1", "toy-3.1.drv.gz", None),
    ],
)
def test_the_derivers_name_tells_the_output(name: str, deriver: str, output: str | None) -> None:
    assert output_by_deriver(name, deriver) == output

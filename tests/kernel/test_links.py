"""The links to the sets in use: they always lead to something whole, whatever killed runs have left."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tomoyo.sets.links import advance_links, put_link, read_link

LEFT: dict[str, Callable[[Path], object]] = {
    "link": lambda path: path.symlink_to("/left"),
    "file": lambda path: path.write_text("left"),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("what", LEFT)
def test_whatever_a_killed_run_left_makes_room(tmp_path: Path, folder: int, what: str) -> None:
    LEFT[what](tmp_path / f".current.{os.getpid()}")
    put_link(folder, "current", "/set")
    assert read_link(folder, "current") == "/set"
    assert os.listdir(tmp_path) == ["current"]


@pytest.mark.parametrize("what", ["link", "file", "pipe"])
def test_whatever_is_in_the_links_place_is_replaced(tmp_path: Path, folder: int, what: str) -> None:
    LEFT[what](tmp_path / "current")
    advance_links(folder, "/set")
    assert os.readlink(tmp_path / "current") == "/set"


def test_a_folder_in_its_place_stays_and_nothing_is_left_over(tmp_path: Path, folder: int) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(IsADirectoryError):
        put_link(folder, "current", "/set")
    assert os.listdir(tmp_path) == ["current"]


def test_the_set_before_is_the_previous_one(folder: int) -> None:
    for path in ("/1", "/2", "/2"):
        advance_links(folder, path)
    assert (read_link(folder, "current"), read_link(folder, "previous")) == ("/2", "/1")

"""Processes as a tree, whatever they call themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.cli.commands.ps import lines
from tomoyo.kernel import processes
from tomoyo.kernel.modes import ProfileModes
from tomoyo.model.profiles import Config, Mode, NamespaceProfiles, Profile, ProfilePolicy

MODES = ProfileModes(ProfilePolicy((NamespaceProfiles(profiles=(Profile(3, default=Config(Mode.ENFORCING)),)),)))
KERNEL = (3, "<kernel>")


def shown(names: dict[int, tuple[str, int]], states: dict[int, tuple[int, str]]) -> list[tuple[int, int]]:
    return [(process.pid, process.depth) for process in processes.tree(names, states, MODES)]


def test_children_follow_their_parent_by_number() -> None:
    names = {1: ("init", 0), 2: ("kthreadd", 0), 9: ("b", 1), 5: ("a", 1), 30: ("c", 5), 7: ("k", 2)}
    assert shown(names, dict.fromkeys(names, KERNEL)) == [(1, 0), (5, 1), (30, 2), (9, 1), (2, 0), (7, 1)]


def test_what_has_ended_meanwhile_is_left_out_and_its_children_are_not() -> None:
    names = {1: ("init", 0), 5: ("a", 1), 30: ("c", 5), 8: ("gone", 4)}
    assert shown(names, {1: KERNEL, 30: KERNEL, 99: KERNEL}) == [(1, 0), (30, 0)]


def test_threads_of_the_kernel() -> None:
    names = {1: ("init", 0), 2: ("kthreadd", 0), 7: ("k", 2), 20: ("sh", 1)}
    found = processes.tree(names, dict.fromkeys(names, KERNEL), MODES)
    assert [process.pid for process in processes.without_kernel_threads(found)] == [1, 20]
    names[2] = ("sh", 1)
    found = processes.tree(names, dict.fromkeys(names, KERNEL), MODES)
    assert processes.without_kernel_threads(found) == found


def test_a_ring_of_parents_is_shown_once() -> None:
    names = {1: ("init", 0), 5: ("a", 6), 6: ("b", 5), 7: ("c", 7), 8: ("d", 6)}
    assert shown(names, dict.fromkeys(names, KERNEL)) == [(1, 0), (5, 0), (6, 1), (8, 2), (7, 0)]


def test_deep_trees_take_no_recursion() -> None:
    names = {pid: ("x", pid - 1) for pid in range(1, 20001)}
    assert shown(names, dict.fromkeys(names, KERNEL))[-1] == (20000, 19999)


def test_profile_and_mode() -> None:
    names = {1: ("init", 0), 2: ("x", 1), 3: ("y", 1)}
    found = processes.tree(names, {1: KERNEL, 2: (4, "<kernel> /x"), 3: (3, "<other> /y")}, MODES)
    assert [(process.profile, process.mode, process.domain) for process in found] == [
        (3, "enforcing", "<kernel>"),
        (4, "undefined", "<kernel> /x"),
        (3, "undefined", "<other> /y"),
    ]


@pytest.mark.parametrize(
    ("comm", "name"),
    [
        (b"sh", "sh"),
        (b"a) S 1 (b", "a) S 1 (b"),
        (b"\x1b[2J\n\r", "\\033[2J\\012\\015"),
        (b"\xc3\xa9 \\", "\\303\\251 \\\\"),
        (b"", ""),
    ],
)
def test_hostile_names(tmp_path: Path, comm: bytes, name: str) -> None:
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "stat").write_bytes(b"77 (" + comm + b") S 12 77 77 0 -1 4194560\n")
    assert processes._name_and_parent(str(tmp_path), 77) == (name, 12)


@pytest.mark.parametrize("text", [b"", b"77", b"77 (x", b"77 (x) S", b"77 (x) S x 1"])
def test_no_process(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "stat").write_bytes(text)
    assert processes._name_and_parent(str(tmp_path), 77) is None
    assert processes._name_and_parent(str(tmp_path), 78) is None


def test_the_table() -> None:
    names = {1: ("init", 0), 20: ("a b", 1)}
    found = processes.tree(names, {1: KERNEL, 20: (3, "<kernel> /x\x1b")}, MODES)
    assert "".join(lines(found, tree=True)) == (
        "    PID PROFILE MODE       PROCESS DOMAIN\n"
        "      1       3 enforcing  init    <kernel>\n"
        "     20       3 enforcing    a b   <kernel> /x\\x1b\n"
    )
    assert "".join(lines(found[1:], tree=False)).splitlines()[1] == "     20       3 enforcing  a b     <kernel> /x\\x1b"

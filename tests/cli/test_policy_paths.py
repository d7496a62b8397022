"""Who else may have a hand in a set: every command that reads one refuses it then, whichever part of its path it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set

from .command import tomoyo

PROFILES = """\
PROFILE_VERSION=20150505
0-COMMENT=
0-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
0-CONFIG={ mode=disabled grant_log=yes reject_log=yes }
"""
SET = PolicySet("<kernel>\nuse_profile 0\n\n\n", profile=PROFILES, manager="/bin/tomoyo\n", boot="#!/bin/sh\n")
#: The commands, with the set's place in them, and their exit codes for one that cannot be trusted and for one that can.
COMMANDS: dict[str, tuple[list[str], int, int]] = {
    "activate": (["activate", "--inactive", "SET", "--interface", "KERNEL", "--state", "STATE", "--locks", "LOCKS"], 2, 0),
    "activate --dry-run": (["activate", "-n", "SET", "--interface", "KERNEL", "--state", "STATE", "--locks", "LOCKS"], 2, 0),
    "gc": (["gc", "SET", "--interface", "KERNEL", "--state", "STATE", "--locks", "LOCKS"], 2, 0),
    "plan, from it": (["plan", "SET", "OTHER"], 2, 0),
    "plan, to it": (["plan", "OTHER", "SET"], 2, 0),
    "status": (["status", "SET", "--interface", "KERNEL"], 2, 0),
    "boot --check": (["boot", "--check", "SET"], 1, 0),
    "boot --script": (["boot", "--script", "SET"], 2, 0),
}
PARTS = ("set", "set/domain_policy.conf", "set/manifest.json", "set/boot", "above", "top")


def part(top: Path, name: str) -> Path:
    """A part of the path of the set in TOP, which is TOP/above/set."""
    return {"top": top, "above": top / "above"}.get(name, top / "above" / name)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with `above/set`; beside it another set, and files in the place of a kernel's, that holds the same."""
    tmp_path.chmod(0o755)
    for name in ("top", "top/above"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    write_policy_set(SET, tmp_path / "top/above/set")
    write_policy_set(SET, tmp_path / "other")
    kernel = SET.loaded()
    kernel.activate()
    (tmp_path / "kernel").mkdir()
    for name in ("domain_policy", "exception_policy", "profile", "manager", "stat", "version"):
        (tmp_path / "kernel" / name).write_text(kernel.read(name))
    return tmp_path / "top"


def run(name: str, top: Path, path: Path) -> tuple[int, str]:
    """The command NAME on the set at PATH: its exit code, and what it says."""
    # A file in the place of a kernel's holds what was written to it.
    (top.parent / "kernel/manager").write_text(SET.loaded().read("manager"))
    places = {"SET": path, "OTHER": top.parent / "other", "KERNEL": top.parent / "kernel"}
    places |= {"STATE": top.parent / "state", "LOCKS": top.parent / "locks"}
    done = tomoyo(*(places.get(word, word) for word in COMMANDS[name][0]))
    return done.status, done.messages


def refused(name: str, top: Path, message: str, path: Path | None = None) -> None:
    """Assert that the command refuses, says why, and leaves no trace."""
    status, messages = run(name, top, path or top / "above/set")
    assert status == COMMANDS[name][1], messages
    assert message in messages
    assert not (top.parent / "state").exists()


def taken(name: str, top: Path, path: Path | None = None) -> None:
    """Assert that the command does its work."""
    status, messages = run(name, top, path or top / "above/set")
    # Files in the place of a kernel's know nothing of processes.
    if name == "status":
        assert ".process_status" in messages
    else:
        assert (status, "error" in messages) == (COMMANDS[name][2], False), messages


@pytest.mark.parametrize("name", COMMANDS)
def test_a_set_that_only_root_can_have_made_is_taken(top: Path, name: str) -> None:
    taken(name, top)
    # What lies in a folder as /tmp is nobody else can take away.
    for path in (top, top / "above"):
        path.chmod(0o1777)
    taken(name, top)


@pytest.mark.parametrize("which", PARTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_others_may_write_to_is_refused(top: Path, name: str, which: str) -> None:
    path = part(top, which)
    before = path.stat().st_mode
    for bits in (0o002, 0o020, 0o022):
        path.chmod(before | bits)
        refused(name, top, f"{path}: error: others may write to it")
    path.chmod(before)
    taken(name, top)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_sticky_bit_does_not_help_the_set_itself(top: Path, name: str) -> None:
    (top / "above/set").chmod(0o1777)
    refused(name, top, "others may write to it")


@pytest.mark.parametrize("which", ["set", "set/domain_policy.conf", "set/manifest.json", "set/boot", "above", "top"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_symbolic_link_is_refused(top: Path, name: str, which: str) -> None:
    path = part(top, which)
    path.rename(path.with_name("real"))
    path.symlink_to("real")
    refused(name, top, "a symbolic link, which others may change")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", PARTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_belongs_to_a_stranger_is_refused(top: Path, name: str, which: str) -> None:
    os.chown(part(top, which), 12345, 0)
    refused(name, top, "belongs to user 12345")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("which", PARTS)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_strange_group_may_write_to_is_refused(top: Path, name: str, which: str) -> None:
    path = part(top, which)
    os.chown(path, 0, 12345)
    before = path.stat().st_mode
    path.chmod(before | 0o020)
    refused(name, top, "others may write to it")
    path.chmod(before)
    taken(name, top)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_link_that_is_meant_so_is_refused_with_the_place_to_name_instead(top: Path, name: str) -> None:
    """As /run/current-system and what save calls current are; whoever gives one decides what it leads to at that moment."""
    (top / "current").symlink_to("above/set/")
    refused(name, top, f"give {top / 'above/set'} instead", top / "current")
    taken(name, top, (top / "current").resolve())


@pytest.mark.parametrize("name", COMMANDS)
def test_dots_lead_nowhere_else(top: Path, name: str) -> None:
    (top / "elsewhere").symlink_to("/")
    # As text, so that it is the same to whoever reads it.
    taken(name, top, top / "elsewhere" / ".." / "above" / "." / "set")


@pytest.mark.parametrize("name", [name for name in COMMANDS if "STATE" in COMMANDS[name][0] and name != "gc"])
@pytest.mark.parametrize("where", ["state", "locks"])
@pytest.mark.parametrize("change", ["world-writable", "sticky", "link", "stranger"])
def test_so_are_the_folders_of_the_record_and_the_lock(top: Path, name: str, where: str, change: str) -> None:
    path = top.parent / where
    changes: dict[str, Callable[[], None]] = {
        "world-writable": lambda: path.chmod(0o777),
        "sticky": lambda: path.chmod(0o1777),
        "link": lambda: path.rename(path.with_name("real")) and path.symlink_to("real"),  # type: ignore[func-returns-value]
        "stranger": lambda: os.chown(path, 12345, 0),
    }
    if change == "stranger" and os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path.mkdir()
    changes[change]()
    status, messages = run(name, top, top / "above/set")
    if "dry-run" in name and where == "state":
        assert status == 0  # a dry run records nothing, and believes no such record
    else:
        assert (status, str(path) in messages) == (2, True), messages
    assert not os.path.lexists(path / "current")


def test_no_record_of_anothers_is_believed(top: Path) -> None:
    state = top.parent / "state"
    taken("activate", top)
    arguments = ["gc", "--interface", top.parent / "kernel", "--state", state, "--locks", top.parent / "locks"]
    assert tomoyo(*arguments).status == 0
    state.chmod(0o777)
    done = tomoyo(*arguments)
    assert done.status == 3
    assert f"no set is recorded in {state}" in done.messages

"""Special filesystems, asked of a real kernel: by which name it asks for a file is what `tomoyo.model.filesystems` says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tomoyo.decision.matching import matches
from tomoyo.lint.linter import lint_policy
from tomoyo.model.filesystems import FILESYSTEMS, asked_name
from tomoyo.syntax.policy_text import PolicyText, TextKind

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

#: What Debian's kernels have without a module.
BUILT_IN = {
    *(
        "proc",
        "devpts",
        "securityfs",
        "debugfs",
        "tracefs",
        "mqueue",
        "pstore",
        "sysfs",
        "devtmpfs",
        "cgroup2",
        "bpf",
        "hugetlbfs",
    ),
    *("tmpfs", "ramfs"),
}


@pytest.fixture(scope="module")
def answers(kernel: Kernel) -> dict[str, Any]:
    """What the kernel asked."""
    found: dict[str, Any] = json.loads(machine.run(kernel, "filesystems").files["answers.json"])
    return found


def test_all_that_are_built_in_were_mounted(answers: dict[str, Any]) -> None:
    assert set(answers["elsewhere"]) >= BUILT_IN


def test_wherever_it_is_mounted(answers: dict[str, Any]) -> None:
    by_type = {filesystem.type: filesystem.by_type for filesystem in FILESYSTEMS}
    for kind, questions in answers["elsewhere"].items():
        for rest, names in questions:
            where = f"{kind}:/" if by_type[kind] else f"/run/elsewhere/{kind}/"
            assert names
            assert set(names) == {where + rest}


def test_where_it_usually_is(answers: dict[str, Any]) -> None:
    mounted = {place for places in answers["usual"].values() for place in places}
    assert mounted >= {
        "/proc/",
        "/dev/pts/",
        "/sys/kernel/security/",
        "/sys/kernel/debug/",
        "/sys/kernel/tracing/",
        "/sys/",
        "/dev/",
    }
    assert len(answers["questions"]) > 2 * len(mounted)
    for path, operation, names in answers["questions"]:
        assert names, path
        assert all(matches(asked_name(path, operation), name) for name in names), (path, operation, names)


def test_what_it_asks_where_files_and_directories_are_confused_is_not_said_to_be_impossible(answers: dict[str, Any]) -> None:
    asked = answers["confusions"]
    assert "file rename /run/confused/f /run/confused/d/" in asked
    assert "file rename /run/confused/d/ /run/confused/f/" in asked
    assert "file rmdir /run/confused/f/" in asked
    text = PolicyText(TextKind.DOMAIN, "asked", "".join(f"{line}\n" for line in dict.fromkeys(["<kernel> /a", *asked])))
    codes = ["not-canonical", "wrong-directory", "impossible-number", "dropped-line", "useless-line"]
    assert [str(finding) for finding in lint_policy([text], codes=codes)] == []

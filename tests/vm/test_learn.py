"""`tomoyo learn` with a real kernel: each scene of the job `learning_sessions` in one boot."""

from __future__ import annotations

import json
from typing import Any

import pytest

import tomoyo

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]


@pytest.fixture(scope="module")
def answers(kernel: Kernel) -> dict[str, Any]:
    """What each scene printed, and whether everything was as before in the end."""
    found: dict[str, Any] = json.loads(machine.run(kernel, "learning_sessions").files["answers.json"])
    return found


def learned(text: str) -> dict[str, tuple[int, list[str]]]:
    """The domains in TEXT with their profile and their entries about files."""
    policy = tomoyo.parse_domain_policy(text)
    return {str(d.name): (d.profile, [str(entry) for entry in d.entries if str(entry).startswith("file")]) for d in policy}


def test_only_what_is_new_is_learned_and_then_denied_again(answers: dict[str, Any]) -> None:
    status, written, text, as_before, denied = answers["a_program"]
    assert (status, written, as_before, denied) == (0, "y\n", True, True)
    ((profile, entries),) = learned(text).values()
    assert profile == 3
    assert {"file read /run/learn/both", "file write /run/learn/new", "file create /run/learn/new 0666"} <= set(entries)
    assert not any("known" in entry or "append" in entry for entry in entries)


def test_a_domain_that_did_not_exist_is_learned_and_gone_again(answers: dict[str, Any]) -> None:
    status, text, as_before = answers["a_new_domain"]
    assert (status, as_before) == (0, True)
    profile, entries = learned(text)["<kernel> /run/learn/ash"]
    assert profile == 0
    assert "file write /run/learn/z" in entries


def test_a_domain_that_runs_is_learned_for_a_time(answers: dict[str, Any]) -> None:
    assert answers["a_domain_that_runs"] == [0, True, True]


def test_everything_is_as_before_whatever_comes_in_between(answers: dict[str, Any]) -> None:
    assert answers["interrupted"] == [
        [2, 130, True, True, ""],
        [15, 130, True, True, ""],
        [1, 130, True, True, ""],
        [9, -9, True, True],
    ]


def test_no_program_outruns_the_end(answers: dict[str, Any]) -> None:
    status, messages, levels, still_learning = answers["a_program_that_runs_away"]
    assert (status, still_learning) == (0, False), messages
    assert levels > 10


def test_what_cannot_be_done_changes_nothing(answers: dict[str, Any]) -> None:
    assert answers["refusals"] == [[[2, False, ""], [2, False, ""], [2, False, ""], [2, False, ""]], True]

"""`tomoyo query` answers real requests: each scene of the job `answering` in one boot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]


@pytest.fixture(scope="module")
def answers(kernel: Kernel) -> dict[str, Any]:
    """How each scene ended."""
    found: dict[str, Any] = json.loads(machine.run(kernel, "answering", steady=True).files["answers.json"])
    return found


def test_yes_no_and_retry(answers: dict[str, Any]) -> None:
    assert answers["yes_no_and_retry"] == ["granted", "denied", "granted"]


def test_what_is_asked_again_in_vain_is_said(answers: dict[str, Any]) -> None:
    assert answers["retry_without_change"] == [True, "denied"]
    assert answers["an_entry_that_does_not_help"] == [True, "granted"]


def test_always_and_edit_add_entries_and_never_a_rule(answers: dict[str, Any]) -> None:
    folder = "/run/asked/always_edit_and_never"
    results, entries, rules = answers["always_edit_and_never"]
    assert results == [["granted", "granted"], ["granted", "granted"], ["denied", "denied"]]
    assert entries == [f"file read {folder}/a", f"file read {folder}/\\?"]
    added = f'deny domain="<kernel> /always_edit_and_never" request="file read {folder}/secret"'
    assert rules == f"{added}\nallow path=/nothing\n"


def test_always_binds_an_execution_to_the_program(answers: dict[str, Any]) -> None:
    program = "/run/asked/executing/program"
    entry = f'file execute {program} exec.realpath="{program}" exec.argv[0]="true"'
    assert answers["executing"] == ["granted", "granted", [entry]]


def test_each_request_is_shown_with_what_comes_nearest(answers: dict[str, Any]) -> None:
    folder = "/run/asked/explained"
    first, again, result, as_json = answers["explained"]
    wants = f"wants: file read {folder}/a"
    condition = f"nearest: 'file read {folder}/a task.uid=77', but its condition task.uid=77 does not hold"
    always = ["by name: file read @nix:/asked/a", f"always would add: file read {folder}/a"]
    assert first == [wants, condition, *always]
    assert again[0].endswith("still does not grant this:")
    assert again[1:] == [wants, condition, f"nearest: 'file read {folder}/c', but 'c' does not match 'a' in the path", *always]
    assert result == "denied"
    assert as_json == [f"file read {folder}/b", "it is for write, not for read", "enforcing", "granted"]


def test_a_large_policy_makes_nobody_wait(answers: dict[str, Any]) -> None:
    assert answers["explained_by_a_large_policy"] == ["granted", "granted", ["granted"]]


def test_rules_answer_without_asking(answers: dict[str, Any]) -> None:
    assert answers["rules_alone"] == [["granted", "denied", "denied"], ["granted,", "denied,", "denied,"]]


def test_the_kernel_is_kept_waiting_but_not_for_ever(answers: dict[str, Any]) -> None:
    assert answers["a_long_wait"] == "granted"
    assert answers["nobody_answers"] == ["denied", True]


def test_fifty_at_once(answers: dict[str, Any]) -> None:
    all_granted, half_denied = answers["many_at_once"]
    assert all_granted == [["granted", 50]]
    assert half_denied == [["denied", 25], ["granted", 25]]


def test_a_process_that_is_killed_leaves_the_others_alone(answers: dict[str, Any]) -> None:
    assert answers["the_asker_is_killed"] == "granted"


def test_the_end_denies_and_hangs_nobody(answers: dict[str, Any]) -> None:
    ways = {how: (status, results) for how, status, *results in answers["the_command_ends"]}
    assert ways.keys() == {"quit", "end of input", "1", "2", "9", "15"}
    assert all(results == ["denied", False, "denied"] for _, results in ways.values())
    assert {how: status for how, (status, _) in ways.items() if status} == {"9": -9}


def test_a_command_is_told_while_the_request_waits(answers: dict[str, Any]) -> None:
    request = "file read /run/asked/notified/a"
    assert answers["notified"] == ["denied", 0, ["<kernel> /notified", request, ""], "denied", False]


def test_who_is_no_manager_is_told(answers: dict[str, Any]) -> None:
    assert answers["no_manager"] == [3, True, False, "denied", False]

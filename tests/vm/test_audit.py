"""`tomoyo audit` records what a real kernel logs: each scene of the job `auditing` in one boot."""

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
    """What came of each scene."""
    found: dict[str, Any] = json.loads(machine.run(kernel, "auditing").files["answers.json"])
    return found


def test_nothing_is_lost_at_full_speed(answers: dict[str, Any]) -> None:
    assert answers["at_full_speed"] == {"all read": True, "all recorded": True}


def test_the_log_of_the_c_tool_is_read(answers: dict[str, Any]) -> None:
    assert answers["another_tools_log"] == [True, 301, "network unix stream connect /run/none/7", "permissive"]


def test_a_daemon_rotates_and_opens_anew_without_losing_a_record(answers: dict[str, Any]) -> None:
    ended, complete, rotated, bounded, ordered = answers["a_daemon_under_load"]
    assert ended == [0, ""]
    assert (complete, rotated, bounded, ordered) == (True, True, True, True)


def test_what_the_kernel_dropped_is_counted(answers: dict[str, Any]) -> None:
    (status, messages), recorded = answers["what_the_kernel_drops"]
    assert status == 0
    assert "the kernel dropped the records of 900 denied requests" in messages
    assert recorded == 110


def test_a_full_disk_loses_nothing(answers: dict[str, Any]) -> None:
    (status, messages), complete = answers["a_full_disk"]
    assert status == 0
    assert "No space left on device" in messages
    assert "can write again" in messages
    assert complete


def test_records_are_chosen(answers: dict[str, Any]) -> None:
    assert answers["choosing"] == [list(range(20, 30)), ""]

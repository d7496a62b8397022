"""A quota for policy: when to set it, before more policy is loaded or after that, and what happens where it is too small."""

from __future__ import annotations

import json
from typing import Any

from . import machine
from .fixtures import kernel, kernel_release
from .jobs.quotas import ENTRIES
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]


#: Bytes that the entries do not fit into, and that hardly anything fits into.
SOME, HARDLY_ANY = "40000", "16"


def ask(kernel: Kernel, *arguments: str) -> dict[str, Any]:
    """What the kernel holds in the end."""
    result = machine.run(kernel, "quotas", arguments=arguments)
    answer: dict[str, Any] = json.loads(result.files["answer.json"])
    return answer


def test_inactive_a_quota_that_is_reached_stops_the_kernel(kernel: Kernel) -> None:
    result = machine.run(kernel, "quotas", arguments=["first", "inactive", SOME], check=False)
    assert result.panicked == "MAC Initialization failed."


def test_inactive_a_quota_set_last_loses_nothing(kernel: Kernel) -> None:
    answer = ask(kernel, "last", "inactive", HARDLY_ANY)
    assert (answer["entries"], answer["later"]) == (len(ENTRIES), False)
    assert "(Quota:" in answer["stat"]


def test_active_a_quota_that_is_reached_loses_lines(kernel: Kernel) -> None:
    answer = ask(kernel, "first", "active", SOME)
    assert 0 < answer["entries"] < len(ENTRIES)
    assert not answer["later"]


def test_active_a_quota_set_last_loses_nothing(kernel: Kernel) -> None:
    answer = ask(kernel, "last", "active", HARDLY_ANY)
    assert (answer["entries"], answer["later"]) == (len(ENTRIES), False)

"""Saving while programs learn, on a real kernel."""

from __future__ import annotations

import json

from . import machine
from .fixtures import kernel, kernel_release
from .jobs.saving import BEFORE, DISTURBED
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]


def test_what_is_saved_is_of_one_moment_though_programs_learn_meanwhile(kernel: Kernel) -> None:
    found = json.loads(machine.run(kernel, "saving").files["result.json"])
    # They take turns, so at one moment one is at most one file behind; what is merely read is of two moments.
    assert any(abs(first - second) > 1 for first, second in found["plain"]), found
    first, second = found["saved"]
    assert DISTURBED < found["tried"] <= DISTURBED + 2
    assert abs(first - second) <= 1
    assert min(first, second) > BEFORE

"""Chance in tests: where it begins, and how long random runs are. Nothing else decides either.

A test takes the fixture `draw` (random choices) or `seed` (a number), which `conftest` makes. The seed is the same in each run,
so that what passed passes again. `tests/run --fresh` draws another. Each failure's report ends with the seed that repeats it:

    TOMOYO_TEST_SEED=N tests/run tests/kernel/test_plan.py

`TOMOYO_TEST_ROUNDS=100` makes random runs a hundred times as long, `0.1` shorter.
"""

from __future__ import annotations

import os
import secrets

#: Whether the seed was chosen for this run: Hypothesis then follows it, too.
CHOSEN = bool(os.environ.get("TOMOYO_TEST_SEED"))
SEED = int(os.environ.get("TOMOYO_TEST_SEED") or 15)
_FACTOR = float(os.environ.get("TOMOYO_TEST_ROUNDS") or 1)


def rounds(usual: int) -> int:
    """How many times to try where USUAL are tried in a usual run."""
    return max(1, round(usual * _FACTOR))


def fresh() -> int:
    """A seed that nobody chose, for a run by hand; print it."""
    return secrets.randbelow(10**9)

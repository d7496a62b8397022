"""How large benchmarks are: as large as real systems, or for a trial of TOMOYO_BENCH_LINES lines, TOMOYO_BENCH_TIMES times."""

from __future__ import annotations

import os

_LINES = os.environ.get("TOMOYO_BENCH_LINES")
_TIMES = os.environ.get("TOMOYO_BENCH_TIMES")
#: Whether limits hold: they are for the usual size.
USUAL = _LINES is None


def sizes(*usual: int) -> tuple[int, ...]:
    """Lines of policy to measure with."""
    return (int(_LINES),) if _LINES else usual


def times(usual: int) -> int:
    """How often to measure, of which the best counts."""
    return int(_TIMES) if _TIMES else usual

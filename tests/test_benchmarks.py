"""Every benchmark runs: `tests/run --bench` measures, and here each is tried with next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted(path.stem for path in (Path(__file__).parent / "bench").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs(name: str) -> None:
    size = {"TOMOYO_BENCH_LINES": "1200", "TOMOYO_BENCH_TIMES": "1"}
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", f"tests.bench.{name}"]
    done = subprocess.run(command, env={**os.environ, **size}, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    if done.stdout.startswith("skipped") and "CI" not in os.environ:
        pytest.skip(done.stdout)
    assert "skipped" not in done.stdout

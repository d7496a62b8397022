"""How long `bind` takes for a large system, and how much memory, beside reading the policy alone.

    python3 -m tests.bench.bindings [PATHS FILES LINES]

By default 5,000 store paths with 200,000 files, and a policy of 100,000 lines.  Ends with 1 where it takes longer than it may, or
more memory.  Seconds are those of the clock and, behind them, of the processor: on a busy machine the latter count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ._size import USUAL, sizes, times
from ._system import write_source, write_system

ROOT = Path(__file__).resolve().parents[2]

#: Seconds and MiB that binding may take for the default size.
SECONDS = 5.0
MEMORY = 1024
RUNS = times(3)


@dataclass(frozen=True)
class Cost:
    """The best of some runs."""

    clock: float
    processor: float
    memory: int


def measure(*arguments: str | Path) -> Cost:
    """Run a command of ours."""
    costs = []
    for _ in range(RUNS):
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "tomoyo", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{arguments} ended with {process.returncode}")
        clock = time.perf_counter() - started
        costs.append(Cost(clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
    return Cost(*(min(values) for values in zip(*((cost.clock, cost.processor, cost.memory) for cost in costs))))


def main() -> int:
    """Print a line for each command."""
    (lines,) = sizes(100_000)
    paths, files, lines = map(int, sys.argv[1:]) if len(sys.argv) == 4 else (lines // 20, 2 * lines, lines)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        system = write_system(folder / "system", paths, files)
        source = write_source(folder / "source", system, lines)
        policy = folder / "domain_policy.conf"
        text = "".join(part.read_text() for part in sorted((source / "domains").iterdir()))
        policy.write_text(text.replace("use_group base\n", ""))
        closure = ["--root", str(system.root), "--closure-file", str(system.registration)]
        costs = {
            "check, for comparison": measure("check", "-q", policy),
            "bind": measure("bind", *closure, policy),
            "bind --all-programs": measure("bind", "--all-programs", *closure, policy),
            "bind --all-programs, no policy": measure("bind", "--all-programs", *closure),
        }
    base = costs["check, for comparison"].processor
    print(f"{'':<32} {'clock':>8} {'processor':>10} {'memory':>9} {'ratio':>6}")
    for command, cost in costs.items():
        ratio = cost.processor / base
        print(f"{command:<32} {cost.clock:>6.2f} s {cost.processor:>8.2f} s {cost.memory:>5} MiB {ratio:>6.2f}")
    bind = costs["bind"]
    return int(USUAL and len(sys.argv) == 1 and (bind.processor > SECONDS or bind.memory > MEMORY))


if __name__ == "__main__":
    sys.exit(main())

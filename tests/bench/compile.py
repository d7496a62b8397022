"""How long `compile` and `bind` take for a large system, and how much memory.

    python3 -m tests.bench.compile

5,000 store paths with 200,000 files, and a policy of 100,000 lines.  Ends with 1 where it takes longer than it may.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ._size import USUAL, sizes, times
from ._system import write_source, write_system

ROOT = Path(__file__).resolve().parents[2]

#: Seconds that each may take on the machine of the project's measurements, and MiB for both.
LIMITS = {"compile": 8.0, "bind": 5.0}
MEMORY = 1024
RUNS = times(3)


def measure(arguments: list[str]) -> tuple[float, int]:
    """Run a command of ours; the best time in seconds of processor time, and its peak memory in MiB.

    Not the time on the clock: nothing here waits, but others may be busy.
    """
    seconds, memory = [], 0
    for _ in range(RUNS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tomoyo", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{' '.join(arguments)} ended with {process.returncode}")
        seconds.append(usage.ru_utime + usage.ru_stime)
        memory = max(memory, usage.ru_maxrss // 1024)
    return min(seconds), memory


def main() -> int:
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (lines,) = sizes(100_000)
        system = write_system(folder / "system", lines // 20, 2 * lines)
        source = write_source(folder / "source", system, lines)
        closure = ["--root", str(system.root), "--closure-file", str(system.registration)]
        # The domain policy alone, as `bind` knows no modules.
        domains = folder / "domain_policy.conf"
        text = "".join(path.read_text() for path in sorted((source / "domains").iterdir()))
        domains.write_text(text.replace("use_group base\n", ""))
        for command, arguments in {
            "compile": ["compile", *closure, "-o", str(folder / "set"), str(source)],
            "bind": ["bind", *closure, str(domains)],
        }.items():
            seconds, memory = measure(arguments)
            print(f"{command}: {seconds:.2f} s of {LIMITS[command]:.0f}, {memory} MiB of {MEMORY}", flush=True)
            failed = failed or seconds > LIMITS[command] or memory > MEMORY
    return int(USUAL and failed)


if __name__ == "__main__":
    sys.exit(main())

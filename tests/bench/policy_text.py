"""How much processor time and memory `fmt --sort` and `check` take beside the C tools, and how fast the command starts.

    python3 -m tests.bench.policy_text [LINES]...

Policies have the shape of learned ones: thousands of domains that share many entries.  Each line of the result is one size;
a ratio below 1 means that ours is faster.

Goals: `check` of 1,000,000 lines within 6 times tomoyo-checkpolicy; `--version` within 1.4 times the start of Python alone.
For `check` of 10,000 lines the goal was 0.08 s, on a machine that starts Python in 0.008 s: within 10 times that start.
"""

from __future__ import annotations

import compileall
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench._size import USUAL, sizes, times

ROOT = Path(__file__).resolve().parents[2]
FEW, MANY = 10_000, 1_000_000
SIZES = sizes(FEW, 100_000, MANY)
TIMES = times(3)
CHECK_GOAL = 6.0
START_GOALS = {"--version": 1.4, f"check of {FEW} lines": 10.0}
SEED = 1


def write_policy(path: Path, lines: int) -> None:
    """Write a domain policy of about LINES lines: a domain has entries that all have, that many have, and a few of its own."""
    generator = random.Random(SEED)
    libraries = [f"file read/getattr /usr/lib/x86_64-linux-gnu/lib{number}.so.{number % 7}" for number in range(4)]
    shared = [
        f"file {operation} /usr/share/package{number % 97}/file{number}"
        for number in range(120_000)
        for operation in ("read", "getattr")
    ]
    shared += [f"misc env VARIABLE_{number}" for number in range(60)]
    shared += [f"network inet stream connect 10.0.{number}.1-10.0.{number}.9 {number + 80}" for number in range(60)]
    shared += [
        f'file execute /usr/bin/tool{number} exec.realpath="/usr/bin/tool{number}" exec.argv[0]="tool{number}"'
        for number in range(200)
    ]
    written = number = 0
    names = ["<kernel>"]
    with open(path, "w", encoding="ascii") as file:
        while written < lines:
            number += 1
            names.append(
                f"{generator.choice(names[-200:])} /usr/bin/program{number}"
                if number % 9
                else f"<kernel> /usr/sbin/service{number}"
            )
            entries = [*libraries, *generator.sample(shared, 28)]
            entries += [f"file create /var/lib/service{number}/{name} 0{generator.choice(('600', '644'))}" for name in range(2)]
            generator.shuffle(entries)
            file.write("\n".join([names[-1], f"use_profile {number % 4}", "", *entries, "", ""]))
            written += len(entries) + 4


def measure(command: list[str], source: Path) -> tuple[float, int]:
    """Run COMMAND with SOURCE as standard input; seconds of processor time and peak memory in MiB."""
    with open(source, "rb") as stdin:
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def compare(ours: list[str], theirs: list[str], source: Path, lines: int) -> float | None:
    """Print how OURS and THEIRS do with SOURCE; give the ratio, or None without theirs."""
    mine, others = [], []
    for _ in range(TIMES if lines > FEW else 3 * TIMES):  # in turn, so that what else the machine does counts for both
        mine.append(measure([sys.executable, "-m", "tomoyo", *ours, "--kind", "domain"], source))
        if shutil.which(theirs[0]):
            others.append(measure(theirs, source))
    seconds, memory = min(mine)
    text = f"{' '.join(ours):<12} {lines:>9} lines: {seconds:7.2f} s, {memory:5} MiB, {seconds / lines * 1e6:5.2f} us a line"
    if not others:
        print(text, flush=True)
        return None
    other, other_memory = min(others)
    # A clock that ticks in milliseconds may not see what is shorter.
    ratio = seconds / max(other, 0.001)
    print(f"{text}; {' '.join(theirs)}: {other:7.2f} s, {other_memory:5} MiB; ratio {ratio:6.3f}", flush=True)
    return ratio


def start_up(source: Path) -> list[str]:
    """Print how long it takes to start, and to check SOURCE, a few lines; give what misses its goal."""
    commands = {
        "nothing": ["-c", "pass"],
        "--version": ["-m", "tomoyo", "--version"],
        f"check of {FEW} lines": ["-m", "tomoyo", "check", str(source)],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(7 * TIMES):
        for name, arguments in commands.items():
            taken[name].append(measure([sys.executable, *arguments], source)[0])
    nothing, *others = (min(times) for times in taken.values())
    missed = []
    for (name, goal), seconds in zip(START_GOALS.items(), others):
        alone = f"python3 -c pass: {nothing * 1e3:.1f} ms"
        print(f"{name}: {seconds * 1e3:.1f} ms; {alone}; ratio {seconds / nothing:.2f} (goal {goal})", flush=True)
        missed += [name] if USUAL and seconds / nothing > goal else []
    return missed


def main() -> int:
    """Measure, and print; 1 where a goal is missed."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin"
    compileall.compile_dir(ROOT / "tomoyo", quiet=1)  # as it is wherever it is installed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "domain_policy.conf"
        write_policy(source, FEW if USUAL else SIZES[0])
        missed = start_up(source)
        for lines in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
            write_policy(source, lines)
            ratio = compare(["check"], ["tomoyo-checkpolicy", "d"], source, lines)
            if USUAL and lines == MANY and ratio is not None and ratio > CHECK_GOAL:
                missed.append(f"check of {MANY} lines (goal {CHECK_GOAL})")
            compare(["fmt", "--sort"], ["tomoyo-sortpolicy"], source, lines)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

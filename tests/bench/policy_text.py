"""How long `fmt --sort` and `check` take beside the C tools, and how much memory.

    python3 -m tests.bench.policy_text [LINES]...

Policies have the shape of learned ones: thousands of domains that share many entries.  Each line of the result is one size;
a ratio below 1 means that ours is faster.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench._size import sizes

ROOT = Path(__file__).resolve().parents[2]
SIZES = sizes(10_000, 100_000, 1_000_000)
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
    """Run COMMAND with SOURCE as standard input; seconds and peak memory in MiB."""
    with open(source, "rb") as stdin:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return seconds, usage.ru_maxrss // 1024


def compare(ours: list[str], theirs: list[str], source: Path, lines: int) -> None:
    seconds, memory = measure([sys.executable, "-m", "tomoyo", *ours, "--kind", "domain"], source)
    text = f"{' '.join(ours):<12} {lines:>9} lines: {seconds:7.2f} s, {memory:5} MiB, {seconds / lines * 1e6:5.2f} us a line"
    if shutil.which(theirs[0]):
        other, other_memory = measure(theirs, source)
        text += f"; {' '.join(theirs)}: {other:7.2f} s, {other_memory:5} MiB; ratio {seconds / other:6.3f}"
    print(text, flush=True)


def start_up() -> None:
    def best(*arguments: str) -> float:
        times = []
        for _ in range(20):
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, cwd=ROOT, check=True)
            times.append(time.perf_counter() - started)
        return min(times)

    version, nothing = best("-m", "tomoyo", "--version"), best("-c", "pass")
    print(f"--version: {version * 1e3:.1f} ms; python3 -c pass: {nothing * 1e3:.1f} ms; ratio {version / nothing:.3f}")


def main() -> None:
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start_up()
    with tempfile.TemporaryDirectory() as folder:
        for lines in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
            source = Path(folder) / "domain_policy.conf"
            write_policy(source, lines)
            compare(["check"], ["tomoyo-checkpolicy", "d"], source, lines)
            compare(["fmt", "--sort"], ["tomoyo-sortpolicy"], source, lines)


if __name__ == "__main__":
    main()

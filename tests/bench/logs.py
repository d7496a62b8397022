"""How much processor time `convert`, `replay` and `suggest` take on long logs, beside tomoyo-tools' convert-audit-log.

    python3 -m tests.bench.logs [MEGABYTES]

Records are a real kernel's, with other times and process numbers in each.  In the log *few* they ask for some 200 things, again
and again; in *many* for 20,000 different ones; in *all* no two ask for the same, and all file numbers differ.

Goals, for *few* and *many*: `convert` within 4 times convert-audit-log, which writes the same; `replay` and `suggest` at 20
megabytes a second, which is within 5.5 times convert-audit-log (0.9 s for 100 megabytes where the goals were set).  Peak memory
is of the whole process, and the same for a log of any length.
"""

from __future__ import annotations

import compileall
import filecmp
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench._size import USUAL, sizes, times

ROOT = Path(__file__).resolve().parents[2]
RECORDS = [record for record in (ROOT / "tests/data/records/audit.log").read_bytes().split(b"\0") if record]
PEER = "/usr/lib/tomoyo/convert-audit-log"
TIMES = times(3)
SEED = 1
#: Bytes of a record, on average.
RECORD = 360
DIFFERENT = 20_000
GOALS = {"convert": 4.0, "replay": 5.5, "suggest": 5.5}
_PARTS = re.compile(rb"#[^#]*# (.*?)\(global-pid=\d+\) task=\{ pid=\d+ ppid=\d+ (.*)\n(.*)\n(.*)\n")


def variants(count: int) -> Callable[[int, random.Random], tuple[bytes, bytes]]:
    """What gives the N-th record without its time and process numbers; there are COUNT of them."""
    parts = [found.groups() for record in RECORDS if (found := _PARTS.fullmatch(record))]

    def variant(number: int, chance: random.Random) -> tuple[bytes, bytes]:
        number = chance.randrange(count) if count else number
        decided, details, domain, request = parts[number % len(parts)]
        round_ = number // len(parts)
        if round_:
            chance = random.Random(number)
            details = re.sub(rb"ino=\d+", lambda _: b"ino=%d" % chance.randrange(1 << 24), details)
            words = request.split(b" ")
            if words[0] == b"file":
                name = words[2]
                words[2] = b"%s%06d%s" % (name.rstrip(b"/"), round_, b"/" * name.endswith(b"/"))
            request = b" ".join(words)
        return decided, b"%s\n%s\n%s\n" % (details, domain, request)

    return variant


def write_log(path: Path, size: int, different: int) -> None:
    """Write a log of SIZE bytes, in which DIFFERENT things are asked for; 0: another one each time."""
    chance = random.Random(SEED)
    variant = variants(different)
    written = number = 0
    with open(path, "wb") as file:
        while written < size:
            second, pid = number // 100, chance.randrange(2, 1 << 22)
            time = b"2026/11/%02d %02d:%02d:%02d" % (
                1 + second // 86400,
                second // 3600 % 24,
                second // 60 % 60,
                second % 60,
            )
            decided, rest = variant(number, chance)
            record = b"#%s# %s(global-pid=%d) task={ pid=%d ppid=%d %s\n" % (time, decided, pid, pid, pid - 1, rest)
            written += file.write(record)
            number += 1


def write_policy(path: Path, log: Path) -> None:
    """Write a domain policy that grants part of what the beginning of LOG asks for."""
    entries: dict[bytes, dict[bytes, None]] = {}
    with open(log, "rb") as file:
        for record in file.read(1 << 21).split(b"\n\n")[:-1]:
            _, domain, request = record.split(b"\n")
            if not request.startswith(b"use_"):
                entries.setdefault(domain, {})[request] = None
    with open(path, "wb") as file:
        for domain, requests in entries.items():
            file.write(b"%s\nuse_profile 3\n%s\n\n" % (domain, b"\n".join(list(requests)[::2])))


def measure(command: list[str], log: Path, output: Path) -> tuple[float, int]:
    """Run COMMAND with LOG as standard input; seconds of processor time and peak memory in MiB."""
    with open(log, "rb") as stdin, open(output, "wb") as stdout:
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, "replay" in command):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def compare(name: str, log: Path, folder: Path) -> list[str]:
    """Print a line for each command with LOG, which is called NAME; give what misses its goal."""
    commands = {
        "convert": ["convert"],
        "replay": ["replay", "-q", "--policy", str(folder)],
        "suggest": ["suggest", "--policy", str(folder)],
    }
    missed = []
    megabytes = log.stat().st_size / 1e6
    for command, arguments in commands.items():
        ours, theirs, memory = [], [], 0
        for _ in range(TIMES):  # in turn, so that what else the machine does counts for both
            theirs.append(measure([PEER], log, folder / "theirs")[0])
            seconds, memory = measure([sys.executable, "-m", "tomoyo", *arguments], log, folder / "ours")
            ours.append(seconds)
        same = command != "convert" or filecmp.cmp(folder / "ours", folder / "theirs", shallow=False)
        ratio = min(ours) / min(theirs)
        goal = f"goal {GOALS[command]}" if name != "all" else "no goal"
        print(
            f"{command:<8} {name:<5} {megabytes:5.0f} MB: {min(ours):6.2f} s, {megabytes / min(ours):5.1f} MB/s, {memory:4} MiB;"
            f" convert-audit-log: {min(theirs):5.2f} s; ratio {ratio:5.2f} ({goal}){'' if same else ', NOT THE SAME'}",
            flush=True,
        )
        if not same or (USUAL and name != "all" and ratio > GOALS[command]):
            missed.append(f"{command} {name}")
    return missed


def main() -> int:
    """Measure, and print; 1 where a goal is missed."""
    if not os.path.exists(PEER):
        print(f"skipped: there is no {PEER}")
        return 0
    (size,) = [int(sys.argv[1]) * 1_000_000] if sys.argv[1:] else [lines * RECORD // 3 for lines in sizes(833_333)]
    missed = []
    compileall.compile_dir(ROOT / "tomoyo", quiet=1)  # as it is wherever it is installed
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for name, different in (("few", len(RECORDS)), ("many", DIFFERENT), ("all", 0)):
            log = folder / "log"
            write_log(log, size, different)
            write_policy(folder / "domain_policy.conf", log)
            missed += compare(name, log, folder)
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Logs of any size and with anything in them, through a pipe: in constant memory, and nothing broken is more than a count.

`tomoyo audit` is tested in `test_audit`.  By hand with a thousand million bytes: TOMOYO_TEST_LOG_SIZE=1000000000.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Bytes of the longer log.
SIZE = int(os.environ.get("TOMOYO_TEST_LOG_SIZE", "12000000"))
SMALL = 3_000_000
#: By how much more memory a log may take that is longer.
LIMIT = 8 << 20
HEADER = (
    "#2026/11/24 08:45:01# profile=3 mode=enforcing granted=no (global-pid=124) task={ pid=124 ppid=116 uid=0 gid=0 euid=0 egid=0"
    " suid=0 sgid=0 fsuid=0 fsgid=0 } path1={ uid=0 gid=42 ino=1481 major=0 minor=23 perm=0640 type=file }"
)
EXECUTION = f'{HEADER} exec={{ realpath="/bin/ls" argc=1 envc=1 argv[]={{ "ls" }} envp[]={{ "A=b" }} }}'
DOMAIN = "<kernel> /usr/bin/work"
POLICY = f"<kernel>\nuse_profile 3\n{DOMAIN}\nuse_profile 3\nfile read proc:/\\$/status\nfile read /etc/\\*\n"
#: Each of these is one piece of a log that is no record: cut off, with NULs, of no encoding, or of no kind.
BROKEN = (
    HEADER.encode()[:150],
    HEADER.encode() + b"\n<kernel> /x",
    b"\xff\xfe\x80 no encoding",
    HEADER.encode() + b"\n<kernel> /x\nfile read /\x1b]0;x\x07",
    HEADER.encode() + "\n<kernel> /x\nfile read /é".encode(),
    b"Q1-0",
)
COMMANDS = {
    "replay": ("replay", "--policy", "POLICY", "-q"),
    "explain": ("explain", "--policy", "POLICY", "--log", "-"),
    "suggest": ("suggest", "--policy", "POLICY"),
    "convert": ("convert",),
    "convert executions": ("convert", "--executions"),
    "audit json": ("audit", "--json", "-"),
}
MEASURED = """
import re, sys
from tomoyo.cli import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(status)
"""


def blocks(size: int, block: Callable[[int], bytes]) -> list[int]:
    """The numbers of those that a log of SIZE bytes has, of what BLOCK gives."""
    return list(range(max(size // len(block(0)), 1)))


def block(number: int) -> bytes:
    """About 60 kB of records, with other names in each block."""
    first = number * 100
    records = [f"{HEADER}\n{DOMAIN}\nfile read proc:/{each}/status\n\n" for each in range(first, first + 100)]
    records += [f"{HEADER}\n{DOMAIN}\nfile write /run/x\n\0" for _ in range(20)]
    records += [f"{EXECUTION}\n{DOMAIN}\nfile execute /bin/ls\n\n" for _ in range(20)]
    return "".join(records).encode()


def hostile_block(number: int) -> bytes:
    """The same with names that are long and never the same: those of files, of domains, and of what is executed."""
    records = []
    for each in range(number * 8, number * 8 + 8):
        name = f"{each}".rjust(2000, "x")
        execution = EXECUTION.replace('"A=b"', f'"A={name}"').replace("ino=1481", f"ino={each}")
        records.append(
            f"{execution}\n{DOMAIN}\nfile execute /bin/{name}\n\n{HEADER}\n{DOMAIN} /{name}\nfile read /etc/{each}\n\n"
        )
    return "".join(records).encode()


def run(command: tuple[str, ...], size: int, broken: bool, block: Callable[[int], bytes] = block) -> tuple[int, int, str, int]:
    """Give COMMAND a log; its exit code, bytes and messages that it wrote, and its peak memory in bytes."""
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURED, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr

    def feed() -> None:
        with stdin:
            for number in blocks(size, block):
                stdin.write(block(number))
                if broken and number == 3:
                    stdin.write(b"\n\n" + b"\n\n".join(BROKEN) + b"\n\n\0\0\0\n\n")
                    for _ in range(30):
                        stdin.write(b"x" * 1_000_000)
                    stdin.write(b"\n\n")
            stdin.write(HEADER.encode() if broken else b"")

    messages: list[bytes] = []
    workers = [threading.Thread(target=feed), threading.Thread(target=lambda: messages.append(stderr.read()))]
    for worker in workers:
        worker.start()
    written = sum(map(len, iter(lambda: stdout.read(1 << 20), b"")))
    for worker in workers:
        worker.join()
    stdout.close()
    stderr.close()
    *told, peak = messages[0].decode().splitlines()
    return process.wait(), written, "\n".join(told), int(peak) << 10


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("suggest", "explain")])
def test_a_hostile_large_input_in_constant_memory(name: str, tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    command = tuple(word.replace("POLICY", str(tmp_path)) for word in COMMANDS[name])
    peaks = [run(command, size, broken=False, block=hostile_block)[3] for size in (SMALL, SIZE)]
    assert peaks[1] < peaks[0] + LIMIT


@pytest.mark.parametrize("name", COMMANDS)
def test_a_large_input_in_constant_memory(name: str, tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    command = tuple(word.replace("POLICY", str(tmp_path)) for word in COMMANDS[name])
    status, written, messages, small = run(command, SMALL, broken=False)
    assert status in (0, 1)
    assert "broken" not in messages
    assert "skipped" not in messages
    _, more, told, large = run(command, SIZE, broken=True)
    print(f"{name}: {small >> 20} MB of memory for {SMALL >> 20} MB, {large >> 20} MB for {SIZE >> 20} MB")
    assert large < small + LIMIT
    if name not in ("replay", "suggest"):
        assert more > written * (SIZE // SMALL) * 0.9
    # A piece without any end, six broken ones, and the one that is cut off at the end.
    assert told.count("\n") < 40
    assert all(line.isprintable() for line in told.split("\n"))
    if name in ("replay", "audit json"):
        return  # they count in their output: see below
    assert "8 broken records" in told or "9 broken records" in told, told


def test_replay_counts_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    log = tmp_path / "log"
    log.write_bytes(block(0) + b"\n\n" + b"\n\n".join(BROKEN) + b"\n\n" + block(1) + HEADER.encode())
    done = subprocess.run(
        [sys.executable, "-m", "tomoyo", "replay", "--policy", str(tmp_path), "-q", str(log)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == "80 as recorded\n200 denied then, granted now\n7 broken, left out\n"
    assert "Traceback" not in done.stderr

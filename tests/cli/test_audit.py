"""`tomoyo audit` and `tomoyo convert` on log files: chosen, converted, broken and enormous ones."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import tomoyo as library
from tomoyo.report.plain import plain
from tomoyo.report.record_lines import record_line
from tomoyo.syntax.records import parse_record

from .command import tomoyo

ROOT = Path(__file__).parents[2]
AUDIT = (ROOT / "tests" / "data" / "records" / "audit.log").read_bytes()
RECORDS = AUDIT.split(b"\0")[:-1]
LOG = b"".join(record + b"\n" for record in RECORDS)
#: Bytes of the log that is streamed; the whole of an audit partition by hand: TOMOYO_TEST_LOG_SIZE=1000000000.
STREAMED = int(os.environ.get("TOMOYO_TEST_LOG_SIZE", "200000000"))
#: Peak memory of the process that reads it.
LIMIT = 60 << 20
MODE = "learning"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log as a kernel's records were kept, each ended by a NUL byte."""
    path = tmp_path / "audit.log"
    path.write_bytes(AUDIT)
    return path


def test_a_log_comes_out_as_daemons_write_it(log: Path) -> None:
    done = tomoyo("audit", log)
    assert (done.status, done.output.encode(), done.messages) == (0, LOG, "")
    assert tomoyo("audit", "-", stdin=AUDIT) == done
    assert tomoyo("audit", "-", stdin=LOG) == done


def test_json_lines_hold_every_detail(log: Path) -> None:
    done = tomoyo("audit", "--json", log)
    found = [json.loads(line) for line in done.output.splitlines()]
    records = [json.loads(json.dumps(plain(record))) for record in library.parse_audit(AUDIT)]
    assert found == [{"diagnostics": [], "result": record} for record in records]


def test_a_part_that_is_too_long_to_be_remembered() -> None:
    record = next(record for record in RECORDS if b" argv[]={ " in record)
    record = record.replace(b" argv[]={ ", b' argv[]={ "' + b"y" * 3000 + b'" ')
    assert json.loads(record_line(record)) == json.loads(json.dumps(plain(parse_record(record))))


@pytest.mark.parametrize("damage", range(300))
def test_a_damaged_record_is_json_only_if_it_can_be_read(seed: int, damage: int) -> None:
    chance = random.Random(seed + damage)
    record = bytearray(chance.choice(RECORDS))
    for _ in range(chance.randint(1, 3)):
        record[chance.randrange(len(record))] = chance.choice(b'0123456789 ={}"\\/ax\n-')
    try:
        expected = json.loads(json.dumps(plain(parse_record(bytes(record)))))
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
            record_line(bytes(record))
    else:
        assert json.loads(record_line(bytes(record))) == expected


def test_records_are_chosen(log: Path) -> None:
    done = tomoyo("audit", "--json", "--operation", "execute", "--operation", "unlink", "--mode", MODE, log)
    chosen = [json.loads(line)["result"]["request"]["text"] for line in done.output.splitlines()]
    expected = [
        str(record.request)
        for record in library.parse_audit(AUDIT)
        if str(record.request).startswith(("file execute ", "file unlink ")) and record.mode.value == MODE
    ]
    assert chosen == expected
    assert chosen
    assert tomoyo("audit", "--domain", "<kernel> /nothing", log).output == ""


def test_a_log_can_be_written(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "log"
    output.parent.mkdir(mode=0o700)
    done = tomoyo("audit", "--output", output, "--max-size", "8k", "--keep", "99", log)
    assert (done.status, done.output, done.messages) == (0, "", "")
    files = sorted(output.parent.iterdir(), key=lambda path: -int(path.suffix[1:] or 0))
    assert len(files) > 1
    assert max(path.stat().st_size for path in files) <= 8 << 10
    assert b"".join(path.read_bytes() for path in files) == LOG


def test_broken_records_are_told_of_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    broken = [
        b"nonsense\n",
        RECORDS[0][:100],
        RECORDS[1].replace(b"/", b"/\x1b]0;x\x07"),
        b"\xff\xfe\n\n",
        RECORDS[2] + b"more\n",
    ]
    path.write_bytes(b"\n\n".join([RECORDS[3], *broken, RECORDS[4]]))
    done = tomoyo("audit", path)
    assert done.status == 0
    assert done.output.encode() == RECORDS[3] + b"\n" + RECORDS[4] + b"\n"
    assert "5 broken records were skipped" in done.messages
    assert done.messages.isascii()
    assert "\x1b" not in done.messages


def test_a_file_of_noise_is_unusable_but_no_crash(tmp_path: Path, draw: random.Random) -> None:
    path = tmp_path / "noise"
    path.write_bytes(draw.randbytes(1 << 20))
    policy = ["--policy", tmp_path]
    (tmp_path / "domain_policy.conf").write_text("<kernel>\n")
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("This is a letter, and no log.\n")
    for command in (
        *(["audit"], ["audit", "--json"], ["convert"], ["suggest"], ["suggest", "--json", "--path", "/x"]),
        *(["explain", *policy, "--log"], ["replay", *policy], ["replay", "--json", *policy]),
    ):
        for name in ("noise", "text"):
            done = tomoyo(*command, tmp_path / name)
            said = {"noise": "a binary file", "text": "no audit record"}[name]
            assert done.status == 2
            assert (f'"message": "{said}"' in done.output) is ("--json" in command)
            assert (f"\n{tmp_path}/{name}: error: {said} [" in f"\n{done.messages}") is ("--json" not in command)
        assert tomoyo(*command, tmp_path / "empty").status == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--path", "no word"],
        ["--path", ""],
        ["--domain", "<kernel>  /x"],
        ["--mode", "strict"],
        ["--max-size", "10 apples"],
        ["--max-size", "-1"],
        ["--keep", "many"],
        ["/no/such/file"],
    ],
    ids=" ".join,
)
def test_arguments_that_are_none_are_refused(arguments: list[str]) -> None:
    done = tomoyo("audit", *arguments, *([] if arguments[0].startswith("/") else ["-"]))
    assert done.status == 2
    assert done.messages


def test_without_a_kernel_it_says_so(tmp_path: Path) -> None:
    for command in (["audit"], ["query"], ["notify"]):
        done = tomoyo(*command, "--interface", tmp_path, *(["--", "true"] if command == ["notify"] else []))
        assert done.status == 3
        assert "no interface files of TOMOYO [system]\nhelp: a kernel has them in /sys/kernel/security/tomoyo" in done.messages


def test_unsafe_logs_are_refused(log: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    done = tomoyo("audit", "--output", tmp_path / "link", log)
    assert done.status == 2
    assert "symbolic link" in done.messages
    assert not (tmp_path / "target").exists()


def test_rules_that_are_none_are_refused_at_their_place(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("allow path=/x\nallow file=/y\n")
    done = tomoyo("query", "--rules", tmp_path / "rules")
    assert done.status == 2
    assert f"{tmp_path}/rules:2:7: " in done.messages
    (tmp_path / "rules").chmod(0o666)
    done = tomoyo("query", "--rules", tmp_path / "rules")
    assert done.status == 2
    assert "others may write" in done.messages
    done = tomoyo("query", "--rules", tmp_path / "missing")
    assert (done.status, done.messages) == (
        2,
        f"{tmp_path}/missing: error: no such file or directory [wrong-path]\nhelp: give a path that exists\n",
    )


def test_what_no_record_can_be_of_is_refused(log: Path) -> None:
    for command in (["audit"], ["suggest"], ["notify", "--source", "-"]):
        for option, value, help_text in (
            ("--operation", "raed", "did you mean 'read'?"),
            ("--profile", "256", "0 to 255"),
            ("--domain", "/bin/sh", "<kernel>"),
            ("--program", "sh", "/"),
        ):
            done = tomoyo(*command, option, value, *(["--", "true"] if command[0] == "notify" else [log]))
            assert (done.status, done.output) == (2, "")
            assert help_text in done.messages
    done = tomoyo("audit", "--path", "/tmp/*", log)
    assert (done.status, done.output) == (0, "")
    assert "a '*' stands for itself; a pattern has '\\*'" in done.messages


@pytest.mark.parametrize("name", ["task", "task.uid", "exec", "exec.argv", "exec.argv[0]", 'exec.envp["HOME"]', "path1.parent"])
def test_names_of_conditions_to_keep(log: Path, name: str) -> None:
    done = tomoyo("convert", "--keep", name, log)
    assert done.status == 0
    assert f" {name}" in done.output


@pytest.mark.parametrize("name", ["foo", "uid", "task.", "task.foo", "exec.argv[]", "exec.argv[x]", "exec.argc[0]", "setuid", ""])
def test_names_that_no_condition_has(log: Path, name: str) -> None:
    done = tomoyo("convert", "--keep", name, log)
    assert (done.status, done.output) == (2, "")
    assert "task.uid, " in done.messages or "help: did you mean '" in done.messages


def test_conversion(log: Path) -> None:
    done = tomoyo("convert", "--keep", "task.uid", log)
    policy = library.parse_domain_policy(done.output)
    assert len(policy) > 1
    assert all(str(entry).endswith(" task.uid=0") for domain in policy for entry in domain.entries)
    done = tomoyo("convert", "--executions", log)
    assert all(
        str(entry).startswith("file execute ") for domain in library.parse_domain_policy(done.output) for entry in domain.entries
    )
    assert done.output


MEASURED = """
import re, sys
from tomoyo.cli import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(status)
"""


@pytest.mark.parametrize("damage", [0, 100], ids=["records", "a record of 100 MB in the middle"])
def test_an_enormous_log_is_streamed_in_constant_memory(damage: int) -> None:
    command = [sys.executable, "-c", MEASURED, "audit", "--operation", "execute", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdin is not None
    block = LOG * (1_000_000 // len(LOG))
    blocks = STREAMED // len(block) if not damage else 20

    def feed() -> None:
        assert process.stdin is not None
        for number in range(blocks):
            process.stdin.write(block)
            if number == blocks // 2:
                for _ in range(damage):
                    process.stdin.write(b"x" * 1_000_000)
        process.stdin.close()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert process.stdout is not None
    assert process.stderr is not None
    written = sum(chunk.count(b"#20") for chunk in iter(lambda: process.stdout.read(1 << 20), b""))  # type: ignore[union-attr]
    feeder.join()
    *messages, peak = process.stderr.read().decode().splitlines()
    process.stderr.close()
    process.stdout.close()
    assert process.wait() == 0
    executions = sum(b"\nfile execute " in record for record in RECORDS) * (len(block) // len(LOG))
    lost = 0 if not damage else 1
    assert executions * blocks - lost <= written <= executions * blocks
    assert len(messages) == (2 if damage else 0), messages
    assert int(peak) << 10 < LIMIT


@pytest.mark.parametrize(
    ("path", "asked"), [("/proc/meminfo", "proc:/meminfo"), ("/dev/pts/\\$", "devpts:/\\$"), ("sysfs:/x", "/sys/x")]
)
def test_a_path_by_which_the_kernel_asks_for_nothing_is_translated(path: str, asked: str) -> None:
    name = asked.replace("\\$", "7").encode()
    data = b"\n".join([*RECORDS[0].split(b"\n")[:2], b"file read " + name, b"", b""])
    done = tomoyo("audit", "--path", path, "-", stdin=data)
    assert (done.status, f"file read {name.decode()}\n" in done.output) == (0, True)
    assert f"note: the kernel calls this file {asked}" in done.messages
    assert tomoyo("audit", "--path", asked, "-", stdin=data).messages == ""


def test_a_path_that_no_record_has_is_refused() -> None:
    done = tomoyo("audit", "--path", "cgroup:/x", "-", stdin=b"")
    assert done.status == 2
    assert "never asks" in done.messages

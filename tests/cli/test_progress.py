"""Progress: told at a terminal, in a line that is gone afterwards, and nowhere else."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tomoyo.cli.progress import Progress

RECORD = """\
#2026/11/24 08:45:01# profile=2 mode=permissive granted=no (global-pid=124) task={ pid=124 ppid=116 uid=33 gid=33 euid=33 \
egid=33 suid=33 sgid=33 fsuid=33 fsgid=33 }
<kernel>
file read /etc/zoneinfo

"""
ENVIRONMENT = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])}
BAD = "<kernel>\nuse_profile 0\n\nfile read\n"


def terminal_output(arguments: list[str], directory: Path, **environment: str) -> str:
    """What the command ARGUMENTS writes to standard error, which is a terminal of 80 columns."""
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as reader:
        process = subprocess.Popen(
            [sys.executable, "-m", "tomoyo", *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=slave,
            env={name: value for name, value in {**ENVIRONMENT, "NO_COLOR": "1", **environment}.items() if value},
        )
        os.close(slave)
        text = b""
        try:
            while piece := reader.read(4096):
                text += piece
        except OSError:  # how a terminal says that nobody writes any more
            pass
        process.wait()
    return text.decode()


def screen(text: str) -> list[str]:
    """The lines that TEXT leaves on a terminal."""
    return [re.sub(r".*\r\x1b\[K", "", line) for line in text.replace("\r\n", "\n").split("\n")]


def test_a_terminal_is_told_and_the_line_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(BAD)
    text = terminal_output(["check", "domain_policy.conf"], tmp_path)
    assert "checking domain_policy.conf ..." in text
    left = screen(text)
    assert left[0].startswith("domain_policy.conf:4:")
    assert [line[:5] for line in left[1:]] == ["    f", "     ", "help:", ""]


def test_every_step_of_compile(tmp_path: Path) -> None:
    source = tmp_path / "source" / "domains"
    source.mkdir(parents=True)
    (source / "a.conf").write_text("<kernel>\nuse_profile 0\n")
    (tmp_path / "paths").write_text("")
    text = terminal_output(["compile", "--closure-file", "paths", "--check", "-q", "source"], tmp_path)
    steps = re.findall(r"\x1b\[K([a-z0-9 ]+) \.\.\.", text)
    assert steps == [
        "reading the closure",
        "reading the policy",
        "reading 0 store paths",
        "binding 0 names",
        "loading the set into a simulated kernel",
    ]
    warning, end = screen(text)
    assert (warning[:16], end) == ("tomoyo: warning:", "")


def test_records_are_counted_and_what_is_told_of_them_has_lines_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text("<kernel>\nuse_profile 0\n\n")
    (tmp_path / "profile.conf").write_text("PROFILE_VERSION=20150505\n0-CONFIG={ mode=disabled }\n")
    (tmp_path / "audit.log").write_text(RECORD + "nonsense\n\n" * 2)
    for command in (["replay", "--policy", ".", "-q", "audit.log"], ["suggest", "audit.log"]):
        text = terminal_output(command, tmp_path)
        assert "0 records ..." in text
        assert {line.partition(":")[0].strip() for line in screen(text)} <= {"audit.log", "tomoyo", "", "nonsense", "^"}, text


def test_no_terminal_or_a_dumb_one_is_told_nothing(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(BAD)
    assert terminal_output(["check", "domain_policy.conf"], tmp_path, TERM="dumb").startswith("domain_policy.conf:4:")
    piped = subprocess.run(
        [sys.executable, "-m", "tomoyo", "check", "domain_policy.conf"],
        cwd=tmp_path,
        capture_output=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert piped.stderr.startswith(b"domain_policy.conf:4:")


def test_a_file_name_cannot_drive_the_terminal(tmp_path: Path) -> None:
    name = "domain_policy\x1b[2J" + "x" * 100
    (tmp_path / name).write_text(BAD)
    text = terminal_output(["check", name], tmp_path)
    assert "\x1b[2J" not in text
    assert max(map(len, re.findall(r"\x1b\[K([^\r\n\x1b]*) \.\.\.", text))) <= 75


def test_without_a_terminal_counting_costs_nothing() -> None:
    items = [1, 2, 3]
    with Progress() as progress:
        assert progress.counted(items, "records") is items


def test_colour_is_for_terminals_that_want_it(tmp_path: Path) -> None:
    (tmp_path / "domain_policy.conf").write_text(BAD)
    red = "\033[31merror\033[0m: "
    assert red in terminal_output(["check", "domain_policy.conf"], tmp_path, NO_COLOR="")
    assert red not in terminal_output(["check", "domain_policy.conf"], tmp_path)

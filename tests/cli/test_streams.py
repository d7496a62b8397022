"""Standard streams that are closed or full, or that nobody reads any more; and a user who has seen enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import sample

SAMPLE = sample.SAMPLE / "policy"
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [
        (["fmt", f"{SAMPLE}/domain_policy.conf"], ">&-", 0),
        (["fmt", "/nowhere/domain_policy.conf"], "2>&-", 2),
        (["fmt", "/nowhere/domain_policy.conf"], "<&- >&- 2>&-", 2),
        (["fmt", "--kind", "domain"], "<&-", 0),
        (["--help"], ">&-", 0),
        (["--version"], ">&-", 0),
        (["nonsense"], "2>&-", 2),
    ],
)
def test_a_closed_stream_changes_no_exit_code(arguments: list[str], closed: str, status: int) -> None:
    done = run(arguments, closed)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def run(arguments: list[str], redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command from a shell, with REDIRECTION."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-S", "-m", "tomoyo", *arguments]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=variables)


#: With a buffer an error shows at its end, without one at each write.
BUFFERED = pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])


@BUFFERED
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["check", "--help"], ["check", f"{SAMPLE}/domain_policy.conf"], ["lint", "--list", "--json"]],
)
def test_a_full_disk_is_told_of_as_what_it_is(arguments: list[str], environment: dict[str, str]) -> None:
    done = run(arguments, ">/dev/full", **environment)
    assert done.stderr == "standard output: error: no space left on device [system]\n"
    assert done.returncode == 3


@BUFFERED
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["check", f"{SAMPLE}/domain_policy.conf"], 0),
        (["check", "/nowhere/domain_policy.conf"], 2),
        (["check", "--nonsense"], 2),
        (["nonsense"], 2),
        (["select", "--glob", "nothing", f"{SAMPLE}/domain_policy.conf"], 1),
    ],
)
def test_where_nobody_can_be_told_the_exit_code_tells(arguments: list[str], status: int, environment: dict[str, str]) -> None:
    assert run(arguments, "2>/dev/full", **environment).returncode == status


@BUFFERED
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["check", "--help"], ["fmt", f"{SAMPLE}/domain_policy.conf"]])
def test_a_reader_that_has_gone_is_no_news(arguments: list[str], environment: dict[str, str]) -> None:
    done = without_a_reader(arguments, environment)
    assert done.stderr == b""
    # A command that writes at once ends early, and how it would have ended is not known.
    assert done.returncode == (2 if environment and len(arguments) > 1 else 0)


@BUFFERED
@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "question",
    [
        ["explain", "<kernel> /a", "file", "read", "/x"],
        ["explain", "<kernel> /a", "file", "read", "/y"],
        ["explain", "<kernel> /a", "file", "read", "/z"],
        ["explain", "--log", "LOG"],
        ["can", "file", "read", "/x"],
        ["can", "file", "read", "/y"],
    ],
)
def test_a_reader_that_has_gone_changes_no_answer(
    question: list[str], as_json: bool, environment: dict[str, str], tmp_path: Path
) -> None:
    policy = tmp_path / "policy"
    policy.write_text("<kernel> /a\nfile read /x\nfile read /z task.uid=0\n")
    record = sample.SAMPLE / "audit.log"
    words = [word.replace("LOG", str(record)) for word in question]
    arguments = [words[0], "--policy", str(policy), *(["--json"] if as_json else []), *words[1:]]
    done = without_a_reader(arguments, environment)
    assert b"Traceback" not in done.stderr
    assert done.returncode == run(arguments, ">/dev/null", **environment).returncode


def without_a_reader(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command where nobody reads its standard output any more."""
    reading, writing = os.pipe()
    os.close(reading)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"} | environment
    command = [sys.executable, "-S", "-m", "tomoyo", *arguments]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=ROOT, env=variables)
    os.close(writing)
    return done


@pytest.mark.parametrize("module", ["tomoyo.cli", "tomoyo.cli.options", "tomoyo.cli.commands.check", "tomoyo.syntax.lines"])
def test_interrupted_while_it_begins_it_says_nothing(module: str) -> None:
    # What an interrupt does while MODULE is loaded.
    script = f"""
import importlib.abc, os, runpy, signal, sys
class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["tomoyo", "check", {str(SAMPLE / "domain_policy.conf")!r}]
runpy.run_module("tomoyo", run_name="__main__")
"""
    command = [sys.executable, "-c", script]
    # A shell's background job, as a test may be, ignores the signal.
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")

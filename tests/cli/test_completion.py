"""Shell completion and the manual page, as shells and man take them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tomoyo.cli import COMMANDS
from tomoyo.cli.reference import commands

from .command import tomoyo

#: Completes the last of its arguments, as readline would ask for it.
_ASK = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tomoyo; ((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"; true'


def script(shell: str) -> str:
    done = tomoyo("completion", shell)
    assert (done.status, done.messages) == (0, "")
    return done.output


def completed(folder: Path, *words: str) -> set[str]:
    """What bash offers in FOLDER for the last of WORDS."""
    command = ["bash", "--norc", "-uc", f"{script('bash')}\n{_ASK}", "bash", "tomoyo", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.splitlines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my policy").mkdir()
    (tmp_path / "my file.conf").touch()
    (tmp_path / "other").touch()
    return tmp_path


def test_bash_completes_commands(folder: Path) -> None:
    assert completed(folder, "") == set(COMMANDS)
    assert completed(folder, "comp") == {"compile", "completion"}
    assert completed(folder, "xyz") == set()


def test_bash_completes_the_options_of_the_command(folder: Path) -> None:
    assert completed(folder, "activate", "--dry") == {"--dry-run"}
    assert completed(folder, "fmt", "--dry") == set()


def test_bash_completes_values(folder: Path) -> None:
    assert completed(folder, "check", "--kind", "e") == {"exception"}
    assert completed(folder, "check", "--kind", "=", "e") == {"exception"}
    assert "domain" in completed(folder, "check", "--kind", "=")
    assert completed(folder, "completion", "z") == {"zsh"}


def test_bash_completes_files_and_directories(folder: Path) -> None:
    assert completed(folder, "check", "m") == {"my policy", "my file.conf"}
    assert completed(folder, "activate", "") == {"my policy"}
    assert completed(folder, "gc", "--state", "") == {"my policy"}
    assert completed(folder, "gc", "--state", "=", "my") == {"my policy"}
    # A command without operands gets none offered.
    assert completed(folder, "man", "") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, "-n", "/dev/stdin"], input=script(shell), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tomoyo comp", {"compile", "completion"}),
        ("tomoyo check --kind e", {"exception"}),
        ("tomoyo activate --dry", {"--dry-run"}),
        ("tomoyo activate ", {"my policy/"}),
        ("tomoyo man ", set()),
    ],
)
def test_fish_completes(line: str, offered: set[str], folder: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (folder / "fish.script").write_text(script("fish"))
    command = ["fish", "-c", f"source fish.script; complete -C '{line}'"]
    done = subprocess.run(command, cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}, capture_output=True, text=True)
    assert {found.split("\t")[0].replace("\\", "") for found in done.stdout.splitlines()} == offered, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_option_is_there(shell: str) -> None:
    text = script(shell)
    missing = [
        (command.name, flag)
        for command in commands()
        for option in command.options
        for flag in option.flags
        if (flag if shell != "fish" else f" -l {flag[2:]}" if flag[1] == "-" else f" -s {flag[1:]}") not in text
    ]
    assert missing == []


def test_an_unknown_shell_is_refused() -> None:
    assert tomoyo("completion", "csh").status == 2


def test_the_manual_page_is_one() -> None:
    page = tomoyo("man").output
    assert page.startswith(".TH TOMOYO 1")
    assert page.count(".SS tomoyo ") == len(COMMANDS)
    # No line of text is taken for a request: those that begin so are requests of the macro package.
    requests = {line.split(" ")[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests == {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}


def test_groff_has_nothing_to_say_about_the_manual_page() -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tutf8", "-ww", "-z"]
    done = subprocess.run(command, input=tomoyo("man").output, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""Shell completion and the manual page, as shells and man take them."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tomoyo.cli import COMMANDS, GROUPS, policy_words
from tomoyo.cli.options import command_parser
from tomoyo.cli.reference import Command, commands
from tomoyo.model.profiles import STATES

from ..documents import ROOT
from ..sample import SAMPLE
from .command import tomoyo

#: Completes the last of its arguments, as readline would ask for it.
_ASK = 'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tomoyo; ((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"; true'


def script(shell: str) -> str:
    done = tomoyo("completion", shell)
    assert (done.status, done.messages) == (0, "")
    return done.output


def environment(folder: Path) -> dict[str, str]:
    """An environment in which ``tomoyo`` is the command of this repository."""
    programs = folder.parent / f"{folder.name}-programs"
    programs.mkdir(exist_ok=True)
    program = programs / "tomoyo"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m tomoyo "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}


def completed(folder: Path, *words: str) -> set[str]:
    """What bash offers in FOLDER for the last of WORDS."""
    command = ["bash", "--norc", "-uc", f"{script('bash')}\n{_ASK}", "bash", "tomoyo", *words]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.splitlines())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my policy").mkdir()
    (tmp_path / "my file.conf").touch()
    (tmp_path / "other").touch()
    return tmp_path


def test_bash_completes_commands(folder: Path) -> None:
    assert completed(folder, "") == {*COMMANDS, "help"}
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
    assert completed(folder, "doctor", "") == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_can_read_it(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([program, "-n", "/dev/stdin"], input=script(shell), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


#: What each shell offers behind a line; where it is a set, all that it offers.
LINES: list[tuple[str, set[str] | list[str]]] = [
    ("tomoyo comp", {"compile", "completion"}),
    ("tomoyo help pla", {"plan"}),
    ("tomoyo man pla", {"plan"}),
    ("tomoyo check --kind e", {"exception"}),
    ("tomoyo activate --dry", {"--dry-run"}),
    ("tomoyo activate my", {"my policy"}),
    ("tomoyo lint --explain wrong-d", {"wrong-directory"}),
    ("tomoyo compile --library ngin", [*(f"nginx={state}" for state in STATES), "nginx"]),
    ("tomoyo can --op unl", {"unlink"}),
    ("tomoyo explain ", ["<kernel> nix:/notes/bin/notes", "<kernel> nix:/notes/bin/notes nix:/busybox/bin/cat"]),
    ("tomoyo can --path ", ["nix:/notes/share/notes/help", "nix:/busybox/bin/cat"]),
]
_ZSH = """\
autoload -Uz compinit; compinit -D -u
. ./script
compadd() { local -a offered; builtin compadd -O offered "$@"; print -rl -- $offered >> found; builtin compadd "$@" }
zle-line-init() { BUFFER=$LINE; CURSOR=$#BUFFER; zle complete-word; BUFFER=exit; zle accept-line }
zle -N zle-line-init
"""


@pytest.mark.parametrize(("line", "offered"), LINES)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completes(shell: str, line: str, offered: set[str] | list[str], folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (folder / "script").write_text(script(shell))
    shutil.copytree(SAMPLE / "policy", folder / "policy")
    (folder / "tomoyo.toml").write_text('source = "policy"')
    found = {"bash": bash, "zsh": zsh, "fish": fish}[shell](folder, line)
    assert set(offered) <= found
    assert found == offered or isinstance(offered, list)


def bash(folder: Path, line: str) -> set[str]:
    return completed(folder, *line.split(" ")[1:])


def fish(folder: Path, line: str) -> set[str]:
    command = ["fish", "-c", f"source script; complete -C '{line}'"]
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    return {re.sub(r"\\\\(.)", r"\1", found.split("\t")[0]).rstrip("/") for found in done.stdout.splitlines()}


def zsh(folder: Path, line: str) -> set[str]:
    """What zsh offers, with its editor on a terminal of its own."""
    (folder / ".zshrc").write_text(_ZSH)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execvpe("zsh", ["zsh", "-d", "-i"], {**environment(folder), "LINE": line, "ZDOTDIR": str(folder)})
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # so a terminal ends
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    found = folder / "found"
    return {word.replace("\\", "") for word in found.read_text().split("\n") if word} if found.exists() else set()


def test_bash_completes_what_has_a_colon_or_is_quoted(folder: Path) -> None:
    shutil.copytree(SAMPLE / "policy", folder / "policy")
    assert "/notes/share/notes/help" in completed(folder, "can", "--policy", "policy", "--path", "nix", ":", "/notes/s")
    assert "/notes/share/notes/help" in completed(folder, "can", "--policy", "policy", "--path", "nix", ":")
    cat = "<kernel> nix:/notes/bin/notes nix:/busybox/bin/cat"
    for word in ("'<kernel> nix:/notes/bin/notes ", '"<kernel> nix:/notes/bin/notes ', "\\<kernel\\>\\ nix:/notes/bin/notes\\ "):
        assert completed(folder, "explain", "--policy", "policy", word) == {cat}
    assert completed(folder, "compile", "--library", "nginx", "=", "enf") == {"enforce", "enforcing"}


def test_too_large_a_policy_is_not_read(folder: Path) -> None:
    (folder / "policy.conf").write_text("<kernel> /a\n" + "#\n" * policy_words.MOST)
    assert completed(folder, "explain", "--policy", "policy.conf", "") == set()


@pytest.mark.parametrize("arguments", [[], ["domains"], ["no-kind"], ["names", "no-file", "."]])
def test_completion_says_nothing_of_what_is_wrong(arguments: list[str]) -> None:
    done = tomoyo("--complete", *arguments)
    assert (done.status, done.messages) == (0, "")


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


#: Examples that ask for a kernel, a terminal or a program that need not be here; their arguments are parsed.
PARSED = {"activate", "doctor", "gc", "learn", "man", "mode", "notify", "ps", "query", "save", "status"}
#: Exit codes of examples whose answer is no.
ANSWERS = {"explain": 1, "plan": 1, "lint": 0, "replay": 0, "suggest": 0}


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: command.name)
def test_the_example_of_a_command_works(command: Command, tmp_path: Path) -> None:
    assert command.example, "no example"
    parser = command_parser(import_module(f"tomoyo.cli.commands.{command.name}"), command.name, command.purpose)
    if command.name in PARSED:
        program, name, *arguments = shlex.split(command.example[-1].partition(" | ")[0])
        assert (program, name) == ("tomoyo", command.name)
        parser.parse_args(arguments)
        return
    sample = tmp_path / "sample"
    shutil.copytree(SAMPLE, sample, symlinks=True)
    text = "\n".join(command.example)
    done = subprocess.run(
        ["bash", "-ec", text], cwd=sample, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == ANSWERS.get(command.name, 0), done.stderr
    assert "error" not in done.stderr


def test_help_ends_with_the_example() -> None:
    for command in commands():
        assert tomoyo(command.name, "--help").output.endswith("".join(f"  {line}\n" for line in command.example))


def test_the_overview_has_every_command_in_its_group() -> None:
    text = tomoyo("--help").output
    assert [text.count(f"\n  {name:<10} {purpose}\n") for name, purpose in COMMANDS.items()] == [1] * len(COMMANDS)
    assert [group for group in re.findall(r"^(.*):$", text, re.MULTILINE) if group in GROUPS] == list(GROUPS)
    assert tomoyo("help").output == text


def test_help_of_a_command() -> None:
    assert tomoyo("help", "check") == tomoyo("check", "--help")
    assert tomoyo("help", "chek") == tomoyo("chek")
    assert tomoyo("-V") == tomoyo("--version")


def test_every_command_has_a_manual_page(tmp_path: Path) -> None:
    done = tomoyo("man", "--write", tmp_path / "man8")
    assert (done.status, done.output, done.messages) == (0, "", "")
    written = {path.name: path.read_text() for path in (tmp_path / "man8").iterdir()}
    assert set(written) == {"tomoyo.8", *(f"tomoyo-{name}.8" for name in COMMANDS)}
    assert tomoyo("man").output == written["tomoyo.8"]
    for name in COMMANDS:
        page = tomoyo("man", name).output
        assert page == written[f"tomoyo-{name}.8"]
        assert ".SH EXAMPLE" in page


@pytest.mark.parametrize("page", ["man", *(f"man {name}" for name in COMMANDS)])
def test_groff_has_nothing_to_say_about_a_manual_page(page: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tutf8", "-ww", "-z"]
    text = tomoyo(*page.split(" ")).output
    # No line of text is taken for a request: those that begin so are requests of the macro package.
    requests = {line.split(" ")[0] for line in text.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi", ".RS", ".RE"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

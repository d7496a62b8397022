"""The command `demo`: its story, the sample that it writes, and the commands at its end, each of which is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tomoyo.cli import main
from tomoyo.cli.sample import GENERATIONS

from ..sample import SAMPLE, SYSTEM
from .command import tomoyo


def test_the_story_is_what_the_commands_answer(tmp_path: Path) -> None:
    printed = tomoyo("demo").output
    closure = ["--root", SYSTEM, "--closure-file", SYSTEM / "registration"]
    for generation in GENERATIONS:
        output = tmp_path / f"{generation.number}"
        assert tomoyo("compile", SAMPLE / "policy", "-o", output, *closure, "--closure", generation.link).status == 0
    for name, said in re.findall(r"^ +(\w+\.conf) +(same|differs)$", printed, re.MULTILINE):
        same = (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
        assert said == ("same" if same else "differs"), name
    shown = re.findall(r"generation ([12]): (granted|denied) +(file read \S+)$", printed, re.MULTILINE)
    assert [answer for _, answer, _ in shown] == ["denied"] * 4 + ["granted"] * 2
    for number, answer, request in shown:
        domain = "<kernel> nix:/notes/bin/notes nix:/busybox/bin/cat"
        found = tomoyo("explain", "--policy", tmp_path / number, domain, *request.split())
        assert found.output.startswith(answer)
    changed = re.findall(r"^   [-+] (.*)$", printed, re.MULTILINE)
    assert [line in (tmp_path / f"{number}/bindings.conf").read_text() for number, line in enumerate(changed, 1)] == [True, True]


def test_only_bindings_differ() -> None:
    result = json.loads(tomoyo("demo", "--json").output)["result"]
    assert result["changed"] == ["bindings"]
    assert len(result["answers"]) == 6


def test_the_commands_at_its_end_work(tmp_path: Path) -> None:
    commands = re.findall(r"^   \$ (.*)$", tomoyo("demo").output, re.MULTILINE)
    assert len(commands) == 6
    text = "\n".join(command.replace("python3", sys.executable) for command in commands)
    done = subprocess.run(["sh", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 1)
    assert "delete path_group nix:/notes/share/notes/help" in done.stdout
    assert "denied (enforcing mode)" in done.stdout


def test_an_installed_command_is_named_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tomoyo", "demo"])
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert "$ tomoyo demo --write sample" in printed
    assert "PYTHONPATH" not in printed


def test_the_sample_is_written_to_a_new_or_an_empty_directory(tmp_path: Path) -> None:
    assert tomoyo("demo", "--write", tmp_path / "a").status == 0
    (tmp_path / "c").mkdir()
    assert tomoyo("demo", "--write", tmp_path / "c").status == 0
    assert (tmp_path / "c/system/nix/var/nix/profiles/system-1-link/sw/bin/notes").read_text().startswith("#!/nix/store/")
    said = f"tomoyo: error: {tmp_path}/c: the directory is not empty [usage]\nhelp: give a new directory\n"
    again = tomoyo("demo", "--write", tmp_path / "c")
    assert (again.status, again.messages) == (2, said)
    (tmp_path / "file").touch()
    for path in ("file", "file/a", "none/a"):
        assert tomoyo("demo", "--write", tmp_path / path).status == 2

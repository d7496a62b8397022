"""One file that is the whole command, made as the README says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .documents import ROOT, fresh_copy
from .sample import SAMPLE

CLOSURE = ["--root", str(SAMPLE / "system"), "--closure-file", str(SAMPLE / "system" / "registration")]
CLOSURE += ["--closure", "/nix/var/nix/profiles/system-1-link"]
POLICY = "<kernel> /bin/sh\nuse_profile 0\n\nfile {} /tmp/x\n\n"


@pytest.fixture(scope="module")
def zipapp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the README's commands make."""
    found = re.search(r"^ *\$ (mkdir app .*\n) *\$ (python3 -m zipapp .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert found
    folder = tmp_path_factory.mktemp("zipapp")
    script = f"{found[1]}{found[2]}".replace("python3 -m", f"{shlex.quote(sys.executable)} -m")
    subprocess.run(["sh", "-e", "-c", script], cwd=fresh_copy(folder), check=True)
    return folder / "tomoyo" / "tomoyo.pyz"


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run PROGRAM with nothing of this repository on Python's path."""
    command = [sys.executable, "-I", str(program), *arguments]
    return subprocess.run(command, cwd=program.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--version"], 0), (["check", "good"], 0), (["check", "bad"], 1), (["check", "none"], 2), (["nonsense"], 2)],
)
def test_the_exit_code_is_the_commands(zipapp: Path, arguments: list[str], status: int) -> None:
    for name, operation in (("good", "read"), ("bad", "raed")):
        (zipapp.parent / name).write_text(POLICY.format(operation))
    done = run(zipapp, *arguments, *["--kind", "domain"] * (arguments[0] == "check"))
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr


def test_the_file_can_be_executed(zipapp: Path) -> None:
    assert zipapp.read_bytes().startswith(b"#!/usr/bin/env python3\n")
    assert zipapp.stat().st_mode & 0o100


def test_data_is_read_from_inside(zipapp: Path, tmp_path: Path) -> None:
    """The policy library and the loader of the boot: a set compiled with both is the one that the package compiles."""
    options = ["--library", "nginx=enforce", "--unresolved", "ignore", *CLOSURE]
    script = ["-c", "import sys; from tomoyo.cli import main; sys.exit(main())"]
    compiled = {}
    for name, program in (("zipapp", ["-I", str(zipapp)]), ("package", script)):
        command = [sys.executable, *program, "compile", str(SAMPLE / "policy"), "-o", str(tmp_path / name), *options]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        compiled[name] = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    assert compiled["zipapp"] == compiled["package"]
    assert b"nginx" in compiled["zipapp"]["domain_policy.conf"]

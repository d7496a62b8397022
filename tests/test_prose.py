"""Documents under the tools for prose, and the site that is made from them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .documents import ROOT, documents
from .wording import prose

#: Words that are no mistake: mistakes that examples show, terms, and a name in a rule.
SPELT = "raed,reed,ngnix,ist,deriver,covert,rendered,renderd"
#: What proselint finds in text for programs, or holds for a matter of taste.
TASTE = re.compile(r": (typography|lexical_illusions|misc\.preferred_forms)\b|'broken record'")


def run(program: str, *arguments: str | Path) -> str:
    """What a PROGRAM of this environment prints; the test is skipped without it, and fails where nothing may be skipped."""
    found = shutil.which(program, path=os.path.dirname(sys.executable))
    if not found:
        assert not os.environ.get("CI"), program
        pytest.skip(f"needs {program}")
    done = subprocess.run([found, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_words_are_spelt_right() -> None:
    assert run("codespell", "--skip", "*.svg,__pycache__", "-L", SPELT, "docs", "README.md", "tomoyo") == ""


def test_proselint_finds_nothing(tmp_path: Path) -> None:
    for path in documents():
        (tmp_path / path.relative_to(ROOT).as_posix().replace("/", "-")).write_text(prose(path.read_text()))
    found = [line for line in run("proselint", "check", tmp_path).splitlines() if ".md:" in line]
    assert [line.removeprefix(f"{tmp_path}/") for line in found if not TASTE.search(line)] == []


def test_the_site_can_be_built(tmp_path: Path) -> None:
    printed = run("mkdocs", "build", "--strict", "--quiet", "--config-file", "tests/site.yml", "--site-dir", tmp_path / "site")
    assert "WARNING" not in printed
    assert (tmp_path / "site" / "how-to" / "embed.html").exists(), printed

"""The documents for contributors: what they name is there."""

from __future__ import annotations

import re

import tomoyo
from tomoyo.model.kernel_versions import ASKED

from .documents import ROOT
from .pythons import PYTHONS

DOCS = ROOT / "docs"
GUIDE = (DOCS / "contributing.md").read_text()


def test_the_paths_in_the_guide_exist() -> None:
    paths = re.findall(r"`((?:tomoyo|tests)/[a-zA-Z0-9_./-]+)(?: [^`]*)?`", GUIDE)
    # The one that the example makes.
    assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
    assert len(set(paths)) > 25


def test_the_tables_in_the_guide_are_where_it_says() -> None:
    named = re.findall(r"`([A-Z][A-Za-z]+)`[^`]* in\s+`((?:tomoyo|tests)/[a-z_/]+\.py)`", GUIDE)
    assert {name for name, _ in named} == {"GROUPS", "Kind", "FUNCTIONALITIES", "RULES", "CASES"}
    for name, path in named:
        assert re.search(rf"^(class )?{name}\b", (ROOT / path).read_text(), re.MULTILINE), (name, path)


def test_the_changelog_has_this_version() -> None:
    newest = re.search(r"^## ([0-9.]+)", (DOCS / "changelog.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == tomoyo.__version__


def test_what_is_supported_is_what_is_tested() -> None:
    text = (DOCS / "security.md").read_text()
    rows = {
        name: re.findall(r"\b[0-9]+\.[0-9]+\b", value) for name, value in re.findall(r"^\| (\w+) \| (.*) \|$", text, re.MULTILINE)
    }
    assert rows["Linux"][: len(ASKED)] == [str(version) for version in ASKED]
    assert rows["Python"] == list(PYTHONS)
    listed = re.findall(r"Python :: (3\.[0-9]+)", (ROOT / "pyproject.toml").read_text())
    assert listed == list(PYTHONS)

"""Documents, help and messages speak as the project does: see `wording`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .documents import ROOT, documents
from .wording import find, prose

#: Made from docstrings and help.
GENERATED = ("api.md", "commands.md")
WRITTEN = [path for path in documents() if path.name not in GENERATED]
#: An option's description begins with these words by nixpkgs' convention.
DESCRIPTION = re.compile(r"(Whether|What)\b")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_a_document_speaks_plainly(path: Path) -> None:
    found = [each for each in find(prose(path.read_text())) if path.name != "options.md" or not DESCRIPTION.match(each.words)]
    assert [f"{name(path)}:{line}: {words!r}: {instead}" for line, words, instead in found] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The folder is there.", ["folder"]),
        ("a\n\nIt may not read,\nnor write.", ["nor"]),
        ("Whoever builds it may.", ["Whoever"]),
        ("What is not allowed is logged.", ["What is not allowed is logged."]),
        ("It is so. Who executes a program chooses them.", ["Who executes a program chooses them."]),
        ("What is allowed? See below.", []),
        ("The message says what is wrong.", []),
        ("You are told to wait.", []),
        ("The user is told of it.", ["is told", "told of"]),
        ("It is simply powerful.", ["simply", "powerful"]),
    ],
)
def test_a_phrase_is_found(text: str, words: list[str]) -> None:
    assert [found.words for found in find(text)] == words


def test_the_line_is_the_one_in_the_document() -> None:
    text = "# The folder\n\ntext\n```\na folder\n```\n\nIn `folder` and\na folder.\n\n| a | folder |\n"
    assert [found.line for found in find(prose(text))] == [9, 11]

"""What the strict reading refuses: where it stands, what is said about it, and what the kernel makes of the line.

`data/refusals/INTERFACE.txt` has a case a paragraph: the lines of a file, then for each error a line `! LINE:COLUMN EFFECT
'TEXT' MESSAGE (expected EXPECTED)`.  A file without errors has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tomoyo
from tests.interfaces import PARSE
from tomoyo.cli import main
from tomoyo.model.words import GroupReference, Quoted, Word, quoted
from tomoyo.syntax.lines import Effect

FOLDER = Path(__file__).parents[1] / "data" / "refusals"
#: Bytes that an editor would not show are written as in Python.
BYTE = re.compile(r"\\x([0-9a-f]{2})")


def test_a_message_shows_a_word_as_policy_has_it() -> None:
    assert quoted("/x\\y") == r"'/x\y'"
    assert quoted(r"/a\\b\*\001") == r"'/a\\b\*\001'"
    assert quoted("/\x1b[2J\n\xe9\u20ac\udcff") == r"'/\033[2J\012\351\342\202\254\377'"
    assert (quoted(7), quoted(None)) == ("7", "None")
    for make in (Word, Quoted, GroupReference, tomoyo.DomainName):
        with pytest.raises(ValueError, match=r"unknown escape|begins with a namespace") as caught:
            make(r"/x\y")
        assert r"'/x\y'" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["audit", "--mode", r"x\y"], ["audit", "--profile", r"x\y"], ["audit", "--operation", r"x\y"]),
        *(["audit", "--path", r"/x\y"], ["fmt", "--kind", r"x\y"], ["fmt", "--as-kernel", "--kernel", r"x\y"]),
        *(["check", r"x\y"], [r"x\y"], ["lint", r"x\y"], ["convert", "--keep", r"x\y", "/dev/null"], ["suggest", r"x\y"]),
    ],
)
def test_a_command_shows_what_was_given(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status: object = main(arguments)
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    shown = capsys.readouterr().err
    assert r"x\y" in shown
    assert r"x\\y" not in shown


def cases() -> Iterator[tuple[str, str, list[str]]]:
    for path in sorted(FOLDER.glob("*.txt")):
        for paragraph in path.read_text("ascii").strip("\n").split("\n\n"):
            lines = paragraph.split("\n")
            text = "".join(f"{line}\n" for line in lines if not line.startswith("! "))
            expected = [line[2:] for line in lines if line.startswith("! ")]
            yield path.stem, BYTE.sub(lambda found: chr(int(found[1], 16)), text), expected


CASES = list(cases())


@pytest.mark.parametrize(("interface", "text", "expected"), CASES)
def test_refused_with_place_and_reason(interface: str, text: str, expected: list[str]) -> None:
    errors: list[tomoyo.PolicySyntaxError] = []
    PARSE[interface](text, report=errors.append)
    found = [f"{error.line}:{error.column} {error.effect.name} {error.explanation}" for error in errors]
    assert found == expected


@pytest.mark.parametrize(("interface", "text", "expected"), CASES)
def test_the_first_is_raised_without_a_report(interface: str, text: str, expected: list[str]) -> None:
    if not expected:
        PARSE[interface](text)
        return
    with pytest.raises(tomoyo.PolicySyntaxError) as caught:
        PARSE[interface](text, file="policy.conf")
    error = caught.value
    assert str(error) == f"policy.conf:{error.line}:{error.column}: {error.explanation}"
    assert f"{error.line}:{error.column} {error.effect.name} {error.explanation}" == expected[0]
    # The place is within the offending text, at the character that is at fault.
    line = text.split("\n")[error.line - 1]
    start = line.find(error.text)
    assert start >= 0
    assert start <= error.column - 1 <= start + len(error.text) or error.text in line[error.column - 1 :]


def test_every_effect_but_a_comment_occurs() -> None:
    found = {error.split(" ")[1] for _, _, expected in CASES for error in expected}
    assert found == {effect.name for effect in Effect} - {"COMMENT"}

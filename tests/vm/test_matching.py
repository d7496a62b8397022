"""Matching against a real kernel: the same questions to both, no difference allowed.

A difference found becomes a line in
`tests/data/decision/patterns`.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from tests.seeds import rounds
from tomoyo.decision.matching import matches
from tomoyo.model.words import constant_length, encode, is_word

from . import machine
from .fixtures import kernel, kernel_release
from .jobs.patterns import raw
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

PATTERNS = Path(__file__).parents[1] / "data" / "decision" / "patterns"
WORDS = rounds(8_000)
MEMBERS = rounds(2_000)
NAME_LENGTH = 107
"""Bytes that the name of a socket can have."""

PIECES = ("a", "b", "1", "f", ".", "-", "z", "/", "/", "/", "\\\\", "\\040", "\\001", "\\377")
ESCAPES = ("\\*", "\\*", "\\@", "\\?", "\\$", "\\+", "\\X", "\\x", "\\A", "\\a", "\\-", "\\-")
REPEATED = ("/\\{\\*\\}/", "/\\{a\\}/", "/\\{\\*\\-a\\}/", "/\\{\\$\\}/")
BROKEN = ("\\z", "\\", "\\04", "\\101", "\\057", "\\{", "\\}", "/\\{", "\\}/", "\\9", "\\456")
#: What a name may have where a pattern has an escape.
MET = {
    "\\*": ("", "a", "ab", ".", "a.b", "\\040", "\\\\", "1"),
    "\\@": ("", "a", "ab", ".", "\\001", "1"),
    "\\?": ("a", ".", "\\\\", "\\040", "", "/"),
    "\\$": ("1", "12", "90", "", "a"),
    "\\+": ("1", "12", "", "a"),
    "\\X": ("1", "aF", "fff", "", "g"),
    "\\x": ("1", "F", "g", ""),
    "\\A": ("a", "abz", "", "1"),
    "\\a": ("Z", "a", "1", ""),
}
_PIECE = re.compile(r"/\\\{.*?\\\}/|\\[0-7]{3}|\\.|.|\\")


def question(draw: random.Random, unusual: tuple[str, ...]) -> tuple[str, str]:
    """A pattern, and a name that may match it."""
    pieces = [
        draw.choice((*unusual, *REPEATED) if roll < 0.08 else ESCAPES if roll < 0.5 else PIECES)
        for roll in (draw.random() for _ in range(draw.randint(1, draw.choice((4, 8, 14)))))
    ]
    pattern = "/" * (draw.random() < 0.7) + "".join(pieces)
    name = "".join(draw.choice(PIECES) if draw.random() < 0.04 else met(draw, piece) for piece in _PIECE.findall(pattern))
    if draw.random() < 0.1:
        name += draw.choice(PIECES)
    return pattern, encode(raw(name)[:NAME_LENGTH] or b"/")


def met(draw: random.Random, piece: str) -> str:
    """Something that PIECE of a pattern may match."""
    if piece == "\\-":  # leaves the rest to chance, else an excluded part would always be in the name
        return draw.choice(("", "a"))
    if piece.startswith("/\\{"):
        component = draw.choice(("a", "b", "1", "a.b"))
        return "/" + "".join(f"{component}/" for _ in range(draw.choice((0, 1, 1, 2, 3))))
    if piece in MET:
        return draw.choice(MET[piece])
    return piece if is_word(piece) and constant_length(piece) == len(piece) else ""


def ask(kernel: Kernel, questions: list[tuple[str, str]], *arguments: str) -> list[bool]:
    """The kernel's answers."""
    files = {"questions.json": json.dumps(questions).encode()}
    result = machine.run(kernel, "patterns", files=files, arguments=arguments)
    answers: list[bool] = json.loads(result.files["answers.json"])
    return answers


def differences(questions: list[tuple[str, str]], real: list[bool], ours: list[bool]) -> list[tuple[str, str, bool]]:
    """Where the kernel's answer is another, with that answer; fails where either says hardly ever yes."""
    assert len(real) == len(ours) == len(questions)
    assert len(questions) / 10 < sum(real) < len(questions) * 9 / 10
    return [(*asked, answer) for asked, answer, own in zip(questions, real, ours) if answer is not own]


def test_words_as_patterns(kernel: Kernel, draw: random.Random) -> None:
    questions = [question(draw, ()) for _ in range(WORDS)]
    ours = [is_word(pattern) and matches(pattern, name) for pattern, name in questions]
    assert differences(questions, ask(kernel, questions), ours) == []


def test_recorded_cases(kernel: Kernel) -> None:
    cases = [line.split() for line in PATTERNS.read_text("ascii").splitlines() if not line.startswith("#")]
    answers = ask(kernel, [(pattern, name) for pattern, name, _ in cases], "members")
    assert answers == [answer == "yes" for _, _, answer in cases]


def test_members_of_a_path_group(kernel: Kernel, draw: random.Random) -> None:
    questions = [question(draw, BROKEN) for _ in range(MEMBERS)]
    ours = [matches(pattern, name) for pattern, name in questions]
    assert differences(questions, ask(kernel, questions, "members"), ours) == []

"""Entries put into the text of a policy, and the diff that says so."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tomoyo.suggestion.insertions import find_insertions, insert_lines, unified_diff
from tomoyo.syntax.domain_policy import parse_domain_policy

TEXT = """\
# mine
<kernel>
use_profile 1

file read /a
# behind

<kernel> /bin/sh
use_profile 2
"""


def test_what_is_there_stays() -> None:
    added = parse_domain_policy("<kernel>\nfile read /a\nfile read /b\n<kernel> /x\nuse_profile 3\n\nfile read /c\n")
    assert insert_lines(TEXT, find_insertions(TEXT, added)) == (
        TEXT.replace("# behind\n", "# behind\nfile read /b\n") + "\n<kernel> /x\nuse_profile 3\n\nfile read /c\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# of a\n\n<kernel> /b\n", "# of a\nfile read /n\n\n<kernel> /b\n"),
        ("# of b\n<kernel> /b\n", "file read /n\n# of b\n<kernel> /b\n"),
        ("\n# of b\n\n# of b, too\n<kernel> /b\n", "file read /n\n\n# of b\n\n# of b, too\n<kernel> /b\n"),
        ("# of a\n", "# of a\nfile read /n\n"),
        ("\n# of all\n", "file read /n\n\n# of all\n"),
        ("# gr\xc3\xb6\xc3\x9fe\n\n", "# gr\xc3\xb6\xc3\x9fe\nfile read /n\n\n"),
    ],
)
def test_comments_stay_with_what_they_are_about(before: str, after: str) -> None:
    text = "<kernel> /a\nuse_profile 1\n\n# first\nfile read/write /x\n"
    added = parse_domain_policy("<kernel> /a\nfile read /x\nfile read /n\n")
    assert insert_lines(text + before, find_insertions(text + before, added)) == text + after


def test_nothing_to_add() -> None:
    assert find_insertions(TEXT, parse_domain_policy("<kernel>\nfile read /a\n")) == []
    assert list(unified_diff(TEXT, [], "x")) == []


def test_what_is_deleted_or_selected_takes_nothing() -> None:
    text = "<kernel>\nuse_profile 1\nselect pid=1\ndelete <kernel> /x\n"
    found = insert_lines(text, find_insertions(text, parse_domain_policy("<kernel>\nfile read /b\n")))
    assert found == "<kernel>\nuse_profile 1\nfile read /b\nselect pid=1\ndelete <kernel> /x\n"


def random_policy(rng: random.Random) -> str:
    text = ""
    for _ in range(rng.randrange(6)):
        text += f"<kernel> /d{rng.randrange(6)}\nuse_profile 1\n" + "\n" * rng.randrange(3)
        text += "".join(f"file read /{rng.randrange(9)}\n" for _ in range(rng.randrange(9)))
    return text


@pytest.mark.skipif(shutil.which("patch") is None and "CI" not in os.environ, reason="no patch")
def test_the_diff_makes_the_same(tmp_path: Path, draw: random.Random) -> None:
    for _ in range(60):
        text, more = random_policy(draw), random_policy(draw)
        added = parse_domain_policy(more)
        insertions = find_insertions(text, added)
        made = insert_lines(text, insertions)
        # A kernel holds the same as if it had been given both; who was there keeps its profile.
        wanted = {domain.name: set(domain.entries) for domain in parse_domain_policy(text).merged(added)}
        assert {domain.name: set(domain.entries) for domain in parse_domain_policy(made)} == wanted
        diff = "".join(unified_diff(text, insertions, "policy"))
        if diff:
            (tmp_path / "policy").write_text(text)
            subprocess.run(["patch", "-s", "-F0", "policy"], cwd=tmp_path, input=diff, text=True, check=True)
            assert (tmp_path / "policy").read_text() == made


def test_a_line_that_a_kernel_drops_is_not_brought_to_life() -> None:
    with pytest.raises(ValueError, match="has no newline"):
        find_insertions("<kernel>\nfile read /a", parse_domain_policy("<kernel>\nfile read /b\n"))

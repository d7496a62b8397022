"""Comments and groups of lines in a text that is formatted: kept, where they belong, and nothing to a kernel."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.generate import Generator
from tests.seeds import rounds
from tomoyo.analysis.sorting import sort_domain_policy, sort_exception_policy, sort_managers
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.formatting import (
    format_domain_policy,
    format_exception_policy,
    format_manager,
    format_profile,
    format_stat,
)
from tomoyo.syntax.lines import PolicySyntaxError
from tomoyo.syntax.managers import parse_manager
from tomoyo.syntax.policy_text import Comment, Located, PolicyText, TextKind, format_text, read_lines
from tomoyo.syntax.profiles import parse_profile
from tomoyo.syntax.stat import parse_stat
from tomoyo.syntax.statements import SetManager

Parse = Callable[..., Any]
KINDS: dict[TextKind, tuple[str, Parse, Callable[[Any], Any], Callable[[Any], str]]] = {
    TextKind.DOMAIN: ("domain_policy", parse_domain_policy, sort_domain_policy, format_domain_policy),
    TextKind.EXCEPTION: ("exception_policy", parse_exception_policy, sort_exception_policy, format_exception_policy),
    TextKind.PROFILE: ("profile", parse_profile, lambda policy: policy, format_profile),
    TextKind.MANAGER: ("manager", parse_manager, sort_managers, format_manager),
    TextKind.STAT: ("stat", parse_stat, lambda policy: policy, format_stat),
}


def formatted(kind: TextKind, text: str, *, ordered: bool = False) -> str:
    _, parse, sort, write = KINDS[kind]
    policy = parse(text)
    return format_text(PolicyText(kind, "test", text), write(sort(policy) if ordered else policy), groups=not ordered)


def comments(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("#")]


def held(interface: str, text: str) -> str:
    kernel = SimulatedKernel()
    kernel.write(interface, text)
    # The counters count lines, whatever they say.
    return kernel.read(interface) if interface != "stat" else str(kernel.stat().settings())


def valid_lines(kind: TextKind, draw: random.Random) -> list[str]:
    """Lines that a strict reader takes, many of which merge with others."""
    interface, parse, _, _ = KINDS[kind]
    generator = Generator(draw.randrange(2**32))
    lines = [generator.line(interface).replace("\n", " ") for _ in range(60)]
    if kind is TextKind.DOMAIN:
        lines.insert(0, "<kernel>")
        lines += [f"file {draw.choice(('read', 'write'))} /{draw.choice('abc')}" for _ in range(30)]
        lines += ["<kernel> /a", "<kernel>", *(f"use_group {number}" for number in (2, 1))] * 2
        lines[1:] = draw.sample(lines[1:], len(lines) - 1)
    while True:
        errors: list[PolicySyntaxError] = []
        parse("".join(f"{line}\n" for line in lines), report=errors.append)
        wrong = {error.line for error in errors}
        if not wrong:
            return [line for line in lines if not line.lstrip().startswith("#")]
        lines = [line for number, line in enumerate(lines, 1) if number not in wrong]


def commented(lines: list[str], draw: random.Random) -> str:
    made: list[str] = []
    for line in [*lines, ""]:
        while draw.random() < 0.4:
            some = f"# {len(made)}", f"  # \xc3\xa0 {len(made)}\t<kernel> /x", f"#{len(made)} file read /x"
            made.append(draw.choice(("", "", " ", *some)))
        made.append(line)
    return "".join(f"{line}\n" for line in made)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.lower())
@pytest.mark.parametrize("ordered", [False, True], ids=["as-written", "sorted"])
def test_formatting_is_idempotent_keeps_all_comments_and_what_a_kernel_holds(
    kind: TextKind, ordered: bool, draw: random.Random
) -> None:
    interface = KINDS[kind][0]
    for _ in range(rounds(150)):
        text = commented(valid_lines(kind, draw), draw)
        if kind is TextKind.MANAGER:
            # There a word that begins so is a manager.
            text = "".join(f"{line}\n" for line in text.split("\n")[:-1] if " " in line or not line.startswith("#"))
        made = formatted(kind, text, ordered=ordered)
        assert formatted(kind, made, ordered=ordered) == made, text
        assert sorted(comments(made)) == sorted(line.strip(" ") for line in text.split("\n") if line.lstrip(" ").startswith("#"))
        without = "".join(f"{line}\n" for line in made.split("\n") if not line.startswith("#"))
        assert held(interface, made) == held(interface, without)
        if not ordered:
            assert held(interface, made) == held(interface, text), text
        assert "\n\n\n\n" not in made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.lower())
def test_comments_of_canonical_text_stay_where_they_are(kind: TextKind, draw: random.Random) -> None:
    """Before each line, however many; and behind the last line of a domain, if a blank line follows."""
    for _ in range(rounds(50)):
        text = formatted(kind, "".join(f"{line}\n" for line in valid_lines(kind, draw)))
        made: list[str] = []
        for number, line in enumerate(text.split("\n")[:-1]):
            if line and draw.random() < 0.4:
                made.append(f"# {number}")
            made.append(line)
        written = "".join(f"{line}\n" for line in made)
        assert formatted(kind, written) == written


def test_each_comment_keeps_its_place() -> None:
    text = """\
# The policy of a.

# What a is for.
<kernel> /a
# It serves.
use_profile 3
# Second.
use_group 2
# First.
use_group 1
# Libraries.
file write/read /lib/a
file read /lib/b


# Certificates.
file read /lib/a
file read /cert

file read /late
# The end of a.

# What b is for.
<kernel> /b
use_profile 1
# Nothing yet.

<kernel> /a
# One more.
file append /lib/a

# The end.
"""
    assert (
        formatted(TextKind.DOMAIN, text)
        == """\
# The policy of a.

# What a is for.
<kernel> /a
# It serves.
use_profile 3
# First.
use_group 1
# Second.
use_group 2

# Libraries.
# One more.
file read/write/append /lib/a
file read /lib/b

# Certificates.
file read /cert

file read /late
# The end of a.

# What b is for.
<kernel> /b
use_profile 1
# Nothing yet.


# The end.
"""
    )


def test_a_text_of_comments_alone() -> None:
    assert formatted(TextKind.DOMAIN, "\n# a\n\n\n  # b \n") == "# a\n\n# b\n"


def test_lines_of_exception_policy_take_their_comments_along() -> None:
    text = "# g\npath_group g /a\n\n# k\nkeep_domain any from any\n# h\npath_group g /b\n# end\n"
    made = "# k\nkeep_domain any from any\n\n# g\npath_group g /a\n\n# h\npath_group g /b\n# end\n"
    assert formatted(TextKind.EXCEPTION, text) == made


def test_a_report_loses_nothing() -> None:
    text = "# now\nPolicy update:          3\n"
    made = formatted(TextKind.STAT, text)
    assert "Policy update:" in made
    assert "# now" in made


def test_a_word_of_a_manager_list_is_no_comment() -> None:
    """The kernel drops a line of several words, and takes a program that is called so."""
    lines = list(read_lines(PolicyText(TextKind.MANAGER, "m", "# a b\n#a\n/b\n")))
    assert [type(placed.value) for placed in lines] == [Comment, SetManager, SetManager]


@pytest.mark.parametrize(
    ("raw", "word", "column"),
    [
        ("file read /ab /a", "/a", 15),
        ("  file\tread  /a", "/a", 14),
        ("file read /x exec.realpath=@g", "@g", 28),
        ('file read /x exec.realpath="/a"', "/a", 29),
        ("file read /abc", "/a", 11),
        ("\tfile read /a", "/b", 2),
        ("\tfile read /a", "", 2),
        ("/a\xff/b", "/b", 4),
    ],
)
def test_the_column_of_a_word(raw: str, word: str, column: int) -> None:
    placed = Located(None, PolicyText(TextKind.DOMAIN, "d", raw), 7, raw)
    assert placed.column(word) == column
    assert (placed.where(word).file, placed.where(word).line, placed.where(word).column) == ("d", 7, column)


def lines_of_every_kind(kind: TextKind, draw: random.Random) -> list[str]:
    """Canonical lines of KIND, each once, in an order that formatting changes."""
    if kind is TextKind.EXCEPTION:
        kinds = ("keep_domain /{} from any", "path_group g /{}", "aggregator /{} /x", "acl_group 1 file read /{}")
        return draw.sample([what.format(name) for what in kinds for name in "abc"], draw.randrange(2, 13))
    lines: list[str] = []
    for domain in draw.sample(("<kernel>", "<kernel> /a", "<kernel> /b"), draw.randrange(1, 4)):
        entries = [what.format(name) for what in ("file read /{}", "file mkdir /{} 0755", "misc env {}") for name in "abc"]
        own = ["use_profile 1", "use_group 1", "use_group 2", "quota_exceeded", *draw.sample(entries, 5)]
        lines += [domain, *draw.sample(own, len(own))]
    return lines


def groups_of(text: str) -> dict[tuple[str, str], int]:
    """The group of each line of TEXT, with its domain: a blank line between two entries begins another."""
    found: dict[tuple[str, str], int] = {}
    domain, number, begun, spaced = "", 0, False, False
    for line in text.split("\n"):
        if line.startswith("<"):
            domain, begun, spaced = line, False, False
        elif not line:
            spaced = begun
        elif not line.startswith(("#", "use_", "quota_")):
            number, begun, spaced = number + spaced, True, False
            found[domain, line] = number
    return found


@pytest.mark.parametrize("noted", [False, True], ids=["blank-lines", "comments-too"])
@pytest.mark.parametrize("kind", [TextKind.DOMAIN, TextKind.EXCEPTION], ids=lambda kind: kind.name.lower())
def test_groups_stay_apart_where_formatting_changes_the_order(kind: TextKind, noted: bool, draw: random.Random) -> None:
    parse = KINDS[kind][1]
    for _ in range(rounds(300)):
        made: list[str] = []
        for line in lines_of_every_kind(kind, draw):
            while draw.random() < 0.3:
                made.append(draw.choice(("", f"# {len(made)}")) if noted else "")
            made.append(line)
        text = "".join(f"{line}\n" for line in made)
        result = formatted(kind, text)
        assert parse(result) == parse(text)
        assert formatted(kind, result) == result
        assert sorted(comments(result)) == sorted(comments(text))
        before, after = groups_of(text), groups_of(result)
        assert before.keys() == after.keys()
        for one, other in zip(after, [*after][1:]):
            if one[0] == other[0]:
                apart = before[one] != before[other]
                # A comment that a blank line parts from its line stays so.
                assert after[one] != after[other] if apart else noted or after[one] == after[other], (text, result)

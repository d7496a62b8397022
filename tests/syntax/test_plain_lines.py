"""The lines that most are, which have a reader of their own: it reads what the others would."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.seeds import rounds
from tomoyo.model.entries import Entry, Kind
from tomoyo.model.words import is_word
from tomoyo.syntax.arguments import read_name, read_number_or_group
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.entries import read_plain_entry
from tomoyo.syntax.lines import PolicySyntaxError, Reading, normalise, read_line

OPERATIONS = sorted({operation for kind in Kind for operation in kind.operations} | {"read/write", "create/mkdir", "exec"})
NAMES = st.text(st.sampled_from("/ab.@*-\\ \t\x7f\xe9\n="), max_size=6).map(lambda text: f"/{text}") | st.sampled_from(
    ["@G", "x", ""]
)
NUMBERS = st.sampled_from(["0", "0644", "00644", "0x1F", "1-3", "3-1", "1x", "08", "@N", "9" * 20, "1 task.uid=0", ""])


@settings(max_examples=rounds(300))
@given(st.sampled_from(OPERATIONS), NAMES, st.none() | NUMBERS)
def test_a_plain_line_is_read_as_any_other(operation: str, name: str, number: str | None) -> None:
    text = f"file {operation} {name}" if number is None else f"file {operation} {name} {number}"
    found = read_plain_entry(text)
    if found is None:
        return
    assert normalise(text) == text
    assert is_word(name)
    assert (found.condition, "/".join(found.operations)) == (None, operation)
    argument, problems = read_line(name, lambda line: read_name(line, ""))
    values = [argument]
    if number is not None:
        value, more = read_line(number, lambda line: read_number_or_group(line, ""))
        values.append(value)
        problems = (*problems, *more)
    assert not problems
    assert found.arguments == tuple(values)
    built = Entry(found.kind, found.operations, found.arguments)
    assert (found, found.text, found.subject, hash(found)) == (built, built.text, built.subject, hash(built))


def test_runs_of_entries_are_what_their_lines_are(draw: random.Random) -> None:
    """A text is applied by runs between blank lines; an iterable of its lines is not."""
    lines = [
        *("", "", "<kernel> /bin/a", "<kernel> /bin/b", "<kernel> relative", "use_profile 3", "use_group 1", "quota_exceeded"),
        *(
            "file read /x",
            "file write /x",
            "file write/read /x",
            "file read /y task.uid=0",
            "file execute @G",
            "file create /x 0600",
        ),
        *(
            "file read  /z",
            "file raed /x",
            "# comment",
            "delete file read /x",
            "select <kernel> /bin/a",
            "misc env HOME",
            "\x00x",
        ),
    ]
    for _ in range(rounds(2000)):
        text = "\n".join(draw.choices(lines, k=draw.randrange(2, 20)))
        for reading in Reading:
            told: tuple[list[PolicySyntaxError], list[PolicySyntaxError]] = ([], [])
            whole = parse_domain_policy(text, reading=reading, report=told[0].append)
            pieces = [f"{line}\n" for line in text.split("\n")[:-1]] + [text.rpartition("\n")[2]]
            each = parse_domain_policy(pieces, reading=reading, report=told[1].append)
            assert whole == each
            assert list(map(str, told[0])) == list(map(str, told[1]))

"""Asks the kernel whether patterns match names.

`questions.json` is a list of `[pattern, name]`, both as the kernel writes words; `answers.json` has a boolean for each. A pattern
that the kernel refuses matches nothing. The question is put as permission to connect to a unix socket of that name, which needs
no such socket but limits a name to 107 bytes. Names of abstract sockets start with `\\000`. With the argument `members` each
pattern is asked as the member of a path group, which the kernel does not check.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from tests.vm import guest

PROFILE = (
    guest.PROFILES
    + b"""\
4-CONFIG={ mode=disabled grant_log=no reject_log=no }
4-CONFIG::network::unix_stream_connect={ mode=enforcing grant_log=no reject_log=no }
"""
)


BATCH = 100
"""Patterns per open file. Closing it starts the kernel's garbage collector, and uncollected entries slow down the search."""


def answers(questions: list[tuple[str, str]], interface: str, entry: str) -> list[bool]:
    """Ask each question, all with the same pattern in one go; ENTRY, written to INTERFACE, takes the pattern."""
    places: dict[str, list[int]] = {}
    for place, (pattern, _) in enumerate(questions):
        places.setdefault(pattern, []).append(place)
    found = [False] * len(questions)

    def pieces(patterns: list[str]) -> Iterator[bytes]:
        for pattern in patterns:
            line = f"{entry} {pattern}\n".encode("latin-1")
            yield b"<kernel>\n" * (interface == "domain_policy") + line
            for place in places[pattern]:
                found[place] = guest.connect_unix(raw(questions[place][1]))
            yield b"delete " + line

    patterns = list(places)
    for start in range(0, len(patterns), BATCH):
        guest.write_pieces(interface, pieces(patterns[start : start + BATCH]))
    return found


def raw(word: str) -> bytes:
    """The bytes that the kernel writes as `word`: a backslash doubled, others as three octal digits."""
    head, *parts = word.encode("ascii").split(b"\\")
    result = head
    escaped = iter(parts)
    for part in escaped:
        result += bytes([int(part[:3], 8)]) + part[3:] if part else b"\\" + next(escaped, b"")
    return result


if __name__ == "__main__":
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", b"<kernel>\nuse_profile 4\n")
    with open("questions.json", encoding="utf-8") as file:
        script = json.load(file)
    with open("answers.json", "w", encoding="ascii") as result:
        if sys.argv[1:] == ["members"]:
            guest.write("domain_policy", b"<kernel>\nnetwork unix stream connect @g\n")
            json.dump(answers(script, "exception_policy", "path_group g"), result)
        else:
            json.dump(answers(script, "domain_policy", "network unix stream connect"), result)

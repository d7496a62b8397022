"""Asks the interface files whatever `script.json` says, so that a test can pose any sequence in one boot.

The script is a list of steps; `answers.json` has one answer per step. Text stands for bytes, as Latin-1.

    ["write", FILE, TEXT]           one open, one write          null, or the name of the error, such as "EPERM"
    ["write_lines", FILE, [TEXT]]   one open, a write per text   the same
    ["read", FILE]                                               what the file holds
    ["select", FILE, COMMAND]       both on one descriptor       what the file holds after that command
    ["settle"]                      see guest.settle             null
    ["activate"]                    see guest.activate           null
    ["activate", PROFILE]           with another profile text    null
"""

from __future__ import annotations

import errno
import json

from tests.vm import guest


def answer(step: list[object]) -> str | None:
    """Take one step."""
    match step:
        case ["write", str(name), str(text)]:
            guest.write(name, text.encode("latin-1"))
        case ["write_lines", str(name), [*texts]]:
            guest.write_pieces(name, [str(text).encode("latin-1") for text in texts])
        case ["read", str(name)]:
            return guest.read(name).decode("latin-1")
        case ["select", str(name), str(command)]:
            return guest.write_and_read(name, command.encode("latin-1")).decode("latin-1")
        case ["settle"]:
            guest.settle()
        case ["activate"]:
            guest.activate()
        case ["activate", str(profile)]:
            guest.activate(profile=profile.encode("latin-1"))
        case _:
            raise ValueError(f"no such step: {step}")
    return None


def answers(script: list[list[object]]) -> list[str | None]:
    """Take every step; an error of the kernel is an answer, too."""
    found: list[str | None] = []
    for step in script:
        try:
            found.append(answer(step))
        except OSError as error:
            found.append(errno.errorcode[error.errno or 0])
    return found


if __name__ == "__main__":
    with open("script.json", encoding="ascii") as questions:
        script = json.load(questions)
    with open("answers.json", "w", encoding="ascii") as result:
        json.dump(answers(script), result)

"""A real systemd as oracle: what it makes of unit files, as it prints it in its test mode, which starts nothing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NOBODY = 65534
#: As newer versions draw it, in UTF-8, each byte one character.
ARROW = "(?:->|\xe2\x86\x92)"
PLACES = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")


@dataclass(frozen=True)
class Shown:
    """A unit as systemd prints it: each field with its values, and each command setting with its command lines."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    commands: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def state(self) -> str:
        return self.fields["Unit Load State"][0]


def command() -> list[str]:
    """The command that runs systemd; empty where it is not installed.

    TOMOYO_TEST_SYSTEMD names another than the machine's own, one that is no longer root itself.
    """
    chosen = os.environ.get("TOMOYO_TEST_SYSTEMD", "").split()
    return chosen or [path for path in PLACES if os.path.exists(path)][:1]


def show(directories: Sequence[Path], names: Iterable[str]) -> dict[str, Shown]:
    """What systemd has read of the units NAMES in DIRECTORIES, of which the first count first, by each unit's own name."""
    last = directories[-1]
    (last / "all.target").write_text("[Unit]\nDefaultDependencies=no\n" + "".join(f"Wants={name}\n" for name in names))
    variables = {
        "SYSTEMD_UNIT_PATH": ":".join(map(str, directories)),
        "SYSTEMD_LOG_TARGET": "console",
        "LC_ALL": "C",
        "HOME": "/root",
    }
    root = not os.geteuid() and "TOMOYO_TEST_SYSTEMD" not in os.environ
    done = subprocess.run(
        [*command(), "--test", "--system", "--unit=all.target"],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}),
    )
    (last / "all.target").unlink()
    text = done.stdout.decode("latin-1")
    assert " By units:" in text, text
    return dict(map(_unit, re.split(rf"^\t{ARROW} Unit ", text.partition(" By units:")[2], flags=re.MULTILINE)[1:]))


def _unit(text: str) -> tuple[str, Shown]:
    name, *lines = text.split("\n")
    shown = Shown()
    key = ""
    for line in lines:
        heading = re.fullmatch(rf"\t\t{ARROW} (.*):", line)
        if heading:
            key = heading[1]
        elif line.startswith("\t\t\tCommand Line: "):
            shown.commands.setdefault(key, []).append(_arguments(line[17:]))
        elif line.startswith("\t\t"):
            label, _, value = line.strip("\t").partition(": ")
            shown.fields.setdefault(label.rstrip(":"), []).append(value)
    return name.rstrip(":"), shown


def _arguments(text: str) -> list[str]:
    """The arguments of a command line as it is printed: quoted where they must be."""
    quoted = r'"((?:[^"\\]|\\.)*)"|(\S+)'
    return [found[2] if found[2] is not None else _plain(found[1]) for found in re.finditer(quoted, text)]


def _plain(text: str) -> str:
    names = {**dict(zip("abfnrtv", "\a\b\f\n\r\t\v")), "s": " "}
    escape = r"\\(?:([0-7]{3})|x([0-9a-f]{2})|(.))"
    return re.sub(escape, lambda m: chr(int(m[1], 8)) if m[1] else chr(int(m[2], 16)) if m[2] else names.get(m[3], m[3]), text)

"""Print a manual page: that of COMMAND, or the one that lists the commands.

With --write all pages go to a directory, tomoyo.8 and one tomoyo-COMMAND.8 for
each command, as packages need them.

Example:

  tomoyo man check | man -l -
"""

from __future__ import annotations

import argparse
import os
import sys

from .. import COMMANDS, GROUPS
from ..options import EXAMPLE, set_result, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..reference import Command

_ESCAPED = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", '"': r"\(dq", "^": r"\(ha", "~": r"\(ti"})
_EXIT_STATUS = ("Fine.", "The answer is no.", "Unusable input or arguments.", "The kernel or the system refused.")
_FILES = {
    "/sys/kernel/security/tomoyo": "The kernel's interface.",
    "/var/lib/tomoyo/current": "A link to the policy set in force.",
    "tomoyo.toml": "Defaults for the commands that are run in its directory or below.",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("command", nargs="?", metavar="COMMAND", choices=[*COMMANDS], help="the command whose page is printed")
    parser.add_argument("--write", metavar="DIR", help="write all pages to this directory, which is made if it is not there")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.write is not None:
        found = pages()
        os.makedirs(arguments.write, exist_ok=True)
        for name, text in found.items():
            write_file(os.path.join(arguments.write, name), text)
        if arguments.json:
            set_result({"pages": [*found]})
        return 0
    page = pages()[f"tomoyo-{arguments.command}.8" if arguments.command else "tomoyo.8"]
    set_result({"page": page}) if arguments.json else sys.stdout.write(page)
    return 0


def pages() -> dict[str, str]:
    """All pages in the language of man(7), by the names of their files."""
    from ..reference import commands

    return {"tomoyo.8": _overview(), **{f"tomoyo-{command.name}.8": _page(command) for command in commands()}}


def _overview() -> str:
    lines = [
        *_head("tomoyo", "work with TOMOYO Linux policy"),
        r"\fBtomoyo\fR \fICOMMAND\fR [\fIOPTION\fR]... [\fIFILE\fR]...",
        ".SH DESCRIPTION",
        _text("TOMOYO Linux confines programs by the names of what they use.  In a policy for NixOS or finix these are"),
        _text("names of packages, such as nix:/nginx/bin/nginx, and 'tomoyo compile' ties them to one system's store paths."),
        _text("A file '-' is standard input.  Options cannot be abbreviated."),
        ".SH COMMANDS",
    ]
    for group, found in GROUPS.items():
        lines += [f".SS {_text(group)}"]
        for name, purpose in found.items():
            lines += [".TP", rf"\fBtomoyo\-{_text(name)}\fR(8)", _text(purpose)]
    return _ended([*lines, *_tail()])


def _page(command: Command) -> str:
    from ..reference import blocks

    lines = [*_head(f"tomoyo-{command.name}", command.purpose), _text(command.synopsis), ".SH DESCRIPTION"]
    for at, (indented, part) in enumerate(blocks(command.description)):
        lines += [".PP"] * bool(at)
        lines += _verbatim(part) if indented else map(_text, part)
    arguments = [argument for argument in (*command.operands, *command.options) if "--help" not in argument.flags]
    lines += [".SH OPTIONS"] * bool(arguments)
    for argument in arguments:
        lines += [".TP", rf"\fB{_text(argument.synopsis)}\fR", _text(argument.text)]
    if command.example:
        lines += [".SH EXAMPLE", _text(EXAMPLE.partition(" ")[2].strip("():").capitalize() + ":"), *_verbatim(command.example)]
    return _ended([*lines, *_tail(), ".SH SEE ALSO", r"\fBtomoyo\fR(8)"])


def _head(name: str, purpose: str) -> list[str]:
    from ... import __version__

    title = f'.TH {_text(name.upper())} 8 "" "tomoyo {__version__}" "TOMOYO Linux policy"'
    return [title, ".SH NAME", rf"{_text(name)} \- {_text(purpose)}", ".SH SYNOPSIS"]


def _tail() -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, meaning in enumerate(_EXIT_STATUS):
        lines += [".TP", str(code), meaning]
    lines += [".SH FILES"]
    for path, meaning in _FILES.items():
        lines += [".TP", _text(path), _text(meaning)]
    return lines


def _verbatim(lines: Iterable[str]) -> list[str]:
    return [".PP", ".nf", ".RS", *map(_text, lines), ".RE", ".fi"]


def _ended(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _text(text: str) -> str:
    """TEXT so that nothing in it is taken for a request, an escape or typography."""
    escaped = text.replace("``", "'").translate(_ESCAPED)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped

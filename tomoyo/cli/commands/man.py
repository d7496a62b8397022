"""Print the manual page of tomoyo, all commands in one.

tomoyo man | man -l -
"""

from __future__ import annotations

import argparse
import sys

from ..options import set_result

_ESCAPED = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", '"': r"\(dq"})


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    set_result({"page": manual_page()}) if arguments.json else sys.stdout.write(manual_page())
    return 0


def manual_page() -> str:
    """The page, in the language of man(7)."""
    from ... import __version__
    from ..reference import blocks, commands

    lines = [
        f'.TH TOMOYO 1 "" "tomoyo {__version__}"',
        ".SH NAME",
        r"tomoyo \- work with TOMOYO Linux policy",
        ".SH SYNOPSIS",
        r"\fBtomoyo\fR \fICOMMAND\fR [\fIOPTION\fR]... [\fIFILE\fR]...",
        ".SH DESCRIPTION",
        _text("TOMOYO Linux confines programs by the names of what they use.  In a policy for NixOS or finix these are"),
        _text("names of packages, such as nix:/nginx/bin/nginx, and 'tomoyo compile' ties them to one system's store paths."),
        _text("A file '-' is standard input.  Options cannot be abbreviated."),
        ".SH COMMANDS",
    ]
    for command in commands():
        lines += [f".SS {_text(command.synopsis)}"]
        for at, (indented, part) in enumerate(blocks(command.description)):
            lines += [".PP"] * bool(at)
            lines += [".nf", ".RS", *map(_text, part), ".RE", ".fi"] if indented else map(_text, part)
        for argument in (*command.operands, *command.options):
            if "--help" not in argument.flags:
                lines += [".TP", rf"\fB{_text(argument.synopsis)}\fR", _text(argument.text)]
    lines += [".SH EXIT STATUS"]
    for code, meaning in enumerate(
        ("Fine.", "The answer is no.", "Unusable input or arguments.", "The kernel or the system refused.")
    ):
        lines += [".TP", str(code), meaning]
    lines += [
        ".SH FILES",
        ".TP",
        "/sys/kernel/security/tomoyo",
        "The kernel's interface.",
        ".TP",
        "/var/lib/tomoyo/current",
        "A link to the policy set in force.",
    ]
    return "".join(f"{line}\n" for line in lines)


def _text(text: str) -> str:
    """TEXT so that nothing in it is taken for a request, an escape or typography."""
    escaped = text.replace("``", "'").translate(_ESCAPED)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped

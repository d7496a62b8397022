"""Find every error in policy files.

An error is a line that a kernel would drop without a word, or store as
something else than was written, or that could never match.  Exit code 1 if
there is any.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..syntax.lines import PolicySyntaxError
from .messages import counted
from .options import PolicyFile, add_files, place, print_json, read_files, visible
from .progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found: list[tuple[PolicyFile, PolicySyntaxError]] = []
    for file in read_files(arguments):
        errors: list[PolicySyntaxError] = []
        with Progress() as progress:
            progress(f"checking {file.name}")
            policy = file.parse(errors.append)
        found += [(file, error) for error in errors]
        if not arguments.json:
            _tell(file, policy, errors, arguments.quiet)
    if arguments.json:
        print_json([_plain(file, error) for file, error in found])
    return 1 if found else 0


def _tell(file: PolicyFile, policy: Any, errors: list[PolicySyntaxError], quiet: bool) -> None:
    for error in errors:
        place("error", file.name, error)
    if quiet:
        return
    from .stat import summary

    verdict = "ok" if not errors else counted(len(errors), "error")
    print(f"{visible(file.name)}: {verdict}, {summary(file.kind, policy)}")


def _plain(file: PolicyFile, error: PolicySyntaxError) -> dict[str, Any]:
    return {
        "file": file.name,
        "line": error.line,
        "column": error.column,
        "text": error.text,
        "message": error.message,
        "expected": error.expected,
        "effect": error.effect.name.lower(),
    }

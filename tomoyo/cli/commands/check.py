"""Find every error in policy files.

An error is a line that a kernel would drop without a word, or store as
something else than was written, or that could never match.  Exit code 1 if
there is any.  A pattern in a transition control, which the kernel takes for a
word, is a warning.

It looks at each line by itself.  What takes the groups that a line names, or
hangs on how an operation names its files, such as a directory without a '/' at
its end (wrong-directory), 'tomoyo lint' finds.
"""

from __future__ import annotations

import argparse
from typing import Any

from ..messages import counted, tell
from ..options import PolicyFile, add_files, print_json, read_files, visible
from ..progress import Progress
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...lint.codes import LintFinding
    from ...nix.source.files import Problem
    from ...syntax.lines import PolicySyntaxError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    let_source(parser, "files")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found: list[dict[str, Any]] = []
    failed = False
    files = read_files(arguments)
    problems = _source_problems(files)
    for file in files:
        errors: list[PolicySyntaxError] = []
        with Progress() as progress:
            progress(f"checking {file.name}")
            policy = file.parse(errors.append)
            useless = _useless(file)
        told = {(error.line, error.explanation) for error in errors}
        others = [one for one in problems if one.file == file.name and (one.line, one.message) not in told]
        found += (
            [_plain(file, error) for error in errors]
            + [_plain_finding(one) for one in useless]
            + list(map(_plain_problem, others))
        )
        number = len(errors) + sum(finding.code in _ERRORS for finding in useless)
        number += sum(problem.severity.value == "error" for problem in others)
        failed = failed or number > 0
        if not arguments.json:
            _tell(file.name, errors, useless, [*others, *_modules(file)])
            if not arguments.quiet:
                from .stat import summary

                verdict = "ok" if not number else counted(number, "error")
                print(f"{visible(file.name)}: {verdict}, {summary(file.kind, policy)}")
    for problem in problems:
        if not problem.file:
            tell("tomoyo", problem.severity.value, problem.message)
            failed = failed or problem.severity.value == "error"
    if arguments.json:
        print_json(found)
    return 1 if failed else 0


def _source_problems(files: list[PolicyFile]) -> list[Problem]:
    """What is wrong with the policy sources that FILES belong to, where it is in these files."""
    groups = {id(file.belongs): file.belongs for file in files if file.belongs is not None}
    problems: list[Problem] = []
    for belongs in groups.values():
        if belongs.form.name == "SOURCE":
            from ...nix.source.loader import source_problems

            problems += source_problems(belongs)
    return problems


def _modules(file: PolicyFile) -> list[Problem]:
    """What to say where a single file uses modules: it may be of a policy source, or be meant for a kernel."""
    if file.kind != "domain" or not file.modules or file.belongs is None or file.belongs.form.name != "FILE":
        return []
    from ...nix.source.files import Problem, Severity

    for number, line in enumerate(file.text.text.split("\n"), 1):
        name = line.strip().removeprefix("use_group").strip()
        if line.strip().startswith("use_group") and name in file.modules:
            message = f"module '{name}': policy sources have modules, and a kernel drops this line"
            return [Problem(Severity.WARNING, message, file.name, number, line.index(name) + 1)]
    return []


#: What else is looked for, and what of it can never match: a word that looks like a pattern may be the name of a program.
_CODES = ("never-asked", "literal-pattern")
_ERRORS = ("never-asked",)


def _useless(file: PolicyFile) -> list[LintFinding]:
    """Lines that the kernel keeps, and that say nothing to it."""
    if file.kind not in ("domain", "exception", "manager"):
        return []
    from ...model.filesystems import may_hold_misnamed

    text = file.data.decode("latin-1")
    if not (file.kind == "exception" and "_domain " in text) and not may_hold_misnamed(text):
        return []
    from ...lint.codes import LintSeverity
    from ...lint.linter import lint_policy

    found = lint_policy([file.text], codes=_CODES)
    return [finding for finding in found if finding.severity is not LintSeverity.NOTE]


def _tell(name: str, errors: list[PolicySyntaxError], useless: list[LintFinding], others: list[Problem]) -> None:
    told = [(error.line, error.column, "error", error.explanation) for error in errors]
    for one in useless:
        severity = "error" if one.code in _ERRORS else "warning"
        told.append((one.line, one.column, severity, f"{one.reason} (expected {one.remedy})"))
    told += [(one.line, one.column, one.severity.value, one.message) for one in others]
    for line, column, severity, text in sorted(told):
        tell(f"{name}:{line}:{column}", severity, text)


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


def _plain_problem(problem: Problem) -> dict[str, Any]:
    place = {"file": problem.file, "line": problem.line, "column": problem.column}
    return {**place, "text": "", "message": problem.message, "expected": "", "effect": problem.severity.value}


def _plain_finding(finding: LintFinding) -> dict[str, Any]:
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "text": finding.entry,
        "message": finding.reason,
        "expected": finding.remedy,
        "effect": "useless",
    }

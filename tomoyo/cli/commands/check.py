"""Find every error in policy files.

An error is a line that a kernel would drop without a word, or store as
something else than was written, or that could never match.  Exit code 1 if
there is any.  A pattern in a transition control, which the kernel takes for a
word, is a warning.

It looks at each line by itself.  What takes the groups that a line names, or
hangs on how an operation names its files, such as a directory without a '/' at
its end (wrong-directory), 'tomoyo lint' finds.

Example:

  tomoyo check policy
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from ..messages import counted
from ..options import report, set_result, visible
from ..policy_files import PolicyFile, add_files, read_files
from ..progress import Progress
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.diagnostics import Diagnostic
    from ...syntax.lines import PolicySyntaxError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    let_source(parser, "files")
    parser.add_argument("--sarif", action="store_true", help="print SARIF 2.1.0, for code hosts and editors")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...model.diagnostics import has_errors, sort_diagnostics

    files = read_files(arguments)
    problems = _source_problems(files)
    general = [problem for problem in problems if not problem.place.file]
    failed = has_errors(general)
    result: list[dict[str, Any]] = []
    for file in files:
        errors: list[PolicySyntaxError] = []
        with Progress() as progress:
            progress(f"checking {file.name}")
            policy = file.parse(errors.append)
            own = [error.diagnostic() for error in errors]
            told = {(one.place.line, one.message) for one in own}
            others = [one for one in problems if one.place.file == file.name and (one.place.line, one.message) not in told]
            found = sort_diagnostics([*own, *_useless(file), *others, *_modules(file)])
        failed = failed or has_errors(found)
        for diagnostic in found:
            report(diagnostic)
        number = sum(diagnostic.severity.value == "error" for diagnostic in found)
        result.append({"file": file.name, "kind": file.kind, "errors": number})
        if not (arguments.quiet or arguments.json or arguments.sarif):
            from .stat import summary

            verdict = "ok" if not number else counted(number, "error")
            print(f"{visible(file.name)}: {verdict}, {summary(policy)}")
    for diagnostic in general:
        report(diagnostic)
    set_result(result)
    return 1 if failed else 0


def _source_problems(files: list[PolicyFile]) -> list[Diagnostic]:
    """What is wrong with the policy sources that FILES belong to, where it is in these files."""
    groups = {id(file.belongs): file.belongs for file in files if file.belongs is not None}
    problems: list[Diagnostic] = []
    for belongs in groups.values():
        if belongs.form.name == "SOURCE":
            from ...nix.source.loader import source_problems

            problems += source_problems(belongs)
    return problems


def _modules(file: PolicyFile) -> list[Diagnostic]:
    """What to say where a single file uses modules: it may be of a policy source, or be meant for a kernel."""
    if file.kind != "domain" or not file.modules or file.belongs is None or file.belongs.form.name != "FILE":
        return []
    from ...model.diagnostics import Diagnostic, Severity
    from ...syntax.policy_text import read_lines
    from ...syntax.statements import UseModule

    for placed in read_lines(file.text):
        if isinstance(placed.value, UseModule):
            name = placed.value.name
            message = f"module '{name}': policy sources have modules, and a kernel drops this line"
            return [Diagnostic(Severity.WARNING, "module-use", message, place=placed.where(name), subject=name)]
    return []


#: What else is looked for, and what of it can never match: a word that looks like a pattern may be the name of a program.
_CODES = ("never-asked", "literal-pattern")
_ERRORS = ("never-asked",)


def _useless(file: PolicyFile) -> list[Diagnostic]:
    """Lines that the kernel keeps, and that say nothing to it."""
    if file.kind not in ("domain", "exception", "manager"):
        return []
    from ...model.filesystems import may_hold_misnamed

    text = file.data.decode("latin-1")
    if not (file.kind == "exception" and "_domain " in text) and not may_hold_misnamed(text):
        return []
    from ...lint.linter import lint_policy
    from ...model.diagnostics import Severity

    found = lint_policy([file.text], codes=_CODES)
    if file.belongs is not None and any(finding.code == "literal-pattern" for finding in found):
        # What a program is called is in the other files.
        others = [text for text in file.belongs.files if text.name != file.name]
        found = [finding for finding in lint_policy([file.text, *others], codes=_CODES) if finding.place.file == file.name]
    return [
        replace(finding, severity=Severity.ERROR if finding.code in _ERRORS else Severity.WARNING)
        for finding in found
        if finding.severity is not Severity.NOTE
    ]

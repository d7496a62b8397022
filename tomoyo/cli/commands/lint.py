r"""Find what in a policy is most likely not meant.

PATH is a policy source as 'tomoyo compile' takes it, a folder with a compiled or saved
set, or a policy file.  All are judged together.  Each finding has a code; 'tomoyo lint
--explain CODE' tells more, and a comment in the policy allows one:

  # lint: allow CODE[, CODE]... REASON

for the next line, before a domain's line for all of the domain, and in the first
comments of a file that a blank line ends for all of the file.  Exit code 1 if anything
is found that is as bad as --fail-on says.
"""

from __future__ import annotations

import argparse
import os
import sys

from ...model.words import quoted
from ..closure_options import add_closure, read_closure
from ..library_options import add_library, read_services
from ..messages import coloured
from ..options import UsageError, print_json, read_file, tell, visible
from ..progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...lint.codes import LintCode, LintFinding
    from ...syntax.policy_text import PolicyText

_LEVELS = ("error", "warning", "note")
#: Files that a set has and a policy source has not.
_SET = ("manifest.json", "bindings.conf")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="policy sources, sets and policy files; - is standard input")
    add_library(parser)
    parser.add_argument(
        "--kind",
        choices=("domain", "exception", "profile", "manager"),
        help="what kind of policy files hold (default: by their name, such as domain_policy.conf)",
    )
    parser.add_argument("--severity", choices=_LEVELS, default="warning", help="show what is as bad as this (default: warning)")
    parser.add_argument(
        "--fail-on",
        choices=(*_LEVELS, "never"),
        default="warning",
        help="exit with 1 for what is as bad as this (default: warning)",
    )
    parser.add_argument("--only", action="append", default=[], metavar="CODE", help="look for this alone; may be repeated")
    parser.add_argument("--allow", action="append", default=[], metavar="CODE", help="do not look for this; may be repeated")
    parser.add_argument("--list", action="store_true", help="list all codes")
    parser.add_argument("--explain", metavar="CODE", help="explain a code")
    parser.add_argument("-q", "--quiet", action="store_true", help="print findings alone, without the last line")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...lint.codes import LINT_CODES, LintSeverity

    codes = _codes(arguments.only)
    allowed = _codes(arguments.allow)
    if arguments.list or arguments.explain is not None:
        chosen = _codes([arguments.explain]) if arguments.explain is not None else list(LINT_CODES)
        _show_codes([LINT_CODES[code] for code in chosen], arguments)
        return 0
    if not arguments.paths and not arguments.library:
        raise UsageError("say what to judge: a policy source, a set or policy files")
    texts = _texts(arguments)
    if texts is None:
        return 2
    with Progress() as progress:
        progress(f"judging {sum(text.text.count(chr(10)) for text in texts)} lines")
        found = _lint(texts, arguments, codes or None, allowed)
    limit = LintSeverity(arguments.severity)
    shown = [finding for finding in found if finding.severity.reaches(limit)]
    if arguments.json:
        print_json({"findings": [_plain(finding) for finding in shown], "counts": _counts(found)})
    else:
        _show(shown, found, arguments.quiet)
    if arguments.fail_on == "never":
        return 0
    fatal = LintSeverity(arguments.fail_on)
    return 1 if any(finding.severity.reaches(fatal) for finding in found) else 0


def _codes(given: Iterable[str]) -> list[str]:
    """The codes in options, each of which may hold several with commas between them."""
    from ...lint.codes import LINT_CODES

    codes = [code.strip() for text in given for code in text.split(",")]
    for code in codes:
        if code not in LINT_CODES:
            from difflib import get_close_matches

            near = get_close_matches(code, LINT_CODES, 1)
            raise UsageError(f"there is no code {quoted(code)}{f'; did you mean {near[0]}?' if near else ': see --list'}")
    return codes


# Input


def _texts(arguments: argparse.Namespace) -> list[PolicyText] | None:
    """The texts to judge; None where they cannot be read, which is told then."""
    from ...nix.source.files import SourceError
    from ...nix.source.library import read_sources
    from ...nix.source.lint import policy_texts
    from ...syntax.policy_text import PolicyText, TextKind

    kinds = {
        "domain": TextKind.DOMAIN,
        "exception": TextKind.EXCEPTION,
        "profile": TextKind.PROFILE,
        "manager": TextKind.MANAGER,
    }
    sources: list[str] = []
    texts: list[PolicyText] = []
    for path in arguments.paths:
        if path == "-" or not os.path.isdir(path):
            file = read_file(path, arguments.kind)
            if file.kind not in kinds:
                raise UsageError(f"{path}: there is nothing to judge in a {file.kind} file")
            texts.append(PolicyText(kinds[file.kind], file.name, file.data.decode("latin-1")))
        elif any(os.path.exists(os.path.join(path, name)) for name in _SET):
            texts += _read_set(path)
        else:
            sources.append(path)
    services = read_services(arguments)
    if sources or services:
        try:
            texts += policy_texts(read_sources(sources, services))
        except SourceError as error:
            for problem in error.problems:
                tell(problem.place or "tomoyo", problem.severity.value, problem.message)
            return None
    return texts


def _read_set(directory: str) -> list[PolicyText]:
    from ...syntax.policy_text import PolicyText, TextKind

    files = {
        "domain_policy.conf": TextKind.DOMAIN,
        "exception_policy.conf": TextKind.EXCEPTION,
        "bindings.conf": TextKind.EXCEPTION,
        "profile.conf": TextKind.PROFILE,
        "manager.conf": TextKind.MANAGER,
    }
    texts = []
    for name, kind in files.items():
        path = os.path.join(directory, name)
        try:
            with open(path, "rb") as file:
                texts.append(PolicyText(kind, path, file.read().decode("latin-1")))
        except FileNotFoundError:
            if kind is TextKind.DOMAIN:
                raise UsageError(f"{directory} holds no {name}") from None
    return texts


def _lint(
    texts: list[PolicyText], arguments: argparse.Namespace, codes: list[str] | None, allowed: list[str]
) -> list[LintFinding]:
    from ...nix.source.lint import lint_names

    if not arguments.closure and not arguments.closure_file:
        return lint_names(texts, codes=codes, allowed=allowed)
    trusted = read_closure(arguments)
    return lint_names(texts, trusted.names, trusted.tree, codes=codes, allowed=allowed, links=trusted.links)


# Output


def _show(shown: list[LintFinding], found: list[LintFinding], quiet: bool) -> None:
    for finding in shown:
        severity = coloured(finding.severity.value, sys.stdout)
        place = f"{visible(finding.place)}: " if finding.place else ""
        print(f"{place}{severity}: {visible(finding.reason)} [{finding.code}]")
        print(f"    instead: {visible(finding.remedy)}")
    if quiet:
        return
    counts = _counts(found)
    told = ", ".join(f"{number} {level}{'s' * (number != 1)}" for level, number in counts.items() if number)
    hidden = len(found) - len(shown)
    print(f"{told or 'nothing found'}{f'; --severity note shows {hidden} more' if hidden else ''}")


def _counts(found: list[LintFinding]) -> dict[str, int]:
    return {level: sum(finding.severity.value == level for finding in found) for level in _LEVELS}


def _plain(finding: LintFinding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "reason": finding.reason,
        "remedy": finding.remedy,
        "entry": finding.entry,
    }


def _show_codes(codes: list[LintCode], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print_json(
            [
                {
                    "code": code.name,
                    "family": code.family,
                    "severity": code.severity.value,
                    "reason": code.reason,
                    "remedy": code.remedy,
                    "explanation": code.explanation,
                }
                for code in codes
            ]
        )
    elif arguments.explain is not None:
        import textwrap

        for code in codes:
            print(f"{code.name} ({code.severity.value}): {code.reason}\n\n{textwrap.fill(code.explanation, 100)}\n")
            print(f"instead: {code.remedy}")
    else:
        width = max(len(code.name) for code in codes)
        for code in codes:
            print(f"{code.name:<{width}}  {code.severity.value:<7}  {code.reason}")

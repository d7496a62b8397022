r"""Find what in a policy is most likely not meant.

PATH is a policy source as 'tomoyo compile' takes it, a compiled or saved policy set, a
kernel's interface directory, or a policy file; of a policy source's file only findings in
it are shown.  All are judged together.  Each finding has a code; 'tomoyo lint
--explain CODE' tells more, and a comment in the policy allows one:

  # lint: allow CODE[, CODE]... REASON

for the next line, before a domain's line for all of the domain, and in the first
comments of a file that a blank line ends for all of the file.  Exit code 1 if anything
is found that is as bad as --fail-on says.

Example:

  tomoyo lint --severity note policy
"""

from __future__ import annotations

import argparse
import os
import sys

from ...model.diagnostics import Place, did_you_mean
from ...model.words import quoted
from ..closure_options import add_closure, read_closure
from ..library_options import add_library, read_services
from ..messages import counted, tell_hidden
from ..options import UsageError, add_all, report, set_result
from ..policy_files import add_kernel, policy_errors, read_policy, source_form
from ..progress import Progress
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...lint.codes import LintCode
    from ...model.diagnostics import Diagnostic
    from ...syntax.policy_text import PolicyText

_LEVELS = ("error", "warning", "note")
#: What is judged, as ``--kind`` calls it.
_KINDS = ("DOMAIN", "EXCEPTION", "MODULE", "PROFILE", "MANAGER")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="policy sources, sets and policy files; - is standard input")
    add_library(parser)
    parser.add_argument(
        "--kind",
        choices=[kind.lower() for kind in _KINDS],
        help="what kind of policy files hold (default: by their names, their directories and what they say)",
    )
    add_kernel(parser)
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
    add_all(parser)
    parser.add_argument("--sarif", action="store_true", help="print SARIF 2.1.0, for code hosts and editors")
    add_closure(parser)
    let_source(parser, "paths")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...lint.codes import LINT_CODES
    from ...model.diagnostics import Severity

    codes = _codes(arguments.only)
    allowed = _codes(arguments.allow)
    if arguments.list or arguments.explain is not None:
        chosen = _codes([arguments.explain]) if arguments.explain is not None else list(LINT_CODES)
        _show_codes([LINT_CODES[code] for code in chosen], arguments)
        return 0
    if not arguments.paths and not arguments.library and arguments.interface is None:
        raise UsageError("say what to judge: a policy source, a policy set or policy files")
    texts, meant = _texts(arguments)
    with Progress() as progress:
        progress(f"judging {sum(text.text.count(chr(10)) for text in texts)} lines")
        found = [one for one in _lint(texts, arguments, codes or None, allowed) if not meant or one.place.file in meant]
    limit = Severity(arguments.severity)
    shown = [finding for finding in found if finding.severity.reaches(limit)]
    for finding in shown:
        report(finding, sys.stdout)
    tell_hidden(sys.stdout)
    set_result({"counts": _counts(found)})
    if not (arguments.quiet or arguments.json or arguments.sarif):
        _summarize(shown, found)
    if arguments.fail_on == "never":
        return 0
    fatal = Severity(arguments.fail_on)
    return 1 if any(finding.severity.reaches(fatal) for finding in found) else 0


def _codes(given: Iterable[str]) -> list[str]:
    """The codes in options, each of which may hold several with commas between them."""
    from ...lint.codes import LINT_CODES

    codes = [code.strip() for text in given for code in text.split(",")]
    for code in codes:
        if code not in LINT_CODES:
            near = did_you_mean(code, LINT_CODES)
            raise UsageError(f"there is no code {quoted(code)}", near or "'tomoyo lint --list' shows all codes")
    return codes


# Input


def _texts(arguments: argparse.Namespace) -> tuple[list[PolicyText], set[str]]:
    """The texts to judge, and the files that are meant where these are not all: those of a source that were named."""
    from ...nix.source.library import library_files
    from ...nix.source.lint import policy_texts
    from ...nix.source.policy_files import PolicyForm

    found = [read_policy(name, arguments.kind, form=source_form(arguments)) for name in arguments.paths]
    if arguments.interface is not None:
        found.append(read_policy(arguments.interface, arguments.kind, form="KERNEL"))
    for one in found:
        if one.form is PolicyForm.FILE and one.files[0].kind.name not in _KINDS:
            raise UsageError(f"there is nothing to judge in {one.files[0].kind.value}", place=Place(one.path))
    meant = {text.name for one in found for text in one.files} if any(one.others for one in found) else set()
    own: dict[str, PolicyText] = {}
    for one in found:
        for text in one.others:
            own.setdefault(os.path.abspath(text.name), text)
        own |= {os.path.abspath(text.name): text for text in one.files}
    texts = [text for text in own.values() if text.kind.name in _KINDS]
    services = read_services(arguments)
    with policy_errors():
        texts = [*library_files(texts, services), *texts]
    # A single file says nothing of the rest.
    return texts if all(one.form is PolicyForm.FILE for one in found) and not services else policy_texts(texts), meant


def _lint(
    texts: list[PolicyText], arguments: argparse.Namespace, codes: list[str] | None, allowed: list[str]
) -> list[Diagnostic]:
    from ...nix.source.lint import lint_names

    if not arguments.closure and not arguments.closure_file:
        return lint_names(texts, codes=codes, allowed=allowed)
    trusted = read_closure(arguments)
    return lint_names(texts, trusted.names, trusted.tree, codes=codes, allowed=allowed, links=trusted.links)


# Output


def _summarize(shown: list[Diagnostic], found: list[Diagnostic]) -> None:
    counts = _counts(found)
    told = ", ".join(counted(number, level) for level, number in counts.items() if number)
    hidden = len(found) - len(shown)
    print(f"{told or 'nothing found'}{f'; --severity note shows {hidden} more' if hidden else ''}")


def _counts(found: list[Diagnostic]) -> dict[str, int]:
    return {level: sum(finding.severity.value == level for finding in found) for level in _LEVELS}


def _show_codes(codes: list[LintCode], arguments: argparse.Namespace) -> None:
    if arguments.json:
        set_result(
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
            print(f"help: {code.remedy}")
    else:
        width = max(len(code.name) for code in codes)
        for code in codes:
            print(f"{code.name:<{width}}  {code.severity.value:<7}  {code.reason}")

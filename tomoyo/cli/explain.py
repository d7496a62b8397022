"""Explain what a policy answers to a request, and why.

The request is given as an entry in one domain
(tomoyo explain '<kernel> /bin/sh' file read /etc/shadow), or is that of
each record of a log (--log FILE).  Where nothing grants it, the nearest
entries are shown, which part of each does not match, and the line that would
allow it.  Exit code 1 if any request is not granted.
"""

from __future__ import annotations

import argparse
import json
import sys

from .interface import refused
from .logs import LogReader
from .options import UsageError, message, visible
from .policy_source import add_policy, read_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..analysis.explanation import Explainer, Explanation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="the domain that asks, such as '<kernel> /bin/sh'")
    parser.add_argument("request", nargs="*", metavar="WORD", help="the request, as an entry without patterns")
    parser.add_argument("--log", metavar="FILE", help="explain each record of this log; - for standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..analysis.explanation import Explainer
    from ..decision.engine import UnknownDomain
    from ..kernel.securityfs import SecurityfsError

    if (arguments.log is None) == (arguments.domain is None):
        raise UsageError("give a domain and a request, or --log FILE")
    if arguments.domain is not None and not arguments.domain.startswith("<"):
        raise UsageError(f"a domain's name begins with its namespace: '<kernel> {arguments.domain}'")
    if arguments.domain is not None and not arguments.request:
        raise UsageError("say what is requested behind the domain, as an entry: file read /etc/shadow")
    try:
        explainer = Explainer(read_engine(arguments))
    except SecurityfsError as error:
        return refused(error)
    if arguments.log is not None:
        return _explain_log(arguments, explainer)
    from ..decision.requests import parse_request

    try:
        found = explainer.explain(arguments.domain, parse_request(" ".join(arguments.request)))
    except UnknownDomain as error:
        raise UsageError(f"there is no domain {error}") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    _show(found, arguments.json)
    return 0 if found.verdict.granted else 1


def _explain_log(arguments: argparse.Namespace, explainer: Explainer) -> int:
    from ..decision.engine import UnknownDomain
    from ..model.entries import Entry

    log = LogReader()
    status = 0
    for record in log.records([arguments.log]):
        if not isinstance(record.request, Entry):
            continue
        log.progress.clear()
        try:
            found = explainer.explain_record(record)
        except UnknownDomain:
            message("warning", f"there is no domain {record.domain}")
            continue
        status = status if found.verdict.granted else 1
        _show(found, arguments.json)
    log.tell_broken()
    return status


def _show(found: Explanation, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found.plain()) + "\n")
    else:
        sys.stdout.writelines(f"{visible(sentence)}\n" for sentence in found.sentences())

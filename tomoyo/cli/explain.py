"""Explain what a policy answers to a request, and why.

The request is given as an entry in one domain
(``tomoyo explain '<kernel> /bin/sh' file read /etc/shadow``), or is that of
each record of a log (``--log FILE``).  Where nothing grants it, the nearest
entries are shown, which part of each does not match, and the line that would
allow it.  Exit code 1 if any request is not granted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from .interface import refused
from .options import UsageError, message, place, visible
from .policy_source import add_policy, read_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..analysis.explanation import Explanation
    from ..decision.requests import Request
    from ..syntax.lines import PolicySyntaxError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="the domain that asks, such as '<kernel> /bin/sh'")
    parser.add_argument("request", nargs="*", metavar="WORD", help="the request, as an entry without patterns")
    parser.add_argument("--log", metavar="FILE", help="explain each record of this log; - for standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..analysis.explanation import explain
    from ..decision.engine import UnknownDomain
    from ..kernel.securityfs import SecurityfsError

    if (arguments.log is None) == (arguments.domain is None):
        raise UsageError("give a domain and a request, or --log FILE")
    asked = _from_log(arguments.log) if arguments.log is not None else _from_words(arguments.domain, arguments.request)
    status = 0
    try:
        engine = read_engine(arguments)
        for domain, request in asked:
            try:
                found = explain(engine, domain, request)
            except UnknownDomain:
                if arguments.log is None:
                    raise UsageError(f"there is no domain {domain}") from None
                message("warning", f"there is no domain {domain}")
                continue
            status = status if found.verdict.granted else 1
            if arguments.json:
                sys.stdout.write(json.dumps(_plain(found)) + "\n")
            else:
                sys.stdout.writelines(f"{visible(sentence)}\n" for sentence in found.sentences())
    except SecurityfsError as error:
        return refused(error)
    return status


def _from_words(domain: str, words: list[str]) -> Iterator[tuple[str, Request]]:
    from ..decision.requests import parse_request

    try:
        yield domain, parse_request(" ".join(words))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _from_log(name: str) -> Iterator[tuple[str, Request]]:
    from ..decision.requests import request_of
    from ..model.entries import Entry
    from ..syntax.records import iterate_audit

    shown = "<stdin>" if name == "-" else name

    def report(error: PolicySyntaxError) -> None:
        place("warning", shown, error)

    with sys.stdin.buffer if name == "-" else open(name, "rb") as file:
        for record in iterate_audit(file, file=shown, report=report):
            if isinstance(record.request, Entry):
                yield record.domain.text, request_of(record)


def _plain(found: Explanation) -> dict[str, Any]:
    verdict, moved = found.verdict, found.transition
    return {
        "domain": found.domain.text,
        "request": found.request.text,
        "mode": verdict.mode.value if verdict.mode else None,
        "granted": verdict.granted,
        "allowed": verdict.allowed,
        "certain": verdict.certain,
        "entry": verdict.entry.text if verdict.entry else None,
        "acl_group": verdict.group,
        "logged": verdict.logged,
        "learned": verdict.learned.text if verdict.learned else None,
        "nearest": [
            {"entry": miss.entry.text, "acl_group": miss.group, "part": miss.part.value, "reason": miss.reason}
            for miss in found.near
        ],
        "remedy": found.remedy.text if found.remedy else None,
        "next_domain": moved.domain.text if moved and not moved.failure else None,
        "failure": moved.failure.value if moved and moved.failure else None,
    }

"""Replay audit logs against a policy: what would it answer to what really happened?

Shows each request that would be answered otherwise than it was recorded, and
counts.  Exit code 1 if anything that was granted would be denied, else 2 if
the policy has not all domains of the records.  The policy is one in
files, or the kernel's.

Example:

  tomoyo replay --policy policy audit.log
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from ..closure_options import add_closure
from ..kernel_options import refused
from ..logs import LogReader
from ..messages import write_result
from ..options import add_json_lines
from ..policy_source import UndefinedDomains, add_as_created, add_policy, read_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...analysis.replay import ReplayOutcome
    from ...decision.engine import Verdict
    from ...syntax.record_grammar import RecordText


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("logs", nargs="*", metavar="LOG", help="audit logs; - or none: standard input")
    add_as_created(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="show only counts")
    add_json_lines(parser)
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...analysis.replay import ReplayOutcome, replay_texts
    from ...kernel.securityfs import SecurityfsError

    try:
        engine = read_engine(arguments)
    except SecurityfsError as error:
        return refused(error)
    counts: Counter[ReplayOutcome] = Counter()
    log = LogReader()
    undefined = UndefinedDomains(engine, as_created=arguments.as_created)
    texts = (text for text in log.texts(arguments.logs) if text.event or undefined.take(text.domain))
    same, event, quiet = ReplayOutcome.SAME, ReplayOutcome.EVENT, arguments.quiet
    for text, outcome, verdict in replay_texts(engine, texts):
        counts[outcome] += 1
        if not (quiet or outcome is same or outcome is event):
            log.progress.clear()
            _show(text, outcome, verdict, arguments.json)
    _count(counts, log.broken, undefined.records, arguments.json)
    undefined.tell()
    return 1 if counts[ReplayOutcome.DENIED] else 2 if undefined.records else 0


def _show(text: RecordText, outcome: ReplayOutcome, verdict: Verdict | None, as_json: bool) -> None:
    if as_json:
        plain = {
            "outcome": outcome.name.lower(),
            "time": text.time,
            "domain": text.domain,
            "request": text.request,
            "recorded": text.granted == "yes",
            "granted": verdict.granted if verdict else None,
            "entry": verdict.entry.text if verdict and verdict.entry else None,
        }
        write_result(plain)
        return
    by = f" by '{verdict.entry}'" if verdict and verdict.entry else ""
    sys.stdout.write(f"{outcome.value}{by}: {text.domain}: {text.request}\n")


def _count(counts: Counter[ReplayOutcome], broken: int, undefined: int, as_json: bool) -> None:
    from ...analysis.replay import ReplayOutcome

    if as_json:
        plain = {"counts": {outcome.name.lower(): counts[outcome] for outcome in ReplayOutcome}, "broken": broken}
        plain["undefined"] = undefined
        write_result(plain)
        return
    for outcome in ReplayOutcome:
        if counts[outcome]:
            sys.stdout.write(f"{counts[outcome]} {outcome.value}\n")
    if undefined:
        sys.stdout.write(f"{undefined} of domains that the policy does not have, left out\n")
    if broken:
        sys.stdout.write(f"{broken} broken, left out\n")

"""Replay audit logs against a policy: what would it answer to what really happened?

Shows each request that would be answered otherwise than it was recorded, and
counts.  Exit code 1 if anything that was granted would be denied, else 2 if
the policy has not all domains of the records.  The policy is one in
files, or the kernel's.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter

from ..closure_options import add_closure
from ..kernel_options import refused
from ..logs import LogReader
from ..options import visible
from ..policy_source import UndefinedDomains, add_as_created, add_policy, read_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...analysis.replay import Replayed, ReplayOutcome
    from ...model.records import AuditRecord


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("logs", nargs="*", metavar="LOG", help="audit logs; - or none: standard input")
    add_as_created(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="show only counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, the counts in the last")
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...analysis.replay import ReplayOutcome, replay
    from ...kernel.securityfs import SecurityfsError

    try:
        engine = read_engine(arguments)
    except SecurityfsError as error:
        return refused(error)
    counts: Counter[ReplayOutcome] = Counter()
    log = LogReader()
    undefined = UndefinedDomains(engine, as_created=arguments.as_created)
    records = (record for record in log.records(arguments.logs) if _is_event(record) or undefined.take(record.domain.text))
    for found in replay(engine, records):
        counts[found.outcome] += 1
        if found.outcome not in (ReplayOutcome.SAME, ReplayOutcome.EVENT) and not arguments.quiet:
            log.progress.clear()
            _show(found, arguments.json)
    _count(counts, log.broken, undefined.records, arguments.json)
    undefined.tell()
    return 1 if counts[ReplayOutcome.DENIED] else 2 if undefined.records else 0


def _is_event(record: AuditRecord) -> bool:
    from ...model.entries import Entry

    return not isinstance(record.request, Entry)


def _show(found: Replayed, as_json: bool) -> None:
    record, verdict = found.record, found.verdict
    if as_json:
        plain = {
            "outcome": found.outcome.name.lower(),
            "time": str(record.time),
            "domain": record.domain.text,
            "request": str(record.request),
            "recorded": record.granted,
            "granted": verdict.granted if verdict else None,
            "entry": verdict.entry.text if verdict and verdict.entry else None,
        }
        sys.stdout.write(json.dumps(plain) + "\n")
        return
    by = f" by '{verdict.entry}'" if verdict and verdict.entry else ""
    sys.stdout.write(f"{found.outcome.value}{by}: {visible(record.domain.text)}: {visible(str(record.request))}\n")


def _count(counts: Counter[ReplayOutcome], broken: int, undefined: int, as_json: bool) -> None:
    from ...analysis.replay import ReplayOutcome

    if as_json:
        plain = {"counts": {outcome.name.lower(): counts[outcome] for outcome in ReplayOutcome}, "broken": broken}
        plain["undefined"] = undefined
        sys.stdout.write(json.dumps(plain) + "\n")
        return
    for outcome in ReplayOutcome:
        if counts[outcome]:
            sys.stdout.write(f"{counts[outcome]} {outcome.value}\n")
    if undefined:
        sys.stdout.write(f"{undefined} of domains that the policy does not have, left out\n")
    if broken:
        sys.stdout.write(f"{broken} broken, left out\n")

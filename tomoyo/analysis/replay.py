"""Replaying audit records against a policy: what it would answer to what really happened.

A record tells whether the policy of its time granted the request.  Replayed
against another policy it tells what that one would change, before any process
meets it.  Records are taken one after the other, so a log may be of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ..decision.engine import DecisionEngine, UnknownDomain, Verdict
from ..decision.requests import request_of
from ..model.entries import Entry
from ..model.records import AuditRecord


class ReplayOutcome(Enum):
    """What replaying a record found."""

    SAME = "as recorded"
    DENIED = "granted then, denied now"
    GRANTED = "denied then, granted now"
    UNCERTAIN = "cut off before what a condition asks for"
    UNKNOWN_DOMAIN = "made in a domain that could not be there now"
    EVENT = "an event, no request"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A record, and what the policy says to it now; ``verdict`` is None where it says nothing.

    The verdict tells, too, where the policy does not have the record's domain.
    """

    record: AuditRecord
    outcome: ReplayOutcome
    verdict: Verdict | None


def replay(engine: DecisionEngine, records: Iterable[AuditRecord]) -> Iterator[Replayed]:
    """Ask ENGINE again what each of RECORDS asked, in their order.

    ``granted`` is compared, which is not what the process got: permissive and
    learning mode let happen what no entry grants.
    """
    for record in records:
        if not isinstance(record.request, Entry):
            yield Replayed(record, ReplayOutcome.EVENT, None)
            continue
        try:
            verdict = engine.decide(record.domain.text, request_of(record))
        except UnknownDomain:
            yield Replayed(record, ReplayOutcome.UNKNOWN_DOMAIN, None)
            continue
        yield Replayed(record, _outcome(record, verdict), verdict)


def _outcome(record: AuditRecord, verdict: Verdict) -> ReplayOutcome:
    if not verdict.certain and verdict.granted is not record.granted:
        return ReplayOutcome.UNCERTAIN
    if verdict.granted is record.granted:
        return ReplayOutcome.SAME
    return ReplayOutcome.DENIED if record.granted else ReplayOutcome.GRANTED

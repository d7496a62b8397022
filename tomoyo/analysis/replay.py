"""Replaying audit records against a policy: what it would answer to what really happened.

A record tells whether the policy of its time granted the request.  Replayed
against another policy it tells what that one would change, before any process
meets it.  Records are taken one after the other, so a log may be of any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from ..decision.engine import DecisionEngine, UnknownDomain, Verdict
from ..decision.index import Scrutiny
from ..decision.requests import bare_request
from ..model.entries import Entry
from ..model.records import AuditRecord
from ..syntax.record_grammar import RecordText
from ..syntax.records import read_request, read_text

__all__ = ["ReplayOutcome", "Replayed", "replay"]


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
    """Ask ENGINE again what each of RECORDS asked.  Yields each with the answer, in their order.

    ``granted`` is compared, which is not what the process got: permissive and
    learning mode let happen what no entry grants.
    """
    for record in records:
        if not isinstance(record.request, Entry):
            yield Replayed(record, ReplayOutcome.EVENT, None)
            continue
        verdict = _answer(engine, record)
        yield Replayed(record, _outcome(record.granted, verdict), verdict)


def replay_texts(
    engine: DecisionEngine, texts: Iterable[RecordText]
) -> Iterator[tuple[RecordText, ReplayOutcome, Verdict | None]]:
    """The same for records as text: each with the outcome and the verdict.  What repeats is decided once."""
    verdicts = RecordVerdicts(engine)
    for text in texts:
        if text.event:
            yield text, ReplayOutcome.EVENT, None
        else:
            verdict = verdicts.verdict(text)
            yield text, _outcome(text.granted == "yes", verdict), verdict


class RecordVerdicts:
    """What ENGINE answers to the requests of records.

    Records repeat but for their time and the numbers of processes.  So answers
    are remembered, by what they hang on: the domain and the request, and where
    there are conditions for such requests, all attributes of the record.
    """

    def __init__(self, engine: DecisionEngine) -> None:
        self._engine = engine
        self._by_request = lru_cache(1 << 14)(self._decide_bare)
        self._by_attributes = lru_cache(1 << 10)(self._decide_attributed)

    def verdict(self, text: RecordText) -> Verdict | None:
        """The answer to the request in TEXT, which is of no event; None where its domain could not be there."""
        if len(text.domain) + len(text.request) > _LONGEST:
            return _answer(self._engine, read_text(text))
        found = self._by_request(text.domain, text.request)
        # Words in quotes, of what is executed or where a symlink leads, are what learning mode adds to an entry.
        if found is None or (isinstance(found, Verdict) and '="' not in text.details):
            return found
        if found is Scrutiny.PROCESS or len(text.details) > 4 * _LONGEST:
            return _answer(self._engine, read_text(text))
        return self._by_attributes(text.domain, text.request, text.details)

    def _decide_bare(self, domain: str, request: str) -> Verdict | Scrutiny | None:
        """The answer to REQUEST without attributes; what it hangs on beside where that is more."""
        asked = read_request(request)
        assert isinstance(asked, Entry)
        try:
            scrutiny = self._engine.scrutiny(domain, asked.kind, asked.operations[0])
            return scrutiny or self._engine.decide_entries(domain, bare_request(asked))
        except UnknownDomain:
            return None

    def _decide_attributed(self, domain: str, request: str, details: str) -> Verdict | None:
        return _answer(self._engine, read_text(RecordText(*_UNSEEN, details, domain, request)))


#: How many characters of a record are remembered at most: a hostile log is to take no more than a few megabytes.
_LONGEST = 600
#: The values of a record's header that no answer hangs on.
_UNSEEN = ("2000/01/01 00:00:00", "0", "disabled", "no", "0", "0", "0")


def _answer(engine: DecisionEngine, record: AuditRecord) -> Verdict | None:
    try:
        return engine.decide_record(record)
    except UnknownDomain:
        return None


def _outcome(granted: bool, verdict: Verdict | None) -> ReplayOutcome:
    if verdict is None:
        return ReplayOutcome.UNKNOWN_DOMAIN
    if verdict.granted is granted:
        return ReplayOutcome.SAME
    if not verdict.certain:
        return ReplayOutcome.UNCERTAIN
    return ReplayOutcome.DENIED if granted else ReplayOutcome.GRANTED

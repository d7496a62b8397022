"""A session that answers requests: by rules first, then as someone says.

Whoever shows requests, on a terminal or in a window, calls ``step`` whenever
``QueryFile.fileno`` is readable and every ``LOOK`` seconds while requests
wait, and tells the session what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from ..analysis.explanation import Explanation
from ..decision.requests import request_of
from ..model.conditions import Condition
from ..model.entries import Entry
from ..model.records import AuditRecord
from .dialogue import Answer, Arrived, Gone, PendingRequest, same_question
from .explanation import QueryExplainer
from .kernel_file import QueryFile
from .rules import QueryRule, Ruling, decide, exact_rule

__all__ = ["Answered", "Asked", "Explained", "Notice", "QuerySession", "Reason", "Vanished", "learned_entry"]

#: Where files are whose paths the next update changes.
STORE = "/nix/store/"
#: Seconds that a request is held back so that its explanation comes with it.
EXPLAINED_WITHIN = 0.3
#: Requests that the kernel was asked to look at again, remembered so that they are recognised when they come back.
_REMEMBERED = 1000


class Reason(Enum):
    """Why a request was answered without asking."""

    RULE = "a rule says so"
    BROKEN = "it cannot be read"
    OVERDUE = "nobody answered"
    UNASKED = "no rule is for it, and nobody is asked"


@dataclass(frozen=True, slots=True)
class Asked:
    """Someone is to decide on this request.

    ``again``: the kernel was asked to look at the policy again, for this same
    request, and the policy still does not grant it.  ``explanation``: why the
    policy does not grant it; None where that is not known, or not yet.
    """

    request: PendingRequest
    again: bool
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """This request, which still waits, has been explained: it took longer."""

    request: PendingRequest
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Answered:
    """This request was answered without asking."""

    request: PendingRequest
    answer: Answer
    reason: Reason


@dataclass(frozen=True, slots=True)
class Vanished:
    """This request waits no more, and the answer was not ours."""

    request: PendingRequest


Notice = Asked | Explained | Answered | Vanished


class QuerySession:
    """Answers what waits in FILE.

    ``rules`` answer without asking.  With ``asks`` false, what they leave is
    denied.  ``keep`` is called with each rule that ``never`` adds.  With an
    ``explainer`` those that are asked about are explained.
    """

    def __init__(
        self,
        file: QueryFile,
        rules: Iterable[QueryRule] = (),
        *,
        asks: bool = True,
        keep: Callable[[QueryRule], None] = lambda _: None,
        explainer: QueryExplainer | None = None,
    ) -> None:
        self.file = file
        self.rules: list[QueryRule] = list(rules)
        self.asks = asks
        self._keep = keep
        self._explainer = explainer
        self._explanations: dict[int, Explanation] = {}
        self._retried: dict[tuple[int, str], PendingRequest] = {}

    @property
    def pending(self) -> list[PendingRequest]:
        """What waits for an answer, the oldest first."""
        return self.file.dialogue.pending

    def step(self) -> list[Notice]:
        """Look what waits, answer what needs no asking, and say what happened."""
        notices: list[Notice] = []
        for event in self.file.look():
            if isinstance(event, Gone):
                notices.append(Vanished(event.request))
            elif isinstance(event, Arrived):
                notices.append(self._arrived(event.request))
        notices += [self._answered(request, Answer.DENY, Reason.OVERDUE) for request in self.file.overdue()]
        return notices if self._explainer is None else self._explained(self._explainer, notices)

    def explanation(self, request: PendingRequest) -> Explanation | None:
        """Why the policy does not grant REQUEST, which waits; None where that is not known, or not yet."""
        return self._explanations.get(request.serial)

    def _explained(self, explainer: QueryExplainer, notices: list[Notice]) -> list[Notice]:
        """NOTICES with the explanations that have come."""
        asked = {notice.request.serial for notice in notices if isinstance(notice, Asked)}
        for notice in notices:
            if isinstance(notice, Asked):
                explainer.ask(notice.request)
        # Those of before have had their time.
        came = {request.serial: explanation for request, explanation in explainer.take(EXPLAINED_WITHIN if asked else 0.0)}
        find = self.file.dialogue.find
        self._explanations = {number: found for number, found in (self._explanations | came).items() if find(number)}
        result: list[Notice] = [
            replace(notice, explanation=came.get(notice.request.serial)) if isinstance(notice, Asked) else notice
            for notice in notices
        ]
        for number, explanation in came.items():
            request = find(number)
            if request is not None and number not in asked:
                result.append(Explained(request, explanation))
        return result

    def _arrived(self, request: PendingRequest) -> Notice:
        if request.outline is None or request.record is None:
            return self._answered(request, Answer.DENY, Reason.BROKEN)
        verdict = decide(self.rules, request.outline)
        if verdict is not Ruling.ASK:
            return self._answered(request, Answer.GRANT if verdict is Ruling.ALLOW else Answer.DENY, Reason.RULE)
        if not self.asks:
            return self._answered(request, Answer.DENY, Reason.UNASKED)
        before = self._retried.pop(_key(request.record), None)
        return Asked(request, before is not None and request.retry > before.retry and same_question(before, request))

    def _answered(self, request: PendingRequest, answer: Answer, reason: Reason) -> Answered:
        self.file.answer(request.serial, answer)
        return Answered(request, answer, reason)

    def answer(self, request: PendingRequest, answer: Answer) -> None:
        """Answer REQUEST."""
        if answer is Answer.RETRY and request.record is not None:
            self._retried[_key(request.record)] = request
            while len(self._retried) > _REMEMBERED:
                del self._retried[next(iter(self._retried))]
        self.file.answer(request.serial, answer)

    def always(self, request: PendingRequest, entry: Entry) -> bool:
        """Add ENTRY to the request's domain, and let the kernel look again.

        Gives whether the kernel has the entry; if not, REQUEST still waits.
        The kernel, not we, then grants, so that all of the entry counts; it
        asks again where the entry does not grant the request after all.
        """
        if not self.file.add(request.serial, entry):
            return False
        self.answer(request, Answer.RETRY)
        return True

    def never(self, request: PendingRequest) -> QueryRule | None:
        """Deny REQUEST, and from now on all like it; gives the new rule."""
        rule = exact_rule(Ruling.DENY, request.outline) if request.outline is not None else None
        if rule is not None:
            self.rules.insert(0, rule)  # before any that says otherwise
        for waiting in [request, *self.pending]:
            if waiting is request or (rule is not None and waiting.outline is not None and rule.fits(waiting.outline)):
                self.file.answer(waiting.serial, Answer.DENY)
        if rule is not None:
            self._keep(rule)
        return rule


def _key(record: AuditRecord) -> tuple[int, str]:
    return record.global_pid, str(record.request)


def lasting_entry(record: AuditRecord, explanation: Explanation | None = None) -> Entry | None:
    """The same, but by the names that EXPLANATION found for paths in the Nix store; None where one has no name."""
    entry = learned_entry(record)
    if entry is None or STORE not in entry.text:
        return entry
    condition = entry.condition
    if "execute" in entry.operations and STORE not in str(entry.arguments[0]) and condition is not None:
        # Only what an aggregator names so is executed by this name, so its real path need not be said.
        kept = tuple(test for test in condition.tests if not str(test).startswith(f'exec.realpath="{STORE}'))
        entry = replace(entry, condition=Condition.left(condition.transition, kept, condition.grant_log))
    elif explanation is not None and explanation.named is not None:
        entry = replace(entry, arguments=explanation.named.arguments)
    return entry if STORE not in entry.text else None


def learned_entry(record: AuditRecord) -> Entry | None:
    """The entry that the kernel itself would learn from RECORD; None where it tells of no request."""
    return request_of(record).learned if isinstance(record.request, Entry) else None

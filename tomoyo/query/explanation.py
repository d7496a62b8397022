"""Explaining requests while they wait, by the policy that the kernel holds.

A kernel waits ten seconds, and its policy may be large: reading and indexing
a hundred thousand lines takes seconds.  So the exception policy is looked
through once, and again only where it has changed; of the domains only the
request's own is read; and all of that happens in a thread of its own, so that
whoever answers requests waits for nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from ..analysis.explanation import Explainer, Explanation
from ..decision.engine import DecisionEngine
from ..model.domains import DomainPolicy
from ..syntax.domain_policy import parse_domain_policy
from ..syntax.exception_policy import parse_exception_policy
from ..syntax.lines import Reading
from ..syntax.profiles import parse_profile
from ..syntax.stat import parse_stat
from .dialogue import PendingRequest

if TYPE_CHECKING:
    from ..kernel.securityfs import Interface

__all__ = ["QueryExplainer", "QueryPolicy"]

#: What keeps a request from being explained: the kernel refuses, its domain is unknown, its record is odd.
_REFUSALS = (OSError, LookupError, ValueError)


class QueryPolicy:
    """The policy of the kernel behind INTERFACE, as far as requests that wait there are explained by it.

    The kernel counts changes of its policy; whatever was read holds until that
    counter moves.
    """

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._updates: int | None = None
        self._texts: tuple[str, str] | None = None
        self._shared = Explainer(DecisionEngine(DomainPolicy(())))
        self._domains: dict[str, Explainer] = {}

    def refresh(self) -> None:
        """Read again what has changed.  Raises OSError where the kernel refuses."""
        # The counter first: what changes while we read is then read again the next time.
        counters = {counter.name: counter.count for counter in parse_stat(self._interface.read("stat")).counters}
        if self._updates == counters["update"]:
            return
        self._domains.clear()
        texts = (self._interface.read("exception_policy"), self._interface.read("profile"))
        if texts != self._texts:
            exceptions, profiles = texts
            self._shared = Explainer(
                DecisionEngine(
                    DomainPolicy(()),
                    parse_exception_policy(exceptions, reading=Reading.AS_KERNEL),
                    parse_profile(profiles, reading=Reading.AS_KERNEL),
                )
            )
            self._texts = texts
        self._updates = counters["update"]

    def explain(self, request: PendingRequest) -> Explanation | None:
        """Why REQUEST is not granted; None where it is broken, or its domain is gone.

        Raises OSError where the kernel refuses.
        """
        if request.record is None:
            return None
        self.refresh()
        name = request.record.domain.text
        explainer = self._domains.get(name)
        if explainer is None:
            # By the request, and not by the name: a process may be in a domain that was deleted.
            text = self._interface.select("domain_policy", f"select Q={request.serial}")
            domains = parse_domain_policy(text.partition("\n")[2], report=lambda _: None)
            if [domain.name.text for domain in domains] != [name]:
                return None
            explainer = self._domains[name] = self._shared.with_domains(domains)
        return explainer.explain_record(request.record)


class QueryExplainer:
    """Explains requests in a thread of its own, by EXPLAIN, which that thread alone calls.

    PREPARE is called there before the first request comes.  What cannot be
    explained is simply not: a request can be answered all the same.
    """

    def __init__(
        self, explain: Callable[[PendingRequest], Explanation | None], prepare: Callable[[], None] = lambda: None
    ) -> None:
        self._explain = explain
        self._prepare = prepare
        self._asked: queue.SimpleQueue[PendingRequest | None] = queue.SimpleQueue()
        self._explained: queue.SimpleQueue[tuple[PendingRequest, Explanation | None]] = queue.SimpleQueue()
        self._due = 0
        # Nothing waits for its end: a program that answers requests must be able to end at once.
        self._thread = threading.Thread(target=self._work, name="explaining requests", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, policy: QueryPolicy) -> QueryExplainer:
        """The explainer by what POLICY says."""
        return cls(policy.explain, policy.refresh)

    def ask(self, request: PendingRequest) -> None:
        """Let REQUEST be explained."""
        self._due += 1
        self._asked.put(request)

    def take(self, seconds: float = 0.0) -> list[tuple[PendingRequest, Explanation]]:
        """What has been explained since the last call; waits for what is due, but no longer than SECONDS."""
        found = []
        deadline = monotonic() + seconds
        while self._due:
            left = deadline - monotonic()
            try:
                request, explanation = self._explained.get(left > 0, max(left, 0.0))
            except queue.Empty:
                break
            self._due -= 1
            if explanation is not None:
                found.append((request, explanation))
        return found

    def close(self) -> None:
        """Explain no more."""
        self._asked.put(None)

    def _work(self) -> None:
        with suppress(*_REFUSALS):
            self._prepare()
        while (request := self._asked.get()) is not None:
            explanation = None
            with suppress(*_REFUSALS):
                explanation = self._explain(request)
            self._explained.put((request, explanation))

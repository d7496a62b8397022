"""Requests that wait, explained by what a simulated kernel holds."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tomoyo.analysis.explanation import Explanation
from tomoyo.decision.requests import parse_request
from tomoyo.model.words import DomainName
from tomoyo.query.dialogue import Answer, Event, PendingRequest, QueryDialogue, read_request
from tomoyo.query.explanation import QueryExplainer, QueryPolicy
from tomoyo.query.session import Asked, Explained, QuerySession
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.records import parse_query

QUERY = parse_query((Path(__file__).parents[1] / "data" / "records" / "query.txt").read_bytes())[0]
DOMAIN = "<kernel> /usr/sbin/httpd"
PROFILE = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
EXCEPTIONS = "path_group nix:/www/index /srv/www/index.html\n"
ENTRIES = f"{DOMAIN}\nuse_profile 3\nfile read /srv/www/\\*.css\nfile write /srv/www/index.html task.uid=0\n"


class Counting(SimulatedKernel):
    """A kernel that remembers what was read, and by which threads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.threads: set[str] = set()

    def read(self, name: str) -> str:
        self.reads.append(name)
        self.threads.add(threading.current_thread().name)
        return super().read(name)

    def select(self, name: str, command: str) -> str:
        self.reads.append(command)
        self.threads.add(threading.current_thread().name)
        return super().select(name, command)


@pytest.fixture
def kernel() -> Counting:
    """A kernel in which a server wants to read a page."""
    found = Counting()
    for name, text in (("profile", PROFILE), ("exception_policy", EXCEPTIONS), ("domain_policy", ENTRIES)):
        found.write(name, text)
    found.activate()
    return found


def wanting(kernel: SimulatedKernel, serial: int, request: str, domain: str = DOMAIN) -> PendingRequest:
    """A request that waits in KERNEL."""
    asked = parse_request(request).entry
    query = replace(QUERY, serial=serial, record=replace(QUERY.record, domain=DomainName(domain), request=asked))
    kernel.queries.append(query)
    found = read_request(str(query).encode() + b"\0", 0.0)
    assert found is not None
    return found


def test_a_request_is_explained(kernel: Counting) -> None:
    found = QueryPolicy(kernel).explain(wanting(kernel, 7, "file read /srv/www/index.html"))
    assert found is not None
    assert not found.verdict.allowed
    assert [(str(miss.entry), miss.part.value) for miss in found.near] == [
        ("file write /srv/www/index.html task.uid=0", "operation"),
        ("file read /srv/www/\\*.css", "argument"),
    ]
    assert str(found.remedy) == str(found.named) == "file read @nix:/www/index"


def test_the_policy_is_read_once_and_again_when_it_changes(kernel: Counting) -> None:
    policy = QueryPolicy(kernel)
    request = wanting(kernel, 7, "file read /srv/www/index.html")
    policy.explain(request)
    policy.explain(wanting(kernel, 8, "file read /srv/www/other.html"))
    assert kernel.reads == ["stat", "exception_policy", "profile", "select Q=7", "stat"]
    kernel.write("domain_policy", f"{DOMAIN}\nfile read /srv/www/index.htm\n")
    changed = policy.explain(request)
    assert changed is not None
    assert str(changed.near[1].entry) == "file read /srv/www/\\*.css"
    assert str(changed.near[2].entry) == "file read /srv/www/index.htm"
    kernel.write("domain_policy", f"{DOMAIN}\nfile read @nix:/www/index\n")
    granted = policy.explain(request)
    assert granted is not None
    assert str(granted.verdict.entry) == "file read @nix:/www/index"
    kernel.write("exception_policy", "delete path_group nix:/www/index /srv/www/index.html\n")
    denied = policy.explain(request)
    assert denied is not None
    assert not denied.verdict.granted
    assert str(denied.near[2].entry) == "file read /srv/www/index.htm"


def test_what_cannot_be_explained_is_not(kernel: Counting) -> None:
    policy = QueryPolicy(kernel)
    assert policy.explain(wanting(kernel, 9, "file read /a", "<kernel> /gone")) is None
    broken = replace(wanting(kernel, 10, "file read /a"), record=None, outline=None)
    assert policy.explain(broken) is None


# In a session


class StandIn:
    """A query file in which `waiting` waits."""

    def __init__(self) -> None:
        self.dialogue = QueryDialogue()
        self.waiting: list[PendingRequest] = []

    def look(self) -> list[Event]:
        reads = [b"Q%d-%d\n%s\0" % (request.serial, request.retry, request.text) for request in self.waiting]
        return self.dialogue.receive(reads, 0.0)

    def overdue(self) -> list[PendingRequest]:
        return []

    def answer(self, serial: int, answer: Answer) -> None:
        self.dialogue.answer(serial, answer, 0.0)
        self.waiting = [request for request in self.waiting if request.serial != serial]


@pytest.fixture
def file() -> StandIn:
    """A file in which nothing waits yet."""
    return StandIn()


def session_of(file: StandIn, explainer: QueryExplainer) -> QuerySession:
    return QuerySession(file, explainer=explainer)  # type: ignore[arg-type]


def test_a_request_comes_with_its_explanation(kernel: Counting, file: StandIn) -> None:
    policy = QueryPolicy(kernel)
    policy.refresh()  # so that the first is no slower than others
    explainer = QueryExplainer.of(policy)
    session = session_of(file, explainer)
    file.waiting = [wanting(kernel, number, f"file read /srv/www/{number}.html") for number in range(50)]
    notices = session.step()
    late = 0
    while late + sum(isinstance(one, Asked) and one.explanation is not None for one in notices) < 50:
        late += sum(isinstance(one, Explained) for one in session.step())
    assert [one.request.serial for one in notices] == list(range(50))
    for request in session.pending:
        found = session.explanation(request)
        assert found is not None
        assert str(found.remedy) == f"file read /srv/www/{request.serial}.html"
    session.answer(session.pending[0], Answer.DENY)
    session.step()
    assert session.explanation(file.dialogue.pending[0]) is not None
    explainer.close()


def test_nothing_waits_for_a_slow_explanation(kernel: Counting, file: StandIn) -> None:
    may_go_on = threading.Event()

    def explain(request: PendingRequest) -> Explanation | None:
        may_go_on.wait()
        return QueryPolicy(kernel).explain(request)

    explainer = QueryExplainer(explain)
    session = session_of(file, explainer)
    first, second = (wanting(kernel, number, f"file read /srv/www/{number}.html") for number in (1, 2))
    file.waiting = [first, second]
    # It comes back although nothing is explained yet.
    assert session.step() == [Asked(first, again=False), Asked(second, again=False)]
    session.answer(first, Answer.GRANT)
    assert session.step() == []
    may_go_on.set()
    explained: list[object] = []
    while not explained:
        explained += session.step()
    # The first has its answer: nobody needs to know any more.
    assert [(type(one), one.request) for one in explained] == [(Explained, second)]  # type: ignore[attr-defined]
    explainer.close()


def test_a_kernel_that_refuses_hinders_no_answer(file: StandIn, kernel: Counting) -> None:
    def refuse(_: PendingRequest) -> Explanation | None:
        raise PermissionError

    explainer = QueryExplainer(refuse, lambda: (_ for _ in ()).throw(OSError))
    session = session_of(file, explainer)
    file.waiting = [wanting(kernel, 1, "file read /a")]
    (asked,) = session.step()
    assert isinstance(asked, Asked)
    assert asked.explanation is None
    session.answer(asked.request, Answer.GRANT)
    assert session.pending == []
    explainer.close()


def test_a_large_input_is_read_in_the_background(file: StandIn) -> None:
    """Thousands of lines: whoever answers never reads them."""
    kernel = Counting()
    kernel.write("profile", PROFILE)
    kernel.write("exception_policy", "".join(f"path_group nix:/p{n}/x /nix/store/{n:032}-p/x\n" for n in range(5_000)))
    kernel.write("domain_policy", f"{DOMAIN}\nuse_profile 3\n" + "".join(f"file read /srv/{n}/x\n" for n in range(5_000)))
    kernel.activate()
    explainer = QueryExplainer.of(QueryPolicy(kernel))
    session = session_of(file, explainer)
    file.waiting = [wanting(kernel, number, f"file read /srv/{number}/y") for number in range(50)]
    while any(session.explanation(request) is None for request in file.waiting):
        session.step()
    assert kernel.threads == {"explaining requests"}
    found = session.explanation(file.waiting[7])
    assert found is not None
    assert str(found.near[0]) == "'file read /srv/7/x', but 'x' does not match 'y' in the path"
    explainer.close()

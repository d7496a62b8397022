"""The terminal of `tomoyo query`: what a line that is typed answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tomoyo.analysis.explanation import Explainer, Explanation
from tomoyo.cli.query_terminal import Dialogue, JsonDialogue, proposed, reasons
from tomoyo.decision.engine import DecisionEngine
from tomoyo.query.dialogue import Answer, Event, PendingRequest, QueryDialogue
from tomoyo.query.session import Answered, Asked, Explained, QuerySession, Reason, Vanished, learned_entry
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy

RECORD = (Path(__file__).parents[1] / "data" / "records" / "query.txt").read_bytes().split(b"\0")[0].partition(b"\n")[2]


class StandIn:
    """A query file whose requests are in `waiting`; `answers` is what was said to them."""

    def __init__(self) -> None:
        self.dialogue = QueryDialogue()
        self.waiting: list[int] = []
        self.answers: list[tuple[int, str]] = []

    def look(self) -> list[Event]:
        return self.dialogue.receive([b"Q%d-0\n" % serial + RECORD for serial in self.waiting], 0.0)

    def overdue(self) -> list[PendingRequest]:
        return []

    def answer(self, serial: int, answer: Answer) -> None:
        if self.dialogue.answer(serial, answer, 0.0):
            self.waiting.remove(serial)
            self.answers.append((serial, answer.name.lower()))


class Terminal:
    """A dialogue with such a file."""

    def __init__(self) -> None:
        self.file = StandIn()
        self.session = QuerySession(self.file)  # type: ignore[arg-type]
        self.dialogue = Dialogue(self.session)

    def arrive(self, *serials: int) -> None:
        self.file.waiting += serials
        self.look()

    def vanish(self, serial: int) -> None:
        self.file.waiting.remove(serial)
        self.look()
        self.look()

    def look(self) -> None:
        for notice in self.session.step():
            self.dialogue._show(notice)

    def type(self, *lines: str) -> bool:
        return all(self.dialogue._take(line) for line in lines)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_a_letter_answers_the_oldest_and_then_the_next(terminal: Terminal) -> None:
    terminal.arrive(5, 6, 7)
    terminal.type("y", "no", "retry")
    assert terminal.file.answers == [(5, "grant"), (6, "deny"), (7, "retry")]


def test_a_number_or_all_say_which(terminal: Terminal) -> None:
    terminal.arrive(5, 6, 7, 8)
    terminal.type("y 7", "n 99", "n 5", "n x", "y")
    assert terminal.file.answers == [(7, "grant"), (5, "deny"), (6, "grant")]
    terminal.type("n all")
    assert terminal.file.answers[3:] == [(8, "deny")]


def test_an_answer_never_goes_to_another_request_than_the_one_that_was_shown(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.arrive(5, 6)
    terminal.vanish(5)
    terminal.type("y")
    assert terminal.file.answers == []
    shown = capsys.readouterr().out
    assert "no request 5 waits" in shown
    assert "next is [6]" in shown
    terminal.type("n")
    assert terminal.file.answers == [(6, "deny")]


def test_what_is_shown_does_nothing_to_a_terminal(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.arrive(5)
    terminal.type("l", "\x1b[31m", "e", "file read \x1b]0;x\x07", "x" * 1000, "?", "y \x1b[31m")
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert "\x1b" not in shown
    assert terminal.file.answers == []


@pytest.mark.parametrize("line", ["use_profile 0", "<kernel> /other", "file read /x\tfile write /x", "nonsense", "file read"])
def test_what_is_no_entry_is_not_added(terminal: Terminal, line: str) -> None:
    terminal.arrive(5)
    terminal.type("e", line)
    assert [request.serial for request in terminal.session.pending] == [5]


@pytest.mark.parametrize("line", ["abort", "yy", "Y", "x", "y5", "\x1b[31m", "yesterday"])
def test_what_is_no_answer_is_none(terminal: Terminal, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.arrive(5)
    assert terminal.type(line)
    assert terminal.file.answers == []
    assert [request.serial for request in terminal.session.pending] == [5]
    shown = capsys.readouterr().out.splitlines()[-1]
    assert "is no answer: [y]es [n]o" in shown


def test_never_denies_all_alike_that_wait(terminal: Terminal) -> None:
    terminal.arrive(5, 6)
    terminal.type("v")
    assert terminal.file.answers == [(5, "deny"), (6, "deny")]
    terminal.arrive(7)
    assert terminal.file.answers[2:] == [(7, "deny")]


def test_quitting_ends_at_once(terminal: Terminal) -> None:
    terminal.arrive(5)
    assert not terminal.type("q")
    assert terminal.type("", "nonsense")


# Explanations


def waiting(terminal: Terminal) -> tuple[PendingRequest, Explanation]:
    """A request that waits, and why."""
    events = terminal.file.dialogue.receive([b"Q5-0\n" + RECORD.replace(b"file execute", b"file read")], 0.0)
    terminal.file.waiting.append(5)
    request = events[0].request
    assert request.record is not None
    policy = f"{request.record.domain}\nuse_profile 3\n\nfile read /usr/\\*/x\nfile append /none task.uid=1\n"
    engine = DecisionEngine(parse_domain_policy(policy), parse_exception_policy(f"path_group nix:/w/x {path_of(request)}\n"))
    return request, Explainer(engine).explain_record(request.record)


def path_of(request: PendingRequest) -> str:
    assert request.outline is not None
    return request.outline.paths[0]


def test_a_request_is_shown_with_what_comes_nearest(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    request, explanation = waiting(terminal)
    terminal.dialogue._show(Asked(request, again=False, explanation=explanation))
    shown = capsys.readouterr().out.splitlines()
    at = shown.index(f"    wants: {explanation.request.text}")
    assert shown[at + 1 :] == [
        *(f"    nearest: {miss}" for miss in explanation.near),
        f"    by name: {explanation.named}",
        f"    always would add: {learned_entry(request.record) if request.record else ''}",
        "[y]es [n]o [r]etry [a]lways [e]dit ne[v]er [l]ist [q]uit?",
    ]
    assert explanation.near
    terminal.dialogue._show(Explained(request, explanation))
    assert capsys.readouterr().out.splitlines()[0] == f"[5] nearest: {explanation.near[0]}"


def test_what_another_has_granted_meanwhile(terminal: Terminal) -> None:
    request, explanation = waiting(terminal)
    assert request.record is not None
    policy = parse_domain_policy(f"{request.record.domain}\nuse_profile 3\n\n{explanation.request.entry}\n")
    granted = Explainer(DecisionEngine(policy)).explain_record(request.record)
    assert list(reasons(granted)) == [f"by now '{explanation.request.entry}' grants it: retry"]
    nothing = Explainer(DecisionEngine(parse_domain_policy(f"{request.record.domain}\nuse_profile 3\n")))
    assert list(reasons(nothing.explain_record(request.record))) == ["no entry of its domain comes near"]


def test_json_lines_for_a_program(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    terminal.dialogue = JsonDialogue(terminal.session)
    request, explanation = waiting(terminal)
    terminal.dialogue._show(Asked(request, again=False, explanation=explanation))
    terminal.dialogue._show(Explained(request, explanation))
    terminal.type("l", "y", "x")
    terminal.dialogue._show(Answered(request, Answer.DENY, Reason.OVERDUE))
    terminal.dialogue._show(Vanished(request))
    asked, explained, listed, said, choices, answered, vanished = (
        json.loads(line)["result"] for line in capsys.readouterr().out.splitlines()
    )
    assert asked["event"] == "asked"
    assert asked["explanation"] == explained["explanation"] == json.loads(json.dumps(explanation.plain()))
    assert asked["explanation"]["nearest"][0]["reason"] == explanation.near[0].reason
    assert (asked["request"], asked["wants"], asked["again"]) == (5, explanation.request.text, False)
    assert asked["record"].encode() == request.text
    assert (listed["event"], listed["wants"]) == ("waiting", asked["wants"])
    assert (said["event"], said["text"], choices["event"]) == ("message", "[5] granted this once", "message")
    assert answered == {"event": "answered", "request": 5, "answer": "deny", "reason": "nobody answered"}
    assert vanished == {"event": "vanished", "request": 5}
    assert terminal.file.answers == [(5, "grant")]


# What is proposed

HASH = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-w-1.0"


def stored(terminal: Terminal, policy: str = "", *, execute: bool = False) -> tuple[PendingRequest, Explanation | None]:
    """A request for a file in the store that waits, and what a POLICY says of it."""
    lines = RECORD.replace(b"/usr/bin/true", HASH.encode() + b"/bin/w").split(b"\n") if execute else RECORD.split(b"\n")
    lines[-2:] = [b"file execute nix:/w/bin/w" if execute else f"file read {HASH}/bin/w".encode(), b""]
    (event,) = terminal.file.dialogue.receive([b"Q5-0\n" + b"\n".join(lines)], 0.0)
    terminal.file.waiting.append(5)
    request = event.request
    assert request.record is not None
    engine = DecisionEngine(parse_domain_policy(f"{request.record.domain}\nuse_profile 3\n"), parse_exception_policy(policy))
    return request, Explainer(engine).explain_record(request.record) if policy else None


@pytest.mark.parametrize("policy", ["", "path_group nix:/other /nix/store/x\n"])
def test_a_store_path_without_a_name_is_not_proposed(terminal: Terminal, policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    request, explanation = stored(terminal, policy)
    assert proposed(request, explanation) == ""
    terminal.dialogue._show(Asked(request, again=False, explanation=explanation))
    terminal.type("a")
    shown = capsys.readouterr().out
    assert "always would add" not in shown
    assert shown.count("no name stands for the store path") == 2
    assert terminal.file.answers == []


def test_a_name_is_proposed_for_a_store_path(terminal: Terminal) -> None:
    request, explanation = stored(terminal, f"path_group nix:/w/bin/w {HASH}/bin/w\n")
    assert proposed(request, explanation).startswith("file read @nix:/w/bin/w exec.realpath=")


def test_an_executed_name_needs_no_real_path(terminal: Terminal) -> None:
    request, _ = stored(terminal, execute=True)
    learned = learned_entry(request.record) if request.record else None
    assert learned is not None
    assert f'exec.realpath="{HASH}/bin/w"' in learned.text
    assert proposed(request).startswith("file execute nix:/w/bin/w exec.argv[0]=")
    assert "/nix/store" not in proposed(request)

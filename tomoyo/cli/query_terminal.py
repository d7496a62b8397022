"""The terminal of the command ``query``: shows what waits, and takes what is typed."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator

from ..model.words import quoted
from .messages import write_result
from .options import visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..analysis.explanation import Explanation
    from ..model.entries import Entry
    from ..query.dialogue import Answer, PendingRequest
    from ..query.session import Notice, QuerySession

_CHOICES = "[y]es [n]o [r]etry [a]lways [e]dit ne[v]er [l]ist [q]uit"

_WORDS = {"yes": "y", "no": "n", "retry": "r", "always": "a", "never": "v", "edit": "e", "list": "l", "quit": "q"}


class Dialogue:
    """Shows what waits, and takes what is typed."""

    def __init__(self, session: QuerySession) -> None:
        self.session = session
        self._typed = b""
        self._editing: PendingRequest | None = None
        # What a letter alone answers; it may be gone, but is never another than the one that was shown.
        self._current: int | None = None

    def run(self, signals: int) -> int:
        """Go on until someone quits, standard input ends, or SIGNALS is readable; gives the exit code."""
        from ..query.kernel_file import LOOK

        waits = self.session.file.fileno()
        reads = [signals] if self._unasked else [signals, sys.stdin.fileno()]
        self._say("waiting for requests; 'q' ends\n" if not self._unasked else "answering by rules\n")
        while True:
            pending = bool(self.session.pending)
            # The file stays readable while something waits, so then it is looked at every now and again.
            ready, _, _ = select.select(reads if pending else [*reads, waits], [], [], LOOK if pending else None)
            for notice in self.session.step():
                self._show(notice)
            if signals in ready:
                return 0
            if sys.stdin.fileno() in ready and not self._read():
                return 0

    @property
    def _unasked(self) -> bool:
        return not self.session.asks

    def _read(self) -> bool:
        """Take what was typed; false where that ends the dialogue."""
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            return False
        *lines, self._typed = (self._typed + data).split(b"\n")
        return all(self._take(line.decode("utf-8", "replace").strip()) for line in lines)

    def _take(self, line: str) -> bool:
        """Do what LINE says; false where it is to quit."""
        if self._editing is not None:
            self._edited(line)
            return True
        letter, _, rest = line.partition(" ")
        letter = _WORDS.get(letter, letter)
        if letter == "q":
            return False
        if letter in ("l", ""):
            self._list()
        elif letter not in _WORDS.values():
            # Never a guess: 'abort' must not be taken for 'always'.
            self._say(f"{quoted(visible(letter[:20]))} is no answer: {_CHOICES}; then a request's number, or 'all'\n")
        else:
            for request in self._meant(rest.strip()):
                self._decide(letter, request)
                if request.serial == self._current and self.session.file.dialogue.find(request.serial) is None:
                    self._go_on()
        return True

    def _meant(self, number: str) -> list[PendingRequest]:
        pending = self.session.pending
        if number == "all":
            return pending
        wanted = number or str(self._current)
        found = [request for request in pending if str(request.serial) == wanted]
        if not found:
            self._say(f"no request {visible(wanted)[:20]} waits\n" if wanted != "None" else "nothing waits\n")
            if not number:
                self._go_on()
        return found

    def _turn_to(self, request: PendingRequest) -> None:
        if self._current is None:
            self._current = request.serial

    def _go_on(self) -> None:
        """Turn to the oldest request that waits."""
        pending = self.session.pending
        self._current = pending[0].serial if pending else None
        if pending:
            self._say(f"next is [{pending[0].serial}] {summary(pending[0])}\n")

    def _decide(self, letter: str, request: PendingRequest) -> None:
        from ..query.dialogue import Answer

        answers: dict[str, Answer] = {"y": Answer.GRANT, "n": Answer.DENY, "r": Answer.RETRY}
        if letter in answers:
            self.session.answer(request, answers[letter])
            self._say(f"[{request.serial}] {_DONE[letter]}\n")
        elif letter == "v":
            rule = self.session.never(request)
            self._say(f"[{request.serial}] denied; rule: {rule}\n")
        elif letter == "a":
            entry = proposed(request, self.session.explanation(request))
            if entry:
                self._add(request, entry)
            else:
                self._say(f"[{request.serial}] still waits: {_UNNAMED}; e takes an entry that you write\n")
        else:
            self._editing = request
            explanation = self.session.explanation(request)
            named = f"{explanation.named}\n" if explanation is not None and explanation.named is not None else ""
            entry = proposed(request, explanation)
            such = f", such as\n{entry}" if entry else ""
            self._say(f"[{request.serial}] the entry to add (nothing: back){such}\n{named}")

    def _edited(self, line: str) -> None:
        request, self._editing = self._editing, None
        if request is None or not line:
            return
        if self.session.file.dialogue.find(request.serial) is None:
            self._say(f"[{request.serial}] waits no more\n")
        else:
            self._add(request, line)
        if request.serial == self._current and self.session.file.dialogue.find(request.serial) is None:
            self._go_on()

    def _add(self, request: PendingRequest, line: str) -> None:
        entry = entry_of(line)
        if isinstance(entry, str):
            self._say(f"[{request.serial}] still waits: {entry}\n")
            return
        if self.session.always(request, entry):
            self._say(f"[{request.serial}] added, and asked again: {entry}\n")
        else:
            self._say(f"[{request.serial}] still waits: the kernel did not take {entry}\n")

    def _list(self) -> None:
        for request in self.session.pending:
            self._say("".join(described(request, self.session.explanation(request))))
        if not self.session.pending:
            self._say("nothing waits\n")

    def _show(self, notice: Notice) -> None:
        from ..query.session import Answered, Explained, Vanished

        request = notice.request
        if isinstance(notice, Answered):
            what = "granted" if notice.answer.name == "GRANT" else "denied"
            self._say(f"[{request.serial}] {what}, {notice.reason.value}: {summary(request)}\n")
        elif isinstance(notice, Vanished):
            self._say(f"[{request.serial}] waits no more\n")
        elif isinstance(notice, Explained):
            self._say("".join(f"[{request.serial}] {line}\n" for line in reasons(notice.explanation)))
        else:
            if notice.again:
                self._say("the policy still does not grant this:\n")
            self._turn_to(request)
            self._say("".join(described(request, notice.explanation)) + f"{_CHOICES}?\n")

    def _say(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


_DONE = {"y": "granted this once", "n": "denied this once", "r": "asked again"}


#: Why nothing is proposed.
_UNNAMED = "no entry is proposed, as no name stands for the store path, which the next update changes"


def proposed(request: PendingRequest, explanation: Explanation | None = None) -> str:
    """The entry that would allow REQUEST, as a line; empty where it has a store path that EXPLANATION has no name for."""
    from ..query.session import lasting_entry

    entry = lasting_entry(request.record, explanation) if request.record is not None else None
    return "" if entry is None else entry.text


def entry_of(line: str) -> Entry | str:
    """The entry that LINE is, or why it is none."""
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import PolicySyntaxError

    try:
        policy = parse_domain_policy(f"<kernel>\n{line}\n")
    except PolicySyntaxError as error:
        return error.explanation
    entries = [entry for domain in policy for entry in domain.entries]
    return entries[0] if len(entries) == len(policy) == 1 else f"no entry: {quoted(line)}"


def summary(request: PendingRequest) -> str:
    """REQUEST in one line, with nothing in it that a terminal would act on."""
    outline = request.outline
    return "a broken record" if outline is None else f"{outline.domain}: {outline.request}"


def described(request: PendingRequest, explanation: Explanation | None = None) -> Iterator[str]:
    """REQUEST in words."""
    record, outline = request.record, request.outline
    if record is None or outline is None:
        return
    task = record.task
    program = f", {record.execution.realpath}" if record.execution is not None else ""
    yield f"[{request.serial}] {outline.domain}\n"
    yield f"    process {record.global_pid}, user {task.uid} (effective {task.euid}){program}\n"
    yield f"    wants: {outline.request}\n"
    if explanation is not None:
        yield from (f"    {line}\n" for line in reasons(explanation))
    entry = proposed(request, explanation)
    yield f"    always would add: {entry}\n" if entry else f"    always: {_UNNAMED}\n"


def reasons(explanation: Explanation) -> Iterator[str]:
    """Why the policy does not grant what EXPLANATION is about, a line at a time."""
    if explanation.verdict.entry is not None:
        yield f"by now '{visible(explanation.verdict.entry.text)}' grants it: retry"
        return
    for miss in explanation.near:
        yield f"nearest: {visible(str(miss))}"
    if not explanation.near:
        yield "no entry of its domain comes near"
    if explanation.named is not None:
        yield f"by name: {visible(explanation.named.text)}"


class JsonDialogue(Dialogue):
    """The same for a program: every line that is written is a JSON object, whose ``event`` says what it is of."""

    def _say(self, text: str) -> None:
        for line in text.splitlines():
            self._write({"event": "message", "text": line})

    def _show(self, notice: Notice) -> None:
        from ..query.session import Asked

        request = notice.request
        plain: dict[str, object] = {"event": type(notice).__name__.lower(), "request": request.serial}
        if isinstance(notice, Asked):
            self._turn_to(request)
        self._write(plain | plain_notice(notice))

    def _list(self) -> None:
        from ..query.session import Asked

        for request in self.session.pending:
            listed = Asked(request, again=False, explanation=self.session.explanation(request))
            self._write({"event": "waiting", "request": request.serial} | plain_notice(listed))

    @staticmethod
    def _write(plain: dict[str, object]) -> None:
        write_result(plain)
        sys.stdout.flush()


def plain_notice(notice: Notice) -> dict[str, object]:
    """NOTICE as plain data, for JSON."""
    from ..query.session import Answered, Asked, Explained

    request = notice.request
    if isinstance(notice, Answered):
        return {"answer": notice.answer.name.lower(), "reason": notice.reason.value}
    if isinstance(notice, Explained):
        return {"explanation": notice.explanation.plain()}
    record, outline = request.record, request.outline
    if not isinstance(notice, Asked) or record is None or outline is None:
        return {}
    return {
        "again": notice.again,
        "domain": outline.domain,
        "wants": outline.request,
        "process": record.global_pid,
        "user": record.task.uid,
        "effective_user": record.task.euid,
        "program": record.execution.realpath.text if record.execution is not None else None,
        "always": proposed(request, notice.explanation) or None,
        "explanation": notice.explanation.plain() if notice.explanation is not None else None,
        "record": request.text.decode("ascii", "backslashreplace"),
    }

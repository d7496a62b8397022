"""Answer what enforced domains ask for, while it waits.

As long as this runs, a request that the policy denies waits for your word.
Each is shown with its number; answer with a letter, or a letter and a number:

  y  yes: let it happen this once         a  always: add an entry to the policy
  n  no: deny it this once                e  edit: add an entry that you write
  r  retry: look at the policy again      v  never: deny all like it from now on
  l  list what waits                      q  quit: deny all, and end

'n all' and the like answer everything that waits.  Rules in a file
(--rules) answer without asking; 'never' adds to it.  Whenever this ends,
however it ends, what waits is denied.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import sys
from collections.abc import Iterator
from contextlib import suppress

from .options import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..analysis.query_rules import QueryRule
    from ..kernel.query import Answer, PendingRequest
    from ..kernel.query_session import Notice, QuerySession
    from ..model.entries import Entry

_CHOICES = "[y]es [n]o [r]etry [a]lways [e]dit ne[v]er [l]ist [q]uit"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--rules", metavar="FILE", help="rules that answer without asking; see the documentation")
    parser.add_argument("--no-ask", action="store_true", help="answer by rules alone, and deny the rest")
    parser.add_argument("--wait", type=seconds, default=300.0, metavar="SECONDS", help="deny after this time (default: 300)")
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    import signal

    from ..kernel.audit import FOLDER
    from ..kernel.query_file import QueryFile
    from ..kernel.query_session import QuerySession
    from ..kernel.rules_file import read_rules
    from ..kernel.signals import ENDING, SignalPipe
    from .audit import refused

    gc.enable()  # it may run for months
    folder = arguments.interface or FOLDER
    try:
        rules = read_rules(arguments.rules) if arguments.rules else ()
        # Before anything waits, or this would be what waits.
        with suppress(OSError):
            if own_requests_wait(folder):
                message("warning", "this program's own domain is enforced: what it is denied will wait for nobody's answer")
        with SignalPipe((*ENDING, signal.SIGHUP)) as signals, QueryFile(folder, patience=arguments.wait) as file:
            session = QuerySession(file, rules, asks=not arguments.no_ask, keep=lambda rule: keep(arguments.rules, rule))
            return Dialogue(session).run(signals.fileno())
    except BrokenPipeError:
        raise
    except OSError as error:
        return refused(error, folder)


def own_requests_wait(folder: str) -> bool:
    """Whether this process is itself in a domain where something is enforced."""
    from ..kernel.modes import read_profiles
    from ..kernel.securityfs import Securityfs

    interface = Securityfs(folder)
    profile, domain = interface.process_status([os.getpid()]).get(os.getpid(), (0, "<kernel>"))
    return read_profiles(interface).denies(domain.partition(" ")[0], profile)


def keep(path: str | None, rule: QueryRule) -> None:
    """Put RULE into the file PATH, if there is one."""
    from ..kernel.rules_file import prepend_rule

    if path is None:
        return
    try:
        prepend_rule(path, rule)
    except OSError as error:
        message("warning", f"{path}: {error.strerror}; the rule holds until this command ends")


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
        from ..kernel.query_file import LOOK

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
        letter = {"yes": "y", "no": "n", "retry": "r", "always": "a", "never": "v", "edit": "e"}.get(letter, letter)[:1]
        if letter == "q":
            return False
        if letter in ("l", ""):
            self._list()
        elif letter not in "ynrave":
            self._say(f"{_CHOICES}; then a request's number, or 'all'\n")
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
            self._say(f"no request {wanted} waits\n" if wanted != "None" else "nothing waits\n")
            if not number:
                self._go_on()
        return found

    def _go_on(self) -> None:
        """Turn to the oldest request that waits."""
        pending = self.session.pending
        self._current = pending[0].serial if pending else None
        if pending:
            self._say(f"next is [{pending[0].serial}] {summary(pending[0])}\n")

    def _decide(self, letter: str, request: PendingRequest) -> None:
        from ..kernel.query import Answer

        answers: dict[str, Answer] = {"y": Answer.GRANT, "n": Answer.DENY, "r": Answer.RETRY}
        if letter in answers:
            self.session.answer(request, answers[letter])
            self._say(f"[{request.serial}] {_DONE[letter]}\n")
        elif letter == "v":
            rule = self.session.never(request)
            self._say(f"[{request.serial}] denied; rule: {rule}\n")
        elif letter == "a":
            self._add(request, proposed(request))
        else:
            self._editing = request
            self._say(f"[{request.serial}] the entry to add (nothing: back), such as\n{proposed(request)}\n")

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
            self._say("".join(described(request)))
        if not self.session.pending:
            self._say("nothing waits\n")

    def _show(self, notice: Notice) -> None:
        from ..kernel.query_session import Answered, Vanished

        request = notice.request
        if isinstance(notice, Answered):
            what = "granted" if notice.answer.name == "GRANT" else "denied"
            self._say(f"[{request.serial}] {what}, {notice.reason.value}: {summary(request)}\n")
        elif isinstance(notice, Vanished):
            self._say(f"[{request.serial}] waits no more\n")
        else:
            if notice.again:
                self._say("the policy still does not grant this:\n")
            if self._current is None:
                self._current = request.serial
            self._say("".join(described(request)) + f"{_CHOICES}?\n")

    def _say(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


_DONE = {"y": "granted this once", "n": "denied this once", "r": "asked again"}


def proposed(request: PendingRequest) -> str:
    """The entry that would allow REQUEST, as a line."""
    from ..kernel.query_session import learned_entry

    return str(learned_entry(request.record)) if request.record is not None else ""


def entry_of(line: str) -> Entry | str:
    """The entry that LINE is, or why it is none."""
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import PolicySyntaxError

    try:
        policy = parse_domain_policy(f"<kernel>\n{line}\n")
    except PolicySyntaxError as error:
        return error.explanation
    entries = [entry for domain in policy for entry in domain.entries]
    return entries[0] if len(entries) == len(policy) == 1 else f"no entry: {line!r}"


def summary(request: PendingRequest) -> str:
    """REQUEST in one line, with nothing in it that a terminal would act on."""
    outline = request.outline
    return "a broken record" if outline is None else f"{outline.domain}: {outline.request}"


def described(request: PendingRequest) -> Iterator[str]:
    """REQUEST in words."""
    record, outline = request.record, request.outline
    if record is None or outline is None:
        return
    task = record.task
    program = f", {record.execution.realpath}" if record.execution is not None else ""
    yield f"[{request.serial}] {outline.domain}\n"
    yield f"    process {record.global_pid}, user {task.uid} (effective {task.euid}){program}\n"
    yield f"    wants: {outline.request}\n"
    if proposed(request) != outline.request:
        yield f"    always would add: {proposed(request)}\n"


def seconds(argument: str) -> float:
    """A time in seconds."""
    try:
        found = float(argument)
    except ValueError:
        found = -1.0
    if not 0 < found < 1e9:
        raise argparse.ArgumentTypeError(f"no time: {argument!r}")
    return found

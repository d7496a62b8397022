"""Audit logs as the commands read them: any number, any size, whatever they hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from ..model.diagnostics import Place
from ..model.errors import is_binary
from . import messages
from .messages import counted
from .options import UsageError, message, refuse_binary
from .progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.records import AuditRecord
    from ..syntax.lines import PolicySyntaxError
    from ..syntax.record_grammar import RecordText

#: Broken records that are told of one by one; the others are counted.
TOLD = 10
#: Characters at the beginning of a file that say what it is.
_HEAD = 1 << 16


class LogReader:
    """Reads logs record by record, and tells at a terminal how far it is.

    Attributes: ``broken``, how many records were left out, being none;
    ``progress``, to be cleared before anything is written meanwhile.

    Raises UsageError for what is no log: it holds something, and no record.
    """

    def __init__(self) -> None:
        self.broken = 0
        self.progress: Progress = Progress()

    def records(self, logs: Sequence[str]) -> Iterator[AuditRecord]:
        """The records in LOGS, in which ``-`` is standard input, as is nothing at all."""
        from ..syntax.records import read_text

        return map(read_text, self.texts(logs))

    def texts(self, logs: Sequence[str]) -> Iterator[RecordText]:
        """The same as text, each part of which can be read: who needs few of them is done in a fraction of the time."""
        with self.progress:
            yield from self.progress.counted(self._texts(logs), "records")

    def _texts(self, logs: Sequence[str]) -> Iterator[RecordText]:
        from dataclasses import replace

        from ..model.diagnostics import Severity
        from ..syntax.records import iterate_texts

        for name in logs or ["-"]:
            called = shown(name)
            before = self.broken
            read = 0

            def report(error: PolicySyntaxError, called: str = called) -> None:
                self.broken += 1
                self.progress.clear()
                if self.broken <= TOLD:
                    told = error.diagnostic(Severity.WARNING)
                    messages.report(replace(told, code="broken-record", message=f"record is broken, and skipped: {told.message}"))
                elif self.broken == TOLD + 1:
                    message("warning", "more broken records are counted only", code="broken-record")

            refuse_policy(name)
            with nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb") as file:
                refuse_binary(called, getattr(file, "peek", lambda _: b"")(1))
                for text in iterate_texts(file, file=called, report=report):
                    read += 1
                    yield text
            check_log(called, read, self.broken - before)

    def tell_broken(self) -> None:
        """Say how many were left out, if any."""
        if self.broken:
            message("note", skipped(self.broken), code="broken-record")


def shown(name: str) -> str:
    """What the log NAME is called in messages."""
    return "<stdin>" if name == "-" else name


_ADVICE = "give a log that 'tomoyo audit' or tomoyo-auditd wrote"


def check_log(name: str, read: int, broken: int) -> None:
    """Raise UsageError where the file NAME is no log: of its records READ were some, and BROKEN none."""
    if broken and not read:
        raise UsageError("no audit record", _ADVICE, code="no-log", place=Place(name))


def refuse_policy(path: str) -> None:
    """Raise UsageError where the file at PATH is policy, which would be nothing but broken records."""
    import os

    if path == "-" or not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if b"# profile=" in head or is_binary(head):
        return
    # Readers of policy, which a log needs none of.
    from ..nix.source.kinds import kind_by_content
    from ..syntax.policy_text import TextKind

    kind = kind_by_content(head.decode("latin-1"))
    if isinstance(kind, TextKind):
        raise UsageError(f"{kind.value}, not an audit log", _ADVICE, code="no-log", place=Place(path))


def skipped(broken: int) -> str:
    """How many BROKEN records were left out."""
    return f"{counted(broken, 'broken record')} {'was' if broken == 1 else 'were'} skipped"

"""Audit logs as the commands read them: any number, any size, whatever they hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from .options import message, place
from .progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.records import AuditRecord
    from ..syntax.lines import PolicySyntaxError

#: Broken records that are told of one by one; the others are counted.
TOLD = 10


class LogReader:
    """Reads logs record by record, and tells at a terminal how far it is.

    Attributes: ``broken``, how many records were left out, being none;
    ``progress``, to be cleared before anything is written meanwhile.
    """

    def __init__(self) -> None:
        self.broken = 0
        self.progress = Progress()

    def records(self, logs: Sequence[str]) -> Iterator[AuditRecord]:
        """The records in LOGS, in which ``-`` is standard input, as is nothing at all."""
        with self.progress:
            yield from self.progress.counted(self._records(logs), "records")

    def _records(self, logs: Sequence[str]) -> Iterator[AuditRecord]:
        from ..syntax.records import iterate_audit

        for name in logs or ["-"]:
            shown = "<stdin>" if name == "-" else name

            def report(error: PolicySyntaxError, shown: str = shown) -> None:
                self.broken += 1
                self.progress.clear()
                if self.broken <= TOLD:
                    place("warning", shown, error)
                elif self.broken == TOLD + 1:
                    message("warning", "further broken records are only counted")

            if name == "-":
                yield from iterate_audit(sys.stdin.buffer, file=shown, report=report)
            else:
                with open(name, "rb") as file:
                    yield from iterate_audit(file, file=shown, report=report)

    def tell_broken(self) -> None:
        """Say how many were left out, if any."""
        if self.broken:
            message("note", f"{self.broken} broken records were skipped")

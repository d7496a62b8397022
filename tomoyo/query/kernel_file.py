"""The kernel's ``query`` file, and the policy file where answers become entries."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

from ..kernel.securityfs import FOLDER, Securityfs, manager_advice
from ..model.domains import Domain
from ..model.entries import Entry
from ..model.errors import TomoyoError
from ..syntax.domain_policy import parse_domain_policy
from .dialogue import Answer, Event, PendingRequest, QueryDialogue

__all__ = ["QueryFile"]

_READ = 1 << 16
#: Seconds between two looks at the file while requests wait; a poll would return at once.
LOOK = 0.2


class NoManager(TomoyoError, PermissionError):
    """The calling process may not write to the kernel's interface files."""


class QueryFile:
    """The requests that wait in the kernel whose interface files are in FOLDER.

    Opening it makes requests wait; ``close`` denies those that still do.  Let
    no child process inherit the descriptor: the kernel would go on asking.

    Raises OSError where it cannot be opened, and NoManager where the calling
    program is no manager, so that it could not answer.
    """

    def __init__(
        self, folder: str = FOLDER, *, patience: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.dialogue: QueryDialogue = QueryDialogue(patience)
        self._folder = folder
        self._clock = clock
        self._descriptor = os.open(f"{folder}/query", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._write(b"\n")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> QueryFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor; readable as long as anything waits, so poll it only while nothing does."""
        return self._descriptor

    def close(self) -> None:
        """Deny what waits, and close, whereupon the kernel denies by itself."""
        if self._descriptor < 0:
            return
        try:
            self.deny_all()
        except OSError:
            pass  # closing denies, too
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def look(self) -> list[Event]:
        """Read what waits, and make the kernel wait on; gives what has changed."""
        reads: list[bytes] = []
        while data := os.read(self._descriptor, _READ):
            while data[-1] and (more := os.read(self._descriptor, _READ)):
                data += more
            reads.append(data)
        now = self._clock()
        events = self.dialogue.receive(reads, now)
        self._write(self.dialogue.keep_alive(now))
        return events

    def overdue(self) -> list[PendingRequest]:
        """The requests that nobody has answered for too long."""
        return self.dialogue.overdue(self._clock())

    def answer(self, serial: int, answer: Answer) -> None:
        """Answer the request SERIAL, if it still waits."""
        self._write(self.dialogue.answer(serial, answer, self._clock()))

    def deny_all(self) -> None:
        """Deny all that waits."""
        self._write(self.dialogue.answer_all(Answer.DENY, self._clock()))

    def domain(self, serial: int) -> Domain | None:
        """The domain of the request SERIAL as the kernel holds it; None where the request is gone."""
        return self._edit(serial, b"")

    def add(self, serial: int, entry: Entry) -> bool:
        """Add ENTRY to the domain of the request SERIAL; gives whether the kernel then has it.

        It does not where it dropped the line, or where the request is gone.
        """
        domain = self._edit(serial, f"{entry}\n".encode())
        return domain is not None and any(holds(held, entry) for held in domain.entries)

    def _edit(self, serial: int, lines: bytes) -> Domain | None:
        """Write LINES for the domain of the request SERIAL, and read that domain back through the same descriptor."""
        descriptor = os.open(f"{self._folder}/domain_policy", os.O_RDWR | os.O_CLOEXEC)
        try:
            data = b"select Q=%d\n%s" % (serial, lines)
            while data:
                data = data[os.write(descriptor, data) :]
            text = b"".join(iter(lambda: os.read(descriptor, _READ), b""))
        except PermissionError as error:
            raise _no_manager(self._folder, error) from None
        finally:
            os.close(descriptor)
        _, _, body = text.partition(b"\n")  # behind the line '# select Q=...'
        domains = parse_domain_policy(body, file="domain_policy", report=lambda _: None).domains
        return domains[0] if domains else None

    def _write(self, data: bytes) -> None:
        """Write whole lines; a part of one would spoil the next."""
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except PermissionError as error:
            raise _no_manager(self._folder, error) from None


def holds(held: Entry, entry: Entry) -> bool:
    """Whether HELD grants what ENTRY does, for the same arguments under the same condition."""
    return set(entry.operations) <= set(held.operations) and held.with_operations(entry.operations) == entry


def _no_manager(folder: str, error: OSError) -> NoManager:
    try:
        domain = Securityfs(folder).self_domain()
    except OSError:
        domain = "unknown"
    reason = manager_advice(domain, os.path.realpath("/proc/self/exe"))
    return NoManager(errno.EPERM, reason, error.filename or f"{folder}/query")

"""What is to be written to a kernel's interface files, in order; ``planner`` finds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Write:
    """Lines to write to an interface file; those of a domain, where one is named.

    ``text`` has no newline at its end; an empty one only creates the domain.
    """

    interface: str
    text: str
    domain: str = ""

    def __str__(self) -> str:
        return f"{self.domain}\n{self.text}" if self.domain and self.text else self.domain or self.text


#: Wait until what was deleted is collected, so that it may be added again at the end.
SETTLE = Write("", "")


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes, in order, and what a reader should know of them.

    ``kept`` are held lines, and ``left`` domains, that are not wanted but stay
    as somebody uses them.
    """

    writes: tuple[Write, ...] = ()
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.writes)

    @property
    def count(self) -> int:
        """How many lines are written, those that only select a domain not counted."""
        return sum(max(write.text.count("\n") + 1, 1) for write in self.writes if write is not SETTLE)

    def batches(self) -> Iterator[tuple[str, str]]:
        """Interface files and what to write to each through one opening; an empty name means to settle."""
        interface, domain = "", ""
        pieces: list[str] = []
        for write in self.writes:
            if write.interface != interface or write is SETTLE:
                if pieces:
                    yield interface, "\n".join(pieces) + "\n"
                interface, domain, pieces = write.interface, "", []
                if write is SETTLE:
                    yield "", ""
                    continue
            if write.domain != domain:
                domain = write.domain
                if domain:
                    pieces.append(domain)
            if write.text:
                pieces.append(write.text)
        if pieces:
            yield interface, "\n".join(pieces) + "\n"

    def text(self) -> str:
        """The plan as lines ``INTERFACE: LINE``, for people."""
        lines = []
        for interface, data in self.batches():
            lines += [f"{interface}: {line}" for line in data.split("\n")[:-1]] if interface else ["(wait for the collector)"]
        return "".join(f"{line}\n" for line in lines)

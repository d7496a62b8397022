"""What is to be written to a kernel's interface files, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Plan", "Write"]


@dataclass(frozen=True, slots=True)
class Write:
    """Lines to write to an interface file; those of a domain, where one is named.

    ``text`` has no newline at its end; an empty one only creates the domain.
    """

    interface: str
    text: str
    domain: str = ""


#: Wait until the kernel has collected what was deleted, so that adding it again puts it last.
SETTLE = Write("", "")


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes, in order, and what a reader should know of them.

    Attributes:
        writes: what to write.
        kept: held bindings that are not wanted, but stay while in use.
        left: held domains that are not wanted, but stay.
        forgotten: how many learned entries are deleted although learned
            entries are kept, as their domains no longer learn.
    """

    writes: tuple[Write, ...] = ()
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    forgotten: int = 0

    def __bool__(self) -> bool:
        return bool(self.writes)

    def __repr__(self) -> str:
        return f"<Plan: lines: {self.count}>"

    @property
    def count(self) -> int:
        """How many lines are written, those that only select a domain not counted."""
        return sum(write.text.count("\n") + 1 for write in self.writes if write is not SETTLE)

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

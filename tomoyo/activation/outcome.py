"""What an activation did, or why it failed."""

from __future__ import annotations

from ..model.errors import TomoyoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plan import Plan

__all__ = ["ActivationError", "InactiveError", "Outcome"]

#: What takes away that other users than root change policy. The kernel does not print whether they may.
ROOT_ALONE = "delete manage_by_non_root\n"


class ActivationError(TomoyoError):
    """The kernel does not hold what it should, or must not be given it; the message says which lines.

    ``restored`` tells whether it holds again what it held before.
    """

    def __init__(self, message: str, *, restored: bool = True) -> None:
        super().__init__(message)
        self.restored = restored


class InactiveError(ActivationError):
    """TOMOYO is not active, or that cannot be known; nothing was changed."""


class Outcome:
    """What an activation did, or would do in a dry run.

    Attributes:
        plan: what was written; None where nothing had to be.
        changes: how many lines that is.
        kept: bindings that stay until no program uses their store paths.
        left: domains that stay until no process is in them.
        forgotten: how many learned entries were deleted although learned ones
            are kept, as their domains no longer learn.
    """

    __slots__ = ("changes", "forgotten", "kept", "left", "plan")

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan: Plan | None = plan
        self.changes: int = plan.count if plan is not None else 0
        self.kept: tuple[str, ...] = plan.kept if plan is not None else ()
        self.left: tuple[str, ...] = plan.left if plan is not None else ()
        self.forgotten: int = plan.forgotten if plan is not None else 0

    def __repr__(self) -> str:
        return f"<Outcome: {self}>"

    def __bool__(self) -> bool:
        return self.changes > 0

    def __str__(self) -> str:
        parts = [_counted(self.changes, "line", "written") if self.changes else "nothing to do"]
        if self.kept:
            parts.append(_counted(len(self.kept), "old binding", "kept while in use"))
        if self.left:
            parts.append(_counted(len(self.left), "old domain", "kept while in use"))
        if self.forgotten:
            noun = "learned entry" if self.forgotten == 1 else "learned entries"
            parts.append(f"{self.forgotten} {noun} deleted, as the domain no longer learns")
        return ", ".join(parts)


def _counted(number: int, noun: str, what: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'} {what}"

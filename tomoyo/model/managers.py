"""Managers: the programs and domains that may change policy while it is active."""

from __future__ import annotations

from dataclasses import dataclass

from .words import DomainName, Word

__all__ = ["ManagerPolicy"]


@dataclass(frozen=True, slots=True)
class ManagerPolicy:
    """Who may write to the interface files.

    ``managers`` are programs (their real path) and domains, in the kernel's
    order.  ``manage_by_non_root`` lets other users than root; the kernel does
    not print it, so what was read from one always says False.
    """

    managers: tuple[Word | DomainName, ...] = ()
    manage_by_non_root: bool = False

    def __repr__(self) -> str:
        return f"<ManagerPolicy: managers: {len(self.managers)}{', manage_by_non_root' if self.manage_by_non_root else ''}>"

    def with_manager(self, manager: Word | DomainName) -> ManagerPolicy:
        """Add MANAGER, once."""
        managers = tuple(dict.fromkeys((*self.managers, manager)))
        return ManagerPolicy(managers, self.manage_by_non_root)

    def without_manager(self, manager: Word | DomainName) -> ManagerPolicy:
        """Leave out MANAGER."""
        managers = tuple(held for held in self.managers if held != manager)
        return ManagerPolicy(managers, self.manage_by_non_root)

    def merged(self, other: ManagerPolicy) -> ManagerPolicy:
        """The managers of this list and of OTHER, each once."""
        managers = tuple(dict.fromkeys(self.managers + other.managers))
        return ManagerPolicy(managers, self.manage_by_non_root or other.manage_by_non_root)

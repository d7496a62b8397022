"""Bindings: the lines that tie the names of a policy to one system's store files.

    aggregator /nix/store/H-nginx-1.26.0/bin/nginx nix:/nginx/bin/nginx
    aggregator /nix/store/H-system-path/bin/nginx nix:/nginx/bin/nginx
    path_group nix:/glibc/lib/libc.so.6 /nix/store/H-glibc-2.40/lib/libc.so.6

They are an exception policy of their own, and the only part of a policy that
holds hashes.  Only what the policy uses is bound, and only to exact paths of
trusted store paths; a pattern in a name stays one behind the store path.  Two
places are known by pattern alone, and only root can fill them: NixOS'
wrappers, and the descriptor through which systemd starts its executor.  A way
into a program that another user could turn elsewhere is never bound.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ...model.diagnostics import Diagnostic, Place, Severity
from ...model.exception_policy import ExceptionPolicy
from ..store.contents import Report
from .name_uses import Use

__all__ = ["Bindings", "NameProblem", "Programs", "Several"]


@dataclass(frozen=True, slots=True)
class NameProblem:
    """A use and the diagnostic about it.

    Where the use stands only those know who have the text, which may have it
    several times: `at` puts the diagnostic there.

    Attributes:
        use: which; its place is for those to know who know the text.
        diagnostic: what, without a place.  With an error the use is not bound,
            because it means nothing, too much, or never matches; with a note it is
            bound, but may not mean what was meant.  ``related`` are the store
            paths or executed names that it is about.
    """

    use: Use
    diagnostic: Diagnostic

    @property
    def is_unresolved(self) -> bool:
        """Whether the use is of what the closure does not have."""
        return self.diagnostic.code in UNRESOLVED

    def at(self, place: Place | None) -> Diagnostic:
        """The diagnostic at PLACE, where the use stands."""
        return self.diagnostic if place is None else replace(self.diagnostic, place=place)


#: Codes of uses of what the closure does not have.
UNRESOLVED = ("unknown-package", "missing-file", "not-executable")


@dataclass(frozen=True, slots=True)
class Bindings:
    """The result of `bind`.

    Attributes:
        policy: aggregators and path groups, each namespace's sorted by name,
            then by path; namespaces without any are left out.
        managers: each name that is used as a manager, with the real paths of
            its program as words: what this system's manager list must hold
            instead, since the kernel takes no group there.
        problems: in the order of the uses, those found last at the end.
        reports: symlinks that are no way in, and places that could not be looked
            at: skipped.
    """

    policy: ExceptionPolicy
    managers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    problems: tuple[NameProblem, ...] = ()
    reports: tuple[Report, ...] = ()

    def __repr__(self) -> str:
        return f"<Bindings: managers: {len(self.managers)}, problems: {len(self.problems)}, reports: {len(self.reports)}>"

    @property
    def errors(self) -> tuple[NameProblem, ...]:
        """The problems that leave something unbound."""
        return tuple(problem for problem in self.problems if problem.diagnostic.severity is Severity.ERROR)


class Several(Enum):
    """What to do with a name that several store paths have."""

    BIND = "bind each of them"
    REFUSE = "bind none: an error that lists them"


class Programs(Enum):
    """Which programs get aggregators."""

    USED = "those that the policy names"
    ALL = "all of the closure, so that a kernel learns names"

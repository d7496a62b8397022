"""Choosing audit records: by domain, program, operation, path, mode, profile and verdict.

Domains, programs and paths are given as words of policy, so they may be
patterns: ``/etc/\\*``.  Several values of one criterion choose what any of
them does; all criteria that are given must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

from ..decision.matching import compile_pattern
from ..model.diagnostics import did_you_mean
from ..model.domains import MAX_PROFILES
from ..model.entries import Kind
from ..model.errors import InvalidValueError
from ..model.words import Fault, domain_fault, is_namespace, path_fault, quoted, word_fault
from ..syntax.domain_policy import FLAGS
from ..syntax.record_grammar import Outline

__all__ = ["RecordFilter"]

Paths = Callable[[Iterable[object]], bool]


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are meant; a criterion that is empty holds for all.

    Attributes:
        domains: names of domains, whole; each word may be a pattern.
        programs: last programs of domains.
        operations: ``read``, ``file``, ``bind``, ``inet_stream_bind``, ``network``...
        paths: names of files and unix sockets.
        every_path: whether all that a request names must be among ``paths``
            (a rename names two), or one of them will do.
        modes, profiles: the mode and the profile that decided.
        granted: the verdict, or None for both.

    Raises InvalidValueError for what no record can be of, which then says what there is.
    """

    domains: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    every_path: bool = False
    modes: tuple[str, ...] = ()
    profiles: tuple[int, ...] = ()
    granted: bool | None = None

    def __post_init__(self) -> None:
        for domain in self.domains:
            _refuse(
                domain, domain_fault(domain), "the name of a domain, such as '<kernel> /usr/sbin/sshd'; its words may be patterns"
            )
        for program in self.programs:
            if not is_namespace(program):
                _refuse(program, path_fault(program), "a program, such as /usr/sbin/sshd, or a pattern such as /usr/\\*/sshd")
        for path in self.paths:
            _refuse(path, _path_fault(path), "a path, or a pattern such as /etc/\\*")
        unknown = [operation for operation in self.operations if operation not in operation_names()]
        if unknown:
            near = did_you_mean(unknown[0], operation_names())
            raise InvalidValueError(
                f"unknown operation: {quoted(unknown[0])}" + (f"; {near}" if near else f" (expected {', '.join(_listed())})")
            )
        outside = [profile for profile in self.profiles if not 0 <= profile < MAX_PROFILES]
        if outside:
            raise InvalidValueError(f"no profile: {outside[0]} (expected 0 to {MAX_PROFILES - 1})")

    def __call__(self, outline: Outline) -> bool:
        """Whether OUTLINE is of such a record."""
        return (
            (self.granted is None or outline.granted is self.granted)
            and (not self.modes or outline.mode in self.modes)
            and (not self.profiles or outline.profile in self.profiles)
            and (not self.operations or not set(self.operations).isdisjoint(outline.operations))
            and (not self.programs or _any(self.programs, outline.domain.rpartition(" ")[2]))
            and (not self.domains or any(is_domain(domain, outline.domain) for domain in self.domains))
            and (not self.paths or self._has_path(outline.paths))
        )

    def _has_path(self, paths: tuple[str, ...]) -> bool:
        found = [_any(self.paths, path) for path in paths]
        return bool(found) and (all(found) if self.every_path else any(found))


@lru_cache(maxsize=1 << 12)
def is_domain(pattern: str, name: str) -> bool:
    """Whether each word of PATTERN matches the word of the domain NAME in its place."""
    patterns, words = pattern.split(" "), name.split(" ")
    return len(patterns) == len(words) and all(map(_matches, patterns, words))


def _any(patterns: Iterable[str], name: str) -> bool:
    return any(_matches(pattern, name) for pattern in patterns)


def _matches(pattern: str, name: str) -> bool:
    return pattern == name or compile_pattern(pattern).matches(name)


@cache
def operation_names() -> frozenset[str]:
    """Every name that an operation goes by; see ``Outline.operations``."""
    found = {"use_profile", "use_group", *FLAGS}
    for kind in Kind:
        keyword, *family = kind.keyword.split(" ")
        found |= {keyword, *kind.operations, *("_".join((*family, operation)) for operation in kind.operations if family)}
    return frozenset(found)


def _listed() -> list[str]:
    """The names of operations as a user is told of them: without those of one protocol, which are many."""
    names = dict.fromkeys(name for kind in Kind for name in (kind.keyword.partition(" ")[0], *kind.operations))
    return [*names, "one of a protocol such as inet_stream_bind", "or an event: use_profile, use_group", *FLAGS]


def _path_fault(path: str) -> Fault | None:
    # A socket's address and a mount's device need no '/'; but this is what someone writes who means a pattern.
    return Fault(0, "a '*' stands for itself") if path and not path.strip("*") else word_fault(path)


def _refuse(text: str, fault: Fault | None, expected: str) -> None:
    if fault:
        raise InvalidValueError(f"{quoted(text)} can never match: {fault.reason} (expected {expected})")

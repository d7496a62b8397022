"""Choosing audit records: by domain, program, operation, path, mode, profile and verdict.

Domains, programs and paths are given as words of policy, so they may be
patterns: ``/etc/\\*``.  Several values of one criterion choose what any of
them does; all criteria that are given must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..decision.matching import compile_pattern
from ..model.words import word_fault
from ..syntax.record_stream import Outline

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

    Raises ValueError for a word that cannot be one of policy.
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
            _check(domain, domain.split(" "))
        for word in (*self.programs, *self.paths):
            _check(word, [word])

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


def _check(text: str, words: list[str]) -> None:
    for word in words:
        fault = word_fault(word)
        if fault:
            raise ValueError(f"{text!r} is no word of policy: {fault.reason}")

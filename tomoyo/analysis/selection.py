"""Choosing domains by what they are called.

A name without a namespace, such as ``/usr/sbin/sshd``, means every domain that
it is the last program of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from ..model.domains import Domain, DomainPolicy
from ..model.words import DomainName

Selector = Callable[[DomainName], bool]


def by_name(name: str) -> Selector:
    """The domain NAME, or where NAME has no namespace, every domain whose last program it is."""
    if name.startswith("<"):
        return lambda domain: domain.text == name
    return lambda domain: domain.text.endswith(f" {name}")


def by_prefix(prefix: str) -> Selector:
    """Domains whose names begin with PREFIX."""
    return lambda domain: domain.text.startswith(prefix)


def by_glob(glob: str) -> Selector:
    """Domains whose whole names match a shell pattern; ``*`` matches anything."""
    matches = re.compile(translate(glob)).match
    return lambda domain: matches(domain.text) is not None


def select_domains(policy: DomainPolicy, selectors: Iterable[Selector]) -> list[Domain]:
    """The domains of POLICY that any of SELECTORS takes."""
    selectors = list(selectors)
    return [domain for domain in policy if any(takes(domain.name) for takes in selectors)]


def select_subtrees(policy: DomainPolicy, selectors: Iterable[Selector]) -> list[Domain]:
    """The domains of POLICY that any of SELECTORS takes, and those below them."""
    chosen = {domain.name.text for domain in select_domains(policy, selectors)}
    return [domain for domain in policy if any(text in chosen for text in _ancestry(domain.name.text))]


def _ancestry(name: str) -> Iterable[str]:
    """NAME, its parent, and so on."""
    while name:
        yield name
        name = name.rpartition(" ")[0]

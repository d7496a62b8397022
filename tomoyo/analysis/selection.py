"""Choosing domains by what they are called.

A name without a namespace, such as ``/usr/sbin/sshd``, means every domain that
it is the last program of.  For a name that no domain has there are similar ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from heapq import nlargest

from ..model.domains import Domain, DomainPolicy
from ..model.words import DomainName

Selector = Callable[[DomainName], bool]

#: From what share of characters in common on names are alike.
_ALIKE = 0.6
#: How much less alike than the best a name may be.
_WORSE = 0.2


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


def similar_names(names: Iterable[str], wanted: str, count: int = 3) -> tuple[str, ...]:
    """Those of NAMES most like WANTED, best first; of whole domains' names or of last programs, as WANTED is one.

    Takes time linear in the number of names.
    """
    from difflib import SequenceMatcher

    # That both are in one namespace is nothing in common.
    namespace = wanted.partition(" ")[0] if " " in wanted else ""
    matcher = SequenceMatcher(b=wanted.removeprefix(namespace), autojunk=False)
    program = wanted.rpartition("/")[2]

    def upper(name: str) -> float:
        matcher.set_seq1(name.removeprefix(namespace))
        return matcher.quick_ratio()

    def score(name: str) -> float:
        matcher.set_seq1(name.removeprefix(namespace))
        # A program may be called the same and lie elsewhere.
        return max(matcher.ratio(), _ALIKE if name.rpartition("/")[2] == program else 0.0)

    whole = wanted.startswith("<")
    known = dict.fromkeys(names if whole else (name.rpartition(" ")[2] for name in names))
    # The upper bound is quickly found, the ratio itself slowly.
    best = nlargest(50, known, key=upper)
    best += [name for name in known if name.rpartition("/")[2] == program][:50]
    scored = sorted(((score(name), name) for name in dict.fromkeys(best)), key=lambda one: -one[0])
    least = max(_ALIKE, scored[0][0] - _WORSE) if scored else 0.0
    return tuple(name for found, name in scored[:count] if found >= least)

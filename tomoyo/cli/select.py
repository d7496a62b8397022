"""Print some of the domains of a domain policy.

A name without a namespace, such as /usr/sbin/sshd, selects every domain that
it is the last program of.  Several options select what any of them does.
Exit code 1 if no domain is selected.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from fnmatch import translate

from ..model.domains import Domain, DomainPolicy
from ..model.words import DomainName
from .options import UsageError, add_files, message, print_json, read_files

Selector = Callable[[DomainName], bool]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser, ("domain",))
    parser.add_argument("--name", action="append", default=[], help="a domain's name, or its last program")
    parser.add_argument("--prefix", action="append", default=[], help="the beginning of domains' names")
    parser.add_argument("--glob", action="append", default=[], help="a shell pattern; * matches anything")
    parser.add_argument("-r", "--recursive", action="store_true", help="also the domains below each")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    selectors = [
        *map(_by_name, arguments.name),
        *map(_by_prefix, arguments.prefix),
        *map(_by_glob, arguments.glob),
    ]
    if not selectors:
        raise UsageError("say which domains: --name, --prefix or --glob")
    domains = [
        domain for file in read_files(arguments, "domain") for domain in select(file.parse(), selectors, arguments.recursive)
    ]
    if arguments.json:
        from ..report.plain import plain

        print_json(plain(domains))
    else:
        from ..syntax.writer import write_domain_policy

        sys.stdout.write(write_domain_policy(DomainPolicy(tuple(domains))))
    if not domains:
        message("note", "no domain is selected")
    return 0 if domains else 1


def select(policy: DomainPolicy, selectors: Iterable[Selector], recursive: bool) -> list[Domain]:
    """The domains of POLICY that any of SELECTORS takes; RECURSIVE adds those below them."""
    selectors = list(selectors)
    chosen = {domain.name.text for domain in policy if any(takes(domain.name) for takes in selectors)}
    if not recursive:
        return [domain for domain in policy if domain.name.text in chosen]
    return [domain for domain in policy if any(text in chosen for text in _ancestry(domain.name.text))]


def _ancestry(name: str) -> Iterable[str]:
    """NAME, its parent, and so on."""
    while name:
        yield name
        name = name.rpartition(" ")[0]


def _by_name(name: str) -> Selector:
    if name.startswith("<"):
        return lambda domain: domain.text == name
    return lambda domain: domain.text.endswith(f" {name}")


def _by_prefix(prefix: str) -> Selector:
    return lambda domain: domain.text.startswith(prefix)


def _by_glob(glob: str) -> Selector:
    matches = re.compile(translate(glob)).match
    return lambda domain: matches(domain.text) is not None

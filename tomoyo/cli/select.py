"""Print some of the domains of a domain policy.

A name without a namespace, such as /usr/sbin/sshd, selects every domain that
it is the last program of.  Several options select what any of them does.
Exit code 1 if no domain is selected.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from .options import UsageError, add_files, message, print_json, read_files

if TYPE_CHECKING:
    from ..analysis.selection import Selector
    from ..model.domains import Domain, DomainPolicy


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser, ("domain",))
    add_selection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..model.domains import DomainPolicy

    if not selectors(arguments):
        raise UsageError("say which domains: --name, --prefix or --glob")
    domains = [domain for file in read_files(arguments, "domain") for domain in selected(arguments, file.parse())]
    if arguments.json:
        from ..report.plain import plain

        print_json(plain(domains))
    else:
        from ..syntax.writer import write_domain_policy

        sys.stdout.write(write_domain_policy(DomainPolicy(tuple(domains))))
    if not domains:
        message("note", "no domain is selected")
    return 0 if domains else 1


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take what selects domains."""
    parser.add_argument("--name", action="append", default=[], help="a domain's name, or its last program")
    parser.add_argument("--prefix", action="append", default=[], help="the beginning of domains' names")
    parser.add_argument("--glob", action="append", default=[], help="a shell pattern; * matches anything")
    parser.add_argument("-r", "--recursive", action="store_true", help="also the domains below each")


def selectors(arguments: argparse.Namespace) -> list[Selector]:
    """What the options of ``add_selection`` select; empty where none was given."""
    from ..analysis.selection import by_glob, by_name, by_prefix

    return [*map(by_name, arguments.name), *map(by_prefix, arguments.prefix), *map(by_glob, arguments.glob)]


def selected(arguments: argparse.Namespace, policy: DomainPolicy) -> list[Domain]:
    """The domains of POLICY that were asked for."""
    from ..analysis.selection import select_domains, select_subtrees

    return (select_subtrees if arguments.recursive else select_domains)(policy, selectors(arguments))

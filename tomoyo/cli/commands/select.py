"""Print some of the domains of a domain policy.

A name without a namespace, such as /usr/sbin/sshd, selects every domain that
it is the last program of.  Several options select what any of them does.
Exit code 1 if no domain is selected, 2 if there is none of a --name.

Example:

  tomoyo select --glob '*/cat' policy
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ..options import UsageError, message, set_result
from ..policy_files import add_files, read_files, with_module_names
from ..policy_source import add_as_created, may_be_asked
from ..project import let_source

if TYPE_CHECKING:
    from ...analysis.selection import Selector
    from ...model.domains import Domain, DomainPolicy


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser, ("domain",))
    let_source(parser, "files")
    add_selection(parser)
    add_as_created(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...model.domains import DomainPolicy

    if not selectors(arguments):
        raise UsageError("say which domains: --name, --prefix or --glob")
    policy = DomainPolicy()
    files = read_files(arguments, "domain")
    for file in files:
        policy = policy.merged(file.domains())
    modules = files[0].modules
    created = created_domains(arguments, policy, as_created=arguments.as_created)
    domains = [*selected(arguments, policy), *created] if created is not None else []
    if arguments.json:
        from ...report.plain import plain

        set_result(with_module_names(plain(domains), modules))
    else:
        from ...nix.names.source_text import format_source_domains

        sys.stdout.write(format_source_domains(DomainPolicy(tuple(domains)), modules))
    if created is None:
        return 2
    if not domains:
        message("note", "no domain is selected", code="no-domain")
    return 0 if domains else 1


def created_domains(arguments: argparse.Namespace, policy: DomainPolicy, *, as_created: bool | None) -> list[Domain] | None:
    """The domains that --name names and POLICY does not have, as a kernel would create them.

    None, after a message, where that is not meant by AS_CREATED, or impossible.
    """
    from ...analysis.selection import by_name, select_domains, similar_names
    from ...decision.engine import DecisionEngine

    created: list[Domain] = []
    engine = DecisionEngine(policy)
    good = True
    for name in arguments.name:
        if select_domains(policy, [by_name(name)]):
            continue
        if not name.startswith("<"):
            similar = " or ".join(f"'{one}'" for one in similar_names((domain.name.text for domain in policy), name))
            advice = f"did you mean {similar}?" if similar else ""
            message("error", f"no domain's last program is '{name}'", advice, code="undefined-domain")
            good = False
        elif may_be_asked(engine, name, as_created=as_created):
            created.append(engine.origin(name))
        else:
            good = False
    return created if good else None


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take what selects domains."""
    parser.add_argument("--name", action="append", default=[], metavar="DOMAIN", help="a domain's name, or its last program")
    parser.add_argument("--prefix", action="append", default=[], help="the beginning of domains' names")
    parser.add_argument("--glob", action="append", default=[], help="a shell pattern; * matches anything")
    parser.add_argument("-r", "--recursive", action="store_true", help="also the domains below each")


def selectors(arguments: argparse.Namespace) -> list[Selector]:
    """What the options of ``add_selection`` select; empty where none was given."""
    from ...analysis.selection import by_glob, by_name, by_prefix

    return [*map(by_name, arguments.name), *map(by_prefix, arguments.prefix), *map(by_glob, arguments.glob)]


def selected(arguments: argparse.Namespace, policy: DomainPolicy) -> list[Domain]:
    """The domains of POLICY that were asked for."""
    from ...analysis.selection import select_domains, select_subtrees

    return (select_subtrees if arguments.recursive else select_domains)(policy, selectors(arguments))

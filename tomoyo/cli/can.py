"""Tell who may do what: ``tomoyo can --op write --path /etc/shadow``.

Shows each domain that may, the entries that let it, and the shortest chain of
executions by which a process gets there.  An entry with a condition counts,
and is shown with it; a domain that is not enforced may do anything.  Exit code
1 if nobody may.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .interface import refused
from .options import UsageError, print_json, visible
from .policy_source import add_policy, read_engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..analysis.reachability import Access


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument(
        "--op", required=True, metavar="OPERATION", help="such as write, execute, connect, env; open for all three"
    )
    parser.add_argument("--path", required=True, metavar="NAME", help="the path, socket or variable, as the kernel writes it")
    parser.add_argument("--enforced", action="store_true", help="leave out those that may only for want of enforcing mode")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..analysis.reachability import who_may
    from ..kernel.securityfs import SecurityfsError
    from ..model.words import decode

    try:
        decode(arguments.path)
        found = list(who_may(read_engine(arguments), arguments.op, arguments.path))
    except SecurityfsError as error:
        return refused(error)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if arguments.enforced:
        found = [access for access in found if access.entries]
    if arguments.json:
        print_json([_plain(access) for access in found])
    else:
        for access in found:
            _show(access)
    return 0 if found else 1


def _show(access: Access) -> None:
    mode = "" if access.mode is None else f"  ({access.mode.value})"
    lines = [f"{access.domain}{mode}"]
    for group, entry in access.entries:
        lines.append(f"    {entry}" if group is None else f"    acl_group {group} {entry}")
    if not access.entries:
        lines.append("    not enforced")
    if access.chain is None:
        lines.append("    no execution leads there")
    else:
        lines.append(f"    by {' -> '.join(_steps(access))}")
    sys.stdout.writelines(f"{visible(line)}\n" for line in lines)


def _steps(access: Access) -> list[str]:
    chain = access.chain or ()
    return [chain[0].text, *(domain.programs[-1] if domain.programs else domain.text for domain in chain[1:])]


def _plain(access: Access) -> dict[str, Any]:
    return {
        "domain": access.domain.text,
        "mode": access.mode.value if access.mode else None,
        "entries": [{"acl_group": group, "entry": entry.text} for group, entry in access.entries],
        "chain": [domain.text for domain in access.chain] if access.chain is not None else None,
    }

"""Delete old bindings that no process needs, and domains that nothing names and no process is in.

A binding is needed while a process runs from, maps, holds open or stands in
its store path.  DIR is the set in force, by default the one that 'tomoyo
activate' recorded.
"""

from __future__ import annotations

import argparse

from .activate import add_activation, tell
from .interface import refused, securityfs
from .options import UsageError, message


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", nargs="?", metavar="DIR", help="the set in force")
    add_activation(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..kernel.activation import ActivationError, collect_garbage
    from ..kernel.policy_set import PolicySetError
    from ..kernel.securityfs import SecurityfsError

    try:
        outcome = collect_garbage(
            arguments.directory,
            securityfs(arguments),
            keep_used=not arguments.now,
            dry_run=arguments.dry_run,
            state=arguments.state,
            locks=arguments.locks,
        )
    except PolicySetError as error:
        raise UsageError(str(error)) from None
    except ActivationError as error:
        message("error", str(error))
        return 3
    except SecurityfsError as error:
        return refused(error)
    tell(arguments, outcome)
    return 0

"""Save what the kernel holds, all at one moment, as tomoyo-savepolicy lays it out.

DIR (default: /etc/tomoyo) gets policy/TIME/ with the four policies and the
memory quotas; policy/current leads there, policy/previous to the one before.
The new folder is printed.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from .interface import add_interface, refused, securityfs
from .options import INTERFACES, UsageError, message

DIRECTORY = "/etc/tomoyo"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", nargs="?", default=DIRECTORY, metavar="DIR", help=f"where to save (default: {DIRECTORY})")
    parser.add_argument("--stdout", choices=list(INTERFACES), help="print one of them instead")
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ..kernel.activation import ActivationError
    from ..kernel.policy_set import PolicySetError
    from ..kernel.saving import read_consistent, save
    from ..kernel.securityfs import SecurityfsError

    try:
        held: Any = read_consistent(securityfs(arguments))
        if arguments.stdout is not None:
            sys.stdout.write(getattr(held, INTERFACES[arguments.stdout]))
            return 0
        print(save(held, arguments.directory))
        return 0
    except PolicySetError as error:
        raise UsageError(str(error)) from None
    except ActivationError as error:
        message("error", str(error))
        return 3
    except SecurityfsError as error:
        return refused(error)

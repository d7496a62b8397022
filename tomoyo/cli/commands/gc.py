"""Delete old bindings that no process needs, and domains that nothing names and no process is in.

A binding is needed while a process runs from or maps its store path, in a
domain that uses the name.  DIR is the set in force, by default the one that 'tomoyo
activate' recorded.

Example:

  tomoyo gc --dry-run
"""

from __future__ import annotations

import argparse

from ..kernel_options import securityfs
from .activate import add_activation, carry_out


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", nargs="?", metavar="DIR", help="the set in force")
    add_activation(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.cleanup import collect_garbage

    return carry_out(arguments, lambda options: collect_garbage(arguments.directory, securityfs(arguments), **options))

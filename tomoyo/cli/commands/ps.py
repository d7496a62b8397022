"""Show the processes as a tree, with the domain, profile and mode of each.

What a process is called is its own choice; bytes that are not printable are
escaped.

Example:

  tomoyo ps --mode enforcing
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ...kernel.modes import MODES
from ..kernel_options import add_interface, refused, securityfs
from ..options import mode_word, set_result, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...kernel.processes import Process


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-a", "--all", action="store_true", help="the kernel's own threads, too")
    parser.add_argument(
        "--mode",
        action="append",
        default=[],
        metavar="MODE",
        type=mode_word,
        choices=MODES,
        help="only processes in this mode, without a tree",
    )
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...kernel.processes import read_processes, without_kernel_threads
    from ...kernel.securityfs import SecurityfsError

    try:
        found = read_processes(securityfs(arguments))
    except SecurityfsError as error:
        return refused(error)
    if not arguments.all:
        found = without_kernel_threads(found)
    if arguments.mode:
        found = [process for process in found if process.mode in arguments.mode]
    if arguments.json:
        from ...report.plain import plain

        set_result(plain(found))
        return 0
    sys.stdout.writelines(lines(found, tree=not arguments.mode))
    return 0


def lines(found: Iterable[Process], *, tree: bool) -> Iterable[str]:
    """The table; with TREE, names are indented by their depth."""
    rows = [(process, "  " * process.depth * tree + process.name) for process in found]
    width = min(40, max([len("PROCESS"), *(len(name) for _, name in rows)]))
    yield f"{'PID':>7} {'PROFILE':>7} {'MODE':<10} {'PROCESS':<{width}} DOMAIN\n"
    for process, name in rows:
        yield f"{process.pid:>7} {process.profile:>7} {process.mode:<10} {name:<{width}} {visible(process.domain)}\n"

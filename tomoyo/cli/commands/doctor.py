"""Tell every reason why TOMOYO does not work here, and what to do about each.

The kernel's configuration and command line, its list of security modules,
securityfs, the trigger and the loader, then managers, profiles, groups, quotas
and the domains that the kernel has marked.  Exit code 1 if there is any reason.

Example:

  tomoyo doctor
"""

from __future__ import annotations

import argparse
import sys

from ..options import check_directory, report, set_result


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--root", default="/", metavar="DIR", help="look at the system whose files lie below DIR")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...kernel.diagnosis import FOLDER, diagnose
    from ...kernel.machine import Machine
    from ...kernel.securityfs import Securityfs

    check_directory(arguments.root)
    machine = Machine(arguments.root)
    found = diagnose(machine)
    if arguments.json:
        set_result({"works": not found})
    for finding in found:
        report(finding, sys.stdout)
    if arguments.json or found:
        return 1 if found else 0
    if Securityfs(machine.path(FOLDER)).is_kernel:
        print("nothing found: TOMOYO is active, and its policy is sound")
    else:
        print("nothing found; whether TOMOYO is active shows on the running system alone")
    return 0

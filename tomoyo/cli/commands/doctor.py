"""Tell every reason why TOMOYO does not work here, and what to do about each.

The kernel's configuration and command line, its list of security modules,
securityfs, the trigger and the loader, then managers, profiles, groups, quotas
and the domains that the kernel has marked.  Exit code 1 if there is any reason.
"""

from __future__ import annotations

import argparse
import os

from ..options import UsageError, print_json, visible


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--root", default="/", metavar="DIR", help="look at the system whose files lie below DIR")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...kernel.diagnosis import FOLDER, diagnose
    from ...kernel.machine import Machine
    from ...kernel.securityfs import Securityfs

    if not os.path.isdir(arguments.root):
        raise UsageError(f"{arguments.root} is no directory")
    machine = Machine(arguments.root)
    found = diagnose(machine)
    if arguments.json:
        from ...report.plain import plain

        print_json(plain(found))
        return 1 if found else 0
    for finding in found:
        print(visible(f"{finding.check}: {finding.reason}"))
        # Where both are known, first the one for this system.
        remedies = [("NixOS and finix", finding.nixos), ("remedy", finding.remedy)]
        for name, remedy in remedies if machine.is_nixos else reversed(remedies):
            if remedy:
                print(visible(f"  {name}: {remedy}"))
    if not found and Securityfs(machine.path(FOLDER)).is_kernel:
        print("nothing found: TOMOYO is active, and its policy is sound")
    elif not found:
        print("nothing found; whether TOMOYO is active shows on the running system alone")
    return 1 if found else 0

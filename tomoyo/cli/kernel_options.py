"""What the commands that ask a kernel share: where its files are, and what to say when it refuses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import refusal, report

if TYPE_CHECKING:
    from ..kernel.securityfs import Securityfs


def add_interface(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take where the interface files are."""
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")


def securityfs(arguments: argparse.Namespace) -> Securityfs:
    """The kernel that was asked for."""
    from ..kernel.securityfs import FOLDER, Securityfs

    return Securityfs(arguments.interface or FOLDER)


def refused(error: OSError, folder: str = "") -> int:
    """Say what the kernel or the system refused and why; give the exit code.

    FOLDER is where the interface files should be, for an ERROR that does not say itself what to do.
    """
    if folder and isinstance(error, (FileNotFoundError, NotADirectoryError)) and str(error.filename).startswith(folder):
        from ..kernel.securityfs import Securityfs, SecurityfsError

        error = SecurityfsError(error.errno or 0, str(error.filename), Securityfs(folder).why_missing())
    report(refusal(error, str(error.filename or "kernel")))
    return 3

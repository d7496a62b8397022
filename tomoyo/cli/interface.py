"""What the commands that ask a kernel share: where its files are, and what to say when it refuses."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .options import message

if TYPE_CHECKING:
    from ..kernel.securityfs import Securityfs


def add_interface(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take where the interface files are."""
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")


def securityfs(arguments: argparse.Namespace) -> Securityfs:
    """The kernel that was asked for."""
    from ..kernel.securityfs import FOLDER, Securityfs

    return Securityfs(arguments.interface or FOLDER)


def refused(error: OSError) -> int:
    """Say what the kernel refused and why; give the exit code."""
    message("error", str(error) if getattr(error, "advice", None) else f"{error.filename or 'kernel'}: {error.strerror or error}")
    return 3

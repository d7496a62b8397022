"""What the commands that ask a kernel share: where its files are, and what to say when it refuses."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from .options import ONLY_ROOT, message

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
    if getattr(error, "advice", None):
        message("error", str(error), code="system")
        return 3
    reason = error.strerror or str(error)
    if folder and isinstance(error, (FileNotFoundError, NotADirectoryError)) and str(error.filename).startswith(folder):
        from ..kernel.securityfs import Securityfs

        reason = Securityfs(folder).why_missing()
    elif isinstance(error, PermissionError) and os.geteuid():
        reason += ONLY_ROOT
    message("error", f"{error.filename or 'kernel'}: {reason}", code="system")
    return 3

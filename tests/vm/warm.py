"""Commands of this package, run by a copy of a process that has imported them: in an emulated machine most of a command's time
would be spent on that.

Such a process stays in its parent's domain, as nothing is executed. Where a command's own domain or program matters, execute it.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from tomoyo import cli

#: More than a job has open.
DESCRIPTORS = 1024


@cache
def import_command(name: str) -> None:
    """Import a command, with all that its functions import when they are called."""
    module = import_module(f"tomoyo.cli.commands.{name}")
    for imported in re.findall(r"^ +from (\.\S+) import", inspect.getsource(module), re.MULTILINE):
        import_module(imported, module.__package__)


def start(arguments: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """`tomoyo ARGUMENTS`, as `subprocess.Popen` starts it."""
    if arguments and arguments[0] in cli.COMMANDS:
        import_command(arguments[0])

    def run() -> None:
        # Popen returns once this has closed its pipe, as executing a program would.
        os.closerange(3, DESCRIPTORS)
        status = 1
        # Those of the parent know whether its own can be sought in.
        sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace")
        try:
            status = cli.main(arguments)
            sys.stdout.flush()
        finally:
            os._exit(status)

    return subprocess.Popen(["tomoyo", *arguments], preexec_fn=run, **options)


def run(arguments: Sequence[str], *, input: str | bytes | None = None, **options: Any) -> subprocess.CompletedProcess[Any]:
    """`tomoyo ARGUMENTS` to its end, as `subprocess.run` runs it."""
    options.setdefault("stdin", subprocess.DEVNULL if input is None else subprocess.PIPE)
    process = start(arguments, **options)
    output, messages = process.communicate(input)
    return subprocess.CompletedProcess(arguments, process.returncode, output, messages)

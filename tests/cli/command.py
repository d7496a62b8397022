"""Running the command in this process: what it prints, what it says, and its exit code."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tomoyo.cli import main


@dataclass(frozen=True)
class Done:
    """What a run left."""

    status: int
    output: str
    messages: str

    @property
    def result(self) -> Any:
        """The result in the JSON document that was printed."""
        return json.loads(self.output)["result"]

    @property
    def diagnostics(self) -> list[dict[str, Any]]:
        """The diagnostics in the JSON document that was printed."""
        found: list[dict[str, Any]] = json.loads(self.output)["diagnostics"]
        return found


def tomoyo(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """Run ``tomoyo ARGUMENT...`` with STDIN."""
    output, messages = io.StringIO(), io.StringIO()
    before = sys.stdin
    try:
        with TemporaryFile() as file, redirect_stdout(output), redirect_stderr(messages):
            file.write(stdin)
            file.seek(0)
            sys.stdin = io.TextIOWrapper(file)
            status = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    return Done(status, output.getvalue(), messages.getvalue())

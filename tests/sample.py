"""The sample that `tomoyo demo --write` writes, for tests: one for all tests of a process, which change nothing in it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

from tomoyo.cli.sample import write_sample

_DIRECTORY = Path(tempfile.mkdtemp(prefix="tomoyo-sample-"))
atexit.register(shutil.rmtree, _DIRECTORY, ignore_errors=True)
_DIRECTORY.chmod(0o755)

SAMPLE = _DIRECTORY / "sample"
SYSTEM = SAMPLE / "system"
write_sample(str(SAMPLE))

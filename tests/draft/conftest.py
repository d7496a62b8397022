"""Fixtures of the tests of drafts."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def unit_directory() -> Iterator[Callable[[], Path]]:
    """Makes directories that a systemd of another user can read."""
    with tempfile.TemporaryDirectory(prefix="tomoyo-units-") as root:
        os.chmod(root, 0o755)

        def make() -> Path:
            directory = Path(tempfile.mkdtemp(dir=root)).resolve()
            directory.chmod(0o755)
            return directory

        yield make

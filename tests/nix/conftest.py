"""Fixtures of the Nix tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .nixstore import NixFailureError, NixStore

SYSTEM = Path(__file__).with_name("system.nix").read_text()


@pytest.fixture(scope="session")
def nix_store() -> Iterator[NixStore]:
    """An empty store that Nix can build in."""
    # Not below pytest's own folder: tests read it as another user.
    with tempfile.TemporaryDirectory(prefix="tomoyo-nix-") as folder:
        os.chmod(folder, 0o755)
        store = NixStore(Path(folder).resolve())
        try:
            if not shutil.which("nix-build"):
                raise NixFailureError("nix is not installed")
            store.build('{ probe = script "probe" "mkdir $out" { }; }')
        except NixFailureError as reason:
            if os.environ.get("CI"):
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
        yield store
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o755)


@pytest.fixture(scope="session")
def system(nix_store: NixStore) -> dict[str, str]:
    """The packages of system.nix, built: the path of each."""
    return nix_store.build(SYSTEM)

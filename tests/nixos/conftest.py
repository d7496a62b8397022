"""Fixtures of the tests of the NixOS and finix modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..nix.conftest import nix_store  # noqa: F401
from ..nix.nixstore import NixStore
from .evaluation import STANDIN, Evaluator, nixpkgs_lib, snapshot

#: The module systems that are at hand.
LIBRARIES = {"stand-in": STANDIN / "lib.nix"}
if found := nixpkgs_lib():
    LIBRARIES["nixpkgs"] = found


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package: what is built from it stays the same while others work on the package, and Python caches it."""
    return snapshot(tmp_path_factory.mktemp("package"))


@pytest.fixture(params=LIBRARIES, scope="session")
def evaluator(request: pytest.FixtureRequest, nix_store: NixStore, root: Path) -> Evaluator:  # noqa: F811
    """Nix with each module system."""
    return Evaluator(nix_store, LIBRARIES[request.param], root)


@pytest.fixture(scope="session")
def standin(nix_store: NixStore, root: Path) -> Evaluator:  # noqa: F811
    """Nix with the stand-in's module system alone: for what is about derivations."""
    return Evaluator(nix_store, LIBRARIES["stand-in"], root)

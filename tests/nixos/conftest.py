"""Fixtures of the tests of the NixOS and finix modules."""

from __future__ import annotations

import pytest

from ..nix.conftest import nix_store  # noqa: F401
from ..nix.nixstore import NixStore
from .evaluation import STANDIN, Evaluator, nixpkgs_lib

#: The module systems that are at hand.
LIBRARIES = {"stand-in": STANDIN / "lib.nix"}
if found := nixpkgs_lib():
    LIBRARIES["nixpkgs"] = found


@pytest.fixture(params=LIBRARIES, scope="session")
def evaluator(request: pytest.FixtureRequest, nix_store: NixStore) -> Evaluator:  # noqa: F811
    """Nix with each module system."""
    return Evaluator(nix_store, LIBRARIES[request.param])


@pytest.fixture(scope="session")
def standin(nix_store: NixStore) -> Evaluator:  # noqa: F811
    """Nix with the stand-in's module system alone: for what is about derivations."""
    return Evaluator(nix_store, LIBRARIES["stand-in"])

"""The source distribution: beside the package it has the documents, the tests and all else that this repository has.

`pyproject.toml` names it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools.command.sdist import sdist

REST = ("docs", "tests", ".ci", "flake.nix", ".gitignore", "tomoyo/LICENSE")
GENERATED = shutil.ignore_patterns("__pycache__", ".hypothesis", ".*_cache")


class SourceDistribution(sdist):
    """What `python3 -m build` calls."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Fill the folder BASE_DIR with the package's FILES, then with the rest."""
        super().make_release_tree(base_dir, files)
        for name in REST:
            if Path(name).is_dir():
                shutil.copytree(name, Path(base_dir, name), symlinks=True, ignore=GENERATED, dirs_exist_ok=True)
            else:
                shutil.copy(name, Path(base_dir, name))

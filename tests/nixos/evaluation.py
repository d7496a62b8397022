"""Systems as values: a platform, the module under test and a configuration, evaluated and built by Nix.

The module system is a stand-in, and also nixpkgs' where `TOMOYO_TEST_NIXPKGS_LIB` names a checkout of its lib. The platform is a
stand-in that declares what the real one does, and also finix itself where `TOMOYO_TEST_FINIX` names a checkout.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..nix.nixstore import NixFailureError, NixStore

ROOT = Path(__file__).resolve().parents[2]
STANDIN = Path(__file__).resolve().with_name("standin")
#: A Python for builders, which see no more of this machine than its /usr.
PYTHON = next((path for path in (os.path.realpath(sys.executable),) if path.startswith("/usr/")), "/usr/bin/python3")
#: The top level of a system `s`.
TOP_LEVEL = "(s.config.system.topLevel or s.config.system.build.toplevel)"


def checkout(variable: str) -> Path | None:
    """The folder that an environment variable names."""
    value = os.environ.get(variable)
    return Path(value).resolve() if value else None


def nixpkgs_lib() -> Path | None:
    """The folder of nixpkgs' lib; the variable may name that, or a folder that has it as `lib`."""
    folder = checkout("TOMOYO_TEST_NIXPKGS_LIB")
    if folder is not None and (folder / "lib" / "default.nix").exists():
        return folder / "lib"
    return folder


def snapshot(folder: Path) -> Path:
    """A copy of the package and the flake below FOLDER, without what Python leaves there."""
    shutil.copytree(ROOT / "tomoyo", folder / "tomoyo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "flake.nix", folder)
    return folder


def unit_lines(settings: Mapping[str, Any]) -> Iterator[str]:
    """The lines that NixOS writes into a section of a unit for SETTINGS."""
    for key, value in settings.items():
        for item in value if isinstance(value, list) else [value]:
            yield f"{key}={({True: 'true', False: 'false'} if isinstance(item, bool) else {}).get(item, item)}\n"


@dataclass(frozen=True)
class Evaluator:
    """Nix with one module system.

    store: where derivations go.
    library: the folder or file of the module system.
    root: a folder with the package, which nobody changes in the meantime.
    """

    store: NixStore
    library: Path
    root: Path = ROOT

    def system(self, platform: str, configuration: str) -> str:
        """The Nix expression of a system."""
        return (
            f'import {STANDIN}/system.nix {{ platform = "{platform}"; lib = {self.library}; python = "{PYTHON}"; '
            f"root = {self.root}; "
            f"configuration = {{ lib, pkgs, ... }}: {configuration}; }}"
        )

    def expression(self, platform: str, configuration: str, expression: str) -> str:
        """EXPRESSION of the system `s`, for Nix."""
        return f"let s = {self.system(platform, configuration)}; in {expression}"

    def value(self, platform: str, configuration: str, expression: str) -> Any:
        """What EXPRESSION is, of the system `s`."""
        return self.store.evaluate(self.expression(platform, configuration, expression))

    def error(self, platform: str, configuration: str, expression: str = "") -> str:
        """What Nix says about a system that it refuses: its top level's path, or EXPRESSION."""
        wanted = expression or f"{TOP_LEVEL}.drvPath"
        try:
            found = self.value(platform, configuration, wanted)
        except NixFailureError as failure:
            return str(failure)
        raise AssertionError(f"accepted: {json.dumps(found)[:200]}")

    def build(self, platform: str, configuration: str, expression: str) -> Path:
        """The store path that EXPRESSION, of the system `s`, builds: where it lies outside."""
        source = self.expression(platform, configuration, expression)
        return self.store.inside(self.store.run("nix-build", "--no-out-link", "-E", source).split()[-1])

"""A real Nix store in a temporary folder, as a whole system: `/nix/store`, `/nix/var` and what a test adds beside them.

Nix calls this a chroot store: its paths read `/nix/store/...`, and the files lie below the folder. Builders see the machine's own
`/bin`, libraries and Python, so that a shell and coreutils are at hand without nixpkgs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What builders see of the machine: a shell with its programs, and the Python of the tests.
MACHINE = ("/bin", "/lib", "/lib64", "/usr", sys.base_prefix)

# No substitutes: nothing here may reach for the network.
OPTIONS = (
    *("--option", "substitute", "false"),
    *("--option", "sandbox", "false"),
    *("--option", "build-users-group", ""),
    *("--option", "sandbox-paths", " ".join(path for path in MACHINE if os.path.exists(path))),
    *("--extra-experimental-features", "nix-command"),
)

# Nix kills a builder as soon as nobody holds its output open any more.  A program may close that before it ends, the
# shell does not, so it must be the last one there.
PRELUDE = """
let
  script = name: text: attributes: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" "PATH=/usr/bin:/bin; ${text}\\n:" ];
  } // attributes);
in
"""


class NixFailureError(Exception):
    """A command of Nix failed."""


@dataclass(frozen=True)
class NixStore:
    """A store below the folder `root`."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "nix/var/nix/db/db.sqlite"

    def run(self, *command: str, stdin: str = "") -> str:
        """What a command of Nix prints."""
        environment = {**os.environ, "HOME": str(self.root), "LC_ALL": "C"}
        done = subprocess.run(
            [*command, "--store", str(self.root), *OPTIONS],
            input=stdin,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
        if done.returncode:
            raise NixFailureError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def build(self, expression: str) -> dict[str, str]:
        """Build all attributes of a set; `script NAME TEXT ATTRIBUTES` makes a derivation from shell text.

        Returns the path of each attribute's first output.
        """
        source = f"{PRELUDE} {expression}"
        self.run("nix-build", "--no-out-link", "-E", source)
        paths = self.run(
            "nix-instantiate", "--eval", "--strict", "--json", "-E", f"builtins.mapAttrs (_: x: x.outPath) ({source})"
        )
        result: dict[str, str] = json.loads(paths)
        return result

    def requisites(self, *paths: str) -> list[str]:
        """The closure, as Nix tells it."""
        return sorted(self.run("nix-store", "--query", "--requisites", *paths).split())

    def references(self, path: str) -> list[str]:
        return sorted(self.run("nix-store", "--query", "--references", path).split())

    def deriver(self, path: str) -> str | None:
        text = self.run("nix-store", "--query", "--deriver", path).strip()
        return None if text == "unknown-deriver" else text

    def evaluate(self, expression: str) -> Any:
        return json.loads(self.run("nix-instantiate", "--eval", "--strict", "--json", "-E", expression))

    def inside(self, path: str) -> Path:
        """Where a path of the store's system really lies."""
        return self.root / path.lstrip("/")

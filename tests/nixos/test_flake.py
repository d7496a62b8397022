"""The flake: it has no inputs, and every output is what it says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..nix.nixstore import NixStore
from .evaluation import PYTHON, ROOT, STANDIN

FLAKES = ("--extra-experimental-features", "nix-command flakes")


@pytest.fixture(scope="session")
def flake(root: Path) -> Path:
    """The repository without its git directory and its tests."""
    return root


def evaluate(store: NixStore, flake: Path, expression: str) -> Any:
    return json.loads(
        store.run(
            "nix", "eval", "--json", "--impure", "--expr", f'let f = builtins.getFlake "path:{flake}"; in {expression}', *FLAKES
        )
    )


def test_nix_shows_all_outputs(nix_store: NixStore, flake: Path) -> None:
    shown = json.loads(nix_store.run("nix", "flake", "show", "--json", f"path:{flake}", *FLAKES))
    assert set(shown) == {"finixModules", "lib", "nixosModules", "overlays"}
    assert shown["nixosModules"]["default"]["type"] == "nixos-module"
    assert shown["overlays"]["default"]["type"] == "nixpkgs-overlay"
    assert not (flake / "flake.lock").exists()


def test_nix_finds_no_fault_with_it(nix_store: NixStore, flake: Path) -> None:
    nix_store.run("nix", "flake", "check", f"path:{flake}", *FLAKES)


@pytest.mark.parametrize("platform", ["nixos", "finix"])
def test_its_modules_make_a_system(nix_store: NixStore, flake: Path, platform: str) -> None:
    expression = f"""
      let
        lib = import {STANDIN}/lib.nix;
        pkgs = import {STANDIN}/packages.nix {{ inherit lib; python = "/usr/bin/python3"; source = f + "/tomoyo"; }};
        s = lib.evalModules {{ modules = [
          {STANDIN}/{platform}.nix f.{platform}Modules.default
          {{ _module.args = {{ inherit pkgs; }}; security.tomoyo.enable = true; }}
        ]; }};
      in s.config.boot.kernelParams
    """
    assert any(parameter.startswith("TOMOYO_loader=") for parameter in evaluate(nix_store, flake, expression))


def test_its_overlay_gives_the_command_and_the_library(nix_store: NixStore, flake: Path) -> None:
    expression = """
      let
        python = { sitePackages = "lib/python3/site-packages"; interpreter = "/bin/python3"; };
        call = set: path: arguments: import path (builtins.intersectAttrs (builtins.functionArgs (import path)) set // arguments);
        prev = { pythonPackagesExtensions = [ (_: _: { other = 1; }) ]; };
        final = prev // f.overlays.default final prev // {
          python3Packages = builtins.foldl' (set: extend: set // extend final.python3Packages set) {
            inherit python;
            buildPythonPackage = x: x;
            lib = { head = builtins.head; licenses.mit = "MIT"; platforms.linux = [ ]; };
            callPackage = call final.python3Packages;
            toPythonApplication = package: package // { application = true; };
          } final.pythonPackagesExtensions;
        };
      in {
        inherit (final.tomoyo) pname version application installPhase;
        library = final.python3Packages.tomoyo.pname;
        inherit (final.python3Packages) other;
      }
    """
    found = evaluate(nix_store, flake, expression)
    assert (found["pname"], found["library"], found["other"], found["application"]) == ("tomoyo", "tomoyo", 1, True)
    assert f'__version__ = "{found["version"]}"' in (ROOT / "tomoyo" / "__init__.py").read_text()


def test_the_package_installs_a_command_that_the_environment_cannot_change(
    nix_store: NixStore, flake: Path, tmp_path: Path
) -> None:
    expression = f"""
      (import {flake}/tomoyo/nixos/package.nix {{
        buildPythonPackage = x: x;
        lib = {{ head = builtins.head; licenses.mit = "MIT"; platforms.linux = [ ]; }};
        python = {{ sitePackages = "lib/python3/site-packages"; interpreter = "{PYTHON}"; }};
      }}).installPhase
    """
    script = "runHook() { :; }\nset -eu\n" + nix_store.evaluate(expression)
    out = tmp_path / "out"
    variables = {"PATH": "/usr/bin:/bin", "out": str(out), "src": str(flake / "tomoyo")}
    subprocess.run(["sh", "-c", script], env=variables, check=True)
    hostile = tmp_path / "hostile"
    (hostile / "tomoyo").mkdir(parents=True)
    (hostile / "tomoyo" / "__init__.py").write_text("raise SystemExit('another package')")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(hostile), "PYTHONSTARTUP": str(hostile / "tomoyo" / "__init__.py")}
    shown = subprocess.run([out / "bin" / "tomoyo", "--version"], env=environment, cwd=hostile, capture_output=True, check=True)
    assert shown.stdout.startswith(b"tomoyo ")
    for name in ("audit", "notify", "query", "save"):
        program = out / "bin" / f"tomoyo-{name}"
        # What policy confines is one command, and no other whatever its arguments are.
        for arguments in (["--help"], ["--help", "activate"]):
            shown = subprocess.run([program, *arguments], env=environment, cwd=hostile, capture_output=True, check=True)
            assert shown.stdout.startswith(b"usage: tomoyo %s " % name.encode())
    assert list(out.glob("lib/python3/site-packages/tomoyo/__pycache__/*.pyc"))
    assert (out / "lib/python3/site-packages/tomoyo/boot/boot.sh").exists()
    assert (out / "share/man/man8/tomoyo.8").read_text().startswith(".TH TOMOYO 8")
    assert (out / "share/man/man8/tomoyo-activate.8").exists()
    completions = ("bash-completion/completions/tomoyo", "fish/vendor_completions.d/tomoyo.fish", "zsh/site-functions/_tomoyo")
    assert all("activate" in (out / "share" / path).read_text() for path in completions)


def test_the_library_has_the_parts(nix_store: NixStore, flake: Path) -> None:
    assert evaluate(nix_store, flake, "builtins.attrNames f.lib") == ["compilation", "package", "render", "services", "states"]
    assert evaluate(nix_store, flake, "f.lib.states") == {"disable": 0, "enforce": 3, "learn": 1, "permissive": 2}

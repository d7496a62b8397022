"""Compiling where NixOS does it: in the sandbox of a Nix build, without database or network, and only `$out` to write to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tomoyo.cli import main

from .nixstore import PRELUDE, NixFailureError, NixStore
from .sources import write_source

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path(sys.executable).resolve()

POLICY = {
    "domains__web": """
        <kernel> nix:/firefox/bin/firefox
        use_profile 3
        use_group base
        file execute nix:/bash-interactive/bin/bash exec.realpath=@nix:/bash-interactive/bin/bash
        file read @nix:/openssl-3.3.1/bin/openssl
        """,
    "modules__base": "file read @nix:/glibc/lib/ld.so\nfile read @nix:/hosts",
    "manager": "nix:/glibc^bin/bin/ldd",
}

DERIVATION = """
let system = {system}; in
script "tomoyo-policy" ''
  mkdir lib
  ln -s ${{{package}}} lib/tomoyo
  export PYTHONPATH=$PWD/lib
  {python} -m tomoyo compile --closure-file graph --closure ${{system.toplevel}} --output $out ${{{source}}}
'' {{ exportReferencesGraph = [ "graph" system.toplevel ]; }}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copy = tmp_path / "tomoyo"
    shutil.copytree(ROOT / "tomoyo", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def build(store: NixStore, package: Path, source: Path) -> str:
    """Build a derivation that compiles SOURCE for the system of system.nix; give its store path."""
    system = Path(__file__).with_name("system.nix").read_text()
    expression = PRELUDE + DERIVATION.format(system=system, package=package, python=PYTHON, source=source)
    return store.run("nix-build", "--no-out-link", "-E", expression).strip()


def test_a_set_from_a_nix_build_is_that_of_the_command(
    nix_store: NixStore, system: dict[str, str], package: Path, tmp_path: Path
) -> None:
    source = write_source(tmp_path / "source", **POLICY)
    built = build(nix_store, package, source)
    registration = tmp_path / "registration"
    registration.write_text(nix_store.run("nix-store", "--dump-db", *nix_store.requisites(system["toplevel"])))
    options = ["--root", str(nix_store.root), "--closure-file", str(registration), "--closure", system["toplevel"]]
    assert main(["compile", *options, "-q", "-o", str(tmp_path / "set"), str(source)]) == 0
    files = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    assert {path.name: path.read_bytes() for path in nix_store.inside(built).iterdir()} == files
    assert json.loads(files["manifest.json"])["roots"] == [system["toplevel"]]
    # What is bound cannot be collected as garbage while the set is in use.
    bound = {"firefox", "bash", "openssl_3", "libc", "etc-hosts"}
    assert {system[name] for name in bound} <= set(nix_store.references(built))
    assert os.access(nix_store.inside(built) / "boot", os.X_OK)


def test_an_error_fails_the_build_and_says_where(nix_store: NixStore, package: Path, tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", **POLICY, domains__bad="<kernel> nix:/stranger/bin/x\nuse_profile 3\nfile reed /x")
    with pytest.raises(NixFailureError) as caught:
        build(nix_store, package, source)
    assert "-source/domains/bad.conf:1:10: error: nix:/stranger/bin/x: " in str(caught.value)
    assert "-source/domains/bad.conf:3:6: error: " in str(caught.value)


def test_where_root_is_no_user_as_for_the_builders_of_the_daemon(tmp_path: Path) -> None:
    # They have a user namespace with one user; what belongs to root then belongs to nobody.
    source = write_source(tmp_path / "source", domains__a="<kernel> /a\nuse_profile 0")
    (tmp_path / "store-paths").write_text("")
    tmp_path.chmod(0o755)
    command = [
        sys.executable,
        "-m",
        "tomoyo",
        "compile",
        "-q",
        "--closure-file",
        tmp_path / "store-paths",
        "-o",
        tmp_path / "set",
        source,
    ]
    done = subprocess.run(
        ["unshare", "--user", "--map-user=1000", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "set/domain_policy.conf").exists()

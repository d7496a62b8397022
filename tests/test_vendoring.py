"""Parts of the package that others vendor alone: those that the document names, each in an empty package."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from .documents import ROOT
from .sample import SAMPLE
from .test_structure import PACKAGE, imported, python

PARTS = {
    purpose: re.findall(r"`([a-z/]+)`", directories)
    for purpose, directories in re.findall(
        r"^\| ([A-Z][^|]+) \| (`.*`) \|$", (ROOT / "docs/how-to/vendor.md").read_text(), re.MULTILINE
    )
}

ALL = """
import importlib, pkgutil, sys
package = importlib.import_module("program.policy")
for module in pkgutil.walk_packages(package.__path__, "program.policy."):
    importlib.import_module(module.name)
assert "tomoyo" not in sys.modules
"""
READ = """
from program.policy.syntax.domain_policy import parse_domain_policy
from program.policy.syntax.formatting import format_domain_policy
assert format_domain_policy(parse_domain_policy(TEXT)).splitlines()[-2] == "file read/write /tmp/x"
"""
ASK = """
from program.policy.decision.engine import DecisionEngine
from program.policy.decision.requests import parse_request
from program.policy.simulation.simulated_kernel import SimulatedKernel
kernel = SimulatedKernel()
kernel.write("profile", "0-CONFIG={ mode=enforcing }\\n")
kernel.write("domain_policy", TEXT)
engine = DecisionEngine.of(kernel.holding)
assert engine.decide("<kernel> /bin/sh", parse_request("file write /tmp/x")).granted
assert not engine.decide("<kernel> /bin/sh", parse_request("file write /tmp/y")).granted
"""
BIND = """
from program.policy.nix.names.binder import bind
from program.policy.nix.names.name_uses import policy_uses
from program.policy.nix.names.names import NameTable
from program.policy.nix.store.closure import find_root
from program.policy.nix.store.closure_formats import read_listing
from program.policy.nix.store.tree import Tree
from program.policy.syntax.domain_policy import parse_domain_policy
from program.policy.syntax.formatting import format_exception_policy
tree = Tree(f"{SAMPLE}/system")
closure = read_listing(f"{SAMPLE}/system/registration").restrict([find_root("/nix/var/nix/profiles/system-1-link", tree)])
with open(f"{SAMPLE}/policy/domain_policy.conf") as file:
    uses = policy_uses(parse_domain_policy(file.read()))
bound = bind(uses, NameTable(closure), tree)
assert "path_group nix:/notes/share/notes/help /nix/store/ba3iz" in format_exception_policy(bound.policy)
"""
COMPILE = f"""{BIND}
from program.policy.nix.source.compile import compile_policy
from program.policy.nix.source.library import library_services, read_sources
assert "nginx" in library_services()
compiled = compile_policy(read_sources([f"{{SAMPLE}}/policy"]), NameTable(closure), tree)
assert "nix:/notes/bin/notes" in compiled.policy.domain_policy
"""
USES = dict(zip(PARTS, (READ, READ + ASK, READ + ASK + BIND, READ + ASK + COMPILE)))


def test_the_document_names_the_parts() -> None:
    assert len(PARTS) == len(USES) == 4
    assert all(PACKAGE.joinpath(directory).is_dir() for part in PARTS.values() for directory in part)


@pytest.mark.parametrize("purpose", PARTS)
def test_a_part_needs_nothing_else(purpose: str) -> None:
    """Not even where an import waits until it is needed."""
    part = [PACKAGE / directory for directory in PARTS[purpose]]
    missing = [
        f"{path.relative_to(PACKAGE)}:{line}: {'.'.join(module)}"
        for path in (path for directory in part for path in directory.rglob("*.py"))
        for line, module in imported(path)
        if not any(PACKAGE.joinpath(*module).is_relative_to(directory) for directory in part)
    ]
    assert missing == []


@pytest.mark.parametrize("purpose", PARTS)
def test_a_part_works_alone(purpose: str, tmp_path: Path) -> None:
    package = tmp_path / "program" / "policy"
    for directory in PARTS[purpose]:
        shutil.copytree(PACKAGE / directory, package / directory, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (package.parent, package):
        (name / "__init__.py").touch()
    text = "<kernel> /bin/sh\nuse_profile 0\n\nfile write/read /tmp/x\n"
    python("-c", f"TEXT, SAMPLE = {text!r}, {str(SAMPLE)!r}\n{ALL}{USES[purpose]}", folder=tmp_path)

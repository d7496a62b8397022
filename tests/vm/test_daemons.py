"""The daemons of this package, confined by the policy that it ships: started by hand, and by systemd from the module's units."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tomoyo.model.profiles import ServiceState

from ..nix.conftest import nix_store
from ..nix.nixstore import NixStore
from ..nixos.evaluation import STANDIN, Evaluator, snapshot, unit_lines
from . import daemons_layout, library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System

__all__ = ["kernel", "kernel_release", "nix_store"]

DOMAIN = "3 <kernel> nix:/tomoyo/bin/tomoyo-"
SYSTEMD = "/lib/systemd/systemd"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> System:
    """A system with the programs."""
    made = System(tmp_path_factory.mktemp("daemons"))
    daemons_layout.add_programs(made)
    made.write()
    return made


def run(kernel: Kernel, job: str, system: System, folder: Path, files: dict[str, bytes]) -> dict[str, Any]:
    """What JOB found out, with the policy enforced."""
    texts = {"domains/guest.conf": daemons_layout.GUEST, "manager.conf": daemons_layout.MANAGERS}
    policy = system.compiled(library_layout.source(folder / "source", texts), {"tomoyo": ServiceState.ENFORCE}).policy
    files |= library_layout.guest_files(policy, folder / "set")
    result = machine.run(kernel, job, arguments=[str(system.root)], files=files, loader="/run/set/boot")
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


@pytest.fixture(scope="module")
def answers(kernel: Kernel, system: System, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the job found out."""
    return run(kernel, "daemons", system, tmp_path_factory.mktemp("run"), {})


def test_they_do_all_of_their_work_confined(answers: dict[str, Any]) -> None:
    assert answers["audit"] == [f"{DOMAIN}audit", 0, ""]
    assert answers["logs"] == ["audit.log", "audit.log.1", "audit.log.2", "audit.log.3", "followed.log", "moved"]
    assert answers["save"] == answers["save again"] == [0, True]
    names = ["domain_policy.conf", "exception_policy.conf", "manager.conf", "profile.conf", "stat.conf"]
    assert (answers["saved"], answers["links"]) == (names, ["current", "previous"])
    for name in ("notify", "notify follows"):
        assert answers[name][:2] == [f"{DOMAIN}notify", 0]
        assert answers[f"{name}: told"][1:] == ["<kernel> /denied", "network unix stream connect /run/none/0", ""]
    assert answers["query"][:2] == answers["query with rules in the store"][:2] == [f"{DOMAIN}query", 0]
    assert answers["answers"] == [["granted", "denied", "denied"]] * 2
    # Nothing of this was denied to them.
    assert answers["records"] == []


def test_they_need_no_capability(answers: dict[str, Any]) -> None:
    assert answers["audit without capabilities"] == [f"{DOMAIN}audit", 0, ""]
    assert answers["capabilities"] == ["0" * 16] * 3


def test_code_in_their_domains_can_do_no_more(answers: dict[str, Any]) -> None:
    assert answers["wrong"] == []


def test_only_what_answers_is_a_manager(answers: dict[str, Any]) -> None:
    assert answers["ranks"] == {"audit": "none", "notify": "none", "query": "manager", "save": "none"}


def units(store: NixStore, system: System, folder: Path) -> dict[str, bytes]:
    """The module's units, of programs in SYSTEM."""
    folder.mkdir()
    evaluator = Evaluator(store, STANDIN / "lib.nix", snapshot(folder))
    everything = (
        "audit.enable = true; query.enable = true; learning.save.enable = true;"
        ' notify = { enable = true; command = [ "/bin/x" ]; };'
    )
    found = evaluator.value("nixos", f"{{ security.tomoyo = {{ enable = true; {everything} }}; }}", "s.config.systemd.services")
    paths = {path[44:]: path for path in system.paths.values()}
    files = {}
    for name, unit in found.items():
        lines = [*unit_lines(unit["unitConfig"] | {"DefaultDependencies": False}), "[Service]\n"]
        text = "".join(["[Unit]\n", *lines, *unit_lines(unit["serviceConfig"])])
        text = re.sub(r"/nix/store/[a-z0-9]{32}-coreutils[^/]*/bin/true", "/bin/true", text)
        text = re.sub(r"/nix/store/[a-z0-9]{32}-([A-Za-z0-9.-]+)", lambda found: paths.get(found[1], found[0]), text)
        files[f"units/{name}.service"] = text.encode()
    return files


@pytest.mark.skipif(not os.path.exists(SYSTEMD) or not shutil.which("unshare"), reason="needs systemd")
def test_systemd_runs_them_in_their_sandboxes(kernel: Kernel, system: System, nix_store: NixStore, tmp_path: Path) -> None:
    answers = run(kernel, "units", system, tmp_path, units(nix_store, system, tmp_path / "package"))
    assert {name: status for name, (status, _) in answers["started"].items() if status} == {}, answers["started"]
    for name in ("audit", "notify", "query"):
        # No capability now or ever, no new privileges, system calls filtered.
        assert answers[f"tomoyo-{name}"] == [f"{DOMAIN}{name}", "0" * 16, "0" * 16, "1", "2"]
    assert answers["answers"] == ["granted", "denied", "denied"]
    assert set(answers["results"].values()) == {"success"}
    assert answers["saved"] == 2
    assert answers["records"] == []

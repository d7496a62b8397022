"""finix' own modules with ours: `TOMOYO_TEST_FINIX` names a checkout, `TOMOYO_TEST_NIXPKGS_LIB` one of nixpkgs' lib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..nix.nixstore import NixFailureError, NixStore
from .evaluation import STANDIN, checkout, nixpkgs_lib

ENABLED = """
security.tomoyo = {
  enable = true;
  audit.enable = true;
  learning.save.enable = true;
  policies.hello.text = "<kernel> nix:/hello/bin/hello";
};
"""


@pytest.fixture(scope="module")
def finix(root: Path) -> tuple[Path, Path, Path]:
    folder, lib = checkout("TOMOYO_TEST_FINIX"), nixpkgs_lib()
    if folder is None or lib is None:
        pytest.skip("TOMOYO_TEST_FINIX and TOMOYO_TEST_NIXPKGS_LIB name no checkouts of finix and nixpkgs' lib")
    return folder, lib, root


def system(finix: tuple[Path, Path, Path], configuration: str, expression: str) -> str:
    folder, lib, root = finix
    return (
        f"let s = import {STANDIN}/finix-system.nix {{ finix = {folder}; lib = {lib}; root = {root};"
        f" configuration = {{ lib, pkgs, ... }}: {{ {configuration} }}; }}; in {expression}"
    )


def value(store: NixStore, finix: tuple[Path, Path, Path], configuration: str, expression: str) -> Any:
    return store.evaluate(system(finix, configuration, expression))


def test_a_whole_system_evaluates_with_the_policy_inside(nix_store: NixStore, finix: tuple[Path, Path, Path]) -> None:
    found = value(
        nix_store,
        finix,
        ENABLED,
        """{
          inherit (s.config.boot) kernelParams init;
          policy = s.config.security.tomoyo.build.policy.outPath;
          finit = s.config.finit.package.outPath;
          etc = builtins.mapAttrs (_: entry: entry.text) s.config.environment.etc;
        }""",
    )
    assert found["kernelParams"] == [
        "lsm=landlock,yama,bpf,tomoyo",
        f"TOMOYO_loader={found['policy']}/boot",
        f"TOMOYO_trigger={found['finit']}/bin/finit",
    ]
    assert found["init"].endswith("-tomoyo-init")
    etc = found["etc"]
    assert "securityfs /sys/kernel/security securityfs nosuid,nodev,noexec 0 0\n" in etc["fstab"]
    assert etc["finit.d/tomoyo.conf"].startswith("task [S12345] name:tomoyo ")
    assert f" activate {found['policy']} -- TOMOYO policy" in etc["finit.d/tomoyo.conf"]
    assert etc["finit.d/tomoyo-gc.conf"].endswith(f"\n# {found['policy']}\n")
    assert "name:tomoyo-audit " in etc["finit.d/tomoyo-audit.conf"]
    assert "<task/tomoyo/success>" in etc["finit.d/tomoyo-audit.conf"]
    assert "d /var/log/tomoyo 0700\n" in etc["tmpfiles.d/finix.conf"]


def test_the_closure_that_the_policy_is_compiled_for_has_the_system_but_not_the_policy(
    nix_store: NixStore, finix: tuple[Path, Path, Path]
) -> None:
    build = "s.config.security.tomoyo.build"
    wanted = (
        f"{{ top = s.config.system.topLevel; without = builtins.head {build}.closureRoots; inherit ({build}) closure policy; }}"
    )
    nix_store.run("nix-instantiate", "-E", system(finix, ENABLED, wanted))
    paths = value(nix_store, finix, ENABLED, f"builtins.mapAttrs (_: x: x.drvPath) {wanted}")
    needed = {name: set(nix_store.requisites(path)) for name, path in paths.items()}
    assert paths["policy"] in needed["top"]
    assert paths["without"] in needed["closure"]
    # What the policy brings along with it, and what names it: /etc, what is built of that, and the top level.
    lacking = {path.partition("-")[2] for path in needed["top"] - needed["without"]}
    assert {"tomoyo-policy.drv", "finix-system.drv", "etc.drv", "activate.drv"} <= lacking
    assert not {name for name in lacking if name.startswith(("coreutils", "finit-", "system-path"))}


def test_a_specialisation_has_a_policy_of_its_own(nix_store: NixStore, finix: tuple[Path, Path, Path]) -> None:
    source = "security.tomoyo.build.source.drvPath"
    expression = (
        f"{{ outer = s.config.{source}; inner = builtins.mapAttrs (_: system: system.{source}) s.config.specialisation; }}"
    )
    learning = 'specialisation.learning.security.tomoyo.policies.hello.state = lib.mkForce "learn";'
    found = value(nix_store, finix, f"{ENABLED} {learning}", expression)
    assert found["inner"]["learning"] != found["outer"]


@pytest.mark.parametrize(
    ("configuration", "message"),
    {
        'boot.init = lib.mkForce "/x";': "security.tomoyo.finit.trigger",
        'boot.kernelParams = [ "lsm=yama" ];': "security.tomoyo.kernel.lsm",
        'security.tomoyo.policies.hello.state = "complain";': "security.tomoyo.policies.hello.state",
    }.items(),
)
def test_what_cannot_work_is_refused(
    nix_store: NixStore, finix: tuple[Path, Path, Path], configuration: str, message: str
) -> None:
    with pytest.raises(NixFailureError, match=message):
        value(nix_store, finix, f"{ENABLED} {configuration}", "s.config.system.topLevel.drvPath")

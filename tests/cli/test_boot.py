"""The command `boot`: what a kernel would make of a set, and a loader for one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tomoyo.boot.loader import boot_script, check_boot
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set

from .command import tomoyo

SET = PolicySet(
    domain_policy="<kernel>\nuse_profile 0\n\n<kernel> /a\nuse_profile 3\n\nfile read /x\n\n",
    exception_policy="",
    profile="PROFILE_VERSION=20150505\n0-COMMENT=\n3-COMMENT=\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n",
    manager="/bin/tomoyo\n",
    boot=boot_script(),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    write_policy_set(SET, tmp_path / "set")
    return tmp_path / "set"


def test_a_set_that_boots(folder: Path) -> None:
    done = tomoyo("boot", "--check", folder)
    assert (done.status, done.output, done.messages) == (0, "", "")
    assert json.loads(tomoyo("boot", "--check", folder, "--json").output) == {"diagnostics": [], "result": {"boots": True}}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("sed -i 's/use_profile 3/use_profile 4/' domain_policy.conf", "domain_policy.conf:4:1: error: profile 4 of <kernel> /a"),
        ("sed -i 's/=20150505/=20100903/' profile.conf", "profile.conf: error: namespace <kernel> has profile version 20100903"),
        (": > domain_policy.conf", "domain_policy.conf: error: it is empty"),
        (
            "head -c 40 domain_policy.conf > x; mv x domain_policy.conf",
            "domain_policy.conf: error: differs from what the manifest",
        ),
        ("rm manager.conf", "manager.conf: error: no such file"),
        ("rm profile.conf; mkfifo profile.conf", "profile.conf: error: no regular file"),
        ("rm profile.conf; mkdir profile.conf", "profile.conf: error: a directory, not a file"),
        ("ln -sf /none manager.conf", "manager.conf: error: a symbolic link"),
        ("chmod 777 .", "set: error: others may write to it"),
        ("chmod 666 profile.conf", "profile.conf: error: others may write to it"),
        ("chmod 644 boot", "boot: error: it cannot be executed"),
        ("sed -i '1s,.*,#!/none/sh,' boot", "boot:1:1: error: its shell cannot be executed: '#!/none/sh'"),
    ],
)
def test_sets_that_do_not(folder: Path, command: str, told: str) -> None:
    assert os.system(f"cd '{folder}' && {command}") == 0
    done = tomoyo("boot", "--check", folder)
    assert done.status == 1
    assert told in done.messages
    assert tomoyo("boot", "--check", folder, "--json").result == {"boots": False}


def test_a_line_that_the_kernel_drops_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    write_policy_set(
        PolicySet(**{**fields(SET), "exception_policy": "keep_domain any from <kernel> /a\nnonsense\n"}), tmp_path / "set"
    )
    done = tomoyo("boot", "--check", tmp_path / "set")
    assert done.status == 0
    assert "exception_policy.conf:2:1: warning: " in done.messages


def fields(policy: PolicySet) -> dict[str, str]:
    names = ("domain_policy", "exception_policy", "profile", "manager")
    return {name: getattr(policy, name) for name in names}


def test_a_set_that_is_not_there(tmp_path: Path) -> None:
    [problem] = check_boot(tmp_path / "none")
    assert problem.message == "no such file or directory"
    assert tomoyo("boot", "--check", tmp_path / "none").status == 2


def test_a_loader_for_a_set(folder: Path) -> None:
    done = tomoyo("boot", "--script", folder, "--shell", "/bin/dash", "--path", "/opt/bin", "--no-fallback")
    sizes = {f"{name}.conf": len(text) for name, text in fields(SET).items()} | {"bindings.conf": 0}
    assert done.status == 0
    assert done.output.startswith("#!/bin/dash\n")
    for line in (f"directory={folder}", "fallback=no", "search_path=/opt/bin"):
        assert f"\n{line}\n" in done.output
    assert all(f"{name}={size}" in done.output for name, size in sizes.items())
    assert tomoyo("boot", "--script", folder, "--shell", "sh").status == 2
    assert tomoyo("boot", "--script", folder / "none").status == 2

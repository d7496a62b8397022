"""Saving what a kernel holds: all at one moment, in the C tools' layout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tomoyo.kernel.saving import UnsteadyPolicyError, read_consistent, save
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import read_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel

MOMENT = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


class Busy(SimulatedKernel):
    """A kernel that learns while it is read, a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def read(self, name: str) -> str:
        text = super().read(name)
        if name == "domain_policy" and self.times:
            self.times -= 1
            self.write("domain_policy", f"<kernel> /a\nfile read /{self.times}\n")
        return text


def test_it_reads_again_until_nothing_moved() -> None:
    held = read_consistent(Busy(3))
    assert [line for line in held.domain_policy.split("\n") if line.startswith("file")] == [f"file read /{n}" for n in (2, 1, 0)]


def test_it_gives_up_on_a_policy_that_never_stands_still() -> None:
    with pytest.raises(UnsteadyPolicyError, match="policy changed during each"):
        read_consistent(Busy(10**6))


def test_the_layout_is_that_of_the_c_tools(tmp_path: Path) -> None:
    kernel = SimulatedKernel()
    kernel.write("stat", "Memory used by audit log: 1000\n")
    first = save(read_consistent(kernel), tmp_path, moment=MOMENT)
    kernel.write("domain_policy", "<kernel> /a\n")
    second = save(read_consistent(kernel), tmp_path, moment=MOMENT)
    assert [Path(path).name for path in (first, second)] == ["23-11-14.22:13:20", "23-11-14.22:13:21"]
    policy = tmp_path / "policy"
    assert os.readlink(policy / "current") == "23-11-14.22:13:21/"
    assert os.readlink(policy / "previous") == "23-11-14.22:13:20/"
    assert sorted(path.name for path in policy.iterdir()) == ["23-11-14.22:13:20", "23-11-14.22:13:21", "current", "previous"]
    saved = read_policy_set(second)
    assert saved.domain_policy == kernel.read("domain_policy")
    assert "Memory used by audit log: 1000\n" in saved.stat


def test_a_link_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "policy").symlink_to("elsewhere")
    with pytest.raises(PolicySetError, match="a symbolic link"):
        save(read_consistent(SimulatedKernel()), tmp_path)
    assert list((tmp_path / "elsewhere").iterdir()) == []

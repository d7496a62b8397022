"""Modes of domains: found, set and read back."""

from __future__ import annotations

import pytest

from tomoyo.kernel.modes import (
    DomainMode,
    ModeError,
    NotChanged,
    locked_out,
    plan_mode,
    plan_profile,
    profile_mode,
    read_heads,
    read_profiles,
    set_profiles,
)
from tomoyo.model.profiles import FUNCTIONALITIES, Config, Mode, Profile
from tomoyo.simulation.simulated_kernel import SimulatedKernel

PROFILES = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
2-CONFIG={ mode=learning grant_log=no reject_log=no }
2-CONFIG::network={ mode=enforcing grant_log=no reject_log=no }
3-CONFIG={ mode=enforcing grant_log=no reject_log=no }
4-CONFIG={ mode=disabled grant_log=no reject_log=no }
4-CONFIG::file={ mode=enforcing grant_log=no reject_log=no }
4-CONFIG::network={ mode=enforcing grant_log=no reject_log=no }
4-CONFIG::misc={ mode=enforcing grant_log=no reject_log=no }
<x> PROFILE_VERSION=20150505
<x> 7-CONFIG={ mode=permissive grant_log=no reject_log=no }
"""
DOMAINS = """\
<kernel>
use_profile 0

<kernel> /a
use_profile 2

file read /x

<kernel> /a /b
use_profile 0

<x> /a
use_profile 7

file read /x

"""


@pytest.fixture
def kernel() -> SimulatedKernel:
    held = SimulatedKernel()
    held.write("profile", PROFILES)
    held.write("domain_policy", DOMAINS.replace("use_profile 7\n", "use_profile 7\nquota_exceeded\n"))
    held.write("profile", "<x> 0-COMMENT=\n")
    held.activate()
    return held


def profiles(kernel: SimulatedKernel) -> dict[str, int]:
    return {domain.name.text: domain.profile for domain in read_heads(kernel)}


def test_one_word_for_a_profile() -> None:
    uniform = Profile(0, default=Config(Mode.LEARNING))
    leaves = [name for name in FUNCTIONALITIES if name.count("::") == 1]
    covered = Profile(0, configs=tuple((name, Config(Mode.PERMISSIVE)) for name in ("file", "network", "misc")))
    each = Profile(0, configs=tuple((name, Config(Mode.ENFORCING)) for name in leaves))
    one = uniform.with_config("misc::env", Config(Mode.DISABLED))
    assert [profile_mode(profile) for profile in (uniform, covered, each, one, None)] == [
        *("learning", "permissive", "enforcing", "mixed", "undefined")
    ]


def test_domains_with_their_modes(kernel: SimulatedKernel) -> None:
    modes = read_profiles(kernel)
    assert [modes.of(domain) for domain in read_heads(kernel)] == [
        DomainMode("<kernel>", 0, "disabled"),
        DomainMode("<kernel> /a", 2, "mixed"),
        DomainMode("<kernel> /a /b", 0, "disabled"),
        DomainMode("<x> /a", 7, "permissive"),
    ]
    assert [domain.quota_exceeded for domain in read_heads(kernel)] == [False, False, False, True]


def test_a_mode_takes_the_lowest_profile_that_is_in_it_throughout(kernel: SimulatedKernel) -> None:
    modes = read_profiles(kernel)
    domains = list(read_heads(kernel))[:3]
    plan = plan_mode(modes, domains, Mode.ENFORCING)
    assert plan == {"<kernel>": 3, "<kernel> /a": 3, "<kernel> /a /b": 3}
    set_profiles(kernel, plan)
    assert profiles(kernel) == {**plan, "<x> /a": 7}


def test_a_domain_that_is_in_the_mode_keeps_its_profile(kernel: SimulatedKernel) -> None:
    kernel.write("domain_policy", "select <kernel> /a\nuse_profile 4\n")
    modes, domains = read_profiles(kernel), list(read_heads(kernel))[:3]
    assert plan_mode(modes, domains, Mode.ENFORCING) == {"<kernel>": 3, "<kernel> /a /b": 3}


def test_no_profile_for_a_mode(kernel: SimulatedKernel) -> None:
    with pytest.raises(ModeError, match=r"no profile of <x> is in enforcing mode throughout; there are 0 \(disabled\), 7"):
        plan_mode(read_profiles(kernel), read_heads(kernel), Mode.ENFORCING)
    with pytest.raises(ModeError, match="no profile of <kernel> is in learning mode throughout"):
        plan_mode(read_profiles(kernel), list(read_heads(kernel))[:1], Mode.LEARNING)


def test_an_undefined_profile_is_refused_before_anything_is_written(kernel: SimulatedKernel) -> None:
    before = kernel.read("domain_policy")
    with pytest.raises(ModeError, match="profile 3 is not defined in <x>"):
        plan_profile(read_profiles(kernel), read_heads(kernel), 3)
    assert kernel.read("domain_policy") == before
    assert plan_profile(read_profiles(kernel), list(read_heads(kernel))[:3], 2) == {"<kernel>": 2, "<kernel> /a /b": 2}


def test_enforcing_without_entries_locks_out(kernel: SimulatedKernel) -> None:
    modes = read_profiles(kernel)
    assert locked_out(kernel, modes, {"<kernel> /a": 3, "<kernel> /a /b": 3, "<kernel>": 2}) == ["<kernel> /a /b", "<kernel>"]
    assert locked_out(kernel, modes, {"<kernel> /a /b": 0, "<x> /a": 0}) == []


def test_the_entries_of_an_acl_group_are_entries(kernel: SimulatedKernel) -> None:
    kernel.write("domain_policy", "<kernel> /a /b\nuse_group 1\n<kernel>\nuse_group 2\n<x> /b\nuse_profile 7\nuse_group 1\n")
    kernel.write("exception_policy", "acl_group 1 file read /x\n")
    kernel.write("profile", "<x> 3-CONFIG={ mode=enforcing grant_log=no reject_log=no }\n")
    plan = {"<kernel> /a /b": 3, "<kernel>": 3, "<x> /b": 3}
    assert locked_out(kernel, read_profiles(kernel), plan) == ["<kernel>", "<x> /b"]


def test_what_the_kernel_did_not_do_is_noticed(kernel: SimulatedKernel) -> None:
    with pytest.raises(NotChanged, match=r"did not change <kernel> /gone, <kernel> /a$") as caught:
        set_profiles(kernel, {"<kernel> /gone": 0, "<kernel> /a": 9, "<kernel> /a /b": 3})
    assert caught.value.domains == ["<kernel> /gone", "<kernel> /a"]
    assert profiles(kernel)["<kernel> /a /b"] == 3
    assert "<kernel> /gone" not in profiles(kernel)

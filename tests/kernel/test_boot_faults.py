"""What a boot loader refuses, found in a set's texts: the same that a simulated kernel panics for."""

from __future__ import annotations

import itertools

import pytest

from tomoyo.boot.faults import boot_faults
from tomoyo.sets.checks import PANICS, check_policy_set
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.policy_reading import PolicyReading

PROFILES = "PROFILE_VERSION=20150505\n0-COMMENT=\n3-COMMENT=\n"
DOMAINS = "<kernel>\nuse_profile 0\n\n<kernel> /a\nuse_profile 3\n\nfile read /x\n\n"


def faults(policy: PolicySet) -> list[str]:
    return [f"{fault.code} {fault.place}: {fault.message}" for fault in boot_faults(parsed(policy))]


def parsed(policy: PolicySet) -> PolicyReading:
    reading = PolicyReading(policy)
    reading.parse(list(reading.blocks))
    return reading


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"domain_policy": "", "profile": ""},
            [
                "damaged-set profile.conf: it is empty, so the set would confine nothing",
                "damaged-set domain_policy.conf: it is empty, so the set would confine nothing",
                "undefined-profile domain_policy.conf: profile 0 of <kernel> is not defined in namespace <kernel>",
            ],
        ),
        (
            {"domain_policy": DOMAINS.replace("use_profile 3", "use_profile 4")},
            ["undefined-profile domain_policy.conf:4:1: profile 4 of <kernel> /a is not defined in namespace <kernel>"],
        ),
        (
            {"profile": PROFILES.replace("20150505", "7\x1b")},
            ["profile-version profile.conf:1:1: namespace <kernel> has profile version 7\x1b, and must have 20150505"],
        ),
        (
            {"profile": PROFILES.replace("3-", " 3-")},
            [
                "damaged-set domain_policy.conf:4:1: profile 3 of <kernel> /a is not defined in namespace <kernel> as the boot "
                "loader reads it: there may be no space in front of a line, nor a zero in front of a number"
            ],
        ),
        (
            {"exception_policy": "keep_domain any from /a\nreset_domain any from any\n"},
            [
                "failing-execution exception_policy.conf:2:1: reset_domain any from any: every program would need a namespace "
                "and a domain of its own, and execution fails where they are not defined"
            ],
        ),
        (
            {"exception_policy": "reset_domain /a from any\nno_reset_domain /a from any\n"},  # it never happens
            [],
        ),
        (  # that it is not to happen counts in its own namespace
            {"exception_policy": "no_reset_domain /a from any\n<x> no_reset_domain /b from any\n<x> reset_domain /a from any\n"},
            [
                "failing-execution exception_policy.conf:3:1: reset_domain /a from any: the domain </a> is not defined, and the "
                "kernel does not create it, so execution fails"
            ],
        ),
        (
            {"exception_policy": "<kernel> reset_domain /a from any\n<kernel> no_reset_domain /a from any\n"},
            [],
        ),
        (
            {"bindings": "reset_domain /a from any\n"},
            [
                "failing-execution bindings.conf:1:1: reset_domain /a from any: the domain </a> is not defined, and the kernel "
                "does not create it, so execution fails"
            ],
        ),
        (
            {
                "domain_policy": f"{DOMAINS}</a>\nuse_profile 0\n\n",
                "exception_policy": "no_reset_domain any from any\nreset_domain /a from any\n",
                "profile": f"{PROFILES}</a> 0-COMMENT=\n",
            },
            [],
        ),
    ],
)
def test_what_is_told(changes: dict[str, str], expected: list[str]) -> None:
    assert faults(PolicySet(**{"domain_policy": DOMAINS, "profile": PROFILES, **changes})) == expected


USED = ("", "<kernel>", "<kernel>\nuse_profile 1", "<kernel>\nuse_profile 3\nuse_profile 0", "<x>\nuse_profile 1", "<x> /a")
BELOW = (
    "",
    "<kernel> /a\nuse_profile 1",
    "<kernel> /<x>\nuse_profile 1\n\nfile read /x",
    "<kernel> /a\n\nmisc env A\nuse_profile 1",
)
GIVEN = (
    "0-COMMENT=",
    "1-COMMENT=\n0-CONFIG={ mode=learning }",
    "<x> 1-COMMENT=\n<kernel> 0-COMMENT=",
    "PROFILE_VERSION=1\n0-COMMENT=\n1-COMMENT=",
    "<x> PROFILE_VERSION=1\n<x> 1-COMMENT=\n0-COMMENT=",
    "11-COMMENT=\n0-COMMENT=",
)


def test_it_is_what_a_kernel_panics_for() -> None:
    panics = 0
    for used, below, given in itertools.product(USED, BELOW, GIVEN):
        policy = PolicySet("".join(f"{domain}\n\n" for domain in (used, below) if domain), profile=f"{given}\n")
        expected = any(problem.code in PANICS for problem in check_policy_set(policy))
        # The loader looks at all namespaces, whether any domain is in them or not.
        expected = expected or "PROFILE_VERSION=1\n" in policy.profile
        found = [fault for fault in boot_faults(parsed(policy)) if fault.code in PANICS]
        assert bool(found) == expected, policy
        panics += expected
    assert panics > 20

"""What a kernel is doing, and how far it is from a set."""

from __future__ import annotations

import pytest

from tomoyo.activation.status import drift, stale_bindings, status_of
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.simulated_kernel import SimulatedKernel

OLD = "/nix/store/00000000000000000000000000000000-nginx-1.0"
NEW = "/nix/store/11111111111111111111111111111111-nginx-1.1"
GLIBC = "/nix/store/22222222222222222222222222222222-glibc-2.40"
PROFILES = "PROFILE_VERSION=20150505\n0-COMMENT=\n3-COMMENT=\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
WANTED = PolicySet(
    domain_policy=(
        "<kernel>\nuse_profile 0\n\n<kernel> nix:/nginx/bin/nginx\nuse_profile 3\n\nfile read @nix:/glibc/lib/libc.so.6\n\n"
    ),
    exception_policy="initialize_domain nix:/nginx/bin/nginx from any\n",
    bindings=(
        f"aggregator {NEW}/bin/nginx nix:/nginx/bin/nginx\n"
        f"path_group nix:/glibc/lib/libc.so.6 {GLIBC}/lib/libc.so.6\n"
        f"path_group exact {GLIBC}\n"
    ),
    profile=PROFILES,
    manager="/bin/tomoyo\n",
    stat="Memory used by policy: 1000000\n",
)


@pytest.fixture
def kernel() -> SimulatedKernel:
    held = WANTED.loaded()
    held.activate()
    return held


def test_nothing_differs_from_what_was_loaded(kernel: SimulatedKernel) -> None:
    assert drift(kernel, WANTED) == []


@pytest.mark.parametrize(
    ("interface", "text", "told"),
    [
        ("domain_policy", "<kernel> nix:/nginx/bin/nginx\nfile read /x\nfile read /y\n", "2 entries not wanted"),
        ("domain_policy", "<kernel> nix:/nginx/bin/nginx\ndelete file read @nix:/glibc/lib/libc.so.6\n", "1 entry missing"),
        ("domain_policy", "<kernel> nix:/nginx/bin/nginx\nuse_profile 0\n", "is in profile 0 instead of 3"),
        ("domain_policy", "<kernel> nix:/nginx/bin/nginx\nuse_group 4\n", "uses groups 4 instead of none"),
        ("domain_policy", "delete <kernel> nix:/nginx/bin/nginx\n", "domain <kernel> nix:/nginx/bin/nginx is missing"),
        ("domain_policy", "<kernel> /x\nuse_profile 3\n", "domain <kernel> /x is in no policy"),
        ("exception_policy", "keep_domain any from <kernel> /x\n", "1 transition control not wanted"),
        ("exception_policy", f"delete path_group exact {GLIBC}\n", "1 group member missing"),
        ("exception_policy", f"aggregator {OLD}/bin/nginx nix:/nginx/bin/nginx\n", "1 aggregator not wanted"),
        ("exception_policy", "acl_group 3 file read /x\n", "acl_group 3 of <kernel>: 1 entry not wanted"),
        ("profile", "3-CONFIG={ mode=permissive }\n", "profile 3 of <kernel> differs"),
        ("manager", "/bin/other\n", "managers: 1 manager not wanted"),
        ("stat", "Memory used by policy: 0\n", "quota for policy: 0 instead of 1000000"),
    ],
)
def test_what_differs_is_told(kernel: SimulatedKernel, interface: str, text: str, told: str) -> None:
    kernel.write(interface, text)
    found = drift(kernel, WANTED)
    assert len(found) == 1
    assert told in found[0]


def test_what_the_kernel_made_for_a_program_is_no_drift(kernel: SimulatedKernel) -> None:
    kernel.write("domain_policy", "<kernel> nix:/nginx/bin/nginx /bin/sh\nuse_profile 3\n<kernel> /x\n")
    assert drift(kernel, WANTED) == []


def test_bindings_that_a_set_does_not_name() -> None:
    held = (
        "initialize_domain /nix/store/x from any\n"
        f"aggregator {OLD}/bin/nginx nix:/nginx/bin/nginx\n"
        f"aggregator {NEW}/bin/nginx nix:/nginx/bin/nginx\n"
        f"path_group nix:/nginx/etc {OLD}\n"
        f"path_group nix:/glibc/lib/libc.so.6 {GLIBC}/lib/libc.so.6\n"
        "path_group other /etc/hosts\n"
    )
    assert stale_bindings(held, WANTED, lambda path: True) == [
        f"aggregator {OLD}/bin/nginx nix:/nginx/bin/nginx",
        f"path_group nix:/nginx/etc {OLD}",
    ]
    named = "".join(f"<kernel> {line}\n" for line in held.splitlines())
    assert len(stale_bindings(named, WANTED, lambda path: True)) == 2


def test_bindings_whose_store_path_is_gone() -> None:
    asked: list[str] = []

    def exists(path: str) -> bool:
        asked.append(path)
        return path == NEW

    held = "".join(f"aggregator {path}/bin/{n} nix:/nginx/bin/{n}\n" for path in (OLD, NEW) for n in "ab")
    assert stale_bindings(held, None, exists) == [f"aggregator {OLD}/bin/{n} nix:/nginx/bin/{n}" for n in "ab"]
    assert asked == [OLD, NEW]


def test_the_whole_status(kernel: SimulatedKernel) -> None:
    kernel.write("domain_policy", "<kernel> /x\nquota_exceeded\n<kernel> /y\ntransition_failed\n")
    status = status_of(kernel, "2.6.0", [(0, "<kernel>"), (0, "<kernel>"), (3, "<kernel> /x"), (3, "<x>")], WANTED)
    assert (status.version, status.active) == ("2.6.0", True)
    assert status.domains == {"disabled": 3, "enforcing": 1}
    assert status.processes == {"disabled": 2, "enforcing": 1, "undefined": 1}
    assert (status.quota_exceeded, status.transition_failed) == (("<kernel> /x",), ("<kernel> /y",))
    assert status.memory[0].quota == 1000000
    assert status.drift == ()
    assert status_of(kernel, "2.6.0", []).drift is None

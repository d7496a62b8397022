"""Whatever set is activated, the kernel then holds what a boot of that set would hold; what is odd is refused, with its place.

Tokens are put into sets at random places, and lines changed as a person, an editor or a broken tool would.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.seeds import rounds
from tomoyo.activation.activation import activate
from tomoyo.activation.kept_domains import says_nothing
from tomoyo.activation.outcome import ActivationError
from tomoyo.activation.planner import UnreadableLineError, plan
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.matching import matches
from tomoyo.decision.requests import parse_request
from tomoyo.decision.transition import transition
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import LOADING, PolicySet
from tomoyo.simulation.policy_reading import PolicyReading
from tomoyo.simulation.simulated_kernel import KernelPanic, SimulatedKernel
from tomoyo.syntax.lines import PolicySyntaxError

from .policies import bootable, held_by, random_set, texts
from .sets import options, put
from .test_plan import REQUESTS

TEXTS = ("domain_policy", "exception_policy", "bindings", "profile", "manager", "stat")
TOKENS = (
    *(
        " # comment",
        "# comment\n",
        ";",
        " ",
        "  ",
        "\t",
        "\r",
        "\v",
        "\0",
        "\x7f",
        "\\",
        "\\000",
        "\xe9",
        "\n",
        "\n\n",
        "''",
        '"',
    ),
    *(
        "select ",
        "delete ",
        "reset\n",
        "select domain=<kernel> /a\n",
        "select pid=1\n",
        "<kernel> ",
        "<kernel>\n",
        "<other> ",
        "<",
    ),
    *(
        "use_profile 0\n",
        "use_profile 3\n",
        "use_profile 300\n",
        "use_profile 00000000003\n",
        "use_profile -1\n",
        "use_profile 12\n",
    ),
    *("use_group 1\n", "use_group 300\n", "use_group 42949672961\n", "use_group x\n", "quota_exceeded\n", "transition_failed\n"),
    *("0", "9", "x", "0x", "08", "=", "!=", "@", "/", "\\*", "\\{\\*\\}/", "{", "}", "-", "4294967296", "18446744073709551616"),
    *("file read /x\n", "file readx /y\n", "file read/link /y\n", "file execute/read /z\n", "file execute /z keep\n"),
    *("grant_log=no ", " grant_log=yes", " 0=0", " task.uid=0", ' exec.realpath="/a"', " 0x0x=@a", "task.uid!=@n "),
    *("path_group B @A\n", "acl_group 1 file read /q\n", "acl_group 01 file read /q\n", "acl_group 256 file read /q\n"),
    *("aggregator /a\\* /b\n", "keep_domain any from any\n", "initialize_domain /a\n", "reset_domain /bin/su from any\n"),
    *("PROFILE_VERSION=20110903\n", "PROFILE_VERSION=1\n", "3-CONFIG={ mode=disabled }\n", "0-CONFIG::file=use_default\n"),
    *("9-COMMENT=x\n", "03-CONFIG={ mode=learning }\n", "manage_by_non_root\n", "Memory used by policy: 1000000000\n"),
)


def put_token(draw: random.Random, text: str) -> str:
    place = draw.randint(0, len(text))
    return text[:place] + draw.choice(TOKENS) + text[place:]


def put_token_at_a_line(draw: random.Random, text: str) -> str:
    lines = text.split("\n")
    place = draw.randrange(len(lines))
    token = draw.choice(TOKENS)
    lines[place] = draw.choice((lines[place] + token, token + lines[place]))
    return "\n".join(lines)


def change_number(draw: random.Random, text: str) -> str:
    found = list(re.finditer("[0-9]+", text))
    if not found:
        return text
    one = draw.choice(found)
    number = draw.choice(("0" + one[0], "0x" + one[0], one[0] + "0", str(int(one[0]) + 2**32), "-" + one[0], one[0] + ";"))
    return text[: one.start()] + number + text[one.end() :]


def repeat_lines(draw: random.Random, text: str) -> str:
    lines = text.split("\n")
    first, last = sorted(draw.randrange(len(lines) + 1) for _ in range(2))
    place = draw.randrange(len(lines) + 1)
    return "\n".join(lines[:place] + lines[first:last] + lines[place:])


def drop_piece(draw: random.Random, text: str) -> str:
    first, last = sorted((draw.randint(0, len(text)), draw.randint(0, len(text))))
    return text[:first] + text[min(last, first + draw.choice((1, 5, 40))) :]


CHANGES: tuple[Callable[[random.Random, str], str], ...] = (
    put_token,
    put_token_at_a_line,
    change_number,
    repeat_lines,
    drop_piece,
)


def booted(policy: PolicySet) -> SimulatedKernel | None:
    """A kernel that was booted with POLICY; None where it panics."""
    kernel = SimulatedKernel()
    for name, interface in LOADING:
        kernel.write(interface, policy.stat_settings() if name == "stat" else getattr(policy, name))
    try:
        kernel.activate()
    except KernelPanic:
        return None
    return kernel


def domains(kernel: SimulatedKernel) -> dict[str, object]:
    return {
        name: (domain.profile, sorted(domain.groups), sorted(entry.text for entry in domain.entries.values() if entry))
        for name, domain in kernel.holding.domains.items()
    }


def assert_same(kernel: SimulatedKernel, goal: SimulatedKernel) -> None:
    """Assert that KERNEL holds what GOAL does, and answers the same.

    It may have more profiles and namespaces, which cannot be forgotten, and domains as the kernel itself would make them.
    """
    ours, theirs = domains(kernel), domains(goal)
    held = PolicyReading(texts(kernel))
    assert {name: found for name, found in ours.items() if name in theirs or not says_nothing(held, name)} == theirs
    for name, part in goal.holding.namespaces.items():
        profiles = kernel.holding.namespaces[name].profiles
        assert {number: profiles.get(number) for number in part.profiles} == part.profiles
        assert kernel.holding.namespaces[name].version == part.version
    lines = [{line.removeprefix("<kernel> ") for line in one.read("exception_policy").split("\n")} for one in (kernel, goal)]
    assert lines[0] == lines[1]
    assert set(kernel.managers.managers) == set(goal.managers.managers)
    assert kernel.managers.manage_by_non_root == goal.managers.manage_by_non_root
    assert kernel.quotas == goal.quotas
    engines = DecisionEngine.of(kernel.holding), DecisionEngine.of(goal.holding)
    for name in theirs:
        for request in REQUESTS:
            one, other = (engine.decide(name, parse_request(request)) for engine in engines)
            assert (one.allowed, one.entry, one.logged, one.matched_path) == (
                *(other.allowed, other.entry, other.logged, other.matched_path),
            )
    for name in kernel.holding.namespaces.keys() & goal.holding.namespaces.keys():
        for program in PROGRAMS:
            assert aggregated(kernel, name, program) == aggregated(goal, name, program)


PROGRAMS = (
    "/nix/store/aaa-nginx/bin/nginx",
    "/nix/store/bbb-nginx/bin/nginx",
    "/nix/store/bbb-x/bin/x",
    "/nix/store/c/bin/nginx",
)


def aggregated(kernel: SimulatedKernel, namespace: str, program: str) -> str:
    """What PROGRAM is executed as."""
    found = (line for line in kernel.holding.namespaces[namespace].aggregators if matches(line.pattern.text, program))
    return next((str(line.name) for line in found), program)


@pytest.mark.parametrize("alike", [True, False])
def test_an_activated_set_is_held_as_a_boot_would_hold_it(tmp_path: Path, draw: random.Random, alike: bool) -> None:
    """Where all but the odd line is held already, and where another policy is."""
    tmp_path.chmod(0o755)
    accepted = refused = 0
    for number in range(rounds(600)):
        clean = bootable(random_set(draw))
        held = clean if alike else bootable(random_set(draw))
        wanted = clean
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            name = draw.choice(TEXTS)
            wanted = replace(wanted, **{name: draw.choice(CHANGES)(draw, getattr(wanted, name))})
        kernel, goal = held_by(held), booted(wanted)
        if draw.random() < 0.1:
            kernel.write("manager", "manage_by_non_root\n")
            kernel.write("stat", "Memory used by policy: 700000000\n")
        before = domains(kernel), kernel.read("exception_policy"), kernel.read("profile"), kernel.read("manager")
        path = put(tmp_path, f"set{number}", wanted)
        refusal = ""
        try:
            activate(path, kernel, **options(tmp_path))
        except (PolicySetError, PolicySyntaxError) as error:
            refusal = str(error)
        if refusal:
            refused += 1
            assert re.match(r"\S+?(:\d+:\d+)?: ", refusal), refusal
            after = domains(kernel), kernel.read("exception_policy"), kernel.read("profile"), kernel.read("manager")
            assert after == before, f"{number}: refused, but changed: {refusal}"
            continue
        accepted += 1
        assert goal is not None, f"{number}: a boot panics"
        assert_same(kernel, goal)
        assert not activate(path, kernel, **options(tmp_path)), number
    assert accepted > rounds(600) // 10
    assert refused > rounds(600) // 10


@pytest.mark.parametrize("domain", ["", "<other>\nuse_profile 0\n\n\n"])
@pytest.mark.parametrize("profile", ["", "<other> 0-COMMENT=x\n"])
@pytest.mark.parametrize("versions", [(20150505, 20110903), (20110903, 20150505), (20110903, 20110903)])
def test_a_profile_version_is_what_a_boot_leaves(tmp_path: Path, domain: str, profile: str, versions: tuple[int, int]) -> None:
    """A boot converts the older one, but only where the namespace has a domain."""
    tmp_path.chmod(0o755)
    first, second = (
        PolicySet(
            f"<kernel>\nuse_profile 0\n\n\n{domain if profile else ''}",
            profile=f"0-COMMENT=\n<other> PROFILE_VERSION={version}\n{profile}",
            manager="/manager\n",
        )
        for version in versions
    )
    kernel, goal = held_by(first), booted(second)
    assert goal is not None
    activate(put(tmp_path, "set", second), kernel, **options(tmp_path))
    assert_same(kernel, goal)


EXECUTING = (
    *("/bin/sh", "/bin/\\*", "/bin/\\*\\-ls", "/usr/bin/x", "/usr/\\{\\*\\}/x", "@programs"),
    *("/bin/sh task.uid=99", "/bin/\\* task.uid=99", "/bin/s\\* task.uid=99", "@programs task.uid=99", "/usr/bin/\\* 0=0"),
)


def test_a_program_runs_in_the_domain_that_a_boot_would_give_it(tmp_path: Path, draw: random.Random) -> None:
    """Where no entry grants, the last one for executing may still name the new domain."""
    tmp_path.chmod(0o755)

    def some() -> list[str]:
        return [f"file execute {entry}\n" for entry in draw.sample(EXECUTING, draw.randint(0, 4))]

    def policy() -> PolicySet:
        shared = "".join(f"acl_group {draw.randint(0, 2)} {line}" for line in some())
        domain = f"<kernel>\nuse_profile {draw.choice('02')}\nuse_group 0\nuse_group 1\n\n{''.join(some())}\n"
        profiles = "".join(f"{number}-CONFIG={{ mode={mode} }}\n" for number, mode in ((0, "disabled"), (2, "permissive")))
        return PolicySet(domain, f"path_group programs /bin/\\*\n{shared}", "", profiles, "/m\n")

    for number in range(rounds(400)):
        kernel, wanted = held_by(policy()), policy()
        goal = booted(wanted)
        assert goal is not None
        activate(put(tmp_path, f"set{number}", wanted), kernel, **options(tmp_path))
        engines = DecisionEngine.of(kernel.holding), DecisionEngine.of(goal.holding)
        for program in ("/bin/sh", "/bin/ls", "/usr/bin/x", "/usr/sbin/x"):
            request = parse_request(f"file execute {program} task.uid=0")
            one, other = (transition(engine, "<kernel>", request) for engine in engines)
            assert one.domain == other.domain, (number, program)


def test_what_the_kernel_holds_and_no_kernel_reads_is_refused(tmp_path: Path) -> None:
    """Such a line could be neither compared nor deleted, and goes on granting."""
    tmp_path.chmod(0o755)
    domains = "<kernel>\nuse_profile 0\n\n\n<kernel> /a\nuse_profile 3\n\nfile read /q\n"
    profiles = "0-COMMENT=\n3-CONFIG={ mode=enforcing }\n"
    groups = "number_group nix:/a/b 0\n"
    odd = "file write /etc/shadow grant_log=no 0x0x=@nix:/a/b\n"
    kernel = held_by(PolicySet(domains + odd, groups, "", profiles, "/m\n"))
    before = kernel.read("domain_policy")
    wanted = put(tmp_path, "set", PolicySet(f"{domains}\n", groups, "", profiles, "/m\n"))
    with pytest.raises(
        ActivationError, match=r"'file write /etc/shadow 0x0=@nix:/a/b grant_log=no' is held, which no kernel reads"
    ):
        activate(wanted, kernel, **options(tmp_path))
    assert kernel.read("domain_policy") == before
    with pytest.raises(UnreadableLineError):
        plan(texts(kernel), PolicySet(f"{domains}\n", groups, "", profiles, "/m\n"))

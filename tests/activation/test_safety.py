"""Plans for small policies are safe at every line, for domains that are there, new ones, and those that the kernel would make."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.seeds import SEED, rounds
from tomoyo.activation.planner import NoFreeProfileError, plan
from tomoyo.sets.policy_set import PolicySet

from .oracle import Way
from .policies import held_by, texts

CASES = Path(__file__).resolve().parents[1] / "data" / "plans"
PAIRS = rounds(400)
DOMAINS = ("<kernel> /a", "<kernel> /b", "<kernel> /a /c")
NESTED = ("<kernel> /a /c /d", "<kernel> /a", "<kernel> /a /c")
ENTRIES = ("file read /x", "file read/write /x", "file write /y", "file read /y", "file unlink /y")
PROBES = [
    *("file read /x", "file write /x", "file write /y", "file read /y", "file unlink /y"),
    *("file read /z", "file unlink /z"),  # what no entry grants
]
MODES = ("disabled", "learning", "permissive", "enforcing")


def profiles(draw: random.Random, *, zero: tuple[str, ...] = MODES[:3]) -> str:
    """Profiles 0 to 2; the first one, which the kernel creates domains with, has one of the modes ZERO."""
    text = ""
    for number in range(3):
        modes = MODES if number else zero
        text += f"{number}-CONFIG={{ mode={draw.choice(modes)} grant_log=no reject_log=no }}\n"
        if draw.random() < 0.4:
            text += f"{number}-CONFIG::file::open={{ mode={draw.choice(modes)} grant_log=no reject_log=no }}\n"
    return text


def small_set(
    draw: random.Random,
    profile: str,
    *,
    domains: int = 2,
    shared: bool = False,
    names: tuple[str, ...] = DOMAINS,
    chance: float = 0.85,
) -> PolicySet:
    """A policy with up to this many DOMAINS; of NAMES, each has this CHANCE, and /a is always there."""
    found = ["<kernel>\nuse_profile 0\n"]
    for name in names[:domains]:
        if name == DOMAINS[0] or draw.random() < chance:
            numbers = draw.sample(range(3), draw.choice((0, 1, 1, 2))) if shared else ()
            lines = [f"use_group {number}" for number in numbers] + draw.sample(ENTRIES, draw.randint(0, 2))
            found.append("\n".join((name, f"use_profile {draw.randint(0, 2)}", *lines, "")))
    exceptions = "".join(f"acl_group {draw.randrange(3)} {draw.choice(ENTRIES)}\n" for _ in range(draw.randint(0, 3)))
    return PolicySet("\n".join(found), exceptions if shared else "", "", profile)


def pairs(
    make: Callable[[random.Random], tuple[PolicySet, PolicySet]], times: int = PAIRS
) -> Iterator[tuple[int, PolicySet, PolicySet]]:
    """Pairs of policies as a kernel prints them."""
    draw = random.Random(SEED)
    for number in range(times):
        first, second = make(draw)
        yield number, texts(held_by(first)), texts(held_by(second))


Pair = tuple[PolicySet, PolicySet]


def domains_alone(draw: random.Random) -> Pair:
    profile = profiles(draw)
    return small_set(draw, profile, domains=3), small_set(draw, profile, domains=3)


def groups(draw: random.Random) -> Pair:
    profile = profiles(draw)
    return small_set(draw, profile, shared=True), small_set(draw, profile, shared=True)


def groups_of_three(draw: random.Random) -> Pair:
    profile = profiles(draw)
    return small_set(draw, profile, domains=3, shared=True), small_set(draw, profile, domains=3, shared=True)


def confined_at_once(draw: random.Random) -> Pair:
    profile = profiles(draw, zero=MODES)
    return small_set(draw, profile, domains=3), small_set(draw, profile, domains=3)


def modes(draw: random.Random) -> Pair:
    return small_set(draw, profiles(draw)), small_set(draw, profiles(draw))


def modes_and_new_domains(draw: random.Random) -> Pair:
    return small_set(draw, profiles(draw), domains=3), small_set(draw, profiles(draw), domains=3)


def modes_and_groups(draw: random.Random) -> Pair:
    return small_set(draw, profiles(draw), shared=True), small_set(draw, profiles(draw), shared=True)


def nested(draw: random.Random) -> Pair:
    """Domains below each other, most of them in one policy alone."""

    def some() -> PolicySet:
        profile, shared = profiles(draw, zero=MODES), draw.random() < 0.5
        return small_set(draw, profile, domains=3, shared=shared, names=NESTED, chance=0.5)

    return some(), some()


def modes_confined_at_once(draw: random.Random) -> Pair:
    return small_set(draw, profiles(draw, zero=MODES)), small_set(draw, profiles(draw, zero=MODES))


KINDS = (
    *(domains_alone, groups, groups_of_three, confined_at_once),
    *(modes, modes_and_new_domains, modes_and_groups, modes_confined_at_once, nested),
)


@pytest.mark.parametrize("make", KINDS)
def test_every_line_is_safe(make: Callable[[random.Random], Pair]) -> None:
    for number, first, second in pairs(make):
        judge(first, second, f"pair {number}")


def judge(first: PolicySet, second: PolicySet, which: str = "") -> None:
    """Follow the plan from FIRST to SECOND line by line."""
    found = plan(first, second)
    way = Way(first, second, PROBES)
    state = way.start
    for line, state in way.follow(found):
        assert way.is_safe(state), f"{which} after {line}\n{found.text()}"
    assert way.is_goal(state), which


def pair_in(file: Path) -> Pair:
    """The two policies in FILE, as a kernel prints them."""
    parts: dict[str, str] = {}
    for part in file.read_text(encoding="ascii").split("\n== ")[1:]:
        name, _, text = part.partition("\n")
        parts[name] = f"{text}\n\n"
    first, second = (
        texts(
            held_by(
                PolicySet(
                    parts[f"{which} domain_policy"],
                    parts[f"{which} exception_policy"].lstrip(),
                    profile=parts[f"{which} profile"],
                )
            )
        )
        for which in ("held", "wanted")
    )
    return first, second


@pytest.mark.parametrize("file", sorted(CASES.iterdir()), ids=lambda file: file.name)
def test_what_once_went_wrong(file: Path) -> None:
    judge(*pair_in(file))


def copies(policy: PolicySet, times: int) -> PolicySet:
    """POLICY with its domains several times, which share profiles and groups."""
    head, below, rest = policy.domain_policy.partition("<kernel> /")
    blocks = [f"{below}{rest}".replace(below, f"{below}{number}") for number in range(times)]
    return PolicySet(head + "".join(blocks), policy.exception_policy, profile=policy.profile)


@pytest.mark.parametrize("file", sorted(CASES.iterdir()), ids=lambda file: file.name)
def test_domains_that_are_alike_are_safe_together(file: Path) -> None:
    first, second = (texts(held_by(copies(policy, 2))) for policy in pair_in(file))
    judge(first, second)


#: Of each two, neither matches all that the other does, and the order counts.
EXECUTED = (
    "file execute /bin/s\\* keep",
    "file execute /bin/\\*h initialize",
    "file execute /bin/\\*a\\*",
    "file execute /bin/\\*b\\* child",
)
NAMES = ("x", *("".join(letters) for count in range(1, 5) for letters in combinations("sabh", count)))


def test_another_order_is_reached_safely() -> None:
    def orders(draw: random.Random) -> Pair:
        profile = "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=enforcing }\n"
        some = ["\n".join(draw.sample(EXECUTED, draw.randint(1, 4))) for _ in range(2)]
        first, second = (PolicySet(f"<kernel> /a\nuse_profile 1\n\n{lines}\n", profile=profile) for lines in some)
        return first, second

    moved = 0
    for number, first, second in pairs(orders):
        found = plan(first, second)
        moved += "0=0" in found.text()
        way = Way(first, second, [f"file execute /bin/{name}" for name in NAMES], ordered=True)
        state = way.start
        for line, state in way.follow(found):
            assert way.is_safe(state), f"pair {number} after {line}\n{found.text()}"
        assert all(way._verdicts("<kernel> /a", some) == way._verdicts("<kernel> /a", way.goal) for some in (state,))
    assert moved


def test_groups_that_swap_their_numbers_are_lent_as_entries() -> None:
    domains = "<kernel> /a\nuse_profile 1\nuse_group {}\n\n<kernel> /b\nuse_profile 1\nuse_group {}\n\n"
    exceptions = "acl_group {} file read /x\nacl_group {} file read /y\n"
    profile = "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=enforcing }\n"
    first, second = (
        texts(held_by(PolicySet(domains.format(*numbers), exceptions.format(*numbers), profile=profile)))
        for numbers in ((1, 2), (2, 1))
    )
    assert plan(first, second).text().count(": file read") == 2
    judge(first, second)


def test_profiles_that_swap_their_modes_need_a_free_number() -> None:
    domains = "<kernel> /a\nuse_profile {}\n\n\n<kernel> /b\nuse_profile {}\n\n\n"
    profile = "0-CONFIG={{ mode=disabled }}\n{}-CONFIG={{ mode=enforcing }}\n{}-CONFIG={{ mode=permissive }}\n"
    first, second = (
        texts(held_by(PolicySet(domains.format(*numbers), profile=profile.format(*numbers)))) for numbers in ((1, 2), (2, 1))
    )
    assert "255-CONFIG" in plan(first, second).text()
    judge(first, second)
    numbers = "".join(f"{number}-CONFIG={{ mode=disabled }}\n" for number in range(3, 256))
    full = [replace(policy, profile=policy.profile + numbers) for policy in (first, second)]
    with pytest.raises(NoFreeProfileError, match="all 256 numbers are in use"):
        plan(texts(held_by(full[0])), full[1])


ROOT = "<kernel>\nuse_profile 0\n\n\n"
MODES_OF_ALL = "".join(f"{number}-CONFIG={{ mode={mode} grant_log=no reject_log=no }}\n" for number, mode in enumerate(MODES))


def of(domains: str, exceptions: str, profile: str = MODES_OF_ALL) -> PolicySet:
    return texts(held_by(PolicySet(ROOT + domains, exceptions, profile=profile)))


@pytest.mark.parametrize("own", ["", "file read /bin/sh\nfile execute /bin/\\* keep\n"])
def test_what_is_lent_decides_no_execution_before_its_time(own: str) -> None:
    """In both policies /bin/sh stays in the domain."""
    users = "<kernel> /a\nuse_profile 3\nuse_group 0\nuse_group 1\n\n{}\n<kernel> /b\nuse_profile 3\n{}\n\n"
    keep = "acl_group 0 file execute /bin/sh keep\n" if not own else ""
    first = of(users.format(own, "use_group 1\n"), f"{keep}acl_group 1 file read /o\n")
    second = of(users.format(own, ""), f"{keep}acl_group 1 file read /o\nacl_group 1 file execute /bin/sh child\n")
    way = Way(first, second, ["file execute /bin/sh"], ordered=True)
    for line, state in way.follow(plan(first, second)):
        assert way.is_safe(state), line


def test_lending_is_linear() -> None:
    def lines(count: int) -> int:
        users = "".join(f"<kernel> /d{number}\nuse_profile 3\nuse_group 1\n\n\n" for number in range(count))
        entries = "".join(f"acl_group 1 file read /f{number}\n" for number in range(count))
        left = users.replace("<kernel> /d0\nuse_profile 3\nuse_group 1\n", "<kernel> /d0\nuse_profile 3\n")
        return plan(of(users, entries), of(left, f"{entries}acl_group 1 file read /new\n")).count

    assert lines(100) < 3 * lines(50)


def test_a_new_domain_that_waits_permits_what_both_policies_permit() -> None:
    profiles = "0-CONFIG={{ mode=disabled }}\n1-CONFIG={{ mode=enforcing }}\n2-CONFIG={{ mode={} }}\n"
    above, exceptions = "<kernel> /a\nuse_profile 1\nuse_group 1\n\n\n", "acl_group 1 file read /x\n"
    first = of(above, exceptions, profiles.format("enforcing"))
    second = of(f"{above}<kernel> /a /c\nuse_profile 2\n\n\n", exceptions, profiles.format("permissive"))
    way = Way(first, second, ["file read /x"])
    created = False
    for line, state in way.follow(plan(first, second)):
        created = created or "use_group 1" in line
        if created:
            assert way._verdicts("<kernel> /a /c", state)[0].allowed, line
    assert created
    assert way.is_goal(state)

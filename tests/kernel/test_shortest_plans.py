"""Plans for small policies: each line's safety, and their length beside the shortest safe way that a search finds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import pytest

from tests.seeds import SEED, rounds
from tomoyo.kernel.planner import plan
from tomoyo.kernel.policy_set import PolicySet
from tomoyo.kernel.reuse import order

from .policies import held_by, texts
from .shortest import Search, TooLarge

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


#: Kinds of pairs, and whether one of some hundred may be longer, by a line or two: of 110,000 tried five were, since repaired.
#: Known to be a line longer is a new domain that might be created with an entry of its own which grants for a while what
#: a group does later, where profile 0 enforces: with groups and domains below each other about one of 3,000.
KINDS = {
    **dict.fromkeys((domains_alone, groups, groups_of_three, confined_at_once), False),
    **dict.fromkeys((modes, modes_and_new_domains, modes_and_groups, modes_confined_at_once, nested), True),
}


@pytest.mark.parametrize("make", KINDS)
def test_every_line_is_safe(make: Callable[[random.Random], Pair]) -> None:
    """For domains that are there, those that are created, and those that the kernel would create meanwhile."""
    judge(make, PAIRS)


@pytest.mark.parametrize(("limit", "most"), [("_FEW", 0), ("_MOST", 2)])
@pytest.mark.parametrize("make", [modes_and_groups, groups_of_three, nested])
def test_every_line_is_safe_where_not_all_ways_are_tried(
    make: Callable[[random.Random], Pair], limit: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where many domains are concerned, or where there are too many ways."""
    monkeypatch.setattr(f"tomoyo.kernel.detour.{limit}", most)
    judge(make, PAIRS // 2)


def judge(make: Callable[[random.Random], Pair], times: int) -> None:
    """Follow the plans of random pairs line by line."""
    for number, first, second in pairs(make, times):
        found = plan(first, second)
        search = Search(first, second, PROBES, free=(255, 254, 253))
        state = search.start
        for line, state in search.follow(found):
            assert search.is_safe(state), f"pair {number}, after {line}\n{found.text()}"
        assert search.is_goal(state), f"pair {number}"


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
    first, second = pair_in(file)
    found = plan(first, second)
    search = Search(first, second, PROBES)
    state = search.start
    for line, state in search.follow(found):
        assert search.is_safe(state), f"after {line}\n{found.text()}"
    assert search.is_goal(state)
    assert found.count == len(search.shortest())


def copies(policy: PolicySet, times: int) -> PolicySet:
    """POLICY with its domains several times, which share profiles and groups."""
    head, below, rest = policy.domain_policy.partition("<kernel> /")
    blocks = [f"{below}{rest}".replace(below, f"{below}{number}") for number in range(times)]
    return PolicySet(head + "".join(blocks), policy.exception_policy, profile=policy.profile)


@pytest.mark.parametrize("file", sorted(CASES.iterdir()), ids=lambda file: file.name)
def test_many_domains_that_are_alike_take_no_more_looks_than_some(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one by one, each time looking at all of them, do they get round a circle."""
    looks = 0

    def counted(*arguments: object) -> object:
        nonlocal looks
        looks += 1
        return order(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("tomoyo.kernel.detour.order", counted)
    pair, found = pair_in(file), []
    for times in (50, 100):
        looks = 0
        plan(*(copies(policy, times) for policy in pair))
        found.append(looks)
    assert found[0] == found[1]


@pytest.mark.parametrize("file", sorted(CASES.iterdir()), ids=lambda file: file.name)
def test_domains_that_are_alike_are_safe_together(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tomoyo.kernel.detour._FEW", 0)
    first, second = (texts(held_by(copies(policy, 2))) for policy in pair_in(file))
    found = plan(first, second)
    search = Search(first, second, PROBES, free=(255, 254, 253))
    state = search.start
    for line, state in search.follow(found):
        assert search.is_safe(state), f"after {line}\n{found.text()}"
    assert search.is_goal(state)


@pytest.mark.parametrize(("make", "may_be_longer"), KINDS.items())
def test_no_safe_way_is_shorter(make: Callable[[random.Random], Pair], may_be_longer: bool) -> None:
    checked = longer = 0
    for number, first, second in pairs(make):
        found = plan(first, second)
        search = Search(first, second, PROBES)
        bound = search.left(search.start)
        assert found.count >= bound
        if found.count == bound:
            checked += 1
            continue
        try:
            best = search.shortest()
        except TooLarge:
            continue
        checked += 1
        extra = found.count - len(best)
        longer += bool(extra)
        way = "\n".join(f"{interface} {name}: {line}" for (interface, name), line in best)
        assert 0 <= extra <= 2 * may_be_longer, f"pair {number}\n--- plan\n{found.text()}--- shortest\n{way}"
    print(f"{checked} pairs, {longer} longer")
    assert checked > PAIRS * 9 // 10
    assert longer <= 1


#: Of each two, neither matches all that the other does, and the order counts.
EXECUTED = (
    "file execute /bin/s\\* keep",
    "file execute /bin/\\*h initialize",
    "file execute /bin/\\*a\\*",
    "file execute /bin/\\*b\\* child",
)
NAMES = ("x", *("".join(letters) for count in range(1, 5) for letters in combinations("sabh", count)))


def test_no_way_to_another_order_is_shorter() -> None:
    def orders(draw: random.Random) -> tuple[PolicySet, PolicySet]:
        profile = "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=enforcing }\n"
        some = ["\n".join(draw.sample(EXECUTED, draw.randint(1, 3))) for _ in range(2)]
        first, second = (PolicySet(f"<kernel> /a\nuse_profile 1\n\n{lines}\n", profile=profile) for lines in some)
        return first, second

    moved = checked = 0
    for number, first, second in pairs(orders, PAIRS // 16):
        found = plan(first, second)
        try:
            best = Search(first, second, [f"file execute /bin/{name}" for name in NAMES], ordered=True).shortest()
        except TooLarge:
            continue
        checked += 1
        moved += "0=0" in found.text()
        assert found.count == len(best), f"pair {number}\n{found.text()}{best}"
    assert moved or PAIRS < 100
    assert checked >= PAIRS // 32


def test_what_stands_in_is_needed() -> None:
    """Two domains whose groups swap numbers: without a line more somebody is denied, or granted, what neither policy says."""
    domains = "<kernel> /a\nuse_profile 1\nuse_group {}\n\n<kernel> /b\nuse_profile 1\nuse_group {}\n\n"
    exceptions = "acl_group {} file read /x\nacl_group {} file read /y\n"
    profile = "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=enforcing }\n"
    first, second = (
        texts(held_by(PolicySet(domains.format(*numbers), exceptions.format(*numbers), profile=profile)))
        for numbers in ((1, 2), (2, 1))
    )
    search = Search(first, second, PROBES)
    bound, best, found = search.left(search.start), len(search.shortest()), plan(first, second).count
    assert (bound, best, found) == (8, 10, 10)


def test_a_new_domain_takes_a_line_more_where_neither_its_profile_nor_0_is_right() -> None:
    """Its parent is confined in one thing, and it is to be in another, too."""
    profile = (
        "0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=disabled }\n1-CONFIG::file::open={ mode=enforcing }\n"
        "2-CONFIG={ mode=enforcing }\n"
    )
    above = "<kernel> /a\nuse_profile 1\n\nfile read /x\n\n"
    first, second = (
        texts(held_by(PolicySet(above + below, profile=profile)))
        for below in ("", "<kernel> /a /c\nuse_profile 2\n\nfile unlink /y\nfile read /x\n")
    )
    search = Search(first, second, PROBES)
    found = plan(first, second)
    assert found.count == len(search.shortest()) == search.left(search.start) + 1
    assert found.text().splitlines() == [
        "domain_policy: <kernel> /a /c",
        "domain_policy: use_profile 1",
        "domain_policy: file unlink /y",
        "domain_policy: file read /x",
        "domain_policy: use_profile 2",
    ]

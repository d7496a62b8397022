"""Plans, carried out on a simulated kernel line by line: where they end, what is true on the way, and how long they are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from tests.seeds import SEED, rounds
from tomoyo.activation.plan import Plan
from tomoyo.activation.planner import plan
from tomoyo.decision.engine import DecisionEngine, Verdict
from tomoyo.decision.requests import functionality_of, parse_request
from tomoyo.model.domains import Domain
from tomoyo.model.entries import Entry
from tomoyo.model.profiles import FUNCTIONALITIES, Mode
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.simulated_kernel import SimulatedKernel

from .policies import EXCEPTIONS, held_by, random_set, texts

PAIRS = rounds(150)
ENFORCING = Mode.ENFORCING


def pairs() -> Iterator[tuple[int, PolicySet, PolicySet]]:
    draw = random.Random(SEED)
    for number in range(PAIRS):
        yield number, random_set(draw), random_set(draw)


def steps(kernel: SimulatedKernel, found: Plan) -> Iterator[str]:
    """Carry FOUND out on KERNEL, yielding after each line."""
    for interface, data in found.batches():
        if interface:
            with kernel.open(interface) as file:
                for line in data.splitlines(keepends=True):
                    file.write(line)
                    yield f"{interface}: {line.rstrip()}"


def carry_out(kernel: SimulatedKernel, found: Plan) -> None:
    for _ in steps(kernel, found):
        pass


# What holds on the way


#: The functionality that is asked, and an entry of one operation.
Grant = tuple[str, str]


def granted(entries: Iterable[Entry]) -> set[Grant]:
    """What ENTRIES grant; one that stands in is the same as the other."""
    found = set()
    for entry in entries:
        for operation in entry.operations:
            if operation not in entry.kind.unasked:
                text = entry.with_operations((operation,)).text.replace(" 0=0", "")
                found.add((functionality_of(entry.kind, operation), text))
    return found


def permitted(kernel: SimulatedKernel, domain: Domain) -> set[Grant]:
    """All that DOMAIN's own and shared entries say."""
    shared = kernel.holding.namespaces[domain.name.namespace].acl_groups
    groups = (shared.get(group, {}).values() for group in domain.groups)
    return granted([*domain.entries, *(entry for entries in groups for entry in entries if entry)])


State = dict[str, tuple[dict[str, Mode], set[Grant]]]


def state(kernel: SimulatedKernel) -> State:
    found: State = {}
    for held in kernel.holding.domains.values():
        profile = held.namespace.profiles[held.profile]
        modes = {name: profile.config(name).mode for name in FUNCTIONALITIES if name.count("::")}
        found[held.name.text] = modes, permitted(kernel, held.value())
    return found


def assert_safe(before: State, after: State, now: State, step: str) -> None:
    """Assert that every request, by the text of entries, is answered as before or as afterwards."""
    for name in before.keys() & after.keys():
        (old_modes, old), (new_modes, new), (modes, entries) = before[name], after[name], now[name]
        for functionality, mode in modes.items():
            was, will = old_modes[functionality], new_modes[functionality]
            assert mode is ENFORCING or not (was is will is ENFORCING), f"{name} is not confined after {step}"
            assert mode in (was, will, Mode.DISABLED, Mode.PERMISSIVE), f"{name} has another mode after {step}"
        for grant in old | new | entries:
            mode, was, will = (some[grant[0]] for some in (modes, old_modes, new_modes))
            if grant in entries:
                is_known = grant in old | new or not (was is will is ENFORCING)
                assert is_known, f"{name} may {grant} after {step}"
            elif mode in (ENFORCING, Mode.LEARNING):
                answer = "is denied" if mode is ENFORCING else "learns"
                is_known = (was is mode and grant not in old) or (will is mode and grant not in new)
                assert is_known, f"{name} {answer} {grant} after {step}"


def same(a: SimulatedKernel, b: SimulatedKernel) -> None:
    """Assert that both hold the same, order apart."""
    for name in ("domain_policy", "exception_policy", "manager"):
        ours, theirs = a.read(name), b.read(name)
        if name == "domain_policy":
            assert blocks(ours) == blocks(theirs)
        else:
            assert sorted(ours.split("\n")) == sorted(theirs.split("\n"))
    assert a.quotas == b.quotas or not any(b.quotas.values())


def blocks(text: str) -> dict[str, list[str]]:
    parts = f"\n{text}".split("\n<")[1:]
    return {part.split("\n")[0]: sorted(filter(None, part.split("\n")[1:])) for part in parts}


def test_random_pairs_end_as_wanted_and_are_safe_on_the_way() -> None:
    for number, first, second in pairs():
        kernel, goal = held_by(first), held_by(second)
        found = plan(texts(kernel), second)
        before, after = state(kernel), state(goal)
        for step in steps(kernel, found):
            assert_safe(before, after, state(kernel), f"{step} (pair {number})")
        same(kernel, goal)
        again = plan(texts(kernel), second)
        assert not again, f"pair {number}: {again.text()}"


#: Of what random policies grant.
REQUESTS = (
    *("file read /etc/passwd", "file write /tmp/a", "file read /tmp/a", "file read /usr/lib/a.so", "file append /var/log/a"),
    *(
        "file getattr /var/log/b",
        "file execute /bin/sh",
        "file execute /bin/a",
        "file execute /usr/bin/a",
        "file read /usr/bin/a",
    ),
    *(
        "file read /srv/data",
        "file read /srv/b",
        "network inet stream connect 10.0.0.7 80",
        "misc env PATH",
        "file unlink /tmp/a",
    ),
)


def with_groups(some: PolicySet) -> PolicySet:
    """SOME policy with the members that groups have in all of them: otherwise they are seen with old and new ones at once."""
    lines = [line for line in some.exception_policy.splitlines() if "_group" not in line or "acl_group" in line]
    return replace(some, exception_policy="\n".join([*lines, *(line for line in EXCEPTIONS if "_group" in line), ""]))


def test_random_pairs_answer_on_the_way_as_one_policy_does() -> None:
    requests = list(map(parse_request, REQUESTS))

    def answers(kernel: SimulatedKernel) -> dict[str, list[Verdict]]:
        engine = DecisionEngine.of(kernel.holding)
        return {name: [engine.decide(name, request) for request in requests] for name in map(str, kernel.holding.domains)}

    for number, *some in itertools.islice(pairs(), PAIRS // 5):
        first, second = map(with_groups, some)
        kernel = held_by(first)
        found = plan(texts(kernel), second)
        before, after = answers(kernel), answers(held_by(second))
        for step in steps(kernel, found):
            now = answers(kernel)
            for name in before.keys() & after.keys():
                for request, *verdicts in zip(REQUESTS, now[name], before[name], after[name]):
                    got, *others = [(verdict.allowed, verdict.learned is not None) for verdict in verdicts]
                    # Whether a granted request is also logged, or learned, is another matter.
                    assert got[0] in {other[0] for other in others}, f"{name}: {request} after {step} (pair {number})"
                    assert not got[1] or any(other[1] for other in others), f"{name} learns {request} after {step}"


def test_broken_off_anywhere_a_second_plan_ends_as_wanted() -> None:
    draw = random.Random(0)
    for number, first, second in pairs():
        kernel, goal = held_by(first), held_by(second)
        found = plan(texts(kernel), second)
        stop = draw.randint(0, found.count)
        for count, _ in enumerate(steps(kernel, found)):
            if count == stop:
                break
        kernel.holding.collect()
        carry_out(kernel, plan(texts(kernel), second))
        same(kernel, goal)
        assert not plan(texts(kernel), second), f"pair {number}"


def test_a_saved_policy_is_the_same_and_needs_no_write() -> None:
    for _, first, _ in pairs():
        kernel = held_by(first)
        assert not plan(texts(kernel), texts(kernel))
        assert not plan(texts(kernel), first)


# Cases


def kernel_with(domains: str, exceptions: str = "", profile: str = "") -> SimulatedKernel:
    return held_by(policy(domains, exceptions, profile))


PROFILES = "".join(f"{number}-CONFIG={{ mode={mode.value} grant_log=no reject_log=no }}\n" for number, mode in enumerate(Mode))


def policy(domains: str, exceptions: str = "", profile: str = "") -> PolicySet:
    return PolicySet(domains, exceptions, profile=profile or PROFILES)


def test_what_must_stand_behind_something_new_is_added_again() -> None:
    first = policy("<kernel> /a\nfile execute /bin/\\*\n")
    second = policy("<kernel> /a\nfile execute /bin/sh keep\nfile execute /bin/\\*\n")
    assert ends_as_written(first, second)


def test_an_entry_that_moves_and_changes_ends_as_written() -> None:
    first = policy("<kernel> /a\nfile execute/write /bin/\\*\n")
    second = policy("<kernel> /a\nfile execute /bin/a\\* keep\nfile execute/read /bin/\\*\n")
    assert ends_as_written(first, second)


@pytest.mark.parametrize("stand_in", ["file execute /bin/\\* 0=0", "file execute /bin/\\* 0=0 0=0"])
def test_what_looks_like_a_stand_in_and_is_wanted_stays(stand_in: str) -> None:
    first = policy(f"<kernel> /a\nfile execute /bin/\\*\n{stand_in}\n")
    second = policy(f"<kernel> /a\nfile execute /bin/sh keep\nfile execute /bin/\\*\n{stand_in}\n")
    assert ends_as_written(first, second)


def ends_as_written(first: PolicySet, second: PolicySet) -> bool:
    """Whether the plan from FIRST ends with the entries of SECOND in their order, and a second plan is empty."""
    kernel, goal = held_by(first), held_by(second)
    carry_out(kernel, plan(texts(kernel), second))
    return kernel.read("domain_policy") == goal.read("domain_policy") and not plan(texts(kernel), second)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["file read /bin/sh"], ["file execute /bin/\\*", "file execute/read /bin/sh"]),
        (["file write /x"], ["file execute /\\*", "file execute /x"]),
        (["file read /x"], ["file execute /x keep", "file execute/read /x"]),
    ],
)
@pytest.mark.parametrize("start", ["", "acl_group 1 "])
def test_an_entry_that_comes_to_be_ordered_is_where_it_should_be(before: list[str], after: list[str], start: str) -> None:
    """It keeps the place that it had, which may be the wrong one."""
    head = "<kernel> /a\nuse_profile 3\n"
    texts_of = ["".join(f"{start}{line}\n" for line in lines) for lines in (before, after)]
    first, second = (policy(head, text) if start else policy(f"{head}\n{text}\n") for text in texts_of)
    kernel = held_by(first)
    carry_out(kernel, plan(texts(kernel), second))
    held = kernel.read("exception_policy" if start else "domain_policy").split("\n")
    assert [line for line in held if line.startswith(f"{start}file ")] == [start + line for line in after]
    assert not plan(texts(kernel), second)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("file execute /bin/\\*\nfile execute /bin/\\*b child\n", "file execute /bin/a\\* keep\nfile execute /bin/\\*\n"),
        ("aggregator /bin/a\\* /x\naggregator /bin/\\*b /q\n", "aggregator /bin/ab /y\naggregator /bin/a\\* /x\n"),
    ],
)
def test_broken_off_anywhere_a_second_plan_takes_nothing_away_that_both_have(before: str, after: str) -> None:
    """What stands in for a line that is wanted is needed until that is there again."""
    head = "<kernel> /a\nuse_profile 3\n"
    first, second = (
        policy(head, text) if text.startswith("aggregator") else policy(f"{head}\n{text}\n") for text in (before, after)
    )
    common = set(before.splitlines()) & set(after.splitlines())
    count = sum(1 for _ in steps(held_by(first), plan(texts(held_by(first)), second)))
    for cut in range(count + 1):
        kernel = held_by(first)
        for _ in itertools.islice(steps(kernel, plan(texts(kernel), second)), cut):
            pass
        kernel.holding.collect()
        for step in steps(kernel, plan(texts(kernel), second)):
            held = (kernel.read("domain_policy") + kernel.read("exception_policy")).split("\n")
            for line in common:
                assert line in held or any(
                    other.startswith(line.partition(" ")[0]) and other.replace(" 0=0", "").replace("\\-\\000", "") == line
                    for other in held
                ), f"{line} after {cut} lines and {step}"
        same(kernel, held_by(second))


def test_what_a_domain_learned_stays_if_asked_while_it_learns() -> None:
    learned = policy("".join(f"<kernel> /{name}\nuse_profile {number}\nfile read /x\n\n" for name, number in zip("abcd", "1131")))
    wanted = policy("<kernel> /a\nuse_profile 1\n\n<kernel> /b\nuse_profile 3\n\n<kernel> /c\nuse_profile 1\n\n")
    found = plan(texts(held_by(learned)), wanted, keep_learned=True)
    assert found.text().splitlines() == [
        "domain_policy: <kernel> /b",
        "domain_policy: use_profile 3",
        "domain_policy: <kernel> /c",
        "domain_policy: use_profile 1",
        "domain_policy: <kernel> /b",
        "domain_policy: delete file read /x",
        "domain_policy: <kernel> /c",
        "domain_policy: delete file read /x",
    ]
    assert found.left == ("<kernel> /d",)


@pytest.mark.parametrize(
    ("held", "named", "deleted"),
    [
        ("file read /x\n", "file read /x\n", ["file read /x"]),
        ("file read/write /x\n", "file write /x\n", ["file write /x"]),
        ("file read /x\n", "file write /x\n", []),
        ("file execute /x 0=0\n", "", ["file execute /x 0=0"]),  # of a plan that was broken off
        ('file execute /x 0=0 grant_log="yes"\n', "", []),  # by hand, as no plan writes it
        ("file read /shared\n", "", []),  # learned before the group granted it
        ("file read /shared 0=0\n", "", ["file read /shared 0=0"]),  # lent by a group that the domain uses
    ],
)
def test_what_a_set_named_was_not_learned(held: str, named: str, deleted: list[str]) -> None:
    block = "<kernel> /a\nuse_profile 1\nuse_group 1\n\n{}\n"
    shared = "acl_group 1 file read /shared\n"
    kernel = held_by(policy(block.format(held), shared))
    found = plan(texts(kernel), policy(block.format(""), shared), keep_learned=True, named=block.format(named))
    assert [write.text for write in found.writes] == [f"delete {line}" for line in deleted]


def test_the_own_program_is_manager_to_the_end() -> None:
    kernel = held_by(PolicySet(profile=PROFILES, manager="/own\n/other\n"))
    found = plan(texts(kernel), PolicySet(profile=PROFILES, manager="/new\n"), own=["/own"])
    assert [write.text for write in found.writes] == ["/new", "delete /other", "delete /own"]


def test_an_undefined_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="profile 9 of <kernel> /a is not defined"):
        plan(texts(held_by(policy(""))), policy("<kernel> /a\nuse_profile 9\n"))

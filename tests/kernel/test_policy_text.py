"""Policy texts cut up: held against what a plain reading of the lines finds."""

from __future__ import annotations

import random

import pytest

from tests.seeds import rounds
from tomoyo.kernel import policy_text
from tomoyo.kernel.planner import plan
from tomoyo.kernel.policy_set import PolicySet
from tomoyo.kernel.policy_text import KERNEL, Domains, differing_domains, domain_blocks

from .policies import held_by, texts

#: So many that it is no matter of chance whether both ways are tried.
ROUNDS = max(100, rounds(300))


def random_domains(draw: random.Random) -> dict[str, list[str]]:
    """Domains, some of whose names begin as others do, with their lines."""
    pool = [f"file read /usr/<lib>/{number}" for number in range(9)]
    pool += [f"file read /usr/lib/{'x' * draw.choice((1, 40, 90))}/{number}" for number in range(60)]
    names = [KERNEL, *(f"{KERNEL} /bin/{'a' * draw.choice((1, 2, 30))}{number}" for number in range(draw.choice((0, 3, 60))))]
    return {
        name: [f"use_profile {draw.randrange(3)}", "", *draw.sample(pool, draw.choice((0, 1, 2, 50)))]
        for name in dict.fromkeys(names)
    }


def changed(draw: random.Random, domains: dict[str, list[str]]) -> dict[str, list[str]]:
    """DOMAINS with some that are other, gone, new or at another place."""
    names = list(domains)
    much = draw.choice((0, 0.02, 0.3))
    others = {name: list(domains[name]) for name in names if draw.random() >= much / 2}
    for name, lines in others.items():
        if draw.random() < much:
            lines.insert(draw.randrange(2, len(lines) + 1), f"file write /{draw.randrange(9)}")
        if draw.random() < much and len(lines) > 2:
            del lines[draw.randrange(2, len(lines))]
        assert lines[1] == "", name
    order = list(others)
    for number in range(draw.choice((0, 0, 1, 3, 40))):
        name = f"{KERNEL} /new/{number}"
        others[name] = ["use_profile 1", ""]
        order.insert(draw.choice((draw.randint(0, len(order)), len(order))), name)
    if draw.random() < 0.4:
        draw.shuffle(order)
    return {name: others[name] for name in order}


def printed(domains: dict[str, list[str]]) -> str:
    """DOMAINS as a kernel prints them."""
    return "".join("".join(f"{line}\n" for line in (name, *lines, "")) for name, lines in domains.items())


def test_domains_that_differ_are_found_where_they_are(draw: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    differing, in_order = 0, 0
    for _ in range(ROUNDS):
        monkeypatch.setattr(policy_text, "_STEP", draw.choice((8, 256, 4096)))
        monkeypatch.setattr(policy_text, "_NEAR", draw.choice((1, 16, 64)))
        now = random_domains(draw)
        then = changed(draw, now)
        held, wanted = printed(now), printed(then)
        assert domain_blocks(held) == {name: "".join(f"{line}\n" for line in lines) for name, lines in now.items()}
        found = differing_domains(held, wanted)
        assert found is not None
        differences, new = found
        expected = {name: then.get(name) for name, lines in now.items() if then.get(name) != lines}
        assert {difference.name for difference in differences} == set(expected)
        for difference in differences:
            wanted_lines = expected[difference.name]
            text = None if wanted_lines is None else "".join(f"{line}\n" for line in wanted_lines)
            assert difference.wanted == text
            assert held.startswith(f"{difference.name}\n{difference.held}\n", difference.start)
        assert list(new) == [name for name in then if name not in now]
        order = [difference.name for difference in differences if difference.wanted is not None]
        assert order == sorted(order, key=lambda name: (name != KERNEL, list(then).index(name)))
        differing += len(differences)
        in_order += policy_text._differing_in_order(held, wanted) is not None
    assert differing > ROUNDS
    assert ROUNDS // 4 < in_order < ROUNDS  # else only one of the two ways was tried


def test_a_domain_named_twice_has_all_its_lines() -> None:
    text = f"{KERNEL}\nuse_profile 0\n\n\n{KERNEL} /a\nuse_profile 1\n\nfile read /x\n\n{KERNEL}\nfile read /y\n\n"
    assert domain_blocks(text)[KERNEL] == "use_profile 0\n\n\nfile read /y\n"
    found = differing_domains(f"{KERNEL}\nuse_profile 0\n\n\n{KERNEL} /a\nuse_profile 1\n\nfile read /x\n\n", text)
    assert found is not None
    assert [(difference.name, difference.wanted) for difference in found[0]] == [(KERNEL, domain_blocks(text)[KERNEL])]


def test_a_domain_is_looked_for_by_its_whole_name(draw: random.Random) -> None:
    for _ in range(ROUNDS // 10):
        domains = random_domains(draw)
        text = printed(domains)
        names = [*domains, f"{KERNEL} /bin/a", f"{KERNEL} /bin", f"{KERNEL} ", "<"]
        draw.shuffle(names)
        looked = Domains(text)
        for name in names:  # first by looking, then in what was cut up
            assert (looked.get(name) is not None) == (name in looked) == (name in domains)
        assert not Domains(text).isdisjoint(domain_blocks(text))
        assert Domains(text).isdisjoint({name: "" for name in names if name not in domains})


def test_what_profiles_leave_out_is_what_the_kernel_prints() -> None:
    wanted = "0-COMMENT=off\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
    kernel = held_by(PolicySet("<kernel>\nuse_profile 3\n", profile=wanted))
    assert not policy_text.profiles_differ(kernel.read("profile"), wanted)
    assert not plan(texts(kernel), PolicySet("<kernel>\nuse_profile 3\n", profile=wanted))
    for line in ("3-COMMENT=on", "3-PREFERENCE={ max_audit_log=1 max_learning_entry=2 }", "0-CONFIG={ mode=learning }"):
        other = held_by(PolicySet("<kernel>\nuse_profile 3\n", profile=f"{wanted}{line}\n"))
        assert policy_text.profiles_differ(other.read("profile"), wanted), line
        assert plan(texts(other), PolicySet("<kernel>\nuse_profile 3\n", profile=wanted)), line

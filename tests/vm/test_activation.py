"""Activation on a real kernel: what it holds afterwards, and what a confined program sees meanwhile.

`TOMOYO_TEST_SWITCHES` and `TOMOYO_TEST_LINES` set the size of the long run (50 switches of 20,000 lines take many minutes);
`TOMOYO_TEST_KILLS` the number of kills.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

from tests.activation.policies import bootable, held_by, random_set
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.policy_reading import domain_blocks

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

SWITCHES = int(os.environ.get("TOMOYO_TEST_SWITCHES", "4"))
LINES = int(os.environ.get("TOMOYO_TEST_LINES", "2000"))
KILLS = int(os.environ.get("TOMOYO_TEST_KILLS", "16"))
PAIRS = 20
#: Seconds after which a machine is taken for hung; generous, as it is emulated on a processor that others use, too.
TIMEOUT = 1200 + SWITCHES * LINES * 0.004 + KILLS * 8


def ask(kernel: Kernel, *requests: dict[str, Any]) -> list[Any]:
    """Boot KERNEL and have it do REQUESTS (see jobs/activation.py)."""
    result = machine.run(
        kernel, "activation", files={"request.json": json.dumps(requests).encode()}, processors=2, timeout=TIMEOUT
    )
    answers: list[Any] = json.loads(result.files["answer.json"])
    return answers


def test_switching_never_gives_a_wrong_answer(kernel: Kernel, seed: int) -> None:
    small = {"lines": 100, "seed": seed}
    few, switches, kills, dropped = ask(
        kernel,
        {"do": "few", "lines": 2000, "seed": seed},
        {"do": "switches", "lines": LINES, "times": SWITCHES, "seed": seed},
        {"do": "kills", "times": KILLS, **small},
        {"do": "dropped", "lines": 2000, "seed": seed},
    )
    print(f"{switches['rounds']} rounds in {SWITCHES} switches of {LINES} lines, {switches['wrong']} wrong answers,", end=" ")
    print(f"{switches['changes']} lines written in the last")
    print(f"{kills['rounds']} rounds in {KILLS} activations, {kills['killed']} of them killed, {kills['wrong']} wrong answers")
    assert (switches["wrong"], switches["examples"]) == (0, "[]")
    assert switches["rounds"] > SWITCHES
    assert switches["changes"] > LINES // 2
    assert (kills["wrong"], kills["examples"], kills["unfinished"]) == (0, "[]", [])
    assert kills["killed"] > KILLS // 4
    assert "the kernel did not take (policy uses" in dropped["message"]
    assert "domain_policy: " in dropped["message"]
    assert "the old policy is in force again" in dropped["message"]
    assert dropped["restored"] == [True, True]
    assert "the kernel did not take (policy uses" in few["message"]
    assert "the old policy is in force again" in few["message"]
    assert few["restored"]
    assert few["changes"] == 6
    assert few["right"] == [True, 42]
    assert few["again"] == 0


def comparable(name: str, text: str) -> object:
    if name == "domain_policy":
        blocks = domain_blocks(text) or {}
        return {
            domain: sorted(blocks[domain].split()) for domain in blocks if "<shelter>" not in domain and "python" not in domain
        }
    # A profile that stood in for another stays: a kernel cannot forget one.
    others = ("<shelter>", "<kernel> 25", "<other> 25")
    return sorted(line for line in text.split("\n") if not line.startswith(others) and "python" not in line)


def test_random_sets_are_held_exactly(kernel: Kernel, seed: int) -> None:
    draw = random.Random(seed)
    sets: list[PolicySet] = [bootable(random_set(draw)) for _ in range(PAIRS)]
    texts = [texts_of(policy) for policy in sets]
    (answers,) = ask(kernel, {"do": "pairs", "sets": texts})
    for number, (policy, answer) in enumerate(zip(sets, answers, strict=True)):
        goal = held_by(policy)
        for name in ("domain_policy", "exception_policy", "profile", "manager"):
            assert comparable(name, answer[name]) == comparable(name, goal.read(name)), f"set {number}: {name}"
        assert answer["again"] == 0


def texts_of(policy: PolicySet) -> dict[str, str]:
    names = ("domain_policy", "exception_policy", "profile", "manager")
    return {name: getattr(policy, name) for name in names}

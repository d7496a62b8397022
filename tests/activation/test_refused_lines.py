"""A line of a set that is refused is shown: where it stands, what it says, and what was probably meant."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.seeds import rounds
from tomoyo.activation.activation import activate
from tomoyo.model.diagnostics import vocabulary
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.lines import PolicySyntaxError

from .sets import options, policy, put

LINES = {
    "domain_policy": (
        "use_profile 3",
        "file execute /bin/sh keep",
        "file read /etc/passwd task.uid=0",
        "network inet stream bind 0.0.0.0 80",
        "network unix stream connect /run/socket",
        "task manual_domain_transition <kernel> /x",
    ),
    "exception_policy": (
        "initialize_domain /bin/a from any",
        "path_group a /b",
        "acl_group 1 file write /tmp/x",
        "aggregator /bin/a /bin/b",
    ),
    "profile": ("0-CONFIG::file::open={ mode=enforcing grant_log=no reject_log=no }", "0-PREFERENCE={ max_audit_log=1 }"),
    "stat": ("Memory used by policy: 1000000",),
}


def refusal(folder: Path, wanted: PolicySet) -> PolicySyntaxError | PolicySetError:
    with pytest.raises((PolicySyntaxError, PolicySetError)) as caught:
        activate(put(folder, "set", wanted), SimulatedKernel(), inactive=True, **options(folder))
    error: PolicySyntaxError | PolicySetError = caught.value
    return error


def misspelt(draw: random.Random, word: str) -> str:
    place = draw.randrange(len(word) - 1)
    return draw.choice(
        (
            word[:place] + word[place + 1] + word[place] + word[place + 2 :],
            word[:place] + word[place + 1 :],
            word[:place] + "q" + word[place:],
        )
    )


def test_a_misspelt_keyword_is_shown_with_the_right_one(tmp_path: Path, draw: random.Random) -> None:
    tmp_path.chmod(0o755)
    helped = 0
    for _ in range(rounds(200)):
        name = draw.choice(list(LINES))
        line = draw.choice(LINES[name])
        words = [word for word in vocabulary() if len(word) > 3 and f" {word} " in f" {line.replace('=', ' ')} "]
        word = draw.choice(sorted(words))
        wrong = line.replace(word, misspelt(draw, word), 1)
        text = getattr(policy(), name)
        try:
            error = refusal(tmp_path, replace(policy(), **{name: f"{text}{wrong}\n"}))
        except pytest.fail.Exception:
            assert wrong == line or wrong.split(" ")[0] == line.split(" ")[0]  # it still says something
            continue
        assert isinstance(error, PolicySyntaxError)
        assert (Path(error.file).name, error.line) == (f"{name}.conf", text.count("\n") + 1)
        assert error.source == wrong
        assert error.source[max(0, error.column - 1 - len(error.text)) :].find(error.text) >= 0
        helped += error.diagnostic().help == f"did you mean '{word}'?"
    assert helped > rounds(200) * 3 // 4


@pytest.mark.parametrize("line", ["file read /a/fiel/raed", "acl_group 1 /raed", "<kernel> /bin/form", "aggregator /bin/form"])
def test_no_keyword_is_suggested_for_the_name_of_something(tmp_path: Path, line: str) -> None:
    tmp_path.chmod(0o755)
    error = refusal(tmp_path, replace(policy(), exception_policy=f"{line}\n"))
    assert isinstance(error, PolicySyntaxError)
    assert error.source == line
    assert "did you mean" not in error.diagnostic().help


def test_what_no_kernel_would_boot_with_is_shown_as_well(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    wanted = policy(domains="<kernel>\nuse_profile 0\n\n<kernel> /a\nuse_profile 7\n\n")
    error = refusal(tmp_path, wanted)
    assert isinstance(error, PolicySetError)
    assert (Path(error.path).name, error.line, error.source) == ("domain_policy.conf", 4, "<kernel> /a")

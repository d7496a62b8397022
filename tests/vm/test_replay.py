"""Decisions against a real kernel: what it granted real programs under a random policy, asked of us again."""

from __future__ import annotations

from collections import Counter

from tomoyo.analysis.replay import ReplayOutcome, replay
from tomoyo.decision.engine import DecisionEngine
from tomoyo.model.entries import Entry
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.profiles import parse_profile
from tomoyo.syntax.records import iterate_audit

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]


def test_real_programs_under_a_damaged_policy(kernel: Kernel, seed: int) -> None:
    files = machine.run(kernel, "workload", arguments=[str(seed)]).files
    engine = DecisionEngine(
        parse_domain_policy(files["domain_policy"]),
        parse_exception_policy(files["exception_policy"], report=lambda error: None),
        parse_profile(files["profile"]),
    )
    replayed = list(replay(engine, iterate_audit([files["audit"]])))
    wrong = [found for found in replayed if found.outcome not in (ReplayOutcome.SAME, ReplayOutcome.EVENT)]
    shown = [(found.outcome.name, str(found.record), found.verdict) for found in wrong[:20]]
    assert wrong == [], shown
    unlogged = [found for found in replayed if found.verdict and not found.verdict.logged]
    assert unlogged == []
    assert all(found.verdict.mode is found.record.mode for found in replayed if found.verdict)
    answers = Counter(found.record.granted for found in replayed if found.outcome is ReplayOutcome.SAME)
    assert min(answers[True], answers[False]) > 500
    asked = Counter(record.request.kind for record in (found.record for found in replayed) if isinstance(record.request, Entry))
    assert len(asked) >= 10
    conditional = [found for found in replayed if found.verdict and found.verdict.entry and found.verdict.entry.condition]
    assert len(conditional) > 30

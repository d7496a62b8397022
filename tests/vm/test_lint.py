"""What a real kernel learned and logged has been matched, so lint must not claim that it never could be."""

from __future__ import annotations

import pytest

import tomoyo
from tomoyo.analysis.conversion import converted
from tomoyo.lint.linter import lint_policy
from tomoyo.model.diagnostics import Diagnostic, Severity
from tomoyo.syntax.policy_text import PolicyText, TextKind

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

CERTAIN = (
    *("not-canonical", "wrong-directory", "impossible-pattern", "impossible-condition", "impossible-number", "never-executed"),
    "never-asked",
    *("dropped-line", "altered-line", "duplicate", "shadowed", "unreachable-domain", "undefined-profile", "failing-execution"),
)
KINDS = {
    "domain_policy": TextKind.DOMAIN,
    "exception_policy": TextKind.EXCEPTION,
    "profile": TextKind.PROFILE,
}


@pytest.fixture(scope="module")
def learned(kernel: Kernel) -> dict[str, str]:
    """Every policy file of a kernel that learned, and its audit log."""
    return {name: data.decode("ascii") for name, data in machine.run(kernel, "learning").files.items()}


def test_what_was_learned_can_match_and_is_reached(learned: dict[str, str]) -> None:
    texts = [PolicyText(kind, name, learned[name]) for name, kind in KINDS.items()]
    assert learned["domain_policy"].count("\n") > 1000
    assert [str(finding) for finding in lint_policy(texts, codes=CERTAIN) if is_claim(finding)] == []


def test_what_was_logged_can_match_with_all_that_was_known(learned: dict[str, str]) -> None:
    lines = {}
    for record in tomoyo.parse_audit(learned["audit"]):
        line = converted(record)
        if line is not None:
            lines[line] = None
    assert len(lines) > 2000
    text = PolicyText(TextKind.DOMAIN, "audit", "".join(f"{line}\n" for line in ("<kernel>", *lines)))
    codes = [code for code in CERTAIN if code not in ("dropped-line", "altered-line", "shadowed")]
    assert [str(finding) for finding in lint_policy([text], codes=codes) if is_claim(finding)] == []


def is_claim(finding: Diagnostic) -> bool:
    """Whether FINDING claims that something never matches: of a tmpfs, which may be a layer of an overlay, it does not."""
    return finding.code != "never-asked" or finding.severity is not Severity.NOTE

"""Learning by names, and asking what a running kernel's policy says: the job `asking`, on the sample of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tomoyo
from tomoyo.cli import main

from ..sample import SYSTEM
from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

CLOSURE = ["--root", str(SYSTEM), "--closure-file", str(SYSTEM / "registration")]
CLOSURE += ["--closure", "/nix/var/nix/profiles/system-1-link"]
NOTES = "<kernel> nix:/notes/bin/notes"
FILE = "/var/lib/notes/notes"
APPEND = f"file append {FILE}"


@pytest.fixture(scope="module")
def answers(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every command answered."""
    bindings = tmp_path_factory.mktemp("asking") / "bindings.conf"
    assert main(["bind", "--all-programs", *CLOSURE, "-o", str(bindings)]) == 0
    result = machine.run(kernel, "asking", files={"bindings.conf": bindings.read_bytes()})
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


def files(text: str, name: str) -> list[str]:
    """The entries about files of the domain NAME in TEXT."""
    (domain,) = (domain for domain in tomoyo.parse_domain_policy(text) if domain.name.text == name)
    return [entry.text for entry in domain.entries if entry.text.startswith("file ")]


def test_a_program_of_the_store_is_learned_by_name(answers: dict[str, Any], tmp_path: Path) -> None:
    status, output, messages = answers["learn"]["unbound"]
    assert (status, answers["learn"]["same"]) == (0, True)
    # Only the policy is on standard output; what the program prints is not.
    assert "usage: notes add TEXT" in messages
    name = next(domain.name.text for domain in tomoyo.parse_domain_policy(output) if domain.name.text.endswith("/notes"))
    assert name.endswith(" nix:/notes/bin/notes")
    assert {"file read @nix:/busybox/bin/busybox", "file read @nix:/notes/bin/notes"} <= set(files(output, name))
    assert files(output, f"{name} nix:/busybox/bin/cat") == ["file read @nix:/notes/share/notes/help"]


def test_what_was_learned_by_name_compiles(answers: dict[str, Any], tmp_path: Path) -> None:
    status, output, _, learned = answers["learn"]["bound"]
    assert (status, output) == (0, "")
    assert APPEND in files(learned, NOTES)
    assert "/nix/store/" not in learned.replace("/nix/store/\\*", "")
    source = tmp_path / "policy"
    source.mkdir()
    (source / "domain_policy.conf").write_text(f"<kernel>\nuse_profile 0\n\n{learned}")
    (source / "exception_policy.conf").write_text("initialize_domain nix:/notes/bin/notes from any\n")
    (source / "manager.conf").write_text("<kernel>\n")
    assert main(["compile", *CLOSURE, "-o", str(tmp_path / "set"), str(source)]) == 0
    bindings = (tmp_path / "set/bindings.conf").read_text()
    assert "path_group nix:/busybox/bin/busybox /nix/store/" in bindings


def test_what_was_denied_is_explained_by_the_running_policy(answers: dict[str, Any]) -> None:
    asked = answers["ask"]
    assert asked["denied"] != 0
    assert asked["audit"] == [0, ""]
    records = [record for record in tomoyo.parse_audit(asked["log"]) if record.domain.text == NOTES]
    status, output, messages = asked["explain_log"]
    assert (status, messages) == (1, "")
    explained = [found for found in (json.loads(line)["result"] for line in output.splitlines()) if found["domain"] == NOTES]
    # It answers as the kernel did, to each.
    assert [found["granted"] for found in explained] == [record.granted for record in records]
    (denied,) = (found for found in explained if not found["granted"])
    condition = {
        "entry": f"{APPEND} task.uid=1",
        "acl_group": None,
        "part": "condition",
        "reason": "its condition task.uid=1 does not hold",
    }
    assert (denied["remedy"], denied["nearest"][0], denied["mode"]) == (APPEND, condition, "enforcing")
    status, output, messages = asked["explain"]
    assert (status, messages) == (1, "")
    assert output.splitlines() == [
        f"denied (enforcing mode): no entry of {NOTES} grants '{APPEND}'",
        f"nearest: '{APPEND} task.uid=1', but its condition task.uid=1 does not hold",
        f"this would allow it: {APPEND}",
    ]
    status, output, messages = asked["explain_any"]
    assert (status, output.splitlines()[1]) == (1, f"else denied: no other entry of {NOTES} grants '{APPEND}'")
    assert output.startswith("granted if task.uid=1 (enforcing mode): ")


def test_the_running_policy_says_what_it_said(answers: dict[str, Any]) -> None:
    status, output, messages = answers["ask"]["replay"]
    assert (status, messages) == (0, "")
    count = len([record for record in tomoyo.parse_audit(answers["ask"]["log"]) if isinstance(record.request, tomoyo.Entry)])
    assert f"{count} as recorded\n" in output
    assert "now" not in output


def test_who_may_by_the_running_policy(answers: dict[str, Any]) -> None:
    shown = f"{NOTES}  (enforcing)\n    {{}}\n    by <kernel> -> nix:/notes/bin/notes\n"
    assert answers["ask"]["can"] == [0, shown.format(f"{APPEND} task.uid=1"), ""]
    assert answers["ask"]["can_connect"] == [0, shown.format("network inet stream connect 10.0.0.0-10.0.0.255 22"), ""]


def test_what_is_suggested_for_the_running_policy_is_granted_then(answers: dict[str, Any]) -> None:
    asked = answers["ask"]
    status, output, messages = asked["suggest"]
    assert (status, messages) == (0, "")
    assert files(output, NOTES) == [APPEND]
    assert asked["granted"] == 0
    status, output, _ = asked["replay_then"]
    assert status == 0
    assert f"denied then, granted now by '{APPEND}': {NOTES}: {APPEND}\n" in output
    assert asked["suggest_then"] == [0, "", ""]


def test_what_a_kernel_learned_is_suggested_where_a_policy_lacks_it(answers: dict[str, Any]) -> None:
    learned = answers["learned_by_the_kernel"]
    assert learned["status"] == 0
    status, output, _ = learned["suggest"]
    assert status == 0
    (executed,) = files(output, NOTES)
    assert executed.startswith("file execute nix:/busybox/bin/cat exec.realpath=@nix:/busybox/bin/busybox ")
    assert set(files(output, f"{NOTES} nix:/busybox/bin/cat")) == {
        "file read @nix:/notes/share/notes/header",
        f"file read {FILE}",
    }
    assert learned["nothing"][:2] == [0, ""]

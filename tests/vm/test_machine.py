"""The virtual machine itself: what other tests rely on when they ask the kernel."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from . import kernels, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

FAILING_JOB = """
import os, sys
from tests.vm import guest
os.mkdir("new")
with open("given/greeting", "rb") as given, open("new/reply", "wb") as reply:
    reply.write(given.read() + b" to you, too")
print(*sys.argv[1:])
sys.exit("no more to say")
"""


def test_a_job_asks_the_interface_files(kernel: Kernel) -> None:
    domains = [
        "<kernel>\nuse_profile 0\n\n\n",
        "<kernel> /a\nuse_profile 0\n\nfile read /x\n\n",
        "<kernel> /b\nuse_profile 0\n\nfile write /y\n\n",
    ]
    questions_and_answers: list[tuple[list[object], str | None]] = [
        (["read", "version"], "2.6.0"),
        (["read", "self_domain"], "<kernel>"),
        (["write", "domain_policy", "<kernel> /a\nfile read /x\nfile nonsense /x\n"], None),
        (["activate"], None),
        (["read", "self_domain"], "<kernel>"),
        (["write_lines", "domain_policy", ["<kernel> /b\n", "file wri", "te /y\n", "file write /unfinished"]], None),
        (["select", "domain_policy", "select domain=<kernel> /b"], f"# select domain=<kernel> /b\n{domains[2]}"),
        (["read", "domain_policy"], "".join(domains)),
        (["read", "nonexistent"], "ENOENT"),
        (["write", "version", "3"], "EINVAL"),
    ]
    script = [question for question, _ in questions_and_answers]
    result = machine.run(kernel, "interfaces", files={"script.json": json.dumps(script).encode()})
    assert json.loads(result.files["answers.json"]) == [answer for _, answer in questions_and_answers]


def test_a_job_asks_about_patterns(kernel: Kernel) -> None:
    questions_and_answers = [
        (("/run/\\*.sock", "/run/my.sock"), True),
        (("/run/\\*.sock", "/run/a/my.sock"), False),
        (("/run/\\{\\*\\}/my.sock", "/run/a/b/my.sock"), True),
        (("/run/\\?", "/run/\\040"), True),
        (("/run/\\\\", "/run/\\\\"), True),
        (("/run/\\+", "/run/\\\\"), False),
        (("\\000\\*", "\\000abstract"), True),
        (("/run/\\z", "/run/z"), False),
    ]
    script = [question for question, _ in questions_and_answers]
    result = machine.run(kernel, "patterns", files={"questions.json": json.dumps(script).encode()})
    assert json.loads(result.files["answers.json"]) == [answer for _, answer in questions_and_answers]


def test_a_failing_job_raises_with_all_that_it_left(kernel: Kernel, tmp_path: Path) -> None:
    job = tmp_path / "failing.py"
    job.write_text(FAILING_JOB)
    with pytest.raises(machine.GuestFailure, match="no more to say") as caught:
        machine.run(kernel, job, arguments=["two words", "$HOME"], files={"given/greeting": b"good day"})
    result = caught.value.result
    assert (result.status, result.panicked, result.timed_out) == (1, None, False)
    assert result.stdout == "two words $HOME\n"
    assert result.files == {"given/greeting": b"good day", "new/reply": b"good day to you, too"}


def test_a_panic_is_recognised(kernel: Kernel) -> None:
    script = json.dumps([["activate", ""]]).encode()
    result = machine.run(kernel, "interfaces", files={"script.json": script}, check=False)
    assert (result.status, result.panicked, result.timed_out) == (None, "STOP!", False)
    assert "Profile 0 (used by '<kernel>') is not defined." in result.console


def test_a_machine_that_takes_too_long_is_stopped(kernel: Kernel) -> None:
    with pytest.raises(machine.GuestFailure, match="took too long") as caught:
        machine.run(kernel, "interfaces", files={"script.json": b"[]"}, timeout=0.5)
    assert (caught.value.result.status, caught.value.result.timed_out) == (None, True)


def test_a_machine_that_never_begins_is_started_again(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Counted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            started.append(arguments)
            super().__init__(*arguments, **options)

    monkeypatch.setattr(machine.subprocess, "Popen", Counted)
    monkeypatch.setattr(machine, "BOOT_LIMIT", 0.2)
    monkeypatch.setattr(machine, "BOOTS", 2)
    with pytest.raises(machine.GuestFailure, match="took too long"):
        machine.run(kernel, "interfaces", files={"script.json": b"[]"}, timeout=100)
    assert len(started) == 2


def test_an_unknown_release_is_unavailable() -> None:
    with pytest.raises(kernels.Unavailable, match=r"2\.4"):
        kernels.kernel("2.4")


def test_a_fault_of_the_emulator_is_told_from_a_panic(tmp_path: Path) -> None:
    oops = "[    1.318237] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n"
    panic = "[    2.812544] Kernel panic - not syncing: STOP!\n"
    (tmp_path / "console").write_text(panic)
    assert not machine.is_emulators_fault(tmp_path)
    (tmp_path / "console").write_text(oops + panic)
    assert machine.is_emulators_fault(tmp_path)
    # What began may have done something already.
    (tmp_path / "status").touch()
    assert not machine.is_emulators_fault(tmp_path)

"""The contributors' tool `tests/ask`, with a real kernel, and with one that answers wrongly."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT
from tomoyo.decision.requests import parse_request
from tomoyo.model.entries import Kind

from . import kernels, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

ASK = ROOT / "tests" / "ask"


def run(*arguments: str) -> tuple[int, list[list[str]], str]:
    """Its exit code, the cells of its table, and its messages."""
    done = subprocess.run([sys.executable, str(ASK), *arguments], capture_output=True, text=True, check=False)
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.stdout.splitlines()]
    return done.returncode, rows, done.stderr


@pytest.fixture
def ask() -> Any:
    """The tool as a function of its arguments."""
    return runpy.run_path(str(ASK))["main"]


def test_lines(kernel: Kernel) -> None:
    status, rows, messages = run("-k", kernel.release, "line", "file readx /a", "file read /a", "path_group g /b", "file raed /a")
    assert (status, messages) == (0, "")
    assert rows == [
        [f"Linux {kernel.release}", "tomoyo"],
        ["file readx /a", "file read /a", "file read /a"],
        ["file read /a", "file read /a", "file read /a"],
        ["path_group g /b", "path_group g /b", "path_group g /b"],
        ["file raed /a", "dropped", "dropped"],
    ]


def test_a_pattern(kernel: Kernel) -> None:
    status, rows, messages = run("-k", kernel.release, "pattern", r"/run/\*.sock", "/run/a.sock", "/run/a/b.sock")
    assert (status, messages) == (0, "")
    assert rows[1:] == [["/run/a.sock", *["matches"] * 2], ["/run/a/b.sock", *["does not match"] * 2]]


#: Files where the host, whose files a guest has, too, has none: what is there already cannot be made.
POLICY = (
    *("path_group x /x/\\*", "file read/write/unlink @x task.uid=0", "file create /x/\\* 0600-0644"),
    *("network inet dgram send 127.0.0.0-127.0.0.9 53", "misc env HOME", "task manual_domain_transition <kernel> /other"),
)
GRANTED = (
    *("file read /x/x", "file write /x/x", "file unlink /x/x", "file create /x/y 0644"),
    *("network inet dgram send 127.0.0.1 53", "misc env HOME", "task manual_domain_transition <kernel> /other"),
)
#: One of each other operation.
DENIED = (
    *("file read /x/d/x", "file append /x/x", "file execute /x/x", "file getattr /x/x", "file rmdir /x/d/e/"),
    *("file truncate /x/x", "file symlink /x/s", "file chroot /x/d/", "file unmount /x/m/", "file link /x/x /x/l"),
    *("file rename /x/x /x/r", "file pivot_root /x/d/ /x/d/e/", "file create /x/z 0700", "file mkdir /x/n/ 0755"),
    *("file mkfifo /x/f 0600", "file mksock /x/k 0600", "file ioctl /x/x 0x5401", "file chmod /x/x 0600"),
    *("file chown /x/x 5", "file chgrp /x/x 6", "file mkblock /x/b 0600 8 1", "file mkchar /x/c 0600 1 3"),
    *("file mount tmpfs /x/d/ tmpfs 0x0", "file mount /x/d/ /x/d/ --bind 0x0", "file read proc:/self/status"),
    *("network inet stream bind 127.0.0.1 80", "network inet stream listen 127.0.0.1 81", "network inet stream connect ::1 82"),
    *("network inet dgram bind 127.0.0.1 53", "network inet raw bind 127.0.0.1 1", "network inet raw send 127.0.0.1 1"),
    *("network unix stream connect /run/a", "network unix stream bind /run/b", "network unix stream listen /run/c"),
    *("network unix dgram bind \\000abstract", "network unix dgram send /run/d", "network unix seqpacket bind /run/e"),
    *("network unix seqpacket listen /run/f", "network unix seqpacket connect /run/g"),
    *("misc env PATH", "task manual_domain_transition <kernel> /unknown"),
)
NEVER_ASKED = ("file mkdir /x/q 0755", "network inet stream send 127.0.0.1 5")


def test_each_operation_is_among_the_requests() -> None:
    requests = [parse_request(text) for text in (*GRANTED, *DENIED)]
    every = {(kind, operation) for kind in Kind for operation in kind.operations if operation not in kind.unasked}
    assert {(request.kind, request.operation) for request in requests} == every


def test_requests(kernel: Kernel) -> None:
    policy = [word for line in POLICY for word in ("-p", line)]
    status, rows, messages = run("-k", kernel.release, "request", *GRANTED, *DENIED, *NEVER_ASKED, *policy)
    expected = [[request, answer, answer] for request, answer in answers()]
    assert (status, rows[1:]) == (0, expected), messages
    assert "ask: note: for 'file mkdir /x/q 0755' the kernel was asked 'file mkdir /x/q/ 0755'\n" in messages


def answers() -> list[tuple[str, str]]:
    """Each request with its answer."""
    asked = {"granted": GRANTED, "denied": DENIED, "never asked": NEVER_ASKED}
    return [(request, answer) for answer, requests in asked.items() for request in requests]


def test_what_fails_before_the_kernel_asks(kernel: Kernel) -> None:
    request = "file symlink /x/s"
    status, rows, messages = run("-k", kernel.release, "request", request, request)
    assert (status, rows[1:]) == (1, [[request, "denied", "denied"], [request, "never asked", "asked", "differs"]])
    assert messages == "ask: note: for 'file symlink /x/s' the kernel was asked nothing: File exists\n"


def test_a_chain(kernel: Kernel) -> None:
    options = ("-d", "<kernel> /start", "-p", "use_profile 7", "-p", "file execute /x/a", "-p", "initialize_domain /x/a")
    status, rows, messages = run("-k", kernel.release, "chain", "/x/a", "/x/b", "/x/c", *options)
    assert (status, messages) == (0, "")
    assert rows[1:] == [["/x/a", "<kernel> /x/a", "<kernel> /x/a"], ["/x/b", "EPERM", "EPERM"]]


def test_the_examples_of_the_guide(kernel: Kernel) -> None:
    """As they stand there, with the kernel that `tests/ask` asks by default."""
    if kernel.release != "6.1":
        pytest.skip("the guide shows Linux 6.1")
    examples = re.findall(r"^\$ (tests/ask .*)\n((?:.+\n)+)```", (ROOT / "docs/contributing.md").read_text(), re.MULTILINE)
    assert len(examples) == 4
    for command, shown in examples:
        done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (shown, ""), command


@dataclass
class Left:
    """What a machine left."""

    files: dict[str, bytes]


def test_a_difference_is_shown(ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(kernels, "kernel", lambda release: Kernel(release, f"{release}.0", Path()))
    monkeypatch.setattr(machine, "run", lambda *given, **named: Left({"answers.json": json.dumps([True, True]).encode()}))
    assert ask(["pattern", "/a", "/a", "/b"]) == 1
    assert capsys.readouterr().out == ("    Linux 6.1  tomoyo\n/a  matches    matches\n/b  matches    does not match  differs\n")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (["request", "file raed /a"], "not a request"),
        (["request", "file read /a task.uid=0"], "leave out their attributes"),
        (["pattern", "/a", "b c"], "not a name as TOMOYO writes it: b c"),
    ],
)
def test_what_is_no_question(ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, question: list[str], message: str) -> None:
    monkeypatch.setattr(kernels, "kernel", lambda release: Kernel(release, f"{release}.0", Path()))
    assert ask(question) == 2
    assert message in capsys.readouterr().err


def test_where_no_kernel_can_be_had(ask: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def missing(release: str) -> Kernel:
        raise kernels.Unavailable("not installed: qemu-system-x86")

    monkeypatch.setattr(kernels, "kernel", missing)
    assert ask(["line", "file read /a"]) == 3
    assert capsys.readouterr().err == "ask: error: not installed: qemu-system-x86\n"

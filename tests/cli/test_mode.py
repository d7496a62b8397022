"""The command `mode`, as far as it needs no kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.activation import state
from tomoyo.cli.commands import mode

from ..kernel.test_learning import DOMAIN, Executing, learning
from .command import tomoyo


def test_a_change_keeps_activations_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    class Lock:
        def __init__(self, folder: str) -> None:
            self.folder = folder

        def __enter__(self) -> None:
            events.append(f"taken in {self.folder}")

        def __exit__(self, *_: object) -> None:
            events.append("given back")

    monkeypatch.setattr(state, "Lock", Lock)
    for change in (["--set", "learning"], ["--profile", "3"]):
        assert tomoyo("mode", "--name", "/a", *change, "--interface", tmp_path).status == 3
    assert events == ["taken in /run/tomoyo", "given back"] * 2
    assert tomoyo("mode", "--name", "/a", "--interface", tmp_path).status == 3
    assert len(events) == 4


def test_what_is_executed_meanwhile_changes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Executing("/" + "x" * 100)
    kernel.is_running = True
    monkeypatch.setattr(mode, "securityfs", lambda _: kernel)
    select = ("--prefix", DOMAIN, "--locks", tmp_path)
    assert tomoyo("mode", *select, "--set", "learning").status == 0
    domains = [name for name in kernel.holding.domains if name.startswith(DOMAIN)]
    assert len(domains) > 10
    assert learning(kernel) == domains
    assert tomoyo("mode", *select, "--profile", 0).status == 0
    assert learning(kernel) == []


def test_what_is_executed_meanwhile_is_not_locked_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no entries yet; that it does not enforce is told."""
    kernel = Executing("/bin/new")
    kernel.write("domain_policy", f"{DOMAIN}\nuse_profile 1\ndelete <kernel> /usr/bin/work /bin/sh\n")
    kernel.is_running = True
    monkeypatch.setattr(mode, "securityfs", lambda _: kernel)
    done = tomoyo("mode", "--prefix", DOMAIN, "--set", "enforcing", "--locks", tmp_path)
    assert done.status == 1
    assert f"{DOMAIN} /bin/new1 has no entries" in done.messages

"""The command `mode`, as far as it needs no kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.activation import state

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

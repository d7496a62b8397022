"""Writing a set: as a whole or not at all, whatever it holds and whatever is in the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tomoyo.sets import writing
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import PolicySet, read_policy_set, with_digests
from tomoyo.sets.writing import write_policy_set

FIRST = PolicySet("<kernel>\nuse_profile 0\n\n\n", profile="0-COMMENT=first\n")
SECOND = PolicySet("<kernel>\nuse_profile 0\n\n\n", profile="0-COMMENT=second\n")


@pytest.fixture(autouse=True)
def _trusted(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"profile": "0-COMMENT=\n1-COMMENT=50 \u20ac\n"}, "profile.conf:2:14: '\u20ac' is no byte"),
        ({"bindings": "\U0001f512"}, "bindings.conf:1:1: '\U0001f512' is no byte"),
        ({"boot": "#!/bin/sh\n\n\u0142\n"}, "boot:3:1: '\u0142' is no byte"),
        ({"domain_policy": "<kernel> /" + "x" * (1 << 16) + "\ud800"}, r"domain_policy.conf:1:65547: '\ud800' is no byte"),
    ],
)
def test_what_no_file_can_hold_is_told_with_its_place(tmp_path: Path, changes: dict[str, str], place: str) -> None:
    for write in (with_digests, lambda policy: write_policy_set(policy, tmp_path / "set")):
        with pytest.raises(PolicySetError) as raised:
            write(PolicySet(**changes))
        assert str(raised.value).startswith(place)
    assert os.listdir(tmp_path) == []


def test_what_was_read_can_be_written_again(tmp_path: Path) -> None:
    policy = PolicySet(FIRST.domain_policy, profile="0-COMMENT=" + bytes(range(1, 256)).decode("latin-1") + "\n")
    written = write_policy_set(policy, tmp_path / "set")
    assert read_policy_set(tmp_path / "set") == written
    assert written.profile == policy.profile


class Killed(BaseException):
    """The end of a process, as far as what it has written is concerned."""


def test_a_set_that_a_killed_run_put_aside_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_policy_set(FIRST, tmp_path / "set")
    (tmp_path / "set").rename(tmp_path / ".set.1.old")  # what such a run has left
    (tmp_path / ".set.1").mkdir()

    def killed(*_: object) -> None:
        raise Killed

    # Whatever then becomes of the new one.
    monkeypatch.setattr(writing, "_fill", killed)
    with pytest.raises(Killed):
        write_policy_set(SECOND, tmp_path / "set")
    assert read_policy_set(tmp_path / "set").profile == FIRST.profile
    monkeypatch.undo()
    write_policy_set(SECOND, tmp_path / "set")
    assert read_policy_set(tmp_path / "set").profile == SECOND.profile


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_nothing_is_put_back_that_another_may_have_written(tmp_path: Path, mode: int) -> None:
    write_policy_set(FIRST, tmp_path / ".set.1.old")
    (tmp_path / ".set.1.old").chmod(mode)
    (tmp_path / ".set.2.old").symlink_to(".set.1.old")
    write_policy_set(SECOND, tmp_path / "set")
    assert sorted(os.listdir(tmp_path)) == [".set.1.old", ".set.2.old", "set"]


@pytest.mark.parametrize("end", ["", ".old"])
def test_what_is_in_the_way_of_a_draft_goes(tmp_path: Path, end: str) -> None:
    write_policy_set(FIRST, tmp_path / "set")
    (tmp_path / f".set.{os.getpid()}{end}").write_text("left")
    write_policy_set(SECOND, tmp_path / "set")
    (tmp_path / f".set.{os.getpid()}{end}").symlink_to("set")
    write_policy_set(SECOND, tmp_path / "set")
    assert os.listdir(tmp_path) == ["set"]
    assert read_policy_set(tmp_path / "set").profile == SECOND.profile

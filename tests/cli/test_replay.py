"""The command `replay`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tomoyo.cli import main

RECORD = """\
#2026/11/23 22:10:53# profile=3 mode=enforcing granted={granted} (global-pid=211) task={{ pid=211 ppid=129 uid=0 gid=0 euid=0 \
egid=0 suid=0 sgid=0 fsuid=0 fsgid=0 }} path1={{ uid=0 gid=0 ino=5 major=0 minor=23 perm=0755 type=file }}
<kernel> /bin/sh
file {operation} /etc/passwd
\0"""
POLICY = "<kernel>\nuse_profile 0\n<kernel> /bin/sh\nuse_profile 3\nfile read /etc/\\*\n"


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """A directory with a policy without profiles."""
    (tmp_path / "domain_policy.conf").write_text(POLICY)
    return str(tmp_path)


def log(folder: str, *records: tuple[str, str]) -> str:
    """A log with requests: what was granted, and the operation."""
    path = Path(folder) / "log"
    path.write_text("".join(RECORD.format(granted=granted, operation=operation) for granted, operation in records))
    return str(path)


def test_nothing_changes(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(policy, ("yes", "read"), ("no", "write"))
    assert main(["replay", "--policy", policy, path]) == 0
    assert capsys.readouterr().out == "2 as recorded\n"


def test_what_would_be_denied_is_told_and_counts(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = log(policy, ("yes", "write"), ("no", "read"))
    assert main(["replay", "--policy", policy, path]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "granted then, denied now: <kernel> /bin/sh: file write /etc/passwd",
        r"denied then, granted now by 'file read /etc/\*': <kernel> /bin/sh: file read /etc/passwd",
        "1 granted then, denied now",
        "1 denied then, granted now",
    ]


def test_json(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--json", "--policy", policy, log(policy, ("yes", "write"))]) == 1
    note, change, counts = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["severity"] for one in note["diagnostics"]] == ["note"]
    change, counts = change["result"], counts["result"]
    assert (change["outcome"], change["request"], change["granted"]) == ("denied", "file write /etc/passwd", False)
    assert (counts["counts"]["denied"], counts["broken"]) == (1, 0)


def test_a_broken_log(policy: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        record = RECORD.format(granted="yes", operation="read").encode()
        buffer = io.BytesIO(record + b"\n" + b"\xff\x00garbage\n\n" * 30 + record[:-30])

    monkeypatch.setattr("sys.stdin", Stdin)
    assert main(["replay", "--policy", policy]) == 0
    out, err = capsys.readouterr()
    assert out == "1 as recorded\n31 broken, left out\n"
    assert err.count("<stdin>:") == 10


def test_profiles_count_where_they_are_given(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(policy, "profile.conf").write_text("PROFILE_VERSION=20150505\n3-CONFIG={ mode=disabled grant_log=no reject_log=no }\n")
    assert main(["replay", "--policy", policy, log(policy, ("no", "write"))]) == 0
    assert "1 denied then, granted now" in capsys.readouterr().out


def test_without_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--policy", str(tmp_path)]) == 2
    assert "no policy in this directory" in capsys.readouterr().err
    assert main(["replay", "--interface", str(tmp_path / "none")]) == 3

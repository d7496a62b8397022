"""Standard streams that are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "sample" / "policy"


@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [
        (["fmt", f"{SAMPLE}/domain_policy.conf"], ">&-", 0),
        (["fmt", "/nowhere/domain_policy.conf"], "2>&-", 2),
        (["fmt", "/nowhere/domain_policy.conf"], "<&- >&- 2>&-", 2),
        (["fmt", "--kind", "domain"], "<&-", 0),
        (["--help"], ">&-", 0),
        (["--version"], ">&-", 0),
        (["nonsense"], "2>&-", 2),
    ],
)
def test_a_closed_stream_changes_no_exit_code(arguments: list[str], closed: str, status: int) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-S", "-m", "tomoyo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SAMPLE.parents[2])
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr

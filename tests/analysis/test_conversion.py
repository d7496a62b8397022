"""Audit records as policy, beside the C tools on what a real kernel logged."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

import tomoyo
from tomoyo.analysis.conversion import converted, execution_conditions, request_conditions

AUDIT = (Path(__file__).parents[1] / "data" / "records" / "audit.log").read_bytes()
RECORDS = tomoyo.parse_audit(AUDIT)
TOOLS = Path("/usr/lib/tomoyo")

needs_tools = pytest.mark.skipif(
    not (TOOLS / "convert-audit-log").exists() and "CI" not in os.environ, reason="tomoyo-tools is not installed"
)


def c_tool(name: str) -> str:
    """What a C tool makes of the log, which is to be as tomoyo-auditd writes it."""
    log = AUDIT.replace(b"\0", b"\n")
    return subprocess.run([TOOLS / name], input=log, capture_output=True, check=True).stdout.decode()


@needs_tools
def test_conversion_is_that_of_convert_audit_log() -> None:
    ours = [f"{record.domain}\n{line}\n" for record in RECORDS if (line := converted(record))]
    assert len(ours) > 20
    assert "".join(ours) == c_tool("convert-audit-log")


@needs_tools
def test_conversion_of_executions_is_that_of_convert_exec_param() -> None:
    ours = [f"{record.domain}\n{line}\n\n" for record in RECORDS if (line := converted(record, execution_conditions))]
    assert len(ours) > 1
    # The C tool leaves variables out that are set to nothing, which is a condition like any other.
    assert re.sub(r' exec\.envp\["[^"]+"\]=""', "", "".join(ours)) == c_tool("convert-exec-param")


def test_what_is_converted_is_policy_that_grants_the_request() -> None:
    for record in RECORDS:
        line = converted(record)
        if line is None:
            assert not isinstance(record.request, tomoyo.Entry)
            continue
        (domain,) = tomoyo.parse_domain_policy(f"{record.domain}\n{line}\n")
        assert domain.entries[0].condition is not None
        assert len(domain.entries[0].condition.tests) == len(request_conditions(record))


def test_events_are_no_policy() -> None:
    text = AUDIT.split(b"\0")[0].split(b"\n")[0].decode()
    for event in ("use_profile 3", "use_group 0", "quota_exceeded", "transition_failed"):
        (record,) = tomoyo.parse_audit(f"{text}\n<kernel>\n{event}\n\0")
        assert converted(record) is None


def test_conditions_can_be_left_out() -> None:
    record = next(record for record in RECORDS if record.execution and record.execution.argv)
    line = converted(record, kept=["task.uid", "exec.argv", "path1.parent"])
    assert line is not None
    tests = line.removeprefix(f"{record.request} ").split(" ")
    names = {re.split(r"[\[=]", test)[0] for test in tests}
    assert names == {"task.uid", "exec.argv", "path1.parent.uid", "path1.parent.gid", "path1.parent.ino", "path1.parent.perm"}


def test_truncated_lists_keep_what_is_there() -> None:
    head = AUDIT.split(b"\0")[0].split(b"\n")[0].decode().partition(" path1=")[0]
    text = ' exec={ realpath="/bin/x" argc=9 envc=8 argv[]={ "x" ... } envp[]={ "A=b" "none" "E=" ... } }'
    (record,) = tomoyo.parse_audit(f"{head}{text}\n<kernel>\nfile execute /bin/x\n\0")
    expected = 'exec.realpath="/bin/x" exec.argc=9 exec.envc=8 exec.argv[0]="x" exec.envp["A"]="b" exec.envp["E"]=""'
    assert converted(record, kept=["exec"]) == f"file execute /bin/x {expected}"

"""Audit records as policy: each request with everything known about it as conditions.

Such a line grants exactly what happened, down to the process number: raw
material, from which one deletes what shall not matter.  ``conditions`` of all
kinds are what tomoyo-tools' convert-audit-log writes, those of executions
alone what its convert-exec-param does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ..model.conditions import ATTRIBUTES
from ..model.entries import Entry
from ..model.records import AuditRecord, Execution
from ..model.words import quoted

#: What a name of one argument or variable has behind it.
_INDEX = re.compile(r'(?<=^exec\.argv)\[[0-9]+\]$|(?<=^exec\.envp)\["[^"]*"\]$')


def request_conditions(record: AuditRecord) -> list[str]:
    """Every attribute in RECORD as a condition."""
    found = [f"task.{test}" for test in str(record.task).split(" ")]
    for name, attributes in (
        ("path1", record.path1),
        ("path1.parent", record.path1_parent),
        ("path2", record.path2),
        ("path2.parent", record.path2_parent),
    ):
        if attributes is not None:
            found += [f"{name}.{test}" for test in str(attributes).split(" ")]
    execution = record.execution
    if execution is not None:
        found += [f"exec.realpath={execution.realpath}", f"exec.argc={execution.argc}", f"exec.envc={execution.envc}"]
        found += [*argument_conditions(execution), *environment_conditions(execution)]
    if record.symlink_target is not None:
        found.append(f"symlink.target={record.symlink_target}")
    return found


def execution_conditions(record: AuditRecord) -> list[str]:
    """What RECORD tells of an execution as conditions; empty where it is of another request."""
    execution = record.execution
    entry = record.request
    if execution is None or not isinstance(entry, Entry) or entry.operations != ("execute",):
        return []
    return [
        f"exec.realpath={execution.realpath}",
        f"exec.argc={execution.argc}",
        *argument_conditions(execution),
        f"exec.envc={execution.envc}",
        *environment_conditions(execution),
    ]


def argument_conditions(execution: Execution) -> list[str]:
    """The arguments that the kernel recorded of EXECUTION."""
    values = execution.argv.values if execution.argv is not None else ()
    return [f"exec.argv[{index}]={value}" for index, value in enumerate(values)]


def environment_conditions(execution: Execution) -> list[str]:
    """The environment variables that the kernel recorded of EXECUTION; a string that is none has no condition."""
    pairs = [value.text.partition("=") for value in (execution.envp.values if execution.envp is not None else ())]
    return [f'exec.envp["{name}"]="{value}"' for name, equals, value in pairs if equals and name]


def converted(
    record: AuditRecord,
    conditions: Callable[[AuditRecord], list[str]] = request_conditions,
    kept: Iterable[str] = (),
) -> str | None:
    """RECORD as a line of domain policy; None where it is of an event, or has none of the conditions.

    KEPT are attributes, or beginnings of their names, such as ``task.uid`` and
    ``exec``: of what CONDITIONS finds, only they are kept.
    """
    if not isinstance(record.request, Entry):
        return None
    found = conditions(record)
    if not found:
        return None
    wanted = tuple(kept)
    if wanted:
        found = [test for test in found if any(_is_of(test, name) for name in wanted)]
    return " ".join([str(record.request), *found])


def check_kept(kept: Iterable[str]) -> None:
    """Raise ValueError for a name among KEPT, as ``converted`` takes them, that no condition has."""
    attributes = [name for name in ATTRIBUTES if "." in name] + ["exec.argv", "exec.envp"]
    for name in kept:
        whole = _INDEX.sub("", name)
        if not any(attribute == whole or (name == whole and attribute.startswith(f"{name}.")) for attribute in attributes):
            raise ValueError(
                f"no condition has the name {quoted(name)} (expected {', '.join(attributes)}, or a beginning such as task)"
            )


def _is_of(test: str, name: str) -> bool:
    return test.startswith(name) and test[len(name) :][:1] in ("=", ".", "[")

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
from ..model.diagnostics import did_you_mean
from ..model.errors import InvalidValueError
from ..model.records import AuditRecord, Execution
from ..model.words import quoted
from ..syntax.record_grammar import RecordText
from ..syntax.records import read_execution, remembered, text_of

__all__ = ["converted", "execution_conditions", "request_conditions"]

#: What a name of one argument or variable has behind it.
_INDEX = re.compile(r'(?<=^exec\.argv)\[[0-9]+\]$|(?<=^exec\.envp)\["[^"]*"\]$')


def request_conditions(record: AuditRecord | RecordText) -> list[str]:
    """Every attribute in RECORD as a condition."""
    return _conditions(text_of(record)).split(" ")


def _conditions(text: RecordText) -> str:
    """Every attribute in TEXT as a condition, one behind the other as the record has them."""
    attributes, executes, execution = text.details.partition(" exec={ ")
    task, *blocks = attributes.removesuffix(" }").split(" } ")
    found = f"task.pid={text.pid} task.ppid={text.ppid} task.{task.replace(' ', ' task.')}"
    for block in blocks:
        name, opens, values = block.partition("={ ")
        found += f" {name}.{values.replace(' ', f' {name}.')}" if opens else f" {block}"
    return " ".join([found, *_of_execution(execution)]) if executes else found


@remembered(512, 8000)
def _of_execution(text: str) -> list[str]:
    execution = read_execution(text)
    found = [f"exec.realpath={execution.realpath}", f"exec.argc={execution.argc}", f"exec.envc={execution.envc}"]
    return [*found, *argument_conditions(execution), *environment_conditions(execution)]


def execution_conditions(record: AuditRecord | RecordText) -> list[str]:
    """What RECORD tells of an execution as conditions; empty where it is of another request."""
    text = text_of(record)
    _, executes, execution = text.details.partition(" exec={ ")
    if not executes or not text.request.startswith("file execute "):
        return []
    realpath, argc, envc, *strings = _of_execution(execution)
    values = [test for test in strings if test.startswith("exec.argv")]
    return [realpath, argc, *values, envc, *strings[len(values) :]]


def argument_conditions(execution: Execution) -> list[str]:
    """The arguments that the kernel recorded of EXECUTION."""
    values = execution.argv.values if execution.argv is not None else ()
    return [f"exec.argv[{index}]={value}" for index, value in enumerate(values)]


def environment_conditions(execution: Execution) -> list[str]:
    """The environment variables that the kernel recorded of EXECUTION; a string that is none has no condition."""
    pairs = [value.text.partition("=") for value in (execution.envp.values if execution.envp is not None else ())]
    return [f'exec.envp["{name}"]="{value}"' for name, equals, value in pairs if equals and name]


def converted(
    record: AuditRecord | RecordText,
    conditions: Callable[[AuditRecord | RecordText], list[str]] = request_conditions,
    kept: Iterable[str] = (),
) -> str | None:
    """RECORD as a line of domain policy; None where it is of an event, or has none of the conditions.

    KEPT are attributes, or beginnings of their names, such as ``task.uid`` and
    ``exec``: of what CONDITIONS finds, only they are kept.
    """
    text = text_of(record)
    if text.event:
        return None
    if conditions is request_conditions and not kept:
        return f"{text.request} {_conditions(text)}"
    found = conditions(text)
    if not found:
        return None
    wanted = tuple(kept)
    if wanted:
        found = [test for test in found if any(_is_of(test, name) for name in wanted)]
    return " ".join([text.request, *found])


def check_kept(kept: Iterable[str]) -> None:
    """Raise InvalidValueError for a name among KEPT, as ``converted`` takes them, that no condition has."""
    attributes = [name for name in ATTRIBUTES if "." in name] + ["exec.argv", "exec.envp"]
    for name in kept:
        whole = _INDEX.sub("", name)
        if not any(attribute == whole or (name == whole and attribute.startswith(f"{name}.")) for attribute in attributes):
            near = did_you_mean(name, attributes)
            listed = f" (expected {', '.join(attributes)}, or a beginning such as task)"
            raise InvalidValueError(f"no condition has the name {quoted(name)}" + (f"; {near}" if near else listed))


def _is_of(test: str, name: str) -> bool:
    return test.startswith(name) and test[len(name) :][:1] in ("=", ".", "[")

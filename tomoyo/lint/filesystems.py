r"""Lint: names that the kernel does not use for what is in a special filesystem, such as ``/proc/meminfo``."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.conditions import Comparison
from ..model.diagnostics import Diagnostic, Severity
from ..model.entries import Entry, GroupKind, Kind
from ..model.filesystems import Misnamed, misnamed
from ..model.words import GroupReference, Quoted, Word
from .context import LintContext, Remark

#: Types of mounts whose device is a directory.
_OF_DIRECTORIES = ("--bind", "--move")


def find_misnamed(context: LintContext) -> Iterator[Diagnostic]:
    """Names of special files, wherever they stand, by which the kernel asks for nothing."""

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        return list(misnamed_in(entry, context, namespace))

    yield from context.remarks(judge)
    used: dict[tuple[str, str], list[str]] = {}
    for part in context.policy.namespaces.values():
        for placed in part.members:
            member = placed.value.member
            if placed.value.kind is GroupKind.PATH and isinstance(member, Word) and misnamed(member.text) is not None:
                key = part.name, placed.value.name.text
                operations = used.get(key) or used.setdefault(key, _operations(context, *key))
                entry = f"path_group {placed.value.name} {member}"
                for remark in _remarks(member.text, operations, context, part.name):
                    yield context.remark(remark, placed.saying(entry))
        for aggregator in part.aggregators:
            for remark in _remarks(aggregator.value.pattern.text, ["aggregator"], context, part.name):
                yield context.remark(remark, aggregator)
        for control in part.transitions:
            if control.value.program is not None:
                for remark in _remarks(control.value.program.text, ["execute"], context, part.name):
                    yield context.remark(remark, control)
    for manager in context.policy.managers:
        if isinstance(manager.value, Word):
            found = misnamed(manager.value.text)
            if found is not None:
                yield context.remark(_remark(manager.value.text, found), manager)


def misnamed_in(entry: Entry, context: LintContext, namespace: str) -> Iterator[Remark]:
    """What is to be said about names in ENTRY itself."""
    if entry.kind is Kind.MOUNT:
        device, directory, filesystem, _ = entry.arguments
        if isinstance(device, Word) and str(filesystem) in _OF_DIRECTORIES:
            yield from _remarks(device.text, ["read"], context, namespace)
        if isinstance(directory, Word):
            yield from _remarks(directory.text, ["mount"], context, namespace)
    elif entry.kind.keyword == "file":
        for argument in entry.arguments[: 2 if entry.kind is Kind.TWO_PATHS else 1]:
            if isinstance(argument, Word):
                yield from _remarks(argument.text, entry.operations, context, namespace)
    for test in entry.condition.tests if entry.condition is not None else ():
        if isinstance(test, Comparison) and str(test.left) == "exec.realpath" and isinstance(test.right, Quoted) and test.equal:
            for remark in _remarks(test.right.text, ["read"], context, namespace):
                yield remark._replace(remedy="write the real path of the program")


def _operations(context: LintContext, namespace: str, group: str) -> list[str]:
    """The operations for which entries name the path group; ``read`` where none does."""
    found: dict[str, None] = {}
    for placed in context.references().get((namespace, GroupKind.PATH, group), ()):
        entry: Entry = placed.value
        if GroupReference(group) not in entry.arguments:
            found["read"] = None  # for exec.realpath
        else:
            found |= dict.fromkeys(entry.operations if entry.kind.keyword == "file" else ["address"])
    return list(found) or ["read"]


def _remarks(text: str, operations: tuple[str, ...] | list[str], context: LintContext, namespace: str) -> Iterator[Remark]:
    """What is to be said about the name TEXT in the place of a file to which OPERATIONS are done."""
    found = {operation: _misnamed(text, operation, context, namespace) for operation in operations}
    wrong = {operation: one for operation, one in found.items() if one is not None}
    if wrong:
        rest = f" (for {'/'.join(wrong)}; other operations can match)" if len(wrong) < len(found) else ""
        remark = _remark(text, next(iter(wrong.values())))
        yield remark._replace(reason=remark.reason + rest)


def _misnamed(text: str, operation: str, context: LintContext, namespace: str) -> Misnamed | None:
    if operation == "address":
        return None  # of a unix socket: whatever a program writes
    if operation == "execute" and context.rules(namespace).is_aggregate(text):
        return None  # an aggregator may give any name to a program
    return misnamed(text, "execute" if operation == "aggregator" else operation)


def _remark(text: str, found: Misnamed) -> Remark:
    severity = None if found.never else Severity.NOTE
    return Remark("never-asked", f"{text}: {found.reason}", text, severity, found.asked)

r"""Lint: entries that can never match, whatever happens.

A claim here is proved: taking the entry away, or the operation that it is
about, changes no decision.  What a name can look like is kernel behaviour
(tomoyo_realpath_from_path() in security/tomoyo/realpath.c, and
tomoyo_add_slash() in file.c): absolute, without ``//``, ``.`` and ``..``, with
``/`` at the end for directories and nothing else.  The address of a unix
socket is whatever the program says, so nothing is claimed of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..decision.matching import matches_nothing
from ..decision.transition import TransitionRules
from ..model.conditions import Comparison
from ..model.diagnostics import Diagnostic
from ..model.entries import Argument, Entry, GroupKind, Kind
from ..model.numbers import NumberRange
from ..model.words import GroupReference, Quoted, Word
from .conditions import contradiction
from .context import LintContext, Remark

#: Operations whose names always end in '/', and those whose names never do.
_DIRECTORIES = frozenset({"rmdir", "chroot", "mkdir", "pivot_root"})
_FILES = frozenset({"execute", "write", "append", "truncate", "symlink", "create", "mkfifo", "mksock", "mkblock", "mkchar"})
#: Larger groups are not looked through.
_MEMBERS = 256
#: The largest number of an operation.
_MODES = 0o7777
_WORD = 2**32 - 1
_LARGEST = {
    **dict.fromkeys(("create", "mkdir", "mkfifo", "mksock", "chmod", "mkblock", "mkchar"), _MODES),
    **dict.fromkeys(("chown", "chgrp", "ioctl"), _WORD),
}


def find_unmatched(context: LintContext) -> Iterator[Diagnostic]:
    """Entries, group members and transition controls that can never match."""

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        return list(unmatched(entry, context, namespace))

    yield from context.remarks(judge)
    of_files: dict[tuple[str, str], bool] = {}
    for part in context.policy.namespaces.values():
        rules = context.rules(part.name)
        for placed in part.transitions:
            program = placed.value.program
            if program is not None:
                reason = name_fault(program.text) or _ending(program.text, "execute") or _renamed(program.text, rules)
                if reason:
                    yield context.finding(
                        "never-executed", placed, f"{program}: {reason}", word=program.text, entry=str(placed.value)
                    )
        for aggregator in part.aggregators:
            text = aggregator.value.pattern.text
            reason = (
                name_fault(text)
                or _ending(text, "execute")
                or ("the pattern excludes all that it includes" if matches_nothing(text) else "")
            )
            if reason:
                yield context.finding("never-executed", aggregator, f"{text}: {reason}", word=text, entry=str(aggregator.value))
        for each in part.members:
            member = each.value.member
            if each.value.kind is not GroupKind.PATH or not isinstance(member, Word):
                continue
            entry = f"path_group {each.value.name} {member}"
            if matches_nothing(member.text):
                reason = f"{member} excludes all that it includes"
                yield context.finding("impossible-pattern", each, reason, word=member.text, entry=entry)
                continue
            reason = name_fault(member.text)
            key = part.name, each.value.name.text
            if reason and key not in of_files:
                of_files[key] = _only_of_files(context, *key)
            if reason and of_files[key]:
                yield context.finding("not-canonical", each, f"{member}: {reason}", word=member.text, entry=entry)


def _only_of_files(context: LintContext, namespace: str, group: str) -> bool:
    """Whether entries name the path group, and only where the kernel compares names of files."""
    found = context.references().get((namespace, GroupKind.PATH, group), ())
    reference = GroupReference(group)
    return bool(found) and all(placed.value.kind.keyword == "file" and reference in _paths(placed.value) for placed in found)


def unmatched(entry: Entry, context: LintContext, namespace: str) -> Iterator[Remark]:
    """Why ENTRY, or an operation of it, can never match."""
    kind = entry.kind
    if kind.keyword == "file":
        for argument in _paths(entry):
            if isinstance(argument, Word):
                yield from _judge_name(argument.text)
        yield from _judge_directories(entry, context, namespace)
        yield from _judge_numbers(entry)
        if "execute" in entry.operations and isinstance(entry.arguments[0], Word):
            renamed = _renamed(entry.arguments[0].text, context.rules(namespace))
            if renamed:
                yield Remark("never-executed", f"execute {entry.arguments[0]}: {renamed}", str(entry.arguments[0]))
    if entry.condition is not None and entry.condition.tests:
        reason = contradiction(entry, lambda name: context.members(GroupKind.NUMBER, namespace, name))
        if reason:
            yield Remark("impossible-condition", reason)
        yield from _judge_realpaths(entry)


def _paths(entry: Entry) -> tuple[Argument, ...]:
    """The arguments of a ``file`` entry that are compared with names of files."""
    if entry.kind is Kind.MOUNT:
        return entry.arguments[1:2]
    return entry.arguments[: 2 if entry.kind is Kind.TWO_PATHS else 1]


def _members(argument: Argument, context: LintContext, namespace: str) -> list[str]:
    """The names that ARGUMENT stands for; none where these are not known."""
    if isinstance(argument, Word):
        return [argument.text]
    if isinstance(argument, GroupReference):
        return context.path_members(namespace, argument.name)
    return []


def _judge_name(text: str) -> Iterator[Remark]:
    fault = name_fault(text)
    if fault:
        yield Remark("not-canonical", f"{text}: {fault}", text)
    elif matches_nothing(text):
        yield Remark("impossible-pattern", f"{text} excludes all that it includes", text)


def name_fault(text: str) -> str:
    """Why no file can have the name TEXT; empty where one can."""
    if text.startswith("/"):
        path = text
    else:
        system, slash, rest = text.partition("/")
        if "\\" in system:
            return ""
        if ":" not in system:
            return "the name of a file is absolute: /PATH, or FILESYSTEM:/PATH"
        path = slash + rest
    if "//" in path:
        return "no name of a file has '//'"
    if "/." in path:
        for component in path.split("/"):
            if component in (".", ".."):
                return f"no name of a file has '{component}' in it, since the kernel follows it"
    return ""


def _ending(text: str, operation: str) -> str:
    """Why OPERATION is never about a file with a name such as TEXT; empty where it may be."""
    if text.endswith("/"):
        return f"{operation} is never about a folder" if operation in _FILES else ""
    return f"the kernel names what {operation} is about with a '/' at the end" if operation in _DIRECTORIES else ""


def _judge_directories(entry: Entry, context: LintContext, namespace: str) -> Iterator[Remark]:
    useless: dict[str, tuple[str, Argument]] = {}
    told = _DIRECTORIES.union(_FILES).intersection(entry.operations)
    for argument in _paths(entry) if told else ():
        members = _members(argument, context, namespace)
        if not 0 < len(members) <= _MEMBERS:
            continue
        for operation in entry.operations:
            reasons = [_ending(member, operation) for member in members]
            if all(reasons):
                useless.setdefault(operation, (reasons[0], argument))
    for operation in {"rename", "link"}.intersection(entry.operations):
        first, second = (_members(argument, context, namespace) for argument in entry.arguments[:2])
        ends = [{member.endswith("/") for member in members} for members in (first, second) if len(members) <= _MEMBERS]
        # Of what is renamed another name may be a directory's: RENAME_EXCHANGE swaps a file and a directory.
        if len(ends) == 2 and all(ends) and not ends[0] & ends[1] and (operation == "link" or ends[0] == {True}):
            useless[operation] = "the kernel ends both names with '/', or neither", entry.arguments[1]
    for operation, (reason, argument) in useless.items():
        whole = " (the entry's other operations can match)" if len(useless) < len(entry.operations) else ""
        yield Remark("wrong-directory", f"{operation} {argument}: {reason}{whole}", str(argument))


def _judge_numbers(entry: Entry) -> Iterator[Remark]:
    number = entry.arguments[1] if len(entry.arguments) > 1 else None
    if not isinstance(number, NumberRange):
        return
    for largest, shown in ((_MODES, f"0{_MODES:o}"), (_WORD, str(_WORD))):
        found = [operation for operation in entry.operations if _LARGEST.get(operation) == largest]
        if found and number.first.value > largest:
            reason = f"{'/'.join(found)} {number}: that is more than {shown}, the most that there can be"
            yield Remark("impossible-number", reason, str(number))


def _renamed(text: str, rules: TransitionRules) -> str:
    """Why the program TEXT is always executed as another; empty where it is not."""
    if "\\" in text:
        return ""
    name = rules.aggregated(text)
    if name == text or rules.is_aggregate(text):
        return ""
    return f"an aggregator makes {name} of this program"


def _judge_realpaths(entry: Entry) -> Iterator[Remark]:
    """Real paths in conditions that no file has."""
    for test in entry.condition.tests if entry.condition else ():
        if isinstance(test, Comparison) and test.equal and isinstance(test.right, Quoted) and str(test.left) == "exec.realpath":
            text = test.right.text
            fault = name_fault(text) if text else "no program has an empty name"
            if not fault and text.endswith("/"):
                fault = "no program is a folder"
            if not fault and matches_nothing(text):
                fault = "the pattern excludes all that it includes"
            if fault:
                yield Remark("impossible-condition", f"{test}: {fault}", text)

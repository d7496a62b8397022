"""Lint: managers that others could take the place of.

The kernel lets the programs and domains of this list change its policy: it
compares the real path of the running program, and the name of its domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..decision.containment import NameIndex
from ..decision.groups import Groups
from ..model.diagnostics import Diagnostic, Severity
from ..model.entries import Entry, Kind
from ..model.exception_policy import NamespaceExceptions
from ..model.profiles import Mode
from ..model.words import NAMES, DomainName, Word
from ..syntax.policy_text import Located, TextKind
from .context import EntryList, LintContext
from .writing import PUTS, TEMPORARY, named

_INTERPRETER = re.compile(
    r"/(?:sh|bash|dash|zsh|ksh|mksh|ash|fish|tcsh|csh|busybox|toybox|env|sudo|su|doas|nice|xargs|find|awk|gawk|sed|vim?|emacs"
    r"|perl|python|pypy|ruby|node|lua|luajit|tclsh|guile|php|java|gdb|strace|systemd-run|nix-shell)[0-9.]*\Z"
)
_NO_GROUPS = Groups(NamespaceExceptions())


def find_manager_faults(context: LintContext) -> Iterator[Diagnostic]:
    """Managers that could be impersonated, or that are none."""
    policy = context.policy
    for placed in policy.manage_by_non_root:
        reason = "manage_by_non_root lets every user manage policy who can start a manager"
        yield context.finding("manager-everyone", placed, reason, entry="manage_by_non_root")
    if policy.has(TextKind.MANAGER) and not policy.managers:
        text = next(text for text in policy.texts if text.kind is TextKind.MANAGER)
        yield context.finding("no-manager", Located(None, text, 1), "once this policy is active, nothing can change it")
    programs: dict[str, Located[object]] = {}
    for placed in policy.managers:
        if isinstance(placed.value, DomainName):
            yield from _judge_domain(context, placed, placed.value)
            if placed.value.programs:
                programs.setdefault(placed.value.programs[-1], placed)
        else:
            yield from _judge_program(context, placed, placed.value)
            programs.setdefault(placed.value.text, placed)
    if programs:
        yield from _judge_access(context, programs)


def _judge_domain(context: LintContext, placed: Located[object], name: DomainName) -> Iterator[Diagnostic]:
    policy = context.policy
    domain = policy.domains.get(name.text)
    if not name.programs:
        yield context.finding("manager-broad", placed, f"every program that runs in {name} may manage policy", entry=name.text)
    elif domain is None and policy.has(TextKind.DOMAIN):
        reason = f"{name} is not defined, so it comes into being with the profile of whoever starts it"
        yield context.finding("manager-undefined", placed, reason, severity=Severity.NOTE, entry=name.text)
    if domain is not None and context.mode(domain, "file::execute") is Mode.LEARNING:
        yield context.finding("manager-learning", placed, f"{name} is a manager in learning mode", entry=name.text)


def _judge_program(context: LintContext, placed: Located[object], program: Word) -> Iterator[Diagnostic]:
    text = program.text
    if program.is_pattern:
        reason = f"{text} is a pattern, and the kernel compares managers literally"
        yield context.finding("manager-undefined", placed, reason, entry=text)
    elif _INTERPRETER.search(text):
        reason = f"{text} runs whatever it is given, and all of that may manage policy"
        yield context.finding("manager-interpreter", placed, reason, entry=text)
    if text.startswith(TEMPORARY):
        yield context.finding("manager-writable", placed, f"{text}: everybody may create files in that folder", entry=text)


def _judge_access(context: LintContext, programs: dict[str, Located[object]]) -> Iterator[Diagnostic]:
    """Entries that let a manager's program be changed, or be started by what is enforced."""
    managing = {placed.value for placed in context.policy.managers}
    changes: NameIndex[tuple[EntryList, Located[Entry]]] = NameIndex(_NO_GROUPS)
    executes: NameIndex[tuple[EntryList, Located[Entry]]] = NameIndex(_NO_GROUPS)
    for entries in context.lists():
        domain = entries.domain
        if domain is not None and domain.name in managing:
            continue
        enforced = domain is not None and context.mode(domain, "file::execute") is Mode.ENFORCING
        for placed in entries.entries:
            entry: Entry = placed.value
            for argument, _ in named(entry, PUTS):
                changes.add(argument, (entries, placed))
            if enforced and entry.kind is Kind.PATH and "execute" in entry.operations:
                executes.add(entry.arguments[0], (entries, placed))
    for program, manager in programs.items():
        found = next(changes.find(program), None) if not program.startswith(NAMES) else None
        if found is not None:
            reason = f"'{found[1].value}' of {found[0].title} lets {program} be changed, which may manage policy"
            yield context.finding("manager-writable", manager, reason, entry=str(manager.value))
        found = next(executes.find(program), None)
        if found is not None:
            reason = f"'{found[1].value}' of {found[0].title} may start {program}, which may manage policy"
            yield context.finding("manager-executable", found[1], reason, entry=str(found[1].value))

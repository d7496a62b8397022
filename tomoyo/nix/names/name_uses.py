"""Uses: where a policy says a name, and what the kernel compares it with there.

The kernel sees names in two ways.  When a program is executed, an aggregator
has put the name in the place of the path, so domain names, ``file execute``
and transition controls say ``nix:/nginx/bin/nginx`` itself.  Everywhere else it
compares real paths, and a name can only stand as a group: ``@nix:/...``.  A
name at a place where it can never match is a use all the same, so that
somebody can be told.

`policy_uses` reads policy values; a caller who knows the text as well finds
the line of each use with `domain_policy_places` and its like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ...model.conditions import Attribute, Comparison
from ...model.domains import DomainPolicy
from ...model.entries import ArgumentType, Entry, GroupKind, Kind
from ...model.exception_policy import ExceptionPolicy, NamespaceExceptions, TransitionControl
from ...model.managers import ManagerPolicy
from ...model.words import KERNEL, DomainName, GroupReference, Quoted, Word
from ...syntax.domain_policy import read_domain_content
from ...syntax.exception_policy import read_exception_content
from ...syntax.lines import Line, Source, column, normalise, raw_lines, read_line
from ...syntax.managers import read_manager_line
from ...syntax.statements import GroupMember, InNamespace, OpenDomain, SetManager, SharedEntry, Statement
from .names import PREFIX, is_name


class Role(Enum):
    """What a name is used as: a right use, or one that never matches."""

    EXECUTED = "a program that is executed"
    """In a domain's name, a transition control, a transition preference, or ``file execute``."""
    REFERENCE = "a group of real paths"
    """``@nix:/...`` as an argument, or behind ``exec.realpath=`` or ``symlink.target=``."""
    TARGET = "a group of texts of symlinks"
    """``@nix:/...`` behind ``symlink.target=``, compared with what a new symlink says: there a directory has no slash."""
    MANAGER = "a manager"
    """A program in the manager list, which the kernel compares with real paths: the list cannot hold a group."""
    BARE = "a real path"
    """Wrong: ``nix:/...`` without ``@`` where the kernel compares real paths."""
    QUOTED = "a quoted real path"
    """Wrong: ``exec.realpath="nix:/..."``."""
    EXECUTED_REFERENCE = "a group of programs"
    """Wrong: ``file execute @nix:/...``."""
    MEMBER = "a member of a group of real paths"
    """Wrong: ``path_group NAME nix:/...``, where no ``file execute`` names the group."""


_TARGET = Attribute("symlink.target")
#: What stands before a name's text.
_SIGILS = {Role.REFERENCE: "@", Role.TARGET: "@", Role.EXECUTED_REFERENCE: "@", Role.QUOTED: '"'}


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a policy's source; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Use:
    """A name, used as something in a namespace, whose aggregators and groups it takes.

    text: the name as written, not yet checked.
    """

    namespace: str
    role: Role
    text: str

    @property
    def written(self) -> str:
        """The text with the sigil that it has in this role: ``@nix:/...``."""
        sigil = _SIGILS.get(self.role, "")
        return f"{sigil}{self.text}{sigil}" if sigil == '"' else f"{sigil}{self.text}"


def policy_uses(
    domains: DomainPolicy | None = None,
    exceptions: ExceptionPolicy | None = None,
    managers: ManagerPolicy | None = None,
) -> dict[Use, None]:
    """Every use in a policy, each once, in the order of the first."""
    found: dict[Use, None] = {}
    entries: list[tuple[str, Iterable[Entry]]] = []
    for domain in domains or ():
        found.update(dict.fromkeys(domain_name_uses(domain.name)))
        entries.append((domain.name.namespace, domain.entries))
    for part in exceptions or ():
        entries += [(part.namespace, shared) for _, shared in part.acl_groups]
        for control in part.transitions:
            found.update(dict.fromkeys(transition_uses(control, part.namespace)))
    seen: dict[str, set[Entry]] = {}
    for namespace, some in entries:
        known = seen.setdefault(namespace, set())
        for entry in some:
            # Learned policies repeat their entries.
            if PREFIX in entry.subject and entry not in known:
                known.add(entry)
                found.update(dict.fromkeys(entry_uses(entry, namespace)))
    executed_groups = _executed_groups(entries) if exceptions else set()
    for part in exceptions or ():
        found.update(dict.fromkeys(_member_uses(part, executed_groups)))
    for manager in managers.managers if managers else ():
        found.update(dict.fromkeys(manager_uses(manager)))
    return found


def domain_name_uses(name: DomainName) -> Iterator[Use]:
    """The programs of a domain's name, which are executed in its namespace."""
    if PREFIX in name.text:
        namespace, *programs = name.text.split(" ")
        for program in programs:
            if is_name(program):
                yield Use(namespace, Role.EXECUTED, program)


def transition_uses(control: TransitionControl, namespace: str) -> Iterator[Use]:
    """The programs that a transition control names."""
    for word in (control.program, control.domain):
        if word is not None:
            yield from _executed_uses(word, namespace)


def manager_uses(manager: Word | DomainName) -> Iterator[Use]:
    """The name that a manager is, or the programs of the domain that it is."""
    if isinstance(manager, DomainName):
        yield from domain_name_uses(manager)
    elif is_name(manager.text):
        yield Use(KERNEL, Role.MANAGER, manager.text)


def entry_uses(entry: Entry, namespace: str) -> Iterator[Use]:
    """The names in an entry of a domain, or acl_group, of NAMESPACE."""
    executes = entry.kind is Kind.PATH and "execute" in entry.operations
    others = not executes or len(entry.operations) > 1
    for value in entry.arguments:
        if isinstance(value, DomainName):
            yield from domain_name_uses(value)
        elif isinstance(value, Word) and is_name(value.text) and entry.kind is not Kind.ENVIRONMENT:
            if executes:
                yield Use(namespace, Role.EXECUTED, value.text)
            if others:
                yield Use(namespace, Role.BARE, value.text)
    for value, wanted in zip(entry.arguments, entry.kind.arguments.values()):
        if isinstance(value, GroupReference) and wanted is ArgumentType.NAME and is_name(value.name):
            if others:
                yield Use(namespace, Role.REFERENCE, value.name)
            if executes:
                yield Use(namespace, Role.EXECUTED_REFERENCE, value.name)
    if entry.condition is None:
        return
    if entry.condition.transition is not None:
        yield from _executed_uses(entry.condition.transition, namespace)
    for test in entry.condition.tests:
        if not isinstance(test, Comparison) or not test.compares_strings:
            continue
        if isinstance(test.right, Quoted) and is_name(test.right.text):
            yield Use(namespace, Role.QUOTED, test.right.text)
        elif isinstance(test.right, GroupReference) and is_name(test.right.name):
            # The conditions of an execution compare real paths, too.
            role = Role.TARGET if test.left == _TARGET else Role.REFERENCE
            yield Use(namespace, role, test.right.name)


def _executed_uses(value: Word | DomainName, namespace: str) -> Iterator[Use]:
    if isinstance(value, DomainName):
        yield from domain_name_uses(value)
    elif is_name(value.text):
        yield Use(namespace, Role.EXECUTED, value.text)


def _executed_groups(entries: Iterable[tuple[str, Iterable[Entry]]]) -> set[tuple[str, str]]:
    """Namespace and name of each group that a ``file execute`` names."""
    return {
        (namespace, entry.arguments[0].name)
        for namespace, some in entries
        for entry in some
        if entry.kind is Kind.PATH and "execute" in entry.operations and isinstance(entry.arguments[0], GroupReference)
    }


def _member_uses(part: NamespaceExceptions, executed: set[tuple[str, str]]) -> Iterator[Use]:
    for group in part.groups:
        role = Role.EXECUTED if (part.namespace, group.name.text) in executed else Role.MEMBER
        for member in group.members if group.kind is GroupKind.PATH else ():
            if is_name(str(member)):
                yield Use(part.namespace, role, str(member))


def domain_policy_places(source: Source, file: str) -> dict[Use, Place]:
    """Where each use first stands in the domain policy SOURCE; FILE is its name.

    Lines that the kernel would drop have none.
    """
    namespace = ""

    def uses(statement: Statement | None) -> Iterator[Use]:
        nonlocal namespace
        if isinstance(statement, OpenDomain):
            namespace = statement.name.namespace if statement.name else ""
            return domain_name_uses(statement.name) if statement.name else iter(())
        return entry_uses(statement, namespace) if isinstance(statement, Entry) else iter(())

    return _places(source, file, read_domain_content, uses)


def exception_policy_places(source: Source, file: str) -> dict[Use, Place]:
    """The same for an exception policy."""

    def uses(statement: Statement | None) -> Iterator[Use]:
        if isinstance(statement, InNamespace):
            content = statement.content
            if isinstance(content, TransitionControl):
                yield from transition_uses(content, statement.namespace)
            elif isinstance(content, SharedEntry):
                yield from entry_uses(content.entry, statement.namespace)
            elif isinstance(content, GroupMember) and content.kind is GroupKind.PATH and is_name(str(content.member)):
                # Which of the two it is hangs on the rest of the policy.
                yield Use(statement.namespace, Role.EXECUTED, str(content.member))
                yield Use(statement.namespace, Role.MEMBER, str(content.member))

    return _places(source, file, read_exception_content, uses)


def manager_places(source: Source, file: str) -> dict[Use, Place]:
    """The same for a manager list."""

    def uses(statement: Statement | None) -> Iterator[Use]:
        manager = statement.manager if isinstance(statement, SetManager) else None
        return manager_uses(manager) if manager is not None else iter(())

    return _places(source, file, read_manager_line, uses)


def _places(
    source: Source, file: str, reader: Callable[[Line], Any], uses: Callable[[Statement | None], Iterator[Use]]
) -> dict[Use, Place]:
    found: dict[Use, Place] = {}
    for number, (raw, _) in enumerate(raw_lines(source), 1):
        # A domain's line counts without a name, too: it says the namespace.
        if PREFIX in raw or raw.lstrip().startswith("<"):
            statement, _ = read_line(raw, reader)
            for use in uses(statement):
                if use not in found:
                    found[use] = Place(file, number, column(raw, _offset(normalise(raw), use)))
    return found


def _offset(line: str, use: Use) -> int:
    """Where USE stands in the normalised LINE."""
    position = -1
    while True:
        position = line.find(use.written, position + 1)
        if position < 0:
            return 0
        end = position + len(use.written)
        # The whole word, not the beginning of a longer one.
        if (position == 0 or line[position - 1] in " =") and (end == len(line) or line[end] == " "):
            return position

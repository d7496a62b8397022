"""Uses: where a policy says a name, and what the kernel compares it with there.

The kernel sees names in two ways.  When a program is executed, an aggregator
has put the name in the place of the path, so domain names, ``file execute``
and transition controls say ``nix:/nginx/bin/nginx`` itself.  Everywhere else it
compares real paths, and a name can only stand as a group: ``@nix:/...``.  A
name at a place where it can never match is a use all the same, so that
somebody can be told.

`policy_uses` reads policy values; a caller who knows the text as well finds
the place of each use with `use_places`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ...model.conditions import Attribute, Comparison
from ...model.domains import DomainPolicy
from ...model.entries import ArgumentType, Entry, GroupKind, Kind
from ...model.exception_policy import ExceptionPolicy, NamespaceExceptions, TransitionControl
from ...model.managers import ManagerPolicy
from ...model.words import KERNEL, NAMES, DomainName, GroupReference, Quoted, Word
from ...simulation.located_policy import LocatedPolicy
from ...syntax.policy_text import LIBRARY, Located
from .names import is_name

__all__ = ["Role", "Use", "policy_uses"]


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


@dataclass(frozen=True, slots=True)
class Use:
    """A name, used as something in a namespace, whose aggregators and groups it takes.

    Attributes:
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
            if NAMES in entry.subject and entry not in known:
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
    if NAMES in name.text:
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


def use_places(policy: LocatedPolicy) -> dict[Use, Located[object]]:
    """Where each use first stands in POLICY, in the policy library last; those of modules are of the namespace ``""``."""
    order = {text: (text.directory == LIBRARY, position) for position, text in enumerate(policy.texts)}
    found: dict[Use, Located[object]] = {}
    for use, placed in _placed_uses(policy):
        other = found.get(use)
        if other is None or (order[placed.text], placed.line) < (order[other.text], other.line):
            found[use] = placed
    return found


def _placed_uses(policy: LocatedPolicy) -> Iterator[tuple[Use, Located[object]]]:
    for domain in policy.domains.values():
        yield from ((use, placed) for use in domain_name_uses(domain.name) for placed in domain.opened)
    for part in policy.namespaces.values():
        yield from ((use, placed) for placed in part.transitions for use in transition_uses(placed.value, part.name))
        for member in part.members:
            text = str(member.value.member)
            if member.value.kind is GroupKind.PATH and is_name(text):
                # Which of the two it is hangs on the rest of the policy.
                yield from ((Use(part.name, role, text), member) for role in (Role.EXECUTED, Role.MEMBER))
    for namespace, entry in policy.entries():
        if NAMES in entry.value.subject:
            yield from ((use, entry) for use in entry_uses(entry.value, namespace))
    yield from ((use, manager) for manager in policy.managers for use in manager_uses(manager.value))

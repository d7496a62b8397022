"""Policy with the place of every line: for those who judge how a policy is written.

Several texts may speak of one domain; what they say comes together in the
order in which they are given.  Lines are read as the kernel reads them, with
two additions of policy sources: ``use_group NAME`` for a module, and the texts
of modules, which hold entries alone.  Nothing is merged here: a line that is
there twice is there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from ..model.domains import Domain, merge_entries
from ..model.entries import Entry, GroupKind
from ..model.exception_policy import Aggregator, Group, NamespaceExceptions, TransitionControl
from ..model.profiles import ProfilePolicy
from ..model.states import ServiceState
from ..model.words import KERNEL, DomainName, Word, is_namespace
from .domain_policy import read_source_line
from .entries import read_entry
from .exception_policy import read_exception_content
from .holding import Holding
from .lines import UNENDED, Effect, Line, Problem, read_line
from .managers import read_manager_content
from .profiles import apply_profile, read_profile_content
from .statements import (
    ChangeProfile,
    GroupMember,
    InNamespace,
    OpenDomain,
    ProfileLine,
    Rejected,
    SetFlag,
    SetManager,
    SharedEntry,
    UseGroup,
    UseModule,
    UseProfile,
)

#: What the names of packages begin with.
NAMES = "nix:/"


#: How the names of files of policy end.
SUFFIX = ".conf"
#: The number of the policy library among the directories: what it says gives way to what any other says.
LIBRARY = -1


class TextKind(Enum):
    """What a text holds."""

    DOMAIN = "domain policy"
    EXCEPTION = "exception policy"
    MODULE = "a module's entries"
    NUMBERS = "numbers of modules"
    PROFILE = "profiles"
    MANAGER = "managers"
    STAT = "memory quotas"


@dataclass(frozen=True, slots=True, eq=False)
class PolicyText:
    """A text of policy.

    kind: what it holds.
    name: what messages call it, the path of a file.
    text: what it says, each byte one character.
    directory: which of the policy sources it is from, counted from 0; `LIBRARY`
        for the library's, which is written for all systems.
    state: the state that ``state.conf`` gives to all domains of its
        directory, or that is asked for of the library's service.
    adds: whether ``state.conf`` says ``library``: the profiles of the
        library's domains stand, whatever this directory says.
    """

    kind: TextKind
    name: str
    text: str = field(repr=False)
    directory: int = field(default=0, kw_only=True)
    state: ServiceState | None = field(default=None, kw_only=True)
    adds: bool = field(default=False, kw_only=True)

    @property
    def module(self) -> str:
        """The module that a text of modules is, by the name of its file."""
        return self.name.rpartition("/")[2].removesuffix(SUFFIX)

    def profile(self, said: int | None) -> int | None:
        """The profile that a domain gets here: where it is opened (SAID is None), or where ``use_profile`` says SAID.

        None for none.  In the library profile 0 is where a service's
        confinement ends, as with the shell of somebody who has logged in: no
        state changes that.
        """
        if self.state is None:
            return said
        if self.directory == LIBRARY:
            return said and self.state.value
        return self.state.value if said is None else None


class Placed(NamedTuple):
    """What a line says, the text that it is in, and its number there."""

    value: Any
    text: PolicyText
    line: int


@dataclass(slots=True)
class PlacedDomain:
    """A domain: where it is opened, and every line about it.  Groups are numbers or modules' names."""

    name: DomainName
    opened: list[Placed] = field(default_factory=list)
    profiles: list[Placed] = field(default_factory=list)
    groups: list[Placed] = field(default_factory=list)
    flags: list[Placed] = field(default_factory=list)
    entries: list[Placed] = field(default_factory=list)

    @property
    def profile(self) -> int:
        """The profile that the last line gives it, else 0."""
        number: int = self.profiles[-1].value if self.profiles else 0
        return number

    def value(self) -> Domain:
        """The domain without modules."""
        numbers = {placed.value for placed in self.groups if isinstance(placed.value, int)}
        return Domain(self.name, self.profile, tuple(sorted(numbers)), merge_entries(placed.value for placed in self.entries))


@dataclass(slots=True)
class PlacedNamespace:
    """A namespace's exception policy, line by line."""

    name: str
    transitions: list[Placed] = field(default_factory=list)
    aggregators: list[Placed] = field(default_factory=list)
    members: list[Placed] = field(default_factory=list)
    shared: dict[int, list[Placed]] = field(default_factory=dict)

    def value(self) -> NamespaceExceptions:
        """The exception policy that the lines make."""
        groups: dict[tuple[GroupKind, str], dict[Any, None]] = {}
        for placed in self.members:
            member: GroupMember = placed.value
            groups.setdefault((member.kind, member.name.text), {})[member.member] = None
        return NamespaceExceptions(
            self.name,
            tuple(dict.fromkeys(placed.value for placed in self.transitions)),
            tuple(dict.fromkeys(placed.value for placed in self.aggregators)),
            tuple(Group(kind, Word(name), tuple(members)) for (kind, name), members in groups.items()),
            tuple((number, merge_entries(placed.value for placed in self.shared[number])) for number in sorted(self.shared)),
        )


@dataclass(slots=True)
class PlacedPolicy:
    """Everything that texts say.

    problems: what is wrong with lines, as the readers tell it.
    comments: every comment line.
    profiles: None where no text has any; ``defined`` has the first line of each profile.
    """

    texts: tuple[PolicyText, ...]
    domains: dict[str, PlacedDomain] = field(default_factory=dict)
    namespaces: dict[str, PlacedNamespace] = field(default_factory=dict)
    modules: dict[str, list[Placed]] = field(default_factory=dict)
    module_texts: dict[str, PolicyText] = field(default_factory=dict)
    profiles: ProfilePolicy | None = None
    defined: dict[tuple[str, int], Placed] = field(default_factory=dict)
    managers: list[Placed] = field(default_factory=list)
    manage_by_non_root: list[Placed] = field(default_factory=list)
    problems: list[Placed] = field(default_factory=list)
    comments: list[Placed] = field(default_factory=list)

    def has(self, kind: TextKind) -> bool:
        """Whether there is a text of this KIND."""
        return any(text.kind is kind for text in self.texts)

    def namespace(self, name: str) -> PlacedNamespace:
        """The exception policy of namespace NAME, which may say nothing."""
        found = self.namespaces.get(name)
        if found is None:
            found = self.namespaces[name] = PlacedNamespace(name)
        return found


def read_placed_policy(texts: Iterable[PolicyText]) -> PlacedPolicy:
    """Read TEXTS.  Takes time linear in their size, and never fails: what is wrong is in ``problems``."""
    policy = PlacedPolicy(tuple(texts))
    profiles = Holding()
    for text in policy.texts:
        if text.kind is TextKind.DOMAIN:
            _read_domains(policy, text)
        elif text.kind is TextKind.EXCEPTION:
            _read_exceptions(policy, text)
        elif text.kind is TextKind.MODULE:
            _read_module(policy, text)
        elif text.kind is TextKind.PROFILE:
            _read_profiles(policy, text, profiles)
        elif text.kind is TextKind.MANAGER:
            _read_managers(policy, text)
    if policy.has(TextKind.PROFILE):
        policy.profiles = profiles.profile_policy()
    return policy


def _statements(policy: PlacedPolicy, text: PolicyText, reader: Any) -> Iterator[tuple[Any, int]]:
    """What each line of TEXT says, with its number; blank lines and comments are left out."""
    # Learned policies repeat their lines, so each different line is read once.
    known: dict[str, Any] = {}
    *lines, last = text.text.split("\n")
    for number, raw in enumerate(lines, 1):
        statement = known.get(raw)
        if statement is not None:
            yield statement, number
            continue
        if not raw or raw.isspace():
            continue
        if raw.lstrip()[0] == "#":
            policy.comments.append(Placed(raw.strip(), text, number))
            continue
        statement, problems = read_line(raw, reader)
        for problem in problems:
            policy.problems.append(Placed(problem, text, number))
        if statement is not None and not isinstance(statement, Rejected):
            if not problems:
                known[raw] = statement
            yield statement, number
    if last and not last.isspace():
        if last.lstrip()[0] == "#":
            policy.comments.append(Placed(last.strip(), text, len(lines) + 1))
        else:
            policy.problems.append(Placed(UNENDED, text, len(lines) + 1))


_NO_DOMAIN = Problem(Effect.DROPPED, 0, "", "no domain is selected, so this applies to none", "a domain's name in a line before")


def _read_domains(policy: PlacedPolicy, text: PolicyText) -> None:
    domain: PlacedDomain | None = None
    broken = False
    for statement, number in _statements(policy, text, read_source_line):
        placed = Placed(statement, text, number)
        if isinstance(statement, OpenDomain):
            broken = statement.name is None
            domain = None
            if statement.name is not None:
                domain = policy.domains.get(statement.name.text)
                if domain is None:
                    domain = policy.domains[statement.name.text] = PlacedDomain(statement.name)
                domain.opened.append(placed)
                _add_profile(domain, None, placed)
        elif domain is None:
            if not broken:  # else it was said that the domain is none
                policy.problems.append(Placed(_NO_DOMAIN, text, number))
        elif type(statement) is Entry:
            domain.entries.append(placed)
        elif isinstance(statement, UseProfile):
            _add_profile(domain, statement.profile, placed)
        elif isinstance(statement, UseGroup):
            domain.groups.append(Placed(statement.group, text, number))
        elif isinstance(statement, UseModule):
            domain.groups.append(Placed(statement.name, text, number))
        elif isinstance(statement, SetFlag):
            domain.flags.append(Placed(statement.flag, text, number))


def _add_profile(domain: PlacedDomain, said: int | None, placed: Placed) -> None:
    profile = placed.text.profile(said)
    if profile is not None:
        domain.profiles.append(placed._replace(value=profile))


def _read_exceptions(policy: PlacedPolicy, text: PolicyText) -> None:
    for statement, number in _statements(policy, text, read_exception_content):
        if not isinstance(statement, InNamespace):
            continue
        name: str | None = statement.namespace
        if not is_namespace(statement.namespace):
            # The kernel takes the first that begins so, which was told of.
            name = next((known for known in (KERNEL, *policy.namespaces) if known.startswith(statement.namespace)), None)
        if name is None:
            continue
        namespace = policy.namespace(name)
        content = statement.content
        if isinstance(content, TransitionControl):
            namespace.transitions.append(Placed(content, text, number))
        elif isinstance(content, Aggregator):
            namespace.aggregators.append(Placed(content, text, number))
        elif isinstance(content, GroupMember):
            namespace.members.append(Placed(content, text, number))
        elif isinstance(content, SharedEntry):
            namespace.shared.setdefault(content.group, []).append(Placed(content.entry, text, number))


def _read_module(policy: PlacedPolicy, text: PolicyText) -> None:
    held = policy.modules.setdefault(text.module, [])
    policy.module_texts.setdefault(text.module, text)
    held += [Placed(entry, text, number) for entry, number in _statements(policy, text, read_entry)]


def _read_profiles(policy: PlacedPolicy, text: PolicyText, holding: Holding) -> None:
    for statement, number in _statements(policy, text, read_profile_content):
        reason = apply_profile(holding, statement)
        if reason is not None:
            policy.problems.append(Placed(Problem(Effect.DROPPED, 0, "", reason, ""), text, number))
        elif isinstance(statement, ProfileLine) and isinstance(statement.content, ChangeProfile):
            key = (statement.namespace, statement.content.number)
            policy.defined.setdefault(key, Placed(statement.content.number, text, number))


def _read_managers(policy: PlacedPolicy, text: PolicyText) -> None:
    for statement, number in _statements(policy, text, _read_manager_line):
        if isinstance(statement, SetManager):
            placed = Placed(statement.manager, text, number)
            (policy.manage_by_non_root if statement.manager is None else policy.managers).append(placed)


def _read_manager_line(line: Line) -> Any:
    statement = read_manager_content(line)
    if line.text.startswith(NAMES):  # compile puts the program's path in its place
        line.problems = [problem for problem in line.problems if problem.effect is not Effect.USELESS]
    return statement

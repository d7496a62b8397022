"""Located policy, with the place of every line: for those who judge how a policy is written.

Several texts may speak of one domain; what they say comes together in the
order in which they are given.  Nothing is merged here: a line that is there
twice is there twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..model.diagnostics import Place
from ..model.domains import Domain, merge_entries
from ..model.entries import Entry, GroupKind
from ..model.exception_policy import Aggregator, Group, Member, NamespaceExceptions, TransitionControl
from ..model.profiles import ProfilePolicy
from ..model.words import KERNEL, DomainName, Word, is_namespace
from ..syntax.kernel_policy import KernelPolicy
from ..syntax.lines import Effect, Problem
from ..syntax.policy_text import Comment, Located, PolicyText, TextKind, read_lines
from ..syntax.profiles import apply_profile
from ..syntax.statements import (
    ChangeProfile,
    GroupMember,
    InNamespace,
    OpenDomain,
    ProfileLine,
    SetFlag,
    SetManager,
    SharedEntry,
    Statement,
    UseGroup,
    UseModule,
    UseProfile,
)


@dataclass(slots=True)
class LocatedDomain:
    """A domain: where it is opened, and every line about it.  Groups are numbers or modules' names."""

    name: DomainName
    opened: list[Located[object]] = field(default_factory=list)
    profiles: list[Located[int]] = field(default_factory=list)
    groups: list[Located[int | str]] = field(default_factory=list)
    flags: list[Located[str]] = field(default_factory=list)
    entries: list[Located[Entry]] = field(default_factory=list)

    @property
    def profile(self) -> int:
        """The profile that the last line gives it, else 0."""
        return self.profiles[-1].value if self.profiles else 0

    def value(self) -> Domain:
        """The domain without modules."""
        numbers = {placed.value for placed in self.groups if isinstance(placed.value, int)}
        return Domain(self.name, self.profile, tuple(sorted(numbers)), merge_entries(placed.value for placed in self.entries))


@dataclass(slots=True)
class LocatedNamespace:
    """A namespace's exception policy, line by line."""

    name: str
    transitions: list[Located[TransitionControl]] = field(default_factory=list)
    aggregators: list[Located[Aggregator]] = field(default_factory=list)
    members: list[Located[GroupMember]] = field(default_factory=list)
    shared: dict[int, list[Located[Entry]]] = field(default_factory=dict)

    def value(self) -> NamespaceExceptions:
        """The exception policy that the lines make."""
        groups: dict[tuple[GroupKind, str], dict[Member, None]] = {}
        for placed in self.members:
            member = placed.value
            groups.setdefault((member.kind, member.name.text), {})[member.member] = None
        return NamespaceExceptions(
            self.name,
            tuple(dict.fromkeys(placed.value for placed in self.transitions)),
            tuple(dict.fromkeys(placed.value for placed in self.aggregators)),
            tuple(Group(kind, Word(name), tuple(members)) for (kind, name), members in groups.items()),
            tuple((number, merge_entries(placed.value for placed in self.shared[number])) for number in sorted(self.shared)),
        )


@dataclass(slots=True)
class LocatedPolicy:
    """Everything that texts say.

    Attributes:
        problems: what is wrong with lines, as the readers tell it.
        comments: every comment line.
        profiles: None where no text has any; ``defined`` has the first line of each profile.
    """

    texts: tuple[PolicyText, ...]
    domains: dict[str, LocatedDomain] = field(default_factory=dict)
    namespaces: dict[str, LocatedNamespace] = field(default_factory=dict)
    modules: dict[str, list[Located[Entry]]] = field(default_factory=dict)
    module_texts: dict[str, PolicyText] = field(default_factory=dict)
    profiles: ProfilePolicy | None = None
    defined: dict[tuple[str, int], Located[int]] = field(default_factory=dict)
    managers: list[Located[Word | DomainName]] = field(default_factory=list)
    manage_by_non_root: list[Located[object]] = field(default_factory=list)
    problems: list[Located[Problem]] = field(default_factory=list)
    comments: list[Located[Comment]] = field(default_factory=list)

    def has(self, kind: TextKind) -> bool:
        """Whether there is a text of this KIND."""
        return any(text.kind is kind for text in self.texts)

    def first_of(self, namespace: str) -> Place:
        """The first line that says something in NAMESPACE, with the column of its name."""
        part = self.namespace(namespace)
        lines: list[Located[object]] = [d.opened[0] for d in self.domains.values() if d.name.namespace == namespace]
        lines += [*part.transitions, *part.aggregators, *part.members, *(one for some in part.shared.values() for one in some)]
        lines.sort(key=lambda placed: (self.texts.index(placed.text), placed.line))
        return lines[0].where(namespace) if lines else Place()

    def entries(self) -> Iterator[tuple[str, Located[Entry]]]:
        """Every entry with its namespace, which is empty for those of modules."""
        for domain in self.domains.values():
            yield from ((domain.name.namespace, placed) for placed in domain.entries)
        for part in self.namespaces.values():
            yield from ((part.name, placed) for entries in part.shared.values() for placed in entries)
        yield from (("", placed) for entries in self.modules.values() for placed in entries)

    def namespace(self, name: str) -> LocatedNamespace:
        """The exception policy of namespace NAME, which may say nothing."""
        found = self.namespaces.get(name)
        if found is None:
            found = self.namespaces[name] = LocatedNamespace(name)
        return found


def read_located_policy(texts: Iterable[PolicyText]) -> LocatedPolicy:
    """Read TEXTS.  Takes time linear in their size, and never fails: what is wrong is in ``problems``."""
    policy = LocatedPolicy(tuple(texts))
    profiles = KernelPolicy()
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


def _statements(policy: LocatedPolicy, text: PolicyText) -> Iterator[Located[Statement]]:
    """What each line of TEXT says; comments and problems go to POLICY."""
    for placed in read_lines(text, policy.problems.append):
        if isinstance(placed.value, Comment):
            policy.comments.append(placed)  # type: ignore[arg-type]
        elif placed.value is not None:
            yield placed  # type: ignore[misc]


_NO_DOMAIN = Problem(Effect.DROPPED, 0, "", "no domain is selected, so this applies to none", "a domain's name in a line before")


def _read_domains(policy: LocatedPolicy, text: PolicyText) -> None:
    domain: LocatedDomain | None = None
    broken = False
    for placed in _statements(policy, text):
        statement = placed.value
        if isinstance(statement, OpenDomain):
            broken = statement.name is None
            domain = None
            if statement.name is not None:
                domain = policy.domains.get(statement.name.text)
                if domain is None:
                    domain = policy.domains[statement.name.text] = LocatedDomain(statement.name)
                domain.opened.append(placed)
                _add_profile(domain, None, placed)
        elif domain is None:
            if not broken:  # else it was said that the domain is none
                policy.problems.append(placed.saying(_NO_DOMAIN))
        elif type(statement) is Entry:
            domain.entries.append(placed.saying(statement))
        elif isinstance(statement, UseProfile):
            _add_profile(domain, statement.profile, placed)
        elif isinstance(statement, UseGroup):
            domain.groups.append(placed.saying(statement.group))
        elif isinstance(statement, UseModule):
            domain.groups.append(placed.saying(statement.name))
        elif isinstance(statement, SetFlag):
            domain.flags.append(placed.saying(statement.flag))


def _add_profile(domain: LocatedDomain, said: int | None, placed: Located[Statement]) -> None:
    profile = placed.text.profile(said)
    if profile is not None:
        domain.profiles.append(placed.saying(profile))


def _read_exceptions(policy: LocatedPolicy, text: PolicyText) -> None:
    for placed in _statements(policy, text):
        statement = placed.value
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
            namespace.transitions.append(placed.saying(content))
        elif isinstance(content, Aggregator):
            namespace.aggregators.append(placed.saying(content))
        elif isinstance(content, GroupMember):
            namespace.members.append(placed.saying(content))
        elif isinstance(content, SharedEntry):
            namespace.shared.setdefault(content.group, []).append(placed.saying(content.entry))


def _read_module(policy: LocatedPolicy, text: PolicyText) -> None:
    held = policy.modules.setdefault(text.module, [])
    policy.module_texts.setdefault(text.module, text)
    held += [placed.saying(placed.value) for placed in _statements(policy, text) if isinstance(placed.value, Entry)]


def _read_profiles(policy: LocatedPolicy, text: PolicyText, holding: KernelPolicy) -> None:
    for placed in _statements(policy, text):
        statement = placed.value
        reason = apply_profile(holding, statement) if isinstance(statement, ProfileLine) else None
        if reason is not None:
            policy.problems.append(placed.saying(Problem(Effect.DROPPED, 0, "", reason, "")))
        elif isinstance(statement, ProfileLine) and isinstance(statement.content, ChangeProfile):
            number = statement.content.number
            policy.defined.setdefault((statement.namespace, number), placed.saying(number))


def _read_managers(policy: LocatedPolicy, text: PolicyText) -> None:
    for placed in _statements(policy, text):
        statement = placed.value
        if isinstance(statement, SetManager):
            if statement.manager is None:
                policy.manage_by_non_root.append(placed)
            else:
                policy.managers.append(placed.saying(statement.manager))

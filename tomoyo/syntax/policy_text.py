"""Policy with the place of every line: for those who judge how a policy is written.

Several texts may speak of one domain; what they say comes together in the
order in which they are given.  Lines are read as the kernel reads them, with
two additions of policy sources: ``use_group NAME`` for a module, and the texts
of modules, which hold entries alone.  Nothing is merged here: a line that is
there twice is there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from ..model.domains import Domain, merge_entries
from ..model.entries import Entry, GroupKind
from ..model.exception_policy import Aggregator, Group, Member, NamespaceExceptions, TransitionControl
from ..model.profiles import ProfilePolicy
from ..model.states import ServiceState
from ..model.words import KERNEL, DomainName, Word, is_namespace
from .domain_policy import read_source_line
from .entries import read_entry
from .exception_policy import read_exception_content
from .holding import Holding
from .lines import UNENDED, Effect, Line, Problem, column, normalise, read_line
from .managers import read_manager_content
from .profiles import apply_profile, read_profile_content
from .stat import read_setting
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
    Statement,
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


class Comment(NamedTuple):
    """A line that begins with ``#``, which a kernel drops: each byte one character."""

    text: str


Value = TypeVar("Value", covariant=True)
_Other = TypeVar("_Other")


class Placed(NamedTuple, Generic[Value]):
    """What a line says, the text that it is in, its number there, and how it is written; line 0 is all of the text."""

    value: Value
    text: PolicyText
    line: int
    raw: str = ""

    def saying(self, value: _Other) -> Placed[_Other]:
        """The same place with another VALUE: a part of what the line says, or what is wrong with it."""
        return Placed(value, self.text, self.line, self.raw)

    def where(self, word: str = "") -> tuple[str, int, int]:
        """File, line and column of WORD, as in `column`."""
        return self.text.name, self.line, self.column(word)

    def column(self, word: str = "") -> int:
        """The column (from 1) at which WORD stands in the line, alone rather than within another; else that of its first word."""
        position = first = self.raw.find(word) if word else -1
        while position >= 0:
            end = position + len(word)
            if self.raw[position - 1 : position] in _BEFORE_WORD and self.raw[end : end + 1] in _BEHIND_WORD:
                return position + 1
            position = self.raw.find(word, position + 1)
        return first + 1 if first >= 0 else column(self.raw, 0)


#: What may stand around a word: the end of a line, spaces, a condition's sign, and quotes.
_BEHIND_WORD = frozenset(("", '"', *(chr(byte) for byte in range(256) if not 0x20 < byte < 0x7F)))
_BEFORE_WORD = _BEHIND_WORD | {"="}


@dataclass(slots=True)
class PlacedDomain:
    """A domain: where it is opened, and every line about it.  Groups are numbers or modules' names."""

    name: DomainName
    opened: list[Placed[object]] = field(default_factory=list)
    profiles: list[Placed[int]] = field(default_factory=list)
    groups: list[Placed[int | str]] = field(default_factory=list)
    flags: list[Placed[str]] = field(default_factory=list)
    entries: list[Placed[Entry]] = field(default_factory=list)

    @property
    def profile(self) -> int:
        """The profile that the last line gives it, else 0."""
        return self.profiles[-1].value if self.profiles else 0

    def value(self) -> Domain:
        """The domain without modules."""
        numbers = {placed.value for placed in self.groups if isinstance(placed.value, int)}
        return Domain(self.name, self.profile, tuple(sorted(numbers)), merge_entries(placed.value for placed in self.entries))


@dataclass(slots=True)
class PlacedNamespace:
    """A namespace's exception policy, line by line."""

    name: str
    transitions: list[Placed[TransitionControl]] = field(default_factory=list)
    aggregators: list[Placed[Aggregator]] = field(default_factory=list)
    members: list[Placed[GroupMember]] = field(default_factory=list)
    shared: dict[int, list[Placed[Entry]]] = field(default_factory=dict)

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
class PlacedPolicy:
    """Everything that texts say.

    problems: what is wrong with lines, as the readers tell it.
    comments: every comment line.
    profiles: None where no text has any; ``defined`` has the first line of each profile.
    """

    texts: tuple[PolicyText, ...]
    domains: dict[str, PlacedDomain] = field(default_factory=dict)
    namespaces: dict[str, PlacedNamespace] = field(default_factory=dict)
    modules: dict[str, list[Placed[Entry]]] = field(default_factory=dict)
    module_texts: dict[str, PolicyText] = field(default_factory=dict)
    profiles: ProfilePolicy | None = None
    defined: dict[tuple[str, int], Placed[int]] = field(default_factory=dict)
    managers: list[Placed[Word | DomainName]] = field(default_factory=list)
    manage_by_non_root: list[Placed[object]] = field(default_factory=list)
    problems: list[Placed[Problem]] = field(default_factory=list)
    comments: list[Placed[Comment]] = field(default_factory=list)

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


def read_lines(
    text: PolicyText, report: Callable[[Placed[Problem]], None] = lambda _: None
) -> Iterator[Placed[Statement | Comment | None]]:
    """Each line of TEXT with what it says, as policy sources have it: a comment, None for a blank line.

    Lines that a kernel would drop are left out; REPORT is called with what is
    wrong with them, and with those that it would store as something else.
    """
    reader = _READERS[text.kind]
    # Learned policies repeat their lines, so each different line is read once.
    known: dict[str, Statement] = {}
    *lines, last = text.text.split("\n")
    for number, raw in enumerate(lines, 1):
        statement = known.get(raw)
        if statement is not None:
            yield Placed(statement, text, number, raw)
        elif not raw or raw.isspace():
            yield Placed(None, text, number, raw)
        elif "#" in raw and normalise(raw)[:1] == "#":
            yield Placed(Comment(raw.strip(_SPACES)), text, number, raw)
        else:
            statement, problems = read_line(raw, reader)
            for problem in problems:
                report(Placed(problem, text, number, raw))
            if statement is not None and not isinstance(statement, Rejected):
                if not problems:
                    known[raw] = statement
                yield Placed(statement, text, number, raw)
    if "#" in last and normalise(last)[:1] == "#":
        yield Placed(Comment(last.strip(_SPACES)), text, len(lines) + 1, last)
    elif normalise(last):
        report(Placed(UNENDED, text, len(lines) + 1, last))


#: Spaces around a comment; other bytes may be part of a character.
_SPACES = " \t\v\f\r"


def _read_manager_line(line: Line) -> Statement:
    statement = read_manager_content(line)
    if line.text.startswith(NAMES):  # compile puts the program's path in its place
        line.problems = [problem for problem in line.problems if problem.effect is not Effect.USELESS]
    return statement


_READERS: dict[TextKind, Callable[[Line], Statement]] = {
    TextKind.DOMAIN: read_source_line,
    TextKind.EXCEPTION: read_exception_content,
    TextKind.MODULE: read_entry,
    TextKind.PROFILE: read_profile_content,
    TextKind.MANAGER: _read_manager_line,
    TextKind.STAT: read_setting,
}


def _statements(policy: PlacedPolicy, text: PolicyText) -> Iterator[Placed[Statement]]:
    """What each line of TEXT says; comments and problems go to POLICY."""
    for placed in read_lines(text, policy.problems.append):
        if isinstance(placed.value, Comment):
            policy.comments.append(placed)  # type: ignore[arg-type]
        elif placed.value is not None:
            yield placed  # type: ignore[misc]


_NO_DOMAIN = Problem(Effect.DROPPED, 0, "", "no domain is selected, so this applies to none", "a domain's name in a line before")


def _read_domains(policy: PlacedPolicy, text: PolicyText) -> None:
    domain: PlacedDomain | None = None
    broken = False
    for placed in _statements(policy, text):
        statement = placed.value
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


def _add_profile(domain: PlacedDomain, said: int | None, placed: Placed[Statement]) -> None:
    profile = placed.text.profile(said)
    if profile is not None:
        domain.profiles.append(placed.saying(profile))


def _read_exceptions(policy: PlacedPolicy, text: PolicyText) -> None:
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


def _read_module(policy: PlacedPolicy, text: PolicyText) -> None:
    held = policy.modules.setdefault(text.module, [])
    policy.module_texts.setdefault(text.module, text)
    held += [placed.saying(placed.value) for placed in _statements(policy, text) if isinstance(placed.value, Entry)]


def _read_profiles(policy: PlacedPolicy, text: PolicyText, holding: Holding) -> None:
    for placed in _statements(policy, text):
        statement = placed.value
        reason = apply_profile(holding, statement) if isinstance(statement, ProfileLine) else None
        if reason is not None:
            policy.problems.append(placed.saying(Problem(Effect.DROPPED, 0, "", reason, "")))
        elif isinstance(statement, ProfileLine) and isinstance(statement.content, ChangeProfile):
            number = statement.content.number
            policy.defined.setdefault((statement.namespace, number), placed.saying(number))


def _read_managers(policy: PlacedPolicy, text: PolicyText) -> None:
    for placed in _statements(policy, text):
        statement = placed.value
        if isinstance(statement, SetManager):
            if statement.manager is None:
                policy.manage_by_non_root.append(placed)
            else:
                policy.managers.append(placed.saying(statement.manager))

"""What policy sources say, put together: one policy, still without store paths.

Several files may speak of the same domain: its entries and groups come
together.  What cannot come together must agree: a domain's ``use_profile``,
what a profile or a module is, a memory quota.  Two folders that disagree are
an error too, unless the later one is asked to win (`Conflicts`); the policy
library alone gives way by itself.  A domain needs a ``use_profile`` in some
file: without one it would have profile 0, which most often means that nothing
confines it.

Modules are this package's own: ``use_group base`` names a file of entries,
which becomes an acl_group of the namespace that uses it, with a number from
`module_numbers`.  The kernel's numbered acl_groups stay possible beside them.

Beware: order counts among entries that decide on logging or on a domain
transition, since the first that matches decides.  Files are therefore read in
a fixed order: by folder as given, within a folder by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ...model.diagnostics import Diagnostic, Place, Severity, did_you_mean, has_errors, sort_diagnostics
from ...model.domains import MAX_GROUPS, DomainPolicy
from ...model.entries import Entry, GroupKind
from ...model.exception_policy import ExceptionPolicy
from ...model.managers import ManagerPolicy
from ...model.profiles import PROFILE_VERSION, NamespaceProfiles, Profile, ProfilePolicy
from ...model.stat import MEMORY, MemoryUse, Stat
from ...model.words import KERNEL, DomainName, Word, quoted, word_fault
from ...syntax.domain_policy import MODULE_NAME, read_source_line, refuse_domain
from ...syntax.entries import read_entry
from ...syntax.exception_policy import read_exception_content
from ...syntax.holding import Holding
from ...syntax.lines import Line, Listener, PolicySyntaxError, Reading, column, normalise, replay
from ...syntax.managers import HeldManagers, read_manager_content
from ...syntax.policy_text import LIBRARY, PolicyText, TextKind
from ...syntax.profiles import parse_profile
from ...syntax.stat import parse_stat
from ...syntax.statements import (
    InNamespace,
    ManagerStatement,
    OpenDomain,
    SetFlag,
    SetManager,
    SharedEntry,
    UseGroup,
    UseModule,
    UseProfile,
)
from ..names.names import is_name
from .files import SourceError, error
from .module_numbers import Collision, assign_numbers

__all__ = ["Conflicts"]

#: Profiles for a policy source that has none, in every namespace that it uses.
DEFAULT_PROFILES = """\
PROFILE_VERSION=20150505
0-COMMENT=-----Disabled Mode-----
0-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-COMMENT=-----Learning Mode-----
1-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
1-CONFIG={ mode=learning grant_log=no reject_log=no }
2-COMMENT=-----Permissive Mode-----
2-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-COMMENT=-----Enforcing Mode-----
3-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""


class Conflicts(Enum):
    """What to do where two policy sources say different things about one thing."""

    REFUSE = "an error"
    LATER_WINS = "what the later folder says counts"


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """The policy that policy sources make, names and all.

    domains: every domain, ``<kernel>`` among them, with modules as numbers.
    exceptions: exception policy; modules are acl_groups of it.
    profiles: at least the profiles of every namespace that has domains.
    managers: managers, names not yet resolved.
    quotas: memory quotas.
    modules: the number of every module that is used, sorted by name.
    """

    domains: DomainPolicy
    exceptions: ExceptionPolicy
    profiles: ProfilePolicy
    managers: ManagerPolicy
    quotas: Stat
    modules: dict[str, int]


def combine_sources(
    files: Sequence[PolicyText],
    conflicts: Conflicts = Conflicts.REFUSE,
    report: Callable[[Diagnostic], None] | None = None,
) -> SourcePolicy:
    """Read FILES, of one or more policy sources, as one policy.

    Arguments:
        files: as `read_sources` reads them.
        conflicts: what to do where two folders disagree.
        report: called with each problem, sorted by place.  What cannot be
            used is left out of the result then.

    Takes time linear in the size of FILES.  Raises SourceError with every
    problem of every file, if one is an error and there is no report.
    """
    combined = _Combined(files, conflicts)
    for kind, read in _READERS.items():
        for file in files:
            if file.kind is kind:
                read(combined, file)
    policy = combined.result()
    problems = sort_diagnostics(combined.problems)
    if report is not None:
        for problem in problems:
            report(problem)
    elif has_errors(problems):
        raise SourceError(problems)
    return policy


_WORDS = re.compile("[!-~]+")


@dataclass(frozen=True, slots=True)
class _Said:
    """Something that a file says, and where: for errors about it, and for conflicts with others."""

    value: Any
    file: PolicyText
    line: int
    column: int = 1

    @property
    def where(self) -> str:
        return f"{self.file.name}:{self.line}"

    @property
    def place(self) -> Place:
        return self.file.place(self.line, self.column)

    def error(self, code: str, message: str, advice: str = "", *related: _Said) -> Diagnostic:
        return Diagnostic(
            Severity.ERROR, code, message, advice, self.place, related=tuple(said.place for said in related if said.line)
        )


@dataclass(slots=True)
class _Lines:
    """The lines of a file, and which of them is being read."""

    file: PolicyText
    number: int = 0
    raw: str = ""

    def __iter__(self) -> Iterator[str]:
        *lines, last = self.file.text.split("\n")
        for self.raw in lines:
            self.number += 1
            yield self.raw + "\n"
        if last:
            self.raw = last
            self.number += 1
            yield last

    def said(self, value: Any, offset: int = 0) -> _Said:
        """VALUE, which stands at OFFSET of the normalised line that is being read."""
        return _Said(value, self.file, self.number, column(self.raw, offset))


@dataclass(slots=True)
class _Combined:
    """What was read so far."""

    files: Sequence[PolicyText]
    conflicts: Conflicts
    holding: Holding = field(default_factory=Holding)
    managers: HeldManagers = field(default_factory=HeldManagers)
    profiles: dict[tuple[str, int], _Said] = field(default_factory=dict)
    quotas: dict[str, _Said] = field(default_factory=dict)
    modules: dict[str, _Said] = field(default_factory=dict)
    pins: dict[str, _Said] = field(default_factory=dict)
    opened: dict[str, _Said] = field(default_factory=dict)
    used_profiles: dict[str, _Said] = field(default_factory=dict)
    used_groups: dict[tuple[str, int], _Said] = field(default_factory=dict)
    used_modules: dict[tuple[str, str], _Said] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def replay(
        self,
        lines: _Lines,
        reader: Callable[[Line], Any],
        apply: Callable[[Any], str | None],
        refuse: Callable[[Any], Any] = lambda _: None,
    ) -> None:
        replay(lines, reader, apply, Listener(lines.file.name, Reading.STRICT, self.tell), refuse)

    def tell(self, error: PolicySyntaxError) -> None:
        self.problems.append(error.diagnostic())

    def error(self, said: _Said, code: str, message: str, advice: str = "", *related: _Said) -> None:
        self.problems.append(said.error(code, message, advice, *related))

    def settle(self, held: dict[Any, _Said], key: Any, said: _Said) -> _Said | None:
        """Let SAID stand for KEY; give back what already stands there if it says otherwise and cannot give way."""
        other = held.get(key)
        if other is None or (other.value != said.value and self.gives_way(other, said)):
            held[key] = said
        elif other.value != said.value:
            return other
        return None

    def gives_way(self, other: _Said, said: _Said) -> bool:
        """Whether SAID, which is read later, counts rather than OTHER."""
        first, second = other.file.directory, said.file.directory
        if first == LIBRARY and said.file.adds:
            return False
        return first < second and (first == LIBRARY or self.conflicts is Conflicts.LATER_WINS)

    # One method for each kind of file

    def read_numbers(self, file: PolicyText) -> None:
        lines = _Lines(file)

        def read(line: Line) -> tuple[str, int]:
            name, _, digits = line.text.partition(" ")
            if not MODULE_NAME.fullmatch(name):
                line.drop(0, name, "not a module's name", "NAME NUMBER")
            if not digits.isascii() or not digits.isdigit() or int(digits) >= MAX_GROUPS:
                line.drop(len(name) + 1, digits, "not an acl_group", "a number from 0 to 255")
            return name, int(digits)

        def apply(pin: tuple[str, int]) -> str | None:
            name, number = pin
            twin = next((other for other, said in self.pins.items() if said.value == number and other != name), None)
            if twin is not None:
                return f"{self.pins[twin].where} gives {number} to module {twin}"
            other = self.settle(self.pins, name, lines.said(number, len(name) + 1))
            return None if other is None else f"{other.where} gives module {name} another number"

        self.replay(lines, read, apply)

    def read_profiles(self, file: PolicyText) -> None:
        policy = parse_profile(file.text, file=file.name, report=self.tell)
        for part in policy:
            for profile in part.profiles:
                line = _line_of(file, rf"(?:{re.escape(part.namespace)} +)?0*{profile.number}-")
                other = self.settle(self.profiles, (part.namespace, profile.number), _Said(profile, file, line))
                if other is not None:
                    message = f"profile {profile.number} of {part.namespace} is another one in {other.where}"
                    self.error(_Said(None, file, line), "conflict", message, "", other)

    def read_managers(self, file: PolicyText) -> None:
        def read(line: Line) -> ManagerStatement:
            if not is_name(line.text):
                return read_manager_content(line)
            fault = word_fault(line.text)
            if fault is not None:
                line.drop(fault.offset, line.text, fault.reason, "a program's name")
            return SetManager(Word(line.text), False)

        self.replay(_Lines(file), read, self.managers.apply)

    def read_quotas(self, file: PolicyText) -> None:
        for memory in parse_stat(file.text, file=file.name, report=self.tell).settings().memory:
            line = _line_of(file, f"Memory used by {memory.name}:")
            other = self.settle(self.quotas, memory.name, _Said(memory.quota, file, line))
            if other is not None:
                message = f"{other.where} gives {memory.name} another quota"
                self.error(_Said(None, file, line), "conflict", message, "", other)

    def read_exceptions(self, file: PolicyText) -> None:
        self.replay(_Lines(file), read_exception_content, self.holding.apply_exception)

    def read_module(self, file: PolicyText) -> None:
        if not MODULE_NAME.fullmatch(file.module):
            advice = "expected a letter, then letters, digits and _ . + -, at most 64"
            self.error(_Said(None, file, 0, 0), "module-name", f"not a module's name: {quoted(file.module)}", advice)
        held: dict[str, Entry] = {}

        def apply(entry: Entry) -> None:
            other = held.get(entry.subject)
            held[entry.subject] = entry if other is None else other.merged(entry)

        self.replay(_Lines(file), _read_module_line, apply)
        other = self.settle(self.modules, file.module, _Said(tuple(held.values()), file, 1))
        if other is not None:
            message = f"{other.file.name} is another module of this name"
            self.error(_Said(None, file, 0, 0), "conflict", message)

    def read_domains(self, file: PolicyText) -> None:
        lines = _Lines(file)
        holding = self.holding
        holding.selected = None

        def apply(statement: Any) -> str | None:
            if type(statement) is Entry:
                return holding.apply_domain(statement)
            if isinstance(statement, OpenDomain) or holding.selected is None:
                reason = holding.apply_domain(UseGroup(0) if isinstance(statement, UseModule) else statement)
                if holding.selected is None:
                    return reason
                self.opened.setdefault(holding.selected.name.text, lines.said(None))
                return reason or self.use_profile(holding.selected.name.text, file.profile(None), lines)
            domain = holding.selected.name.text
            if isinstance(statement, UseProfile):
                return self.use_profile(domain, file.profile(statement.profile), lines, len("use_profile "))
            if isinstance(statement, UseGroup):
                self.used_groups.setdefault((domain, statement.group), lines.said(statement.group, len("use_group ")))
            elif isinstance(statement, UseModule):
                said = lines.said(statement.name, len("use_group "))
                self.used_modules.setdefault((domain, statement.name), said)
            elif isinstance(statement, SetFlag):
                message = f"left out: {statement.flag} says what happened in a kernel once"
                self.problems.append(replace(lines.said(None).error("kernel-flag", message), severity=Severity.WARNING))
            return None

        self.replay(lines, read_source_line, apply, refuse_domain)

    def use_profile(self, domain: str, profile: int | None, lines: _Lines, offset: int = 0) -> str | None:
        """Give DOMAIN the PROFILE, which stands at OFFSET of the line or comes of a state; tell of what says otherwise."""
        if profile is None:
            return None
        said, other = lines.said(profile, offset), self.used_profiles.get(domain)
        # A state was asked for of the library's service, too.  Profile 0 there is nobody's wish: its confinement ends.
        if other is None or other.file.directory != LIBRARY or said.file.state is None or other.value in (0, profile):
            other = self.settle(self.used_profiles, domain, said)
        if other is None:
            return None
        here = f"the state of this directory is profile {profile}, but " if said.file.state else ""
        return f"{here}{other.where} gives this domain profile {other.value}"

    # Putting it together

    def result(self) -> SourcePolicy:
        holding = self.holding
        if KERNEL not in holding.domains:
            # It always exists.
            holding.open_domain(DomainName(KERNEL))
            self.used_profiles[KERNEL] = _Said(0, self.files[0], 0, 0)
        numbers = self.number_modules()
        profiles = self.complete_profiles()
        self.give_profiles(profiles)
        self.give_groups(numbers)
        exceptions = holding.exception_policy()
        self.check_groups()
        self.check_namespaces()
        return SourcePolicy(
            holding.domain_policy(),
            exceptions,
            profiles,
            self.managers.value(),
            Stat(memory=tuple(MemoryUse(name, None, self.quotas[name].value) for name in MEMORY if name in self.quotas)),
            numbers,
        )

    def number_modules(self) -> dict[str, int]:
        """The number of each module that is used; tells of those that there are not."""
        for (_, name), said in self.used_modules.items():
            if name not in self.modules:
                from .library import library_modules

                near = did_you_mean(name, [*self.modules, *library_modules()])
                self.error(said, "undefined-module", f"there is no module {quoted(name)}", near)
        taken = {group: said for (_, group), said in self.used_groups.items()}
        own = {number for part in self.holding.namespaces.values() for number in part.acl_groups}
        for name, said in self.pins.items():
            if name not in self.modules:
                self.error(said, "undefined-module", f"there is no module {quoted(name)}", did_you_mean(name, self.modules))
            if said.value in taken:
                other = taken[said.value]
                self.error(said, "module-number", f"{other.where} uses acl_group {said.value} by its number", "", other)
            elif said.value in own:
                self.error(said, "module-number", f"an exception policy has an acl_group {said.value} of its own")
        # One without entries needs none: a group that is not there grants as little.
        used = {name for _, name in self.used_modules if name in self.modules and self.modules[name].value}
        assigned = assign_numbers(used, {name: said.value for name, said in self.pins.items()}, own.union(taken))
        for collision in assigned.collisions:
            if collision.name in self.pins and collision.other is None:
                continue  # Told above, where the number stands.
            self.error(self.modules[collision.name], "module-number", *_collision(collision))
        return assigned.numbers

    def complete_profiles(self) -> ProfilePolicy:
        """Profiles for every namespace; the default ones where no file has any."""
        parts: dict[str, dict[int, Profile]] = {name: {} for name in self.holding.namespaces}
        for (namespace, number), said in self.profiles.items():
            parts.setdefault(namespace, {})[number] = said.value
        if not any(file.kind is TextKind.PROFILE for file in self.files):
            default = {profile.number: profile for part in parse_profile(DEFAULT_PROFILES) for profile in part.profiles}
            parts = dict.fromkeys(parts, default)
        return ProfilePolicy(
            tuple(
                NamespaceProfiles(name, PROFILE_VERSION, tuple(profiles[number] for number in sorted(profiles)))
                for name, profiles in parts.items()
            )
        )

    def give_profiles(self, profiles: ProfilePolicy) -> None:
        """Give every domain its profile, which there must be."""
        defined = {(part.namespace, profile.number): profile for part in profiles for profile in part.profiles}
        for name, domain in self.holding.domains.items():
            said = self.used_profiles.get(name)
            if said is None:
                advice = "write use_profile 0 if nothing is to confine it"
                self.error(self.opened[name], "no-profile", f"no file gives {name} a use_profile", advice)
                continue
            domain.profile = said.value
            profile = defined.get((domain.namespace.name, said.value))
            state = said.file.state
            if profile is not None and state is not None and said.value == state.value and profile.default.mode is not state.mode:
                mode = profile.default.mode.value
                message = f"the state {state.name.lower()} is profile {state.value}, which is {mode} in {domain.namespace.name}"
                self.error(said, "state-profile", message)
            if profile is None:
                reason = f"profile {said.value} of {domain.namespace.name} is not defined"
                if not said.line:
                    reason += f", and the domain {KERNEL}, which always exists, has it"
                    said = next((_Said(None, file, 0, 0) for file in self.files if file.kind is TextKind.PROFILE), said)
                self.error(said, "undefined-profile", f"{reason}: the kernel would panic at boot")

    def give_groups(self, numbers: dict[str, int]) -> None:
        """Give every domain its groups, and its namespace the modules that it uses."""
        domains = self.holding.domains
        emitted: set[tuple[str, str]] = set()
        for (name, module), _ in self.used_modules.items():
            if module not in numbers:
                continue
            domain = domains[name]
            domain.groups.add(numbers[module])
            if (domain.namespace.name, module) not in emitted:
                emitted.add((domain.namespace.name, module))
                for entry in self.modules[module].value:
                    shared = SharedEntry(numbers[module], entry)
                    self.holding.apply_exception(InNamespace(domain.namespace.name, shared))
        for (name, group), said in self.used_groups.items():
            domain = domains[name]
            domain.groups.add(group)
            if group not in domain.namespace.acl_groups:
                message = f"there is no acl_group {group} in {domain.namespace.name}, nor a module"
                self.error(said, "undefined-acl-group", message)

    def check_groups(self) -> None:
        """Tell of groups that entries name and that have no members."""
        missing: dict[tuple[GroupKind, str], str] = {}
        for namespace in self.holding.namespaces.values():
            for kind, groups in namespace.groups.items():
                for name, members in groups.items():
                    if not members and not (kind is GroupKind.PATH and is_name(name)):
                        missing[kind, name] = namespace.name
        places = find_words(self.files, (f"@{name}" for _, name in missing))
        for (kind, name), namespace_name in missing.items():
            message = f"there is no {kind.value} {name} in {namespace_name}"
            self.problems.append(error("undefined-group", message, places.get(f"@{name}", Place())))

    def check_namespaces(self) -> None:
        """Tell of namespaces that the kernel takes for others: it looks for one that begins with the name."""
        for name in self.holding.namespaces:
            if ">" in name[:-1]:
                message = f"namespace {name}: one with '>' inside takes the place of others in the kernel"
                self.problems.append(error("namespace-name", message, find_word(self.files, name)))


def _collision(collision: Collision) -> tuple[str, str]:
    """What is wrong with a module's number, and what to write."""
    number, name, other, free = collision.number, collision.name, collision.other, collision.free
    if free is None:
        return f"module {name}: no acl_group is left for it", ""
    if other is None:
        return (
            f"module {name}: the policy itself uses acl_group {number}, which is this name's",
            f"pin another one in module-numbers.conf: {name} {free}",
        )
    return (
        f"modules {other} and {name} would both be acl_group {number}",
        f"pin the one that is newer in module-numbers.conf, so that the other keeps its number: {name} {free}, or {other} {free}",
    )


_READERS: dict[TextKind, Callable[[_Combined, PolicyText], None]] = {
    TextKind.NUMBERS: _Combined.read_numbers,
    TextKind.PROFILE: _Combined.read_profiles,
    TextKind.MANAGER: _Combined.read_managers,
    TextKind.STAT: _Combined.read_quotas,
    TextKind.EXCEPTION: _Combined.read_exceptions,
    TextKind.MODULE: _Combined.read_module,
    TextKind.DOMAIN: _Combined.read_domains,
}


def _read_module_line(line: Line) -> Entry:
    if line.text.startswith(("use_", "<", "acl_group ")):
        line.drop(0, line.text, "a module holds entries and nothing else", "an entry such as file read /etc/passwd")
    return read_entry(line)


def _line_of(file: PolicyText, pattern: str) -> int:
    """The first line of FILE that begins with PATTERN; 0 if none does."""
    begins = re.compile(pattern)
    lines = (number for number, raw in enumerate(file.text.split("\n"), 1) if begins.match(normalise(raw)))
    return next(lines, 0)


def find_words(files: Iterable[PolicyText], words: Iterable[str]) -> dict[str, Place]:
    """Where each of WORDS first stands in FILES; those that stand nowhere are left out.

    They stand between spaces, or behind the ``=`` of a condition.  Linear in
    the size of the files, so only for errors.
    """
    wanted = set(words)
    found: dict[str, Place] = {}
    for file in files if wanted else ():
        for number, raw in enumerate(file.text.split("\n"), 1):
            if raw.lstrip().startswith("#"):
                continue
            for match in _WORDS.finditer(raw):
                word = match[0]
                sign = word.find("=") + 1
                for text, start in ((word, match.start()), (word[sign:], match.start() + sign)):
                    if text in wanted and text not in found:
                        found[text] = Place(file.name, number, start + 1, raw)
    return found


def find_word(files: Iterable[PolicyText], word: str) -> Place:
    """The same for one WORD; an empty place if it stands nowhere."""
    return find_words(files, [word]).get(word, Place())

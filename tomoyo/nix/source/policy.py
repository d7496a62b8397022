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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ...model.diagnostics import Diagnostic, Place, Severity, did_you_mean, has_errors, sort_diagnostics
from ...model.domains import DomainPolicy
from ...model.entries import Entry
from ...model.exception_policy import ExceptionPolicy
from ...model.managers import ManagerPolicy
from ...model.profiles import DEFAULT_PROFILES, PROFILE_VERSION, NamespaceProfiles, Profile, ProfilePolicy
from ...model.stat import MEMORY, MemoryUse, Stat
from ...model.words import KERNEL, DomainName, quoted
from ...syntax.domain_policy import MODULE_NAME, refuse_domain
from ...syntax.kernel_policy import Entries, KernelPolicy, add_entry
from ...syntax.lines import Effect, Listener, PolicySyntaxError, Problem, Reading, normalise
from ...syntax.managers import HeldManagers
from ...syntax.policy_text import LIBRARY, Comment, Located, PolicyText, TextKind, read_lines
from ...syntax.profiles import apply_profile, parse_profile
from ...syntax.stat import parse_stat
from ...syntax.statements import (
    ChangeProfile,
    InNamespace,
    OpenDomain,
    PinModule,
    ProfileLine,
    SetFlag,
    SetManager,
    SetQuota,
    SharedEntry,
    Statement,
    UseGroup,
    UseModule,
    UseProfile,
)
from .checks import find_odd_namespaces, find_undefined_groups
from .files import SourceError
from .module_numbers import assign_numbers

__all__ = ["Conflicts"]


class Conflicts(Enum):
    """What to do where two policy sources say different things about one thing."""

    REFUSE = "an error"
    LATER_WINS = "what the later folder says counts"


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """The policy that policy sources make, names and all.

    Attributes:
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


@dataclass(frozen=True, slots=True)
class _Said:
    """Something that a line says, at OFFSET of its normalised text: for errors about it, and for conflicts with others."""

    value: Any
    placed: Located[object]
    offset: int = 0

    @property
    def file(self) -> PolicyText:
        return self.placed.text

    @property
    def where(self) -> str:
        return f"{self.file.name}:{self.placed.line}"

    @property
    def place(self) -> Place:
        return self.placed.where(offset=self.offset)

    def error(self, code: str, message: str, advice: str = "", *related: _Said) -> Diagnostic:
        places = tuple(said.place for said in related if said.placed.line)
        return Diagnostic(Severity.ERROR, code, message, advice, self.place, related=places)


@dataclass(slots=True)
class _Combined:
    """What was read so far."""

    files: Sequence[PolicyText]
    conflicts: Conflicts
    holding: KernelPolicy = field(default_factory=KernelPolicy)
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

    def read(self, file: PolicyText, apply: Callable[[Located[Statement]], str | None]) -> None:
        """Let APPLY take each line that is right; it returns why a statement has no effect, else None."""
        listener = Listener(file.name, Reading.STRICT, self.tell)
        wrong = 0

        def report(placed: Located[Problem]) -> None:
            nonlocal wrong
            wrong = placed.line
            listener.tell(placed.line, placed.raw, placed.value)

        for placed in read_lines(file, report):
            said = refuse_domain(placed.value) if placed.line == wrong else placed.value
            if said is not None and not isinstance(said, Comment):
                reason = apply(placed.saying(said))
                if reason is not None:
                    problem = Problem(Effect.DROPPED, 0, normalise(placed.raw), reason, "")
                    listener.tell(placed.line, placed.raw, problem)

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
        def apply(placed: Located[Statement]) -> str | None:
            pin = placed.value
            if not isinstance(pin, PinModule):
                return None
            twin = next((other for other, said in self.pins.items() if said.value == pin.number and other != pin.name), None)
            if twin is not None:
                return f"{self.pins[twin].where} gives {pin.number} to module {twin}"
            other = self.settle(self.pins, pin.name, _Said(pin.number, placed, len(pin.name) + 1))
            return None if other is None else f"{other.where} gives module {pin.name} another number"

        self.read(file, apply)

    def read_profiles(self, file: PolicyText) -> None:
        held = KernelPolicy()
        first: dict[tuple[str, int], Located[Statement]] = {}

        def apply(placed: Located[Statement]) -> str | None:
            said = placed.value
            if not isinstance(said, ProfileLine):
                return None
            reason = apply_profile(held, said)
            if reason is None and isinstance(said.content, ChangeProfile):
                first.setdefault((said.namespace, said.content.number), placed)
            return reason

        self.read(file, apply)
        for (namespace, number), placed in first.items():
            said = _Said(held.namespaces[namespace].profiles[number], placed)
            other = self.settle(self.profiles, (namespace, number), said)
            if other is not None:
                message = f"profile {number} of {namespace} is another one in {other.where}"
                self.error(said, "conflict", message, "", other)

    def read_managers(self, file: PolicyText) -> None:
        self.read(file, lambda placed: self.managers.apply(placed.value) if isinstance(placed.value, SetManager) else None)

    def read_quotas(self, file: PolicyText) -> None:
        # A kernel's report will do, which a kernel does not take.
        places = {placed.value.name: placed for placed in read_lines(file) if isinstance(placed.value, SetQuota)}
        for memory in parse_stat(file.text, file=file.name, report=self.tell).settings().memory:
            said = _Said(memory.quota, places[memory.name])
            other = self.settle(self.quotas, memory.name, said)
            if other is not None:
                self.error(said, "conflict", f"{other.where} gives {memory.name} another quota", "", other)

    def read_exceptions(self, file: PolicyText) -> None:
        def apply(placed: Located[Statement]) -> str | None:
            return self.holding.apply_exception(placed.value) if isinstance(placed.value, InNamespace) else None

        self.read(file, apply)

    def read_module(self, file: PolicyText) -> None:
        if not MODULE_NAME.fullmatch(file.module):
            advice = "expected a letter, then letters, digits and _ . + -, at most 64"
            self.error(_Said(None, Located(None, file, 0)), "module-name", f"not a module's name: {quoted(file.module)}", advice)
        held: Entries = {}
        self.read(file, lambda placed: add_entry(held, placed.value) if isinstance(placed.value, Entry) else None)
        top = Located(None, file, 1, file.text.partition("\n")[0])
        other = self.settle(self.modules, file.module, _Said(tuple(held.values()), top))
        if other is not None:
            message = f"{other.file.name} is another module of this name"
            self.error(_Said(None, Located(None, file, 0)), "conflict", message)

    def read_domains(self, file: PolicyText) -> None:
        holding = self.holding
        holding.selected = None

        def apply(placed: Located[Statement]) -> str | None:
            said = placed.value
            if type(said) is Entry:
                return holding.apply_domain(said)
            if isinstance(said, OpenDomain) or holding.selected is None:
                reason = holding.apply_domain(
                    said if isinstance(said, (OpenDomain, UseProfile, UseGroup, SetFlag)) else UseGroup(0)
                )
                if holding.selected is None:
                    return reason
                self.opened.setdefault(holding.selected.name.text, _Said(None, placed))
                return reason or self.use_profile(holding.selected.name.text, file.profile(None), placed)
            domain = holding.selected.name.text
            if isinstance(said, UseProfile):
                return self.use_profile(domain, file.profile(said.profile), placed, len("use_profile "))
            if isinstance(said, UseGroup):
                self.used_groups.setdefault((domain, said.group), _Said(said.group, placed, len("use_group ")))
            elif isinstance(said, UseModule):
                self.used_modules.setdefault((domain, said.name), _Said(said.name, placed, len("use_group ")))
            elif isinstance(said, SetFlag):
                message = f"left out: {said.flag} says what happened in a kernel once"
                told = _Said(None, placed).error("kernel-flag", message)
                self.problems.append(replace(told, severity=Severity.WARNING))
            return None

        self.read(file, apply)

    def use_profile(self, domain: str, profile: int | None, placed: Located[object], offset: int = 0) -> str | None:
        """Give DOMAIN the PROFILE, which stands at OFFSET of the line or comes of a state; tell of what says otherwise."""
        if profile is None:
            return None
        said, other = _Said(profile, placed, offset), self.used_profiles.get(domain)
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
            self.used_profiles[KERNEL] = _Said(0, Located(None, self.files[0], 0))
        numbers = self.number_modules()
        profiles = self.complete_profiles()
        self.give_profiles(profiles)
        self.give_groups(numbers)
        exceptions = holding.exception_policy()
        self.problems += find_undefined_groups(holding, self.files)
        self.problems += find_odd_namespaces(holding, self.files)
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
            self.error(self.modules[collision.name], "module-number", *collision.explained)
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
                if not said.placed.line:
                    reason += f", and the domain {KERNEL}, which always exists, has it"
                    said = next(
                        (_Said(None, Located(None, file, 0)) for file in self.files if file.kind is TextKind.PROFILE), said
                    )
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


_READERS: dict[TextKind, Callable[[_Combined, PolicyText], None]] = {
    TextKind.NUMBERS: _Combined.read_numbers,
    TextKind.PROFILE: _Combined.read_profiles,
    TextKind.MANAGER: _Combined.read_managers,
    TextKind.STAT: _Combined.read_quotas,
    TextKind.EXCEPTION: _Combined.read_exceptions,
    TextKind.MODULE: _Combined.read_module,
    TextKind.DOMAIN: _Combined.read_domains,
}

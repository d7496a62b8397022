"""Read a policy from whatever holds one: `policy_files` finds the texts, and `load_policy` puts them together.

No closure is asked for, so in a policy source and in a single file names stay
names.  There ``@nix:/notes/share/help`` stands for a file that is asked for
by this name, ``file read nix:/notes/share/help``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from ...model.diagnostics import Diagnostic, Severity, has_errors
from ...model.domains import MAX_GROUPS
from ...syntax.policy_text import PolicyText, TextKind
from ...syntax.statements import UseGroup, UseModule
from .files import SourceError
from .kinds import INTERFACES
from .policy_files import PolicyFiles, PolicyForm, PolicyLoadError, named_namespaces, read_policy_files, used_groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ...decision.engine import DecisionEngine
    from ...model.domains import DomainPolicy
    from ...model.entries import Entry
    from ...model.exception_policy import ExceptionPolicy
    from ...model.managers import ManagerPolicy
    from ...model.profiles import ProfilePolicy, ServiceState
    from ...syntax.lines import PolicySyntaxError, Source

__all__ = ["LoadedPolicy", "combine_files", "load_policy", "source_problems"]

#: The directory of the running kernel's interface files.
KERNEL = "/sys/kernel/security/tomoyo"


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy, put together.

    Attributes:
        domains, exceptions, managers: the policy.  Modules are acl_groups of it.
        profiles: None where there are none, as in a single file.
        modules: the number of each module that is used by its name.
        names: the names of files that no binding ties to a store path, sorted: they are answered by name.
        notes: what to know about answers from this policy, a sentence each.
    """

    domains: DomainPolicy
    exceptions: ExceptionPolicy
    profiles: ProfilePolicy | None
    managers: ManagerPolicy
    modules: Mapping[str, int] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        profiles = "" if self.profiles else ", no profiles"
        return f"<LoadedPolicy: domains: {len(self.domains.domains)}, names: {len(self.names)}{profiles}>"

    def engine(self) -> DecisionEngine:
        """The engine that answers requests from this policy."""
        from ...decision.engine import DecisionEngine

        modules = {number: name for name, number in self.modules.items()}
        return DecisionEngine(self.domains, self.exceptions, self.profiles, names=frozenset(self.names), modules=modules)


# Modules, which a kernel knows by number alone


def number_modules(texts: Iterable[str]) -> dict[str, int]:
    """A number for each module that TEXTS of domain policy use by its name.

    They are not those of `compile`: the highest that no text uses, in the order
    in which the modules are named.
    """
    groups = [said for text in texts for said in used_groups(text)]
    names = list(dict.fromkeys(said.name for said in groups if isinstance(said, UseModule)))
    taken = {said.group for said in groups if isinstance(said, UseGroup)}
    free = [number for number in range(MAX_GROUPS - 1, -1, -1) if number not in taken][: len(names)]
    return dict(zip(names, reversed(free)))


def parse_module(
    source: Source, *, file: str = "module", report: Callable[[PolicySyntaxError], None] | None = None
) -> tuple[Entry, ...]:
    """The entries of a module; arguments and errors as in ``parse_domain_policy``."""
    from ...model.domains import merge_entries
    from ...syntax.lines import Listener, Reading, replay
    from ...syntax.policy_text import read_module_line

    entries: list[Entry] = []
    replay(source, read_module_line, entries.append, Listener(file, Reading.STRICT, report))
    return merge_entries(entries)


def parse_source_managers(
    source: Source, *, file: str = "manager", report: Callable[[PolicySyntaxError], None] | None = None
) -> ManagerPolicy:
    """The same of a manager list in which programs may have the names of packages: `compile` gives them paths."""
    from ...syntax.lines import Effect, Reading
    from ...syntax.managers import parse_manager
    from ..names.names import is_name

    def tell(error: PolicySyntaxError) -> None:
        if error.effect is Effect.USELESS and is_name(error.text):
            return
        if report is None:
            raise error
        report(error)

    parse_manager(source, file=file, report=tell)
    return parse_manager(source, file=file, reading=Reading.AS_KERNEL)


def parse_module_numbers(
    source: Source, *, file: str = "module-numbers", report: Callable[[PolicySyntaxError], None] | None = None
) -> dict[str, int]:
    """The numbers of modules in a ``module-numbers.conf``; arguments and errors as in ``parse_domain_policy``."""
    from ...syntax.lines import Listener, Reading, replay
    from ...syntax.policy_text import read_number_line
    from ...syntax.statements import PinModule

    numbers: dict[str, int] = {}

    def apply(pin: PinModule) -> str | None:
        if numbers.setdefault(pin.name, pin.number) != pin.number:
            return f"module {pin.name} has another number already"
        return None

    replay(source, read_number_line, apply, Listener(file, Reading.STRICT, report))
    return numbers


# Putting it together


def load_policy(
    path: str | os.PathLike[str] = KERNEL,
    *more: str | os.PathLike[str],
    kind: TextKind | None = None,
    services: Mapping[str, ServiceState] | None = None,
    bindings: Callable[[DomainPolicy, ExceptionPolicy], ExceptionPolicy] | None = None,
    report: Callable[[Diagnostic], None] | None = None,
) -> LoadedPolicy:
    """The policy at PATH, a file or directory of any form; that of the running kernel by default.

    Arguments:
        path: as in `read_policy_files`.
        more: further policy sources, which are put together with PATH, itself one.
        kind: what a file holds.
        services: services of the policy library to add to policy sources, each with its state.
        bindings: gives the exception policy that ties the names of a policy to store paths; without it names stay names.
        report: called with what does not keep the policy from being used: a
            line that a kernel would drop or alter, or a warning about a source.

    Raises the errors of `read_policy_files`, SourceError for policy sources that
    cannot be compiled, and PolicyLoadError for a policy without domains.
    """
    found = [read_policy_files(one, kind=kind, default=TextKind.DOMAIN) for one in (path, *more)]
    return combine_files(found, services=services, bindings=bindings, report=report)


def combine_files(
    found: Sequence[PolicyFiles],
    *,
    services: Mapping[str, ServiceState] | None = None,
    bindings: Callable[[DomainPolicy, ExceptionPolicy], ExceptionPolicy] | None = None,
    report: Callable[[Diagnostic], None] | None = None,
) -> LoadedPolicy:
    """The policy that FOUND make; arguments as in `load_policy`.

    Raises SourceError for policy sources that cannot be compiled, and
    PolicyLoadError for a policy without domains, or for several that are not
    all policy sources.
    """
    first = found[0]
    for one in found[1:] if any(one.form is not PolicyForm.SOURCE for one in found) else ():
        raise PolicyLoadError(one.path, f"only policy sources are put together, and {first.path} is {first.form.value}")
    for one in found:
        if not any(file.kind is TextKind.DOMAIN for file in one.files) and len(found) == 1 and not services:
            what = one.files[0].kind.value if len(one.files) == 1 else one.form.value
            raise PolicyLoadError(
                one.path, f"{what} without domains", "name a file of domain policy, a policy source or a policy set"
            )
    loaded = combine_as_written(found, services=services, report=report)
    if first.form is PolicyForm.KERNEL:
        return loaded
    if bindings is not None:
        loaded = replace(loaded, exceptions=loaded.exceptions.merged(bindings(loaded.domains, loaded.exceptions)))
    return _answered_by_name(loaded)


def combine_as_written(
    found: Sequence[PolicyFiles],
    *,
    services: Mapping[str, ServiceState] | None = None,
    report: Callable[[Diagnostic], None] | None = None,
) -> LoadedPolicy:
    """The policy in FOUND, in which names are bound as far as it says so itself; the rest as `combine_files` has it."""
    tell = report or (lambda _: None)
    return _load_source(found, services or {}, tell) if found[0].form is PolicyForm.SOURCE else _load_held(found[0], tell)


def source_problems(found: PolicyFiles, services: Mapping[str, ServiceState] | None = None) -> tuple[Diagnostic, ...]:
    """What `combine_files` finds wrong with the files of a policy source that are meant."""
    from .library import library_files
    from .policy import combine_sources

    problems: list[Diagnostic] = []
    own = (*found.files, *found.others)
    try:
        combine_sources((*library_files(own, services), *own), report=problems.append)
    except SourceError as error:
        problems += error.diagnostics
    meant = {file.name for file in found.files}
    return tuple(problem for problem in problems if not problem.place.file or problem.place.file in meant)


def _load_source(
    found: Sequence[PolicyFiles], services: Mapping[str, ServiceState], report: Callable[[Diagnostic], None]
) -> LoadedPolicy:
    from .library import library_files
    from .policy import combine_sources

    own: list[PolicyText] = []
    notes = []
    for position, one in enumerate(found):
        others = [file for file in one.others if file.kind is not TextKind.DOMAIN]
        own += [replace(file, directory=position) for file in (*one.files, *others)]
        if len(others) < len(one.others):
            notes.append(f"{one.path} is part of a policy source: the other domains of it are left out")
    problems: list[Diagnostic] = []
    policy = combine_sources((*library_files(own, services), *own), report=problems.append)
    if has_errors(problems):
        raise SourceError(problems)
    for problem in problems:
        report(problem)
    return LoadedPolicy(policy.domains, policy.exceptions, policy.profiles, policy.managers, policy.modules, notes=tuple(notes))


def _load_held(found: PolicyFiles, report: Callable[[Diagnostic], None]) -> LoadedPolicy:
    """What a kernel holds to which the texts of FOUND were written."""
    from ...simulation.simulated_kernel import SimulatedKernel

    kernel = SimulatedKernel()
    modules: dict[str, int] = {}
    notes: list[str] = []
    for kind, interface in INTERFACES.items():
        for file in found.files:
            if file.kind is kind and kind is not TextKind.STAT:
                text = file.text
                if kind is TextKind.DOMAIN and found.has_modules:
                    modules = number_modules([text])
                    kernel.modules = modules
                    kernel.write("exception_policy", "".join(_library_lines(text, modules, notes)))
                kernel.write(interface, text, lambda error, path=file.name: _tell(path, error, report))  # type: ignore[misc]
    holding = kernel.holding
    has_profiles = any(file.kind is TextKind.PROFILE for file in found.files)
    if not has_profiles:
        what = "is a single file" if found.form is PolicyForm.FILE else "has no profile.conf"
        notes.append(f"{found.path} {what}: the answers are those of the entries alone")
    return LoadedPolicy(
        holding.domain_policy(),
        holding.exception_policy(),
        holding.profile_policy() if has_profiles else None,
        kernel.managers.value(),
        modules,
        notes=tuple(notes),
    )


def _library_lines(text: str, modules: Mapping[str, int], notes: list[str]) -> Iterator[str]:
    """The entries of MODULES in the policy library as exception policy of each namespace that TEXT has."""
    from .library import library_modules, module_entries

    namespaces = named_namespaces(text)
    for name, number in modules.items():
        if name not in library_modules():
            notes.append(f"the policy library has no module {name}: its entries are left out")
            continue
        for entry in module_entries(name):
            yield from (f"{namespace} acl_group {number} {entry}\n" for namespace in namespaces)


def _tell(path: str, error: PolicySyntaxError, report: Callable[[Diagnostic], None]) -> None:
    from ...syntax.lines import Effect

    if error.effect is not Effect.COMMENT:
        report(error.diagnostic(Severity.WARNING, path))


def _answered_by_name(policy: LoadedPolicy) -> LoadedPolicy:
    """POLICY with the names of files that nothing binds standing for themselves."""
    from ...model.entries import GroupKind
    from ...model.exception_policy import Group, NamespaceExceptions
    from ...model.words import Word
    from ..names.name_uses import Role, policy_uses

    parts = {part.namespace: part for part in policy.exceptions}
    bound = {(part.namespace, group.name.text) for part in policy.exceptions for group in part.groups if group.members}
    names = set()
    for use in policy_uses(policy.domains, policy.exceptions):
        if use.role in (Role.REFERENCE, Role.TARGET) and (use.namespace, use.text) not in bound:
            bound.add((use.namespace, use.text))
            names.add(use.text)
            part = parts.get(use.namespace) or NamespaceExceptions(use.namespace)
            group = Group(GroupKind.PATH, Word(use.text), (Word(use.text),))
            parts[use.namespace] = replace(part, groups=(*part.groups, group))
    if not names:
        return policy
    first = min(names, key=lambda name: ("\\" in name, name.endswith("/"), name))
    count, their = ("1 name is", "its file") if len(names) == 1 else (f"{len(names)} names are", "their files")
    note = f"{count} not bound to store paths: ask for {their} by name, such as {first}"
    exceptions = replace(policy.exceptions, namespaces=tuple(parts.values()))
    return replace(policy, exceptions=exceptions, names=tuple(sorted(names)), notes=(*policy.notes, note))

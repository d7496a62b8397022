"""Read a policy from whatever holds one.

    a policy source         a directory with domains/, exceptions/, modules/, module-numbers.conf or state.conf,
                            or whose domain_policy.conf uses a module by its name
    a policy set            a directory that `compile` wrote, or tomoyo-savepolicy: it has a domain_policy.conf
    a kernel's interface    a directory with the file domain_policy, such as /sys/kernel/security/tomoyo
    a file                  by its name and its directory, else by its first lines

`read_policy_files` finds the texts and what each of them holds; `load_policy`
puts them together.  A file of a policy source is read with the rest of its
source: its modules, groups and profiles count, other domains do not.

No closure is asked for, so in a policy source and in a single file names stay
names.  There ``@nix:/notes/share/help`` stands for a file that is asked for
by this name, ``file read nix:/notes/share/help``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from enum import Enum

from ...model.diagnostics import Diagnostic, Severity, has_errors
from ...model.domains import MAX_GROUPS
from ...model.errors import TomoyoError
from ...model.exception_policy import TRANSITION_CONTROLS
from ...syntax.domain_policy import MODULE_NAME
from ...syntax.policy_text import SUFFIX, PolicyText, TextKind
from .files import FILES, FOLDERS, STATE_FILE, SourceError, read_directories

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

__all__ = [
    "LoadedPolicy",
    "PolicyFiles",
    "PolicyForm",
    "PolicyLoadError",
    "combine_files",
    "kind_by_content",
    "kind_by_place",
    "load_policy",
    "read_policy_files",
    "source_problems",
]

#: The directory of the running kernel's interface files.
KERNEL = "/sys/kernel/security/tomoyo"
#: The interface files, in the order in which a kernel takes what is in them.
_INTERFACES = {
    TextKind.PROFILE: "profile",
    TextKind.MANAGER: "manager",
    TextKind.EXCEPTION: "exception_policy",
    TextKind.DOMAIN: "domain_policy",
    TextKind.STAT: "stat",
}
#: The files of a set, and those that it has and no policy source.
_SET = {f"{interface}.conf": kind for kind, interface in _INTERFACES.items()} | {"bindings.conf": TextKind.EXCEPTION}
_COMPILED = {"manifest.json", "bindings.conf"}
_SOURCE = {*FOLDERS, "module-numbers.conf", STATE_FILE}


class PolicyForm(Enum):
    """What holds a policy."""

    FILE = "a file"
    SOURCE = "a policy source"
    SET = "a policy set"
    KERNEL = "a kernel"


class PolicyLoadError(TomoyoError, ValueError):
    """Nothing that holds a policy, or it cannot be said what.

    Attributes: path; reason, what is wrong; help, what to do, which may be empty.
    """

    def __init__(self, path: str, reason: str, help: str = "") -> None:
        super().__init__(path, reason, help)
        self.path = path
        self.reason = reason
        self.help = help

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, slots=True)
class PolicyFiles:
    """The texts at one path.

    form: what the path is, or for a file what it belongs to: a file of a policy source is of form SOURCE.
    path: the file or the directory.
    files: the texts that are meant.
    others: the rest of the policy source that a file belongs to.
    """

    form: PolicyForm
    path: str
    files: tuple[PolicyText, ...]
    others: tuple[PolicyText, ...] = ()

    @property
    def has_modules(self) -> bool:
        """Whether ``use_group`` may name a module here: a kernel knows numbers alone."""
        return self.form in (PolicyForm.FILE, PolicyForm.SOURCE)


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy, put together.

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

    def engine(self) -> DecisionEngine:
        """The engine that answers requests from this policy."""
        from ...decision.engine import DecisionEngine

        modules = {number: name for name, number in self.modules.items()}
        return DecisionEngine(self.domains, self.exceptions, self.profiles, by_name=bool(self.names), modules=modules)


# Finding the texts


def read_policy_files(
    path: str | os.PathLike[str],
    *,
    kind: TextKind | None = None,
    default: TextKind | None = None,
    data: bytes | None = None,
    form: PolicyForm | None = None,
    read: Callable[[str], str] | None = None,
) -> PolicyFiles:
    """Read the policy texts at PATH.

    Arguments:
        path: a file, a policy source, a policy set, or a kernel's interface directory.
        kind: what a file holds; of a directory, only files of this kind are given.
        default: what a file holds where neither its place nor its text says so.
        data: what the file holds, where it was read already, as standard input is; PATH is only its name then.
        form: what a directory is, where this is known.
        read: gives what a kernel's interface file of some name holds, as ``Securityfs(path).read`` does with better errors.

    Raises PolicyLoadError where there is no policy, or where what a file holds
    is not clear; SourceError for a policy source with a file at the wrong place;
    OSError for what cannot be read.
    """
    path = os.fspath(path)
    if data is None and (form is not None or os.path.isdir(path)):
        found = _read_directory(path, form or _form_of(path), read)
        return replace(found, files=tuple(file for file in found.files if kind in (None, file.kind)))
    if data is None:
        with open(path, "rb") as file:
            data = file.read()
    text = data.decode("latin-1")
    kind = kind or _kind_of(path, text, default)
    source = _source_of(path)
    if source is not None:
        try:
            files = read_directories([source])
        except SourceError:
            files = []  # whatever is wrong elsewhere, this file is read
        own = next((file for file in files if os.path.samefile(file.name, path)), None)
        if own is not None:
            others = tuple(file for file in files if file is not own)
            return PolicyFiles(PolicyForm.SOURCE, path, (replace(own, name=path, kind=kind),), others)
    form = PolicyForm.SET if source is None and _is_of_a_set(path) else PolicyForm.FILE
    return PolicyFiles(form, path, (PolicyText(kind, path, text),))


def _form_of(directory: str) -> PolicyForm:
    """What DIRECTORY is."""
    names = set(os.listdir(directory))
    if names & _COMPILED:
        return PolicyForm.SET
    if names & _SOURCE:
        return PolicyForm.SOURCE
    if "domain_policy.conf" in names:
        with open(os.path.join(directory, "domain_policy.conf"), "rb") as file:
            return PolicyForm.SOURCE if _USE_MODULE.search(file.read().decode("latin-1")) else PolicyForm.SET
    if "domain_policy" in names:
        return PolicyForm.KERNEL
    if any(name.endswith(SUFFIX) or os.path.isdir(os.path.join(directory, name)) for name in names):
        return PolicyForm.SOURCE  # of which it is said what nothing reads
    expected = f"a policy source has {', '.join(f'{name}/' for name in FOLDERS)}; a policy set has domain_policy.conf"
    raise PolicyLoadError(directory, "no policy in this directory", expected)


def _read_directory(path: str, form: PolicyForm, read: Callable[[str], str] | None) -> PolicyFiles:
    if form is PolicyForm.SOURCE:
        return PolicyFiles(form, path, tuple(read_directories([path])))

    def plainly(name: str) -> str:
        with open(os.path.join(path, name), "rb") as file:
            return file.read().decode("latin-1")

    names, text = _SET, read or plainly
    if form is PolicyForm.KERNEL:
        names = {name: kind for kind, name in _INTERFACES.items()}
    # Three of a kernel's files stand for it well enough.
    needed = ("domain_policy", "exception_policy", "profile")
    found = [name for name in names if name in needed or os.path.lexists(os.path.join(path, name))]
    return PolicyFiles(form, path, tuple(PolicyText(names[name], os.path.join(path, name), text(name)) for name in found))


def _source_of(path: str) -> str | None:
    """The policy source that the file PATH is in; None where it is in none."""
    directory, name = os.path.split(os.path.abspath(path))
    above, folder = os.path.split(directory)
    if folder in FOLDERS and name.endswith(SUFFIX):
        return os.path.relpath(above)
    beside = _names(directory) if name in FILES else set()
    return os.path.relpath(directory) if beside & _SOURCE and not beside & _COMPILED else None


def _is_of_a_set(path: str) -> bool:
    directory, name = os.path.split(os.path.abspath(path))
    return name in _SET and bool(_names(directory) & _COMPILED)


def _names(directory: str) -> set[str]:
    """The names in DIRECTORY, as far as they may be known."""
    try:
        return set(os.listdir(directory))
    except OSError:
        return set()


# What a file holds


def _kind_of(path: str, text: str, default: TextKind | None) -> TextKind:
    kind = kind_by_place(path) or kind_by_content(text)
    if isinstance(kind, TextKind):
        return kind
    if default is not None and (kind != _NOTHING or not _has_lines(text)):
        return default
    words = "|".join(one.name.lower() for one in TextKind if one is not TextKind.NUMBERS)
    raise PolicyLoadError(path, f"cannot tell what kind of policy this is: {kind}", f"say so with --kind {words}")


def kind_by_place(path: str) -> TextKind | None:
    """What the file PATH holds by its name and the name of its directory; None where these do not say."""
    directory, name = os.path.split(os.path.abspath(path))
    folder = os.path.basename(directory)
    if folder in FOLDERS and name.endswith(SUFFIX):
        return FOLDERS[folder]
    exact = (FILES | _SET).get(name)
    if exact is not None:
        return exact
    parts = name.split(".")
    found = [kind for kind, interface in _INTERFACES.items() if interface in parts or ("_" in interface and interface in name)]
    return found[0] if len(found) == 1 else None


def _has_lines(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text[:_SAMPLE].split("\n"))


_NOTHING = "no line says so"
#: So much of a text is looked at.
_SAMPLE = 1 << 16
_NAMESPACE = r"(?:<[!-~]*> )?"
#: What lines of each kind begin with; the first that matches counts.  None is for a domain's name, which a manager list has, too.
_BEGINNINGS: tuple[tuple[TextKind | None, re.Pattern[str]], ...] = (
    (TextKind.PROFILE, re.compile(_NAMESPACE + r"(?:PROFILE_VERSION=|[0-9]+-(?:COMMENT|PREFERENCE|CONFIG))")),
    (
        TextKind.EXCEPTION,
        re.compile(_NAMESPACE + f"(?:aggregator|(?:path|number|address)_group|acl_group|{'|'.join(TRANSITION_CONTROLS)}) "),
    ),
    (None, re.compile("<[!-~]*>(?: |$)")),
    (TextKind.DOMAIN, re.compile("(?:use_profile|use_group|select|delete) |(?:quota_exceeded|transition_failed)$")),
    (TextKind.MODULE, re.compile("(?:file|network|misc|ipc|task) ")),
    (TextKind.STAT, re.compile("Memory used by |Policy |Total memory")),
    (TextKind.MANAGER, re.compile("/|nix:/|manage_by_non_root$")),
)


def kind_by_content(text: str) -> TextKind | str:
    """What TEXT holds by what its first lines begin with; where that is not clear, why not."""
    seen: dict[TextKind, int] = {}
    name = 0
    for number, raw in enumerate(text[:_SAMPLE].split("\n"), 1):
        line = raw.strip()
        found = next(((kind,) for kind, begins in _BEGINNINGS if begins.match(line)), ())
        for kind in found:
            if kind is None:
                name = name or number
            else:
                seen.setdefault(kind, number)
    if TextKind.MODULE in seen and (name or TextKind.DOMAIN in seen):
        seen.setdefault(TextKind.DOMAIN, seen.pop(TextKind.MODULE))  # entries of a domain
    if name and not seen.keys() & {TextKind.DOMAIN, TextKind.MANAGER}:
        if not seen:
            return f"line {name} may be a domain's name or a manager"
        seen[TextKind.DOMAIN] = name
    if len(seen) == 1:
        return next(iter(seen))
    if not seen:
        return _NOTHING
    (first, at), (second, there) = sorted(seen.items(), key=lambda item: item[1])[:2]
    return f"line {at} is of {first.value}, line {there} of {second.value}"


# Modules, which a kernel knows by number alone

_USE_MODULE = re.compile(r"^([ \t]*use_group[ \t]+)(" + MODULE_NAME.pattern + r")[ \t]*$", re.MULTILINE)
_USE_NUMBER = re.compile(r"^[ \t]*use_group[ \t]+([0-9]+)[ \t]*$", re.MULTILINE)


def number_modules(texts: Iterable[str]) -> dict[str, int]:
    """A number for each module that TEXTS of domain policy use by its name.

    They are not those of `compile`: the highest that no text uses, in the order
    in which the modules are named.
    """
    joined = "\n".join(texts)
    names = list(dict.fromkeys(found[1] for found in _USE_MODULE.findall(joined)))
    taken = {int(number) for number in _USE_NUMBER.findall(joined)} if names else ()
    free = [number for number in range(MAX_GROUPS - 1, -1, -1) if number not in taken][: len(names)]
    return dict(zip(names, reversed(free)))


def with_numbers(text: str, modules: Mapping[str, int]) -> str:
    """TEXT of domain policy with a number in the place of each name of MODULES; lines keep their places."""
    return _USE_MODULE.sub(lambda found: f"{found[1]}{modules.get(found[2], found[2])}", text) if modules else text


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
    tell = report or (lambda _: None)
    loaded = _load_source(found, services or {}, tell) if first.form is PolicyForm.SOURCE else _load_held(first, tell)
    if first.form is PolicyForm.KERNEL:
        return loaded
    if bindings is not None:
        loaded = replace(loaded, exceptions=loaded.exceptions.merged(bindings(loaded.domains, loaded.exceptions)))
    return _answered_by_name(loaded)


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
    for kind, interface in _INTERFACES.items():
        for file in found.files:
            if file.kind is kind and kind is not TextKind.STAT:
                text = file.text
                if kind is TextKind.DOMAIN and found.has_modules:
                    modules = number_modules([text])
                    text = with_numbers(text, modules)
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

    namespaces = dict.fromkeys(re.findall("^(<[!-~]*>)(?: |$)", text, re.MULTILINE))
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

"""Compiling: named policy and a closure become one set that a kernel takes.

Everything that could go wrong later goes wrong here, with the place in the
source.  The set is not believed to be right because of how it was made: it is
loaded into a simulated kernel, which must boot with it and hold every line as
it is written.

The same sources and closure give the same bytes, wherever they lie and
whatever the file system's order; only ``bindings.conf`` and the manifest hang
on the closure, unless managers or the boot loader name packages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from ...analysis.sorting import sort_domain_policy, sort_exception_policy, sort_managers
from ...boot.loader import boot_script, domain_managers
from ...decision.missing_domains import missing_domains
from ...model.diagnostics import Diagnostic, Place, Severity, has_errors, sort_diagnostics
from ...model.entries import Entry, GroupKind
from ...model.errors import InvalidValueError
from ...model.exception_policy import ExceptionPolicy, TransitionControl
from ...model.managers import ManagerPolicy
from ...model.profiles import ProfilePolicy
from ...model.words import KERNEL, DomainName, Word, decode, quoted
from ...sets.directory import FILES
from ...sets.links import STATE
from ...sets.policy_set import PolicySet, with_digests
from ...simulation.located_policy import read_located_policy
from ...simulation.simulated_kernel import KernelPanic
from ...syntax.formatting import format_domain_policy, format_exception_policy, format_manager, format_profile, format_stat
from ...syntax.lines import PolicySyntaxError, normalise
from ...syntax.policy_text import LIBRARY, PolicyText, TextKind
from ..names.binder import bind
from ..names.bindings import Bindings, Several
from ..names.name_uses import policy_uses, use_places
from ..names.names import NameTable, encode_file, is_name, parse_name
from ..names.program_paths import path_refused
from ..store.contents import Contents, Report, read_contents
from ..store.paths import StorePath, find_store_path
from ..store.tree import Tree
from .files import SourceError, error
from .policy import Conflicts, SourcePolicy, combine_sources

__all__ = ["BootSettings", "CompileSettings", "Compiled", "Unresolved", "compile_policy"]

Rule = Entry | TransitionControl


class Unresolved(Enum):
    """What to make of a name that nothing in the closure has; it binds nothing and grants nothing in any case."""

    REFUSE = "error"
    WARN = "warning"
    """For a library of policies, many of which are for packages that are not there."""
    ACCEPT = "ignore"


@dataclass(frozen=True, slots=True)
class BootSettings:
    """What the set's boot loader is told; see `tomoyo.boot.loader.boot_script`.

    Attributes:
        interpreter: a POSIX shell: a path or a name, perhaps with one argument.
        search_path: folders with cat, ls and mount: paths or names.
        previous: a set to fall back to.
        fallback: whether the system boots unconfined when no set can be loaded.
    """

    interpreter: str = "/bin/sh"
    search_path: tuple[str, ...] = ()
    previous: str | None = None
    state: str = STATE
    fallback: bool = True


@dataclass(frozen=True, slots=True)
class CompileSettings:
    """How to compile.

    Attributes:
        conflicts: what to do where two sources say different things of one domain's profile or the like.
        several: what to do about a name that several versions in the closure have.
        unresolved: what to do about a name that nothing in the closure has.
        boot: what the boot loader is told.
    """

    conflicts: Conflicts = Conflicts.REFUSE
    several: Several = Several.BIND
    unresolved: Unresolved = Unresolved.REFUSE
    boot: BootSettings = field(default_factory=BootSettings)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A set, checked, and what may not be meant so."""

    policy: PolicySet
    warnings: tuple[Diagnostic, ...] = ()


def compile_policy(
    files: Sequence[PolicyText],
    names: NameTable,
    tree: Tree,
    *,
    roots: Iterable[StorePath] = (),
    links: Mapping[str, str] | None = None,
    settings: CompileSettings | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Compiled:
    """Make one policy set of FILES, bound to the closure of NAMES.  Returns the set and warnings.

    Arguments:
        files: of one or more policy sources, as `read_sources` reads them.
        names: the trusted closure, with explicit names.
        tree: the file system that holds the store; only read.
        roots: what the closure is the closure of, for the manifest; by default
            the store paths that no other refers to.
        links: symlinks that the system will have outside the store; see `find_program_paths`.
        settings: how to compile, by default as `CompileSettings` says.
        progress: called with what is being done, for whoever waits.

    Raises SourceError with every error and warning.
    """
    settings = settings or CompileSettings()
    problems: list[Diagnostic] = []
    progress("reading the policy")
    policy = combine_sources(files, settings.conflicts, problems.append)
    progress(f"reading {len(names.paths)} store paths")
    contents = read_contents(names.paths, tree)
    uses = policy_uses(policy.domains, policy.exceptions, policy.managers)
    progress(f"binding {len(uses)} names")
    bindings = bind(uses, names, tree, exceptions=policy.exceptions, several=settings.several, links=links, contents=contents)
    problems += _binding_problems(bindings, files, settings.unresolved)
    problems += [_unsafe(report) for report in bindings.reports if report.unsafe]
    problems += _store_paths(files, tree)
    problems += _failing_transitions(policy, files)
    problems += _old_bindings(policy.exceptions, files, tree)
    managers = _real_managers(policy.managers, bindings, contents, files, problems)
    boot = _real_boot(settings.boot, names, contents, problems)
    if not has_errors(problems):
        progress("loading the set into a simulated kernel")
        compiled = _policy_set(policy, bindings, managers, boot, _manifest(policy, bindings, names, tree, roots, settings))
        problems += _prove(compiled)
    if has_errors(problems):
        raise SourceError(sort_diagnostics(problems))
    return Compiled(with_digests(compiled), sort_diagnostics(problems))


# The texts


def _policy_set(
    policy: SourcePolicy,
    bindings: Bindings,
    managers: ManagerPolicy,
    boot: BootSettings,
    manifest: dict[str, object],
) -> PolicySet:
    texts = {
        "domain_policy": format_domain_policy(sort_domain_policy(policy.domains)),
        "exception_policy": format_exception_policy(sort_exception_policy(policy.exceptions)),
        "bindings": format_exception_policy(_named(bindings.policy)),
        "profile": format_profile(_sorted_profiles(policy.profiles)),
        "manager": format_manager(sort_managers(managers)),
        "stat": format_stat(policy.quotas),
    }
    script = boot_script(
        interpreter=boot.interpreter,
        search_path=boot.search_path,
        sizes={FILES[name]: len(text) for name, text in texts.items() if text or name != "stat"},
        previous=boot.previous,
        state=boot.state,
        fallback=boot.fallback,
        managers=domain_managers(texts["manager"]),
        store=str(manifest["store_directory"]),
    )
    return PolicySet(**texts, boot=script, manifest=manifest)


def _named(policy: ExceptionPolicy) -> ExceptionPolicy:
    """POLICY, with the namespace in each line where not all are of the first."""
    return replace(policy, named=policy.named or any(part.namespace != KERNEL for part in policy))


def _sorted_profiles(policy: ProfilePolicy) -> ProfilePolicy:
    return ProfilePolicy(tuple(sorted(policy, key=lambda part: (part.namespace != KERNEL, part.namespace))))


def _manifest(
    policy: SourcePolicy,
    bindings: Bindings,
    names: NameTable,
    tree: Tree,
    roots: Iterable[StorePath],
    settings: CompileSettings,
) -> dict[str, object]:
    members = names.closure.members
    referred = {path for member in members for path in member.references or () if path != member.path}
    known = all(member.references is not None for member in members)
    tops = list(roots) or [member.path for member in members if known and member.path not in referred]
    bound = [*bindings.policy]
    return {
        "store_directory": tree.store_directory,
        "roots": sorted(map(str, tops)),
        "modules": policy.modules,
        "fallback": settings.boot.fallback,
        "counts": {
            "domains": len(policy.domains),
            "entries": sum(len(domain.entries) for domain in policy.domains),
            "store_paths": len(names.paths),
            "aggregators": sum(len(part.aggregators) for part in bound),
            "path_group_members": sum(len(group.members) for part in bound for group in part.groups),
        },
    }


# What the closure says


def _binding_problems(bindings: Bindings, files: Sequence[PolicyText], unresolved: Unresolved) -> Iterator[Diagnostic]:
    accepted = unresolved is Unresolved.ACCEPT
    found = [problem for problem in bindings.problems if not (accepted and problem.is_unresolved)]
    places = use_places(read_located_policy(files)) if found else {}
    library = {file.name: _first_domain(file) for file in files if file.directory == LIBRARY}
    for problem in found:
        # What a module says counts in any namespace.
        placed = places.get(problem.use) or places.get(replace(problem.use, namespace=""))
        told = problem.at(placed.where(problem.use.written) if placed else None)
        # The library is for systems that lack some of what it names, but not the service itself.
        if problem.is_unresolved and told.place.file in library and told.place.line != library[told.place.file]:
            continue
        if told.severity is Severity.NOTE or (problem.is_unresolved and unresolved is Unresolved.WARN):
            told = replace(told, severity=Severity.WARNING)
        yield told


def _unsafe(report: Report) -> Diagnostic:
    return Diagnostic(Severity.WARNING, "unsafe-place", f"{report.place}: {report.reason}: skipped")


def _first_domain(file: PolicyText) -> int:
    """The line of the first domain in FILE, of a service that must be there; 0 for none."""
    lines = file.text.split("\n") if file.kind is TextKind.DOMAIN else ()
    return next((number for number, line in enumerate(lines, 1) if normalise(line).startswith("<")), 0)


def _store_paths(files: Iterable[PolicyText], tree: Tree) -> Iterator[Diagnostic]:
    """Warn of store paths, and of patterns in their place, once for each file."""
    store = re.compile(rf"(?<![!#-<>-?A-~]){re.escape(encode_file(tree.store_directory))}/(\\)?")
    for file in files:
        places: dict[tuple[str, str], list[int]] = {}
        for match in store.finditer(file.text):
            before = file.text[file.text.rfind("\n", 0, match.start()) + 1 : match.start()]
            # Whoever executes a program chooses its arguments, so a pattern among them gives nothing away.
            if not before.lstrip().startswith("#") and not (match[1] and _ARGUMENT.search(before)):
                places.setdefault(_PATTERN if match[1] else _HASH, []).append(match.start())
        for (code, what), found in places.items():
            more = f" (and {len(found) - 1} more in this file)" if len(found) > 1 else ""
            line = file.text.count("\n", 0, found[0]) + 1
            column = found[0] - file.text.rfind("\n", 0, found[0])
            yield Diagnostic(Severity.WARNING, code, what + more, place=file.place(line, column))


_ARGUMENT = re.compile(r"""exec\.(?:argv\[[^ ]*\]|envp\["[^ ]*"\])!?="$""")
_PATTERN = "store-pattern", "a pattern of store paths: whoever may add a package can make it match"
_HASH = (
    "store-hash",
    "a store path: it means this one build, and nothing after the next upgrade; 'tomoyo name' makes names of such",
)


def _failing_transitions(policy: SourcePolicy, files: Sequence[PolicyText]) -> Iterator[Diagnostic]:
    """Tell of transitions that make execution fail, where nobody wanted to forbid it."""
    found = list(missing_domains(policy.domains, policy.exceptions))
    places: dict[Rule, Place] = {}
    if found:
        placed = read_located_policy(files)
        for _, entry in placed.entries():
            places.setdefault(entry.value, entry.where())
        for part in placed.namespaces.values():
            places |= {control.value: control.where() for control in reversed(part.transitions)}
    for missing in found:
        yield error("failing-execution", f"{missing.rule}: {missing.reason}", places.get(missing.rule, Place()))


def _old_bindings(written: ExceptionPolicy, files: Sequence[PolicyText], tree: Tree) -> Iterator[Diagnostic]:
    """Tell of bindings in the policy's own exceptions: they would bind names to what no closure vouches for."""
    store = encode_file(tree.store_directory) + "/"
    lines: list[str] = []
    for part in written:
        lines += [str(a) for a in part.aggregators if is_name(a.name.text) and a.pattern.text.startswith(store)]
        for group in part.groups:
            if group.kind is GroupKind.PATH and is_name(group.name.text):
                lines += [line for line in group.lines() if line.split(" ")[2].startswith(store)]
    places: dict[str, Place] = {}
    for found in read_located_policy(files).namespaces.values() if lines else ():
        places |= {str(placed.value): placed.where(placed.value.pattern.text) for placed in reversed(found.aggregators)}
        for placed in reversed(found.members):
            places[f"{placed.value.kind.value} {placed.value.name} {placed.value.member}"] = placed.where(placed.value.name.text)
    for line in lines:
        message = f"{line}: a binding, which is made from the closure and never written by hand"
        yield error("old-binding", message, places.get(line, Place()))


def _real_managers(
    managers: ManagerPolicy,
    bindings: Bindings,
    contents: Contents,
    files: Sequence[PolicyText],
    problems: list[Diagnostic],
) -> ManagerPolicy:
    """MANAGERS with real paths in the place of names; tells of those that would not do what they should."""
    real = dict(bindings.managers)
    found: list[Word | DomainName] = []
    for manager in managers.managers:
        if not isinstance(manager, Word) or not is_name(manager.text):
            found.append(manager)
            continue
        for path in real.get(manager.text, ()):
            interpreter = _interpreter(path, contents)
            if interpreter is not None:
                advice = f"list the domain that it runs in, such as {KERNEL} {manager}"
                message = f"{manager} is a script: the kernel sees its interpreter {quoted(interpreter)} instead"
                written = (placed for placed in read_located_policy(files).managers if placed.value == manager)
                place = next((placed.where() for placed in written), Place())
                problems.append(error("manager-script", message, place, advice))
            found.append(Word(path))
    if not found:
        file = next((file.name for file in files if file.kind is TextKind.MANAGER), "")
        message = "there is no manager: once this policy is active, nothing can change it"
        problems.append(Diagnostic(Severity.WARNING, "no-manager", message, place=Place(file)))
    return replace(managers, managers=tuple(dict.fromkeys(found)))


def _interpreter(path: str, contents: Contents) -> str | None:
    """What the script at the word PATH runs in; None for any other program."""
    file = contents.store_file(os.fsdecode(decode(path)))
    executable = contents.executable(file) if file else None
    return executable.interpreter if executable else None


def _real_boot(boot: BootSettings, names: NameTable, contents: Contents, problems: list[Diagnostic]) -> BootSettings:
    """BOOT with paths in the place of names; tells of store paths that may be gone at boot."""
    try:
        shell, space, argument = boot.interpreter.partition(" ")
        real = replace(
            boot,
            interpreter=_real_path(shell, names, contents) + space + argument,
            search_path=tuple(_real_path(folder, names, contents) for folder in boot.search_path),
        )
        boot_script(interpreter=real.interpreter, search_path=real.search_path, previous=real.previous, state=real.state)
        return real
    except ValueError as failure:
        problems.append(error("boot-loader", f"boot loader: {failure}"))
        return boot


def _real_path(text: str, names: NameTable, contents: Contents) -> str:
    store = contents.tree.store_directory + "/"
    if is_name(text):
        found = [file for file in names.files(parse_name(text)) if contents.node(file) is not None]
        if len(found) != 1:
            several = f"{len(found)} store paths have it" if found else "nothing in the closure has it"
            raise InvalidValueError(f"{text}: {several}")
        text = str(found[0])
    if text.startswith(store):
        file = find_store_path(text, contents.tree.store_directory)
        if file.store_path not in names.paths:
            raise InvalidValueError(f"{text} is not in the closure, so it may be gone at boot")
        if contents.node(file) is None:
            raise InvalidValueError(f"{text} does not exist")
        refused = path_refused(contents, text)
        if refused:
            raise InvalidValueError(f"{text} {refused}")
    return text


# The proof


def _prove(policy: PolicySet) -> list[Diagnostic]:
    """Load POLICY into a simulated kernel and boot that; tell of every line that it does not hold as written."""
    problems: list[Diagnostic] = []

    def report(found: PolicySyntaxError) -> None:
        problems.append(_lost(found.file, found.line, found.explanation, found.source))

    kernel = policy.loaded(report)
    try:
        kernel.activate()
    except KernelPanic as panic:
        problems.append(error("boot-panic", f"a kernel that boots with this panics: {panic}"))
    for name, interface in (("domain_policy", "domain_policy"), ("profile", "profile"), ("manager", "manager")):
        text: str = getattr(policy, name)
        if name == "manager":
            text = text.replace("manage_by_non_root\n", "")
        held = kernel.read(interface)
        if held != text:
            problems.append(_difference(FILES[name], text.split("\n"), held.split("\n")))
    written = _exception_lines(policy.exception_policy + policy.bindings)
    held_lines = _exception_lines(kernel.read("exception_policy"))
    for ours, theirs in zip(written, held_lines):
        if ours != theirs:
            problems.append(_difference(FILES["exception_policy"], ours, theirs))
    return problems


def _exception_lines(text: str) -> tuple[list[str], list[str]]:
    """The aggregators of TEXT in their order, which counts, and the other lines, sorted."""
    lines = dict.fromkeys(line.removeprefix(f"{KERNEL} ") for line in text.split("\n") if line)
    aggregators = [line for line in lines if "aggregator " in line]
    return sorted(aggregators, key=lambda line: line.partition("aggregator ")[0]), sorted(lines)


def _difference(file: str, written: list[str], held: list[str]) -> Diagnostic:
    for number, (ours, theirs) in enumerate(zip(written, held), 1):
        if ours != theirs:
            return _lost(file, number, f"{quoted(ours)} is held as {quoted(theirs)}")
    return _lost(file, min(len(written), len(held)) + 1, "what is held has another length")


def _lost(file: str, line: int, reason: str, text: str = "") -> Diagnostic:
    place = Place(f"(compiled) {file}", line, text=text)
    return error("altered-line", f"a kernel would not hold this as written: {reason}", place)

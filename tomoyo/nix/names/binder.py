"""The binder: finds the store files that the names of a policy stand for, and makes the bindings.

Beware: the kernel takes the first aggregator that matches, so a program has one
name in each namespace.  And a group holds real paths: a name that is a symlink
there binds nothing that is ever seen.  Both are told as a `NameProblem`, never
mended silently; a name with an error binds nothing and so grants nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ...decision.matching import compile_pattern
from ...model.diagnostics import Diagnostic, Place, Severity, did_you_mean
from ...model.entries import GroupKind
from ...model.exception_policy import Aggregator, ExceptionPolicy, Group, NamespaceExceptions
from ...model.words import KERNEL, NAMES, Word, constant_length, quoted
from ..store.contents import Contents, NodeType, read_contents
from ..store.executables import Kind
from ..store.paths import StoreFile, StorePath
from ..store.tree import Tree
from . import unbound_names
from .bindings import UNRESOLVED, Bindings, NameProblem, Programs, Several
from .name_uses import Role, Use
from .names import WRAPPERS, Name, NameSyntaxError, NameTable, encode_file, parse_name
from .program_paths import WRAPPER_DIRECTORY, ProgramPaths, find_executed, find_program_paths, wrappers_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["bind"]

#: How the kernel sees a program that is executed through a descriptor.
DESCRIPTOR_PATTERN = "proc:/self/fd/\\$"
#: How the kernel sees a wrapper, whose directory is made anew at each boot; its name follows.
WRAPPER_PATTERN = f"{WRAPPER_DIRECTORY}/wrappers.\\*/"


def bind(
    uses: Iterable[Use],
    names: NameTable,
    tree: Tree,
    *,
    exceptions: ExceptionPolicy | None = None,
    several: Several = Several.BIND,
    programs: Programs = Programs.USED,
    links: Mapping[str, str] | None = None,
    contents: Contents | None = None,
) -> Bindings:
    """Tie every name in USES to what it stands for.

    Arguments:
        uses: as `policy_uses` finds them.
        names: which store paths are trusted, and their names.
        tree: the file system that holds them.
        exceptions: the policy's own.  Names that its aggregators and path groups
            give to places outside the store need not be known otherwise; what
            they say about the store is an old binding, which does not count.
        several: what to do about a name that several versions in the closure have.
        programs: which programs get a name: those that the policy uses, or all.
        links: as for `find_program_paths`.
        contents: what lies in the store paths, where that is known already.

    Reads TREE, and raises nothing for whatever lies there or for whatever the
    uses say: see `Bindings.problems`.  The same arguments give the same
    result.
    """
    if contents is None:
        contents = read_contents(names.paths, tree)
    binder = _Binder(names, contents, several, exceptions)
    for use in uses:
        binder.add(use)
    binder.bind_programs(links, programs)
    if binder.misused:
        # What is told to write instead must bind something.
        right = bind(
            dict.fromkeys(binder.misused.values()),
            *(names, tree),
            exceptions=exceptions,
            several=several,
            links=links,
            contents=contents,
        )
        reasons = {each.use: each.diagnostic.message.removeprefix(f"{each.use.written}: ") for each in reversed(right.problems)}
        binder.tell_misused(reasons)
    return binder.bindings()


@dataclass(slots=True)
class _Executed:
    """A name that is executed: the files that it may mean, each with the name that it gets."""

    use: Use
    name: Name
    files: dict[StoreFile, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Aggregated:
    """What one path is executed as: each name with the use that says so; None where no policy does."""

    program: StoreFile | None
    names: dict[str, Use | None] = field(default_factory=dict)


class _Binder:
    """What was found so far."""

    def __init__(self, names: NameTable, contents: Contents, several: Several, exceptions: ExceptionPolicy | None) -> None:
        self.names = names
        self.contents = contents
        self.several = several
        self.exceptions = exceptions or ExceptionPolicy()
        self.given = _given_names(self.exceptions, contents.tree)
        self.problems: list[NameProblem] = []
        self.namespaces = {KERNEL: None, **{part.namespace: None for part in self.exceptions}}
        self.misused: dict[Use, Use] = {}  # with what should stand there
        self.executed: list[_Executed] = []
        self.wrappers: list[tuple[Use, Name]] = []
        self.aggregated: dict[tuple[str, str], _Aggregated] = {}  # by namespace and path
        self.members: dict[tuple[str, str], tuple[str, ...]] = {}  # by namespace and name
        self.managers: dict[str, tuple[str, ...]] = {}
        self.reports = contents.reports

    def error(self, code: str, use: Use, reason: str, paths: Iterable[object] = (), near: str = "") -> None:
        if not (code in UNRESOLVED and (use.namespace, use.role, use.text) in self.given):
            self.tell(Severity.ERROR, code, use, reason, paths, near)

    def note(self, code: str, use: Use, reason: str, paths: Iterable[object] = ()) -> None:
        self.tell(Severity.NOTE, code, use, reason, paths)

    def tell(self, severity: Severity, code: str, use: Use, reason: str, paths: Iterable[object], near: str = "") -> None:
        related = tuple(Place(str(path)) for path in paths)
        message = f"{use.written}: {reason}"
        self.problems.append(NameProblem(use, Diagnostic(severity, code, message, near, subject=use.written, related=related)))

    def add(self, use: Use) -> None:
        """Take in one use; programs wait for `bind_programs`."""
        self.namespaces[use.namespace] = None
        try:
            name = parse_name(use.text)
        except NameSyntaxError as error:
            self.error("malformed-name", use, str(error))
            return
        if use.role in unbound_names.MISUSES:
            self.misused[use] = replace(use, role=unbound_names.MISUSES[use.role][2])
        elif name.key == WRAPPERS:
            self._add_wrapper(use, name)
        else:
            paths = self.names.resolve(name)
            if not paths:
                near = "" if self.names.keys_of(name.package) else did_you_mean(name.package, self.names.package_names())
                self.error("unknown-package", use, unbound_names.unknown_package(name, self.names), near=near)
            elif use.role is Role.EXECUTED:
                self._add_executed(use, name, paths)
            elif use.role is Role.MANAGER:
                self._add_manager(use, name, paths)
            else:
                self._add_reference(use, name, paths)

    def _few_enough(self, use: Use, held: tuple[StorePath, ...]) -> bool:
        """Whether all of HELD may be bound; else that is reported."""
        if len(held) < 2 or self.several is Several.BIND:
            return True
        listed = ", ".join(map(str, held))
        self.error("ambiguous-name", use, f"{len(held)} store paths have this name; say the version: {listed}", held)
        return False

    def _missing(self, use: Use, name: Name, paths: tuple[StorePath, ...]) -> None:
        reason = unbound_names.missing_file(name, use.role, paths, self.contents, self.names)
        near = "" if name.is_pattern else unbound_names.near_file(name, paths, self.contents)
        self.error("missing-file", use, reason, paths, near=near)

    def tell_misused(self, faults: Mapping[Use, str]) -> None:
        """Tell what to write instead of names that never match, or by FAULTS why that would not do either."""
        for use, right in self.misused.items():
            self.error("misplaced-name", use, unbound_names.misused(use.role, use.text, faults.get(right, "")))

    # Groups of real paths, and managers

    def _add_reference(self, use: Use, name: Name, paths: tuple[StorePath, ...]) -> None:
        find = self._target_places if use.role is Role.TARGET else self._places
        places = {path: places for path in paths if (places := find(name, path))}
        held = tuple(places)
        if not held:
            self._missing(use, name, paths)
        elif self._few_enough(use, held):
            self.members[use.namespace, use.text] = tuple(encode_file(str(path)) + name.file for path in held)
            for path, found in places.items() if use.role is Role.REFERENCE else ():
                files = [StoreFile(path, place) for place in found]
                if all(isinstance(self.contents.node(file), str) for file in files):
                    self.note("linked-file", use, unbound_names.linked(files[0], self.contents, self.names), files)

    def _places(self, name: Name, path: StorePath) -> list[str]:
        """The places in PATH that NAME stands for, a directory's without its slash."""
        if name.is_pattern:
            # The kernel cuts a pattern at its first escape, so what stands before the file makes no difference.
            pattern = compile_pattern(name.file)
            head = name.file[: constant_length(name.file)]
            return [place for word, place in self.contents.words(path, head) if pattern.matches(word)]
        file = name.file_name
        place = file.removesuffix("/")
        node = self.contents.node(StoreFile(path, place))
        return [place] if node is not None and (node is NodeType.DIRECTORY) is (place != file) else []

    def _target_places(self, name: Name, path: StorePath) -> list[str]:
        """The places in PATH that a symlink with the text NAME leads to; a directory's needs no slash."""
        if not name.is_pattern and self.contents.node(StoreFile(path, name.file_name)) is NodeType.DIRECTORY:
            return [name.file_name]
        return self._places(name, path)

    def _add_manager(self, use: Use, name: Name, paths: tuple[StorePath, ...]) -> None:
        if name.is_pattern:
            self.error("misplaced-name", use, "a manager is one program: name it without patterns")
            return
        files = [StoreFile(path, place) for path in paths for place in self._places(name, path)]
        if not files:
            self._missing(use, name, paths)
        elif self._few_enough(use, tuple(file.store_path for file in files)):
            found = [(file, find_executed(self.contents, str(file))) for file in files]
            for file, executed in found:
                if executed is None:
                    reason = f"{quoted(str(file))} leads to no program of the closure"
                    self.error("not-executable", use, reason, [file])
                elif executed.refused:
                    self.error("unsafe-place", use, f"{quoted(str(file))} {executed.refused}", [file])
            if all(executed and not executed.refused for _, executed in found):
                self.managers[use.text] = tuple(sorted({encode_file(str(executed.runs)) for _, executed in found if executed}))

    # Programs

    def _add_wrapper(self, use: Use, name: Name) -> None:
        refused = wrappers_refused(self.contents)
        if len(name.file) < 2 or "/" in name.file[1:]:
            self.error("malformed-name", use, f"a wrapper is called {NAMES}{WRAPPERS}/NAME")
        elif refused:
            self.error("unsafe-place", use, f"{WRAPPER_DIRECTORY} {refused}")
        elif use.role is Role.EXECUTED:
            self.wrappers.append((use, name))
        elif use.role in (Role.REFERENCE, Role.TARGET):
            self.members[use.namespace, use.text] = (WRAPPER_PATTERN + name.file[1:],)
        else:
            self.error("misplaced-name", use, "a wrapper has another path after each boot, so it can be no manager")

    def _add_executed(self, use: Use, name: Name, paths: tuple[StorePath, ...]) -> None:
        executed = _Executed(use, name)
        for path in paths:
            for place in self._places(name, path):
                file = StoreFile(path, place)
                if self.contents.node(file) is not NodeType.DIRECTORY:
                    executed.files[file] = f"{NAMES}{name.key}{encode_file(place)}"
        if executed.files:
            self.executed.append(executed)
        else:
            self._missing(use, name, paths)

    def bind_programs(self, links: Mapping[str, str] | None, programs: Programs) -> None:
        """Find the ways into the programs that were added, or into all."""
        sought = {file for executed in self.executed for file in executed.files} if programs is Programs.USED else None
        if not sought and not self.wrappers and programs is Programs.USED:
            return
        program_paths = find_program_paths(self.contents, programs=sought, links=links)
        self.reports = program_paths.reports
        entrances: dict[StoreFile, list[tuple[str, Kind]]] = {}
        for path in program_paths.paths:
            entrances.setdefault(path.program, []).append((encode_file(path.executed), path.kind))
        for file in program_paths.by_descriptor:
            entrances[file].append((DESCRIPTOR_PATTERN, Kind.PROGRAM))
        for executed in self.executed:
            self._bind_executed(executed, entrances)
        for use, name in self.wrappers:
            self._bind_wrapper(use, name, program_paths)
        if programs is Programs.ALL:
            for namespace in self.namespaces:
                self._bind_everything(namespace, entrances, program_paths)

    def _bind_executed(self, executed: _Executed, entrances: Mapping[StoreFile, list[tuple[str, Kind]]]) -> None:
        use = executed.use
        found = [file for file in executed.files if file in entrances]
        if executed.name.is_pattern:
            # It does not mean the libraries that lie beside the programs, though most have an x bit.
            found = [file for file in found if any(kind is not Kind.LIBRARY for _, kind in entrances[file])]
        if not found:
            files = list(executed.files)
            reason = unbound_names.not_executable(executed.name, files, self.contents, self.names)
            self.error("not-executable", use, reason, files)
        elif self._few_enough(use, tuple(sorted({file.store_path for file in found}))):
            for file in found:
                for path, _ in entrances[file]:
                    self._aggregate(use.namespace, path, executed.files[file], use, file)
                    if path == DESCRIPTOR_PATTERN:
                        reason = f"also executed as {path}, which any program may be: let rules check exec.realpath=@{use.text}"
                        self.note("executed-by-descriptor", use, reason, [path])

    def _bind_wrapper(self, use: Use, name: Name, program_paths: ProgramPaths) -> None:
        words = [name.file[1:]]
        if name.is_pattern:
            pattern = compile_pattern(name.file[1:])
            words = sorted(word for word in _wrapper_words(program_paths) if pattern.matches(word))
            if not words:
                self.error("missing-file", use, f"nothing in {WRAPPER_DIRECTORY} matches now: name each wrapper by itself")
        for word in words:
            self._aggregate(use.namespace, WRAPPER_PATTERN + word, f"{NAMES}{WRAPPERS}/{word}", use, None)

    def _bind_everything(
        self, namespace: str, entrances: Mapping[StoreFile, list[tuple[str, Kind]]], program_paths: ProgramPaths
    ) -> None:
        for file, found in entrances.items():
            # The descriptor would give its name to every program that is started so.
            paths = [path for path, kind in found if kind in (Kind.PROGRAM, Kind.SCRIPT) and path != DESCRIPTOR_PATTERN]
            name = self.names.name(file) if paths else None
            for path in paths if name is not None else ():
                if (namespace, path) not in self.aggregated:
                    self._aggregate(namespace, path, str(name), None, file)
        for word in _wrapper_words(program_paths):
            if (namespace, WRAPPER_PATTERN + word) not in self.aggregated:
                self._aggregate(namespace, WRAPPER_PATTERN + word, f"{NAMES}{WRAPPERS}/{word}", None, None)

    def _aggregate(self, namespace: str, path: str, name: str, use: Use | None, program: StoreFile | None) -> None:
        aggregated = self.aggregated.setdefault((namespace, path), _Aggregated(program))
        aggregated.names.setdefault(name, use)

    # The result

    def bindings(self) -> Bindings:
        """All that was found, without what is in conflict."""
        self._find_conflicts()
        parts = []
        for namespace in self.namespaces:
            part = NamespaceExceptions(
                namespace, aggregators=tuple(self._aggregators(namespace)), groups=tuple(self._groups(namespace))
            )
            if part.aggregators or part.groups:
                parts.append(part)
        named = any(part.namespace != KERNEL for part in parts)
        policy = ExceptionPolicy(tuple(parts), named)
        return Bindings(policy, tuple(sorted(self.managers.items())), tuple(self.problems), self.reports)

    def _find_conflicts(self) -> None:
        told = set()
        own = {
            (part.namespace, aggregator.pattern.text): aggregator.name.text
            for part in self.exceptions
            for aggregator in part.aggregators
        }
        patterns = [(key[0], compile_pattern(key[1]), name) for key, name in own.items() if Word(key[1]).is_pattern]
        for (namespace, path), aggregated in self.aggregated.items():
            names = list(aggregated.names)
            names += [own[namespace, path]] if (namespace, path) in own else []
            names += [name for where, pattern, name in patterns if where == namespace and pattern.matches(path)]
            names = list(dict.fromkeys(names))
            if len(names) == 1:
                continue
            use = next((use for use in reversed(aggregated.names.values()) if use), None)
            aggregated.names.clear()
            # Every way into a program has the same conflict.
            if use is not None and (namespace, *names) not in told:
                told.add((namespace, *names))
                best = self._best_name(aggregated.program, names)
                reason = f"{path} is executed as {' and as '.join(names)}, but the kernel takes only one: always write {best}"
                self.error("name-conflict", use, reason, [path])

    def _best_name(self, program: StoreFile | None, names: list[str]) -> str:
        """The shortest of NAMES that means PROGRAM alone, or else any that does."""
        if program is not None:
            for name in self.names.names(program):
                others = [file for file in self.names.files(name) if self.contents.node(file) is not None]
                if len(others) == 1:
                    return str(name)
        return names[0]

    def _aggregators(self, namespace: str) -> Iterator[Aggregator]:
        lines = sorted(
            (name, path) for (where, path), found in self.aggregated.items() if where == namespace for name in found.names
        )
        for name, path in lines:
            yield Aggregator(Word(path), Word(name))

    def _groups(self, namespace: str) -> Iterator[Group]:
        for (where, name), members in sorted(self.members.items()):
            if where == namespace:
                yield Group(GroupKind.PATH, Word(name), tuple(map(Word, members)))


def _given_names(exceptions: ExceptionPolicy, tree: Tree) -> set[tuple[str, Role, str]]:
    """The names that EXCEPTIONS gives to places outside the store."""
    store = encode_file(tree.store_directory) + "/"
    given = set()
    for part in exceptions:
        for aggregator in part.aggregators:
            if not aggregator.pattern.text.startswith(store):
                given.add((part.namespace, Role.EXECUTED, aggregator.name.text))
        for group in part.groups:
            if group.kind is GroupKind.PATH and any(not str(member).startswith(store) for member in group.members):
                given |= {(part.namespace, role, group.name.text) for role in (Role.REFERENCE, Role.TARGET)}
    return given


def _wrapper_words(program_paths: ProgramPaths) -> list[str]:
    """The names of all wrappers there are now, as words."""
    return sorted({encode_file(wrapper.name) for wrapper in program_paths.wrappers})

"""Which bindings of an older generation stay: those of store paths that still run, in domains that use the names.

Any user may open, map or execute any store path.  So a process counts only in
a domain that uses the name, which is for the policy to say.  And as a domain
may execute more than what it runs, a mapping alone keeps no other program.

What /proc says comes from the processes, which name their files as they like:
nothing is done with a name but to compare its beginning.  Where /proc cannot be
read, the domain alone decides.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..decision.groups import Groups
from ..decision.index import EntryIndex, argument_matches
from ..decision.requests import Request
from ..model.entries import Entry, GroupKind, Kind
from ..model.words import KERNEL, NAMES
from ..syntax.domain_policy import parse_domain_policy
from ..syntax.exception_policy import parse_exception_policy
from ..syntax.lines import Reading, normalise

if TYPE_CHECKING:
    from ..sets.policy_set import PolicySet
    from .securityfs import Interface


@dataclass(frozen=True, slots=True)
class Binding:
    """A line of exception policy that ties a name to a file of the store.

    Attributes:
        line: as it is written to a kernel, with its namespace if that is not <kernel>.
        namespace: whose exception policy it is in.
        name: such as ``nix:/nginx/bin/nginx``.
        path: the file.
        store_path: the name (HASH-NAME) of the store path that the file is in.
        is_program: whether it is an aggregator; else it is a member of a path group.
    """

    line: str
    namespace: str
    name: str
    path: str
    store_path: str
    is_program: bool


def bindings(text: str, store_directory: str = "/nix/store") -> Iterator[Binding]:
    """The lines of the exception policy TEXT that bind a name ``nix:/...`` to a path below STORE_DIRECTORY."""
    start = store_directory.rstrip("/") + "/"
    for line in map(normalise, text.split("\n")):
        words = line.split(" ")
        namespace = words.pop(0) if words[0].startswith("<") else KERNEL
        if len(words) != 3 or words[0] not in ("aggregator", "path_group"):
            continue
        is_program = words[0] == "aggregator"
        path, name = words[1:] if is_program else words[:0:-1]
        store_path = path[len(start) :].partition("/")[0]
        if name.startswith(NAMES) and path.startswith(start) and store_path and "\\" not in store_path:
            written = " ".join(words if namespace == KERNEL else [namespace, *words])
            yield Binding(written, namespace, name, path, store_path, is_program)


def old_bindings(held: str, wanted: PolicySet) -> dict[str, Binding]:
    """The bindings in an exception policy that is HELD, and not WANTED, by their lines as written to a kernel."""
    then = {binding.line for binding in _wanted(wanted)}
    return {found.line: found for found in bindings(held, wanted.store_directory) if found.line not in then}


def _wanted(wanted: PolicySet) -> Iterator[Binding]:
    for text in (wanted.exception_policy, wanted.bindings):
        yield from bindings(text, wanted.store_directory)


def used_bindings(interface: Interface, held: PolicySet, wanted: PolicySet, proc: str = "/proc") -> frozenset[str]:
    """The bindings of HELD, by line, that WANTED has not, but that processes need.

    HELD is what INTERFACE holds.  A process needs a name that its domain is
    called after, or that is a group in its domain's entries, if it runs from or
    maps the store path that the name is bound to, or is a script from there in
    the domain called after it; and the name of a program that its domain may
    execute, if it runs from that store path.

    A program bound to another name is no longer bound to its old one: the
    first one would win.
    """
    bound = {(binding.namespace, binding.path) for binding in _wanted(wanted) if binding.is_program}
    stale: dict[str, list[Binding]] = {}
    for binding in old_bindings(held.exception_policy, wanted).values():
        if not (binding.is_program and (binding.namespace, binding.path) in bound):
            stale.setdefault(binding.namespace, []).append(binding)
    if not stale:
        return frozenset()
    processes: dict[str, list[str]] = {}
    for pid, domain in interface.process_domains().items():
        if domain.partition(" ")[0] in stale:
            processes.setdefault(domain, []).append(f"{proc}/{pid}")
    prefix = os.fsencode(wanted.store_directory.rstrip("/")) + b"/"
    kept: set[str] = set()
    for domain, uses in _uses(interface, held.exception_policy, list(processes)):
        found = stale[domain.partition(" ")[0]]
        programs = _store_paths(processes[domain], _program, prefix)
        scripts = _scripts(processes[domain])
        run = {line.store_path for line in found if uses.is_of(line) and line.path in scripts}
        kept.update(
            line.line
            for line in found
            if (line.store_path in programs or line.store_path in run) and (uses.names(line) or uses.executes(line))
        )
        named = [line for line in found if line.line not in kept and uses.names(line)]
        mapped = _store_paths(processes[domain], _mappings, prefix) if named else ()
        kept.update(line.line for line in named if line.store_path in mapped)
    return frozenset(kept)


def _store_paths(processes: list[str], look: Callable[[bytes], list[bytes]], prefix: bytes) -> Container[str]:
    """The names of the store paths, below PREFIX, that PROCESSES have where to LOOK."""
    found: set[str] = set()
    for process in processes:
        try:
            paths = look(os.fsencode(process))
        except PermissionError:
            return _Everything()
        except OSError:  # it has ended, or is a thread of the kernel
            continue
        inside = (path.removeprefix(prefix) for path in paths if path.startswith(prefix))
        found.update(os.fsdecode(path.partition(b"/")[0].removesuffix(b" (deleted)")) for path in inside)
    return found


class _Everything:
    def __contains__(self, _: object) -> bool:
        return True


def _program(process: bytes) -> list[bytes]:
    return [os.readlink(process + b"/exe")]


def _scripts(processes: list[str]) -> set[str]:
    """The scripts that PROCESSES run, as far as they are.

    For a script the kernel puts its path behind the interpreter, before what
    the caller gave.  That path may lead through a link which has changed since,
    such as /run/current-system; but a shell keeps its script open.  A process
    can pretend both, which is why they count only in the script's own domain.
    """
    found: set[str] = set()
    for process in processes:
        try:
            with open(f"{process}/cmdline", "rb") as file:
                words = file.read(1 << 16).split(b"\0")[1:]
            found.update(os.fsdecode(word) for word in [word for word in words if word.startswith(b"/")][:1])
            found.update(_open_files(process))
        except OSError:  # it has ended
            continue
    return found


def _open_files(process: str) -> Iterator[str]:
    for descriptor in os.listdir(f"{process}/fd"):
        with contextlib.suppress(OSError):  # it is closed
            yield os.readlink(f"{process}/fd/{descriptor}")


def _mappings(process: bytes) -> list[bytes]:
    with open(process + b"/maps", "rb") as maps:
        lines = (line.rstrip(b"\n").split(None, 5) for line in maps)
        return [fields[5] for fields in lines if len(fields) == 6]


class _Uses:
    """Which names a domain uses."""

    def __init__(self, domain: str, entries: list[Entry], groups: Groups) -> None:
        self._program = domain.rpartition(" ")[2]
        self._named = {name for entry in entries for kind, name in entry.group_references() if kind is GroupKind.PATH}
        self._groups = groups
        self._index = EntryIndex((entry for entry in entries if "execute" in entry.operations), groups)

    def is_of(self, binding: Binding) -> bool:
        """Whether the domain is that of the program which BINDING names."""
        return binding.is_program and binding.name == self._program

    def names(self, binding: Binding) -> bool:
        """Whether the domain is called after the name of BINDING, or has an entry for the files of that name."""
        return binding.name == self._program or (not binding.is_program and binding.name in self._named)

    def executes(self, binding: Binding) -> bool:
        """Whether BINDING is of a program that the domain has an entry to execute."""
        if not binding.is_program:
            return False
        found = self._index.candidates(Request(Kind.PATH, "execute", (binding.name,)))
        return any(argument_matches(entry.arguments[0], binding.name, self._groups) for _, entry in found)


def _uses(interface: Interface, exceptions: str, domains: list[str]) -> Iterator[tuple[str, _Uses]]:
    """What each of DOMAINS uses."""
    parts = {part.namespace: part for part in parse_exception_policy(exceptions, reading=Reading.AS_KERNEL)}
    groups = {name: Groups(part) for name, part in parts.items()}
    shared = {(name, number): entries for name, part in parts.items() for number, entries in part.acl_groups}
    answers = interface.select_all("domain_policy", [f"select domain={domain}" for domain in domains])
    for name, answer in zip(domains, answers):
        namespace = name.partition(" ")[0]
        entries: list[Entry] = []  # as those of a domain that was deleted with a process in it
        for domain in parse_domain_policy(answer, reading=Reading.AS_KERNEL):
            if domain.name.text == name:
                entries += domain.entries
                entries += (entry for number in domain.groups for entry in shared.get((namespace, number), ()))
        yield name, _Uses(name, entries, groups[namespace])

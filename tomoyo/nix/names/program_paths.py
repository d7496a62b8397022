"""Program paths: every name under which a program of a closure can be executed.

At execve(2) the kernel shows TOMOYO the pathname with its parents resolved
and its last component *not followed*.  ``/run/current-system/sw/bin/nginx``
thus arrives as ``/nix/store/H-system-path/bin/nginx``, a symlink in another
package than nginx, and a policy knows the program only if that name is bound
to it as well.  This module finds all such names:

* files with an x bit, under their own names (``.foo-wrapped`` among them);
* symlinks within one package, which are programs of their own: coreutils'
  ``ls`` and busybox' applets decide by that name what they do;
* symlinks that lead into another package (system-path, user environments),
  which are that package's program at the place where they enter it;
* symlinks outside the store: ``/bin/sh``, ``/usr/bin/env``, ``/etc``.

Links to directories are no ways in, since parents are resolved before anybody
sees the name.

Beware: an entry of the result hands a program's rights to a name, so it must
not be possible for a stranger to turn the name to something else.  So each
directory on the way, from ``/`` down, and each link must belong to root, and
nobody else may write to it: `Tree.distrust`.  Where links lead through places
outside the store, these must lie within `SYSTEM_DIRECTORIES` as well, since
what is root's today may be a user's tomorrow elsewhere; and a way through the
store leads through the closure alone.  What is left out so is reported.  File
names are arbitrary bytes, as `os.fsdecode` makes them `str`.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from ...model.words import quoted
from ..store.contents import Contents, NodeType, Report
from ..store.executables import Kind
from ..store.paths import StoreFile
from ..store.tree import MAX_SYMLINKS, LinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

__all__ = ["ProgramPath", "ProgramPaths", "Script", "Wrapper", "find_program_paths"]

#: Directories outside the store whose own symlinks are looked at.
LINK_DIRECTORIES = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/lib", "/lib64")
#: The same, with everything below them.
LINK_TREES = ("/etc",)
#: Where symlinks may lead through outside the store, as long as only root can write there.
#: Not /nix/var/nix/profiles/per-user and not /home, which belong to users.
SYSTEM_DIRECTORIES = (
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/run/booted-system",
    "/run/current-system",
    "/run/opengl-driver",
    "/run/opengl-driver-32",
    "/sbin",
    "/usr",
)
#: Where NixOS puts programs with privileges, each time in a new directory
#: ``wrappers.XXXXXXXXXX``.
WRAPPER_DIRECTORY = "/run/wrappers"
#: Programs that systemd (255 and later) keeps open and starts as
#: ``/proc/self/fd/N``, so that an upgrade cannot replace them under it:
#: exec_spawn() in src/core/execute.c.  What the executor then starts, the
#: services themselves, it starts by their paths.
DESCRIPTOR_PROGRAMS = ("/lib/systemd/systemd-executor",)

#: How many things are looked at in directories that others may fill, so that a
#: link of theirs is reported.
_LOOKED_AT = 1000

_WRAPPERS = re.compile(r"wrappers\.[A-Za-z0-9]{10}")
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class ProgramPath:
    """One name under which a program can be executed.

    Attributes:
        executed: the name as the kernel sees it.
        program: the file that it means: for a symlink, the place where it enters
            the package that the program belongs to.
        kind: what the file that runs in the end is.
    """

    executed: str
    program: StoreFile
    kind: Kind = Kind.PROGRAM


@dataclass(frozen=True, slots=True)
class Script:
    """A program that the kernel hands to an interpreter.

    TOMOYO sees an execution of the script's own name, and then, in the new
    domain, a *read* of the interpreter's real path; the interpreter causes
    no domain transition (tomoyo_bprm_check_security() in tomoyo.c).

    Attributes:
        script: the file itself.
        interpreter: what stands after ``#!``.
        reads: the interpreter's real path; None if nothing is there.
    """

    script: StoreFile
    interpreter: str
    reads: str | None


@dataclass(frozen=True, slots=True, order=True)
class Wrapper:
    """A program of `WRAPPER_DIRECTORY`, such as sudo.

    Attributes:
        name: its file name.
        executed: as the kernel sees it now; another after the next boot.
    """

    name: str
    executed: str


@dataclass(frozen=True, slots=True)
class ProgramPaths:
    """All that `find_program_paths` finds, each part sorted.

    Attributes:
        paths: the names, each once.
        scripts: which programs of the closure are scripts.
        wrappers: what is in the wrapper directory now.
        by_descriptor: programs that may be executed as ``proc:/self/fd/N``.
            That name says nothing about the program, so a rule that admits it
            must check exec.realpath too.
        reports: loops, dangling links, links out of the closure, unreadable
            places, and what others than root may change: skipped.
    """

    paths: tuple[ProgramPath, ...]
    scripts: tuple[Script, ...]
    wrappers: tuple[Wrapper, ...]
    by_descriptor: tuple[StoreFile, ...]
    reports: tuple[Report, ...]


def find_program_paths(
    contents: Contents,
    *,
    programs: Set[StoreFile] | None = None,
    links: Mapping[str, str] | None = None,
    link_directories: Iterable[str] = LINK_DIRECTORIES,
    link_trees: Iterable[str] = LINK_TREES,
    system_directories: Iterable[str] = SYSTEM_DIRECTORIES,
) -> ProgramPaths:
    """Find every path under which a program of a closure can be executed.

    Arguments:
        contents: the trusted store paths and the file system they lie in, from
            `read_contents`.
        programs: those of these only, and no other file is opened; None for
            all that can be executed.
        links: symlinks outside the store that are to be taken for real, absolute
            path to target: what a system will have once it runs.
        link_directories, link_trees: see `LINK_DIRECTORIES`, `LINK_TREES`; those
            that are missing do not matter.
        system_directories: see `SYSTEM_DIRECTORIES`.

    Takes time linear in the number of files.  Raises nothing for whatever
    lies there: see `ProgramPaths.reports`.
    """
    scan = _Scan(contents, programs, dict(links or {}), tuple(system_directories))
    paths = []
    scripts = []
    for file in contents.files() if programs is None else programs:
        executable = contents.executable(file)
        if executable is None:
            continue
        paths.append(ProgramPath(str(file), file, executable.kind))
        if executable.interpreter is not None:
            scripts.append(Script(file, executable.interpreter, scan.real_path(executable.interpreter)))
    for location in (*map(str, contents.links()), *scan.outer_links(link_directories, link_trees)):
        found = scan.find(location)
        if found and found.refused:
            scan.report(location, found.refused, unsafe=True)
        elif found:
            paths.append(found.path)
    return ProgramPaths(
        paths=tuple(sorted(paths, key=lambda path: path.executed)),
        scripts=tuple(sorted(scripts, key=lambda script: script.script)),
        wrappers=tuple(sorted(scan.wrappers())),
        by_descriptor=tuple(sorted({path.program for path in paths if path.program.file in DESCRIPTOR_PROGRAMS})),
        reports=tuple(sorted({*scan.reports, *contents.reports, *contents.unread})),
    )


@dataclass(frozen=True, slots=True)
class Executed:
    """What an execution of one name comes to.

    Attributes:
        path: as in `ProgramPaths.paths`.
        runs: the file that runs in the end.
        refused: why the name must not be bound, being others' to change; empty
            where it may be.
    """

    path: ProgramPath
    runs: StoreFile
    refused: str = ""


def find_executed(contents: Contents, location: str, links: Mapping[str, str] | None = None) -> Executed | None:
    """What is executed at LOCATION, an inside path with resolved parents; None for no program of the closure.

    Arguments:
        links: as for `find_program_paths`.
    """
    return _Scan(contents, None, dict(links or {}), SYSTEM_DIRECTORIES).find(location)


def find_program(contents: Contents, location: str, links: Mapping[str, str] | None = None) -> StoreFile | None:
    """The program that is executed at LOCATION, if it may be bound; arguments as for `find_executed`."""
    found = find_executed(contents, location, links)
    return found.path.program if found and not found.refused else None


def path_refused(contents: Contents, path: str) -> str:
    """Why others than root may turn PATH, an absolute inside path, to something else, wherever it leads; empty if only root may.

    Raises `LinkError`.
    """
    scan = _Scan(contents, None, {}, SYSTEM_DIRECTORIES)
    resolved = contents.tree.follow(path)
    return next(filter(None, map(scan.refused, (*resolved.passed, resolved.path))), "")


def wrappers_refused(contents: Contents) -> str:
    """Why programs in `WRAPPER_DIRECTORY` must not be bound; empty where they may be."""
    scan = _Scan(contents, None, {}, SYSTEM_DIRECTORIES)
    try:
        return scan.changeable(contents.tree.directory(WRAPPER_DIRECTORY).path)
    except LinkError:
        return ""  # none as yet: it is made at boot


class _BrokenLinkError(Exception):
    """A link is no way in for the reason given."""


class _Scan:
    """What was found so far.  Locations are inside paths with resolved parents."""

    def __init__(
        self,
        contents: Contents,
        programs: Set[StoreFile] | None,
        links: dict[str, str],
        system_directories: tuple[str, ...],
    ) -> None:
        self.contents = contents
        self.programs = programs
        self.tree = contents.tree
        self.links = links
        self.system_directories = system_directories
        self.store = self.tree.store_directory + "/"
        self.reports: set[Report] = set()
        self.looked_at = 0
        self._changeable: dict[str, str] = {}

    def _list(self, directory: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.tree.outside(directory)) as entries:
                yield from entries
        except OSError as error:
            self.report(directory, error.strerror or str(error))

    def outer_links(self, link_directories: Iterable[str], link_trees: Iterable[str]) -> list[str]:
        """The symlinks in these directories outside the store."""
        found = []
        seen = set()
        todo = [(path, False) for path in link_directories] + [(path, True) for path in link_trees]
        while todo:
            path, deep = todo.pop()
            try:
                directory = self.tree.directory(path).path
            except LinkError:
                continue
            if (directory, deep) in seen or f"{directory}/".startswith(self.store):
                continue
            seen.add((directory, deep))
            others = bool(self.changeable(directory))
            for entry in self._list(directory):
                self.looked_at += others
                if others and self.looked_at > _LOOKED_AT:
                    self.report(directory, "holds more than is looked at where others than root may write", unsafe=True)
                    break
                location = f"{directory}/{entry.name}"
                if entry.is_symlink():
                    found.append(location)
                elif deep and entry.is_dir(follow_symlinks=False):
                    todo.append((location, True))
        return sorted({*found, *self.links})

    def wrappers(self) -> Iterator[Wrapper]:
        try:
            top = self.tree.directory(WRAPPER_DIRECTORY).path
        except LinkError:
            return
        refused = self.changeable(top)
        if refused:
            self.report(top, refused, unsafe=True)
            return
        for directory in self._list(top):
            if not _WRAPPERS.fullmatch(directory.name) or not directory.is_dir(follow_symlinks=False):
                continue
            for entry in self._list(f"{top}/{directory.name}"):
                try:
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mode & _EXECUTABLE:
                        yield Wrapper(entry.name, f"{top}/{directory.name}/{entry.name}")
                except OSError as error:
                    self.report(f"{top}/{directory.name}/{entry.name}", error.strerror or str(error))

    def find(self, start: str) -> Executed | None:
        """What the symlink at START comes to; None, perhaps with a report, if that is no program that is sought."""
        location = entered = start
        package = self._package(start)
        links = 0
        refused = self.refused(start) if package else self.changeable(start)
        try:
            while True:
                file = self.contents.store_file(location)
                node = self.contents.node(file) if file else None
                if file and node is NodeType.FILE:
                    return self._executed(start, entered, file, refused)
                if isinstance(node, str):
                    target = node
                else:
                    following = self._elsewhere(location, links)
                    if following is None:
                        if refused:
                            raise _BrokenLinkError(refused)
                        return None
                    target = following
                resolved = self.tree.entry(target, location.rpartition("/")[0])
                links += 1 + resolved.links
                if links > MAX_SYMLINKS:
                    raise _BrokenLinkError("too many symlinks, or a loop of them")
                location = resolved.path
                for place in (*resolved.passed, location):
                    refused = refused or self.refused(place)
                if self._package(location) != package:
                    package, entered = self._package(location), location
        except (LinkError, _BrokenLinkError) as error:
            # Outside the store a link that leads to nothing of ours is none of our business.
            if start.startswith(self.store) or start in self.links or (package and self.contents.store_path(package)):
                self.report(start, error.reason if isinstance(error, LinkError) else str(error))
        return None

    def _executed(self, start: str, entered: str, file: StoreFile, refused: str) -> Executed | None:
        """The way that begins at START, enters the package of FILE at ENTERED, and executes FILE."""
        program = self.contents.store_file(entered)
        if program is None or (self.programs is not None and program not in self.programs):
            return None
        executable = self.contents.executable(file)
        return None if executable is None else Executed(ProgramPath(start, program, executable.kind), file, refused)

    def _elsewhere(self, location: str, links: int) -> str | None:
        """Look at what is no known file or link of the closure, after LINKS symlinks: a link's text, or None."""
        if location in self.links:
            return self.links[location]
        if links == 0:
            return self.tree.target(location)
        status = self.tree.status(location)
        if status is None:
            raise LinkError(location, f"{quoted(location)} does not exist")
        return self.tree.target(location) if stat.S_ISLNK(status.st_mode) else None

    def refused(self, place: str) -> str:
        """Why no way may lead through PLACE, or to it; empty if one may."""
        package = self._package(place)
        if package:
            return "" if self.contents.store_path(package) else f"leads out of the closure, to {quoted(place)}"
        for directory in self.system_directories:
            if f"{place}/".startswith(f"{directory}/") or directory.startswith(f"{place}/"):
                return self.changeable(place)
        return f"leads through {quoted(place)}, which others than root may change: it is no directory of the system"

    def changeable(self, place: str) -> str:
        """Why others than root may turn PLACE, outside the store, to something else; empty if only root may."""
        todo = []
        while place not in self._changeable:
            todo.append(place)
            if place == "/":
                break
            place = place.rpartition("/")[0] or "/"
        found = self._changeable.get(place, "")
        for below in reversed(todo):
            if not found and below not in self.links:  # which root will have made
                reason = self.tree.distrust(below)
                found = f"leads through {quoted(below)}, which others than root may change: {reason}" if reason else ""
            self._changeable[below] = found
        return found

    def _package(self, location: str) -> str:
        """The entry of the store that LOCATION lies in; empty if in none."""
        if not location.startswith(self.store):
            return ""
        return location[len(self.store) :].partition("/")[0]

    def real_path(self, path: str | None) -> str | None:
        if path is None:
            return None
        try:
            return self.tree.follow(path).path
        except LinkError:
            return None

    def report(self, place: str, reason: str, *, unsafe: bool = False) -> None:
        self.reports.add(Report(place, reason, unsafe))

"""Ways in: every name under which a program of a closure can be executed.

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
not be possible for a stranger to turn the name to something else.  Links
that lead through places outside the store count only within
`SYSTEM_DIRECTORIES`, which root alone can change, and what lies in the store
but outside the closure is never entered.  File names are arbitrary bytes, as
`os.fsdecode` makes them `str`.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass

from .contents import Contents, NodeType, Report
from .executable import Kind
from .store import StoreFile
from .tree import MAX_SYMLINKS, LinkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

#: Directories outside the store whose own symlinks are looked at.
LINK_DIRECTORIES = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/lib", "/lib64")
#: The same, with everything below them.
LINK_TREES = ("/etc",)
#: Where symlinks may lead through outside the store: only root writes there.
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
#: ``wrappers.XXXXXXXXXX``; only root writes there.
WRAPPER_DIRECTORY = "/run/wrappers"
#: Programs that systemd (255 and later) keeps open and starts as
#: ``/proc/self/fd/N``, so that an upgrade cannot replace them under it:
#: exec_spawn() in src/core/execute.c.  What the executor then starts, the
#: services themselves, it starts by their paths.
DESCRIPTOR_PROGRAMS = ("/lib/systemd/systemd-executor",)

_WRAPPERS = re.compile(r"wrappers\.[A-Za-z0-9]{10}")
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class WayIn:
    """One name under which a program can be executed.

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

    name: its file name.
    executed: as the kernel sees it now; another after the next boot.
    """

    name: str
    executed: str


@dataclass(frozen=True, slots=True)
class Ways:
    """All that `find_ways` finds, each part sorted.

    ways: the names, each once.
    scripts: which programs of the closure are scripts.
    wrappers: what is in the wrapper directory now.
    by_descriptor: programs that may be executed as ``proc:/self/fd/N``.
        That name says nothing about the program, so a rule that admits it
        must check exec.realpath too.
    reports: loops, dangling links, links out of the closure, unreadable
        places: skipped.
    """

    ways: tuple[WayIn, ...]
    scripts: tuple[Script, ...]
    wrappers: tuple[Wrapper, ...]
    by_descriptor: tuple[StoreFile, ...]
    reports: tuple[Report, ...]


def find_ways(
    contents: Contents,
    *,
    programs: Set[StoreFile] | None = None,
    links: Mapping[str, str] | None = None,
    link_directories: Iterable[str] = LINK_DIRECTORIES,
    link_trees: Iterable[str] = LINK_TREES,
    system_directories: Iterable[str] = SYSTEM_DIRECTORIES,
) -> Ways:
    """Find the ways into the programs of a closure.

    contents: the trusted store paths and the file system they lie in, from
        `read_contents`.
    programs: the ways to these only, and no other file is opened; None for
        all that can be executed.
    links: symlinks outside the store that are to be taken for real, absolute
        path to target: what a system will have once it runs.
    link_directories, link_trees: see `LINK_DIRECTORIES`, `LINK_TREES`; those
        that are missing do not matter.
    system_directories: see `SYSTEM_DIRECTORIES`.

    Takes time linear in the number of files.  Raises nothing for whatever
    lies there: see `Ways.reports`.
    """
    scan = _Scan(contents, programs, dict(links or {}), tuple(system_directories))
    ways = []
    scripts = []
    for file in contents.files() if programs is None else programs:
        executable = contents.executable(file)
        if executable is None:
            continue
        ways.append(WayIn(str(file), file, executable.kind))
        if executable.interpreter is not None:
            scripts.append(Script(file, executable.interpreter, scan.real_path(executable.interpreter)))
    for location in (*map(str, contents.links()), *scan.outer_links(link_directories, link_trees)):
        way = scan.way(location)
        if way:
            ways.append(way)
    return Ways(
        ways=tuple(sorted(ways, key=lambda way: way.executed)),
        scripts=tuple(sorted(scripts, key=lambda script: script.script)),
        wrappers=tuple(sorted(scan.wrappers())),
        by_descriptor=tuple(sorted({way.program for way in ways if way.program.file in DESCRIPTOR_PROGRAMS})),
        reports=tuple(sorted({*scan.reports, *contents.reports, *contents.unread})),
    )


def find_program(contents: Contents, location: str, links: Mapping[str, str] | None = None) -> StoreFile | None:
    """The program that is executed at LOCATION, an inside path with resolved parents; None for none of the closure's.

    links: as for `find_ways`.
    """
    way = _Scan(contents, None, dict(links or {}), SYSTEM_DIRECTORIES).way(location)
    return way.program if way else None


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
            for entry in self._list(directory):
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
        for directory in self._list(top):
            if not _WRAPPERS.fullmatch(directory.name) or not directory.is_dir(follow_symlinks=False):
                continue
            for entry in self._list(f"{top}/{directory.name}"):
                try:
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mode & _EXECUTABLE:
                        yield Wrapper(entry.name, f"{top}/{directory.name}/{entry.name}")
                except OSError as error:
                    self.report(f"{top}/{directory.name}/{entry.name}", error.strerror or str(error))

    def way(self, start: str) -> WayIn | None:
        """The way in that the symlink at START is; None, perhaps with a report, if it is none."""
        location = entered = start
        package = self._package(start)
        links = 0
        try:
            while True:
                file = self.contents.store_file(location)
                node = self.contents.node(file) if file else None
                if file and node is NodeType.FILE:
                    return self._way_to(start, entered, file)
                if isinstance(node, str):
                    target = node
                else:
                    following = self._elsewhere(location, links)
                    if following is None:
                        return None
                    target = following
                resolved = self.tree.entry(target, location.rpartition("/")[0])
                links += 1 + resolved.links
                if links > MAX_SYMLINKS:
                    raise _BrokenLinkError("too many symlinks, or a loop of them")
                self._check_passed(resolved.passed)
                location = resolved.path
                if self._package(location) != package:
                    package, entered = self._package(location), location
                    if package and not self.contents.store_path(package):
                        raise _BrokenLinkError(f"leads out of the closure, to {location!a}")
        except (LinkError, _BrokenLinkError) as error:
            # Outside the store a link that leads to nothing of ours is none of our business.
            if start.startswith(self.store) or start in self.links or (package and self.contents.store_path(package)):
                self.report(start, error.reason if isinstance(error, LinkError) else str(error))
        return None

    def _way_to(self, start: str, entered: str, file: StoreFile) -> WayIn | None:
        """The way that begins at START, enters the package of FILE at ENTERED, and executes FILE."""
        program = self.contents.store_file(entered)
        if program is None or (self.programs is not None and program not in self.programs):
            return None
        executable = self.contents.executable(file)
        return None if executable is None else WayIn(start, program, executable.kind)

    def _elsewhere(self, location: str, links: int) -> str | None:
        """Look at what is no known file or link of the closure, after LINKS symlinks: a link's text, or None."""
        if location in self.links:
            return self.links[location]
        if links == 0:
            return self.tree.target(location)
        status = self.tree.status(location)
        if status is None:
            raise LinkError(location, f"{location!a} does not exist")
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not location.startswith(self.store):
            self._check_passed((location,))
        return self.tree.target(location)

    def _check_passed(self, passed: Iterable[str]) -> None:
        for place in passed:
            for directory in self.system_directories:
                if f"{place}/".startswith(f"{directory}/") or directory.startswith(f"{place}/"):
                    break
            else:
                raise _BrokenLinkError(f"leads through {place!a}, which others than root may change")

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

    def report(self, place: str, reason: str) -> None:
        self.reports.add(Report(place, reason))

"""The policy library: modules and policies of services that come with this package, in its folder ``policies``.

    policies/modules/NAME.conf         entries, for ``use_group NAME`` of any policy source
    policies/services/NAME/            a policy source: how one service is confined
    policies/module-numbers.conf       the acl_groups of the modules

A policy source that uses a module which it does not have gets the library's;
one that has a module of that name keeps its own.  Services are asked for by
name, each with a `ServiceState`.  What the library says about a thing gives way to
what any policy source says about it.

Its policies are for all systems, most of which lack some of the packages that
they name.  So a name in their entries that nothing has is no error: it grants
nothing.  A program that a service's domain is named after must be there.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from importlib.resources import files as resources

from ...model.diagnostics import Place, did_you_mean
from ...model.entries import Entry
from ...model.words import KERNEL, quoted
from ...syntax.policy_text import LIBRARY, SUFFIX, PolicyText, TextKind, read_lines
from ...syntax.profiles import parse_profile
from .files import FOLDERS, SourceError, error, read_directories
from .policy_files import used_modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from ...model.diagnostics import Diagnostic
    from ...model.profiles import ServiceState

__all__ = ["library_modules", "library_services", "read_sources"]


@cache
def library_modules() -> tuple[str, ...]:
    """The names of the library's modules, sorted."""
    return tuple(name.removesuffix(SUFFIX) for name in _names(_folder() / "modules") if name.endswith(SUFFIX))


def module_entries(name: str) -> tuple[str, ...]:
    """The entries of the library's module NAME, as lines."""
    text = _read(_folder() / "modules" / (name + SUFFIX), TextKind.MODULE)
    return tuple(placed.value.text for placed in read_lines(text) if isinstance(placed.value, Entry))


@cache
def library_services() -> tuple[str, ...]:
    """The names of the services that the library has a policy for, sorted."""
    return tuple(_names(_folder() / "services"))


def read_sources(
    directories: Iterable[str | os.PathLike[str]], services: Mapping[str, ServiceState] | None = None
) -> tuple[PolicyText, ...]:
    """Read the policy sources at DIRECTORIES, and what they take from the policy library.

    Arguments:
        services: those of the library that are wanted, each with its state.

    Returns their files: the library's first, then as `files.read_directories`
    gives them.  Of the library's modules there are those that the rest uses and
    does not have; see `library_files`.

    Raises SourceError as that does, and for an unknown service.
    """
    own = read_directories(directories)
    return (*library_files(own, services), *own)


def library_files(own: Sequence[PolicyText], services: Mapping[str, ServiceState] | None = None) -> tuple[PolicyText, ...]:
    """The files of the library that belong to the policy sources OWN.

    Arguments:
        services: those that are wanted, each with its state.

    Returns the services' files and those modules that are used and not in OWN,
    with their numbers, sorted by name.

    Raises SourceError for a service that the library does not have, and where
    the profile of a state is another one in OWN.
    """
    wanted = services or {}
    problems = [
        error(
            "unknown-service",
            f"the library has no policy for {quoted(name)}",
            advice=did_you_mean(name, library_services()) or f"it has {', '.join(library_services())}",
        )
        for name in wanted
        if name not in library_services()
    ]
    problems += _other_profiles(own, wanted.values())
    if problems:
        raise SourceError(problems)
    found = [file for name in sorted(wanted) for file in _service_files(name, wanted[name])]
    known = {file.module for file in (*own, *found) if file.kind is TextKind.MODULE}
    used = sorted({name for file in (*own, *found) if file.kind is TextKind.DOMAIN for name in used_modules(file.text)} - known)
    modules = [name for name in used if name in library_modules()]
    found += [_read(_folder() / "modules" / (name + SUFFIX), TextKind.MODULE) for name in modules]
    if modules:
        numbers = _read(_folder() / "module-numbers.conf", TextKind.NUMBERS)
        found.append(_only(numbers, modules))
    return tuple(found)


def is_library_file(path: str) -> bool:
    """Whether PATH is a file of the library, by whatever path."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(str(_folder())), ""))


def _folder() -> Traversable:
    return resources(__package__.rsplit(".", 2)[0]) / "policies"


def _names(folder: Traversable) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def _read(file: Traversable, kind: TextKind, state: ServiceState | None = None) -> PolicyText:
    return PolicyText(kind, str(file), file.read_bytes().decode("latin-1"), directory=LIBRARY, state=state)


def _service_files(service: str, state: ServiceState) -> Iterator[PolicyText]:
    """The policy of SERVICE, in STATE."""
    top = _folder() / "services" / service
    for folder, kind in FOLDERS.items():
        for name in _names(top / folder) if (top / folder).is_dir() else ():
            yield _read(top / folder / name, kind, state)


def _only(numbers: PolicyText, modules: Iterable[str]) -> PolicyText:
    """NUMBERS without the lines of other modules than MODULES; those that stay keep their numbers."""
    lines = [line if line.partition(" ")[0] in modules else "" for line in numbers.text.split("\n")]
    return replace(numbers, text="\n".join(lines))


def _other_profiles(own: Iterable[PolicyText], states: Iterable[ServiceState]) -> Iterator[Diagnostic]:
    """Tell of profiles in OWN that are not what STATES take them for."""
    wanted = {state.value: state for state in states}
    for file in own if wanted else ():
        # Mistakes are told of where the file is read for good.
        policy = parse_profile(file.text, report=lambda _: None) if file.kind is TextKind.PROFILE else ()
        for profile in (profile for part in policy for profile in part.profiles if part.namespace == KERNEL):
            state = wanted.get(profile.number)
            if state is not None and profile.default.mode is not state.mode:
                name = state.name.lower()
                message = f"profile {profile.number} is not {state.mode.value}, which the library's state {name} takes it for"
                yield error("conflict", message, Place(file.name))

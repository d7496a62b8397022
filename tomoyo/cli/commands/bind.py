"""Print what ties the names of a policy to one system: aggregators and path groups.

The policy says nix:/nginx/bin/nginx; --closure says which packages are meant.
The lines printed belong to the exception policy, beside the policy's own.
Exit code 1 if a name means nothing in that closure or can never match: the
lines for the rest are printed, but not written to a file.

Example:

  tomoyo bind policy
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self, TypeVar

from ...model.diagnostics import Place
from ..closure_options import add_closure, read_closure
from ..messages import counted
from ..options import UsageError, message, report, set_result, write_file
from ..policy_files import PolicyFile, add_files, read_as_written, read_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.domains import DomainPolicy
    from ...model.exception_policy import ExceptionPolicy
    from ...model.managers import ManagerPolicy
    from ...nix.names.bindings import Bindings
    from ...nix.names.name_uses import Use
    from ...nix.source.policy_files import PolicyFiles
    from ...syntax.lines import PolicySyntaxError, Report

_KINDS = ("domain", "exception", "manager")
NOT_BOUND = "nothing is bound"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    add_closure(parser)
    parser.add_argument("--strict-names", action="store_true", help="refuse names that several store paths have")
    parser.add_argument(
        "--all-programs",
        action="store_true",
        help="bind every program of the closure, so that a kernel learns names; needs no policy",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to FILE, all or nothing, instead of printing")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="tell which symlinks of the closure lead nowhere or out of it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...nix.names.binder import bind
    from ...nix.names.bindings import Programs, Several
    from ...nix.names.name_uses import policy_uses
    from ...syntax.formatting import format_exception_policy
    from ..progress import Progress

    files = [] if arguments.all_programs and not arguments.files and arguments.interface is None else read_files(arguments)
    policies = _policies(files)
    with Progress() as progress:
        progress("reading the closure")
        trusted = read_closure(arguments)
        progress("binding names")
        bindings = bind(
            policy_uses(policies.domains, policies.exceptions, policies.managers),
            trusted.names,
            trusted.tree,
            exceptions=policies.exceptions,
            several=Several.REFUSE if arguments.strict_names else Several.BIND,
            programs=Programs.ALL if arguments.all_programs else Programs.USED,
            links=trusted.links,
        )
    places = _places(files) if bindings.problems else {}
    if any(file.belongs is not None and file.belongs.form.name == "SOURCE" for file in files):
        # The library is for systems that lack some of what it names.
        own = {use.written for use in places}
        known = tuple(one for one in bindings.problems if not one.is_unresolved or one.use.written in own)
        bindings = replace(bindings, problems=known)
    _tell_all(bindings, places, arguments.verbose)
    if any(problem.diagnostic.code == "malformed-name" for problem in bindings.problems):
        return 2
    if arguments.json:
        set_result(_plain(bindings))
    text = format_exception_policy(bindings.policy)
    if not arguments.output:
        sys.stdout.write("" if arguments.json else text)
    elif bindings.errors:
        message("note", f"{arguments.output} is left as it was", code="not-changed")
    else:
        write_file(arguments.output, text)
    return 1 if bindings.errors else 0


class _Mergeable(Protocol):
    def merged(self, other: Self, /) -> Self: ...


_Part = TypeVar("_Part", bound=_Mergeable)


@dataclass(frozen=True, slots=True)
class _Policies:
    domains: DomainPolicy | None = None
    exceptions: ExceptionPolicy | None = None
    managers: ManagerPolicy | None = None

    def merged(self, other: _Policies) -> _Policies:
        return _Policies(
            _merged(self.domains, other.domains),
            _merged(self.exceptions, other.exceptions),
            _merged(self.managers, other.managers),
        )


def _merged(one: _Part | None, other: _Part | None) -> _Part | None:
    if one is None or other is None:
        return other if one is None else one
    return one.merged(other)


def _policies(files: list[PolicyFile]) -> _Policies:
    """The policies in FILES, merged by kind.

    Raises UsageError after telling every error.
    """
    policies = _Policies()
    errors: list[PolicySyntaxError] = []
    whole = {id(file.belongs): file.belongs for file in files if file.belongs is not None and file.belongs.form.name != "FILE"}
    for belongs in whole.values():
        policies = policies.merged(_combined(belongs))
    for file in files:
        if id(file.belongs) in whole:
            continue
        if file.kind not in _KINDS:
            raise UsageError(
                "this holds no names", "give domain policy, exception policy or a manager list", place=Place(file.name)
            )
        policies = policies.merged(_parse(file, errors.append))
    for error in errors:
        report(error.diagnostic())
    if errors:
        raise UsageError(f"{counted(len(errors), 'error')} in the policy: {NOT_BOUND}")
    return policies


def _combined(belongs: PolicyFiles) -> _Policies:
    """The policies in a policy source, a policy set or a kernel, without the bindings that a set has."""
    files = tuple(file for file in belongs.files if os.path.basename(file.name) != "bindings.conf")
    loaded = read_as_written(replace(belongs, files=files), NOT_BOUND)
    return _Policies(loaded.domains, loaded.exceptions, loaded.managers)


def _parse(file: PolicyFile, tell: Report) -> _Policies:
    if file.kind == "domain":
        return _Policies(domains=file.domains(tell))
    if file.kind == "exception":
        return _Policies(exceptions=file.exceptions(tell))
    from ...syntax.lines import Reading
    from ...syntax.managers import parse_manager

    # A name is no manager to the kernel, but what it stands for is.
    return _Policies(managers=parse_manager(file.data, file=file.name, reading=Reading.AS_KERNEL, report=tell))


def _places(files: list[PolicyFile]) -> dict[Use, Place]:
    """Where each use first stands."""
    from ...nix.names.name_uses import use_places
    from ...simulation.located_policy import read_located_policy

    found = use_places(read_located_policy(file.text for file in files if file.kind in (*_KINDS, "module")))
    return {use: placed.where(use.written) for use, placed in found.items()}


def _tell_all(bindings: Bindings, places: dict[Use, Place], verbose: bool) -> None:
    from ...model.diagnostics import sort_diagnostics

    for diagnostic in sort_diagnostics(
        problem.at(places.get(problem.use) or places.get(replace(problem.use, namespace=""))) for problem in bindings.problems
    ):
        report(diagnostic)
    for name, paths in bindings.managers:
        message("note", f"a manager list takes no names: for {name} it must hold {' and '.join(paths)}", code="manager-name")
    for skipped in bindings.reports:
        if skipped.unsafe or verbose:
            text = f"{skipped.place}: {skipped.reason}: skipped"
            message("warning" if skipped.unsafe else "note", text, code="unsafe-place" if skipped.unsafe else "skipped")


def _plain(bindings: Bindings) -> dict[str, Any]:
    return {
        "aggregators": [
            {"namespace": part.namespace, "executed": str(line.pattern), "name": str(line.name)}
            for part in bindings.policy
            for line in part.aggregators
        ],
        "path_groups": [
            {"namespace": part.namespace, "name": str(group.name), "members": [str(member) for member in group.members]}
            for part in bindings.policy
            for group in part.groups
        ],
        "managers": [{"name": name, "paths": list(paths)} for name, paths in bindings.managers],
        "skipped": [{"place": skipped.place, "reason": skipped.reason} for skipped in bindings.reports],
    }

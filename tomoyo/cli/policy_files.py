"""Policy texts as the commands read them: what was named, whatever holds it, each with its kind."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ..model.diagnostics import Place
from .messages import counted
from .options import UsageError, add_all, report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.diagnostics import Diagnostic
    from ..model.domains import DomainPolicy
    from ..model.entries import Entry
    from ..model.exception_policy import ExceptionPolicy
    from ..model.managers import ManagerPolicy
    from ..model.profiles import ProfilePolicy
    from ..model.stat import Stat
    from ..nix.source.loader import LoadedPolicy
    from ..nix.source.policy_files import PolicyFiles
    from ..syntax.lines import Report
    from ..syntax.policy_text import PolicyText

    #: What a file may hold: the entries of a module and the numbers of modules, too.
    Policy = DomainPolicy | ExceptionPolicy | ProfilePolicy | ManagerPolicy | Stat | tuple[Entry, ...] | dict[str, int]

#: Kinds of policy files, with the interface file that each is of.
INTERFACES = {
    "domain": "domain_policy",
    "exception": "exception_policy",
    "profile": "profile",
    "manager": "manager",
    "stat": "stat",
}
#: What the texts of a policy may hold; a kernel knows no modules.
KINDS = ("domain", "exception", "module", "numbers", "profile", "manager", "stat")


def add_files(parser: argparse.ArgumentParser, kinds: tuple[str, ...] = KINDS) -> None:
    """Let PARSER take files and directories of policy, their kind and ``--all``."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="policy files, policy sources and policy sets; - or none: standard input"
    )
    if len(kinds) > 1:
        parser.add_argument(
            "--kind",
            choices=kinds,
            help="what kind of policy the files hold (default: by their names, their directories and what they say)",
        )
    add_kernel(parser)
    add_all(parser)


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take a kernel instead of files."""
    parser.add_argument(
        "--interface", metavar="DIR", help="take the policy that a kernel holds, whose interface files are in DIR"
    )


@dataclass(frozen=True)
class PolicyFile:
    """A text that was read: its name for messages, its kind, its bytes, what it was read with, and numbers for modules."""

    name: str
    kind: str
    data: bytes
    belongs: PolicyFiles | None = None
    modules: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> PolicyText:
        """The text, for those who ask where in it something stands."""
        from ..syntax.policy_text import PolicyText, TextKind

        return PolicyText(TextKind[self.kind.upper()], self.name, self.data.decode("latin-1"))

    def domains(self, report: Report | None = None) -> DomainPolicy:
        """The domain policy that it holds; arguments and errors as in ``parse_domain_policy``."""
        from ..syntax.domain_policy import parse_domain_policy

        return parse_domain_policy(self.data, file=self.name, report=report, modules=self.modules)

    def exceptions(self, report: Report | None = None) -> ExceptionPolicy:
        """The exception policy that it holds; arguments and errors as in ``parse_exception_policy``."""
        from ..syntax.exception_policy import parse_exception_policy

        return parse_exception_policy(self.data, file=self.name, report=report)

    def parse(self, report: Report | None = None) -> Policy:
        """The policy in it, of whatever kind; arguments and errors as in ``parse_domain_policy``."""
        if self.kind == "domain":
            return self.domains(report)
        if self.kind == "exception":
            return self.exceptions(report)
        if self.kind == "module":
            from ..nix.source.loader import parse_module

            return parse_module(self.data, file=self.name, report=report)
        if self.kind == "numbers":
            from ..nix.source.loader import parse_module_numbers

            return parse_module_numbers(self.data, file=self.name, report=report)
        if self.kind == "profile":
            from ..syntax.profiles import parse_profile

            return parse_profile(self.data, file=self.name, report=report)
        if self.kind == "manager":
            if self.belongs is not None and self.belongs.has_modules:
                from ..nix.source.loader import parse_source_managers

                return parse_source_managers(self.data, file=self.name, report=report)
            from ..syntax.managers import parse_manager

            return parse_manager(self.data, file=self.name, report=report)
        from ..syntax.stat import parse_stat

        return parse_stat(self.data, file=self.name, report=report)

    def write(self, policy: Policy) -> str:
        """POLICY, of this file's kind, as text."""
        from ..model.domains import DomainPolicy
        from ..model.exception_policy import ExceptionPolicy
        from ..model.managers import ManagerPolicy
        from ..model.profiles import ProfilePolicy
        from ..syntax import formatting

        if isinstance(policy, DomainPolicy):
            if not self.modules:
                return formatting.format_domain_policy(policy)
            from ..nix.names.source_text import format_source_domains

            return format_source_domains(policy, self.modules)
        if isinstance(policy, ExceptionPolicy):
            return formatting.format_exception_policy(policy)
        if isinstance(policy, ProfilePolicy):
            return formatting.format_profile(policy)
        if isinstance(policy, ManagerPolicy):
            return formatting.format_manager(policy)
        if isinstance(policy, tuple):
            return "".join(f"{entry}\n" for entry in policy)
        if isinstance(policy, dict):
            return "".join(f"{name} {number}\n" for name, number in policy.items())
        return formatting.format_stat(policy)

    def plain(self, policy: Policy) -> Any:
        """POLICY, of this file's kind, as plain data."""
        from ..report.plain import plain

        found = plain(policy)
        return {**found, "domains": with_module_names(found["domains"], self.modules)} if self.modules else found


def with_module_names(domains: list[dict[str, Any]], modules: Mapping[str, int]) -> list[dict[str, Any]]:
    """DOMAINS, plain data, with the names of MODULES in the place of their numbers."""
    names = {number: name for name, number in modules.items()}
    return [{**domain, "groups": [names.get(group, group) for group in domain["groups"]]} for domain in domains]


def read_files(arguments: argparse.Namespace, wanted: str = "") -> list[PolicyFile]:
    """Read what was named; WANTED is the kind that a command takes, where it takes only one.

    Raises UsageError for what holds no policy, SecurityfsError for a kernel that refuses.
    """
    kind = None if wanted else arguments.kind
    if arguments.interface is not None:
        if arguments.files:
            raise UsageError("give files or --interface, not both")
        return _read_any(arguments.interface, kind, wanted, "KERNEL")
    form = source_form(arguments)
    return _with_modules([file for name in arguments.files or ["-"] for file in _read_any(name, kind, wanted, form)])


def source_form(arguments: argparse.Namespace) -> str:
    """The form of the policies that ARGUMENTS have of the project; empty where they were named, whatever they are."""
    return "SOURCE" if getattr(arguments, "from_project", False) else ""


def _with_modules(files: list[PolicyFile]) -> list[PolicyFile]:
    """FILES, in which each module that may be named has one number."""
    named = [file.kind == "domain" and file.belongs is not None and file.belongs.has_modules for file in files]
    if not any(may and b"use_group" in file.data for file, may in zip(files, named)):
        return files
    texts = [file.data.decode("latin-1") for file in files if file.kind == "domain"]
    from ..nix.source.loader import number_modules

    modules = number_modules(texts)
    return [replace(file, modules=modules) if may else file for file, may in zip(files, named)]


def read_file(name: str, wanted: str, form: str = "") -> PolicyFile:
    """Read the file NAME, or the only text of the kind WANTED that a directory has; FORM as in `read_policy`."""
    found = _read_any(name, None, wanted, form)
    if len(found) > 1:
        raise UsageError(f"several files of {wanted} policy", "name one of them", place=Place(name))
    return _with_modules(found)[0]


def _read_any(name: str, kind: str | None, wanted: str, form: str = "") -> list[PolicyFile]:
    """The texts at NAME, a file or a directory; only those of the kind WANTED, if any is."""
    found = read_policy(name, kind, form=form, default=wanted or None)
    files = [PolicyFile(text.name, text.kind.name.lower(), text.text.encode("latin-1"), found) for text in found.files]
    files = [file for file in files if (file.kind == wanted if wanted else file.kind in KINDS)]
    if not files:
        held = f"holds {found.files[0].kind.value}, but" if len(found.files) == 1 else "has no such file:"
        raise UsageError(
            f"{held} {INTERFACES[wanted].replace('_', ' ')} is wanted" if wanted else "no policy", place=Place(found.path)
        )
    return files


def read_policy(name: str, kind: str | None, *, form: str = "", default: str | None = None) -> PolicyFiles:
    """The texts at NAME, ``-`` for standard input, as `read_policy_files` finds them; what is wrong is a UsageError.

    FORM is the name of a `PolicyForm`, where that is known.
    """
    from ..nix.source.policy_files import PolicyForm, read_policy_files
    from ..syntax.policy_text import TextKind

    read = None
    if form == "KERNEL":
        from ..kernel.securityfs import Securityfs

        read = Securityfs(name).read
    with policy_errors():
        return read_policy_files(
            "<stdin>" if name == "-" else name,
            kind=TextKind[kind.upper()] if kind else None,
            default=TextKind[default.upper()] if default else None,
            data=sys.stdin.buffer.read() if name == "-" else None,
            form=PolicyForm[form] if form else None,
            read=read,
        )


def read_as_written(found: PolicyFiles, unmade: str) -> LoadedPolicy:
    """The policy in FOUND, to make something of it.

    Raises UsageError after telling each line that a kernel would drop or alter:
    then UNMADE, what is not made.
    """
    from ..model.diagnostics import Severity
    from ..nix.source.loader import combine_as_written
    from ..syntax.lines import Effect

    wrong = {Effect.DROPPED.code, Effect.ALTERED.code}
    errors = 0

    def tell(diagnostic: Diagnostic) -> None:
        nonlocal errors
        is_error = diagnostic.code in wrong
        errors += is_error
        report(replace(diagnostic, severity=Severity.ERROR) if is_error else diagnostic)

    with policy_errors():
        loaded = combine_as_written([found], report=tell)
    if errors:
        raise UsageError(f"{counted(errors, 'error')} in the policy: {unmade}")
    return loaded


@contextmanager
def policy_errors() -> Iterator[None]:
    """Make a UsageError of what the loader finds wrong; a policy source may have several problems."""
    from ..nix.source.files import SourceError
    from ..nix.source.policy_files import PolicyLoadError

    try:
        yield
    except PolicyLoadError as error:
        raise UsageError.of(error.diagnostic) from None
    except SourceError as error:
        raise UsageError.of(*error.diagnostics) from None

"""What the commands share: calling one, its files and their kinds, and messages."""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from ..model.diagnostics import did_you_mean
from . import messages
from .messages import message as message
from .messages import report as report
from .messages import set_result as set_result
from .messages import visible as visible
from .streams import output_error, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..nix.source.loader import PolicyFiles
    from ..syntax.lines import Report
    from ..syntax.policy_text import PolicyText

#: Kinds of policy files, with the interface file that each is of.
INTERFACES = {
    "domain": "domain_policy",
    "exception": "exception_policy",
    "profile": "profile",
    "manager": "manager",
    "stat": "stat",
}
#: What the texts of a policy may hold; a kernel knows no modules.
KINDS = ("domain", "exception", "module", "profile", "manager", "stat")


#: What is added where the system refuses a user something.
ONLY_ROOT = "; only root may do this"


class UsageError(Exception):
    """Input or arguments that cannot be used, and what to do."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return self.message


#: Errors that come of the name that was given; all others are of the system.
_OF_NAMES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
#: Errors of writing, which say nothing of where.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


#: What stands for the name of a file or folder in the usage of commands.
_FILES = ("FILE", "DIR", "SOURCE_DIR", "LOG", "PATH", "ROOT", "DOMAIN_POLICY", "EXCEPTION_POLICY")


class Parser(argparse.ArgumentParser):
    """A parser that says what it has to say as the commands do, whatever becomes of it."""

    _advice = ""

    def error(self, message: str) -> NoReturn:
        """Write how to use the command, and MESSAGE; end with exit code 2."""
        if not messages.collecting():
            messages.say(self.format_usage())
        advice = self._advice
        if message.startswith("unrecognized arguments: "):
            option = message.removeprefix("unrecognized arguments: ").partition(" ")[0].partition("=")[0]
            advice = did_you_mean(option, self._option_string_actions) if option.startswith("--") else ""
        messages.message("error", message, advice, code="usage", subject=self.prog)
        sys.exit(2)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            raise _as_written(error, arg_string) from None

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            self._advice = did_you_mean(str(value), map(str, action.choices or ()))
            raise _as_written(error, value) from None

    def has_option(self, option: str) -> bool:
        """Whether there is such an OPTION."""
        return option in self._option_string_actions

    def print_help(self, file: Any = None) -> None:
        """Print what --help tells; raises OSError where that cannot be written."""
        (file or sys.stdout).write(self.format_help())


def _as_written(error: argparse.ArgumentError, value: object) -> argparse.ArgumentError:
    """ERROR with the VALUE that was given as it was given; argparse shows its ``repr``."""
    from ..model.words import quoted

    error.message = error.message.replace(repr(value), quoted(value))
    return error


def command_parser(module: ModuleType, name: str, purpose: str) -> Parser:
    """The parser of the command in MODULE."""
    parser = Parser(
        prog=f"tomoyo {name}",
        description=(module.__doc__ or purpose).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a script must not depend on which options there are today
    )
    module.configure(parser)
    from .project import FILE, project_actions

    for key, action in project_actions(parser).items():
        action.help = f"{action.help} [{FILE}: {key}]"
    return parser


def call(module: ModuleType, name: str, purpose: str, arguments: list[str]) -> int:
    """Parse ARGUMENTS as the command in MODULE wants them, and run it."""
    return carried_out(name, lambda: _run(module, name, purpose, arguments))


def _run(module: ModuleType, name: str, purpose: str, arguments: list[str]) -> int:
    # Policies are millions of small values without cycles; collecting would only walk them again and again.
    gc.disable()
    parser = command_parser(module, name, purpose)
    options = arguments[: arguments.index("--") if "--" in arguments else None]
    for form in ("json", "sarif"):
        if f"--{form}" in options and parser.has_option(f"--{form}"):
            messages.collect(form)
    # Files and options may come in any order, as in 'check FILE --json FILE'; behind '--' everything is as it stands.
    # Without options there is no order; to look for one loads what formats the usage.
    ordered = "--" in arguments or not any(argument[:1] == "-" != argument for argument in arguments)
    parse = parser.parse_args if ordered else parser.parse_intermixed_args
    from .project import ProjectError, fill_from_project, set_project_defaults

    try:
        project = set_project_defaults(parser)
        parsed = parse(arguments)
    except ProjectError as error:
        report(error.diagnostic)
        return 2
    except SystemExit as stop:  # argparse has printed its message
        return 2 if stop.code else 0
    if project is not None:
        fill_from_project(parser, parsed, project)
    _refuse_empty_names(parser, parsed)
    if isinstance(sys.stdout, io.TextIOWrapper):  # and no caller's own buffer
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be any bytes
    status: int = module.run(parsed)
    return status


def _refuse_empty_names(parser: argparse.ArgumentParser, parsed: argparse.Namespace) -> None:
    """Refuse an empty name of a file, as a script has it whose variable is not set: it must not mean the usual place."""
    for action in parser._actions:
        value = getattr(parsed, action.dest, None)
        if action.metavar in _FILES and (value == "" or (isinstance(value, list) and "" in value)):
            what = action.option_strings[-1] if action.option_strings else action.metavar
            raise UsageError(f"{what}: the name of a file is empty")


def carried_out(name: str, work: Callable[[], int]) -> int:
    """Do the WORK of the command NAME and give its exit code; report input that is unusable and what the system refused."""
    status = _guarded(name, work)
    if messages.collecting():
        status = _guarded(name, lambda: _with_document(status)) or status
    messages.as_text()
    return status


def _with_document(status: int) -> int:
    messages.write_document(status)
    return status


def _guarded(name: str, work: Callable[[], int]) -> int:
    try:
        status = work()
        error = output_error()
        if error is not None:
            raise error
        return status
    except UsageError as error:
        message("error", error.message, error.advice, code="usage")
    except ValueError as error:
        from ..syntax.lines import PolicySyntaxError  # not loaded by commands that parse nothing

        if not isinstance(error, PolicySyntaxError):
            raise
        report(error.diagnostic())
    except BrokenPipeError:
        silence(sys.stdout)  # whoever read it has seen enough
    except OSError as error:
        return system_error(name, error)
    except KeyboardInterrupt:
        return 130
    return 2


def system_error(name: str, error: OSError) -> int:
    """Say what the command NAME met; give its exit code: 2 where the name of a file is what is wrong, else 3."""
    from ..sets.trusted_files import UnsafeFile

    if getattr(error, "advice", None):  # of a kernel that refused
        message("error", str(error), code="system")
        return 3
    where = error.filename
    if where is None and (output_error() is not None or error.errno in _FULL):
        where = "standard output"
        silence(sys.stdout)
    where = name if where is None else where
    hint = ONLY_ROOT if isinstance(error, PermissionError) and not isinstance(error, UnsafeFile) and os.geteuid() else ""
    advice = _near_file(str(where)) if isinstance(error, FileNotFoundError) else ""
    message("error", f"{where}: {error.strerror or error}{hint}", advice, code="system")
    return 2 if error.errno in _OF_NAMES or isinstance(error, UnsafeFile) else 3


def _near_file(path: str) -> str:
    """The file that was probably meant by PATH, which is not there."""
    directory, name = os.path.split(path)
    try:
        near = did_you_mean(name, os.listdir(directory or "."))
    except OSError:
        return ""
    return near.replace("'", f"'{os.path.join(directory, '')}", 1) if directory else near


def add_files(parser: argparse.ArgumentParser, kinds: tuple[str, ...] = KINDS) -> None:
    """Let PARSER take files and directories of policy, their kind and ``--json``."""
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
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


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

    def parse(self, report: Report | None = None) -> Any:
        """The policy in it; arguments and errors as in ``parse_domain_policy``."""
        options: dict[str, Any] = {"file": self.name, "report": report}
        if self.kind == "domain":
            from ..syntax.domain_policy import parse_domain_policy

            data: str | bytes = self.data
            if self.modules:
                from ..nix.source.loader import with_numbers

                data = with_numbers(self.data.decode("latin-1"), self.modules)
            return parse_domain_policy(data, **options)
        if self.kind == "exception":
            from ..syntax.exception_policy import parse_exception_policy

            return parse_exception_policy(self.data, **options)
        if self.kind == "module":
            from ..nix.source.loader import parse_module

            return parse_module(self.data, **options)
        if self.kind == "profile":
            from ..syntax.profiles import parse_profile

            return parse_profile(self.data, **options)
        if self.kind == "manager":
            if self.belongs is not None and self.belongs.has_modules:
                from ..nix.source.loader import parse_source_managers

                return parse_source_managers(self.data, **options)
            from ..syntax.managers import parse_manager

            return parse_manager(self.data, **options)
        from ..syntax.stat import parse_stat

        return parse_stat(self.data, **options)

    def write(self, policy: Any) -> str:
        """POLICY, of this file's kind, as text."""
        if self.kind == "module":
            return "".join(f"{entry}\n" for entry in policy)
        if self.modules:
            from ..nix.names.naming import format_source_domains

            return format_source_domains(policy, self.modules)
        from ..syntax import formatting

        writers: dict[str, Callable[[Any], str]] = {
            "domain": formatting.format_domain_policy,
            "exception": formatting.format_exception_policy,
            "profile": formatting.format_profile,
            "manager": formatting.format_manager,
            "stat": formatting.format_stat,
        }
        return writers[self.kind](policy)

    def plain(self, policy: Any) -> Any:
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
    texts = [file.data.decode("latin-1") for file, may in zip(files, named) if may and b"use_group" in file.data]
    if not texts:
        return files
    from ..nix.source.loader import number_modules

    modules = number_modules(texts)
    return [replace(file, modules=modules) if may else file for file, may in zip(files, named)]


def read_file(name: str, wanted: str) -> PolicyFile:
    """Read the file NAME, or the only text of the kind WANTED that a directory has."""
    found = _read_any(name, None, wanted)
    if len(found) > 1:
        raise UsageError(f"{name} holds several files of {wanted} policy", "name one of them")
    return _with_modules(found)[0]


def _read_any(name: str, kind: str | None, wanted: str, form: str = "") -> list[PolicyFile]:
    """The texts at NAME, a file or a directory; only those of the kind WANTED, if any is."""
    found = read_policy(name, kind, form=form, default=wanted or None)
    files = [PolicyFile(text.name, text.kind.name.lower(), text.text.encode("latin-1"), found) for text in found.files]
    files = [file for file in files if (file.kind == wanted if wanted else file.kind in KINDS)]
    if not files:
        held = f"holds {found.files[0].kind.value}, but" if len(found.files) == 1 else "has no such file:"
        raise UsageError(
            f"{found.path} {held} {INTERFACES[wanted].replace('_', ' ')} is wanted" if wanted else f"{name} holds no policy"
        )
    return files


def read_policy(name: str, kind: str | None, *, form: str = "", default: str | None = None) -> PolicyFiles:
    """The texts at NAME, ``-`` for standard input, as `read_policy_files` finds them; what is wrong is a UsageError.

    FORM is the name of a `PolicyForm`, where that is known.
    """
    from ..nix.source.loader import PolicyForm, read_policy_files
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


@contextmanager
def policy_errors() -> Iterator[None]:
    """Make a UsageError of what the loader finds wrong; the problems of a policy source are reported first."""
    from ..nix.source.files import SourceError
    from ..nix.source.loader import PolicyLoadError

    try:
        yield
    except PolicyLoadError as error:
        raise UsageError(str(error), error.help) from None
    except SourceError as error:
        for diagnostic in error.diagnostics:
            report(diagnostic)
        raise UsageError("the policy source cannot be used") from None


def replace_file(name: str, text: str) -> None:
    """Put TEXT, each character a byte, in the place of the file NAME, all of it or nothing.

    Errors as in ``trusted.replace_file``.
    """
    from ..sets import trusted_files as trusted

    trusted.replace_file(name, text.encode("latin-1"))


def write_file(name: str, text: str) -> None:
    """The same, but NAME need not exist yet: then it is made."""
    from ..sets import trusted_files as trusted

    trusted.write_file(name, text.encode("latin-1"))


def print_policy(text: str) -> None:
    """Print TEXT, each character a byte; what its comments hold is nothing for a terminal."""
    if text.isascii() and not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    data = text.encode("latin-1")
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    else:
        lines = data.decode(errors="replace").split("\n")
        sys.stdout.write("\n".join(map(visible, lines)))

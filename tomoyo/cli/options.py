"""What the commands share: calling one, its files and messages."""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..model.diagnostics import Diagnostic, Place, Severity, did_you_mean
from ..model.errors import BINARY, TomoyoError, is_binary, path_fault
from . import messages
from .messages import message as message
from .messages import report as report
from .messages import set_result as set_result
from .messages import visible as visible
from .streams import ReaderMayGo, output_error, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


#: Begins what to do, behind what is wrong.
_ADVICE = ("; did you mean ", "; write ")


class UsageError(Exception):
    """Input or arguments that cannot be used, and what to do; the place is that of a file, where it is about one."""

    def __init__(self, message: str, advice: str = "", *, code: str = "usage", place: Place | None = None) -> None:
        super().__init__(message)
        for begins in _ADVICE if not advice else ():  # as errors of the library have it in their texts
            message, found, rest = message.partition(begins)
            advice = advice or found[2:] + rest
        self.diagnostics: tuple[Diagnostic, ...] = (Diagnostic(Severity.ERROR, code, message, advice, place or Place()),)

    @classmethod
    def of(cls, *diagnostics: Diagnostic) -> UsageError:
        """DIAGNOSTICS as an error."""
        error = cls("; ".join(map(str, diagnostics)))
        error.diagnostics = diagnostics
        return error


#: Errors that come of the name that was given; all others are of the system.
_OF_NAMES = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
#: Begins the example at the end of a command's help.
EXAMPLE = "example (in the directory that 'tomoyo demo --write sample' makes):"
#: So many messages of one kind are shown, unless all are asked for.
_MOST = 20
#: Errors of writing, which say nothing of where.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


#: What stands for the name of a file or folder in the usage of commands.
_FILES = ("FILE", "DIR", "SOURCE_DIR", "LOG", "PATH", "ROOT", "DOMAIN_POLICY", "EXCEPTION_POLICY")


class Parser(argparse.ArgumentParser):
    """A parser that says what it has to say as the commands do, whatever becomes of it."""

    _advice = ""

    def error(self, message: str) -> NoReturn:
        """Write how to use the command, and MESSAGE; end with exit code 2."""
        if not (messages.collecting() or messages.writes_lines()):
            messages.say(self.format_usage())
        advice = self._advice
        if message.startswith("unrecognized arguments: "):
            option = message.removeprefix("unrecognized arguments: ").partition(" ")[0].partition("=")[0]
            option = f"-{option}" if re.match("-[a-z]{2}", option) else option
            advice = did_you_mean(option, self._option_string_actions) if option.startswith("--") else ""
        messages.message("error", message, advice, code="usage")
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
        if messages.collecting():
            set_result({"help": self.format_help()})
        elif messages.writes_lines():
            messages.write_result({"help": self.format_help()})
        else:
            (file or sys.stdout).write(self.format_help())


def _as_written(error: argparse.ArgumentError, value: object) -> argparse.ArgumentError:
    """ERROR with the VALUE that was given as it was given; argparse shows its ``repr``."""
    from ..model.words import quoted

    error.message = error.message.replace(repr(value), quoted(value))
    return error


def command_parser(module: ModuleType, name: str, purpose: str) -> Parser:
    """The parser of the command in MODULE."""
    description, _, example = (module.__doc__ or purpose).partition("\nExample:\n")
    parser = Parser(
        prog=f"tomoyo {name}",
        description=description.strip(),
        epilog=f"{EXAMPLE}\n  {example.strip()}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # a script must not depend on which options there are today
    )
    module.configure(parser)
    if not parser.has_option("--json"):
        lines = parser.get_default("json_lines") == ""
        parser.add_argument("--json", action="store_true", help=f"print JSON{', one object a line' * lines}, for programs")
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
    streams = parser.get_default("json_lines")
    if messages.collecting() and streams is not None and any(option.startswith(streams) for option in options):
        messages.write_lines()
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
    if hasattr(parsed, "all_messages"):
        messages.limit(None if parsed.all_messages else _MOST)
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
    messages.limit(None)
    status = _guarded(name, work)
    messages.tell_hidden()
    if messages.collecting():
        status = _guarded(name, lambda: _with_document(status)) or status
    messages.as_text()
    return status


def _with_document(status: int) -> int:
    with ReaderMayGo():
        messages.write_document(status)
    return status


def _guarded(name: str, work: Callable[[], int]) -> int:
    try:
        status = work()
        error = output_error()
        if error is not None and not isinstance(error, BrokenPipeError):  # who read it has seen enough
            raise error
        return status
    except UsageError as error:
        for diagnostic in error.diagnostics:
            report(diagnostic)
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

    where = error.filename
    if where is None and (output_error() is not None or error.errno in _FULL):
        where = "standard output"
        silence(sys.stdout)
    is_usable = error.errno not in _OF_NAMES and not isinstance(error, UnsafeFile)
    report(refusal(error, name if where is None else str(where), code="system" if is_usable else "wrong-path"))
    return 3 if is_usable or (not isinstance(error, UnsafeFile) and isinstance(error, TomoyoError)) else 2


def refusal(error: OSError, where: str, code: str = "system") -> Diagnostic:
    """ERROR, which is about the path WHERE, with the one thing to do."""
    text, advice = path_fault(error)
    if isinstance(error, TomoyoError):
        from ..kernel.securityfs import SecurityfsError

        if isinstance(error, SecurityfsError) and error.errno in _OF_NAMES:
            advice = f"{advice}; " * bool(advice) + "'tomoyo doctor' finds every reason"
    elif isinstance(error, FileNotFoundError):
        advice = _near_file(where) or advice
    return Diagnostic(Severity.ERROR, code, text, advice, Place(where))


def refuse_binary(name: str, data: bytes) -> None:
    """Raise UsageError where DATA, the beginning of the file NAME, is of no text."""
    if is_binary(data):
        raise UsageError(*BINARY, code="wrong-path", place=Place(name))


def check_directory(path: str) -> None:
    """Raise OSError where PATH is no directory that can be looked into."""
    os.scandir(path).close()


def _near_file(path: str) -> str:
    """The file that was probably meant by PATH, which is not there."""
    directory, name = os.path.split(path)
    try:
        near = did_you_mean(name, os.listdir(directory or "."))
    except OSError:
        return ""
    return near.replace("'", f"'{os.path.join(directory, '')}", 1) if directory else near


def add_json_lines(parser: argparse.ArgumentParser, option: str = "") -> None:
    """Let ``--json`` of PARSER, which every command takes, write an object a line; with OPTION only where that is given."""
    parser.set_defaults(json_lines=option)


def mode_word(text: str) -> str:
    """The mode that TEXT names: by the kernel's word for it, or by the state of a service as the NixOS module calls it."""
    from ..model.profiles import STATES

    return STATES[text].mode.value if text in STATES else text


def add_all(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take how many messages are shown."""
    parser.add_argument(
        "--all", dest="all_messages", action="store_true", help=f"show all messages of a kind, not only the first {_MOST}"
    )


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

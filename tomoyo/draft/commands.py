"""Command lines of units: programs with their arguments, and what the prefixes before them change (systemd.service(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..model.diagnostics import Diagnostic, Place, Severity
from ..model.words import quoted
from .specifiers import Expanded, SpecifierError, Specifiers
from .unit_files import Setting
from .unit_words import WHITESPACE, WordError, relaxed_word, words

__all__ = ["COMMANDS", "Command", "read_commands", "with_variables"]

#: The settings that hold command lines, by the section that has them.
COMMANDS = {
    "Service": ("ExecCondition", "ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"),
    "Socket": ("ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost"),
    **dict.fromkeys(("Mount", "Swap"), ()),
}
#: Prefixes that no other of them may stand beside, but for two exclamation marks.
_PRIVILEGES = "+!"
_UNSAFE = re.compile("[\x01-\x1f\x7f\"'\\\\]")
_VARIABLE = re.compile(r"\$\$|\$\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Command:
    """A command line.

    Attributes:
        key: the setting that it is in, such as ``ExecStart``.
        program: the absolute path, or a name that systemd looks up in its own search path.
        arguments: all, the program's own name first.
        prefixes: of ``-@:+!|``, as they are written.
        place: where the setting stands.
        unknown: specifiers that stay in it, see `Specifiers`.
    """

    key: str
    program: str
    arguments: tuple[str, ...]
    prefixes: str
    place: Place
    unknown: tuple[str, ...] = ()

    @property
    def has_full_privileges(self) -> bool:
        """Whether users, capabilities and sandboxes of the unit do not hold for it."""
        return "+" in self.prefixes


def read_commands(setting: Setting, specifiers: Specifiers) -> tuple[tuple[Command, ...], tuple[Diagnostic, ...]]:
    """The command lines in the value of SETTING, and what systemd ignores of it or (an error) refuses the unit for."""
    found: list[Command] = []
    try:
        for command in _commands(setting, specifiers):
            found.append(command)
    except _Ends as end:
        return tuple(found), (end.diagnostic,)
    return tuple(found), ()


class _Ends(Exception):
    """Nothing behind this place counts."""

    def __init__(self, setting: Setting, message: str, *, ignored: bool) -> None:
        severity, advice = (Severity.WARNING, "systemd ignores it") if ignored else (Severity.ERROR, "systemd refuses the unit")
        text = f"{setting.key}: {message}"
        self.diagnostic = Diagnostic(severity, "unit-command", text, f"{advice}: mend the line", setting.place)


def _commands(setting: Setting, specifiers: Specifiers) -> Iterator[Command]:
    line, position = setting.value, 0
    more = True
    while more:
        try:
            first, position = relaxed_word(line, position)
        except WordError as error:
            raise _Ends(setting, str(error), ignored=True) from None
        if first is None:
            return
        if first == ";":
            continue
        prefixes, name = _prefixes(first)
        ignored = "-" in prefixes

        def expanded(text: str, ignored: bool = ignored) -> Expanded:
            try:
                return specifiers.expand(text)
            except SpecifierError as error:
                raise _Ends(setting, str(error), ignored=ignored) from None

        program = expanded(name)
        fault = _program_fault(program.text)
        if fault:
            raise _Ends(setting, fault, ignored=ignored)
        path = simplified(program.text)
        unknown = list(program.unknown)
        arguments = [] if "@" in prefixes else [path]
        more = False
        while position < len(line):
            separator = _separator(line, position)
            position += len(separator)
            if separator[:1] == ";":
                more = True
                break
            if separator:
                arguments.append(";")
                continue
            try:
                word, position = relaxed_word(line, position)
            except WordError as error:
                raise _Ends(setting, str(error), ignored=ignored) from None
            if word is None:
                break
            argument = expanded(word)
            arguments.append(argument.text)
            unknown += argument.unknown
        if not arguments:
            raise _Ends(setting, f"no name for {quoted(path)} behind '@'", ignored=ignored)
        yield Command(setting.key, path, tuple(arguments), prefixes, setting.place, tuple(dict.fromkeys(unknown)))


_SEPARATOR = re.compile(rf"\\?;(?:[{WHITESPACE}]+|$)")


def _separator(line: str, position: int) -> str:
    """A semicolon, or one that a backslash makes an argument, that stands alone at POSITION, with the white space behind it."""
    found = _SEPARATOR.match(line, position)
    return found[0] if found else ""


def _prefixes(word: str) -> tuple[str, str]:
    """The prefixes of the first WORD of a command line, and the program behind them."""
    seen = ""
    for position, character in enumerate(word):
        double = character == "!" and seen.count("!") == 1 and "+" not in seen
        if character not in "-@:+!|" or (character in seen and not double):
            return seen, word[position:]
        if character in _PRIVILEGES and not double and any(other in seen for other in _PRIVILEGES):
            return seen, word[position:]
        seen += character
    return seen, ""


def _program_fault(path: str) -> str:
    if not path:
        return "no program"
    if _UNSAFE.search(path):
        return f"a program with a character that it cannot have: {quoted(path)}"
    if path.endswith("/"):
        return f"a directory, not a program: {quoted(path)}"
    if not path.startswith("/") and ("/" in path or path in (".", "..")):
        return f"neither an absolute path nor a name: {quoted(path)}"
    return ""


def simplified(path: str) -> str:
    """PATH without doubled slashes, ``.`` and a slash at the end; ``..`` stays."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/" * path.startswith("/") + "/".join(parts)


# Variables


def with_variables(command: Command, variables: Mapping[str, str]) -> tuple[Command, tuple[str, ...]]:
    """COMMAND with the variables of its arguments replaced, as when it is executed, and the names of those that are not known.

    An argument ``$NAME`` becomes the words of the value, ``${NAME}`` the value, ``$$`` a dollar.  What is not in VARIABLES stays.
    The program itself is never a variable.
    """
    if ":" in command.prefixes:
        return command, ()
    unknown: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[0] != "$$" and found[1] not in variables:
            unknown.append(found[1])
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    arguments: list[str] = []
    for argument in command.arguments:
        name = argument[1:]
        if not argument.startswith("$") or name[:1] in ("{", "$"):
            arguments.append(_VARIABLE.sub(value, argument))
        elif not name or name in variables:
            arguments += _value_words(variables[name]) if name else []
        else:
            unknown.append(name)
            arguments.append(argument)
    return replace(command, arguments=tuple(arguments)), tuple(dict.fromkeys(unknown))


def _value_words(text: str) -> list[str]:
    """The words of a variable; a quote that nothing ends reaches to the end, and a backslash at the end is none."""
    for whole in (text, text + '"', text + "'", text[:-1], text[:-1] + '"', text[:-1] + "'"):
        try:
            return list(words(whole))
        except WordError:
            continue
    raise AssertionError(text)

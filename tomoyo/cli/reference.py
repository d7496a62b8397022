"""What each command takes, read from its parser: for the manual page, shell completion and docs/reference/commands.md."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module

from . import COMMANDS
from .options import EXAMPLE, command_parser

#: By the name that help gives a value: what a shell completes it with.
_COMPLETED = {
    **dict.fromkeys(("DIR", "SOURCE_DIR"), "directories"),
    **dict.fromkeys(("FILE", "LOG", "PATH", "PROGRAM", "ROOT", "DOMAIN_POLICY", "EXCEPTION_POLICY"), "files"),
    "DOMAIN": "domains",
    "CODE": "codes",
    "SERVICE[=STATE]": "services",
    "OPERATION": "operations",
    "NAME": "names",
}
#: So many choices are too many for a synopsis.
_MANY = 9
_MARKUP = re.compile(r"[\\`*_<>\[\]|]")

HEAD = """\
# Commands

Made from the parsers by `python3 -m tests.reference`. `python3 -m tomoyo COMMAND --help` says what is here of one command;
`python3 -m tomoyo man COMMAND` prints its manual page, `python3 -m tomoyo completion bash` (or `zsh`, `fish`) the completion of a
shell:

```console
$ eval "$(tomoyo completion bash)"
$ tomoyo completion fish > ~/.config/fish/completions/tomoyo.fish
$ tomoyo completion zsh > ~/.local/share/zsh/site-functions/_tomoyo   # a folder of $fpath
```

The Nix package has all three installed, and the manual pages. `tomoyo man --write DIR` writes the pages for other packages.

Each example runs in the directory that `tomoyo demo --write sample` makes.

Exit codes: 0 fine; 1 the answer is no; 2 unusable input or arguments; 3 the kernel or the system refused. Messages go to standard
error as `FILE:LINE:COLUMN: error: TEXT`. A file `-` is standard input. Options cannot be abbreviated.

Files are replaced as a whole or not at all. A command writes through no symbolic link of another user, and replaces no symbolic
link by a file. As root it writes only where no other user could put another directory or file in the way: each directory on the
path must belong to root, and be writable for no one else unless it is sticky, as `/tmp` is.
"""


@dataclass(frozen=True)
class Argument:
    """An option, or what stands without one (then it has no flags).

    ``value`` is what help calls its value, empty where it takes none.
    """

    flags: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    text: str
    required: bool
    repeated: bool

    @property
    def completed(self) -> str:
        """What a shell completes the value with: one of the values of ``_COMPLETED``, or nothing."""
        return "" if self.choices else _COMPLETED.get(self.value, "")

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a shell completes the value with, as far as they are known beforehand."""
        if self.completed == "codes":
            from ..lint.codes import LINT_CODES

            return tuple(LINT_CODES)
        if self.completed == "services":
            from ..model.profiles import STATES
            from ..nix.source.library import library_services

            return tuple(
                f"{service}{state}" for service in library_services() for state in ("", *(f"={state}" for state in STATES))
            )
        if self.completed == "operations":
            from ..model.entries import Kind

            return tuple(sorted({operation for kind in Kind for operation in kind.operations}))
        return self.choices

    @property
    def shown_value(self) -> str:
        """The value as a synopsis shows it."""
        return "|".join(self.choices) if 0 < len(self.choices) < _MANY else self.value

    @property
    def synopsis(self) -> str:
        """The argument as a synopsis shows it: ``-o, --output DIR`` or ``[FILE]...``."""
        if self.flags:
            return ", ".join(self.flags) + f" {self.shown_value}" * bool(self.value)
        shown = self.shown_value if self.required else f"[{self.shown_value}]"
        return shown + "..." * self.repeated


@dataclass(frozen=True)
class Command:
    """A command: its name, what it is for, the text of its help, the lines of its example, and what it takes."""

    name: str
    purpose: str
    description: str
    example: tuple[str, ...]
    options: tuple[Argument, ...]
    operands: tuple[Argument, ...]

    @property
    def synopsis(self) -> str:
        """How it is called."""
        needed = [option.synopsis.rpartition(", ")[2] for option in self.options if option.required]
        return " ".join(["tomoyo", self.name, *needed, "[OPTION]...", *(operand.synopsis for operand in self.operands)])


def commands() -> Iterator[Command]:
    """All commands, by name."""
    for name, purpose in sorted(COMMANDS.items()):
        parser = command_parser(import_module(f".commands.{name}", __package__), name, purpose)
        found = [_argument(action) for action in parser._actions if action.help != argparse.SUPPRESS]
        yield Command(
            name,
            purpose,
            parser.description or "",
            tuple(line.strip() for line in (parser.epilog or "").removeprefix(EXAMPLE).strip().split("\n") if line),
            tuple(argument for argument in found if argument.flags),
            tuple(argument for argument in found if not argument.flags),
        )


def _argument(action: argparse.Action) -> Argument:
    takes = action.nargs != 0
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    help_text = action.help or ""
    return Argument(
        tuple(action.option_strings),
        metavar if takes else "",
        tuple(map(str, action.choices or ())),
        help_text % {**vars(action), "prog": "tomoyo"} if "%" in help_text else help_text,
        action.required if action.option_strings else action.nargs not in ("?", "*"),
        action.nargs in ("*", "+", argparse.REMAINDER) or "Append" in type(action).__name__,
    )


def blocks(description: str) -> Iterator[tuple[bool, list[str]]]:
    """The parts of a DESCRIPTION: whether its lines stand as they are, being indented, and the lines."""
    for part in description.split("\n\n"):
        lines: list[str] = []
        indented = False
        for line in part.split("\n"):
            if lines and line.startswith(" ") != indented:
                yield indented, lines
                lines = []
            indented = line.startswith(" ")
            lines.append(line.strip() if not indented else line[2:])
        yield indented, lines


def markdown() -> str:
    """docs/reference/commands.md."""
    return HEAD + "".join(_markdown(command) for command in commands())


def _markdown(command: Command) -> str:
    parts = [f"\n## tomoyo {command.name}\n", f"    {command.synopsis}\n"]
    for indented, lines in blocks(command.description):
        parts.append("\n".join(f"    {line}" for line in lines) if indented else "\n".join(map(_escaped, lines)))
        parts[-1] += "\n"
    arguments = [*command.operands, *(option for option in command.options if "--help" not in option.flags)]
    if arguments:
        parts.append(
            "\n".join(f"- `{argument.synopsis}`: {_escaped(_again(argument))}".replace(": ; ", ": ") for argument in arguments)
            + "\n"
        )
    if command.example:
        parts.append("Example:\n\n" + "".join(f"    {line}\n" for line in command.example))
    return "\n".join(parts)


def _again(argument: Argument) -> str:
    again = argument.flags and argument.repeated and "may be repeated" not in argument.text
    return argument.text + "; may be repeated" * bool(again)


def _escaped(text: str) -> str:
    # What stands between grave accents is code already.
    parts = re.split("`+", text)
    if len(parts) % 2 == 0:
        return _MARKUP.sub(r"\\\g<0>", text)
    return "".join(f"`{part}`" if at % 2 else _MARKUP.sub(r"\\\g<0>", part) for at, part in enumerate(parts))

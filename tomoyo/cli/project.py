"""``tomoyo.toml``: what a project's commands take where no option says otherwise.

It is looked for in the current directory and in those above it, up to the
repository's, the user's home or the border of the file system.  Each key is
called after the option that it stands for; `SOURCE` stands for the policy
itself.  Paths are relative to the file.
"""

from __future__ import annotations

import argparse
import os
import re
import stat
from dataclasses import dataclass

from ..model.diagnostics import Diagnostic, Place, Severity, did_you_mean
from .messages import message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

FILE = "tomoyo.toml"
#: The key for the policy that a command reads where none is named.
SOURCE = "source"
#: The keys: whether each is of paths, and whether it may hold several values.
KEYS = {
    SOURCE: (True, True),
    "library": (False, True),
    "closure": (True, True),
    "closure-file": (True, True),
    "database": (True, False),
    "root": (True, False),
    "store": (False, False),
    "package": (False, True),
    "packages": (True, True),
    "link": (False, True),
    "unresolved": (False, False),
    "severity": (False, False),
    "fail-on": (False, False),
    "allow": (False, True),
}
#: What the values of some keys are one of; a severity is what ``lint`` takes.
_LEVELS = ("error", "warning", "note")
CHOICES = {"unresolved": ("error", "warning", "ignore"), "severity": _LEVELS, "fail-on": (*_LEVELS, "never")}
#: Where the place of a mistake stands in a message of tomllib's.
_PLACE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")


class ProjectError(Exception):
    """A ``tomoyo.toml`` that cannot be used.

    Attributes: diagnostic.
    """

    def __init__(self, place: Place, message: str, advice: str = "") -> None:
        super().__init__(place, message, advice)
        self.diagnostic: Diagnostic = Diagnostic(Severity.ERROR, "project-file", message, advice, place)


@dataclass(frozen=True)
class Project:
    """What the file at PATH says: VALUES by their keys."""

    path: str
    values: dict[str, list[str]]


def find_project() -> str | None:
    """The path of the ``tomoyo.toml`` that counts here; None where there is none."""
    # Without HOME it would be looked up in the user database, which a confined service may not read.
    home = os.path.expanduser("~") if "HOME" in os.environ else None
    try:
        directory = os.getcwd()
        border = os.stat(directory).st_dev
        while not os.path.lexists(path := os.path.join(directory, FILE)):
            above = os.path.dirname(directory)
            if directory in (above, home) or os.path.lexists(os.path.join(directory, ".git")) or os.stat(above).st_dev != border:
                return None
            directory = above
        return path
    except OSError:  # a directory that is gone, or may not be looked into
        return None


def read_project(path: str) -> Project | None:
    """Read the file PATH.

    None, after a warning, for one that another user may have written: it must
    not decide what a command does.  Raises ProjectError for what is wrong in it.
    """
    import tomllib

    shown = os.path.relpath(path)
    data = _read(path, shown)
    if data is None:
        return None
    try:
        text = data.decode()
        found = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(10, 0, error.start)
        text = data.split(b"\n")[line].decode("latin-1")
        raise ProjectError(Place(shown, line + 1, text=text), "not UTF-8") from None
    except RecursionError:
        raise ProjectError(Place(shown), "nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        at = _PLACE.search(str(error))
        lines = text.split("\n")
        number, column = (int(at[1]), int(at[2])) if at and at[1] else (len(lines) if at else 0, 0)
        place = Place(shown, number, column, lines[number - 1] if number else "")
        raise ProjectError(place, f"not TOML: {_PLACE.sub('', str(error))}") from None
    directory = os.path.dirname(path)
    return Project(shown, {key: _values(key, value, text, shown, directory) for key, value in found.items()})


def _read(path: str, shown: str) -> bytes | None:
    """What is in the file PATH; None where it may be another user's work."""
    from ..sets.directory import another_owner
    from ..sets.trusted_files import UnsafeFile, read_file

    try:
        if os.geteuid() == 0:
            return read_file(path)
        # Without waiting: a pipe in the file's place would never answer.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            reason = another_owner(status) or ("" if stat.S_ISREG(status.st_mode) else "no regular file")
            if not reason:
                return file.read()
    except UnsafeFile as error:
        reason = str(error.strerror) if error.filename == path else f"{error.filename}: {error.strerror}"
    message("warning", f"{shown} is not used: {reason}", code="project-file")
    return None


def _values(key: str, value: Any, text: str, shown: str, directory: str) -> list[str]:
    """The VALUE of KEY as texts; paths as they are seen from here."""
    found = re.search(rf"^[ \t]*([\"']?){re.escape(key)}\1[ \t]*[.=]|^[ \t]*\[+[ \t]*{re.escape(key)}\b", text, re.MULTILINE)
    number = text.count("\n", 0, found.start()) if found else 0
    place = Place(shown, number + 1, text=text.split("\n")[number]) if found else Place(shown)
    if key not in KEYS:
        advice = did_you_mean(key, KEYS) or f"the keys are {', '.join(KEYS)}"
        raise ProjectError(place, f"there is no key '{key}'", advice)
    is_path, is_several = KEYS[key]
    values = value if isinstance(value, list) and is_several else [value]
    if not all(isinstance(one, str) and one and "\0" not in one for one in values):
        expected = "a text or a list of texts" if is_several else "a text"
        raise ProjectError(place, f"'{key}' is {expected}, and none of them empty" if is_several else f"'{key}' is {expected}")
    for one in values:
        _check_value(key, one, _place_of(one, place, text))
    if not is_path:
        return values
    return [one if os.path.isabs(one) else os.path.relpath(os.path.join(directory, one)) for one in values]


def _place_of(value: str, key: Place, text: str) -> Place:
    """The place of VALUE in the file's TEXT, in the line of its KEY or in one behind that."""
    quoted = re.compile(rf"([\"']){re.escape(value)}\1")
    for number, line in enumerate(text.split("\n")[max(key.line - 1, 0) :], max(key.line, 1)):
        found = quoted.search(line, line.find("=") if number == key.line else 0)
        if found:
            return Place(key.file, number, found.start() + 2, line)
    return key


def _check_value(key: str, value: str, place: Place) -> None:
    """Raise ProjectError where VALUE, at PLACE, is none of those that KEY may have, whichever command is run."""
    if key in CHOICES:
        _check_choice(key, value, CHOICES[key], place)
    elif key == "allow":
        from ..lint.codes import LINT_CODES

        for code in value.split(","):
            _check_choice(key, code.strip(), LINT_CODES, place, "'tomoyo lint --list' shows the codes")
    elif key == "library":
        from ..model.profiles import STATES
        from ..nix.source.library import library_services

        name, equals, state = value.partition("=")
        _check_choice(key, name, library_services(), place)
        if equals:
            _check_choice(key, state, STATES, place)


def _check_choice(key: str, value: str, choices: Iterable[str], place: Place, otherwise: str = "") -> None:
    known = tuple(choices)
    if value not in known:
        advice = did_you_mean(value, known) or otherwise or f"use one of {', '.join(known)}"
        raise ProjectError(place, f"'{key}' cannot be '{value}'", advice)


# Parsers


def let_source(parser: argparse.ArgumentParser, argument: str) -> None:
    """Let ARGUMENT of PARSER take the project's policy sources, where it is not given."""
    parser.set_defaults(project_source=argument)


def leave_project(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take nothing from a project: what the command does is for the whole system."""
    parser.set_defaults(without_project=True)


def project_actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The arguments of PARSER that a project may give, by their keys; none of a command that reads neither policy nor closure."""
    options = {flag: action for action in parser._actions for flag in action.option_strings}
    source = parser.get_default("project_source")
    if parser.get_default("without_project") or (source is None and "--closure" not in options):
        return {}
    found = dict.fromkeys([SOURCE], next(action for action in parser._actions if action.dest == source)) if source else {}
    return found | {key: options[f"--{key}"] for key in KEYS if f"--{key}" in options and key != SOURCE}


def set_project_defaults(parser: argparse.ArgumentParser) -> Project | None:
    """Let PARSER take the defaults of the project that counts here; give it, or None where there is none.

    Raises ProjectError.
    """
    actions = project_actions(parser)
    path = find_project() if actions else None
    project = read_project(path) if path is not None else None
    if project is None:
        return None
    for key, action in actions.items():
        if KEYS[key][1] and key != SOURCE:
            action.default = None  # so that what is not given can be told from an empty list
        elif key in project.values and key != SOURCE:
            (action.default,) = project.values[key]
    return project


def fill_from_project(parser: argparse.ArgumentParser, parsed: argparse.Namespace, project: Project) -> None:
    """Put what PROJECT says into PARSED where several values are possible and none was given."""
    kernel = getattr(parsed, "interface", None) is not None or getattr(parsed, "kernel", None) is True
    for key, action in project_actions(parser).items():
        if key == SOURCE:
            if key in project.values and not getattr(parsed, action.dest) and not kernel:
                setattr(parsed, action.dest, project.values[key])
                parsed.from_project = True
        elif KEYS[key][1] and getattr(parsed, action.dest) is None:
            setattr(parsed, action.dest, project.values.get(key, []))

"""Policy sources: folders in which people keep a policy, as files that `compile` makes a set of.

    domains/*.conf       domain policy                          also domain_policy.conf
    exceptions/*.conf    exception policy                       also exception_policy.conf
    modules/NAME.conf    entries, for ``use_group NAME``
    module-numbers.conf  the acl_groups of some modules, if they must not change
    profile.conf, manager.conf, stat.conf
    state.conf           the state of all domains here, whatever they say

All are optional.  This module finds and reads the files; what they say is the
business of `source_policy`.  Hidden files and those that do not end in
``.conf`` are nobody's business, but a ``.conf`` file or a folder at a place
where nothing would read it is an error: somebody believes it to be in force.

Symlinks are followed, since Nix builds such folders of links: whoever may
write to a policy source decides on the policy anyway.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from enum import Enum

from ...model.errors import TomoyoError
from ...model.profiles import STATES
from ...model.words import quoted
from ...syntax.lines import normalise
from ...syntax.policy_text import SUFFIX, PolicyText, TextKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...model.profiles import ServiceState

__all__ = ["Problem", "Severity", "SourceError"]


#: Files of a policy source.
FILES = {
    "domain_policy.conf": TextKind.DOMAIN,
    "exception_policy.conf": TextKind.EXCEPTION,
    "module-numbers.conf": TextKind.NUMBERS,
    "profile.conf": TextKind.PROFILE,
    "manager.conf": TextKind.MANAGER,
    "stat.conf": TextKind.STAT,
}
#: The file that gives all domains of its directory one state.
STATE_FILE = "state.conf"
#: What stands there in place of a state, in a directory that adds to the policy library.
KEEP_LIBRARY = "library"
#: Folders of a policy source, whose files end in `SUFFIX`.
FOLDERS = {"domains": TextKind.DOMAIN, "exceptions": TextKind.EXCEPTION, "modules": TextKind.MODULE}


class Severity(Enum):
    """Whether a policy with such a problem can be compiled."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a policy source.

    file, line, column: where; line and column count from 1, and are 0 where
        all of the file or line is meant; file is empty for the policy as a whole.
    """

    severity: Severity
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    @property
    def place(self) -> str:
        """``FILE:LINE:COLUMN``, as far as it is known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.file else self.message


def sort_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """PROBLEMS by their place, each once; those of the policy as a whole come first."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line, problem.column)))


class SourceError(TomoyoError):
    """A policy source that cannot be compiled; ``problems`` holds every error and warning."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def read_directories(directories: Iterable[str | os.PathLike[str]]) -> list[PolicyText]:
    """Read the policy sources at DIRECTORIES, without what they take from the policy library.

    Returns the files of the first directory, then those of the next, sorted by name within each.

    Raises SourceError with every file that is at the wrong place or cannot be
    read, for a directory without any policy, and for a ``state.conf`` without a
    state.
    """
    files: list[PolicyText] = []
    problems: list[Problem] = []
    for position, directory in enumerate(os.fspath(given) for given in directories):
        found = list(_find(directory, problems))
        if not found and not problems:
            expected = ", ".join([*(f"{name}/" for name in FOLDERS), *FILES])
            problems.append(Problem(Severity.ERROR, f"no policy source: there is none of {expected}", directory))
        state, adds = _read_state(directory, problems)
        for name, kind in found:
            path = os.path.join(directory, name)
            try:
                files.append(PolicyText(kind, path, _read(path), directory=position, state=state, adds=adds))
            except OSError as error:
                problems.append(Problem(Severity.ERROR, error.strerror or str(error), path))
    if problems:
        raise SourceError(problems)
    return files


def _read_state(directory: str, problems: list[Problem]) -> tuple[ServiceState | None, bool]:
    """What the ``state.conf`` of DIRECTORY says: a state, or that the library's profiles stand."""
    path = os.path.join(directory, STATE_FILE)
    if not os.path.lexists(path):
        return None, False
    try:
        lines = [normalise(line) for line in _read(path).split("\n")]
    except OSError as error:
        problems.append(Problem(Severity.ERROR, error.strerror or str(error), path))
        return None, False
    said = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if len(said) == 1 and said[0][1] in STATES:
        return STATES[said[0][1]], False
    if len(said) == 1 and said[0][1] == KEEP_LIBRARY:
        return None, True
    number, word = next(((number, line) for number, line in said if line not in STATES), said[-1] if said else (0, ""))
    expected = f"one state, which is {', '.join(STATES)}, or {KEEP_LIBRARY}"
    found = f"{quoted(word)}{_near(word, [*STATES, KEEP_LIBRARY])}" if word else "nothing"
    problems.append(Problem(Severity.ERROR, f"expected {expected}; found {found}", path, number, 1 if number else 0))
    return None, False


def _find(directory: str, problems: list[Problem]) -> Iterator[tuple[str, TextKind]]:
    """The names in the policy source DIRECTORY, with what each holds."""
    for name in _list(directory, problems):
        path = os.path.join(directory, name)
        if name in FOLDERS:
            for below in _list(path, problems):
                if os.path.isdir(os.path.join(path, below)):
                    problems.append(Problem(Severity.ERROR, "nothing reads a folder here", os.path.join(path, below)))
                elif below.endswith(SUFFIX):
                    yield f"{name}/{below}", FOLDERS[name]
        elif name in FILES:
            yield name, FILES[name]
        elif name == STATE_FILE:
            continue
        elif name.endswith(SUFFIX) or os.path.isdir(path):
            problems.append(Problem(Severity.ERROR, f"nothing reads this here{_hint(name)}", path))


def _list(directory: str, problems: list[Problem]) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError as error:
        problems.append(Problem(Severity.ERROR, error.strerror or str(error), directory))
        return []


def _hint(name: str) -> str:
    return _near(name, [*FOLDERS, *FILES, STATE_FILE]) or f": policy is in {', '.join(FOLDERS)} and {', '.join(FILES)}"


def _near(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _read(path: str) -> str:
    """The text of the regular file at PATH."""
    # Without waiting: a pipe in a file's place would never answer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        return file.read().decode("latin-1")

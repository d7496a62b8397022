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

from ...model.diagnostics import Diagnostic, Place, Severity, did_you_mean
from ...model.errors import TomoyoError, path_fault
from ...model.profiles import STATES
from ...model.words import quoted
from ...syntax.lines import normalise
from ...syntax.policy_text import SUFFIX, PolicyText, TextKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ...model.profiles import ServiceState

__all__ = ["SourceError"]


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


class SourceError(TomoyoError):
    """A policy source that cannot be compiled; ``diagnostics`` holds every error and warning."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(map(str, self.diagnostics))


def read_directories(directories: Iterable[str | os.PathLike[str]]) -> list[PolicyText]:
    """Read the policy sources at DIRECTORIES, without what they take from the policy library.

    Returns the files of the first directory, then those of the next, sorted by name within each.

    Raises SourceError with every file that is at the wrong place or cannot be
    read, for a directory without any policy, and for a ``state.conf`` without a
    state.
    """
    files: list[PolicyText] = []
    problems: list[Diagnostic] = []
    for position, directory in enumerate(os.fspath(given) for given in directories):
        found = list(_find(directory, problems))
        if not found and not problems:
            expected = ", ".join([*(f"{name}/" for name in FOLDERS), *FILES])
            problems.append(error("no-policy-source", f"no policy source: there is none of {expected}", Place(directory)))
        state, adds = _read_state(directory, problems)
        for name, kind in found:
            path = os.path.join(directory, name)
            try:
                files.append(PolicyText(kind, path, _read(path), directory=position, state=state, adds=adds))
            except OSError as failure:
                problems.append(_unreadable(failure, path))
    if problems:
        raise SourceError(problems)
    return files


def _read_state(directory: str, problems: list[Diagnostic]) -> tuple[ServiceState | None, bool]:
    """What the ``state.conf`` of DIRECTORY says: a state, or that the library's profiles stand."""
    path = os.path.join(directory, STATE_FILE)
    if not os.path.lexists(path):
        return None, False
    try:
        raw = _read(path).split("\n")
    except OSError as failure:
        problems.append(_unreadable(failure, path))
        return None, False
    lines = [normalise(line) for line in raw]
    said = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if len(said) == 1 and said[0][1] in STATES:
        return STATES[said[0][1]], False
    if len(said) == 1 and said[0][1] == KEEP_LIBRARY:
        return None, True
    number, word = next(((number, line) for number, line in said if line not in STATES), said[-1] if said else (0, ""))
    expected = f"one state, which is {', '.join(STATES)}, or {KEEP_LIBRARY}"
    place = Place(path, number, 1, raw[number - 1]) if number else Place(path)
    message = f"expected {expected}; found {quoted(word) if word else 'nothing'}"
    problems.append(error("unknown-state", message, place, did_you_mean(word, [*STATES, KEEP_LIBRARY])))
    return None, False


def _find(directory: str, problems: list[Diagnostic]) -> Iterator[tuple[str, TextKind]]:
    """The names in the policy source DIRECTORY, with what each holds."""
    for name in _list(directory, problems):
        path = os.path.join(directory, name)
        if name in FOLDERS:
            for below in _list(path, problems):
                if os.path.isdir(os.path.join(path, below)):
                    problems.append(error("misplaced-file", "nothing reads a directory here", Place(os.path.join(path, below))))
                elif below.endswith(SUFFIX):
                    yield f"{name}/{below}", FOLDERS[name]
        elif name in FILES:
            yield name, FILES[name]
        elif name == STATE_FILE:
            continue
        elif name.endswith(SUFFIX) or os.path.isdir(path):
            problems.append(error("misplaced-file", "nothing reads this here", Place(path), _hint(name)))


def _list(directory: str, problems: list[Diagnostic]) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError as failure:
        problems.append(_unreadable(failure, directory))
        return []


def _hint(name: str) -> str:
    known = [*FOLDERS, *FILES, STATE_FILE]
    return did_you_mean(name, known) or f"policy is in {', '.join(FOLDERS)} and {', '.join(FILES)}"


def error(code: str, message: str, place: Place | None = None, advice: str = "") -> Diagnostic:
    """An error in a policy source."""
    return Diagnostic(Severity.ERROR, code, message, advice, place or Place())


def _unreadable(failure: OSError, path: str) -> Diagnostic:
    message, advice = path_fault(failure)
    return error("wrong-path", message, Place(path), advice)


def _read(path: str) -> str:
    """The text of the regular file at PATH."""
    # Without waiting: a pipe in a file's place would never answer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        return file.read().decode("latin-1")

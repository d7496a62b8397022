"""The words of the policy at hand, for the completion of shells: ``tomoyo --complete KIND WORD...``.

The shell calls it while somebody types: it reads at most `MOST` bytes, parses
nothing, and whatever is wrong it offers nothing and says nothing.
"""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Larger policies are not read.
MOST = 1 << 20
_PATTERNS = {
    "domains": re.compile(r"^<[a-z0-9_.]+>.*$", re.MULTILINE),
    "names": re.compile(r"(?<![^\s@=\"])nix:/[^\s\"]+"),
}


def complete(arguments: Sequence[str]) -> int:
    """Print the domains or the names, as the first of ARGUMENTS says.

    They are those of the files that the other ARGUMENTS name, or else of the
    project, or else of the kernel.
    """
    from ..model.errors import TomoyoError
    from .project import ProjectError

    try:
        kind, *words = arguments
        for paths in (lambda: filter(os.path.exists, words), _project, _kernel):
            found = {match[0].rstrip() for text in _texts(paths()) for match in _PATTERNS[kind].finditer(text)}
            if found:
                sys.stdout.write("".join(f"{word}\n" for word in sorted(found) if word.isascii() and word.isprintable()))
                break
    except (OSError, ValueError, KeyError, TomoyoError, ProjectError):
        pass
    return 0


def _texts(paths: Iterable[str]) -> Iterator[str]:
    left = MOST
    for path in paths:
        for file in _files(path):
            with open(file, "rb") as opened:
                data = opened.read(left + 1)
            left -= len(data)
            if left < 0:
                return
            yield data.decode("latin-1")


def _files(path: str) -> Iterator[str]:
    """The files of policy at PATH, a file, or a directory with those of a policy set or a policy source."""
    if os.path.isfile(path):
        yield path
    for directory in (path, *(os.path.join(path, name) for name in ("domains", "modules"))):
        if os.path.isdir(directory):
            files = (os.path.join(directory, name) for name in sorted(os.listdir(directory)) if name.endswith(".conf"))
            yield from filter(os.path.isfile, files)


def _project() -> list[str]:
    from .project import SOURCE, find_project, read_project

    path = find_project()
    project = read_project(path) if path else None
    return project.values.get(SOURCE, []) if project else []


def _kernel() -> list[str]:
    from ..kernel.securityfs import FOLDER

    return [os.path.join(FOLDER, "domain_policy")]

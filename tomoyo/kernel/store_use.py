"""Which store paths processes use (run from, map, hold open or stand in), and which bindings stay for that.

Everything that /proc says comes from the processes themselves, which name
their files as they like.  So nothing is done with a name but to compare its
beginning; and where something cannot be read, everything counts as used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .policy_text import in_namespace, named_lines, plain
from .securityfs import processes

if TYPE_CHECKING:
    from .policy_set import PolicySet
    from .shortcut import Texts

#: Links of a process that lead to files.
_LINKS = ("exe", "cwd", "root")


class UnknownUse(Exception):
    """What a process uses cannot be read; the message says why."""


def used_store_paths(store_directory: str = "/nix/store", proc: str = "/proc") -> set[str]:
    """The names (HASH-NAME) of the store paths below STORE_DIRECTORY that any process uses.

    Raises UnknownUse where a process does not let itself be looked at.
    """
    prefix = os.fsencode(store_directory.rstrip("/")) + b"/"
    found: set[bytes] = set()
    for pid in processes(proc):
        try:
            _look_at(os.fsencode(f"{proc}/{pid}"), prefix, found)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        except PermissionError:
            raise UnknownUse(f"the files of process {pid} cannot be seen; only root may look at them") from None
    return {os.fsdecode(name) for name in found}


def _look_at(process: bytes, prefix: bytes, found: set[bytes]) -> None:
    paths = []
    for name in _LINKS:
        paths += _link(process + b"/" + os.fsencode(name))
    for descriptor in os.listdir(process + b"/fd"):
        paths += _link(process + b"/fd/" + descriptor)
    with open(process + b"/maps", "rb") as maps:
        for line in maps:
            fields = line.split(None, 5)
            if len(fields) == 6:
                paths.append(fields[5])
    for path in paths:
        if path.startswith(prefix):
            found.add(path[len(prefix) :].split(b"/", 1)[0].rstrip(b"\n").removesuffix(b" (deleted)"))


def _link(path: bytes) -> list[bytes]:
    try:
        return [os.readlink(path)]
    except (FileNotFoundError, ProcessLookupError):
        return []  # closed meanwhile, or a kernel thread


def binding_store_path(line: str, store_directory: str = "/nix/store") -> str | None:
    """The name of the store path that LINE of an exception policy binds to a name ``nix:/...``; None if it is no binding."""
    words = line.split(" ")
    if len(words) != 3:
        return None
    if words[0] == "aggregator":
        path, name = words[1:]
    elif words[0] == "path_group":
        name, path = words[1:]
    else:
        return None
    start = store_directory.rstrip("/") + "/"
    if not name.startswith("nix:/") or not path.startswith(start):
        return None
    found = path[len(start) :].partition("/")[0]
    return found if found and "\\" not in found else None


def used_bindings(held: PolicySet, wanted: PolicySet, proc: str = "/proc") -> frozenset[str]:
    """The bindings of HELD that WANTED has not, but whose store paths processes use.

    A program bound to another name is no longer bound to its old one: the
    first one would win.
    """
    bound: dict[str, set[str]] = {}
    for namespace, lines in _wanted_exceptions(wanted).items():
        bound[namespace] = {line.split(" ")[1] for line in lines if line.startswith("aggregator ")}
    stale = {
        line: path
        for line, (namespace, binding, path) in old_bindings(held.exception_policy, wanted).items()
        if not (binding.startswith("aggregator ") and binding.split(" ")[1] in bound.get(namespace, ()))
    }
    if not stale:
        return frozenset()
    try:
        used = used_store_paths(wanted.store_directory, proc)
    except UnknownUse:
        return frozenset(stale)
    return frozenset(line for line, path in stale.items() if path in used)


def old_bindings(held: str, wanted: PolicySet) -> dict[str, tuple[str, str, str]]:
    """The bindings in an exception policy that is HELD, and not WANTED, as written to a kernel.

    Of each the namespace, the line without that, and the name of the store path.
    """
    then = _wanted_exceptions(wanted)
    found = {}
    for namespace, lines in named_lines(held).items():
        for line in lines:
            path = binding_store_path(line, wanted.store_directory) if line not in then.get(namespace, ()) else None
            if path is not None:
                found[in_namespace(namespace, line)] = namespace, line, path
    return found


def _wanted_exceptions(wanted: Texts) -> dict[str, set[str]]:
    """The lines of the exception policy that WANTED has, by namespace, without its name."""
    found: dict[str, set[str]] = {}
    for text in (wanted.exception_policy, wanted.bindings):
        for namespace, lines in named_lines(plain(text)).items():
            found.setdefault(namespace, set()).update(lines)
    return found

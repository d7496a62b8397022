"""Processes: whose child each is, and the domain, profile and mode that it runs in.

What a process is called is for itself to say.  So its name here is the
kernel's short one (``comm``), with everything but printable characters
escaped, and nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .modes import ProfileModes, read_profiles
from .securityfs import process_stat, processes

if TYPE_CHECKING:
    from .securityfs import Securityfs

__all__ = ["Process", "read_processes"]


#: The process that all threads of the kernel descend from.
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``depth`` is how many of its ancestors are shown before it."""

    pid: int
    parent: int
    name: str
    profile: int
    mode: str
    domain: str
    depth: int = 0


def read_processes(securityfs: Securityfs) -> list[Process]:
    """Every process that the caller's /proc shows, each after its parent, children by number.

    Those that end meanwhile are left out.  Raises SecurityfsError where the
    kernel does not tell.
    """
    names = {pid: found for pid in processes(securityfs.proc) if (found := _name_and_parent(securityfs.proc, pid))}
    return tree(names, securityfs.process_status(names), read_profiles(securityfs))


def tree(
    names: Mapping[int, tuple[str, int]],
    states: Mapping[int, tuple[int, str]],
    modes: ProfileModes,
) -> list[Process]:
    """Processes in the order of the tree.

    NAMES are names and parents, STATES profiles and domains, by process.  A
    process whose parent is not there is at the top.
    """
    known = sorted(names.keys() & states.keys())
    children: dict[int, list[int]] = {}
    for pid in known:
        children.setdefault(names[pid][1], []).append(pid)
    shown: set[int] = set()
    found = []
    # What is left after the first round are rings: numbers are used again, and were read at different times.
    for roots in ([pid for pid in known if names[pid][1] not in states or names[pid][1] not in names], known):
        waiting = [(pid, 0) for pid in reversed(roots)]
        while waiting:
            pid, depth = waiting.pop()
            if pid in shown:
                continue
            shown.add(pid)
            name, parent = names[pid]
            profile, domain = states[pid]
            mode = modes.mode(domain.partition(" ")[0], profile)
            found.append(Process(pid, parent, name, profile, mode, domain, depth))
            waiting += [(child, depth + 1) for child in reversed(children.get(pid, []))]
    return found


def _name_and_parent(proc: str, pid: int) -> tuple[str, int] | None:
    found = process_stat(proc, pid)
    if found is None or len(found[1]) < 2 or not found[1][1].isdigit():
        return None
    return escaped(found[0]), int(found[1][1])


def escaped(name: bytes) -> str:
    """NAME with every byte that is no printable ASCII, and the backslash, written as in a policy word."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else "\\\\" if byte == 0x5C else f"\\{byte:03o}" for byte in name
    )


def without_kernel_threads(found: Iterable[Process]) -> list[Process]:
    """FOUND without the kernel's own threads, which are the children of process 2."""
    # In a container 2 is a process like any other, but then it has a parent.
    found = list(found)
    has_threads = any(process.pid == _THREADS and process.parent == 0 for process in found)
    return [process for process in found if not (has_threads and _THREADS in (process.pid, process.parent))]

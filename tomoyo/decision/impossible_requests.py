"""Requests that the kernel never makes: an operation, a name or a number that it cannot ask about.

An entry for such a request is stored and grants nothing, so an answer from
entries alone would be wrong.  The rules are the kernel's: which operations it
checks for a protocol (security/tomoyo/network.c), what it appends to names
(tomoyo_add_slash() in file.c), and what names look like
(tomoyo_realpath_from_path() in realpath.c).  Every request of a real kernel's
audit log passes.

    >>> from tomoyo.decision.requests import parse_request
    >>> str(never_asked(parse_request("file mkdir /srv/www 0755")))
    "the name of a directory ends in '/'; it would ask for 'file mkdir /srv/www/ 0755'"
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from ..model.entries import NETWORK_KINDS, Kind
from ..model.filesystems import misnamed
from ..model.words import NAMES
from .matching import matches
from .requests import Request, Value

__all__ = ["NeverAsked", "never_asked"]

#: Names that are not absolute begin with their filesystem or device; a pipe or a socket has no path at all.
_NAME = re.compile(r"/|[^/:]+:")
#: Names that policies make up: aggregators give them to programs, and path groups stand for the files.
_MADE_UP = (NAMES, "unit:/")
#: How the names of an operation end: always in '/' (True), or never (False).
_ENDS = {
    **dict.fromkeys(
        ((Kind.PATH, "rmdir"), (Kind.PATH, "chroot"), (Kind.PATH_NUMBER, "mkdir"), (Kind.TWO_PATHS, "pivot_root")), True
    ),
    **{(Kind.PATH, operation): False for operation in ("execute", "write", "append", "truncate", "symlink")},
    **{(Kind.PATH_NUMBER, operation): False for operation in ("create", "mkfifo", "mksock")},
    **{(Kind.DEVICE, operation): False for operation in Kind.DEVICE.operations},
}
#: The arguments that name files, where it is not the first alone.
_PLACES = {Kind.TWO_PATHS: (0, 1), Kind.MOUNT: (1,)}
_MODE, _IDENTIFIER, _WORD = 0o7777, 2**32 - 2, 2**32 - 1
#: The largest number of each operation's arguments, by their names.
_LARGEST = {
    **{(operation, "number"): _MODE for operation in ("create", "mkdir", "mkfifo", "mksock", "chmod")},
    **{("chown", "number"): _IDENTIFIER, ("chgrp", "number"): _IDENTIFIER, ("ioctl", "number"): _WORD},
    **{(operation, "mode"): _MODE for operation in ("mkblock", "mkchar")},
}


@dataclass(frozen=True, slots=True)
class NeverAsked:
    """Why the kernel never makes a request.

    Attributes: ``reason``, in words; ``instead``, the request that it makes, or None where there is none like it.
    """

    reason: str
    instead: Request | None = None

    def __str__(self) -> str:
        return self.reason if self.instead is None else f"{self.reason}; it would ask for '{self.instead.text}'"


def never_asked(request: Request, *, names: Collection[str] = ()) -> NeverAsked | None:
    """Why the kernel never makes REQUEST; None where it may.

    Arguments:
        names: the packages' names, patterns among them, that stand for the real paths of their files.
    """
    if request.operation in request.kind.unasked:
        return _unasked(request)
    for place, value in enumerate(request.arguments):
        fault = name_fault(request.kind, request.operation, place, value, names=names) if isinstance(value, str) else None
        if fault is not None:
            reason, name = fault
            return NeverAsked(reason, _renamed(request, place, name) if name else None)
    return _ends_fault(request) or _number_fault(request)


def name_fault(kind: Kind, operation: str, place: int, name: str, *, names: Collection[str] = ()) -> tuple[str, str] | None:
    """Why the argument at PLACE is never NAME, and what the kernel calls it, which may be empty; None where it may be.

    Arguments:
        names: as in `never_asked`.
    """
    if not _names_a_file(kind, place):
        return None
    if name.startswith(_MADE_UP):
        if operation == "execute" or name in names or any("\\" in each and matches(each, name) for each in names):
            return None
        return f"it asks for files by their real paths, and {name} is none", ""
    if not _NAME.match(name):
        return "the names of files are absolute", f"/{name}"
    other = misnamed(name, operation)
    if other is not None and other.never:
        return other.reason.removeprefix("the kernel never asks for this name: "), other.asked
    head, slash, rest = name.partition("/")
    parts = rest.split("/")
    if slash and any(part in (".", "..") or (not part and at < len(parts) - 1) for at, part in enumerate(parts)):
        return "no name has '//', '.' or '..' in it", f"{head}/{_resolved(parts)}"
    wanted = _ENDS.get((kind, operation))
    if wanted is None or name.endswith("/") is wanted:
        return None
    if wanted:
        return "the name of a directory ends in '/'", f"{name}/"
    return f"'file {operation}' is never about a directory, whose name ends in '/'", name.rstrip("/")


def is_package_name(kind: Kind, operation: str, place: int, value: Value) -> bool:
    """Whether the argument VALUE at PLACE is a package's name where the kernel compares real paths."""
    return isinstance(value, str) and value.startswith(NAMES) and operation != "execute" and _names_a_file(kind, place)


def _names_a_file(kind: Kind, place: int) -> bool:
    """Whether the argument at PLACE is a path: what is mounted may be called anything, and so may a socket."""
    return kind.keyword == "file" and place in _PLACES.get(kind, (0,))


def _unasked(request: Request) -> NeverAsked:
    """A network operation that the kernel does not check for the protocol."""
    _, family, protocol = request.kind.keyword.split()
    every = set(request.kind.operations) == set(request.kind.unasked)
    checked = "it checks no such sockets" if every else f"it checks no {request.operation} of such sockets"
    if (family, protocol) == ("unix", "raw"):
        other, operation = "dgram", "send" if request.operation == "connect" else request.operation
    elif protocol in ("dgram", "raw") and request.operation == "connect":
        other, operation = protocol, "send"
    elif protocol in ("stream", "seqpacket") and request.operation == "send":
        other, operation = protocol, "connect"
    else:
        return NeverAsked(checked)
    kind = NETWORK_KINDS[f"network {family} {other}"]
    if operation in kind.unasked:
        return NeverAsked(checked)
    return NeverAsked(checked, replace(request, kind=kind, operation=operation))


def _resolved(parts: list[str]) -> str:
    """The components of a path without those that the kernel follows."""
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/".join(kept) + ("/" if kept and parts[-1] in ("", ".", "..") else "")


def _ends_fault(request: Request) -> NeverAsked | None:
    """Of two names, one that ends in '/' as the other does not."""
    if request.operation not in ("rename", "link"):
        return None
    first, second = map(str, request.arguments)
    if first.endswith("/") and not second.endswith("/"):
        return NeverAsked("the new name of a directory ends in '/', too", _renamed(request, 1, f"{second}/"))
    if second.endswith("/") and not first.endswith("/") and request.operation == "link":
        # Nothing is there yet, whose directory's name would have a '/'.
        return NeverAsked("a new link to a file is no directory", _renamed(request, 1, second.rstrip("/")))
    return None


def largest_number(operation: str, argument: str) -> int | None:
    """The largest number that the kernel ever asks OPERATION for as its ARGUMENT; None where there is no such limit."""
    return _LARGEST.get((operation, argument))


def _number_fault(request: Request) -> NeverAsked | None:
    for name, value in zip(request.kind.arguments, request.arguments):
        largest = _LARGEST.get((request.operation, name))
        if largest is not None and isinstance(value, int) and value > largest:
            shown = f"0{largest:o}" if largest == _MODE else str(largest)
            return NeverAsked(f"the largest {name} of 'file {request.operation}' is {shown}")
    return None


def _renamed(request: Request, place: int, name: str) -> Request:
    """REQUEST with NAME at PLACE, and all else so that the kernel asks for it."""
    arguments: list[Value] = list(request.arguments)
    arguments[place] = name
    found = replace(request, arguments=tuple(arguments))
    fault = never_asked(found)
    return fault.instead if fault is not None and fault.instead is not None else found

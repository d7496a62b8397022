"""Listings: the texts and JSON documents in which Nix prints a closure.

Inside a Nix build there is no database; a derivation is given its closure
as a file instead.  One function here reads each form, `parse_listing` tells
them apart, `read_listing` takes a file's path:

paths
    One store path a line: `nix-store -qR`, closureInfo's `store-paths`.
    No references, no derivers.
registration
    For each path the lines path, hash, size, deriver (often empty), number
    of references, references: closureInfo's `registration` and, with the hash
    written in another way, `nix-store --dump-db`.
graph
    The same without hash and size: the old `exportReferencesGraph`.
JSON
    `nix path-info --json --recursive` in its three flavours (a list, an
    object by path, an object with "version" and "info" by name) and the list
    that structured attributes make of `exportReferencesGraph`, alone or within
    its `.attrs.json`.

Beware: in a build every deriver is left out.  All of a file is read or none.
"""

from __future__ import annotations

import re

from ...model.errors import BINARY, NOT_UTF8, is_binary
from ...model.words import quoted
from .closure import Closure, ClosureError, Member
from .paths import STORE_DIRECTORY, StorePath, StorePathError, parse_store_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["parse_listing", "read_listing"]

_HASH_LINE = re.compile(r"[a-z0-9]+[:-][0-9a-zA-Z+/=]+|[0-9a-f]{64}")
_COUNT = re.compile(r"[0-9]{1,9}")
_SIZE = re.compile(r"[0-9]{1,20}")


def read_listing(path: str, store_directory: str = STORE_DIRECTORY, key: str | None = None) -> Closure:
    """Read the file at PATH, in whichever of the forms above.

    Arguments as for `parse_listing`.

    Raises `ClosureError`, and OSError if the file cannot be read.
    """
    return parse_listing(_read(path).decode("utf-8", "surrogateescape"), path, store_directory, key)


def read_json(path: str) -> Any:
    """The JSON document in the file at PATH.

    Raises `ClosureError` where it is none, and OSError if the file cannot be read.
    """
    try:
        return _parse_json(_read(path).decode(), path)
    except UnicodeDecodeError:
        raise ClosureError(NOT_UTF8[0], path) from None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        data = file.read()
    if is_binary(data):
        raise ClosureError(BINARY[0], path)
    return data


def _parse_json(text: str, file: str | None) -> Any:
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ClosureError(f"{error.msg} (column {error.colno})", file, error.lineno) from None
    except (ValueError, RecursionError) as error:
        raise ClosureError(f"unreadable JSON: {error}", file) from None


def parse_listing(text: str, file: str | None = None, store_directory: str = STORE_DIRECTORY, key: str | None = None) -> Closure:
    """Read TEXT in whichever of the forms above.

    Arguments:
        file: where it comes from, for errors.
        store_directory: which paths are store paths.
        key: for `.attrs.json`, which attribute holds the closure; ``closure`` by
            default.

    Raises `ClosureError`.
    """
    if text.lstrip(" \t\r\n").startswith(("[", "{")):
        return parse_json(text, file, store_directory, key)
    lines = text.split("\n", 3)
    if len(lines) > 1 and _HASH_LINE.fullmatch(lines[1]):
        return parse_registration(text, file, store_directory)
    if len(lines) > 2 and _COUNT.fullmatch(lines[2]):
        return parse_graph(text, file, store_directory)
    return parse_paths(text, file, store_directory)


def parse_paths(text: str, file: str | None = None, store_directory: str = STORE_DIRECTORY) -> Closure:
    """Read a plain list, one store path a line; empty lines and doubles do not matter.

    Raises `ClosureError`.
    """
    reader = _Lines(text, file, store_directory)
    members: dict[StorePath, Member] = {}
    while not reader.at_end():
        if reader.lines[reader.number]:
            path = reader.store_path("a store path")
            members[path] = Member(path)
        else:
            reader.number += 1
    return Closure(tuple(members.values()))


def parse_registration(text: str, file: str | None = None, store_directory: str = STORE_DIRECTORY) -> Closure:
    """Read a `registration` or the output of ``nix-store --dump-db``.

    Raises `ClosureError`.
    """
    reader = _Lines(text, file, store_directory)
    members = []
    while not reader.at_end():
        path = reader.store_path("a store path")
        reader.matching(_HASH_LINE, "a hash")
        reader.matching(_SIZE, "a size")
        deriver = reader.deriver()
        members.append(Member(path, reader.references(), deriver))
    return reader.closure(members)


def parse_graph(text: str, file: str | None = None, store_directory: str = STORE_DIRECTORY) -> Closure:
    """Read what ``exportReferencesGraph`` writes without structured attributes.

    Raises `ClosureError`.
    """
    reader = _Lines(text, file, store_directory)
    members = []
    while not reader.at_end():
        path = reader.store_path("a store path")
        deriver = reader.deriver()
        members.append(Member(path, reader.references(), deriver))
    return reader.closure(members)


def parse_json(text: str, file: str | None = None, store_directory: str = STORE_DIRECTORY, key: str | None = None) -> Closure:
    """Read any of the JSON forms.

    Arguments as for `parse_listing`.

    Raises `ClosureError`; its place is a JSON path such as ``$[3].references``.
    """
    document = _parse_json(text, file)
    place = "$"
    if isinstance(document, dict):
        if key is None and isinstance(document.get("info"), dict):
            stated = _text(document.get("storeDir", store_directory), file, "$.storeDir")
            if stated != store_directory:
                raise ClosureError(f"not of the store {store_directory}", file, place="$.storeDir")
            place, document = "$.info", document["info"]
        elif key is not None or not all(name.startswith("/") for name in document):
            key = "closure" if key is None else key
            if not isinstance(document.get(key), list):
                raise ClosureError(f"no list {quoted(key)} in this object", file, place="$")
            place, document = f"$.{key}", document[key]
    members = []
    if isinstance(document, dict):
        for name, entry in document.items():
            members.append(_json_member(name, entry, file, f"{place}[{quoted(name)}]", store_directory))
    elif isinstance(document, list):
        for index, entry in enumerate(document):
            here = f"{place}[{index}]"
            path = _text(entry.get("path") if isinstance(entry, dict) else None, file, f"{here}.path")
            members.append(_json_member(path, entry, file, here, store_directory))
    else:
        raise ClosureError("neither a list nor an object", file, place="$")
    return _closure(members, file)


def _json_member(path_text: str, entry: Any, file: str | None, place: str, store_directory: str) -> Member:
    path = _json_path(path_text, file, place, store_directory)
    if entry is None or (isinstance(entry, dict) and entry.get("valid") is False):
        raise ClosureError(f"{path_text} is not valid in that store", file, place=place)
    if not isinstance(entry, dict):
        raise ClosureError("not an object", file, place=place)
    if _text(entry.get("storeDir", store_directory), file, f"{place}.storeDir") != store_directory:
        raise ClosureError(f"not of the store {store_directory}", file, place=place)
    listed = entry.get("references")
    if not isinstance(listed, list):
        raise ClosureError("no list of references", file, place=f"{place}.references")
    references = tuple(
        sorted(
            {
                _json_path(
                    _text(item, file, f"{place}.references[{index}]"),
                    file,
                    f"{place}.references[{index}]",
                    store_directory,
                )
                for index, item in enumerate(listed)
            }
        )
    )
    stated = entry.get("deriver")
    deriver = None
    if stated is not None and stated != "unknown-deriver":
        deriver = _json_path(_text(stated, file, f"{place}.deriver"), file, f"{place}.deriver", store_directory)
    return Member(path, references, deriver)


def _json_path(text: str, file: str | None, place: str, store_directory: str) -> StorePath:
    try:
        # The flavour with "version" leaves the store directory out.
        return parse_store_path(text if "/" in text else f"{store_directory}/{text}", store_directory)
    except StorePathError as error:
        raise ClosureError(str(error), file, place=place) from None


def _text(value: Any, file: str | None, place: str) -> str:
    if not isinstance(value, str):
        raise ClosureError("not a string", file, place=place)
    return value


def _closure(members: list[Member], file: str | None) -> Closure:
    try:
        return Closure(tuple(members))
    except ClosureError as error:
        raise ClosureError(error.reason, file) from None


class _Lines:
    """The lines of a text, taken one after the other."""

    def __init__(self, text: str, file: str | None, store_directory: str) -> None:
        # Not splitlines(): that also splits at characters which are no line end here.
        self.lines = text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.file = file
        self.store_directory = store_directory
        self.number = 0  # of the lines taken so far
        self.known: dict[str, StorePath] = {}

    def at_end(self) -> bool:
        return self.number == len(self.lines)

    def take(self, expected: str) -> str:
        if self.at_end():
            raise ClosureError(f"the text ends where {expected} should stand", self.file, self.number + 1)
        self.number += 1
        return self.lines[self.number - 1]

    def matching(self, pattern: re.Pattern[str], expected: str) -> str:
        line = self.take(expected)
        if not pattern.fullmatch(line):
            raise ClosureError(f"expected {expected}, found {quoted(line[:100])}", self.file, self.number)
        return line

    def store_path(self, expected: str) -> StorePath:
        line = self.take(expected)
        path = self.known.get(line)
        if path is None:
            try:
                path = parse_store_path(line, self.store_directory)
            except StorePathError as error:
                raise ClosureError(f"expected {expected}: {error}", self.file, self.number) from None
            self.known[line] = path
        return path

    def deriver(self) -> StorePath | None:
        if not self.at_end() and self.lines[self.number] in ("", "unknown-deriver"):
            self.number += 1
            return None
        return self.store_path("a deriver or an empty line")

    def references(self) -> tuple[StorePath, ...]:
        count = int(self.matching(_COUNT, "the number of references"))
        # Not range(count) at once: the count may be far beyond the text.
        found = set()
        while count:
            found.add(self.store_path("a reference"))
            count -= 1
        return tuple(sorted(found))

    def closure(self, members: list[Member]) -> Closure:
        return _closure(members, self.file)

"""Store paths: what their text means, and which one a longer path lies in.

A store path is ``/nix/store/HASH-NAME``; everything below it belongs to one
package output.  Beware of two things.  Neither the hash nor the name tells
what a package *is*: anyone who may build can add a path named ``nginx``, so a
name means something only within a trusted closure (see `closure`).  And the
output (``man``, ``dev``) is written into the name without a mark of its own:
``systemd-256.7-man`` splits as version ``256.7-man`` by Nix's own rule.

All of this is text; nothing here touches a file system.  File names are
`str` as `os.fsdecode` makes them, so any bytes can occur.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...model.errors import TomoyoError
from ...model.words import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "MalformedTextError",
    "StoreFile",
    "StorePath",
    "StorePathError",
    "find_store_path",
    "parse_drv_name",
    "parse_store_path",
]

#: Where Nix keeps its store unless built otherwise.
STORE_DIRECTORY = "/nix/store"
#: Nix's base 32: digits and letters without e, o, t and u.
HASH_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
HASH_LENGTH = 32
#: The longest name that Nix takes; its checkName() in libstore/path.cc.
MAX_NAME_LENGTH = 211

# Newer Nix also refuses names that begin with "." or ".." and a "-".  Older
# stores hold them, so they are read here.
_HASH = re.compile(f"[{HASH_ALPHABET}]{{{HASH_LENGTH}}}")
_NAME = re.compile(f"[A-Za-z0-9+\\-._?=]{{1,{MAX_NAME_LENGTH}}}")
_HASH_PREFIX = re.compile(f"[{HASH_ALPHABET}]*")
_NAME_PREFIX = re.compile("[A-Za-z0-9+\\-._?=]*")
_VERSION_DASH = re.compile("-(?=[^A-Za-z])")
#: What an output is called in practice; Nix itself takes any name.
_OUTPUT_WORD = re.compile("[A-Za-z_][A-Za-z0-9_]*")


class MalformedTextError(TomoyoError, ValueError):
    """A text is not what it should be.

    Attributes:
        text: the text that was read.
        position: the offset in it where reading stopped.
        expected: what should have stood there.
    """

    def __init__(self, text: str, position: int, expected: str) -> None:
        super().__init__(f"{quoted(text)} at offset {position}: expected {expected}")
        self.text = text
        self.position = position
        self.expected = expected


class StorePathError(MalformedTextError):
    """A text is no store path, or does not lie in one."""


@dataclass(frozen=True, slots=True, order=True)
class StorePath:
    """One entry of the store, ``DIRECTORY/HASH-NAME``.

    Attributes:
        hash: 32 characters of Nix's base 32.
        name: what follows the dash, 1 to 211 characters.
        directory: the store directory, absolute, without a trailing slash.

    Raises `StorePathError` where a part breaks the rules.
    """

    hash: str
    name: str
    directory: str = STORE_DIRECTORY

    def __post_init__(self) -> None:
        # The parts are only looked at again when something is wrong.
        if not (_HASH.fullmatch(self.hash) and _NAME.fullmatch(self.name)):
            entry = f"{self.hash}-{self.name}"
            _check_entry(entry, 0, len(entry))
            raise StorePathError(self.hash, 0, f"{HASH_LENGTH} characters of Nix's base 32")
        if self.directory != STORE_DIRECTORY:
            check_store_directory(self.directory)

    def __str__(self) -> str:
        return f"{self.directory}/{self.hash}-{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class StoreFile:
    """A file of one store path.

    Attributes:
        store_path: what it belongs to.
        file: the rest of its path, ``/bin/nginx``; empty if the store path is
            itself the file.
    """

    store_path: StorePath
    file: str

    def __str__(self) -> str:
        return f"{self.store_path}{self.file}"


def parse_store_path(text: str, store_directory: str = STORE_DIRECTORY) -> StorePath:
    """Read TEXT, which must be a store path and nothing more.

    Raises `StorePathError`.
    """
    found = find_store_path(text, store_directory)
    if found.file:
        raise StorePathError(text, len(text) - len(found.file), "the end of the store path")
    return found.store_path


def find_store_path(text: str, store_directory: str = STORE_DIRECTORY) -> StoreFile:
    """Tell which store path the absolute path TEXT lies in.

    ``/nix/store/H-x/bin/y`` is ``/bin/y`` of ``/nix/store/H-x``.  This is
    text only: TEXT must be free of ``.``, ``..`` and empty components (one
    slash at the end is kept), because what those mean depends on symlinks.

    Raises `StorePathError`.
    """
    if not text.startswith(store_directory + "/"):
        check_store_directory(store_directory)
        raise StorePathError(text, 0, f"a path below {store_directory}")
    start = len(store_directory) + 1
    end = text.find("/", start)
    if end < 0:
        end = len(text)
    if not (
        _HASH.fullmatch(text, start, start + HASH_LENGTH)
        and text.startswith("-", start + HASH_LENGTH)
        and _NAME.fullmatch(text, start + HASH_LENGTH + 1, end)
    ):
        _check_entry(text, start, end)
    entry = text[start:end]
    position = end
    while position < len(text):
        following = text.find("/", position + 1)
        if following < 0:
            following = len(text)
        component = text[position + 1 : following]
        if component in (".", "..") or (not component and following < len(text)):
            raise StorePathError(text, position + 1, "a path without '.', '..' and doubled slashes")
        position = following
    return StoreFile(StorePath(entry[:HASH_LENGTH], entry[HASH_LENGTH + 1 :], store_directory), text[end:])


def check_store_directory(directory: str) -> None:
    """Raise `StorePathError` unless DIRECTORY is absolute, normal and not the root."""
    if not directory.startswith("/"):
        raise StorePathError(directory, 0, "an absolute store directory")
    position = 1
    for component in directory[1:].split("/"):
        if component in ("", ".", ".."):
            raise StorePathError(directory, position, "a store directory without '.', '..' and stray slashes")
        position += len(component) + 1


def parse_drv_name(name: str) -> tuple[str, str]:
    """Split a package name and its version exactly as ``builtins.parseDrvName``.

    The version begins after the first dash that a character other than an
    ASCII letter follows; without such a dash it is empty.
    (DrvName::DrvName in Nix's libstore/names.cc.)
    """
    dash = _VERSION_DASH.search(name)
    if dash is None:
        return name, ""
    return name[: dash.start()], name[dash.end() :]


def split_output(name: str, outputs: Collection[str]) -> tuple[str, str]:
    """Take an output's suffix off the NAME of a store path whose deriver is unknown.

    Only a suffix of the version counts, and only one of OUTPUTS: given
    ``man``, ``systemd-256.7-man`` is output ``man`` of ``systemd-256.7``,
    while ``xdg-man`` is a package of that name.  Of several the longest is
    taken.

    Returns the name without suffix and the output, ``out`` if there is none.
    """
    # One character after the version's dash at least stays the version.
    dash = name.find("-", len(parse_drv_name(name)[0]) + 2)
    while dash >= 0:
        if name[dash + 1 :] in outputs:
            return name[:dash], name[dash + 1 :]
        dash = name.find("-", dash + 1)
    return name, "out"


def output_by_deriver(name: str, deriver_name: str) -> str | None:
    """Tell which output of a derivation the store path called NAME is.

    Nix calls output ``out`` as the derivation and every other one
    DERIVATION-OUTPUT (outputPathName() in libstore/derivations.cc), so the
    name of the deriver decides, even where its ``.drv`` file is gone.

    Arguments:
        deriver_name: as in the deriver's store path, ``toy-3.1.drv``.

    Returns None if no output of that derivation can have this name: a
    deriver taken from a binary cache is a claim that no signature covers.
    """
    derivation, extension, rest = deriver_name.rpartition(".drv")
    if not extension or rest:
        return None
    if name == derivation:
        return "out"
    output = name[len(derivation) + 1 :]
    if name.startswith(derivation + "-") and output != "out" and is_output_name(output):
        return output
    return None


def is_output_name(text: str) -> bool:
    """Tell whether TEXT looks like an output: a word that is no version."""
    return _OUTPUT_WORD.fullmatch(text) is not None


def name_length(text: str, start: int) -> int:
    """How many characters from START on in TEXT may stand in a store path's name; perhaps too many for one."""
    return _end(_NAME_PREFIX, text, start, len(text)) - start


def _check_entry(text: str, start: int, end: int) -> None:
    """Raise for the first fault of the HASH-NAME that stands from START to END in TEXT."""
    dash = _end(_HASH_PREFIX, text, start, min(end, start + HASH_LENGTH))
    if dash < start + HASH_LENGTH:
        raise StorePathError(text, dash, f"{HASH_LENGTH} characters of Nix's base 32 ({HASH_ALPHABET})")
    if dash == end or text[dash] != "-":
        raise StorePathError(text, dash, "'-' between hash and name")
    stop = _end(_NAME_PREFIX, text, dash + 1, end)
    if stop == dash + 1:
        raise StorePathError(text, stop, "a name of letters, digits and + - . _ ? =")
    if stop > dash + 1 + MAX_NAME_LENGTH:
        raise StorePathError(text, dash + 1 + MAX_NAME_LENGTH, f"a name of at most {MAX_NAME_LENGTH} characters")
    if stop < end:
        raise StorePathError(text, stop, "only letters, digits and + - . _ ? = in a name")


def _end(prefix: re.Pattern[str], text: str, start: int, end: int) -> int:
    match = prefix.match(text, start, end)
    return match.end() if match else start

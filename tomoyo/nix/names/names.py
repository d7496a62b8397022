"""Names: what a policy calls store files by, without a hash.

``nix:/nginx/bin/nginx`` is file ``/bin/nginx`` of the package nginx.  A name is
a path word and a group's name to the kernel, which takes it as it stands:

    nix:/PACKAGE[^OUTPUT]FILE

PACKAGE is a package's name by the rule of builtins.parseDrvName (``openssl``),
or that with the version (``openssl-1.1.1w``).  OUTPUT is left out for ``out``.
FILE is a word in the kernel's encoding that begins with ``/``, perhaps with
patterns, ``/lib/\\*.so.\\*``; a directory's ends in ``/``; it is empty where the
store path itself is a file, such as ``nix:/hosts``.

Beware: the kernel compares the text of a name, so one store file has one
spelling for each way to write its package, and every other is refused here.
And a name means nothing by itself: a `NameTable` says which store paths are
trusted to be a package, and anything else in the store is a stranger.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ...model.words import NAMES, constant_length, decode, encode, quoted, word_fault
from ..store.closure import Closure, ClosureError, find_root
from ..store.closure_formats import read_json
from ..store.paths import (
    MAX_NAME_LENGTH,
    STORE_DIRECTORY,
    MalformedTextError,
    StoreFile,
    StorePath,
    name_length,
    parse_drv_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..store.tree import Tree

__all__ = ["Name", "NameSyntaxError", "NameTable", "parse_name", "read_packages"]

#: Between a package and its output.
OUTPUT_MARK = "^"
#: The output that is not written.
DEFAULT_OUTPUT = "out"
#: The key of NixOS' wrappers, ``nix:/wrappers/sudo``, whose directory has
#: another name after each boot.  No package can have it.
WRAPPERS = "wrappers"

_NUL = "\\000"
_NO_PACKAGES = ("", ".", "..")


class NameSyntaxError(MalformedTextError):
    """A text is no name."""


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One name.  ``str()`` is its text, which `parse_name` reads back.

    Attributes:
        package: the package's name, without version, not empty unless there is
            a version.
        version: as written; None where the name leaves it open.
        output: ``out``, ``dev``, ...
        file: the rest of the path as a word; see above.

    Raises `NameSyntaxError` where the text would not be read back as these
    parts.
    """

    package: str
    version: str | None = None
    output: str = DEFAULT_OUTPUT
    file: str = ""

    def __post_init__(self) -> None:
        text = str(self)
        parts = _parse(text)
        if parts != (self.package, self.version, self.output, self.file):
            raise NameSyntaxError(text, len(NAMES), f"parts that are read back as such, not {', '.join(map(quoted, parts))}")

    def __str__(self) -> str:
        return f"{NAMES}{self.key}{self.file}"

    @property
    def key(self) -> str:
        """``PACKAGE[^OUTPUT]``, what a `NameTable` looks up."""
        return package_key(self.package, self.version, self.output)

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for more than one file of its package."""
        return constant_length(self.file) < len(self.file)

    @property
    def file_name(self) -> str:
        """The file as `os.fsdecode` makes it, for opening.

        Raises InvalidValueError for a pattern.
        """
        return os.fsdecode(decode(self.file))


def is_name(text: str) -> bool:
    """Whether TEXT claims to be a name: it may still have faults."""
    return text.startswith(NAMES)


def parse_name(text: str) -> Name:
    """Read a name.

    Raises `NameSyntaxError`.
    """
    # Checked once here: the constructor would parse its own text again.
    name = object.__new__(Name)
    for attribute, value in zip(("package", "version", "output", "file"), _parse(text)):
        object.__setattr__(name, attribute, value)
    return name


def parse_key(text: str) -> str:
    """Read ``PACKAGE[^OUTPUT]``, the key of an explicit table, and give it back as `Name.key` has it.

    Raises `NameSyntaxError`.
    """
    package, version, output, position = _parse_key(text, 0)
    if position < len(text):
        raise NameSyntaxError(text, position, "letters, digits and + - . _ ? = only")
    return package_key(package, version, output)


def package_key(package: str, version: str | None, output: str) -> str:
    """The text ``PACKAGE[^OUTPUT]``."""
    versioned = package if version is None else f"{package}-{version}"
    return versioned if output == DEFAULT_OUTPUT else f"{versioned}{OUTPUT_MARK}{output}"


def encode_file(file: str) -> str:
    """A file name, as `os.fsdecode` makes it, as a word."""
    return encode(os.fsencode(file))


def _parse(text: str) -> tuple[str, str | None, str, str]:
    if not text.startswith(NAMES):
        raise NameSyntaxError(text, 0, NAMES)
    package, version, output, position = _parse_key(text, len(NAMES))
    if position < len(text) and text[position] != "/":
        raise NameSyntaxError(text, position, "'/', or letters, digits and + - . _ ? = in a package")
    _check_file(text, position)
    return package, version, output, text[position:]


def _parse_key(text: str, start: int) -> tuple[str, str | None, str, int]:
    length = name_length(text, start)
    if not length:
        raise NameSyntaxError(text, start, "a package of letters, digits and + - . _ ? =")
    if length > MAX_NAME_LENGTH:
        raise NameSyntaxError(text, start + MAX_NAME_LENGTH, f"a package of at most {MAX_NAME_LENGTH} characters")
    position = start + length
    package, version = parse_drv_name(text[start:position])
    if text[start:position] in _NO_PACKAGES:
        raise NameSyntaxError(text, start, "a package, not '.' or '..'")
    output = DEFAULT_OUTPUT
    if text.startswith(OUTPUT_MARK, position):
        position += 1
        length = name_length(text, position)
        output = text[position : position + length]
        if not output:
            raise NameSyntaxError(text, position, "an output of letters, digits and + - . _ ? =")
        if output == DEFAULT_OUTPUT:
            raise NameSyntaxError(text, position - 1, f"no '{OUTPUT_MARK}{DEFAULT_OUTPUT}', which is left out")
        position += length
    return package, version or None, output, position


def _check_file(text: str, start: int) -> None:
    if start == len(text):
        return
    fault = word_fault(text)
    if fault:
        raise NameSyntaxError(text, fault.offset, f"a word of the kernel ({fault.reason})")
    nul = text.find(_NUL, start)
    if nul >= 0 and b"\0" in _decode_fixed(text[start:]):
        raise NameSyntaxError(text, nul, "a file name, which holds no NUL byte")
    position = start
    while position < len(text):
        following = text.find("/", position + 1)
        if following < 0:
            following = len(text)
        component = text[position + 1 : following]
        if component in (".", ".."):
            raise NameSyntaxError(text, position + 1, "a path without '.' and '..', which the kernel never shows")
        if not component and following < len(text):
            raise NameSyntaxError(text, position + 1, "a path without doubled slashes, which the kernel never shows")
        position = following


def _decode_fixed(pattern: str) -> bytes:
    """The bytes of a valid word with each pattern escape left out."""
    fixed = []
    position = 0
    while position < len(pattern):
        end = position + constant_length(pattern[position:])
        fixed.append(decode(pattern[position:end]))
        position = end + 2
    return b"".join(fixed)


@dataclass(frozen=True, slots=True)
class NameTable:
    """Which store paths a package name stands for, and what a store path is called.

    Attributes:
        closure: the trusted closure; its packages are known by name, and by
            name and version.
        packages: an explicit table, key (`parse_key`) to store paths.  A key
            that stands here means these store paths and no other.

    Raises `NameSyntaxError` for a key that is none, or is `WRAPPERS`.  Both ways take constant time.
    """

    closure: Closure
    packages: Mapping[str, tuple[StorePath, ...]] = field(default_factory=dict)
    _paths: dict[str, tuple[StorePath, ...]] = field(init=False, repr=False, compare=False)
    _keys: dict[StorePath, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    _texts: dict[str, StorePath] = field(init=False, repr=False, compare=False)
    _directory: str = field(init=False, repr=False, compare=False)
    _packages: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<NameTable: names: {len(self._paths)}, store paths: {len(self.closure.members)}>"

    def __post_init__(self) -> None:
        paths: dict[str, list[StorePath]] = {}
        keys: dict[StorePath, list[str]] = {}
        for key, explicit in sorted(self.packages.items()):
            if key == WRAPPERS:
                raise NameSyntaxError(key, 0, "another name: this one is kept for /run/wrappers")
            paths[parse_key(key)] = sorted(set(explicit))
            for path in paths[key]:
                keys.setdefault(path, []).append(key)
        for path in self.closure.paths:
            for key in _closure_keys(self.closure, path):
                if key not in self.packages and key != WRAPPERS:
                    paths.setdefault(key, []).append(path)
                    keys.setdefault(path, []).append(key)
        object.__setattr__(self, "_paths", {key: tuple(found) for key, found in paths.items()})
        object.__setattr__(self, "_keys", {path: tuple(found) for path, found in keys.items()})
        object.__setattr__(self, "_texts", {encode_file(str(path)): path for path in keys})
        first = next(iter(keys), None)
        object.__setattr__(self, "_directory", encode_file(first.directory if first else STORE_DIRECTORY) + "/")

    @property
    def paths(self) -> tuple[StorePath, ...]:
        """Every trusted store path, sorted: the closure's, and those of the explicit table."""
        return tuple(sorted({*self.closure.paths, *self._keys}))

    def resolve(self, name: Name) -> tuple[StorePath, ...]:
        """The store paths of NAME's package and output, sorted; none for a package that is not trusted."""
        return self._paths.get(name.key, ())

    def files(self, name: Name) -> tuple[StoreFile, ...]:
        """The store files that NAME stands for, whether or not they exist; one for each store path.

        Raises InvalidValueError for a pattern.
        """
        file = name.file_name
        return tuple(StoreFile(path, file) for path in self.resolve(name))

    def words(self, name: Name) -> tuple[str, ...]:
        """NAME as the kernel sees it: for each store path a word, with the patterns of NAME."""
        return tuple(encode_file(str(path)) + name.file for path in self.resolve(name))

    def name(self, file: StoreFile) -> Name | None:
        """What FILE is called: by the explicit table, else without version.

        The version is written where nothing else means that store path.
        None for a store path that is not trusted.
        """
        key = next(iter(self._keys.get(file.store_path, ())), None)
        return None if key is None else parse_name(f"{NAMES}{key}{encode_file(file.file)}")

    def names(self, file: StoreFile) -> tuple[Name, ...]:
        """Everything that FILE may be called, best first: each name's `files` include it."""
        return self._names(file.store_path, encode_file(file.file))

    def exact_name(self, file: StoreFile) -> Name | None:
        """The first of `names` that stands for this store path alone; None if there is none."""
        return next((name for name in self.names(file) if len(self.resolve(name)) == 1), None)

    def name_of_word(self, word: str) -> Name | None:
        """What the kernel's WORD, ``/nix/store/HASH-NAME/...``, is called; patterns behind the store path stay.

        None for whatever lies in no trusted store path, or has `.`, `..`
        or such behind it.
        """
        return next(self.names_of_word(word), None)

    def names_of_word(self, word: str) -> Iterator[Name]:
        """Everything that WORD may be called, best first; as `name_of_word`."""
        path, file = self.split_word(word) or (None, "")
        for key in self._keys.get(path, ()) if path else ():
            try:
                yield parse_name(f"{NAMES}{key}{file}")
            except NameSyntaxError:
                return

    def split_word(self, word: str) -> tuple[StorePath, str] | None:
        """The trusted store path that the kernel's WORD lies in, and the rest of WORD; None elsewhere."""
        if not word.startswith(self._directory):
            return None
        end = word.find("/", len(self._directory))
        end = len(word) if end < 0 else end
        path = self._texts.get(word[:end])
        return (path, word[end:]) if path else None

    @property
    def directory(self) -> str:
        """The store directory as the kernel writes it, without a slash at its end."""
        return self._directory[:-1]

    def several(self) -> dict[str, tuple[StorePath, ...]]:
        """Keys that stand for more than one store path, with these, sorted."""
        return {key: paths for key, paths in sorted(self._paths.items()) if len(paths) > 1}

    def keys_of(self, package: str) -> tuple[str, ...]:
        """The keys of every version and output of PACKAGE, sorted; with a version where they have one."""
        if not self._packages:
            for key, paths in self._paths.items():
                if paths:
                    self._packages.setdefault(_parse_key(key, 0)[0], []).append(key)
        found = self._packages.get(package, ())
        versioned = {path for key in found if _parse_key(key, 0)[1] for path in self._paths[key]}
        return tuple(sorted(key for key in found if _parse_key(key, 0)[1] or not versioned.issuperset(self._paths[key])))

    def package_names(self) -> list[str]:
        """The names of all packages, without version and output."""
        self.keys_of("")
        return list(self._packages)

    def _names(self, path: StorePath, file: str) -> tuple[Name, ...]:
        return tuple(parse_name(f"{NAMES}{key}{file}") for key in self._keys.get(path, ()))


def _closure_keys(closure: Closure, path: StorePath) -> list[str]:
    """The keys of a store path: without version, then with it if there is one."""
    package = closure.package(path)
    keys = [package_key(package.name, None, package.output)]
    if package.version:
        keys.append(package_key(package.name, package.version, package.output))
    # Nix took ".-1" for a name once; no path can hold its package's.
    return [key for key in keys if key.partition(OUTPUT_MARK)[0] not in _NO_PACKAGES]


def parse_package(text: str, tree: Tree) -> tuple[str, StorePath]:
    """Read ``PACKAGE[^OUTPUT]=PATH``, an entry of an explicit table.

    PATH is a store path, or a symlink to one in TREE.

    Raises `NameSyntaxError` or `ClosureError`.
    """
    # A package's name may hold a "=" itself, though no slash.
    key, equals, path = text.partition("=/")
    if not equals:
        raise NameSyntaxError(text, len(text), "PACKAGE=/nix/store/...")
    return parse_key(key), find_root(f"/{path}", tree)


def read_packages(file: str, tree: Tree) -> dict[str, tuple[StorePath, ...]]:
    """Read an explicit table from a JSON file: an object of ``"PACKAGE[^OUTPUT]": "PATH"`` or ``[PATH, ...]``.

    Raises `ClosureError` with the file's name, and OSError where it cannot be read.
    """
    document = read_json(file)
    if not isinstance(document, dict):
        raise ClosureError("not an object of packages and store paths", file, place="$")
    entries: list[tuple[str, StorePath]] = []
    for key, value in document.items():
        place = f"$[{quoted(key)}]"
        for path in value if isinstance(value, list) else [value]:
            if not isinstance(path, str):
                raise ClosureError("neither a store path nor a list of them", file, place=place)
            try:
                entries.append((parse_key(key), find_root(path, tree)))
            except NameSyntaxError as error:
                raise ClosureError(str(error), file, place=place) from None
            except ClosureError as error:
                raise ClosureError(str(error), file, place=place) from None
    return collect_packages(entries)


def collect_packages(entries: Iterable[tuple[str, StorePath]]) -> dict[str, tuple[StorePath, ...]]:
    """An explicit table of ENTRIES; those of one key come together."""
    table: dict[str, list[StorePath]] = {}
    for key, path in entries:
        table.setdefault(key, []).append(path)
    return {key: tuple(sorted(set(paths))) for key, paths in table.items()}

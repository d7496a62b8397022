"""Units: the file of a unit and its drop-ins, found and put together as systemd does it (systemd.unit(5)).

`UnitDirectories` finds them below any root, that of an image or of a build: nothing needs to run.  A `Unit` is a value.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from ..model.diagnostics import Diagnostic
from ..model.errors import InvalidValueError
from ..nix.store.tree import LinkError, Tree
from .specifiers import Specifiers
from .unit_files import Setting, UnitFile, read_unit_file
from .unit_names import UnitName, parse_unit_name

__all__ = ["SEARCH_PATH", "LoadState", "Unit", "UnitDirectories"]

#: Where the system's manager looks for units: what comes first counts.
SEARCH_PATH = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient", "/run/systemd/generator.early"),
    *("/etc/systemd/system", "/etc/systemd/system.attached", "/run/systemd/system", "/run/systemd/system.attached"),
    *("/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"),
    "/run/systemd/generator.late",
)
_NULL = "/dev/null"


class LoadState(Enum):
    """Whether there is a unit of some name."""

    LOADED = "loaded"
    MASKED = "masked"
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit.

    Attributes:
        name: its own name, an instance's for an instance.
        names: that one and its aliases.
        state: nothing is read of a unit that is masked or not found.
        files: its main file, and then its drop-ins in the order in which they count.
    """

    name: UnitName
    names: tuple[str, ...]
    state: LoadState
    files: tuple[UnitFile, ...] = ()

    @property
    def section(self) -> str:
        """The section that only units of its type have, ``Service``."""
        return self.name.type.capitalize()

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What systemd ignores of its files."""
        return tuple(diagnostic for file in self.files for diagnostic in file.diagnostics)

    def specifiers(self, given: Mapping[str, str] | None = None) -> Specifiers:
        """Its specifiers; GIVEN are letters with values, for those that hang on the machine."""
        return Specifiers(self.name, self.files[0].path if self.files else "", given or {})

    def all_settings(self, *keys: str, section: str = "") -> Iterator[Setting]:
        """The settings KEYS in the order in which they count, those that reset others among them.

        Arguments:
            section: by default the unit's own.
        """
        wanted = section or self.section
        return (one for file in self.files for one in file.settings if one.section == wanted and one.key in keys)

    def settings(self, *keys: str, section: str = "") -> tuple[Setting, ...]:
        """The settings KEYS, a list together, that count: those behind the last that is empty."""
        counting: list[Setting] = []
        for setting in self.all_settings(*keys, section=section):
            if setting.value:
                counting.append(setting)
            else:
                counting.clear()
        return tuple(counting)

    def setting(self, key: str, section: str = "") -> Setting | None:
        """The setting KEY that counts, of which the last is the only one; None where it has its default."""
        found = self.settings(key, section=section)
        return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a directory of units has of some name: a file, another name, or (neither) what masks the name."""

    path: str = ""
    alias: UnitName | None = None


class UnitDirectories:
    """Directories that hold units.

    Arguments:
        directories: as inside paths of TREE; of two that have a unit the first counts.
        tree: where they lie.  What it leads to is read when it is asked for, and only once.

    Raises OSError for what cannot be read.
    """

    def __init__(self, directories: Sequence[str] = SEARCH_PATH, tree: Tree | None = None) -> None:
        self._tree = tree or Tree()
        self._directories = tuple(dict.fromkeys(path for path in directories if self._is_directory(path)))
        self._real = {self._tree.directory(path).path for path in self._directories}
        self._entries: dict[str, _Entry] = {}
        for directory in self._directories:
            for name in self._list(directory):
                entry = None if name in self._entries else self._entry(directory, name)
                if entry is not None:
                    self._entries[name] = entry
        self._aliases: dict[str, list[str]] = {}
        for name in self._entries:
            self._aliases.setdefault(self._target(name), []).append(name)

    def names(self) -> tuple[str, ...]:
        """The names of all units that have a file and are no aliases, sorted; templates among them."""
        return tuple(sorted(name for name, entry in self._entries.items() if entry.path))

    def find(self, name: str) -> Unit:
        """Read the unit NAME, by any of its names.

        Raises InvalidValueError where NAME is none, or a template, and OSError where a file cannot be read.
        """
        asked = parse_unit_name(name)
        if asked.instance == "":
            raise InvalidValueError(f"a template, not a unit: {name}; give an instance, such as {replace(asked, instance='x')}")
        for found in (name, str(asked.template or asked)):
            target = self._target(found)
            entry = self._entries.get(target)
            if entry is not None:
                break
        if entry is None or entry.alias:
            return Unit(asked, (name,), LoadState.NOT_FOUND)
        own = _instance_of(target, asked)
        if target != found and target != str(own) and str(own) in self._entries:
            own = asked  # as the instance has a file of its own
        if not entry.path:
            return Unit(own, tuple(dict.fromkeys((str(own), name))), LoadState.MASKED)
        aliases = {_instance_of(alias, own) for one in (found, target) for alias in self._aliases.get(one, ())}
        # A link from an instance to a template is one to the instance, too, even where that has a file of its own.
        template = str(own.template)
        if template in self._entries and self._entries[template].path:
            aliases |= {parse_unit_name(alias) for alias in self._aliases.get(template, ())}
        others = {str(alias) for alias in aliases if alias.instance == own.instance}
        names = tuple(dict.fromkeys((str(own), *sorted({name, *others}))))
        main = self._read(entry.path)
        if main is None:
            return Unit(own, names, LoadState.MASKED)
        return Unit(own, names, LoadState.LOADED, (main, *self._dropins(names)))

    def _entry(self, directory: str, name: str) -> _Entry | None:
        """What NAME in DIRECTORY is; None for what systemd does not look at."""
        try:
            own = parse_unit_name(name)
            path = self._tree.entry(f"{directory}/{name}").path
            target = self._tree.target(path)
            if target is None:
                return _Entry(path) if self._is_file(path) else None
            beside = posixpath.normpath(posixpath.join(directory, target))
            if beside == _NULL:
                return _Entry()
            parent, _, base = beside.rpartition("/")
            if parent in self._directories or self._resolved(parent) in self._real:
                # A link to the same name in another directory says nothing: that directory has its own turn.
                alias = parse_unit_name(base)
                return _Entry(alias=alias) if base != name and _may_be_alias(own, alias) else None
            found = self._tree.follow(path).path
            return _Entry() if found == _NULL else _Entry(found) if self._is_file(found) else None
        except (InvalidValueError, LinkError):
            return None

    def _target(self, name: str) -> str:
        """The name that NAME is an alias of, in the end."""
        for _ in range(16):
            entry = self._entries.get(name)
            if entry is None or entry.alias is None:
                break
            alias = entry.alias
            name = str(alias) if str(alias) in self._entries else str(alias.template or alias)
        return name

    def _dropins(self, names: Iterable[str]) -> Iterator[UnitFile]:
        """The drop-ins of a unit of these NAMES, its own first."""
        found: dict[str, str] = {}
        units = [parse_unit_name(name) for name in names]
        for chain in (*(unit.dropin_names() for unit in units), (units[0].type,)):
            for directory in self._directories:
                for each in chain:
                    folder = f"{directory}/{each}.d"
                    for file in self._list(folder) if self._is_directory(folder) else ():
                        if file.endswith(".conf") and not file.startswith("."):
                            found.setdefault(file, f"{folder}/{file}")
        for file in sorted(found, key=os.fsencode):
            path = self._resolved(found[file])
            unit_file = self._read(path) if path and path != _NULL and self._is_file(path) else None
            if unit_file is not None:
                yield unit_file

    def _read(self, path: str) -> UnitFile | None:
        """The file at the resolved PATH; None for an empty one."""
        with open(self._tree.outside(path), encoding="latin-1", newline="") as file:
            text = file.read()
        return read_unit_file(path, text) if text else None

    def _list(self, directory: str) -> list[str]:
        return sorted(os.listdir(self._tree.outside(self._tree.directory(directory).path)))

    def _resolved(self, path: str) -> str:
        """Where PATH leads; empty where it leads nowhere."""
        try:
            return self._tree.follow(path).path
        except LinkError:
            return ""

    def _is_directory(self, path: str) -> bool:
        try:
            self._tree.directory(path)
        except LinkError:
            return False
        return True

    def _is_file(self, path: str) -> bool:
        status = self._tree.status(path)
        return status is not None and stat.S_ISREG(status.st_mode)


def _instance_of(name: str, asked: UnitName) -> UnitName:
    """NAME as the name of a unit, with the instance of ASKED where it is that of a template."""
    try:
        own = parse_unit_name(name)
    except InvalidValueError:
        return asked
    return replace(own, instance=asked.instance) if own.instance == "" and asked.instance else own


def _may_be_alias(own: UnitName, alias: UnitName) -> bool:
    """Whether OWN may be a link to ALIAS: only an instance to a template or to one of the same instance, else like to like."""
    if own.type != alias.type:
        return False
    return alias.instance in (own.instance, "") if own.instance else own.instance == alias.instance

"""Names of units: ``foo.service``, the template ``foo@.service`` and its instance ``foo@bar.service``.

systemd.unit(5) says what a name may hold, and how what it cannot hold is escaped: ``-`` is a slash, ``\\x2d`` a dash.  Like all
texts of units here, a name has each byte as one character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ..model.errors import InvalidValueError
from ..model.words import quoted

__all__ = ["UnitName", "parse_unit_name"]

#: The types of units, each the end of a name, and in upper case the name of the section that is its own.
UNIT_TYPES = ("service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope")
#: A name has fewer bytes.
MAX_NAME = 256
_NAME = re.compile(rf"([A-Za-z0-9:_.\\-]+)(?:@([A-Za-z0-9:_.\\@-]*))?\.({'|'.join(UNIT_TYPES)})")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})|(\\)|-")


@dataclass(frozen=True, slots=True)
class UnitName:
    """The name of a unit.

    Attributes:
        prefix: what stands before ``@``, or before the type.
        instance: what stands behind ``@``: empty for a template, None where there is no ``@``.
        type: such as ``service``.
    """

    prefix: str
    instance: str | None
    type: str

    def __str__(self) -> str:
        return f"{self.stem}.{self.type}"

    @property
    def stem(self) -> str:
        """The name without its type."""
        return self.prefix if self.instance is None else f"{self.prefix}@{self.instance}"

    @property
    def template(self) -> UnitName | None:
        """The template of an instance; None for any other."""
        return replace(self, instance="") if self.instance else None

    def dropin_names(self) -> tuple[str, ...]:
        """What the directories of drop-ins for it are named after, without ``.d``, but for its type: the nearest first."""
        names: dict[UnitName, None] = {}
        _add_dropin_names(self, names)
        return tuple(map(str, names))


def parse_unit_name(text: str) -> UnitName:
    """Read the name of a unit.

    Raises InvalidValueError where TEXT is none.
    """
    found = _NAME.fullmatch(text)
    if not found or len(text) >= MAX_NAME:
        raise InvalidValueError(f"not the name of a unit: {quoted(text)}")
    return UnitName(*found.groups())


def unescape(text: str) -> str | None:
    """TEXT, a part of a name, without escapes; None where a backslash begins none."""
    if any(found[2] or found[1] == "00" for found in _ESCAPED.finditer(text)):
        return None
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else "/", text)


def unescape_path(text: str) -> str | None:
    """The absolute path that TEXT, a part of a name, is escaped from; None where there is none."""
    if text == "-":
        return "/"
    path = unescape(text)
    return None if not path or any(part in ("", ".", "..") for part in path.split("/")) else f"/{path}"


def _add_dropin_names(name: UnitName, names: dict[UnitName, None]) -> None:
    """Add NAME to NAMES, and those whose drop-ins count for it, too: its template, ``foo-bar-.service``, ``foo-.service``."""
    names[name] = None
    if name.template:
        _add_dropin_names(name.template, names)
    dash = name.prefix[:-1].rfind("-")
    if dash >= 0:
        _add_dropin_names(replace(name, prefix=name.prefix[: dash + 1], instance=name.instance or None), names)

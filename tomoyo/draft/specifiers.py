"""Specifiers in the values of units: ``%i`` and the like, as far as the unit's name and the layout of a system decide them.

What hangs on the machine (``%m``, ``%H``, ``%v``) is not guessed: it stays as it is written, and is reported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.errors import TomoyoError
from ..model.words import quoted
from .unit_names import UnitName, unescape, unescape_path

__all__ = ["Expanded", "Specifiers"]

#: What the system's manager, which runs as root, gives; systemd.unit(5).
SYSTEM: Mapping[str, str] = {
    **{"C": "/var/cache", "E": "/etc", "L": "/var/log", "S": "/var/lib", "t": "/run", "T": "/tmp", "V": "/var/tmp"},
    **{"D": "/usr/share", "h": "/root", "u": "root", "U": "0", "g": "root", "G": "0", "%": "%"},
}
#: What hangs on the machine, or on what it runs.
OF_THE_MACHINE = "aAbBHlmMoqsvwW"
_SPECIFIER = re.compile("%(.)")


class SpecifierError(TomoyoError, ValueError):
    """A specifier that systemd does not know, or that a unit of this name cannot have: it refuses the setting."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text whose specifiers are replaced.

    Attributes:
        unknown: those that stay, as nothing here decides them.
    """

    text: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Specifiers:
    """The specifiers of a unit.

    Attributes:
        name: the unit's name, of an instance rather than its template.
        fragment: its main file, for ``%y`` and ``%Y``.
        given: letter to value, for what hangs on the machine.
    """

    name: UnitName
    fragment: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    def expand(self, text: str) -> Expanded:
        """Replace the specifiers of TEXT; a percent sign before anything but a letter or a digit stays.

        Raises SpecifierError.
        """
        if "%" not in text:
            return Expanded(text)
        unknown: list[str] = []

        def value(found: re.Match[str]) -> str:
            letter = found[1]
            known = self.given.get(letter, SYSTEM.get(letter))
            known = self._of_the_unit(letter) if known is None else known
            if known is None and letter in OF_THE_MACHINE:
                unknown.append(found[0])
            elif known is None and letter.isascii() and letter.isalnum():
                raise SpecifierError(f"unknown specifier {quoted(found[0])}; write a percent sign as '%%'")
            return found[0] if known is None else known

        return Expanded(_SPECIFIER.sub(value, text), tuple(dict.fromkeys(unknown)))

    def _of_the_unit(self, letter: str) -> str | None:
        name = self.name
        last = name.prefix.rpartition("-")[2]
        plain = {
            **{"n": str(name), "N": name.stem, "p": name.prefix, "i": name.instance or "", "j": last},
            **{"d": f"/run/credentials/{name}", "y": self.fragment, "Y": self.fragment.rpartition("/")[0]},
        }
        escaped = {"P": name.prefix, "I": name.instance or "", "J": last}
        if letter in escaped or letter == "f":
            known = unescape(escaped[letter]) if letter in escaped else unescape_path(name.instance or name.prefix)
            if known is None:
                raise SpecifierError(f"%{letter}: the name {name} is escaped wrongly")
            return known
        return plain.get(letter)

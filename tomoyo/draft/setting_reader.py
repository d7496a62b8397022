"""What reads the settings of one unit: values, words and paths, with what systemd ignores of them reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..model.diagnostics import Diagnostic, Severity
from ..model.words import quoted
from .commands import Command, read_commands, simplified
from .declarations import (
    Declaration,
)
from .specifiers import SpecifierError, Specifiers
from .unit_files import Setting
from .unit_words import Backslash, WordError, words
from .units import Unit


class Ignored(Exception):
    """Systemd ignores a value, or a word of one."""


class SettingReader:
    """A unit that is being read, and what is found to be wrong with it."""

    def __init__(self, unit: Unit, specifiers: Specifiers) -> None:
        self.unit = unit
        self.specifiers = specifiers
        self.diagnostics: list[Diagnostic] = []

    def commands(self, key: str) -> Iterator[Command]:
        for setting in self.unit.settings(key):
            found, diagnostics = read_commands(setting, self.specifiers)
            self.diagnostics += diagnostics
            yield from found

    def ignore(self, setting: Setting, message: str) -> None:
        text = f"{setting.key}: {message}"
        self.diagnostics.append(
            Diagnostic(Severity.WARNING, "unit-value", text, "systemd does not take it: mend or remove it", setting.place)
        )

    def expand(self, text: str) -> tuple[str, tuple[str, ...]]:
        """TEXT with its specifiers replaced, and those that stay."""
        try:
            expanded = self.specifiers.expand(text)
        except SpecifierError as error:
            raise Ignored(str(error)) from None
        return expanded.text, expanded.unknown

    def path(self, text: str, *, relative: bool = False) -> tuple[str, tuple[str, ...]]:
        """The path that TEXT is, absolute unless RELATIVE, simplified, and the specifiers that stay in it."""
        path, unknown = self.expand(text)
        simple = simplified(path)
        if path.startswith("/") is relative or not simple or ".." in simple.split("/"):
            raise Ignored(f"not {'a relative' if relative else 'an absolute'} path without '..': {quoted(path)}")
        return simple, unknown

    def each(
        self, key: str, read: Callable[[Setting, str], Declaration | None], backslash: Backslash = Backslash.QUOTE
    ) -> Iterator[Declaration]:
        """What READ makes of each word of the settings KEY."""
        for setting in self.unit.settings(key):
            yield from self.of_words(setting, read, backslash)

    def of_words(
        self, setting: Setting, read: Callable[[Setting, str], Declaration | None], backslash: Backslash
    ) -> Iterator[Declaration]:
        found = words(setting.value, backslash)
        while True:
            try:
                word = next(found)
            except StopIteration:
                return
            except WordError as error:
                self.ignore(setting, str(error))
                return
            try:
                fact = read(setting, word)
            except Ignored as reason:
                self.ignore(setting, str(reason))
                continue
            if fact is not None:
                yield fact

    def one(self, key: str, read: Callable[[Setting], Declaration | None]) -> Iterator[Declaration]:
        """What READ makes of the last value of the setting KEY that systemd does not ignore."""
        return self.last(self.unit.settings(key), read)

    def last(self, settings: Sequence[Setting], read: Callable[[Setting], Declaration | None]) -> Iterator[Declaration]:
        """What READ makes of the last of SETTINGS that systemd does not ignore."""
        for setting in reversed(settings):
            try:
                fact = read(setting)
            except Ignored as reason:
                self.ignore(setting, str(reason))
                continue
            if fact is not None:
                yield fact
            return

"""Words of a value in a unit file: quotes, escapes and separators as systemd reads them (systemd.syntax(7), systemd.service(5)).

All functions here are pure; texts have each byte as one character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from ..model.errors import TomoyoError

WHITESPACE = " \t\n\r"
_SIMPLE = {**dict(zip("abfnrtv", "\a\b\f\n\r\t\v")), "s": " ", "\\": "\\", '"': '"', "'": "'"}
_ESCAPE = re.compile(r"[abfnrtvs\\\"']|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")


class WordError(TomoyoError, ValueError):
    """A value whose words cannot be told apart; the message says why."""


class Backslash(Enum):
    """What a backslash in a word means."""

    ESCAPE = "begins an escape"
    ESCAPE_OR_LITERAL = "begins an escape, and stays where it begins none"
    QUOTE = "takes the next character as it is"
    KEEP = "means itself"


def next_word(
    text: str, start: int = 0, backslash: Backslash = Backslash.QUOTE, separators: str = WHITESPACE, *, coalesce: bool = True
) -> tuple[str | None, int]:
    """The word of TEXT at START, and where what follows it begins; None, and the end, where nothing is left.

    Arguments:
        coalesce: several separators are as one; otherwise there are empty words between them.

    Raises WordError for a quote that nothing ends, and for an escape that is none.
    """
    position, end = start, len(text)
    while position < end and text[position] in separators:
        position += 1
        if not coalesce:
            return "", position
    if position >= end:
        return None, end
    word: list[str] = []
    quote = ""
    while position < end:
        character = text[position]
        if character == "\\" and backslash is not Backslash.KEEP:
            escaped, position = _escaped(text, position + 1, backslash, bool(quote))
            word.append(escaped)
            continue
        position += 1
        if quote:
            if character == quote:
                quote = ""
            else:
                word.append(character)
        elif character in "'\"":
            quote = character
        elif character in separators:
            while coalesce and position < end and text[position] in separators:
                position += 1
            return "".join(word), position
        else:
            word.append(character)
    if quote:
        raise WordError("a quote that nothing ends")
    return "".join(word), end


def words(text: str, backslash: Backslash = Backslash.QUOTE, separators: str = WHITESPACE) -> Iterator[str]:
    """The words of TEXT.

    Raises WordError, after the words before it.
    """
    position = 0
    while True:
        word, position = next_word(text, position, backslash, separators)
        if word is None:
            return
        yield word


def relaxed_word(text: str, start: int) -> tuple[str | None, int]:
    """The word of TEXT at START, as in `next_word`, with escapes; where one of them is none, all that are none stay.

    Raises WordError for a quote that nothing ends.
    """
    try:
        return next_word(text, start, Backslash.ESCAPE)
    except WordError:
        return next_word(text, start, Backslash.ESCAPE_OR_LITERAL)


def _escaped(text: str, position: int, backslash: Backslash, quoted: bool) -> tuple[str, int]:
    """What the escape whose backslash is before POSITION stands for, and what is behind it."""
    if position >= len(text):
        if backslash is Backslash.ESCAPE_OR_LITERAL and not quoted:
            return "\\", position
        raise WordError("a backslash at the end")
    if backslash is Backslash.QUOTE:
        return text[position], position + 1
    found = _ESCAPE.match(text, position)
    character = _character(found) if found else None
    if found and character is not None:
        return character, found.end()
    if backslash is Backslash.ESCAPE_OR_LITERAL:
        return "\\" + text[position], position + 1
    raise WordError(f"no escape: \\{text[position]}")


def _character(found: re.Match[str]) -> str | None:
    """What an escape stands for; None for what it cannot stand for."""
    if found[0] in _SIMPLE:
        return _SIMPLE[found[0]]
    byte, wide = found[1] or found[4], found[2] or found[3]
    code = int(wide or byte, 16 if found[4] is None else 8)
    if not code or (byte and code > 0xFF) or (found[3] and not _is_character(code)):
        return None
    return chr(code) if byte else chr(code).encode("utf-8", "surrogatepass").decode("latin-1")


def _is_character(code: int) -> bool:
    return code < 0x110000 and code & 0xFFFFF800 != 0xD800 and not 0xFDD0 <= code <= 0xFDEF and code & 0xFFFE != 0xFFFE

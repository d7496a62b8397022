"""Words, path patterns, quoted values, group references and domain names.

TOMOYO's text is made of *words*: printable ASCII without spaces, in which
every other byte is written ``\\ooo`` and a backslash ``\\\\``.  The same words
serve as patterns: ``\\*``, ``\\@``, ``\\?`` and friends stand for varying text.
Every class here checks its text when it is built, so a value that exists is
one the kernel takes.  ``str()`` of any model value is its policy text.

The rules were read from the kernel's behaviour (security/tomoyo) and are held
equal to a running kernel by the differential tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .errors import InvalidValueError

__all__ = ["DomainName", "GroupReference", "Quoted", "UncheckedWord", "Word"]

#: Escapes that stand for varying text and may occur at most this often in a word.
MAX_VARIABLE_ESCAPES = 20
#: A domain name must be shorter than this (the kernel's 4096 byte buffer less 10).
MAX_DOMAIN_NAME = 4086

_PLAIN = re.compile(r"[!-\[\]-~]*")
#: A word without patterns, and the part of any word that is none.
_NAME = re.compile(r"(?:[!-\[\]-~]++|\\(?:\\|0[0-3][0-7]|040|177|[23][0-7]{2}))++")
_CONSTANT = re.compile(r"(?:[^\\]++|\\(?:\\|[0-3][0-7]{2}))*+")
_FIXED_ESCAPES = "\\+?xa-"
_VARIABLE_ESCAPES = "*@$XA"
_OCTAL = frozenset("01234567")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text is no word: where (offset in the text) and in words.

    No `Diagnostic`: a word is judged wherever it comes from, a line, an option
    or a constructor, and who asks decides what is said of it and how bad it is.
    """

    offset: int
    reason: str


def word_fault(text: str) -> Fault | None:
    """Tell why the kernel would not take TEXT as a word; None if it would."""
    if text and "\\" not in text and text.isascii() and text.isprintable() and " " not in text:
        return None
    if not text:
        return Fault(0, "a word is missing")
    if _NAME.fullmatch(text):
        return None
    variable_escapes = 0
    repetition = -1  # where the open \{ stands
    position = 0
    while position < len(text):
        escape = text.find("\\", position)
        end = len(text) if escape < 0 else escape
        plain = _PLAIN.match(text, position, end)
        stop = plain.end() if plain else position
        if repetition >= 0:
            slash = text.find("/", position, end)
            if slash >= 0:
                return Fault(slash, "a '/' stands inside \\{ \\}")
        if stop < end:
            return Fault(
                stop, f"{'a space' if text[stop] == ' ' else 'a byte'} that must be written as {encode_character(text[stop])}"
            )
        if escape < 0:
            break
        kind = text[escape + 1 : escape + 2]
        if kind and kind in "0123":
            fault = _octal_fault(text, escape)
            if fault:
                return fault
            position = escape + 4
            continue
        position = escape + 2
        if kind and kind in _FIXED_ESCAPES:
            continue
        variable_escapes += 1
        if variable_escapes > MAX_VARIABLE_ESCAPES:
            return Fault(escape, f"more than {MAX_VARIABLE_ESCAPES} variable-length escapes")
        if kind and kind in _VARIABLE_ESCAPES:
            continue
        if kind == "{":
            if text[escape - 1 : escape] != "/" or escape == 0:
                return Fault(escape, "\\{ may stand only directly after '/'")
            repetition = escape
        elif kind == "}":
            if text[position : position + 1] != "/":
                return Fault(escape, "\\} may stand only directly before '/'")
            if repetition < 0:
                return Fault(escape, "\\} without \\{")
            repetition = -1
        else:
            return Fault(escape, f"unknown escape \\{kind}" if kind else "a lone backslash at the end")
    if repetition >= 0:
        return Fault(repetition, "\\{ without \\}")
    return None


def _octal_fault(text: str, escape: int) -> Fault | None:
    digits = text[escape + 1 : escape + 4]
    if len(digits) < 3 or not _OCTAL.issuperset(digits):
        return Fault(escape, "an octal escape needs three digits 0-7")
    if 0x20 < int(digits, 8) < 0x7F:
        return Fault(escape, f"\\{digits} is a printable character, which must stand for itself")
    return None


def is_word(text: str) -> bool:
    """Whether the kernel takes TEXT as a word."""
    return word_fault(text) is None


@lru_cache(maxsize=1 << 14)  # the names of domains repeat their programs
def path_fault(text: str) -> Fault | None:
    """Tell why the kernel would not take TEXT as a path; None if it would.

    A path is a word with a ``/`` and no ``.`` before its first ``/``:
    ``/bin/sh``, ``proc:/self/exe`` and ``nix:/nginx/bin/nginx`` are paths.
    """
    slash = text.find("/")
    if slash < 0:
        return Fault(0, "a path needs a '/'")
    dot = text.find(".", 0, slash)
    if dot >= 0:
        return Fault(dot, "a path has no '.' before its first '/'")
    return word_fault(text)


def is_path(text: str) -> bool:
    """Whether the kernel takes TEXT as a path."""
    return path_fault(text) is None


def is_namespace(text: str) -> bool:
    """Whether TEXT is a namespace such as ``<kernel>``."""
    return text.startswith("<") and text.endswith(">") and is_word(text[1:-1])


def domain_fault(text: str) -> Fault | None:
    """Tell why the kernel would not take TEXT as a domain name; None if it would."""
    namespace, *programs = text.split(" ")
    if not is_namespace(namespace):
        return Fault(0, "a domain name begins with a namespace such as <kernel>")
    position = len(namespace) + 1
    for program in programs:
        fault = path_fault(program)
        if fault:
            return Fault(position + fault.offset, fault.reason)
        position += len(program) + 1
    return None


def constant_length(text: str) -> int:
    """Length of the part of a word before its first pattern escape."""
    if "\\" not in text:
        return len(text)
    constant = _CONSTANT.match(text)
    return constant.end() if constant else 0


def encode_character(character: str) -> str:
    """Write a character that a word cannot hold as it is; beyond one byte, as UTF-8."""
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file's name, as Python has it
        code -= 0xDC00
    return encode(bytes([code]) if code < 256 else character.encode("utf-8", "surrogatepass"))


def quoted(value: object) -> str:
    """VALUE for a message: a text in single quotes, with what is not printable ASCII as ``\\ooo``.

    Backslashes stay as policy has them, where ``repr`` would double them.
    """
    shown = str(value)
    if not (shown.isascii() and shown.isprintable()):
        shown = "".join(c if " " <= c <= "~" else encode_character(c) for c in shown)
    return f"'{shown}'" if isinstance(value, str) else shown


def encode(name: bytes) -> str:
    """Write raw bytes, such as a file name, the way the kernel writes them in a word."""
    text = name.decode("latin-1")
    if text.isascii() and text.isprintable() and " " not in text and "\\" not in text:
        return text
    return "".join("\\\\" if byte == 0x5C else chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03o}" for byte in name)


def decode(text: str) -> bytes:
    """Give back the raw bytes of a word without patterns.

    Raises InvalidValueError where TEXT is no word or holds a pattern.
    """
    fault = word_fault(text) if text else None
    if fault:
        raise InvalidValueError(f"not a word: {fault.reason}: {quoted(text)}")
    if constant_length(text) != len(text):
        raise InvalidValueError(f"a pattern, not a name: {quoted(text)}")
    return re.sub(
        rb"\\(\\|[0-3][0-7]{2})",
        lambda m: b"\\" if m[1] == b"\\" else bytes([int(m[1], 8)]),
        text.encode("ascii"),
    )


class _Unfrozen:
    """A word that is being made: to set the field of one that is frozen takes three times as long."""

    __slots__ = ("text",)
    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """One word, which may be a pattern."""

    text: str

    def __post_init__(self) -> None:
        fault = word_fault(self.text)
        if fault:
            raise InvalidValueError(f"not a word: {fault.reason}: {quoted(self.text)}")

    @classmethod
    def trusted(cls, text: str) -> Word:
        """The word TEXT, which the caller has checked."""
        word = _Unfrozen()
        word.text = text
        word.__class__ = cls  # type: ignore[assignment]
        return word  # type: ignore[return-value]

    def __str__(self) -> str:
        return self.text

    @property
    def is_path(self) -> bool:
        """Whether a domain name may hold this word."""
        return is_path(self.text)

    @property
    def is_pattern(self) -> bool:
        """Whether the word stands for more than one name."""
        return constant_length(self.text) < len(self.text)

    @property
    def is_directory(self) -> bool:
        """Whether the word ends in ``/``; such a pattern matches only directories."""
        return self.text.endswith("/")


@dataclass(frozen=True, slots=True)
class UncheckedWord:
    """A path group's member that is no valid word; the kernel stores it all the same.

    The text may even be empty.
    """

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Quoted:
    """The right side of a condition on a string: ``"..."``; the text is empty or a word."""

    text: str

    def __post_init__(self) -> None:
        fault = word_fault(self.text) if self.text else None
        if fault:
            raise InvalidValueError(f"not a word: {fault.reason}: {quoted(self.text)}")

    def __str__(self) -> str:
        return f'"{self.text}"'


@dataclass(frozen=True, slots=True)
class GroupReference:
    """``@NAME``: any member of a path, number or address group; its place says which."""

    name: str

    def __post_init__(self) -> None:
        fault = word_fault(self.name)
        if fault:
            raise InvalidValueError(f"not a group name: {fault.reason}: {quoted(self.name)}")

    def __str__(self) -> str:
        return "@" + self.name


@dataclass(frozen=True, slots=True)
class DomainName:
    """A domain's name: a namespace, followed by the programs that led there.

    Attributes:
        text: words joined by single spaces, such as ``<kernel> /usr/sbin/sshd``.

    Raises InvalidValueError for a text that is no domain name.
    """

    text: str

    def __post_init__(self) -> None:
        fault = domain_fault(self.text)
        if fault:
            raise InvalidValueError(f"not a domain name: {fault.reason}: {quoted(self.text)}")

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, name: DomainName | str) -> DomainName:
        """NAME as a value.  Raises InvalidValueError for a text that is no domain name."""
        return cls(name) if isinstance(name, str) else name

    @property
    def namespace(self) -> str:
        """The first word, ``<kernel>`` on most systems."""
        return self.text.partition(" ")[0]

    @property
    def programs(self) -> tuple[str, ...]:
        """The words after the namespace, outermost first."""
        return tuple(self.text.split(" ")[1:])

    @property
    def parent(self) -> DomainName | None:
        """The domain without its last program; None for a namespace's root."""
        head, space, _ = self.text.rpartition(" ")
        return DomainName(head) if space else None

    def child(self, program: str) -> DomainName:
        """The domain that PROGRAM, executed here, leads to."""
        return DomainName(f"{self.text} {program}")


#: The namespace that always exists, and its root domain.
KERNEL = "<kernel>"
#: What every name of a store file by its package begins with.
NAMES = "nix:/"

"""Numbers and ranges of numbers, each end with the radix it was written in.

The kernel keeps the radix and compares it: ``8`` and ``010`` are two entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from .errors import InvalidValueError

__all__ = ["Number", "NumberRange", "Radix"]

#: Numbers are the kernel's unsigned long; larger ones wrap around.
MAX_NUMBER = 2**64 - 1


class Radix(Enum):
    """How a number is written; the value is the Python format that prints it."""

    DECIMAL = "{:d}"
    OCTAL = "0{:o}"
    HEXADECIMAL = "0x{:X}"


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned 64-bit number and its radix."""

    value: int
    radix: Radix = Radix.DECIMAL

    def __post_init__(self) -> None:
        if not 0 <= self.value <= MAX_NUMBER:
            raise InvalidValueError(f"not a 64-bit unsigned number: {self.value}")

    def __str__(self) -> str:
        return self.radix.value.format(self.value)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """All numbers from FIRST to LAST, both included; a single number is both."""

    first: Number
    last: Number
    text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.first.value > self.last.value:
            raise InvalidValueError(f"a range must not fall: {self.first}-{self.last}")
        # Kept, because one range is printed in many entries.
        text = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        object.__setattr__(self, "text", text)

    def __str__(self) -> str:
        return self.text

    def __contains__(self, value: int) -> bool:
        return self.first.value <= value <= self.last.value


def single(value: int, radix: Radix = Radix.DECIMAL) -> NumberRange:
    """The range that holds VALUE alone."""
    number = Number(value, radix)
    return NumberRange(number, number)

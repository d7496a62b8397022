"""Reading the arguments of a line: numbers, names, addresses and domain names.

Functions that take a ``Line`` move it along and drop the line where the kernel
would; functions that take text and a position return a value and the position
behind it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ..model.addresses import AddressRange
from ..model.entries import GroupKind
from ..model.kernel_versions import ASKED, DEFAULT_KERNEL, NUMBER_OVERFLOW, KernelVersion, Overflow
from ..model.numbers import MAX_NUMBER, Number, NumberRange, Radix
from ..model.words import DomainName, Fault, GroupReference, Word, domain_fault, is_path, path_fault
from .lines import Effect, Line

_DIGITS = {8: re.compile("[0-7]*"), 10: re.compile("[0-9]*"), 16: re.compile("[0-9A-Fa-f]*")}
_NO_NUMBER = "not a number"
_RADIXES = {8: Radix.OCTAL, 10: Radix.DECIMAL, 16: Radix.HEXADECIMAL}
# 10**64 is a multiple of 2**64, so that more decimal digits cannot count; and any number of so many digits is over 64 bits.
_SIGNIFICANT = 64


def read_digits(text: str, position: int, base: int = 10, version: KernelVersion = DEFAULT_KERNEL) -> tuple[int, int]:
    """Read digits, perhaps none, as the kernel of VERSION does; of numbers over 64 bits see ``NUMBER_OVERFLOW``."""
    if base == 16 and text[position : position + 2] in ("0x", "0X"):
        position += 2
    found = _DIGITS[base].match(text, position)
    digits = found[0] if found else ""
    position += len(digits)
    digits = digits.lstrip("0")
    value = int(digits[-_SIGNIFICANT:] or "0", base)
    if value <= MAX_NUMBER and len(digits) <= _SIGNIFICANT:
        return value, position
    return (MAX_NUMBER if NUMBER_OVERFLOW.of(version) is Overflow.SATURATES else value % 2**64), position


def scan_unsigned(text: str, position: int, version: KernelVersion = DEFAULT_KERNEL) -> tuple[int, int] | None:
    """Read a number as the ``%u`` of the kernel of VERSION does: spaces first, modulo 2**32."""
    while text.startswith(" ", position):
        position += 1
    value, end = read_digits(text, position, version=version)
    return None if end == position else (value % 2**32, end)


def read_number(text: str, position: int, version: KernelVersion = DEFAULT_KERNEL) -> tuple[Number, int] | None:
    """Read one number; its radix is in its first characters, and ``08`` is decimal."""
    base = 10
    if text.startswith(("0x", "0X"), position):
        base = 16
        position += 2
    elif text[position : position + 1] == "0" and "0" <= text[position + 1 : position + 2] <= "7":
        base = 8
        position += 1
    value, end = read_digits(text, position, base, version)
    if end == position:
        return None
    return Number(value, _RADIXES[base]), end


def number_range(line: Line, start: int, token: str, expected: str) -> NumberRange:
    """The number or range that TOKEN, which begins at START of the line, says."""
    found = parse_range(token, line.version)
    if isinstance(found, Fault):
        line.drop(
            start + found.offset, token, found.reason, expected if found.reason == _NO_NUMBER else "the smaller number first"
        )
    value, altered = found
    if altered:
        line.note(Effect.ALTERED, start, token, altered, "a 64-bit number")
    return value


@lru_cache(maxsize=4096)
def parse_range(token: str, version: KernelVersion = DEFAULT_KERNEL) -> tuple[NumberRange, str] | Fault:
    """The number or range that TOKEN says, and what the kernel of VERSION makes of it where that is not what was written."""
    found = read_number(token, 0, version)
    if found is None:
        return Fault(0, _NO_NUMBER)
    first, end = found
    last = first
    if end < len(token):
        found = read_number(token, end + 1, version) if token[end] == "-" else None
        if found is None or found[1] < len(token):
            return Fault(end, _NO_NUMBER)
        last, end = found
        if first.value > last.value:
            return Fault(0, "the range falls")
    for number, written in zip((first, last), token.split("-")):
        if _significant(written) != _significant(str(number)):
            return NumberRange(first, last), _read_as(written)
    return NumberRange(first, last), ""


def _read_as(written: str) -> str:
    """What kernels make of the number WRITTEN, in words."""
    readings: dict[str, list[KernelVersion]] = {}
    for version in ASKED:
        found = read_number(written, 0, version)
        readings.setdefault(str(found[0]) if found else "", []).append(version)
    if len(readings) == 1:
        return f"the kernel reads {next(iter(readings))}"
    read = ", ".join(f"as {number} on Linux {' and '.join(map(str, versions))}" for number, versions in readings.items())
    return f"kernels read this number differently: {read}"


def _significant(text: str) -> str:
    return text.upper().removeprefix("0X").lstrip("0")


def group_reference(line: Line, kind: GroupKind, start: int, name: str) -> GroupReference:
    """A reference to the group NAME, which begins at START of the line."""
    line.word(start, name, "a group's name")
    line.groups.append((kind, name))
    return GroupReference(name)


def read_name(line: Line, expected: str) -> Word | GroupReference:
    """Read a word or ``@PATH_GROUP``."""
    start = line.position
    token = line.token()
    if token.startswith("@"):
        return group_reference(line, GroupKind.PATH, start + 1, token[1:])
    return Word(line.word(start, token, expected))


def read_number_or_group(line: Line, expected: str) -> NumberRange | GroupReference:
    """Read a number, a range or ``@NUMBER_GROUP``."""
    start = line.position
    token = line.token()
    if token.startswith("@"):
        return group_reference(line, GroupKind.NUMBER, start + 1, token[1:])
    return number_range(line, start, token, expected)


def read_address_or_group(line: Line, expected: str) -> AddressRange | GroupReference:
    """Read an address, a range of addresses or ``@ADDRESS_GROUP``."""
    start = line.position
    token = line.token()
    if token.startswith("@"):
        return group_reference(line, GroupKind.ADDRESS, start + 1, token[1:])
    return address_range(line, start, token, expected)


def address_range(line: Line, start: int, token: str, expected: str) -> AddressRange:
    """The address or range that TOKEN, which begins at START of the line, says."""
    first, dash, last = token.partition("-")
    read = read_ipv6 if ":" in token else read_ipv4
    lower = read(first)
    upper = read(last) if dash else lower
    if lower is None or upper is None:
        line.drop(start, token, "not an IP address", expected)
    if lower > upper:
        line.note(Effect.USELESS, start, token, "the range falls, so it never matches", "the lower address first")
    return AddressRange(lower, upper)


def read_ipv4(text: str) -> bytes | None:
    """An IPv4 address, packed; decimal, with any number of leading zeros."""
    octets = text.split(".")
    if len(octets) != 4 or not all(octet.isascii() and octet.isdigit() for octet in octets):
        return None
    values = [int(octet.lstrip("0")[:4] or "0") for octet in octets]
    return bytes(values) if max(values) < 256 else None


def read_ipv6(text: str) -> bytes | None:
    """An IPv6 address, packed; groups may have any number of leading zeros.

    ``::`` stands for at least one group of zeros; the last two groups may be
    an IPv4 address.
    """
    head, gap, tail = text.partition("::")
    if not gap:
        groups = _read_groups(head, 8)
        return groups if groups is not None and len(groups) == 16 else None
    before = _read_groups(head, 7, ends=False) if head else b""
    after = _read_groups(tail, 7) if tail else b""
    if before is None or after is None or len(before) + len(after) > 14:
        return None
    return before + bytes(16 - len(before) - len(after)) + after


def _read_groups(text: str, most: int, ends: bool = True) -> bytes | None:
    """Groups of hex digits between colons; at the end of an address, perhaps an IPv4 address."""
    words = text.split(":", most)
    packed = b""
    for word in words[:-1] if ends and "." in words[-1] else words:
        digits = word.lstrip("0") or "0"
        if not word or len(digits) > 4 or _DIGITS[16].fullmatch(digits) is None:
            return None
        packed += int(digits, 16).to_bytes(2, "big")
    if ends and "." in words[-1]:
        tail = read_ipv4(words[-1])
        return None if tail is None else packed + tail
    return packed


def read_domain_name(line: Line, expected: str) -> DomainName:
    """Read a namespace and every path word behind it."""
    start = line.position
    text = line.text
    end = text.find(" ", start)
    while end >= 0:
        next_end = text.find(" ", end + 1)
        if not is_path(text[end + 1 : next_end if next_end >= 0 else len(text)]):
            break
        end = next_end
    name = text[start : end if end >= 0 else len(text)]
    line.position = start + len(name) + 1
    try:
        return DomainName(name)
    except ValueError:
        fault = domain_fault(name) or Fault(0, "not a domain name")
        line.drop(start + fault.offset, name, fault.reason, expected)


def path_word(line: Line, start: int, text: str, expected: str) -> Word:
    """TEXT, which begins at START, as a path; else the line is dropped."""
    fault = path_fault(text)
    if fault:
        line.drop(start + fault.offset, text, fault.reason, expected)
    return Word(text)

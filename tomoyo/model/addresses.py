"""IPv4 and IPv6 addresses, single or as a range, printed as the kernel prints them.

Addresses are kept packed (4 or 16 bytes, network order), so that a range
compares as bytes do, which is how the kernel compares it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import InvalidValueError

__all__ = ["AddressRange"]

#: What an IPv6 address begins with that stands for an IPv4 one, as in ``::ffff:192.168.1.20``.
_MAPPED = bytes(10) + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class AddressRange:
    """All addresses from FIRST to LAST of one family, packed; a single one is both.

    The kernel does not ask for FIRST <= LAST; a falling range matches nothing.
    """

    first: bytes
    last: bytes

    def __post_init__(self) -> None:
        if len(self.first) not in (4, 16) or len(self.first) != len(self.last):
            raise InvalidValueError("an address range needs two packed addresses of one family")

    @property
    def is_ipv6(self) -> bool:
        """Whether these are IPv6 addresses."""
        return len(self.first) == 16

    def __contains__(self, address: bytes) -> bool:
        return len(address) == len(self.first) and self.first <= address <= self.last

    def overlaps(self, other: AddressRange) -> bool:
        """Whether some address is in both."""
        lower, upper = max(self.first, other.first), min(self.last, other.last)
        return self.is_ipv6 is other.is_ipv6 and lower <= upper

    @property
    def counterpart(self) -> AddressRange | None:
        """The addresses of the other family that reach the same hosts; None where there are none.

        An IPv6 socket reaches the host of an IPv4 address by the *mapped* one,
        ``::ffff:A.B.C.D``.  The kernel compares the two as different addresses.
        """
        if not self.is_ipv6:
            return AddressRange(_MAPPED + self.first, _MAPPED + self.last)
        first, last = max(self.first, _MAPPED + bytes(4)), min(self.last, _MAPPED + b"\xff" * 4)
        return AddressRange(first[12:], last[12:]) if first <= last else None

    def shares_host(self, other: AddressRange) -> bool:
        """Whether some host is reached by an address in both, or by one in this and the counterpart of one in OTHER."""
        counterpart = other.counterpart
        return self.overlaps(other) or (counterpart is not None and self.overlaps(counterpart))

    def __str__(self) -> str:
        if self.first == self.last:
            return address_text(self.first)
        return f"{address_text(self.first)}-{address_text(self.last)}"


def address_text(packed: bytes) -> str:
    """The canonical text of a packed address.

    For IPv6: the longest run of at least two zero groups, the first of equals,
    becomes ``::``; IPv4-mapped and ISATAP addresses end in dotted form (the
    kernel's ``%pI6c``).
    """
    if len(packed) == 4:
        return ".".join(map(str, packed))
    groups = [packed[i] << 8 | packed[i + 1] for i in range(0, 16, 2)]
    mapped = groups[:5] == [0] * 5 and groups[5] == 0xFFFF
    # The bit that tells a universal interface identifier does not count.
    isatap = groups[4] | 0x0200 == 0x0200 and groups[5] == 0x5EFE
    tail = [address_text(packed[12:])] if mapped or isatap else []
    if tail:
        groups = groups[:6]
    start, length = _longest_zeros(groups)
    words = [f"{group:x}" for group in groups]
    if length < 2:
        return ":".join(words + tail)
    return ":".join(words[:start]) + "::" + ":".join(words[start + length :] + tail)


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    """Start and length of the first longest run of zeros."""
    best = (0, 0)
    start = 0
    for position, group in enumerate([*groups, 1]):
        if group:
            if position - start > best[1]:
                best = (start, position - start)
            start = position + 1
    return best

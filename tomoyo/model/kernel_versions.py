"""What differs between kernels: each fact once, with the versions that it holds for.

Debian's kernels of ``ASKED`` answered 24,000 policy lines, 40,000 patterns,
1,600 exec chains and 17,000 audit records alike, but for what stands here.
The differential tests ask them again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from .errors import InvalidValueError

__all__ = ["KernelVersion"]

Answer = TypeVar("Answer")

_RELEASE = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?:[.+~-].*)?")


@dataclass(frozen=True, slots=True, order=True)
class KernelVersion:
    """A kernel's version, as far as it counts: ``6.12``."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


def kernel_version(release: str | KernelVersion) -> KernelVersion:
    """The version that RELEASE says, such as ``6.12`` or ``6.1.0-56-amd64``, as ``uname -r`` prints it.

    Raises InvalidValueError where it says none.
    """
    if isinstance(release, KernelVersion):
        return release
    found = _RELEASE.fullmatch(release)
    if found is None:
        raise InvalidValueError(f"not a kernel version: '{release}' (expected one such as 6.12)")
    return KernelVersion(int(found[1]), int(found[2]))


#: The kernels that were asked, the oldest first.
ASKED = (KernelVersion(6, 1), KernelVersion(6, 12), KernelVersion(7, 2))
#: The kernel that is meant where none is named.
DEFAULT_KERNEL = ASKED[0]


@dataclass(frozen=True, slots=True)
class Difference(Generic[Answer]):
    """Something that kernels do differently.

    Attributes:
        subject: what it is about, in words.
        first: what the oldest kernel does.
        changes: what later ones do, each with the first kernel that was seen
            to do so, the oldest first.
    """

    subject: str
    first: Answer
    changes: tuple[tuple[KernelVersion, Answer], ...]

    def of(self, version: KernelVersion) -> Answer:
        """What VERSION does; one between two that were asked does what the older one does."""
        answer = self.first
        for since, changed in self.changes:
            if version >= since:
                answer = changed
        return answer


class Overflow(Enum):
    """What becomes of a number that is too large for 64 bits."""

    WRAPS = "the number modulo 2**64"
    SATURATES = "2**64 - 1"


NUMBER_OVERFLOW = Difference("numbers over 64 bits", Overflow.WRAPS, ((KernelVersion(7, 2), Overflow.SATURATES),))

#: Every difference that is known.
DIFFERENCES = (NUMBER_OVERFLOW,)

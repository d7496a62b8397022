"""Executable files: what the kernel would do with the beginning of one.

A file with an x bit need not be a program: nearly every shared library has
one.  The first 256 bytes tell a script, whose interpreter the kernel starts,
from an ELF program and from a library that nothing can start.

The bytes come from packages, so anything may stand in them.
"""

from __future__ import annotations

import enum
import os
import re
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

__all__ = ["Executable", "Kind"]

#: What the kernel looks at (BINPRM_BUF_SIZE since Linux 5.1; 128 before).
HEAD_SIZE = 256

# The interpreter ends at a blank or NUL; fs/binfmt_script.c.
_SHEBANG = re.compile(rb"#![ \t]*([^ \t\n\0]+)")
_ELF = b"\x7fELF"
_ELF_SHARED = 3


class Kind(enum.Enum):
    """What a file with an x bit is."""

    PROGRAM = "program"
    """An ELF file with an entry point: programs, also the dynamic linker and libc.so.6."""
    SCRIPT = "script"
    """A file that begins with ``#!`` and an interpreter."""
    LIBRARY = "library"
    """A shared object without entry point: started as a program it would crash at once."""
    OTHER = "other"
    """Anything else: text that a shell would run itself, foreign formats, data with a stray x bit."""


@dataclass(frozen=True, slots=True)
class Executable:
    """What the head of an executable file says.

    Attributes:
        interpreter: for a script, what stands after ``#!``, as it is written
            there; may be relative.
    """

    kind: Kind
    interpreter: str | None = None


PROGRAM = Executable(Kind.PROGRAM)
LIBRARY = Executable(Kind.LIBRARY)
OTHER = Executable(Kind.OTHER)


def parse_head(head: bytes) -> Executable:
    """Tell what a file is from its first `HEAD_SIZE` bytes, or all if it is shorter."""
    if head.startswith(_ELF):
        order = _byte_order(head)
        shared = int.from_bytes(head[16:18], order) == _ELF_SHARED
        entry = head[24 : 32 if head[4:5] == b"\x02" else 28]
        return LIBRARY if shared and not any(entry) else PROGRAM
    shebang = _SHEBANG.match(head)
    # An interpreter that the kernel would see cut off is none.
    if shebang is None or (shebang.end() == HEAD_SIZE):
        return OTHER
    return Executable(Kind.SCRIPT, os.fsdecode(shebang[1]))


def read_executable(path: str) -> Executable:
    """Look into the regular file at PATH; a symlink there is not followed.

    Raises `OSError`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return parse_head(os.read(descriptor, HEAD_SIZE))
    finally:
        os.close(descriptor)


def _byte_order(head: bytes) -> Literal["little", "big"]:
    return "big" if head[5:6] == b"\x02" else "little"

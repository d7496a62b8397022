"""A machine's files, as far as they tell whether and how TOMOYO is on.

Everything lies below one folder, which a test or an image's builder may
choose.  What is read is a text file or nothing: a missing one is an empty text.
"""

from __future__ import annotations

import os
import re
import stat
from functools import cached_property
from itertools import islice

__all__ = ["Machine"]

_PIECE = 1 << 16
_MOST = 1 << 26
#: Of the kernel log, the longest record, how many are read, and what priority and facility of the kernel's own are below.
_RECORD = 1 << 13
_RECORDS = 1 << 18
_KERNELS = 8


class Machine:
    """The machine whose files lie below ROOT."""

    def __init__(self, root: str | os.PathLike[str] = "/") -> None:
        self.root: str = os.fspath(root)

    def path(self, name: str) -> str:
        """Where the file is that this machine calls NAME."""
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str:
        """The text of the file NAME; empty where it cannot be read."""
        return self._bytes(name).decode("latin-1")

    def _bytes(self, name: str) -> bytes:
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        with open(descriptor, "rb", buffering=0) as file:
            try:
                # Not all at once: some files of /proc allocate as much as they are asked for.
                pieces = iter(lambda: file.read(_PIECE), b"") if stat.S_ISREG(os.fstat(descriptor).st_mode) else ()
                return b"".join(islice(pieces, _MOST // _PIECE))
            except OSError:
                return b""

    def resolve(self, name: str) -> str | None:
        """Where NAME leads to, with symbolic links taken as this machine has them; None where to nothing."""
        parts = [part for part in reversed(name.split("/")) if part]
        found: list[str] = []
        for _ in range(1000):
            if not parts:
                return "/" + "/".join(found)
            part = parts.pop()
            if part == "..":
                del found[-1:]
            elif part != ".":
                try:
                    target = os.readlink(self.path("/".join((*found, part))))
                except OSError:
                    if not os.path.lexists(self.path("/".join((*found, part)))):
                        return None
                    found.append(part)
                    continue
                if target.startswith("/"):
                    found = []
                parts += [piece for piece in reversed(target.split("/")) if piece]
        return None

    def is_executable(self, name: str) -> bool | None:
        """Whether NAME is a file that can be executed; None where there is nothing."""
        found = self.resolve(name)
        if found is None:
            return None
        status = os.stat(self.path(found))
        return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o111)

    @cached_property
    def release(self) -> str:
        """The running kernel's release."""
        return self.text("proc/sys/kernel/osrelease").strip()

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The kernel's command line: parameters and values, of repeated ones the last.

        What follows ``--`` is for the first program.
        """
        found = {}
        for word in re.findall(r'(?:[^\s"]|"[^"]*")+', self.text("proc/cmdline")):
            if word == "--":
                break
            name, _, value = word.replace('"', "").partition("=")
            found[name] = value
        return found

    @cached_property
    def configuration(self) -> dict[str, str]:
        """The kernel's configuration, without ``CONFIG_``; empty where the machine does not show it."""
        import zlib

        text = ""
        packed = self._bytes("proc/config.gz")
        if packed:
            try:
                text = zlib.decompressobj(wbits=31).decompress(packed, _MOST).decode("latin-1")
            except zlib.error:
                text = ""
        if not text and self.release and "/" not in self.release:
            text = self.text(f"boot/config-{self.release}") or self.text(f"lib/modules/{self.release}/config")
        return {name: value.strip('"') for name, value in re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.MULTILINE)}

    @cached_property
    def kernel_log(self) -> str:
        """What the kernel itself has logged, as far as it is still there; empty where the machine does not show it."""
        try:
            descriptor = os.open(self.path("dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return ""
        with open(descriptor, "rb", buffering=0):
            if not stat.S_ISCHR(os.fstat(descriptor).st_mode):
                return ""
            found = []
            for _ in range(_RECORDS):
                try:
                    record = os.read(descriptor, _RECORD)
                except BrokenPipeError:  # overwritten meanwhile
                    continue
                except OSError:  # the end, or not permitted
                    break
                head, _, text = record.partition(b";")
                priority = head.partition(b",")[0]
                # Programs may write there, too, but not with the kernel's facility, which is 0.
                if priority.isdigit() and int(priority) < _KERNELS:
                    found.append(text)
        return b"".join(found).decode("latin-1")

    @property
    def is_nixos(self) -> bool:
        """Whether this is NixOS."""
        return os.path.lexists(self.path("etc/NIXOS")) or "ID=nixos" in self.text("etc/os-release").splitlines()

"""Log files: appended to, bounded in size, and nobody else's.

What a log holds decides about policy, and a log daemon runs as root.  So a log
is a regular file of the caller with one name, in a directory that no one else
can put another file into (see ``trusted``).  A new one is for its owner alone.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from ..model.errors import InvalidValueError
from ..sets.trusted_files import UnsafeFile, open_folder

__all__ = ["LogFile"]

_FILE = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class LogFile:
    """A log that records are appended to.

    ``limit`` is how many bytes a file may hold before a new one is begun (a
    single longer record is still written whole), or None for no limit; the old
    ones are kept as ``PATH.1`` (the newest) to ``PATH.KEEP``.

    Raises InvalidValueError for a limit or number that is none, UnsafeFile where PATH
    could be another's, IsADirectoryError where it names a directory, OSError
    where the system refuses.  After an error of ``write``, call it again with nothing: what was
    not yet written is kept, and what is in the file continues where it ended.
    """

    def __init__(self, path: str, *, limit: int | None = 10 << 20, keep: int = 5) -> None:
        if (limit is not None and limit <= 0) or keep < 0:
            raise InvalidValueError("a limit is positive, and no less than no old files can be kept")
        self.path = path
        self.limit = limit
        self.keep = keep
        self.waiting: list[bytes] = []
        self._cut_off = False
        self._name = os.path.basename(path)
        if self._name in ("", ".", ".."):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._descriptor = -1
        self._folder = open_folder(os.path.dirname(path))
        try:
            self._open()
        except BaseException:
            os.close(self._folder)
            raise

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, records: Sequence[bytes] = ()) -> None:
        """Append RECORDS, each a whole one."""
        self.waiting += records
        while self.waiting:
            taken, size = self._that_fit()
            if not taken:
                self._rotate()
                continue
            data = self.waiting[0] if taken == 1 else b"".join(self.waiting[:taken])
            written = 0
            try:
                while written < size:
                    count = os.write(self._descriptor, data[written:] if written else data)
                    written += count
                    self._size += count
            finally:
                self._cut_off = written < size
                self.waiting[:taken] = [data[written:]] if written < size else []

    def _that_fit(self) -> tuple[int, int]:
        """How many of the records waiting go into this file, and their bytes."""
        if self._cut_off:  # the rest belongs where its beginning is
            return 1, len(self.waiting[0])
        size = 0
        for position, record in enumerate(self.waiting):
            full = self.limit is not None and self._size + size + len(record) > self.limit
            if full and (position or self._size):
                return position, size
            size += len(record)
        return len(self.waiting), size

    def reopen(self) -> None:
        """Write what is in memory to the disk and open PATH anew, as after another program moved it away."""
        os.fsync(self._descriptor)
        self._open()

    def close(self) -> None:
        """Write what is in memory to the disk, and close."""
        if self._descriptor >= 0:
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)
                os.close(self._folder)
                self._descriptor = self._folder = -1

    def _rotate(self) -> None:
        os.fsync(self._descriptor)
        names = [self._name, *(f"{self._name}.{number}" for number in range(1, self.keep + 1))]
        if not self.keep:
            os.unlink(self._name, dir_fd=self._folder)
        for older, newer in zip(reversed(names), list(reversed(names))[1:]):
            try:
                os.rename(newer, older, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            except FileNotFoundError:
                continue
        self._open()

    def _open(self) -> None:
        try:
            descriptor = os.open(self._name, _FILE, 0o600, dir_fd=self._folder)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise UnsafeFile(self.path, "a symbolic link; give the file itself") from None
            error.filename = self.path
            raise
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnsafeFile(self.path, "no regular file")
            if status.st_uid != os.geteuid() or status.st_nlink != 1:
                raise UnsafeFile(self.path, "another's file, or one with several names")
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise UnsafeFile(self.path, "others may write to it ('chmod go-w' takes that away)")
            self._size = status.st_size
            if self._size and os.pread(descriptor, 2, max(self._size - 2, 0)) != b"\n\n":
                # A record that was cut off, by a crash or a full disk, must not swallow the next one.
                self._size += os.write(descriptor, b"\n\n")
        except BaseException:
            os.close(descriptor)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor

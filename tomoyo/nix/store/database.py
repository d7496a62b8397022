"""Nix's database: closures read from ``/nix/var/nix/db/db.sqlite``.

Nix writes there while we read, as another user, and in WAL mode: what was
written last lies in ``db.sqlite-wal``, with an index in ``db.sqlite-shm``.
How a reader must behave was found by experiment:

* ``mode=ro`` sees the log and never blocks the writer.  But without ``-shm``
  and ``-wal`` it fails for a user who may not create them ("attempt to write
  a readonly database"), and for root it creates both and leaves them there.
* ``immutable=1`` always opens, but is blind to the log and to writers.

So a database at rest (no log, or an empty one) is read as immutable, and again
if a file changed meanwhile; one in use is read as ``mode=ro``; and where that
fails, the files are copied to a private folder, where SQLite can apply the log.
A log that may not be read is an error, never ignored: it may hold the very
system that was just switched to.

Nothing is ever written beside the database, whoever runs this.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .closure import Closure, ClosureError, Member
from .paths import STORE_DIRECTORY, StorePath, StorePathError, parse_store_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

__all__ = ["StoreDatabase"]

#: Where Nix keeps its database unless built otherwise.
DATABASE = "/nix/var/nix/db/db.sqlite"

#: How often to read again when the files changed under our hands.
ATTEMPTS = 8
#: Seconds to wait for a writer that holds the database to itself.
TIMEOUT = 10.0

#: The write-ahead log, and the journal of a Nix with `use-sqlite-wal = false`.
_LOGS = ("-wal", "-journal")

_REACHED = """
    WITH RECURSIVE reached(id) AS (
        SELECT id FROM ValidPaths WHERE id IN ({roots})
        UNION SELECT reference FROM Refs JOIN reached ON referrer = id)
"""
_MEMBERS = """
    SELECT path.id, path.path, path.deriver, output.id
    FROM reached JOIN ValidPaths path ON path.id = reached.id
    LEFT JOIN ValidPaths drv ON drv.path = path.deriver
    LEFT JOIN DerivationOutputs output ON output.drv = drv.id AND output.path = path.path
"""
_REFERENCES = "SELECT referrer, reference FROM Refs JOIN reached ON referrer = id"


class _ChangedError(Exception):
    """The files changed while they were read."""


@dataclass(frozen=True, slots=True)
class StoreDatabase:
    """The database of one store.

    Attributes:
        path: the file ``db.sqlite``.
        store_directory: the store as the database names it.
    """

    path: str = DATABASE
    store_directory: str = STORE_DIRECTORY

    def closure(self, roots: Iterable[StorePath]) -> Closure:
        """Read the closure of ROOTS, as ``nix-store --query --requisites``.

        References, derivers and the names of outputs are included; the last
        where the deriver itself is still valid.

        Raises `ClosureError` if a root is not valid, or the database cannot
        be read, is damaged or is none of Nix's.
        """
        import sqlite3

        wanted = sorted({str(root) for root in roots})
        try:
            for _ in range(ATTEMPTS):
                try:
                    return self._attempt(wanted)
                except _ChangedError:
                    continue
        except sqlite3.Error as error:
            raise self._error(str(error)) from None
        raise self._error("it keeps changing while it is read")

    def _attempt(self, roots: list[str]) -> Closure:
        import sqlite3

        before = self._fingerprint()
        if not any(logged for _, logged in before):
            try:
                closure = self._read(self.path, "immutable=1", roots)
            except (sqlite3.Error, ClosureError):
                if self._fingerprint() != before:
                    raise _ChangedError from None
                raise
            if self._fingerprint() != before:
                raise _ChangedError
            return closure
        if os.path.exists(self.path + "-shm") or os.path.exists(self.path + "-journal"):
            try:
                return self._read(self.path, "mode=ro", roots)
            except sqlite3.OperationalError as error:
                # Whatever is wrong with the content, the copy will tell.
                if "locked" in str(error):
                    raise
        return self._read_copy(before, roots)

    def _fingerprint(self) -> tuple[tuple[tuple[int, ...] | None, bool], ...]:
        """What changes whenever the files do; for each whether it is a log with content."""
        marks: list[tuple[tuple[int, ...] | None, bool]] = []
        for suffix in ("", *_LOGS):
            try:
                status = os.stat(self.path + suffix)
            except FileNotFoundError:
                if not suffix:
                    raise
                marks.append((None, False))
            else:
                mark = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                marks.append((mark, bool(suffix) and status.st_size > 0))
        return tuple(marks)

    def _read_copy(self, before: object, roots: list[str]) -> Closure:
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory(prefix="tomoyo-") as folder:
            copy = os.path.join(folder, "db.sqlite")
            for suffix in ("", *_LOGS):
                try:
                    shutil.copyfile(self.path + suffix, copy + suffix)
                except FileNotFoundError:
                    if not suffix:
                        raise
            if self._fingerprint() != before:
                raise _ChangedError
            return self._read(copy, "mode=rw", roots)

    def _read(self, path: str, parameters: str, roots: list[str]) -> Closure:
        import sqlite3
        from urllib.parse import quote

        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(os.path.abspath(path)))}?{parameters}",
            uri=True,
            timeout=TIMEOUT,
            isolation_level=None,
        )
        try:
            connection.execute("BEGIN")  # one state of the database for all queries
            return self._query(connection, roots)
        finally:
            connection.close()

    def _query(self, connection: sqlite3.Connection, roots: list[str]) -> Closure:
        identifiers = []
        for root in roots:
            row = connection.execute("SELECT id FROM ValidPaths WHERE path = ?", (root,)).fetchone()
            if row is None or not isinstance(row[0], int):
                raise self._error(f"path {root} is not valid")
            identifiers.append(str(row[0]))
        reached = _REACHED.format(roots=",".join(identifiers))
        rows = connection.execute(reached + _MEMBERS).fetchall()
        references: dict[int, list[int]] = {}
        for referrer, reference in connection.execute(reached + _REFERENCES):
            references.setdefault(referrer, []).append(reference)
        paths = {row[0]: self._store_path(row[1], "ValidPaths.path") for row in rows}
        members = {}
        for identifier, _, deriver, output in rows:
            try:
                known = tuple(sorted(paths[reference] for reference in references.get(identifier, ())))
            except KeyError as error:
                raise self._error(f"no path has the number {error}", "Refs") from None
            members[identifier] = Member(
                paths[identifier],
                known,
                self._store_path(deriver, "ValidPaths.deriver") if deriver else None,
                output if isinstance(output, str) else None,
            )
        try:
            return Closure(tuple(members.values()))
        except ClosureError as error:
            raise self._error(error.reason) from None

    def _store_path(self, text: object, place: str) -> StorePath:
        if not isinstance(text, str):
            raise self._error("not a text", place)
        try:
            return parse_store_path(text, self.store_directory)
        except StorePathError as error:
            raise self._error(str(error), place) from None

    def _error(self, reason: str, place: str | None = None) -> ClosureError:
        return ClosureError(reason, self.path, place=place)

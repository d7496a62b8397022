"""Closures from Nix's database, whoever reads it and whatever a writer does meanwhile."""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse  # noqa: F401 - loaded now, since the unprivileged reader may not be able to
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tomoyo.nix.store.closure import Closure, ClosureError
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.paths import StorePath, parse_store_path

from .nixstore import NixStore

NOBODY = 65534
NEW = StorePath("n" * 32, "just-registered-1.0")

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")

# Adds NEW, which refers to the first argument's path, says so, and waits to be told what to do.
WRITER = f"""
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = " + sys.argv[3])
connection.execute("PRAGMA wal_autocheckpoint = 0")
for line in sys.stdin:
    if line == "write\\n":
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO ValidPaths (path, hash, registrationTime) VALUES ('{NEW}', 'sha256:0', 0)")
        connection.execute("INSERT INTO Refs SELECT max(id), (SELECT id FROM ValidPaths WHERE path = ?) FROM ValidPaths",
                           (sys.argv[2],))
    elif line == "commit\\n":
        connection.execute("COMMIT")
    elif line == "checkpoint\\n":
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    print("done", flush=True)
connection.close()
"""


class Writer:
    """A process that writes to a database, as Nix's daemon does."""

    def __init__(self, database: Path, path: str, journal: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database), path, journal], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, *steps: str) -> None:
        assert self.process.stdin
        assert self.process.stdout
        for step in steps:
            self.process.stdin.write(f"{step}\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can read, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="tomoyo-database-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def database(nix_store: NixStore, system: dict[str, str], folder: Path) -> Path:
    """A copy of a real database, at rest."""
    assert system
    for suffix in ("", "-wal", "-journal"):
        file = Path(f"{nix_store.database}{suffix}")
        if file.exists():
            shutil.copy(file, folder)
    # Only the first connection may tidy up what Nix left.
    connection = sqlite3.connect(folder / "db.sqlite")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert os.listdir(folder) == ["db.sqlite"]
    return folder / "db.sqlite"


@contextlib.contextmanager
def writer(database: Path, path: str, journal: str = "WAL") -> Iterator[Writer]:
    process = Writer(database, path, journal)
    try:
        yield process
    finally:
        process.close()


def as_nobody(read: Callable[[], Closure]) -> Closure:
    """What another user gets: READ in a child process that gave up its rights."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                answer: object = read()
            except Exception as error:
                answer = (type(error).__name__, str(error))
            with open(sending, "wb") as file:
                pickle.dump(answer, file)
        finally:
            os._exit(0)
    os.close(sending)
    with open(receiving, "rb") as file:
        answer = pickle.load(file)
    os.waitpid(child, 0)
    if isinstance(answer, Closure):
        return answer
    raise ClosureError(f"{answer}")


def as_me(read: Callable[[], Closure]) -> Closure:
    return read()


everybody = pytest.mark.parametrize("as_user", [as_me, pytest.param(as_nobody, marks=needs_root)])


def test_closures_are_as_nix_tells_them(nix_store: NixStore, system: dict[str, str]) -> None:
    database = StoreDatabase(str(nix_store.database))
    for root in system.values():
        closure = database.closure([parse_store_path(root)])
        assert [str(path) for path in closure.paths] == nix_store.requisites(root)
    for member in closure.members:
        assert [str(path) for path in member.references or ()] == nix_store.references(str(member.path))
        assert str(member.deriver) == nix_store.deriver(str(member.path))


def test_several_roots_make_one_closure(nix_store: NixStore, system: dict[str, str]) -> None:
    roots = [system["openssl_1"], system["busybox"]]
    closure = StoreDatabase(str(nix_store.database)).closure(map(parse_store_path, roots))
    assert [str(path) for path in closure.paths] == nix_store.requisites(*roots)
    assert StoreDatabase(str(nix_store.database)).closure([]) == Closure(())


def test_outputs_are_stated_while_the_deriver_is_valid(system: dict[str, str], database: Path) -> None:
    root = parse_store_path(system["libc"])

    def outputs() -> dict[str, str | None]:
        return {member.path.name: member.output for member in StoreDatabase(str(database)).closure([root]).members}

    assert outputs() == {"glibc-2.40-66": "out", "glibc-2.40-66-bin": "bin"}
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("DELETE FROM Refs WHERE referrer IN (SELECT id FROM ValidPaths WHERE path LIKE '%.drv')")
    connection.execute("DELETE FROM ValidPaths WHERE path LIKE '%-glibc-%.drv'")
    connection.commit()
    connection.close()
    assert outputs() == {"glibc-2.40-66": None, "glibc-2.40-66-bin": None}


def test_an_invalid_root_is_an_error(nix_store: NixStore) -> None:
    with pytest.raises(ClosureError, match=f"{NEW} is not valid") as caught:
        StoreDatabase(str(nix_store.database)).closure([NEW])
    assert caught.value.file == str(nix_store.database)


def test_reading_leaves_no_file_behind(system: dict[str, str], database: Path) -> None:
    StoreDatabase(str(database)).closure([parse_store_path(system["toplevel"])])
    assert os.listdir(database.parent) == ["db.sqlite"]


# A database at rest, in use, and left by a crash


@everybody
def test_a_database_at_rest(
    system: dict[str, str], nix_store: NixStore, database: Path, as_user: Callable[[Callable[[], Closure]], Closure]
) -> None:
    root = parse_store_path(system["toplevel"])
    closure = as_user(lambda: StoreDatabase(str(database)).closure([root]))
    assert [str(path) for path in closure.paths] == nix_store.requisites(str(root))


@everybody
def test_an_empty_log(system: dict[str, str], database: Path, as_user: Callable[[Callable[[], Closure]], Closure]) -> None:
    # How newer Nix leaves it: the log stays, cut to nothing.
    Path(f"{database}-wal").touch(mode=0o600)
    root = parse_store_path(system["libc"])
    assert root in as_user(lambda: StoreDatabase(str(database)).closure([root]))


@everybody
@pytest.mark.parametrize("mode", [0o644, 0o444])
@pytest.mark.parametrize("shm", [0o644, 0o600, None])
@pytest.mark.parametrize("crashed", [False, True])
def test_what_only_the_log_holds_is_seen(
    system: dict[str, str],
    database: Path,
    folder: Path,
    as_user: Callable[[Callable[[], Closure]], Closure],
    mode: int,
    shm: int | None,
    crashed: bool,
) -> None:
    """Also while the writer lives, with a log that is read-only, and an index that is missing or nobody's business."""
    libc = parse_store_path(system["libc"])
    with writer(database, str(libc)) as daemon:
        daemon.do("write", "commit")
        read_from = database
        if crashed or shm is None:
            # The files as a crash at this moment would leave them.
            read_from = folder / "crashed" / "db.sqlite"
            read_from.parent.mkdir()
            for suffix in ("", "-wal", "-shm"):
                shutil.copy(f"{database}{suffix}", f"{read_from}{suffix}")
        os.chmod(f"{read_from}-wal", mode)
        if shm is None:
            os.unlink(f"{read_from}-shm")
        else:
            os.chmod(f"{read_from}-shm", shm)
        before = sorted(os.listdir(read_from.parent))
        closure = as_user(lambda: StoreDatabase(str(read_from)).closure([NEW]))
        assert NEW in closure
        assert libc in closure
        assert sorted(os.listdir(read_from.parent)) == before


@everybody
def test_a_transaction_under_way_is_not_seen(
    system: dict[str, str], database: Path, as_user: Callable[[Callable[[], Closure]], Closure]
) -> None:
    libc = parse_store_path(system["libc"])
    with writer(database, str(libc)) as daemon:
        daemon.do("write")
        with pytest.raises(ClosureError, match="not valid"):
            as_user(lambda: StoreDatabase(str(database)).closure([NEW]))
        assert libc in as_user(lambda: StoreDatabase(str(database)).closure([libc]))
        daemon.do("commit")
        assert NEW in as_user(lambda: StoreDatabase(str(database)).closure([NEW]))
        daemon.do("checkpoint")
        assert NEW in as_user(lambda: StoreDatabase(str(database)).closure([NEW]))


@needs_root
def test_a_log_that_may_not_be_read_is_an_error(system: dict[str, str], database: Path) -> None:
    with writer(database, system["libc"]) as daemon:
        daemon.do("write", "commit")
        os.chmod(f"{database}-wal", 0o600)
        os.chmod(f"{database}-shm", 0o600)
        with pytest.raises(ClosureError, match=r"PermissionError.*db.sqlite-wal"):
            as_nobody(lambda: StoreDatabase(str(database)).closure([parse_store_path(system["libc"])]))


@everybody
def test_a_database_without_log(
    system: dict[str, str], database: Path, as_user: Callable[[Callable[[], Closure]], Closure]
) -> None:
    # A Nix with use-sqlite-wal = false.
    libc = parse_store_path(system["libc"])
    with writer(database, str(libc), "DELETE") as daemon:
        daemon.do("write", "commit")
        assert NEW in as_user(lambda: StoreDatabase(str(database)).closure([NEW]))


@everybody
def test_an_interrupted_change_is_undone(
    system: dict[str, str], database: Path, folder: Path, as_user: Callable[[Callable[[], Closure]], Closure]
) -> None:
    """Without a log, a crash leaves a journal that takes the half-done change back."""
    libc = parse_store_path(system["libc"])
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM Refs")
    connection.execute("DELETE FROM DerivationOutputs")
    connection.execute("DELETE FROM ValidPaths")
    crashed = folder / "crashed"
    crashed.mkdir()
    for suffix in ("", "-journal"):
        shutil.copy(f"{database}{suffix}", crashed)
    connection.execute("ROLLBACK")
    connection.close()
    assert (crashed / "db.sqlite").read_bytes() != database.read_bytes()
    assert libc in as_user(lambda: StoreDatabase(str(crashed / "db.sqlite")).closure([libc]))
    assert sorted(os.listdir(crashed)) == ["db.sqlite", "db.sqlite-journal"]


def test_a_change_while_reading_is_noticed(system: dict[str, str], database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that comes and goes between two looks: what was read first is thrown away."""
    root = parse_store_path(system["libc"])
    readings = []
    read = StoreDatabase._read

    def read_and_be_overtaken(self: StoreDatabase, path: str, parameters: str, roots: list[str]) -> Closure:
        closure = read(self, path, parameters, roots)
        readings.append(closure)
        if len(readings) == 1:
            with writer(database, str(root)) as daemon:
                daemon.do("write", "commit", "checkpoint")
        return closure

    monkeypatch.setattr(StoreDatabase, "_read", read_and_be_overtaken)
    assert root in StoreDatabase(str(database)).closure([root])
    assert len(readings) == 2


# Damage


def test_a_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StoreDatabase(str(tmp_path / "db.sqlite")).closure([NEW])
    assert os.listdir(tmp_path) == []


@needs_root
def test_an_unreadable_database_is_an_error(database: Path) -> None:
    os.chmod(database, 0o600)
    with pytest.raises(ClosureError, match="unable to open"):
        as_nobody(lambda: StoreDatabase(str(database)).closure([NEW]))


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + 100 * b"\xff"])
def test_no_database_at_all(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "db.sqlite"
    file.write_bytes(content)
    with pytest.raises(ClosureError) as caught:
        StoreDatabase(str(file)).closure([NEW])
    assert caught.value.file == str(file)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ClosureError):
        StoreDatabase(str(tmp_path)).closure([NEW])


def test_a_truncated_database_tells_all_or_nothing(system: dict[str, str], database: Path, tmp_path: Path) -> None:
    root = parse_store_path(system["toplevel"])
    whole = StoreDatabase(str(database)).closure([root])
    content = database.read_bytes()
    file = tmp_path / "db.sqlite"
    failures = 0
    for size in range(0, len(content), 2048):
        file.write_bytes(content[:size])
        try:
            assert StoreDatabase(str(file)).closure([root]) == whole
        except ClosureError:
            failures += 1
    assert failures > 5


def test_a_damaged_database_raises_nothing_else(system: dict[str, str], database: Path, tmp_path: Path) -> None:
    root = parse_store_path(system["toplevel"])
    content = database.read_bytes()
    file = tmp_path / "db.sqlite"
    for place in range(0, len(content), 1024):
        for damage in (bytes(64), b"\xff" * 64, b"0123456789" * 6):
            file.write_bytes(content[:place] + damage + content[place + len(damage) :])
            with contextlib.suppress(ClosureError):
                StoreDatabase(str(file)).closure([root])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("UPDATE ValidPaths SET path = '/nix/store/../evil' WHERE path LIKE '%-bin'", "ValidPaths.path"),
        ("UPDATE ValidPaths SET path = x'ff' WHERE path LIKE '%-bin'", "ValidPaths.path"),
        ("UPDATE ValidPaths SET path = CAST(x'ff' AS TEXT) WHERE path LIKE '%-bin'", None),
        ("UPDATE ValidPaths SET deriver = 'unknown'", "ValidPaths.deriver"),
        ("DELETE FROM ValidPaths WHERE path LIKE '%-bin'", "Refs"),
        ("DROP TABLE Refs", None),
    ],
)
def test_wrong_content_is_an_error(system: dict[str, str], database: Path, change: str, place: str | None) -> None:
    root = parse_store_path(system["libc"])
    connection = sqlite3.connect(database)
    connection.execute(change)
    connection.commit()
    connection.close()
    with pytest.raises(ClosureError) as caught:
        StoreDatabase(str(database)).closure([root])
    assert (caught.value.file, caught.value.place) == (str(database), place)


def test_a_name_that_is_no_url(system: dict[str, str], database: Path) -> None:
    odd = database.with_name("d?b#%41 é.sqlite")
    database.rename(odd)
    root = parse_store_path(system["libc"])
    assert root in StoreDatabase(str(odd)).closure([root])

"""Log files: bounded, whole records, and no one else's file."""

from __future__ import annotations

import os
import resource
import signal
import stat
from pathlib import Path

import pytest

from tomoyo.audit.log_file import LogFile
from tomoyo.sets.trusted_files import UnsafeFile, open_folder, read_file


def record(number: int, size: int = 20) -> bytes:
    return b"%d" % number + b"x" * (size - len(str(number)) - 2) + b"\n\n"


def test_a_new_log_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with LogFile(str(tmp_path / "log")) as log:
            log.write([b"one\n\n", b"two\n\n"])
    finally:
        os.umask(before)
    assert (tmp_path / "log").read_bytes() == b"one\n\ntwo\n\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_log_is_appended_to(tmp_path: Path) -> None:
    for text in (b"one\n\n", b"two\n\n"):
        with LogFile(str(tmp_path / "log")) as log:
            log.write([text])
    assert (tmp_path / "log").read_bytes() == b"one\n\ntwo\n\n"


def test_what_was_cut_off_does_not_swallow_the_next_record(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"half a rec")
    (tmp_path / "log").chmod(0o600)
    with LogFile(str(tmp_path / "log")) as log:
        log.write([b"one\n\n"])
    assert (tmp_path / "log").read_bytes() == b"half a rec\n\none\n\n"


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_old_files_are_kept_up_to_a_number(tmp_path: Path, keep: int) -> None:
    with LogFile(str(tmp_path / "log"), limit=100, keep=keep) as log:
        for number in range(0, 40, 4):  # five records fill a file
            log.write([record(n) for n in range(number, number + 4)])
    files = [tmp_path / "log", *(tmp_path / f"log.{number}" for number in range(1, keep + 1))]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    found = b"".join(file.read_bytes() for file in reversed(files))
    assert found == b"".join(record(n) for n in range(40 - 5 * (keep + 1), 40))
    assert all(file.stat().st_size == 100 for file in files)


def test_a_record_longer_than_the_limit_is_written_whole(tmp_path: Path) -> None:
    with LogFile(str(tmp_path / "log"), limit=100, keep=9) as log:
        log.write([record(1), record(2, 500), record(3)])
    assert [len((tmp_path / name).read_bytes()) for name in ("log.2", "log.1", "log")] == [20, 500, 20]


def test_another_program_may_move_the_file_away(tmp_path: Path) -> None:
    with LogFile(str(tmp_path / "log")) as log:
        log.write([b"one\n\n"])
        (tmp_path / "log").rename(tmp_path / "moved")
        log.write([b"two\n\n"])
        log.reopen()
        log.write([b"three\n\n"])
    assert (tmp_path / "moved").read_bytes() == b"one\n\ntwo\n\n"
    assert (tmp_path / "log").read_bytes() == b"three\n\n"


def test_nothing_is_given_up_while_the_disk_is_full(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with LogFile(str(tmp_path / "log"), limit=200, keep=9) as log:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
        try:
            log.write([record(0), record(100)])
            for number in range(3):
                with pytest.raises(OSError, match="too large"):
                    log.write([record(number), record(number + 100)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        waiting = len(log.waiting)
        log.write()
        assert waiting
        assert log.waiting == []
    written = (tmp_path / "log").read_bytes()
    assert written == b"".join(record(number) for number in (0, 100, 0, 100, 1, 101, 2, 102))


def test_a_symbolic_link_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "log").symlink_to("target")
    with pytest.raises(UnsafeFile, match="symbolic link"):
        LogFile(str(tmp_path / "log"))


def test_a_file_with_another_name_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "target").touch(mode=0o600)
    os.link(tmp_path / "target", tmp_path / "log")
    with pytest.raises(UnsafeFile, match="several names"):
        LogFile(str(tmp_path / "log"))


def test_a_pipe_is_no_log(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(UnsafeFile, match="regular"):
        LogFile(str(tmp_path / "log"))


def test_others_may_not_write_to_it_nor_to_its_directory(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    (tmp_path / "log").chmod(0o666)
    with pytest.raises(UnsafeFile, match="others may write"):
        LogFile(str(tmp_path / "log"))
    (tmp_path / "log").chmod(0o600)
    tmp_path.chmod(0o777)
    with pytest.raises(UnsafeFile, match=f"others may write to it.*'{tmp_path}'"):
        LogFile(str(tmp_path / "log"))
    tmp_path.chmod(0o1777)  # sticky, as /tmp is
    LogFile(str(tmp_path / "log")).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_links_and_directories_of_others_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "rules").write_text("x")
    (tmp_path / "link").symlink_to("real")
    assert read_file(str(tmp_path / "link" / "rules")) == b"x"
    os.chown(tmp_path / "link", 12345, 12345, follow_symlinks=False)
    with pytest.raises(UnsafeFile, match="user 12345"):
        read_file(str(tmp_path / "link" / "rules"))
    os.chown(tmp_path / "real", 12345, 12345)
    with pytest.raises(UnsafeFile, match="user 12345"):
        LogFile(str(tmp_path / "real" / "log"))


def test_links_of_our_own_are_followed_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("x")
    (tmp_path / "up").symlink_to("a/b")
    (tmp_path / "a" / "absolute").symlink_to(tmp_path / "up")
    (tmp_path / "last").symlink_to("a/absolute/file")
    assert read_file(str(tmp_path / "last")) == b"x"
    os.close(open_folder(str(tmp_path / "a" / "absolute")))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        read_file(str(tmp_path / "loop"))
    with pytest.raises(FileNotFoundError):
        read_file(str(tmp_path / "none" / "file"))

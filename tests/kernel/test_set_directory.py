"""Who may have a hand in what decides about policy: the one rule that sets, logs and rules are judged by."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tomoyo.sets.directory import PolicySetError, open_directory
from tomoyo.sets.trusted_files import UnsafeFile, open_folder, read_file

OPENERS: dict[str, Callable[[str], int]] = {"set": open_directory, "log": open_folder}


def refusal(opener: str, path: Path | str) -> str:
    """Why PATH is refused; empty if it is not."""
    try:
        os.close(OPENERS[opener](str(path)))
    except (PolicySetError, UnsafeFile) as error:
        return str(error)
    return ""


def grant(path: Path, user: int) -> None:
    """Let USER write to PATH by an access control list, as `setfacl -m u:USER:rw` does."""
    anyone = 0xFFFFFFFF
    entries = [(0x01, 7, anyone), (0x02, 7, user), (0x04, 5, anyone), (0x10, 7, anyone), (0x20, 5, anyone)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", value)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            pytest.skip("this file system has no access control lists")
        raise


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("mode", [0o770, 0o775, 0o707, 0o777])
def test_no_group_may_write_not_even_roots_or_the_callers(tmp_path: Path, opener: str, mode: int) -> None:
    (tmp_path / "below").mkdir()
    assert tmp_path.stat().st_gid in (0, os.getegid())
    tmp_path.chmod(mode)
    assert "others may write to it" in refusal(opener, tmp_path)
    assert f"{tmp_path}" in refusal(opener, tmp_path / "below")
    tmp_path.chmod(0o1000 | mode)
    assert refusal(opener, tmp_path / "below") == ""


@pytest.mark.parametrize("opener", OPENERS)
def test_an_access_control_list_that_lets_another_write_is_seen(tmp_path: Path, opener: str) -> None:
    (tmp_path / "below").mkdir()
    assert refusal(opener, tmp_path / "below") == ""
    grant(tmp_path, 65534)
    assert "others may write to it" in refusal(opener, tmp_path / "below")


def test_so_it_is_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("x")
    assert read_file(str(tmp_path / "rules")) == b"x"
    grant(tmp_path / "rules", 65534)
    with pytest.raises(UnsafeFile, match="others may write to it"):
        read_file(str(tmp_path / "rules"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change what the root is")
@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize(
    ("mode", "owner", "reason"),
    [(0o755, 0, ""), (0o777, 0, "others may write to it"), (0o1777, 0, ""), (0o755, 12345, "belongs to user 12345")],
)
def test_the_root_is_looked_at_as_well(tmp_path: Path, opener: str, mode: int, owner: int, reason: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "link").symlink_to("/set")
    os.chown(tmp_path, owner, 0)
    tmp_path.chmod(mode)
    for path in ("/set", "/link") if opener == "log" else ("/set",):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.chroot(tmp_path)
            os.chdir("/")
            os.write(writer, refusal(opener, path).encode() or b"none")
            os._exit(0)
        os.waitpid(child, 0)
        told = os.read(reader, 1000).decode()
        os.close(reader)
        os.close(writer)
        assert (reason or "none") in told


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none", "none: no such file or directory"),
        ("none/set", "none: no such file or directory"),
        ("file/set", "file: not a"),
        ("loop", "loop: a symbolic link, and it leads nowhere"),
        ("broken", "broken: a symbolic link, and it leads nowhere"),
    ],
)
def test_the_component_that_is_wrong_is_named(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("none")
    assert f"{tmp_path}/{reason}" in refusal("set", tmp_path / path)

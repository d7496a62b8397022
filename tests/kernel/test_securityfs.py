"""The interface files as an object: reads and writes of any size, and what it says where something is not there.

Plain files stand in for the kernel's; `tests/vm/test_refusals.py` meets the real refusals.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tomoyo.kernel import securityfs
from tomoyo.kernel.securityfs import WRITE_PIECE, Securityfs, SecurityfsError
from tomoyo.simulation.simulated_kernel import SimulatedKernel


def advice(attempt: Callable[[], object]) -> str:
    """What the error says behind its path."""
    with pytest.raises(SecurityfsError) as caught:
        attempt()
    assert str(caught.value) == f"{caught.value.filename}: {caught.value.advice}"
    return caught.value.advice


@pytest.mark.parametrize("mounted", [None, {}], ids=["no folder", "an empty folder"])
def test_not_mounted(tmp_path: Path, mounted: object) -> None:
    above = tmp_path / "security"
    if mounted is not None:
        above.mkdir()
    kernel = Securityfs(above / "tomoyo")
    assert advice(kernel.profile) == f"securityfs is not mounted: 'mount -t securityfs securityfs {above}'"


@pytest.mark.parametrize(
    ("modules", "text"),
    [
        (
            "capability,yama,apparmor",
            "TOMOYO is not in the kernel's LSM list (capability,yama,apparmor); boot with tomoyo in lsm=",
        ),
        ("capability,nottomoyo\n", "TOMOYO is not in the kernel's LSM list (capability,nottomoyo); boot with tomoyo in lsm="),
        ("capability,tomoyo\n", "TOMOYO is on, but its files are not here; is securityfs mounted at another place?"),
        (None, "this kernel has no TOMOYO; it needs CONFIG_SECURITY_TOMOYO=y and tomoyo in lsm="),
    ],
)
def test_mounted_but_without_tomoyo(tmp_path: Path, modules: str | None, text: str) -> None:
    above = tmp_path / "security"
    above.mkdir()
    (above / "lsm").write_text(modules) if modules else (above / "evm").touch()
    assert advice(Securityfs(above / "tomoyo").profile) == text


def test_a_file_that_this_kernel_lacks(tmp_path: Path) -> None:
    (tmp_path / "version").touch()
    assert advice(Securityfs(tmp_path).query) == "this kernel's TOMOYO has no such file"


def test_a_place_without_interface_files(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "too"):
        assert advice(Securityfs(folder).profile) == (
            "these are no interface files of TOMOYO; a kernel has them in /sys/kernel/security/tomoyo"
        )


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("0-COMMENT=theirs\n")
    (tmp_path / "profile").symlink_to("elsewhere")
    assert advice(Securityfs(tmp_path).profile) == "a symbolic link, which no interface file is"


def refuse(number: int) -> Callable[..., int]:
    def refusing(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return refusing


@pytest.mark.parametrize("user", [0, 1000])
def test_a_write_that_the_kernel_does_not_permit(tmp_path: Path, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "exe").symlink_to("/bin/a\nb")
    (tmp_path / "self_domain").write_text("<kernel> /bin/x")
    (tmp_path / "profile").touch()
    monkeypatch.setattr(securityfs.os, "geteuid", lambda: user)
    monkeypatch.setattr(securityfs.os, "write", refuse(errno.EPERM))
    text = advice(lambda: Securityfs(tmp_path, tmp_path).write_profile("0-COMMENT=\n"))
    if user:
        assert text == "only root may do this; use sudo"
    else:
        # A program's name is a stranger's choice, and must not reach a terminal as it is.
        assert text.startswith("this process is no manager: its domain, '<kernel> /bin/x', is not in the manager policy.")
        assert "List a domain of its own there" in text
        assert text.endswith("not /bin/a\\nb, if that is an interpreter: all that it runs could change policy then")


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(securityfs.os, "open", refuse(errno.EACCES))
    for user, said in ((1000, "only root may do this; use sudo"), (0, securityfs.FORBIDDEN)):
        monkeypatch.setattr(securityfs.os, "geteuid", lambda user=user: user)
        assert advice(Securityfs(tmp_path).stat) == said


def test_any_other_error_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profile").touch()
    monkeypatch.setattr(securityfs.os, "read", refuse(errno.EIO))
    with pytest.raises(SecurityfsError) as caught:
        Securityfs(tmp_path).profile()
    assert (caught.value.errno, caught.value.advice) == (errno.EIO, os.strerror(errno.EIO))


def test_short_reads_are_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"file read /{number}\n" for number in range(100))
    (tmp_path / "domain_policy").write_text(text)
    read = os.read
    monkeypatch.setattr(securityfs.os, "read", lambda descriptor, _: read(descriptor, 7))
    assert Securityfs(tmp_path).domain_policy() == text


def test_writes_are_large_and_end_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"<kernel> /{number}\nuse_profile 3\n{'file read /x' * 40}\n" for number in range(9000))
    pieces: list[bytes] = []
    (tmp_path / "domain_policy").touch()
    monkeypatch.setattr(securityfs.os, "write", lambda _, data: pieces.append(bytes(data)) or len(data))
    Securityfs(tmp_path).write_domain_policy(text)
    assert b"".join(pieces).decode() == text
    assert len(pieces) == len(text) // WRITE_PIECE + 1
    assert all(len(piece) <= WRITE_PIECE for piece in pieces)
    # Killed in between, no domain would be left without its profile.
    assert all(piece.startswith(b"<kernel> /") for piece in pieces)


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []
    (tmp_path / "manager").touch()
    monkeypatch.setattr(securityfs.os, "write", lambda _, data: pieces.append(bytes(data[:5])) or min(5, len(data)))
    Securityfs(tmp_path).write_manager("/usr/bin/tomoyo\n/usr/bin/other\n")
    assert b"".join(pieces) == b"/usr/bin/tomoyo\n/usr/bin/other\n"


def test_a_simulated_kernel_refuses_likewise() -> None:
    kernel = SimulatedKernel()
    kernel.write("profile", "PROFILE_VERSION=20150505\n0-COMMENT=\n")
    kernel.activate()
    with pytest.raises(FileNotFoundError):
        kernel.read("nothing")
    kernel.is_manager = False
    with pytest.raises(PermissionError):
        kernel.write("profile", "0-COMMENT=changed\n")
    assert "changed" not in kernel.read("profile")


def running(proc: Path, pid: int, stat: bytes, comm: bytes = b"GC for TOMOYO\n") -> None:
    """Put a process into PROC; one that has ended but is not waited for has no command line either, nor has a kernel thread."""
    (proc / str(pid)).mkdir()
    for name, text in (("comm", comm), ("cmdline", b""), ("stat", stat)):
        (proc / str(pid) / name).write_bytes(text)


@pytest.mark.parametrize(
    ("stat", "waited"),
    [
        (b"7 (GC for TOMOYO) S 2 0 0 0 -1 2129984 0 0", True),
        (b"7 (GC for TOMOYO) D 2 0 0 0 -1 2129984 0 0", True),
        (b"7 (GC for TOMOYO) Z 1 7 7 0 -1 4228108 0 0", False),  # a zombie
        (b"7 (GC for TOMOYO) S 1 7 7 0 -1 4194304 0 0", False),
        (b"7 (GC for TOMOYO) Z 2 0 0 0 -1 0 0 0", False),
        (b"7 (GC for TOMOYO) S 2 0 0 0 -1", False),
        (b"7 (GC for TOMOYO) S 2 0 0 0 -1 x", False),
        (b"7", False),
        (b"", False),
    ],
)
def test_only_a_thread_of_the_kernel_is_its_collector(
    tmp_path: Path, stat: bytes, waited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc = tmp_path / "proc"
    (proc / "8").mkdir(parents=True)  # has ended
    running(proc, 7, stat)
    running(proc, 9, b"9 (x) S 2 0 0 0 -1 2129984 0 0", b"x\n")
    (tmp_path / "stat").touch()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if (proc / "7").exists():
            (proc / "7").rename(tmp_path / "ended")

    monkeypatch.setattr(securityfs.time, "sleep", sleep)
    Securityfs(tmp_path, proc).settle()
    assert bool(slept) is waited


@pytest.mark.parametrize("comm", [b"x) S 2 0 0 0 -1 2129984 (", b"a b) Z 1", b"(((", b")))", b"\n) S 2 0 0 0 -1 2129984"])
def test_a_name_that_looks_like_fields_is_a_name(tmp_path: Path, comm: bytes) -> None:
    running(tmp_path, 7, b"7 (" + comm + b") S 1 7 7 0 -1 4194304 0 0\n", comm)
    found = securityfs.process_stat(str(tmp_path), 7)
    assert found is not None
    assert (found[0], found[1][:3], securityfs.is_kernel_thread(found[1])) == (comm, [b"S", b"1", b"7"], False)


def test_a_zombie_with_the_collectors_name_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one, which any user can make."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        Path("/proc/self/comm").write_text("GC for TOMOYO")
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(writer)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert Path(f"/proc/{pid}/comm").read_text() == "GC for TOMOYO\n"
        assert Path(f"/proc/{pid}/cmdline").read_bytes() == b""
        (tmp_path / "stat").touch()
        monkeypatch.setattr(securityfs.time, "sleep", refuse(errno.EDEADLK))
        Securityfs(tmp_path, "/proc").settle()
    finally:
        os.close(reader)
        os.waitpid(pid, 0)

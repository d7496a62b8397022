"""Whether policy is in force, as it is tried; `tests/vm/test_diagnosis.py` tries it with real kernels."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from tomoyo.kernel import activity
from tomoyo.kernel.securityfs import Securityfs, SecurityfsError

PROFILE = "PROFILE_VERSION=20150505\n0-COMMENT=\n0-CONFIG={ mode=disabled }\n3-CONFIG={ mode=enforcing }\n"


class Kernel:
    """Takes and answers what is written to one file, as a kernel does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.active = False
        self.refuses = False  # who is root
        self.refuses_others = False
        self.may_change_user = True
        self.is_full = False
        self.uid = 0
        self.domains: dict[str, int] = {}
        self.selected = ""
        self.panics = False
        monkeypatch.setattr(activity.os, "write", self.write)
        monkeypatch.setattr(activity.os, "read", self.read)
        monkeypatch.setattr(activity.os, "setresuid", self.setresuid)
        monkeypatch.setattr(activity, "_by_another_process", self.ask)
        monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)

    def ask(self, question: object) -> bool | None:
        """The answer of another process, which does not change who this one is."""
        try:
            return question()  # type: ignore[operator, no-any-return]
        except (OSError, ValueError):
            return None
        finally:
            self.uid = 0

    def setresuid(self, uid: int, *_: int) -> None:
        if not self.may_change_user:
            raise PermissionError(errno.EPERM, "no CAP_SETUID")
        self.uid = uid

    def write(self, _: int, data: bytes) -> int:
        if self.active and (self.refuses_others if self.uid else self.refuses):
            raise PermissionError(errno.EPERM, "no manager")
        for line in data.decode().split("\n")[:-1]:
            word, _, rest = line.partition(" ")
            if line.startswith("<") and not self.is_full:
                self.domains.setdefault(line, 0)
            if line.startswith("<") or word == "select":
                self.selected = line.removeprefix("select ").removeprefix("domain=")
            elif word == "use_profile" and self.selected in self.domains and (not self.active or int(rest) in (0, 3)):
                self.domains[self.selected] = int(rest)
            elif word == "delete" and not self.active and self.domains.get(rest) not in (None, 0, 3):
                self.panics = True  # if it were active before this is collected
            if word == "delete":
                self.domains.pop(rest, None)
        self.answer = f"# select domain={self.selected}\n"
        if self.selected in self.domains:
            self.answer += f"{self.selected}\nuse_profile {self.domains[self.selected]}\n\n\n"
        return len(data)

    def read(self, *_: object) -> bytes:
        found, self.answer = self.answer, ""
        return found.encode()


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def stat(quota: str = "") -> str:
    return f"Policy update: 1\nMemory used by policy: 100000{quota}\nTotal memory used: 100000\n"


@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("refuses", [False, True])
@pytest.mark.parametrize("refuses_others", [False, True])
@pytest.mark.parametrize("may_change_user", [False, True])
@pytest.mark.parametrize("is_full", [False, True])
def test_it_is_right_or_unknown(
    kernel: Kernel, active: bool, refuses: bool, refuses_others: bool, may_change_user: bool, is_full: bool
) -> None:
    kernel.active, kernel.refuses, kernel.refuses_others = active, refuses, refuses_others
    kernel.may_change_user, kernel.is_full = may_change_user, is_full
    is_told = active and (refuses or (refuses_others and may_change_user))
    expected = None if is_full and not is_told else active
    assert activity.is_active(0, PROFILE, stat) is expected
    assert (kernel.domains, kernel.panics) == ({}, False)


def test_without_profiles_it_is_not_active(kernel: Kernel) -> None:
    kernel.active = kernel.refuses = True
    assert activity.is_active(0, "PROFILE_VERSION=20150505\n", stat) is False


@pytest.mark.parametrize(
    ("profile", "quota"),
    [
        (PROFILE + "".join(f"{number}-COMMENT=\n" for number in range(256)), ""),
        ("".join(f"<kernel> {number}-CONFIG={{}}\n" for number in range(256)), ""),
        (PROFILE, " (Quota: 100100)"),
        (PROFILE, " (Quota: 1)"),
    ],
)
def test_where_neither_way_is_safe_it_is_unknown(kernel: Kernel, profile: str, quota: str) -> None:
    assert activity.is_active(0, profile, lambda: stat(quota)) is None
    assert kernel.domains == {}


def test_a_large_quota_is_no_hindrance(kernel: Kernel) -> None:
    assert activity.is_active(0, PROFILE, lambda: stat(" (Quota: 1000000)")) is False


def test_another_process_answers_or_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [activity._by_another_process(answer) for answer in (lambda: True, lambda: False)] == [True, False]
    pid = os.getpid()
    assert activity._by_another_process(lambda: os.getpid() != pid)
    assert activity._by_another_process(lambda: bool(1 // 0)) is None
    assert activity._by_another_process(lambda: os.kill(os.getpid(), 9) is None) is None

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(activity.os, "fork", refuse)
    assert activity._by_another_process(lambda: True) is None


def test_who_may_not_read_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SecurityfsError):
        _ = Securityfs(tmp_path / "none").active

"""What a kernel holds, read in the background."""

from __future__ import annotations

import errno
import threading
from typing import NoReturn

import pytest

from tomoyo.kernel import held_texts
from tomoyo.kernel.held_texts import HeldTexts, read_held_texts
from tomoyo.kernel.securityfs import SecurityfsError
from tomoyo.kernel.simulated import SimulatedKernel

PATIENCE = 30.0


class Slow(SimulatedKernel):
    """Prints nothing before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def read(self, name: str) -> str:
        self.asked.set()
        assert self.may.wait(PATIENCE)
        if self.error is not None and name == "profile":
            raise self.error
        return super().read(name)


@pytest.fixture
def kernel() -> Slow:
    found = Slow()
    found.write("domain_policy", "<kernel> /a\nfile read /x\n")
    return found


def test_other_work_is_done_meanwhile(kernel: Slow) -> None:
    with HeldTexts(kernel) as held:
        assert kernel.asked.wait(PATIENCE)
        kernel.may.set()
        found = held.texts()
    assert found.files() == read_held_texts(kernel).files()
    assert "/x" in found.domain_policy
    assert held.texts() is found


def test_nobody_reads_any_more_afterwards(kernel: Slow) -> None:
    timer = threading.Timer(0.05, kernel.may.set)
    with HeldTexts(kernel) as held:
        timer.start()
    assert kernel.may.is_set()
    assert held._texts is not None


def test_what_went_wrong_is_raised_where_it_is_asked_for(kernel: Slow) -> None:
    kernel.error = SecurityfsError(errno.ENOENT, "/profile", "not mounted")
    kernel.may.set()
    with HeldTexts(kernel) as held:
        pass  # who does not ask need not know
    for _ in range(2):
        with pytest.raises(SecurityfsError, match="not mounted"):
            held.texts()


def test_without_a_thread_it_is_read_at_once(kernel: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(held_texts, "start_new_thread", refuse)
    kernel.may.set()
    with HeldTexts(kernel) as held:
        assert held._texts is not None
        assert held.texts().domain_policy == kernel.read("domain_policy")

"""Learning sessions with a simulated kernel: what is learned is a value, and everything is as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tomoyo.kernel.learning import LearningSession, domain_of, profile_of
from tomoyo.kernel.modes import ModeError, NotChanged
from tomoyo.simulation.simulated_kernel import SimulatedKernel

from .learner import LearningKernel

DOMAIN = "<kernel> /usr/bin/work"
PROFILE = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-CONFIG={ mode=learning grant_log=no reject_log=no }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
POLICY = f"""\
{DOMAIN}
use_profile 3
file read /a

{DOMAIN} /bin/sh
use_profile 3

<kernel> /other
use_profile 3
"""


@pytest.fixture
def kernel() -> LearningKernel:
    """A kernel in which that domain is enforced."""
    found = LearningKernel({DOMAIN: ("file read/write /a", "file create /b 0644"), f"{DOMAIN} /bin/sh": ("misc env A",)})
    found.write("profile", PROFILE)
    found.write("domain_policy", POLICY)
    found.activate()
    return found


def test_only_what_is_new_is_learned_and_everything_is_as_before(kernel: LearningKernel) -> None:
    before = SimulatedKernel.read(kernel, "domain_policy")
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    kernel.work()
    assert "file create /b" in kernel.read("domain_policy")
    learned = session.end()
    assert [(str(one.name), one.profile, [str(entry) for entry in one.entries]) for one in learned] == [
        (DOMAIN, 3, ["file write /a", "file create /b 0644"]),
        (f"{DOMAIN} /bin/sh", 3, ["misc env A"]),
    ]
    assert kernel.read("domain_policy") == before


def test_a_domain_that_did_not_exist_is_gone_again(kernel: LearningKernel) -> None:
    before = kernel.read("domain_policy")
    kernel.learns = {"<kernel> /new": ("file read /c",)}
    session = LearningSession(kernel, "<kernel> /new", profile_of(kernel, "<kernel> /new"))
    session.begin()
    kernel.work()
    (learned,) = session.end()
    assert (str(learned.name), learned.profile, len(learned.entries)) == ("<kernel> /new", 0, 1)
    assert kernel.read("domain_policy") == before


def test_only_domains_in_learning_mode_learn(kernel: LearningKernel) -> None:
    kernel.learns = {"<kernel> /other": ("file read /c",)}
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    kernel.work()
    assert list(session.end()) == []


def test_without_a_learning_profile_nothing_begins(kernel: LearningKernel) -> None:
    other = SimulatedKernel()
    other.write("profile", PROFILE.replace("learning", "permissive"))
    other.write("domain_policy", POLICY)
    before = other.read("domain_policy")
    with pytest.raises(ModeError):
        LearningSession(other, DOMAIN)
    assert other.read("domain_policy") == before


def test_a_kernel_that_is_not_active_learns_nothing(kernel: LearningKernel) -> None:
    before = kernel.read("domain_policy")
    kernel.holding.active = False
    session = LearningSession(kernel, DOMAIN)
    with pytest.raises(ModeError, match="TOMOYO is not active"):
        session.begin()
    assert list(session.end()) == []
    assert kernel.read("domain_policy") == before


def test_the_domain_that_a_program_will_be_in(kernel: LearningKernel) -> None:
    kernel.write(
        "exception_policy", "aggregator /bin/true nix:/coreutils/bin/true\naggregator /usr/bin/true nix:/coreutils/bin/true\n"
    )
    assert domain_of(kernel, "/usr/bin/true", ["true"]) == "<kernel> nix:/coreutils/bin/true"
    kernel.write("domain_policy", "<kernel>\nuse_profile 3\n")
    with pytest.raises(ModeError, match="EPERM"):
        domain_of(kernel, "/usr/bin/env", ["env"])


class Executing(LearningKernel):
    """Its programs execute one more PROGRAM each time that somebody has looked which domains there are."""

    def __init__(self, program: str) -> None:
        super().__init__({})
        self.program = program
        self.executed = 0
        self.is_running = False
        self.settling = ""
        self.write("profile", PROFILE)
        self.write("domain_policy", POLICY)
        self.activate()

    def newest(self) -> str:
        """The domain of the program that executed last."""
        return next(name for name in reversed(self.holding.domains) if name.startswith(DOMAIN))

    def execute(self) -> None:
        """As the kernel does it: the new domain gets the profile of the one above, unless its name is too long."""
        self.executed += 1
        above = self.newest()
        profile = self.holding.domains[above].profile
        SimulatedKernel.write(self, "domain_policy", f"{above} {self.program}{self.executed}\nuse_profile {profile}\n")

    def read(self, name: str) -> str:
        found = super().read(name)
        if name == "domain_policy" and self.is_running:
            self.execute()
        return found

    def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
        found = super().select_all(name, commands)
        if self.is_running:
            self.execute()
        return found

    def settle(self) -> None:
        """An execution ends that had begun while the domain above still learned."""
        if self.settling:
            SimulatedKernel.write(self, "domain_policy", f"{self.settling}\nuse_profile 1\n")
            self.settling = ""


def learning(kernel: SimulatedKernel) -> list[str]:
    return [name for name, domain in kernel.holding.domains.items() if domain.profile == 1]


@pytest.mark.parametrize("length", [20, 100, 1000])
def test_no_program_outruns_the_end(length: int) -> None:
    """Whatever it executes; only names that are too long end it."""
    kernel = Executing("/" + "x" * length)
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    assert learning(kernel) == [DOMAIN, f"{DOMAIN} /bin/sh"]
    kernel.is_running = True
    session.end()
    assert kernel.executed > 3000 // length
    assert learning(kernel) == []


def test_what_is_executed_while_it_begins_learns_too() -> None:
    kernel = Executing("/" + "x" * 100)
    kernel.is_running = True
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    assert learning(kernel) == [name for name in kernel.holding.domains if name.startswith(DOMAIN)]
    assert len(learning(kernel)) > 10


def test_an_execution_that_was_under_way_is_waited_for() -> None:
    kernel = Executing("/" + "x" * 1000)
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    kernel.is_running = True
    kernel.settling = f"{DOMAIN} /bin/late"
    session.end()
    assert learning(kernel) == []


def test_what_still_learns_is_an_error_that_names_it() -> None:
    class Making(Executing):
        def execute(self) -> None:
            """What no execution does: the domain above has learned no more for long."""
            self.executed += 1
            SimulatedKernel.write(self, "domain_policy", f"{DOMAIN} /made{self.executed}\nuse_profile 1\n")

    kernel = Making("")
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    kernel.is_running = True
    with pytest.raises(NotChanged, match=rf"these domains are still in learning mode.*{DOMAIN} /made") as caught:
        session.end()
    assert set(caught.value.domains) <= set(learning(kernel))


def test_a_domain_that_does_not_change_is_an_error_at_once(kernel: LearningKernel) -> None:
    session = LearningSession(kernel, DOMAIN, 0)
    session.begin()
    session.before[DOMAIN] = replace(session.before[DOMAIN], profile=9)  # as if that were defined no more
    with pytest.raises(NotChanged) as caught:
        session.end()
    assert caught.value.domains == [DOMAIN]  # the one below is back in its profile


def test_others_go_on_learning(kernel: LearningKernel) -> None:
    """Domains in the same profile, and what those execute, are not the session's."""
    kernel.write("domain_policy", "<kernel> /other\nuse_profile 1\nfile read /known\n")
    session = LearningSession(kernel, DOMAIN)
    session.begin()
    kernel.write("domain_policy", "<kernel> /other /bin/x\nuse_profile 1\nfile read /theirs\n")
    kernel.write("domain_policy", "<kernel> /other /bin/x /bin/y\nuse_profile 1\n")
    kernel.write("domain_policy", "<kernel> /ours\nuse_profile 1\nfile read /ours\n")
    theirs = ["<kernel> /other", "<kernel> /other /bin/x", "<kernel> /other /bin/x /bin/y"]
    assert [str(domain.name) for domain in session.end()] == ["<kernel> /ours"]
    assert learning(kernel) == theirs
    assert "file read /theirs" in kernel.read("domain_policy")


class Interrupted(Exception):
    """Comes where a signal or an error would."""


class Interrupting(LearningKernel):
    """A kernel in front of which the caller dies before, or just after, its call number FATAL; later calls are another's."""

    def __init__(self, learns: dict[str, tuple[str, ...]]) -> None:
        super().__init__(learns)
        self.calls = 0
        self.fatal = -1
        self.after = False

    def read(self, name: str) -> str:
        """Read, or die."""
        self._call(before=True)
        found = super().read(name)
        self._call(before=False)
        return found

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        """Write, or die; what dies in the middle of a large write has written some of its lines."""
        self._call(before=True)
        super().write(name, data)
        self._call(before=False)

    def _call(self, before: bool) -> None:
        if before:
            self.calls += 1
        if self.calls == self.fatal and before is not self.after:
            self.fatal = -1
            raise Interrupted


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
def test_interrupted_anywhere_it_is_as_before(after: bool) -> None:
    """As the guard does it: whoever dies in the middle of a session, another one ends it."""
    learns = {DOMAIN: ("file read/write /a", "file create /b 0644"), f"{DOMAIN} /bin/sh": ("misc env A",)}
    fatal = 0
    while True:
        fatal += 1
        kernel = Interrupting(learns)
        kernel.write("profile", PROFILE)
        kernel.write("domain_policy", POLICY)
        kernel.activate()
        before = SimulatedKernel.read(kernel, "domain_policy")
        session = LearningSession(kernel, DOMAIN)
        kernel.calls, kernel.fatal, kernel.after = 0, fatal, after
        try:
            session.begin()
            kernel.work()
            session.end()
            break
        except Interrupted:
            session.end()
        assert SimulatedKernel.read(kernel, "domain_policy") == before, f"interrupted at call {fatal}"
    assert fatal > 8
    assert SimulatedKernel.read(kernel, "domain_policy") == before

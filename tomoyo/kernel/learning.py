"""A learning session: what one program needs, found out by letting it.

For the time of a session a domain, all below it and all that they create are
in learning mode: the kernel lets them do what they like, and adds what they
do to their policy.  In the end everything is as it was before, and what was
learned is a value.  Should the program that holds the session be killed, a
process that it leaves behind puts everything back.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..decision.engine import DecisionEngine
from ..decision.requests import Request
from ..decision.transition import transition
from ..model.domains import Domain, DomainPolicy
from ..model.entries import Entry, Kind
from ..model.profiles import Mode
from ..model.records import Execution
from ..model.words import Quoted, encode
from ..syntax.domain_policy import parse_domain_policy
from ..syntax.exception_policy import parse_exception_policy
from ..syntax.lines import Reading
from .modes import ModeError, NotChanged, keep_setting_profiles, read_heads, read_profiles

if TYPE_CHECKING:
    from .securityfs import Interface

__all__ = ["LearningSession"]

#: What the process that is left behind waits to hear when all is well.
_DONE = b"."


class LearningSession:
    """Puts the domain NAME and those below it into learning mode; ``end`` takes that back.

    One that does not exist is created, and goes into PROFILE in the end, as
    do those that are created meanwhile.

    Raises ModeError where no profile of the namespace is in learning mode,
    NotChanged where the kernel did not take a change, OSError where it refuses.
    """

    def __init__(self, interface: Interface, name: str, profile: int = 0) -> None:
        self.interface = interface
        self.name = name
        modes = read_profiles(interface)
        self.learning: int = modes.profile_for(name.partition(" ")[0], Mode.LEARNING)
        self.before: dict[str, Domain] = {domain.name.text: domain for domain in held_domains(interface)}
        found = self.before.get(name)
        self.profile: int = found.profile if found is not None else profile

    def begin(self) -> None:
        """Begin to learn.  Raises ModeError where TOMOYO is not active, as nothing would be learned."""
        if not self.interface.active:
            raise ModeError("TOMOYO is not active, or that cannot be known, so nothing would be learned; see 'tomoyo doctor'")
        if self.name not in self.before:
            self.interface.write("domain_policy", f"{self.name}\n")

        def plan(heads: DomainPolicy) -> dict[str, int]:
            names = [domain.name.text for domain in heads if domain.profile != self.learning]
            return {name: self.learning for name in names if self._is_below(name)}

        keep_setting_profiles(self.interface, plan)

    def end(self) -> DomainPolicy:
        """Put everything back, and give what was learned: domains with the entries that are new, in their old profile.

        Raises NotChanged with the domains that are not as before, or still learn.
        """
        ours: dict[str, int] = {}

        def plan(heads: DomainPolicy) -> dict[str, int]:
            ours.update((domain.name.text, self._profile(domain)) for domain in heads if self._is_ours(domain))
            profiles = {domain.name.text: domain.profile for domain in heads if domain.name.text in ours}
            return {name: ours[name] for name, profile in profiles.items() if profile != ours[name]}

        # Modes first: nothing may be learned while entries are taken away.
        failed: list[str] = []
        try:
            keep_setting_profiles(self.interface, plan)
        except NotChanged as error:
            failed = error.domains
        after = [domain for domain in held_domains(self.interface) if domain.name.text in ours]
        learned = [replace(domain, entries=tuple(self._new(domain)), quota_exceeded=False) for domain in after]
        lines = []
        for domain in learned:
            lines.append(f"select {domain.name}\n")
            lines += [f"delete {entry}\n" for entry in domain.entries]
        self.interface.write("domain_policy", "".join(lines))
        self._delete_created(after)
        if failed:
            ours_now = (domain for domain in read_heads(self.interface) if self._is_ours(domain))
            left = [domain.name.text for domain in ours_now if domain.profile != self._profile(domain)]
            raise NotChanged(left or failed, "these domains are still in learning mode, or not as they were before:")
        self._check(ours)
        # A domain that the kernel created while we learned belongs to the result even if it learned nothing.
        return DomainPolicy(tuple(domain for domain in learned if domain.entries or domain.name.text not in self.before))

    def exceeded(self) -> list[str]:
        """Domains where the kernel has stopped to learn, because it learned as many entries as it may."""
        flagged = [domain.name.text for domain in held_domains(self.interface) if domain.quota_exceeded and self._is_ours(domain)]
        return [name for name in flagged if name not in self.before or not self.before[name].quota_exceeded]

    def _is_below(self, name: str) -> bool:
        return name == self.name or name.startswith(f"{self.name} ")

    def _is_ours(self, domain: Domain) -> bool:
        """Whether the session has put DOMAIN into learning mode, or one that was has created it."""
        name = domain.name.text
        if self._is_below(name):
            return True
        if name in self.before or domain.profile != self.learning:
            return False
        # One that learns as well, but not for us, may have created it.
        while name not in self.before and " " in name:
            name = name.rpartition(" ")[0]
        above = self.before.get(name)
        return above is None or above.profile != self.learning

    def _profile(self, domain: Domain) -> int:
        held = self.before.get(domain.name.text)
        return self.profile if held is None else held.profile

    def _new(self, domain: Domain) -> Iterator[Entry]:
        """The entries of DOMAIN that it did not have, with no more than the operations that are new."""
        held = self.before.get(domain.name.text)
        known = {entry.subject: entry for entry in held.entries} if held is not None else {}
        for entry in domain.entries:
            old = known.get(entry.subject)
            left = entry if old is None else entry.reduced(old)
            if left is not None:
                yield left

    def _delete_created(self, after: list[Domain]) -> None:
        """Delete the domains that were not there before, unless a process is still in them."""
        inhabited = set(self.interface.process_domains().values())
        created = [domain.name.text for domain in after if domain.name.text not in self.before]
        self.interface.write("domain_policy", "".join(f"delete {name}\n" for name in created if name not in inhabited))

    def _check(self, wanted: dict[str, int]) -> None:
        """Read back that all is as before."""
        now = {domain.name.text: domain for domain in held_domains(self.interface)}
        wrong = []
        for name, profile in wanted.items():
            held, old = now.get(name), self.before.get(name)
            if held is None:
                if old is not None:
                    wrong.append(name)
            elif held.profile != profile or set(held.entries) != set(old.entries if old is not None else ()):
                wrong.append(name)
        if wrong:
            raise NotChanged(wrong)


@contextmanager
def guarded(session: LearningSession) -> Iterator[None]:
    """Make sure that SESSION ends: a process of its own ends it if the caller dies before it does so itself.

    It must be the caller that calls ``end``, within.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.close(writer)
            if os.read(reader, 1) != _DONE:
                session.end()
            status = 0
        finally:
            os._exit(status)
    os.close(reader)
    try:
        yield
        os.write(writer, _DONE)
    finally:
        # Without that word, an error in the caller's end is the guard's to put right.
        os.close(writer)
        os.waitpid(pid, 0)


def domain_of(interface: Interface, program: str, arguments: list[str]) -> str:
    """The domain that the calling process would be in if it executed PROGRAM, a path, with ARGUMENTS.

    Raises ModeError where that is denied or cannot be told.
    """
    folder, base = os.path.split(os.path.abspath(program))
    name = encode(os.fsencode(os.path.join(os.path.realpath(folder), base)))
    real = encode(os.fsencode(os.path.realpath(program)))
    execution = Execution(Quoted(real), len(arguments), 0, None, None)
    engine = DecisionEngine(
        held_domains(interface),
        parse_exception_policy(interface.read("exception_policy"), reading=Reading.AS_KERNEL),
        read_profiles(interface).policy,
    )
    found = transition(engine, interface.read("self_domain"), Request(Kind.PATH, "execute", (name,), execution=execution))
    if found.failure is not None:
        raise ModeError(f"this process may not execute {name}: {found.failure.value}")
    return found.domain.text


def held_domains(interface: Interface) -> DomainPolicy:
    """The domains that the kernel behind INTERFACE holds."""
    return parse_domain_policy(interface.read("domain_policy"), reading=Reading.AS_KERNEL)


def profile_of(interface: Interface, name: str) -> int:
    """The profile of the domain NAME, or of the nearest above it that there is; 0 where none is."""
    held = {domain.name.text: domain.profile for domain in held_domains(interface)}
    while name and name not in held:
        name = name.rpartition(" ")[0]
    return held.get(name, 0)

"""Whether policy is in force, which no file of a kernel tells: it has to be tried.

While TOMOYO is not active, anyone may write to its files, profiles can be
written as well, and nothing is confined.  Once it is active

- a writer that is no manager gets EPERM.  Trying that changes nothing, so it
  comes first, by a process of its own that gives up being root;
- a domain cannot be given a profile that is not defined.  To try that a domain
  has to be created, which is deleted again at once.

Where neither tells, nothing is known, and that is no yes.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A line that the kernel drops, but only from whom it would take one.
_NOTHING = b"#\n"
_NOBODY = 65534
#: The exit codes of the process that tries.
_YES, _NO, _UNKNOWN = 10, 11, 12
_PROFILES = 256
#: Less memory than this may be left only while policy is in force: before, an allocation over the quota makes the kernel panic.
_ROOM = 1 << 16


def is_active(descriptor: int, profile: str, stat: Callable[[], str]) -> bool | None:
    """Whether policy is in force; None where that cannot be known.

    Arguments:
        descriptor: domain_policy, open for reading and writing.
        profile: the profiles, as the kernel prints them.
        stat: gives what ``stat`` says.

    """
    if "-CONFIG=" not in profile:
        return False  # <kernel> has one in every kernel that is active
    if _is_refused(descriptor) or _by_another_process(lambda: _refuses_nobody(descriptor)):
        return True
    defined = _profiles(profile)
    free = max(set(range(_PROFILES)) - defined, default=None)
    if free is None or not _has_room(stat()):
        return None
    return _by_another_process(lambda: not _takes_profile(descriptor, free, min(defined, default=0)))


def _by_another_process(question: Callable[[], bool]) -> bool | None:
    """The answer to QUESTION, asked by a process of its own; None where there is none."""
    try:
        pid = os.fork()
        if pid:
            return {_YES: True, _NO: False}.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    except OSError:
        return None
    status = _UNKNOWN
    try:
        status = _YES if question() else _NO
    finally:
        os._exit(status)


def _is_refused(descriptor: int) -> bool:
    """Whether the calling process may not write."""
    try:
        os.write(descriptor, _NOTHING)
    except OSError as error:
        return error.errno == errno.EPERM
    return False


def _refuses_nobody(descriptor: int) -> bool:
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    return _is_refused(descriptor)


def _profiles(profile: str) -> set[int]:
    """The profiles that <kernel> defines."""
    lines = (line.removeprefix("<kernel> ").partition("-")[0] for line in profile.split("\n"))
    return {int(number) for number in lines if number.isdigit()}


def _has_room(stat: str) -> bool:
    """Whether memory is left for a domain."""
    from ..syntax.stat import parse_stat

    policies = [memory for memory in parse_stat(stat).memory if memory.name == "policy"]
    return all(not policy.quota or (policy.used or 0) + _ROOM <= policy.quota for policy in policies)


def _takes_profile(descriptor: int, number: int, defined: int) -> bool:
    """Whether a domain can be given profile NUMBER, which is not DEFINED.

    Raises InvalidValueError where it cannot be created.
    """
    import signal

    name = f"<kernel> /tomoyo/{os.urandom(8).hex()}"
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # so that nothing keeps it from deleting the domain
    try:
        os.write(descriptor, f"{name}\nuse_profile {number}\nselect domain={name}\n".encode())
        pieces = iter(lambda: os.read(descriptor, 1 << 12), b"")
        return int(b"".join(pieces).decode().partition("\nuse_profile ")[2].partition("\n")[0]) == number
    finally:
        # Were policy put in force now, an undefined profile would make the kernel panic, even that of a domain that is deleted.
        os.write(descriptor, f"select {name}\nuse_profile {defined}\ndelete {name}\n".encode())

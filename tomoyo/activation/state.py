"""What is remembered of activations: the set in force, with its domain policy; and a lock that keeps two activations apart."""

from __future__ import annotations

import os

from ..kernel.securityfs import FOLDER, Securityfs
from ..model.errors import TomoyoError
from ..sets.directory import FILES, PolicySetError, open_directory, read_set_text
from ..sets.links import LOCKS, STATE, absolute, advance_links, make_directory, put_file, read_link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.securityfs import Interface


class UnknownStateError(TomoyoError, ValueError):
    """Another kernel than the running one is to be changed, and nobody says where its state is."""


def places(interface: Interface, state: str | None, locks: str | None) -> tuple[str | None, str | None]:
    """The directories of the record and of the lock that belong to INTERFACE; None for those that are not known.

    Those of this machine belong to the running kernel alone.
    """
    if isinstance(interface, Securityfs) and os.path.normpath(interface.root) == FOLDER:
        return (STATE if state is None else state), (LOCKS if locks is None else locks)
    return state, locks


def refuse_unknown(state: str | None, locks: str | None) -> str:
    """Give STATE; raise UnknownStateError where it or LOCKS is not known, so that a kernel must not be changed."""
    if state is None or locks is None:
        raise UnknownStateError(
            f"{STATE} and {LOCKS} belong to the running kernel; give the directories of this one as state and locks"
        )
    return state


class Lock:
    """Keeps other activations away while a ``with`` statement is carried out, and waits for one that goes on.

    The lock file lies in the directory FOLDER; None keeps nobody away.
    """

    __slots__ = ("_descriptor", "_folder")

    def __init__(self, folder: str | None = LOCKS) -> None:
        self._folder = folder
        self._descriptor = -1

    def __enter__(self) -> None:
        if self._folder is None:
            return
        import fcntl

        directory = make_directory(self._folder, 0o700)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open("activation.lock", flags, 0o600, dir_fd=directory)
        finally:
            os.close(directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def recorded_set(state: str | None = STATE) -> str | None:
    """The set that was activated last, as the directory STATE says; None if there is none, or STATE cannot be trusted."""
    if state is None:
        return None
    try:
        directory = open_directory(absolute(state))
    except (PolicySetError, OSError):
        return None
    try:
        found = read_link(directory, "current")
    finally:
        os.close(directory)
    return found if found and found.startswith("/") else None


def recorded_domains(state: str | None = STATE) -> str:
    """The domain policy that was activated last, whatever became of its set; empty if none can be known or trusted."""
    try:
        return read_set_text(absolute(state), "domain_policy") if state is not None else ""
    except (PolicySetError, OSError):
        return ""


def record(path: str, domains: str, state: str = STATE) -> None:
    """Let ``current`` in the directory STATE lead to the set PATH, and ``previous`` to what it led to.

    Its domain policy, DOMAINS, is kept as well: the set may be changed in place
    before the next activation asks what it named.
    """
    directory = make_directory(state, 0o755)
    try:
        if recorded_domains(state) != domains:
            put_file(directory, FILES["domain_policy"], domains.encode("latin-1"))
        advance_links(directory, path)
    finally:
        os.close(directory)

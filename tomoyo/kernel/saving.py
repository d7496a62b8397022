"""Saving what a kernel holds, where tomoyo-savepolicy does, but all at one moment.

The kernel prints each interface as it is while it prints.  So everything is
read again until the update counter has not moved in between.
"""

from __future__ import annotations

import errno
import os
import time

from ..model.errors import TomoyoError
from ..sets.directory import FILES, PolicySetError
from ..sets.links import SAVED, absolute, advance_links, make_directory
from ..sets.policy_set import PolicySet
from ..sets.writing import remove_directory
from ..simulation.policy_reading import PolicyReading
from .held_policy import read_held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .securityfs import Interface

__all__ = ["read_consistent", "save"]

#: How often to read again before giving up.
ATTEMPTS = 20


class UnsteadyPolicyError(TomoyoError):
    """Policy changes faster than it can be read."""


def read_consistent(interface: Interface) -> PolicySet:
    """Everything that a kernel holds, at one moment.

    Raises UnsteadyPolicyError where policy changes faster than it can be read.
    """
    for attempt in range(ATTEMPTS):
        before = _updates(interface.read("stat"))
        held = read_held(interface)
        if _updates(held.stat) == before:
            return held
        time.sleep(0.01 * attempt)
    raise UnsteadyPolicyError(f"policy changed during each of {ATTEMPTS} readings; save it while nothing is learned")


def _updates(stat: str) -> str:
    return next((line for line in stat.split("\n") if line.startswith("Policy update:")), "")


def save(held: PolicySet, directory: str | os.PathLike[str] = SAVED, *, moment: float | None = None) -> str:
    """Save HELD below DIRECTORY, all of it or nothing, and give the path of the new folder.

    That is ``policy/TIME/``, TIME being MOMENT (seconds since 1970, by default
    now) in UTC as ``26-11-23.22:10:53``; ``policy/current`` leads to it and
    ``policy/previous`` to what ``current`` led to.  In place of the report
    ``stat`` its quotas are saved, which can be loaded again.

    Raises PolicySetError where others could have a hand in it.
    """
    os.close(make_directory(directory, 0o755))
    policy = os.path.join(absolute(directory), "policy")
    parent = make_directory(policy, 0o700)
    try:
        draft = f".saving.{os.getpid()}"
        remove_directory(parent, draft)
        os.mkdir(draft, 0o700, dir_fd=parent)
        try:
            _fill(parent, draft, held)
            name = _place(parent, draft, time.time() if moment is None else moment)
        except BaseException:
            remove_directory(parent, draft)
            raise
        advance_links(parent, f"{name}/")
    finally:
        os.close(parent)
    return os.path.join(policy, name)


def _fill(parent: int, name: str, held: PolicySet) -> None:
    settings = "".join(f"Memory used by {kind}: {quota}\n" for kind, quota in PolicyReading(held).quotas.items())
    texts = {kind: getattr(held, kind) for kind in ("domain_policy", "exception_policy", "profile", "manager")}
    directory = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        for kind, text in {**texts, "stat": settings}.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(FILES[kind], flags, 0o644, dir_fd=directory), "wb") as file:
                file.write(text.encode("latin-1"))
                file.flush()
                os.fsync(file.fileno())
        os.fsync(directory)
    finally:
        os.close(directory)


def _place(parent: int, draft: str, moment: float) -> str:
    """Give DRAFT the name of MOMENT, or of the next second at which nothing was saved."""
    for second in range(60):
        name = time.strftime("%y-%m-%d.%H:%M:%S", time.gmtime(moment + second))
        try:
            # A folder with something in it is never replaced.
            os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return name
    raise PolicySetError(name, "a policy was saved in each second of the last minute")

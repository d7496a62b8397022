"""Show what the kernel's TOMOYO is doing.

Domains and processes by mode, refusals, memory, bindings that nothing needs
any more; with a policy set also how the kernel differs from it.  Exit code 1 if
TOMOYO is not active, if that cannot be known, or if it differs from the set.

Example:

  tomoyo status
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, set_result, visible

if TYPE_CHECKING:
    from ...activation.status import Status
    from ...sets.policy_set import PolicySet

_ACTIVE = {True: "active", False: "not active", None: "cannot find out whether it is active"}
#: Lines of a list that are shown unless all are asked for.
SHOWN = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("set", nargs="?", metavar="DIR", help="the policy set that the kernel should hold")
    parser.add_argument("--all", action="store_true", help="show long lists as a whole")
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.status import read_status
    from ...kernel.securityfs import SecurityfsError

    wanted = _set(arguments.set) if arguments.set is not None else None
    try:
        status = read_status(securityfs(arguments), wanted)
    except SecurityfsError as error:
        return refused(error)
    if arguments.json:
        from ...report.plain import plain

        set_result(plain(status))
    else:
        sys.stdout.writelines(f"{visible(line)}\n" for line in lines(status, None if arguments.all else SHOWN))
    return 0 if status.active and not status.drift else 1


def _set(directory: str) -> PolicySet:
    from ...sets.directory import PolicySetError
    from ...sets.policy_set import read_policy_set

    try:
        return read_policy_set(directory)
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None


def lines(status: Status, most: int | None) -> Iterable[str]:
    """STATUS in lines; of a list at most MOST entries."""
    yield f"TOMOYO {status.version}: {_ACTIVE[status.active]}"
    yield from (f"  {reason}" for reason in status.inactive)
    yield from _table("domains", status.domains)
    yield from _table("processes", status.processes)
    for counter in status.counters:
        last = f" (last {counter.last} UTC)" if counter.last else ""
        yield f"policy {counter.name}: {counter.count}{last}"
    for memory in status.memory:
        quota = f" of {memory.quota}" if memory.quota else ""
        yield f"memory used by {memory.name}: {memory.used}{quota} bytes"
    yield from _list("domains that stopped learning (quota_exceeded)", status.quota_exceeded, most)
    yield from _list("domains with failed transitions", status.transition_failed, most)
    yield from _list("bindings that nothing needs any more", status.stale_bindings, most)
    if status.drift is not None:
        yield from _list("differences from the set", status.drift, most)
        if not status.drift:
            yield "the kernel holds what the set says"


def _table(what: str, counts: Mapping[str, int]) -> Iterable[str]:
    modes = ", ".join(f"{count} {mode}" for mode, count in counts.items())
    yield f"{what}: {sum(counts.values())}{f' ({modes})' if modes else ''}"


def _list(what: str, entries: tuple[str, ...], most: int | None) -> Iterable[str]:
    if not entries:
        return
    yield f"{what}: {len(entries)}"
    yield from (f"  {entry}" for entry in entries[:most])
    if most is not None and len(entries) > most:
        yield f"  ... and {len(entries) - most} more; --all shows them"

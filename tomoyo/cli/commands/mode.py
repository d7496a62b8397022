"""Show or set the mode of domains, or their profile.

A name without a namespace, such as /usr/sbin/sshd, means every domain that it
is the last program of; without any option all domains are shown.  --set picks
the profile of the domain's namespace that is in that mode throughout.  Each
change is read back.  A domain without entries is not enforced, which would
deny it everything, unless you say --force.

Example:

  tomoyo mode --name /usr/sbin/sshd --set permissive
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from ...sets.links import LOCKS
from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, message, mode_word, set_result, visible
from .select import add_selection, created_domains, selected, selectors

if TYPE_CHECKING:
    from ...kernel.modes import DomainMode, ProfileModes
    from ...kernel.securityfs import Securityfs
    from ...model.domains import DomainPolicy

SETTABLE = ("disabled", "learning", "permissive", "enforcing")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_selection(parser)
    change = parser.add_mutually_exclusive_group()
    change.add_argument(
        "--set", type=mode_word, choices=SETTABLE, metavar="MODE", help=f"put them into this mode: {', '.join(SETTABLE)}"
    )
    change.add_argument("--profile", type=int, metavar="N", help="put them into profile N")
    parser.add_argument("--force", action="store_true", help="enforce even where there are no entries")
    parser.add_argument("--locks", default=LOCKS, metavar="DIR", help=f"where the lock of activations is (default: {LOCKS})")
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.state import Lock
    from ...kernel.modes import ModeError, NotChanged

    changes = arguments.set is not None or arguments.profile is not None
    if changes and not selectors(arguments):
        raise UsageError("say which domains: --name, --prefix or --glob ('*' for all)")
    try:
        if not changes:
            return _run(arguments, changes)
        # An activation that went on meanwhile would take the change for a fault, or undo it.
        with Lock(arguments.locks):
            return _run(arguments, changes)
    except ModeError as error:
        raise UsageError(str(error)) from None
    except NotChanged as error:
        message("error", str(error), code="not-changed")
        return 3
    except BrokenPipeError:
        raise
    except OSError as error:
        return refused(error)


def _run(arguments: argparse.Namespace, changes: bool) -> int:
    from ...kernel.modes import keep_setting_profiles, read_heads, read_profiles

    kernel = securityfs(arguments)
    modes, heads = read_profiles(kernel), read_heads(kernel)
    if created_domains(arguments, heads, as_created=None) is None:
        return 2
    domains = selected(arguments, heads) if selectors(arguments) else list(heads)
    if not domains:
        message("note", "no domain is selected", code="no-domain")
        return 1
    if changes:
        try:
            keep_setting_profiles(kernel, lambda heads: _plan(arguments, kernel, modes, heads))
        except _LockedOut as error:
            for name in error.args:
                why = "has no entries, nor have the acl_groups that it uses, so it would be denied everything"
                message("error", f"{name} {why}; --force does it all the same", code="locked-out")
            return 1
        if not kernel.active:
            message(
                "warning",
                "TOMOYO is not active, or that cannot be known, so no mode has an effect; see 'tomoyo doctor'",
                code="inactive",
            )
        domains = selected(arguments, read_heads(kernel))
    _show(arguments, [modes.of(domain) for domain in domains])
    return 0


class _LockedOut(Exception):
    """Domains that would be denied everything; they are the arguments."""


def _plan(arguments: argparse.Namespace, kernel: Securityfs, modes: ProfileModes, heads: DomainPolicy) -> dict[str, int]:
    """Which domains have to change, and their profiles then.  Raises _LockedOut where that would lock some out."""
    from ...kernel.modes import locked_out, plan_mode, plan_profile
    from ...model.profiles import Mode

    domains = selected(arguments, heads)
    if arguments.set is not None:
        plan = plan_mode(modes, domains, Mode(arguments.set))
    else:
        plan = plan_profile(modes, domains, arguments.profile)
    empty = [] if arguments.force else locked_out(kernel, modes, plan)
    if empty:
        raise _LockedOut(*empty)
    return plan


def _show(arguments: argparse.Namespace, states: list[DomainMode]) -> None:
    if arguments.json:
        from ...report.plain import plain

        set_result(plain(states))
        return
    sys.stdout.writelines(f"{state.profile:>3} {state.mode:<10} {visible(state.domain)}\n" for state in states)

"""Bring the kernel to a policy set: planned, written, read back, and undone where the kernel does not take it.

Says nothing where nothing had to change.  Domains that enforce before and
afterwards do so all the time, and what is permitted before and afterwards is
permitted all the time.  Killed at any point, the next call finishes the job.
Old bindings stay while a process needs them; the next call, or 'tomoyo gc',
deletes them.

Exit code 3 if TOMOYO is not active, since nothing is confined then.  What runs
before that, such as a boot loader, says --inactive.

Example:

  tomoyo compile -o set
  tomoyo activate --dry-run set
"""

from __future__ import annotations

import gc
import sys

from ...sets.links import LOCKS, STATE
from ..messages import message, visible

# The parser of arguments, and what the commands share, take longer to load than most activations take.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any

    from ...activation.outcome import Outcome
    from ...activation.plan import Plan


#: The options that a system's start gives.
_PLAIN = {"--keep-learned", "--inactive"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", metavar="DIR", help="the set: what 'tomoyo compile' or 'tomoyo save' wrote")
    parser.add_argument("--keep-learned", action="store_true", help="keep what domains learned that go on learning")
    parser.add_argument("--inactive", action="store_true", help="load the set even if TOMOYO is not active yet, as during boot")
    add_activation(parser)


def add_activation(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take what activate and gc have in common."""
    parser.add_argument("-n", "--dry-run", action="store_true", help="print the plan, and write nothing")
    parser.add_argument("--now", action="store_true", help="delete old bindings at once, in use or not")
    parser.add_argument("-v", "--verbose", action="store_true", help="say what was done")
    kernel = "for the running kernel"
    parser.add_argument("--state", metavar="DIR", help=f"where the set is recorded ({kernel} by default {STATE})")
    parser.add_argument("--locks", metavar="DIR", help=f"where the lock is ({kernel} by default {LOCKS})")
    from ..kernel_options import add_interface

    add_interface(parser)


def run_plainly(arguments: list[str]) -> int | None:
    """Run the command as a system's start calls it, with a directory and `_PLAIN` options; None for any other ARGUMENTS."""
    directories = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    if len(directories) != 1 or not directories[0] or not set(options) <= _PLAIN:
        return None
    gc.disable()
    try:
        from ...activation.activation import activate

        outcome = activate(directories[0], keep_learned="--keep-learned" in options, inactive="--inactive" in options)
    except (Exception, KeyboardInterrupt) as error:
        return _failed(error)
    if outcome:
        message("note", str(outcome), code="activation")
    return 0


def _failed(error: BaseException) -> int:
    from ..options import carried_out

    def fail() -> Outcome:
        raise error

    return carried_out("activate", lambda: _concluded(fail, print))


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.activation import activate
    from ..kernel_options import securityfs

    return carry_out(
        arguments,
        lambda options: activate(
            arguments.directory,
            securityfs(arguments),
            keep_learned=arguments.keep_learned,
            inactive=arguments.inactive,
            **options,
        ),
    )


def carry_out(arguments: argparse.Namespace, change: Callable[[dict[str, Any]], Outcome]) -> int:
    """Let CHANGE, given the options of `add_activation`, do its work; tell what it did."""
    options = {
        "keep_used": not arguments.now,
        "dry_run": arguments.dry_run,
        "state": arguments.state,
        "locks": arguments.locks,
    }
    return _concluded(lambda: change(options), lambda outcome: tell(arguments, outcome))


def _concluded(change: Callable[[], Outcome], told: Callable[[Outcome], None]) -> int:
    from ...activation.outcome import ActivationError, InactiveError
    from ...activation.state import UnknownStateError
    from ...sets.directory import PolicySetError
    from ..kernel_options import refused
    from ..options import UsageError

    try:
        outcome = change()
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None
    except UnknownStateError as error:
        raise UsageError(f"{error} (--state and --locks)") from None
    except ActivationError as error:
        inactive = isinstance(error, InactiveError)
        advice = "'tomoyo doctor' finds out why; --inactive loads the set before TOMOYO is active" if inactive else ""
        message("error", str(error), advice, code="inactive" if inactive else "activation")
        return 3
    except OSError as error:
        return refused(error)
    told(outcome)
    return 0


def print_plan(plan: Plan) -> None:
    """Print PLAN; what it would delete or write may have any bytes, which are nothing for a terminal."""
    sys.stdout.writelines(f"{visible(line)}\n" for line in plan.text().split("\n")[:-1])


def tell(arguments: argparse.Namespace, outcome: Outcome) -> None:
    """Print what was done, or would be."""
    if arguments.json:
        from ..options import set_result

        plan = [] if outcome.plan is None else outcome.plan.text().splitlines()
        stays = {"kept": list(outcome.kept), "left": list(outcome.left)}
        set_result({"changes": outcome.changes, "plan": plan, **stays, "forgotten": outcome.forgotten})
    elif arguments.dry_run and outcome.plan:
        print_plan(outcome.plan)
    elif arguments.verbose or (outcome and not arguments.dry_run):
        message("note", str(outcome), code="activation")

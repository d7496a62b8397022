"""Print the writes that lead from one policy to another, in a safe order.

With one set: from what the kernel holds, as 'tomoyo activate --dry-run' does.
With two: from the first to the second, without any kernel.  Exit code 1 if
there is anything to write.
"""

from __future__ import annotations

import argparse

from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, set_result
from .activate import print_plan


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directories", nargs="+", metavar="DIR", help="the set that is wanted, or the one held before it")
    parser.add_argument("--keep-learned", action="store_true", help="keep what domains learned that go on learning")
    add_interface(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...activation.activation import activate, refuse_damaged, refuse_unbootable
    from ...activation.outcome import ActivationError
    from ...activation.plan import Plan
    from ...activation.planner import plan, read_wanted
    from ...sets.directory import PolicySetError, read_set_texts
    from ...sets.policy_set import read_policy_set
    from ...syntax.lines import PolicySyntaxError

    if len(arguments.directories) > 2:
        raise UsageError("give one set, or two")
    learned = arguments.keep_learned
    try:
        if len(arguments.directories) == 2:
            held, wanted = read_policy_set(arguments.directories[0]), read_set_texts(arguments.directories[1])
            refuse_damaged(wanted)
            reading = read_wanted(wanted)
            reading.parse(list(reading.blocks))
            refuse_unbootable(reading)
            found = plan(held.as_held(), wanted, keep_learned=learned)
        else:
            outcome = activate(arguments.directories[0], securityfs(arguments), keep_learned=learned, dry_run=True)
            found = outcome.plan or Plan()
    except PolicySyntaxError:
        raise
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None
    except (ActivationError, ValueError) as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        return refused(error)
    if arguments.json:
        set_result({"changes": found.count, "plan": found.text().splitlines()})
    else:
        print_plan(found)
    return 1 if found else 0

"""Turn audit records into policy, with all that is known of them as conditions.

Each request becomes two lines, its domain and an entry that grants just what
happened.  With --executions only executions are taken, with what was executed
as conditions: the arguments and the environment.  With --keep all conditions
but those of these names are left out: '--keep task.uid --keep exec.realpath'.

Example:

  tomoyo convert audit.log
"""

from __future__ import annotations

import argparse
import gc
import sys

from ..logs import LogReader
from ..messages import write_result
from ..options import UsageError, add_json_lines


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="audit logs; - or none: standard input")
    add_json_lines(parser)
    parser.add_argument("--executions", action="store_true", help="executions alone, with their arguments and environment")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="CONDITION",
        help="keep the conditions of this name, such as task.uid, or whose names begin with it, such as exec, and leave out all "
        "that no --keep names",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...analysis.conversion import check_kept, converted, execution_conditions, request_conditions

    gc.enable()  # a log may be long
    try:
        check_kept(arguments.keep)
    except ValueError as error:
        raise UsageError(f"--keep: {error}") from None
    conditions = execution_conditions if arguments.executions else request_conditions
    log = LogReader()
    for text in log.texts(arguments.files):
        line = converted(text, conditions, arguments.keep)
        if line is not None:
            log.progress.clear()
            if arguments.json:
                write_result({"domain": text.domain, "entry": line})
            else:
                # As tomoyo-tools do: a blank line behind an execution, none behind other requests.
                sys.stdout.write(f"{text.domain}\n{line}\n" + "\n" * arguments.executions)
    log.tell_broken()
    return 0

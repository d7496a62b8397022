"""Run a command when something is denied.

The command is run as it stands behind '--', without a shell, and reads the
audit records of the denials on its standard input; TOMOYO_DENIALS says how
many there are.  The first denial is told of at once; those that come less than
--interval seconds later, together when that time is over.

  tomoyo notify -- mail -s 'denied by TOMOYO' root

Records come from the kernel's audit log, which only one program can read.  Where
'tomoyo audit' does that already, follow its log, also when it begins a new one:

  tomoyo notify --follow /var/log/tomoyo/audit.log -- COMMAND

With --source - they come from standard input.

With --source query they come from requests as they wait for an answer: --hold is
how long they do, so that someone has the time to start 'tomoyo query', before they
are denied.

Unless --mode, --granted or both say otherwise only what enforcing mode denied
is told of: --mode enforcing --granted no.  A run is given 100 records at most, and how
many more there were in a last line, 'and N more'.  That the command fails is
said on standard error, each ten minutes at most.

Example:

  tomoyo notify -- mail -s 'denied by TOMOYO' root
"""

from __future__ import annotations

import argparse
import gc
import shutil
import sys

from ...model.words import quoted
from ..kernel_options import refused
from ..logs import check_log, skipped
from ..messages import write_result
from ..options import UsageError, add_json_lines, message
from .audit import add_filter, filter_of
from .query import seconds


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="the program to run, and its arguments")
    parser.add_argument(
        "--source", choices=("audit", "query", "-"), default="audit", help="where denials are learned of (default: audit)"
    )
    parser.add_argument("--follow", metavar="LOG", help="learn of them from what is added to the log of 'tomoyo audit'")
    parser.add_argument(
        "--hold", type=seconds, metavar="SECONDS", help="with --source query: let requests wait this long (default: not at all)"
    )
    parser.add_argument(
        "--interval", type=seconds, default=60.0, metavar="SECONDS", help="least time between two runs (default: 60)"
    )
    parser.add_argument("--limit", type=seconds, default=60.0, metavar="SECONDS", help="end a run after this time (default: 60)")
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")
    add_filter(parser)
    add_json_lines(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...audit.kernel_log import AuditLog
    from ...audit.notification import Command, Notifier, notify_of_audit, notify_of_log, notify_of_queries, notify_of_stream
    from ...kernel.securityfs import FOLDER
    from ...kernel.signals import SignalPipe
    from ...query.kernel_file import QueryFile

    gc.enable()  # it may run for months
    if arguments.hold is not None and arguments.source != "query":
        raise UsageError("--hold goes with --source query: what the audit log tells of is over")
    if arguments.follow is not None and arguments.source != "audit":
        raise UsageError("say either --follow LOG or --source")
    arguments.granted = arguments.granted or "no"
    arguments.mode = arguments.mode or ["enforcing"]
    chooses = filter_of(arguments)
    assert chooses is not None
    if shutil.which(arguments.command[0]) is None:
        raise UsageError(f"there is no program {quoted(arguments.command[0])} that could be run")
    command = Command(arguments.command, arguments.limit, stdout=2 if arguments.json else None)
    notifier = Notifier(command, arguments.interval, lambda found: not found.event and chooses(found), warn)
    folder = arguments.interface or FOLDER
    try:
        with SignalPipe() as signals:
            if arguments.follow is not None:
                notify_of_log(arguments.follow, notifier, signals)
            elif arguments.source == "-":
                notify_of_stream(sys.stdin.fileno(), notifier, signals)
            elif arguments.source == "query":
                with QueryFile(folder, patience=arguments.hold or 0.0) as file:
                    notify_of_queries(file, notifier, signals)
            else:
                with AuditLog(folder) as log:
                    notify_of_audit(log, notifier, signals)
            notifier.finish()
    except OSError as error:
        return refused(error, folder)
    if arguments.source == "-":
        check_log("<stdin>", notifier.read - notifier.broken, notifier.broken)
    if notifier.broken:
        warn(skipped(notifier.broken))
    if arguments.json:
        write_result({"read": notifier.read, "broken": notifier.broken})
    return 0


def warn(text: str) -> None:
    """Write a warning."""
    message("warning", text, code="notification")

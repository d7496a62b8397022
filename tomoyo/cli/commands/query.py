"""Answer what enforced domains ask for, while it waits.

As long as this runs, a request that the policy denies waits for your word.
Each is shown with its number, what in the policy comes nearest to granting it,
and why that does not.  Answer with a letter, or a letter and a number:

  y  yes: let it happen this once         a  always: add an entry to the policy
  n  no: deny it this once                e  edit: add an entry that you write
  r  retry: look at the policy again      v  never: deny all like it from now on
  l  list what waits                      q  quit: deny all, and end

'n all' and the like answer everything that waits.  Rules in a file
(--rules) answer without asking; 'never' adds to it.  Whenever this ends,
however it ends, what waits is denied.

With --json each line that is written is an object, for a program that shows
requests in its own way; it answers as one would type.

Example:

  tomoyo query --rules rules.conf
"""

from __future__ import annotations

import argparse
import gc
import os
from contextlib import suppress

from ...model.words import quoted
from ..options import add_json_lines, message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...query.rules import QueryRule


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--rules", metavar="FILE", help="rules that answer without asking; see the documentation")
    parser.add_argument("--no-ask", action="store_true", help="answer by rules alone, and deny the rest")
    parser.add_argument("--wait", type=seconds, default=300.0, metavar="SECONDS", help="deny after this time (default: 300)")
    add_json_lines(parser)
    parser.add_argument("--interface", metavar="DIR", help="the kernel's interface files, if not at the usual place")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    import signal

    from ...kernel.securityfs import FOLDER, Securityfs
    from ...kernel.signals import ENDING, SignalPipe
    from ...query.explanation import QueryExplainer, QueryPolicy
    from ...query.kernel_file import QueryFile
    from ...query.rules_file import read_rules
    from ...query.session import QuerySession
    from ..kernel_options import refused
    from ..query_terminal import Dialogue, JsonDialogue

    gc.enable()  # it may run for months
    folder = arguments.interface or FOLDER
    rules = read_rules(arguments.rules) if arguments.rules is not None else ()
    try:
        # Before anything waits, or this would be what waits.  A daemon is confined, and asks for nothing that it may not do.
        with suppress(OSError):
            if not arguments.no_ask and own_requests_wait(folder):
                message(
                    "warning",
                    "this program's own domain is enforced: what it is denied will wait for nobody's answer",
                    code="own-domain",
                )
        with SignalPipe((*ENDING, signal.SIGHUP)) as signals, QueryFile(folder, patience=arguments.wait) as file:
            session = QuerySession(
                file,
                rules,
                asks=not arguments.no_ask,
                keep=lambda rule: keep(arguments.rules, rule),
                explainer=None if arguments.no_ask else QueryExplainer.of(QueryPolicy(Securityfs(folder))),
            )
            return (JsonDialogue if arguments.json else Dialogue)(session).run(signals.fileno())
    except BrokenPipeError:
        raise
    except OSError as error:
        return refused(error, folder)


def own_requests_wait(folder: str) -> bool:
    """Whether this process is itself in a domain where something is enforced."""
    from ...kernel.modes import read_profiles
    from ...kernel.securityfs import Securityfs

    interface = Securityfs(folder)
    profile, domain = interface.process_status([os.getpid()]).get(os.getpid(), (0, "<kernel>"))
    return read_profiles(interface).denies(domain.partition(" ")[0], profile)


def keep(path: str | None, rule: QueryRule) -> None:
    """Put RULE into the file PATH, if there is one."""
    from ...query.rules_file import prepend_rule

    if path is None:
        return
    try:
        prepend_rule(path, rule)
    except OSError as error:
        message("warning", f"{path}: {error.strerror}; the rule holds until this command ends", code="system")


def seconds(argument: str) -> float:
    """A time in seconds."""
    try:
        found = float(argument)
    except ValueError:
        found = -1.0
    if not 0 < found < 1e9:
        raise argparse.ArgumentTypeError(f"no time: {quoted(argument)} (expected seconds, such as 60)")
    return found

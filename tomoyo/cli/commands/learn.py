"""Learn what a program needs: let it run in learning mode, and print the policy.

  tomoyo learn -- nginx -t
  tomoyo learn --domain '<kernel> /usr/sbin/nginx' --for 60

The first runs a program and learns until it ends; the second learns for a
time what a domain does that already runs, or, with a program behind '--', until
that ends.  The domain, those below it and those they create may do anything
meanwhile.  Then, and also if this is interrupted or killed, modes and entries
are what they were before.  Exit code 3, with their names, if domains are still
in learning mode.

With --closure the policy names packages, as 'tomoyo name' does.  Standard
output is the policy's: what the program writes there goes to standard error,
unless the policy goes to a file, with -o.

Example:

  tomoyo learn -o learned.conf -- nginx -t
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

from ...model.words import quoted
from ...sets.trusted_files import check_output
from ..closure_options import add_closure, read_closure
from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, message, set_result, write_file
from ..policy_files import PolicyFile
from ..policy_source import may_be_asked
from .name import add_set, named_policies, read_modules, tell_named
from .query import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...kernel.securityfs import Interface
    from ...kernel.signals import SignalPipe
    from ...model.domains import DomainPolicy

#: Seconds that a program has to end when it is asked to.
_GRACE = 5.0
_INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("program", nargs="*", metavar="PROGRAM", help="the program to run, and its arguments")
    parser.add_argument("--domain", metavar="DOMAIN", help="the domain to learn for (default: the one that PROGRAM will be in)")
    parser.add_argument("-o", "--output", metavar="FILE", help="write the policy to FILE")
    parser.add_argument("--for", dest="time", type=seconds, metavar="SECONDS", help="learn this long, or less if PROGRAM ends")
    add_interface(parser)
    add_set(parser)
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...decision.engine import UnknownDomain
    from ...kernel.learning import LearningSession, domain_of, guarded, profile_of
    from ...kernel.modes import ModeError, NotChanged
    from ...kernel.signals import ENDING, SignalPipe
    from ...model.words import domain_fault

    if not arguments.program and not (arguments.domain and arguments.time):
        raise UsageError("say what to run, or --domain and how long: --for SECONDS")
    if arguments.domain and domain_fault(arguments.domain):
        raise UsageError(f"no domain name: {quoted(arguments.domain)} (expected one such as '<kernel> /usr/sbin/nginx')")
    gc.enable()
    command = _command(arguments.program)
    if arguments.output:
        check_output(arguments.output)
    if arguments.closure or arguments.closure_file:
        read_closure(arguments)  # what is wrong with it is better told before
        read_modules(arguments)
    interface = securityfs(arguments)
    try:
        with SignalPipe((*ENDING, signal.SIGHUP, signal.SIGCHLD)) as signals:
            if arguments.domain and not _is_there(interface, arguments.domain, command):
                return 2
            name = arguments.domain or domain_of(interface, command[0], command)
            session = LearningSession(interface, name, profile_of(interface, name))
            with guarded(session):
                try:
                    session.begin()
                    message("note", f"learning for {name}", code="learning")
                    interrupted = _work(arguments, command, signals)
                    exceeded = session.exceeded()
                finally:
                    learned = session.end()
    except UnknownDomain as error:
        raise UsageError(f"there is no domain to learn for: {error}") from None
    except (ModeError, NotChanged) as error:
        message("error", str(error), code="not-changed")
        return 3
    except OSError as error:
        return refused(error)
    if interrupted:
        message("note", "interrupted: everything is as it was before", code="learning")
        return _INTERRUPTED
    for domain in exceeded:
        message("warning", f"{domain}: the kernel stopped learning; raise max_learning_entry and learn again", code="learning")
    return _show(arguments, learned)


def _is_there(interface: Interface, name: str, command: list[str]) -> bool:
    """Whether the domain NAME can be learned for: the kernel has it, or the program of COMMAND may enter it."""
    from ...analysis.undefined import undefined_domain
    from ...decision.engine import DecisionEngine
    from ...kernel.learning import held_domains

    engine = DecisionEngine(held_domains(interface))
    if not command:
        return may_be_asked(engine, name, as_created=None)
    found = undefined_domain(engine, name)
    if found is not None:
        message("warning", found.problem, found.meant, code="undefined-domain")
    return True


def _command(program: list[str]) -> list[str]:
    """PROGRAM with the path of what is to be executed."""
    if not program:
        return []
    found = shutil.which(program[0])
    if found is None:
        raise UsageError(f"there is no program {quoted(program[0])}")
    return [os.path.abspath(found), *program[1:]]


def _work(arguments: argparse.Namespace, command: Sequence[str], signals: SignalPipe) -> bool:
    """Run COMMAND, if there is one, and wait for its end or as long as is to be learned; gives whether a signal came first."""
    import select
    from time import monotonic

    deadline = None if arguments.time is None else monotonic() + arguments.time
    process = None
    if command:
        # Standard error by its number: a caller in this process may have put something else in its place.
        process = subprocess.Popen(
            arguments.program, executable=command[0], stdout=None if arguments.output and not arguments.json else 2
        )
    try:
        while process is None or process.poll() is None:
            left = None if deadline is None else deadline - monotonic()
            if left is not None and left <= 0:
                return False
            select.select([signals.fileno()], [], [], left)
            if signals.take() - {signal.SIGCHLD}:
                return True
        if process.returncode:
            message("note", f"the program ended with status {process.returncode}", code="learning")
        return False
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _show(arguments: argparse.Namespace, learned: DomainPolicy) -> int:
    from ...syntax.formatting import format_domain_policy

    text = format_domain_policy(learned)
    if arguments.closure or arguments.closure_file:
        from ...nix.names.source_text import format_source_domains

        named = named_policies(arguments, learned)
        tell_named(named, [PolicyFile("learned", "domain", text.encode())])
        text = format_source_domains(named.domains, read_modules(arguments))
    if arguments.json:
        set_result({"domain_policy": text})
    if arguments.output:
        write_file(arguments.output, text)
    elif not arguments.json:
        sys.stdout.write(text)
    return 0

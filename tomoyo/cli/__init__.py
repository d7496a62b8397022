"""The ``tomoyo`` command: arguments in, exit code out; what it does is elsewhere.

Each command is a module with ``configure(parser)`` and ``run(arguments)``; only
the one that is called is loaded.  Exit codes: 0 fine, 1 the answer is no, 2
unusable input or arguments, 3 the kernel or the system refused.

It may import: every other room.  Start with ``options``, which calls a
command; the commands are in ``commands``.
"""

from __future__ import annotations

import sys

from .messages import collecting, message
from .streams import fill_streams, output_error, settle_messages, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Commands, with what they are for.
COMMANDS = {
    "activate": "bring the kernel to a policy set, verified and without a gap",
    "audit": "record what a kernel logs, or what log files hold",
    "bind": "tie the names of a policy to one system's store paths",
    "boot": "check whether a kernel would boot with a policy set",
    "can": "tell who may do what, and how a process gets there",
    "check": "find every error in policy files, and every line that a kernel would drop or alter",
    "compile": "make a named policy into the checked set of files that a kernel takes, for one closure",
    "completion": "print the completion of a shell for this command",
    "convert": "make audit records into policy, with all that is known of them as conditions",
    "demo": "show on a sample system what policy by package name does",
    "doctor": "tell every reason why TOMOYO does not work here, and what to do",
    "explain": "tell what a policy answers to a request, and why",
    "fmt": "print policy files as the kernel would print them",
    "gc": "delete old bindings that no process needs, and domains that nobody is in",
    "learn": "let a program run in learning mode, and print what it needs",
    "lint": "find what in a policy is most likely not meant: too broad, never matching, unreachable and more",
    "man": "print the manual page",
    "mode": "show or set the mode of domains",
    "name": "turn what a kernel learned into a policy of names, or a Nix expression",
    "notify": "run a command when something is denied",
    "plan": "print the writes that lead from one policy to another, in a safe order",
    "ps": "show the processes with their domains and modes",
    "query": "answer what enforced domains ask for, while it waits",
    "replay": "put audit logs to a policy: what would it answer otherwise?",
    "save": "save what the kernel holds, all at one moment",
    "select": "print some of the domains of a domain policy",
    "stat": "count what is in policy files, or show a kernel's statistics",
    "status": "show what the kernel's TOMOYO is doing",
    "suggest": "suggest the entries that a policy lacks, from audit records or what a kernel learned",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ARGV (default: the program's arguments) names; give its exit code."""
    try:
        fill_streams()
        status = _run(list(sys.argv[1:] if argv is None else argv))
        settle_messages()
        return status
    except KeyboardInterrupt:  # before or after what a command does about it, say while a module is loaded
        return 130


def daemon() -> int:
    """Run the command that the program's own name has behind ``tomoyo-``.

    Such a program is one command and no other, so that policy can confine it:
    to the kernel it is a domain of its own, which need not be a manager.
    """
    return main([sys.argv[0].rpartition("-")[2], *sys.argv[1:]])


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name == "activate":
        from .commands.activate import run_plainly

        status = run_plainly(arguments[1:])
        if status is not None:
            return status
    if name not in COMMANDS:
        return _guided(arguments)
    from importlib import import_module

    from .options import call

    return call(import_module(f".commands.{name}", __name__), name, COMMANDS[name], arguments[1:])


def _guided(arguments: list[str]) -> int:
    """Do what ARGUMENTS without a command say; what standard output does not take is told as ``carried_out`` does."""
    words = [argument for argument in arguments if argument != "--json"]
    if words != arguments:
        from . import messages
        from .options import carried_out

        messages.collect("json")
        return carried_out(
            "tomoyo",
            lambda: _help(words, lambda result: messages.set_result({name: text.rstrip() for name, text in result.items()})),
        )
    try:
        status = _help(arguments, lambda result: sys.stdout.writelines(result.values()))
        error = output_error()
    except OSError as failure:
        error = failure
        silence(sys.stdout)
    if error is None:
        return status
    if isinstance(error, BrokenPipeError):
        return 2
    from .options import system_error

    error.filename = "standard output"
    return system_error("tomoyo", error)


def _help(arguments: list[str], show: Callable[[dict[str, str]], None]) -> int:
    if arguments == ["--version"]:
        from .. import __version__

        show({"version": f"tomoyo {__version__}\n"})
        return 0
    commands = "".join(f"  {name:<10} {purpose}\n" for name, purpose in COMMANDS.items())
    text = (
        "usage: tomoyo COMMAND [OPTION]... [FILE]...\n\n"
        "Work with TOMOYO Linux policy.\n\n"
        f"commands:\n{commands}\n"
        "'tomoyo COMMAND --help' tells more.  A file '-' is standard input.\n"
        "exit codes: 0 fine, 1 the answer is no, 2 unusable input, 3 the kernel or the system refused\n"
    )
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        show({"help": text})
        if not arguments and collecting():
            message("error", "no command is given", "'tomoyo --help' lists the commands", code="usage")
        return 0 if arguments else 2
    from ..model.diagnostics import did_you_mean

    advice = did_you_mean(arguments[0], COMMANDS) or "'tomoyo --help' lists the commands"
    message("error", f"there is no command '{arguments[0]}'", advice, code="usage")
    return 2

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

#: Commands in groups, each command with what it is for.
GROUPS = {
    "write": {
        "check": "find errors, and lines that a kernel would drop or change",
        "fmt": "print policy files as the kernel would print them",
        "lint": "find likely mistakes: entries that are too broad, never match or are unreachable",
        "compile": "make a policy source into a policy set for one closure",
        "bind": "print the bindings of a policy's names for one closure",
    },
    "learn": {
        "learn": "run a program in learning mode, and print the policy that it needs",
        "suggest": "suggest missing entries, from audit records or a learned policy",
        "name": "replace store paths in a learned policy by names",
        "convert": "convert audit records to policy, with all conditions",
    },
    "ask": {
        "explain": "explain what a policy answers to a request, and why",
        "can": "list the domains that may do something, and how a process gets there",
        "replay": "compare a policy's answers with audit logs",
    },
    "operate": {
        "plan": "print the writes that lead from one policy to another",
        "activate": "bring the kernel to a policy set, without a gap",
        "mode": "show or set the mode of domains",
        "boot": "check whether a kernel would boot with a policy set",
        "gc": "delete bindings and domains that nothing uses any more",
        "save": "save the kernel's policy to files",
    },
    "watch": {
        "audit": "record audit logs, or print records from log files",
        "notify": "run a command when something is denied",
        "query": "answer requests of enforcing domains while they wait",
    },
    "inspect": {
        "status": "show the state of the kernel's TOMOYO",
        "doctor": "find out why TOMOYO does not work here",
        "ps": "show processes with their domains and modes",
        "stat": "count what is in policy files, or show a kernel's statistics",
        "select": "print some domains of a policy",
    },
    "this command": {
        "demo": "try policy by package name on a sample system",
        "man": "print manual pages",
        "completion": "print the completion script of a shell",
    },
}
#: Commands, with what each is for.
COMMANDS = {name: purpose for group in GROUPS.values() for name, purpose in group.items()}


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
    if len(arguments) > 1 and arguments[0] == "help" and arguments[1][:1] != "-":
        arguments = [arguments[1], *(["--help", *arguments[2:]] if arguments[1] in COMMANDS else [])]
    name = arguments[0] if arguments else ""
    if name == "--complete":
        from .policy_words import complete

        return complete(arguments[1:])
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
    status = 0
    try:
        status = _help(arguments, lambda result: sys.stdout.writelines(result.values()))
        error = output_error()
    except OSError as failure:
        error = failure
        silence(sys.stdout)
    if error is None or isinstance(error, BrokenPipeError):  # who read it has seen enough
        return status
    from .options import system_error

    error.filename = "standard output"
    return system_error("tomoyo", error)


def _help(arguments: list[str], show: Callable[[dict[str, str]], None]) -> int:
    if arguments in (["--version"], ["-V"]):
        from .. import __version__

        show({"version": f"tomoyo {__version__}\n"})
        return 0
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        show({"help": _overview()})
        if not arguments and collecting():
            message("error", "no command is given", "'tomoyo --help' lists the commands", code="usage")
        return 0 if arguments else 2
    from ..model.diagnostics import did_you_mean

    advice = did_you_mean(arguments[0], (*COMMANDS, "help")) or "'tomoyo --help' lists the commands"
    message("error", f"there is no command '{arguments[0]}'", advice, code="usage")
    return 2


def _overview() -> str:
    """The commands in their groups, each in one line."""
    groups = "".join(
        f"{group}:\n" + "".join(f"  {name:<10} {purpose}\n" for name, purpose in found.items()) + "\n"
        for group, found in GROUPS.items()
    )
    return (
        "usage: tomoyo COMMAND [OPTION]... [FILE]...\n\n"
        "Work with TOMOYO Linux policy.  New here? Run 'tomoyo demo'.\n\n"
        f"{groups}"
        "Run 'tomoyo help COMMAND' for its options and an example.  A file '-' is standard input.\n"
        "exit codes: 0 fine, 1 the answer is no, 2 unusable input, 3 the kernel or the system refused\n"
    )

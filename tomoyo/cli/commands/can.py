"""Tell who may do what.

  tomoyo can --op write --path /etc/shadow
  tomoyo can --op connect --address 10.0.0.0-10.255.255.255 --port 22
  tomoyo can --op mkblock --major 8
  tomoyo can network inet stream bind 0.0.0.0 80

Shows each domain that may, the entries that let it, and the shortest chain of
executions by which a process gets there.  An argument that is not given may be
anything; a number or an address may be a range, of which any will do.  An
entry with a condition counts, and is shown with it; a domain that is not
enforced may do anything.  A host is asked about by its IPv4 address and by the
IPv6 address for it, ::ffff:A.B.C.D, whichever is given.  Exit code 1 if nobody
may; 2 if the kernel never asks for that, or the policy has no such domain.

Example:

  tomoyo can --policy policy --op append --path /var/lib/notes/notes
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..closure_options import add_closure
from ..kernel_options import refused
from ..messages import message
from ..options import UsageError, set_result, visible
from ..policy_source import add_as_created, add_policy, may_be_asked, read_engine, with_modules
from ..streams import ReaderMayGo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from ...analysis.question import Question
    from ...analysis.reachability import Access, Step
    from ...decision.engine import DecisionEngine

#: Options for the arguments of operations, by the names of the Kind table.
_ARGUMENTS = {
    "path": (
        "NAME",
        "a path, either of two, a unix socket, or a variable, as the kernel writes it; of a directory with / at its end",
    ),
    "path1": ("NAME", "the first of two paths"),
    "path2": ("NAME", "the second of two paths"),
    "number": ("NUMBER", "permissions of create, chmod and the like, owner of chown, group of chgrp, command of ioctl"),
    "mode": ("NUMBER", "permissions of mkblock and mkchar"),
    "major": ("NUMBER", "major number of mkblock and mkchar"),
    "minor": ("NUMBER", "minor number of mkblock and mkchar"),
    "device": ("NAME", "what is mounted"),
    "directory": ("NAME", "where it is mounted"),
    "filesystem": ("TYPE", "as what it is mounted"),
    "flags": ("NUMBER", "flags of a mount"),
    "address": ("ADDRESS", "an IP address, a range, or the name of a unix socket: a path, \\000NAME, or anonymous"),
    "port": ("NUMBER", "a port, or the protocol number of a raw socket"),
    "name": ("VARIABLE", "an environment variable"),
    "domain": ("DOMAIN", "where a manual transition leads"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("request", nargs="*", metavar="WORD", help="what is asked about as one entry, instead of --op")
    parser.add_argument(
        "--op",
        metavar="OPERATION",
        help="such as write, read/write, connect, env, 'network inet stream bind'; open for all ways to open a file",
    )
    for name, (metavar, purpose) in _ARGUMENTS.items():
        parser.add_argument(f"--{name}", metavar=metavar, help=purpose)
    add_as_created(parser)
    parser.add_argument("--enforced", action="store_true", help="leave out those that may only for want of enforcing mode")
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...analysis.reachability import unbound, who_may
    from ...kernel.securityfs import SecurityfsError

    _question(arguments, names=_words(arguments))  # what nobody can ask needs no policy
    try:
        engine = read_engine(arguments)
    except SecurityfsError as error:
        return refused(error)
    question = _question(arguments, names=engine.names)
    _tell_of_special_files(arguments, question)
    if not all(may_be_asked(engine, name, as_created=arguments.as_created) for name in question.domains):
        return 2
    reason = unbound(engine, question)
    if reason:
        raise UsageError(reason)
    found = list(who_may(engine, question))
    if arguments.enforced:
        found = [access for access in found if access.entries]
    if arguments.json:
        set_result([_plain(access, question) for access in found])
    else:
        for access in found:
            _show(access, question, engine)
    return 0 if found else 1


def _question(arguments: argparse.Namespace, *, names: Collection[str]) -> Question:
    from ...analysis.question import parse_question, question_of
    from ...decision.requests import parse_request

    given = {name: getattr(arguments, name) for name in _ARGUMENTS if getattr(arguments, name) is not None}
    if bool(arguments.op) is bool(arguments.request) or (given and not arguments.op):
        raise UsageError("say what: --op OPERATION and its arguments, or an entry")
    try:
        if arguments.request:
            request = parse_request(" ".join(arguments.request))
            if request.given:
                raise UsageError(
                    f"give no attributes: an entry counts whatever its condition says, such as {next(iter(request.given))}"
                )
            question = question_of(request, names=names)
        else:
            question = parse_question(arguments.op, given, names=names)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if not question.cases:
        raise UsageError("; ".join(question.never))
    return question


def _words(arguments: argparse.Namespace) -> set[str]:
    """All words of the question."""
    return {*arguments.request, *(getattr(arguments, name) or "" for name in _ARGUMENTS)}


def _tell_of_special_files(arguments: argparse.Namespace, question: Question) -> None:
    """Say by which names the kernel asks for files in special filesystems that were called otherwise."""
    given = _words(arguments)
    asked = {value for case in question.cases if case.kind.keyword == "file" for _, value in case.wanted}
    for name in sorted(str(value) for value in asked - given if isinstance(value, str)):
        message("note", f"the kernel calls this file {name}: who may ask for it by that name is shown", code="file-name")


def _show(access: Access, question: Question, engine: DecisionEngine) -> None:
    mode = "" if access.mode is None else f"  ({access.mode.value})"
    lines = [f"{access.domain}{mode}"]
    for group, entry in access.entries:
        socket = f"  (from an {_other_socket(question)} socket)" if entry in access.other_sockets else ""
        lines.append(f"    {'' if group is None else f'acl_group {group} '}{entry}{socket}")
    if not access.entries:
        lines.append("    not enforced")
    if access.chain is None:
        lines.append("    no execution leads there")
    else:
        lines.append(f"    by {' -> '.join(map(_step, access.chain))}")
    with ReaderMayGo():
        sys.stdout.writelines(f"{visible(with_modules(line, engine))}\n" for line in lines)


def _other_socket(question: Question) -> str:
    """Which sockets reach the host that QUESTION asks about by an address of the other family."""
    from ...model.addresses import AddressRange

    asked = (value for case in question.cases for _, value in case.wanted if isinstance(value, AddressRange))
    return "IPv4" if any(address.is_ipv6 for address in asked) else "IPv6"


def _step(step: Step) -> str:
    if step.is_chosen:
        return f"{step.domain} (by its own will)"
    return step.domain.programs[-1] if step.domain.programs else step.domain.text


def _plain(access: Access, question: Question) -> dict[str, Any]:
    return {
        "domain": access.domain.text,
        "mode": access.mode.value if access.mode else None,
        "entries": [
            {"acl_group": group, "entry": entry.text}
            | ({"socket": _other_socket(question)} if entry in access.other_sockets else {})
            for group, entry in access.entries
        ],
        "chain": [
            {"domain": step.domain.text, "entry": step.entry.text if step.entry is not None else None} for step in access.chain
        ]
        if access.chain is not None
        else None,
    }

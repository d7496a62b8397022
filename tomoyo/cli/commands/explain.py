"""Explain what a policy answers to a request, and why.

The request is given as an entry in one domain
(tomoyo explain '<kernel> /bin/sh' file read /etc/shadow), or is that of
each record of a log (--log FILE).  Where nothing grants it, the nearest
entries are shown, which part of each does not match, and the line that would
allow it.

What is known of the process and the files can follow the request, as in
conditions: file read /etc/shadow task.euid=0 path1.perm=0640.  Where a
condition is about anything else, the answer is "granted if ...".

Exit code 0 if the request is granted; 1 if it is not, or only perhaps; 2 if
the policy has no such domain, or the kernel never makes such a request.

Example:

  tomoyo explain --policy policy '<kernel> nix:/notes/bin/notes' file read /etc/shadow
"""

from __future__ import annotations

import argparse
import os
import re
import sys

from ...model.entries import Kind
from ...model.words import quoted
from ..closure_options import add_closure
from ..kernel_options import refused
from ..logs import LogReader
from ..messages import advise, write_result
from ..options import UsageError, add_json_lines, message, set_result, visible
from ..policy_source import UndefinedDomains, add_as_created, add_policy, may_be_asked, read_engine, with_modules
from ..streams import ReaderMayGo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...analysis.explanation import Explainer, Explanation
    from ...decision.requests import Request

_ATTRIBUTE = re.compile(r"(?:task|exec|path1|path2|symlink)\.[^/=]*=")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_policy(parser)
    parser.add_argument("domain", nargs="?", metavar="DOMAIN", help="the domain that asks, such as '<kernel> /bin/sh'")
    parser.add_argument(
        "request", nargs="*", metavar="WORD", help="the request, as an entry without patterns; attributes after it"
    )
    parser.add_argument("--uid", metavar="N", help="the user of the process: real, effective, saved and of file access")
    parser.add_argument("--gid", metavar="N", help="the same for the group")
    parser.add_argument(
        "--realpath", metavar="PATH", help="the file that is executed, all symbolic links followed (exec.realpath)"
    )
    parser.add_argument(
        "--argv", action="append", metavar="WORD", help="the arguments of the program, its own name first; one WORD each time"
    )
    parser.add_argument(
        "--envp",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a variable of its environment; NAME=NULL for one not set",
    )
    add_as_created(parser)
    parser.add_argument("--log", metavar="FILE", help="explain each record of this log; - for standard input")
    add_json_lines(parser, "--log")
    add_closure(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...analysis.explanation import Conclusion, Explainer
    from ...kernel.securityfs import SecurityfsError

    if (arguments.log is None) == (arguments.domain is None):
        raise UsageError("give a domain and a request, or --log FILE")
    if arguments.domain is not None and not arguments.request:
        raise UsageError("say what is requested behind the domain, as an entry: file read /etc/shadow")
    _refuse_exchanged(arguments)
    request = _request(arguments) if arguments.domain is not None else None
    try:
        explainer = Explainer(read_engine(arguments))
    except SecurityfsError as error:
        return refused(error)
    if request is None:
        return _explain_log(arguments, explainer)
    if not may_be_asked(explainer.engine, arguments.domain, as_created=arguments.as_created):
        return 2
    found = explainer.explain(arguments.domain, request)
    if found.conclusion is Conclusion.NEVER_ASKED and found.never_asked is not None:
        instead = found.never_asked.instead
        advice = f"it would ask for '{instead.text}'" if instead is not None else ""
        message("error", f"the kernel never asks for '{request.text}': {found.never_asked.reason}", advice, code="never-asked")
        if arguments.json:
            set_result(found.plain())
        return 2
    if arguments.json:
        set_result(found.plain())
    else:
        _show(found, explainer, as_json=False)
    if found.conditional and not arguments.json and found.conclusion is not Conclusion.GRANTED:
        with ReaderMayGo():
            sys.stdout.flush()  # what to do comes after what is so
        names = ", ".join(dict.fromkeys(attribute for each in found.conditional for attribute in each.attributes))
        advise(f"write what is known of {names} after the request, such as task.uid=0")
    return 0 if found.conclusion is Conclusion.GRANTED else 1


def _refuse_exchanged(arguments: argparse.Namespace) -> None:
    """Raise UsageError where the domain is probably left out, or exchanged with the policy."""
    domain = arguments.domain
    if isinstance(arguments.policy, str) and arguments.policy.startswith("<"):
        raise UsageError(f"--policy {quoted(arguments.policy)}: a domain, not a policy", "write --policy PATH, then the domain")
    if domain is not None and not domain.startswith("<"):
        if domain in {kind.keyword.partition(" ")[0] for kind in Kind}:
            raise UsageError("no domain is given", "give the domain before the request, such as '<kernel> /usr/sbin/sshd'")
        if os.path.exists(domain):
            raise UsageError(f"{quoted(domain)}: a file, not a domain", f"write --policy {quoted(domain)}, then the domain")


def _request(arguments: argparse.Namespace) -> Request:
    """The request, with all that the options say of it."""
    from ...decision.requests import parse_request, with_attributes

    known = [f"task.{name}={arguments.uid}" for name in ("uid", "euid", "suid", "fsuid") if arguments.uid is not None]
    known += [f"task.{name}={arguments.gid}" for name in ("gid", "egid", "sgid", "fsgid") if arguments.gid is not None]
    if arguments.realpath is not None:
        known.append(f"exec.realpath={arguments.realpath}")
    if arguments.argv is not None:
        known.append(f"exec.argc={len(arguments.argv)}")
        known += [f"exec.argv[{number}]={word}" for number, word in enumerate(arguments.argv)]
    for variable in arguments.envp:
        name, equals, value = variable.partition("=")
        if not equals:
            raise UsageError(f"--envp: NAME=VALUE is expected, not '{variable}'")
        known.append(f"exec.envp[{name}]={value}")
    try:
        return with_attributes(parse_request(" ".join(map(_word, arguments.request))), known)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _word(text: str) -> str:
    """TEXT as the kernel writes it, where it is one name as the shell took it: with a space or bytes that are not ASCII."""
    if not text.startswith("/") and not _ATTRIBUTE.match(text):
        return text
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"\\{byte:03o}" for byte in os.fsencode(text))


def _explain_log(arguments: argparse.Namespace, explainer: Explainer) -> int:
    from ...analysis.explanation import Conclusion
    from ...model.entries import Entry

    log = LogReader()
    undefined = UndefinedDomains(explainer.engine, as_created=arguments.as_created)
    status = 0
    for record in log.records([arguments.log]):
        if not isinstance(record.request, Entry):
            continue
        log.progress.clear()
        if not undefined.take(record.domain.text):
            continue
        found = explainer.explain_record(record)
        status = status if found.conclusion is Conclusion.GRANTED else 1
        _show(found, explainer, arguments.json)
    log.tell_broken()
    undefined.tell()
    return status or (2 if undefined.records else 0)


def _show(found: Explanation, explainer: Explainer, as_json: bool) -> None:
    with ReaderMayGo():
        if as_json:
            write_result(found.plain())
        else:
            sys.stdout.writelines(f"{visible(with_modules(sentence, explainer.engine))}\n" for sentence in found.sentences())

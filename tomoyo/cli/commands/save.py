"""Save what the kernel holds, all at one moment, as tomoyo-savepolicy lays it out.

DIR (default: /etc/tomoyo) gets policy/TIME/ with the four policies and the
memory quotas; policy/current leads there, policy/previous to the one before.
The new folder is printed.  With --named, store paths become names of the
closure, and the domain and the exception policy go to DIR itself.

Example:

  tomoyo save --stdout domain
"""

from __future__ import annotations

import argparse
import sys

from ...sets.links import SAVED
from ..closure_options import add_closure
from ..kernel_options import add_interface, refused, securityfs
from ..options import UsageError, message, set_result
from ..policy_files import INTERFACES, PolicyFile
from ..project import leave_project
from .name import add_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...sets.policy_set import PolicySet


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", nargs="?", default=SAVED, metavar="DIR", help=f"where to save (default: {SAVED})")
    parser.add_argument("--stdout", choices=list(INTERFACES), help="print one of them instead")
    parser.add_argument("--named", action="store_true", help="turn store paths into names; needs --closure")
    add_interface(parser)
    add_set(parser)
    add_closure(parser)
    leave_project(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...kernel.saving import UnsteadyPolicyError, read_consistent, save
    from ...kernel.securityfs import SecurityfsError
    from ...sets.directory import PolicySetError

    try:
        held = read_consistent(securityfs(arguments))
        if arguments.named:
            return _save_named(arguments, held)
        if arguments.stdout is not None:
            text = getattr(held, INTERFACES[arguments.stdout])
            set_result({INTERFACES[arguments.stdout]: text}) if arguments.json else sys.stdout.write(text)
        else:
            path = save(held, arguments.directory)
            set_result({"directory": path}) if arguments.json else print(path)
        return 0
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None
    except UnsteadyPolicyError as error:
        message("error", str(error), code="system")
        return 3
    except SecurityfsError as error:
        return refused(error)


def _save_named(arguments: argparse.Namespace, held: PolicySet) -> int:
    from .name import print_named

    if arguments.stdout not in (None, "domain"):
        raise UsageError("only the domain policy can be printed with names: --stdout domain")
    if arguments.stdout is None and arguments.directory == SAVED:
        raise UsageError("a named policy is no policy that a kernel can boot with: say which DIR it goes to")
    kinds = ("domain",) if arguments.stdout else ("domain", "exception")
    files = [PolicyFile(INTERFACES[kind], kind, getattr(held, INTERFACES[kind]).encode("latin-1")) for kind in kinds]
    arguments.output = None if arguments.stdout else arguments.directory
    arguments.unsafe_wildcards = False
    return print_named(arguments, files, files[0].domains(), files[1].exceptions() if files[1:] else None)

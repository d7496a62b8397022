"""Check a policy set as its boot loader does, or print a boot loader for one.

--check tells whether a kernel would boot with the set; exit code 1 if its
loader would refuse it.  --script prints a loader for the set at its present
place, with the sizes of its files baked in.

Example:

  tomoyo compile -o set
  tomoyo boot --check set
"""

from __future__ import annotations

import argparse
import os
import sys

from ..options import UsageError, check_directory, report, set_result


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", metavar="DIR", help="check the set in DIR")
    what.add_argument("--script", metavar="DIR", help="print a loader for the set in DIR")
    script = parser.add_argument_group("what the loader is told")
    script.add_argument("--shell", default="/bin/sh", metavar="PATH", help="its shell (default: /bin/sh)")
    script.add_argument("--path", action="append", default=[], metavar="DIR", help="a folder with cat, ls and mount")
    script.add_argument("--previous", metavar="DIR", help="a set to fall back to")
    script.add_argument("--state", metavar="DIR", help="where the links current and previous lie (default: /var/lib/tomoyo)")
    script.add_argument("--no-fallback", action="store_true", help="panic rather than run unconfined")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return _check(arguments) if arguments.check is not None else _print(arguments)


def _check(arguments: argparse.Namespace) -> int:
    from dataclasses import replace

    from ...boot.loader import check_boot
    from ...model.diagnostics import has_errors

    check_directory(os.path.normpath(arguments.check))
    found = check_boot(arguments.check)
    refused = has_errors(found)
    set_result({"boots": not refused})
    for problem in found:
        report(replace(problem, place=replace(problem.place, file=os.path.join(arguments.check, problem.place.file))))
    return 1 if refused else 0


def _print(arguments: argparse.Namespace) -> int:
    from ...boot.loader import script_for
    from ...sets.directory import PolicySetError
    from ...sets.links import STATE

    try:
        script = script_for(
            arguments.script,
            interpreter=arguments.shell,
            search_path=arguments.path,
            previous=arguments.previous,
            state=arguments.state or STATE,
            fallback=not arguments.no_fallback,
        )
    except PolicySetError as error:
        raise UsageError.of(error.diagnostic) from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    set_result({"script": script}) if arguments.json else sys.stdout.write(script)
    return 0

"""Make policy sources into one checked set of files that a kernel takes.

A policy source is a folder: domains/*.conf, exceptions/*.conf, modules/*.conf,
profile.conf, manager.conf, stat.conf.  The set has no names left to look up: it
is for the closure given and no other.  Nothing is written if there is any error.

Example:

  tomoyo compile -o set
"""

from __future__ import annotations

import argparse

from ..closure_options import add_closure, read_closure
from ..library_options import add_library, read_services
from ..messages import counted
from ..options import UsageError, add_all, report, set_result, visible
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...nix.source.compile import CompileSettings


#: What the manifest counts: one of it, and several.
_NOUNS = {
    "domains": ("domain",),
    "entries": ("entry", "entries"),
    "store_paths": ("store path",),
    "aggregators": ("aggregator",),
    "path_group_members": ("path group member",),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sources", nargs="*", metavar="SOURCE_DIR", help="policy sources; what they say is put together")
    add_library(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="the set to write: a new folder, an empty one, or an older set")
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and warnings")
    parser.add_argument("--override", action="store_true", help="where two sources disagree, the later one counts")
    add_all(parser)
    add_closure(parser)
    let_source(parser, "sources")
    parser.add_argument("--strict-names", action="store_true", help="refuse a name that several store paths have")
    parser.add_argument(
        "--unresolved",
        choices=("error", "warning", "ignore"),
        default="error",
        help="what a name is that nothing in the closure has; it grants nothing in any case (default: error)",
    )
    group = parser.add_argument_group("boot loader")
    group.add_argument(
        "--boot-shell", default="/bin/sh", metavar="PATH", help="its shell, such as nix:/bash/bin/sh (default: /bin/sh)"
    )
    group.add_argument(
        "--boot-path",
        action="append",
        default=[],
        metavar="DIR",
        help="a folder with cat, ls and mount, such as nix:/coreutils/bin; may be repeated",
    )
    group.add_argument("--boot-previous", metavar="DIR", help="a set to fall back to")
    group.add_argument(
        "--no-fallback", action="store_true", help="where no set can be loaded, let the kernel panic rather than run unconfined"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...nix.source.compile import compile_policy
    from ...nix.source.files import SourceError
    from ...nix.source.library import read_sources
    from ...sets.directory import PolicySetError
    from ...sets.writing import write_policy_set
    from ..progress import Progress

    if arguments.check == (arguments.output is not None):
        raise UsageError("say where to write the set with -o DIR, or --check to write none")
    if not arguments.sources and not arguments.library:
        raise UsageError("say what to compile: a policy source, or --library SERVICE")
    services = read_services(arguments)
    try:
        with Progress() as progress:
            progress("reading the closure")
            trusted = read_closure(arguments)
            compiled = compile_policy(
                read_sources(arguments.sources, services),
                trusted.names,
                trusted.tree,
                roots=trusted.roots,
                links=trusted.links,
                settings=_settings(arguments),
                progress=progress,
            )
    except SourceError as error:
        for diagnostic in error.diagnostics:
            report(diagnostic)
        return 2
    for diagnostic in compiled.warnings:
        report(diagnostic)
    if arguments.output is not None:
        try:
            write_policy_set(compiled.policy, arguments.output)
        except PolicySetError as error:
            raise UsageError.of(error.diagnostic) from None
        except OSError as error:
            # Of the draft of a set nobody knows; what is said is said of the folder that was named.
            raise OSError(error.errno, error.strerror, arguments.output) from None
    manifest = compiled.policy.manifest
    if arguments.json:
        set_result(dict(manifest))
    elif not arguments.quiet:
        counts = ", ".join(counted(number, *_NOUNS[name]) for name, number in manifest["counts"].items())
        print(f"{visible(arguments.output or 'ok')}: {counts}")
    return 0


def _settings(arguments: argparse.Namespace) -> CompileSettings:
    from ...nix.names.bindings import Several
    from ...nix.source.compile import BootSettings, CompileSettings, Unresolved
    from ...nix.source.policy import Conflicts

    return CompileSettings(
        Conflicts.LATER_WINS if arguments.override else Conflicts.REFUSE,
        Several.REFUSE if arguments.strict_names else Several.BIND,
        Unresolved(arguments.unresolved),
        BootSettings(
            arguments.boot_shell,
            tuple(arguments.boot_path),
            arguments.boot_previous,
            fallback=not arguments.no_fallback,
        ),
    )

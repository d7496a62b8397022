"""Options that say which closure is trusted, for the commands that know Nix.

Everything they can say is in `Trusted`: the names, the file system to look at
and the links that a system will have.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from ..model.diagnostics import Place
from ..model.errors import BINARY, NOT_UTF8
from ..model.words import quoted
from .options import UsageError, check_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..nix.names.names import NameTable
    from ..nix.store.closure import Closure, ClosureError
    from ..nix.store.paths import StorePath
    from ..nix.store.tree import Tree


@dataclass(frozen=True)
class Trusted:
    """What the options say.

    roots: the store paths given by ``--closure``.
    names: the closure and the explicit table.
    tree: the file system that holds the store.
    links: symlinks outside the store that are to be taken for real, path to
        target; see `tomoyo.nix.names.program_paths.find_program_paths`.
    """

    roots: tuple[StorePath, ...]
    names: NameTable
    tree: Tree
    links: dict[str, str]

    @property
    def closure(self) -> Closure:
        """The trusted closure."""
        return self.names.closure


def add_closure(parser: argparse.ArgumentParser) -> None:
    """Let PARSER take a closure."""
    group = parser.add_argument_group("which packages are meant")
    group.add_argument(
        "--closure",
        action="append",
        default=[],
        metavar="ROOT",
        help="a store path or a symlink to one, such as /run/current-system: it and all it refers to; may be repeated",
    )
    group.add_argument(
        "--closure-file",
        action="append",
        default=[],
        metavar="FILE",
        help="a closure as Nix prints it: closureInfo's registration or store-paths, JSON; "
        "with --closure only what those roots refer to",
    )
    group.add_argument("--database", metavar="FILE", help="Nix's database (default: /nix/var/nix/db/db.sqlite)")
    group.add_argument("--root", default="/", metavar="DIR", help="the system's root directory, if it is not /")
    group.add_argument("--store", metavar="DIR", help="the store directory (default: /nix/store)")
    group.add_argument(
        "--package",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="the store path that a package's name stands for, whatever the closure says; may be repeated",
    )
    group.add_argument(
        "--packages",
        action="append",
        default=[],
        metavar="FILE",
        help='the same from a JSON file: {"nginx": "/nix/store/...", "glibc^dev": [...]}',
    )
    group.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="PATH=TARGET",
        help="a symlink outside the store that the system will have, such as /bin/sh=/nix/store/...; may be repeated",
    )


def read_closure(arguments: argparse.Namespace) -> Trusted:
    """Read what the options say.

    Raises UsageError with the place of whatever is wrong.
    """
    from ..nix.names.names import NameSyntaxError, NameTable, collect_packages, parse_package, read_packages
    from ..nix.store.closure import ClosureError, find_root
    from ..nix.store.paths import STORE_DIRECTORY, StorePathError, check_store_directory
    from ..nix.store.tree import LinkError, Tree

    store = arguments.store or STORE_DIRECTORY
    try:
        check_store_directory(store)
        check_directory(arguments.root)
        tree = Tree(os.path.abspath(arguments.root), store)
        roots = tuple(dict.fromkeys(find_root(_absolute(root, tree), tree) for root in arguments.closure))
        closure = _closure(arguments, tree, roots)
        packages = [parse_package(text, tree) for text in arguments.package]
        for file in arguments.packages:
            packages += [(key, path) for key, paths in read_packages(file, tree).items() for path in paths]
        names = NameTable(closure, collect_packages(packages))
    except ClosureError as error:
        raise unusable(error) from None
    except (LinkError, NameSyntaxError, StorePathError) as error:
        raise UsageError(str(error)) from None
    return Trusted(roots, names, tree, dict(_links(arguments.link)))


def unusable(error: ClosureError) -> UsageError:
    """ERROR as one of the arguments."""
    advice = dict((BINARY, NOT_UTF8)).get(error.reason, "")
    where = f"{error.place}: " if error.place else ""
    return UsageError(where + error.reason, advice, code="closure", place=Place(error.file or "", error.line or 0))


def _closure(arguments: argparse.Namespace, tree: Tree, roots: Iterable[StorePath]) -> Closure:
    from ..nix.store.closure import Closure, learn_outputs
    from ..nix.store.closure_formats import read_listing
    from ..nix.store.database import DATABASE, StoreDatabase

    if not arguments.closure_file:
        if not arguments.closure:
            raise UsageError("say which packages are trusted: --closure /run/current-system, or --closure-file FILE")
        # Its directory may be reached through a link that holds only inside the root.
        database = arguments.database or tree.outside(tree.follow(DATABASE).path)
        return StoreDatabase(database, tree.store_directory).closure(roots)
    closure = Closure(())
    for file in arguments.closure_file:
        closure = closure.union(read_listing(file, tree.store_directory))
    closure = learn_outputs(closure, tree)
    return closure.restrict(roots) if arguments.closure else closure


def _absolute(path: str, tree: Tree) -> str:
    """PATH as an inside path: a relative one, such as ``result``, makes sense only without another root."""
    return os.path.join(os.getcwd(), path) if tree.root == "/" else path


def _links(texts: Iterable[str]) -> Iterable[tuple[str, str]]:
    for text in texts:
        path, equals, target = text.partition("=")
        if not equals or not path.startswith("/") or not target:
            raise UsageError(f"--link takes PATH=TARGET with an absolute PATH, not {quoted(text)}")
        yield path, target

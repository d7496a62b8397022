"""Closures: store paths with everything they refer to.

The closure of the running system is what this library trusts: a package name
means the packages of that name *in the closure*, never whatever else lies in
the store.  A `Closure` is a value; where one comes from is the business of
`database` (Nix's own database) and `listing` (the text and JSON forms in which
Nix prints closures).

Beware: how much is known depends on the source.  A plain list tells no
references, so it cannot be restricted; only the database and ``.drv`` files
tell for certain which output of its deriver a path is.  `Closure.package`
says what is made of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ...model.errors import TomoyoError
from .paths import (
    StorePath,
    StorePathError,
    find_store_path,
    is_output_name,
    output_by_deriver,
    parse_drv_name,
    split_output,
)
from .tree import MAX_SYMLINKS, LinkError, Tree

__all__ = ["Closure", "ClosureError", "Member", "Package", "find_root", "learn_outputs"]

#: Outputs that nixpkgs gives to many packages (pkgs/build-support/setup-hooks/
#: multiple-outputs.sh and common ones beside it): suffixes of a version even
#: where no deriver tells.
CONVENTIONAL_OUTPUTS = frozenset(
    ("bin", "data", "debug", "dev", "devdoc", "devman", "dist", "doc", "info", "lib", "libgcc", "man", "modules", "static")
)


class ClosureError(TomoyoError, ValueError):
    """A closure cannot be read or does not hold together.

    Attributes:
        reason: what is wrong, without its place.
        file: the file it was read from, if any.
        line: line in that file, counted from 1, if it has lines.
        place: where in it otherwise: a JSON path, a table.
    """

    def __init__(self, reason: str, file: str | None = None, line: int | None = None, place: str | None = None) -> None:
        where = "".join((f"{file}:" if file else "", f"{line}:" if line else "", f" {place}:" if place else ""))
        super().__init__(f"{where} {reason}".strip())
        self.reason = reason
        self.file = file
        self.line = line
        self.place = place


@dataclass(frozen=True, slots=True)
class Member:
    """One store path of a closure.

    Attributes:
        path: the store path.
        references: the store paths it refers to, itself among them if it does,
            sorted; None if the source does not tell.
        deriver: the ``.drv`` that built it, if known.  It need not exist.
        output: its output's name as the database or the deriver's file states
            it; None if neither does.
    """

    path: StorePath
    references: tuple[StorePath, ...] | None = None
    deriver: StorePath | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """What a store path is a copy of: the name a policy can use.

    Attributes:
        name, version: by the rule of builtins.parseDrvName, without the output.
        output: ``out``, ``man``, ...
    """

    name: str
    version: str
    output: str


@dataclass(frozen=True, slots=True)
class Closure:
    """A set of store paths, closed under references.

    Attributes:
        members: in any order; kept sorted by path, one for each.
        outputs_seen: output names with evidence in this closure; see `package`.

    Raises `ClosureError` if two members have the same path, or if one
    refers to a store path that is none.
    """

    members: tuple[Member, ...]
    outputs_seen: frozenset[str] = field(init=False, repr=False, compare=False)
    """Output names with evidence in this closure; see `package`."""
    _by_path: dict[StorePath, Member] = field(init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Closure: store paths: {len(self.members)}>"

    def __post_init__(self) -> None:
        by_path = {member.path: member for member in self.members}
        if len(by_path) < len(self.members):
            raise ClosureError(f"{_first_double(self.members)} is listed twice")
        for member in self.members:
            for reference in member.references or ():
                if reference not in by_path:
                    raise ClosureError(f"not closed: {member.path} refers to {reference}, which is not listed")
        object.__setattr__(self, "members", tuple(sorted(self.members, key=lambda member: member.path)))
        object.__setattr__(self, "_by_path", by_path)
        object.__setattr__(self, "outputs_seen", _outputs_seen(self.members))

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def __getitem__(self, path: StorePath) -> Member:
        return self._by_path[path]

    @property
    def paths(self) -> tuple[StorePath, ...]:
        """The store paths, sorted."""
        return tuple(member.path for member in self.members)

    def restrict(self, roots: Iterable[StorePath]) -> Closure:
        """The closure of ROOTS only: they and all they refer to, directly or not.

        Raises `ClosureError` if a root is no member or references are
        unknown.
        """
        todo = list(roots)
        kept: dict[StorePath, Member] = {}
        while todo:
            path = todo.pop()
            if path in kept:
                continue
            member = self._by_path.get(path)
            if member is None:
                raise ClosureError(f"{path} is not in this closure")
            if member.references is None:
                raise ClosureError(f"the references of {path} are unknown: a list of paths cannot be restricted")
            kept[path] = member
            todo.extend(member.references)
        return Closure(tuple(kept.values()))

    def union(self, other: Closure) -> Closure:
        """Both closures as one.

        Where both know a path, what is known in this one counts, and the
        other fills its gaps.
        """
        merged = dict(other._by_path)
        for path, member in self._by_path.items():
            known = merged.get(path)
            if known is not None:
                member = replace(
                    member,
                    references=known.references if member.references is None else member.references,
                    deriver=known.deriver if member.deriver is None else member.deriver,
                    output=known.output if member.output is None else member.output,
                )
            merged[path] = member
        return Closure(tuple(merged.values()))

    def package(self, path: StorePath) -> Package:
        """Tell name, version and output of the member PATH.

        The output is, in this order: what the database or the ``.drv`` file
        states; what the deriver's name leaves of the path's name; the suffix
        of the version if it is in `outputs_seen`: an output that another
        member is known to be, that stands beside its ``out`` here
        (``glibc-2.40-66`` and ``glibc-2.40-66-getent``), or that is common
        in nixpkgs.

        Raises KeyError if PATH is no member.
        """
        output = _known_output(self._by_path[path])
        if output is None:
            stem, output = split_output(path.name, self.outputs_seen)
        else:
            stem = path.name.removesuffix(f"-{output}") if output != "out" else path.name
        return Package(*parse_drv_name(stem), output)


def learn_outputs(closure: Closure, tree: Tree) -> Closure:
    """Take the output names of CLOSURE from its derivers' files where these exist in TREE.

    Only for members whose output is not stated yet: the database does it
    without this.

    Raises `ClosureError` with the file's name if a ``.drv`` file is damaged
    or cannot be read.
    """
    from .derivation import DerivationSyntaxError, read_derivation

    outputs: dict[StorePath, dict[str, str]] = {}
    members = []
    for member in closure.members:
        deriver = member.deriver
        if deriver is None or member.output is not None:
            members.append(member)
            continue
        if deriver not in outputs:
            file = tree.outside(str(deriver))
            try:
                derivation = read_derivation(file)
            except FileNotFoundError:
                outputs[deriver] = {}
            except DerivationSyntaxError as error:
                raise ClosureError(error.msg, file, error.line, f"column {error.column}") from None
            else:
                outputs[deriver] = {output.path: name for name, output in derivation.outputs.items() if output.path}
        members.append(replace(member, output=outputs[deriver].get(str(member.path))))
    return Closure(tuple(members))


def find_root(path: str, tree: Tree) -> StorePath:
    """Tell which store path the root PATH stands for, as Nix does with a path it is given.

    Arguments:
        path: a store path, a file in one, or a symlink that leads to one, such
            as ``/run/current-system`` or a profile; absolute, inside TREE.

    Links are followed until the path lies in the store; a store path that is
    itself a symlink stays what it is.  (followLinksToStore() in Nix's
    libstore/store-api.cc.)

    Raises `ClosureError` for a loop of symlinks, a link that leads nowhere
    and a path outside the store.
    """
    if not path.startswith("/"):
        raise ClosureError("not an absolute path", path)
    store = tree.store_directory + "/"
    here = path.rstrip("/")
    try:
        for _ in range(MAX_SYMLINKS + 1):
            if here.startswith(store):
                return find_store_path(here, tree.store_directory).store_path
            entry = tree.entry(here).path
            found = find_store_path(entry, tree.store_directory) if entry.startswith(store) else None
            target = None if found and not found.file else tree.target(entry)
            if target is None:
                if found:
                    return found.store_path
                raise ClosureError("is not in the store and no symlink to there", path)
            here = target if target.startswith("/") else f"{entry.rpartition('/')[0]}/{target}"
            here = here.rstrip("/")
    except LinkError as error:
        raise ClosureError(error.reason, path) from None
    except StorePathError as error:
        raise ClosureError(str(error), path) from None
    raise ClosureError("too many symlinks, or a loop of them", path)


def _first_double(members: tuple[Member, ...]) -> StorePath:
    seen = set()
    for member in members:
        if member.path in seen:
            return member.path
        seen.add(member.path)
    raise AssertionError("no path occurs twice")


def _known_output(member: Member) -> str | None:
    if member.output is not None:
        return member.output
    if member.deriver is not None:
        return output_by_deriver(member.path.name, member.deriver.name)
    return None


def _outputs_seen(members: tuple[Member, ...]) -> frozenset[str]:
    seen = set(CONVENTIONAL_OUTPUTS)
    unknown = []
    for member in members:
        output = _known_output(member)
        if output is None:
            unknown.append(member.path.name)
        else:
            seen.add(output)
    names = {member.path.name for member in members}
    for name in unknown:
        stem, _, suffix = name.rpartition("-")
        if is_output_name(suffix) and stem in names and parse_drv_name(stem)[1]:
            seen.add(suffix)
    return frozenset(seen)

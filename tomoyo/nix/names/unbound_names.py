"""Unbound names: why a name binds nothing, and what to write instead.

One function for each fault, each giving words for `tomoyo.nix.names.bindings.NameProblem`.
What cannot be said for certain is not guessed.
"""

from __future__ import annotations

from ...model.diagnostics import did_you_mean
from ...model.words import quoted
from ..store.contents import Contents, NodeType
from ..store.paths import StoreFile, StorePath
from ..store.tree import LinkError
from .name_uses import Role
from .names import DEFAULT_OUTPUT, Name, NameTable, package_key
from .program_paths import find_executed

#: Roles in which a name never matches: why, what to write instead, and the role that this has.
MISUSES = {
    Role.BARE: ("the kernel compares real paths here, and a name is none", "@{name}", Role.REFERENCE),
    Role.QUOTED: ("the kernel compares real paths here, and a name is none", "=@{name}, without quotes", Role.REFERENCE),
    Role.EXECUTED_REFERENCE: (
        "an executed program has its name itself, no group of paths",
        "file execute {name}",
        Role.EXECUTED,
    ),
    Role.MEMBER: ("the kernel compares real paths with this group, and a name is none", "@{name} in the entry", Role.REFERENCE),
}


def misused(role: Role, name: str, fault: str = "") -> str:
    """NAME stands in a ROLE of `MISUSES`; FAULT is why what should stand there would bind nothing either."""
    reason, instead, _ = MISUSES[role]
    instead = instead.format(name=name)
    return f"{reason}; nor would {instead} do: {fault}" if fault else f"{reason}: write {instead}"


def unknown_package(name: Name, names: NameTable) -> str:
    """No trusted store path has the package, version and output of NAME."""
    wanted = f"package {package_key(name.package, name.version, DEFAULT_OUTPUT)}"
    if name.output != DEFAULT_OUTPUT:
        wanted += f" with output {name.output}"
    others = names.keys_of(name.package)
    known = f"; there is {', '.join(others)}" if others else ""
    return f"the closure has no {wanted}, so this grants nothing{known}"


def missing_file(name: Name, role: Role, paths: tuple[StorePath, ...], contents: Contents, names: NameTable) -> str:
    """None of PATHS, which are those of NAME, has its file."""
    where = f"nothing in {', '.join(map(str, paths[:3]))}{' ...' if len(paths) > 3 else ''} is called so"
    if name.is_pattern:
        return f"{where}, so this grants nothing"
    for path in paths:
        file = StoreFile(path, name.file_name)
        if role is Role.EXECUTED and contents.node(StoreFile(path, name.file_name.rstrip("/"))) is NodeType.DIRECTORY:
            return "a directory cannot be executed"
        if contents.node(file) is NodeType.DIRECTORY:
            slash = "" if name.file.endswith("/") else f": write {_sigil(role)}{name}/"
            return f"a directory's name ends in '/'{slash}"
        if contents.node(StoreFile(path, name.file_name.rstrip("/"))) is not None:
            return f"no directory: write {_sigil(role)}{str(name).rstrip('/')}"
        seen = _seen(file, role, contents)
        called = names.name(seen) if seen else None
        if called is not None:
            return f"a symlink leads there, and the kernel sees where: write {_sigil(role)}{called}"
    return f"{where}, so this grants nothing"


def near_file(name: Name, paths: tuple[StorePath, ...], contents: Contents) -> str:
    """The file in PATHS that was probably meant by NAME, which none of them has."""
    directory, _, last = name.file.rstrip("/").rpartition("/")
    words = (word for path in paths for word, _ in contents.words(path, f"{directory}/"))
    beside = {word for word in words if "/" not in word[len(directory) + 1 :].rstrip("/")}
    near = did_you_mean(last, [word[len(directory) + 1 :] for word in beside])
    return near.replace("'", f"'{str(name).removesuffix(name.file)}{directory}/", 1)


def not_executable(name: Name, files: list[StoreFile], contents: Contents, names: NameTable) -> str:
    """None of FILES, which exist and are those of NAME, is the program of any way."""
    if name.is_pattern:
        return "no program matches, so this grants nothing"
    for file in files:
        if isinstance(contents.node(file), str):
            found = find_executed(contents, str(file))
            if found and found.refused:
                return f"{quoted(str(file))} is a symlink that {found.refused}"
            called = names.name(found.path.program) if found else None
            if called is not None:
                return f"a symlink to a program of another package: write {called}"
            return f"{quoted(str(file))} is a symlink that leads to no program of the closure"
        if contents.node(file) is NodeType.DIRECTORY:
            return "a directory cannot be executed"
    return "this file has no x bit"


def linked(file: StoreFile, contents: Contents, names: NameTable) -> str:
    """FILE is a symlink, used where the kernel compares real paths."""
    words = f"{quoted(str(file))} is a symlink, and the kernel compares real paths"
    try:
        location = contents.tree.follow(str(file)).path
    except LinkError as error:
        return f"{words}; it leads nowhere ({error.reason})"
    found = _as_seen(contents.store_file(location), contents)
    if found is None:
        return f"{words}; it leads out of the closure, to {quoted(location)}"
    called = names.name(found)
    return f"{words}: write @{called}" if called else f"{words}, here {quoted(location)}"


def _seen(file: StoreFile, role: Role, contents: Contents) -> StoreFile | None:
    """What the kernel sees of FILE, whose parents may be symlinks."""
    try:
        path = str(file)
        resolved = contents.tree.entry(path) if role is Role.EXECUTED else contents.tree.follow(path)
    except LinkError:
        return None
    return _as_seen(contents.store_file(resolved.path), contents)


def _as_seen(file: StoreFile | None, contents: Contents) -> StoreFile | None:
    """FILE with the slash of a directory; None for nothing."""
    node = contents.node(file) if file else None
    if file is None or node is None:
        return None
    return StoreFile(file.store_path, file.file + "/") if node is NodeType.DIRECTORY else file


def _sigil(role: Role) -> str:
    return "@" if role in (Role.REFERENCE, Role.TARGET) else ""

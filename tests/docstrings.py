"""What docstrings have to say: the parameters of a function, and the errors that it or what it calls raises.

Calls are followed by name, through the package's functions and the methods of one class; a call of a method on a value is not, so
more may be raised than is found.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from functools import cache
from importlib import import_module

from .defined import ROOT

#: What refuses a kernel's version.
_VERSION = ("model.kernel_versions", "kernel_version")


@cache
def _module(module: str) -> tuple[dict[str, ast.FunctionDef | ast.ClassDef], dict[str, tuple[str, str]]]:
    """The functions and classes of MODULE, and what it imports from where, at its top or in a function."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(path.read_bytes())
    here = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    there = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            folder = module.split(".")[: -node.level]
            for alias in node.names:
                there[alias.asname or alias.name] = (".".join([*folder, *node.module.split(".")]), alias.name)
    return here, there


def find(module: str, name: str) -> tuple[str, ast.FunctionDef | ast.ClassDef] | None:
    """The function or class that NAME means in MODULE, and where it is."""
    here, there = _module(module)
    if name in here:
        return module, here[name]
    return find(*there[name]) if name in there and ROOT.joinpath(*there[name][0].split(".")).with_suffix(".py").exists() else None


def method(owner: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((part for part in owner.body if isinstance(part, ast.FunctionDef) and part.name == name), None)


@cache
def errors(module: str, function: ast.FunctionDef, owner: ast.ClassDef | None = None) -> frozenset[str]:
    """The names of the errors that FUNCTION of MODULE, a method of OWNER, lets through."""
    return frozenset(_errors(module, function, owner, ((module, function.name),)))


def _errors(module: str, function: ast.FunctionDef, owner: ast.ClassDef | None, seen: tuple[tuple[str, str], ...]) -> set[str]:
    found: set[str] = set()
    for node, caught in _nodes(function.body, ()):
        raised = _raised(module, node)
        if isinstance(node, ast.Call):
            for where, called, its_owner in _called(module, node, owner):
                if (where, called.name) not in seen and len(seen) < 20:
                    # A version that is left out is none that could be wrong.
                    fixed = (_VERSION,) if "version" not in {keyword.arg for keyword in node.keywords} else ()
                    raised |= _errors(where, called, its_owner, (*seen, *fixed, (where, called.name)))
        found |= {name for name in raised if not any(_is(module, name, one) for one in caught)}
    return found


def _nodes(body: list[ast.stmt], caught: tuple[str, ...]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    """All of BODY, each with the names of what is caught around it."""
    for statement in body:
        yield from _node(statement, caught)


def _node(node: ast.AST, caught: tuple[str, ...]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    if isinstance(node, ast.Try):
        names = [
            one.id for handler in node.handlers if handler.type for one in ast.walk(handler.type) if isinstance(one, ast.Name)
        ]
        yield from _nodes(node.body, (*caught, *names))
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _node(part, caught)
    elif isinstance(node, ast.With) and "suppress" in ast.unparse(node.items[0]):
        names = [one.id for item in node.items for one in ast.walk(item) if isinstance(one, ast.Name)]
        yield from _nodes(node.body, (*caught, *names))
    elif not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
        yield node, caught
        for child in ast.iter_child_nodes(node):
            yield from _node(child, caught)


def _raised(module: str, node: ast.AST) -> set[str]:
    if not isinstance(node, ast.Raise) or not node.exc:
        return set()
    name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc).rpartition(".")[2]
    return {name} if name[0].isupper() and name != "AssertionError" else set()


def _called(
    module: str, node: ast.Call, owner: ast.ClassDef | None
) -> Iterator[tuple[str, ast.FunctionDef, ast.ClassDef | None]]:
    called = node.func
    if isinstance(called, ast.Name):
        found = find(module, called.id)
        if found and isinstance(found[1], ast.FunctionDef):
            yield found[0], found[1], None
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and owner:
        part = method(owner, called.attr) if called.value.id in ("self", "cls") else None
        if part:
            yield module, part, owner


def _is(module: str, name: str, base: str) -> bool:
    """Whether the error NAME is caught as BASE."""
    if name == base:
        return True
    kinds = {error.__name__: error for error in _all_errors()}
    one = kinds.get(name) or getattr(builtins, name, None)
    other = kinds.get(base) or getattr(builtins, base, None)
    return isinstance(one, type) and isinstance(other, type) and issubclass(one, other)


@cache
def _all_errors() -> tuple[type[BaseException], ...]:
    from .reference import public

    found = (getattr(import_module(f"tomoyo.{module}"), name, None) for module, names in public().items() for name in names)
    return tuple(value for value in found if isinstance(value, type) and issubclass(value, BaseException))

"""Where the types that stand in annotations are defined, and what the code says of them, read from its text.

Annotations are text, and what they name may be imported for type checkers alone, so that no running module knows it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "tomoyo"

_NAME = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


@dataclass(frozen=True)
class Definition:
    """A class, or a name for a type or a value, at the top of a module.

    text: what the code says of it: a docstring, or the ``#:`` comment above it.
    value: what a name stands for; empty for a class.
    annotations: of a class what its fields and public methods are annotated with.
    """

    module: str
    name: str
    text: str
    value: str = ""
    annotations: tuple[str, ...] = ()

    def mentioned(self) -> Iterator[Definition]:
        """The definitions that its value and annotations name."""
        for text in (self.value, *self.annotations):
            yield from mentioned(self.module, text)


def mentioned(module: str, annotation: str) -> Iterator[Definition]:
    """The definitions of ours that ANNOTATION, which stands in MODULE, names."""
    for word in _NAME.findall(annotation):
        found = find(module, word)
        if found is not None:
            yield found


def find(module: str, name: str) -> Definition | None:
    """What NAME means in MODULE (``model.words``); None for what is not of this package."""
    defined, imported = _read(module)
    if name in defined:
        return defined[name]
    home = imported.get(name)
    return find(*home) if home else None


@cache
def _read(module: str) -> tuple[dict[str, Definition], dict[str, tuple[str, str]]]:
    """The definitions of MODULE, and what it imports from where."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_text()
    lines = source.splitlines()
    defined: dict[str, Definition] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in _statements(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            folder = module.split(".")[: -node.level]
            for name in node.names:
                imported[name.asname or name.name] = (".".join([*folder, node.module]), name.name)
        elif isinstance(node, ast.ClassDef):
            text = ast.get_docstring(node) or ""
            defined[node.name] = Definition(module, node.name, text, annotations=tuple(_annotations(node)))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and node.value is not None:
                comment = _comment_above(lines, node.lineno - 1)
                defined[target.id] = Definition(module, target.id, comment, ast.unparse(node.value))
    return defined, imported


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If):  # for type checkers
            yield from _statements(node.body)
        else:
            yield node


def _annotations(node: ast.ClassDef) -> Iterator[str]:
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and not part.target.id.startswith("_"):
            yield ast.unparse(part.annotation)
        elif isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
            arguments = [*part.args.args, *part.args.kwonlyargs]
            yield from (ast.unparse(found.annotation) for found in arguments if found.annotation)
            yield from (ast.unparse(part.returns),) if part.returns else ()


def _comment_above(lines: list[str], number: int) -> str:
    found: list[str] = []
    while number and lines[number - 1].startswith("#:"):
        number -= 1
        found.insert(0, lines[number].removeprefix("#:").strip())
    return " ".join(found)

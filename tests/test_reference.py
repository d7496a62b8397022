"""The references in docs are those of the code at hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

import tomoyo

from .reference import DOCS, DOCUMENTS, PACKAGE, library, met, public


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), f"docs/{name} is out of date: run `python3 -m tests.reference`"


def test_each_public_name_is_explained() -> None:
    entries = re.findall(r"^### (.+)\n((?:(?!##).*\n?)*)", library(), re.MULTILINE)
    assert [name for name, _ in entries] == [name for names in public().values() for name in names]
    text = [(name, re.sub(r"```.*?```|^- .*$", "", entry, flags=re.DOTALL | re.MULTILINE).strip()) for name, entry in entries]
    assert [name for name, found in text if not found] == []


def test_what_is_public_at_the_top_is_public_in_its_module() -> None:
    modules = public()
    homes = {name: module for module, names in tomoyo._HOMES.items() for name in names.split()}
    assert sorted(homes) == sorted(set(tomoyo.__all__) - {"__version__"})
    assert [name for name, module in homes.items() if name not in modules[module]] == []
    assert len(tomoyo.__all__) <= 60


def test_each_type_in_a_public_signature_is_public() -> None:
    modules = public()
    assert {f"{found.module}.{found.name}" for found in met() if found.name not in modules.get(found.module, ())} == set()


def raised(function: ast.FunctionDef) -> set[str]:
    """The errors that FUNCTION raises itself and does not catch."""
    caught = {
        name.id
        for node in ast.walk(function)
        if isinstance(node, ast.ExceptHandler) and node.type
        for name in ast.walk(node.type)
        if isinstance(name, ast.Name)
    }
    errors = [node.exc for node in ast.walk(function) if isinstance(node, ast.Raise) and node.exc]
    names = {ast.unparse(error.func if isinstance(error, ast.Call) else error).rpartition(".")[2] for error in errors}
    return {name for name in names if name[0].isupper()} - caught


def functions(node: ast.stmt) -> Iterator[tuple[ast.FunctionDef, str]]:
    """What is public of NODE, each function with what is said of its errors."""
    if isinstance(node, ast.FunctionDef):
        yield node, ast.get_docstring(node) or ""
    elif isinstance(node, ast.ClassDef):
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and (part.name == "__init__" or not part.name.startswith("_")):
                text = ast.get_docstring(node) if part.name == "__init__" else ""
                yield part, f"{text} {ast.get_docstring(part)}"


def test_each_public_function_names_the_errors_that_it_raises() -> None:
    silent = []
    for module, names in public().items():
        path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
        for node in ast.parse(path.read_bytes()).body:
            for function, text in functions(node) if getattr(node, "name", None) in names else ():
                silent += [f"{module}: {function.name}: {error}" for error in raised(function) if error not in text]
    assert silent == []

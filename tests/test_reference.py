"""The references in docs are those of the code at hand."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

import tomoyo

from . import docstrings
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


#: Errors that a function, as it calls another, cannot bring about.
NEVER = {
    ("activate", "UnreadableLineError"): "it becomes an ActivationError before anything is written",
    ("compile_policy", "InvalidValueError"): "the boot loader's settings were tried before",
    ("Suggestions.add", "InvalidValueError"): "events are left out before",
    ("Suggestions.add_text", "InvalidValueError"): "events are left out before",
    ("Suggestions.add_text", "Dropped"): "what can be dropped was read before",
}


def top_level() -> Iterator[tuple[str, str, ast.FunctionDef, ast.ClassDef | None]]:
    """The functions of the top level, and the constructors and public methods of its classes: module, name, function, class."""
    for module, names in tomoyo._HOMES.items():
        for name in names.split():
            found = docstrings.find(module, name)
            assert found
            node = found[1]
            if isinstance(node, ast.FunctionDef):
                yield module, name, node, None
                continue
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and (part.name in CONSTRUCTORS or not part.name.startswith("_")):
                    yield module, f"{name}.{part.name}", part, node


CONSTRUCTORS = ("__init__", "__post_init__")
TOP_LEVEL = {name: (module, function, owner) for module, name, function, owner in top_level()}


def said(function: ast.FunctionDef, owner: ast.ClassDef | None) -> str:
    """What is said of FUNCTION; of a constructor, its class says it."""
    return ast.get_docstring(owner if owner and function.name in CONSTRUCTORS else function) or ""


def silent_about(names: Iterable[str], text: str) -> list[str]:
    """The NAMES that TEXT does not say, as they are or in capitals."""
    return [name for name in names if not re.search(rf"\b({name}|{name.upper()})\b", text)]


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_each_function_of_the_top_level_explains_its_parameters(name: str) -> None:
    _, function, owner = TOP_LEVEL[name]
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    arguments += [extra for extra in (function.args.vararg, function.args.kwarg) if extra]
    wanted = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
    if owner and function.name == "__post_init__":
        wanted += fields(owner)
    assert silent_about(wanted, said(function, owner)) == []


def fields(owner: ast.ClassDef) -> list[str]:
    """The public fields of a dataclass."""
    found = (node.target for node in owner.body if isinstance(node, ast.AnnAssign))
    return [target.id for target in found if isinstance(target, ast.Name) and not target.id.startswith("_")]


def test_each_class_of_the_top_level_explains_its_fields() -> None:
    classes = [docstrings.find(module, name) for module, names in tomoyo._HOMES.items() for name in names.split()]
    nodes = [found[1] for found in classes if found and isinstance(found[1], ast.ClassDef)]
    assert len(nodes) > 20
    assert [(node.name, name) for node in nodes for name in silent_about(fields(node), ast.get_docstring(node) or "")] == []


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_each_function_of_the_top_level_names_every_error(name: str) -> None:
    module, function, owner = TOP_LEVEL[name]
    missing = silent_about(docstrings.errors(module, function, owner), said(function, owner))
    assert [error for error in missing if (name, error) not in NEVER] == []


def test_errors_are_followed_through_calls() -> None:
    module, function, _ = TOP_LEVEL["activate"]
    assert {"NoFreeProfileError", "PolicySetError", "InactiveError"} <= docstrings.errors(module, function)

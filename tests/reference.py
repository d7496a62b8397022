"""The references of commands and of the library, made from the code: `python3 -m tests.reference` writes both documents."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomoyo
from tomoyo.cli import reference
from tomoyo.lint.codes import LINT_CODES

from . import defined, language
from .layers import LAYERS

PACKAGE = Path(tomoyo.__file__).parent
DOCS = Path(__file__).resolve().parents[1] / "docs"
INTRODUCTION = """\
# The library

Made from the code by `python3 -m tests.reference`. What a module lists in `__all__` is public, and is listed under that module.
What most programs need can also be imported from `tomoyo` itself:
{top}.

Five small programs show how to use it: [parse a policy and look into it](../programs/parse_and_query.py),
[ask the decision engine](../programs/ask_engine.py), [bind names](../programs/bind_names.py),
[activate on a simulated kernel](../programs/activate_simulated.py) and [read a log as a stream](../programs/stream_log.py).

Every error of this package is a `TomoyoError`; for a file that cannot be opened or read, Python's `OSError` passes through.
Bad input to a function or a constructor is an `InvalidValueError`, which is a `ValueError` too, or an error that says more.
Values are immutable, so threads may share them; an object that does I/O or is open to change belongs to one thread at a time.
Text may come as `str` or `bytes`.
"""


class _Written:
    """An annotation as it stands in the code."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(function: Any, *, method: bool = False) -> str:
    """FUNCTION's signature, the same for every version of Python."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    found = list(signature.parameters.values())[method:]
    parameters = [parameter.replace(annotation=_written(parameter.annotation)) for parameter in found]
    parameters = [parameter.replace(default=_default(parameter.default)) for parameter in parameters]
    return str(signature.replace(parameters=parameters, return_annotation=_written(signature.return_annotation)))


def _written(annotation: Any) -> Any:
    annotation = getattr(annotation, "__forward_arg__", annotation)  # of a NamedTuple
    return _Written(annotation) if isinstance(annotation, str) else annotation


def _default(value: Any) -> Any:
    if value is inspect.Parameter.empty:
        return value
    if isinstance(value, enum.Enum):
        return _Written(f"{type(value).__name__}.{value.name}")
    # What has no literal may show an address, or everything that it holds.
    return value if isinstance(value, (str, bytes, int, float, type(None))) or value == () else _Written("...")


#: The beginning of a line that says what an argument or attribute is, or several.
_ITEM = re.compile(r"\*{0,2}[a-z_]\w*(, \*{0,2}[a-z_]\w*)*(?= ?[:(])")


def _whole(value: Any) -> str:
    """The docstring of VALUE as Markdown."""
    own = value.__doc__ or ""
    # An enumeration without one has what Python says of enumerations; a dataclass has its signature.
    if inspect.isclass(value) and (own in ("", "An enumeration.") or own.startswith(f"{value.__name__}(")):
        return ""
    return "\n\n".join(_block(lines) for lines in map(str.splitlines, (inspect.getdoc(value) or "").split("\n\n")))


def _block(lines: list[str]) -> str:
    """A paragraph as it is, code indented, or a list of arguments and attributes, with or without such a heading."""
    heading = lines[0] in ("Arguments:", "Attributes:")
    items = [line.removeprefix("    ") for line in lines[1:]] if heading else lines
    if items[0].startswith("    "):
        return "\n".join(lines)
    if not heading and not (_ITEM.match(items[0]) and ": " in items[0]):
        return reference._escaped(" ".join(items))
    joined: list[str] = []
    for line in items:
        if line.startswith(" "):
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    listed = "\n".join(f"- {_item(line)}" for line in joined)
    return f"{lines[0]}\n\n{listed}" if heading else listed


def _item(line: str) -> str:
    names = _ITEM.match(line)
    assert names, line
    shown = ", ".join(f"`{name}`" for name in names[0].split(", "))
    return shown + reference._escaped(line[names.end() :])


def _paragraph(value: Any) -> str:
    return _first_paragraph(inspect.getdoc(value) or "")


def _first_paragraph(text: str) -> str:
    return reference._escaped(text.split("\n\n")[0].replace("\n", " "))


def _types(module: str, value: Any) -> Iterator[str]:
    """Where to import the types that stand in the signature of VALUE of MODULE, but for those of MODULE itself."""
    found = {one for text in _signature_annotations(value) for one in defined.mentioned(module, text)}
    homes = {one.name: one.module for one in found if one.module != module and not one.name.startswith("_")}
    if homes:
        shown = [
            f"`{name}` of `{'tomoyo' if name in tomoyo.__all__ else f'tomoyo.{home}'}`" for name, home in sorted(homes.items())
        ]
        yield f"Types: {', '.join(shown)}.\n"


def _entry(module: str, name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value) and name in OPAQUE:
        yield f"{_whole(value)}\n"
    elif inspect.isclass(value):
        yield from _class(module, name, value)
    elif inspect.isroutine(value):
        yield f"```python\n{name}{_signature(value)}\n```\n\n{_whole(value)}\n"
        yield from _types(module, value)
    else:
        definition = defined.find(module, name)
        text = _first_paragraph(definition.text) if definition else ""
        if isinstance(value, (dict, list, tuple, frozenset)):
            yield f"A {type(value).__name__} of {len(value)}. {text}\n"
        elif isinstance(value, (str, bytes, int, float)):
            yield f"`{value!r}`. {text}\n"
        else:
            yield f"A name for a type: `{definition.value if definition else value}`. {text}\n"


def _class(module: str, name: str, value: type) -> Iterator[str]:
    text = _whole(value)
    if issubclass(value, enum.Enum):
        yield f"{text}\n\nOne of {', '.join(f'`{member.name}`' for member in value)}.\n"
    elif issubclass(value, BaseException):
        yield f"An exception, derived from `{value.__mro__[1].__name__}`. {text}\n"
    else:
        # What a class constructor returns is not news.
        yield f"```python\nclass {name}{_signature(value).removesuffix(' -> None')}\n```\n\n{text}\n"
        yield from _types(module, value)
    members = [
        (member, found) for member, found in vars(value).items() if not member.startswith("_") and not _is_field(value, found)
    ]
    lines = [line for member, found in members for line in _member(member, found)]
    if lines:
        yield "\n".join(lines) + "\n"


def _is_field(owner: type, value: Any) -> bool:
    return isinstance(value, owner) or not (inspect.isroutine(value) or isinstance(value, (property, classmethod, staticmethod)))


def _member(name: str, value: Any) -> Iterator[str]:
    if inspect.ismemberdescriptor(value):
        return
    if isinstance(value, property):
        shown, text = name, _whole(value)
    else:
        function = getattr(value, "__func__", value)
        shown, text = f"{name}{_signature(function, method=not isinstance(value, staticmethod))}", _whole(function)
    yield f"- `{shown}`: " + "\n".join(f"  {line}".rstrip() for line in text.splitlines()).strip()


def library() -> str:
    """docs/reference/api.md."""
    parts = [INTRODUCTION.format(top=", ".join(f"`{name}`" for name in tomoyo.__all__ if name != "__version__"))]
    for module, names in public().items():
        parts.append(f"## tomoyo.{module}\n")
        for name in names:
            parts += [f"### {name}\n", *(part for part in _entry_of(module, name) if part.strip())]
    return "\n".join(parts)


def public() -> dict[str, list[str]]:
    """Every module that says what is public in it, with those names; a literal, so that type checkers read it, too."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" and path.parent != PACKAGE:
                found[".".join(path.relative_to(PACKAGE).with_suffix("").parts)] = ast.literal_eval(node.value)
    return found


#: Public as types; what they are made of nobody outside has to know.
OPAQUE = frozenset({"EntryIndex", "KernelPolicy", "LintContext", "Statement"})


def met() -> Iterator[defined.Definition]:
    """What the signatures of public names name."""
    return (found for found in _met() if not found.name.startswith("_"))


def _met() -> Iterator[defined.Definition]:
    for module, names in public().items():
        for name in names:
            if name in OPAQUE:
                continue
            found = defined.find(module, name)
            for annotation in _annotations(_value(module, name)):
                yield from defined.mentioned(module, annotation)
            yield from found.mentioned() if found else ()


def _value(module: str, name: str) -> Any:
    """The value NAME of MODULE; None for what is there for type checkers alone."""
    return getattr(importlib.import_module(f"tomoyo.{module}"), name, None)


def _annotations(value: Any) -> Iterator[str]:
    """The annotations of a function, or of a class's constructor and of its public members."""
    yield from _signature_annotations(value)
    if inspect.isclass(value):
        for member, found in vars(value).items():
            if not member.startswith("_"):
                yield from _signature_annotations(
                    found.fget if isinstance(found, property) else getattr(found, "__func__", found)
                )


def _signature_annotations(function: Any) -> Iterator[str]:
    if inspect.isclass(function) or inspect.isroutine(function):
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            return
        found = [parameter.annotation for parameter in signature.parameters.values()]
        yield from (annotation for annotation in (*found, signature.return_annotation) if isinstance(annotation, str))


def _entry_of(module: str, name: str) -> Iterator[str]:
    value = _value(module, name)
    if value is not None:
        yield from _entry(module, name, value)
        return
    definition = defined.find(module, name)
    assert definition, f"{module} has no {name}"
    yield f"{_first_paragraph(definition.text)}\n"


CODES = "Made from the code by `python3 -m tests.reference`.\n"


def lint_codes() -> str:
    """docs/reference/lint.md: its text up to the list of codes, and that list."""
    written, _, _ = (DOCS / "reference/lint.md").read_text().partition(CODES)
    parts = [written + CODES]
    family = ""
    for code in LINT_CODES.values():
        if code.family != family:
            family = code.family
            parts.append(f"### {family}\n")
        parts.append(f"#### {code.name}\n\n*{code.severity.value.capitalize()}*: {_literal(code.reason)}.\n")
        parts.append(f"Instead: {_literal(code.remedy)}.\n\n{_literal(code.explanation)}\n")
    return "\n".join(parts)


PART = re.compile(r"(<!-- made from the code: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def policy_language() -> str:
    """docs/reference/policy-language.md."""
    return _filled("reference/policy-language.md", language.parts())


def contributing() -> str:
    """docs/contributing.md."""
    rows = ["| Directory | What is in it |", "|---|---|"]
    for room in reversed(LAYERS):
        purpose = _first_paragraph(importlib.import_module(f"tomoyo.{room}").__doc__ or "")
        rows.append(f"| `tomoyo/{room.replace('.', '/')}/` | {purpose} |")
    return _filled("contributing.md", {"rooms": "\n".join(rows)})


def _filled(name: str, tables: Mapping[str, str]) -> str:
    """The text of the document NAME, with the TABLES put where their marks are."""
    text = (DOCS / name).read_text()
    if sorted(found[2] for found in PART.finditer(text)) != sorted(tables):
        raise ValueError(f"docs/{name} lacks a table, or has one more")
    return PART.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", text)


def _literal(text: str) -> str:
    """TEXT, with what Markdown would take for something else as code."""
    return re.sub(r"\S*[\\*<@_]\S*?(?=[,.;:]?(?:\s|\Z))", lambda found: f"`{found[0]}`", text)


#: Each document with what makes it.
DOCUMENTS = {
    "reference/commands.md": reference.markdown,
    "contributing.md": contributing,
    "reference/api.md": library,
    "reference/lint.md": lint_codes,
    "reference/policy-language.md": policy_language,
}


if __name__ == "__main__":
    for name, make in DOCUMENTS.items():
        (DOCS / name).write_text(make())

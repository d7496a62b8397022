"""Derivations: the reader of ``.drv`` files.

A ``.drv`` file is one line of ATerm text, written by Nix only, that says how
a package is built and, what matters here, which outputs it has::

    Derive([("out","/nix/store/...-toy-3.1","","")],[("/nix/store/...-dep.drv",["out"])],
           ["/nix/store/...-builder.sh"],"x86_64-linux","/bin/sh",["-e"],[("name","toy-3.1"),...])

Beware: outputs that are not known before the build (content-addressed ones)
have an empty path, and with structured attributes nearly everything sits as
JSON in the variable ``__json``; the properties look there as well.

The reader is a set of functions that take the source and a position and
return the new position and a value, in time linear in the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ...model.errors import TomoyoError
from ...model.words import quoted
from .paths import parse_drv_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _Value = TypeVar("_Value")

__all__ = ["Derivation", "DerivationSyntaxError", "Output", "parse_derivation", "read_derivation"]

#: How deep outputs of outputs may nest (only in the experimental dynamic
#: derivations): far beyond use, far below Python's recursion limit.
MAX_NESTING = 100

#: What ``\x`` stands for where it is not ``x`` itself (parseString() in
#: libstore/derivations.cc).
ESCAPES = MappingProxyType({"\\n": "\n", "\\r": "\r", "\\t": "\t"})

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_DYNAMIC = "xp-dyn-drv"


class DerivationSyntaxError(TomoyoError, ValueError):
    """A text is no derivation.

    Attributes:
        msg: what is wrong, without its place.
        position: the offset in the text.
        line, column: the same place, counted from 1.
    """

    def __init__(self, msg: str, source: str, position: int) -> None:
        self.msg = msg
        self.position = position
        self.line: int = source.count("\n", 0, position) + 1
        self.column: int = position - source.rfind("\n", 0, position)
        super().__init__(f"line {self.line}, column {self.column}: {msg}")


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a derivation.

    Attributes:
        path: its store path; empty if only the build decides it.
        hash_algorithm, hash: set where the derivation fixes the content
            (``sha256``, ``r:sha256``); empty otherwise.
    """

    path: str
    hash_algorithm: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a ``.drv`` file says.  Store paths are kept as text.

    Attributes:
        outputs: by name; the main one is called ``out``.
        input_derivations: for each ``.drv`` path the outputs that are used.
            An output of an output, as dynamic derivations have them, is
            written ``out^out``.
        input_sources: paths that are used as they are.
        system, builder, args, env: what is run, where and how.
    """

    outputs: Mapping[str, Output]
    input_derivations: Mapping[str, tuple[str, ...]]
    input_sources: tuple[str, ...]
    system: str
    builder: str
    args: tuple[str, ...]
    env: Mapping[str, str]

    @property
    def name(self) -> str:
        """The derivation's name, such as ``toy-3.1``; empty if it states none."""
        return self._stated("name") or ""

    @property
    def pname(self) -> str:
        """The package's name: the stated ``pname``, else by parseDrvName's rule."""
        return self._stated("pname") or parse_drv_name(self.name)[0]

    @property
    def version(self) -> str:
        """The package's version: the stated ``version``, else by parseDrvName's rule."""
        stated = self._stated("version")
        return parse_drv_name(self.name)[1] if stated is None else stated

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs, sorted by name as the file has them."""
        return tuple(self.outputs)

    @property
    def structured_attributes(self) -> Mapping[str, Any] | None:
        """The attributes from ``__json``; None for a derivation without.

        Raises `DerivationSyntaxError` if that is not a JSON object; the
        place is within the variable's text.
        """
        text = self.env.get("__json")
        if text is None:
            return None
        import json

        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise DerivationSyntaxError(f"__json: {error.msg}", text, error.pos) from None
        except (ValueError, RecursionError) as error:
            raise DerivationSyntaxError(f"__json: {error}", text, 0) from None
        if not isinstance(value, dict):
            raise DerivationSyntaxError("__json: not an object", text, 0)
        return value

    def output_of(self, path: str) -> str | None:
        """The name of the output that lies at PATH; None if none does."""
        for name, output in self.outputs.items():
            if output.path == path:
                return name
        return None

    def _stated(self, attribute: str) -> str | None:
        structured = self.structured_attributes
        value = self.env.get(attribute) if structured is None else structured.get(attribute)
        return value if isinstance(value, str) else None


def parse_derivation(source: str) -> Derivation:
    """Read the text of a ``.drv`` file.

    Raises `DerivationSyntaxError`, whatever the text is.
    """
    position = 0
    dynamic = source.startswith("DrvWithVersion(")
    if dynamic:
        position = _expect(source, position, "DrvWithVersion(")
        place = position
        position, version = parse_string(source, position)
        if version != _DYNAMIC:
            raise DerivationSyntaxError(f"unknown format {quoted(version)}", source, place)
        position = _expect(source, position, ",")
    else:
        position = _expect(source, position, "Derive(")
    position, outputs = parse_list(source, position, parse_output)
    position = _expect(source, position, ",")
    position, inputs = parse_list(source, position, parse_dynamic_input if dynamic else parse_input)
    position = _expect(source, position, ",")
    position, input_sources = parse_list(source, position, parse_string)
    position = _expect(source, position, ",")
    position, system = parse_string(source, position)
    position = _expect(source, position, ",")
    position, builder = parse_string(source, position)
    position = _expect(source, position, ",")
    position, args = parse_list(source, position, parse_string)
    position = _expect(source, position, ",")
    position, env = parse_list(source, position, parse_variable)
    position = _expect(source, position, ")")
    if position < len(source):
        raise DerivationSyntaxError("expected the end of the file", source, position)
    return Derivation(
        outputs=MappingProxyType(dict(outputs)),
        input_derivations=MappingProxyType(dict(inputs)),
        input_sources=tuple(input_sources),
        system=system,
        builder=builder,
        args=tuple(args),
        env=MappingProxyType(dict(env)),
    )


def read_derivation(path: str) -> Derivation:
    """Read the ``.drv`` file at PATH.

    Bytes that are not UTF-8 are kept as `os.fsdecode` keeps them.

    Raises `DerivationSyntaxError`, and `OSError` if it cannot be read.
    """
    with open(path, "rb") as file:
        return parse_derivation(file.read().decode("utf-8", "surrogateescape"))


def parse_output(source: str, position: int) -> tuple[int, tuple[str, Output]]:
    """Read ``("man","/nix/store/...","","")``."""
    position = _expect(source, position, "(")
    position, name = parse_string(source, position)
    position = _expect(source, position, ",")
    position, path = parse_string(source, position)
    position = _expect(source, position, ",")
    position, hash_algorithm = parse_string(source, position)
    position = _expect(source, position, ",")
    position, hash_ = parse_string(source, position)
    position = _expect(source, position, ")")
    return position, (name, Output(path, hash_algorithm, hash_))


def parse_input(source: str, position: int) -> tuple[int, tuple[str, tuple[str, ...]]]:
    """Read ``("/nix/store/...-dep.drv",["dev","out"])``."""
    position = _expect(source, position, "(")
    position, path = parse_string(source, position)
    position = _expect(source, position, ",")
    position, outputs = parse_list(source, position, parse_string)
    position = _expect(source, position, ")")
    return position, (path, tuple(outputs))


def parse_dynamic_input(source: str, position: int) -> tuple[int, tuple[str, tuple[str, ...]]]:
    """Read the same where it may be ``("...drv",(["out"],[("out",["out"])]))``."""
    position = _expect(source, position, "(")
    position, path = parse_string(source, position)
    position = _expect(source, position, ",")
    position, outputs = _parse_output_tree(source, position, 0)
    position = _expect(source, position, ")")
    return position, (path, tuple(outputs))


def _parse_output_tree(source: str, position: int, depth: int) -> tuple[int, list[str]]:
    if not source.startswith("(", position):
        return parse_list(source, position, parse_string)
    if depth == MAX_NESTING:
        raise DerivationSyntaxError(f"outputs nest deeper than {MAX_NESTING}", source, position)

    def parse_child(source: str, position: int) -> tuple[int, list[str]]:
        position = _expect(source, position, "(")
        position, parent = parse_string(source, position)
        position = _expect(source, position, ",")
        position, children = _parse_output_tree(source, position, depth + 1)
        position = _expect(source, position, ")")
        return position, [f"{parent}^{child}" for child in children]

    position = _expect(source, position, "(")
    position, outputs = parse_list(source, position, parse_string)
    position = _expect(source, position, ",")
    position, below = parse_list(source, position, parse_child)
    position = _expect(source, position, ")")
    return position, outputs + [output for outputs in below for output in outputs]


def parse_variable(source: str, position: int) -> tuple[int, tuple[str, str]]:
    """Read ``("name","toy-3.1")``."""
    position = _expect(source, position, "(")
    position, name = parse_string(source, position)
    position = _expect(source, position, ",")
    position, value = parse_string(source, position)
    position = _expect(source, position, ")")
    return position, (name, value)


def parse_list(source: str, position: int, parse_item: Callable[[str, int], tuple[int, _Value]]) -> tuple[int, list[_Value]]:
    """Read ``[ITEM,ITEM...]`` with PARSE_ITEM for each item."""
    position = _expect(source, position, "[")
    items: list[_Value] = []
    if source.startswith("]", position):
        return position + 1, items
    while True:
        position, item = parse_item(source, position)
        items.append(item)
        if source.startswith("]", position):
            return position + 1, items
        if not source.startswith(",", position):
            raise DerivationSyntaxError("expected ',' or ']'", source, position)
        position += 1


def parse_string(source: str, position: int) -> tuple[int, str]:
    """Read ``"TEXT"``, in which a backslash escapes any character."""
    start = _expect(source, position, '"')
    end = source.find('"', start)
    # A quote ends the string unless an odd number of backslashes stands
    # before it.  The runs of backslashes lie between quotes, so none is
    # counted twice.
    last = start
    while end >= 0:
        before = end
        while before > last and source[before - 1] == "\\":
            before -= 1
        if (end - before) % 2 == 0:
            break
        last = end
        end = source.find('"', end + 1)
    if end < 0:
        raise DerivationSyntaxError("a string without its closing quote", source, position)
    text = source[start:end]
    if "\\" in text:
        text = _ESCAPE.sub(lambda match: ESCAPES.get(match[0], match[1]), text)
    return end + 1, text


def _expect(source: str, position: int, text: str) -> int:
    if not source.startswith(text, position):
        raise DerivationSyntaxError(f"expected {quoted(text)}", source, position)
    return position + len(text)

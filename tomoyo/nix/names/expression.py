"""Nix expressions: a policy as a function of ``pkgs``, with a package in each store path's place.

    pkgs: ''
      <kernel> ${pkgs.nginx}/bin/nginx
      file read ${pkgs.glibc}/lib/libc.so.6
    ''

Nix evaluates it to the policy's text, with the store paths of whatever
packages it is given.  Which attribute gives which store path is not for us to
guess: a table says so.

The text becomes one of Nix's indented strings.  What that takes is known from
Nix's lexer and from ``stripIndentation()`` in its parser: the least
indentation of all lines is taken off, white space alone at the end is too, and
``${``, ``''`` and ``$`` before ``${`` mean something else than they say.  The
tests hold the result equal to what Nix makes of it, byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...model.errors import TomoyoError
from ...model.words import quoted
from ..store.paths import HASH_ALPHABET, HASH_LENGTH, STORE_DIRECTORY, StorePathError, parse_store_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Expression", "ExpressionError", "Literal", "nix_expression"]

_INDENTATION = "  "
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
#: Identifiers that Nix reads as something else.
_KEYWORDS = frozenset(("assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"))
_COMPONENT = re.compile(r'"(?:[^"\\]|\\.)*"|[^."\\]+', re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
#: What may not stand in an indented string as it is: quotes that are not alone, and dollars before a brace.
_SPECIAL = re.compile(r"'+(?=[$\r]|\Z)|''+|\$+(?=[{'\r]|\Z)|\r")


class ExpressionError(TomoyoError, ValueError):
    """Something that no Nix expression can say, or an attribute that is none."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A store path for which the table has no attribute: it stands in the expression as it is.

    Attributes:
        line, column: where it first stands in the text, from 1.
    """

    path: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Expression:
    """What `nix_expression` gives.

    Attributes:
        text: the expression, a function of ``pkgs``, ended by a newline.
        used: the attributes in it, sorted.
        literals: store paths that stand in it as they are, in the order of the text.
    """

    text: str
    used: tuple[str, ...]
    literals: tuple[Literal, ...]


def nix_expression(text: str, attributes: Mapping[str, str], store_directory: str = STORE_DIRECTORY) -> Expression:
    """Write TEXT as a Nix function of ``pkgs``.

    Arguments:
        attributes: attribute path, ``glibc.dev`` or ``python3Packages."x.y"``,
            perhaps with ``pkgs.`` before it, to store path.  Where several give
            the same store path the shortest counts.

    Takes time linear in the text.  Raises ExpressionError for an attribute
    or store path that is none, and for a NUL character in TEXT, which a
    string of Nix cannot hold.
    """
    if "\0" in text:
        raise ExpressionError(f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}: Nix has no strings with NUL characters")
    table = attribute_table(attributes, store_directory)
    found = re.compile(re.escape(store_directory) + f"/[{HASH_ALPHABET}]{{{HASH_LENGTH}}}-[A-Za-z0-9+\\-._?=]+")
    used: set[str] = set()
    literals: dict[str, Literal] = {}
    lines = text.split("\n")
    written = []
    for number, line in enumerate(lines, 1):
        pieces = [_INDENTATION if line else ""]
        if line[:1] in (" ", "\t", "\r"):
            pieces.append('${""}')  # so that Nix takes no more off than our own indentation
        start = 0
        for path in found.finditer(line) if store_directory in line else ():
            attribute = table.get(path[0])
            if attribute is None:
                literals.setdefault(path[0], Literal(path[0], number, path.start() + 1))
                continue
            used.add(attribute)
            pieces += [_escape(line[start : path.start()]), f"${{{attribute}}}"]
            start = path.end()
        # With its newline, since at the end of the text other rules hold.
        pieces.append(_escape(line[start:]) if number == len(lines) else _escape(line[start:] + "\n")[:-1])
        written.append("".join(pieces))
    return Expression(f"pkgs: ''\n{chr(10).join(written)}''\n", tuple(sorted(used)), tuple(literals.values()))


def attribute_table(attributes: Mapping[str, str], store_directory: str = STORE_DIRECTORY) -> dict[str, str]:
    """ATTRIBUTES turned around: each store path with the Nix text of its attribute, ``pkgs.glibc.dev``.

    Raises ExpressionError.
    """
    table: dict[str, str] = {}
    for written, path in attributes.items():
        attribute = attribute_text(written)
        try:
            parse_store_path(path, store_directory)
        except StorePathError as error:
            raise ExpressionError(f"attribute {quoted(written)}: no store path: {error}") from None
        held = table.get(path)
        if held is None or (len(attribute), attribute) < (len(held), held):
            table[path] = attribute
    return table


def attribute_text(written: str) -> str:
    """The attribute path WRITTEN as Nix reads it, below ``pkgs``; what is no identifier gets quotes.

    Raises ExpressionError.
    """
    names = []
    position = 0
    while True:
        component = _COMPONENT.match(written, position)
        if component is None:
            raise ExpressionError(f"no attribute path: {quoted(written)} at offset {position}: expected a name")
        text = component[0]
        if text[0] == '"':
            text = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), text[1:-1], flags=re.DOTALL)
        if "\0" in text:
            raise ExpressionError(f"no attribute path: {quoted(written)} holds a NUL character")
        names.append(text)
        position = component.end()
        if position == len(written):
            break
        if written[position] != ".":
            raise ExpressionError(f"no attribute path: {quoted(written)} at offset {position}: expected '.'")
        position += 1
    if len(names) > 1 and names[0] == "pkgs":
        names.pop(0)
    return ".".join(("pkgs", *map(_attribute_name, names)))


def _attribute_name(name: str) -> str:
    if _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS:
        return name
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{quoted}"'.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _escape(text: str) -> str:
    """TEXT, a line or a part of one, within an indented string."""
    if "'" not in text and "$" not in text and "\r" not in text:
        return text
    return _SPECIAL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    character = found[0][0]
    if character == "\r":
        return "''\\r"  # Nix takes a bare one for the end of a line
    return ("''$" if character == "$" else "''\\'") * len(found[0])

"""Values as plain data (dict, list, str, int), ready for JSON.

Words, numbers, addresses and names appear as their text.  A value that may be
of several classes says which in ``"type"``.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from ..model.addresses import AddressRange
from ..model.conditions import ArgumentTest, Attribute, Comparison, Condition, EnvironmentTest
from ..model.entries import Entry
from ..model.numbers import Number, NumberRange
from ..model.stat import Timestamp
from ..model.words import DomainName, GroupReference, Quoted, UncheckedWord, Word

__all__ = ["plain"]

_TEXTS = (Word, UncheckedWord, GroupReference, DomainName, Number, NumberRange, AddressRange, Attribute, Timestamp)
_NAMED = (Comparison, ArgumentTest, EnvironmentTest)


def plain(value: Any) -> Any:
    """VALUE, any value of the model, as plain data."""
    if isinstance(value, _TEXTS):
        return str(value)
    if isinstance(value, Quoted):
        return value.text
    if isinstance(value, Entry):
        return _plain_entry(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if is_dataclass(value):
        found = {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        return {"type": type(value).__name__, **found} if isinstance(value, _NAMED) else found
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _plain_entry(entry: Entry) -> dict[str, Any]:
    condition: Condition | None = entry.condition
    return {
        "text": entry.text,
        "kind": entry.kind.name.lower(),
        "operations": list(entry.operations),
        "arguments": {name: str(value) for name, value in zip(entry.kind.arguments, entry.arguments)},
        "condition": plain(condition),
    }

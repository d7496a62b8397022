"""Reading one ACL entry: ``file read /etc/passwd task.uid=0``."""

from __future__ import annotations

from collections.abc import Callable

from ..model.entries import (
    FILE_KINDS,
    MAX_PORT,
    NETWORK_KINDS,
    Argument,
    ArgumentType,
    Entry,
    Kind,
)
from ..model.numbers import NumberRange
from ..model.words import Fault, GroupReference, Word
from .arguments import parse_range, read_address_or_group, read_domain_name, read_name, read_number_or_group
from .conditions import read_condition
from .lines import Effect, Line

#: A file operation on its own, with its kind.
_FILE_OPERATION = {operation: (kind, (operation,)) for kind in FILE_KINDS for operation in kind.operations}
_PATH, _PATH_NUMBER = Kind.PATH, Kind.PATH_NUMBER  # to look up a member of an enumeration takes as long as to match a line
_PATH_OPERATION = {operation: (operation,) for operation in Kind.PATH.operations}
#: What a name that is neither missing nor a group does not begin with.
_NO_NAME = ("", "@")
_FILE_OPERATIONS = "an operation such as read, or several as read/write"
_EXPECTED = "file, network inet, network unix, misc env or task manual_domain_transition"


def read_entry(line: Line) -> Entry:
    """Read an entry and its condition up to the end of LINE."""
    start = line.position
    plain = read_plain_entry(line.text, start)
    if plain is not None:
        line.position = len(line.text) + 1
        return plain
    if line.take("file "):
        kind, operations = _file_operations(line, start + len("file "), line.token())
    elif line.text.startswith(("network inet ", "network unix "), start):
        kind, operations = _read_network_operations(line)
    elif line.take("misc env "):
        kind, operations = Kind.ENVIRONMENT, ("env",)
    elif line.take("task manual_domain_transition "):
        kind, operations = Kind.TRANSITION, ("manual_domain_transition",)
    else:
        line.drop(start, line.rest, "not an entry", _EXPECTED)
    arguments = tuple([read(line, expected) for read, expected in _READERS[kind]])
    tail = " ".join([str(argument) for argument in arguments])
    if line.ended:
        return Entry.trusted(kind, operations, arguments, None, tail)
    start = line.position
    condition = read_condition(line)
    if condition.transition is not None and operations != ("execute",):
        message = "a transition preference goes with 'file execute' alone"
        line.drop(start, str(condition.transition), message, "a condition such as task.uid=0")
    return Entry.trusted(kind, operations, arguments, condition, f"{tail} {condition}")


def read_plain_entry(text: str, start: int = 0) -> Entry | None:
    """The entry that TEXT says from START on, if it is one operation on one file by its name, as nearly all are."""
    if start:
        text = text[start:]
    words = text.split(" ")
    if len(words) < 3 or words[0] != "file" or "\\" in text or not (text.isascii() and text.isprintable()):
        return None
    name = words[2]
    if name[:1] in _NO_NAME:
        return None
    if len(words) == 3:
        operations = _PATH_OPERATION.get(words[1])
        return Entry.trusted(_PATH, operations, (Word.trusted(name),), None, name, text) if operations else None
    numbered, number = words[1], words[3]
    if len(words) > 4 or numbered not in _PATH_NUMBER.operations or not number[:1].isdigit():
        return None
    value = parse_range(number)
    if isinstance(value, Fault) or value[1]:
        return None
    return Entry.trusted(_PATH_NUMBER, (numbered,), (Word.trusted(name), value[0]), None, f"{name} {value[0]}")


def _operations_in(token: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The kernel's search: a name counts where TOKEN first holds it, at the start or behind '/'."""
    found = []
    for name in names:
        position = token.find(name)
        if position == 0 or (position > 0 and token[position - 1] == "/"):
            found.append(name)
    return tuple(found)


def _file_operations(line: Line, start: int, token: str) -> tuple[Kind, tuple[str, ...]]:
    """What TOKEN, which begins at START, says."""
    if token in _FILE_OPERATION:
        return _FILE_OPERATION[token]
    for kind in FILE_KINDS:
        operations = _operations_in(token, kind.operations)
        if operations:
            _note_lost(line, start, token, operations)
            return kind, operations
    line.drop(start, token, "unknown file operation", _FILE_OPERATIONS)


def _note_lost(line: Line, start: int, token: str, operations: tuple[str, ...]) -> None:
    if sorted(token.split("/")) != sorted(operations):
        message = f"the kernel reads only {'/'.join(operations)}"
        line.note(Effect.ALTERED, start, token, message, "operations of one kind, joined with '/'")


def _read_network_operations(line: Line) -> tuple[Kind, tuple[str, ...]]:
    family = f"{line.token()} {line.token()}"
    protocol_start = line.position
    protocol = line.token()
    start = line.position
    token = line.token()
    kind = NETWORK_KINDS.get(f"{family} {protocol}")
    if kind is None:
        line.drop(protocol_start, protocol, "unknown protocol", "stream, dgram, raw or seqpacket")
    operations = _operations_in(token, kind.operations)
    if not operations:
        line.drop(start, token, "unknown network operation", "/".join(kind.operations))
    _note_lost(line, start, token, operations)
    useless = [operation for operation in operations if operation in kind.unasked]
    if useless:
        asked = [operation for operation in kind.operations if operation not in kind.unasked]
        expected = " or ".join(asked) if asked else "another protocol"
        message = f"the kernel never asks for '{kind.keyword} {'/'.join(useless)}', so this grants nothing of its own"
        line.note(Effect.USELESS, start, token, message, expected)
    return kind, operations


def _read_variable(line: Line, expected: str) -> Word:
    start = line.position
    token = line.token()
    if "=" in token:
        line.drop(start + token.index("="), token, "a variable's name has no '='", expected)
    return Word(line.word(start, token, expected))


def _read_port(line: Line, expected: str) -> NumberRange | GroupReference:
    start = line.position
    value = read_number_or_group(line, expected)
    if isinstance(value, NumberRange) and value.last.value > MAX_PORT:
        line.drop(start, str(value), f"a port is at most {MAX_PORT}", expected)
    return value


_READER: dict[ArgumentType, Callable[[Line, str], Argument]] = {
    ArgumentType.NAME: read_name,
    ArgumentType.NUMBER: read_number_or_group,
    ArgumentType.PORT: _read_port,
    ArgumentType.ADDRESS: read_address_or_group,
    ArgumentType.VARIABLE: _read_variable,
    ArgumentType.DOMAIN: read_domain_name,
}
#: For each kind of entry, how to read its arguments, and what to say is expected there.
_READERS = {kind: tuple((_READER[wanted], f"{name}: {wanted.value}") for name, wanted in kind.arguments.items()) for kind in Kind}

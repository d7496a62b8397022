"""Reading what follows an entry's arguments: transition preference, tests, grant_log."""

from __future__ import annotations

from typing import NoReturn

from ..model.conditions import (
    ATTRIBUTES,
    STRING_ATTRIBUTES,
    TRANSITION_KEYWORDS,
    ArgumentTest,
    Attribute,
    Comparison,
    Condition,
    EnvironmentTest,
    Test,
)
from ..model.entries import GroupKind
from ..model.numbers import NumberRange, Radix
from ..model.words import DomainName, GroupReference, Quoted, Word, is_path
from .arguments import group_reference, number_range, read_domain_name, read_number
from .lines import Effect, Line

_ATTRIBUTES = {name: Attribute(name) for name in ATTRIBUTES}
_ARGUMENT = "exec.argv["
_VARIABLE = 'exec.envp["'
_TEST = "a condition such as task.uid=0"
_QUOTED = 'a "PATTERN" in double quotes'


def read_condition(line: Line) -> Condition:
    """Read all that is left of LINE, which is not empty, as a condition."""
    transition = _read_transition(line)
    start = line.position
    # The kernel cuts the whole line into tests before it looks into any.
    tests = [_split_test(line, offset, word) for offset, word in _words(line.rest, start)]
    grant_log = None
    found: list[Test] = []
    for offset, left, equal, right in tests:
        right_offset = offset + len(left) + (1 if equal else 2)
        if left == "grant_log":
            if not equal or grant_log is not None or right not in ("yes", "no"):
                line.drop(offset, f"{left}={right}", "grant_log is yes or no, once", "grant_log=yes")
            grant_log = right == "yes"
        elif left.startswith(_ARGUMENT):
            found.append(_argument_test(line, offset, left, equal, right, right_offset))
        elif left.startswith(_VARIABLE):
            found.append(_environment_test(line, offset, left, equal, right, right_offset))
        else:
            found.append(_comparison(line, offset, left, equal, right, right_offset))
    condition = Condition(transition, tuple(found), grant_log)
    if condition.is_misread:
        message = "the kernel prints grant_log last, and then reads this as a transition preference"
        line.note(Effect.ALTERED, start, str(condition), message, "another condition first, or a group's name without '/'")
    return condition


def _read_transition(line: Line) -> Word | DomainName | None:
    if line.text.startswith("<", line.position):
        return read_domain_name(line, "a domain to enter")
    start = line.position
    token = line.token()
    if token in TRANSITION_KEYWORDS or is_path(token):
        return Word(token)
    line.position = start
    return None


def _words(text: str, start: int) -> list[tuple[int, str]]:
    words = []
    for word in text.split(" ") if text else ():
        words.append((start, word))
        start += len(word) + 1
    return words


def _split_test(line: Line, offset: int, word: str) -> tuple[int, str, bool, str]:
    sign = word.find("=")
    if sign <= 0:
        line.drop(offset, word, "not a condition", _TEST)
    if word[sign - 1] == "!":
        return offset, word[: sign - 1], False, word[sign + 1 :]
    if word.startswith("==", sign):
        line.drop(offset + sign, word, "not a condition", "'=' or '!='")
    return offset, word[:sign], True, word[sign + 1 :]


def _quoted(line: Line, offset: int, text: str) -> Quoted:
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        line.drop(offset, text, "not a quoted word", _QUOTED)
    inner = text[1:-1]
    return Quoted(line.word(offset + 1, inner, _QUOTED) if inner else "")


def _argument_test(line: Line, offset: int, left: str, equal: bool, right: str, right_offset: int) -> ArgumentTest:
    found = read_number(left, len(_ARGUMENT), line.version)
    if found is None or found[0].radix is not Radix.DECIMAL or left[found[1] :] != "]":
        line.drop(offset, left, "not an index of argv", "exec.argv[N] with a decimal N")
    index = found[0].value
    if (left[len(_ARGUMENT) : -1].lstrip("0") or "0") != str(index):
        line.note(Effect.ALTERED, offset, left, f"the kernel reads exec.argv[{index}]", "a 64-bit index")
    return ArgumentTest(index, _quoted(line, right_offset, right), equal)


def _environment_test(line: Line, offset: int, left: str, equal: bool, right: str, right_offset: int) -> EnvironmentTest:
    name = left[len(_VARIABLE) :]
    if name.endswith('"]'):
        name = name[:-2]
    elif name == "]":
        # The kernel takes the opening quote for the closing one and ']' for the name.
        line.note(Effect.ALTERED, offset, left, 'the kernel reads exec.envp["]"]', 'exec.envp["NAME"]')
    else:
        line.drop(offset, left, "not a variable of envp", 'exec.envp["NAME"]')
    variable = Word(line.word(offset + len(_VARIABLE), name, "the name of an environment variable"))
    return EnvironmentTest(variable, None if right == "NULL" else _quoted(line, right_offset, right), equal)


def _comparison(line: Line, offset: int, left: str, equal: bool, right: str, right_offset: int) -> Comparison:
    attribute: Attribute | NumberRange | None = _ATTRIBUTES.get(left)
    if attribute is None:
        if left.startswith("@"):
            line.drop(offset, left, "a group may stand only on the right side", _TEST)
        if not left[:1].isdigit():
            _refuse_attribute(line, offset, left)
        attribute = number_range(line, offset, left, "an attribute such as task.uid, or a number")
    value: Attribute | NumberRange | GroupReference | Quoted
    if left in STRING_ATTRIBUTES:
        if right.startswith("@"):
            value = group_reference(line, GroupKind.PATH, right_offset + 1, right[1:])
        else:
            value = _quoted(line, right_offset, right)
    elif right in _ATTRIBUTES:
        value = _ATTRIBUTES[right]
    elif right.startswith("@"):
        value = group_reference(line, GroupKind.NUMBER, right_offset + 1, right[1:])
    else:
        value = number_range(line, right_offset, right, "a number, a range, an attribute or @NUMBER_GROUP")
    return Comparison(attribute, value, equal)


def _refuse_attribute(line: Line, offset: int, left: str) -> NoReturn:
    from difflib import get_close_matches

    near = get_close_matches(left, ATTRIBUTES, 1)
    hint = near[0] if near else "an attribute such as task.uid, or a number"
    line.drop(offset, left, "unknown attribute", hint)

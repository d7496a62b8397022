"""Bad input to anything public gives a `TomoyoError`, whatever is called and whatever it is given."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import tomoyo
from tomoyo import TomoyoError
from tomoyo.model.entries import Kind
from tomoyo.model.exception_policy import NamespaceExceptions
from tomoyo.model.numbers import Number
from tomoyo.model.profiles import Mode
from tomoyo.model.words import DomainName, Quoted, Word

from .reference import public

TEXTS = (
    *("", " ", "x", "\n", "\0", "/", "//", "\\", "/\\x", "/\\{", "/\\400", "@", "@/", "=", "a=", "=b", "a=b", '"', "é", "\ud800"),
    *("-1", "0", "1-0", "256", "0x", "08", "99999999999999999999", "9" * 5000, "[::1]", "1.2.3", "6.x", "v", "#" * 9, "#x#"),
    *(
        "<",
        "<>",
        "<kernel> x",
        "<kernel>\n\n\n",
        "file",
        "file read",
        "file raed /x",
        "file read /x path1.uid=x",
        "file read /x\0",
    ),
    *("misc env", "use_profile", "use_profile 256", "<kernel>\nfile", "0-CONFIG={", "0-CONFIG", "PROFILE_VERSION=1"),
    *(
        "acl_group 256 file read /",
        "aggregator /x",
        "path_group X",
        "delete",
        "select",
        "profile=",
        "task manual_domain_transition x",
    ),
    *(
        "network inet stream connect 1 1",
        "network unix stream bind /x 1",
        "nix:",
        "nix:/",
        "nix:/x^",
        "/nix/store",
        "/nix/store/x",
    ),
    *("{", "[", "{}", "[]", "null", '{"a": 1}', "Derive("),
)
PATHS = frozenset({"path", "folder", "state", "locks", "proc", "root"})
NUMBERS = (-1, 0, 256, 2**64, 10**30)
EMPTY = tomoyo.DomainPolicy()
ENGINE = tomoyo.DecisionEngine(EMPTY)
REQUEST = tomoyo.parse_request("file read /x")
ENTRY = REQUEST.entry
#: Values, right and wrong, of what an annotation names.
SAMPLES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("str", "DomainName | str", "Word | str"), TEXTS),
    **dict.fromkeys(("Source", "str | bytes"), (*TEXTS, *(text.encode("utf-8", "surrogatepass") for text in TEXTS), TEXTS)),
    **dict.fromkeys(("Source | BinaryIO",), (*TEXTS, io.BytesIO(b"x\n"), io.BytesIO(b"#1\n"))),
    "bytes": tuple(text.encode("utf-8", "surrogatepass") for text in TEXTS),
    "int": NUMBERS,
    **dict.fromkeys(
        ("Iterable[str]", "Collection[str]", "Sequence[str]", "tuple[str, ...]", "list[str]"),
        ((), *((text,) for text in TEXTS), TEXTS[:3]),
    ),
    **dict.fromkeys(("tuple[int, ...]", "frozenset[int]", "Collection[int]"), ((), *((number,) for number in NUMBERS))),
    "bool": (False, True),
    "Number": (Number(0), Number(2**64 - 1)),
    "Mode": tuple(Mode),
    "Kind": tuple(Kind),
    "Word": (Word("/x"), Word("x"), Word("/\\*"), Word("any")),
    "Quoted": (Quoted("/x"), Quoted("\\*")),
    "DomainName": (DomainName("<kernel>"), DomainName("<x> /y")),
    "Entry": (ENTRY,),
    "Request": (REQUEST,),
    "DomainPolicy": (EMPTY,),
    "DecisionEngine": (ENGINE,),
    "ExceptionPolicy": (tomoyo.ExceptionPolicy(),),
    "NamespaceExceptions": (NamespaceExceptions(),),
    "tuple[Argument, ...]": ((), (Word("/x"),), (Number(0),), (Word("/x"), Word("/y"))),
    "tuple[Value, ...]": ((), ("/x",), (0,), ("/x", "/y"), ("\n",), (-1,)),
    "Mapping[str, int]": ({}, {"x": -1}),
    "Mapping[str, str]": ({}, {"x": "/x"}),
}  # fmt: skip


def samples(parameter: inspect.Parameter) -> tuple[Any, ...]:
    """Values of what PARAMETER takes; none where they are not made here."""
    annotation = str(parameter.annotation).removesuffix(" | None")
    found = SAMPLES.get(annotation, ())
    # What no path can be Python itself refuses.
    return tuple(value for value in found if not {"\0", "\ud800"} & {*value}) if parameter.name in PATHS else found


def callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Everything public that takes nothing but what `samples` makes: functions, classes and their other constructors."""
    for module, names in public().items():
        for name in names:
            value = getattr(import_module(f"tomoyo.{module}"), name, None)
            found = [(name, value)]
            if inspect.isclass(value):
                found += [
                    (f"{name}.{own}", getattr(value, own))
                    for own, member in vars(value).items()
                    if isinstance(member, (classmethod, staticmethod)) and not own.startswith("_")
                ]
            for own, function in found:
                if not (inspect.isclass(function) and issubclass(function, BaseException)) and callable(function):
                    yield f"{module}.{own}", function


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """What FUNCTION takes, but for what may be left out and is not made here; none where something that it needs is not."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    if not all(samples(parameter) for parameter in found if parameter.default is parameter.empty):
        return []
    return [parameter for parameter in found if samples(parameter)]


WALKED = {name: function for name, function in callables() if parameters(function)}


def calls(function: Callable[..., Any]) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments for FUNCTION: each sample of each parameter, the others at a value of their own, or left out."""
    needed = parameters(function)
    for tried in needed:
        for value in samples(tried):
            for other in (0, 2):
                given = {
                    parameter.name: samples(parameter)[min(other, len(samples(parameter)) - 1)]
                    for parameter in needed
                    if parameter.default is parameter.empty
                }
                given[tried.name] = value
                positional = [
                    given.pop(parameter.name)
                    for parameter in needed
                    if parameter.name in given and parameter.kind is parameter.POSITIONAL_ONLY
                ]
                yield positional, given


@pytest.mark.parametrize("name", WALKED)
def test_bad_input_gives_an_error_of_this_package(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for positional, named in calls(WALKED[name]):
        try:
            result = WALKED[name](*positional, **named)
            if inspect.isgenerator(result):
                list(result)
        except (TomoyoError, OSError):
            continue
        except Exception as error:
            pytest.fail(f"{name}(*{positional!r:.200}, **{named!r:.200}): {type(error).__name__}: {error}")


def test_most_of_what_takes_text_is_walked() -> None:
    assert len(WALKED) > 80
    assert {"decision.requests.parse_request", "model.domains.Domain", "syntax.domain_policy.parse_domain_policy"} <= set(WALKED)

"""Diagnostics as SARIF 2.1.0, the format in which code hosts and editors take the findings of a tool.

Files are named by URIs relative to the current directory.  What is no finding
about a policy, such as arguments that cannot be used, is a notification.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

from .. import __version__
from ..model.diagnostics import Diagnostic, Place, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..lint.codes import LintCode

__all__ = ["sarif"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: Codes of what is said about a call of the tool, not about a policy.
CALLS = ("no-policy", "project-file", "system", "usage", "wrong-path")


def sarif(diagnostics: Iterable[Diagnostic], rules: Mapping[str, LintCode], *, successful: bool = True) -> dict[str, Any]:
    """DIAGNOSTICS as a SARIF log of one run, ready for JSON.

    Arguments:
        rules: what is known of their codes; a code that is not among them is a rule
            without a description.
        successful: whether the tool could do its work, whatever it found.
    """
    found = list(diagnostics)
    results = [one for one in found if one.code not in CALLS]
    numbers = {code: number for number, code in enumerate(dict.fromkeys([*rules, *(one.code for one in results)]))}
    run = {
        "tool": {
            "driver": {
                "name": "tomoyo",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [_rule(code, rules.get(code)) for code in numbers],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": successful,
                "toolExecutionNotifications": [_notification(one) for one in found if one.code in CALLS],
            }
        ],
        "results": [_result(one, numbers[one.code]) for one in results],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str, known: LintCode | None) -> dict[str, Any]:
    if known is None:
        return {"id": code}
    return {
        "id": code,
        "shortDescription": {"text": known.reason},
        "fullDescription": {"text": known.explanation},
        "help": {"text": known.remedy},
        "defaultConfiguration": {"level": known.severity.value},
        "properties": {"tags": [known.family]},
    }


def _notification(one: Diagnostic) -> dict[str, Any]:
    return {"descriptor": {"id": one.code}, "level": one.severity.value, "message": _message(one)}


def _result(one: Diagnostic, number: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.code,
        "ruleIndex": number,
        "level": one.severity.value,
        "message": _message(one),
    }
    if one.place.file:
        result["locations"] = [{"physicalLocation": _location(one.place)}]
    if one.related:
        result["relatedLocations"] = [{"physicalLocation": _location(place)} for place in one.related]
    return result


def _message(one: Diagnostic) -> dict[str, str]:
    return {"text": f"{one.message}\n{one.help}" if one.help else one.message}


def _location(place: Place) -> dict[str, Any]:
    path = place.file if place.file.startswith(("<", "(")) else os.path.relpath(place.file)
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(os.fsencode(path))}}
    if place.line:
        region: dict[str, Any] = {"startLine": place.line}
        if place.column:
            region["startColumn"] = len(readable(place.text[: place.column - 1])) + 1 if place.text else place.column
        if place.text:
            region["snippet"] = {"text": readable(place.text)}
        location["region"] = region
    return location

"""What a file of policy holds, by its place and by what its lines begin with."""

from __future__ import annotations

import os
import re

from ...model.exception_policy import TRANSITION_CONTROLS
from ...syntax.policy_text import SUFFIX, TextKind
from .files import FILES, FOLDERS

__all__ = ["kind_by_content", "kind_by_place"]

#: The interface files, in the order in which a kernel takes what is in them.
INTERFACES = {
    TextKind.PROFILE: "profile",
    TextKind.MANAGER: "manager",
    TextKind.EXCEPTION: "exception_policy",
    TextKind.DOMAIN: "domain_policy",
    TextKind.STAT: "stat",
}
#: The files of a set, and those that it has and no policy source.
SET = {f"{interface}.conf": kind for kind, interface in INTERFACES.items()} | {"bindings.conf": TextKind.EXCEPTION}
#: What `kind_by_content` gives for a text that says nothing.
NOTHING = "no line says so"
#: So much of a text is looked at.
SAMPLE = 1 << 16
_NAMESPACE = r"(?:<[!-~]*> )?"
#: What lines of each kind begin with; the first that matches counts.  None is for a domain's name, which a manager list has, too.
_BEGINNINGS: tuple[tuple[TextKind | None, re.Pattern[str]], ...] = (
    (TextKind.PROFILE, re.compile(_NAMESPACE + r"(?:PROFILE_VERSION=|[0-9]+-(?:COMMENT|PREFERENCE|CONFIG))")),
    (
        TextKind.EXCEPTION,
        re.compile(_NAMESPACE + f"(?:aggregator|(?:path|number|address)_group|acl_group|{'|'.join(TRANSITION_CONTROLS)}) "),
    ),
    (None, re.compile("<[!-~]*>(?: |$)")),
    (TextKind.DOMAIN, re.compile("(?:use_profile|use_group|select|delete) |(?:quota_exceeded|transition_failed)$")),
    (TextKind.MODULE, re.compile("(?:file|network|misc|ipc|task) ")),
    (TextKind.STAT, re.compile("Memory used by |Policy |Total memory")),
    (TextKind.MANAGER, re.compile("/|nix:/|manage_by_non_root$")),
)


def kind_by_place(path: str) -> TextKind | None:
    """What the file PATH holds by its name and the name of its directory; None where these do not say."""
    directory, name = os.path.split(os.path.abspath(path))
    folder = os.path.basename(directory)
    if folder in FOLDERS and name.endswith(SUFFIX):
        return FOLDERS[folder]
    exact = (FILES | SET).get(name)
    if exact is not None:
        return exact
    parts = name.split(".")
    found = [kind for kind, interface in INTERFACES.items() if interface in parts or ("_" in interface and interface in name)]
    return found[0] if len(found) == 1 else None


def kind_by_content(text: str) -> TextKind | str:
    """What TEXT holds by what its first lines begin with; where that is not clear, why not."""
    seen: dict[TextKind, int] = {}
    name = 0
    for number, raw in enumerate(text[:SAMPLE].split("\n"), 1):
        line = raw.strip()
        found = next(((kind,) for kind, begins in _BEGINNINGS if begins.match(line)), ())
        for kind in found:
            if kind is None:
                name = name or number
            else:
                seen.setdefault(kind, number)
    if TextKind.MODULE in seen and (name or TextKind.DOMAIN in seen):
        seen.setdefault(TextKind.DOMAIN, seen.pop(TextKind.MODULE))  # entries of a domain
    if name and not seen.keys() & {TextKind.DOMAIN, TextKind.MANAGER}:
        if not seen:
            return f"line {name} may be a domain's name or a manager"
        seen[TextKind.DOMAIN] = name
    if len(seen) == 1:
        return next(iter(seen))
    if not seen:
        return NOTHING
    (first, at), (second, there) = sorted(seen.items(), key=lambda item: item[1])[:2]
    return f"line {at} is of {first.value}, line {there} of {second.value}"


def has_lines(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text[:SAMPLE].split("\n"))

"""Reading profiles.

The kernel searches the text of a CONFIG or PREFERENCE line for keywords
instead of reading it, so nearly anything is accepted and means something; the
strict reading asks for the form that the kernel prints.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..model.domains import MAX_PROFILES
from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion, kernel_version
from ..model.profiles import (
    FUNCTIONALITIES,
    OLD_PROFILE_VERSION,
    PROFILE_VERSION,
    Config,
    Mode,
    Profile,
    ProfilePolicy,
)
from .arguments import read_digits, scan_unsigned
from .exception_policy import read_namespace
from .kernel_policy import KernelPolicy
from .lines import Effect, Line, Listener, Reading, Report, Source, replay
from .statements import Change, ChangeProfile, ProfileLine, ProfileStatement, Reset, SetVersion

__all__ = ["parse_profile"]

_CONTENT = "PROFILE_VERSION=20150505, N-COMMENT=, N-PREFERENCE= or N-CONFIG="
_VALUE = "use_default or { mode=MODE grant_log=yes|no reject_log=yes|no }"
_PREFERENCE = "{ max_audit_log=N max_learning_entry=N }"
_MODES = "|".join(mode.value for mode in Mode)
_CONFIG_ITEMS = {"mode": _MODES, "grant_log": "yes|no", "reject_log": "yes|no"}
_PREFERENCE_ITEMS = {"max_audit_log": "[0-9]+", "max_learning_entry": "[0-9]+"}


def parse_profile(
    source: Source,
    *,
    file: str = "profile",
    reading: Reading = Reading.STRICT,
    report: Report | None = None,
    version: str | KernelVersion = DEFAULT_KERNEL,
) -> ProfilePolicy:
    """Parse profiles.  Returns those of each namespace, in the order of the text.

    Arguments:
        source: text, bytes, or an iterable of lines.
        file: the name to give in errors.
        reading: STRICT refuses lines that the kernel would drop or store as
            something else; AS_KERNEL gives what a kernel without policy, not
            yet active, would hold after SOURCE was written to it.
        report: called with each error, and reading goes on without that line.
        version: the kernel that is read for, such as ``7.2``; it counts only
            AS_KERNEL, as the STRICT reading refuses what kernels read
            differently (see ``tomoyo.model.kernel_versions``).

    Raises PolicySyntaxError for the first error, reading strictly and without
    a report, and InvalidValueError where VERSION is none.

    The rules are the kernel's (security/tomoyo); the tests write the same lines to real kernels and compare.
    """
    holding = KernelPolicy()

    def apply(statement: ProfileStatement) -> str | None:
        return apply_profile(holding, statement)

    reader = read_profile_line if reading is Reading.AS_KERNEL else read_profile_content
    replay(source, reader, apply, Listener(file, reading, report, kernel_version(version)))
    return holding.profile_policy()


def read_profile_content(line: Line) -> ProfileStatement:
    """Read a line of a policy file, in which commands to a running kernel have no place."""
    if line.text == "reset" or line.text.startswith("delete "):
        line.drop(0, line.text, "a command to a running kernel, no policy", _CONTENT)
    return read_profile_line(line)


def read_profile_line(line: Line) -> ProfileStatement:
    """Read a line as the kernel reads what is written to profile."""
    if line.text == "reset":
        return Reset()
    if line.take("delete "):
        line.note(Effect.ALTERED, 0, line.text, "profiles cannot be deleted: the kernel sets this")
    namespace = read_namespace(line)
    return ProfileLine(namespace, _read_content(line))


def apply_profile(holding: KernelPolicy, statement: ProfileStatement) -> str | None:
    """Do what a profile line asks; say why where it has no effect."""
    if not isinstance(statement, ProfileLine):
        return None
    namespace = holding.namespace_of_line(statement.namespace)
    if namespace is None:
        return "there is no such namespace"
    content = statement.content
    if isinstance(content, SetVersion):
        namespace.version = content.version
    elif content is not None:
        profile = namespace.profiles.setdefault(content.number, Profile(content.number))
        if content.change is None:
            return None
        namespace.profiles[content.number] = content.change(profile)
    holding.updates += content is not None
    return None


def _read_content(line: Line) -> SetVersion | ChangeProfile | None:
    start = line.position
    if line.text.startswith("PROFILE_VERSION=", start):
        found = scan_unsigned(line.text, start + len("PROFILE_VERSION="), line.version)
        if found is not None:
            return _version(line, start, *found)
    value, position = read_digits(line.text, start, version=line.version)
    number = value % 2**32
    written = line.text[start:position]
    if not line.text.startswith("-", position) or number >= MAX_PROFILES:
        # Not drop(), which would also forget the namespace that was created.
        expected = "a profile from 0 to 255" if written else _CONTENT
        line.note(Effect.DROPPED, start, line.rest, "not a profile line", expected)
        return None
    if not written or written.lstrip("0") != str(number).lstrip("0"):
        line.note(Effect.ALTERED, start, written, f"the kernel reads profile {number}", "0 to 255")
    position += 1
    name, equals, value_text = line.text[position:].partition("=")
    value_start = position + len(name) + 1
    change = None
    if not equals:
        line.note(Effect.ALTERED, position, name, "the kernel defines the profile, and drops the rest", "=")
    elif name == "COMMENT":
        change = _set_comment(value_text)
    elif name == "PREFERENCE":
        change = _set_preference(line, value_start, value_text)
    elif name == "CONFIG" or (name.startswith("CONFIG::") and name[8:] in FUNCTIONALITIES):
        change = _set_config(line, value_start, name[8:], value_text)
    else:
        message = "the kernel defines the profile, and drops the rest"
        line.note(Effect.ALTERED, position, name, message, _near(name))
    return ChangeProfile(number, change)


def _near(name: str) -> str:
    from difflib import get_close_matches

    known = ["COMMENT", "PREFERENCE", "CONFIG", *(f"CONFIG::{name}" for name in FUNCTIONALITIES)]
    near = get_close_matches(name, known, 1)
    return near[0] if near else "COMMENT, PREFERENCE, CONFIG or CONFIG::FUNCTIONALITY"


def _version(line: Line, start: int, version: int, end: int) -> SetVersion:
    if end < len(line.text) or " " in line.text[start:end]:
        line.note(Effect.ALTERED, start, line.rest, f"the kernel reads version {version}", str(PROFILE_VERSION))
    elif version not in (PROFILE_VERSION, OLD_PROFILE_VERSION):
        message = "the kernel stores this version, and panics when it boots with it"
        line.note(Effect.USELESS, start, line.rest, message, str(PROFILE_VERSION))
    return SetVersion(version)


def _set_comment(comment: str) -> Change:
    return lambda profile: replace(profile, comment=comment)


def _items(text: str, allowed: dict[str, str]) -> bool:
    """Whether TEXT is ``{ NAME=VALUE ... }`` with each name of ALLOWED at most once."""
    if not text.startswith("{ ") or not text.endswith(" }"):
        return text == "{ }"
    names = []
    for item in text[2:-2].split(" "):
        name, _, value = item.partition("=")
        if name not in allowed or not re.fullmatch(allowed[name], value):
            return False
        names.append(name)
    return len(set(names)) == len(names)


def _found_number(text: str, name: str, version: KernelVersion) -> int | None:
    position = text.find(name)
    if position < 0 or not text.startswith("=", position + len(name)):
        return None
    found = scan_unsigned(text, position + len(name) + 1, version)
    return found[0] if found else None


def _set_preference(line: Line, start: int, text: str) -> Change:
    values = {name: _found_number(text, name, line.version) for name in _PREFERENCE_ITEMS}
    written = dict(item.partition("=")[::2] for item in text.split(" "))
    if not _items(text, _PREFERENCE_ITEMS) or any(
        value is not None and (written[name].lstrip("0") or "0") != str(value) for name, value in values.items()
    ):
        kept = " ".join(f"{name}={value}" for name, value in values.items() if value is not None)
        message = f"the kernel reads {{ {kept} }}" if kept else "the kernel finds no preference in this"
        line.note(Effect.ALTERED, start, text, message, _PREFERENCE)
    given = {name: value for name, value in values.items() if value is not None}
    return lambda profile: Profile(
        profile.number,
        profile.comment,
        given.get("max_audit_log", profile.max_audit_log),
        given.get("max_learning_entry", profile.max_learning_entry),
        profile.default,
        profile.configs,
    )


def _found_log(text: str, name: str) -> bool | None:
    position = text.find(name)
    if position < 0:
        return None
    if text.startswith("=yes", position + len(name)):
        return True
    return False if text.startswith("=no", position + len(name)) else None


def _set_config(line: Line, start: int, functionality: str, text: str) -> Change | None:
    if text != "use_default" and not _items(text, _CONFIG_ITEMS):
        line.note(Effect.ALTERED, start, text, "the kernel only looks for keywords in this", _VALUE)
    if "use_default" in text:
        if not functionality:
            message = "CONFIG is itself the default: this has no effect"
            line.note(Effect.ALTERED, start, text, message, "{ mode=MODE ... }")
        return lambda profile: profile.with_config(functionality, None) if functionality else profile
    modes = [mode for mode in Mode if mode.value in text]
    mode = modes[-1] if modes else None
    grant_log = _found_log(text, "grant_log")
    reject_log = _found_log(text, "reject_log")
    if functionality and mode is None:
        message = "without a mode this has no effect where the default is in use"
        line.note(Effect.ALTERED, start, text, message, _VALUE)

    def change(profile: Profile) -> Profile:
        held = dict(profile.configs).get(functionality) if functionality else profile.default
        if held is None and mode is None:
            return profile
        held = held or Config()
        config = Config(
            held.mode if mode is None else mode,
            held.grant_log if grant_log is None else grant_log,
            held.reject_log if reject_log is None else reject_log,
        )
        if functionality:
            return profile.with_config(functionality, config)
        return replace(profile, default=config)

    return change

"""The words of the policy language, and which of them was probably meant where another one stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache

from .conditions import ATTRIBUTES, TRANSITION_KEYWORDS
from .entries import GroupKind, Kind
from .exception_policy import TRANSITION_CONTROLS
from .profiles import FUNCTIONALITIES, Mode
from .stat import MEMORY

#: Begins what people name: a path, a domain, a group, a pattern in quotes, a number.
_NAMES = tuple('/<@"0123456789')
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]*")


@cache
def vocabulary() -> frozenset[str]:
    """All keywords of all policy files."""
    kinds = {word for kind in Kind for word in (*kind.keyword.split(" "), *kind.operations)}
    modes = {mode.value for mode in Mode} | {f"CONFIG::{name}" for name in FUNCTIONALITIES}
    groups = {kind.value for kind in GroupKind}
    rest = (
        *("use_profile", "use_group", "quota_exceeded", "transition_failed", "exec.argv", "exec.envp", "NULL"),
        *("aggregator", "acl_group", "from", "any", "manage_by_non_root", "Memory", "used", "by", "memory"),
        *("PROFILE_VERSION", "COMMENT", "PREFERENCE", "CONFIG", "mode", "use_default", "yes", "no"),
        *("grant_log", "reject_log", "max_audit_log", "max_learning_entry"),
    )
    quotas = {word for name in MEMORY for word in name.split(" ")}
    return frozenset({*kinds, *modes, *groups, *rest, *quotas, *ATTRIBUTES, *TRANSITION_KEYWORDS, *TRANSITION_CONTROLS})


def meant(text: str) -> str:
    """The keyword that was probably meant by the first word of TEXT that is none; empty if there is none like it."""
    for word in _words(text):
        if word not in vocabulary():
            near = get_close_matches(word, vocabulary(), 1, 0.65)
            return near[0] if near else ""
    return ""


def _words(text: str) -> Iterable[str]:
    """The words of TEXT that may be keywords, up to the first name of something."""
    for token in text.split(" "):
        if token.startswith(_NAMES):
            return
        yield from _WORD.findall(token.partition('"')[0])

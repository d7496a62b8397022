"""Lines that stand in for others while those are deleted and added again, only to stand last."""

from __future__ import annotations

#: A test that always holds; an entry with it stands in for the same one without.
_ALWAYS = "0=0"
#: Excludes a name that cannot be, so a pattern with it stands in for the same one without.
_NEVER = "\\-\\000"


def stand_in_for(line: str) -> str:
    """Another line of policy that does the same as LINE, an entry or an aggregator."""
    head, keyword, rest = line.partition("aggregator ")
    if keyword and "acl_group" not in head and not head.startswith("file"):
        pattern, _, name = rest.partition(" ")
        return f"{head}{keyword}{pattern}{_NEVER} {name}"
    entry, log, value = line.partition(" grant_log=")
    return f"{entry} {_ALWAYS}{log}{value}"


def is_stand_in(entry: str) -> bool:
    """Whether ENTRY of a domain stands in for another; no kernel learns such a one."""
    return f" {_ALWAYS}" in entry and entry.partition(" grant_log=")[0].endswith(f" {_ALWAYS}")

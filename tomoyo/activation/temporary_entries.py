"""Temporary entries: what domains are lent while an acl_group's number is used anew.

Such a group gets entries while domains leave it, or loses some while domains
enter it.  So it changes late, between those who leave and those who enter, and
a domain has what it grants in the end as entries of its own until then.  What is
lent always stands in for something, by which it is known should it be left over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..model.entries import Entry
from ..simulation.policy_reading import PolicyReading
from .differences import Differences, DomainChange, Number
from .order import entry_stand_in


def reused_groups(found: Differences) -> set[Number]:
    """The acl_groups whose numbers are used anew."""
    left = {(change.namespace, group) for change in found.domains.values() for group in change.held_groups - change.groups}
    entered = {(change.namespace, group) for change in found.domains.values() for group in change.groups - change.held_groups}
    return {key for key, change in found.shared.items() if (key in left and change.add) or (key in entered and change.delete)}


def add_temporary_entries(found: Differences, held: PolicyReading, wanted: PolicyReading, reused: Collection[Number]) -> None:
    """Lend each domain what its REUSED groups grant only in the end, as entries of its own that it has not."""
    if not reused:
        return
    users = [name for name in wanted.blocks if any((name.partition(" ")[0], group) in reused for group in wanted.head(name)[1])]
    wanted.parse(users)
    held.parse(users)
    for name in users:
        domain, now = wanted.domains[name], held.domains.get(name)
        change = found.domains.get(name)
        if change is None:
            groups = frozenset(domain.groups)
            found.domains[name] = change = DomainChange(name, False, domain.profile, domain.profile, groups, groups)
        own = [*domain.entries.values(), *(now.entries.values() if now else ())]
        shared = {
            group: list(filter(None, domain.namespace.acl_groups.get(group, {}).values())) for group in sorted(domain.groups)
        }
        late = {
            group: found.shared[change.namespace, group].add if group in change.held_groups else entries
            for group, entries in shared.items()
            if (change.namespace, group) in reused
        }
        change.lent = _lent([entry for entry in own if entry], shared, late)


def _lent(own: Iterable[Entry], shared: dict[int, list[Entry]], late: dict[int, list[Entry]]) -> list[Entry]:
    """What to lend of the entries that come LATE, where OWN and SHARED are all that the domain has, by group.

    The first that matches decides what is executed: where one of those comes
    late, all before it are lent, too, in their order.
    """
    lent: list[Entry] = []
    has: dict[str, set[str]] = {}
    for entry in own:
        has.setdefault(entry.subject, set()).update(entry.operations)
    taken = set(has)

    def add(entry: Entry, operations: Iterable[str]) -> None:
        missing = tuple(operation for operation in operations if operation not in has.get(entry.subject, ()))
        if missing:
            has.setdefault(entry.subject, set()).update(missing)
            new = entry.with_operations(missing)
            lent.append(entry_stand_in(new, taken))
            taken.add(lent[-1].subject)

    last = max((group for group, entries in late.items() if any("execute" in entry.operations for entry in entries)), default=-1)
    for group, entries in shared.items():
        for entry in late.get(group, ()):
            add(entry, [operation for operation in entry.operations if operation != "execute"])
        for entry in entries if group <= last else ():
            add(entry, [operation for operation in entry.operations if operation == "execute"])
    return lent

"""Count what is in policy files; of a stat file, show the numbers.

Prints one line for each file, or with --json all counts.

Example:

  tomoyo stat policy
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..messages import counted
from ..options import set_result, visible
from ..policy_files import add_files, read_files
from ..project import let_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ...model.domains import DomainPolicy
    from ...model.entries import Entry
    from ...model.exception_policy import ExceptionPolicy
    from ...model.stat import Stat
    from ..policy_files import Policy


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_files(parser)
    let_source(parser, "files")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    found = [(file, _named(counts(file.parse()), file.modules)) for file in read_files(arguments)]
    if arguments.json:
        set_result([{"file": file.name, "kind": file.kind, **numbers} for file, numbers in found])
        return 0
    for position, (file, numbers) in enumerate(found):
        print("\n" * (position > 0) + f"{visible(file.name)}:")
        for name, number in _flat(numbers):
            print(f"  {name:<40} {number:>10}")
    return 0


def _named(numbers: dict[str, Any], modules: Mapping[str, int]) -> dict[str, Any]:
    """NUMBERS with the names of MODULES in the place of their numbers."""
    names = {number: name for name, number in modules.items()}
    groups = numbers.get("domains with group")
    return (
        {**numbers, "domains with group": {names.get(group, group): each for group, each in groups.items()}}
        if groups
        else numbers
    )


def summary(policy: Policy) -> str:
    """The main counts of POLICY in a few words."""
    from ...model.domains import DomainPolicy

    if isinstance(policy, DomainPolicy):
        entries = sum(len(domain.entries) for domain in policy)
        return f"{counted(len(policy), 'domain')}, {counted(entries, 'entry', 'entries')}"
    from ...model.managers import ManagerPolicy
    from ...model.stat import Stat

    if isinstance(policy, dict):
        return counted(len(policy), "number of a module", "numbers of modules")
    if isinstance(policy, Stat):
        return "a report" if policy.total is not None else "settings"
    if isinstance(policy, ManagerPolicy):
        others = ", and users other than root" if policy.manage_by_non_root else ""
        return counted(len(policy.managers), "manager") + others
    found = [(name, number) for name, number in counts(policy).items() if isinstance(number, int)]
    return ", ".join(counted(number, _singular(name), name) for name, number in found)


def _singular(name: str) -> str:
    return name[:-3] + "y" if name.endswith("ies") else name[:-1]


def _flat(numbers: dict[Any, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, number in numbers.items():
        rows += _flat(number, f"{name} ") if isinstance(number, dict) else [(f"{prefix}{name}", number)]
    return rows


def counts(policy: Policy) -> dict[str, Any]:
    """How many there are of everything in POLICY; nested where it is counted by kind."""
    from ...model.domains import DomainPolicy
    from ...model.exception_policy import ExceptionPolicy
    from ...model.managers import ManagerPolicy
    from ...model.profiles import ProfilePolicy

    if isinstance(policy, DomainPolicy):
        return _domain_counts(policy)
    if isinstance(policy, ExceptionPolicy):
        return _exception_counts(policy)
    if isinstance(policy, ProfilePolicy):
        profiles = [profile for part in policy for profile in part.profiles]
        modes = Counter(profile.default.mode.value for profile in profiles)
        return {"namespaces": len(policy.namespaces), "profiles": len(profiles), "default mode": dict(modes)}
    if isinstance(policy, dict):
        return {"numbers of modules": len(policy)}
    if isinstance(policy, tuple):
        return {"entries": len(policy), "entries for": _operations(policy)}
    if isinstance(policy, ManagerPolicy):
        return {"managers": len(policy.managers), "manage_by_non_root": policy.manage_by_non_root}
    return _stat_counts(policy)


def _domain_counts(policy: DomainPolicy) -> dict[str, Any]:
    entries = [entry for domain in policy for entry in domain.entries]
    return {
        "domains": len(policy),
        "entries": len(entries),
        "different entries": len(set(entries)),
        "domains with profile": dict(sorted(Counter(domain.profile for domain in policy).items())),
        "domains with group": dict(sorted(Counter(group for d in policy for group in d.groups).items())),
        "domains with flag": {
            "quota_exceeded": sum(domain.quota_exceeded for domain in policy),
            "transition_failed": sum(domain.transition_failed for domain in policy),
        },
        "entries for": _operations(entries),
    }


def _operations(entries: Iterable[Entry]) -> dict[str, int]:
    return dict(sorted(Counter(f"{entry.kind.keyword} {each}" for entry in entries for each in entry.operations).items()))


def _exception_counts(policy: ExceptionPolicy) -> dict[str, Any]:
    groups = [group for part in policy for group in part.groups]
    return {
        "namespaces": len(policy.namespaces),
        "transition controls": sum(len(part.transitions) for part in policy),
        "aggregators": sum(len(part.aggregators) for part in policy),
        "groups": dict(Counter(group.kind.value for group in groups)),
        "group members": sum(len(group.members) for group in groups),
        "shared entries": sum(len(entries) for part in policy for _, entries in part.acl_groups),
    }


def _stat_counts(stat: Stat) -> dict[str, Any]:
    found: dict[str, Any] = {"counters": {counter.name: counter.count for counter in stat.counters}}
    found["memory"] = {use.name: use.used for use in stat.memory if use.used is not None}
    found["quota"] = {use.name: use.quota for use in stat.memory if use.quota}
    if stat.total is not None:
        found["total memory"] = stat.total
    return found

"""What can be wrong in policy sources only as a whole: groups that nothing defines, and namespaces that hide others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...model.diagnostics import Diagnostic, Place
from ...model.entries import GroupKind
from ...simulation.located_policy import read_located_policy
from ...syntax.kernel_policy import KernelPolicy
from ...syntax.policy_text import PolicyText
from ..names.names import is_name
from .files import error


def find_undefined_groups(holding: KernelPolicy, files: Sequence[PolicyText]) -> Iterator[Diagnostic]:
    """Groups that entries name and that have no members, where HOLDING is what FILES say; names are no such groups."""
    missing = {
        (kind, name): namespace.name
        for namespace in holding.namespaces.values()
        for kind, groups in namespace.groups.items()
        for name, members in groups.items()
        if not members and not (kind is GroupKind.PATH and is_name(name))
    }
    places: dict[tuple[GroupKind, str], Place] = {}
    for _, placed in read_located_policy(files).entries() if missing else ():
        for reference in placed.value.group_references() if "@" in placed.value.subject else ():
            if reference in missing:
                places.setdefault(reference, placed.where(f"@{reference[1]}"))
    for (kind, name), namespace_name in missing.items():
        message = f"there is no {kind.value} {name} in {namespace_name}"
        yield error("undefined-group", message, places.get((kind, name), Place()))


def find_odd_namespaces(holding: KernelPolicy, files: Sequence[PolicyText]) -> Iterator[Diagnostic]:
    """Namespaces that the kernel takes for others: it looks for one that begins with the name."""
    for name in holding.namespaces:
        if ">" in name[:-1]:
            message = f"namespace {name}: one with '>' inside takes the place of others in the kernel"
            yield error("namespace-name", message, read_located_policy(files).first_of(name))

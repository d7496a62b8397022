"""Lint for policies of names: sources as `compile` takes them, and what only a closure can tell.

Names used in the wrong way are found without a closure; with one, those that
nothing in it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ...lint.context import LintContext, Remark
from ...lint.linter import lint_policy
from ...model.diagnostics import Diagnostic, Severity
from ...model.domains import Domain, DomainPolicy
from ...model.entries import Entry
from ...model.exception_policy import ExceptionPolicy
from ...model.managers import ManagerPolicy
from ...model.profiles import default_profiles
from ...model.words import NAMES, DomainName
from ...syntax.policy_text import LIBRARY, PolicyText, TextKind
from ..names.binder import bind
from ..names.name_uses import Role, Use, entry_uses, policy_uses, use_places
from ..names.names import NameTable
from ..store.tree import Tree
from .library import is_library_file
from .policy_files import named_namespaces

__all__ = ["lint_names", "policy_texts"]

#: Ways to use a name that never match, with what to write instead.
_MISPLACED = {
    Role.BARE: ("the kernel compares real paths here, and a name is none", "write @{}"),
    Role.QUOTED: ("the kernel compares real paths here, and a name is none", "write @{}"),
    Role.EXECUTED_REFERENCE: ("a program is executed by its name, and the group has real paths", "write {}"),
    Role.MEMBER: ("the group is compared with real paths, and a name is none", "write @{} in place of the group"),
}


def policy_texts(files: Iterable[PolicyText]) -> list[PolicyText]:
    """The texts of policy sources, for `lint_policy`, with the profiles that `compile` takes where there are none."""
    texts = list(files)
    kinds = {text.kind for text in texts}
    if TextKind.DOMAIN in kinds and TextKind.PROFILE not in kinds:
        namespaces = dict.fromkeys(namespace for text in texts for namespace in named_namespaces(text.text))
        texts.append(PolicyText(TextKind.PROFILE, "(default) profile.conf", default_profiles(namespaces)))
    return texts


def lint_names(
    texts: Sequence[PolicyText],
    names: NameTable | None = None,
    tree: Tree | None = None,
    *,
    codes: Collection[str] | None = None,
    allowed: Collection[str] = (),
    links: Mapping[str, str] | None = None,
) -> list[Diagnostic]:
    """Find what is not as it should be in a policy of names.

    Arguments:
        texts: the policy, such as `policy_texts` gives.
        names, tree: the trusted closure and its file system; without them
            nothing is said about names that there are not.
        codes, allowed: as in `lint_policy`.
        links: as in `compile_policy`.
    """

    general = {text.name for text in texts if text.directory == LIBRARY or is_library_file(text.name)}

    def more(context: LintContext) -> Iterator[Diagnostic]:
        for finding in _find_name_faults(context, names, tree, links):
            if finding.code != "unresolved-name" or finding.place.file not in general:
                yield finding

    store = tree.store_directory if tree is not None else "/nix/store"
    return lint_policy(texts, codes=codes, allowed=allowed, store=store, more=more)


def _find_name_faults(
    context: LintContext, names: NameTable | None, tree: Tree | None, links: Mapping[str, str] | None
) -> Iterator[Diagnostic]:
    policy = context.policy
    if not any(NAMES in text.text for text in policy.texts):
        return
    domains = [domain.value() for domain in policy.domains.values()]
    for entries in context.shared_lists():
        if entries.title.startswith("module "):
            domains.append(Domain(DomainName(entries.namespace), entries=tuple(placed.value for placed in entries.entries)))
    exceptions = ExceptionPolicy(tuple(context.exceptions(name) for name in policy.namespaces))
    uses = policy_uses(DomainPolicy(tuple(domains)), exceptions, ManagerPolicy(tuple(placed.value for placed in policy.managers)))
    faults: dict[Use, Remark] = {}
    for use in uses:
        if use.role in _MISPLACED:
            reason, remedy = _MISPLACED[use.role]
            faults[use] = Remark("misplaced-name", f"{use.written}: {reason}", use.written, remedy=remedy.format(use.text))
    if names is not None and tree is not None:
        right = {use: None for use in uses if use not in faults}
        for problem in bind(right, names, tree, exceptions=exceptions, links=links).problems:
            told = problem.diagnostic
            severity = Severity.NOTE if told.severity is Severity.NOTE else None
            faults[problem.use] = Remark("unresolved-name", told.message, told.subject, severity)
    if not faults:
        return

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        if NAMES not in entry.subject:
            return []
        return [faults[use] for use in dict.fromkeys(entry_uses(entry, namespace)) if use in faults]

    yield from context.remarks(judge)
    in_entries = {
        use
        for entries in context.lists()
        for placed in entries.entries
        if NAMES in placed.value.subject
        for use in entry_uses(placed.value, entries.namespace)
    }
    yield from _elsewhere(context, {use: remark for use, remark in faults.items() if use not in in_entries})


def _elsewhere(context: LintContext, faults: Mapping[Use, Remark]) -> Iterator[Diagnostic]:
    """FAULTS of names that stand in no entry, each where it first stands: in domains' names, say."""
    places = use_places(context.policy) if faults else {}
    for use, remark in faults.items():
        found = places.get(use)
        yield context.remark(remark, found.saying("") if found else None)

"""Lint for policies of names: sources as `compile` takes them, and what only a closure can tell.

Names used in the wrong way are found without a closure; with one, those that
nothing in it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..analysis.lint import lint
from ..analysis.lint_codes import LintFinding, LintSeverity
from ..analysis.lint_context import LintContext
from ..analysis.placed_policy import NAMES, Placed, PolicyText, TextKind
from ..model.domains import Domain, DomainPolicy
from ..model.exception_policy import ExceptionPolicy
from ..model.managers import ManagerPolicy
from ..model.words import DomainName
from .bindings import Severity, bind
from .names import NameTable
from .source import SourceFile, SourceKind
from .source_policy import DEFAULT_PROFILES
from .tree import Tree
from .uses import Place, Role, Use, domain_policy_places, exception_policy_places, manager_places, policy_uses

_KINDS = {
    SourceKind.DOMAIN: TextKind.DOMAIN,
    SourceKind.EXCEPTION: TextKind.EXCEPTION,
    SourceKind.MODULE: TextKind.MODULE,
    SourceKind.PROFILE: TextKind.PROFILE,
    SourceKind.MANAGER: TextKind.MANAGER,
}
_PLACES = {
    TextKind.DOMAIN: domain_policy_places,
    TextKind.MODULE: domain_policy_places,
    TextKind.EXCEPTION: exception_policy_places,
    TextKind.MANAGER: manager_places,
}
#: Ways to use a name that never match, with what to write instead.
_MISPLACED = {
    Role.BARE: ("the kernel compares real paths here, and a name is none", "@{}"),
    Role.QUOTED: ("the kernel compares real paths here, and a name is none", "@{}"),
    Role.EXECUTED_REFERENCE: ("a program is executed by its name, and the group has real paths", "{}"),
    Role.MEMBER: ("the group is compared with real paths, and a name is none", "@{} in place of the group"),
}


def policy_texts(files: Iterable[SourceFile]) -> list[PolicyText]:
    """The texts of policy sources, for `tomoyo.lint`, with the profiles that `compile` takes where there are none."""
    texts = [
        PolicyText(_KINDS[file.kind], file.path, file.text, file.module if file.kind is SourceKind.MODULE else "")
        for file in files
        if file.kind in _KINDS
    ]
    kinds = {text.kind for text in texts}
    if TextKind.DOMAIN in kinds and TextKind.PROFILE not in kinds:
        namespaces = dict.fromkeys(line.split(" ")[0] for text in texts for line in text.text.split("\n") if line[:1] == "<")
        defaults = "".join(
            f"{namespace} {line}\n" for namespace in namespaces for line in DEFAULT_PROFILES.splitlines() if namespace[-1] == ">"
        )
        texts.append(PolicyText(TextKind.PROFILE, "(default) profile.conf", defaults))
    return texts


def lint_names(
    texts: Sequence[PolicyText],
    names: NameTable | None = None,
    tree: Tree | None = None,
    *,
    codes: Collection[str] | None = None,
    allowed: Collection[str] = (),
    links: Mapping[str, str] | None = None,
) -> list[LintFinding]:
    """Find what is not as it should be in a policy of names.

    Arguments:
        texts: the policy, such as `policy_texts` gives.
        names, tree: the trusted closure and its file system; without them
            nothing is said about names that there are not.
        codes, allowed: as in `tomoyo.lint`.
        links: as in `compile_policy`.
    """

    def more(context: LintContext) -> Iterator[LintFinding]:
        return _find_name_faults(context, names, tree, links)

    store = tree.store_directory if tree is not None else "/nix/store"
    return lint(texts, codes=codes, allowed=allowed, store=store, more=more)


def _find_name_faults(
    context: LintContext, names: NameTable | None, tree: Tree | None, links: Mapping[str, str] | None
) -> Iterator[LintFinding]:
    policy = context.policy
    if not any(NAMES in text.text for text in policy.texts):
        return
    domains = [domain.value() for domain in policy.domains.values()]
    for entries in context.shared_lists():
        if entries.title.startswith("module "):
            domains.append(Domain(DomainName(entries.namespace), entries=tuple(placed.value for placed in entries.entries)))
    exceptions = ExceptionPolicy(tuple(context.exceptions(name) for name in policy.namespaces))
    uses = policy_uses(DomainPolicy(tuple(domains)), exceptions, ManagerPolicy(tuple(placed.value for placed in policy.managers)))
    places: dict[Use, Place] = {}
    for text in policy.texts:
        if text.kind in _PLACES:
            places = _PLACES[text.kind](text.text, text.name) | places
    texts = {text.name: text for text in policy.texts}

    def placed(use: Use) -> Placed | None:
        # What a module says counts in any namespace.
        place = places.get(use) or places.get(replace(use, namespace=""))
        return Placed(None, texts[place.file], place.line) if place else None

    for use in uses:
        if use.role in _MISPLACED:
            reason, remedy = _MISPLACED[use.role]
            where = placed(use)
            yield context.finding(
                "misplaced-name", where, f"{use.written}: {reason}", word=use.written, remedy=remedy.format(use.text)
            )
    if names is None or tree is None:
        return
    right = {use: None for use in uses if use.role not in _MISPLACED}
    for problem in bind(right, names, tree, exceptions=exceptions, links=links).problems:
        severity = LintSeverity.NOTE if problem.severity is Severity.NOTE else None
        reason = f"{problem.use.written}: {problem.reason}"
        where = placed(problem.use)
        yield context.finding("unresolved-name", where, reason, word=problem.use.written, severity=severity)

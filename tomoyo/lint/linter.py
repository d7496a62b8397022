r"""Lint: everything in a policy that is most likely not meant, from lines to domains.

>>> text = PolicyText(TextKind.DOMAIN, "web.conf", "<kernel> /bin/web\nuse_profile 3\nfile read /etc/\\{\\*\\}/\\*\n")
>>> print(*lint_policy([text]), sep="\n")
web.conf:3:11: warning: /etc/\{\*\}/\* is everything below /etc [whole-tree]

No kernel and no file system is needed.  Every rule takes time linear, or
nearly so, in the size of the policy: none compares all entries with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from ..model.diagnostics import Diagnostic
from ..model.errors import InvalidValueError
from ..simulation.located_policy import read_located_policy
from ..syntax.lines import Effect, Problem
from ..syntax.policy_text import PolicyText
from .breadth import find_breadth
from .codes import LINT_CODES
from .comments import Allowances
from .context import STORE, LintContext
from .filesystems import find_misnamed
from .groups import find_group_faults, find_shared_faults, find_unused_aggregators
from .managers import find_manager_faults
from .matching import find_unmatched
from .profiles import find_profile_faults
from .shadowing import find_duplicates, find_shadowed
from .transitions import find_literal_patterns, find_missing, find_unreachable
from .trust import find_changes_for_others
from .writing import find_store_writes, find_temporary_execution, find_write_and_execute

Rule = Callable[[LintContext], Iterator[Diagnostic]]


def find_line_faults(context: LintContext) -> Iterator[Diagnostic]:
    """Lines that the kernel would drop, or store as something else, or for nothing."""
    for placed in context.policy.problems:
        problem: Problem = placed.value
        if problem.effect is not Effect.COMMENT:
            line, advice = placed.raw.strip(), problem.advice
            yield context.finding(problem.effect.code, placed, problem.what, offset=problem.offset, remedy=advice, entry=line)


#: The rules, each with the codes that it finds; ``read_located_policy`` and comments have some more.
RULES: dict[Rule, tuple[str, ...]] = {
    find_line_faults: ("dropped-line", "altered-line", "useless-line"),
    find_breadth: (
        *("whole-system", "whole-tree", "whole-store", "store-pattern", "store-hash", "package-pattern", "reads-secret"),
        *("writes-system-file", "any-program", "any-variable", "any-network", "setuid-mode", "any-device"),
    ),
    find_write_and_execute: ("write-and-execute",),
    find_store_writes: ("store-write",),
    find_temporary_execution: ("execute-temporary",),
    find_changes_for_others: ("executed-elsewhere", "configures-elsewhere"),
    find_unmatched: (
        *("not-canonical", "wrong-directory", "impossible-pattern", "impossible-condition", "impossible-number"),
        "never-executed",
    ),
    find_misnamed: ("never-asked",),
    find_duplicates: ("duplicate",),
    find_shadowed: ("shadowed",),
    find_unreachable: ("unreachable-domain", "never-entered"),
    find_missing: (
        *("undefined-domain", "created-domain", "failing-execution", "idle-control", "leaves-confinement"),
        "shadowed",
    ),
    find_literal_patterns: ("literal-pattern",),
    find_group_faults: ("undefined-group", "unused-group"),
    find_shared_faults: ("undefined-acl-group", "undefined-module", "unused-acl-group", "unused-module"),
    find_unused_aggregators: ("unused-aggregator",),
    find_profile_faults: (
        *("undefined-profile", "implicit-profile", "unused-profile", "enforced-without-entries", "root-enforced"),
        "partly-enforced",
        *("silent-enforcement", "learning-stopped", "transition-failed"),
    ),
    find_manager_faults: (
        *("no-manager", "manager-everyone", "manager-interpreter", "manager-writable", "manager-learning"),
        *("manager-executable", "manager-broad", "manager-undefined"),
    ),
}
_COMMENTS = ("unknown-code", "unused-allow", "unreasoned-allow")


def lint_policy(
    texts: Iterable[PolicyText],
    *,
    codes: Collection[str] | None = None,
    allowed: Collection[str] = (),
    store: str = STORE,
    more: Callable[[LintContext], Iterable[Diagnostic]] | None = None,
) -> list[Diagnostic]:
    """Find what is not as it should be in a policy.

    Arguments:
        texts: the policy.  What is not given, such as profiles, is not judged.
        codes: look for these alone; by default for all of ``LINT_CODES``.
        allowed: do not look for these.
        store: the store directory.
        more: another rule, for what needs to know more than the texts say.

    Returns findings by their place, the worst of a place first; those that a
    comment allows are left out.  Raises InvalidValueError for a code that there is not.
    """
    unknown = [code for code in (*(codes or ()), *allowed) if code not in LINT_CODES]
    if unknown:
        raise InvalidValueError(f"there is no code {unknown[0]}")
    asked = [code for code in LINT_CODES if (codes is None or code in codes) and code not in allowed]
    context = LintContext(read_located_policy(texts), store)
    allowances = Allowances(context)
    found: list[Diagnostic] = []
    for rule, own in RULES.items():
        if not set(own).isdisjoint(asked):
            found += rule(context)
    if more is not None:
        found += more(context)
    found = [finding for finding in dict.fromkeys(found) if finding.code in asked and not allowances.allows(finding)]
    if not set(_COMMENTS).isdisjoint(asked):
        comments = [*allowances.faults, *allowances.unused(asked)]
        found += [finding for finding in comments if finding.code in asked and not allowances.allows(finding)]
    order = {text.name: position for position, text in enumerate(context.policy.texts)}
    found.sort(key=lambda one: _position(one, order))
    return found


def _position(one: Diagnostic, order: dict[str, int]) -> tuple[int, int, int, int, str]:
    return order.get(one.place.file, -1), one.place.line, one.severity.rank, one.place.column, one.code


__all__ = ["RULES", "lint_policy"]

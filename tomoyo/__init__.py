"""TOMOYO Linux policy in pure Python: parse it, ask what a kernel would answer, bind names, activate.

What most programs need is here.  The rest is in the modules, each of which lists
what is public in it as ``__all__`` (see docs/reference/api.md); a module is loaded when one
of its names is first used, so that ``import tomoyo`` costs next to nothing.

    >>> import tomoyo
    >>> policy = tomoyo.parse_domain_policy("<kernel> /bin/sh\\nfile write/read /tmp/x\\n")
    >>> print(policy.domains[0].entries[0])
    file read/write /tmp/x

Every error that this package raises for bad input or for what a kernel refused
is a `TomoyoError`.  Values are immutable, so threads may share them; an object
that does I/O (`Securityfs`, `AuditLog`), or that is open to change
(`SimulatedKernel`, `Suggestions`), belongs to one thread at a time.
"""

from __future__ import annotations

__version__ = "0.1.0"

# The module `typing` would take longer to load than the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .activation.activation import activate
    from .activation.outcome import Outcome
    from .activation.plan import Plan
    from .activation.planner import plan
    from .activation.status import read_status
    from .analysis.explanation import Explanation, explain
    from .analysis.reachability import who_may
    from .analysis.replay import replay
    from .audit.kernel_log import AuditLog
    from .decision.engine import DecisionEngine, Verdict
    from .decision.requests import Request, parse_request
    from .decision.transition import transition
    from .kernel.securityfs import Securityfs
    from .lint.linter import lint_policy
    from .model.diagnostics import Diagnostic, Severity
    from .model.domains import Domain, DomainPolicy
    from .model.entries import Entry
    from .model.errors import TomoyoError
    from .model.exception_policy import ExceptionPolicy
    from .model.managers import ManagerPolicy
    from .model.profiles import Mode, ProfilePolicy
    from .model.records import AuditRecord
    from .model.stat import Stat
    from .model.words import DomainName
    from .nix.names.binder import bind
    from .nix.names.bindings import Bindings
    from .nix.names.naming import name_policy
    from .nix.source.compile import CompileSettings, compile_policy
    from .nix.source.library import read_sources
    from .nix.source.loader import load_policy
    from .nix.store.closure import Closure
    from .sets.checks import check_policy_set
    from .sets.policy_set import PolicySet, read_policy_set
    from .sets.writing import write_policy_set
    from .simulation.simulated_kernel import SimulatedKernel
    from .suggestion.suggestions import Suggestions
    from .syntax.domain_policy import parse_domain_policy
    from .syntax.exception_policy import parse_exception_policy
    from .syntax.formatting import (
        format_audit,
        format_domain_policy,
        format_exception_policy,
        format_manager,
        format_profile,
        format_stat,
    )
    from .syntax.lines import PolicySyntaxError
    from .syntax.managers import parse_manager
    from .syntax.profiles import parse_profile
    from .syntax.records import iterate_audit, parse_audit, parse_query
    from .syntax.stat import parse_stat

#: Each module with those of its names that are here.
_HOMES = {
    "activation.activation": "activate",
    "activation.outcome": "Outcome",
    "activation.plan": "Plan",
    "activation.planner": "plan",
    "activation.status": "read_status",
    "analysis.explanation": "Explanation explain",
    "analysis.reachability": "who_may",
    "analysis.replay": "replay",
    "audit.kernel_log": "AuditLog",
    "decision.engine": "DecisionEngine Verdict",
    "decision.requests": "Request parse_request",
    "decision.transition": "transition",
    "kernel.securityfs": "Securityfs",
    "lint.linter": "lint_policy",
    "model.diagnostics": "Diagnostic Severity",
    "model.domains": "Domain DomainPolicy",
    "model.entries": "Entry",
    "model.errors": "TomoyoError",
    "model.exception_policy": "ExceptionPolicy",
    "model.managers": "ManagerPolicy",
    "model.profiles": "Mode ProfilePolicy",
    "model.records": "AuditRecord",
    "model.stat": "Stat",
    "model.words": "DomainName",
    "nix.names.binder": "bind",
    "nix.names.bindings": "Bindings",
    "nix.names.naming": "name_policy",
    "nix.source.compile": "CompileSettings compile_policy",
    "nix.source.library": "read_sources",
    "nix.source.loader": "load_policy",
    "nix.store.closure": "Closure",
    "sets.checks": "check_policy_set",
    "sets.policy_set": "PolicySet read_policy_set",
    "sets.writing": "write_policy_set",
    "simulation.simulated_kernel": "SimulatedKernel",
    "suggestion.suggestions": "Suggestions",
    "syntax.domain_policy": "parse_domain_policy",
    "syntax.exception_policy": "parse_exception_policy",
    "syntax.formatting": "format_audit format_domain_policy format_exception_policy format_manager format_profile format_stat",
    "syntax.lines": "PolicySyntaxError",
    "syntax.managers": "parse_manager",
    "syntax.profiles": "parse_profile",
    "syntax.records": "iterate_audit parse_audit parse_query",
    "syntax.stat": "parse_stat",
}

__all__ = [
    "AuditLog",
    "AuditRecord",
    "Bindings",
    "Closure",
    "CompileSettings",
    "DecisionEngine",
    "Diagnostic",
    "Domain",
    "DomainName",
    "DomainPolicy",
    "Entry",
    "ExceptionPolicy",
    "Explanation",
    "ManagerPolicy",
    "Mode",
    "Outcome",
    "Plan",
    "PolicySet",
    "PolicySyntaxError",
    "ProfilePolicy",
    "Request",
    "Securityfs",
    "Severity",
    "SimulatedKernel",
    "Stat",
    "Suggestions",
    "TomoyoError",
    "Verdict",
    "__version__",
    "activate",
    "bind",
    "check_policy_set",
    "compile_policy",
    "explain",
    "format_audit",
    "format_domain_policy",
    "format_exception_policy",
    "format_manager",
    "format_profile",
    "format_stat",
    "iterate_audit",
    "lint_policy",
    "load_policy",
    "name_policy",
    "parse_audit",
    "parse_domain_policy",
    "parse_exception_policy",
    "parse_manager",
    "parse_profile",
    "parse_query",
    "parse_request",
    "parse_stat",
    "plan",
    "read_policy_set",
    "read_sources",
    "read_status",
    "replay",
    "transition",
    "who_may",
    "write_policy_set",
]


def __getattr__(name: str) -> Any:
    module = next((module for module, names in _HOMES.items() if name in names.split()), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""TOMOYO Linux policy in pure Python: parse it, write it, and ask what a kernel makes of it.

Everything public can be imported from here; a name's module is loaded when the
name is first used, so that ``import tomoyo`` costs next to nothing.

    >>> import tomoyo
    >>> policy = tomoyo.parse_domain_policy("<kernel> /bin/sh\\nfile write/read /tmp/x\\n")
    >>> print(policy.domains[0].entries[0])
    file read/write /tmp/x
"""

from __future__ import annotations

__version__ = "0.1.0"

# The module `typing` would take longer to load than the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .activation.activation import activate
    from .activation.cleanup import collect_garbage
    from .activation.outcome import ActivationError, InactiveError, Outcome
    from .activation.plan import Plan
    from .activation.planner import plan
    from .activation.status import Status, read_status
    from .analysis.conversion import converted, execution_conditions, request_conditions
    from .analysis.explanation import Conclusion, Conditional, Explainer, Explanation, NearMiss, Part, explain
    from .analysis.question import Question, parse_question, question_of
    from .analysis.reachability import Access, Chains, Step, who_may
    from .analysis.record_filter import RecordFilter
    from .analysis.replay import Replayed, ReplayOutcome, replay
    from .analysis.sorting import sort_domain_policy, sort_exception_policy, sort_managers
    from .audit.kernel_log import AuditLog, DropCounter, Drops
    from .audit.log_file import LogFile
    from .boot.loader import boot_script, check_boot
    from .decision.asked import NeverAsked, never_asked
    from .decision.engine import DecisionEngine, UnknownDomain, Verdict
    from .decision.groups import Groups
    from .decision.matching import Pattern, compile_pattern, matches
    from .decision.requests import Request, parse_request, request_of, with_attributes
    from .decision.transition import Cause, Failure, Transition, TransitionRules, transition
    from .kernel.diagnosis import Finding, diagnose
    from .kernel.held_policy import read_held
    from .kernel.learning import LearningSession
    from .kernel.machine import Machine
    from .kernel.modes import DomainMode, read_heads, read_profiles, set_profiles
    from .kernel.processes import Process, read_processes
    from .kernel.saving import read_consistent, save
    from .kernel.securityfs import Securityfs, SecurityfsError
    from .lint.codes import LINT_CODES, LintCode, LintFinding, LintSeverity
    from .lint.linter import lint_policy
    from .model.addresses import AddressRange
    from .model.conditions import (
        ArgumentTest,
        Attribute,
        Comparison,
        Condition,
        EnvironmentTest,
    )
    from .model.domains import Domain, DomainPolicy
    from .model.entries import ArgumentType, Entry, GroupKind, Kind
    from .model.exception_policy import (
        Aggregator,
        ExceptionPolicy,
        Group,
        NamespaceExceptions,
        TransitionControl,
    )
    from .model.kernel_versions import KernelVersion
    from .model.managers import ManagerPolicy
    from .model.numbers import Number, NumberRange, Radix
    from .model.profiles import Config, Mode, NamespaceProfiles, Profile, ProfilePolicy
    from .model.records import (
        AuditRecord,
        Execution,
        FileAttributes,
        FlagSet,
        GroupUsed,
        ParentAttributes,
        ProfileUsed,
        Query,
        Strings,
        Task,
    )
    from .model.stat import Counter, MemoryUse, Stat, Timestamp
    from .model.states import ServiceState
    from .model.words import DomainName, GroupReference, Quoted, UncheckedWord, Word
    from .nix.names.bindings import Bindings, Programs, Several, bind
    from .nix.names.expression import Expression, ExpressionError, nix_expression
    from .nix.names.name_uses import Role, Use, policy_uses
    from .nix.names.names import Name, NameSyntaxError, NameTable, parse_name, read_packages
    from .nix.names.naming import EntryNames, Named, format_source_domains, name_policy, unsafe_policy, without_modules
    from .nix.names.program_paths import WayIn, Ways, find_ways
    from .nix.source.compile import BootSettings, Compiled, CompileSettings, Unresolved, compile_policy
    from .nix.source.files import SourceError
    from .nix.source.library import library_modules, library_services, read_sources
    from .nix.source.lint import lint_names, policy_texts
    from .nix.source.policy import Conflicts
    from .nix.store.closure import Closure, ClosureError, Member, Package, find_root, learn_outputs
    from .nix.store.closure_formats import parse_listing, read_listing
    from .nix.store.contents import Contents, read_contents
    from .nix.store.database import StoreDatabase
    from .nix.store.derivation import Derivation, DerivationSyntaxError, parse_derivation, read_derivation
    from .nix.store.paths import StoreFile, StorePath, StorePathError, find_store_path, parse_drv_name, parse_store_path
    from .nix.store.tree import LinkError, Tree
    from .query.dialogue import Answer, Arrived, Gone, PendingRequest, QueryDialogue
    from .query.explanation import QueryExplainer, QueryPolicy
    from .query.kernel_file import QueryFile
    from .query.rules import QueryRule, Ruling, parse_query_rules
    from .query.session import Answered, Asked, Explained, QuerySession, Vanished, learned_entry
    from .report.plain import plain
    from .sets.checks import Fault, SetProblem, check_policy_set
    from .sets.directory import PolicySetError
    from .sets.policy_set import PolicySet, read_policy_set, with_digests
    from .sets.trusted_files import UnsafeFile
    from .sets.writing import write_policy_set
    from .simulation.simulated_kernel import KernelPanic, SimulatedKernel
    from .suggestion.dialogue import Choice, Decision, SuggestionDialogue
    from .suggestion.edits import Insertion, find_insertions, insert_lines, unified_diff
    from .suggestion.generalisation import BUILT_IN_RULES, GeneralEntry, UserRule, generalise, parse_user_rules
    from .suggestion.suggestions import Evidence, Suggestion, Suggestions, merge_suggestions, missing_paths, policy_of
    from .syntax.domain_policy import parse_domain_policy
    from .syntax.exception_policy import parse_exception_policy
    from .syntax.formatting import (
        format_audit,
        format_domain_policy,
        format_exception_policy,
        format_manager,
        format_profile,
        format_query,
        format_stat,
    )
    from .syntax.lines import Effect, PolicySyntaxError, Reading
    from .syntax.managers import parse_manager
    from .syntax.policy_text import PolicyText, TextKind
    from .syntax.profiles import parse_profile
    from .syntax.record_stream import Outline, RecordCutter, cut_records, outline
    from .syntax.records import iterate_audit, parse_audit, parse_query, parse_record
    from .syntax.stat import parse_stat

_MODULES = {
    "activation.activation": "activate",
    "activation.cleanup": "collect_garbage",
    "activation.outcome": "ActivationError InactiveError Outcome",
    "activation.plan": "Plan",
    "activation.planner": "plan",
    "analysis.conversion": "converted execution_conditions request_conditions",
    "analysis.explanation": "Conclusion Conditional Explainer Explanation NearMiss Part explain",
    "suggestion.generalisation": "BUILT_IN_RULES GeneralEntry UserRule generalise parse_user_rules",
    "lint.linter": "lint_policy",
    "lint.codes": "LINT_CODES LintCode LintFinding LintSeverity",
    "syntax.policy_text": "PolicyText TextKind",
    "model.states": "ServiceState",
    "suggestion.edits": "Insertion find_insertions insert_lines unified_diff",
    "query.rules": "QueryRule Ruling parse_query_rules",
    "analysis.question": "Question parse_question question_of",
    "analysis.reachability": "Access Chains Step who_may",
    "analysis.record_filter": "RecordFilter",
    "analysis.replay": "Replayed ReplayOutcome replay",
    "analysis.sorting": "sort_domain_policy sort_exception_policy sort_managers",
    "suggestion.suggestions": "Evidence Suggestion Suggestions merge_suggestions missing_paths policy_of",
    "suggestion.dialogue": "Choice Decision SuggestionDialogue",
    "kernel.held_policy": "read_held",
    "audit.kernel_log": "AuditLog DropCounter Drops",
    "kernel.learning": "LearningSession",
    "audit.log_file": "LogFile",
    "sets.checks": "Fault SetProblem check_policy_set",
    "sets.directory": "PolicySetError",
    "sets.writing": "write_policy_set",
    "sets.policy_set": ("PolicySet read_policy_set with_digests"),
    "query.dialogue": "Answer Arrived Gone PendingRequest QueryDialogue",
    "query.explanation": "QueryExplainer QueryPolicy",
    "query.kernel_file": "QueryFile",
    "query.session": "Answered Asked Explained QuerySession Vanished learned_entry",
    "kernel.saving": "read_consistent save",
    "kernel.securityfs": "Securityfs SecurityfsError",
    "boot.loader": "boot_script check_boot",
    "kernel.diagnosis": "Finding diagnose",
    "kernel.machine": "Machine",
    "kernel.modes": "DomainMode read_heads read_profiles set_profiles",
    "kernel.processes": "Process read_processes",
    "decision.asked": "NeverAsked never_asked",
    "activation.status": "Status read_status",
    "decision.engine": "DecisionEngine UnknownDomain Verdict",
    "decision.groups": "Groups",
    "decision.matching": "Pattern compile_pattern matches",
    "decision.requests": "Request parse_request request_of with_attributes",
    "decision.transition": "Cause Failure Transition TransitionRules transition",
    "simulation.simulated_kernel": "KernelPanic SimulatedKernel",
    "sets.trusted_files": "UnsafeFile",
    "model.addresses": "AddressRange",
    "model.conditions": "ArgumentTest Attribute Comparison Condition EnvironmentTest",
    "model.domains": "Domain DomainPolicy",
    "model.entries": "ArgumentType Entry GroupKind Kind",
    "model.exception_policy": "Aggregator ExceptionPolicy Group NamespaceExceptions TransitionControl",
    "model.kernel_versions": "KernelVersion",
    "model.managers": "ManagerPolicy",
    "model.numbers": "Number NumberRange Radix",
    "model.profiles": "Config Mode NamespaceProfiles Profile ProfilePolicy",
    "model.records": ("AuditRecord Execution FileAttributes FlagSet GroupUsed ParentAttributes ProfileUsed Query Strings Task"),
    "model.stat": "Counter MemoryUse Stat Timestamp",
    "model.words": "DomainName GroupReference Quoted UncheckedWord Word",
    "nix.names.bindings": "Bindings Programs Several bind",
    "nix.store.closure": "Closure ClosureError Member Package find_root learn_outputs",
    "nix.source.compile": "BootSettings CompileSettings Compiled Unresolved compile_policy",
    "nix.store.contents": "Contents read_contents",
    "nix.store.database": "StoreDatabase",
    "nix.store.derivation": "Derivation DerivationSyntaxError parse_derivation read_derivation",
    "nix.names.expression": "Expression ExpressionError nix_expression",
    "nix.source.library": "library_modules library_services read_sources",
    "nix.source.lint": "lint_names policy_texts",
    "nix.store.closure_formats": "parse_listing read_listing",
    "nix.names.names": "Name NameSyntaxError NameTable parse_name read_packages",
    "nix.names.naming": "EntryNames Named name_policy unsafe_policy without_modules format_source_domains",
    "nix.source.files": "SourceError",
    "nix.source.policy": "Conflicts",
    "nix.store.paths": "StoreFile StorePath StorePathError find_store_path parse_drv_name parse_store_path",
    "nix.store.tree": "LinkError Tree",
    "nix.names.name_uses": "Role Use policy_uses",
    "nix.names.program_paths": "WayIn Ways find_ways",
    "report.plain": "plain",
    "syntax.domain_policy": "parse_domain_policy",
    "syntax.exception_policy": "parse_exception_policy",
    "syntax.lines": "Effect PolicySyntaxError Reading",
    "syntax.managers": "parse_manager",
    "syntax.profiles": "parse_profile",
    "syntax.record_stream": "Outline RecordCutter cut_records outline",
    "syntax.records": "iterate_audit parse_audit parse_query parse_record",
    "syntax.stat": "parse_stat",
    "syntax.formatting": (
        "format_audit format_domain_policy format_exception_policy format_manager format_profile format_query format_stat"
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

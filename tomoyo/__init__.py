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
    from .analysis.generalisation import BUILT_IN_RULES, GeneralEntry, UserRule, generalise, parse_user_rules
    from .analysis.lint import lint
    from .analysis.lint_codes import LINT_CODES, LintCode, LintFinding, LintSeverity
    from .analysis.placed_policy import PolicyText, TextKind
    from .analysis.policy_edit import Insertion, find_insertions, insert_lines, unified_diff
    from .analysis.query_rules import QueryRule, Ruling, parse_query_rules
    from .analysis.question import Question, parse_question, question_of
    from .analysis.reachability import Access, Chains, Step, who_may
    from .analysis.record_filter import RecordFilter
    from .analysis.replay import Replayed, ReplayOutcome, replay
    from .analysis.sorting import sort_domain_policy, sort_exception_policy, sort_managers
    from .analysis.suggestion import Evidence, Suggestion, Suggestions, merge_suggestions, missing_paths, policy_of
    from .analysis.suggestion_dialogue import Choice, Decision, SuggestionDialogue
    from .decision.asked import NeverAsked, never_asked
    from .decision.engine import DecisionEngine, UnknownDomain, Verdict
    from .decision.groups import Groups
    from .decision.matching import Pattern, compile_pattern, matches
    from .decision.requests import Request, parse_request, request_of, with_attributes
    from .decision.transition import Cause, Failure, Transition, TransitionRules, transition
    from .kernel.audit import AuditLog, DropCounter, Drops
    from .kernel.boot import boot_script, check_boot
    from .kernel.diagnosis import Finding, diagnose
    from .kernel.held_texts import read_held
    from .kernel.learning import LearningSession
    from .kernel.log_file import LogFile
    from .kernel.machine import Machine
    from .kernel.modes import DomainMode, read_heads, read_profiles, set_profiles
    from .kernel.policy_set import (
        Fault,
        PolicySet,
        PolicySetError,
        SetProblem,
        check_policy_set,
        read_policy_set,
        with_digests,
        write_policy_set,
    )
    from .kernel.processes import Process, read_processes
    from .kernel.query import Answer, Arrived, Gone, PendingRequest, QueryDialogue
    from .kernel.query_explanation import QueryExplainer, QueryPolicy
    from .kernel.query_file import QueryFile
    from .kernel.query_session import Answered, Asked, Explained, QuerySession, Vanished, learned_entry
    from .kernel.saving import read_consistent, save
    from .kernel.securityfs import Securityfs, SecurityfsError
    from .kernel.simulated import KernelPanic, SimulatedKernel
    from .kernel.trusted import UnsafeFile
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
    from .model.words import DomainName, GroupReference, Quoted, UncheckedWord, Word
    from .nix.bindings import Bindings, Programs, Several, bind
    from .nix.closure import Closure, ClosureError, Member, Package, find_root, learn_outputs
    from .nix.compile import BootSettings, Compiled, CompileSettings, Unresolved, compile_policy
    from .nix.contents import Contents, read_contents
    from .nix.database import StoreDatabase
    from .nix.derivation import Derivation, DerivationSyntaxError, parse_derivation, read_derivation
    from .nix.expression import Expression, ExpressionError, nix_expression
    from .nix.library import ServiceState, library_modules, library_services
    from .nix.lint_names import lint_names, policy_texts
    from .nix.listing import parse_listing, read_listing
    from .nix.names import Name, NameSyntaxError, NameTable, parse_name, read_packages
    from .nix.naming import EntryNames, Named, name_policy, unsafe_policy, without_modules, write_source_domains
    from .nix.source import SourceError, SourceFile, SourceKind, read_sources
    from .nix.source_policy import Conflicts
    from .nix.store import StoreFile, StorePath, StorePathError, find_store_path, parse_drv_name, parse_store_path
    from .nix.tree import LinkError, Tree
    from .nix.uses import Place, Role, Use, policy_uses
    from .nix.ways import WayIn, Ways, find_ways
    from .report.plain import plain
    from .syntax.domain_policy import parse_domain_policy
    from .syntax.exception_policy import parse_exception_policy
    from .syntax.lines import Effect, PolicySyntaxError, Reading
    from .syntax.managers import parse_manager
    from .syntax.profiles import parse_profile
    from .syntax.record_stream import Outline, RecordCutter, cut_records, outline
    from .syntax.records import iterate_audit, parse_audit, parse_query, parse_record
    from .syntax.stat import parse_stat
    from .syntax.writer import (
        write_audit,
        write_domain_policy,
        write_exception_policy,
        write_manager,
        write_profile,
        write_query,
        write_stat,
    )

_MODULES = {
    "activation.activation": "activate",
    "activation.cleanup": "collect_garbage",
    "activation.outcome": "ActivationError InactiveError Outcome",
    "activation.plan": "Plan",
    "activation.planner": "plan",
    "analysis.conversion": "converted execution_conditions request_conditions",
    "analysis.explanation": "Conclusion Conditional Explainer Explanation NearMiss Part explain",
    "analysis.generalisation": "BUILT_IN_RULES GeneralEntry UserRule generalise parse_user_rules",
    "analysis.lint": "lint",
    "analysis.lint_codes": "LINT_CODES LintCode LintFinding LintSeverity",
    "analysis.placed_policy": "PolicyText TextKind",
    "analysis.policy_edit": "Insertion find_insertions insert_lines unified_diff",
    "analysis.query_rules": "QueryRule Ruling parse_query_rules",
    "analysis.question": "Question parse_question question_of",
    "analysis.reachability": "Access Chains Step who_may",
    "analysis.record_filter": "RecordFilter",
    "analysis.replay": "Replayed ReplayOutcome replay",
    "analysis.sorting": "sort_domain_policy sort_exception_policy sort_managers",
    "analysis.suggestion": "Evidence Suggestion Suggestions merge_suggestions missing_paths policy_of",
    "analysis.suggestion_dialogue": "Choice Decision SuggestionDialogue",
    "kernel.held_texts": "read_held",
    "kernel.audit": "AuditLog DropCounter Drops",
    "kernel.learning": "LearningSession",
    "kernel.log_file": "LogFile",
    "kernel.policy_set": (
        "Fault PolicySet PolicySetError SetProblem check_policy_set read_policy_set with_digests write_policy_set"
    ),
    "kernel.query": "Answer Arrived Gone PendingRequest QueryDialogue",
    "kernel.query_explanation": "QueryExplainer QueryPolicy",
    "kernel.query_file": "QueryFile",
    "kernel.query_session": "Answered Asked Explained QuerySession Vanished learned_entry",
    "kernel.saving": "read_consistent save",
    "kernel.securityfs": "Securityfs SecurityfsError",
    "kernel.boot": "boot_script check_boot",
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
    "kernel.simulated": "KernelPanic SimulatedKernel",
    "kernel.trusted": "UnsafeFile",
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
    "nix.bindings": "Bindings Programs Several bind",
    "nix.closure": "Closure ClosureError Member Package find_root learn_outputs",
    "nix.compile": "BootSettings CompileSettings Compiled Unresolved compile_policy",
    "nix.contents": "Contents read_contents",
    "nix.database": "StoreDatabase",
    "nix.derivation": "Derivation DerivationSyntaxError parse_derivation read_derivation",
    "nix.expression": "Expression ExpressionError nix_expression",
    "nix.library": "ServiceState library_modules library_services",
    "nix.lint_names": "lint_names policy_texts",
    "nix.listing": "parse_listing read_listing",
    "nix.names": "Name NameSyntaxError NameTable parse_name read_packages",
    "nix.naming": "EntryNames Named name_policy unsafe_policy without_modules write_source_domains",
    "nix.source": "SourceError SourceFile SourceKind read_sources",
    "nix.source_policy": "Conflicts",
    "nix.store": "StoreFile StorePath StorePathError find_store_path parse_drv_name parse_store_path",
    "nix.tree": "LinkError Tree",
    "nix.uses": "Place Role Use policy_uses",
    "nix.ways": "WayIn Ways find_ways",
    "report.plain": "plain",
    "syntax.domain_policy": "parse_domain_policy",
    "syntax.exception_policy": "parse_exception_policy",
    "syntax.lines": "Effect PolicySyntaxError Reading",
    "syntax.managers": "parse_manager",
    "syntax.profiles": "parse_profile",
    "syntax.record_stream": "Outline RecordCutter cut_records outline",
    "syntax.records": "iterate_audit parse_audit parse_query parse_record",
    "syntax.stat": "parse_stat",
    "syntax.writer": (
        "write_audit write_domain_policy write_exception_policy write_manager write_profile write_query write_stat"
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

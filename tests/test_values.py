"""Values and errors as a program outside meets them: they can be pickled and copied, and are short to look at."""

from __future__ import annotations

import copy
import errno
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

import tomoyo
from tomoyo import Domain, DomainName, DomainPolicy, Securityfs, SimulatedKernel, TomoyoError
from tomoyo.decision.transition import TransitionRules
from tomoyo.kernel.securityfs import SecurityfsError
from tomoyo.model.stat import Timestamp
from tomoyo.nix.names.names import NameTable, parse_name
from tomoyo.nix.store.closure import ClosureError
from tomoyo.nix.store.closure_formats import read_listing
from tomoyo.nix.store.derivation import DerivationSyntaxError, parse_derivation
from tomoyo.nix.store.paths import parse_store_path
from tomoyo.nix.store.tree import Tree
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.trusted_files import UnsafeFile

from .reference import public
from .sample import SAMPLE

POLICY = (
    "<kernel>\nuse_profile 0\n\n<kernel> /bin/sh\nuse_profile 3\nuse_group 1\n\n"
    "file read/write /etc/\\* task.uid=0-10 path1.type=file\nnetwork inet stream connect 10.0.0.0-10.0.0.9 80\n"
    'file execute @PROGRAMS exec.argv[0]="sh" exec.realpath!="/x"\n'
)
EXCEPTIONS = (
    "initialize_domain /bin/sh from any\naggregator /bin/\\*sh /bin/sh\npath_group PROGRAMS /bin/a\n"
    "number_group N 1-0x20\naddress_group A ::1\nacl_group 1 file read /proc/\\$/status\n"
)
PROFILES = "PROFILE_VERSION=20150505\n3-COMMENT=x\n3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }\n"
RECORD = (
    "#2026/11/23 22:10:53# profile=3 mode=enforcing granted=no (global-pid=1) task={ pid=1 ppid=0 uid=0 gid=0 euid=0 egid=0 "
    "suid=0 sgid=0 fsuid=0 fsgid=0 }\n<kernel> /bin/sh\nfile read /etc/shadow\n\n"
)


def engine() -> tomoyo.DecisionEngine:
    return tomoyo.DecisionEngine(
        tomoyo.parse_domain_policy(POLICY), tomoyo.parse_exception_policy(EXCEPTIONS), tomoyo.parse_profile(PROFILES)
    )


def policy_set() -> tomoyo.PolicySet:
    return tomoyo.PolicySet(POLICY, EXCEPTIONS, profile=PROFILES, manifest={"format": 1})


VALUES: dict[str, Callable[[], Any]] = {
    "domains": lambda: tomoyo.parse_domain_policy(POLICY),
    "exceptions": lambda: tomoyo.parse_exception_policy(EXCEPTIONS),
    "profiles": lambda: tomoyo.parse_profile(PROFILES),
    "managers": lambda: tomoyo.parse_manager("/bin/sh\n<kernel> /bin/sh\n"),
    "stat": lambda: tomoyo.parse_stat("Memory used by policy: 100\n"),
    "records": lambda: tomoyo.parse_audit(RECORD),
    "request": lambda: tomoyo.parse_request("file read /etc/passwd task.uid=0"),
    "verdict": lambda: engine().decide("<kernel> /bin/sh", tomoyo.parse_request("file read /etc/passwd task.uid=0")),
    "explanation": lambda: tomoyo.explain(engine(), "<kernel> /bin/sh", tomoyo.parse_request("file read /srv/x")),
    "access": lambda: list(tomoyo.who_may(engine(), import_module("tomoyo.analysis.question").parse_question("read"))),
    "set": policy_set,
    "problems": lambda: tomoyo.check_policy_set(policy_set()),
    "plan": lambda: tomoyo.plan(tomoyo.PolicySet().as_held(), policy_set().as_held()),
    "name": lambda: parse_name("nix:/nginx/bin/nginx"),
    "loaded policy": lambda: tomoyo.load_policy(SAMPLE / "policy"),
    "closure": lambda: read_listing(str(SAMPLE / "system" / "registration")),
    "names": lambda: NameTable(VALUES["closure"]()),
    "bindings": lambda: tomoyo.bind([], VALUES["names"](), Tree(str(SAMPLE / "system"))),
    "outcome": lambda: tomoyo.Outcome(VALUES["plan"]()),
    "settings": tomoyo.CompileSettings,
    "entry": lambda: VALUES["request"]().entry,
    "domain": lambda: tomoyo.parse_domain_policy(POLICY).domains[1],
    "domain name": lambda: DomainName("<kernel> /bin/sh"),
    "mode": lambda: tomoyo.Mode.ENFORCING,
    "severity": lambda: tomoyo.Severity.ERROR,
    "store path": lambda: parse_store_path(f"/nix/store/{'a' * 32}-nginx-1.2"),
}


def text_of(value: Any) -> str:
    """VALUE in every detail, for those that are not compared by value."""
    return repr(vars(value)) if hasattr(value, "__dict__") else repr(value)


@pytest.mark.parametrize("name", VALUES)
def test_values_can_be_pickled_and_copied(name: str) -> None:
    value = VALUES[name]()
    for again in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
        assert type(again) is type(value)
        assert again == value or text_of(again) == text_of(value)


#: What is no value, but has a representation, too.
OBJECTS: dict[str, Callable[[], Any]] = {
    "engine": engine,
    "kernel": SimulatedKernel,
    "suggestions": tomoyo.Suggestions,
    "securityfs": Securityfs,
}


@pytest.mark.parametrize("name", [*VALUES, *OBJECTS])
def test_what_is_shown_of_a_value_is_short_and_telling(name: str) -> None:
    value = {**VALUES, **OBJECTS}[name]()
    value = value[0] if isinstance(value, (list, tuple)) and value else value
    assert len(repr(value)) < 300
    assert " object at 0x" not in repr(value)


def test_what_is_shown_of_large_values_is_as_short() -> None:
    many = tomoyo.parse_domain_policy(POLICY + "".join(f"file read /x/{number}\n" for number in range(1000)))
    assert len(repr(many)) < 100
    assert len(repr(many.domains[1])) < 100
    assert repr(tomoyo.DecisionEngine(many)) == "<DecisionEngine: domains: 2, no profiles>"
    request = tomoyo.parse_request("file read /x/7")
    shown = repr(tomoyo.DecisionEngine(many).decide("<kernel> /bin/sh", request))
    assert shown == "<Verdict granted: file read /x/7>"
    kernel = SimulatedKernel("7.2")
    kernel.write("domain_policy", POLICY)
    assert repr(kernel) == "<SimulatedKernel 7.2: domains: 2, not active>"
    suggestions = tomoyo.Suggestions()
    for record in tomoyo.parse_audit(RECORD * 3):
        suggestions.add(record)
    assert repr(suggestions) == "<Suggestions: entries: 1, from records: 3>"


def test_all_that_the_top_level_offers_has_such_a_text() -> None:
    classes = {value for name in tomoyo.__all__ if isinstance(value := getattr(tomoyo, name), type)}
    made = {type(each) for make in (*VALUES.values(), *OBJECTS.values()) for each in flat(make())}
    # The audit log is a kernel's; errors are tested below.
    assert {kind for kind in classes - made if not issubclass(kind, Exception)} == {tomoyo.AuditLog}


def flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def failure(action: Callable[[], object]) -> BaseException:
    with pytest.raises(TomoyoError) as caught:
        action()
    return caught.value


ERRORS: dict[str, Callable[[], BaseException]] = {
    "syntax": lambda: failure(lambda: tomoyo.parse_domain_policy("<kernel>\nfile raed /x\n")),
    "name": lambda: failure(lambda: parse_name("nix:")),
    "store path": lambda: failure(lambda: parse_store_path("/nix/store/x")),
    "derivation": lambda: failure(lambda: parse_derivation("Derive(")),
    "unknown domain": lambda: failure(lambda: engine().origin("<other> /x")),
    "no kernel": lambda: failure(lambda: Securityfs("/nonexistent").read("profile")),
    "set": lambda: PolicySetError("/set", "is empty"),
    "unsafe": lambda: UnsafeFile("/tmp/x", "belongs to another user"),
    "kernel": lambda: SecurityfsError(errno.EPERM, "/sys/kernel/security/tomoyo/profile", "no manager"),
    "closure": lambda: ClosureError("no store path", "closure.json", 3),
    "derivation, made": lambda: DerivationSyntaxError("expected '['", "Derive(\n", 8),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_can_be_pickled_and_copied(name: str) -> None:
    error = ERRORS[name]()
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), again.args) == (str(error), error.args)
        shown = {key: str(value) for key, value in vars(again).items()}
        assert shown == {key: str(value) for key, value in vars(error).items()}
        for attribute in ("errno", "filename", "strerror"):
            assert getattr(again, attribute, None) == getattr(error, attribute, None)


def test_every_public_error_has_the_one_base() -> None:
    found = [getattr(import_module(f"tomoyo.{module}"), name, None) for module, names in public().items() for name in names]
    errors = [value for value in found if isinstance(value, type) and issubclass(value, BaseException)]
    assert len(errors) > 10
    assert [error.__name__ for error in errors if not issubclass(error, TomoyoError)] == []


def test_a_domain_may_be_called_by_its_text() -> None:
    name = "<kernel> /bin/sh"
    domains = tomoyo.parse_domain_policy(POLICY)
    assert Domain(name, 3) == Domain(DomainName(name), 3)
    assert domains.domain(name) == domains.domain(DomainName(name)) != None  # noqa: E711
    assert domains.without_domain(name) == domains.without_domain(DomainName(name)) == DomainPolicy(domains.domains[:1])
    rules = TransitionRules(tomoyo.parse_exception_policy(EXCEPTIONS).namespaces[0])
    assert rules.control(name, "/bin/sh") == rules.control(DomainName(name), "/bin/sh")
    for wrong in (lambda: Domain("/bin/sh"), lambda: domains.domain("kernel"), lambda: domains.without_domain("<kernel> x")):
        with pytest.raises(ValueError, match="not a domain name"):
            wrong()


def test_a_time_is_one_for_python() -> None:
    (record,) = tomoyo.parse_audit(RECORD)
    assert record.time.datetime == datetime(2026, 11, 23, 22, 10, 53, tzinfo=UTC)
    with pytest.raises(ValueError, match="month"):
        _ = Timestamp(2026, 13, 1, 0, 0, 0).datetime


def test_what_is_open_to_change_can_be_copied() -> None:
    kernel = SimulatedKernel()
    kernel.write("domain_policy", POLICY)
    again = kernel.copy()
    again.write("domain_policy", "delete <kernel> /bin/sh\n")
    assert (len(kernel.holding.domains), len(again.holding.domains)) == (2, 1)

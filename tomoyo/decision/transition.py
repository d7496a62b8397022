"""Domain transition: in which domain a program runs, as the kernel works it out at execve.

The name of the program goes through aggregators, then through the entry that
grants ``file execute`` (the new domain is named after the entry's path, with
its patterns), then that entry's transition preference or else the exception
policy's transition control decide where to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from ..model.domains import Domain
from ..model.entries import Kind
from ..model.errors import InvalidValueError
from ..model.exception_policy import TRANSITION_CONTROLS, NamespaceExceptions, TransitionControl
from ..model.profiles import Mode
from ..model.words import MAX_DOMAIN_NAME, DomainName, Word, domain_fault
from .engine import DecisionEngine, Verdict
from .matching import Pattern, compile_pattern
from .requests import Request

__all__ = ["Cause", "Failure", "Transition", "TransitionRules", "transition"]


class Cause(Enum):
    """What decided on the new domain."""

    PREFERENCE = "the transition preference of the entry"
    CONTROL = "the exception policy"
    CHILD = "no rule, so the program's own domain"
    MANUAL = "the process chose it"
    DENIED = "execution is not granted"


class Failure(Enum):
    """The error with which execve, or a manual transition, fails."""

    DENIED = "EPERM"
    NOT_READY = "ENOMEM"
    NO_DOMAIN = "ENOENT"


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of a process at execve.

    Attributes:
        domain: the domain that it is in afterwards.
        program: the program's name after aggregators, as entries must name it.
        name: the name that the new domain is built from.
        verdict: the answer to ``file execute``.
        cause, control: what decided, and the line of exception policy if one did.
        failure: the error with which execve fails, or None.
        created: the domain that did not exist and is created, or None.
        transition_failed: the wanted domain that could not be entered; outside
            enforcing mode the process goes on in its old one, which is flagged.
        reason: why it could not, in words; else empty.
        alternatives: what becomes of it instead where the condition of one of
            the verdict's ``conditional`` entries holds, in their order.
    """

    domain: DomainName
    program: str
    name: str
    verdict: Verdict
    cause: Cause
    control: TransitionControl | None = None
    failure: Failure | None = None
    created: Domain | None = None
    transition_failed: str | None = None
    reason: str = ""
    alternatives: tuple[Transition, ...] = ()


class TransitionRules:
    """A namespace's aggregators and transition control, ready to be asked."""

    def __init__(self, exceptions: NamespaceExceptions) -> None:
        self._names: dict[str, tuple[int, str]] = {}
        self._patterns: list[tuple[int, Pattern, str]] = []
        for position, aggregator in enumerate(exceptions.aggregators):
            pattern = compile_pattern(aggregator.pattern.text)
            if pattern.is_pattern:
                self._patterns.append((position, pattern, aggregator.name.text))
            else:
                self._names.setdefault(pattern.text, (position, aggregator.name.text))
        self._results = {aggregator.name.text for aggregator in exceptions.aggregators}
        self._controls: dict[tuple[str, str | None], list[TransitionControl]] = {}
        for control in exceptions.transitions:
            program = control.program.text if control.program else None
            self._controls.setdefault((control.keyword, program), []).append(control)

    def aggregated(self, program: str) -> str:
        """The name as which PROGRAM is executed: that of the first aggregator that matches."""
        exact = self._names.get(program)
        for position, pattern, name in self._patterns:
            if exact is not None and position > exact[0]:
                break
            if pattern.matches(program):
                return name
        return program if exact is None else exact[1]

    def gives_names(self, beginning: str) -> bool:
        """Whether an aggregator gives programs a name that begins with BEGINNING."""
        return any(name.startswith(beginning) for name in self._results)

    def is_aggregate(self, name: str) -> bool:
        """Whether an aggregator gives programs the name NAME."""
        return name in self._results

    def control(self, domain: DomainName | str, program: str) -> TransitionControl | None:
        """The line that decides where PROGRAM leads from DOMAIN; None for a child domain.

        A ``no_`` line only switches off its opposite; ``no_keep_domain`` comes last and means a child.
        """
        name = DomainName.of(domain).text
        last = name.rpartition(" ")[2]
        switched_off = ""
        for keyword in TRANSITION_CONTROLS:
            if keyword == switched_off:
                continue
            for key in ((keyword, program), (keyword, None)):
                for control in self._controls.get(key, ()):
                    if control.domain is None or str(control.domain) in (name, last):
                        if not keyword.startswith("no_"):
                            return control
                        switched_off = keyword.removeprefix("no_")
        return None


def transition(
    engine: DecisionEngine, domain: DomainName | str, request: Request, rules: TransitionRules | None = None
) -> Transition:
    """What becomes of a process in DOMAIN that makes REQUEST, a ``file execute`` or ``manual_domain_transition``.

    The request names the program as execve sees it: parents resolved, a
    symlink at its end not followed.

    Arguments:
        engine: the policy that is asked.
        rules: those of the domain's namespace, for who asks often.

    Raises UnknownDomain, and InvalidValueError for any other request.

    The rules are the kernel's (security/tomoyo/domain.c); the tests execute the same programs on real kernels.
    """
    if request.kind is Kind.TRANSITION:
        return _manual_transition(engine, domain, request)
    if request.kind is not Kind.PATH or request.operation != "execute":
        raise InvalidValueError(f"not an execution: {request.text}")
    origin = engine.origin(domain)
    if rules is None:
        rules = TransitionRules(engine.exceptions(origin.name.namespace))
    program = rules.aggregated(str(request.arguments[0]))
    request = replace(request, arguments=(program,))
    verdict = engine.decide_entries(origin.name, request)
    alternatives = []
    for group, entry in verdict.conditional:
        path = engine.matched_path(origin, entry, request)
        granted = replace(verdict, granted=True, entry=entry, group=group, matched_path=path, learned=None)
        alternatives.append(_executed(engine, origin, program, granted, rules))
    return replace(_executed(engine, origin, program, verdict, rules), alternatives=tuple(alternatives))


def _executed(engine: DecisionEngine, origin: Domain, program: str, verdict: Verdict, rules: TransitionRules) -> Transition:
    """What becomes of a process in ORIGIN that executes PROGRAM, as VERDICT says."""
    name = verdict.matched_path or program
    if not verdict.granted and verdict.mode is Mode.ENFORCING:
        return Transition(origin.name, program, name, verdict, Cause.DENIED, failure=Failure.DENIED)
    condition = verdict.entry.condition if verdict.entry else None
    preference = condition.transition if condition else None
    way = destination(engine, origin, name, preference, rules)
    if way.entered is not None:
        return Transition(way.entered, program, name, verdict, way.cause, way.control, created=way.created)
    failure = Failure.NOT_READY if way.strict or verdict.mode is Mode.ENFORCING else None
    return Transition(
        *(origin.name, program, name, verdict, way.cause, way.control, failure),
        transition_failed=way.wanted,
        reason=way.reason,
    )


def _manual_transition(engine: DecisionEngine, domain: DomainName | str, request: Request) -> Transition:
    """What becomes of a process in DOMAIN that writes to ``self_domain`` (tomoyo_write_self() in securityfs_if.c)."""
    origin = engine.origin(domain)
    verdict = engine.decide_entries(origin.name, request)
    wanted = str(request.arguments[0])
    name = wanted.rpartition(" ")[2]
    if not verdict.granted:
        alternatives: tuple[Transition, ...] = ()
        if verdict.conditional:
            group, entry = verdict.conditional[0]
            entered = _entered_by_hand(engine, origin, wanted, replace(verdict, granted=True, entry=entry, group=group))
            alternatives = (entered,) * len(verdict.conditional)
        return Transition(origin.name, name, name, verdict, Cause.DENIED, failure=Failure.DENIED, alternatives=alternatives)
    return _entered_by_hand(engine, origin, wanted, verdict)


def _entered_by_hand(engine: DecisionEngine, origin: Domain, wanted: str, verdict: Verdict) -> Transition:
    name = wanted.rpartition(" ")[2]
    entered, created, reason = _enter(engine, origin, wanted)
    if entered is not None:
        return Transition(entered, name, name, verdict, Cause.MANUAL, created=created)
    return Transition(
        *(origin.name, name, name, verdict, Cause.MANUAL, None, Failure.NO_DOMAIN), transition_failed=wanted, reason=reason
    )


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an execution that is granted leads.

    Attributes: ``wanted``, the domain's name; ``entered``, the same where it
    can be entered; ``created``, where it must be created for that; ``strict``,
    whether execve fails in every mode if it cannot be entered; ``cause``,
    ``control`` and ``reason`` as in Transition.
    """

    wanted: str
    entered: DomainName | None
    created: Domain | None
    strict: bool
    cause: Cause
    control: TransitionControl | None
    reason: str = ""


def destination(
    engine: DecisionEngine, origin: Domain, name: str, preference: Word | DomainName | None, rules: TransitionRules
) -> Destination:
    """Where ORIGIN's execution of NAME leads, if the entry that grants it has this PREFERENCE.

    NAME is the entry's own path, patterns and all.
    """
    control = None
    if preference is not None:
        cause = Cause.PREFERENCE
        how = str(preference)
    else:
        control = rules.control(origin.name, name)
        cause = Cause.CHILD if control is None else Cause.CONTROL
        how = "child" if control is None else control.keyword.removesuffix("_domain")
    wanted = _wanted(origin.name, name, how)
    entered, created, reason = _enter(engine, origin, wanted)
    return Destination(wanted, entered, created, preference is not None or how == "reset", cause, control, reason)


def _wanted(domain: DomainName, name: str, how: str) -> str:
    """The name of the domain to enter."""
    if how == "keep":
        return domain.text
    if how == "reset":
        return f"<{name}>"
    if how == "initialize":
        return f"{domain.namespace} {name}"
    if how == "parent":
        return str(domain.parent or domain)
    if how.startswith("<"):
        return how
    return f"{domain.text} {name if how == 'child' else how}"


def _enter(engine: DecisionEngine, origin: Domain, wanted: str) -> tuple[DomainName | None, Domain | None, str]:
    """The domain entered, and the one created for that; None where it cannot be, with the reason."""
    if wanted == origin.name.text:
        return origin.name, None, ""
    held = engine.domain(wanted)
    if held is not None:
        # A namespace's profiles may not be defined yet when its first process comes.
        if _has_profile(engine, held):
            return held.name, None, ""
        return None, None, f"its profile {held.profile} is not defined in {held.name.namespace}"
    namespace = wanted.partition(" ")[0]
    if len(wanted) >= MAX_DOMAIN_NAME:
        return None, None, f"its name is {len(wanted)} bytes long, and a domain's name is shorter than {MAX_DOMAIN_NAME}"
    fault = domain_fault(wanted)
    if fault is not None:
        return None, None, f"that is no domain's name: {fault.reason}"
    if namespace != origin.name.namespace:
        return None, None, "the policy has no such domain, and the kernel creates none in another namespace"
    created = Domain(DomainName(wanted), origin.profile, origin.groups)
    return created.name, created, ""


def _has_profile(engine: DecisionEngine, domain: Domain) -> bool:
    if engine.profiles is None:
        return True
    part = engine.profiles.namespace(domain.name.namespace)
    return part is not None and part.profile(domain.profile) is not None

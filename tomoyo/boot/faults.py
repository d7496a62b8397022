"""What makes a set unfit for any kernel: a boot loader refuses such a set, and so does an activation."""

from __future__ import annotations

from dataclasses import replace

from ..model.diagnostics import Diagnostic, Place, Severity
from ..sets.checks import damaged, domain_place
from ..sets.directory import FILES
from ..simulation.policy_reading import KERNEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..simulation.policy_reading import PolicyReading

#: The profile versions that a kernel boots with, the one that it prints first; boot.sh and a test know them, too.
PROFILE_VERSIONS = ("20150505", "20110903")
#: Texts without which a set is none.
_NEVER_EMPTY = ("profile", "domain_policy")
#: Transition control that leads to another namespace, where no domain comes into being.
_ELSEWHERE = "reset_domain"
_DIGITS = "0123456789"


def boot_faults(policy: PolicyReading) -> Iterator[Diagnostic]:
    """Find what the boot loader refuses the set POLICY for, beside damage and what lies in the files' places."""
    texts = policy.texts
    for name in _NEVER_EMPTY:
        if not getattr(texts, name):
            yield damaged(FILES[name], "it is empty, so the set would confine nothing")
    profiles: dict[str, set[str]] = {}
    yield from _read_profiles(texts.profile, profiles)
    yield from _undefined_profiles(policy, profiles)
    yield from _dead_ends(policy)


def _read_profiles(text: str, found: dict[str, set[str]]) -> Iterator[Diagnostic]:
    """Put the profiles of TEXT into FOUND, by namespace, as find_profiles in boot.sh does; tell of versions.

    It knows what a kernel prints and ``compile`` writes.  The kernel takes more:
    spaces in front of a line, or zeros in front of a number.
    """
    for number, whole in enumerate(text.split("\n"), 1):
        namespace, line = KERNEL, whole
        if whole.startswith("<") and " " in whole:
            namespace, _, line = whole.partition(" ")
        keyword, _, version = line.partition("=")
        if keyword == "PROFILE_VERSION":
            if version not in PROFILE_VERSIONS:
                message = f"namespace {namespace} has profile version {version}, and must have {PROFILE_VERSIONS[0]}"
                yield _error("profile-version", message, Place(FILES["profile"], number, 1, whole))
        elif line[:1] in _DIGITS and "-" in line:
            found.setdefault(namespace, set()).add(line.partition("-")[0])


def _undefined_profiles(policy: PolicyReading, profiles: dict[str, set[str]]) -> Iterator[Diagnostic]:
    """Find domains whose profile is not defined where the boot loader looks for it: PROFILES by namespace."""
    used: dict[tuple[str, int], str] = {}
    for name in policy.blocks:
        used.setdefault((name.partition(" ")[0], policy.head(name)[0]), name)
    for (namespace, profile), name in used.items():
        if str(profile) in profiles.get(namespace, ()):
            continue
        code, message = "undefined-profile", f"profile {profile} of {name} is not defined in namespace {namespace}"
        part = policy.namespaces.get(namespace)
        if part and profile in part.profiles:
            code = "damaged-set"
            message += " as the boot loader reads it: there may be no space in front of a line, nor a zero in front of a number"
        yield _error(code, message, domain_place(policy.texts.domain_policy, name))


def _dead_ends(policy: PolicyReading) -> Iterator[Diagnostic]:
    """Transition control that leads to no domain: what it catches, perhaps the first program, fails to execute."""
    texts = policy.texts
    names = [name for name in ("exception_policy", "bindings") if _ELSEWHERE in getattr(texts, name)]
    if not names:
        return
    from ..decision.missing_domains import missing_domains
    from ..model.exception_policy import TransitionControl
    from ..sets.policy_set import PolicySet
    from ..syntax.policy_text import PolicyText, TextKind, read_lines
    from ..syntax.statements import InNamespace, SharedEntry

    domains = "".join(f"{name}\n" for name in policy.blocks)
    for name in names:
        lines = [line if _ELSEWHERE in line else "" for line in getattr(texts, name).split("\n")]
        text = PolicyText(TextKind.EXCEPTION, FILES[name], "\n".join(lines))
        holding = PolicySet(domains, exception_policy=text.text).loaded().holding
        held = {(part.namespace, control) for part in holding.exception_policy() for control in part.transitions}
        places: dict[object, Place] = {}
        for placed in read_lines(text):
            if isinstance(said := placed.value, InNamespace):
                content = said.content.entry if isinstance(said.content, SharedEntry) else said.content
                places.setdefault((said.namespace, content), placed.where())
        for missing in missing_domains(holding.domain_policy(), holding.exception_policy()):
            rule = missing.rule
            # The kernel asks first whether a transition is not to happen.
            if isinstance(rule, TransitionControl) and (missing.namespace, replace(rule, keyword=f"no_{rule.keyword}")) in held:
                continue
            place = places.get((missing.namespace, rule), Place(FILES[name]))
            yield _error("failing-execution", f"{rule}: {missing.reason}", place)


def _error(code: str, message: str, place: Place) -> Diagnostic:
    return Diagnostic(Severity.ERROR, code, message, place=place)

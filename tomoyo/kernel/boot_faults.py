"""What makes a set unfit for any kernel, found in its texts: a boot loader refuses such a set, and so should an activation.

Nothing is parsed but transition control that leads to another namespace, and
where all domains are in one namespace none is looked at by itself.  So it takes
no longer than to look through the texts a few times, and what loads long is
loaded only where there is such control.
"""

from __future__ import annotations

from .policy_text import KERNEL, DomainLines, domain_blocks, named_lines, plain, read_number
from .set_directory import FILES, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .shortcut import Texts

#: The profile versions that a kernel boots with, the one that it prints first; boot.sh and a test know them, too.
PROFILE_VERSIONS = ("20150505", "20110903")
#: Texts without which a set is none.
_NEVER_EMPTY = ("profile", "domain_policy")
#: Transition control that leads to another namespace, where no domain comes into being.
_ELSEWHERE = "reset_domain"
_DIGITS = "0123456789"


class BootFault:
    """Something for which no kernel should be given a set.

    Attributes:
        kind: the name of a ``policy_set.Fault``.
        file: of the set.
        line: in it, from 1; 0 for the file as a whole.
        message: what is wrong.
    """

    __slots__ = ("file", "kind", "line", "message")

    def __init__(self, kind: str, file: str, line: int, message: str) -> None:
        self.kind = kind
        self.file = file
        self.line = line
        self.message = message

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:1" if self.line else self.file
        return f"{place}: {printable(self.message)}"


def boot_faults(texts: Texts) -> Iterator[BootFault]:
    """Find what the boot loader refuses the set TEXTS for, beside damage and what lies in the files' places."""
    for name in _NEVER_EMPTY:
        if not getattr(texts, name):
            yield BootFault("DAMAGED", FILES[name], 0, "it is empty, so the set would confine nothing")
    profiles: dict[str, set[str]] = {}
    yield from _read_profiles(texts.profile, profiles)
    yield from _undefined_profiles(texts, profiles)
    yield from _dead_ends(texts)


def _read_profiles(text: str, found: dict[str, set[str]]) -> Iterator[BootFault]:
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
                yield BootFault("PANIC", FILES["profile"], number, message)
        elif line[:1] in _DIGITS and "-" in line:
            found.setdefault(namespace, set()).add(line.partition("-")[0])


def _undefined_profiles(texts: Texts, profiles: dict[str, set[str]]) -> Iterator[BootFault]:
    if _are_all_defined(texts.domain_policy, profiles.get(KERNEL, set())):
        return
    policy = plain(texts.domain_policy)
    used: dict[tuple[str, int], str] = {}
    for name, block in {KERNEL: "", **domain_blocks(policy)}.items():
        used.setdefault((name.partition(" ")[0], DomainLines(block).profile), name)
    lenient = named_lines(plain(texts.profile))
    for (namespace, profile), name in used.items():
        if str(profile) in profiles.get(namespace, ()):
            continue
        kind, message = "PANIC", f"profile {profile} of {name} is not defined in namespace {namespace}"
        if any(_is_about(line, profile) for line in lenient.get(namespace, ())):
            kind = "DAMAGED"
            message += " as the boot loader reads it: there may be no space in front of a line, nor a zero in front of a number"
        line = line_of(texts.domain_policy, name)
        yield BootFault(kind, FILES["domain_policy"], line, message)


def _is_about(line: str, profile: int) -> bool:
    """Whether the kernel takes LINE for one of PROFILE."""
    number, minus, _ = line.partition("-")
    return bool(minus) and (read_number(number) if number else 0) == profile


def _are_all_defined(policy: str, numbers: set[str]) -> bool:
    """Whether all domains of POLICY are in the first namespace, with profiles of NUMBERS; False may mean: not sure."""
    if "0" not in numbers or not policy.startswith(KERNEL) or policy.count("<") != policy.count(f"\n{KERNEL}") + 1:
        return False
    return policy.count("use_profile") == sum(policy.count(f"\nuse_profile {number}\n") for number in numbers)


def _dead_ends(texts: Texts) -> Iterator[BootFault]:
    """Transition control that leads to no domain: what it catches, perhaps the first program, fails to execute."""
    names = [name for name in ("exception_policy", "bindings") if _ELSEWHERE in getattr(texts, name)]
    if not names:
        return
    from ..analysis.namespaces import missing_domains
    from .policy_set import PolicySet

    domains = "".join(f"{name}\n" for name in domain_blocks(plain(texts.domain_policy)))
    for name in names:
        lines = [line if _ELSEWHERE in line else "" for line in getattr(texts, name).split("\n")]
        holding = PolicySet(domains, exception_policy="\n".join(lines)).loaded().holding
        exempt = {line.removeprefix("no_") for line in lines if line.startswith("no_")}
        for missing in missing_domains(holding.domain_policy(), holding.exception_policy()):
            # The kernel asks first whether a transition is not to happen.
            if str(missing.rule) in exempt:
                continue
            places = [number for number, line in enumerate(lines, 1) if line.endswith(str(missing.rule))]
            yield BootFault("STOPPED", FILES[name], places[0] if places else 0, f"{missing.rule}: {missing.reason}")


def line_of(text: str, name: str) -> int:
    """The line (from 1) at which the domain NAME stands in TEXT, 0 if it is spelled in another way."""
    position = f"\n{text}".find(f"\n{name}\n")
    return text.count("\n", 0, position) + 1 if position >= 0 else 0

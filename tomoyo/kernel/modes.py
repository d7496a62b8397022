"""Modes of domains: in which they are, and putting them into another.

A domain has a profile number, and the profile of its namespace says which mode
each operation is in.  ``mode`` is a word for all of them: the one mode, or
``mixed``.  Setting a mode means finding a profile that is in it throughout.

The kernel drops a change to an undefined profile without a word, so every
change is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..model.errors import TomoyoError
from ..model.profiles import FUNCTIONALITIES, Mode, NamespaceProfiles, Profile, ProfilePolicy

if TYPE_CHECKING:
    from ..model.domains import Domain, DomainPolicy
    from .securityfs import Interface

__all__ = ["DomainMode", "ProfileModes", "read_heads", "read_profiles", "set_profiles"]

#: What a profile is called whose operations are in several modes, and one that is not defined.
MIXED = "mixed"
UNDEFINED = "undefined"
#: So many rounds may bring no domain that lies deeper than those before; some do, where `initialize_domain` begins anew.
_MOST_IDLE = 100
#: So many domains an error names.
_NAMED = 10
MODES = (*(mode.value for mode in Mode), MIXED, UNDEFINED)


class ModeError(TomoyoError):
    """A change that was not made; the message says why, and what would make it possible."""


class NotChanged(TomoyoError):
    """A change that the kernel did not make, although it reported success.

    Attributes: domains (the names of those that are not as wanted).
    """

    def __init__(self, domains: list[str], what: str = "the kernel did not change") -> None:
        rest = len(domains) - _NAMED
        shown = ", ".join(domains[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        super().__init__(f"{what} {shown}")
        self.domains = domains


@dataclass(frozen=True, slots=True)
class DomainMode:
    """A domain, its profile and that profile's mode."""

    domain: str
    profile: int
    mode: str


def profile_modes(profile: Profile) -> set[Mode]:
    """The modes that the operations of PROFILE are in."""
    return {profile.config(name).mode for name in FUNCTIONALITIES if name.count("::") == 1}


def profile_mode(profile: Profile | None) -> str:
    """One word for PROFILE's modes."""
    if profile is None:
        return UNDEFINED
    modes = profile_modes(profile)
    return modes.pop().value if len(modes) == 1 else MIXED


class ProfileModes:
    """The mode of every profile, worked out once."""

    def __init__(self, policy: ProfilePolicy) -> None:
        self.policy = policy
        self._profiles = {(part.namespace, profile.number): profile for part in policy for profile in part.profiles}
        self._modes = {key: profile_mode(profile) for key, profile in self._profiles.items()}

    def mode(self, namespace: str, number: int) -> str:
        """The mode of profile NUMBER of NAMESPACE."""
        return self._modes.get((namespace, number), UNDEFINED)

    def denies(self, namespace: str, number: int) -> bool:
        """Whether anything is enforced in profile NUMBER of NAMESPACE."""
        profile = self._profiles.get((namespace, number))
        return profile is not None and Mode.ENFORCING in profile_modes(profile)

    def of(self, domain: Domain) -> DomainMode:
        """The mode of DOMAIN."""
        return DomainMode(domain.name.text, domain.profile, self.mode(domain.name.namespace, domain.profile))

    def profile_for(self, namespace: str, mode: Mode) -> int:
        """The lowest profile of NAMESPACE that is in MODE throughout.

        Raises ModeError where there is none.
        """
        part = self.policy.namespace(namespace) or NamespaceProfiles(namespace)
        found = [profile.number for profile in part.profiles if self.mode(namespace, profile.number) == mode.value]
        if found:
            return min(found)
        defined = ", ".join(f"{profile.number} ({self.mode(namespace, profile.number)})" for profile in part.profiles)
        raise ModeError(
            f"no profile of {namespace} is in {mode.value} mode throughout; there are {defined or 'none'}. "
            "Define one in the set's profile.conf, or name another profile"
        )


def read_profiles(interface: Interface) -> ProfileModes:
    """The modes of the profiles that a kernel has."""
    from ..syntax.lines import Reading
    from ..syntax.profiles import parse_profile

    return ProfileModes(parse_profile(interface.read("profile"), reading=Reading.AS_KERNEL))


def read_heads(interface: Interface) -> DomainPolicy:
    """The domains that a kernel has, with their profiles, groups and flags.

    Of their entries only those that decide on domain transitions are there,
    which makes this cheap for a large policy.
    """
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import Reading

    return parse_domain_policy(interface.select("domain_policy", "select transition_only"), reading=Reading.AS_KERNEL)


def plan_profile(modes: ProfileModes, domains: Iterable[Domain], number: int) -> dict[str, int]:
    """Which of DOMAINS have to change to be in profile NUMBER: names, and their profile afterwards.

    Raises ModeError where a namespace does not define it.
    """
    plan = {}
    for domain in domains:
        if modes.mode(domain.name.namespace, number) == UNDEFINED:
            raise ModeError(f"profile {number} is not defined in {domain.name.namespace}, so the kernel would drop the change")
        if domain.profile != number:
            plan[domain.name.text] = number
    return plan


def plan_mode(modes: ProfileModes, domains: Iterable[Domain], mode: Mode) -> dict[str, int]:
    """Which of DOMAINS have to change to be in MODE: names, and their profile afterwards.

    One that is in MODE already keeps its profile.  Raises ModeError where a
    namespace has no profile for it.
    """
    known: dict[str, int] = {}
    plan = {}
    for domain in domains:
        namespace = domain.name.namespace
        if namespace not in known:
            known[namespace] = modes.profile_for(namespace, mode)
        if modes.mode(namespace, domain.profile) != mode.value:
            plan[domain.name.text] = known[namespace]
    return plan


def locked_out(interface: Interface, modes: ProfileModes, plan: dict[str, int]) -> list[str]:
    """Those domains of PLAN that would be denied everything: something is enforced, and they have no entries.

    The entries of the acl_groups that a domain uses are its own, too.
    """
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import Reading

    found = []
    shared: set[tuple[str, int]] | None = None
    for name, number in plan.items():
        namespace = name.partition(" ")[0]
        if not modes.denies(namespace, number):
            continue
        policy = parse_domain_policy(interface.select("domain_policy", f"select domain={name}"), reading=Reading.AS_KERNEL)
        if any(domain.entries for domain in policy):
            continue
        if shared is None:
            shared = _shared(interface)
        if not any((namespace, group) in shared for domain in policy for group in domain.groups):
            found.append(name)
    return found


def _shared(interface: Interface) -> set[tuple[str, int]]:
    """The acl_groups that have entries: namespace and number."""
    from ..syntax.exception_policy import parse_exception_policy
    from ..syntax.lines import Reading

    policy = parse_exception_policy(interface.read("exception_policy"), reading=Reading.AS_KERNEL)
    return {(part.namespace, number) for part in policy for number, entries in part.acl_groups if entries}


def set_profiles(interface: Interface, plan: dict[str, int]) -> None:
    """Put each domain of PLAN into its profile, and read back whether the kernel did.

    Raises NotChanged where it did not, or where the domain is gone.
    """
    if not plan:
        return
    _write_profiles(interface, plan)
    held = {domain.name.text: domain.profile for domain in read_heads(interface)}
    failed = [name for name, number in plan.items() if held.get(name) != number]
    if failed:
        raise NotChanged(failed)


def keep_setting_profiles(interface: Interface, plan: Callable[[DomainPolicy], dict[str, int]]) -> DomainPolicy:
    """Put domains into profiles until PLAN, given what the kernel holds, has nothing more to change; gives what it holds then.

    A program that is executed meanwhile gets a domain with the profile that the
    domain above has at that moment.  So each round finds only domains below
    those of the round before, which comes to an end: the kernel takes no name
    of more than 4085 characters.  And nothing is left if a read finds nothing to
    change after all executions have ended that had begun before.

    Raises NotChanged with the domains that are left, where the kernel does not
    make a change, or where more domains appear than executions can make.
    """
    before: dict[str, int] = {}
    deepest = idle = 0
    waited = False
    while True:
        heads = read_heads(interface)
        wanted = plan(heads)
        if not wanted and waited:
            return heads
        depth = max((name.count(" ") for name in wanted), default=0)
        idle = 0 if depth > deepest else idle + 1
        deepest = max(deepest, depth)
        if idle > _MOST_IDLE or any(before.get(name) == number for name, number in wanted.items()):
            raise NotChanged(list(wanted))
        before, waited = wanted, not wanted
        if wanted:
            _write_profiles(interface, wanted)
        else:
            _await_executions(interface)


def _write_profiles(interface: Interface, plan: dict[str, int]) -> None:
    # "select" does not create a domain that has gone meanwhile.
    interface.write("domain_policy", "".join(f"select {name}\nuse_profile {number}\n" for name, number in plan.items()))


def _await_executions(interface: Interface) -> None:
    """Wait until each execution that goes on has ended: before the kernel collects anything, it waits for them."""
    line = "path_group tomoyo-waits /\n"
    interface.write("exception_policy", f"{line}delete {line}")
    interface.settle()

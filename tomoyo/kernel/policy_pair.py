"""Two policies, what a kernel holds and what is wanted, asked for what decides on a domain's requests."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from ..model.profiles import FUNCTIONALITIES, Mode
from .policy_text import DomainLines, ancestors, domain_blocks, named_lines, plain, profile_numbers, read_number

if TYPE_CHECKING:
    from ..model.profiles import Profile, ProfilePolicy
    from .policy_set import PolicySet

Modes = Mapping[str, Mode]
#: The namespace and the number of an acl_group.
Group = tuple[str, int]
#: Profiles and acl_groups are numbered from 0 to 255.
NUMBERS = 256


class PolicyPair:
    """The policy that is HELD, as the kernel prints it, and the one that is WANTED.

    Each is asked by ``is_wanted``.
    """

    def __init__(self, held: PolicySet, wanted: PolicySet) -> None:
        self.held, self.wanted = held, wanted
        self.modes = cache(self._modes)
        self.enforced = cache(self._enforced)
        self.changed_modes = cache(self._changed_modes)
        self.used_groups = cache(self._used_groups)
        self.used_profiles = cache(self._used_profiles)

    def profile(self, namespace: str, number: int, *, is_wanted: bool) -> Profile | None:
        """A profile, if the policy has it."""
        part = _profiles((self.wanted if is_wanted else self.held).profile).namespace(namespace)
        return part.profile(number) if part else None

    def _modes(self, namespace: str, number: int, is_wanted: bool) -> Modes:
        """The mode of each functionality; of the other policy where this one has not the profile, empty where none has."""
        found = self.profile(namespace, number, is_wanted=is_wanted) or self.profile(namespace, number, is_wanted=not is_wanted)
        return _modes_of(found)

    def _changed_modes(self, namespace: str, number: int, lines: tuple[str, ...]) -> Modes:
        """The modes of a profile that is held, after LINES have been written to it."""
        found = _profiles(self.held.profile + "".join(f"{line}\n" for line in lines)).namespace(namespace)
        assert found
        return _modes_of(found.profile(number))

    def _enforced(self, namespace: str, number: int, is_wanted: bool) -> frozenset[str]:
        """The functionalities that a profile enforces, of the other policy where this one has not the profile."""
        return frozenset(name for name, mode in self.modes(namespace, number, is_wanted).items() if mode is Mode.ENFORCING)

    def learns_on(self, namespace: str, number: int, wanted_number: int) -> bool:
        """Whether a profile learns, as held, and the wanted one learns at least the same."""
        learned = self._learned(namespace, number, False)
        return bool(learned) and learned <= self._learned(namespace, wanted_number, True)

    def _learned(self, namespace: str, number: int, is_wanted: bool) -> frozenset[str]:
        """The functionalities that a profile learns."""
        return frozenset(name for name, mode in self.modes(namespace, number, is_wanted).items() if mode is Mode.LEARNING)

    @cached_property
    def profiles_held(self) -> Mapping[str, list[int]]:
        """The numbers of the profiles that are held, in order, by namespace."""
        return {space: sorted(map(int, profile_numbers(lines))) for space, lines in named_lines(self.held.profile).items()}

    def own(self, domain: str, *, is_wanted: bool) -> list[str]:
        """The entries of DOMAIN itself; none if it is not there."""
        blocks = self._blocks[is_wanted]
        return DomainLines(blocks[domain]).entries if domain in blocks else []

    def shared(self, group: Group, *, is_wanted: bool) -> list[str]:
        """The entries of an acl_group, without their beginnings."""
        return self._shared[is_wanted].get(group, [])

    @cached_property
    def _blocks(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return domain_blocks(self.held.domain_policy), domain_blocks(plain(self.wanted.domain_policy))

    @cached_property
    def _shared(self) -> tuple[Mapping[Group, list[str]], Mapping[Group, list[str]]]:
        found: tuple[dict[Group, list[str]], dict[Group, list[str]]] = ({}, {})
        for policy, shared in zip((self.held, self.wanted), found):
            for text in (policy.exception_policy, policy.bindings):
                for namespace, lines in named_lines(plain(text)).items():
                    for line in lines:
                        if line.startswith("acl_group "):
                            number, _, entry = line[len("acl_group ") :].partition(" ")
                            group = read_number(number)
                            if group is not None:
                                shared.setdefault((namespace, group), []).append(entry)
        return found

    @cached_property
    def domains_held(self) -> Mapping[str, int]:
        """The profiles of the domains that are held, by name."""
        return {name: DomainLines(block).profile for name, block in self._blocks[0].items()}

    def above(self, domain: str) -> str | None:
        """The nearest domain above DOMAIN that is held, of which the kernel would copy it."""
        return next((name for name in ancestors(domain) if name in self.domains_held), None)

    def groups_held(self, domain: str | None) -> frozenset[int]:
        """The groups that DOMAIN uses; none if it is not held."""
        return frozenset(DomainLines(self._blocks[0].get(domain or "", "")).groups)

    def _used_groups(self, namespace: str) -> Set[int]:
        """The numbers of acl_groups that are filled or used in either policy."""
        used = {number for blocks in self._blocks for block in blocks.values() for number in DomainLines(block).groups}
        return used | {number for shared in self._shared for space, number in shared if space == namespace}

    def _used_profiles(self, namespace: str) -> Set[int]:
        """The numbers of profiles that either policy defines."""
        texts = (self.held.profile, plain(self.wanted.profile))
        lines = (line for text in texts for line in named_lines(text).get(namespace, ()))
        return {number for number in (read_number(line.partition("-")[0]) for line in lines) if number is not None}


def _modes_of(profile: Profile | None) -> Modes:
    return {name: profile.config(name).mode for name in FUNCTIONALITIES if "::" in name} if profile else {}


@lru_cache(maxsize=8)
def _profiles(text: str) -> ProfilePolicy:
    from ..syntax.profiles import parse_profile

    return parse_profile(plain(text))

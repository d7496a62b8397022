"""Profiles: in which mode each kind of operation is, and what is logged.

A domain's profile number picks a profile; an operation's mode is that of its
own line (``CONFIG::file::open``), else of its category (``CONFIG::file``), else
of ``CONFIG``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from .domains import MAX_PROFILES
from .errors import InvalidValueError
from .words import KERNEL, is_namespace, quoted

__all__ = ["Config", "Mode", "NamespaceProfiles", "Profile", "ProfilePolicy", "ServiceState"]

#: The versions that a kernel boots with; the second is converted to the first.
PROFILE_VERSION = 20150505
OLD_PROFILE_VERSION = 20110903

_FILE = (
    "execute open create unlink getattr mkdir rmdir mkfifo mksock truncate symlink mkblock"
    " mkchar link rename chmod chown chgrp ioctl chroot mount unmount pivot_root"
)
_NETWORK = (
    "inet_stream_bind inet_stream_listen inet_stream_connect inet_dgram_bind inet_dgram_send"
    " inet_raw_bind inet_raw_send unix_stream_bind unix_stream_listen unix_stream_connect"
    " unix_dgram_bind unix_dgram_send unix_seqpacket_bind unix_seqpacket_listen"
    " unix_seqpacket_connect"
)
#: What may follow ``CONFIG::``, in the order in which the kernel prints it.
FUNCTIONALITIES: tuple[str, ...] = (
    *(f"file::{name}" for name in _FILE.split()),
    *(f"network::{name}" for name in _NETWORK.split()),
    "misc::env",
    "file",
    "network",
    "misc",
)
_ORDER = {name: position for position, name in enumerate(FUNCTIONALITIES)}


class Mode(Enum):
    """What happens to a request that no entry grants."""

    DISABLED = "disabled"
    LEARNING = "learning"
    PERMISSIVE = "permissive"
    ENFORCING = "enforcing"


@dataclass(frozen=True, slots=True)
class Config:
    """One CONFIG line's value."""

    mode: Mode = Mode.DISABLED
    grant_log: bool = True
    reject_log: bool = True

    def __str__(self) -> str:
        grant, reject = ("yes" if log else "no" for log in (self.grant_log, self.reject_log))
        return f"{{ mode={self.mode.value} grant_log={grant} reject_log={reject} }}"


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile.  ``configs`` are the lines that differ from ``use_default``."""

    number: int
    comment: str = ""
    max_audit_log: int = 1024
    max_learning_entry: int = 2048
    default: Config = Config()
    configs: tuple[tuple[str, Config], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.number < MAX_PROFILES:
            raise InvalidValueError(f"no profile number: {self.number}")
        unknown = [name for name, _ in self.configs if name not in _ORDER]
        if unknown:
            raise InvalidValueError(f"no such functionality: {unknown}")
        in_order = tuple(sorted(dict(self.configs).items(), key=lambda item: _ORDER[item[0]]))
        object.__setattr__(self, "configs", in_order)

    def config(self, functionality: str) -> Config:
        """The config that holds for FUNCTIONALITY, such as ``file::open``."""
        own = dict(self.configs)
        category = functionality.partition("::")[0]
        return own.get(functionality) or own.get(category) or self.default

    def with_config(self, functionality: str, config: Config | None) -> Profile:
        """Set one functionality's config; None means ``use_default``."""
        configs = dict(self.configs)
        configs.pop(functionality, None)
        if config is not None:
            configs[functionality] = config
        return replace(self, configs=tuple(configs.items()))

    def lines(self) -> list[str]:
        """The lines that the kernel prints, without a namespace before them."""
        return [
            f"{self.number}-COMMENT={self.comment}",
            f"{self.number}-PREFERENCE={{ max_audit_log={self.max_audit_log} max_learning_entry={self.max_learning_entry} }}",
            f"{self.number}-CONFIG={self.default}",
            *(f"{self.number}-CONFIG::{name}={config}" for name, config in self.configs),
        ]


@dataclass(frozen=True, slots=True)
class NamespaceProfiles:
    """One namespace's profiles, ascending."""

    namespace: str = KERNEL
    version: int = PROFILE_VERSION
    profiles: tuple[Profile, ...] = ()

    def __post_init__(self) -> None:
        if not is_namespace(self.namespace):
            raise InvalidValueError(f"not a namespace: {quoted(self.namespace)}")

    def lines(self) -> list[str]:
        """The lines that the kernel prints, without a namespace before them."""
        lines = [f"PROFILE_VERSION={self.version}"]
        for profile in self.profiles:
            lines += profile.lines()
        return lines

    def profile(self, number: int) -> Profile | None:
        """Profile NUMBER, or None where it is not defined."""
        return next((profile for profile in self.profiles if profile.number == number), None)

    def with_profile(self, profile: Profile) -> NamespaceProfiles:
        """Define PROFILE anew."""
        profiles = {held.number: held for held in self.profiles} | {profile.number: profile}
        return replace(self, profiles=tuple(profiles[number] for number in sorted(profiles)))


@dataclass(frozen=True, slots=True)
class ProfilePolicy:
    """The profiles of all namespaces, in the order of the namespaces' creation."""

    namespaces: tuple[NamespaceProfiles, ...] = field(default=(NamespaceProfiles(),))

    def __repr__(self) -> str:
        return f"<ProfilePolicy: namespaces: {len(self.namespaces)}>"

    def __iter__(self) -> Iterator[NamespaceProfiles]:
        return iter(self.namespaces)

    def namespace(self, name: str = KERNEL) -> NamespaceProfiles | None:
        """The profiles of namespace NAME, or None."""
        return next((part for part in self.namespaces if part.namespace == name), None)

    def with_namespace(self, part: NamespaceProfiles) -> ProfilePolicy:
        """Put PART in the place of the one of its namespace, or at the end."""
        parts = {held.namespace: held for held in self.namespaces}
        parts[part.namespace] = part
        return ProfilePolicy(tuple(parts.values()))


class ServiceState(Enum):
    """What becomes of a request that a service's policy does not grant; the value is the profile that says so."""

    DISABLE = 0
    LEARN = 1
    PERMISSIVE = 2
    ENFORCE = 3

    @property
    def mode(self) -> Mode:
        """The mode that the profile must have."""
        return _MODES[self]


_MODES = {
    ServiceState.DISABLE: Mode.DISABLED,
    ServiceState.LEARN: Mode.LEARNING,
    ServiceState.PERMISSIVE: Mode.PERMISSIVE,
    ServiceState.ENFORCE: Mode.ENFORCING,
}
#: The states by the words that people write: their names, and the kernel's modes.
STATES = {state.name.lower(): state for state in ServiceState} | {mode.value: state for state, mode in _MODES.items()}
#: The profiles of the states, for a policy source that has none, in every namespace that it uses.
DEFAULT_PROFILES = """\
PROFILE_VERSION=20150505
0-COMMENT=-----Disabled Mode-----
0-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-COMMENT=-----Learning Mode-----
1-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
1-CONFIG={ mode=learning grant_log=no reject_log=no }
2-COMMENT=-----Permissive Mode-----
2-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-COMMENT=-----Enforcing Mode-----
3-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""


def default_profiles(namespaces: Iterable[str]) -> str:
    """The text of the default profiles in each of NAMESPACES."""
    return "".join(f"{namespace} {line}\n" for namespace in namespaces for line in DEFAULT_PROFILES.splitlines())

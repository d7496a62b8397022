"""Declarations: what the settings of a unit say that it has, needs and may do, each with the line that says so.

They are facts about the unit, not entries: what follows from them for a policy is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from ..model.diagnostics import Diagnostic, Place
from .commands import Command

__all__ = [
    "Access",
    "Addresses",
    "Bind",
    "BusName",
    "Capabilities",
    "Choice",
    "Credential",
    "Declaration",
    "Declarations",
    "Device",
    "EnvironmentFile",
    "Families",
    "Groups",
    "Listener",
    "OwnDirectory",
    "PathAccess",
    "User",
    "Variable",
]


class Access(Enum):
    """What a setting grants of a path, or takes away."""

    READ = "read"
    READ_WRITE = "read and write"
    NONE = "neither read nor write"
    EXECUTE = "execute"
    NO_EXECUTE = "do not execute"
    HIDDEN = "an empty file system lies there"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one setting declares.

    Attributes:
        key: the setting, such as ``StateDirectory``.
        place: where it stands.
        unknown: specifiers that stay in it, see `Specifiers`.
    """

    key: str
    place: Place = field(repr=False)
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice(Declaration):
    """A setting with one value that decides on many things, such as ``PrivateTmp``; booleans are ``yes`` and ``no``."""

    value: str


@dataclass(frozen=True, slots=True)
class User(Declaration):
    """The user that the commands run as."""

    name: str


@dataclass(frozen=True, slots=True)
class Groups(Declaration):
    """The group (``Group``) or groups (``SupplementaryGroups``) that the commands run with."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnDirectory(Declaration):
    """A directory that systemd makes for the unit.

    Attributes:
        path: where it really is: in ``/var/lib/private`` for a state directory with ``DynamicUser``.
        links: symlinks that systemd makes to it.
        is_writable: it is made for the unit to write to: all but ``ConfigurationDirectory`` and those with ``ro`` are.
    """

    path: str
    links: tuple[str, ...]
    is_writable: bool


@dataclass(frozen=True, slots=True)
class PathAccess(Declaration):
    """A path that the commands may use in some way, or may not.

    Attributes:
        optional: the path may be missing.
    """

    path: str
    access: Access
    optional: bool


@dataclass(frozen=True, slots=True)
class Bind(Declaration):
    """A path that shows what lies at another.

    Attributes:
        destination: where the commands see it, which is the path that TOMOYO compares.
        is_writable: ``BindPaths`` rather than ``BindReadOnlyPaths``.
        recursive: what is mounted below it is there, too.
        optional: the source may be missing.
    """

    source: str
    destination: str
    is_writable: bool
    recursive: bool
    optional: bool


@dataclass(frozen=True, slots=True)
class Device(Declaration):
    """A device that the commands may use.

    Attributes:
        device: a path, or a class such as ``char-pts``.
        permissions: of ``r`` (read), ``w`` (write) and ``m`` (make a node of it).
    """

    device: str
    permissions: str


@dataclass(frozen=True, slots=True)
class Credential(Declaration):
    """A file with a secret that systemd makes for the unit.

    Attributes:
        path: where the commands read it.
        source: where systemd takes it from; empty for one that stands in the unit, or that the system's manager has.
    """

    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Variable(Declaration):
    """A variable of the commands' environment."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class EnvironmentFile(Declaration):
    """A file of variables, which override those of ``Environment``."""

    path: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Capabilities(Declaration):
    """The capabilities that are left (``CapabilityBoundingSet``) or given (``AmbientCapabilities``), such as ``CAP_CHOWN``."""

    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Families(Declaration):
    """The families of sockets that the commands may make.

    Attributes:
        names: such as ``AF_INET``.
        allowed: those alone are allowed; otherwise all but those.
    """

    names: frozenset[str]
    allowed: bool


@dataclass(frozen=True, slots=True)
class Addresses(Declaration):
    """Addresses that traffic may (``IPAddressAllow``) or may not (``IPAddressDeny``) come from and go to."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listener(Declaration):
    """What systemd listens on for a service.

    Attributes:
        address: a path, ``@`` and an abstract name, a port, or an address with a port.
    """

    address: str

    @property
    def path(self) -> str:
        """The path of a socket in the file system; empty for any other."""
        return self.address if self.address.startswith("/") else ""


@dataclass(frozen=True, slots=True)
class BusName(Declaration):
    """The name that the service takes on the system's bus."""

    name: str


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a unit declares.

    Attributes:
        commands: in the order of the files, which systemd orders by their settings.
        facts: everything else, by kinds.
        diagnostics: what systemd ignores, or (errors) refuses the unit for.
    """

    commands: tuple[Command, ...] = ()
    facts: tuple[Declaration, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()

    def environment(self) -> dict[str, str]:
        """The variables that the unit sets, and those that name its directories; a file of variables may override them."""
        found: dict[str, str] = {}
        for fact in self.facts:
            if isinstance(fact, OwnDirectory):
                name = f"{fact.key.removesuffix('Directory').upper()}_DIRECTORY"
                found[name] = f"{found[name]}:{fact.path}" if name in found else fact.path
            elif isinstance(fact, Credential):
                found["CREDENTIALS_DIRECTORY"] = fact.path.rpartition("/")[0]
        return found | {fact.name: fact.value for fact in self.facts if isinstance(fact, Variable)}

"""Declarations: what the settings of a unit say that it has, needs and may do, each with the line that says so.

They are facts about the unit, not entries: what follows from them for a policy is decided elsewhere.  systemd.exec(5),
systemd.resource-control(5), systemd.service(5) and systemd.socket(5) say what a setting means.  A value that systemd ignores
declares nothing, and is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..model.diagnostics import Diagnostic, Place, Severity
from ..model.words import quoted
from .commands import COMMANDS, Command, read_commands, simplified
from .specifiers import SpecifierError, Specifiers
from .unit_files import Setting
from .unit_words import WHITESPACE, Backslash, WordError, next_word, words
from .units import Unit

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
    "declarations",
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


def declarations(unit: Unit, given: Mapping[str, str] | None = None) -> Declarations:
    """What UNIT declares.

    Arguments:
        given: values of specifiers that hang on the machine, by their letters.
    """
    reader = _Reader(unit, unit.specifiers(given))
    commands = tuple(command for key in COMMANDS.get(unit.section, ()) for command in reader.commands(key))
    facts = tuple(fact for key, read in _READERS.items() for fact in read(reader, key))
    return Declarations(commands, facts, (*unit.diagnostics, *dict.fromkeys(reader.diagnostics)))


class _Ignored(Exception):
    """Systemd ignores a value, or a word of one."""


class _Reader:
    """A unit that is being read, and what is found to be wrong with it."""

    def __init__(self, unit: Unit, specifiers: Specifiers) -> None:
        self.unit = unit
        self.specifiers = specifiers
        self.diagnostics: list[Diagnostic] = []

    def commands(self, key: str) -> Iterator[Command]:
        for setting in self.unit.settings(key):
            found, diagnostics = read_commands(setting, self.specifiers)
            self.diagnostics += diagnostics
            yield from found

    def ignore(self, setting: Setting, message: str) -> None:
        text = f"{setting.key}: {message}"
        self.diagnostics.append(
            Diagnostic(Severity.WARNING, "unit-value", text, "systemd does not take it: mend or remove it", setting.place)
        )

    def expand(self, text: str) -> tuple[str, tuple[str, ...]]:
        """TEXT with its specifiers replaced, and those that stay."""
        try:
            expanded = self.specifiers.expand(text)
        except SpecifierError as error:
            raise _Ignored(str(error)) from None
        return expanded.text, expanded.unknown

    def path(self, text: str, *, relative: bool = False) -> tuple[str, tuple[str, ...]]:
        """The path that TEXT is, absolute unless RELATIVE, simplified, and the specifiers that stay in it."""
        path, unknown = self.expand(text)
        simple = simplified(path)
        if path.startswith("/") is relative or not simple or ".." in simple.split("/"):
            raise _Ignored(f"not {'a relative' if relative else 'an absolute'} path without '..': {quoted(path)}")
        return simple, unknown

    def each(
        self, key: str, read: Callable[[Setting, str], Declaration | None], backslash: Backslash = Backslash.QUOTE
    ) -> Iterator[Declaration]:
        """What READ makes of each word of the settings KEY."""
        for setting in self.unit.settings(key):
            yield from self.of_words(setting, read, backslash)

    def of_words(
        self, setting: Setting, read: Callable[[Setting, str], Declaration | None], backslash: Backslash
    ) -> Iterator[Declaration]:
        found = words(setting.value, backslash)
        while True:
            try:
                word = next(found)
            except StopIteration:
                return
            except WordError as error:
                self.ignore(setting, str(error))
                return
            try:
                fact = read(setting, word)
            except _Ignored as reason:
                self.ignore(setting, str(reason))
                continue
            if fact is not None:
                yield fact

    def one(self, key: str, read: Callable[[Setting], Declaration | None]) -> Iterator[Declaration]:
        """What READ makes of the last value of the setting KEY that systemd does not ignore."""
        return self.last(self.unit.settings(key), read)

    def last(self, settings: Sequence[Setting], read: Callable[[Setting], Declaration | None]) -> Iterator[Declaration]:
        """What READ makes of the last of SETTINGS that systemd does not ignore."""
        for setting in reversed(settings):
            try:
                fact = read(setting)
            except _Ignored as reason:
                self.ignore(setting, str(reason))
                continue
            if fact is not None:
                yield fact
            return

    def is_on(self, key: str) -> bool:
        """Whether the boolean KEY is true."""
        return any(fact.value == "yes" for fact in _choices(self, key) if isinstance(fact, Choice))


# Single values

_TRUE = frozenset(("1", "yes", "y", "true", "t", "on"))
_FALSE = frozenset(("0", "no", "n", "false", "f", "off"))
#: Settings of which each value is one word or a number, and which a policy hangs on.
CHOICES = (
    *("Type", "DynamicUser", "PAMName", "RuntimeDirectoryPreserve", "NoNewPrivileges", "PrivateTmp", "PrivateDevices"),
    *("PrivateNetwork", "PrivateUsers", "ProtectSystem", "ProtectHome", "ProtectProc", "DevicePolicy", "MemoryDenyWriteExecute"),
    *("NotifyAccess", "WatchdogSec", "Accept", "Service"),
)


def _choices(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> Choice:
        value = setting.value.lower()
        word = "yes" if value in _TRUE else "no" if value in _FALSE else setting.value
        return Choice(key, setting.place, (), word)

    return reader.one(key, read)


def _user(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> User:
        name, unknown = reader.expand(setting.value)
        return User(key, setting.place, unknown, name)

    return reader.one(key, read)


def _group(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> Groups:
        name, unknown = reader.expand(setting.value)
        return Groups(key, setting.place, unknown, (name,))

    return reader.one(key, read)


def _supplementary_groups(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> Groups:
        name, unknown = reader.expand(word)
        return Groups(key, setting.place, unknown, (name,))

    return reader.each(key, read)


def _bus_name(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> BusName:
        name, unknown = reader.expand(setting.value)
        return BusName(key, setting.place, unknown, name)

    # An empty value is no name, and so is ignored.
    named = [setting for setting in reader.unit.all_settings(key) if setting.value]
    return reader.last(named, read)


def _pid_file(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> PathAccess:
        text, _ = reader.expand(setting.value)
        path, unknown = reader.path(setting.value if text.startswith("/") else f"/run/{setting.value}")
        return PathAccess(key, setting.place, unknown, path, Access.READ_WRITE, False)

    return reader.one(key, read)


def _working_directory(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> PathAccess | None:
        value = setting.value.removeprefix("-")
        if value == "~":  # the user's home, which the unit does not name
            return None
        path, unknown = reader.path(value)
        return PathAccess(key, setting.place, unknown, path, Access.READ, value != setting.value)

    return reader.one(key, read)


_STREAM = re.compile("(?:file|append|truncate):(.*)", re.DOTALL)


def _stream(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> PathAccess | None:
        found = _STREAM.fullmatch(setting.value)
        if not found:
            return None
        path, unknown = reader.path(found[1])
        access = Access.READ if key == "StandardInput" else Access.READ_WRITE
        return PathAccess(key, setting.place, unknown, path, access, False)

    return reader.one(key, read)


# Paths

#: Where the directories of a unit are.
DIRECTORIES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
    "LogsDirectory": "/var/log",
    "ConfigurationDirectory": "/etc",
}
ACCESSES = {
    "ReadWritePaths": Access.READ_WRITE,
    "ReadOnlyPaths": Access.READ,
    "InaccessiblePaths": Access.NONE,
    "ExecPaths": Access.EXECUTE,
    "NoExecPaths": Access.NO_EXECUTE,
}


def _directories(reader: _Reader, key: str) -> Iterator[Declaration]:
    root = DIRECTORIES[key]
    kept = any(isinstance(fact, Choice) and fact.value != "no" for fact in _choices(reader, "RuntimeDirectoryPreserve"))
    private = reader.is_on("DynamicUser") and key != "ConfigurationDirectory" and (key != "RuntimeDirectory" or kept)
    found: dict[str, OwnDirectory] = {}

    def relative(text: str) -> tuple[str, tuple[str, ...]]:
        path, unknown = reader.path(text, relative=True)
        if path.partition("/")[0] == "private":
            raise _Ignored(f"a path in 'private', which systemd makes itself: {quoted(path)}")
        return path, unknown

    def read(setting: Setting, word: str) -> None:
        source, _, rest = word.partition(":")
        name, unknown = relative(_unescaped(source))
        real = f"{root}/private/{name}" if private else f"{root}/{name}"
        links = [*(found[name].links if name in found else ((f"{root}/{name}",) if private else ()))]
        link, _, options = rest.partition(":")
        if options not in ("", "ro"):
            raise _Ignored(f"unknown option {quoted(options)}")
        if link:
            if key == "ConfigurationDirectory":
                raise _Ignored(f"a link, which {key} cannot have: {quoted(link)}")
            path, more = relative(_unescaped(link))
            links, unknown = [*links, f"{root}/{path}"], (*unknown, *more)
        place = found[name].place if name in found else setting.place
        writable = key != "ConfigurationDirectory" and not options
        found[name] = OwnDirectory(key, place, unknown, real, tuple(dict.fromkeys(links)), writable)

    for _ in reader.each(key, read, Backslash.KEEP):
        pass
    yield from found.values()


def _unescaped(text: str) -> str:
    try:
        return next_word(text, 0, Backslash.ESCAPE, "")[0] or "" if "\\" in text else text
    except WordError as error:
        raise _Ignored(str(error)) from None


def _accesses(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> PathAccess:
        bare = word.removeprefix("-")
        path, unknown = reader.path(bare.removeprefix("+"))
        return PathAccess(key, setting.place, unknown, path, ACCESSES[key], bare != word)

    return reader.each(key, read)


def _temporary(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> PathAccess:
        path, unknown = reader.path(word.partition(":")[0])
        return PathAccess(key, setting.place, unknown, path, Access.HIDDEN, False)

    return reader.each(key, read)


def _binds(reader: _Reader, *keys: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(*keys):
        position = 0
        while position < len(setting.value):
            try:
                parts, position = _bind_parts(setting.value, position)
            except WordError as error:
                reader.ignore(setting, str(error))
                break
            try:
                if parts != [""]:
                    yield _bind(reader, setting, *parts)
            except _Ignored as reason:
                reader.ignore(setting, str(reason))


def _bind_parts(value: str, position: int) -> tuple[list[str], int]:
    """The source, destination and options at POSITION of VALUE, as far as they are there, and what is behind them."""
    parts: list[str] = []
    for separators in (":" + WHITESPACE, ":" + WHITESPACE, WHITESPACE):
        word, position = next_word(value, position, Backslash.QUOTE, separators, coalesce=False)
        parts.append(word or "")
        if value[position - 1 : position] != ":":
            break
    return parts, position


def _bind(reader: _Reader, setting: Setting, source: str, destination: str | None = None, options: str = "") -> Bind:
    bare = source.removeprefix("-")
    path, unknown = reader.path(bare)
    target, more = (path, ()) if destination is None else reader.path(destination)
    if options not in ("", "rbind", "norbind"):
        raise _Ignored(f"unknown option {quoted(options)}")
    writable = setting.key == "BindPaths"
    return Bind(
        setting.key, setting.place, (*unknown, *more), path, target, writable, options != "norbind", optional=bare != source
    )


def _devices(reader: _Reader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        try:
            word, position = next_word(setting.value, 0)
            device, unknown = reader.expand(word or "")
            permissions = setting.value[position:].strip(WHITESPACE) or "rwm"
            if not device.startswith(("/dev/", "char-", "block-")) or permissions.strip("rwm"):
                raise _Ignored(f"no device with permissions of 'rwm': {quoted(setting.value)}")
        except (WordError, _Ignored) as reason:
            reader.ignore(setting, str(reason))
            continue
        yield Device(key, setting.place, unknown, device, permissions)


def _credentials(reader: _Reader, key: str) -> Iterator[Declaration]:
    found: dict[str, Credential] = {}
    for setting in reader.unit.settings(key):
        name, _, rest = setting.value.partition(":")
        try:
            name, unknown = reader.expand(name)
            source = ""
            if rest.startswith(("/", "%")) and key.startswith("Load"):
                source, more = reader.path(rest)
                unknown = (*unknown, *more)
            if not name or "/" in name or name in (".", ".."):
                raise _Ignored(f"no name of a credential: {quoted(name)}")
        except _Ignored as reason:
            reader.ignore(setting, str(reason))
            continue
        path = f"/run/credentials/{reader.unit.name}/{name}"
        found[name] = Credential(key, setting.place, unknown, path, source)
    yield from found.values()


# Environment

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def _variables(reader: _Reader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> Variable:
        text, unknown = reader.expand(word)
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise _Ignored(f"no variable: {quoted(text)}")
        return Variable(key, setting.place, unknown, name, value)

    found = {fact.name: fact for fact in reader.each(key, read, Backslash.ESCAPE) if isinstance(fact, Variable)}
    yield from found.values()


def _environment_files(reader: _Reader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        bare = setting.value.removeprefix("-")
        try:
            path, unknown = reader.path(bare)
        except _Ignored as reason:
            reader.ignore(setting, str(reason))
            continue
        yield EnvironmentFile(key, setting.place, unknown, path, bare != setting.value)


# Capabilities and the network

#: All capabilities, without ``CAP_``; capabilities(7).
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST"
    " NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE"
    " SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM"
    " BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
ALL_CAPABILITIES = frozenset(f"CAP_{name}" for name in CAPABILITIES.split())


def _capabilities(reader: _Reader, key: str) -> Iterator[Declaration]:
    initial = ALL_CAPABILITIES if key == "CapabilityBoundingSet" else frozenset()
    held = initial
    last: Setting | None = None
    for last in reader.unit.all_settings(key):
        value = last.value.removeprefix("~")
        inverted = value != last.value
        names = _words(reader, last, value)
        named = {name.upper() for name in names} & ALL_CAPABILITIES
        for name in names:
            if name.upper() not in ALL_CAPABILITIES:
                reader.ignore(last, f"no capability: {quoted(name)}")
        if not named or held == initial:
            held = ALL_CAPABILITIES - named if inverted else frozenset(named)
        else:
            held = held - named if inverted else held | named
    if last:
        yield Capabilities(key, last.place, (), held)


def _families(reader: _Reader, key: str) -> Iterator[Declaration]:
    held: set[str] | None = None
    allowed = False
    last: Setting | None = None
    for last in reader.unit.all_settings(key):
        if last.value in ("", "none"):
            held, allowed = (set(), True) if last.value else (None, False)
            continue
        value = last.value.removeprefix("~")
        inverted = value != last.value
        if held is None:
            held, allowed = set(), not inverted
        named = {name for name in _words(reader, last, value) if name.startswith("AF_")}
        held = held - named if inverted == allowed else held | named
    if last and held is not None:
        yield Families(key, last.place, (), frozenset(held), allowed)


def _words(reader: _Reader, setting: Setting, value: str) -> list[str]:
    found: list[str] = []
    try:
        found.extend(words(value))
    except WordError as error:
        reader.ignore(setting, str(error))
    return found


def _addresses(reader: _Reader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        yield Addresses(key, setting.place, (), tuple(_words(reader, setting, setting.value)))


LISTENERS = ("ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenSpecial", "ListenUSBFunction")


def _listeners(reader: _Reader, *keys: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(*keys):
        try:
            address, unknown = reader.expand(setting.value)
            if address.startswith("/"):
                address, unknown = reader.path(setting.value)
        except _Ignored as reason:
            reader.ignore(setting, str(reason))
            continue
        yield Listener(setting.key, setting.place, unknown, address)


def _together(read: Callable[..., Iterator[Declaration]], keys: Iterable[str]) -> Callable[[_Reader, str], Iterator[Declaration]]:
    """A reader of the settings KEYS, which are one list together."""
    return lambda reader, _: read(reader, *keys)


#: What reads each setting.
_READERS: dict[str, Callable[[_Reader, str], Iterator[Declaration]]] = {
    **dict.fromkeys(CHOICES, _choices),
    "User": _user,
    "Group": _group,
    "SupplementaryGroups": _supplementary_groups,
    **dict.fromkeys(DIRECTORIES, _directories),
    **dict.fromkeys(ACCESSES, _accesses),
    "TemporaryFileSystem": _temporary,
    "BindPaths": _together(_binds, ("BindPaths", "BindReadOnlyPaths")),
    **dict.fromkeys(("WorkingDirectory", "RootDirectory", "RootImage"), _working_directory),
    "PIDFile": _pid_file,
    **dict.fromkeys(("StandardInput", "StandardOutput", "StandardError"), _stream),
    "DeviceAllow": _devices,
    **dict.fromkeys(("LoadCredential", "LoadCredentialEncrypted", "SetCredential", "SetCredentialEncrypted"), _credentials),
    "Environment": _variables,
    "EnvironmentFile": _environment_files,
    **dict.fromkeys(("CapabilityBoundingSet", "AmbientCapabilities"), _capabilities),
    "RestrictAddressFamilies": _families,
    **dict.fromkeys(("IPAddressAllow", "IPAddressDeny"), _addresses),
    "ListenStream": _together(_listeners, LISTENERS),
    "BusName": _bus_name,
}

"""The settings of a unit, read into what they declare, as systemd reads them.

systemd.exec(5), systemd.resource-control(5), systemd.service(5) and systemd.socket(5) say what a setting means.  A value that
systemd ignores declares nothing, and is reported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from ..model.words import quoted
from .commands import COMMANDS
from .declarations import (
    Access,
    Addresses,
    Bind,
    BusName,
    Capabilities,
    Choice,
    Credential,
    Declaration,
    Declarations,
    Device,
    EnvironmentFile,
    Families,
    Groups,
    Listener,
    OwnDirectory,
    PathAccess,
    User,
    Variable,
)
from .setting_reader import Ignored, SettingReader
from .unit_files import Setting
from .unit_words import WHITESPACE, Backslash, WordError, next_word, words
from .units import Unit

__all__ = ["declarations"]

#: What the settings of a key declare.
ReadSetting = Callable[[SettingReader, str], Iterator[Declaration]]


def declarations(unit: Unit, given: Mapping[str, str] | None = None) -> Declarations:
    """What UNIT declares.

    Arguments:
        given: values of specifiers that hang on the machine, by their letters.
    """
    reader = SettingReader(unit, unit.specifiers(given))
    commands = tuple(command for key in COMMANDS.get(unit.section, ()) for command in reader.commands(key))
    facts = tuple(fact for key, read in _READERS.items() for fact in read(reader, key))
    return Declarations(commands, facts, (*unit.diagnostics, *dict.fromkeys(reader.diagnostics)))


# Single values

_TRUE = frozenset(("1", "yes", "y", "true", "t", "on"))
_FALSE = frozenset(("0", "no", "n", "false", "f", "off"))
#: Settings of which each value is one word or a number, and which a policy hangs on.
CHOICES = (
    *("Type", "DynamicUser", "PAMName", "RuntimeDirectoryPreserve", "NoNewPrivileges", "PrivateTmp", "PrivateDevices"),
    *("PrivateNetwork", "PrivateUsers", "ProtectSystem", "ProtectHome", "ProtectProc", "DevicePolicy", "MemoryDenyWriteExecute"),
    *("NotifyAccess", "WatchdogSec", "Accept", "Service"),
)


def _choices(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> Choice:
        value = setting.value.lower()
        word = "yes" if value in _TRUE else "no" if value in _FALSE else setting.value
        return Choice(key, setting.place, (), word)

    return reader.one(key, read)


def _is_on(reader: SettingReader, key: str) -> bool:
    """Whether the boolean KEY is true."""
    return any(fact.value == "yes" for fact in _choices(reader, key) if isinstance(fact, Choice))


def _user(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> User:
        name, unknown = reader.expand(setting.value)
        return User(key, setting.place, unknown, name)

    return reader.one(key, read)


def _group(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> Groups:
        name, unknown = reader.expand(setting.value)
        return Groups(key, setting.place, unknown, (name,))

    return reader.one(key, read)


def _supplementary_groups(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> Groups:
        name, unknown = reader.expand(word)
        return Groups(key, setting.place, unknown, (name,))

    return reader.each(key, read)


def _bus_name(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> BusName:
        name, unknown = reader.expand(setting.value)
        return BusName(key, setting.place, unknown, name)

    # An empty value is no name, and so is ignored.
    named = [setting for setting in reader.unit.all_settings(key) if setting.value]
    return reader.last(named, read)


def _pid_file(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> PathAccess:
        text, _ = reader.expand(setting.value)
        path, unknown = reader.path(setting.value if text.startswith("/") else f"/run/{setting.value}")
        return PathAccess(key, setting.place, unknown, path, Access.READ_WRITE, False)

    return reader.one(key, read)


def _working_directory(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting) -> PathAccess | None:
        value = setting.value.removeprefix("-")
        if value == "~":  # the user's home, which the unit does not name
            return None
        path, unknown = reader.path(value)
        return PathAccess(key, setting.place, unknown, path, Access.READ, value != setting.value)

    return reader.one(key, read)


_STREAM = re.compile("(?:file|append|truncate):(.*)", re.DOTALL)


def _stream(reader: SettingReader, key: str) -> Iterator[Declaration]:
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


def _directories(reader: SettingReader, key: str) -> Iterator[Declaration]:
    root = DIRECTORIES[key]
    kept = any(isinstance(fact, Choice) and fact.value != "no" for fact in _choices(reader, "RuntimeDirectoryPreserve"))
    private = _is_on(reader, "DynamicUser") and key != "ConfigurationDirectory" and (key != "RuntimeDirectory" or kept)
    found: dict[str, OwnDirectory] = {}

    def relative(text: str) -> tuple[str, tuple[str, ...]]:
        path, unknown = reader.path(text, relative=True)
        if path.partition("/")[0] == "private":
            raise Ignored(f"a path in 'private', which systemd makes itself: {quoted(path)}")
        return path, unknown

    def read(setting: Setting, word: str) -> None:
        source, _, rest = word.partition(":")
        name, unknown = relative(_unescaped(source))
        real = f"{root}/private/{name}" if private else f"{root}/{name}"
        links = [*(found[name].links if name in found else ((f"{root}/{name}",) if private else ()))]
        link, _, options = rest.partition(":")
        if options not in ("", "ro"):
            raise Ignored(f"unknown option {quoted(options)}")
        if link:
            if key == "ConfigurationDirectory":
                raise Ignored(f"a link, which {key} cannot have: {quoted(link)}")
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
        raise Ignored(str(error)) from None


def _accesses(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> PathAccess:
        bare = word.removeprefix("-")
        path, unknown = reader.path(bare.removeprefix("+"))
        return PathAccess(key, setting.place, unknown, path, ACCESSES[key], bare != word)

    return reader.each(key, read)


def _temporary(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> PathAccess:
        path, unknown = reader.path(word.partition(":")[0])
        return PathAccess(key, setting.place, unknown, path, Access.HIDDEN, False)

    return reader.each(key, read)


def _binds(reader: SettingReader, *keys: str) -> Iterator[Declaration]:
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
            except Ignored as reason:
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


def _bind(reader: SettingReader, setting: Setting, source: str, destination: str | None = None, options: str = "") -> Bind:
    bare = source.removeprefix("-")
    path, unknown = reader.path(bare)
    target, more = (path, ()) if destination is None else reader.path(destination)
    if options not in ("", "rbind", "norbind"):
        raise Ignored(f"unknown option {quoted(options)}")
    writable = setting.key == "BindPaths"
    return Bind(
        setting.key, setting.place, (*unknown, *more), path, target, writable, options != "norbind", optional=bare != source
    )


def _devices(reader: SettingReader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        try:
            word, position = next_word(setting.value, 0)
            device, unknown = reader.expand(word or "")
            permissions = setting.value[position:].strip(WHITESPACE) or "rwm"
            if not device.startswith(("/dev/", "char-", "block-")) or permissions.strip("rwm"):
                raise Ignored(f"no device with permissions of 'rwm': {quoted(setting.value)}")
        except (WordError, Ignored) as reason:
            reader.ignore(setting, str(reason))
            continue
        yield Device(key, setting.place, unknown, device, permissions)


def _credentials(reader: SettingReader, key: str) -> Iterator[Declaration]:
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
                raise Ignored(f"no name of a credential: {quoted(name)}")
        except Ignored as reason:
            reader.ignore(setting, str(reason))
            continue
        path = f"/run/credentials/{reader.unit.name}/{name}"
        found[name] = Credential(key, setting.place, unknown, path, source)
    yield from found.values()


# Environment

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


def _variables(reader: SettingReader, key: str) -> Iterator[Declaration]:
    def read(setting: Setting, word: str) -> Variable:
        text, unknown = reader.expand(word)
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise Ignored(f"no variable: {quoted(text)}")
        return Variable(key, setting.place, unknown, name, value)

    found = {fact.name: fact for fact in reader.each(key, read, Backslash.ESCAPE) if isinstance(fact, Variable)}
    yield from found.values()


def _environment_files(reader: SettingReader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        bare = setting.value.removeprefix("-")
        try:
            path, unknown = reader.path(bare)
        except Ignored as reason:
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


def _capabilities(reader: SettingReader, key: str) -> Iterator[Declaration]:
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


def _families(reader: SettingReader, key: str) -> Iterator[Declaration]:
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


def _words(reader: SettingReader, setting: Setting, value: str) -> list[str]:
    found: list[str] = []
    try:
        found.extend(words(value))
    except WordError as error:
        reader.ignore(setting, str(error))
    return found


def _addresses(reader: SettingReader, key: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(key):
        yield Addresses(key, setting.place, (), tuple(_words(reader, setting, setting.value)))


LISTENERS = ("ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO", "ListenSpecial", "ListenUSBFunction")


def _listeners(reader: SettingReader, *keys: str) -> Iterator[Declaration]:
    for setting in reader.unit.settings(*keys):
        try:
            address, unknown = reader.expand(setting.value)
            if address.startswith("/"):
                address, unknown = reader.path(setting.value)
        except Ignored as reason:
            reader.ignore(setting, str(reason))
            continue
        yield Listener(setting.key, setting.place, unknown, address)


def _together(
    read: Callable[..., Iterator[Declaration]], keys: Iterable[str]
) -> Callable[[SettingReader, str], Iterator[Declaration]]:
    """A reader of the settings KEYS, which are one list together."""
    return lambda reader, _: read(reader, *keys)


#: What reads each setting.
_READERS: dict[str, ReadSetting] = {
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

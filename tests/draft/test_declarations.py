"""Declarations of units: what systemd itself has read, and what follows from it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tomoyo.draft.declarations import (
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
from tomoyo.draft.unit_settings import _READERS, ALL_CAPABILITIES, declarations
from tomoyo.draft.units import LoadState, UnitDirectories
from tomoyo.model.diagnostics import Place

from ..seeds import rounds
from . import systemd
from .test_units import make, real

PATHS = ("/a", "/b//c/", "/d/./e", "-/f", "+/g", "-+/h", "k", "/l/../m", "'/n o'", "/p%i", "%t/q", "%z", "/r\\ s", "'/t", "/%%u")
NAMES = ("a", "b/c", "d//e/", "private/f", "g:h", "i:j/k", "/l", "../m", "%p", "n%i", "'o p'", "a:q", "r\\x20s", ".", "private")
VALUES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"), PATHS),
    **dict.fromkeys(("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory", "ConfigurationDirectory"), NAMES),
    **dict.fromkeys(
        ("BindPaths", "BindReadOnlyPaths"), ("/a", "/b:/c", "-/d:/e:norbind", "/f:/g:rbind", "h", "'/i:j':/k", "/l:m", "/n::")
    ),
    "Environment": ("A=b", "'C=d e'", '"F=g\\tx"', "H", "1=2", "I=%n", "A=c", "J=%z", "K=\\x01", "L=\\q", "M=$A", "N="),
    "DeviceAllow": ("/dev/null r", "/dev/a", "char-pts rw", "block-* m", "/dev/b rx", "x", "/dev/%p w", "'/dev/c d' rw"),
    "CapabilityBoundingSet": ("CAP_CHOWN", "~CAP_KILL", "cap_bpf CAP_FOWNER", "~", "CAP_X", "~CAP_CHOWN CAP_MKNOD", "CAP_KILL"),
    "AmbientCapabilities": ("CAP_CHOWN", "~CAP_KILL", "CAP_BPF CAP_FOWNER", "~CAP_CHOWN", "CAP_KILL"),
    "EnvironmentFile": ("/a", "-/b", "c", "/d//e", "/%i/f"),
    "User": ("a", "x-%i"),
    "Group": ("a", "b%i"),
    "SupplementaryGroups": ("a", "b", "c%i"),
    "PIDFile": ("/run/a", "b", "/run//c/%i", "../d"),
    "BusName": ("org.a.B", "org.c.D%i"),
    "WorkingDirectory": ("/a", "-/b", "~", "c", "/%i"),
}
LISTS = {key for key in VALUES if VALUES[key] in (PATHS, NAMES)} | {
    "SupplementaryGroups",
    "BindPaths",
    "BindReadOnlyPaths",
    "Environment",
}


def text(draw: random.Random) -> str:
    lines = ["[Service]", "ExecStart=/bin/a"]
    for key in draw.sample(sorted(VALUES), 5):
        for _ in range(draw.randrange(1, 4)):
            count = draw.randrange(1, 4) if key in LISTS else 1
            lines.append(f"{key}={' '.join(draw.choice(VALUES[key]) for _ in range(count))}")
            lines += [f"{key}="] * (draw.random() < 0.1)
    return "\n".join(lines) + "\n"


def as_systemd_shows(found: Declarations) -> dict[str, list[str]]:
    """FOUND as systemd prints it."""
    shown: dict[str, list[str]] = defaultdict(list)
    lists: dict[str, list[str]] = defaultdict(list)
    for fact in found.facts:
        match fact:
            case OwnDirectory(key=key, path=path, links=links):
                root = ROOTS[key]
                shown[key].append(path.removeprefix(root))
                shown[f"{key}Symlink"] += [f"{path.removeprefix(root)}:{link.removeprefix(root)}" for link in links]
            case PathAccess(key="PIDFile" | "WorkingDirectory" as key, path=path, optional=optional):
                shown[key].append(path)
            case PathAccess(key=key, path=path, optional=optional):
                lists[key].append("-" * optional + path)
            case Bind(key=key, source=source, destination=destination, recursive=recursive, optional=optional):
                options = "rbind" if recursive else "norbind"
                shown[key].append(f"{'-' * optional}{source}:{destination}:{options}")
            case Variable(name=name, value=value):
                shown["Environment"].append(f"{name}={value}")
            case Device(device=device, permissions=permissions):
                shown["DeviceAllow"].append(f"{device} {''.join(one for one in 'rwm' if one in permissions)}")
            case Capabilities(key=key, names=names):
                if names != (ALL_CAPABILITIES if key == "CapabilityBoundingSet" else frozenset()):
                    shown[key].append(" ".join(name.lower() for name in names))
            case EnvironmentFile(path=path, optional=optional):
                shown["EnvironmentFile"].append("-" * optional + path)
            case User(name=name) | BusName(name=name):
                shown[fact.key].append(name)
            case Groups(key="Group" as key, names=names):
                shown[key] += names
            case Groups(key=key, names=names):
                lists[key] += names
    return {**shown, **{key: [" ".join(words)] for key, words in lists.items() if words}}


ROOTS = {
    "RuntimeDirectory": "/run/",
    "StateDirectory": "/var/lib/",
    "CacheDirectory": "/var/cache/",
    "LogsDirectory": "/var/log/",
    "ConfigurationDirectory": "/etc/",
}
#: What systemd prints where nothing is set.
DEFAULTS = {"WorkingDirectory": ["/"]}


@real
def test_settings_are_those_of_systemd(unit_directory: Callable[[], Path], draw: random.Random) -> None:
    directory = unit_directory()
    files = {f"x{number}{draw.choice(('', '@'))}.service": text(draw) for number in range(rounds(200))}
    make(directory, files)
    asked = {name.replace("@.", "@i-j."): name for name in files}
    shown = systemd.show([directory], asked)
    units = UnitDirectories([str(directory)])
    wrong = []
    for name in asked:
        found = declarations(units.find(name))
        ours = as_systemd_shows(found)
        # A plus sign only says what root a path is relative to; what is printed as one line is split.
        theirs = {
            key: [word.replace("+", "") for value in values for word in value.split(" ")]
            for key, values in shown[name].fields.items()
        }
        ours = {key: [word.replace("+", "") for value in values for word in value.split(" ")] for key, values in ours.items()}
        if shown[name].state != "loaded":
            continue
        for key in VALUES:
            one, other = sorted(ours.get(key, [])), sorted(theirs.get(key, []))
            if one != other and other != DEFAULTS.get(key):
                wrong.append((name, key, other, one, [line for line in files[asked[name]].split("\n") if line.startswith(key)]))
    assert wrong == []


def of(unit_directory: Callable[[], Path], text: str, name: str = "x.service") -> Declarations:
    directory = unit_directory()
    make(directory, {name.replace("@i.", "@."): text})
    return declarations(UnitDirectories([str(directory)]).find(name))


#: A unit's section and what it declares, without the place.
FACTS: tuple[tuple[str, tuple[Declaration, ...]], ...] = (
    ("StateDirectory=a", (OwnDirectory("StateDirectory", Place(), (), "/var/lib/a", (), True),)),
    (
        "DynamicUser=1\nStateDirectory=a:b",
        (
            Choice("DynamicUser", Place(), (), "yes"),
            OwnDirectory("StateDirectory", Place(), (), "/var/lib/private/a", ("/var/lib/a", "/var/lib/b"), True),
        ),
    ),
    # Not a runtime directory, which goes with the service, unless it is kept.
    (
        "DynamicUser=1\nRuntimeDirectory=a\nConfigurationDirectory=b",
        (
            Choice("DynamicUser", Place(), (), "yes"),
            OwnDirectory("RuntimeDirectory", Place(), (), "/run/a", (), True),
            OwnDirectory("ConfigurationDirectory", Place(), (), "/etc/b", (), False),
        ),
    ),
    (
        "DynamicUser=1\nRuntimeDirectory=a\nRuntimeDirectoryPreserve=restart",
        (
            Choice("DynamicUser", Place(), (), "yes"),
            Choice("RuntimeDirectoryPreserve", Place(), (), "restart"),
            OwnDirectory("RuntimeDirectory", Place(), (), "/run/private/a", ("/run/a",), True),
        ),
    ),
    ("CacheDirectory=a::ro", (OwnDirectory("CacheDirectory", Place(), (), "/var/cache/a", (), False),)),
    ("StateDirectory=%m", (OwnDirectory("StateDirectory", Place(), ("%m",), "/var/lib/%m", (), True),)),
    ("PrivateTmp=true\nPrivateTmp=", ()),
    ("PrivateTmp=off", (Choice("PrivateTmp", Place(), (), "no"),)),
    ("ProtectSystem=strict", (Choice("ProtectSystem", Place(), (), "strict"),)),
    ("Type=notify", (Choice("Type", Place(), (), "notify"),)),
    ("User=a\nGroup=b", (User("User", Place(), (), "a"), Groups("Group", Place(), (), ("b",)))),
    ("ReadWritePaths=-/a", (PathAccess("ReadWritePaths", Place(), (), "/a", Access.READ_WRITE, True),)),
    ("TemporaryFileSystem=/a:ro", (PathAccess("TemporaryFileSystem", Place(), (), "/a", Access.HIDDEN, False),)),
    ("PIDFile=a.pid", (PathAccess("PIDFile", Place(), (), "/run/a.pid", Access.READ_WRITE, False),)),
    ("StandardOutput=append:/var/log/%N", (PathAccess("StandardOutput", Place(), (), "/var/log/x", Access.READ_WRITE, False),)),
    ("StandardInput=file:/a", (PathAccess("StandardInput", Place(), (), "/a", Access.READ, False),)),
    ("StandardOutput=journal", ()),
    ("BindReadOnlyPaths=/a:/b", (Bind("BindReadOnlyPaths", Place(), (), "/a", "/b", False, True, False),)),
    ("DeviceAllow=char-rtc", (Device("DeviceAllow", Place(), (), "char-rtc", "rwm"),)),
    ("LoadCredential=a:/b", (Credential("LoadCredential", Place(), (), "/run/credentials/x.service/a", "/b"),)),
    ("LoadCredential=a", (Credential("LoadCredential", Place(), (), "/run/credentials/x.service/a", ""),)),
    ("SetCredential=a:/b", (Credential("SetCredential", Place(), (), "/run/credentials/x.service/a", ""),)),
    ("Environment=A=1 A=2", (Variable("Environment", Place(), (), "A", "2"),)),
    ("EnvironmentFile=-/a", (EnvironmentFile("EnvironmentFile", Place(), (), "/a", True),)),
    ("CapabilityBoundingSet=", (Capabilities("CapabilityBoundingSet", Place(), (), frozenset()),)),
    (
        "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_INET",
        (Families("RestrictAddressFamilies", Place(), (), frozenset(("AF_UNIX", "AF_INET")), True),),
    ),
    (
        "RestrictAddressFamilies=~AF_UNIX AF_INET\nRestrictAddressFamilies=AF_INET",
        (Families("RestrictAddressFamilies", Place(), (), frozenset(("AF_UNIX",)), False),),
    ),
    ("RestrictAddressFamilies=none", (Families("RestrictAddressFamilies", Place(), (), frozenset(), True),)),
    ("RestrictAddressFamilies=none\nRestrictAddressFamilies=", ()),
    ("IPAddressDeny=any", (Addresses("IPAddressDeny", Place(), (), ("any",)),)),
    ("BusName=a.b", (BusName("BusName", Place(), (), "a.b"),)),
)


@pytest.mark.parametrize(("section", "facts"), FACTS, ids=[section for section, _ in FACTS])
def test_what_a_setting_declares(unit_directory: Callable[[], Path], section: str, facts: tuple[Declaration, ...]) -> None:
    found = of(unit_directory, f"[Service]\n{section}\n")
    assert tuple(replace(fact, place=Place()) for fact in found.facts) == facts
    assert found.diagnostics == ()


def test_each_fact_says_where_it_stands(unit_directory: Callable[[], Path]) -> None:
    found = of(unit_directory, "[Service]\nUser=a\n# x\n  StateDirectory = \\\n  b\n")
    assert [(fact.key, fact.place.line, fact.place.column) for fact in found.facts] == [("User", 2, 1), ("StateDirectory", 4, 3)]
    assert {Path(fact.place.file).name for fact in found.facts} == {"x.service"}


def test_what_systemd_does_not_take_is_reported(unit_directory: Callable[[], Path]) -> None:
    found = of(unit_directory, "[Service]\nReadWritePaths=a /b\nDeviceAllow=/dev/a x\nStateDirectory=../c\nEnvironment=1\n")
    assert [fact.key for fact in found.facts] == ["ReadWritePaths"]
    assert [(one.code, one.place.line) for one in found.diagnostics] == [("unit-value", line) for line in (4, 2, 3, 5)]


def test_the_environment_names_the_directories(unit_directory: Callable[[], Path]) -> None:
    text = (
        "[Service]\nDynamicUser=1\nStateDirectory=a b\nLogsDirectory=c\nLoadCredential=d:/d\nEnvironment=A=b LOGS_DIRECTORY=x\n"
    )
    assert of(unit_directory, text).environment() == {
        "STATE_DIRECTORY": "/var/lib/private/a:/var/lib/private/b",
        "LOGS_DIRECTORY": "x",
        "CREDENTIALS_DIRECTORY": "/run/credentials/x.service",
        "A": "b",
    }


def test_sockets_are_listeners(unit_directory: Callable[[], Path]) -> None:
    text = "[Socket]\nListenStream=/run//a\nListenDatagram=@b\nListenStream=80\nListenStream=[::1]:%i\nService=c.service\n"
    found = of(unit_directory, text, "x@i.socket")
    listeners = [fact for fact in found.facts if isinstance(fact, Listener)]
    assert [(one.key, one.address, one.path) for one in listeners] == [
        ("ListenStream", "/run/a", "/run/a"),
        ("ListenDatagram", "@b", ""),
        ("ListenStream", "80", ""),
        ("ListenStream", "[::1]:i", ""),
    ]
    assert of(unit_directory, "[Socket]\nListenStream=/a\nListenDatagram=\n", "x.socket").facts == ()


def test_a_unit_that_is_not_there_declares_nothing(unit_directory: Callable[[], Path]) -> None:
    unit = UnitDirectories([str(unit_directory())]).find("x.service")
    assert (unit.state, declarations(unit)) == (LoadState.NOT_FOUND, Declarations())


def test_whatever_is_in_a_file_gives_values(unit_directory: Callable[[], Path], draw: random.Random) -> None:
    pieces = [
        "[Service]",
        "[Socket]",
        "\n",
        "\\\n",
        "=",
        " ",
        ":",
        "%",
        "%i",
        "\\x",
        "'",
        '"',
        "~",
        "-",
        "@",
        ";",
        "/",
        "..",
        "\xff",
        "\0",
        "$",
    ]
    pieces += [f"\n{key}=" for key in (*_READERS, "ExecStart", "ExecStop")]
    for _ in range(rounds(300)):
        text = "[Service]\n" + "".join(draw.choice(pieces) for _ in range(draw.randrange(60)))
        of(unit_directory, text, draw.choice(("x.service", "x@i.service", "\\@i.service")))


MACHINE = Path("/usr/lib/systemd/system")


@real
@pytest.mark.skipif(not MACHINE.is_dir(), reason="the machine has no units")
def test_the_units_of_the_machine_have_the_same_commands(unit_directory: Callable[[], Path]) -> None:
    units = UnitDirectories([str(MACHINE)])
    asked = [name.replace("@.", "@tty-1.") for name in units.names() if name.endswith((".service", ".socket"))]
    shown = systemd.show([MACHINE, unit_directory()], asked)
    wrong = []
    for name in asked:
        unit = units.find(name)
        ours: dict[str, list[list[str]]] = defaultdict(list)
        for command in declarations(unit).commands:
            ours[command.key].append(list(command.arguments))
        theirs = shown[str(unit.name)]
        if theirs.state == "loaded" and theirs.commands != ours:
            wrong.append((name, theirs.commands, ours))
    assert wrong == []

"""Units as a real systemd reads them: the same command lines, files and drop-ins, whatever is in the files."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tomoyo.draft.commands import Command, read_commands, with_variables
from tomoyo.draft.unit_files import read_unit_file
from tomoyo.draft.units import LoadState, Unit, UnitDirectories
from tomoyo.model.diagnostics import Place, Severity, has_errors
from tomoyo.model.errors import InvalidValueError
from tomoyo.nix.store.tree import Tree

from ..seeds import rounds
from . import systemd

real = pytest.mark.skipif(not systemd.command(), reason="systemd is not installed")

WORDS = (
    *(
        "/bin/a",
        "b",
        "-x",
        "a=b",
        "'y b'",
        '"c  d"',
        '"',
        "'",
        "\\",
        "\\x41",
        "\\x4",
        "\\u00e9",
        "\\U0001f600",
        "\\ud800",
        "\\101",
    ),
    *("\\0", "\\777", "\\s", "\\ ", "\\;", ";", ";;", "\\\\;", "%n", "%i", "%%", "%", "%p-%j", "%z", "%I", "%P", "%J", "%f"),
    *(
        "%S/x",
        "%t",
        "%L%C",
        "%E",
        "%T%V",
        "%h",
        "%u",
        "%U",
        "%N",
        "$A",
        "${A}",
        "$$",
        "\t",
        " ",
        "\xc3\xa9",
        "#",
        "\\t",
        "\\n",
        "''",
    ),
)
FIRST = (
    "/bin/a",
    "/bin/a",
    "/bin/a",
    "b",
    "@/bin/a x",
    "-/bin/a",
    "+/bin/a",
    "!!/bin/a",
    "!/bin/a",
    ":/bin/a",
    "-@:+/bin//./a y",
)
ODD_FIRST = (
    "@/bin/a",
    "/bin/",
    "a/b",
    "",
    ";",
    "--/bin/a",
    "+!/bin/a",
    "!!!/bin/a",
    "'/bin/b b'",
    "/bin/%n",
    "%n",
    ".",
    "@-/bin/a z",
)


def value(draw: random.Random) -> str:
    """A value of ``ExecStart=``."""
    first = draw.choice(ODD_FIRST if draw.random() < 0.1 else FIRST)
    rest = [draw.choice(WORDS) + draw.choice(("", " ", " ", " ", "  ")) for _ in range(draw.randrange(6))]
    return f"{first} {''.join(rest)}"


def lines(draw: random.Random) -> str:
    """A file with a service, laid out in odd ways."""
    text = (
        draw.choice(("", "\n", "# x \\\n", "A=b\n", "[Unit]\nDescription=a\n", "[X-Other]\nExecStart=/bin/no\n")) + "[Service]\n"
    )
    text += "Type=oneshot\nRemainAfterExit=yes\nExecStop=/bin/always\n"
    for _ in range(draw.randrange(4)):
        text += draw.choice(("ExecStart=", "ExecStart = ", " ExecStart=", "ExecStartPre=", "ExecStop=\t", "execstart="))
        for part in value(draw).split(" "):
            text += part + draw.choice((" ",) * 6 + (" \\\n", "\\\n", " \\\n# comment\n", " \\\n;\\\n", " \\\n  "))
        text += draw.choice(
            ("\n",) * 9 + ("\r\n", "\\\n\n", "\n[Other]\nExecStart=/bin/no\n[Service]\n", "\n=x\nx\n", "\nExecStart=\n")
        )
    return text + draw.choice(
        ("",) * 30 + ("[bad\nExecStart=/bin/late", "[Service]\nExecStart=/bin/late\\", "[Ser\\vice]\n", "X=\xff\n")
    )


def commands(unit: Unit) -> tuple[list[Command], bool]:
    """The commands of UNIT, and whether systemd refuses it for one."""
    found: list[Command] = []
    refused = has_errors(unit.files[0].diagnostics if unit.files else ())
    for setting in unit.all_settings("ExecStartPre", "ExecStart", "ExecStop"):
        one, problems = read_commands(setting, unit.specifiers())
        found = [*found, *one] if setting.value else [command for command in found if command.key != setting.key]
        if has_errors(problems):
            return found, True
    return found, refused


def make(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1", newline="")


@real
def test_command_lines_are_those_of_systemd(unit_directory: Callable[[], Path], draw: random.Random) -> None:
    directory = unit_directory()
    names = ("x{}.service", "x{}@.service", "a-b{}.service", "x{}\\x2dy.service", "a-b{}@.service")
    files = {draw.choice(names).format(number): lines(draw) for number in range(rounds(400))}
    make(directory, files)
    asked = {name.replace("@.", draw.choice(("@a-b.", "@x.", "@a\\x2db."))): name for name in files}
    shown = systemd.show([directory], asked)
    units = UnitDirectories([str(directory)])
    wrong = []
    for name, file in asked.items():
        found, refused = commands(units.find(name))
        if any(command.unknown for command in found):
            continue
        ours = {key: [list(one.arguments) for one in found if one.key == key] for key in dict.fromkeys(one.key for one in found)}
        theirs = shown[name]
        # Nor is there a service without any command.
        refused = refused or not found
        if refused != (theirs.state != "loaded") or not (refused or ours == theirs.commands):
            wrong.append((files[file], theirs.state, theirs.commands, refused, ours))
    assert wrong == []


PLAIN = ("foo.service", "foo-bar.service", "foo-bar-baz.service", "bar.service")
TEMPLATES = ("foo@.service", "foo-bar@.service", "bar@.service")
INSTANCES = ("foo@x.service", "foo-bar@x.service", "bar@x.service", "bar@y.service")
ALIASES: dict[str, tuple[str, ...]] = {
    "al.service": (*PLAIN, *PLAIN, "foo@x.service"),
    "al-b.service": (*PLAIN, *PLAIN, "al.service"),
    "al@.service": (*TEMPLATES, *TEMPLATES, "foo.service"),
    "al@x.service": (*TEMPLATES, "foo@x.service", "bar@x.service", "bar@y.service"),
}
DROPINS = (
    *(*PLAIN, *TEMPLATES, *INSTANCES, *ALIASES),
    *("foo-.service", "foo-bar-.service", "service", "foo-@.service", "foo-@x.service"),
)
ASKED = (*PLAIN, *INSTANCES, "foo@y.service", "foo-bar@y.service", "al.service", "al-b.service", "al@x.service", "al@y.service")


def marked(draw: random.Random, mark: str) -> str:
    return f"[Service]\nType=oneshot\n{chr(10).join(['ExecStart='] * (draw.random() < 0.1))}\nExecStart=/bin/x {mark}\n"


def lay_out(draw: random.Random, directories: list[Path], elsewhere: Path) -> None:
    """Fill DIRECTORIES with units, aliases, masks and drop-ins; links lead to what is ELSEWHERE, too."""
    for number, directory in enumerate(directories):
        for name in (*PLAIN, *TEMPLATES, *INSTANCES):
            chosen = draw.random()
            if chosen < 0.3:
                (directory / name).write_text(marked(draw, f"{number}/{name}"))
            elif chosen < 0.34:
                (directory / name).touch()
            elif chosen < 0.38:
                (directory / name).symlink_to("/dev/null")
            elif chosen < 0.42:
                (directory / name).symlink_to(draw.choice(directories) / name)
            elif chosen < 0.46:
                other = elsewhere / draw.choice((name, "other.service"))
                other.write_text(marked(draw, f"elsewhere/{name}"))
                (directory / name).symlink_to(other)
        for name, targets in ALIASES.items():
            chosen = draw.random()
            if chosen < 0.4:
                target = draw.choice(targets)
                (directory / name).symlink_to(target if chosen < 0.3 else draw.choice(directories) / target)
            elif chosen < 0.43:
                (directory / name).symlink_to("/dev/null")
        for name in DROPINS:
            if draw.random() < 0.4:
                folder = directory / f"{name}.d"
                folder.mkdir()
                for file in ("10-a.conf", "20-b.conf", "a.conf", ".hidden.conf", "no.txt", "B.conf"):
                    chosen = draw.random()
                    if chosen < 0.3:
                        (folder / file).write_text(marked(draw, f"{number}/{name}/{file}"))
                    elif chosen < 0.33:
                        (folder / file).touch()
                    elif chosen < 0.38:
                        (folder / file).symlink_to(draw.choice(("/dev/null", "/nowhere")))


@real
def test_files_and_dropins_are_those_of_systemd(unit_directory: Callable[[], Path], draw: random.Random) -> None:
    compared = 0
    for _ in range(rounds(8)):
        directories = [unit_directory() for _ in range(3)]
        lay_out(draw, directories, unit_directory())
        units = UnitDirectories([str(directory) for directory in directories])
        for name in draw.sample(ASKED, 6):
            ours = units.find(name)
            shown = systemd.show(directories, [name])
            # What systemd calls a unit that is masked hangs on how it is.
            known = [one for one in (ours.names if ours.state is LoadState.MASKED else ours.names[:1]) if one in shown]
            assert known, (name, ours, {one: unit.state for one, unit in shown.items()})
            theirs = shown[known[0]]
            assert theirs.state.replace("-", " ") == ours.state.value, (name, ours)
            # The order of the drop-ins of several aliases is chance in systemd.
            if len(ours.names) < 3 and ours.state is LoadState.LOADED:
                found = [list(command.arguments) for command in commands(ours)[0]]
                assert theirs.commands.get("ExecStart", []) == found, (name, ours)
                compared += 1
    assert compared


@pytest.mark.parametrize(
    ("arguments", "expanded", "unknown"),
    [
        # systemd.service(5) has the first three.
        (("${ONE}", "${TWO}", "${THREE}"), ("one", "two two", ""), ()),
        (("$ONE", "$TWO", "$THREE"), ("one", "two", "two"), ()),
        (("a$ONE", "a${ONE}b", "$$ONE", "$${ONE}", "$$$$"), ("a$ONE", "aoneb", "$ONE", "${ONE}", "$$"), ()),
        (("$QUOTED", "${QUOTED}"), ("a b", "c", "'a b' c"), ()),
        (("$OPEN",), ("a", "b c"), ()),
        (("$NONE", "x${NONE}"), ("$NONE", "x${NONE}"), ("NONE",)),
        (("$", "${ONE", "$ONE-x"), ("${ONE", "$ONE-x"), ("ONE-x",)),
    ],
)
def test_variables_become_words(arguments: tuple[str, ...], expanded: tuple[str, ...], unknown: tuple[str, ...]) -> None:
    variables = {"ONE": "one", "TWO": "two two", "THREE": "", "QUOTED": "'a b' c", "OPEN": "a 'b c"}
    command = Command("ExecStart", "/bin/a", ("/bin/a", *arguments), "", Place())
    assert with_variables(command, variables) == (replace(command, arguments=("/bin/a", *expanded)), unknown)
    untouched = replace(command, prefixes=":")
    assert with_variables(untouched, variables) == (untouched, ())


def test_specifiers_of_the_machine_stay(unit_directory: Callable[[], Path]) -> None:
    directory = unit_directory()
    make(directory, {"x.service": "[Service]\nExecStart=/bin/a %m%H%% %n\n"})
    unit = UnitDirectories([str(directory)]).find("x.service")
    setting = unit.setting("ExecStart")
    assert setting
    (command,), _ = read_commands(setting, unit.specifiers())
    assert (command.arguments, command.unknown) == (("/bin/a", "%m%H%", "x.service"), ("%m", "%H"))
    (known,), _ = read_commands(setting, unit.specifiers({"m": "1", "H": "h"}))
    assert (known.arguments, known.unknown) == (("/bin/a", "1h%", "x.service"), ())


def test_units_of_an_image_are_found_below_its_root(tmp_path: Path) -> None:
    """As NixOS has them: a link to a directory in the store, and links in it to units in the store."""
    root = tmp_path / "root"
    store = root / "nix/store/00000000000000000000000000000000-unit-x.service"
    make(store, {"x.service": "[Service]\nExecStart=/bin/a\n"})
    units = root / "nix/store/11111111111111111111111111111111-system-units"
    make(units, {"service.d/a.conf": "[Service]\nUser=a\n"})
    (units / "x.service").symlink_to(f"/{store.relative_to(root)}/x.service")
    (units / "y.service").symlink_to("x.service")
    (root / "etc/systemd").mkdir(parents=True)
    (root / "etc/systemd/system").symlink_to(f"/{units.relative_to(root)}")
    found = UnitDirectories(tree=Tree(str(root)))
    unit = found.find("y.service")
    assert (unit.names, unit.state, found.names()) == (("x.service", "y.service"), LoadState.LOADED, ("x.service",))
    assert [setting.key for file in unit.files for setting in file.settings] == ["ExecStart", "User"]


@pytest.mark.parametrize(
    "name", ["", "x", "x.conf", "@.service", "a/b.service", "a b.service", f"{'a' * 250}.service", "x@.service"]
)
def test_what_is_no_unit_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValueError):
        UnitDirectories([str(tmp_path)]).find(name)


def test_lines_that_systemd_ignores_are_reported() -> None:
    file = read_unit_file("x.service", "A=b\n[Service]\nx\n=y\nA=\xff\nB=c\n")
    assert [(one.severity, one.place.line) for one in file.diagnostics] == [
        *((Severity.WARNING, line) for line in (1, 3, 4)),
        (Severity.ERROR, 5),
    ]
    assert file.settings == ()

"""A path that cannot be used is reported in the same words by every command, whatever the path is for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import sample

from .command import Done, tomoyo

#: What is wrong: what makes such a path, what is said of it, and what to do.
MISTAKES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda _: None, "no such file or directory", "give a path that exists"),
    "near miss": (lambda path: path.with_name("wrnog").touch(), "no such file or directory", "did you mean 'PLACE/wrnog'?"),
    "below a file": (lambda path: path.parent.rename(path.parent.parent / "x") and path.parent.touch(), "not a directory", ""),
    "a directory": (Path.mkdir, "a directory, not a file", "give a file"),
    "a file": (lambda path: path.write_text("nothing\n"), "not a directory", "give a directory"),
    "not readable": (
        lambda path: (path.touch(), path.chmod(0)),
        "permission denied",
        "run this as root, or as a user who has access",
    ),
    "binary": (lambda path: path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60)), "a binary file", "give a text file"),
    "not UTF-8": (lambda path: path.write_bytes(b'{"a": "\xff"}\n'), "not UTF-8", "save it as UTF-8"),
}
POLICY = ("missing", "near miss", "below a file", "not readable", "binary")
FILE = (*POLICY, "a directory")
DIRECTORY = ("missing", "below a file", "a file")
#: The commands with a path in each place where they take one, and what may be wrong with it.
COMMANDS: dict[str, tuple[str, ...]] = {
    "activate --interface . --state s --locks l PATH": DIRECTORY,
    "audit PATH": FILE,
    "bind PATH --closure-file /dev/null": POLICY,
    "bind SAMPLE --closure-file PATH": FILE,
    "bind SAMPLE --closure-file /dev/null --packages PATH": (*FILE, "not UTF-8"),
    "bind SAMPLE --closure-file /dev/null --root PATH": DIRECTORY,
    "boot --check PATH": DIRECTORY,
    "boot --script PATH": DIRECTORY,
    "can --policy PATH --op read --path /x": POLICY,
    "check PATH": POLICY,
    "compile PATH --check --closure-file /dev/null": DIRECTORY,
    "convert PATH": FILE,
    "doctor --root PATH": DIRECTORY,
    "explain --policy PATH <kernel> file read /x": POLICY,
    "explain --policy SAMPLE --log PATH": FILE,
    "fmt PATH": POLICY,
    "gc PATH --interface . --state s --locks l": DIRECTORY,
    "lint PATH": POLICY,
    "name PATH --closure-file /dev/null": POLICY,
    "name SAMPLE --nix --attributes PATH": (*FILE, "not UTF-8"),
    "plan PATH SAMPLE": ("missing", "below a file"),
    "query --rules PATH": ("missing", "near miss", "below a file"),
    "replay --policy PATH /dev/null": POLICY,
    "replay --policy SAMPLE PATH": FILE,
    "select --prefix <kernel> PATH": POLICY,
    "stat PATH": POLICY,
    "status PATH": DIRECTORY,
    "suggest --policy PATH /dev/null": POLICY,
    "suggest --learned PATH": POLICY,
    "suggest PATH": FILE,
    "suggest --rules PATH /dev/null": ("missing", "near miss", "below a file", "a directory", "not readable"),
}
SAMPLE = sample.SAMPLE / "policy" / "domain_policy.conf"
CASES = [(command, mistake) for command, mistakes in COMMANDS.items() for mistake in mistakes]


@pytest.mark.parametrize(("command", "mistake"), CASES, ids=[f"{command}: {mistake}" for command, mistake in CASES])
def test_a_wrong_path(command: str, mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory() as top:  # which another user than root may look into
        os.chmod(top, 0o755)
        monkeypatch.chdir(top)
        path = Path(top) / "place" / "wrong"
        path.parent.mkdir(mode=0o755)
        make, message, advice = MISTAKES[mistake]
        make(path)
        words = [str(path) if word == "PATH" else "sample.conf" if word == "SAMPLE" else word for word in command.split(" ")]
        Path("sample.conf").write_bytes(SAMPLE.read_bytes())
        done = as_nobody(words) if mistake == "not readable" else tomoyo(*words)
        monkeypatch.undo()
    assert (done.status, done.output) == (3 if mistake == "not readable" else 2, "")
    # Where a set is read from the root on, the first part of the path that is wrong is told of.
    place = path.parent if mistake == "below a file" and f"{path}: " not in done.messages else path
    told, _, helped = "".join(line for line in done.messages.splitlines(True) if ": note: " not in line).partition("\n")
    assert told.partition(" [")[0] == f"{place}: error: {message}"
    assert told.endswith("]")
    assert helped == f"help: {(advice or 'give a directory').replace('PLACE', str(path.parent))}\n"


def as_nobody(words: list[str]) -> Done:
    """Run the command as a user who is not root."""
    if os.geteuid():
        return tomoyo(*words)
    tomoyo(*words)  # so that all is loaded that the other user might not be allowed to load
    os.seteuid(65534)
    try:
        return tomoyo(*words)
    finally:
        os.seteuid(0)

"""`--json`: every command prints one shape, an object with `diagnostics` and `result`, whether it succeeds or fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tomoyo.activation.status import Status
from tomoyo.cli import COMMANDS

from ..kernel.learner import LearningKernel
from ..kernel.test_learning import PROFILE
from .command import Done, tomoyo
from .test_policy_forms import DOMAIN, HELD, RECORD, compiled, kernel, source

#: What each diagnostic has.
FIELDS = {"severity", "code", "message", "help", "place", "subject", "related"}
#: Commands that print a document a line.
STREAMS = ("audit", "convert", "notify", "query", "replay")
#: A call of each command that succeeds; words in capitals are paths.
SUCCEEDS: dict[str, list[str]] = {
    "activate": ["SET", "--inactive", "--interface", "KERNEL", "--state", "STATE", "--locks", "LOCKS"],
    "audit": ["LOG"],
    "bind": ["PLAIN", "--closure-file", "/dev/null"],
    "boot": ["--script", "SET"],
    "can": ["--policy", "SOURCE", "--op", "read", "--path", "/srv/index"],
    "check": ["SOURCE"],
    "compile": ["--library", "nginx", "--check", "--closure-file", "/dev/null", "--unresolved", "ignore"],
    "completion": ["bash"],
    "convert": ["LOG"],
    "demo": [],
    "doctor": ["--root", "/"],
    "explain": ["--policy", "SOURCE", DOMAIN, "file", "read", "/srv/index"],
    "fmt": ["SOURCE"],
    "gc": ["SET", "--interface", "KERNEL", "--state", "STATE", "--locks", "LOCKS"],
    "learn": ["--", "true"],
    "lint": ["SOURCE", "--fail-on", "never"],
    "man": [],
    "mode": [],
    "name": ["HELD", "--closure-file", "/dev/null"],
    "notify": ["--source", "-", "--", "true"],
    "plan": ["SET", "SET"],
    "ps": [],
    "query": [],
    "replay": ["--policy", "SOURCE", "LOG"],
    "save": ["SAVED"],
    "select": ["--name", DOMAIN, "SOURCE"],
    "stat": ["SOURCE"],
    "status": [],
    "suggest": ["--policy", "SOURCE", "LOG"],
}
#: More calls whose output would be another than the document.
ALSO = [
    ["boot", "--check", "SET"],
    ["explain", "--policy", "SOURCE", "--log", "LOG"],
    ["fmt", "--check", "HELD"],
    ["fmt", "-i", "HELD"],
    ["lint", "--list"],
    ["name", "HELD", "--closure-file", "/dev/null", "-o", "OUT"],
    ["plan", "SET", "--interface", "KERNEL"],
    ["save", "--stdout", "profile"],
    ["suggest", "--policy", "HELD", "LOG", "-i"],
    *([name, "--help"] for name in COMMANDS),
    ["--help"],
    ["--version"],
]
PATHS = ("SET", "LOG", "SOURCE", "HELD", "PLAIN")
#: What no command can do its work with, each with the commands to which that applies.
FAILS: dict[str, Callable[[str], list[str] | None]] = {
    "an unknown option": lambda name: ["--nonsense", *SUCCEEDS[name]],
    "an option without its value": lambda name: ["--interface"] if "--interface" in options(name) else ["--jsn"],
    "a path that is not there": lambda name: MISSING.get(name),
    "a file that holds something else": lambda name: (
        [word.replace(path, "OTHER") for word in SUCCEEDS[name]]
        if (path := next((word for word in SUCCEEDS[name] if word in PATHS), ""))
        else UNUSABLE.get(name)
    ),
}
MISSING = {name: ["/nowhere/x" if word in PATHS else word for word in words] for name, words in SUCCEEDS.items()} | {
    "compile": ["/nowhere/x", "--check", "--closure-file", "/dev/null"],
    "completion": ["csh"],
    "demo": ["--write", "/nowhere/x"],
    "doctor": ["--root", "/nowhere/x"],
    "learn": ["--", "/nowhere/x"],
    "man": ["nonsense"],
    "mode": ["--set", "nonsense"],
    "notify": ["--source", "-", "--", "/nowhere/x"],
    "ps": ["--mode", "nonsense"],
    "query": ["--rules", "/nowhere/x"],
    "save": ["--stdout", "nonsense"],
    "status": ["/nowhere/x"],
}
UNUSABLE = {
    "compile": ["--library", "nonsense", "--check", "--closure-file", "/dev/null"],
    "completion": [],
    "demo": ["--write", "OTHER"],
    "doctor": ["nonsense"],
    "learn": ["--for", "0", "--", "true"],
    "man": ["--nonsense=1"],
    "mode": ["--set", "learning"],
    "notify": ["--source", "query", "--follow", "LOG", "--", "true"],
    "ps": ["nonsense"],
    "query": ["--wait", "0"],
    "save": ["--named", "--stdout", "profile"],
    "status": ["OTHER"],
}


def options(name: str) -> str:
    return tomoyo(name, "--help").output


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A file or directory for each word in capitals; the commands that ask the running kernel find a simulated one."""
    tmp_path.chmod(0o755)
    (tmp_path / "log").write_text(RECORD)
    (tmp_path / "held.conf").write_text(HELD)
    (tmp_path / "plain.conf").write_text("<kernel> /x\nuse_profile 3\n\nfile read /srv/index\n")
    (tmp_path / "other").write_text("nothing\n")
    found = LearningKernel({"<kernel> /usr/bin/true": ("file read /x",)}, works_at_once=True)
    found.write("profile", PROFILE)
    found.activate()
    for name in ("learn", "mode", "ps", "save", "status"):
        monkeypatch.setattr(import_module(f"tomoyo.cli.commands.{name}"), "securityfs", lambda _: found)
    monkeypatch.setattr("tomoyo.kernel.processes.read_processes", lambda _: [])
    status = Status("2.6", True, (), {}, {}, (), (), (), (), ())
    monkeypatch.setattr("tomoyo.activation.status.read_status", lambda *_: status)
    monkeypatch.setattr("tomoyo.query.kernel_file.QueryFile", QueryFile)
    monkeypatch.setattr("tomoyo.cli.query_terminal.JsonDialogue.run", lambda self, _: self._say("nothing waits\n") or 0)
    return {
        "SET": str(compiled(tmp_path)),
        "SOURCE": str(source(tmp_path)),
        "KERNEL": str(kernel(tmp_path)),
        "LOG": str(tmp_path / "log"),
        "HELD": str(tmp_path / "held.conf"),
        "PLAIN": str(tmp_path / "plain.conf"),
        "OTHER": str(tmp_path / "other"),
    } | {name: str(tmp_path / name.lower()) for name in ("STATE", "LOCKS", "SAVED", "OUT")}


class QueryFile:
    """The kernel's file, in which nothing waits."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> QueryFile:
        return self

    def __exit__(self, *_: object) -> None: ...


def run(words: list[str], paths: dict[str, str]) -> Done:
    arguments = [paths.get(word, word) for word in words]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return tomoyo(*arguments[:at], "--json", *arguments[at:], stdin=RECORD.encode())


def documents(done: Done, *, stream: bool) -> list[dict[str, Any]]:
    """What was printed, each in the one shape."""
    assert done.messages == ""
    found = [json.loads(line) for line in done.output.splitlines()] if stream else [json.loads(done.output)]
    for document in found:
        assert set(document) == {"diagnostics", "result"}
        for one in document["diagnostics"]:
            assert set(one) == FIELDS
            assert set(one["place"]) == {"file", "line", "column", "text"}
            assert one["severity"] in ("error", "warning", "note")
            assert one["code"]
    return found


def is_stream(words: list[str]) -> bool:
    return words[0] in STREAMS or "--log" in words


@pytest.mark.parametrize("words", [*([name, *words] for name, words in SUCCEEDS.items()), *ALSO], ids=" ".join)
def test_success(words: list[str], paths: dict[str, str]) -> None:
    done = run(words, paths)
    assert done.status in ((0, 1) if words[0] in ("doctor", "explain", "fmt", "plan") else (0,)), done
    found = documents(done, stream=is_stream(words))
    assert any(document["result"] is not None for document in found)
    assert not any(one["severity"] == "error" for document in found for one in document["diagnostics"] if words[0] != "doctor")


@pytest.mark.parametrize("kind", FAILS)
@pytest.mark.parametrize("name", COMMANDS)
def test_failure(name: str, kind: str, paths: dict[str, str]) -> None:
    words = FAILS[kind](name)
    assert words is not None
    done = run([name, *words], paths)
    found = documents(done, stream=is_stream([name, *words]))
    assert done.status == 2, done
    assert [document["result"] for document in found] == [None] * len(found)
    assert any(one["severity"] == "error" for document in found for one in document["diagnostics"])


@pytest.mark.parametrize("words", [["chekc"], ["--nonsense"], []], ids=" ".join)
def test_no_command(words: list[str]) -> None:
    done = tomoyo(*words, "--json")
    (document,) = documents(done, stream=False)
    assert (done.status, len(document["diagnostics"])) == (2, 1)

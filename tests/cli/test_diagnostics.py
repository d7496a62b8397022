"""How the commands report what is wrong: one form for people, one object for programs, and SARIF."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tomoyo.cli import COMMANDS, messages
from tomoyo.cli.options import command_parser
from tomoyo.lint.codes import LINT_CODES
from tomoyo.model.diagnostics import Diagnostic, Place, Severity, did_you_mean, readable, sort_diagnostics

from .command import tomoyo

BROKEN = "<kernel> /a\nuse_profile 3\nfile raed /x\nfile read /y\nfile read /y\n"
#: What each diagnostic has in JSON.
FIELDS = {"severity", "code", "message", "help", "place", "subject", "related"}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "domain_policy.conf"
    path.write_text(BROKEN)
    return path


# For people


def shown(text: str, column: int, **more: Any) -> list[str]:
    """The lines that are shown of a diagnostic at COLUMN of TEXT."""
    one = Diagnostic(Severity.ERROR, "x", "wrong", place=Place("f", 3, column, text), **more)
    return messages.shown(one, io.StringIO()).split("\n")[:-1]


@pytest.mark.parametrize(
    ("text", "column", "line", "caret"),
    [
        ("file raed /x", 6, "file raed /x", 5),
        ("\tfile raed /x", 7, "        file raed /x", 13),
        ("a\tb\tc", 5, "a       b       c", 16),
        ("漢字 raed", 4, "漢字 raed", 5),
        ("e\u0301 raed", 4, "e\u0301 raed", 2),
        ("/\u20ac raed".encode().decode("latin-1"), 6, "/\u20ac raed", 3),
        ("\xe9 raed", 3, "\xe9 raed", 2),
        ("\x1b[31mred\x07 raed", 11, "\\x1b[31mred\\x07 raed", 16),
        ("file read", 20, "file read", 9),
        ("file read \r", 6, "file read", 5),
    ],
)
def test_the_line_is_shown_with_a_caret(text: str, column: int, line: str, caret: int) -> None:
    assert shown(text, column) == [f"f:3:{column}: error: wrong [x]", f"    {line}", f"    {' ' * caret}^"]


@pytest.mark.parametrize("column", [1, 50, 61, 62, 5000, 9990, 10_000])
def test_of_a_long_line_what_is_around_the_caret_is_shown(column: int) -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(10_000))
    _, line, caret = shown(text, column)
    assert len(line) <= 130
    assert line[caret.index("^")] == text[column - 1]
    assert line.startswith("    ...") is (column > 61)
    assert line.endswith("...") is (column < 9940)


def test_help_comes_last_and_other_places_before_it() -> None:
    related = (Place("/store/path"), Place("g", 1, 1, "first"))
    assert shown("", 0, help="do\nthis", related=related) == [
        "f:3: error: wrong [x]",
        "g:1:1: note: see also",
        "    first",
        "    ^",
        "help: do\\nthis",
    ]
    assert messages.shown(Diagnostic(Severity.NOTE, "x", "all"), io.StringIO()) == "tomoyo: note: all [x]\n"


def test_diagnostics_are_values() -> None:
    one = Diagnostic(Severity.ERROR, "x", "wrong", place=Place("b", 2, 1))
    other = Diagnostic(Severity.NOTE, "y", "worth knowing", place=Place("a", 3))
    general = Diagnostic(Severity.WARNING, "z", "all of it")
    assert sort_diagnostics([one, other, general, one]) == (general, other, one)
    assert pickle.loads(pickle.dumps(one)) == one
    assert str(one) == "b:2:1: error: wrong [x]"
    assert str(general) == "warning: all of it [z]"
    assert [severity.lowered for severity in Severity] == [Severity.WARNING, Severity.NOTE, Severity.NOTE]


def test_what_was_meant() -> None:
    assert did_you_mean("raed", ["read", "write"]) == "did you mean 'read'?"
    assert did_you_mean("x", ["read", "write"]) == ""
    assert readable("caf\xc3\xa9") == "caf\xe9"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["chekc"], "did you mean 'check'?"),
        (["nonsense"], "'tomoyo --help' lists the commands"),
        (["check", "--jsn"], "did you mean '--json'?"),
        (["check", "--kind", "domian", "x"], "did you mean 'domain'?"),
        (["lint", "--only", "whole-tre", "x"], "did you mean 'whole-tree'?"),
        (["compile", "--library", "ngnix", "--check", "--closure-file", "/dev/null"], "did you mean 'nginx'?"),
        (["compile", "--library", "nginx=enfroce", "--check"], "did you mean 'enforce'?"),
    ],
)
def test_near_misses_are_named(arguments: list[str], advice: str) -> None:
    done = tomoyo(*arguments)
    assert done.status == 2
    assert f"\nhelp: {advice}\n" in done.messages


def test_a_file_that_was_probably_meant_is_named(broken: Path) -> None:
    done = tomoyo("check", broken.with_suffix(".cnf"))
    assert (done.status, done.messages.partition("\n")[2]) == (2, f"help: did you mean '{broken}'?\n")


@pytest.mark.parametrize("command", ["check", "lint"])
def test_at_most_20_of_a_kind_are_shown(command: str, tmp_path: Path) -> None:
    path = tmp_path / "domain_policy.conf"
    path.write_text("<kernel> /a\nuse_profile 3\n" + "".join(f"file raed /x{number}\n" for number in range(25)) + "use_group x\n")
    done = tomoyo(command, path)
    told = done.messages + done.output
    assert told.count("[dropped-line]\n    file") == 20
    assert "tomoyo: note: 5 more of this kind [dropped-line]\nhelp: --all shows them\n" in told
    assert "module 'x'" in told or "there is no module x" in told
    assert (done.messages == "") is (command == "lint")
    every = tomoyo(command, "--all", path)
    assert (every.messages + every.output).count("[dropped-line]\n    file") == 25
    assert "more of this kind" not in every.messages + every.output
    assert sum(one["code"] == "dropped-line" for one in tomoyo(command, "--json", path).diagnostics) == 25
    # The next call begins anew.
    assert tomoyo(command, path) == done


def test_colours_are_for_terminals(broken: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    one = Diagnostic(Severity.ERROR, "x", "wrong", "do this")
    assert "\033[31merror\033[0m" in messages.shown(one, Terminal())
    assert "\033" not in messages.shown(one, io.StringIO())


# For programs


def commands(option: str) -> list[str]:
    """The commands that have OPTION."""
    from importlib import import_module

    modules = {name: import_module(f"tomoyo.cli.commands.{name}") for name in COMMANDS}
    return [name for name, module in modules.items() if command_parser(module, name, "").has_option(option)]


@pytest.mark.parametrize("name", commands("--json"))
@pytest.mark.parametrize("arguments", [["--nonsense"], ["--", "/nowhere/a", "/nowhere/b", "/nowhere/c"]])
def test_arguments_that_cannot_be_used_are_reported_as_json(name: str, arguments: list[str], tmp_path: Path) -> None:
    kernel = ["--interface", str(tmp_path)] if name in ("status", "ps", "mode", "gc") and "--" in arguments else []
    done = tomoyo(name, *kernel, "--json", *arguments)
    assert done.status in (2, 3)
    # Streams write a line each.
    document = json.loads(done.output if done.output.startswith("{\n") else done.output.splitlines()[-1])
    assert set(document) <= {"diagnostics", "result"}
    assert document.get("result") is None
    assert document["diagnostics"], done
    for one in document["diagnostics"]:
        assert set(one) == FIELDS
        assert set(one["place"]) == {"file", "line", "column", "text"}
        assert one["severity"] in ("error", "warning", "note")
    assert done.messages == ""


@pytest.mark.parametrize("name", ["check", "fmt", "stat", "lint", "select", "bind"])
def test_a_broken_policy_is_reported_as_json(name: str, broken: Path) -> None:
    more = {"select": ["--name", "/a"], "bind": ["--closure-file", "/dev/null"]}.get(name, [])
    done = tomoyo(name, "--json", *more, broken)
    assert done.status in (1, 2)
    one = next(one for one in done.diagnostics if one["code"] == "dropped-line")
    assert one["place"] == {"file": str(broken), "line": 3, "column": 6, "text": "file raed /x"}
    assert (one["severity"], one["subject"]) == ("error", "file raed /x" if name == "lint" else "raed")
    assert one["help"] == "did you mean 'read'?"


def test_a_finding_has_its_related_places(broken: Path) -> None:
    (one,) = (one for one in tomoyo("lint", "--json", broken).diagnostics if one["code"] == "duplicate")
    assert one["related"] == [{"file": str(broken), "line": 4, "column": 1, "text": "file read /y"}]


def test_a_stream_has_its_messages_as_lines(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("#2026/11/24 08:00:00# nonsense\n\n" * 2)
    done = tomoyo("audit", "--json", tmp_path / "log")
    found = [json.loads(line)["diagnostics"] for line in done.output.splitlines()]
    assert found
    assert all(set(one) == FIELDS for (one,) in found)
    assert done.messages == ""


# SARIF

#: The properties that the schema of SARIF 2.1.0 requires, by the path to the objects that must have them.
REQUIRED = {
    "": {"version", "runs"},
    "runs": {"tool"},
    "runs.tool": {"driver"},
    "runs.tool.driver": {"name"},
    "runs.tool.driver.rules": {"id"},
    "runs.results": {"message"},
    "runs.results.message": {"text"},
    "runs.invocations": {"executionSuccessful"},
    "runs.invocations.toolExecutionNotifications": {"message"},
}


def objects(value: Any, path: list[str]) -> list[Any]:
    """All that stands at PATH of VALUE."""
    found = [value]
    for key in path:
        found = [below for one in found if key in one for below in (one[key] if isinstance(one[key], list) else [one[key]])]
    return found


@pytest.mark.parametrize("name", ["check", "lint"])
@pytest.mark.parametrize("given", ["domain_policy.conf", "nowhere", "--nonsense"])
def test_sarif_has_what_its_schema_requires(name: str, given: str, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(broken.parent)
    done = tomoyo(name, "--sarif", given)
    assert done.messages == ""
    log = json.loads(done.output)
    for path, required in REQUIRED.items():
        assert all(required <= set(one) for one in objects(log, path.split(".") if path else []))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    levels = ("none", "note", "warning", "error")
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert set(LINT_CODES) <= {rule["id"] for rule in rules}
    assert all(rule["defaultConfiguration"]["level"] in levels for rule in rules if rule["id"] in LINT_CODES)
    assert bool(run["results"]) is (given == broken.name)
    assert run["invocations"][0]["executionSuccessful"] is (given == broken.name)
    assert bool(run["invocations"][0]["toolExecutionNotifications"]) is (given != broken.name)
    for result in run["results"]:
        assert result["level"] in levels
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        for location in [*result["locations"], *result.get("relatedLocations", [])]:
            physical = location["physicalLocation"]
            uri = urlsplit(physical["artifactLocation"]["uri"])
            assert (uri.scheme, uri.netloc, Path(unquote(uri.path)).read_text()) == ("", "", BROKEN)
            region = physical["region"]
            assert region["snippet"]["text"] == BROKEN.split("\n")[region["startLine"] - 1]
            assert 1 <= region["startColumn"] <= len(region["snippet"]["text"]) + 1


def test_sarif_names_odd_files_and_counts_characters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "a b%é#.domain_policy").write_text("<kernel> /a\nfile read /\u20ac raed\n")
    log = json.loads(tomoyo("check", "--sarif", "--kind", "domain", "../a b%é#.domain_policy").output)
    places = objects(log, ["runs", "results", "locations", "physicalLocation"])
    assert {place["artifactLocation"]["uri"] for place in places} == {"../a%20b%25%C3%A9%23.domain_policy"}
    assert [place["region"]["startColumn"] for place in places] == [12, 14]


def test_the_commands_with_sarif() -> None:
    assert commands("--sarif") == ["check", "lint"]

"""Mistakes that the command recognises: a near miss of any name, what was exchanged, and files of another kind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ..sample import SAMPLE
from .command import tomoyo

NOTES = "<kernel> nix:/notes/bin/notes"
#: What was written, and what was meant.
ARGUMENTS: list[tuple[list[str], str]] = [
    (["chek"], "check"),
    (["help", "chek"], "check"),
    (["man", "chek"], "check"),
    (["check", "--jsn"], "--json"),
    (["check", "-json"], "--json"),
    (["check", "--kind", "domian"], "domain"),
    (["save", "--stdout", "excepton"], "exception"),
    (["completion", "bsh"], "bash"),
    (["compile", "--unresolved", "igonre"], "ignore"),
    (["compile", "--library", "ngnix", "-o", "x"], "nginx"),
    (["compile", "--library", "nginx=enforcd", "-o", "x"], "enforce"),
    (["compile", "--library", "nginx=permisive", "-o", "x"], "permissive"),
    (["lint", "--only", "wrong-directry"], "wrong-directory"),
    (["lint", "--allow", "wrong-directry"], "wrong-directory"),
    (["lint", "--explain", "wrong-directry"], "wrong-directory"),
    (["lint", "--severity", "warnin"], "warning"),
    (["can", "--policy", "policy", "--op", "raed", "--path", "/a"], "read"),
    (["can", "--policy", "policy", "fiel", "read", "/a"], "file"),
    (["explain", "--policy", "policy", NOTES, "file", "raed", "/a"], "read"),
    (["explain", "--policy", "policy", NOTES, "file", "read", "/a", "tsk.uid=0"], "task.uid"),
    (["explain", "--policy", "policy", NOTES[:-1], "file", "read", "/a"], NOTES),
    (["select", "--name", "nix:/notes/bin/note", "policy"], "nix:/notes/bin/notes"),
    (["ps", "--mode", "enforcng"], "enforcing"),
    (["mode", "--name", "a", "--set", "learnin"], "learning"),
    (["audit", "--mode", "permisive", "audit.log"], "permissive"),
    (["audit", "--operation", "raed", "audit.log"], "read"),
    (["notify", "--source", "audti", "--", "a"], "audit"),
    (["convert", "--keep", "tsk.uid", "audit.log"], "task.uid"),
    (["suggest", "--rule", "proces", "audit.log"], "process"),
    (["check", "polcy"], "policy"),
]
#: The kind of a policy text, the text and what was meant.
TEXTS = [
    ("domain", "<kernel>\nuse_profle 1\n", "use_profile"),
    ("domain", "<kernel>\nfiel read /a\n", "file"),
    ("domain", "<kernel>\nfile raed /a\n", "read"),
    ("domain", "<kernel>\nfile read /a tsk.uid=0\n", "task.uid"),
    ("domain", "<kernel>\nnetwork inet straem bind 1.1.1.1 1\n", "stream"),
    ("exception", "initalize_domain /a from any\n", "initialize_domain"),
    ("exception", "path_gruop A /b\n", "path_group"),
    ("profile", "1-CONFG={ mode=enforcing }\n", "CONFIG"),
    ("profile", "1-CONFIG={ mode=enforce }\n", "enforcing"),
    ("profile", "1-CONFIG={ mode=enforcing grant_lgo=yes }\n", "grant_log"),
    ("profile", "1-PREFERENCE={ max_audit_lgo=1 }\n", "max_audit_log"),
    ("stat", "Memory used by polcy: 1\n", "policy"),
]
#: Lines of ``tomoyo.toml``, and what was meant.
PROJECTS = [('soruce = "policy"', "source"), ('unresolved = "igonre"', "ignore"), ('library = ["ngnix"]', "nginx")]
#: Lines of a policy source, and what was meant.
NAMES = [
    ("file read @nix:/notes/share/notes/hepl", "nix:/notes/share/notes/help"),
    ("file read @nix:/busybx/bin/cat", "busybox"),
    ("use_group bsae", "base"),
]
#: Arguments that were exchanged or are of another kind, with what is said.
EXCHANGED = [
    (["explain", "--policy", NOTES, "policy", "file", "read", "/a"], f"--policy '{NOTES}': a domain, not a policy"),
    (["explain", "policy", NOTES, "file", "read", "/a"], "'policy': a file, not a domain"),
    (["explain", "--policy", "policy", "file", "read", "/a"], "no domain is given"),
    *((["audit", path], f"{path}: error: domain policy, not an audit log") for path in ["policy/domain_policy.conf"]),
    (["replay", "--policy", "audit.log", "policy/domain_policy.conf"], "audit.log: error: an audit log, not policy"),
    (["replay", "--policy", "policy", "policy/domain_policy.conf"], "domain policy, not an audit log"),
    (["convert", "policy/domain_policy.conf"], "domain policy, not an audit log"),
    (["suggest", "policy/exception_policy.conf"], "exception policy, not an audit log"),
    *(
        ([*words, "audit.log"], "an audit log, not policy")
        for words in (["check"], ["lint"], ["fmt"], ["name"], ["plan", "policy"])
    ),
    (["can", "--policy", "audit.log", "--op", "read", "--path", "/a"], "an audit log, not policy"),
    (["select", "--name", NOTES, "policy/exception_policy.conf"], "holds exception policy, but domain policy is wanted"),
    *(([command, "program"], "a binary file") for command in ("check", "lint", "fmt", "stat", "audit", "convert", "suggest")),
    (["activate", "policy"], "which a policy set must have"),
    (["boot", "--check", "audit.log"], "not a directory"),
    (["bind", "--closure-file", "policy/domain_policy.conf", "policy"], "expected a store path"),
]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAMPLE, tmp_path / "sample", symlinks=True)
    monkeypatch.chdir(tmp_path / "sample")
    Path("program").write_bytes(b"\x7fELF\0\0\0\0" * 10)
    return tmp_path / "sample"


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(("words", "meant"), ARGUMENTS, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_near_miss_of_an_argument(words: list[str], meant: str) -> None:
    done = tomoyo(*words)
    assert done.status == 2
    assert f"help: did you mean '{meant}'?" in done.messages, done.messages


@pytest.mark.parametrize(("kind", "text", "meant"), TEXTS)
def test_a_near_miss_in_a_policy(kind: str, text: str, meant: str) -> None:
    done = tomoyo("check", "--kind", kind, "-", stdin=text.encode())
    assert (done.status, done.messages.count(f"help: did you mean '{meant}'?")) == (1, 1), done.messages


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(("line", "meant"), PROJECTS)
def test_a_near_miss_in_a_project_file(line: str, meant: str) -> None:
    os.makedirs("project")
    os.chdir("project")
    Path("tomoyo.toml").write_text(line + "\n")
    done = tomoyo("compile", "../policy", "-o", "x")
    assert (done.status, done.messages.count(f"help: did you mean '{meant}'?")) == (2, 1), done.messages


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(("line", "meant"), NAMES)
def test_a_near_miss_in_a_policy_source(line: str, meant: str) -> None:
    os.makedirs("source/domains")
    Path("source/domains/notes.conf").write_text(f"{NOTES}\nuse_profile 3\n{line}\n")
    done = tomoyo("compile", "source", "-o", "x")
    assert (done.status != 0, done.messages.count(f"help: did you mean '{meant}'?")) == (True, 1), done.messages


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(("words", "said"), EXCHANGED, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_what_was_exchanged_is_said_once(words: list[str], said: str) -> None:
    done = tomoyo(*words)
    assert done.status in (2, 3)
    assert said in done.messages, done.messages
    assert done.messages.count(": error: ") == 1, done.messages
    assert "\nhelp: " in done.messages or "expected" in done.messages or "wanted" in done.messages


@pytest.mark.parametrize("command", [["audit", "--mode"], ["ps", "--mode"], ["mode", "--name", "/a", "--set"]])
@pytest.mark.parametrize(("state", "mode"), [("disable", "disabled"), ("learn", "learning"), ("enforce", "enforcing")])
def test_the_states_of_services_name_modes(command: list[str], state: str, mode: str, sample: Path) -> None:
    answers = [tomoyo(*command, word, *(["audit.log"] * (command[0] == "audit")), "--json") for word in (state, mode)]
    assert answers[0] == answers[1]
    assert '"usage"' not in answers[0].output
    assert sample.exists()


@pytest.mark.parametrize(
    "command", [["ps"], ["status"], ["save", "--stdout", "domain"], ["mode", "--name", "/a", "--set", "learning"], ["explain"]]
)
def test_a_command_without_tomoyo_points_to_doctor(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "security").mkdir()
    (tmp_path / "security/lsm").write_text("capability,yama")
    words = [NOTES, "file", "read", "/a"] if command == ["explain"] else []
    done = tomoyo(*command, "--interface", tmp_path / "security/tomoyo", *words)
    assert done.status == 3
    assert "help: boot with tomoyo in lsm=; 'tomoyo doctor' finds every reason\n" in done.messages

"""The command that brings a kernel to a set: called plainly, as a system's start does, it is the same and loads little."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import tomoyo as package
from tomoyo.activation import activation, cleanup, state
from tomoyo.activation.outcome import ActivationError, InactiveError, Outcome
from tomoyo.activation.plan import Plan, Write
from tomoyo.kernel.securityfs import SecurityfsError
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set
from tomoyo.syntax.lines import Effect, PolicySyntaxError, Problem

from .command import Done, tomoyo

PROBLEM = Problem(Effect.DROPPED, 0, "file nothing /x", "unknown operation", ())


def raising(error: BaseException) -> Callable[..., Outcome]:
    def activate(*_: object, **__: object) -> Outcome:
        raise error

    return activate


@pytest.mark.parametrize(
    ("does", "status"),
    [
        (lambda *_, **__: Outcome(), 0),
        (lambda *_, **__: Outcome(Plan((Write("domain_policy", "file read /x", "<kernel> /a"),), ("kept",), ("left",))), 0),
        (lambda *_, keep_learned, inactive, **__: Outcome(Plan((Write("profile", f"{keep_learned} {inactive}"),))), 0),
        (raising(ActivationError("the kernel did not take: x\x1b[1m")), 3),
        (raising(InactiveError("TOMOYO is not active")), 3),
        (raising(SecurityfsError(errno.EPERM, "/sys/kernel", "only root may do this; use sudo")), 3),
        (raising(PolicySetError("/set", "others may write to it")), 2),
        (raising(PolicySyntaxError("domain_policy.conf", 3, 1, PROBLEM)), 2),
        (raising(PermissionError(errno.EACCES, "Permission denied", "/run/tomoyo")), 3),
        (raising(OSError(errno.EIO, "Input/output error", "/set/profile.conf")), 3),
        (raising(KeyboardInterrupt()), 130),
    ],
)
@pytest.mark.parametrize("options", [(), ("--keep-learned",), ("--inactive",), ("--inactive", "--keep-learned")])
def test_called_plainly_it_says_the_same(
    monkeypatch: pytest.MonkeyPatch, does: Callable[..., Outcome], status: int, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(activation, "activate", does)
    ways: list[Done] = [
        tomoyo("activate", *options, "/set"),
        tomoyo("activate", "/set", *options),
        tomoyo("activate", *options, "--", "/set"),
    ]
    assert ways[0] == ways[1] == ways[2]
    assert ways[0].status == status
    assert "\x1b" not in ways[0].messages


def test_a_refused_line_is_shown_with_a_caret(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(Effect.DROPPED, 5, "raed", "no file operation", "")
    error = PolicySyntaxError("domain_policy.conf", 3, 7, problem, "\x1bfile raed /x")
    monkeypatch.setattr(activation, "activate", raising(error))
    done = tomoyo("activate", "/set")
    shown = "    \\x1bfile raed /x\n" + " " * 13 + "^\n"
    assert (
        done.messages
        == f"domain_policy.conf:3:7: error: no file operation: 'raed' [dropped-line]\n{shown}help: did you mean 'read'?\n"
    )
    monkeypatch.setattr(
        activation, "activate", raising(PolicySetError("/set/domain_policy.conf", "no profile", 2, "<kernel> /a"))
    )
    done = tomoyo("activate", "/set")
    assert (done.status, done.messages) == (
        2,
        "/set/domain_policy.conf:2:1: error: no profile [unusable-set]\n    <kernel> /a\n    ^\n",
    )


def test_a_long_line_is_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"file read /{'x' * 3000} raed"
    problem = Problem(Effect.DROPPED, 0, "raed", "not a condition", "")
    monkeypatch.setattr(activation, "activate", raising(PolicySyntaxError("d", 1, len(source) - 3, problem, source)))
    shown, caret = tomoyo("activate", "/set").messages.splitlines()[1:3]
    assert len(shown) < 130
    assert shown[caret.index("^") :] == "raed"


def test_an_error_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation, "activate", raising(ValueError("ours")))
    with pytest.raises(ValueError, match="ours"):
        tomoyo("activate", "/set")


@pytest.mark.parametrize(
    "arguments", [(), ("/a", "/b"), ("--nonsense", "/a"), ("--keep-learned",), ("--help",), ("--json", "/missing")]
)
def test_anything_else_is_for_the_parser(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert tomoyo("activate", *arguments).status == (0 if arguments == ("--help",) else 2)


def test_called_plainly_it_loads_nothing_that_takes_long(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    profiles = "0-CONFIG={ mode=disabled }\n3-CONFIG={ mode=enforcing }\n"
    given = PolicySet("<kernel> /a\nuse_profile 3\n\nfile read /x\n\n", profile=profiles).as_held()
    stand_in = tmp_path / "kernel"
    stand_in.mkdir()
    for name in ("domain_policy", "exception_policy", "profile", "manager", "stat"):
        (stand_in / name).write_text(getattr(given, name))
    write_policy_set(replace(given, stat=""), tmp_path / "set")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "current").symlink_to(tmp_path / "set")
    script = f"""
import sys
sys.path.insert(0, {str(Path(package.__file__).parents[1])!r})
before = set(sys.modules)
from tomoyo.cli import main
from tomoyo.activation import activation
from tomoyo.kernel.securityfs import Securityfs
class StandIn(Securityfs):
    active = True
    def __init__(self, **_):
        super().__init__({str(stand_in)!r})
activation.Securityfs = StandIn
activation.activate.__kwdefaults__.update(state={str(tmp_path / "state")!r}, locks={str(tmp_path / "locks")!r})
status = main(["activate", {str(tmp_path / "set")!r}])
print(*sorted(set(sys.modules) - before))
sys.exit(status)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("tomoyo.")} == {
        *("tomoyo.cli.commands", "tomoyo.model", "tomoyo.model.errors", "tomoyo.sets", "tomoyo.simulation"),
        *("tomoyo.cli", "tomoyo.cli.commands.activate", "tomoyo.cli.messages", "tomoyo.cli.streams", "tomoyo.kernel"),
        *("tomoyo.sets.links", "tomoyo.simulation.policy_reading", "tomoyo.kernel.securityfs", "tomoyo.sets.directory"),
        *("tomoyo.kernel.held_policy", "tomoyo.activation", "tomoyo.activation.activation", "tomoyo.activation.outcome"),
        "tomoyo.activation.state",
    }
    assert not loaded & {
        "argparse",
        "collections",
        "contextlib",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "json",
        "re",
        "typing",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ["activate", "/set"],
        ["activate", "--json", "/set"],
        ["plan", "/set"],
        ["gc"],
        ["mode", "--name", "/a", "--set", "learning"],
    ],
)
def test_whoever_is_not_root_is_told_so(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = raising(PermissionError(errno.EACCES, "Permission denied", "/run/tomoyo"))
    for module, name in ((activation, "activate"), (state, "Lock"), (cleanup, "collect_garbage")):
        monkeypatch.setattr(module, name, refusal)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    done = tomoyo(*arguments)
    told = "permission denied"
    assert done.status == 3
    if "--json" in arguments:
        assert [(one["code"], one["message"]) for one in done.diagnostics] == [("system", told)]
    else:
        assert done.messages == f"/run/tomoyo: error: {told} [system]\nhelp: run this as root, or as a user who has access\n"


def test_a_plan_does_nothing_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan((Write("manager", "/bin/\x1b[31mred"), Write("domain_policy", "file read /\x07", "<kernel> /a")))
    monkeypatch.setattr(activation, "activate", lambda *_, **__: Outcome(plan))
    for arguments in (["activate", "--dry-run", "/set"], ["plan", "/set"]):
        done = tomoyo(*arguments)
        assert done.output == "manager: /bin/\\x1b[31mred\ndomain_policy: <kernel> /a\ndomain_policy: file read /\\x07\n"

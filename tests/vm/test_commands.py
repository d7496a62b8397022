"""The commands that look at a running kernel and change modes, beside the C tools that do the like."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from typing import Any

import pytest

from tomoyo.sets.directory import FILES

from . import guest, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

PROFILES = guest.PROFILES.decode()
DOMAINS = """\
<kernel> /usr/bin/s
use_profile 1
file read /etc/x
<kernel> /usr/bin/s /a
use_profile 0
<kernel> /z
use_profile 2
quota_exceeded
"""
MARKED = "\x1b[31m)\t"
RUN = ("/bin/sh", "-c", f"printf '{MARKED}' > /proc/$$/comm; echo; while :; do sleep 60; done")
FOLDER = guest.FOLDER
TOOLS = ("tomoyo-pstree", "tomoyo-setprofile")


def answers(kernel: Kernel, steps: list[list[str]], files: dict[str, bytes] | None = None) -> list[Any]:
    given = {**(files or {}), "steps.json": json.dumps(steps).encode()}
    found: list[Any] = json.loads(machine.run(kernel, "commands", files=given).files["answers.json"])
    return found


def shown(text: str) -> dict[str, int]:
    """Domains and profiles as both kinds of tools print them."""
    lines = (re.fullmatch(r" *(\d+) (?:[a-z]+ +)?(<.*)", line) for line in text.splitlines())
    return {found[2]: int(found[1]) for found in lines if found}


def test_before_activation(kernel: Kernel) -> None:
    status, doctor, mode = answers(kernel, [["tomoyo", "status"], ["tomoyo", "doctor", "--json"], ["tomoyo", "mode"]])
    told = status[1].splitlines()
    assert (status[0], told[0]) == (1, "TOMOYO 2.6.0: not active")
    assert told[1].startswith("  the command line names ")  # why, as doctor says
    assert "domains: 1 (1 undefined)" in told
    assert doctor[0] == 1
    assert [finding["code"] for finding in json.loads(doctor[1])["diagnostics"]] == ["trigger", "active"]
    assert mode[1] == "  0 undefined  <kernel>\n"


@pytest.mark.skipif(not all(map(shutil.which, TOOLS)) and "CI" not in os.environ, reason="the C tools are not installed")
def test_they_do_as_the_c_tools_do(kernel: Kernel) -> None:
    tree, change = (shutil.which(tool) or "" for tool in TOOLS)
    steps = [
        ["activate", PROFILES, tree, change],
        ["write", "domain_policy", DOMAINS],
        ["start", *RUN],
        ["program", tree, "-a"],
        ["tomoyo", "ps", "-a", "--json"],
        ["program", change, "-r", "3", "<kernel> /usr/bin/s"],
        ["tomoyo", "mode", "-r", "--name", "/usr/bin/s"],
        ["tomoyo", "mode", "-r", "--name", "<kernel> /usr/bin/s", "--set", "permissive"],
        ["program", change, "-r", "1", "<kernel> /usr/bin/s"],
    ]
    _, _, pid, theirs, ours, *changes = answers(kernel, steps)
    processes = json.loads(ours[1])["result"]
    listed = re.findall(r"^ *(\d+)[ +-]* (.*) \((\d+)\) (<.*)$", theirs[1], re.MULTILINE)
    wanted = {int(number): (int(profile), domain) for profile, _, number, domain in listed}
    assert len(wanted) > 20
    found = {process["pid"]: (process["profile"], process["domain"]) for process in processes}
    # Threads of the kernel come and go, and the tool is there only while it looks.
    assert {number: found[number] for number in wanted.keys() & found.keys()} == {
        number: wanted[number] for number in wanted.keys() & found.keys()
    }
    assert len(wanted.keys() & found.keys()) > 20
    [process] = [process for process in processes if process["pid"] == pid]
    assert process["name"] == "\\033[31m)\\011"
    assert process["depth"] == 2
    assert [shown(output) for _, output, _ in changes] == [
        {"<kernel> /usr/bin/s": number, "<kernel> /usr/bin/s /a": number} for number in (3, 3, 2, 1)
    ]


SET = {
    "domain_policy": f"<kernel>\nuse_profile 0\n\n{DOMAINS}",
    "exception_policy": "",
    "bindings": "aggregator /nix/store/00000000000000000000000000000000-s-1/bin/s nix:/s/bin/s\n",
    "profile": PROFILES,
    "manager": "/bin/x\n",
}


def test_status_and_modes(kernel: Kernel) -> None:
    steps = [
        ["activate", PROFILES, "/bin/x"],
        ["write", "domain_policy", SET["domain_policy"]],
        ["write", "exception_policy", f"{SET['bindings']}aggregator /nix/store/{'1' * 32}-s-2/bin/s nix:/s/bin/s\n"],
        ["tomoyo", "status", "--json", "set"],
        ["tomoyo", "status", "set"],
        ["tomoyo", "doctor", "--json"],
        ["tomoyo", "mode", "--glob", "*", "--set", "enforcing"],
        ["tomoyo", "mode", "--name", "/usr/bin/s", "--set", "enforcing"],
        ["tomoyo", "mode", "--name", "/z", "--profile", "9"],
        ["tomoyo", "mode", "--name", "/z", "--set", "enforcing", "--force"],
        ["tomoyo", "mode", "--name", "/none", "--set", "learning"],
        ["tomoyo", "mode"],
        ["tomoyo", "boot", "--check", "set"],
    ]
    files = {f"set/{FILES[name]}": text.encode() for name, text in SET.items()}
    _, _, _, status, told, doctor, everything, one, undefined, forced, none, modes, check = answers(kernel, steps, files)
    found = json.loads(status[1])["result"]
    assert (status[0], found["version"], found["active"]) == (1, "2.6.0", True)
    assert found["domains"] == {"disabled": 2, "learning": 1, "permissive": 1}
    assert found["processes"] == {"disabled": sum(found["processes"].values())}
    assert found["quota_exceeded"] == ["<kernel> /z"]
    assert found["stale_bindings"] == [f"aggregator /nix/store/{'1' * 32}-s-2/bin/s nix:/s/bin/s"]
    # What the kernel has by itself, and the Python that runs this, are not in the set.
    assert found["drift"] == [
        "exception policy: 2 transition controls not wanted",
        "exception policy of <kernel>: 1 aggregator not wanted",
        "managers: 1 manager not wanted",
    ]
    assert "differences from the set: 3\n" in told[1]
    assert [finding["code"] for finding in json.loads(doctor[1])["diagnostics"]] == ["quota-exceeded"]
    assert everything[0] == 1
    assert everything[2].count("has no entries") == 3
    assert (one[0], one[1]) == (0, "  3 enforcing  <kernel> /usr/bin/s\n")
    assert undefined[0] == 2
    assert "profile 9 is not defined in <kernel>" in undefined[2]
    assert (forced[0], forced[1]) == (0, "  3 enforcing  <kernel> /z\n")
    assert none[0] == 2  # there is no such domain
    assert shown(modes[1]) == {"<kernel>": 0, "<kernel> /usr/bin/s": 3, "<kernel> /usr/bin/s /a": 0, "<kernel> /z": 3}
    assert check == [0, "", ""]


MANY = "".join(
    f"{name}\nuse_profile {profile}\n\nfile read /etc/{entry}\n\n"
    for name, profile, entry in (
        ("<kernel> /opt/s", 1, "x"),
        ("<kernel> /opt/s /a", 0, "y"),
        ("<kernel> /opt/s /a /opt/s", 0, "x"),
        ("<kernel> /opt/ssh", 0, "xyz"),
        ("<kernel> /b /opt/s", 2, "z"),
        ("<other>", 1, "x"),
        ("<other> /opt/s", 1, "z"),
    )
)
ALL = [line for line in MANY.splitlines() if line.startswith("<")]
#: What is meant: arguments for the C tool, and for ours.
SELECTIONS: dict[str, tuple[list[str], list[str]]] = {
    "one": (["<kernel> /opt/s"], ["--name", "<kernel> /opt/s"]),
    "two": (["<kernel> /opt/s /a", "<other>"], ["--name", "<kernel> /opt/s /a", "--name", "<other>"]),
    "a program wherever it runs": ([name for name in ALL if name.endswith(" /opt/s")], ["--name", "/opt/s"]),
    "what begins so": ([name for name in ALL if name.startswith("<kernel> /opt/s")], ["--prefix", "<kernel> /opt/s"]),
    "a namespace": (["-r", "<other>"], ["-r", "--name", "<other>"]),
    # Not ssh: its manual says "starts with", but the tool means whole words, too.
    "one and those below": (["-r", "<kernel> /opt/s"], ["-r", "--name", "<kernel> /opt/s"]),
    "a glob": ([name for name in ALL if name.startswith("<kernel> /opt/s")], ["--glob", "<kernel> /opt/s*"]),
    "a glob over levels": ([name for name in ALL if name.count("/opt/s") > 1], ["--glob", "* /opt/s */s"]),
    "all": (ALL, ["--glob", "<other>*", "--prefix", "<kernel> /opt/", "--glob", "<kernel> /b *"]),
}
LOOKING = ("tomoyo-setprofile", "tomoyo-selectpolicy", "tomoyo-setlevel", "tomoyo-domainmatch", "tomoyo-pstree")


@pytest.mark.skipif(not all(map(shutil.which, LOOKING)) and "CI" not in os.environ, reason="the C tools are not installed")
def test_each_selection_means_the_same_to_the_c_tools(kernel: Kernel) -> None:
    change, choose, level, match, tree = (shutil.which(tool) or "" for tool in LOOKING)
    profiles = PROFILES + "".join(f"<other> {line}\n" for line in PROFILES.splitlines())
    steps = [["activate", PROFILES, *(shutil.which(tool) or "" for tool in LOOKING)], ["write", "profile", profiles]]
    steps += [["write", "domain_policy", MANY], ["read", "domain_policy"]]
    reset = ["write", "domain_policy", MANY]
    for theirs, ours in SELECTIONS.values():
        for command in (["program", change, *_options(theirs, "3")], ["tomoyo", "mode", *ours, "--profile", "3"]):
            steps += [reset, command, ["tomoyo", "mode", "--json"]]
        steps += [reset, ["tomoyo", "mode", *ours, "--set", "enforcing"], ["tomoyo", "mode", "--json"]]
        steps += [
            ["shell", f"{choose} {shlex.join(theirs)} < {FOLDER}/domain_policy > chosen"],
            ["program", "/bin/cat", "/run/chosen"],
        ]
        steps += [["tomoyo", "select", *ours, f"{FOLDER}/domain_policy"]]
    per = 3 * 3 + 3
    steps += [reset, ["program", match, "file read /etc/x"]]
    steps += [["program", level, "1-CONFIG={ mode=enforcing }"], ["tomoyo", "mode", "--json"], ["read", "profile"]]
    steps += [["program", tree], ["tomoyo", "ps", "--json"]]
    found = answers(kernel, steps)
    rest = found[4:]
    for number, (name, (theirs, _)) in enumerate(SELECTIONS.items()):
        _, c_tool, c_state, _, ours, state, _, by_mode, mode_state, _, chosen, selected = rest[number * per : (number + 1) * per]
        states = [_profiles(each[1]) for each in (c_state, state, mode_state)]
        # Setting a mode leaves a domain alone that is in it already; here none is.
        assert states[0] == states[1] == states[2], name
        changed = {domain for domain, profile in states[0].items() if profile == 3}
        assert changed, name
        assert shown(ours[1]) == shown(by_mode[1]) == dict.fromkeys(changed, 3), name
        assert c_tool[0] == ours[0] == by_mode[0] == 0, name
        if "-r" in theirs or len(theirs) == 1:
            assert shown(c_tool[1]).keys() == changed, name
        assert selected[1] == chosen[1], name
    matched, _, after, profile, processes, ours = rest[len(SELECTIONS) * per + 1 :]
    # It looks for a text anywhere in a line.
    expected = [name for name in ALL if any("file read /etc/x" in text for text in _entries(MANY, name))]
    assert [line for line in matched[1].splitlines() if line.startswith("<")] == expected
    assert "1-CONFIG={ mode=enforcing " in profile
    modes = {state["domain"]: state["mode"] for state in json.loads(after[1])["result"]}
    assert modes["<kernel> /opt/s"] == "enforcing"
    assert modes["<other>"] == "learning"  # another namespace has its own profiles
    pids = {int(number) for number in re.findall(r"^ *\d+[ +-]* .* \((\d+)\) <", processes[1], re.MULTILINE)}
    listed = {process["pid"] for process in json.loads(ours[1])["result"] if "pstree" not in process["domain"]}
    assert listed <= pids
    assert len(listed) >= 2


def _options(theirs: list[str], number: str) -> list[str]:
    """The C tool's arguments with the profile where it wants it."""
    return ["-r", number, *theirs[1:]] if theirs[0] == "-r" else [number, *theirs]


def _profiles(text: str) -> dict[str, int]:
    """Domains that are no by-product of running the test, by name."""
    return {state["domain"]: state["profile"] for state in json.loads(text)["result"] if state["domain"] in ALL}


def _entries(policy: str, name: str) -> list[str]:
    return f"\n{policy}".partition(f"\n{name}\n")[2].partition("\n<")[0].splitlines()

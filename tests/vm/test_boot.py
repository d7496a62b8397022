"""A kernel started with our boot loader, and sets that are whole, damaged or malicious: it always comes up.

Each case is rehearsed with every shell, that is, the loader runs in an inactive kernel; those that differ most are booted, too.
`TOMOYO_TEST_BOOTS=all` boots every case with every shell.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tomoyo.boot.loader import boot_script, domain_managers
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import Request
from tomoyo.decision.transition import transition
from tomoyo.model.entries import Kind
from tomoyo.simulation.simulated_kernel import KernelPanic, SimulatedKernel
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.exception_policy import parse_exception_policy
from tomoyo.syntax.lines import Reading
from tomoyo.syntax.profiles import parse_profile

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .layout import TRIGGER

__all__ = ["kernel", "kernel_release"]

SHELLS = {"dash": "/bin/dash", "bash": "/bin/bash", "busybox": "/bin/busybox sh"}
ALL = os.environ.get("TOMOYO_TEST_BOOTS") == "all"

PROFILES = """\
PROFILE_VERSION=20150505
0-COMMENT=off
0-PREFERENCE={ max_audit_log=1024 max_learning_entry=2048 }
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
3-COMMENT=on
3-PREFERENCE={ max_audit_log=7 max_learning_entry=9 }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
3-CONFIG::file::open={ mode=permissive grant_log=no reject_log=yes }
"""
DOMAINS = """\
<kernel>
use_profile 0
use_group 5

file read /etc/hosts
misc env PATH

<kernel> /usr/bin/a
use_profile 3
use_group 0

file read @nix:/glibc/lib/libc.so.6
file execute /usr/bin/b

<kernel> /usr/bin/a /usr/bin/b
use_profile 3

network inet stream connect @NET 80

"""
EXCEPTIONS = """\
initialize_domain /usr/bin/a from any
address_group NET 10.0.0.0-10.255.255.255
acl_group 0 file read /etc/passwd
"""
BINDINGS = "path_group nix:/glibc/lib/libc.so.6 /nix/store/0123-glibc/lib/libc.so.6\n"
SET = {
    "profile.conf": PROFILES,
    "manager.conf": "/usr/bin/tomoyo\n",
    "exception_policy.conf": EXCEPTIONS,
    "bindings.conf": BINDINGS,
    "domain_policy.conf": DOMAINS,
    "stat.conf": "Memory used by policy: 50000000\n",
}
PREVIOUS = {
    "profile.conf": "PROFILE_VERSION=20150505\n0-COMMENT=\n1-COMMENT=before\n",
    "manager.conf": "/usr/bin/before\n",
    "exception_policy.conf": "keep_domain any from <kernel> /usr/bin/before\n",
    "domain_policy.conf": "<kernel>\nuse_profile 1\n\n<kernel> /usr/bin/before\nuse_profile 0\n\n",
}
SPACE = "<x>\nuse_profile 0\n\n<x> /a\nuse_profile 3\n\nfile read /x\n\n"


@dataclass(frozen=True)
class Case:
    """A set, what is done to it, and what the log then says.

    `own` takes SET with these files changed; `command` runs in the folder that holds it as `set`; `sizes` bakes the sizes of SET
    into the loader. `loads` where the set is used all the same.
    """

    reason: str
    own: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    sizes: bool = False
    loads: bool = False
    folder: str = ""


HALF = len(DOMAINS) // 2
CASES = {
    # First, as nothing can take away the profiles that later cases leave in a rehearsal.
    "quota": Case("the quota for policy, 1000, is left out", {"stat.conf": "Memory used by policy: 1000\n"}, loads=True),
    "report": Case(
        "the quota for policy, 1000, is left out",
        {
            "stat.conf": "Policy update: 16\nMemory used by policy: 90000000 (Quota: 1000)\n"
            "Memory used by audit log: 90000000\nTotal memory used: 180000000\n"
        },
        loads=True,
    ),
    "empty domain policy": Case("domain_policy.conf is empty", {"domain_policy.conf": ""}),
    "empty profiles": Case("profile.conf is empty", {"profile.conf": ""}),
    "truncated": Case(f"domain_policy.conf has {HALF} bytes instead of", {"domain_policy.conf": DOMAINS[:HALF]}, sizes=True),
    "profile version": Case(
        "namespace <kernel> has PROFILE_VERSION=20100903, not 20150505",
        {"profile.conf": PROFILES.replace("20150505", "20100903")},
    ),
    "undefined profile": Case(
        "profile 3, used by <kernel> /usr/bin/a, is not defined",
        {"profile.conf": "".join(line for line in PROFILES.splitlines(True) if not line.startswith("3-"))},
    ),
    "undefined profile 0": Case(
        "profile 0, used by <kernel>, is not defined",
        {"profile.conf": "".join(line for line in PROFILES.splitlines(True) if not line.startswith("0-"))},
    ),
    "unreadable": Case(
        "exception_policy.conf could not be read", command="mount --bind /sys/bus/pci/rescan set/exception_policy.conf"
    ),
    "missing folder": Case("there is no such folder", folder="/run/gone"),
    "missing file": Case("manager.conf is missing", command="rm set/manager.conf"),
    "directory": Case("domain_policy.conf is no regular file", command="rm set/domain_policy.conf; mkdir set/domain_policy.conf"),
    "fifo": Case("profile.conf is no regular file", command="rm set/profile.conf; mkfifo set/profile.conf"),
    "device": Case("bindings.conf is no regular file", command="rm set/bindings.conf; mknod set/bindings.conf c 1 5"),
    "dangling link": Case("exception_policy.conf is a symbolic link", command="ln -sf /run/nothing set/exception_policy.conf"),
    "garbage in domains": Case("bytes instead of", {"domain_policy.conf": bytes(range(256)).decode("latin-1") * 100}, sizes=True),
    "garbage in profiles": Case("profile 0, used by <kernel>, is not defined", {"profile.conf": "\x7f\x00\xff\x1b[2J" * 99}),
    "huge": Case("bindings.conf is too large", command="truncate -s 20G set/bindings.conf", sizes=True),
    "endless line": Case(
        "exception_policy.conf could not be read, or not be written", command="truncate -s 100M set/exception_policy.conf"
    ),
    "namespace": Case("profile 0, used by <x>, is not defined", {"domain_policy.conf": DOMAINS + SPACE}),
    "version of a namespace": Case(
        "namespace <x> has PROFILE_VERSION=1, not 20150505",
        {
            "profile.conf": f"{PROFILES}<x> PROFILE_VERSION=1\n<x> 0-COMMENT=\n<x> 3-COMMENT=\n",
            "domain_policy.conf": DOMAINS + SPACE,
        },
    ),
    "transitions nowhere": Case(
        "no program can be executed any more", {"exception_policy.conf": EXCEPTIONS + "reset_domain any from any\n"}
    ),
    "writable file": Case("/set/domain_policy.conf is writable by others", command="chmod 666 set/domain_policy.conf"),
    "group": Case("/set/manager.conf is writable by others", command="chgrp 0 set/manager.conf; chmod 664 set/manager.conf"),
    "no bindings": Case("bindings.conf is missing", command="rm set/bindings.conf", sizes=True),
    "writable folder": Case("/set is writable by others", command="chmod 777 set"),
    "sticky folder": Case("is writable by others", command="chmod 1777 set"),
    "another's file": Case("/set/manager.conf does not belong to root", command="chown 1000 set/manager.conf"),
}
#: Of these, the ones that are booted by default: one for each way to find out.
BOOTED = (
    *("quota", "truncated", "undefined profile", "unreadable", "missing folder"),
    *("garbage in profiles", "version of a namespace", "transitions nowhere", "writable folder"),
)
#: And the ones that are booted to panic.
PANICS = (
    *("truncated", "profile version", "undefined profile", "missing folder"),
    *("fifo", "garbage in profiles", "namespace", "writable folder"),
)


def files(name: str, content: Mapping[str, str], **settings: Any) -> dict[str, bytes]:
    """A set as files of the guest, with its boot loader."""
    texts = {f"{name}/{file}": text.encode("latin-1") for file, text in content.items()}
    return {**texts, f"{name}/boot": boot_script(**settings).encode()}


def given(case: Case, prefix: str = "", **settings: Any) -> dict[str, bytes]:
    """The files that CASE needs."""
    if case.sizes:
        settings["sizes"] = {name: len(text) for name, text in SET.items()}
    if case.folder:
        settings["directory"] = case.folder
    return files(f"{prefix}set", {**SET, **case.own}, **settings)


def simulated(*sets: Mapping[str, str]) -> dict[str, str]:
    """What a simulated kernel holds after these were loaded one after another."""
    held = SimulatedKernel()
    for content in sets:
        for name, text in content.items():
            interface = name.removesuffix(".conf").replace("bindings", "exception_policy")
            if interface != "stat":
                held.write(interface, text)
    return {name: held.read(name) for name in ("profile", "manager", "exception_policy", "domain_policy")}


def unconfined(manager: str = SET["manager.conf"]) -> dict[str, str]:
    """What is held where nothing could be loaded, for lack of more profiles or namespaces."""
    modes = enumerate(("disabled", "learning", "permissive", "enforcing"))
    profiles = "".join(
        f"{number}-COMMENT={mode}, built in\n{number}-CONFIG={{ mode={mode} grant_log=no reject_log=yes }}\n"
        for number, mode in modes
    )
    return simulated({"profile.conf": profiles, "manager.conf": manager})


def comes_up(answer: Mapping[str, Any]) -> None:
    """Fail if a kernel that holds ANSWER would panic."""
    held = SimulatedKernel()
    for name in ("profile", "domain_policy"):
        held.write(name, answer[name])
    held.activate()


#: Who is a manager where none is known, and what leads there.
MANAGER = "<kernel> nix:/tomoyo/bin/tomoyo"
LEADING = "initialize_domain nix:/tomoyo/bin/tomoyo from any\n" + "".join(
    f"aggregator {place}/tomoyo nix:/tomoyo/bin/tomoyo\n" for place in ("/nix/store/\\*/bin", "/usr/bin", "/usr/local/bin")
)


def assert_case(case: Case, answer: Mapping[str, Any]) -> None:
    """Whether the kernel holds what it should after CASE."""
    comes_up(answer)
    own = [line for line in answer["log"] if line.startswith("tomoyo: ")]
    assert any(case.reason in line for line in own), own
    if case.loads:
        assert {name: answer[name] for name in simulated(SET)} == simulated(SET)
        assert "Quota" not in answer["stat"]
        return
    assert "everything runs unconfined" in own[-1]
    expected = unconfined()
    exceptions = expected["exception_policy"]
    if answer["manager"] != expected["manager"]:  # of which the loader knew none
        assert answer["manager"] == f"{MANAGER}\n"
        exceptions = LEADING
    if "\n<x>" not in answer["profile"]:
        assert (answer["profile"], answer["exception_policy"]) == (expected["profile"], exceptions)
    assert answer["domain_policy"] == expected["domain_policy"]
    assert "Quota" not in answer["stat"]


def boot(kernel: Kernel, content: Mapping[str, bytes], steps: list[list[str]], loader: str | None, **options: Any) -> Any:
    """The answers to STEPS."""
    given = {**content, "cases.json": json.dumps(steps).encode()}
    result = machine.run(kernel, "booting", files=given, loader=loader, timeout=300.0, **options)
    if result.status != 0:
        return result
    answers = json.loads(result.files["answers.json"])
    for answer in answers:
        # The trigger's own domain, which exists once it has been executed, is nobody's policy.
        answer["domain_policy"] = re.sub(rf"<kernel> {TRIGGER}\n(?:[^<].*\n|\n)*", "", answer["domain_policy"])
    return answers


def prepare(case: Case, name: str = "set") -> list[list[str]]:
    """The steps that put the set of CASE in its place, and damage it."""
    return [["install", name, "/run/boot/set"], ["shell", f"cd boot\n{case.command}"]]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_case_in_a_rehearsal(kernel: Kernel, shell: str) -> None:
    # One inactive kernel for all of them: what one leaves must not matter to the next.
    content: dict[str, bytes] = {}
    steps: list[list[str]] = [["shell", "mkdir boot"]]
    for number, case in enumerate(CASES.values()):
        content |= given(case, f"{number}/", interpreter=SHELLS[shell])
        loader = "/run/boot/set/boot"
        steps += [*prepare(case, f"{number}/set"), ["rehearse", loader]]
        steps += [["shell", "cd boot; umount set/exception_policy.conf 2>/dev/null || :; rm -r set"]]
    answers = boot(kernel, content, steps, "/run/nothing")
    for (name, case), answer in zip(CASES.items(), answers, strict=True):
        try:
            assert_case(case, answer)
        except (AssertionError, KernelPanic) as failure:
            raise AssertionError(f"{name}: {failure}") from failure


@pytest.mark.parametrize("name", CASES if ALL else BOOTED)
def test_it_always_comes_up(kernel: Kernel, name: str) -> None:
    chosen = list(SHELLS) if ALL else [list(SHELLS)[list(CASES).index(name) % len(SHELLS)]]
    for shell in chosen:
        case = CASES[name]
        steps = [["shell", "mkdir boot"], *prepare(case), ["boot"]]
        [answer] = boot(kernel, given(case, interpreter=SHELLS[shell]), steps, "/run/boot/set/boot")
        assert_case(case, answer)
        assert any("Mandatory Access Control activated" in line for line in answer["log"])


@pytest.mark.parametrize("name", PANICS if ALL else PANICS[:4])
def test_without_the_last_fallback_it_panics(kernel: Kernel, name: str) -> None:
    case = CASES[name]
    steps = [["shell", "mkdir boot"], *prepare(case), ["boot"]]
    result = boot(kernel, given(case, fallback=False), steps, "/run/boot/set/boot", check=False)
    assert (result.panicked, result.timed_out) == ("STOP!", False)
    assert "Profile version 0 is not supported." in result.console
    assert f"tomoyo: /run/{'gone' if case.folder else 'boot/set'}: " in result.console
    assert case.reason in result.console


def test_all_that_would_panic_in_a_rehearsal(kernel: Kernel) -> None:
    content: dict[str, bytes] = {}
    steps: list[list[str]] = [["shell", "mkdir boot"]]
    for number, name in enumerate(PANICS):
        content |= given(CASES[name], f"{number}/", fallback=False)
        steps += [*prepare(CASES[name], f"{number}/set"), ["rehearse", "/run/boot/set/boot"], ["shell", "rm -r boot/set"]]
    for name, answer in zip(PANICS, boot(kernel, content, steps, "/run/nothing"), strict=True):
        with pytest.raises(KernelPanic, match="Profile version 0 is not supported"):
            comes_up(answer)
        assert any(CASES[name].reason in line for line in answer["log"]), name
        assert answer["log"][-1] == "tomoyo: no policy could be loaded, and the set says to stop then"


#: What a set leaves of which nothing may stay: names in every interface, and a profile that the one before uses, too.
DAMAGED = {
    **SET,
    "profile.conf": PROFILES + "1-COMMENT=worse\n1-CONFIG={ mode=learning }\n1-CONFIG::network={ mode=enforcing }\n",
    "domain_policy.conf": DOMAINS + "<kernel> /bin/last\nuse_profile 99\n",
}


#: After this, ls cannot be executed, which looking for the set before needs.
TRAP = {**SET, "exception_policy.conf": "reset_domain any from any\n"}


def held_before(answer: Mapping[str, Any]) -> None:
    """Fail unless PREVIOUS is all that is left, but for profiles that nothing uses."""
    expected = simulated(PREVIOUS)
    profiles = answer.pop("profile")
    assert {name: answer[name] for name in ("manager", "exception_policy", "domain_policy")} == {
        name: expected[name] for name in ("manager", "exception_policy", "domain_policy")
    }
    assert all(line in profiles.splitlines() for line in expected["profile"].splitlines())
    assert "CONFIG::" not in profiles
    assert "mode=enforcing" not in profiles
    assert "Quota" not in answer["stat"]


def test_the_set_before_takes_its_place(kernel: Kernel) -> None:
    content = {**files("set", DAMAGED, state="/run/state"), **files("before", PREVIOUS)}
    content |= files("trap", TRAP, state="/run/state")
    refused = {
        "another's link": "chown -h 1000 state/previous",
        "a folder for all": "chmod 777 state",
        "a link on the way": "mv state real; ln -s real state",
        "another's set": "chown 1000 before/domain_policy.conf",
        "a set for all": "chmod 777 before",
        "a broken set": "rm before/profile.conf",
        "no set": "rm -r before",
    }
    again = "rm -rf state real before; mkdir state; cp -a good before; ln -s /run/before state/previous"
    steps = [["install", "set", "/run/set"], ["install", "before", "/run/good"]]
    for command in refused.values():
        steps += [["shell", again], ["shell", command], ["rehearse", "/run/set/boot"]]
    steps += [["install", "trap", "/run/trap"], ["shell", again], ["rehearse", "/run/trap/boot"], ["boot"]]
    *answers, trapped, booted = boot(kernel, content, steps, "/run/set/boot")
    for name, answer in zip(refused, answers, strict=True):
        assert answer["log"][-1].endswith("everything runs unconfined, in profile 0"), name
        assert answer["domain_policy"] == unconfined()["domain_policy"], name
    assert [line for line in trapped["log"] if line.startswith("tomoyo: ")] == [
        "tomoyo: /run/trap: with its transitions, no program can be executed any more",
        "tomoyo: loaded /run/before instead",
    ]
    held_before(trapped)
    assert [line for line in booted["log"] if line.startswith("tomoyo: ")] == [
        "tomoyo: /run/set: profile 99, used by <kernel> /bin/last, is not defined",
        "tomoyo: loaded /run/before instead",
    ]
    held_before(booted)


def test_the_set_that_was_current_comes_before_the_previous_one(kernel: Kernel) -> None:
    content = {**files("set", DAMAGED, state="/run/state"), **files("before", PREVIOUS), **files("older", SET)}
    steps = [["install", name, f"/run/{name}"] for name in ("set", "before", "older")]
    steps += [["shell", "mkdir state; ln -s /run/before state/current; ln -s /run/older state/previous"], ["boot"]]
    [answer] = boot(kernel, content, steps, "/run/set/boot")
    assert any(line == "tomoyo: loaded /run/before instead" for line in answer["log"])
    held_before(answer)


# After every fallback, the command can repair what there is

STORE_PATH = f"/nix/store/{'0' * 32}-tomoyo-1.0"
COMMAND = f"{STORE_PATH}/bin/tomoyo"
NAME = "nix:/tomoyo/bin/tomoyo"
REPAIRING = {
    **SET,
    "manager.conf": f"<kernel> {NAME}\n",
    "exception_policy.conf": f"{EXCEPTIONS}initialize_domain {NAME} from any\n",
    "bindings.conf": f"{BINDINGS}aggregator {COMMAND} {NAME}\n",
    "domain_policy.conf": f"{DOMAINS}<kernel> {NAME}\nuse_profile 0\n\n\n",
}
#: The command of this machine, as a script of the store.
INSTALL_COMMAND = f"""
mkdir -p /nix; mount -t tmpfs -o mode=755 tmpfs /nix; mkdir -p {STORE_PATH}/bin
printf '%s\\n' '#!{os.path.realpath(sys.executable)} -S' 'import sys; sys.path.insert(0, "{machine.ROOT}")' \
    'from tomoyo.cli import main; sys.exit(main())' >{COMMAND}
chmod 755 {COMMAND}
"""
REPAIR = ["run", "/bin/sh", "-c", f"{COMMAND} activate --state /run/new-state /run/good; exit $?"]
#: Of these the ones that are booted and repaired by default: the managers and what leads to them come from different places.
REPAIRED = ("transitions nowhere", "missing folder", "missing file")


def repairing(case: Case, prefix: str = "", **settings: Any) -> dict[str, bytes]:
    """The files that CASE needs, of a set that has the command as manager, with its loader as it is compiled."""
    if case.sizes:
        settings["sizes"] = {name: len(text) for name, text in REPAIRING.items()}
    if case.folder:
        settings["directory"] = case.folder
    managers = domain_managers(REPAIRING["manager.conf"])
    return files(f"{prefix}set", {**REPAIRING, **case.own}, managers=managers, **settings)


def is_repairable(answer: Mapping[str, Any]) -> None:
    """Fail unless the command ends up in the domain of a manager, from wherever it is executed."""
    assert f"<kernel> {NAME}" in answer["manager"].splitlines()
    engine = DecisionEngine(
        parse_domain_policy(answer["domain_policy"], reading=Reading.AS_KERNEL),
        parse_exception_policy(answer["exception_policy"], reading=Reading.AS_KERNEL),
        parse_profile(answer["profile"], reading=Reading.AS_KERNEL),
    )
    found = transition(engine, "<kernel>", Request(Kind.PATH, "execute", (COMMAND,)))
    assert (found.failure, found.domain.text) == (None, f"<kernel> {NAME}"), answer["exception_policy"]


@pytest.mark.parametrize("first", range(len(SHELLS)) if ALL else [0])
def test_after_every_fallback_the_command_is_a_manager(kernel: Kernel, first: int) -> None:
    content: dict[str, bytes] = {}
    steps: list[list[str]] = [["shell", "mkdir boot"]]
    for number, case in enumerate(CASES.values()):
        content |= repairing(case, f"{number}/", interpreter=[*SHELLS.values()][(first + number) % len(SHELLS)])
        steps += [*prepare(case, f"{number}/set"), ["rehearse", "/run/boot/set/boot"]]
        steps += [["shell", "cd boot; umount set/exception_policy.conf 2>/dev/null || :; rm -r set"]]
    answers = boot(kernel, content, steps, "/run/nothing")
    for name, answer in zip(CASES, answers, strict=True):
        try:
            comes_up(answer)
            is_repairable(answer)
        except (AssertionError, KernelPanic) as failure:
            raise AssertionError(f"{name}: {failure}") from failure


@pytest.mark.parametrize("name", CASES if ALL else REPAIRED)
def test_after_every_fallback_a_good_set_can_be_activated(kernel: Kernel, name: str) -> None:
    case = CASES[name]
    content = repairing(case, interpreter=SHELLS[list(SHELLS)[list(CASES).index(name) % len(SHELLS)]])
    content |= files("good", REPAIRING)
    steps = [["shell", f"mkdir boot\n{INSTALL_COMMAND}"], ["install", "good", "/run/good"], *prepare(case), ["boot"], REPAIR]
    booted, repaired = boot(kernel, content, steps, "/run/boot/set/boot")
    assert case.loads or any("everything runs unconfined" in line for line in booted["log"]), booted["log"]
    assert repaired["status"] == 0, repaired["output"]
    assert "file read @nix:/glibc/lib/libc.so.6" in repaired["domain_policy"]
    assert "\\*" not in repaired["exception_policy"]


def test_where_another_set_is_loaded_its_command_can_repair_it(kernel: Kernel) -> None:
    """The set before knows another version of the command."""
    previous = {**REPAIRING, "bindings.conf": f"{BINDINGS}aggregator {COMMAND.replace('0-tomoyo', '1-tomoyo')} {NAME}\n"}
    content = repairing(CASES["undefined profile"], state="/run/state") | files("before", previous) | files("good", REPAIRING)
    steps = [["install", name, f"/run/{name}"] for name in ("before", "good")]
    steps += [["shell", f"mkdir boot state; ln -s /run/before state/current\n{INSTALL_COMMAND}"]]
    steps += [*prepare(CASES["undefined profile"]), ["boot"], REPAIR]
    booted, repaired = boot(kernel, content, steps, "/run/boot/set/boot")
    assert "tomoyo: loaded /run/before instead" in booted["log"]
    is_repairable(booted)
    assert "\\*/bin" not in booted["exception_policy"]
    assert repaired["status"] == 0, repaired["output"]


BARE = "umount /sys/kernel/security; mount -o remount,ro /"
#: An empty folder in the place of every program; what is running keeps its own.
NO_TOOLS = """
cp /bin/dash dash; rm tomoyo-trigger; cp dash tomoyo-trigger
mkdir none; mount --bind none /usr/sbin; mount --bind none /usr/bin
"""


@pytest.mark.parametrize(
    ("command", "shell"),
    [(BARE, "/bin/bash"), (NO_TOOLS, "/run/dash")],
    ids=["no securityfs, nothing writable", "no programs"],
)
def test_a_system_that_has_hardly_anything(kernel: Kernel, command: str, shell: str) -> None:
    steps = [["install", "set", "/run/set"], ["shell", command], ["boot"]]
    [answer] = boot(kernel, files("set", SET, interpreter=shell), steps, "/run/set/boot")
    assert {name: answer[name] for name in simulated(SET)} == simulated(SET)
    assert "Quota:   50000000" in answer["stat"]
    assert [line for line in answer["log"] if line.startswith("tomoyo: ")] == ["tomoyo: loaded /run/set"]


def test_the_trigger_and_the_loader_that_the_kernel_was_built_with(kernel: Kernel) -> None:
    """A system whose command line names neither: /sbin/init and /sbin/tomoyo-init."""
    install = "rm -f /sbin/init /sbin/tomoyo-init; cp /bin/dash /sbin/init; cp set/boot /sbin/tomoyo-init"
    steps = [["install", "set", "/run/set"], ["shell", install], ["boot", "/sbin/init"]]
    [answer] = boot(kernel, files("set", SET, directory="/run/set"), steps, None)
    assert [line for line in answer["log"] if line.startswith("tomoyo: ")] == ["tomoyo: loaded /run/set"]
    names = ("profile", "manager", "exception_policy")
    assert {name: answer[name] for name in names} == {name: simulated(SET)[name] for name in names}
    # What the trigger and the loader execute has domains of its own.
    assert answer["domain_policy"].startswith(simulated(SET)["domain_policy"].rstrip())

"""What `doctor` and `status` say of a real kernel: each reason is brought about, told with its remedy, and gone by the remedy."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from . import guest, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .layout import LOADER, SHARE, TRIGGER

__all__ = ["kernel", "kernel_release"]

PYTHON = os.path.realpath(sys.executable)
FOLDER = guest.FOLDER
LIMITED = "4-CONFIG={ mode=learning }\n4-PREFERENCE={ max_audit_log=1024 max_learning_entry=2 }\n"
PROFILES = guest.PROFILES.decode() + LIMITED
WAITING = ("trigger", "the first program was executed as /bin/sh: they are compared as text", "boot with TOMOYO_trigger=/bin/sh")
INACTIVE = ("active", "the trigger has not been executed since the system came up", f"execute {TRIGGER}")
#: Nobody may not even see the package's files, so that is loaded first.
NOBODY = """
import contextlib, io, os, sys
from tomoyo.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["doctor", "--json"])
os.setuid(65534)
sys.exit(main(["doctor", "--json"]))
"""

Told = tuple[str, str, str]
#: What is done before the kernel is active, what undoes it, and what is told: check, reason and remedy.
BEFORE: dict[str, tuple[str, str, list[Told]]] = {
    "nothing": ("", "", [WAITING, INACTIVE]),
    "not mounted": (
        "umount /sys/kernel/security",
        "mount -t securityfs securityfs /sys/kernel/security",  # as the remedy says
        [("mount", "securityfs is not mounted on", "mount -t securityfs securityfs /sys/kernel/security")],
    ),
    "mounted elsewhere": (
        "umount /sys/kernel/security; mkdir elsewhere; mount -t securityfs securityfs elsewhere",
        "umount elsewhere; mount -t securityfs securityfs /sys/kernel/security",
        [("mount", "not mounted on /sys/kernel/security, but on /run/elsewhere", "mount -t securityfs")],
    ),
    "no trigger": (
        f"mv {TRIGGER} away",
        f"mv away {TRIGGER}",
        [("trigger", f"there is no {TRIGGER}", "boot with TOMOYO_trigger= and the very name"), INACTIVE],
    ),
    "a trigger that is no program": (
        f"mv {TRIGGER} away; touch {TRIGGER}",
        f"mv away {TRIGGER}",
        [("trigger", f"the trigger {TRIGGER} cannot be executed", "boot with TOMOYO_trigger="), INACTIVE],
    ),
    "no loader": (
        f"mv {LOADER} away",
        f"mv away {LOADER}",
        [WAITING, ("loader", f"the policy loader {LOADER} is not there", "boot with TOMOYO_loader=")],
    ),
    "a loader that is no program": (
        f"chmod 644 {LOADER}",
        f"chmod 755 {LOADER}",  # as the remedy says
        [WAITING, ("loader", f"the policy loader {LOADER} is no file that can be executed", f"chmod 755 {LOADER}")],
    ),
    "a loader that leads nowhere": (
        f"mv {LOADER} away; ln -s /none {LOADER}",
        f"mv away {LOADER}",
        [WAITING, ("loader", f"the policy loader {LOADER} is not there", "boot with TOMOYO_loader=")],
    ),
    "the kernel's own configuration": ("cp share/files/config /boot/config-$(uname -r)", "", [WAITING, INACTIVE]),
    "another's configuration": (
        "sed -i 's/^CONFIG_SECURITY_TOMOYO=y/# CONFIG_SECURITY_TOMOYO is not set/' /boot/config-$(uname -r)",
        "cp share/files/config /boot/config-$(uname -r)",
        [("configuration", "was built without CONFIG_SECURITY_TOMOYO=y", "boot a kernel that has it"), WAITING, INACTIVE],
    ),
    "a kernel without loader": (
        "sed -i 's/.*_OMIT_USERSPACE_LOADER.*/CONFIG_SECURITY_TOMOYO_OMIT_USERSPACE_LOADER=y/' /boot/config-$(uname -r)",
        "rm /boot/config-$(uname -r)",
        [("configuration", "it runs no loader", "build it without"), WAITING, INACTIVE],
    ),
    "security= on NixOS": (
        "touch /etc/NIXOS",
        "rm /etc/NIXOS",
        [("modules", "the command line has security=tomoyo, which NixOS refuses", "name tomoyo in lsm="), WAITING, INACTIVE],
    ),
}
LEARNER = "<kernel> /run/learner"
ENFORCED = "<kernel> /run/enforced/sh"
#: The same with an active kernel; what is done are steps of the job.
AFTER: dict[str, tuple[list[list[str]], list[list[str]], list[Told]]] = {
    "all is disabled": (
        [],
        # As the remedy says, for a domain that is made for it.
        [
            ["write", "domain_policy", f"{LEARNER}\nuse_profile 0\n"],
            ["write", "exception_policy", "initialize_domain /run/learner from any\n"],
            ["tomoyo", "mode", "--name", "/run/learner", "--set", "learning"],
        ],
        [("profiles", "domains are in disabled mode, so nothing is confined", "tomoyo mode --name DOMAIN --set learning")],
    ),
    "learning has stopped": (
        [["write", "domain_policy", f"{LEARNER}\nuse_profile 4\n"], ["program", "/run/learner", "-c", "read x < /run/secret"]],
        [
            ["write", "profile", "4-PREFERENCE={ max_audit_log=1024 max_learning_entry=999 }\n"],
            ["write", "domain_policy", f"{LEARNER}\ndelete quota_exceeded\n"],
        ],
        [("quota-exceeded", f"stopped learning at max_learning_entry: {LEARNER}", "raise max_learning_entry")],
    ),
    "undefined groups": (
        [["write", "domain_policy", f"{LEARNER}\nfile read @NONE\nuse_group 9\n"]],
        [["write", "exception_policy", "path_group NONE /x\nacl_group 9 file read /x\n"]],
        [("groups", "these groups grant nothing: ", "define them, or take away what names them")],
    ),
    "an undefined profile": (
        [["write", "domain_policy", "<x>\n"]],
        [["write", "profile", "<x> 0-COMMENT=\n"]],
        [("profiles", "these domains use a profile that is not defined: <x>", "define it in the set's profile.conf")],
    ),
    "the quota is reached": (
        [["quota"], ["program", "/run/other", "-c", ":"]],
        [["write", "stat", "Memory used by policy: 0\n"], ["write", "domain_policy", "<kernel>\ndelete transition_failed\n"]],
        [
            ("transition-failed", "could not: <kernel>", "delete transition_failed"),
            ("quota", "bytes of memory for policy are in use", "echo 'Memory used by policy: "),
        ],
    ),
    "no managers": (
        [["write", "manager", f"delete {PYTHON}\n"]],
        [],
        [("managers", "there are no managers: nobody can change policy", "name the domain that is to change policy")],
    ),
}
ASK = ["tomoyo", "doctor", "--json"]


def run(kernel: Kernel, steps: list[list[str]], **options: Any) -> list[Any]:
    """The answers to STEPS."""
    files = {"steps.json": json.dumps(steps).encode(), "config": (kernel.folder / "config").read_bytes()}
    answers: list[Any] = json.loads(machine.run(kernel, "commands", files=files, **options).files["answers.json"])
    return answers


def assert_told(answer: list[Any], expected: list[Told], name: str) -> None:
    """Whether `doctor --json` gave these findings and no other."""
    found = json.loads(answer[1])["diagnostics"]
    assert [finding["code"] for finding in found] == [check for check, _, _ in expected], (name, found)
    for finding, (_, reason, remedy) in zip(found, expected, strict=True):
        assert reason in finding["message"], name
        assert remedy in finding["help"], name
    assert answer[0] == (1 if expected else 0), name


def test_each_reason_on_a_real_kernel(kernel: Kernel) -> None:
    steps: list[list[str]] = [["shell", "cp /bin/dash learner; cp /bin/dash enforced; cp /bin/dash other; echo x > secret"]]
    asked: list[tuple[int, str, list[Told]]] = []
    for name, (done, undone, told) in BEFORE.items():
        steps += [["shell", done or ":"], ASK, ["shell", undone or ":"]]
        asked.append((len(steps) - 2, name, told))
    steps.append(["activate", PROFILES])
    for name, (actions, remedies, told) in AFTER.items():
        steps += [*actions, ASK]
        asked.append((len(steps) - 1, name, told))
        if remedies:
            steps += [*remedies, ["tomoyo", "doctor"]]
            asked.append((len(steps) - 1, f"{name}, remedied", []))
    steps += [["program", PYTHON, "-c", NOBODY]]
    answers = run(kernel, steps)
    for place, name, told in asked:
        if name.endswith("remedied"):
            assert answers[place] == [0, "nothing found: TOMOYO is active, and its policy is sound\n", ""], name
        else:
            assert_told(answers[place], told, name)
    assert_told(answers[-1], [("access", "only root may do this; use sudo", "run this as root")], "nobody")


@pytest.mark.parametrize(
    ("command_line", "expected"),
    [
        ("lsm=landlock,yama", [("modules", "has lsm=landlock,yama, without tomoyo", "boot with lsm=landlock,yama,tomoyo")]),
        ("security=apparmor", [("modules", "has security=apparmor, which leaves out", "name all modules in lsm= instead")]),
        (
            "TOMOYO_trigger=init TOMOYO_loader=/sbin/none",
            [
                ("trigger", "the trigger 'init' is no absolute path", "boot with TOMOYO_trigger="),
                ("loader", "the policy loader /sbin/none is not there", "boot with TOMOYO_loader="),
            ],
        ),
    ],
)
def test_each_reason_on_the_command_line(kernel: Kernel, command_line: str, expected: list[Told]) -> None:
    doctor, status = run(kernel, [ASK, ["tomoyo", "status"]], command_line=command_line)
    assert_told(doctor, expected, command_line)
    if expected[0][0] == "modules":
        assert status[0] == 3
        assert "TOMOYO is not in the kernel's LSM list" in status[2]
    else:
        assert (status[0], status[1].splitlines()[0]) == (1, "TOMOYO 2.6.0: not active")


def test_refusals_memory_and_bindings_are_counted(kernel: Kernel) -> None:
    stores = [f"/nix/store/{digit * 32}-s-1" for digit in "01"]
    bindings = "".join(f"aggregator {store}/bin/s nix:/s/bin/s\n" for store in stores)
    steps = [
        ["shell", "mkdir enforced permissive; cp /bin/busybox enforced/sh; cp /bin/busybox permissive/sh"],
        ["shell", f"echo x > secret; mkdir -p {stores[0]}"],
        ["activate", guest.PROFILES.decode()],
        [
            "write",
            "exception_policy",
            f"initialize_domain /run/enforced/sh from any\ninitialize_domain /run/permissive/sh from any\n{bindings}",
        ],
        ["write", "domain_policy", "<kernel> /run/permissive/sh\nuse_profile 2\n"],
        ["write", "domain_policy", f"{ENFORCED}\nuse_profile 3\nmisc env \\*\n"],
        ["write", "stat", "Memory used by policy: 12345678\n"],
        ["tomoyo", "status", "--json"],
        ["program", "/run/enforced/sh", "-c", "read x < /run/secret"],
        ["program", "/run/permissive/sh", "-c", "read x < /run/secret && echo $x"],
        ["tomoyo", "status", "--json"],
        ["tomoyo", "status"],
        ["read", "stat"],
    ]
    *_, before, enforced, permissive, after, text, stat = run(kernel, steps)
    assert enforced[0] != 0
    assert "secret" in enforced[2]
    assert permissive[:2] == [0, "x\n"]
    first, second = (
        {counter["name"]: counter for counter in json.loads(each[1])["result"]["counters"]} for each in (before, after)
    )
    for mode in ("enforcing", "permissive"):
        [name] = [name for name in second if mode in name]
        assert second[name]["count"] > first[name]["count"], name
        assert second[name]["last"], name
        assert f"policy {name}: {second[name]['count']} (last " in text[1]
        assert f"Policy {name}:" in stat
    memory = {each["name"]: each for each in json.loads(after[1])["result"]["memory"]}
    assert memory["policy"]["quota"] == 12345678
    assert f"memory used by policy: {memory['policy']['used']} of 12345678 bytes\n" in text[1]
    assert memory["policy"]["used"] > 1000
    # The store path is gone, so nothing can need its binding.
    assert json.loads(after[1])["result"]["stale_bindings"] == bindings.splitlines()[1:]
    assert f"bindings that nothing needs any more: 1\n  {bindings.splitlines()[1]}\n" in text[1]


#: Prints what is known, and whether anything was left behind or counted.
ASKING = """
import sys
from tomoyo.kernel.securityfs import Securityfs
kernel = Securityfs()
before = kernel.domain_policy(), kernel.exception_policy(), kernel.profile(), kernel.manager()
found = kernel.active
kernel.settle()
after = kernel.domain_policy(), kernel.exception_policy(), kernel.profile(), kernel.manager()
print(found, before == after)
"""
#: As a unit that may not become another user.
LIMITED_ASKING = f"""
import ctypes
for capability in (6, 7):  # CAP_SETGID, CAP_SETUID
    assert ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) == 0
import os
os.execv({PYTHON!r}, [{PYTHON!r}, "-c", {ASKING!r}])
"""
SET = f"{SHARE}/files/set"
ALL = "".join(f"{number}-COMMENT=\n" for number in range(256))
ENFORCED_DOMAIN = "<kernel>\nuse_profile 0\n\n\n<kernel> /run/enforced/sh\nuse_profile 3\n\nmisc env \\*\n\n"


def test_whether_it_is_active_is_tried(kernel: Kernel) -> None:
    """Profiles, domains and managers may be there, as an activation leaves them, and the kernel is all the same not active."""
    ask, limited = ["program", PYTHON, "-c", ASKING], ["program", PYTHON, "-c", LIMITED_ASKING]
    profiles = guest.PROFILES.decode()
    texts = {"domain_policy": ENFORCED_DOMAIN, "exception_policy": "initialize_domain /run/enforced/sh from any\n"}
    texts |= {"profile": profiles, "manager": f"{PYTHON}\n"}
    files = {f"set/{name}.conf": text.encode() for name, text in texts.items()}
    reading = ["program", "/run/enforced/sh", "-c", "read x < /run/secret && echo $x"]
    steps: dict[str, list[str]] = {
        "": ["shell", "mkdir enforced; cp /bin/busybox enforced/sh; echo x > secret"],
        "no profiles": ask,
        "refused": ["tomoyo", "activate", SET],
        "still no profiles": ["read", "profile"],
        "meant": ["tomoyo", "activate", "--inactive", SET],
        "again": ["tomoyo", "activate", SET],
        "reads": reading,
        "inactive": ask,
        "inactive, limited": limited,
        "status": ["tomoyo", "status", "--json"],
        "status in words": ["tomoyo", "status"],
        "doctor": ASK,
        "learn": ["tomoyo", "learn", "--", "/bin/true"],
        "little memory": ["write", "stat", "Memory used by policy: 200000\n"],
        "inactive, with a quota": ask,
        "no quota": ["write", "stat", "Memory used by policy: 0\n"],
        "trigger": ["activate", profiles],
        "does not read": reading,
        "active": ask,
        "active, limited": limited,
        "active status": ["tomoyo", "status", "--json"],
        "accepted": ["tomoyo", "activate", SET],
        "updates": ["read", "stat"],
        "nothing to do": ["tomoyo", "activate", "-v", SET],
        "no more updates": ["read", "stat"],
        "managed by others": ["write", "manager", "manage_by_non_root\n"],
        "active, managed by others": ask,
        "managed by root": ["write", "manager", "delete manage_by_non_root\n"],
        "all": ["write", "profile", ALL],
        "active, all": ask,
        "active, all, limited": limited,
        "full": ["quota"],
        "active, full": ask,
        "active, full, limited": limited,
        "room": ["write", "stat", "Memory used by policy: 0\n"],
        "no manager": ["write", "manager", f"delete {PYTHON}\n"],
        "active, no manager": ask,
        "status, no manager": ["tomoyo", "status", "--json"],
    }
    answers = json.loads(
        machine.run(kernel, "commands", files={**files, "steps.json": json.dumps([*steps.values()]).encode()}).files[
            "answers.json"
        ]
    )
    found = dict(zip(steps, answers, strict=True))
    known = {name: answer[1] for name, answer in found.items() if isinstance(answer, list) and ask[1] == steps[name][1]}
    assert known == {
        "no profiles": "False True\n",
        "inactive": "False True\n",
        "inactive, limited": "False True\n",
        "inactive, with a quota": "False True\n",
        "active": "True True\n",
        "active, limited": "True True\n",
        "active, managed by others": "True True\n",
        "active, all": "True True\n",
        "active, all, limited": "None True\n",
        "active, full": "True True\n",
        "active, full, limited": "None True\n",
        "active, no manager": "True True\n",
    }, found
    for name in ("refused", "again"):
        assert found[name][0] == 3, name
        assert "TOMOYO is not active" in found[name][2], name
        assert "--inactive" in found[name][2], name
    assert "CONFIG" not in found["still no profiles"]
    assert (found["meant"][0], found["accepted"][0]) == (0, 0), (found["meant"], found["accepted"])
    assert found["reads"][:2] == [0, "x\n"]
    assert found["does not read"][0] != 0
    status = json.loads(found["status"][1])["result"]
    assert (found["status"][0], status["active"]) == (1, False)
    assert any("the trigger has not been executed" in reason for reason in status["inactive"])
    assert found["status in words"][1].startswith("TOMOYO 2.6.0: not active")
    assert "the trigger has not been executed" in found["status in words"][1]
    assert_told(found["doctor"], [WAITING, INACTIVE], "doctor")
    assert found["learn"][0] == 3
    for name in ("active status", "status, no manager"):
        assert json.loads(found[name][1])["result"]["active"] is True
    assert found["nothing to do"] == [0, "", "tomoyo: note: nothing to do [activation]\n"]
    assert found["updates"] == found["no more updates"]

"""Every reason why TOMOYO may not work, each on a prepared tree: one that works, with one thing changed."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import tomoyo
from tomoyo.kernel import machine
from tomoyo.kernel.diagnosis import diagnose
from tomoyo.kernel.machine import Machine
from tomoyo.kernel.securityfs import Securityfs

RELEASE = "6.1.0-test"
CONFIG = """\
CONFIG_SECURITY_TOMOYO=y
CONFIG_SECURITY_TOMOYO_POLICY_LOADER="/sbin/tomoyo-init"
CONFIG_SECURITY_TOMOYO_ACTIVATION_TRIGGER="/sbin/init"
# CONFIG_SECURITY_TOMOYO_OMIT_USERSPACE_LOADER is not set
CONFIG_LSM="landlock,lockdown,yama"
"""
COMMAND_LINE = (
    "BOOT_IMAGE=/vmlinuz root=/dev/sda quiet lsm=landlock,yama,tomoyo TOMOYO_loader=/set/boot TOMOYO_trigger=/init -- lsm=no\n"
)
TOMOYO = "sys/kernel/security/tomoyo"
STAT = """\
Policy update:                                10 (Last: 2026/11/23 22:10:53)
Policy violation in learning mode:             0
Policy violation in permissive mode:           0
Policy violation in enforcing mode:            0
Memory used by policy:                    100000
Memory used by audit log:                      0
Memory used by query message:                  0
Total memory used:                        100000
"""
FILES = {
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "proc/cmdline": COMMAND_LINE,
    "proc/mounts": "proc /proc proc rw 0 0\nsecurityfs /sys/kernel/security securityfs rw 0 0\n",
    "proc/1/cmdline": "/init\0--x\0",
    "sys/kernel/security/lsm": "capability,landlock,yama,tomoyo",
    f"{TOMOYO}/version": "2.6.0",
    f"{TOMOYO}/profile": (
        "PROFILE_VERSION=20150505\n0-COMMENT=\n0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n"
        "3-COMMENT=\n3-CONFIG={ mode=enforcing grant_log=no reject_log=no }\n"
    ),
    f"{TOMOYO}/manager": "/bin/tomoyo\n",
    f"{TOMOYO}/exception_policy": "path_group LIBC /lib/libc.so.6\nacl_group 1 file read /x\n",
    f"{TOMOYO}/domain_policy": "<kernel>\nuse_profile 0\n\n\n<kernel> /a\nuse_profile 3\nuse_group 1\n\nfile read @LIBC\n\n",
    f"{TOMOYO}/stat": STAT,
    "init": "#!/bin/sh\n",
    "set/boot": "#!/bin/sh\n",
    f"boot/config-{RELEASE}": CONFIG,
}
Change = Callable[[Path], None]


def edit(name: str, old: str, new: str) -> Change:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def both(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


def remove(name: str) -> Change:
    return lambda root: (os.system(f"rm -r '{root / name}'") and None) or None


def domain(text: str) -> Change:
    return edit(f"{TOMOYO}/domain_policy", "<kernel> /a\n", f"{text}<kernel> /a\n")


#: Not active: no profile is there.
INACTIVE = edit(f"{TOMOYO}/profile", FILES[f"{TOMOYO}/profile"], "PROFILE_VERSION=20150505\n")
NOT_MOUNTED = both(remove("sys/kernel/security"), edit("proc/mounts", "securityfs", "tmpfs"))
REASONS: dict[str, tuple[Change, list[tuple[str, str]]]] = {
    "not in the kernel": (
        edit(f"boot/config-{RELEASE}", "CONFIG_SECURITY_TOMOYO=y", "# CONFIG_SECURITY_TOMOYO is not set"),
        [("configuration", "the kernel 6.1.0-test was built without CONFIG_SECURITY_TOMOYO=y")],
    ),
    "a kernel that runs no loader": (
        edit(
            f"boot/config-{RELEASE}",
            "# CONFIG_SECURITY_TOMOYO_OMIT_USERSPACE_LOADER is not set",
            "CONFIG_SECURITY_TOMOYO_OMIT_USERSPACE_LOADER=y",
        ),
        [("configuration", "OMIT_USERSPACE_LOADER=y: it runs no loader")],
    ),
    "not in lsm=": (
        both(edit("proc/cmdline", ",tomoyo", ""), edit("sys/kernel/security/lsm", ",tomoyo", ""), remove(TOMOYO)),
        [("modules", "the command line has lsm=landlock,yama, without tomoyo")],
    ),
    "another one in security=": (
        both(
            edit("proc/cmdline", "lsm=landlock,yama,tomoyo", "security=apparmor"),
            edit("sys/kernel/security/lsm", "tomoyo", "apparmor"),
            remove(TOMOYO),
        ),
        [("modules", "the command line has security=apparmor, which leaves out")],
    ),
    "not by default": (
        both(
            edit("proc/cmdline", "lsm=landlock,yama,tomoyo", ""), edit("sys/kernel/security/lsm", ",tomoyo", ""), remove(TOMOYO)
        ),
        [("modules", "TOMOYO is not among the kernel's modules (capability,landlock,yama)")],
    ),
    "not by default, and securityfs not mounted": (
        both(edit("proc/cmdline", "lsm=landlock,yama,tomoyo", ""), NOT_MOUNTED),
        [("modules", "the kernel starts landlock,lockdown,yama by default"), ("mount", "securityfs is not mounted")],
    ),
    "security= on NixOS": (
        both(
            lambda root: (root / "etc").mkdir(),
            lambda root: (root / "etc/NIXOS").touch(),
            edit("proc/cmdline", "quiet", "security=tomoyo"),
        ),
        [("modules", "the command line has security=tomoyo, which NixOS refuses")],
    ),
    "not mounted": (NOT_MOUNTED, [("mount", "securityfs is not mounted on /sys/kernel/security")]),
    "mounted elsewhere": (
        both(remove("sys/kernel/security"), edit("proc/mounts", "/sys/kernel/security", "/mnt")),
        [("mount", "not mounted on /sys/kernel/security, but on /mnt")],
    ),
    "a module without files": (remove(TOMOYO), [("mount", "securityfs shows no folder tomoyo")]),
    "no trigger": (
        both(INACTIVE, remove("init")),
        [("trigger", "there is no /init, whose execution would activate TOMOYO"), ("active", "not active")],
    ),
    "a trigger by another name": (
        both(INACTIVE, edit("proc/1/cmdline", "/init", "/nix/store/x/init")),
        [("trigger", "names /init as the trigger, but the first program was executed as /nix/store/x/init"), ("active", "")],
    ),
    "the default trigger": (
        both(INACTIVE, edit("proc/cmdline", "TOMOYO_trigger=/init", "")),
        [("trigger", "there is no /sbin/init"), ("active", "")],
    ),
    "a trigger that is no program": (
        both(INACTIVE, lambda root: (root / "init").chmod(0o644)),
        [("trigger", "the trigger /init cannot be executed"), ("active", "")],
    ),
    "a relative trigger": (
        both(INACTIVE, edit("proc/cmdline", "TOMOYO_trigger=/init", "TOMOYO_trigger=init")),
        [("trigger", "the trigger 'init' is no absolute path"), ("active", "")],
    ),
    "no loader": (both(INACTIVE, remove("set/boot")), [("loader", "the policy loader /set/boot is not there")]),
    "the default loader": (
        both(INACTIVE, edit("proc/cmdline", "TOMOYO_loader=/set/boot", "")),
        [("loader", "the policy loader /sbin/tomoyo-init is not there")],
    ),
    "a loader that is no program": (
        both(INACTIVE, lambda root: (root / "set/boot").chmod(0o644)),
        [("loader", "the policy loader /set/boot is no file that can be executed")],
    ),
    "a loader that leads nowhere": (
        both(INACTIVE, remove("set/boot"), lambda root: (root / "set/boot").symlink_to("/set/other")),
        [("loader", "the policy loader /set/boot is not there")],
    ),
    "not active": (INACTIVE, [("active", "the trigger has not been executed since the system came up")]),
    "no managers": (edit(f"{TOMOYO}/manager", "/bin/tomoyo\n", ""), [("managers", "there are no managers")]),
    "nothing but disabled": (
        edit(f"{TOMOYO}/domain_policy", "use_profile 3", "use_profile 0"),
        [("profiles", "all domains are in disabled mode")],
    ),
    "an undefined profile": (
        edit(f"{TOMOYO}/domain_policy", "use_profile 0", "use_profile 9"),
        [("profiles", "these domains use a profile that is not defined: <kernel>")],
    ),
    "an undefined group": (
        edit(f"{TOMOYO}/domain_policy", "@LIBC", "@NONE"),
        [("groups", "these groups grant nothing: path_group NONE is named, but has no members")],
    ),
    "an undefined group of entries": (
        edit(f"{TOMOYO}/domain_policy", "use_group 1", "use_group 2"),
        [("groups", "these groups grant nothing: <kernel> /a uses group 2, which has no entries")],
    ),
    "the quota is reached": (
        edit(f"{TOMOYO}/stat", "policy:                    100000", "policy:                    100000 (Quota:     100100)"),
        [("quota", "100000 of 100100 bytes of memory for policy are in use")],
    ),
    "learning has stopped": (
        domain("<kernel> /l\nuse_profile 0\nquota_exceeded\n\n\n"),
        [("quota-exceeded", "stopped learning at max_learning_entry: <kernel> /l")],
    ),
    "a failed transition": (
        domain("<kernel> /l\nuse_profile 0\ntransition_failed\n\n\n"),
        [("transition-failed", "and could not: <kernel> /l")],
    ),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name in ("init", "set/boot"):
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_nothing_is_wrong(root: Path) -> None:
    assert diagnose(Machine(root)) == []


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_is_found_and_nothing_else(root: Path, name: str) -> None:
    change, expected = REASONS[name]
    change(root)
    found = diagnose(Machine(root))
    assert [finding.code for finding in found] == [check for check, _ in expected], found
    for finding, (_, reason) in zip(found, expected):
        assert reason in finding.message
        assert finding.help


def test_copies_do_not_tell_whether_it_is_active(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are they written to."""
    before = {path: path.read_bytes() for path in (root / TOMOYO).iterdir()}
    securityfs = Securityfs(root / TOMOYO)
    assert (securityfs.is_kernel, securityfs.active) == (False, None)
    done = tomoyo("doctor", "--root", root)
    assert (done.status, done.output) == (0, "nothing found; whether TOMOYO is active shows on the running system alone\n")
    monkeypatch.setattr(Securityfs, "is_kernel", True)
    monkeypatch.setattr(Securityfs, "active", None)
    [finding] = diagnose(Machine(root))
    assert finding.message.startswith("cannot find out whether TOMOYO is active")
    assert {path: path.read_bytes() for path in (root / TOMOYO).iterdir()} == before


@pytest.mark.parametrize(("priority", "is_kernels"), [(6, True), (14, False)])
def test_the_kernel_log_tells_that_the_loader_was_missing(
    root: Path, priority: int, is_kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs may write to it, too, but not as the kernel."""
    INACTIVE(root)
    record = f"{priority},1,2,-;Not activating Mandatory Access Control as /set/boot does not exist.\n\n".encode()
    records = iter([b"6,0,1,-;Linux\n", BrokenPipeError(), record, BlockingIOError()])

    def read(*_: object) -> bytes:
        found = next(records)
        if isinstance(found, OSError):
            raise found
        return found

    (root / "dev").mkdir()
    (root / "dev/kmsg").touch()
    assert Machine(root).kernel_log == ""
    monkeypatch.setattr(machine.stat, "S_ISCHR", lambda _: True)
    with monkeypatch.context() as patched:
        patched.setattr(machine.os, "read", read)
        found = Machine(root)
        assert found.kernel_log
    [finding] = diagnose(found)
    assert ("the policy loader /set/boot was not there when the trigger was executed" in finding.message) is is_kernels


def test_a_packed_configuration_comes_first(root: Path) -> None:
    (root / "proc/config.gz").write_bytes(gzip.compress(b'# CONFIG_SECURITY_TOMOYO is not set\nCONFIG_LSM="yama"\n'))
    assert [finding.code for finding in diagnose(Machine(root))] == ["configuration"]
    (root / "proc/config.gz").write_bytes(b"\x1f\x8b garbage")
    assert diagnose(Machine(root)) == []


def test_nobody_but_root_may_look(root: Path) -> None:
    (root / TOMOYO / "profile").unlink()
    (root / TOMOYO / "profile").symlink_to("loop")
    [finding] = [found for found in diagnose(Machine(root)) if found.code == "access"]
    assert finding.help == "run this as root"


def test_an_empty_machine(tmp_path: Path) -> None:
    assert [finding.code for finding in diagnose(Machine(tmp_path))] == ["mount", "loader"]


def test_special_files_are_not_read(root: Path) -> None:
    (root / "proc/cmdline").unlink()
    os.mkfifo(root / "proc/cmdline")
    assert Machine(root).parameters == {}


def test_links_are_taken_as_the_machine_has_them(root: Path) -> None:
    (root / "run").mkdir()
    (root / "run/current").symlink_to("/set")
    (root / "run/loop").symlink_to("loop")
    machine = Machine(root)
    assert machine.resolve("/run/current/../run/current/boot") == "/set/boot"
    assert (machine.resolve("/run/loop"), machine.resolve("/none"), machine.is_executable("/set")) == (None, None, False)


def test_the_command_line() -> None:
    def parameters(text: str) -> dict[str, str]:
        machine = Machine()
        machine.text = lambda name: text  # type: ignore[method-assign]
        return machine.parameters

    assert parameters('a b=1 b=2 c="x y" "d=e f" -- g=1\n') == {"a": "", "b": "2", "c": "x y", "d": "e f"}


def test_a_folder_that_nobody_but_root_may_enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(root / TOMOYO)
    isdir, stat = os.path.isdir, os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if str(path) == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return stat(path, **options)

    monkeypatch.setattr("tomoyo.kernel.diagnosis.os.path.isdir", lambda path: str(path) != folder and isdir(path))
    monkeypatch.setattr("tomoyo.kernel.diagnosis.os.stat", refuse)
    finding = diagnose(Machine(root))[-1]
    assert (finding.code, finding.help) == ("access", "run this as root")

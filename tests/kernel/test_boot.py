"""The boot loader's text, and what can be known of it without a kernel: `tests/vm/test_boot.py` boots it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tomoyo.kernel.boot import REFUSED, boot_script, check_boot
from tomoyo.kernel.policy_set import Fault

SHELLS = (["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"])


def settings(script: str) -> str:
    """What the shell makes of the settings, one a line."""
    names = ["directory", "previous", "state", "fallback", "search_path", "sizes"]
    shown = "".join(f'printf "%s|\\n" "${name}"\n' for name in names)
    text = script.partition("# settings: begin\n")[2].partition("# settings: end\n")[0]
    return subprocess.run(["/bin/sh", "-c", text + shown], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_reads_it(shell: list[str], tmp_path: Path) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"{shell[0]} is not installed")
    (tmp_path / "boot").write_text(boot_script())
    done = subprocess.run([*shell, "-n", str(tmp_path / "boot")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_that_others_could_read_in_two_ways() -> None:
    script = boot_script()
    assert script.isascii()
    # A here-document is a temporary file in some shells, and nothing may be writable at boot.
    assert "<<" not in script
    assert "[[" not in script
    assert "\nlocal " not in script


def test_the_settings_are_baked_in() -> None:
    script = boot_script(
        "/nix/store/x-it's a set",
        interpreter="/nix/store/y-busybox/bin/busybox sh",
        search_path=("/nix/store/y-busybox/bin", "/opt/bin"),
        sizes={"profile.conf": 12, "domain_policy.conf": 345},
        previous="/$(reboot)",
        state="/state",
        fallback=False,
    )
    assert script.startswith("#!/nix/store/y-busybox/bin/busybox sh\n# ")
    assert settings(script) == (
        "/nix/store/x-it's a set|\n/$(reboot)|\n/state|\nno|\n/nix/store/y-busybox/bin:/opt/bin|\n"
        "profile.conf=12\ndomain_policy.conf=345|\n"
    )


def test_the_settings_by_default() -> None:
    script = boot_script()
    assert script.startswith("#!/bin/sh\n")
    assert settings(script) == "|\n|\n/var/lib/tomoyo|\nyes|\n|\n|\n"


@pytest.mark.parametrize(
    "arguments",
    [
        {"directory": "set"},
        {"directory": "/set/"},
        {"directory": "/a\nb"},
        {"previous": "previous"},
        {"state": "lib"},
        {"search_path": ["bin"]},
        {"search_path": ["/a:b"]},
        {"sizes": {"a=b": 1}},
        {"sizes": {"a": -1}},
        {"interpreter": "sh"},
        {"interpreter": "/bin/busybox  sh"},
        {"interpreter": "/bin/busybox sh -x"},
        {"interpreter": "/bin/sh\n"},
        {"interpreter": "/" + "x" * 125},
    ],
    ids=str,
)
def test_what_cannot_stand_in_a_script_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not a|at most|cannot hold"):
        boot_script(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["reset_domain /sbin/init from any", "reset_domain any from any"])
def test_a_set_that_would_let_no_init_start_is_refused(line: str, tmp_path: Path) -> None:
    """The loader itself cannot see this: such a rule catches the first program alone."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "profile.conf").write_text("PROFILE_VERSION=20150505\n0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n")
    (folder / "domain_policy.conf").write_text("<kernel>\nuse_profile 0\n\n\n")
    (folder / "manager.conf").write_text("")
    (folder / "exception_policy.conf").write_text("initialize_domain /bin/sh from any\n")
    before = check_boot(folder)
    assert [problem for problem in before if problem.fault in REFUSED] == []
    (folder / "exception_policy.conf").write_text(f"initialize_domain /bin/sh from any\n{line}\n")
    (found,) = [problem for problem in check_boot(folder) if problem.fault in REFUSED]
    assert (found.fault, found.file, found.line) == (Fault.STOPPED, "exception_policy.conf", 2)
    assert "execution fails" in found.message

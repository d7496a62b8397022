"""The units of the NixOS module, run by a real systemd while their programs are confined.

Arguments: the folder of the system. The set to load is in `set/`, the units are in `units/`; `answers.json` says what came of it.
systemd is the first process of a PID namespace of its own, as in a container; the units' sandboxes are made as everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.vm import confined
from tests.vm.jobs.daemons import LOG, SAVED, asked, denied, own_records, prepare

UNITS = "/run/systemd/system"
DAEMONS = ("tomoyo-audit", "tomoyo-notify", "tomoyo-query")
SAVING = ("tomoyo-save", "tomoyo-save-at-shutdown")
#: What every unit has here: its output in a file, as there is no journal.
OUTPUT = "[Service]\nStandardOutput=append:/run/output/%n\nStandardError=inherit\nTimeoutStartSec=300\nTimeoutStopSec=300\n"


def systemctl(*arguments: str) -> tuple[int, str]:
    """Tell systemd something, from within its namespaces: its exit code, and what it says."""
    first = next(process for process in filter(str.isdigit, os.listdir("/proc")) if _is_first(process))
    command = ["nsenter", "--target", first, "--pid", "--mount", "--cgroup", "systemctl", "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _is_first(process: str) -> bool:
    with suppress(OSError):
        return status(int(process)).get("NSpid", "").split()[1:] == ["1"]
    return False


def status(process: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def main() -> None:
    system = confined.System(sys.argv[1])
    for folder in ("/run/output", UNITS, f"{UNITS}/service.d"):
        os.makedirs(folder, exist_ok=True)
    Path(f"{UNITS}/service.d/output.conf").write_text(OUTPUT)
    for unit in Path("units").iterdir():
        shutil.copy(unit, f"{UNITS}/{unit.name}")
    Path(f"{UNITS}/test.target").write_text("[Unit]\nDescription=Nothing\n")
    prepare(system)
    answers: dict[str, Any] = {}
    subprocess.run("mountpoint -q /sys/fs/cgroup || mount -t cgroup2 cgroup2 /sys/fs/cgroup", shell=True, check=True)
    manager = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount", "--mount-proc", "--cgroup", "/lib/systemd/systemd", "--unit=test.target"],
        env={"PATH": os.environ["PATH"], "container": "test", "SYSTEMD_LOG_TARGET": "console"},
        stdin=subprocess.DEVNULL,
    )
    try:
        confined.wait_for(lambda: os.path.exists("/run/systemd/private"), manager)
        answers["started"] = {name: systemctl("start", f"{name}.service") for name in (*DAEMONS, *SAVING)}
        for name in DAEMONS:
            process = outside(systemctl("show", "--value", "--property=MainPID", f"{name}.service")[1].strip())
            answers[name] = [
                system.domain(process),
                *(status(process)[key] for key in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")),
            ]
        denied(5)
        log = Path(f"{LOG}/audit.log")
        confined.wait_for(lambda: "/run/none/4\n" in log.read_text(), manager)
        confined.wait_for(lambda: "/run/none/0\n" in Path("/run/output/tomoyo-notify.service").read_text(), manager)
        answers["answers"] = [asked(name) for name in ("allowed", "denied", "unknown")]
        ending = (*DAEMONS, SAVING[-1])
        answers["stopped"] = {name: systemctl("stop", f"{name}.service") for name in ending}
        shown = ("show", "--value", "--property=Result")
        answers["results"] = {name: systemctl(*shown, f"{name}.service")[1].strip() for name in (*DAEMONS, *SAVING)}
        answers["saved"] = len([name for name in os.listdir(f"{SAVED}/policy") if name[0].isdigit()])
    finally:
        manager.kill()
    answers["records"] = own_records(system)
    Path("answers.json").write_text(json.dumps(answers))


def outside(inside: str) -> int:
    """The process that is INSIDE in the namespace, as it is called here."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            if status(int(name)).get("NSpid", "").split()[1:] == [inside]:
                return int(name)
    raise AssertionError(f"no process {inside}")


if __name__ == "__main__":
    main()

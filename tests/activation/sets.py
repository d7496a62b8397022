"""Policy sets in folders, and kernels that they are activated on."""

from __future__ import annotations

from pathlib import Path

from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel

STORE = "/nix/store"
OLD, NEW = (f"{STORE}/{letter * 32}-nginx-1.2{n}" for n, letter in enumerate("ab"))
PROFILES = "0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n3-CONFIG={ mode=enforcing grant_log=no reject_log=no }\n"
DOMAINS = "<kernel> nix:/nginx/bin/nginx\nuse_profile 3\n\nfile read @nix:/nginx/etc/conf\n\n"


def bindings(path: str) -> str:
    return f"aggregator {path}/bin/nginx nix:/nginx/bin/nginx\npath_group nix:/nginx/etc/conf {path}/etc/conf\n"


def policy(path: str = OLD, domains: str = DOMAINS) -> PolicySet:
    return PolicySet(domains, "", bindings(path), PROFILES, "/manager\n")


class Active(SimulatedKernel):
    """Enforces policy, of which there is none yet."""

    def __init__(self) -> None:
        super().__init__()
        self.holding.active = True


class Counting(Active):
    """Counts writes, and drops a line if told to."""

    def __init__(self, drops: str | None = None) -> None:
        super().__init__()
        self.written: list[str] = []
        self.reads: list[str] = []
        self.drops = drops

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        text = data if isinstance(data, str) else data.decode()
        self.written += text.splitlines()
        if self.drops:
            text = "".join(line for line in text.splitlines(keepends=True) if line.strip() != self.drops)
        super().write(name, text)

    def read(self, name: str) -> str:
        self.reads.append(name)
        return super().read(name)


def options(folder: Path) -> dict[str, str]:
    proc = folder / "proc"
    proc.mkdir(exist_ok=True)
    return {"state": str(folder / "state"), "locks": str(folder / "locks"), "proc": str(proc)}


def put(folder: Path, name: str, found: PolicySet) -> Path:
    write_policy_set(found, folder / name)
    return folder / name


def process(folder: Path, number: int, exe: str, maps: str = "", cmdline: str = "", **others: str) -> None:
    """Put a process into the proc of FOLDER; OTHERS are links such as ``cwd`` and ``fd/3``."""
    place = folder / "proc" / str(number)
    (place / "fd").mkdir(parents=True)
    for name, target in {"exe": exe, "cwd": "/", "root": "/", "fd/0": "/dev/null", **others}.items():
        (place / name).symlink_to(target)
    (place / "cmdline").write_text(cmdline)
    (place / "maps").write_text(f"00400000-00452000 r-xp 00000000 08:02 173521 {maps}\n" if maps else "")

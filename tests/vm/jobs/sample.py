"""The sample system of `tomoyo demo`, running: busybox and a small application, in a store of its own below /nix.

    learn     gives the kernel `bindings.conf` and lets it learn what the application does: `domain_policy`, `exception_policy`
    enforce   loads the compiled set in `set/`, with its own boot loader, and tries what `attempts.json` says: a list of
              [[PROGRAM, ARGUMENT...], {VARIABLE: VALUE}]; `answers.json` has for each its exit code, what it printed, and the
              domain that it started in; `domain_policy` and its like are what the kernel holds at the end

The second argument is the generation that runs, 1 or 2.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.sample import SYSTEM
from tests.vm import guest

STORE = Path("/nix/store")
SET = Path("/run/set")
STATE = Path("/var/lib/notes")
BUSYBOX = "/bin/busybox"
PTRACE = ctypes.CDLL(None).ptrace
PTRACE.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
PTRACE_TRACEME, PTRACE_DETACH = 0, 17
#: What somebody does with the application while the kernel learns.
WORK: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (("notes",), {}),
    (("notes", "add", "milk and bread"), {}),
    (("notes", "list"), {}),
    (("notes", "show", "/var/lib/notes/notes"), {}),
    (("notes", "edit"), {"EDITOR": "/run/current-system/sw/bin/cat"}),
)


def set_up(generation: str) -> None:
    """Put the system in place; it must not lie on an overlay, whose layers the kernel would ask about, too."""
    for folder in ("/nix", str(STATE)):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
    shutil.copytree(SYSTEM / "nix", "/nix", symlinks=True, dirs_exist_ok=True)
    for program in STORE.glob("*-busybox-*/bin/busybox"):
        shutil.copy(shutil.which("busybox") or BUSYBOX, program)
    # Strangers: packages that no closure knows, one of them named as one that all know.
    for package in ("notes-1.1", "busybox-1.36.1"):
        shutil.copytree(next(STORE.glob(f"*-{package}")), STORE / f"{'s' * 32}-{package}", symlinks=True)
    os.makedirs(STORE / f"{'s' * 32}-ghost-1.0/share")
    (STORE / f"{'s' * 32}-ghost-1.0/share/secret").write_text("boo\n")
    os.makedirs("/run", exist_ok=True)
    os.symlink(os.path.realpath(f"/nix/var/nix/profiles/system-{generation}-link"), "/run/current-system")


def attempt(command: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run COMMAND; its exit code (-1 where it cannot be executed), what it prints, and the domain that it starts in."""
    program = command[0] if "/" in command[0] else f"/run/current-system/sw/bin/{command[0]}"
    try:
        child = subprocess.Popen(
            [program, *command[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=stop_at_execve,
        )
    except PermissionError:
        return -1, "", ""
    # Before its first instruction: a moment later it may have executed something else.
    os.waitpid(child.pid, os.WUNTRACED)
    domain = guest.write_and_read(".process_status", b"global-pid %d" % child.pid).decode().split(" ", 2)[2].strip()
    PTRACE(PTRACE_DETACH, child.pid, None, None)
    printed, _ = child.communicate()
    return child.returncode, printed, domain


def stop_at_execve() -> None:
    """Let the kernel stop the calling process when it has executed a program, until its parent lets it go on."""
    PTRACE(PTRACE_TRACEME, 0, None, None)


def learn(here: Path) -> None:
    """Let the kernel learn what the application does."""
    guest.write("exception_policy", (here / "bindings.conf").read_bytes())
    guest.write("exception_policy", b"initialize_domain nix:/notes/bin/notes from any\n")
    guest.activate()
    guest.write("domain_policy", b"<kernel> nix:/notes/bin/notes\nuse_profile 1\n")
    for command, environment in WORK:
        attempt(list(command), environment)
    for name in ("domain_policy", "exception_policy"):
        (here / name).write_bytes(guest.read(name))


def enforce(here: Path) -> list[tuple[int, str, str]]:
    """Let the compiled set be loaded as at boot, and make every attempt."""
    shutil.copytree(here / "set", SET)
    os.chmod(SET / "boot", 0o755)
    guest.activate(profile=b"", managers=())
    attempts = json.loads((here / "attempts.json").read_text())
    return [attempt(command, environment) for command, environment in attempts]


if __name__ == "__main__":
    mode, generation = sys.argv[1:]
    set_up(generation)
    if mode == "learn":
        learn(Path.cwd())
    else:
        Path("answers.json").write_text(json.dumps(enforce(Path.cwd())))
        for name in ("domain_policy", "exception_policy", "profile", "manager"):
            Path(name).write_bytes(guest.read(name))

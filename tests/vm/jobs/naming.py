"""Runs programs of a small system, whose generations are in a Nix store of the host's, and lets the kernel learn or enforce.

`script.json`: "store", the folder that holds the Nix store; "paths", the store paths to have in the guest; "system", the store
path that /run/current-system is; "exceptions" and "domains", policy to load; "commands", each a list, run one after another.
`answers.json` has for each command its exit code (-1 where it cannot be executed) and what it printed. `domain_policy` and
`exception_policy` are what the kernel holds in the end.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.vm import guest


def set_up(script: dict[str, Any]) -> None:
    """Put the store in place: not on an overlay, whose layers the kernel would ask about, too."""
    os.makedirs("/nix", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=800M", "tmpfs", "/nix"], check=True)
    os.makedirs("/nix/store")
    subprocess.run(["cp", "-a", *(script["store"] + path for path in script["paths"]), "/nix/store/"], check=True)
    os.symlink(script["system"], "/run/current-system")


def answer(command: list[str]) -> tuple[int, str]:
    """Run COMMAND."""
    # To a file: a pipe has another name each time, and programs ask about their output.
    with open("/run/output", "w+", encoding="ascii") as output:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
        except PermissionError:
            return -1, ""
        output.seek(0)
        return done.returncode, output.read()


if __name__ == "__main__":
    script = json.loads(Path("script.json").read_text())
    set_up(script)
    guest.activate()
    guest.write("exception_policy", script["exceptions"].encode("ascii"))
    guest.write("domain_policy", script["domains"].encode("ascii"))
    answers = [answer(command) for command in script["commands"]]
    Path("answers.json").write_text(json.dumps(answers))
    for name in ("domain_policy", "exception_policy"):
        Path(name).write_bytes(guest.read(name))

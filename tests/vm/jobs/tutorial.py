"""Follows the tutorial on a small system: its commands as they are written, in its order.

Arguments: a folder with a Nix store, what is executed as PID 1, and the top levels of the system's generations, as store paths;
`closure` lists the store paths that all of them need, `commands.json` the tutorial's commands by section. `answers.json` says
what came of it.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.vm import guest
from tests.vm.jobs.generations import SYSTEM, run, set_up

PAGE = "/home/www/site/index.html"
ENVIRONMENT = {"PATH": f"{SYSTEM}/sw/bin:/usr/bin:/bin"}
HOME = "/run/root"
LOG = "/var/log/tomoyo/audit.log"
#: Seconds in which a service begins.


class Nginx:
    """A running stand-in, which reads a page and a secret whenever it is asked to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [f"{SYSTEM}/sw/bin/nginx"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )

    def ask(self) -> str:
        """Its version, and what it got of the two."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().strip()

    def place(self) -> str:
        """Its profile and domain."""
        status = guest.write_and_read(".process_status", b"global-pid %d" % self.process.pid).decode()
        return status.partition(" ")[2].strip()

    def end(self) -> int:
        """Let it end; its exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()


class Tutorial:
    """The commands, section by section, and the generations, one after another."""

    def __init__(self, generations: list[str], commands: dict[str, list[str]]) -> None:
        self.generations = generations
        self.commands = commands
        self.answers: dict[str, Any] = {}

    def switch(self) -> None:
        """nixos-rebuild switch, with what comes next."""
        done = run(f"{self.generations.pop(0)}/activate", NIXOS_ACTION="switch")
        assert not done["status"], done

    def section(self, number: str) -> list[str]:
        """Run the commands of a section that speak to the kernel; what they say."""
        said = []
        for command in self.commands[number]:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=HOME,
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert not done.returncode, f"{command}: {done.stderr}"
            said.append(done.stdout)
        return said


class Audit:
    """The system's own service, as its unit starts it."""

    def __init__(self) -> None:
        units = json.loads(Path(f"{SYSTEM}/units").read_text())
        command = shlex.split(units["services"]["tomoyo-audit"]["serviceConfig"]["ExecStart"])
        self.process = subprocess.Popen(command, env=ENVIRONMENT)

    def end(self) -> None:
        """As systemd ends it, after which all is written; not before it has begun, which the first record tells."""
        while not (os.path.exists(LOG) and os.path.getsize(LOG)):
            guest.pause()
        self.process.terminate()
        self.process.wait()


def main() -> None:
    store, init, first, *others = sys.argv[1:]
    set_up(store, Path("closure").read_text().split(), first)
    os.makedirs("/nix/var/nix")
    subprocess.run(["cp", "-a", f"{store}/nix/var/nix/db", "/nix/var/nix/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/home"], check=True)
    os.makedirs(os.path.dirname(PAGE))
    Path(PAGE).write_text("welcome\n")
    for folder in (os.path.dirname(LOG), HOME):
        os.makedirs(folder, mode=0o700, exist_ok=True)

    tutorial = Tutorial(others, json.loads(Path("commands.json").read_text()))
    answers = tutorial.answers
    run(init)  # after which the kernel has called the loader
    os.symlink(first, "/run/booted-system")
    audit, nginx = Audit(), Nginx()
    answers["permissive"] = [nginx.ask(), nginx.place()]
    answers["1"] = tutorial.section("1")
    audit.end()
    answers["2"] = tutorial.section("2")

    os.remove(LOG)
    tutorial.switch()  # with what was missing
    audit = Audit()
    nginx.ask()
    audit.end()
    answers["2, again"] = tutorial.section("2")

    tutorial.switch()  # enforced
    answers["enforced"] = [nginx.ask(), nginx.place()]

    tutorial.switch()  # upgraded
    newer = Nginx()
    answers["upgraded"] = [nginx.ask(), nginx.place(), newer.ask(), newer.place()]
    answers["ends"] = [nginx.end(), newer.end()]

    tutorial.switch()  # a program that is learned
    run(f"{SYSTEM}/sw/bin/hello", **ENVIRONMENT)
    answers["5"] = tutorial.section("5")
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

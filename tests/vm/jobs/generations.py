"""Generations of a small system: one boots and is enforced, the other one is switched to, and the first comes back.

Arguments: a folder with a Nix store, what is executed as PID 1, and the top levels of the two generations, as store paths;
`closure` lists the store paths that both need. Without a second generation all ends after the boot. All the while a service of
the first generation, `counter`, asks for what it may have and for what it may not; another thread asks the kernel about the
service. `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.vm import guest

SYSTEM = "/run/current-system"
COUNTER = f"{SYSTEM}/sw/bin/counter"


def set_up(store: str, closure: list[str], generation: str) -> None:
    """Put both generations in place; not on an overlay, whose layers the kernel would ask about, too."""
    os.makedirs("/nix", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=800M", "tmpfs", "/nix"], check=True)
    os.makedirs("/nix/store")
    # As Nix has it: builders may add to it.
    os.chown("/nix/store", 0, 30000)
    os.chmod("/nix/store", 0o1775)
    subprocess.run(["cp", "-a", *(store + path for path in closure), "/nix/store/"], check=True)
    os.symlink(generation, SYSTEM)
    Path("/run/words").write_text("secret\n")


#: The service and who watches it never rest. With so little weight they leave nine tenths of the only processor to a switch.
NICE = 10


class Service:
    """A running counter, and a thread that asks the kernel where it is, again and again."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([COUNTER], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        os.setpriority(os.PRIO_PROCESS, self.process.pid, NICE)
        self.places: dict[str, int] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look)
        # It says so when it has begun.
        assert self.process.stdout is not None
        self.output = self.process.stdout
        assert self.output.readline() == b"begun\n"
        self._watch.start()

    def place(self) -> str:
        """The service's profile and domain."""
        status = guest.write_and_read(".process_status", b"global-pid %d" % self.process.pid).decode()
        return status.partition(" ")[2].strip()

    def stop(self) -> dict[str, Any]:
        """End it; what it counted, and where it was seen how often."""
        self._ended.set()
        self._watch.join()
        self.process.terminate()
        counts = dict(zip(("asked", "denied", "allowed"), map(int, self.output.read().split())))
        return {**counts, "status": self.process.wait(), "places": self.places}

    def _look(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while True:  # at least once, however soon it ends
            place = self.place()
            self.places[place] = self.places.get(place, 0) + 1
            if self._ended.is_set():
                return


def run(*command: str, **environment: str) -> dict[str, Any]:
    """What a command says and its exit code."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    return {"status": done.returncode, "output": done.stdout + done.stderr}


def held() -> dict[str, str]:
    """What the kernel holds."""
    return {name: guest.read(name).decode() for name in ("domain_policy", "exception_policy", "profile", "manager")}


def main() -> None:
    store, init, first, *second = sys.argv[1:]
    set_up(store, Path("closure").read_text().split(), first)
    # The kernel calls the loader because of the name of this or of what it executes, whatever that does.
    run(init)
    os.symlink(first, "/run/booted-system")
    answers: dict[str, Any] = {"booted": held()}
    service = Service()
    for name, generation in (("switched", *second), ("rolled back", first)) if second else ():
        answers[f"{name}: activation"] = run(f"{generation}/activate", NIXOS_ACTION="switch")
        answers[name] = held()
        answers[f"{name}: new service"] = Service().stop()
        answers[f"{name}: gc"] = run(f"{SYSTEM}/sw/bin/tomoyo", "gc")
        answers[f"{name}, collected"] = held()
    answers["service"] = service.stop()
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

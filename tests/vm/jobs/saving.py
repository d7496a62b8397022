"""Two programs that learn in turn, each in a domain of its own, and somebody who saves meanwhile.

Between their two domains the kernel prints a large one, so that what it prints of the two is of different moments.  Writes
`result.json`: `plain`, how much was learned in the one and in the other by readings without further ado; `saved`, the same by
what was saved while they went on learning until they were stopped; `tried`, how often that was read.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

from tests.vm import guest
from tomoyo.kernel.saving import read_consistent, save
from tomoyo.kernel.securityfs import Securityfs

#: How much is learned in each domain before somebody saves, and how many readings are disturbed.
BEFORE, DISTURBED = 100, 3
PROFILES = guest.PROFILES.replace(b"1-CONFIG", b"1-PREFERENCE={ max_audit_log=0 max_learning_entry=1000000 }\n1-CONFIG")
#: The one makes a file, then the other one, then the first again; nothing else is executed.
LEARNERS = {
    "a": "exec 3>/run/there 4</run/back; i=0; while :; do i=$((i+1)); : >/run/a/file$i; echo >&3; read x <&4; done",
    "b": "exec 4</run/there 3>/run/back; i=0; while read x <&4; do i=$((i+1)); : >/run/b/file$i; echo >&3; done",
}


def start_learners() -> list[subprocess.Popen[bytes]]:
    """Let both learn in turn."""
    for name in ("there", "back"):
        os.mkfifo(f"/run/{name}")
    for name in LEARNERS:
        os.mkdir(f"/run/{name}")
    return [subprocess.Popen([f"/run/learner-{name}", "-c", script]) for name, script in LEARNERS.items()]


def wait_until_learned(count: int) -> None:
    """Wait until the first program has made so many files."""
    while len(os.listdir("/run/a")) < count:
        guest.pause()


def learned(text: str) -> list[int]:
    """How much was learned in the one domain and in the other."""
    return [len(set(re.findall(rf"/run/{name}/file\d+", text))) for name in LEARNERS]


class Meanwhile(Securityfs):
    """Reads only when more has been learned since the last reading, for some times; then the programs are stopped."""

    def __init__(self, programs: list[subprocess.Popen[bytes]]) -> None:
        super().__init__()
        self.programs = programs
        self.tried = 0

    def read(self, name: str) -> str:
        """All that the file NAME holds."""
        if name == "domain_policy":
            self.tried += 1
            if self.tried <= DISTURBED:
                wait_until_learned(len(os.listdir("/run/a")) + 2)
            else:
                for program in self.programs:
                    program.send_signal(signal.SIGSTOP)
        return super().read(name)


def run() -> dict[str, object]:
    """Learn, read, and save."""
    guest.activate(profile=PROFILES)
    for name in LEARNERS:
        subprocess.run(["cp", "/bin/dash", f"/run/learner-{name}"], check=True)
        guest.write("exception_policy", b"initialize_domain /run/learner-%s from any\n" % name.encode())
    filler = "".join(f"file read /usr/share/package{number}/file{number}\n" for number in range(20_000))
    domains = ["<kernel> /run/learner-b\nuse_profile 1\n", f"<kernel> /filler\nuse_profile 3\n{filler}"]
    guest.write("domain_policy", "".join([*domains, "<kernel> /run/learner-a\nuse_profile 1\n"]).encode())
    programs = start_learners()
    try:
        wait_until_learned(BEFORE)
        plain = [learned(guest.read("domain_policy").decode()) for _ in range(5)]
        interface = Meanwhile(programs)
        folder = save(read_consistent(interface), "/run/saved")
    finally:
        for program in programs:
            program.kill()
            program.wait()
    with open(f"{folder}/domain_policy.conf", encoding="latin-1") as file:
        return {"plain": plain, "saved": learned(file.read()), "tried": interface.tried}


if __name__ == "__main__":
    found = run()
    with open("result.json", "w", encoding="ascii") as result:
        json.dump(found, result)

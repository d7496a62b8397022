"""chronyd as NixOS starts it, under the policy library's policy: a server, a client of it, and chronyc.

Argument: the folder of the system. The set to load is in `set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.vm import confined

USER = 61
STATE = "/var/lib/chrony"
DAEMON = "<kernel> nix:/chrony/bin/chronyd"
COMMAND = "<kernel> nix:/chrony/bin/chronyc"
#: What code in the domains must not do, and what it may do.
DAEMON_ATTEMPTS: list[list[Any]] = [
    ["write", "PROGRAM"],
    ["write", "CONFIGURATION"],
    ["write", "/var/lib/chrony/chrony.keys"],
    ["unlink", "/var/lib/chrony/chrony.keys"],
    ["chmod", "/var/lib/chrony/chrony.drift"],
    ["create", "/var/lib/evil"],
    ["create", "/run/chrony/evil"],
    ["read", "/etc/shadow"],
    ["read", "/var/secret"],
    ["write", "/var/lib/acme/time/key.pem"],
    ["execute", "/bin/sh"],
    ["execute", "SHELL"],
    ["execute", "PROGRAM"],
    ["connect", "127.0.0.1", 22],
    ["listen", "127.0.0.1", 8080],
    ["unix stream", "/run/dbus/system_bus_socket"],
    ["write", "/dev/kmsg"],
]
DAEMON_ALLOWED: list[list[Any]] = [
    ["read", "/var/lib/chrony/chrony.keys"],
    ["write", "/var/lib/chrony/chrony.drift"],
    ["read", "/etc/zoneinfo/UTC"],
    ["connect", "127.0.0.1", 4460],
]
COMMAND_ATTEMPTS: list[list[Any]] = [
    ["read", "/var/lib/chrony/chrony.keys"],
    ["write", "/var/lib/chrony/chrony.drift"],
    ["read", "/var/secret"],
    ["execute", "/bin/sh"],
    ["connect", "127.0.0.1", 4460],
    ["send", "127.0.0.1", 123],
    ["create", "/run/chrony/evil"],
]
COMMAND_ALLOWED: list[list[Any]] = [["send", "127.0.0.1", 323], ["unix dgram", "/run/chrony/chronyd.sock"]]


def prepare() -> None:
    """What systemd-tmpfiles makes, a certificate, a secret, and the name by which udev links the clock."""
    os.makedirs(STATE)
    os.chmod(STATE, 0o750)
    os.chown(STATE, USER, USER)
    for name, owner in (("drift", USER), ("keys", 0), ("rtc", USER)):
        Path(f"{STATE}/chrony.{name}").touch(0o640)
        os.chown(f"{STATE}/chrony.{name}", owner, USER)
    os.makedirs("/var/lib/acme/time")
    for name in ("fullchain.pem", "key.pem"):
        shutil.copy(name, f"/var/lib/acme/time/{name}")
        os.chown(f"/var/lib/acme/time/{name}", USER, USER)
    Path("/var/secret").write_text("secret\n")
    if not os.path.lexists("/dev/rtc"):
        os.symlink("rtc0", "/dev/rtc")


def main() -> None:
    system = confined.System(sys.argv[1])
    prepare()
    system.activate()
    package = system.path("chrony-4")
    program, configuration = f"{package}/bin/chronyd", system.path("chrony.conf")
    answers: dict[str, object] = {}
    # Not even a policy makes two of them set one clock.
    server = system.start([program, "-n", "-x", "-u", "chrony", "-f", system.path("server-chrony.conf")])
    confined.wait_for(lambda: confined.answers(4460), server)
    client = system.start([program, "-n", "-u", "chrony", "-f", configuration, "-m"])

    def command(*words: str, user: int = 0) -> tuple[int, str]:
        done = system.run([f"{package}/bin/chronyc", "-n", *words], user=user)
        return done["status"], done["output"]

    confined.wait_for(lambda: "7F000001" in command("tracking")[1], client)
    answers["tracking"] = command("tracking")[1]
    answers["authentication"] = command("authdata")[1]
    answers["domains"] = sorted({system.domain(process.pid) for process in (server, client)})
    # Not "rekey": Debian's chronyd 4.3 crashes then, confined or not.
    requests = (
        "sources",
        "sourcestats",
        "ntpdata",
        "makestep",
        "dump",
        "cyclelogs",
        "rtcdata",
        "writertc",
        "reload sources",
        "activity",
    )
    answers["commands"] = {request: command(*request.split()) for request in requests}
    answers["another user"] = command("tracking", user=65534)[1]
    client.terminate()
    server.terminate()
    answers["stopped"] = [process.wait() for process in (client, server)]
    answers["drift"] = Path(f"{STATE}/chrony.drift").read_text()
    answers["kept"] = sorted(os.listdir(STATE))
    answers["left"] = sorted(os.listdir("/run/chrony"))
    # The guest's root is an overlay, whose layers the kernel asks about, too.
    answers["records"] = [record for record in system.records() if " tmpfs:/data/" not in record]
    words = {"PROGRAM": program, "CONFIGURATION": configuration, "SHELL": os.path.realpath("/bin/sh")}
    forbidden: list[tuple[str, str]] = []
    allowed: list[tuple[str, str]] = []
    for domain, attempts, possible in (
        (DAEMON, DAEMON_ATTEMPTS, DAEMON_ALLOWED),
        (COMMAND, COMMAND_ATTEMPTS, COMMAND_ALLOWED),
    ):
        given = [[words.get(str(word), word) for word in attempt] for attempt in attempts]
        forbidden += list(zip(map(str, attempts), system.attempts(domain, given)))
        allowed += list(zip(map(str, possible), system.attempts(domain, possible)))
    answers["forbidden"], answers["allowed"] = forbidden, allowed
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

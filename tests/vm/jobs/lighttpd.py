"""lighttpd as NixOS starts it, under the policy library's policy: configuration test, pages, logs, reload, stop.

Argument: the folder of the system. The set to load is in `set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from tests.vm import confined

DOMAIN = "<kernel> nix:/lighttpd/bin/lighttpd"
PAGE = "a page\n"
#: What code in the domain must not do, and what it may do.
FORBIDDEN = [
    ["write", "PROGRAM"],
    ["write", "CONFIGURATION"],
    ["create", "/srv/www/shell.cgi"],
    ["write", "/srv/www/index.html"],
    ["read", "/etc/shadow"],
    ["read", "/var/secret"],
    ["read", "/proc/1/environ"],
    ["execute", "/bin/sh"],
    ["execute", "SHELL"],
    ["execute", "PROGRAM"],
    ["connect", "127.0.0.1", 22],
    ["listen", "127.0.0.1", 8080],
    ["unix stream", "/run/dbus/system_bus_socket"],
    ["mkdir", "/var/lib/evil"],
]
ALLOWED = [
    ["read", "/srv/www/index.html"],
    ["list", "/srv/www"],
    ["read", "CONFIGURATION"],
    ["unix dgram", "/dev/log"],
    ["create", "/var/tmp/lighttpd-upload-x"],
]


def main() -> None:
    system = confined.System(sys.argv[1])
    os.makedirs("/srv/www/pictures")
    os.makedirs("/var/tmp")
    os.chmod("/var/tmp", 0o1777)
    Path("/srv/www/index.html").write_text(PAGE)
    Path("/srv/www/pictures/1.txt").write_text(PAGE)
    Path("/var/secret").write_text("secret\n")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/run/systemd/journal/dev-log")
    os.chmod("/run/systemd/journal/dev-log", 0o666)
    os.symlink("/run/systemd/journal/dev-log", "/dev/log")
    system.activate()
    package, configuration = system.path("lighttpd-"), system.path("lighttpd.conf")
    program = f"{package}/bin/lighttpd"
    # Debian's looks for modules elsewhere.
    command = [program, "-m", f"{package}/lib", "-f", configuration]
    answers: dict[str, object] = {"activated": system.records()}
    answers["test"] = system.run([*command, "-tt"])
    service = system.start([*command, "-D"])
    confined.wait_for(lambda: confined.answers(80), service)
    answers["pages"] = [confined.get(80, path).decode() for path in ("/", "/pictures/1.txt", "/missing", "/pictures/")]
    answers["domains"] = [system.domain(service.pid)]
    answers["user"] = os.stat(f"/proc/{service.pid}").st_uid
    log.setblocking(False)
    messages = received(log)
    # ExecReload: it reads its configuration again.
    service.send_signal(signal.SIGUSR1)
    confined.wait_for(lambda: any("graceful" in message for message in received(log, messages)), service)
    confined.wait_for(lambda: confined.answers(80), service)
    answers["reloaded"] = confined.get(80, "/").decode()
    # KillSignal.
    service.send_signal(signal.SIGINT)
    answers["stopped"] = service.wait()
    answers["printed"] = system.printed()
    answers["logs"] = received(log, messages)
    answers["records"] = system.records()
    words = {"PROGRAM": program, "CONFIGURATION": configuration, "SHELL": os.path.realpath("/bin/sh")}
    answers["forbidden"] = system.answers(DOMAIN, FORBIDDEN, words)
    answers["allowed"] = system.answers(DOMAIN, ALLOWED, words, user=75)
    answers["forbidden records"] = system.records()
    Path("answers.json").write_text(json.dumps(answers))


def received(log: socket.socket, messages: list[str] | None = None) -> list[str]:
    """What came to syslog; added to MESSAGES."""
    found: list[str] = [] if messages is None else messages
    while True:
        try:
            found.append(log.recv(65536).decode())
        except BlockingIOError:
            return found


if __name__ == "__main__":
    main()

"""A client of D-Bus and fontconfig's fc-list, each in a domain that has `base` and one module of the policy library.

Argument: the folder of the system. The set to load is in `set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.vm import confined

BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=ADDRESS</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"""
CLIENT = "<kernel> nix:/dbus/bin/dbus-send"
FONTS = "<kernel> nix:/fontconfig^bin/bin/fc-list"
#: What code in the domains must not do, and what it may do.
FORBIDDEN: dict[str, list[list[Any]]] = {
    CLIENT: [
        ["read", "/etc/passwd"],
        ["read", "/var/secret"],
        ["write", "/etc/machine-id"],
        ["unix stream", "/run/systemd/private"],
        ["unix stream", "/run/user/1000/wayland-0"],
        ["connect", "127.0.0.1", 80],
        ["execute", "/bin/sh"],
        ["unlink", "/run/user/1000/bus"],
        ["read", "/home/alice/secret"],
        ["create", "/home/alice/.profile"],
    ],
    FONTS: [
        ["write", "FONT"],
        ["read", "/etc/passwd"],
        ["read", "/home/alice/secret"],
        ["read", "/home/alice/.cache/other"],
        ["create", "/home/alice/.profile"],
        ["unix stream", "/run/dbus/system_bus_socket"],
        ["connect", "127.0.0.1", 80],
        ["execute", "/bin/sh"],
    ],
}
ALLOWED: dict[str, list[list[Any]]] = {
    CLIENT: [["unix stream", "/run/dbus/system_bus_socket"], ["unix stream", "/run/user/1000/bus"], ["read", "/etc/machine-id"]],
    FONTS: [["read", "FONT"], ["read", "/etc/fonts/fonts.conf"], ["list", "/etc/fonts/conf.d"]],
}


def prepare() -> None:
    """A user's home and a secret; none of it on the guest's overlay."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home"], check=True)
    for place in ("/home/alice/.cache", "/run/user/1000", "/run/dbus"):
        os.makedirs(place)
    for place in ("/home/alice", "/home/alice/.cache", "/run/user/1000"):
        os.chown(place, 1000, 100)
    for place in ("/home/alice/secret", "/home/alice/.cache/other", "/var/secret"):
        Path(place).write_text("secret\n")


def start_bus(program: str, address: str, user: int) -> subprocess.Popen[bytes]:
    """A bus at ADDRESS, which USER runs and nothing confines."""
    configuration = Path(f"/var/bus{user}.conf")
    configuration.write_text(BUS.replace("ADDRESS", address))
    command = [program, f"--config-file={configuration}", "--nofork", "--nopidfile"]
    process = subprocess.Popen(command, user=user, stdin=subprocess.DEVNULL)
    confined.wait_for(lambda: os.path.exists(address), process)
    return process


def run(*command: str, **environment: str) -> dict[str, Any]:
    """What a user's command prints, and its exit code."""
    done = subprocess.run(
        command,
        user=1000,
        group=100,
        extra_groups=[],
        env={"PATH": "/bin", "LANG": "en_US.UTF-8", "HOME": "/home/alice", "USER": "alice", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    return {"status": done.returncode, "output": done.stdout, "errors": done.stderr}


def main() -> None:
    system = confined.System(sys.argv[1])
    prepare()
    # NixOS does this when it builds a system.
    programs = f"{system.path('fontconfig-2.14.1-bin')}/bin"
    subprocess.run([f"{programs}/fc-cache", "--system-only"], stdout=subprocess.DEVNULL, check=True)
    system.activate()
    # Not its libraries' path, which begins with the same name.
    dbus = next(path for path in system.described["paths"] if path.endswith("-dbus-1.14.10"))
    bus = f"{dbus}/bin/dbus-daemon"
    buses = [start_bus(bus, "/run/dbus/system_bus_socket", 0), start_bus(bus, "/run/user/1000/bus", 1000)]
    answers: dict[str, object] = {}
    for name in ("system", "session"):
        command = [f"{dbus}/bin/dbus-send", f"--{name}", "--print-reply", "--dest=org.freedesktop.DBus"]
        command += ["/org/freedesktop/DBus", "org.freedesktop.DBus.ListNames"]
        answers[name] = run(*command, XDG_RUNTIME_DIR="/run/user/1000")
    answers["fonts"] = run(f"{programs}/fc-list", XDG_DATA_DIRS="/run/current-system/sw/share")
    # The guest's root is an overlay, whose layers the kernel asks about, too.
    answers["records"] = [record for record in system.records() if not re.search(r" (tmpfs:/data|9p:)/", record)]
    font = f"{system.path('dejavu-fonts')}/share/fonts/truetype/DejaVuSans.ttf"
    forbidden: list[tuple[str, str]] = []
    allowed: list[tuple[str, str]] = []
    for domain in FORBIDDEN:
        for tried, found in ((FORBIDDEN[domain], forbidden), (ALLOWED[domain], allowed)):
            given = [[font if word == "FONT" else word for word in attempt] for attempt in tried]
            found += zip((f"{domain}: {attempt}" for attempt in tried), system.attempts(domain, given))
    answers["forbidden"], answers["allowed"] = forbidden, allowed
    for process in buses:
        process.terminate()
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

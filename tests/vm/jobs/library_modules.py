"""A shell script that does what the policy library's modules are for, in a domain that has little else.

Argument: the folder of the system. The set to load is in `set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from tests.vm import confined

DOMAIN = "<kernel> nix:/backup/bin/backup"
FORBIDDEN = [
    ["read", "/etc/shadow"],
    ["write", "/etc/passwd"],
    ["write", "SCRIPT"],
    ["read", "/tmp/other"],
    ["unlink", "/tmp/other"],
    ["execute", "/tmp/own"],
    ["execute", "HOST"],
    ["execute", "LOADER"],
    ["create", "/var/lib/x"],
    ["listen", "127.0.0.1", 80],
    ["unix stream", "/run/systemd/private"],
    ["read", "/proc/1/environ"],
]
ALLOWED = [
    ["create", "/tmp/new"],
    ["append", "/tmp/own"],
    ["unlink", "/tmp/own"],
    ["listen", "127.0.0.1", 4433],
    ["connect", "127.0.0.1", 22],
    ["unix dgram", "/run/systemd/notify"],
    ["unix stream", "/var/run/nscd/socket"],
]


def main() -> None:
    system = confined.System(sys.argv[1])
    os.makedirs("/var/lib/backup")
    for name in ("fullchain.pem", "key.pem"):
        Path(f"/var/lib/backup/{name}").write_bytes(Path(name).read_bytes())
    for name, owner in (("own", 0), ("other", 60)):
        Path(f"/tmp/{name}").write_text("#!/bin/sh\n")
        os.chmod(f"/tmp/{name}", 0o755)
        os.chown(f"/tmp/{name}", owner, owner)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind("/run/systemd/notify")
    system.activate()
    script = f"{system.path('backup-')}/bin/backup"
    answers: dict[str, object] = {"activated": system.records()}
    answers["script"] = system.run(
        [script], environment={"TMPDIR": "/tmp", "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    )
    answers["records"] = system.records()
    words = {"SCRIPT": script, "HOST": os.path.realpath("/bin/sh"), "LOADER": f"{system.path('glibc-')}/lib/ld-linux-x86-64.so.2"}
    answers["forbidden"] = system.answers(DOMAIN, FORBIDDEN, words)
    answers["allowed"] = system.answers(DOMAIN, ALLOWED, words)
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

"""nginx as NixOS starts it, under the policy library's policy: configuration test, pages, reload, new logs, stop.

Arguments: the folder of the system, and the user that starts nginx: 60, as on NixOS, or root. The set to load is in `set/`;
`answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

from tests.vm import confined

USER = 60
DOMAIN = "<kernel> nix:/nginx/bin/nginx"
PAGE = "a page\n"
ENVIRONMENT = {
    "USER": "nginx",
    "HOME": "/var/empty",
    "RUNTIME_DIRECTORY": "/run/nginx",
    "CACHE_DIRECTORY": "/var/cache/nginx",
    "LOGS_DIRECTORY": "/var/log/nginx",
}
#: What code in the domain must not do, and what it may do.
FORBIDDEN = [
    ["write", "PROGRAM"],
    ["write", "/etc/nginx/nginx.conf"],
    ["write", "/srv/www/index.html"],
    ["create", "/srv/www/shell.php"],
    ["read", "/etc/shadow"],
    ["stat", "/var/secret"],
    ["read", "/var/secret"],
    ["read", "/proc/1/environ"],
    ["execute", "/bin/sh"],
    ["execute", "SHELL"],
    ["execute", "PROGRAM"],
    ["execute", "/var/cache/nginx/program"],
    ["connect", "127.0.0.1", 22],
    ["connect", "::1", 443],
    ["send", "127.0.0.1", 123],
    ["listen", "127.0.0.1", 8080],
    ["unix stream", "/run/dbus/system_bus_socket"],
    ["chmod", "/srv/www/index.html"],
    ["unlink", "/srv/www/index.html"],
    ["unlink", "/var/lib/acme/example.org/key.pem"],
    ["rename", "/srv/www/pictures", "/srv/www/images"],
    ["mkdir", "/var/lib/evil"],
]
ALLOWED = [
    ["read", "/srv/www/index.html"],
    ["stat", "/srv/www/index.html"],
    ["read", "/etc/nginx/nginx.conf"],
    ["append", "/var/log/nginx/access.log"],
    ["unix dgram", "/run/systemd/notify"],
    ["read", "/etc/passwd"],
    ["read", "/etc/zoneinfo/UTC"],
    ["read", "/etc/ssl/certs/ca-certificates.crt"],
]


def prepare() -> None:
    """The folders that systemd makes, a site, and a secret."""
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")
    for folder in ("/run/nginx", "/var/cache/nginx", "/var/log/nginx", "/var/lib/acme/example.org"):
        os.makedirs(folder)
        os.chown(folder, USER, USER)
    os.makedirs("/srv/www/pictures")
    Path("/srv/www/index.html").write_text(PAGE)
    Path("/srv/www/pictures/1.txt").write_text(PAGE)
    for name in ("fullchain.pem", "key.pem"):
        Path(f"/var/lib/acme/example.org/{name}").write_bytes(Path(name).read_bytes())
        os.chown(f"/var/lib/acme/example.org/{name}", USER, USER)
    Path("/var/secret").write_text("secret\n")
    Path("/var/cache/nginx/program").write_text("#!/bin/sh\n")
    os.chmod("/var/cache/nginx/program", 0o755)


def get_encrypted(path: str) -> bytes:
    context = ssl.create_default_context(cafile="fullchain.pem")
    with (
        socket.create_connection(("127.0.0.1", 443)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))


def replaced(workers: list[int], others: list[int]) -> bool:
    """Whether OTHERS work now, and none of WORKERS."""
    return bool(others) and not set(workers) & set(others)


def is_logged_anew() -> bool:
    """Ask for a page; whether the new log has one.  A worker that has not opened that yet writes to the old one."""
    confined.get(80, "/")
    return "GET / " in Path("/var/log/nginx/access.log").read_text()


def main() -> None:
    system = confined.System(sys.argv[1])
    user = int(sys.argv[2])
    prepare()
    system.activate()
    program = f"{system.path('nginx-')}/bin/nginx"
    command = [program, "-c", "/etc/nginx/nginx.conf"]
    answers: dict[str, object] = {"activated": system.records()}
    # ExecStartPre, then ExecStart.
    answers["test"] = system.run([*command, "-t"], user=user, environment=ENVIRONMENT)
    service = system.start(command, user=user, environment=ENVIRONMENT)
    confined.wait_for(lambda: confined.answers(80), service)
    answers["pages"] = [confined.get(80, path).decode() for path in ("/", "/pictures/1.txt", "/missing", "/pictures/")]
    answers["encrypted"] = get_encrypted("/").decode()
    # ExecReload.
    workers = confined.children(service.pid)
    reload = [system.run([*command, "-t"], user=user, environment=ENVIRONMENT)]
    service.send_signal(signal.SIGHUP)
    confined.wait_for(lambda: replaced(workers, confined.children(service.pid)), service)
    answers["reload"] = reload
    answers["reloaded"] = confined.get(80, "/").decode()
    answers["domains"] = sorted({system.domain(process) for process in (service.pid, *confined.children(service.pid))})
    # logrotate.
    os.rename("/var/log/nginx/access.log", "/var/log/nginx/access.log.1")
    service.send_signal(signal.SIGUSR1)
    confined.wait_for(lambda: os.path.exists("/var/log/nginx/access.log"), service)
    confined.wait_for(is_logged_anew, service)
    answers["logs"] = [Path(f"/var/log/nginx/access.log{end}").read_text() for end in (".1", "")]
    service.send_signal(signal.SIGQUIT)
    answers["stopped"] = service.wait()
    answers["pid file"] = os.path.exists("/run/nginx/nginx.pid")
    answers["printed"] = system.printed()
    answers["records"] = system.records()
    words = {"PROGRAM": program, "SHELL": os.path.realpath("/bin/sh")}
    answers["forbidden"] = system.answers(DOMAIN, FORBIDDEN, words)
    answers["allowed"] = system.answers(DOMAIN, ALLOWED, words, USER)
    answers["forbidden records"] = system.records()
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

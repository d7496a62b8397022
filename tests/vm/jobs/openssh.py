"""sshd as NixOS starts it, under the policy library's policy: logins by key and password, files, forwardings, reload, stop.

Arguments: the folder of the system, and perhaps `brief`, which leaves out the reload and who is refused. The set to load is in
`set/`; `answers.json` says what came of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.vm import confined, guest

MASTER = "<kernel> nix:/openssh/bin/sshd"
SESSION = f"{MASTER} nix:/openssh/libexec/sshd-session"
AUTHENTICATION = f"{SESSION} nix:/openssh/libexec/sshd-auth"
LOGIN = f"{MASTER} /login"
KEYS = "/var/keys"
#: What code in the domains must not do, and what it may do.
EVERYWHERE: list[list[Any]] = [
    ["write", "PROGRAM"],
    ["write", "/etc/ssh/sshd_config"],
    ["write", "/etc/passwd"],
    ["read", "/var/secret"],
    ["create", "/etc/ssh/evil"],
    ["create", "/home/carol/evil"],
    ["execute", "/bin/sh"],
    ["execute", "OTHER"],
    ["execute", "/usr/bin/env"],
]
MASTER_ATTEMPTS: list[list[Any]] = [
    *EVERYWHERE,
    ["read", "/etc/shadow"],
    ["read", "/home/alice/.ssh/authorized_keys"],
    ["connect", "127.0.0.1", 22],
    ["listen", "127.0.0.1", 8080],
    ["execute", "SHELL"],
]
SESSION_ATTEMPTS: list[list[Any]] = [
    *EVERYWHERE,
    ["read", "/etc/ssh/ssh_host_ed25519_key"],
    ["write", "/etc/shadow"],
    ["write", "/home/alice/.ssh/authorized_keys"],
    ["read", "/home/alice/copied"],
    ["listen", "127.0.0.1", 80],
]
AUTHENTICATION_ATTEMPTS: list[list[Any]] = [
    *EVERYWHERE,
    ["read", "/etc/ssh/ssh_host_ed25519_key"],
    ["read", "/etc/shadow"],
    ["read", "/home/alice/.ssh/authorized_keys"],
    ["connect", "127.0.0.1", 22],
    ["send", "127.0.0.1", 53],
    ["listen", "127.0.0.1", 8080],
    ["unix stream", "/run/dbus/system_bus_socket"],
    ["execute", "SHELL"],
    ["execute", "PROGRAM"],
]
MASTER_ALLOWED: list[list[Any]] = [["read", "/etc/ssh/ssh_host_ed25519_key"], ["read", "/etc/ssh/sshd_config"]]
SESSION_ALLOWED: list[list[Any]] = [
    ["read", "/home/alice/.ssh/authorized_keys"],
    ["read", "/etc/shadow"],
    ["connect", "127.0.0.1", 22],
]
AUTHENTICATION_ALLOWED: list[list[Any]] = [["read", "/etc/passwd"], ["read", "/etc/nsswitch.conf"]]


class Client:
    """OpenSSH's own client, which nothing confines."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.environment = {"PATH": f"{package}/bin:/usr/bin:/bin", "HOME": "/var/empty", "LC_ALL": "C"}
        self.options = [
            *("-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
            *("-o", "ConnectTimeout=100", "-o", f"IdentityFile={KEYS}/alice", "-o", "IdentitiesOnly=yes"),
        ]

    def command(self, *words: str, program: str = "ssh") -> list[str]:
        return [f"{self.package}/bin/{program}", *self.options, *words]

    def run(self, *words: str, program: str = "ssh", **environment: str) -> tuple[int, str]:
        """Its exit code, and what it printed; beside that, what it says about errors goes to the job's own."""
        done = subprocess.run(
            self.command(*words, program=program),
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def by_password(self, user: str, password: str) -> tuple[int, str]:
        """A login with a password, which the client asks a program for."""
        Path("/var/askpass").write_text(f"#!/bin/sh\necho {password}\n")
        os.chmod("/var/askpass", 0o700)
        options = ("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", f"{user}@127.0.0.1", "id -u")
        return self.run(*options, SSH_ASKPASS="/var/askpass", SSH_ASKPASS_REQUIRE="force")


def prepare(package: str) -> None:
    """Homes, keys, a secret, and what the system makes at boot."""
    # The guest's root is everybody's, which sshd finds unsafe.
    os.chmod("/", 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/home"], check=True)
    # Where this sshd was built to lock its helper in.
    for place in ("/var/empty", "/run/sshd", KEYS, "/etc/ssh/authorized_keys.d", "/run/current-system"):
        os.makedirs(place)
    for name, user in (("alice", 1000), ("carol", 1001)):
        os.mkdir(f"/home/{name}")
        os.chown(f"/home/{name}", user, 100)
        subprocess.run([f"{package}/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{KEYS}/{name}"], check=True)
    host = "/etc/ssh/ssh_host_ed25519_key"
    subprocess.run([f"{package}/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", host], check=True)
    # By NixOS' configuration, and in a home.
    shutil.copy(f"{KEYS}/alice.pub", "/etc/ssh/authorized_keys.d/carol")
    shutil.copy(f"{KEYS}/alice.pub", "/etc/ssh/authorized_keys.d/root")
    os.mkdir("/home/alice/.ssh", 0o700)
    shutil.copy(f"{KEYS}/alice.pub", "/home/alice/.ssh/authorized_keys")
    for path in ("/home/alice/.ssh", "/home/alice/.ssh/authorized_keys"):
        os.chown(path, 1000, 100)
    for path in ("/run/utmp", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog"):
        Path(path).touch(0o600)
    Path("/var/secret").write_text("secret\n")
    Path("/var/text").write_text("some text\n")


def greeting(port: int) -> str:
    """What a server at PORT says first, as far as it does not depend on the release."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        return client.recv(7).decode()


def processes(name: str) -> list[int]:
    """The processes of the program NAME."""
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{process}/exe")) == name:
                found.append(int(process))
        except OSError:  # it has ended meanwhile, or is the kernel's
            continue
    return found


def connection(system: confined.System, client: Client) -> dict[str, object]:
    """What a connection carries beside its shell, and in which domains all that is."""
    address = "/var/agent"
    agent = subprocess.Popen([f"{client.package}/bin/ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
    confined.wait_for(lambda: os.path.exists(address), agent)
    environment = {**client.environment, "SSH_AUTH_SOCK": address}
    subprocess.run([f"{client.package}/bin/ssh-add", "-q", f"{KEYS}/alice"], env=environment, check=True)
    place = f"{guest.FOLDER}/self_domain"
    # The shell's own builtin, and programs.
    script = f'read -r domain < {place}; echo "$domain"; cat {place}; echo; {client.package}/bin/ssh-add -l; read line'
    ports = ("-L", "2222:127.0.0.1:22", "-R", "2223:127.0.0.1:22", "-o", "ExitOnForwardFailure=yes")
    process = subprocess.Popen(
        client.command("-A", *ports, "alice@127.0.0.1", script),
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    printed = [process.stdout.readline().strip() for _ in range(3)]
    daemons = {name: sorted({system.domain(process) for process in processes(name)}) for name in ("sshd", "sshd-session")}
    shells = sorted({system.domain(process) for process in processes("bash")})
    greetings = [greeting(2222), greeting(2223)]
    process.communicate("\n")
    agent.terminate()
    agent.wait()
    return {
        "login domain": printed[:2],
        "agent": printed[2],
        "login profiles": shells,
        "domains": {name: places for name, places in daemons.items() if places},
        "forwarded": greetings,
    }


def refusals(system: confined.System, client: Client) -> dict[str, object]:
    """Who gets in after a reload, and who does not."""
    found: dict[str, object] = {"after reload": client.run("alice@127.0.0.1", "id -u")}
    found["wrong password"] = client.by_password("alice", "wrong")
    found["later records"] = own_records(system)
    found["other shell"] = client.run("carol@127.0.0.1", "id -u")
    found["other shell records"] = own_records(system)
    guest.write("domain_policy", f"{LOGIN}\nuse_profile 3\n".encode())
    found["confined login"] = client.run("alice@127.0.0.1", "id -u")
    found["confined login records"] = own_records(system)
    return found


def attempts(system: confined.System, words: dict[str, str]) -> dict[str, object]:
    """What the domains may and may not do."""
    forbidden: list[tuple[str, str]] = []
    allowed: list[tuple[str, str]] = []
    tried: Sequence[tuple[str, list[list[Any]], list[list[Any]]]] = (
        (MASTER, MASTER_ATTEMPTS, MASTER_ALLOWED),
        (SESSION, SESSION_ATTEMPTS, SESSION_ALLOWED),
        (AUTHENTICATION, AUTHENTICATION_ATTEMPTS, AUTHENTICATION_ALLOWED),
    )
    for domain, wrong, right in tried:
        given = [[words.get(str(word), word) for word in attempt] for attempt in wrong]
        forbidden += list(zip((f"{domain}: {attempt}" for attempt in wrong), system.attempts(domain, given)))
        allowed += list(zip((f"{domain}: {attempt}" for attempt in right), system.attempts(domain, right)))
    return {"forbidden": forbidden, "allowed": allowed}


class Journal:
    """What listens for messages of syslog; a full socket would stop those who write to it."""

    def __init__(self) -> None:
        self.text = ""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/run/systemd/journal/dev-log")
        if not os.path.lexists("/dev/log"):
            os.symlink("/run/systemd/journal/dev-log", "/dev/log")
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            self.text += self.socket.recv(65536).decode(errors="backslashreplace") + "\n"


def own_records(system: confined.System) -> list[str]:
    """Audit records, without those of the layers of the guest's root, which the kernel asks about, too."""
    return [record for record in system.records() if not re.search(r" (tmpfs:/data|9p:)/", record)]


def main() -> None:
    system = confined.System(sys.argv[1])
    package = system.path("openssh-")
    prepare(package)
    os.symlink(system.path("system-path"), "/run/current-system/sw")
    os.unlink("/usr/sbin/unix_chkpwd")
    os.symlink(f"{system.path('linux-pam-')}/bin/unix_chkpwd", "/usr/sbin/unix_chkpwd")
    journal = Journal()
    system.activate()
    client = Client(package)
    service = system.start(
        [f"{package}/bin/sshd", "-D", "-f", "/etc/ssh/sshd_config"], environment={"LD_LIBRARY_PATH": "/etc/nss"}
    )
    answers: dict[str, object] = {}
    try:
        confined.wait_for(lambda: confined.answers(22), service)
        answers["command"] = client.run("alice@127.0.0.1", 'echo "$GREETING $(id -u)"; exit 3')
        answers["terminal"] = client.run("-tt", "alice@127.0.0.1", "tty")
        answers["password"] = client.by_password("alice", "secret")
        # Programs that have a domain of their own are in it, there too.
        again = f"id -u; env -i {package}/bin/sshd -T -f /etc/ssh/sshd_config | grep '^port'"
        answers["root"] = client.run("root@127.0.0.1", again)
        client.run("/var/text", "alice@127.0.0.1:copied", program="scp")
        answers["copied"] = Path("/home/alice/copied").read_text()
        answers |= connection(system, client)
        pid = os.path.exists("/run/sshd.pid")
        answers["records"] = own_records(system)
        if "brief" not in sys.argv:
            service.send_signal(signal.SIGHUP)
            confined.wait_for(lambda: "restarting" in journal.text, service)
            confined.wait_for(lambda: confined.answers(22), service)
            answers |= refusals(system, client)
        service.terminate()
        answers["stopped"] = service.wait()
        answers["pid file"] = [pid, os.path.exists("/run/sshd.pid")]
        words = {"PROGRAM": f"{package}/bin/sshd", "SHELL": f"{system.path('bash-interactive')}/bin/bash"}
        words["OTHER"] = f"{system.path('othershell-')}/bin/othershell"
        confined.wait_for(lambda: not processes("sshd-session") and not processes("sshd"))
        answers |= attempts(system, words)
    finally:
        print(json.dumps(answers, indent=1), journal.text, *own_records(system), sep="\n")
    Path("answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main()

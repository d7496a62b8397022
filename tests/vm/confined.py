"""Inside the guest: a system that `library_layout` made, with a compiled policy in force, and what a service's domain is denied.

system = confined.System(sys.argv[1])        # lays out the store and /etc, and activates the set in `set/`
service = system.start([...])                 # a service, as some user, with the environment that systemd gives it
system.records()                              # audit records since the last time
system.attempts("<kernel> nix:/x/bin/x", [["read", "/etc/shadow"], ...])   # errors that code in that domain meets
"""

from __future__ import annotations

import errno
import faulthandler
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.vm import guest

SET = "/run/set"
#: Folders that must not lie on the guest's overlay, whose layers the kernel would ask about, too.
FOLDERS = ("/etc", "/var", "/srv", "/tmp")
#: What systemd gives a service on NixOS.
ENVIRONMENT = {
    "PATH": "/nix/store/bin",
    "LANG": "en_US.UTF-8",
    "LOCALE_ARCHIVE": "/run/current-system/sw/lib/locale/locale-archive",
    "TZDIR": "/etc/zoneinfo",
    "INVOCATION_ID": "0123456789abcdef0123456789abcdef",
    "SYSTEMD_EXEC_PID": "1",
}
#: Seconds after which a job is taken for hung, far from what a crowded host needs: it then says where, which nobody else can.
HUNG = 1800.0


def _mount(place: str) -> None:
    os.makedirs(place, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place], check=True)


class System:
    """The system in the folder `folder` of the host, with the set in `set/` active."""

    def __init__(self, folder: str) -> None:
        faulthandler.dump_traceback_later(HUNG, exit=True)
        self.described = json.loads((Path(folder) / "system.json").read_text())
        _mount("/nix")
        os.makedirs("/nix/store")
        subprocess.run(["cp", "-a", *(folder + path for path in self.described["paths"]), "/nix/store/"], check=True)
        # The host's folder may lie below one of these.
        for place in FOLDERS:
            _mount(place)
        os.chmod("/tmp", 0o1777)
        # Debian's glibc would look for locales here.
        _mount("/usr/lib/locale")
        for folder in ("/etc/static", "/var/log", "/var/lib", "/var/cache", "/run/systemd/journal"):
            os.makedirs(folder, exist_ok=True)
        os.symlink("/run", "/var/run")
        for place, target in self.described["etc"].items():
            static = f"/etc/static/{place}"
            for parent in (os.path.dirname(static), os.path.dirname(f"/etc/{place}")):
                os.makedirs(parent, exist_ok=True)
            os.symlink(target, static)
            os.symlink(static, f"/etc/{place}")
        for place, text in self.described["state"].items():
            Path(f"/etc/{place}").write_text(text)
        os.chmod("/etc/shadow", 0o600)

    def activate(self) -> None:
        """Let the kernel load the set as at boot."""
        shutil.copytree("set", SET)
        os.chmod(f"{SET}/boot", 0o755)
        guest.activate(profile=b"", managers=())

    def path(self, name: str) -> str:
        """The store path whose name begins with NAME and a version."""
        return next(path for path in self.described["paths"] if path[44:].startswith(name))

    def start(
        self,
        command: Sequence[str],
        *,
        user: int = 0,
        environment: Mapping[str, str] | None = None,
        output: str = "/run/output",
        capabilities: bool = True,
    ) -> subprocess.Popen[bytes]:
        """A service, started by systemd as it were: its output is a stream socket."""
        journal, service = socket.socketpair()
        journal.setblocking(False)
        self.journal = journal

        def become() -> None:
            if user:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)

        try:
            return subprocess.Popen(
                command,
                env={**ENVIRONMENT, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=service,
                stderr=service,
                preexec_fn=become,
                cwd="/",
            )
        finally:
            service.close()

    def run(self, command: Sequence[str], **options: Any) -> dict[str, Any]:
        """Run a command to its end as `start` does: its exit code, and what it printed."""
        process = self.start(command, **options)
        status = process.wait()
        return {"status": status, "output": self.printed()}

    def printed(self) -> str:
        """What the service that was started last has printed since the last time."""
        parts = []
        while select.select([self.journal], [], [], 0)[0]:
            part = self.journal.recv(65536)
            if not part:
                break
            parts.append(part)
        return b"".join(parts).decode(errors="backslashreplace")

    def records(self) -> list[str]:
        """The audit records that wait in the kernel."""
        found = []
        descriptor = os.open(f"{guest.FOLDER}/audit", os.O_RDONLY | os.O_NONBLOCK)
        try:
            while record := os.read(descriptor, 1 << 20):
                found.append(record.decode(errors="backslashreplace").rstrip("\0\n"))
        finally:
            os.close(descriptor)
        return found

    def domain(self, process: int) -> str:
        """The profile and domain of a process."""
        return guest.write_and_read(".process_status", b"global-pid %d" % process).decode().partition(" ")[2].strip()

    def answers(
        self, domain: str, attempts: Sequence[Sequence[Any]], words: Mapping[str, str], user: int = 0
    ) -> list[tuple[str, str]]:
        """The same as `attempts`, each with its text; WORDS stand for others."""
        errors = self.attempts(domain, [[words.get(str(word), word) for word in attempt] for attempt in attempts], user)
        return list(zip((" ".join(map(str, attempt)) for attempt in attempts), errors))

    def attempts(self, domain: str, attempts: Sequence[Sequence[Any]], user: int = 0) -> list[str]:
        """What becomes of ATTEMPTS made by code that runs in DOMAIN: each one's error, or an empty text.

        They are pairs of an operation and a path, or `["connect", ADDRESS, PORT]`; see `OPERATIONS`.
        """
        guest.write("domain_policy", f"<kernel>\ntask manual_domain_transition {domain}\n".encode())
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                self_domain = os.open(f"{guest.FOLDER}/self_domain", os.O_WRONLY)
                if user:
                    os.setgroups([])
                    os.setgid(user)
                    os.setuid(user)
                os.write(self_domain, domain.encode())
                os.write(writer, json.dumps([_attempt(*attempt) for attempt in attempts]).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as answers:
            text = answers.read()
        os.waitpid(child, 0)
        found: list[str] = json.loads(text)
        return found


def _open(flags: int) -> Callable[..., None]:
    def attempt(path: str) -> None:
        os.close(os.open(path, flags | os.O_NONBLOCK, 0o600))

    return attempt


def _execute(path: str) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.execve(path, [path], {})
        except OSError as error:
            os.write(writer, b"%d" % (error.errno or 0))
        os._exit(0)
    os.close(writer)
    # Nothing comes where it was executed: the descriptor is closed then, and what runs may run for ever.
    with open(reader, "rb") as answer:
        number = answer.read()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if number:
        raise OSError(int(number), "")


def _connect(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client, suppress(ConnectionRefusedError):
        client.connect((address, port))


def _send(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((address, port))


def _listen(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((address, port))
        server.listen()


def _unix(kind: int) -> Callable[..., None]:
    def attempt(path: str) -> None:
        with socket.socket(socket.AF_UNIX, kind) as client, suppress(ConnectionRefusedError, FileNotFoundError):
            client.connect(path)

    return attempt


OPERATIONS: dict[str, Callable[..., object]] = {
    "read": _open(os.O_RDONLY),
    "write": _open(os.O_WRONLY),
    "append": _open(os.O_WRONLY | os.O_APPEND),
    "create": _open(os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "stat": os.stat,
    "list": os.listdir,
    "unlink": os.unlink,
    "mkdir": os.mkdir,
    "chmod": lambda path: os.chmod(path, 0o700),
    "rename": os.rename,
    "execute": _execute,
    "connect": _connect,
    "send": _send,
    "listen": _listen,
    "unix stream": _unix(socket.SOCK_STREAM),
    "unix dgram": _unix(socket.SOCK_DGRAM),
}


def _attempt(operation: str, *arguments: Any) -> str:
    try:
        OPERATIONS[operation](*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def children(process: int) -> list[int]:
    """The children of a process."""
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until CONDITION holds; fails once PROCESS has ended."""
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}")
        guest.pause()


def answers(port: int) -> bool:
    """Whether something listens at PORT."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def get(port: int, path: str, host: str = "localhost") -> bytes:
    """What a web server at PORT answers."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))

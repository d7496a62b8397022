"""Lets the kernel learn what real programs do: `domain_policy`, `exception_policy` and the rest of its files are the answer.

`audit` has a record of every request, `query` the requests that were pending when it was read.

`WORKLOAD` is what they do; `learn` puts every domain into learning mode while they do it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.vm import guest

PROFILE = b"""\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-PREFERENCE={ max_audit_log=1000000 max_learning_entry=100000 }
1-CONFIG={ mode=learning grant_log=yes reject_log=yes }
3-CONFIG={ mode=disabled grant_log=no reject_log=no }
3-CONFIG::file::execute={ mode=enforcing grant_log=no reject_log=no }
"""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/var/tmp/work", "LC_ALL": "C.UTF-8"}
#: Each is a program that must be there, and what to do with it.
WORKLOAD = (
    ("sh", "for i in 1 2 3; do echo $i > a$i; cat a$i; done; ls -lR . | sort | head -5; mv a1 'b b'; ln a2 c2; ln -s a2 s2"),
    ("sh", "mkdir -p d/e/f; chmod 750 d; chown 1:2 d/e; touch -d 2020-01-01 d/t; find d -type f -exec stat {} +; rmdir d/e/f"),
    ("sh", "mkfifo p; (echo x > p &) ; cat p; mknod n c 1 3; echo y > n; truncate -s 9 a2; rm a3"),
    ("sh", r"""printf 'é\t\n' > "$(printf 'h\303\251 \001')" """),
    ("tar", "mkdir x && cp /etc/passwd /etc/hosts x && tar czf x.tgz x && tar xzf x.tgz -C d && tar tf x.tgz"),
    ("git", "git init -q g && cd g && echo 1 > f && git add f && git -c user.name=a -c user.email=a@b commit -qm 1 && git log"),
    ("perl", "perl -MFile::Temp -e 'my $t = File::Temp->new; print $t 1; system(q(true)); chdir q(/); print glob q(/etc/h*)'"),
    ("python3", 'python3 -c \'import json, sqlite3; c = sqlite3.connect("q.db"); c.execute("create table t (a)"); c.commit()\''),
    ("mount", "mkdir m && mount -t tmpfs -o size=64k tmpfs m && mount --bind d m && umount m && umount m"),
    ("unshare", "unshare -m sh -c 'mkdir -p r/old && mount --bind r r && cd r && pivot_root . old' || true; chroot / true"),
    (
        "awk",
        r"""env A=b awk 'BEGIN { while (("id -u" | getline x) > 0) print x }' < /etc/group; dd if=/dev/zero of=z bs=1k count=2""",
    ),
)


def sockets() -> None:
    """Network requests of every family and type that the kernel asks about.

    Each type has addresses of its own: what one may do the kernel grants to the others, too, so that nothing would be learned.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        socket.create_connection(server.getsockname()[:2]).close()
    for kind, protocol, address in ((socket.SOCK_DGRAM, 0, "127.0.0.2"), (socket.SOCK_RAW, socket.IPPROTO_UDP, "127.0.0.3")):
        with socket.socket(socket.AF_INET, kind, protocol) as client:
            client.bind((address, 0))
            client.sendto(b"x" * 20, (address, 9))
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        for name in (f"socket{kind.value}", f"\0abstract{kind.value}"):
            with socket.socket(socket.AF_UNIX, kind) as server, socket.socket(socket.AF_UNIX, kind) as client:
                server.bind(name)
                if kind != socket.SOCK_DGRAM:
                    server.listen()
                    client.connect(name)
                else:
                    client.sendto(b"x", name)


def work(folder: Path) -> None:
    """Do everything in FOLDER, which is made."""
    folder.mkdir()
    os.chdir(folder)
    for program, script in WORKLOAD:
        if shutil.which(program):
            subprocess.run(["/bin/sh", "-c", script], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False)
    sockets()


def learn() -> None:
    """Work while the kernel learns."""
    guest.activate(profile=PROFILE)
    guest.write("domain_policy", b"<kernel>\nuse_profile 1\n")
    work(Path("/var/tmp/work"))
    guest.write("domain_policy", b"<kernel>\nuse_profile 0\n")


def ask() -> bytes:
    """What `query` holds while three programs wait for an answer; they are then refused."""
    descriptor = os.open(f"{guest.FOLDER}/query", os.O_RDWR)
    guest.write("domain_policy", b"<kernel> /usr/bin/env\nuse_profile 3\n")
    commands = (["true"], ["A=b c", "ls", "-l", "/"], ["-C", "/proc/self", "cat"])
    waiting = [subprocess.Popen(["/usr/bin/env", *command], env=ENVIRONMENT, stderr=subprocess.DEVNULL) for command in commands]
    pending = b""
    while pending.count(b"\0") < len(waiting):
        pending = _pending(descriptor)
    while any(process.poll() is None for process in waiting):
        for question in _pending(descriptor).split(b"\0"):
            if question.startswith(b"Q"):
                os.write(descriptor, b"A" + question[1:].partition(b"-")[0] + b"=2\n")
    os.close(descriptor)
    return pending


def _pending(descriptor: int) -> bytes:
    """The pending requests; a read gives one and goes on to the next, an empty one starts again."""
    return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))


if __name__ == "__main__":
    here = Path.cwd()
    learn()
    for name in ("domain_policy", "exception_policy", "profile", "manager", "stat"):
        (here / name).write_bytes(guest.read(name))
    (here / "audit").write_bytes(guest.read("audit"))
    (here / "query").write_bytes(ask())

"""The first file system of the guest: busybox, a few modules, and a script that changes over to the host's files.

The guest's root is the host's root, read-only over 9p, under a writable overlay in memory: every program and Python of the host
is there, and nothing that the guest writes stays. Only the share, a second 9p mount, brings results out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from .kernels import Kernel
from .layout import LOADER, SHARE, TRIGGER

FALL_ASLEEP = "tests.asleep=1"
"""On the kernel's command line: before anything of the host is mounted, say so on the second line and wait there for a line. A
machine that is kept then can be woken many times."""

# Kernel threads share PID 1's root only until someone unshares it, so PID 1 itself must do the switch_root:
# the loader is executed by a kernel thread, and has to see the same files as we do.
INIT = f"""\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
$b mount -t securityfs securityfs /sys/kernel/security
while read module; do $b insmod /modules/$module; done < /modules/order
if $b grep -q {FALL_ASLEEP} /proc/cmdline; then
  $b stty -F /dev/ttyS1 raw -echo
  exec 3<>/dev/ttyS1
  echo asleep >&3
  read anything <&3
  exec 3>&-
fi
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /lower
$b mount -t tmpfs tmpfs /upper
$b mkdir /upper/data /upper/work /upper/data/run
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /root
$b mount -t tmpfs -o mode=755 tmpfs /root/run
for folder in proc sys dev; do $b mount --move /$folder /root/$folder; done
$b mkdir -p /root/dev/pts /root/dev/shm /root{SHARE}
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /root{SHARE}
# A machine that was woken has the time at which it fell asleep. This file's is the host's.
$b touch /root{SHARE}/began
$b date -s @$($b stat -c %Y /root{SHARE}/began) > /dev/null
$b ln -s /bin/sh /root{TRIGGER}
echo '#!/bin/sh' > /root{LOADER}
$b chmod 755 /root{LOADER}
$b ip link set lo up
exec $b switch_root /root /bin/sh {SHARE}/run
"""

FOLDERS = ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "root")


def initramfs(kernel: Kernel) -> Path:
    """The initramfs for `kernel`, built at its first use and kept beside it."""
    busybox = Path(shutil.which("busybox") or "/bin/busybox").read_bytes()
    key = hashlib.sha256(INIT.encode() + busybox).hexdigest()[:16]
    archive = kernel.folder / f"initramfs-{key}.cpio"
    if not archive.exists():
        draft = archive.with_suffix(f".{os.getpid()}")
        draft.write_bytes(b"".join(_archive(kernel, busybox)))
        draft.rename(archive)
    return archive


def _archive(kernel: Kernel, busybox: bytes) -> Iterator[bytes]:
    for folder in FOLDERS:
        yield _member(folder, 0o040755, b"")
    yield _member("bin/busybox", 0o100755, busybox)
    yield _member("init", 0o100755, INIT.encode())
    for module in kernel.modules:
        yield _member(f"modules/{module.name}", 0o100644, module.read_bytes())
    yield _member("modules/order", 0o100644, "".join(f"{module.name}\n" for module in kernel.modules).encode())
    yield _member("TRAILER!!!", 0, b"")


def _member(name: str, mode: int, data: bytes) -> bytes:
    """One member of a cpio archive in "newc" format, which we write ourselves to need neither cpio nor root."""
    links = 1
    path = name.encode() + b"\0"
    # Inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, checksum.
    fields = (0, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    return header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)

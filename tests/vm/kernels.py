"""Kernels to boot: fetched from Debian once, then kept in a cache folder.

The cache (`TOMOYO_TEST_CACHE`, else `~/.cache/tomoyo-tests`) holds one folder per release with only what booting needs. A folder
appears by a rename, so it is whole or absent. Delete it to get the newest kernel of that release.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import platform
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from . import debian
from .debian import Unavailable

__all__ = ["Kernel", "Unavailable", "kernel"]

SUITES = {"6.1": "bookworm", "6.12": "trixie", "7.2": "forky"}
"""The Debian suite that each release comes from."""

PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "dpkg": "dpkg",
    "depmod": "kmod",
    "modprobe": "kmod",
}
"""Programs that a virtual machine needs, and the Debian package of each."""

MODULES = ("virtio_pci", "9p", "9pnet_virtio", "overlay")
"""What the guest needs to reach the host's files; the modules these need are found by modprobe."""

XZ_MAGIC = b"\xfd7zXZ\0"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Kernel:
    """A kernel that can be booted."""

    release: str
    """As asked for, such as "6.1"."""
    version: str
    """As `uname -r` prints it, such as "6.1.0-56-amd64"."""
    folder: Path

    @property
    def image(self) -> Path:
        """What QEMU boots: the bare ELF kernel where it could be unpacked, which starts 3 s sooner, else vmlinuz."""
        bare = self.folder / "vmlinux"
        return bare if bare.exists() else self.folder / "vmlinuz"

    @property
    def modules(self) -> tuple[Path, ...]:
        """The modules to insert, in that order."""
        names = (self.folder / "modules" / "order").read_text(encoding="ascii").split()
        return tuple(self.folder / "modules" / name for name in names)


def kernel(release: str) -> Kernel:
    """The kernel of `release`, fetched at its first use. Raises `Unavailable` where there is no way to boot it."""
    if release not in SUITES:
        raise Unavailable(f"no Debian suite is known for Linux {release}")
    _require_programs()
    folder = cached(f"linux-{release}", lambda workshop: _build(release, workshop))
    return Kernel(release, (folder / "version").read_text(encoding="ascii").strip(), folder)


def cached(name: str, build: Callable[[Path], Path]) -> Path:
    """The folder `name` of the cache, which `build` makes inside the folder given at the first use."""
    cache = Path(os.environ.get("TOMOYO_TEST_CACHE") or Path.home() / ".cache" / "tomoyo-tests")
    folder = cache / name
    if not folder.exists():
        with _workshop(cache) as workshop:
            if not folder.exists():
                build(workshop).rename(folder)
    return folder


def _require_programs() -> None:
    if platform.machine() != "x86_64":
        raise Unavailable(f"the guest runs this machine's programs and is x86_64, but this is {platform.machine()}")
    path = _path()
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)})
    if missing:
        raise Unavailable(f"not installed: {' '.join(missing)}")


def _path() -> str:
    """Search path for programs: depmod and modprobe lie in sbin, which an ordinary user's path may lack."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


@contextmanager
def _workshop(cache: Path) -> Iterator[Path]:
    """A temporary folder inside `cache`, one at a time over all processes, so that nothing is fetched twice."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # We hold the lock, so an older workshop belongs to a run that was killed.
        for left in cache.glob(".workshop-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".workshop-", dir=cache) as workshop:
            yield Path(workshop)


def _build(release: str, workshop: Path) -> Path:
    """Fetch and unpack; return a finished kernel folder inside `workshop`."""
    packages = debian.download_kernel("linux-image-amd64", SUITES[release], workshop)
    version = packages[0].name.split("_")[0].removeprefix("linux-image-")
    if not version.startswith(f"{release}."):
        raise Unavailable(f"Debian {SUITES[release]} now has Linux {version}, not {release}")
    tree = workshop / "tree"
    for package in packages:
        _run("dpkg", "-x", str(package), str(tree))
    if not (tree / "lib").exists():  # since trixie; kmod looks in /lib only
        (tree / "lib").symlink_to("usr/lib")
    _run("depmod", "-b", str(tree), version)
    folder = workshop / "kernel"
    (folder / "modules").mkdir(parents=True)
    (folder / "version").write_text(f"{version}\n", encoding="ascii")
    boot = tree / "boot"
    if boot.exists():
        config, image = boot / f"config-{version}", boot / f"vmlinuz-{version}"
    else:  # since forky
        config, image = (tree / "lib/modules" / version / name for name in ("config", "vmlinuz"))
    shutil.copyfile(config, folder / "config")
    _keep_image(image.read_bytes(), folder)
    _keep_modules(tree, version, folder / "modules")
    return folder


def _keep_image(vmlinuz: bytes, folder: Path) -> None:
    """Write the kernel, unpacked if we can: here that takes a second once, in the emulated machine three at every boot."""
    # Offsets of the Linux/x86 boot protocol: setup_sects, then payload_offset and payload_length.
    start = (vmlinuz[0x1F1] + 1) * 512 + struct.unpack_from("<I", vmlinuz, 0x248)[0]
    length = struct.unpack_from("<I", vmlinuz, 0x24C)[0]
    payload = vmlinuz[start : start + length - 4]  # the last four bytes are the unpacked size
    if payload.startswith(XZ_MAGIC):
        (folder / "vmlinux").write_bytes(lzma.decompress(payload))
    elif payload.startswith(ZSTD_MAGIC) and shutil.which("zstd"):
        (folder / "vmlinux").write_bytes(subprocess.run(["zstd", "-dc"], input=payload, stdout=PIPE, check=True).stdout)
    else:
        (folder / "vmlinuz").write_bytes(vmlinuz)


def _keep_modules(tree: Path, version: str, folder: Path) -> None:
    """Copy the modules that `MODULES` need, decompressed, and a list `order` of their names."""
    names = []
    for module in MODULES:
        for line in _run("modprobe", "-d", str(tree), "-S", version, "--show-depends", module).splitlines():
            word, path = line.split()[:2]
            name = Path(path).name.removesuffix(".xz")
            if word == "builtin" or name in names:
                continue
            data = Path(path).read_bytes()
            (folder / name).write_bytes(lzma.decompress(data) if data.startswith(XZ_MAGIC) else data)
            names.append(name)
    (folder / "order").write_text("".join(f"{name}\n" for name in names), encoding="ascii")


def _run(*command: str) -> str:
    environment = {**os.environ, "PATH": _path(), "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout

"""A small NixOS-like system for the policy library's tests: Debian's programs, laid out as packages of a Nix store.

Each program and library gets the store path that nixpkgs gives it, and finds its loader and libraries there (patchelf). Below
/etc there are links into the store, as NixOS makes them. `System.write` leaves a folder that `tests.vm.confined` takes
inside the guest; `System.compiled` compiles policies of the library for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tomoyo.model.profiles import ServiceState
from tomoyo.nix.names.names import NameTable
from tomoyo.nix.source.compile import Compiled, compile_policy
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.store.closure_formats import parse_paths
from tomoyo.nix.store.tree import Tree
from tomoyo.sets.policy_set import PolicySet
from tomoyo.sets.writing import write_policy_set

from . import debian
from .kernels import SUITES, Unavailable, cached

__all__ = ["System", "Unavailable", "unpacked"]

SUITE = SUITES["6.1"]
ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
LIBRARY_FOLDERS = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
LOADER = "ld-linux-x86-64.so.2"

#: The packages that nixpkgs has libraries in: a pattern of the library's name, and the store path's name.
PACKAGES = {
    r"lib(c|m|dl|rt|pthread|resolv|util|nsl|nss_\w+)\.so|ld-linux": "glibc-2.36-66",
    r"lib(gcc_s|stdc\+\+)\.so": "gcc-12.2.0-lib",
    r"lib(ssl|crypto)\.so": "openssl-3.0.17",
    r"libz\.so": "zlib-1.2.13",
    r"libpcre2-": "pcre2-10.42",
    r"libcrypt\.so": "libxcrypt-4.4.33",
    r"lib(nettle|hogweed)\.so": "nettle-3.8.1",
    r"libxxhash\.so": "xxHash-0.8.1",
    r"libcap\.so": "libcap-2.66-lib",
    r"lib(systemd|udev)\.so": "systemd-minimal-libs-252.39",
    r"liblzma\.so": "xz-5.4.1",
    r"libbz2\.so": "bzip2-1.0.8",
    r"libzstd\.so": "zstd-1.5.4",
    r"liblz4\.so": "lz4-1.9.4-lib",
    r"libgcrypt\.so": "libgcrypt-1.10.1-lib",
    r"libgpg-error\.so": "libgpg-error-1.46",
    r"libselinux\.so": "libselinux-3.4",
    r"libacl\.so": "acl-2.3.1",
    r"libattr\.so": "attr-2.5.1",
    r"libgmp\.so": "gmp-with-cxx-6.2.1",
    r"libtinfo\.so|libncurses": "ncurses-6.4",
    r"libreadline\.so": "readline-8.2p1",
    r"lib(audit|auparse)\.so": "audit-3.0.9-lib",
    r"libcap-ng\.so": "libcap-ng-0.8.3",
    r"libpam(_misc|c)?\.so": "linux-pam-1.5.2",
    r"lib(gssapi_krb5|krb5|k5crypto|krb5support|com_err)\.so": "libkrb5-1.20.1",
    r"libkeyutils\.so": "keyutils-1.6.3-lib",
    r"libwrap\.so": "tcp_wrappers-7.6.q-33",
    r"libtirpc\.so": "libtirpc-1.3.6",
    r"libeconf\.so": "libeconf-0.7.9",
    r"libsqlite3\.so": "sqlite-3.46.1",
    r"libwtmpdb\.so": "wtmpdb-0.73.0",
    r"libapparmor\.so": "libapparmor-3.0.8",
    r"libfontconfig\.so": "fontconfig-2.14.1-lib",
    r"libfreetype\.so": "freetype-2.12.1",
    r"libpng16\.so": "libpng-apng-1.6.39",
    r"libbrotli\w+\.so": "brotli-1.0.9-lib",
    r"libedit\.so": "libedit-20221030-3.1",
    r"lib(bsd|md)\.so": "libbsd-0.11.7",
    r"libseccomp\.so": "libseccomp-2.5.4-lib",
    r"libdbus-1\.so": "dbus-1.14.10-lib",
    r"libexpat\.so": "expat-2.5.0",
    r"libgnutls\.so": "gnutls-3.7.9",
    r"libp11-kit\.so": "p11-kit-0.24.1",
    r"libidn2\.so": "libidn2-2.3.3",
    r"libunistring\.so": "libunistring-1.0",
    r"libtasn1\.so": "libtasn1-4.19.0",
    r"libffi\.so": "libffi-3.4.4",
}

#: Texts below /etc that NixOS has in store paths of their own.
ETC = {
    "nsswitch.conf": (
        "etc-nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    ),
    "hosts": ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    "host.conf": ("etc-host.conf", "multi on\n"),
}
#: Files below /etc that are none of the store's.
STATE = {
    "passwd": "root:x:0:0::/root:/bin/sh\nnginx:x:60:60::/var/empty:/bin/sh\nlighttpd:x:75:75::/var/empty:/bin/sh\n",
    "group": "root:x:0:\nnginx:x:60:\nlighttpd:x:75:\n",
    "shadow": "root:!:1::::::\n",
    "resolv.conf": "nameserver 127.0.0.1\n",
}


def unpacked(package: str) -> Path:
    """The files of a Debian package, fetched at its first use. Raises `Unavailable`."""
    return unpacked_together(package, (package,))


def unpacked_together(name: str, packages: Sequence[str], suite: str = SUITE) -> Path:
    """The files of several Debian packages in one folder, which the cache knows by NAME. Raises `Unavailable`."""

    def build(workshop: Path) -> Path:
        for found in debian.download_packages(packages, suite, workshop):
            done = subprocess.run(
                ["dpkg", "-x", str(found), str(workshop / "files")], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise Unavailable(f"{found.name}: {done.stderr.strip()}")
        return workshop / "files"

    return cached(f"{suite}-{name}", build)


def program(name: str) -> Path:
    """A program of this machine."""
    found = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise Unavailable(f"{name} is not installed")
    return Path(found).resolve()


def _store_path(name: str, seed: str = "") -> str:
    digest = hashlib.sha256((seed + name).encode()).digest()
    return f"/nix/store/{''.join(ALPHABET[byte % 32] for byte in digest)}-{name}"


@dataclass
class System:
    """A system below the folder `root`.

    libraries: Debian packages with libraries that this machine may lack.
    folders: where libraries are rather than on this machine: those of another release.
    """

    root: Path
    libraries: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    paths: dict[str, str] = field(default_factory=dict)
    etc: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=lambda: dict(STATE))

    def __post_init__(self) -> None:
        if not shutil.which("patchelf"):
            raise Unavailable("patchelf is not installed")
        for place, (name, text) in ETC.items():
            self.etc[place] = self.add(name, text)
        tzdata = Path("/usr/share/zoneinfo")
        zone = (tzdata / "Etc/UTC").read_bytes() if (tzdata / "Etc/UTC").exists() else b""
        self.etc["zoneinfo"] = self.add("tzdata-2025b", {"share/zoneinfo/UTC": zone}) + "/share/zoneinfo"
        self.etc["localtime"] = "/etc/zoneinfo/UTC"
        cacert = self.add("nss-cacert-3.92", {"etc/ssl/certs/ca-bundle.crt": "no authority\n"})
        self.etc["ssl/certs/ca-certificates.crt"] = f"{cacert}/etc/ssl/certs/ca-bundle.crt"
        iana = self.add("iana-etc-20221107", {"etc/services": "http 80/tcp\nhttps 443/tcp\n", "etc/protocols": "tcp 6 TCP\n"})
        self.etc |= {"services": f"{iana}/etc/services", "protocols": f"{iana}/etc/protocols"}

    def add(self, name: str, content: Mapping[str, str | bytes | Path] | str | Path) -> str:
        """Add a package: texts and files of the machine by their place in it, or one text. Returns its store path.

        Programs among the files bring the packages of their libraries.
        """
        path = self.paths.setdefault(name, _store_path(name))
        if isinstance(content, Mapping):
            for place, value in content.items():
                self._put(f"{path}/{place}", value)
        else:
            self._put(path, content)
        return path

    def _put(self, path: str, value: str | bytes | Path) -> None:
        target = self.inside(path)
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, Path):
            shutil.copy(value, target)
            target.chmod(0o755 if os.access(value, os.X_OK) else 0o644)
        else:
            target.write_bytes(value.encode() if isinstance(value, str) else value)
            target.chmod(0o755 if target.read_bytes().startswith(b"#!") else 0o644)
        if target.read_bytes()[:4] == b"\x7fELF":
            self._link(target)

    def inside(self, path: str) -> Path:
        """Where a path of the system lies."""
        return self.root / path.lstrip("/")

    def _link(self, program: Path) -> None:
        """Let PROGRAM, or a library, find its loader and libraries in the store."""
        needed = _patchelf("--print-needed", str(program)).split()
        folders = {os.path.dirname(self._library(name)): None for name in needed}
        if program.name.startswith(("libc.so", "ld-linux")):
            return
        if folders:
            # The loader finds most of them in another folder than the first: the worst that a linker may leave.
            _patchelf("--set-rpath", ":".join(reversed(folders)), str(program))
        if b"/lib64/ld-linux" in program.read_bytes() and ".so" not in program.name:
            _patchelf("--set-interpreter", self._library(LOADER), str(program))

    def _library(self, name: str) -> str:
        """The path in the store of a library, which is added if it is not there."""
        package = next((package for pattern, package in PACKAGES.items() if re.match(pattern, name)), None)
        if package is None:
            raise AssertionError(f"no package is known for {name}: add it to PACKAGES")
        folders = [*self.folders, *(unpacked(package) for package in self.libraries), Path("/")]
        for folder in (folder / place for folder in folders for place in LIBRARY_FOLDERS):
            if (folder / name).exists():
                return f"{self.add(package, {f'lib/{name}': (folder / name).resolve()})}/lib/{name}"
        raise Unavailable(f"this machine has no {name}")

    def write(self) -> None:
        """Write down what `tests.vm.confined` lays out below /etc, and the closure."""
        system = {"etc": self.etc, "state": self.state, "paths": sorted(self.paths.values())}
        (self.root / "system.json").write_text(json.dumps(system))

    def names(self) -> NameTable:
        """The closure."""
        return NameTable(parse_paths("".join(f"{path}\n" for path in sorted(self.paths.values()))))

    def compiled(self, source: Path, services: Mapping[str, ServiceState]) -> Compiled:
        """What `compile` makes of the policy source SOURCE, and of SERVICES of the library."""
        return compile_policy(read_sources([source], services), self.names(), Tree(str(self.root)))


def source(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """A policy source below FOLDER: `<kernel>` manages, since tests run in it, and may put itself into other domains."""
    texts = {"manager.conf": "<kernel>\n", **(files or {})}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def guest_files(policy: PolicySet, folder: Path) -> dict[str, bytes]:
    """The set POLICY, as files for a job."""
    write_policy_set(policy, folder)
    return {f"set/{path.name}": path.read_bytes() for path in folder.iterdir()}


def _patchelf(*arguments: str) -> str:
    return subprocess.run(["patchelf", *arguments], capture_output=True, text=True, check=True).stdout

"""The Pythons to test with: those of this machine, and from Debian what it lacks.

One from Debian is unpacked into the cache of the virtual machine's kernels, with the libraries that it was built for, and runs
from there; the machine itself stays as it is.  Like `tests/run`, which alone uses this, it needs nothing but a Python.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.vm import debian, kernels

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
#: The Debian suite that has a Python which few machines have yet.
SUITES = {"3.14": "forky"}
LIBRARIES = (
    *("libc6", "libgcc-s1", "zlib1g", "libzstd1", "libbz2-1.0", "liblzma5", "libexpat1", "libffi8", "libssl3t64", "libsqlite3-0"),
    *("libuuid1", "libncursesw6", "libtinfo6", "libreadline8t64"),
)


def other_pythons() -> dict[str, str]:
    """The other supported Pythons: by version, the program's path.  What cannot be had is reported, and left out."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {version: find(version) for version in PYTHONS if version != own}
    for version in [version for version, python in found.items() if not python]:
        try:
            found[version] = fetch(version)
        except kernels.Unavailable as reason:
            print(f"== no Python {version}: {reason}", flush=True)
    return {version: python for version, python in found.items() if python}


def find(version: str) -> str:
    """This machine's Python of VERSION that works; empty if there is none."""
    candidates = [shutil.which(f"python{version}") or ""]
    candidates += sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/python")))
    return next((candidate for candidate in candidates if candidate and works(candidate)), "")


def works(python: str) -> bool:
    """Whether PYTHON can make environments; a shim of pyenv is on the path even where no Python stands behind it."""
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


def fetch(version: str) -> str:
    """Debian's Python of VERSION, unpacked at its first use.  Raises `Unavailable` where it cannot be had."""
    if version not in SUITES:
        raise kernels.Unavailable("it is not installed")

    name, program = f"python-{version}", f"usr/bin/python{version}"

    def build(workshop: Path) -> Path:
        names = [f"python{version}-minimal", f"libpython{version}-minimal", f"libpython{version}-stdlib", *LIBRARIES]
        root = workshop / "root"
        for package in debian.download_packages(names, SUITES[version], workshop):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        # Else the machine's own loader would start it, with the machine's own libraries.
        libraries = workshop.parent / name / "usr/lib/x86_64-linux-gnu"
        loader = ["--set-interpreter", libraries / "ld-linux-x86-64.so.2", "--force-rpath", "--set-rpath", libraries]
        subprocess.run(["patchelf", *loader, root / program], check=True)
        return root

    return str(kernels.cached(name, build) / program)

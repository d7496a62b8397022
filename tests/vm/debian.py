"""Debian packages from a mirror, without touching the machine's own package state.

The machine's own apt is asked first when the machine runs the wanted suite. Otherwise, and when that fails (images often ship
without package lists), apt gets a folder of its own: sources, lists and cache lie there, and the mirror is the one that the
machine's own sources name.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Taken = TypeVar("Taken")


class Unavailable(Exception):
    """What a virtual machine needs is not here and cannot be had; the message says what and why."""


def download_kernel(metapackage: str, suite: str, folder: Path) -> list[Path]:
    """Download the kernel that `metapackage` of `suite` depends on.

    Returns the paths of its packages, which are inside `folder`: linux-image-V first, then those that forky has put its files
    into: linux-base-V, linux-binary-V and linux-modules-V.
    """
    return _of_suite(metapackage, suite, folder, lambda options: _download_kernel(metapackage, folder, options))


def download_packages(names: Sequence[str], suite: str, folder: Path) -> list[Path]:
    """Download the packages called `names` of `suite`, and return their paths, which are inside `folder`."""
    return _of_suite(", ".join(names), suite, folder, lambda options: _download_packages(names, folder, options))


def _of_suite(what: str, suite: str, folder: Path, take: Callable[[Sequence[str]], Taken]) -> Taken:
    """What `take` gets with the machine's own apt, if that is of `suite`, or else with one of that suite's in `folder`."""
    reasons = []
    if codename() == suite:
        try:
            return take(())
        except Unavailable as failure:
            reasons.append(str(failure))
    try:
        options = _own_apt(suite, folder / "apt")
        _apt("apt-get", options, "update", "--quiet")
        return take(options)
    except Unavailable as failure:
        reasons.append(str(failure))
    raise Unavailable(f"no {what} from Debian {suite}: {'; '.join(reasons)}")


def codename() -> str:
    """The machine's release name, such as "bookworm"; empty where the system does not say."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r'^VERSION_CODENAME="?([^"\n]+)', text, re.MULTILINE)
    return found[1] if found else ""


def _download_kernel(metapackage: str, folder: Path, options: Sequence[str]) -> list[Path]:
    found = re.search(r"Depends: linux-image-(\d\S+)", _apt("apt-cache", options, "depends", "--important", metapackage))
    if not found:
        raise Unavailable(f"apt-cache names no kernel for {metapackage}")
    image = f"linux-image-{found[1]}"
    depends = _apt("apt-cache", options, "depends", "--important", image)
    parts = re.findall(rf"Depends: (linux-(?:base|binary|modules)-{re.escape(found[1])})\n", depends)
    return _download_packages([image, *parts], folder, options)


def _download_packages(names: Sequence[str], folder: Path, options: Sequence[str]) -> list[Path]:
    _apt("apt-get", (*options, "-o", "APT::Sandbox::User=root"), "download", "--quiet", *names, folder=folder)
    packages = []
    for name in names:
        found = list(folder.glob(f"{name}_*.deb"))
        if len(found) != 1:
            raise Unavailable(f"apt-get download {name} left {len(found)} files")
        packages += found
    return packages


def _own_apt(suite: str, folder: Path) -> list[str]:
    """Options that make apt work in `folder`, on `suite` of the mirrors that the machine's own sources name."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    sources = folder / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in _sources(suite)), encoding="utf-8")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]


def _sources(suite: str) -> list[str]:
    """One-line sources for `suite`, and its updates, on the Debian mirrors of this machine."""
    own = codename()
    targets = _apt("apt-get", (), "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
    lines = []
    for target in targets.splitlines():
        uri, release, component = target.split()
        if own and component == "main" and release in (own, f"{own}-updates", f"{own}-security"):
            lines.append(f"deb {uri} {suite}{release.removeprefix(own)} main")
    if not lines:
        raise Unavailable("the machine's apt sources name no Debian mirror")
    return lines


def _apt(program: str, options: Sequence[str], *arguments: str, folder: Path | None = None) -> str:
    command = [program, *options, *arguments]
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise Unavailable(f"{program} is not installed") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise Unavailable(f"{program} {arguments[0]} failed: {last[0]}")
    return done.stdout

"""A large system to measure with: a store of thousands of packages, and a named policy as long as a learned one.

Nothing of it is random: two runs measure the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tomoyo.nix.store.paths import HASH_ALPHABET, HASH_LENGTH, STORE_DIRECTORY

#: Directories of a package, each with a share of its files.
FOLDERS = ("lib", "share/doc", "share/locale/de/LC_MESSAGES", "share/man/man1", "libexec", "lib/plugins")
PROGRAMS = 2


@dataclass(frozen=True)
class System:
    """A store below `root`; `registration` is the file that tells its closure, `top` the store path that refers to all."""

    root: Path
    registration: Path
    top: str
    packages: int
    files_each: int


def package(number: int) -> str:
    """The name of a package."""
    return "glibc" if number == 0 else f"package{number}"


def store_path(number: int) -> str:
    """Its store path."""
    digits = ""
    rest = number * 2654435761 + 12345
    for _ in range(HASH_LENGTH):
        rest, digit = divmod(rest * 31 + 7, 32)
        digits += HASH_ALPHABET[digit]
        rest %= 2**61 - 1
    return f"{STORE_DIRECTORY}/{digits}-{package(number)}-1.{number % 10}"


def file(number: int) -> str:
    """The place of a package's file, behind its programs."""
    return f"/{FOLDERS[number % len(FOLDERS)]}/file{number}.so"


def write_system(root: Path, packages: int = 5000, files: int = 200_000) -> System:
    """Write a store of PACKAGES packages that have FILES files together, with a system-path of links to every program."""
    each = files // packages - PROGRAMS
    entries = []
    environment = f"{STORE_DIRECTORY}/{'0' * HASH_LENGTH}-system-path"
    links = root / environment.lstrip("/") / "bin"
    links.mkdir(parents=True)
    for number in range(packages):
        path = store_path(number)
        here = str(root) + path
        for folder in ("bin", *FOLDERS):
            os.makedirs(f"{here}/{folder}", exist_ok=True)
        for program in range(PROGRAMS):
            with open(f"{here}/bin/program{program}", "wb") as opened:
                opened.write(b"\x7fELF" + bytes(60))
                os.fchmod(opened.fileno(), 0o755)
            os.symlink(f"{path}/bin/program{program}", links / f"{package(number)}-{program}")
        for position in range(each):
            os.close(os.open(here + file(position), os.O_WRONLY | os.O_CREAT, 0o644))
        references = sorted({store_path(0), path, *(store_path(number // divisor) for divisor in (2, 3, 7))})
        entries.append((path, references))
    entries.append((environment, [path for path, _ in entries]))
    registration = root / "registration"
    with open(registration, "w") as opened:
        for path, references in entries:
            opened.write("\n".join([path, f"sha256:{'0' * 52}", "1", "", str(len(references)), *references, ""]))
    return System(root, registration, environment, packages, each)


def write_source(folder: Path, system: System, lines: int = 100_000) -> Path:
    """Write a policy source of LINES lines about SYSTEM: four fifths of them as often repeated as a learned policy's are."""
    (folder / "domains").mkdir(parents=True)
    (folder / "modules").mkdir()
    (folder / "modules" / "base.conf").write_text(
        "".join(f"file read/getattr @nix:/glibc{file(position)}\n" for position in range(system.files_each))
    )
    each = 100
    text: list[str] = []
    for number in range(lines // each):
        domain = [
            f"<kernel> nix:/{package(number % system.packages)}/bin/program0 nix:/{package(number % 97)}/bin/program1\n",
            "use_profile 3\nuse_group base\n\n",
        ]
        for line in range(each - 5):
            domain.append(_entry(system, number, line))
        text.append("".join(domain) + "\n")
        if len(text) == 100 or (number + 1) * each >= lines:
            (folder / "domains" / f"part{number}.conf").write_text("".join(text))
            text.clear()
    return folder


def _entry(system: System, number: int, line: int) -> str:
    if line % 5 == 0:
        # Of this domain alone.
        return f"file read/write/unlink /var/lib/service{number}/\\*.{line}\n"
    name = f"nix:/{package((line * 37 + number % 50) % system.packages)}"
    if line % 5 == 1:
        return f"file execute {name}/bin/program{line % PROGRAMS} exec.realpath=@{name}/bin/program{line % PROGRAMS}\n"
    if line % 25 == 2:
        return f"file read @{name}/lib/\\*.so\n"
    return f"file read/getattr @{name}{file(line % system.files_each)}\n"

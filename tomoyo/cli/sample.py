"""The sample: two generations of a small system, and the policy of its one application, `notes`.

The texts are in ``tomoyo/sample/``; `write_sample` puts them into a directory
together with the store, which exists only there: links and executable files
survive neither a wheel nor a zip.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from importlib.resources import files as resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

STORE = "/nix/store"
#: The domain in which notes shows a file.
SHOWING = "<kernel> nix:/notes/bin/notes nix:/busybox/bin/cat"
#: The name of the file that notes prints without arguments.
HELP = "share/notes/help"

_TEXTS = {
    "share/notes/help": "usage: notes add TEXT | list | show FILE | edit\n",
    "share/notes/header": "Notes\n=====\n",
}
#: The beginning of an executable: only the name of busybox matters.
_PROGRAM = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0\x3e\0\x01\0\0\0\0\0\x40".ljust(48, b"\0")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the system: its number and the names of its store paths."""

    number: int
    top: str
    path: str
    notes: str
    busybox: str

    @property
    def link(self) -> str:
        """The profile's link to this generation."""
        return f"/nix/var/nix/profiles/system-{self.number}-link"

    @property
    def help(self) -> str:
        """The path of the help text of notes."""
        return f"{STORE}/{self.notes}/{HELP}"


GENERATIONS = (
    Generation(
        1,
        "bxw2hnkl9si4bm9vj5a899wfis77g451-nixos-system-sample-26.05",
        "4f9jcxw4hnhyk36rri6q767ylc74fz95-system-path",
        "ba3iz3x020j3y1a7jjd35dp3cbq6vdcy-notes-1.0",
        "l5qf8zjrz6kb8zzbmlzdrj2kpi837idi-busybox-1.36.1",
    ),
    Generation(
        2,
        "6k8m3lxsc6vbw6d4y4z6fx8r8gdrcv0n-nixos-system-sample-26.05",
        "wapnb6jp1x145wb7hkvrv0lwxbhr26np-system-path",
        "k702n7y4cfm0qql6kdz9a770zvvwb4ci-notes-1.1",
        "wvbhwm1np6wfp6fbwclgnfz16p1h6ijl-busybox-1.36.1",
    ),
)


def write_sample(directory: str) -> None:
    """Write the sample to DIRECTORY, which must not exist or be empty.

    Raises OSError, FileExistsError among them for a directory that holds something.
    """
    if not os.path.isdir(directory):
        os.mkdir(directory, 0o755)
    elif os.listdir(directory):
        raise FileExistsError(errno.EEXIST, "the directory is not empty", directory)
    source = resources(__package__.rpartition(".")[0]) / "sample"
    for name in ("policy", "learned"):
        os.mkdir(os.path.join(directory, name), 0o755)
        for file in (source / name).iterdir():
            _write(os.path.join(directory, name, file.name), file.read_bytes())
    for name in ("tomoyo.toml", "audit.log"):
        _write(os.path.join(directory, name), (source / name).read_bytes())
    system = os.path.join(directory, "system")
    os.mkdir(system, 0o755)
    for generation in GENERATIONS:
        _write_generation(system, generation, source / "notes.sh")
    _write(os.path.join(system, "registration"), _registration().encode())


def _write_generation(system: str, generation: Generation, script: Traversable) -> None:
    store = system + STORE
    top, path, notes, busybox = (
        f"{store}/{name}" for name in (generation.top, generation.path, generation.notes, generation.busybox)
    )
    for directory in (top, f"{path}/bin", f"{notes}/bin", f"{notes}/share/notes", f"{busybox}/bin"):
        os.makedirs(directory, 0o755)
    text = script.read_text()
    for package, name in (("busybox", generation.busybox), ("notes", generation.notes)):
        text = text.replace(f"@{package}@", f"{STORE}/{name}")
    _write(f"{notes}/bin/notes", text.encode(), 0o755)
    for name, content in _TEXTS.items():
        _write(f"{notes}/{name}", content.encode())
    _write(f"{busybox}/bin/busybox", _PROGRAM, 0o755)
    for name in ("cat", "sh"):
        os.symlink("busybox", f"{busybox}/bin/{name}")
        os.symlink(f"../../{generation.busybox}/bin/{name}", f"{path}/bin/{name}")
    os.symlink(f"../../{generation.notes}/bin/notes", f"{path}/bin/notes")
    os.symlink(f"../{generation.path}", f"{top}/sw")
    os.makedirs(os.path.dirname(system + generation.link), 0o755, exist_ok=True)
    os.symlink(f"../../../store/{generation.top}", system + generation.link)


def _registration() -> str:
    """What Nix knows of the store paths, as ``closureInfo`` prints it."""
    references: dict[str, tuple[str, ...]] = {}
    for generation in GENERATIONS:
        references[generation.top] = (generation.path,)
        references[generation.path] = (generation.notes, generation.busybox)
        references[generation.notes] = (generation.notes, generation.busybox)
        references[generation.busybox] = (generation.busybox,)
    lines = []
    for name, referred in sorted(references.items()):
        paths = (f"{STORE}/{each}" for each in referred)
        lines += [f"{STORE}/{name}", f"sha256:{'0' * 52}", "1", "", str(len(referred)), *paths]
    return "".join(f"{line}\n" for line in lines)


def _write(path: str, content: bytes, mode: int = 0o644) -> None:
    with open(path, "xb") as file:
        file.write(content)
    os.chmod(path, mode)

"""The package's programs and a Python, laid out as packages of a store."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .library_layout import System, Unavailable, program

ROOT = Path(__file__).resolve().parents[2]
PYTHON = Path("/usr/bin/python3.11")
PROGRAMS = ("audit", "notify", "query", "save")
#: The guest's root is an overlay, of whose layers the kernel asks, too; and what units print goes to files.
GUEST = "".join(
    f"<kernel> nix:/tomoyo/bin/tomoyo-{name}\nfile read/getattr tmpfs:/data/\n"
    "file getattr /run/output/\\*\nfile ioctl /run/output/\\* 0x5401-0x5413\n"
    for name in PROGRAMS
)
#: `<kernel>` manages since the jobs run in it; the other is what the kernel takes answers from.
MANAGERS = "<kernel>\n<kernel> nix:/tomoyo/bin/tomoyo-query\n"
#: Parts of Python's library that no program here has any business with, or that would bring libraries along.
LEFT_OUT = (
    "dist-packages",
    "lib-dynload",
    "test",
    "idlelib",
    "tkinter",
    "lib2to3",
    "ensurepip",
    "config-*",
    "__pycache__",
    "*.so",
)


def add_programs(system: System) -> str:
    """Add this package and a Python to SYSTEM; gives the package's store path.  Raises `Unavailable`."""
    library = Path("/usr/lib/python3.11")
    if not PYTHON.exists() or not library.exists():
        raise Unavailable("there is no Python of Debian's")
    python = system.add("python3-3.11.2", {"bin/python3.11": PYTHON})
    shutil.copytree(library, system.inside(f"{python}/lib/python3.11"), ignore=shutil.ignore_patterns(*LEFT_OUT))
    # Those that are imported here and there.
    modules = {f"lib/python3.11/lib-dynload/{file.name}": file for file in library.glob("lib-dynload/_[bltq][!s]*.so")}
    system.add("python3-3.11.2", modules)
    tomoyo = system.add("tomoyo-0.1", {"share/doc": ""})
    packages = f"{tomoyo}/lib/python3.11/site-packages"
    shutil.copytree(ROOT / "tomoyo", system.inside(f"{packages}/tomoyo"), ignore=shutil.ignore_patterns("__pycache__"))
    for place in (f"{python}/lib", f"{tomoyo}/lib"):
        compiling = [str(PYTHON), "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(system.inside(place))]
        subprocess.run(compiling, check=True)
    for name in ("", *PROGRAMS):
        text = (
            f"#!{python}/bin/python3.11 -IS\nimport sys\nsys.path.insert(0, {packages!r})\n"
            f"from tomoyo.cli import main\nsys.exit(main({[name] if name else []!r} + sys.argv[1:]))\n"
        )
        system.add("tomoyo-0.1", {f"bin/tomoyo{'-' + name if name else ''}": text})
    env = system.add("coreutils-9.1", {"bin/env": program("env"), "bin/tee": program("tee")})
    command = f'#!{program("bash")} -p\nexec {env}/bin/env -i TOMOYO_DENIALS="$TOMOYO_DENIALS" {env}/bin/tee /run/told\n'
    system.add("tomoyo-notify-command", {"bin/tomoyo-notify-command": command})
    system.add("tomoyo-query-rules", "allow path=/run/asked/allowed\ndeny path=/run/asked/denied\n")
    return tomoyo

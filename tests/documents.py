"""Documents whose examples are tests: the commands they show are run, and must print what they show.

In front of a block stands a comment that says what to do with it:

    <!-- test: run -->
    ```console
    $ python3 -m tomoyo --version
    tomoyo 0.1.0
    ```

Such a block runs in one shell (`sh`), in a fresh copy of the repository that all blocks of a document share; `python3` is the
Python of the tests. Each command must end with 0 and print, on either stream, the lines below it. A line `...` there stands for
any number of lines. A command goes on in lines that begin with `> `. `<!-- test: run, exit 1 -->` is for a block whose last
command ends with 1, `<!-- test: run in sample -->` for one that runs there, after `export PYTHONPATH=$PWD`.

    <!-- test: file policy/domains/web.conf -->
    ```
    <kernel> nix:/nginx/bin/nginx
    ```

Such a block becomes a file in that copy before the blocks behind it run. A block in a list is indented as its mark is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_MARK = re.compile(r"<!-- test: (.*) -->")
_FENCE = re.compile(r"(```+)([a-z]*)")
_RUN = re.compile(r"run(?: in ([A-Za-z0-9_./-]+))?(?:, exit ([0-9]+))?")
_FILE = re.compile(r"file ([A-Za-z0-9_./-]+)")
_END = "--- end of command"
ANY_LINES = "..."


class DocumentError(AssertionError):
    """An example does not do what its document says; the message begins with the place."""


@dataclass(frozen=True)
class Command:
    """A command as it is shown: the line it begins at, its text, the lines that it should print and its exit code."""

    line: int
    text: str
    output: tuple[str, ...]
    status: int = 0


@dataclass(frozen=True)
class Commands:
    """A block to be run, and the folder of the repository that it runs in."""

    commands: tuple[Command, ...]
    folder: str = ""


@dataclass(frozen=True)
class File:
    """A block to be written to a file: its path below the repository."""

    path: str
    text: str


def documents() -> list[Path]:
    """Every document of the repository."""
    return [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]


def read_examples(text: str, name: str) -> Iterator[Commands | File]:
    """The marked blocks in a document's TEXT. Raises DocumentError for a mark without a block, or one that says nothing known."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        mark = _MARK.fullmatch(lines[number].strip())
        number += 1
        if mark is None:
            continue
        indent = lines[number - 1].partition("<")[0]
        fence = _FENCE.fullmatch(lines[number].removeprefix(indent)) if number < len(lines) else None
        end = next((at for at in range(number + 1, len(lines)) if fence and lines[at] == indent + fence[1]), None)
        if fence is None or end is None:
            raise DocumentError(f"{name}:{number}: no block follows this mark")
        block, first = [line.removeprefix(indent) for line in lines[number + 1 : end]], number + 2
        if run := _RUN.fullmatch(mark[1]):
            yield Commands(tuple(_read_commands(block, first, int(run[2] or 0), name)), run[1] or "")
        elif file := _FILE.fullmatch(mark[1]):
            yield File(file[1], "".join(f"{line}\n" for line in block))
        else:
            raise DocumentError(f"{name}:{number}: not a mark: {mark[1]!r}")
        number = end + 1


def _read_commands(block: list[str], first: int, last_status: int, name: str) -> Iterator[Command]:
    starts = [at for at, line in enumerate(block) if line.startswith("$ ")]
    if not starts or starts[0]:
        raise DocumentError(f"{name}:{first}: a block that is run begins with '$ COMMAND'")
    for start, end in zip(starts, [*starts[1:], len(block)]):
        body = start + 1
        while body < end and block[body].startswith("> "):
            body += 1
        text = "\n".join(line[2:] for line in block[start:body])
        yield Command(first + start, text, tuple(block[body:end]), last_status if end == len(block) else 0)


def fresh_copy(folder: Path) -> Path:
    """A copy of the repository in FOLDER, without what is hidden or generated."""
    copy = folder / "tomoyo"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    programs = folder / "bin"
    programs.mkdir()
    # A link would be taken for a Python of another folder, without what this one has.
    (programs / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python3").chmod(0o755)
    return copy


def check_document(text: str, name: str, copy: Path) -> int:
    """Do what the marked blocks of TEXT say in COPY; give how many commands were run. Raises DocumentError."""
    count = 0
    for example in read_examples(text, name):
        if isinstance(example, File):
            path = copy / example.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(example.text)
        else:
            _check_commands(example, name, copy)
            count += len(example.commands)
    return count


def _check_commands(block: Commands, name: str, copy: Path) -> None:
    # The newline before the mark ends a last line that has none; it is taken away again below.
    script = "".join(f"{command.text}\nprintf '\\n{_END} %d\\n' $?\n" for command in block.commands)
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=copy / block.folder,
        env=_environment(copy) | ({"PYTHONPATH": str(copy)} if block.folder else {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    rest = done.stdout.decode(errors="backslashreplace")
    for command in block.commands:
        place = f"{name}:{command.line}: $ {command.text}"
        printed, mark, rest = rest.partition(f"\n{_END} ")
        if not mark:
            raise DocumentError(f"{place}\nended the shell; it printed\n{printed}")
        status, _, rest = rest.partition("\n")
        lines = [line.rstrip() for line in printed.removesuffix("\n").split("\n")] if printed else []
        if int(status) != command.status:
            raise DocumentError(f"{place}\nended with {status}, not {command.status}; it printed\n{printed}")
        if not same_lines([line.rstrip() for line in command.output], lines):
            raise DocumentError(f"{place}\nshould print\n{_indented(command.output)}\nbut prints\n{_indented(lines)}")


def _environment(copy: Path) -> dict[str, str]:
    return {
        "PATH": f"{copy.parent / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(copy.parent),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def same_lines(expected: list[str], found: list[str]) -> bool:
    """Whether FOUND is EXPECTED, in which a line `...` stands for any number of lines."""
    if ANY_LINES not in expected:
        return expected == found
    head = expected.index(ANY_LINES)
    if expected[:head] != found[:head]:
        return False
    rest = expected[head + 1 :]
    return any(same_lines(rest, found[start:]) for start in range(head, len(found) + 1))


def _indented(lines: list[str] | tuple[str, ...]) -> str:
    return "\n".join(f"    {line}" for line in lines)

"""Policy sources written as text, for the tests that compile one."""

from __future__ import annotations

from pathlib import Path

from tomoyo.model.diagnostics import Diagnostic, Severity
from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.source.policy import Conflicts, SourcePolicy, combine_sources


def write_source(folder: Path, **files: str) -> Path:
    """A policy source in FOLDER: `domains__web` is the file domains/web.conf; lines may be indented."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".conf")
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line.strip()}\n" for line in text.strip().split("\n")))
    return folder


def warnings(*folders: Path) -> list[str]:
    """What is not an error about the policy sources in FOLDERS."""
    problems: list[Diagnostic] = []
    combine_sources(read_sources(folders), report=problems.append)
    assert all(problem.severity is Severity.WARNING for problem in problems)
    return shown(tuple(problems), folders[0].parent)


def combined(*folders: Path, conflicts: Conflicts = Conflicts.REFUSE) -> SourcePolicy:
    """What the policy sources in FOLDERS make."""
    return combine_sources(read_sources(folders), conflicts)


def refusals(folder: Path, *folders: Path, conflicts: Conflicts = Conflicts.REFUSE) -> list[str]:
    """Why they make none; places are relative to the folder that FOLDER is in."""
    try:
        combined(folder, *folders, conflicts=conflicts)
    except SourceError as error:
        return shown(error.diagnostics, folder.parent)
    return []


def shown(problems: tuple[Diagnostic, ...], folder: Path) -> list[str]:
    """PROBLEMS as text, with places relative to FOLDER."""
    told = [f"{one.place}: {one.message}" if one.place.file else one.message for one in problems]
    return [text.replace(f"{folder}/", "") + (f"; {one.help}" if one.help else "") for text, one in zip(told, problems)]

"""What is published: the source distribution and the wheel, built from this repository by the tools that people use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from .documents import ROOT

GENERATED = (".git", ".venv*", "__pycache__", "*.egg-info", "build", "dist", "result*", ".hypothesis", ".*_cache")


def require(*modules: str) -> None:
    """Skip the test where a tool is missing; fail where nothing may be skipped."""
    for module in modules:
        if os.environ.get("CI"):
            __import__(module)
        pytest.importorskip(module)


def run(module: str, *arguments: str | Path, folder: Path) -> str:
    """Run a tool in FOLDER, with nothing of this repository on its path; what it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    """Every file and link in FOLDER."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


def content(path: Path) -> tuple[int, bytes] | Path:
    """Where a link leads; whether a file can be executed, and its bytes."""
    return path.readlink() if path.is_symlink() else (path.stat().st_mode & 0o111, path.read_bytes())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this repository, without what is generated."""
    copy = tmp_path_factory.mktemp("packaging") / "repository"
    return Path(shutil.copytree(ROOT, copy, symlinks=True, ignore=shutil.ignore_patterns(*GENERATED)))


@pytest.fixture(scope="module")
def published(repository: Path) -> Path:
    """The folder with both; the wheel is built from what the source distribution holds."""
    require("build", "setuptools")
    folder = repository.parent
    run("build", "--no-isolation", "--outdir", folder / "dist", repository, folder=folder)
    return folder / "dist"


@pytest.fixture(scope="module")
def unpacked(published: Path) -> Path:
    """The source distribution, unpacked as installers do it: no link may lead out of it."""
    (source,) = published.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(published.parent / "source", filter="data")
    (folder,) = (published.parent / "source").iterdir()
    return folder


def wheel(published: Path) -> Path:
    """The wheel."""
    (found,) = published.glob("*.whl")
    return found


def test_the_checkers_find_nothing(published: Path) -> None:
    require("twine", "check_wheel_contents")
    run("twine", "check", "--strict", *published.iterdir(), folder=published)
    assert run("check_wheel_contents", wheel(published), folder=published) == f"{wheel(published)}: OK\n"


def test_the_wheel_holds_the_package(published: Path) -> None:
    with zipfile.ZipFile(wheel(published)) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        (metadata,) = (message_from_bytes(archive.read(name)) for name in names if name.endswith("/METADATA"))
        assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert {name for name in names if ".dist-info/" not in name} == {
        f"tomoyo/{name}" for name in files(ROOT / "tomoyo") if "__pycache__" not in name
    } - {"tomoyo/LICENSE"}
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("MIT", ["LICENSE"])
    assert metadata["Requires-Dist"] is None


def test_the_source_distribution_holds_the_repository(repository: Path, unpacked: Path) -> None:
    ours = {name for name in files(repository) if ".egg-info/" not in name}
    theirs = {name for name in files(unpacked) if ".egg-info/" not in name}
    assert theirs - ours == {"PKG-INFO", "setup.cfg"}
    assert ours - theirs == set()
    assert [name for name in sorted(ours) if content(unpacked / name) != content(repository / name)] == []


def test_the_tests_of_the_source_distribution_run(unpacked: Path) -> None:
    """Some of each kind: of the code, of the command with the sample, of the package and of the documents."""
    structure, documents = "tests/test_structure.py", "tests/test_documents.py"
    selection = ["tests/syntax/test_records.py", "tests/cli/test_save.py"]
    selection += [f"{structure}::test_files_that_are_no_python_are_shipped"]
    selection += [f"{documents}::test_examples_do_what_is_shown[README.md]"]
    # What takes long is tried in the repository.
    selection += ["-k", "not constant_memory"]
    printed = run("pytest", *selection, f"--basetemp={unpacked.parent / 'tests'}", folder=unpacked)
    assert " skipped" not in printed

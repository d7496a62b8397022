"""The command `save`: what a kernel holds, in files or with names, and back again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.sample import SAMPLE
from tomoyo.sets.policy_set import read_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel

from .command import Done, tomoyo

STORE_NOTES = "/nix/store/ba3iz3x020j3y1a7jjd35dp3cbq6vdcy-notes-1.0"
STRANGER = f"/nix/store/{'s' * 32}-notes-1.0"
CLOSURE = (
    *("--root", SAMPLE / "system", "--closure-file", SAMPLE / "system/registration"),
    *("--closure", "/nix/var/nix/profiles/system-1-link"),
)
INTERFACES = {
    "domain": "domain_policy",
    "exception": "exception_policy",
    "profile": "profile",
    "manager": "manager",
    "stat": "stat",
}


def put_interface(folder: Path, kernel: SimulatedKernel) -> Path:
    """Files in the place of the kernel's."""
    folder.mkdir()
    for name in INTERFACES.values():
        (folder / name).write_text(kernel.read(name))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `set`, compiled from the sample, and `kernel`, which holds it."""
    tmp_path.chmod(0o755)
    assert tomoyo("compile", SAMPLE / "policy", "-o", tmp_path / "set", *CLOSURE).status == 0
    kernel = read_policy_set(tmp_path / "set").loaded()
    kernel.activate()
    put_interface(tmp_path / "kernel", kernel)
    return tmp_path


def save(folder: Path, *arguments: str | Path) -> Done:
    return tomoyo("save", "--interface", folder / "kernel", *arguments)


def test_all_is_saved_and_the_place_is_told(folder: Path) -> None:
    done = save(folder, folder / "etc")
    place = Path(done.output.strip())
    assert (done.status, done.messages, place.parent) == (0, "", folder / "etc/policy")
    assert os.readlink(folder / "etc/policy/current") == f"{place.name}/"
    for name in ("domain_policy", "exception_policy", "profile", "manager"):
        assert (place / f"{name}.conf").read_bytes() == (folder / "kernel" / name).read_bytes()
    # It is a set: another kernel would be brought to the very same.
    assert tomoyo("plan", folder / "set", place).status == 0


@pytest.mark.parametrize("kind", INTERFACES)
def test_one_of_them_is_printed_and_nothing_written(folder: Path, kind: str) -> None:
    before = sorted(folder.iterdir())
    done = save(folder, "--stdout", kind)
    assert (done.status, done.output) == (0, (folder / "kernel" / INTERFACES[kind]).read_text())
    assert sorted(folder.iterdir()) == before


def test_what_is_saved_with_names_compiles_to_what_was_held(folder: Path) -> None:
    done = save(folder, "--named", *CLOSURE, folder / "named")
    assert (done.status, done.output) == (0, "")
    assert "8 bindings left out" in done.messages
    for name in ("domain_policy.conf", "exception_policy.conf"):
        lines = (folder / "named" / name).read_text().splitlines()
        assert sorted(lines) == sorted((SAMPLE / "policy" / name).read_text().splitlines())
    shutil.copy(SAMPLE / "policy/manager.conf", folder / "named")
    assert tomoyo("compile", folder / "named", "-o", folder / "again", *CLOSURE).status == 0
    first, again = read_policy_set(folder / "set"), read_policy_set(folder / "again")
    for name in ("domain_policy", "exception_policy", "bindings", "profile", "manager"):
        assert getattr(again, name) == getattr(first, name), name
    assert tomoyo("plan", folder / "set", folder / "again").status == 0


def test_what_was_learned_gets_names_and_what_is_a_strangers_is_kept_and_told(folder: Path) -> None:
    domain = "<kernel> nix:/notes/bin/notes"
    kernel = read_policy_set(folder / "set").loaded()
    kernel.write("domain_policy", f"{domain}\nfile read {STORE_NOTES}/share/notes/new\nfile read {STRANGER}/share/notes/x\n")
    shutil.rmtree(folder / "kernel")
    put_interface(folder / "kernel", kernel)
    done = save(folder, "--named", *CLOSURE, folder / "named")
    assert done.status == 0
    text = (folder / "named/domain_policy.conf").read_text()
    assert "file read @nix:/notes/share/notes/new\n" in text or f"file read {STORE_NOTES}/share/notes/new\n" in text
    assert f"file read {STRANGER}/share/notes/x\n" in text
    line = kernel.read("domain_policy").splitlines().index(f"file read {STRANGER}/share/notes/x") + 1
    assert f"domain_policy:{line}:11: warning: {STRANGER}/share/notes/x: kept: outside the closure" in done.messages
    printed = save(folder, "--named", *CLOSURE, "--stdout", "domain")
    assert (printed.status, printed.output) == (0, text)


def test_the_set_that_was_held_knows_modules_names(folder: Path) -> None:
    kernel = read_policy_set(folder / "set").loaded()
    kernel.write("domain_policy", "<kernel> nix:/notes/bin/notes\nuse_group 12\n")
    kernel.write("exception_policy", "acl_group 12 file read /etc/localtime\n")
    shutil.rmtree(folder / "kernel")
    put_interface(folder / "kernel", kernel)
    (folder / "held").mkdir()
    (folder / "held/manifest.json").write_text('{"format": 1, "modules": {"libraries": 12}}')
    assert save(folder, "--named", *CLOSURE, "--set", folder / "held", folder / "named").status == 0
    assert "\nuse_group libraries\n" in (folder / "named/domain_policy.conf").read_text()
    assert "acl_group 12" not in (folder / "named/exception_policy.conf").read_text()
    done = save(folder, "--named", *CLOSURE, "--set", folder / "none", folder / "other")
    assert (done.status, (folder / "other").exists()) == (2, False)
    assert "none/manifest.json" in done.messages


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--named", "--stdout", "exception", *CLOSURE), "only the domain policy can be printed with names"),
        (("--named", *CLOSURE), "say which DIR it goes to"),
        (("--named", "out"), "closure"),
        (("--stdout", "query"), "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, arguments: tuple[str | Path, ...], told: str) -> None:
    done = save(folder, *arguments)
    assert (done.status, done.output) == (2, "")
    assert told in done.messages


def test_a_kernel_that_is_not_there(tmp_path: Path) -> None:
    done = tomoyo("save", "--interface", tmp_path / "none", tmp_path / "etc")
    assert (done.status, done.output) == (3, "")
    assert "no interface files of TOMOYO" in done.messages
    assert not (tmp_path / "etc").exists()

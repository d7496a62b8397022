"""The sample of the documents, in a real kernel: learned in one generation, enforced in the next."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tomoyo import parse_domain_policy
from tomoyo.cli import main

from ..sample import SAMPLE, SYSTEM
from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

STORE = SYSTEM / "nix" / "store"
SET = "/run/set"
NOTES = "<kernel> nix:/notes/bin/notes"
DENIED = "Operation not permitted"


def closure(generation: int) -> list[str]:
    """Options that say which generation is meant."""
    link = f"/nix/var/nix/profiles/system-{generation}-link"
    return ["--root", str(SYSTEM), "--closure-file", str(SYSTEM / "registration"), "--closure", link]


def store_path(package: str, generation: int) -> str:
    """The store path of PACKAGE, such as `busybox-1.36.1`, in one generation."""
    top = (SYSTEM / f"nix/var/nix/profiles/system-{generation}-link").readlink().name
    links = [path.readlink() for path in (STORE / top).iterdir()]
    programs = [path.readlink() for folder in links for path in (STORE / folder.name / "bin").iterdir()]
    folders = [path.parents[1].name for path in programs]
    return f"/nix/store/{next(name for name in folders if name.endswith(f'-{package}'))}"


@pytest.fixture(scope="module")
def learned(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the kernel learns in the first generation, with every program of it bound."""
    bindings = tmp_path_factory.mktemp("learned") / "bindings.conf"
    assert main(["bind", "--all-programs", *closure(1), "-o", str(bindings)]) == 0
    files = {"bindings.conf": bindings.read_bytes()}
    return dict(machine.run(kernel, "sample", arguments=["learn", "1"], files=files).files)


@pytest.fixture(scope="module")
def policy(learned: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The learned policy with names, enforced: a policy source."""
    folder = tmp_path_factory.mktemp("named")
    files = []
    for name in ("domain_policy", "exception_policy"):
        files.append(str(folder / name))
        (folder / name).write_bytes(learned[name])
    source = folder / "policy"
    assert main(["name", *files, *closure(1), "-o", str(source)]) == 0
    domains = source / "domain_policy.conf"
    domains.write_text(domains.read_text().replace("use_profile 1\n", "use_profile 3\n"))
    (source / "manager.conf").write_text("<kernel>\n")
    return source


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_policies_of_the_documents_are_what_a_kernel_learns(learned: dict[str, bytes], policy: Path) -> None:
    for name in ("domain_policy", "exception_policy"):
        assert learned[name].decode() == (SAMPLE / "learned" / f"{name}.conf").read_text()
    assert texts(policy) == texts(SAMPLE / "policy")


def test_the_next_generation_runs_under_the_policy_of_the_first(kernel: Kernel, policy: Path, tmp_path: Path) -> None:
    source = shutil.copytree(policy, tmp_path / "policy")
    # A name in no closure, though a package of that name lies in the store.
    with open(source / "domain_policy.conf", "a") as domains:
        domains.write(f"{NOTES} nix:/busybox/bin/cat\nfile read @nix:/ghost/share/secret\n")
    assert main(["compile", *closure(2), "--unresolved", "warning", "-o", str(tmp_path / "set"), str(source)]) == 0
    files = {f"set/{path.name}": path.read_bytes() for path in (tmp_path / "set").iterdir()}
    stranger = "/nix/store/" + "s" * 32
    attempts: list[tuple[list[str], dict[str, str]]] = [
        (["notes"], {}),
        (["notes", "add", "milk and bread"], {}),
        (["notes", "list"], {}),
        (["notes", "show", f"{store_path('notes-1.1', 2)}/share/notes/header"], {}),
        (["notes", "edit"], {"EDITOR": "/run/current-system/sw/bin/cat"}),
        # What is not of this closure, whatever it is called.
        (["notes", "show", f"{stranger}-notes-1.1/share/notes/header"], {}),
        (["notes", "show", f"{stranger}-ghost-1.0/share/secret"], {}),
        (["notes", "show", f"{store_path('notes-1.0', 1)}/share/notes/header"], {}),
        (["notes", "edit"], {"EDITOR": f"{stranger}-busybox-1.36.1/bin/cat"}),
        (["notes", "edit"], {"EDITOR": f"{store_path('busybox-1.36.1', 1)}/bin/cat"}),
        ([f"{stranger}-notes-1.1/bin/notes"], {}),
    ]
    files["attempts.json"] = json.dumps(attempts).encode()
    result = machine.run(kernel, "sample", arguments=["enforce", "2"], files=files, loader=f"{SET}/boot")
    answers = [tuple(answer) for answer in json.loads(result.files["answers.json"])]
    notes, header = "milk and bread\n", "Notes\n=====\n"
    usage = "usage: notes add TEXT | list | show FILE | edit\n"
    assert answers[:5] == [
        (0, usage, NOTES),
        (0, "", NOTES),
        (0, header + notes, NOTES),
        (0, header, NOTES),
        (0, notes, NOTES),
    ]
    for status, printed, domain in answers[5:10]:
        assert (status != 0, DENIED in printed, domain) == (True, True, NOTES)
    # The stranger runs, being started by somebody whom nothing confines, but not as what it is not.
    assert answers[10] == (0, usage, f"<kernel> {stranger}-notes-1.1/bin/notes")
    # Enforced, so nothing was learned: the kernel holds what it was given, and the domain that a stranger ran in.
    given = parse_domain_policy((tmp_path / "set/domain_policy.conf").read_text())
    held = {domain.name: domain for domain in parse_domain_policy(result.files["domain_policy"])}
    assert [held[domain.name].entries for domain in given] == [domain.entries for domain in given]
    assert [held[domain.name].profile for domain in given] == [0, 3, 3]

"""What a real kernel learned, named, and enforced by it again: in the same generation of a system and in the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tomoyo.cli import main

from ..nix.conftest import nix_store
from ..nix.nixstore import NixStore
from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release", "nix_store"]

GENERATIONS = (Path(__file__).parents[1] / "nix/generations.nix").read_text()
JOB = "/run/current-system/sw/bin/job"
PRINTED = "a job\na\nsome\nb\nc\nold tls\nnew tls\nx\n"
DENIED = "Operation not permitted"


@pytest.fixture(scope="module")
def built(nix_store: NixStore) -> dict[str, str]:
    """The packages of both generations: the path of each."""
    return nix_store.build(GENERATIONS)


def boot(
    kernel: Kernel, store: NixStore, built: dict[str, str], generation: str, exceptions: str, domains: str, *commands: list[str]
) -> tuple[list[tuple[int, str]], str, str]:
    """Run COMMANDS in a generation: their answers, and the policies that the kernel holds then."""
    tops = [path for name, path in built.items() if name.endswith("-toplevel") or name.startswith("stranger-")]
    paths = {*store.requisites(*tops), *store.run("nix-store", "--query", "--outputs", *_derivers(store, built)).split()}
    script = {
        "store": str(store.root),
        "paths": sorted(paths),
        "system": built[f"{generation}-toplevel"],
        "exceptions": exceptions,
        "domains": domains,
        "commands": commands,
    }
    result = machine.run(kernel, "naming", files={"script.json": json.dumps(script).encode()})
    answers = [(status, text) for status, text in json.loads(result.files["answers.json"])]
    return answers, result.files["domain_policy"].decode(), result.files["exception_policy"].decode()


def _derivers(store: NixStore, built: dict[str, str]) -> list[str]:
    return [deriver for name, path in built.items() if name.startswith("stranger-") and (deriver := store.deriver(path))]


def closure(store: NixStore, built: dict[str, str], generation: str) -> list[str]:
    """Options that say which generation is meant."""
    return ["--root", str(store.root), "--closure", built[f"{generation}-toplevel"]]


def bindings(store: NixStore, built: dict[str, str], generation: str, folder: Path, *options: str) -> str:
    """What `bind` gives for the policy in FOLDER."""
    policy = [str(path) for path in sorted(folder.glob("*_policy.conf"))]
    assert main(["bind", *closure(store, built, generation), *options, "-o", str(folder / "bindings"), *policy]) == 0
    return (folder / "bindings").read_text()


@pytest.fixture(scope="module", params=["raw", "bound"])
def named(
    request: pytest.FixtureRequest,
    kernel: Kernel,
    nix_store: NixStore,
    built: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the named policy of what the kernel learned in the first generation, without and with bindings."""
    folder = tmp_path_factory.mktemp("named")
    if request.param == "raw":
        exceptions, job = "", f"{built['first-system-path']}/bin/job"
    else:
        exceptions, job = bindings(nix_store, built, "first", folder, "--all-programs"), "nix:/job/bin/job"
    domains = f"<kernel> {job}\nuse_profile 1\n"
    answers, learned, held = boot(kernel, nix_store, built, "first", exceptions, domains, [JOB])
    assert answers == [(0, f"{PRINTED}<kernel> {job}\n")]
    # What the kernel had before anybody used it is no business of a policy.
    learned = learned[learned.index(f"<kernel> {job}\n") :].replace("use_profile 1\n", "use_profile 3\n")
    (folder / "learned").write_text(learned)
    (folder / "held").write_text(held)
    arguments = ["name", *closure(nix_store, built, "first"), "-o", str(folder), str(folder / "learned"), str(folder / "held")]
    assert main(arguments) == 0
    return folder


def test_nothing_of_the_store_is_left(named: Path) -> None:
    assert "/nix/store/" in (named / "learned").read_text()
    text = (named / "domain_policy.conf").read_text()
    left = [line for line in text.splitlines() if "/nix/store/" in line.replace("/nix/store/\\*", "")]
    assert left == []
    assert "/nix/store/" not in (named / "exception_policy.conf").read_text()


@pytest.mark.parametrize("generation", ["first", "second"])
def test_the_programs_work_and_strangers_do_not(
    kernel: Kernel, nix_store: NixStore, built: dict[str, str], named: Path, generation: str
) -> None:
    exceptions = (named / "exception_policy.conf").read_text() + bindings(nix_store, built, generation, named)
    domains = (named / "domain_policy.conf").read_text()
    data = {
        name: nix_store.run("nix-store", "--query", "--outputs", nix_store.deriver(built[f"{name}-words"]) or "").split()
        for name in ("first", "second", "stranger")
    }
    words = {name: next(path for path in paths if path.endswith("-data")) + "/share/words/a" for name, paths in data.items()}
    other = "second" if generation == "first" else "first"
    commands = [
        [JOB],
        [JOB, "read", words[generation]],
        [JOB, "read", words["stranger"]],
        [JOB, "read", words[other]],
        [JOB, "read", f"{built[f'{generation}-tls-3']}/share/certificates"],
        [JOB, "run", f"{built['stranger-reader']}/bin/reader"],
        [JOB, "run", f"{built[f'{other}-reader']}/bin/reader"],
    ]
    answers, held, _ = boot(kernel, nix_store, built, generation, exceptions, domains, *commands)
    assert answers[0] == (0, f"{PRINTED}<kernel> nix:/job/bin/job\n")
    assert answers[1] == (0, "a\n")
    for status, text in answers[2:]:
        assert status != 0
        assert DENIED in text
    assert all(domain in held for domain in domains.split("\n\n\n"))


def test_the_names_tell_versions_apart(named: Path) -> None:
    text = (named / "domain_policy.conf").read_text()
    assert "file symlink /run/job-directory symlink.target=@nix:/words\n" in text
    assert "@nix:/tls-1.1.1w/share/certificates" in text
    assert "@nix:/tls/share/modern" in text

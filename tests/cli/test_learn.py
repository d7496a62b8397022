"""The command `learn`, with a simulated kernel: what it prints, by name and as it was learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.cli.commands import learn
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.domain_policy import parse_domain_policy

from ..kernel.learner import LearningKernel
from ..kernel.test_learning import PROFILE
from .command import tomoyo
from .test_name import GLIBC
from .test_name import folder as folder

TRUE = "<kernel> nix:/coreutils/bin/true"
ENTRY = f"file read {GLIBC}/lib/libc.so.6"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> LearningKernel:
    """The kernel that the command finds; any program called true is learned by one name."""
    found = LearningKernel({TRUE: (ENTRY, "file write /srv/x")}, works_at_once=True)
    found.write("profile", PROFILE)
    found.write(
        "exception_policy", "".join(f"aggregator {folder}/true nix:/coreutils/bin/true\n" for folder in ("/bin", "/usr/bin"))
    )
    found.activate()
    monkeypatch.setattr(learn, "securityfs", lambda _: found)
    return found


def closure(folder: Path) -> list[str]:
    return ["--root", str(folder / "root"), "--closure-file", str(folder / "closure")]


def test_what_was_learned_is_printed(kernel: LearningKernel) -> None:
    before = SimulatedKernel.read(kernel, "domain_policy")
    done = tomoyo("learn", "--", "true")
    assert (done.status, done.output) == (0, f"{TRUE}\nuse_profile 0\n\n{ENTRY}\nfile write /srv/x\n\n")
    assert done.messages == f"tomoyo: note: learning for {TRUE} [learning]\n"
    assert kernel.read("domain_policy") == before


def test_with_a_closure_it_is_named(kernel: LearningKernel, folder: Path) -> None:
    done = tomoyo("learn", *closure(folder), "--", "true")
    assert done.status == 0
    (domain,) = parse_domain_policy(done.output)
    assert [str(entry) for entry in domain.entries] == ["file read @nix:/glibc/lib/libc.so.6", "file write /srv/x"]


def test_to_a_file(kernel: LearningKernel, folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "policy"
    done = tomoyo("learn", *closure(folder), "-o", named, "--domain", TRUE, "--", "true")
    assert (done.status, done.output) == (0, "")
    assert "file read @nix:/glibc/lib/libc.so.6\n" in named.read_text()


def test_a_set_that_is_none_is_told_before_anything_is_learned(kernel: LearningKernel, folder: Path) -> None:
    done = tomoyo("learn", *closure(folder), "--set", folder / "none", "--", "true")
    assert done.status == 2
    assert "none/manifest.json" in done.messages
    assert TRUE not in kernel.holding.domains
    (folder / "manifest.json").write_text('{"format": 1, "modules": {"libraries": 12}}')
    assert tomoyo("learn", *closure(folder), "--set", folder, "--", "true").status == 0


def test_a_closure_that_is_none_is_told_before_anything_is_learned(kernel: LearningKernel, tmp_path: Path) -> None:
    done = tomoyo("learn", "--closure-file", tmp_path / "none", "--", "true")
    assert done.status == 2
    assert "learning for" not in done.messages


def test_a_program_that_fails_is_told(kernel: LearningKernel) -> None:
    kernel.learns = {}
    done = tomoyo("learn", "--domain", TRUE, "--", "false")
    assert (done.status, "the program ended with status 1" in done.messages) == (0, True)


@pytest.mark.parametrize("words", [(), ("--", "no-such-program"), ("--domain", "x", "--for", "1"), ("--for", "1")])
def test_what_cannot_be_learned(kernel: LearningKernel, words: tuple[str, ...]) -> None:
    before = kernel.read("domain_policy")
    assert tomoyo("learn", *words).status == 2
    assert kernel.read("domain_policy") == before


def test_an_output_that_could_be_turned_elsewhere_is_refused_before_anything_is_learned(
    kernel: LearningKernel, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder", "none/x"):
        done = tomoyo("learn", "-o", tmp_path / name, "--", "true")
        assert done.status == 2
        assert "learning for" not in done.messages
    assert not (tmp_path / "target").exists()


def test_a_misspelt_domain_is_told_with_the_nearest_names(kernel: LearningKernel) -> None:
    kernel.write("domain_policy", f"{TRUE}\nuse_profile 0\n")
    before = kernel.read("domain_policy")
    done = tomoyo("learn", "--domain", TRUE.replace("true", "treu"), "--for", "0.1")
    assert (done.status, "learning for" in done.messages) == (2, False)
    assert f"did you mean '{TRUE}'?" in done.messages
    assert kernel.read("domain_policy") == before
    done = tomoyo("learn", "--domain", TRUE.replace("true", "treu"), "--", "true")
    assert (done.status, f"did you mean '{TRUE}'?" in done.messages) == (0, True)

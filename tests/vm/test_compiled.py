"""What `compile` promises of a set: a real kernel boots with it, and holds every line of it as it is written."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.generate import Generator
from tomoyo.model.diagnostics import Severity
from tomoyo.nix.names.names import NameTable
from tomoyo.nix.source.compile import CompileSettings, Unresolved, compile_policy
from tomoyo.nix.source.files import SourceError
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.store.closure import Closure
from tomoyo.nix.store.tree import Tree
from tomoyo.sets.policy_set import LOADING, PolicySet
from tomoyo.sets.writing import write_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.formatting import format_domain

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

DOMAIN_LINES = 1500
EXCEPTION_LINES = 600
MODULE_LINES = 40


@pytest.fixture
def generator(seed: int) -> Generator:
    """Random lines."""
    return Generator(seed)


def write_source(generator: Generator, folder: Path) -> None:
    """A policy source of random lines, many of which no kernel would take."""
    domains = []
    for number in range(DOMAIN_LINES // 10):
        namespace = generator.one(("<kernel>", "<kernel>", "<a>", "<b>"))
        domains += [
            f"{namespace} /t{number}",
            f"use_profile {number % 4}",
            "use_group base",
            f"use_group {generator.one(('x', 'y'))}",
        ]
        domains += [generator.entry() for _ in range(6)]
    files = {
        "domains/a.conf": domains,
        "exceptions/a.conf": [generator.exception_line() for _ in range(EXCEPTION_LINES)],
        "manager.conf": ["<kernel>", *(generator.manager_line() for _ in range(20))],
        **{f"modules/{name}.conf": [generator.entry() for _ in range(MODULE_LINES)] for name in ("base", "x", "y")},
    }
    for name, lines in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        # A namespace with '>' inside would be told of once only, not for each of its lines.
        text = "".join(f"{line}\n" for line in lines if "<a>b>" not in line)
        (folder / name).write_bytes(text.encode("latin-1"))


def compiled(source: Path) -> PolicySet:
    """The set that SOURCE makes, without the lines that have errors."""
    settings = CompileSettings(unresolved=Unresolved.ACCEPT)
    # Of a group that is not there only its first user is told; each round takes one away at least.
    for _ in range(500):
        try:
            return compile_policy(read_sources([source]), NameTable(Closure(())), Tree(str(source)), settings=settings).policy
        except SourceError as error:
            wrong = defaultdict(set)
            for problem in error.diagnostics:
                if problem.severity is Severity.ERROR:
                    wrong[problem.place.file].add(problem.place.line)
        for name, numbers in wrong.items():
            lines = Path(name).read_bytes().split(b"\n")
            Path(name).write_bytes(b"\n".join(line for number, line in enumerate(lines, 1) if number not in numbers))
    raise AssertionError(f"errors are left without these lines: {wrong}")


def test_a_kernel_holds_what_was_compiled(kernel: Kernel, generator: Generator, tmp_path: Path) -> None:
    write_source(generator, tmp_path / "source")
    policy = write_policy_set(compiled(tmp_path / "source"), tmp_path / "set")
    assert policy.domain_policy.count("\n") > DOMAIN_LINES / 3
    files = {f"set/{path.name}": path.read_bytes() for path in (tmp_path / "set").iterdir()}
    files["attempts.json"] = b"[]"
    result = machine.run(kernel, "sample", arguments=["enforce", "2"], files=files, loader="/run/set/boot")
    assert "tomoyo: " not in result.console
    simulated = SimulatedKernel()
    for name, interface in LOADING:
        simulated.write(interface, getattr(policy, name))
    simulated.activate()
    for interface in ("exception_policy", "profile", "manager"):
        assert result.files[interface].decode().split("\n") == simulated.read(interface).split("\n"), interface
    held = domains(result.files["domain_policy"].decode())
    given = domains(policy.domain_policy)
    # Beside them may be those that the loader's own programs ran in; the shell is its trial whether one can be executed.
    assert {name: held.get(name) for name in given} == given
    beside = {name.rpartition("/")[2] for name in set(held) - set(given)}
    assert beside <= {"cat", "ls", "mount", "boot", "sh"}


def domains(text: str) -> dict[str, str]:
    """The domains in TEXT by name."""
    return {domain.name.text: format_domain(domain) for domain in parse_domain_policy(text)}


TRANSITIONS = """
import errno, json, os
from tests.vm import guest

def execute():
    try:
        _, status = os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        return os.waitstatus_to_exitcode(status)
    except OSError as error:
        return errno.errorcode[error.errno]

guest.activate()
program = os.path.realpath("/bin") + "/true"
answers = []
for interface, line in (
    ("exception_policy", f"reset_domain {program} from any"),
    ("domain_policy", f"<{program}>"),
    ("profile", f"<{program}> 0-CONFIG={{ mode=disabled grant_log=no reject_log=no }}"),
    ("domain_policy", f"delete <{program}>"),
    ("exception_policy", f"delete reset_domain {program} from any"),
    ("domain_policy", f"<kernel>\\nfile execute {program} reset"),
    ("domain_policy", f"<kernel>\\ndelete file execute {program} reset\\nfile execute {program} <other> /x"),
    ("domain_policy", f"<kernel>\\ndelete file execute {program} <other> /x\\nfile execute {program} <kernel> /x"),
):
    guest.write(interface, line.encode() + b"\\n")
    answers.append(execute())
print(json.dumps(answers))
"""


def test_a_domain_of_another_namespace_must_be_there(kernel: Kernel, tmp_path: Path) -> None:
    job = tmp_path / "transitions.py"
    job.write_text(TRANSITIONS)
    # Nothing is enforced: profile 0 is disabled.  Nor is a domain enough that has an undefined profile.
    answers = json.loads(machine.run(kernel, job).stdout)
    assert answers == ["ENOMEM", "ENOMEM", 0, "ENOMEM", 0, "ENOMEM", "ENOMEM", 0]

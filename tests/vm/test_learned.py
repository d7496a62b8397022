"""What a kernel learned from real programs, and the cases kept in `tests/data/kernel/`, asked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tomoyo
from tests.interfaces import PARSE, WRITE, printed
from tests.test_kernel_cases import CASES, comparable
from tomoyo.model.kernel_versions import ASKED, KernelVersion, kernel_version
from tomoyo.simulation.simulated_kernel import SimulatedKernel
from tomoyo.syntax.formatting import format_query

from . import answers, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

OPERATIONS = (
    *("file execute", "file read", "file write", "file append", "file unlink", "file getattr", "file rmdir", "file symlink"),
    *("file link", "file rename", "file create", "file mkdir", "file mkfifo", "file chmod", "file chown"),
    *("file mkchar", "file mount", "file unmount", "misc env", "network inet stream", "network inet dgram", "network inet raw"),
    *("network unix stream", "network unix dgram", "network unix seqpacket"),
)


@pytest.fixture(scope="module")
def learned(kernel: Kernel) -> dict[str, str]:
    """Every policy file of a kernel that learned."""
    return {name: data.decode("ascii") for name, data in machine.run(kernel, "learning").files.items()}


@pytest.mark.parametrize("interface", PARSE)
def test_what_was_learned_round_trips_unchanged(learned: dict[str, str], interface: str) -> None:
    policy = PARSE[interface](learned[interface])
    assert WRITE[interface](policy) == learned[interface]
    assert PARSE[interface](WRITE[interface](policy)) == policy


def test_records_round_trip_unchanged(learned: dict[str, str]) -> None:
    records = tomoyo.parse_audit(learned["audit"])
    assert len(records) > 3000
    assert tomoyo.format_audit(records) == learned["audit"]
    queries = tomoyo.parse_query(learned["query"])
    assert len(queries) == 3
    assert format_query(queries) == learned["query"]


def test_a_lot_was_learned(learned: dict[str, str]) -> None:
    text = learned["domain_policy"]
    assert len(text.splitlines()) > 1000
    assert [operation for operation in OPERATIONS if f"\n{operation}" not in text] == []
    assert "\\303\\251\\040\\001 " in text
    assert ' symlink.target="a2"' in text


def test_a_simulated_kernel_holds_the_same(learned: dict[str, str]) -> None:
    simulated = SimulatedKernel()
    for interface in ("profile", "domain_policy", "exception_policy"):
        simulated.write(interface, learned[interface])
    for interface in ("profile", "domain_policy", "exception_policy"):
        assert simulated.read(interface) == learned[interface]


def clearing(interface: str, held: str) -> list[list[object]]:
    """Steps that take away what HELD shows, so that the next case finds nothing."""
    if interface == "domain_policy":
        lines = ["<kernel>", "use_profile 0", *(f"delete {line}" for line in held.partition("\n<")[0].split("\n")[2:] if line)]
        lines += [f"delete {line}" for line in held.splitlines() if line.startswith("<") and line != "<kernel>"]
    else:
        lines = [f"delete {line}" for line in held.splitlines()]
    return [["write", interface, "".join(f"{line}\n" for line in lines)], ["settle"]]


def names_a_namespace(case: Path) -> bool:
    return any(line.startswith(b"<") for line in case.read_bytes().splitlines())


def groups(interface: str) -> list[list[Path]]:
    """The cases of INTERFACE, in groups that one kernel is asked in this order.

    A namespace cannot be taken away again, and once there are two, the kernel prints one in front of each line of exception
    policy: cases that name one come last. Profiles cannot be taken away either: each of those has a kernel of its own.
    """
    cases = sorted((case for case in CASES if case.parent.name == interface), key=names_a_namespace)
    return [cases] if interface in ("domain_policy", "exception_policy") else [[case] for case in cases]


def script_of(interface: str, group: list[Path], version: KernelVersion) -> list[list[object]]:
    """Steps that write each case, read what is held then, and take it away."""
    script = answers.without_builtin()
    for case in group:
        script += [["write", interface, case.read_bytes().decode("latin-1")], ["settle"], ["read", interface]]
        script += clearing(interface, printed(case, version).read_text("latin-1")) if len(group) > 1 else []
    return script


def assert_printed(group: list[Path], version: KernelVersion, script: list[list[object]], said: list[str | None]) -> None:
    read = [answer or "" for step, answer in zip(script, said, strict=True) if step[0] == "read"]
    for case, answer in zip(group, read, strict=True):
        interface, expected = case.parent.name, printed(case, version).read_bytes()
        assert comparable(interface, answer.encode("latin-1")) == comparable(interface, expected), case.name


@pytest.mark.parametrize("version", ASKED, ids=str)
@pytest.mark.parametrize("interface", PARSE)
def test_cases_leave_nothing_to_the_next(interface: str, version: KernelVersion) -> None:
    for group in groups(interface):
        script = script_of(interface, group, version)
        assert_printed(group, version, script, answers.simulate(script, str(version)))


@pytest.mark.parametrize("interface", PARSE)
def test_the_cases(kernel: Kernel, interface: str) -> None:
    version = kernel_version(kernel.version)
    for group in groups(interface):
        script = script_of(interface, group, version)
        result = machine.run(kernel, "interfaces", files={"script.json": json.dumps(script).encode()})
        assert_printed(group, version, script, json.loads(result.files["answers.json"]))

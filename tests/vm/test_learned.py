"""What a kernel learned from real programs, and the cases kept in `tests/data/kernel/`, asked again."""

from __future__ import annotations

import json

import pytest

import tomoyo
from tests.interfaces import PARSE, WRITE
from tests.test_kernel_cases import CASES, comparable
from tomoyo.simulation.simulated_kernel import BUILTIN_EXCEPTION_POLICY, SimulatedKernel
from tomoyo.syntax.formatting import format_query

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release"]

DELETE_BUILTIN = "".join(f"delete {line}\n" for line in BUILTIN_EXCEPTION_POLICY.splitlines())
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


def clearing(interface: str, printed: str) -> list[list[object]]:
    """Steps that take away what PRINTED shows, so that the next case finds nothing."""
    if interface == "domain_policy":
        lines = ["<kernel>", "use_profile 0", *(f"delete {line}" for line in printed.partition("\n<")[0].split("\n")[2:] if line)]
        lines += [f"delete {line}" for line in printed.splitlines() if line.startswith("<") and line != "<kernel>"]
    else:
        lines = [f"delete {line}" for line in printed.splitlines()]
    return [["write", interface, "".join(f"{line}\n" for line in lines)], ["settle"]]


@pytest.mark.parametrize("interface", PARSE)
def test_the_cases(kernel: Kernel, interface: str) -> None:
    # Namespaces cannot be taken away again, nor profiles: those cases come last, or get a kernel of their own.
    cases = sorted((case for case in CASES if case.parent.name == interface), key=lambda case: case.stem == "namespaces")
    groups = [cases] if interface in ("domain_policy", "exception_policy") else [[case] for case in cases]
    for group in groups:
        script: list[list[object]] = [["write", "exception_policy", DELETE_BUILTIN]]
        for case in group:
            printed = case.with_suffix(".out").read_text("latin-1")
            script += [["write", interface, case.read_bytes().decode("latin-1")], ["settle"], ["read", interface]]
            script += clearing(interface, printed) if len(group) > 1 else []
        result = machine.run(kernel, "interfaces", files={"script.json": json.dumps(script).encode()})
        answers = [answer for step, answer in zip(script, json.loads(result.files["answers.json"])) if step[0] == "read"]
        for case, answer in zip(group, answers, strict=True):
            expected = case.with_suffix(".out").read_bytes()
            assert comparable(interface, answer.encode("latin-1")) == comparable(interface, expected), case.name

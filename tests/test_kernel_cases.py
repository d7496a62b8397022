"""What a real kernel printed after a file was written to it: `data/kernel/INTERFACE/CASE.in` and `.out`.

`vm/test_cases.py` asks a kernel the same.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tomoyo
from tests.interfaces import PARSE, WRITE

FOLDER = Path(__file__).parent / "data" / "kernel"
CASES = sorted(FOLDER.rglob("*.in"))
_MOMENT = re.compile(rb" \(Last: [^)]*\)")
_NUMBER = re.compile(rb"(?<=:) +\d+(?=( \(Quota|\n))")


def comparable(interface: str, text: bytes) -> bytes:
    """TEXT without moments and memory in use, which a simulated kernel does not know."""
    return _NUMBER.sub(b"", _MOMENT.sub(b"", text)) if interface == "stat" else text


def test_there_are_cases() -> None:
    assert {case.parent.name for case in CASES} == set(PARSE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_simulated_kernel(case: Path) -> None:
    interface = case.parent.name
    kernel = tomoyo.SimulatedKernel()
    kernel.write(interface, case.read_bytes())
    ours = kernel.read(interface).encode()
    assert comparable(interface, ours) == comparable(interface, case.with_suffix(".out").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_what_the_kernel_printed_round_trips(case: Path) -> None:
    interface = case.parent.name
    printed = case.with_suffix(".out").read_text("ascii")
    errors: list[tomoyo.PolicySyntaxError] = []
    policy = PARSE[interface](printed, report=errors.append)
    if interface in ("domain_policy", "profile", "stat"):
        useful = [error for error in errors if error.effect is not tomoyo.Effect.USELESS]
        assert useful == []
    if not errors:
        assert WRITE[interface](policy) == printed
    assert PARSE[interface](WRITE[interface](policy)) == policy


@pytest.mark.parametrize("case", [case for case in CASES if case.parent.name != "stat"], ids=lambda case: case.stem)
def test_reading_as_the_kernel(case: Path) -> None:
    interface = case.parent.name
    policy = PARSE[interface](case.read_bytes(), reading=tomoyo.Reading.AS_KERNEL)
    written = WRITE[interface](policy).removesuffix("manage_by_non_root\n")
    assert written.encode() == case.with_suffix(".out").read_bytes()


def test_the_chosen_domain_is_printed_as_it_is_by_then() -> None:
    # Found beside a real kernel: another domain that is named afterwards takes the lines, and is not what is printed.
    kernel = tomoyo.SimulatedKernel()
    kernel.write("domain_policy", "<kernel> /a\nfile read /x\n")
    command = "select domain=<kernel> /a\nfile read /y\ndelete file read /x\n<kernel> /b\nuse_profile 1\nfile read /z"
    assert kernel.select("domain_policy", command) == (
        "# select domain=<kernel> /a\n<kernel> /a\nuse_profile 0\n\nfile read /y\n\n"
    )
    assert kernel.read("domain_policy").endswith("<kernel> /b\nuse_profile 1\n\nfile read /z\n\n")

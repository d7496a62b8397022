"""What real kernels printed after a file was written to them: `data/kernel/INTERFACE/CASE.in` and `.out`.

`vm/test_differential.py` asks a kernel those again that have a `VERSION.out`, in which kernels differ.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tomoyo
from tests.interfaces import CASES as FOLDER
from tests.interfaces import PARSE, WRITE, printed
from tomoyo.model.kernel_versions import ASKED, KernelVersion
from tomoyo.syntax.lines import Effect, Reading

CASES = sorted(FOLDER.rglob("*.in"))
#: Each case with each kernel that printed something of its own.
ANSWERS = [
    pytest.param(case, version, id=f"{case.parent.name}-{case.stem}-{version}")
    for case in CASES
    for version in ASKED
    if version == ASKED[0] or printed(case, version).name == f"{case.stem}.{version}.out"
]
_MOMENT = re.compile(rb" \(Last: [^)]*\)")
_NUMBER = re.compile(rb"(?<=:) +\d+(?=( \(Quota|\n))")


def comparable(interface: str, text: bytes) -> bytes:
    """TEXT without moments and memory in use, which a simulated kernel does not know."""
    return _NUMBER.sub(b"", _MOMENT.sub(b"", text)) if interface == "stat" else text


def test_there_are_cases() -> None:
    assert {case.parent.name for case in CASES} == set(PARSE)


@pytest.mark.parametrize(("case", "version"), ANSWERS)
def test_simulated_kernel(case: Path, version: KernelVersion) -> None:
    interface = case.parent.name
    kernel = tomoyo.SimulatedKernel(version)
    kernel.write(interface, case.read_bytes())
    ours = kernel.read(interface).encode()
    assert comparable(interface, ours) == comparable(interface, printed(case, version).read_bytes())
    assert kernel.copy().version == version


@pytest.mark.parametrize(("case", "version"), [answer for answer in ANSWERS if "misread" not in str(answer.id)])
def test_what_the_kernel_printed_round_trips(case: Path, version: KernelVersion) -> None:
    interface = case.parent.name
    text = printed(case, version).read_text("ascii")
    errors: list[tomoyo.PolicySyntaxError] = []
    policy = PARSE[interface](text, report=errors.append)
    if interface in ("domain_policy", "profile", "stat"):
        useful = [error for error in errors if error.effect is not Effect.USELESS]
        assert useful == []
    if not errors:
        assert WRITE[interface](policy) == text
    assert PARSE[interface](WRITE[interface](policy)) == policy


@pytest.mark.parametrize(("case", "version"), [answer for answer in ANSWERS if "stat-" not in str(answer.id)])
def test_reading_as_the_kernel(case: Path, version: KernelVersion) -> None:
    interface = case.parent.name
    options = {} if interface == "manager" else {"version": str(version)}
    policy = PARSE[interface](case.read_bytes(), reading=Reading.AS_KERNEL, **options)
    written = WRITE[interface](policy).removesuffix("manage_by_non_root\n")
    assert written.encode() == printed(case, version).read_bytes()


@pytest.mark.parametrize("interface", ["domain_policy", "exception_policy", "profile"])
def test_no_line_that_kernels_read_differently_is_accepted(interface: str) -> None:
    """Read strictly, a file means the same to every kernel."""
    differing = []
    start = ["<kernel> /a"] if interface == "domain_policy" else []
    for line in {line for case in (FOLDER / interface).glob("*.in") for line in case.read_text("latin-1").split("\n")}:
        text = "\n".join([*start, line, ""])
        held = []
        for version in ASKED:
            kernel = tomoyo.SimulatedKernel(version)
            kernel.write(interface, text.encode("latin-1"))
            held.append(kernel.read(interface))
        if len(set(held)) > 1:
            differing.append(line)
            with pytest.raises(tomoyo.PolicySyntaxError):
                PARSE[interface](text)
    assert differing


def test_a_version_is_a_release() -> None:
    for release in ("7.2", "7.2.12+deb14-amd64", "7.2-rc1"):
        assert tomoyo.SimulatedKernel(release).version == KernelVersion(7, 2)
    for wrong in ("", "7", "seven", "7.x", "7.2 ", "7.2\n"):
        with pytest.raises(ValueError, match="not a kernel version"):
            tomoyo.SimulatedKernel(wrong)


def test_the_chosen_domain_is_printed_as_it_is_by_then() -> None:
    # Found beside a real kernel: another domain that is named afterwards takes the lines, and is not what is printed.
    kernel = tomoyo.SimulatedKernel()
    kernel.write("domain_policy", "<kernel> /a\nfile read /x\n")
    command = "select domain=<kernel> /a\nfile read /y\ndelete file read /x\n<kernel> /b\nuse_profile 1\nfile read /z"
    assert kernel.select("domain_policy", command) == (
        "# select domain=<kernel> /a\n<kernel> /a\nuse_profile 0\n\nfile read /y\n\n"
    )
    assert kernel.read("domain_policy").endswith("<kernel> /b\nuse_profile 1\n\nfile read /z\n\n")

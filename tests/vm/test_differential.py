"""The library against a real kernel: random lines in, every interface read back, no difference allowed.

A difference found becomes a case in
`tests/data/kernel/`, which `test_kernel_cases.py` asks again without a kernel.
"""

from __future__ import annotations

import difflib
import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.generate import INTERFACES, Generator
from tests.interfaces import CASES, printed
from tomoyo.cli import main
from tomoyo.model.kernel_versions import ASKED, kernel_version
from tomoyo.simulation.simulated_kernel import BUILTIN_EXCEPTION_POLICY, SimulatedKernel
from tomoyo.syntax.stat import parse_stat

from . import machine
from .answers import simulate, without_builtin
from .fixtures import kernel, kernel_release
from .kernels import SUITES, Kernel

__all__ = ["kernel", "kernel_release"]

#: Lines generated for each interface, written as one file to a fresh kernel.
FILE_LINES = {"domain_policy": 4000, "exception_policy": 2000, "profile": 1000, "manager": 500, "stat": 200}
STEPS = 120
LINES_PER_STEP = 25

_LAST = re.compile(r" \(Last: [^)]*\)")
_USED = re.compile(r"((?:Memory used by [a-z ]+|Total memory used):) +\d+")


@pytest.fixture
def generator(seed: int) -> Generator:
    """Random lines."""
    return Generator(seed)


def ask(kernel: Kernel, script: list[list[object]]) -> list[str | None]:
    """Boot KERNEL and let it answer SCRIPT (see jobs/interfaces.py)."""
    result = machine.run(kernel, "interfaces", files={"script.json": json.dumps(script).encode()})
    answers: list[str | None] = json.loads(result.files["answers.json"])
    return answers


def comparable(interface: str, text: str | None) -> str:
    """TEXT without what a simulated kernel does not know: moments and memory in use."""
    text = text or ""
    return _USED.sub(r"\1", _LAST.sub("", text)) if interface == "stat" else text


def assert_same(interface: str, real: str | None, ours: str) -> None:
    """Fail with the differing lines, few of them."""
    real, ours = comparable(interface, real), comparable(interface, ours)
    if real != ours:
        found = difflib.unified_diff(real.split("\n"), ours.split("\n"), "kernel", "tomoyo", lineterm="", n=2)
        pytest.fail(f"{interface} differs\n" + "\n".join(list(found)[:60]), pytrace=False)


def policy_file(generator: Generator, interface: str) -> str:
    """Random lines for INTERFACE; half of those for domain_policy have a domain to stand in."""
    lines = []
    for number in range(FILE_LINES[interface]):
        if interface == "domain_policy" and generator.chance(0.5):
            lines.append(f"<kernel> /t{number}")
            lines.append(generator.entry())
        lines.append(generator.line(interface))
    return "\n".join(lines) + ("\n" if generator.chance(0.9) else "\nunfinished")


def formatted_as_kernel(path: Path, kernel: Kernel) -> str:
    """What the command prints for the file at PATH."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(io.StringIO()):
        status = main(["fmt", "--as-kernel", "--kernel", kernel.version, str(path)])
    assert status == 0
    return output.getvalue()


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_file_written_at_once(kernel: Kernel, generator: Generator, interface: str, tmp_path: Path) -> None:
    text = policy_file(generator, interface)
    path = tmp_path / f"{interface}.conf"
    path.write_bytes(text.encode("latin-1"))
    answers = ask(kernel, [*without_builtin(), ["write", interface, text], ["read", interface]])
    if interface == "stat":
        simulated = SimulatedKernel(kernel.version)
        simulated.write("exception_policy", str(without_builtin()[0][2]))
        simulated.write("stat", text)
        # The two deletions above were updates to the kernel, though not to the simulated one, which had nothing to delete.
        simulated.holding.updates += len(BUILTIN_EXCEPTION_POLICY.splitlines())
        assert_same(interface, answers[-1], simulated.read("stat"))
        quotas = simulated.stat().settings().memory
        assert formatted_as_kernel(path, kernel) == "".join(f"{memory}\n" for memory in quotas)
    else:
        assert_same(interface, answers[-1], formatted_as_kernel(path, kernel))


def test_what_kernels_do_differently(kernel: Kernel) -> None:
    cases = sorted({CASES / path.parent.name / f"{path.name.split('.')[0]}.in" for path in CASES.rglob("*.[0-9]*.out")})
    script: list[list[object]] = []
    for case in cases:
        script += [*without_builtin(), ["write", case.parent.name, case.read_text("latin-1")], ["settle"]]
        script.append(["read", case.parent.name])
    answers = [answer for answer in ask(kernel, script) if answer is not None]
    held = SimulatedKernel(kernel.version)
    for case, answer in zip(cases, answers, strict=True):
        alone = printed(case, kernel_version(kernel.version)).read_text("latin-1")
        held.write(case.parent.name, case.read_bytes())
        assert set(alone.split("\n")) <= set(answer.split("\n"))
        assert_same(case.parent.name, answer, held.read(case.parent.name))


def test_every_release_that_can_be_booted_is_known() -> None:
    assert {str(version) for version in ASKED} == set(SUITES)


#: Moves the asking process where no random line reaches it: else it might forbid itself to go on asking.
SHELTER: list[list[object]] = [
    ["activate"],
    ["write", "profile", "<shelter> 0-CONFIG={ mode=disabled }\n"],
    ["write", "domain_policy", "<shelter>\n<kernel>\ntask manual_domain_transition <shelter>\n"],
    ["write", "self_domain", "<shelter>"],
    ["write", "domain_policy", "<kernel>\ndelete task manual_domain_transition <shelter>\n"],
    ["settle"],
]


def random_steps(generator: Generator) -> list[list[object]]:
    """Random writes, deletes, selects and reads over all interfaces."""
    script: list[list[object]] = []
    held: dict[str, list[str]] = {interface: [] for interface in INTERFACES}
    for _ in range(STEPS):
        interface = generator.one(("domain_policy",) * 4 + ("exception_policy",) * 3 + INTERFACES)
        lines: list[str] = []
        if interface == "domain_policy":
            lines.append(f"<kernel> /t{generator.random.randint(0, 9)}")
            held[interface].append(lines[0])
        for _ in range(generator.random.randint(1, 2 * LINES_PER_STEP)):
            line = generator.commands(interface, held[interface])
            lines.append(line)
            if generator.chance(0.3) and line.isascii():
                held[interface].append(line.removeprefix("delete "))
        if interface == "stat":
            # A damaged quota may be too small for what follows, which is another test's matter.
            lines.append("Memory used by policy: 0")
        # Cut anywhere: the kernel keeps what is not yet a line.
        text = "\n".join(lines) + "\n"
        cut = generator.random.randint(0, len(text))
        script += [["write_lines", interface, [text[:cut], text[cut:]]], ["settle"]]
        script.append(["read", generator.one(INTERFACES)])
        if generator.chance(0.2):
            name = generator.one(held["domain_policy"] or ["<kernel>"]).replace("\0", "")
            # What follows changes the domain before it is printed.
            after = [generator.commands("domain_policy", held["domain_policy"]) for _ in range(generator.random.randint(0, 3))]
            # A collector that still runs when the next is started keeps that from collecting anything.
            script += [["select", "domain_policy", "\n".join([f"select domain={name}", *after])], ["settle"]]
        if generator.chance(0.1):
            interface = generator.one(("domain_policy", "exception_policy"))
            script += [["select", interface, "select transition_only"], ["settle"]]
    return script + [["read", interface] for interface in INTERFACES]


def updates(text: str | None) -> int:
    """The update counter in a stat report."""
    return parse_stat(text or "").counters[0].count


@pytest.mark.parametrize("active", [False, True])
def test_a_random_sequence(kernel: Kernel, generator: Generator, active: bool) -> None:
    start: list[list[object]] = [*(SHELTER if active else []), ["read", "stat"]]
    script = start + random_steps(generator)
    real, ours = ask(kernel, script), simulate(script, kernel.version)
    # Activation itself makes updates of its own in the real one.
    before = updates(real[len(start) - 1]) - updates(ours[len(start) - 1])
    for step, from_kernel, from_us in zip(script, real, ours, strict=True):
        if step[0] in ("read", "select") and step[1] == "stat":
            from_us = re.sub(r"(Policy update: +)\d+", rf"\g<1>{updates(from_us) + before}", from_us or "")
            from_kernel = re.sub(r"(Policy update:) +", r"\1 ", from_kernel or "")
            from_us = re.sub(r"(Policy update:) +", r"\1 ", from_us)
        if step[0] in ("read", "select"):
            assert_same(str(step[1]), from_kernel, from_us or "")

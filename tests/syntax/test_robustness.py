"""Any input, any size: the documented error or a value, in time that grows as the input does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tomoyo
from tests.fuzz import PARSERS, mutations, parse
from tests.generate import INTERFACES, Generator
from tests.interfaces import PARSE, WRITE
from tomoyo import Entry, PolicySyntaxError
from tomoyo.syntax.entries import read_entry
from tomoyo.syntax.lines import Dropped, Effect, Line, Problem, Reading, normalise

anything = st.one_of(st.binary(), st.text(st.characters()), st.lists(st.one_of(st.binary(), st.text(st.characters()))))
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("parser", PARSERS)
@given(source=anything)
def test_any_input_gives_a_value_or_the_documented_error(parser: str, source: Any) -> None:
    parse(parser, source)


@pytest.mark.parametrize("parser", PARSERS)
@given(seed=seeds)
def test_damaged_policy_gives_a_value_or_the_documented_error(parser: str, seed: int) -> None:
    for source in mutations(parser, random.Random(seed), 5):
        parse(parser, source)


def lines(interface: str, seed: int, count: int = 30) -> str:
    generator = Generator(seed)
    start = ["<kernel> /start"] if interface == "domain_policy" else []
    return "".join(f"{line}\n" for line in [*start, *(generator.line(interface) for _ in range(count))])


@pytest.mark.parametrize("interface", INTERFACES)
@given(seed=seeds)
def test_parse_write_parse_is_the_identity(interface: str, seed: int) -> None:
    text = lines(interface, seed)
    strict = PARSE[interface](text, report=lambda error: None)
    written = WRITE[interface](strict)
    assert PARSE[interface](written) == strict
    # What a kernel would hold is written as the kernel prints it, which it takes again.
    held = PARSE[interface](text, reading=Reading.AS_KERNEL)
    if interface == "exception_policy" and not all(part.lines() for part in held):
        return  # a namespace without lines leaves no trace in the text but the names of the others
    written = WRITE[interface](held)
    again = PARSE[interface](written, reading=Reading.AS_KERNEL)
    if not any(map(is_misread, entries_of(held))):
        assert again == held
        assert WRITE[interface](again) == written


def entries_of(policy: Any) -> list[Entry]:
    """The entries of domains and acl_groups."""
    if isinstance(policy, tomoyo.DomainPolicy):
        return [entry for domain in policy for entry in domain.entries]
    if isinstance(policy, tomoyo.ExceptionPolicy):
        return [entry for part in policy for _, entries in part.acl_groups for entry in entries]
    return []


def is_misread(entry: Entry) -> bool:
    """Whether the kernel itself takes what it prints of ENTRY for another (`data/kernel/domain_policy/misread.in`)."""
    return entry.condition is not None and entry.condition.is_misread


def read(text: str) -> tuple[Entry | None, list[Problem]]:
    """The entry that TEXT is to the kernel, and what is wrong with it."""
    line = Line(normalise(text))
    try:
        return read_entry(line), line.problems
    except Dropped as dropped:
        return None, [dropped.problem]


@given(seed=seeds)
def test_an_entry_is_what_it_is_printed_as(seed: int) -> None:
    generator = Generator(seed)
    for _ in range(100):
        entry, problems = read(generator.entry())
        if entry is None:
            continue
        if is_misread(entry):
            assert any(problem.effect is Effect.ALTERED for problem in problems)
            continue
        again, problems = read(str(entry))
        assert again == entry
        assert again.condition == entry.condition
        assert all(problem.effect is Effect.USELESS for problem in problems)


@pytest.mark.parametrize(
    "condition", ["0x0x=@nix:/a/b", "0=@a/b", "1-5!=@/", "group_execute=@/g/\\*", "fifo=@a/b task.uid=0", "08=@/x exec.argc=1"]
)
@pytest.mark.parametrize("entry", ["network unix dgram bind @i", "file execute /a", "file read @g", "misc env A"])
def test_what_the_kernel_misreads_is_refused(entry: str, condition: str) -> None:
    # Of the entry as the kernel prints it, the kernel makes another, or none: seed 3916 of the test above found it.
    text = f"<kernel> /start\n{entry} grant_log=no {condition}\n"
    errors: list[PolicySyntaxError] = []
    assert entries_of(tomoyo.parse_domain_policy(text, report=errors.append)) == []
    assert "reads this as a transition preference" in errors[-1].message
    (held,) = entries_of(tomoyo.parse_domain_policy(text, reading=Reading.AS_KERNEL))
    assert is_misread(held)
    if entry == "file execute /a":
        other = tomoyo.parse_domain_policy(f"<kernel> /start\n{held}\n")
        assert str(entries_of(other)[0]) == str(held)
        assert entries_of(other)[0] != held
    condition = condition.replace("0x0x", "0x0").replace("08", "8")
    for harmless in (f"{entry} task.uid=0 {condition} grant_log=no", f"{entry} grant_log=no task.uid=0 {condition}"):
        text = f"<kernel> /start\n{harmless}\n"
        policy = tomoyo.parse_domain_policy(text)
        assert tomoyo.parse_domain_policy(tomoyo.format_domain_policy(policy)) == policy


@pytest.mark.parametrize("interface", INTERFACES)
@given(seed=seeds)
def test_bytes_text_and_lines_are_the_same(interface: str, seed: int) -> None:
    text = lines(interface, seed)
    split = text.split("\n")[:-1]
    sources: list[Any] = [text, text.encode("latin-1"), bytearray(text, "latin-1"), [f"{line}\n" for line in split], iter(split)]
    results = []
    for source in sources:
        errors: list[PolicySyntaxError] = []
        results.append((PARSE[interface](source, report=errors.append), [str(error) for error in errors]))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("interface", INTERFACES)
@given(seed=seeds)
def test_what_is_accepted_the_kernel_holds_as_written(interface: str, seed: int) -> None:
    """A file without errors means the same to the strict reading as to the kernel."""
    accepted = []
    start = ["<kernel> /start"] if interface == "domain_policy" else []
    for line in lines(interface, seed).split("\n")[:-1]:
        errors: list[PolicySyntaxError] = []
        PARSE[interface]("\n".join([*start, line, ""]), report=errors.append)
        if not errors:
            accepted.append(line)
    text = "".join(f"{line}\n" for line in [*start, *accepted])
    warnings: list[PolicySyntaxError] = []
    held = PARSE[interface](text, reading=Reading.AS_KERNEL, report=warnings.append)
    assert [str(warning) for warning in warnings if warning.effect is not Effect.COMMENT] == []
    strict = PARSE[interface](text)
    if interface == "domain_policy":
        held = (
            held.without_domain(tomoyo.DomainName("<kernel>")) if strict.domain(tomoyo.DomainName("<kernel>")) is None else held
        )
        # The kernel's root domain is there before any line, so it comes first.
        assert {domain.name: domain for domain in held} == {domain.name: domain for domain in strict}
    elif interface == "exception_policy":
        assert {part.namespace: part for part in held} == {part.namespace: part for part in strict}
    else:
        assert held == strict


LONG = 5_000_000
BIG: dict[str, Callable[[], str]] = {
    "one word": lambda: "<kernel> /a\nfile read /" + "a" * LONG + "\n",
    "backslashes": lambda: "<kernel> /a\nfile read /" + "\\\\" * (LONG // 2) + "\n",
    "escapes": lambda: "<kernel> /a\nfile read /" + "\\001" * (LONG // 4) + "\n",
    "braces": lambda: "<kernel> /a\nfile read " + "/\\{a\\}" * (LONG // 6) + "/\n",
    "slashes": lambda: "/" * LONG + "\n",
    "spaces": lambda: " " * LONG + "\n",
    "domain": lambda: "<kernel>" + " /a" * (LONG // 3) + "\n",
    "transition": lambda: "<kernel> /a\nfile execute /a <kernel>" + " /a" * (LONG // 3) + "\n",
    "conditions": lambda: "<kernel> /a\nfile read /a" + " task.uid=0" * (LONG // 11) + "\n",
    "operations": lambda: "<kernel> /a\nfile " + "read/" * (LONG // 5) + " /a\n",
    "digits": lambda: "<kernel> /a\nfile chmod /a " + "9" * LONG + "\n",
    "hexadecimal": lambda: "<kernel> /a\nfile chmod /a 0x" + "f" * LONG + "\n",
    "address": lambda: "address_group a " + "1:" * (LONG // 2) + "\n",
    "dots": lambda: "address_group a " + "1." * (LONG // 2) + "\n",
    "zeros": lambda: "address_group a " + "0" * LONG + ".1.1.1\n",
    "config": lambda: "0-CONFIG={ " + "mode=learning " * (LONG // 14) + "}\n",
    "record": lambda: "#2026/11/24 00:00:00# " + "profile=1 " * (LONG // 10) + "\n",
    "argv": lambda: '#2026/11/24 00:00:00# exec={ realpath="/a" argc=1 envc=1 argv[]={ ' + '"a" ' * (LONG // 4) + "\n",
    "high bytes": lambda: "\xff" * LONG + "\n",
    "nul bytes": lambda: "\0" * LONG,
    "lines": lambda: "x\n" * 100_000,
    "domains": lambda: "".join(f"<kernel> /{number:x}\n" for number in range(50_000)),
    "entries": lambda: "<kernel> /a\n" + "".join(f"file read /{number:x}\n" for number in range(50_000)),
}


@pytest.mark.parametrize("name", BIG)
def test_large_input_takes_no_more_than_its_share(name: str) -> None:
    """With anything quadratic in it this would take hours, so it needs no clock."""
    source = BIG[name]()
    for parser in PARSERS:
        parse(parser, source, readings=(Reading.AS_KERNEL,))

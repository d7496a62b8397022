"""Reading ``stat``: the report that a kernel gives, or the settings written to it."""

from __future__ import annotations

import re

from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion, kernel_version
from ..model.stat import COUNTERS, MEMORY, Counter, MemoryUse, Stat, Timestamp
from .arguments import scan_unsigned
from .lines import Effect, Line, Listener, Reading, Report, Source, normalise, raw_lines, replay
from .statements import Reset, SetQuota, StatStatement

__all__ = ["parse_stat"]

_QUOTA = "Memory used by "
_TOTAL = "Total memory used: "
_REPORT = "a line of a stat report, such as 'Policy update: 0'"
_SETTING = "Memory used by policy: BYTES (or audit log, query message)"
_TIME = r"(\d{4,})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)"
_COUNTER = re.compile(rf"Policy ([a-z ]+): (\d+)(?: \(Last: {_TIME}\))?")
_MEMORY = re.compile(r"Memory used by ([a-z ]+): (\d+)(?: \(Quota: (\d+)\))?")


def parse_stat(
    source: Source,
    *,
    file: str = "stat",
    reading: Reading = Reading.STRICT,
    report: Report | None = None,
    version: str | KernelVersion = DEFAULT_KERNEL,
) -> Stat:
    """Parse what was read from ``stat``, or a file of settings to write to it.

    A text with a ``Policy`` or ``Total`` line is a report.  Read AS_KERNEL,
    every text is what was written to a kernel, and the result is the quotas.
    Memory is in bytes, times are in UTC.

    Arguments:
        source: text, bytes, or an iterable of lines.
        file: the name to give in errors.
        reading: STRICT refuses lines that the kernel would drop or store as
            something else; AS_KERNEL gives what a kernel without policy, not
            yet active, would hold after SOURCE was written to it.
        report: called with each error, and reading goes on without that line.
        version: the kernel that is read for, such as ``7.2``; it counts only
            AS_KERNEL, as the STRICT reading refuses what kernels read
            differently (see ``tomoyo.model.kernel_versions``).

    Raises PolicySyntaxError for the first error, reading strictly and without
    a report, and InvalidValueError where VERSION is none.

    The rules are the kernel's (security/tomoyo); the tests write the same lines to real kernels and compare.
    """
    listener = Listener(file, reading, report, kernel_version(version))
    lines = [raw + "\n" * ended for raw, ended in raw_lines(source)]
    if reading is Reading.STRICT and any(normalise(raw).startswith(("Policy ", "Total ")) for raw in lines):
        return _parse_report(lines, listener)
    quotas: dict[str, int] = {}

    def apply(statement: StatStatement) -> None:
        if isinstance(statement, SetQuota):
            quotas[statement.name] = statement.quota

    reader = read_stat_line if reading is Reading.AS_KERNEL else read_setting
    replay("".join(lines), reader, apply, listener)
    return Stat(memory=tuple(MemoryUse(name, None, quotas[name]) for name in MEMORY if name in quotas))


def read_stat_line(line: Line) -> StatStatement:
    """Read a line as the kernel reads what is written to stat."""
    if line.text == "reset":
        return Reset()
    if line.take("delete "):
        line.note(Effect.ALTERED, 0, line.text, "quotas cannot be deleted: the kernel sets this", _SETTING)
    start = line.position
    for name in MEMORY:
        prefix = f"{_QUOTA}{name}:"
        found = None
        if line.text.startswith(prefix, start):
            found = scan_unsigned(line.text, start + len(prefix), line.version)
        if found is not None:
            quota, end = found
            written = line.text[start + len(prefix) : end].strip()
            if end < len(line.text):
                line.note(Effect.ALTERED, end, line.text[end:], "the kernel ignores this", _SETTING)
            elif (written.lstrip("0") or "0") != str(quota):
                message = f"the kernel reads a quota of {quota}"
                line.note(Effect.ALTERED, start + len(prefix), written, message, "less than 4 GiB")
            return SetQuota(name, quota)
    line.drop(start, line.rest, "no memory quota", _SETTING)


def read_setting(line: Line) -> StatStatement:
    """Read a line of a settings file, in which commands to a running kernel have no place."""
    if line.text == "reset":
        line.drop(0, line.text, "a command to a running kernel, no setting", _SETTING)
    return read_stat_line(line)


def _parse_report(lines: list[str], listener: Listener) -> Stat:
    counters: dict[str, Counter] = {}
    memory: dict[str, MemoryUse] = {}
    totals: list[int] = []

    def apply(statement: Counter | MemoryUse | int) -> None:
        if isinstance(statement, Counter):
            counters[statement.name] = statement
        elif isinstance(statement, MemoryUse):
            memory[statement.name] = statement
        else:
            totals.append(statement)

    replay("".join(lines), _read_report_line, apply, listener)
    return Stat(
        tuple(counters[name] for name in COUNTERS if name in counters),
        tuple(memory[name] for name in MEMORY if name in memory),
        totals[-1] if totals else None,
    )


def _read_report_line(line: Line) -> Counter | MemoryUse | int:
    text = line.text
    found = _COUNTER.fullmatch(text)
    if found and found[1] in COUNTERS:
        last = Timestamp(*map(int, found.groups()[2:])) if found[3] else None
        return Counter(found[1], int(found[2]), last)
    found = _MEMORY.fullmatch(text)
    if found and found[1] in MEMORY:
        return MemoryUse(found[1], int(found[2]), int(found[3] or 0))
    total = text[len(_TOTAL) :]
    if text.startswith(_TOTAL) and total.isdigit():
        return int(total)
    line.drop(0, text, "not a line of a stat report", _REPORT)

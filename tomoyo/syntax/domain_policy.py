"""Reading domain policy: domains, each followed by its profile, groups, flags and entries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ..model.domains import MAX_GROUPS, MAX_PROFILES, DomainPolicy
from ..model.entries import Entry
from ..model.errors import InvalidValueError
from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion, kernel_version
from ..model.words import KERNEL, MAX_DOMAIN_NAME, DomainName, Fault, domain_fault, is_namespace
from .arguments import scan_unsigned
from .entries import read_entry, read_plain_entry
from .kernel_policy import KernelPolicy
from .lines import Dropped, Effect, Line, Listener, Reading, Report, Source, normalise, replay
from .statements import (
    Delete,
    DeleteDomain,
    DomainStatement,
    OpenDomain,
    Rejected,
    Reset,
    SelectDomain,
    SelectProcess,
    SelectQuery,
    SelectTransitions,
    SetFlag,
    UseGroup,
    UseModule,
    UseProfile,
)

__all__ = ["parse_domain_policy"]

FLAGS = ("quota_exceeded", "transition_failed")
_CONTENT = "a domain name, use_profile, use_group or an entry"
_USE = re.compile("use_(?:profile|group) [0-9]+")
#: What a module may be called, which a policy source says in place of a group's number: no number, and a file name everywhere.
MODULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,63}")
_USE_MODULE = "use_group "


def parse_domain_policy(
    source: Source,
    *,
    file: str = "domain_policy",
    reading: Reading = Reading.STRICT,
    report: Report | None = None,
    version: str | KernelVersion = DEFAULT_KERNEL,
    modules: Mapping[str, int] | None = None,
) -> DomainPolicy:
    """Parse domain policy.  Returns its domains, in the order of the text, with entries merged as the kernel merges them.

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
        modules: the number of each module that ``use_group`` may name, as in a policy source.

    Raises PolicySyntaxError for the first error, reading strictly and without
    a report, and InvalidValueError where VERSION is none.

    The rules are the kernel's (security/tomoyo); the tests write the same lines to real kernels and compare.
    """
    holding = KernelPolicy()
    if reading is Reading.AS_KERNEL:
        holding.open_domain(DomainName(KERNEL))
    reader = read_domain_line if reading is Reading.AS_KERNEL else read_domain_content
    listener = Listener(file, reading, report, kernel_version(version))
    replay(
        source,
        with_modules(reader, modules or {}),
        holding.apply_domain,
        listener,
        refuse_domain,
        plain=_read_plainly,
        gather=holding.apply_entries,
    )
    return holding.domain_policy()


def _read_plainly(text: str) -> Entry | OpenDomain | None:
    """What TEXT says, if it is an entry as nearly all are, or a domain's name."""
    entry = read_plain_entry(text)
    if entry is not None or text[:1] != "<" or len(text) >= MAX_DOMAIN_NAME or normalise(text) is not text:
        return entry
    try:
        return OpenDomain(DomainName(text))
    except InvalidValueError:
        return None


def refuse_domain(statement: object) -> OpenDomain | None:
    """What a line with a problem leaves: a refused domain must not leave its lines to the one before it."""
    return OpenDomain(None) if isinstance(statement, OpenDomain) else None


def read_domain_content(line: Line) -> DomainStatement:
    """Read a line of a policy file, in which commands to a running kernel have no place."""
    statement = read_domain_line(line)
    if type(statement) is Entry:
        return statement
    if not isinstance(statement, (OpenDomain, UseProfile, UseGroup, SetFlag, Rejected)):
        line.drop(0, line.text, "a command to a running kernel, no policy", _CONTENT)
    return statement


def read_source_line(line: Line) -> DomainStatement | UseModule:
    """Read a line of a policy source: as `read_domain_content`, and ``use_group NAME``."""
    name = _module_used(line.text)
    return UseModule(name) if name else read_domain_content(line)


def with_modules(reader: Callable[[Line], DomainStatement], modules: Mapping[str, int]) -> Callable[[Line], DomainStatement]:
    """READER that takes each name of MODULES for its number: a kernel knows numbers alone."""

    def read(line: Line) -> DomainStatement:
        number = modules.get(_module_used(line.text))
        return reader(line) if number is None else UseGroup(number)

    return read if modules else reader


def _module_used(text: str) -> str:
    """The module that TEXT uses; empty where it is nothing of that kind."""
    name = text.removeprefix(_USE_MODULE)
    return name if name is not text and MODULE_NAME.fullmatch(name) else ""


def read_domain_line(line: Line) -> DomainStatement:
    """Read a line as the kernel reads what is written to domain_policy."""
    delete = False
    if not line.text.startswith("file "):  # as most lines do
        if line.text == "reset":
            return Reset()
        if line.text.startswith("select "):
            select = _read_select(line)
            if select is not None:
                return select
        delete = line.take("delete ")
        if not delete and line.take("select ") and not line.rest.startswith("<"):
            line.note(Effect.ALTERED, 0, line.text, "the kernel reads this line without its 'select'")
        if line.rest.startswith("<"):
            return _read_domain(line, delete)
    try:
        content = _read_content(line)
    except Dropped as dropped:
        line.problems.append(dropped.problem)
        return Rejected(tuple(line.groups))
    return Delete(content) if delete else content


def _read_select(line: Line) -> DomainStatement | None:
    text = line.text
    for keyword in ("select pid=", "select global-pid="):
        found = scan_unsigned(text, len(keyword), line.version) if text.startswith(keyword) else None
        if found is not None:
            return SelectProcess(found[0], text[7:])
    if text.startswith("select domain="):
        name = text[len("select domain=") :]
        return SelectDomain(name, prints=True)
    found = scan_unsigned(text, len("select Q="), line.version) if text.startswith("select Q=") else None
    if found is not None:
        return SelectQuery(found[0], text[7:])
    return SelectTransitions() if text == "select transition_only" else None


def _read_domain(line: Line, delete: bool) -> DomainStatement:
    start = line.position
    name = line.rest
    if delete:
        return DeleteDomain(name)
    if line.text.startswith("select "):
        return SelectDomain(name)
    try:
        if len(name) < MAX_DOMAIN_NAME:
            return OpenDomain(DomainName(name))
        offset, message = start, f"a domain name is shorter than {MAX_DOMAIN_NAME} bytes"
    except ValueError:
        fault = domain_fault(name) or Fault(0, "not a domain name")
        offset, message = start + fault.offset, fault.reason
    line.note(Effect.DROPPED, offset, name, message, "a domain name")
    return OpenDomain(None)


def _read_content(line: Line) -> UseProfile | UseGroup | SetFlag | Entry:
    start = line.position
    if line.text.startswith("file ", start):
        return read_entry(line)
    if line.text.startswith("use_", start):
        number = _read_use(line, "use_profile")
        if number is not None and number < MAX_PROFILES:
            return UseProfile(number)
        number = _read_use(line, "use_group")
        if number is not None and number < MAX_GROUPS:
            return UseGroup(number)
        expected = "use_profile or use_group, and 0 to 255"
        if _module_used(line.rest):
            expected = "use_group and 0 to 255; modules have names in policy sources, which are taken as whole folders"
        line.drop(start, line.rest, "no profile or group", expected)
    for flag in FLAGS:
        if line.text.startswith(flag, start):
            if line.rest != flag:
                line.note(Effect.ALTERED, start, line.rest, f"the kernel reads {flag}", flag)
            return SetFlag(flag)
    return read_entry(line)


def _read_use(line: Line, keyword: str) -> int | None:
    start = line.position
    if not line.text.startswith(keyword, start):
        return None
    found = scan_unsigned(line.text, start + len(keyword), line.version)
    if found is None:
        return None
    number, end = found
    digits = line.text[start + len(keyword) : end].strip()
    plain = _USE.fullmatch(line.text, start) and (digits.lstrip("0") or "0") == str(number)
    if not plain and number < MAX_PROFILES:
        line.note(Effect.ALTERED, start, line.rest, f"the kernel reads {keyword} {number}", f"{keyword} N")
    return number


def is_selectable(name: str) -> bool:
    """Whether ``select domain=NAME`` looks for a domain at all."""
    return is_namespace(name.partition(" ")[0])

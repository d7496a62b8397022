"""Reading exception policy: transition control, aggregators, groups, acl_groups."""

from __future__ import annotations

from dataclasses import replace

from ..model.domains import MAX_GROUPS
from ..model.entries import GroupKind
from ..model.exception_policy import (
    TRANSITION_CONTROLS,
    Aggregator,
    ExceptionPolicy,
    Member,
    TransitionControl,
)
from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion, kernel_version
from ..model.words import (
    KERNEL,
    DomainName,
    UncheckedWord,
    Word,
    constant_length,
    domain_fault,
    is_namespace,
    is_path,
    word_fault,
)
from .arguments import address_range, number_range, path_word, read_digits
from .entries import read_entry
from .kernel_policy import KernelPolicy
from .lines import Dropped, Effect, Line, Listener, Reading, Report, Source, replay
from .statements import (
    Delete,
    ExceptionContent,
    ExceptionStatement,
    GroupMember,
    InNamespace,
    Rejected,
    Reset,
    SelectTransitions,
    SharedEntry,
)

__all__ = ["parse_exception_policy"]

_CONTENT = "aggregator, path_group, number_group, address_group, acl_group or a transition control such as initialize_domain"


def parse_exception_policy(
    source: Source,
    *,
    file: str = "exception_policy",
    reading: Reading = Reading.STRICT,
    report: Report | None = None,
    version: str | KernelVersion = DEFAULT_KERNEL,
) -> ExceptionPolicy:
    """Parse exception policy.  Returns the part of each namespace, in the order of the text.

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
    holding = KernelPolicy()
    named: set[bool] = set()

    def read(line: Line) -> ExceptionStatement:
        named.add(line.text.startswith("<"))
        return read_exception_line(line) if reading is Reading.AS_KERNEL else read_exception_content(line)

    replay(source, read, holding.apply_exception, Listener(file, reading, report, kernel_version(version)))
    policy = holding.exception_policy()
    # A kernel's text names all namespaces or none; one written by hand as it likes.
    return replace(policy, named=True) if reading is Reading.STRICT and named == {True} else policy


def read_exception_content(line: Line) -> ExceptionStatement:
    """Read a line of a policy file, in which commands to a running kernel have no place."""
    statement = read_exception_line(line)
    if not isinstance(statement, InNamespace) or isinstance(statement.content, Delete):
        line.drop(0, line.text, "a command to a running kernel, no policy", _CONTENT)
    return statement


def read_exception_line(line: Line) -> ExceptionStatement:
    """Read a line as the kernel reads what is written to exception_policy."""
    if line.text == "reset":
        return Reset()
    if line.text == "select transition_only":
        return SelectTransitions()
    delete = line.take("delete ")
    namespace = read_namespace(line)
    content: ExceptionContent | Delete | Rejected
    try:
        found = _read_content(line)
        content = Delete(found) if delete else found
    except Dropped as dropped:
        line.problems.append(dropped.problem)
        content = Rejected(tuple(line.groups))
    return InNamespace(namespace, content)


def read_namespace(line: Line) -> str:
    """Read ``<namespace> ``, which may be left out for ``<kernel>``.

    The kernel looks for a namespace that begins with what is written, so
    ``<ker`` finds ``<kernel>``; only where none does must it be valid.
    """
    start = line.position
    if not line.text.startswith("<", start):
        return KERNEL
    namespace = line.token()
    if line.ended:
        line.drop(start, namespace, "a namespace alone says nothing", f"{namespace} and an entry")
    if not is_namespace(namespace):
        message = "not a namespace, so the kernel takes the first that begins so, if any"
        line.note(Effect.ALTERED, start, namespace, message, "a namespace such as <kernel>")
    return namespace


def _read_content(line: Line) -> ExceptionContent:
    start = line.position
    if line.take("aggregator "):
        return _read_aggregator(line)
    for keyword in TRANSITION_CONTROLS:
        if line.take(keyword + " "):
            return _read_transition_control(line, keyword)
    for kind in GroupKind:
        if line.take(kind.value + " "):
            return _read_group_member(line, kind)
    if line.take("acl_group "):
        return _read_shared_entry(line)
    line.drop(start, line.rest, "not an exception policy line", _CONTENT)


def _note_ignored(line: Line) -> None:
    if not line.ended:
        line.note(Effect.ALTERED, line.position, line.rest, "the kernel ignores this", "the line to end here")


def _read_aggregator(line: Line) -> Aggregator:
    start = line.position
    pattern = line.word(start, line.token(), "a program, or a pattern of programs")
    start = line.position
    name = path_word(line, start, line.token(), "the path to execute it as")
    if name.is_pattern:
        line.drop(start + constant_length(name.text), name.text, "a pattern", "a path without patterns")
    _note_ignored(line)
    return Aggregator(Word(pattern), name)


def _read_transition_control(line: Line, keyword: str) -> TransitionControl:
    start = line.position
    rest = line.rest
    first, separator, second = rest.partition(" from ")
    if separator or not keyword.endswith("keep_domain"):
        program, domain = first, second if separator else "any"
    else:
        program, domain = "any", first
    domain_start = start + len(rest) - len(domain)
    checked: Word | None = None
    if program != "any":
        checked = path_word(line, start, program, "a program's path or any")
    if domain == "any":
        return TransitionControl(keyword, checked)
    fault = domain_fault(domain)
    if fault is None:
        return TransitionControl(keyword, checked, DomainName(domain))
    if domain.startswith("<") and not is_path(domain):
        line.drop(domain_start + fault.offset, domain, fault.reason, "a domain name")
    word = path_word(line, domain_start, domain, "a domain name, the path of its last program, or any")
    return TransitionControl(keyword, checked, word)


def _read_group_member(line: Line, kind: GroupKind) -> GroupMember:
    start = line.position
    name = line.token()
    line.word(start, name, "the group's name")
    line.groups.append((kind, name))
    start = line.position
    token = line.token()
    member: Member
    if kind is GroupKind.PATH:
        fault = word_fault(token)
        member = Word(token) if fault is None else UncheckedWord(token)
        if fault is not None:
            message = f"no valid pattern, so it does not match what it says: {fault.reason}"
            line.note(Effect.USELESS, start + fault.offset, token, message, "a word or a pattern")
        elif token.startswith("@"):
            message = f"a group cannot hold a group, and the kernel takes this for the name {token}"
            line.note(Effect.USELESS, start, token, message, f"the members of {token[1:]}")
    elif token.startswith("@"):
        line.drop(start, token, "a group cannot hold a group", f"a member of a {kind.value}")
    elif kind is GroupKind.NUMBER:
        member = number_range(line, start, token, "a number or a range")
    else:
        member = address_range(line, start, token, "an IP address or a range")
    _note_ignored(line)
    return GroupMember(kind, Word(name), member)


def _read_shared_entry(line: Line) -> SharedEntry:
    start = line.position
    value, end = read_digits(line.text, start, version=line.version)
    group = value % 2**32
    if group >= MAX_GROUPS or not line.text.startswith(" ", end):
        line.drop(start, line.rest, "not an acl_group", "a number from 0 to 255 and an entry")
    written = line.text[start:end]
    if written.lstrip("0") != str(group).lstrip("0") or not written:
        line.note(Effect.ALTERED, start, written, f"the kernel reads acl_group {group}", "a number up to 255")
    line.position = end + 1
    return SharedEntry(group, read_entry(line))

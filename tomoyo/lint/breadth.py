r"""Lint: entries that grant more than anybody can have meant.

What counts is which names a pattern matches, so well-known files stand in
tables here, and the matcher is asked.  A name that is written out is taken
for meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..decision.matching import compile_pattern
from ..model.addresses import AddressRange
from ..model.conditions import Comparison
from ..model.diagnostics import Diagnostic, Severity
from ..model.entries import MAX_PORT, Argument, Entry, GroupKind, Kind
from ..model.filesystems import FILESYSTEMS, asked_name
from ..model.numbers import NumberRange
from ..model.words import NAMES, GroupReference, Quoted, Word, constant_length
from .context import Access, LintContext, Remark, accesses

#: Top-level folders of many owners; reading below the second ones is common and gives little away.
_TREES = ("/etc", "/home", "/root", "/var", "/boot", "/srv", "/mnt", "/media", "/lib", "/opt", "/nix/var")
_LIGHT_TREES = ("/usr", "/sys", "/run", "/dev", *(f"{filesystem.type}:" for filesystem in FILESYSTEMS))

#: Files that hold secrets, or everything.
SECRETS = (
    *("/etc/shadow", "/etc/gshadow", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key", "/etc/krb5.keytab"),
    *("/root/.ssh/id_ed25519", "/home/user/.ssh/id_ed25519", "/home/user/.gnupg/secring.gpg", "/root/.bash_history"),
    *("/dev/mem", "/dev/sda", "/dev/nvme0n1", "/dev/vda", "proc:/kcore", "proc:/1/mem", "proc:/1/environ"),
)
#: Files by which whoever changes them gets everything.
SYSTEM_FILES = (
    *("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers", "/etc/sudoers.d/x", "/etc/pam.d/login", "/etc/ld.so.preload"),
    *("/etc/systemd/system/x.service", "/run/systemd/system/x.service", "/etc/crontab", "/etc/cron.d/x", "/etc/nix/nix.conf"),
    *("/root/.ssh/authorized_keys", "/root/.profile", "/home/user/.ssh/authorized_keys", "/home/user/.profile"),
    *("/dev/mem", "/dev/sda", "/dev/nvme0n1", "/dev/vda", "proc:/sys/kernel/core_pattern", "proc:/sys/kernel/modprobe"),
    *("proc:/1/mem", "/sys/kernel/uevent_helper", "binfmt_misc:/register", "securityfs:/tomoyo/domain_policy"),
    "/nix/var/nix/profiles/system",
)
#: Variables by which a program is made to run code.
VARIABLES = (
    *(
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "LD_AUDIT",
        "GCONV_PATH",
        "BASH_ENV",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PERL5LIB",
        "PERL5OPT",
    ),
    *("RUBYOPT", "RUBYLIB", "NODE_OPTIONS", "NODE_PATH", "LUA_PATH", "JAVA_TOOL_OPTIONS", "GIO_EXTRA_MODULES", "GTK_MODULES"),
)

_RUN = r"(?:\\[*@?])+"
_SYSTEM = re.compile(rf"/\\\{{{_RUN}\\\}}/({_RUN})?")
_SYSTEM_PART = re.compile(rf"/\\\{{{_RUN}\\\}}/|/{_RUN}/")
_BELOW_TREE = re.compile(rf"\\\{{{_RUN}\\\}}/(?:{_RUN})?")
_ONLY_WILDCARDS = re.compile(rf"{_RUN}|\\\{{{_RUN}\\\}}")
_HASH = re.compile(r"[0-9a-z]{32}(-|\Z)")
_SET_GROUP_ID, _MODES = 0o2000, 0o7777
_ESCAPE = re.compile(r"\\[0-3][0-7]{2}|\\.")
#: So many plain characters in a last component say what is meant.
_SPECIFIC = 4
_ANYTHING = re.compile(rf"(?:{_RUN})")
_LOOKS = frozenset({Access.READ, Access.LOOK})
#: Members of a group that are judged.
_MEMBERS = 64


def _heads(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name[:length] for name in names for length in range(len(name) + 1))


_SECRET_HEADS, _SYSTEM_HEADS = _heads(SECRETS), _heads(SYSTEM_FILES)


def find_breadth(context: LintContext) -> Iterator[Diagnostic]:
    """Entries that grant too much at once."""

    def judge(entry: Entry, namespace: str) -> list[Remark]:
        found = list(_judge(entry, context.store))
        if "@" in entry.subject and entry.kind.keyword == "file":
            found += _judge_groups(entry, context, namespace)
        return found

    return context.remarks(judge)


def _judge(entry: Entry, store: str) -> Iterator[Remark]:
    text = entry.text
    if entry.kind.keyword == "file":
        if "\\" in text or store in text:
            for argument, found in accesses(entry):
                yield from _judge_path(argument, found, store)
            yield from _judge_condition(entry, store)
        if entry.kind is Kind.PATH_NUMBER:
            yield from _judge_mode(entry)
        elif entry.kind is Kind.DEVICE:
            yield from _judge_device(entry)
    elif entry.kind is Kind.ENVIRONMENT:
        yield from _judge_variable(str(entry.arguments[0]))
    elif entry.kind.keyword.startswith("network inet"):
        yield from _judge_network(entry)


def _judge_groups(entry: Entry, context: LintContext, namespace: str) -> Iterator[Remark]:
    """What is to be said about the members of the path groups that ENTRY names."""
    for argument, found in accesses(entry):
        if isinstance(argument, GroupReference) and not argument.name.startswith(NAMES):
            for member in context.members(GroupKind.PATH, namespace, argument.name)[:_MEMBERS]:
                for remark in _judge_path(member, found, context.store) if isinstance(member, Word) else ():
                    yield remark._replace(reason=f"{argument}: {remark.reason}", word=str(argument))


def _judge_path(argument: Argument, found: set[Access], store: str) -> Iterator[Remark]:
    if isinstance(argument, GroupReference):
        yield from _judge_package(argument.name, str(argument))
        return
    text = str(argument)
    if text.startswith(NAMES):
        yield from _judge_package(text, text)
        return
    # A special file may be called by another name than the kernel's; what is meant is judged.
    asked = asked_name(text)
    for remark in _judge_file(asked, found, store):
        yield remark if asked == text else remark._replace(word=text)


def _judge_file(text: str, found: set[Access], store: str) -> Iterator[Remark]:
    below_store = _judge_store(text, found, store)
    if below_store is not None:
        yield below_store
        return
    head = text[: constant_length(text)]
    if len(head) == len(text):
        return
    wide = _judge_width(text, head, found)
    if wide is not None:
        yield wide
        return
    # A pattern such as ssh_host_\*_key says what is meant.
    if len(_ESCAPE.sub("", text.rpartition("/")[2].partition("\\-")[0])) < _SPECIFIC:
        if Access.READ in found and head in _SECRET_HEADS:
            yield from _judge_inclusion(text, SECRETS, "reads-secret", "also allows reading")
        if Access.CHANGE in found and head in _SYSTEM_HEADS:
            yield from _judge_inclusion(text, SYSTEM_FILES, "writes-system-file", "also allows changing")
    if Access.EXECUTE in found and _ANYTHING.fullmatch(text.rpartition("/")[2]):
        yield Remark("any-program", f"{text} allows executing whatever is in that folder, now or later", text)


def _judge_inclusion(text: str, names: tuple[str, ...], code: str, what: str) -> Iterator[Remark]:
    pattern = compile_pattern(text)
    included = next((name for name in names if pattern.matches(name)), None)
    if included is not None:
        yield Remark(code, f"{text} {what} {included}", text)


def _judge_width(text: str, head: str, found: set[Access]) -> Remark | None:
    looks = found <= _LOOKS
    whole = _SYSTEM.fullmatch(text)
    if head == "/" and _SYSTEM_PART.match(text):
        severity = Severity.ERROR if not looks else Severity.WARNING if Access.READ in found else Severity.NOTE
        last = text.rpartition("/")[2]
        if whole is None and not _ANYTHING.fullmatch(last):
            return Remark("whole-system", f"{text} is meant for any folder of the system", text, severity.lowered)
        what = "folder" if text.endswith("/") else "file"
        return Remark("whole-system", f"{text} is every {what} of the system", text, severity)
    tree = head.removesuffix("/")
    if (tree in _TREES or tree in _LIGHT_TREES) and _BELOW_TREE.fullmatch(text, len(head)):
        light = looks and (tree in _LIGHT_TREES or Access.READ not in found)
        severity = Severity.NOTE if light else Severity.WARNING
        return Remark("whole-tree", f"{text} is everything below {tree}", text, severity)
    return None


def _judge_store(text: str, found: set[Access], store: str) -> Remark | None:
    """What is to be said about a path in the store, or about a pattern of such; None for any other."""
    component = text[len(store) + 1 :].partition("/")[0]
    parent = store.rpartition("/")[0]
    if not text.startswith(store + "/"):
        below = text.startswith(f"{parent}/\\") and parent
        if not below or not _ONLY_WILDCARDS.fullmatch(text[len(parent) + 1 :].partition("/")[0]):
            return None
        component = "\\*"
    if not component:
        return None
    looks = found <= _LOOKS
    if "\\" not in component or _HASH.match(component):
        return Remark("store-hash", f"{text} means one build, and nothing after the next upgrade", text)
    if _ONLY_WILDCARDS.fullmatch(component):
        severity = Severity.ERROR if not looks else Severity.WARNING if Access.READ in found else Severity.NOTE
        return Remark("whole-store", f"{text} is of every package in the store, whoever built it", text, severity)
    severity = Severity.WARNING if found == {Access.LOOK} else Severity.ERROR
    return Remark("store-pattern", f"{text} matches whatever anybody builds and calls so", text, severity)


def _judge_package(name: str, written: str) -> Iterator[Remark]:
    package = name.removeprefix(NAMES).partition("/")[0]
    if name.startswith(NAMES) and "\\" in package:
        yield Remark("package-pattern", f"{written} is of every package that is bound and has such a name", written)


def _judge_condition(entry: Entry, store: str) -> Iterator[Remark]:
    for test in entry.condition.tests if entry.condition else ():
        if isinstance(test, Comparison) and test.equal and isinstance(test.right, Quoted):
            found = _judge_store(test.right.text, {Access.EXECUTE}, store)
            # A text of a symlink proves nothing of the file that it leads to.
            if found is not None and str(test.left) == "exec.realpath":
                yield found._replace(reason=f"{test}: {found.reason}", word=test.right.text)


def _judge_mode(entry: Entry) -> Iterator[Remark]:
    path, mode = entry.arguments
    # Folders have these bits for another purpose.
    made = not str(path).endswith("/") and not {"create", "chmod"}.isdisjoint(entry.operations)
    if made and isinstance(mode, NumberRange) and mode.first.value <= _MODES and mode.last.value >= _SET_GROUP_ID:
        yield Remark("setuid-mode", f"the mode {mode} includes set-user-ID or set-group-ID", str(mode))


def _judge_device(entry: Entry) -> Iterator[Remark]:
    major = entry.arguments[2]
    if isinstance(major, NumberRange) and major.last.value - major.first.value >= 255:
        yield Remark("any-device", f"major numbers {major} are those of disks and the memory, too", str(major))


def _judge_variable(name: str) -> Iterator[Remark]:
    if name in VARIABLES:
        yield Remark("any-variable", f"{name} makes programs load code", name, Severity.NOTE)
    elif "\\" in name:
        pattern = compile_pattern(name)
        included = next((variable for variable in VARIABLES if pattern.matches(variable)), None)
        if included is not None:
            yield Remark("any-variable", f"{name} includes {included}, which makes programs load code", name)


def _judge_network(entry: Entry) -> Iterator[Remark]:
    address, port = entry.arguments
    if not isinstance(address, AddressRange) or not isinstance(port, NumberRange):
        return
    if set(entry.operations) <= {"bind", "listen"} or port.first.value > 1 or port.last.value < MAX_PORT:
        return
    # Every IPv4 host, by an IPv6 socket, is as much.
    mapped = address.counterpart if address.is_ipv6 else None
    if any(not any(one.first) and all(byte == 0xFF for byte in one.last) for one in (address, mapped) if one is not None):
        yield Remark("any-network", f"{address} {port} is every address and every port", str(address))

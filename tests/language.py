"""The tables of the policy language, made from those of the model: each word of the language must be explained here.

What an explanation says of patterns is tried when the table is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from tomoyo.decision.matching import matches
from tomoyo.model.conditions import ATTRIBUTES, STRING_ATTRIBUTES
from tomoyo.model.entries import FILE_KINDS, NETWORK_KINDS, Kind
from tomoyo.model.exception_policy import TRANSITION_CONTROLS
from tomoyo.model.profiles import FUNCTIONALITIES, Mode
from tomoyo.model.stat import MEMORY

#: What each operation on files is asked for.
FILE_OPERATIONS = {
    "execute": "execute a program",
    "read": "open for reading; who executes a script is asked for its interpreter, too, in the new domain",
    "write": "open for writing",
    "append": "open for writing at the end alone (`O_APPEND`)",
    "unlink": "remove a file",
    "getattr": "look at size, owner, mode and times (`stat`)",
    "rmdir": "remove a directory",
    "truncate": "cut a file, or open it so that it is cut",
    "symlink": "make a symlink of this name",
    "chroot": "make this directory the root directory",
    "unmount": "unmount what is mounted there",
    "link": "give the first the second as another name, a hard link",
    "rename": "rename the first to the second",
    "pivot_root": "make the first the root, and put the old one at the second",
    "create": "create a file with this mode",
    "mkdir": "create a directory with this mode",
    "mkfifo": "create a named pipe with this mode",
    "mksock": "create a Unix socket with this mode, as `bind` does",
    "ioctl": "send a device, socket or file this command",
    "chmod": "change the mode to this",
    "chown": "change the owner to this user",
    "chgrp": "change the group to this",
    "mkblock": "create a block device of this mode and these numbers",
    "mkchar": "create a character device of this mode and these numbers",
    "mount": "mount the device there, as this kind of filesystem, with these flags",
}
NETWORK_OPERATIONS = {
    "bind": "take an address of its own",
    "listen": "wait for connections there",
    "connect": "connect to an address",
    "send": "send to an address without a connection",
}
#: What each mode does to a request that no entry grants.
MODES = {
    Mode.DISABLED: "it happens; entries are not even looked at, but for executions, to find the next domain",
    Mode.LEARNING: "it happens, and the kernel adds an entry that grants it to the domain",
    Mode.PERMISSIVE: "it happens",
    Mode.ENFORCING: "it is denied: `EPERM`",
}
#: Escapes of patterns: what each stands for, and a pattern with names that match and names that do not.
PATTERNS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    r"\*": ("any characters but `/`, also none", r"/var/log/\*.log", ("/var/log/a.log", "/var/log/.log"), ("/var/log/x/a.log",)),
    r"\@": ("the same, but no `.` either", r"/var/log/\@.log", ("/var/log/a.log",), ("/var/log/a.1.log",)),
    r"\?": ("one character but `/`", r"/tmp/\?\?", ("/tmp/ab",), ("/tmp/a", "/tmp/abc")),
    r"\$": ("one or more decimal digits", r"proc:/\$/status", ("proc:/1/status", "proc:/4711/status"), ("proc:/self/status",)),
    r"\+": ("one decimal digit", r"/dev/tty\+", ("/dev/tty1",), ("/dev/tty", "/dev/tty10")),
    r"\X": ("one or more hexadecimal digits", r"/tmp/\X", ("/tmp/00fF",), ("/tmp/xyz",)),
    r"\x": ("one hexadecimal digit", r"/tmp/\x\x", ("/tmp/0f",), ("/tmp/0", "/tmp/0g")),
    r"\A": ("one or more letters", r"/tmp/\A", ("/tmp/abC",), ("/tmp/a1",)),
    r"\a": ("one letter", r"/tmp/\a\+", ("/tmp/a1",), ("/tmp/11",)),
    r"\-": ("but not: what follows, up to the next `/`, is left out", r"/etc/\*\-shadow", ("/etc/passwd",), ("/etc/shadow",)),
    r"/\{...\}/": (
        "one or more directories, each of which matches what is inside",
        r"/srv/\{\*\}/\*",
        ("/srv/www/index.html", "/srv/www/a/b/index.html"),
        ("/srv/index.html", "/srv/www/"),
    ),
}
#: Attributes that a condition may test, by what they begin with; `X.` stands for both `path1.` and `path2.`.
ATTRIBUTE_GROUPS = {
    "task.": ("the process: its users and groups, its number and that of its parent", "always"),
    "exec.": (
        "the program that is executed: its real path, the number of its arguments and variables",
        "`file execute` and `misc env`",
    ),
    "symlink.": ("where the symlink that is made leads", "`file symlink`"),
    "X.": (
        "the first and second file: owner, inode, device, mode (`perm`), `type`; `dev_major` and `dev_minor` of a device file",
        "files that exist",
    ),
    "X.parent.": ("the directories that hold them", "operations on files"),
}
#: Words that stand for numbers in a condition.
TYPES = ("socket", "symlink", "file", "block", "directory", "char", "fifo")
CONTROLS = {
    "no_reset_domain": "not that, for these",
    "reset_domain": "a namespace of its own: `<PROGRAM>`",
    "no_initialize_domain": "not that, for these",
    "initialize_domain": "the domain right below the namespace: `<kernel> PROGRAM`",
    "no_keep_domain": "not that, for these",
    "keep_domain": "no other domain: the process stays where it is",
}
QUOTAS = {
    "policy": "all of the policy: what is more is dropped, also what would be learned",
    "audit log": "audit records that nobody has taken yet: what is more is lost",
    "query message": "requests that wait for an answer (`tomoyo query`): what is more is denied",
}


def parts() -> dict[str, str]:
    """Each table that is made, by its name in the document."""
    return {name: "\n".join(_table(head, rows())) for name, (head, rows) in _PARTS.items()}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _code(words: Iterable[object], between: str = " ") -> str:
    return between.join(f"`{word}`" for word in words)


def _modes() -> Iterator[tuple[str, ...]]:
    yield from ((f"`{mode.value}`", MODES[mode]) for mode in Mode)


def _file_operations() -> Iterator[tuple[str, ...]]:
    for kind in FILE_KINDS:
        arguments = " ".join(name.upper() for name in kind.arguments)
        for operation in kind.operations:
            yield f"`file {operation} {arguments}`", FILE_OPERATIONS[operation]


def _merging() -> Iterator[tuple[str, ...]]:
    yield from ((f"`{'/'.join(kind.operations)}`",) for kind in FILE_KINDS if len(kind.operations) > 1)


def _network() -> Iterator[tuple[str, ...]]:
    for keyword, kind in NETWORK_KINDS.items():
        asked = [operation for operation in kind.operations if operation not in kind.unasked]
        arguments = " ".join(name.upper() for name in kind.arguments)
        yield f"`{keyword} ... {arguments}`", _code(asked) or "nothing", _code(kind.unasked)


def _arguments() -> Iterator[tuple[str, ...]]:
    seen: dict[str, str] = {}
    for kind in Kind:
        for name, wanted in kind.arguments.items():
            # Of a unix socket the address is a name.
            shown = f"{name} of a Unix socket" if kind.keyword.startswith("network unix") else name
            seen.setdefault(shown, wanted.value)
    by_value: dict[str, list[str]] = {}
    for name, value in seen.items():
        by_value.setdefault(value, []).append(name)
    yield from ((", ".join(names), re.sub("@[A-Z_]+", lambda found: f"`{found[0]}`", value)) for value, names in by_value.items())


def _patterns() -> Iterator[tuple[str, ...]]:
    for escape, (meaning, pattern, matching, others) in PATTERNS.items():
        wrong = [name for name in matching if not matches(pattern, name)]
        wrong += [name for name in others if matches(pattern, name)]
        if wrong:
            raise AssertionError(f"{pattern} and {wrong}: not as explained")
        yield f"`{escape}`", meaning, f"`{pattern}`", _code(matching, ", "), _code(others, ", ")


def _attributes() -> Iterator[tuple[str, ...]]:
    left = set(ATTRIBUTES)
    for group, (meaning, known) in ATTRIBUTE_GROUPS.items():
        names = []
        for name in ATTRIBUTES:
            shown = name.replace("path1.", "X.")
            if shown.startswith(group) and (group != "X." or not shown.startswith("X.parent.")):
                names.append(shown)
                left -= {name, name.replace("path1.", "path2.")}
        yield _code(name + ("=..." if name in STRING_ATTRIBUTES else "") for name in names), meaning, known
    types = [name for name in ATTRIBUTES if name in TYPES]
    bits = [name for name in ATTRIBUTES if name in left - set(types)]
    yield _code(types), "kinds of files, for `X.type=file`", "always"
    yield _code(bits), "bits of a mode: `X.perm=setuid` asks whether it is set", "always"
    if left != {*types, *bits}:
        raise AssertionError(f"not explained: {left}")


def _controls() -> Iterator[tuple[str, ...]]:
    yield from ((f"`{control}`", CONTROLS[control]) for control in TRANSITION_CONTROLS)


def _functionalities() -> Iterator[tuple[str, ...]]:
    for category in dict.fromkeys(name.partition("::")[0] for name in FUNCTIONALITIES):
        yield f"`{category}`", _code(name for name in FUNCTIONALITIES if name.startswith(f"{category}::"))


def _quotas() -> Iterator[tuple[str, ...]]:
    yield from ((f"`Memory used by {name}: BYTES`", QUOTAS[name]) for name in MEMORY)


#: Each table: its head, and what makes its rows.
_PARTS: dict[str, tuple[tuple[str, ...], Callable[[], Iterator[tuple[str, ...]]]]] = {
    "modes": (("mode", "what happens to a request that no entry grants"), _modes),
    "file": (("entry", "allows to"), _file_operations),
    "merging": (("operations that may stand in one entry, joined with `/`",), _merging),
    "network": (("entry", "operations", "accepted, but never asked about"), _network),
    "arguments": (("argument", "what may stand there"), _arguments),
    "patterns": (("escape", "stands for", "for example", "matches", "does not match"), _patterns),
    "attributes": (("attribute", "what it is", "known for"), _attributes),
    "controls": (("keyword", "PROGRAM runs in"), _controls),
    "functionalities": (("category", "operations"), _functionalities),
    "quotas": (("line", "limits"), _quotas),
}

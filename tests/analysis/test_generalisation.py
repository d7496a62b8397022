r"""Patterns in the place of names that are another each time."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seeds import rounds
from tomoyo.decision.matching import matches
from tomoyo.model.filesystems import FILESYSTEMS
from tomoyo.model.words import Word, is_word, word_fault
from tomoyo.suggestion.dialogue import parse_entry
from tomoyo.suggestion.generalisation import (
    BUILT_IN_RULES,
    DEFAULT,
    Generalised,
    UserRule,
    generalise,
    generalise_name,
    parse_user_rules,
    reaches_store,
)
from tomoyo.syntax.lines import PolicySyntaxError

ALL = tuple(BUILT_IN_RULES.values())
HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("proc:/42/status", r"proc:/\$/status"),
        ("proc:/42/task/43/fd/3", r"proc:/\$/task/\$/fd/\$"),
        ("proc:/self/task/7/fdinfo/9", r"proc:/self/task/\$/fdinfo/\$"),
        ("proc:/sys/kernel/ns_last_pid", "proc:/sys/kernel/ns_last_pid"),
        ("proc:/42/", r"proc:/\$/"),
        ("pipe:[10649]", r"pipe:[\$]"),
        ("socket:[77]", r"socket:[\$]"),
        ("socket:[family=1:type=2:protocol=0]", "socket:[family=1:type=2:protocol=0]"),
        ("/run/user/1000/bus", r"/run/user/\$/bus"),
        ("/home/run/user/1000/bus", "/home/run/user/1000/bus"),
        ("devpts:/3", r"devpts:/\$"),
        ("/run/x/invocation:" + HEX, "/run/x/invocation:" + r"\x" * 32),
        (f"/run/systemd/transient/run-r{HEX}.scope", "/run/systemd/transient/run-r" + r"\x" * 32 + ".scope"),
        ("/run/x/" + HEX + "0", "/run/x/" + HEX + "0"),
        ("/dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef", "/dev/disk/by-uuid/01234567-89ab-cdef-0123-456789abcdef"),
        ("/var/log/a-2026-11-24.log", r"/var/log/a-\+\+\+\+-\+\+-\+\+.log"),
        ("/var/log/20261124T101112", r"/var/log/\+\+\+\+\+\+\+\+T\+\+\+\+\+\+"),
        ("/var/log/2026-13-24", "/var/log/2026-13-24"),
        ("/tmp/tmp.Ab3dE6xYz1", "/tmp/tmp." + r"\?" * 10),
        ("/tmp/tmpab3_d9fg/x", "/tmp/tmp" + r"\?" * 8 + "/x"),
        ("tmpfs:/data/tmp/hu9CHOPEJs", "tmpfs:/data/tmp/" + r"\?" * 10),
        (r"\000/tmp/dbus-AbC1dE", r"\000/tmp/dbus-" + r"\?" * 6),
        ("/tmp/README", "/tmp/README"),
        ("/tmp/Config/build1", "/tmp/Config/build1"),
        ("/etc/Ab3dE6", "/etc/Ab3dE6"),
        ("/nix/store/" + HEX + "-tmp-20261124/tmp/Ab3dE6", "/nix/store/" + HEX + "-tmp-20261124/tmp/Ab3dE6"),
        (r"/tmp/already\*", r"/tmp/already\*"),
    ],
)
def test_names(name: str, pattern: str) -> None:
    assert generalise_name(name, DEFAULT).name == pattern


def test_numbers_are_only_for_those_who_ask() -> None:
    assert generalise_name("/srv/part12", DEFAULT).name == "/srv/part12"
    number = generalise_name(r"/lib9/a\0401.so.6.2-7", [BUILT_IN_RULES["number"]])
    assert (number.name, number.rules, number.least) == (r"/lib9/a\040\$.so.6.2-\$", ("number",), 3)


def random_name(rng: random.Random) -> str:
    parts = ["tmp", "run", "user", "1000", "proc", "42", "fd", "nix", "store", "Ab3dE6", "x-2026-11-24", HEX, "shm", "dev"]
    parts += [r"a\040b", r"\\", "log.1", "tmp.aB3dE6xYz1", "boot-" + HEX]
    first = rng.choice(["", "proc:", "tmpfs:", "devpts:"])
    return first + "".join("/" + rng.choice(parts) for _ in range(rng.randrange(1, 6))) + rng.choice(["", "/"])


def test_a_pattern_is_for_its_name_and_for_nothing_in_the_store(draw: random.Random) -> None:
    changed = 0
    for _ in range(rounds(5000)):
        name = random_name(draw)
        found = generalise_name(name, ALL)
        pattern = str(found.name)
        assert is_word(pattern)
        assert matches(pattern, name)
        assert "/nix/store/" not in name or not found.rules
        assert not reaches_store(pattern) or pattern.startswith("/nix/store/")
        changed += bool(found.rules)
        # Only where an escape stands may another name differ.
        assert not matches(pattern, "/other" + name)
        assert not matches(pattern, name + ("x/" if name.endswith("/") else "/x"))
        assert r"\*" not in pattern
        assert r"\@" not in pattern
    assert changed > rounds(500)


def test_what_is_executed_keeps_its_name() -> None:
    entry = parse_entry('file execute /tmp/Ab3dE6 exec.realpath="/tmp/Ab3dE6" exec.argv[0]="/tmp/Ab3dE6"')
    assert generalise(entry).entry == entry
    assert generalise(entry, ALL, parse_user_rules(r"rewrite path_pattern /tmp/\*")).entry == entry


def test_conditions() -> None:
    entry = parse_entry('file symlink /tmp/Ab3dE6 symlink.target="/tmp/Zb3dE6"')
    six = "\\?" * 6
    expected = f'file symlink /tmp/{six} symlink.target="/tmp/{six}"'
    assert generalise(entry).entry.text == expected


# Rules of the user

RULES = r"""
# a comment
rewrite path_pattern proc:/self/fd/\$
rewrite head_pattern proc:/\$/
rewrite tail_pattern /etc/mtab~\$
rewrite path_pattern /tmp/php\?\?\?\?\?\? @GROUP1
rewrite number_pattern 0-100 @GROUP2
rewrite number_pattern 200-300
rewrite address_pattern 127.0.0.1 @LOCALHOST
rewrite address_pattern 10.0.0.0-10.255.255.255
"""
POLICY = r"""<kernel>
file read proc:/self/fd/7
file read proc:/123/status
file write proc:/123/a/b
file read /etc/mtab~456
file read /a/etc/mtab~456
file read /a/etc/mtab~456/x
file create /tmp/phpZjk1k3 50
file create /tmp/phpZjk1k 250
network inet stream connect 127.0.0.1 50
network inet stream connect 10.1.2.3 443
"""


@pytest.mark.skipif(shutil.which("tomoyo-patternize") is None and "CI" not in os.environ, reason="no tomoyo-patternize")
def test_the_same_as_tomoyo_patternize(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text(RULES)
    done = subprocess.run(["tomoyo-patternize", path], input=POLICY, capture_output=True, text=True, check=True)
    rules = parse_user_rules(RULES)
    ours = [generalise(parse_entry(line), (), rules).entry.text for line in POLICY.splitlines()[1:]]
    assert ours == done.stdout.splitlines()[1:]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rewrite", "no rule"),
        ("rewrite path_patern /x", "no rule"),
        ("rewrite path_pattern /x @A @B", "no rule"),
        (r"rewrite path_pattern /\q", "unknown escape"),
        ("rewrite path_pattern /x A", "no group"),
        ("rewrite tail_pattern /x @A", "a group cannot be part of a name"),
        (r"rewrite head_pattern proc:/\$", "the head of a name ends with '/'"),
        ("rewrite number_pattern x", "no number"),
        ("rewrite address_pattern x", "no address"),
        (r"rewrite path_pattern /\{\*\}/\*", "would stand for names in the Nix store"),
        (r"rewrite path_pattern /nix/store/\*-nginx-\*/bin/nginx", "would stand for names in the Nix store"),
        (r"rewrite path_pattern /\*/s\@/\*/x", "would stand for names in the Nix store"),
    ],
)
def test_bad_rules(line: str, said: str) -> None:
    with pytest.raises(PolicySyntaxError) as raised:
        parse_user_rules(f"# first\n{line}\n", file="mine")
    assert raised.value.line == 2
    assert said in str(raised.value)


def test_a_rule_for_a_part_of_a_name_does_not_reach_the_store() -> None:
    rules = parse_user_rules("rewrite head_pattern /\\*/\n")
    assert generalise(parse_entry("file read /home/a"), (), rules).entry.text == r"file read /\*/a"
    assert generalise(parse_entry("file read /home/store/a"), (), rules).entry.text == "file read /home/store/a"


def test_what_a_head_or_tail_becomes_matches_the_whole_name(draw: random.Random) -> None:
    """Nothing compares it with the name again, since that would take a compilation for each name."""
    pieces = ("a", "b", "1", ".", "\\040", "\\*", "\\?", "\\$", "\\X", "\\@", "\\A", "\\-", "\\{a\\*\\}", "\\{\\*\\}")
    rewritten = 0
    for _ in range(rounds(20_000)):
        parts = ["".join(draw.choice(pieces) for _ in range(draw.randint(1, 3))) for _ in range(draw.randint(1, 3))]
        kind = draw.choice(("head_pattern", "tail_pattern"))
        pattern = "/" + "/".join(parts) + "/" * (kind == "head_pattern" or draw.random() < 0.3)
        components = [
            "".join(draw.choices(("a", "b", "1", ".", "\\040"), k=draw.randint(1, 3))) for _ in range(draw.randint(1, 4))
        ]
        name = "/" + "/".join(components) + "/" * (draw.random() < 0.3)
        if word_fault(pattern) is not None:
            continue
        found = UserRule(kind, pattern).rewrite(Word(name))
        if found is not None:
            rewritten += 1
            assert matches(str(found), name), (kind, pattern, name, str(found))
    assert rewritten > rounds(20_000) / 100


def never_asked() -> Iterator[str]:
    """Names of files in special filesystems that the kernel calls otherwise."""
    endings = ("0", "42/status", "self/fd/3", "42/task/43/fd/7", HEX, "tmp/Ab3dE6", "a-2026-11-24", "x/session-12.scope")
    for filesystem in FILESYSTEMS:
        heads = filesystem.mounts if filesystem.by_type else (f"{filesystem.type}:/",) if filesystem.mounts else ()
        yield from (head + ending for head in heads for ending in endings)


@pytest.mark.parametrize("name", [*never_asked()])
def test_no_rule_is_for_a_name_that_the_kernel_never_asks_for(name: str) -> None:
    assert generalise_name(name, ALL) == Generalised(name)


@pytest.mark.parametrize("kind", ["path_pattern", "head_pattern"])
@pytest.mark.parametrize(
    ("name", "asked"), [(r"/dev/pts/\$", r"devpts:/\$"), (r"/proc/\$/", r"proc:/\$/"), (r"sysfs:/a/\*", r"/sys/a/\*")]
)
def test_a_users_rule_for_such_names_is_refused(kind: str, name: str, asked: str) -> None:
    if kind == "head_pattern":
        name, asked = (f"{text.rstrip('/')}/" for text in (name, asked))
    with pytest.raises(PolicySyntaxError) as caught:
        parse_user_rules(f"rewrite {kind} {name}\n")
    assert (caught.value.line, caught.value.column, caught.value.expected) == (1, 10 + len(kind), asked)

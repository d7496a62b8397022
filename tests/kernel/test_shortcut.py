"""The shortcut of an activation: wherever there is one it is what would be planned, and where it might not be there is none."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.seeds import rounds
from tomoyo.kernel import activation
from tomoyo.kernel import shortcut as shortcuts
from tomoyo.kernel.activation import ActivationError, activate
from tomoyo.kernel.plan import Plan, Write
from tomoyo.kernel.planner import plan
from tomoyo.kernel.policy_set import PolicySet, read_policy_set, write_policy_set
from tomoyo.kernel.policy_text import domain_blocks, is_byproduct
from tomoyo.kernel.set_directory import read_set_texts
from tomoyo.kernel.shortcut import changed_lines, find_shortcut
from tomoyo.kernel.simulated import SimulatedKernel

from .policies import ENTRIES, bootable, held_by, random_set, texts

PAIRS = rounds(300)
#: As a kernel prints them.
PROFILES = "PROFILE_VERSION=20150505\n" + "".join(
    f"{number}-COMMENT=\n{number}-PREFERENCE={{ max_audit_log=0 max_learning_entry=0 }}\n"
    f"{number}-CONFIG={{ mode={mode} grant_log=no reject_log=no }}\n"
    for number, mode in enumerate(("disabled", "learning", "permissive", "enforcing"))
)
SIMPLE = tuple(f"file {operations} /srv/{n}" for n in range(12) for operations in ("read", "read/write", "write", "unlink"))
NAMES = ("<kernel> /new", "<kernel> /new /below", "<kernel> /usr/sbin/sshd /new", "<other> /new")


def some(draw: random.Random, items: tuple[str, ...], most: int) -> list[str]:
    return draw.sample(items, draw.randint(0, min(most, len(items))))


def changed(draw: random.Random, held: PolicySet) -> PolicySet:
    """HELD with other entries, domains more or less, and now and then something that takes a plan."""
    blocks = {name: block.rstrip("\n").split("\n") for name, block in domain_blocks(held.domain_policy).items()}
    odd = draw.choice((0, 0, 0, 0.1))
    for lines in blocks.values():
        lines += [] if "" in lines else [""]
        if draw.random() < 0.5:
            lines += [line for line in some(draw, SIMPLE, 4) if not any(line.split()[-1] == held.split()[-1:] for held in lines)]
        if draw.random() < 0.4:
            lines[:] = [line for line in lines if "/srv/" not in line or draw.random() < 0.6]
        if draw.random() < odd:
            lines += some(draw, ENTRIES, 2)
        if draw.random() < odd:
            head, body = lines[:2], lines[2:]
            draw.shuffle(body)
            lines[:] = head + body
        if draw.random() < odd:
            lines.append(draw.choice(("# a comment", "delete file read /srv/1", "file read  /two/spaces", "use_profile 3")))
        if draw.random() < odd:
            lines[0] = f"use_profile {draw.randint(0, 4)}"
    for name in some(draw, NAMES, 3):
        groups = [f"use_group {number}" for number in draw.sample(range(4), draw.choice((0, 0, 1)))]
        blocks[name] = [f"use_profile {draw.randint(0, 4)}", *groups, "", *some(draw, SIMPLE + ENTRIES, 6)]
    order = list(blocks)
    if draw.random() < 0.2:
        draw.shuffle(order)
    if draw.random() < odd:
        del order[draw.randrange(len(order))]
    text = "".join("\n".join([name, *blocks[name], "", ""]) for name in order)
    if draw.random() < odd and order:
        text += "\n".join([draw.choice(order), *draw.sample(SIMPLE, 2), "", ""])  # the rest of a domain
    return replace(held, domain_policy=text)


def pairs(draw: random.Random) -> Iterator[tuple[SimulatedKernel, PolicySet]]:
    for _ in range(PAIRS):
        first = bootable(random_set(draw))
        kernel = held_by(replace(first, domain_policy="" if draw.random() < 0.3 else first.domain_policy))
        for name in list(kernel.holding.domains):
            kernel.write("domain_policy", "\n".join([name, *some(draw, SIMPLE, 8), ""]))
        yield kernel, bootable(changed(draw, texts(kernel)))


def byproducts(held: PolicySet, wanted: PolicySet) -> set[str]:
    now = domain_blocks(held.domain_policy)
    then = {**now, **domain_blocks(wanted.domain_policy)}
    return {name for name in now if name not in domain_blocks(wanted.domain_policy) and is_byproduct(name, now[name], then)}


def by_domain(found: Plan) -> dict[tuple[str, str], list[Write]]:
    """The writes of FOUND to each domain and to other interfaces, in their order."""
    writes: dict[tuple[str, str], list[Write]] = {}
    for write in found.writes:
        writes.setdefault((write.interface, write.domain), []).append(write)
    return writes


def test_a_shortcut_is_the_plan(draw: random.Random) -> None:
    found = 0
    for kernel, wanted in pairs(draw):
        held = texts(kernel)
        for keep_learned in (False, True):
            shortcut = find_shortcut(held, wanted, keep_learned=keep_learned)
            if shortcut is None:
                continue
            planned = plan(held, wanted, keep_learned=keep_learned, keep_domains=byproducts(held, wanted))
            planned = replace(planned, left=())  # what says nothing is not told of
            assert by_domain(shortcut.as_plan()) == by_domain(planned)
            assert shortcut.count == planned.count
            assert [("domain_policy", shortcut.text)] == (list(shortcut.as_plan().batches()) or [("domain_policy", "")])
            found += bool(shortcut)
    assert found > PAIRS // 10


def test_with_a_shortcut_or_without_a_kernel_ends_the_same(
    draw: random.Random, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    taken, local = 0, 0
    for number, (kernel, wanted) in enumerate(pairs(draw)):
        monkeypatch.setattr(shortcuts, "_CHOICE", draw.choice((0, 1, 4)))
        shortcut = find_shortcut(texts(kernel), wanted)
        taken += shortcut is not None
        local += bool(shortcut) and shortcut.is_local
        write_policy_set(wanted, tmp_path / "set")
        ends = []
        for finder in (find_shortcut, lambda *_, **__: None):
            copy = kernel.copy()
            monkeypatch.setattr(activation, "find_shortcut", finder)
            where = {name: str(tmp_path / f"{name}{number}{len(ends)}") for name in ("state", "locks")}
            options = {**where, "proc": str(tmp_path / "proc")}
            try:
                outcome = activate(tmp_path / "set", copy, **options)
                again = activate(tmp_path / "set", copy, **options)
                result: tuple[object, ...] = (
                    outcome.changes,
                    by_domain(outcome.plan or Plan(())),
                    outcome.left,
                    outcome.kept,
                    again.changes,
                )
            except (ActivationError, ValueError) as error:
                result = (str(error),)
            if len(result) > 1 and not result[0]:
                result = (0,)  # what is left is told of only where something was compared
            # The kernel counts updates, among which it takes the choice of a domain.
            ends.append((result, replace(texts(copy), stat="")))
        assert ends[0] == ends[1]
    assert taken > PAIRS // 10
    assert local or PAIRS < 100


class Slow(SimulatedKernel):
    """Takes one line less than it is given, and remembers what was read."""

    drops = ""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def read(self, name: str) -> str:
        self.reads.append(name)
        return super().read(name)

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        text = data if isinstance(data, str) else data.decode()
        super().write(name, "".join(line for line in text.splitlines(keepends=True) if line.strip() != self.drops))

    def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
        taken = ["\n".join(line for line in command.split("\n") if line != self.drops) for command in commands]
        return super().select_all(name, taken)


def test_what_a_shortcut_did_not_reach_is_named_and_undone(tmp_path: Path) -> None:
    kernel = Slow()
    (tmp_path / "proc").mkdir()
    options = {name: str(tmp_path / name) for name in ("state", "locks", "proc")}
    first = PolicySet("<kernel> /a\nuse_profile 3\n\nfile read /x\nfile read /y\n\n", profile=PROFILES)
    write_policy_set(first, tmp_path / "first")
    activate(tmp_path / "first", kernel, **options)
    before = kernel.read("domain_policy")
    domains = first.domain_policy.replace("/y", "/z") + "<kernel> /b\nuse_profile 2\n\nfile write /w\n\n"
    second = replace(first, domain_policy=domains)
    write_policy_set(second, tmp_path / "second")
    assert find_shortcut(texts(kernel), second) is not None
    for kernel.drops, told in (
        ("file read /z", "file read /z"),
        ("delete file read /y", "delete file read /y"),
        ("file write /w", "file write /w"),
        ("<kernel> /b", "<kernel> /b"),
    ):
        with pytest.raises(ActivationError) as caught:
            activate(tmp_path / "second", kernel, **options)
        assert told in str(caught.value)
        if kernel.drops != "<kernel> /b":  # whose lines went to another domain, and its deletion with them
            assert kernel.read("domain_policy") == before or kernel.drops.startswith("delete")
        kernel.drops = ""
        activate(tmp_path / "first", kernel, **options)
        assert kernel.read("domain_policy") == before


def test_few_domains_that_change_are_read_back_by_themselves(tmp_path: Path) -> None:
    kernel = Slow()
    (tmp_path / "proc").mkdir()
    options = {name: str(tmp_path / name) for name in ("state", "locks", "proc")}
    domains = "".join(f"<kernel> /{number}\nuse_profile 3\n\nfile read /x\nfile read /y{number}\n\n" for number in range(9))
    first = PolicySet(domains, profile=PROFILES)
    write_policy_set(first, tmp_path / "first")
    second = replace(first, domain_policy=domains.replace("/y3\n", "/z3\n").replace("/y5\n", "/y5\nfile write /w\n"))
    write_policy_set(second, tmp_path / "second")
    activate(tmp_path / "first", kernel, **options)
    before = kernel.read("domain_policy")
    for kernel.drops in ("file read /z3", "delete file read /y3", "file write /w"):
        with pytest.raises(ActivationError, match=kernel.drops) as caught:
            activate(tmp_path / "second", kernel, **options)
        assert caught.value.restored
        kernel.drops = ""
        activate(tmp_path / "first", kernel, **options)
        assert domain_blocks(kernel.read("domain_policy")).keys() == domain_blocks(before).keys()
    reads = kernel.reads = []
    assert activate(tmp_path / "second", kernel, **options).changes == 3
    assert reads.count("domain_policy") == 1
    assert activate(tmp_path / "second", kernel, **options).changes == 0


class Killed(BaseException):
    """Nothing more is written."""


class Dying(SimulatedKernel):
    """Its user is killed after some commands."""

    left = 0

    def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
        answers = super().select_all(name, list(commands)[: self.left])
        if len(answers) == self.left:
            raise Killed
        return answers


@pytest.mark.parametrize("left", range(4))
def test_killed_between_domains_the_next_activation_finishes(tmp_path: Path, left: int) -> None:
    kernel = Dying()
    (tmp_path / "proc").mkdir()
    options = {name: str(tmp_path / name) for name in ("state", "locks", "proc")}
    domains = "".join(f"<kernel> /{number}\nuse_profile 3\n\nfile read /y{number}\n\n" for number in range(20))
    changed = domains.replace("/y3\n", "/z3\n").replace("/y5\n", "/z5\n").replace("/y7\n", "/z7\n")
    for name, text in (("first", domains), ("second", changed)):
        write_policy_set(PolicySet(text, profile=PROFILES), tmp_path / name)
    activate(tmp_path / "first", kernel, **options)
    kernel.left = left
    with pytest.raises(Killed):
        activate(tmp_path / "second", kernel, **options)
    assert kernel.read("domain_policy").count("/z") == left
    assert os.readlink(tmp_path / "state" / "current") == str(tmp_path / "first")
    kernel.left = 10
    assert activate(tmp_path / "second", kernel, **options).changes == 2 * (3 - left)
    assert kernel.read("domain_policy") == f"<kernel>\nuse_profile 0\n\n\n{changed}"


# Where there is none


HELD = "<kernel>\nuse_profile 0\n\n\n<kernel> /a\nuse_profile 3\n\nfile read /x\nfile execute /bin/\\*\nfile read /y\n\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("file read /y", "# file read /y"),
        lambda text: text.replace("file read /y", "delete file read /y"),
        lambda text: text.replace("file read /y", "file read\t/y"),
        lambda text: text.replace("file read /y", "file read /y "),
        lambda text: text.replace("file read /y", "file write /x"),
        lambda text: text.replace("file read /x", "file read/write /x"),
        lambda text: text.replace("file read /y", "file execute /bin/sh"),
        lambda text: text.replace("file read /y", "file read /y\nfile read /y task.uid=0"),
        lambda text: text.replace("file read /y", "network unix stream connect /y"),
        lambda text: text.replace("use_profile 3", "use_profile 2"),
        lambda text: text.replace("use_profile 3", "use_profile 3\nuse_group 1"),
        lambda text: text.replace("<kernel> /a", " <kernel> /a"),
        lambda text: text.replace("<kernel> /a", "<kernel>  /a"),
        lambda text: text.replace("<kernel> /a", "<kernel> /b"),
        lambda text: "# a policy\n" + text,
        lambda text: "select <kernel> /a\n" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text + "<kernel> /b\nuse_profile 9\n\nfile read /x\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\nfile read /x\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\n\n file read /x\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\n\nfile read /x\nuse_profile 2\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\n\nfile read /x\ndelete file read /x\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\n\nfile read /x\n# nothing\n\n",
        lambda text: text + "<kernel> /b\nuse_profile 3\n\nfile read /\xe4\n\n",
    ],
)
def test_what_has_to_be_looked_at_is(change: Callable[[str], str]) -> None:
    held = PolicySet(HELD, profile=PROFILES)
    assert find_shortcut(texts(held_by(held)), replace(held, domain_policy=change(HELD))) is None


def test_anything_else_that_changes_has_to_be_planned() -> None:
    held = texts(held_by(PolicySet(HELD, profile=PROFILES, manager="/manager\n")))
    assert find_shortcut(held, held) is not None
    for other in (
        replace(held, exception_policy="initialize_domain /x from any\n"),
        replace(held, bindings="path_group nix:/a/b /nix/store/a/b\n"),
        replace(held, profile=PROFILES.replace("learning", "enforcing")),
        replace(held, manager=""),
        replace(held, stat="Memory used by policy: 1000000\n"),
    ):
        assert find_shortcut(held, other) is None


def test_what_a_domain_learned_is_judged_by_the_plan() -> None:
    kernel = held_by(PolicySet(HELD.replace("use_profile 3", "use_profile 1"), profile=PROFILES))
    wanted = texts(kernel)
    kernel.write("domain_policy", "<kernel> /a\nfile read /learned\n")
    kernel.write("domain_policy", "<kernel> /a /learned\nuse_profile 1\nfile read /learned\n")
    assert find_shortcut(texts(kernel), wanted) is None  # a domain that says something
    kernel.write("domain_policy", "delete <kernel> /a /learned\n")
    assert find_shortcut(texts(kernel), wanted, keep_learned=True) is None
    shortcut = find_shortcut(texts(kernel), wanted)
    assert shortcut is not None
    assert shortcut.text == "<kernel> /a\ndelete file read /learned\n"


def test_the_kernel_s_notes_are_no_difference() -> None:
    held = PolicySet(HELD.replace("use_profile 3\n", "use_profile 3\nquota_exceeded\n"), profile=PROFILES)
    shortcut = find_shortcut(held, replace(held, domain_policy=HELD))
    assert shortcut is not None
    assert not shortcut
    assert shortcut.is_reached(held.domain_policy)
    assert not shortcut.is_reached(HELD)


# Lines


def test_changed_lines_are_those_that_only_one_text_has(draw: random.Random) -> None:
    pool = [f"file read /usr/lib/package{number}/" + "x" * draw.randint(1, 90) for number in range(400)]
    for _ in range(PAIRS):
        held = draw.sample(pool, draw.randint(0, draw.choice((3, 60, 300))))
        wanted = [line for line in held if draw.random() > draw.choice((0, 0.02, 0.5))]
        for _ in range(draw.choice((0, 1, 5, 40))):
            wanted.insert(draw.randint(0, len(wanted)), draw.choice(pool))
        wanted = list(dict.fromkeys(wanted))
        if draw.random() < 0.2:
            draw.shuffle(wanted)
        given = ["".join(f"{line}\n" for line in lines) for lines in (held, wanted)]
        gone, come, rest = changed_lines(*given)
        assert gone == [line for line in held if line not in wanted]
        assert come == [line for line in wanted if line not in held]
        assert rest == "".join(f"{line}\n" for line in held if line in wanted)


# The manifest


def test_digests_are_read_without_json(tmp_path: Path) -> None:
    manifest = {"roots": ["/a", '"}'], "counts": {"format": 1}, "files": 7, "note": "x\n"}
    digests = write_policy_set(PolicySet(HELD, profile=PROFILES, manifest=manifest), tmp_path / "set").manifest["files"]
    assert read_set_texts(tmp_path / "set").digests() == digests == read_policy_set(tmp_path / "set").manifest["files"]
    path = tmp_path / "set" / "manifest.json"
    text = path.read_text()
    for other in (
        text[:-3],
        json.dumps(json.loads(text)),
        text.replace('"format": 1,\n  "n', '"format": 2,\n  "n'),
        text.replace('"domain_policy.conf"', '"domain_policy.con\\u0066"'),
        "",
    ):
        assert other != text
        path.write_text(other)
        assert read_set_texts(tmp_path / "set").digests() is None
    path.unlink()
    assert read_set_texts(tmp_path / "set").digests() is None

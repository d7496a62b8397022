"""Activation beside running programs: what they learn, their domains and new ones, and activations that were broken off."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import tomoyo
from tests.seeds import rounds
from tomoyo.activation.activation import activate
from tomoyo.activation.cleanup import collect_garbage
from tomoyo.activation.kept_domains import enforced
from tomoyo.activation.outcome import ActivationError
from tomoyo.kernel.held_policy import read_held
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.policy_reading import PolicyReading, domain_blocks

from .policies import bootable, held_by, random_set
from .sets import DOMAINS, NEW, OLD, PROFILES, Active, Counting, bindings, options, policy, process, put

ALL_PROFILES = f"{PROFILES}1-CONFIG={{ mode=learning grant_log=no reject_log=no }}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def domain(name: str, profile: int, *entries: str, groups: tuple[int, ...] = ()) -> str:
    lines = [
        f"<kernel> {name}" if name else "<kernel>",
        f"use_profile {profile}",
        *(f"use_group {n}" for n in groups),
        "",
        *entries,
    ]
    return "".join(f"{line}\n" for line in [*lines, ""])


ROOT = "<kernel>\nuse_profile 0\n\n\n"


def of(domains: str, **texts: str) -> PolicySet:
    return PolicySet(ROOT + domains, texts.get("exceptions", ""), "", ALL_PROFILES, "/manager\n")


class Busy(Active):
    """Lets something HAPPEN once, just before a line with the text BEFORE is written."""

    def __init__(self, before: str = "", happen: str = "") -> None:
        super().__init__()
        self.before, self.happen = before, happen

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        text = data if isinstance(data, str) else data.decode()
        head, found, _ = text.partition(self.before) if self.before else (text, "", "")
        if not found:
            super().write(name, text)
            return
        self.before = ""
        place = head.rfind("\n") + 1
        super().write(name, head[:place])
        super().write("domain_policy", self.happen)
        # The same opening goes on with the domain that was chosen there.
        names = [line for line in head[:place].split("\n") if line.startswith("<")]
        super().write(name, "".join(f"{line}\n" for line in names[-1:]) + text[place:])


# Which domains somebody is in


@pytest.mark.parametrize(
    ("entries", "own", "then"),
    [
        ((), 0, "use_profile 3\nuse_group 1\n"),
        (("file read /x",), 0, "use_profile 3\nuse_group 1\n\nfile read /x\n"),
        (("file read /x",), 1, "use_profile 3\nuse_group 1\n\nfile read /x\n"),
        (("file read /x",), 3, "use_profile 3\n\nfile read /x\n"),
    ],
)
def test_whoever_stays_below_a_domain_that_is_confined_is_confined(
    folder: Path, entries: tuple[str, ...], own: int, then: str
) -> None:
    kernel = Counting()
    where = options(folder)
    exceptions = "acl_group 1 file read /y\n"
    old = of(domain("/a", 0) + domain("/a /b", own, *entries) + domain("/a /b /c", own), exceptions=exceptions)
    activate(put(folder, "old", old), kernel, **where)
    kernel.processes.update({1: "<kernel> /a /b", 2: "<kernel> /a /b /c"})
    new = put(folder, "new", of(domain("/a", 3, "file read /a", groups=(1,)), exceptions=exceptions))
    activate(new, kernel, **where)
    held = read_held(kernel).domain_policy
    assert f"<kernel> /a /b\n{then}" in held
    assert f"<kernel> /a /b /c\n{then.partition(chr(10) * 2)[0].rstrip()}\n\n" in held
    assert not activate(new, kernel, **where)
    kernel.processes.clear()
    collect_garbage(None, kernel, **where)
    assert kernel.holding.domains.keys() == {"<kernel>", "<kernel> /a"}


@pytest.mark.parametrize("entries", [(), ("file read /x",)])
def test_broken_off_a_domain_that_stays_ends_the_same(folder: Path, entries: tuple[str, ...]) -> None:
    where = options(folder)
    exceptions = "".join(f"acl_group {number} file read /{number}\n" for number in (1, 2))
    old = put(folder, "old", of(domain("/a", 0) + domain("/a /b", 0, *entries, groups=(1,)), exceptions=exceptions))
    new = put(folder, "new", of(domain("/a", 3, "file read /a", groups=(2,)), exceptions=exceptions))
    ends = set()
    for lines in (10**6, *range(1, 12)):
        kernel = Mortal()
        activate(old, kernel, **where)
        kernel.processes[1] = "<kernel> /a /b"
        kernel.lines = lines
        try:
            activate(new, kernel, **where)
        except Killed:
            activate(new, kernel, **where)
        kernel.lines = -1
        ends.add(kernel.read("domain_policy"))
        (folder / "state" / "current").unlink()
    assert len(ends) == 1


@pytest.mark.parametrize("entries", [(), ("file read /learned",)])
@pytest.mark.parametrize("groups", [(), (1,)])
def test_a_wanted_domain_that_a_program_makes_meanwhile_is_no_failure(
    folder: Path, entries: tuple[str, ...], groups: tuple[int, ...]
) -> None:
    where = options(folder)
    exceptions = "acl_group 1 file read /x\n"
    kernel = Busy()
    activate(put(folder, "old", of(domain("/a", 1, groups=(1,)), exceptions=exceptions)), kernel, **where)
    kernel.before, kernel.happen = "<kernel> /a /b", domain("/a /b", 1, *entries, groups=groups)
    wanted = of(domain("/a", 1, groups=(1,)) + domain("/a /b", 0, "file read /b"), exceptions=exceptions)
    new = put(folder, "new", wanted)
    activate(new, kernel, **where)
    assert kernel.before == ""
    assert domain("/a /b", 0, "file read /b") in kernel.read("domain_policy")
    assert not activate(new, kernel, **where)


def test_what_the_kernel_made_is_freed_with_the_domain_above(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "old", of(domain("/a", 3))), kernel, **where)
    kernel.write("domain_policy", domain("/a /b", 3))
    activate(put(folder, "new", of(domain("/a", 0))), kernel, **where)
    assert kernel.holding.domains["<kernel> /a /b"].profile == 0


def test_a_domain_that_confines_more_than_the_one_above_stays_as_it_is_while_in_use(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "old", of(domain("/a", 3) + domain("/a /b", 3, "file read /x"))), kernel, **where)
    kernel.processes[1] = "<kernel> /a /b"
    assert activate(put(folder, "new", of(domain("/a", 0))), kernel, **where).left == ("<kernel> /a /b",)
    assert domain("/a /b", 3, "file read /x") in kernel.read("domain_policy")


@pytest.mark.parametrize("exceptions", ["", "acl_group 1 file read /y\n"])
@pytest.mark.parametrize("happens", [domain("/a /b", 0), domain("/a /b", 0) + domain("/a /b /c", 0)])
def test_a_domain_that_a_program_makes_meanwhile_is_confined(folder: Path, happens: str, exceptions: str) -> None:
    """The kernel gave it the profile that the domain above had then."""
    where = options(folder)
    kernel = Busy()
    activate(put(folder, "old", of(domain("/a", 0))), kernel, **where)
    kernel.before, kernel.happen = "use_profile 3", happens
    new = put(folder, "new", of(domain("/a", 3, "file read /a"), exceptions=exceptions))
    activate(new, kernel, **where)
    assert kernel.before == ""
    assert {found.profile for name, found in kernel.holding.domains.items() if name != "<kernel>"} == {3}
    assert not activate(new, kernel, **where)


def test_a_domain_that_a_program_makes_again_is_no_failure(folder: Path) -> None:
    where = options(folder)
    kernel = Again("delete <kernel> /gone")
    kernel.processes[7] = "<kernel> nix:/nginx/bin/nginx"
    process(folder, 7, f"{OLD}/bin/nginx")
    first = policy(OLD)
    activate(put(folder, "old", replace(first, domain_policy=first.domain_policy + domain("/gone", 3))), kernel, **where)
    # The bindings that are kept in use make more differ than just that domain.
    outcome = activate(put(folder, "new", policy(NEW)), kernel, **where)
    assert outcome.kept == tuple(bindings(OLD).splitlines())
    assert kernel.holding.domains["<kernel> /gone"].profile == 0


class Again(Active):
    """Makes a domain again as soon as a LINE has deleted it."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.line = line

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        super().write(name, data)
        text = data if isinstance(data, str) else data.decode()
        if self.line in text.split("\n"):
            super().write("domain_policy", f"{self.line.removeprefix('delete ')}\nuse_profile 0\n")


def test_no_domain_that_stays_is_freer_than_the_one_above(folder: Path, draw: random.Random) -> None:
    where = options(folder)
    stayed = 0
    for number in range(rounds(100)):
        kernel = held_by(random_set(draw))
        names = list(kernel.holding.domains)
        kernel.processes.update(dict(enumerate(draw.sample(names, draw.randrange(len(names) + 1)), 1)))
        wanted = bootable(random_set(draw))
        new = put(folder, f"new{number}", replace(wanted, stat=""))
        keep = draw.random() < 0.5
        activate(new, kernel, keep_learned=keep, **where)
        held = PolicyReading(read_held(kernel))
        named = PolicyReading(wanted).blocks
        for name in held.blocks.keys() - named.keys() - {"<kernel>"}:
            above = held.above(name)
            if above:
                own, other = (enforced(held, held, name.partition(" ")[0], held.head(which)[0]) for which in (name, above))
                assert own >= other
                stayed += 1
        again = activate(new, kernel, keep_learned=keep, **where)
        assert not again, (again.plan.text(), kernel.processes, wanted.domain_policy)
    assert stayed > rounds(10)


# What is learned


@pytest.mark.parametrize("keep_learned", [False, True])
@pytest.mark.parametrize("mode", [0, 3])
def test_what_a_domain_learned_goes_as_it_stops_learning(folder: Path, keep_learned: bool, mode: int) -> None:
    where = options(folder)
    kernel = Busy()
    activate(put(folder, "old", of(domain("/a", 1, "file read /a"))), kernel, **where)
    kernel.write("domain_policy", "<kernel> /a\nfile read /learned\n")
    kernel.before, kernel.happen = "use_profile", "<kernel> /a\nfile read /meanwhile\nfile write /a\n"
    new = put(folder, "new", of(domain("/a", mode, "file read /a")))
    outcome = activate(new, kernel, keep_learned=keep_learned, **where)
    assert kernel.before == ""
    assert outcome.forgotten == keep_learned
    assert domain("/a", mode, "file read /a") in kernel.read("domain_policy")
    assert not activate(new, kernel, keep_learned=keep_learned, **where)


def test_what_a_domain_learned_stays_while_it_learns_and_what_the_old_set_named_goes(folder: Path) -> None:
    where = options(folder)
    kernel = Counting()
    activate(put(folder, "old", of(domain("/a", 1, "file read /a", "file read /old"))), kernel, **where)
    kernel.write("domain_policy", f"<kernel> /a\nfile read /learned\n{domain('/b', 1, 'file read /b')}")
    new = put(folder, "new", of(domain("/a", 1, "file read /a", "file read /new")))
    assert activate(new, kernel, keep_learned=True, **where).forgotten == 0
    assert set(kernel.holding.domains) == {"<kernel>", "<kernel> /a", "<kernel> /b"}
    assert domain("/a", 1, "file read /a", "file read /learned", "file read /new") in kernel.read("domain_policy")
    assert not activate(new, kernel, keep_learned=True, **where)


@pytest.mark.parametrize("is_held", [False, True])
def test_what_a_set_named_was_not_learned_though_it_was_changed_in_place(folder: Path, is_held: bool) -> None:
    """Also where the kernel had learned it already, so that nothing had to be written when the set named it."""
    where = options(folder)
    kernel = Counting()

    def change(*entries: str) -> int:
        path = put(folder, "set", of(domain("/a", 1, *entries)))
        return activate(path, kernel, keep_learned=True, **where).changes

    change("file read /a")
    if is_held:
        kernel.write("domain_policy", "<kernel> /a\nfile read /named\n")
    assert bool(change("file read /a", "file read /named")) is not is_held
    kernel.write("domain_policy", "<kernel> /a\nfile read /learned\n")
    change("file read /a")
    assert domain("/a", 1, "file read /a", "file read /learned") in kernel.read("domain_policy")


def test_what_was_learned_during_a_failed_activation_is_not_lost(folder: Path) -> None:
    where = options(folder)
    kernel = Drops("file read /c")
    activate(put(folder, "old", of(domain("/a", 1, "file read /a"))), kernel, **where)
    kernel.write("domain_policy", "<kernel> /a\nfile read /learned\n")
    with pytest.raises(ActivationError, match="in force again"):
        activate(put(folder, "new", of(domain("/a", 1, "file read /b", "file read /c"))), kernel, keep_learned=True, **where)
    assert domain("/a", 1, "file read /learned", "file read /a") in kernel.read("domain_policy") or domain(
        "/a", 1, "file read /a", "file read /learned"
    ) in kernel.read("domain_policy")


@pytest.mark.parametrize(
    "profile",
    [
        "3-COMMENT=was mode=learning until May\n",
        "3-CONFIG::file={ mode=enforcing }\n3-CONFIG={ mode=learning }\n",
    ],
)
def test_nothing_stays_that_was_learned_of_what_is_learned_no_more(folder: Path, profile: str) -> None:
    where = options(folder)
    kernel = Counting()
    old = of(domain("/a", 1, "file read /a"))
    activate(put(folder, "old", old), kernel, **where)
    kernel.write("domain_policy", "<kernel> /a\nfile write /etc/shadow\n")
    new = replace(of(domain("/a", 3, "file read /a")), profile=ALL_PROFILES + profile)
    assert activate(put(folder, "new", new), kernel, keep_learned=True, **where).forgotten == 1
    kernel.write("domain_policy", "<kernel> /a\nfile write /etc/shadow\n")
    if "COMMENT" in profile:
        activate(folder / "new", kernel, keep_learned=True, **where)
        assert "shadow" not in kernel.read("domain_policy")


def test_garbage_is_nothing_that_a_domain_learned(folder: Path) -> None:
    where = options(folder)
    kernel = Counting()
    path = put(folder, "set", of(domain("/a", 3, "file read /a")))
    activate(path, kernel, **where)
    kernel.write("domain_policy", domain("/l", 1, "file read /learned") + domain("/m", 3, "file read /x") + domain("/n", 1))
    activate(path, kernel, keep_learned=True, **where)
    collect_garbage(None, kernel, **where)
    assert kernel.holding.domains.keys() == {"<kernel>", "<kernel> /a", "<kernel> /l"}


class Drops(Counting):
    """Drops a line whenever it is written."""


# Broken off


class Killed(BaseException):
    """The activation is no more."""


class Mortal(Active):
    """Dies after so many lines."""

    lines = -1

    def write(self, name: str, data: str | bytes, report: object = None) -> None:
        text = data if isinstance(data, str) else data.decode()
        if self.lines < 0:
            super().write(name, text)
            return
        parts = text.splitlines(keepends=True)
        super().write(name, "".join(parts[: self.lines]))
        self.lines -= len(parts)
        if self.lines <= 0:
            self.lines = -1
            raise Killed


def random_domains(draw: random.Random) -> str:
    entries = [f"file {what} /{name}" for what in ("read", "write", "execute") for name in "xyz"]
    names = draw.sample(["/a", "/b", "/a /c"], 3)
    return "".join(domain(name, draw.choice((0, 1, 1, 3)), *draw.sample(entries, draw.randrange(5))) for name in names)


def test_a_second_activation_ends_where_the_first_was_broken_off(folder: Path, draw: random.Random) -> None:
    where = options(folder)
    for number in range(rounds(60)):
        old, new = (put(folder, f"{name}{number}", of(random_domains(draw))) for name in ("old", "new"))
        ends = []
        for lines in (10**6, draw.randrange(1, 8)):
            kernel = Mortal()
            activate(old, kernel, **where)
            learning = [name for name, found in kernel.holding.domains.items() if found.profile == 1]
            kernel.write("domain_policy", "".join(f"{name}\nfile getattr /learned\nfile append /x\n" for name in learning))
            kernel.lines = lines
            try:
                activate(new, kernel, keep_learned=True, **where)
            except Killed:
                activate(new, kernel, keep_learned=True, **where)
            ends.append({name: set(block.split("\n")) for name, block in domain_blocks(kernel.read("domain_policy")).items()})
            (folder / "state" / "current").unlink()
        assert ends[0] == ends[1]


def test_no_domain_keeps_what_it_was_lent_where_an_activation_was_broken_off(folder: Path) -> None:
    """Neither one that the last set names, nor one that only stays since a process is in it."""
    where = options(folder)
    groups = [f"acl_group 1 file read /{name}\nacl_group 1 file execute /{name}\n" for name in "xyz"]
    enters, leaves = (f"<kernel> {name}\nuse_profile 3\n{{}}\nfile getattr /own\n\n" for name in ("/a", "/b"))
    one, other = "use_group 1\n", ""
    first = of(enters.format(other) + leaves.format(one), exceptions=groups[0])
    second = of(enters.format(one) + leaves.format(other), exceptions=groups[1])
    third = of(leaves.format(other), exceptions=groups[2])
    old, new, last = (put(folder, name, found) for name, found in (("1", first), ("2", second), ("3", third)))
    for lines in range(1, 20):
        for end in (new, last):
            kernel = Mortal()
            activate(old, kernel, **where)
            kernel.processes[1] = "<kernel> /a"
            kernel.lines = lines
            with suppress(Killed):
                activate(new, kernel, **where)
            kernel.lines = -1
            activate(end, kernel, **where)
            entries = [str(entry) for entry in kernel.holding.domains["<kernel> /a"].value().entries]
            assert entries == ["file getattr /own"], lines


def test_what_a_failed_activation_made_is_gone_again(folder: Path) -> None:
    kernel = Drops("file read /c")
    where = options(folder)
    activate(put(folder, "old", of(domain("/q", 3))), kernel, **where)
    held = kernel.read("domain_policy")
    with pytest.raises(ActivationError, match="in force again"):
        activate(put(folder, "new", of(domain("/a", 3) + domain("/b", 3, "file read /x", "file read /c"))), kernel, **where)
    assert kernel.read("domain_policy") == held


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\t", " "])
def test_whatever_a_kernel_takes_for_a_space_is_one(folder: Path, character: str) -> None:
    texts = {
        "domain_policy": domain("/a", 3) + character + domain("/b", 3, "file read /x") + "<other>\nuse_profile 0\n\n\n",
        "exception_policy": f"path_group a /b\n{character}<other> acl_group 2 file read /z\n",
        "profile": "<other> 0-CONFIG={ mode=disabled grant_log=no reject_log=no }\n",
    }
    wanted = of(texts["domain_policy"], exceptions=texts["exception_policy"])
    wanted = replace(wanted, profile=wanted.profile + texts["profile"])
    kernel = held_by(of(domain("/q", 3)))
    new = put(folder, "new", wanted)
    activate(new, kernel, **options(folder))
    goal = held_by(wanted)
    assert {*kernel.read("exception_policy").split("\n")} == {*goal.read("exception_policy").split("\n")}
    assert domain_blocks(kernel.read("domain_policy")) == domain_blocks(goal.read("domain_policy"))
    assert not activate(new, kernel, **options(folder))


# Before and after


def test_a_state_folder_that_cannot_be_used_is_found_before_anything_is_written(folder: Path) -> None:
    (folder / "state").write_text("")
    kernel = Counting()
    with pytest.raises(PolicySetError, match="not a directory"):
        activate(put(folder, "set", policy()), kernel, **options(folder))
    assert kernel.written == []


def test_a_set_that_cannot_be_recorded_is_in_force_all_the_same(folder: Path) -> None:
    kernel = Counting()
    (folder / "state" / "current").mkdir(parents=True)
    with pytest.raises(ActivationError, match="the policy is in force, but cannot be recorded"):
        activate(put(folder, "set", policy()), kernel, **options(folder))
    assert "nix:/nginx/bin/nginx" in kernel.read("domain_policy")


def test_a_damaged_set_is_not_recorded_even_if_the_kernel_holds_it(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "set", policy()), kernel, **where)
    other = put(folder, "other", policy())
    (other / "bindings.conf").write_text(bindings(OLD).replace("nginx-1", "nginx-2"))
    kernel.write("exception_policy", bindings(OLD).replace("nginx-1", "nginx-2"))
    for line in bindings(OLD).splitlines():
        kernel.write("exception_policy", f"delete {line}\n")
    with pytest.raises(PolicySetError, match="differs from what the manifest tells"):
        activate(other, kernel, **where)
    assert os.readlink(folder / "state" / "current") == str(folder / "set")


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        ({"domain_policy": "<kernel> /a\nuse_profile 3"}, "domain_policy.conf:2:1: the last line has no newline"),
        ({"domain_policy": "file read /x\n<kernel> /a\nuse_profile 3\n\n\n"}, "domain_policy.conf:1:1: "),
        ({"domain_policy": "<kernel> /a\nuse_profile 3\n\ndelete file read /x\n\n"}, "domain_policy.conf:4:1: a command"),
        ({"domain_policy": "# a comment\nselect <kernel> /a\nuse_profile 3\n"}, "domain_policy.conf:2:1: a command"),
        ({"domain_policy": f"<kernel> /a\nuse_profile {'3' * 5000}\n\n\n"}, "profile"),
        ({"domain_policy": "<kernel> /a\nuse_profile \xb2\n\n\n"}, "domain_policy.conf:2"),
        (
            {"domain_policy": ROOT + "<kernel>\x01/a\nuse_profile 3\n\n\n"},
            "domain_policy.conf:5:9: the kernel takes this for a space",
        ),
        ({"domain_policy": ROOT + "\x7f<kernel> /a\nuse_profile 3\n\n\n"}, "the kernel takes this for a space"),
        ({"exception_policy": "<kernel>\n"}, "exception_policy.conf:1:"),
        ({"exception_policy": "acl_group 1 file read /x\nacl_group 2 file read /y"}, "exception_policy.conf:2:1: the last line"),
        ({"exception_policy": "acl_group 1\n"}, "exception_policy.conf:1:"),
        ({"exception_policy": "<other> <other> acl_group 2 file read /z\n"}, "exception_policy.conf:1:"),
        ({"exception_policy": "<other> <kernel> aggregator /a /b\n"}, "exception_policy.conf:1:"),
        ({"bindings": "delete path_group a /b\n"}, "bindings.conf:1:"),
        ({"profile": f"{ALL_PROFILES}reset\n"}, "profile.conf:4:1: a command"),
        ({"manager": "/manager"}, "manager.conf:1:1: the last line has no newline"),
        ({"stat": "Memory used by policy: -1\n"}, "stat.conf:1:"),
        ({"stat": "Memory used by policy: 1x\n"}, "stat.conf:1:"),
        ({"stat": "Memory used by policy: \xb2\n"}, "stat.conf:1:"),
        ({"stat": f"Memory used by policy: {'9' * 5000}\n"}, "stat.conf:1:"),
        ({"stat": "Memory used by policy: 1000000"}, "stat.conf:1:1: the last line has no newline"),
    ],
)
@pytest.mark.parametrize("is_held", [False, True])
def test_a_line_that_a_kernel_would_not_take_is_told_of(folder: Path, texts: dict[str, str], place: str, is_held: bool) -> None:
    """Also where all else is held already, so that nothing would have to be written."""
    wanted = replace(of(""), **texts)
    kernel = held_by(wanted) if is_held else Counting()
    held = read_held(kernel).domain_policy, read_held(kernel).exception_policy
    with pytest.raises((tomoyo.PolicySyntaxError, ActivationError, PolicySetError)) as caught:
        activate(put(folder, "set", wanted), kernel, **options(folder))
    assert place in str(caught.value)
    assert (read_held(kernel).domain_policy, read_held(kernel).exception_policy) == held


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"domain_policy": ""}, "it is empty"),
        ({"profile": ""}, "it is empty"),
        ({"profile": ALL_PROFILES.replace("3-CONFIG", "4-CONFIG")}, "profile 3 of <kernel> /a is not defined"),
        ({"profile": f"PROFILE_VERSION=1\n{ALL_PROFILES}"}, "profile version 1"),
        ({"exception_policy": "reset_domain any from any\n"}, "reset_domain any from any"),
    ],
)
@pytest.mark.parametrize("is_held", [False, True])
def test_what_no_kernel_could_boot_with_is_neither_loaded_nor_recorded(
    folder: Path, texts: dict[str, str], message: str, is_held: bool
) -> None:
    """Also where the kernel holds it, perhaps with a profile that only this kernel knows."""
    good = of(domain("/a", 3, "file read /a"))
    where = put(folder, "set", replace(good, **texts))
    (where / "manifest.json").unlink()
    kernel = held_by(good)
    if is_held:
        for name, text in texts.items():
            if text and name != "profile":
                kernel.write(name, text)
    held = read_held(kernel)
    with pytest.raises(PolicySetError, match=message):
        activate(where, kernel, **options(folder))
    assert read_held(kernel) == held
    assert os.listdir(folder / "state") == []


def test_a_recorded_set_that_was_changed_by_hand_is_looked_at_again(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    path = put(folder, "set", of(domain("/a", 3, "file read /a")))
    (path / "manifest.json").unlink()
    activate(path, kernel, **where)
    (path / "profile.conf").write_text(ALL_PROFILES.replace("3-CONFIG", "4-CONFIG"))
    with pytest.raises(PolicySetError, match="profile 3 of <kernel> /a is not defined"):
        activate(path, kernel, **where)


def test_bindings_in_other_namespaces_stay_while_in_use(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)

    def named(path: str) -> PolicySet:
        lines = "".join(f"<other> {line}\n" for line in bindings(path).splitlines())
        domains = f"{DOMAINS}{DOMAINS.replace('<kernel>', '<other>')}"
        profiles = "".join(f"<other> {line}\n" for line in PROFILES.splitlines())
        return replace(policy(path, domains), bindings=lines, profile=PROFILES + profiles)

    process(folder, 7, f"{OLD}/bin/nginx")
    kernel.processes[7] = "<other> nix:/nginx/bin/nginx"
    activate(put(folder, "old", named(OLD)), kernel, **where)
    outcome = activate(put(folder, "new", named(NEW)), kernel, **where)
    assert sorted(outcome.kept) == sorted(named(OLD).bindings.splitlines())
    assert OLD in kernel.read("exception_policy")
    (folder / "proc" / "7").rename(folder / "ended")
    assert collect_garbage(None, kernel, **where).changes == 2
    assert kernel.read("exception_policy") == named(NEW).bindings

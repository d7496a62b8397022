"""Activation on a simulated kernel: what is written, what is refused, what is undone, and what stays while in use."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import tomoyo
from tomoyo.activation.activation import activate
from tomoyo.activation.cleanup import collect_garbage
from tomoyo.activation.outcome import ActivationError
from tomoyo.activation.state import Lock
from tomoyo.sets.directory import PolicySetError
from tomoyo.sets.policy_set import PolicySet, read_policy_set
from tomoyo.simulation.simulated_kernel import SimulatedKernel

from .policies import held_by
from .sets import DOMAINS, NEW, OLD, PROFILES, Active, Counting, bindings, options, policy, process, put


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    return tmp_path


def test_a_second_activation_reads_once_and_writes_nothing(folder: Path) -> None:
    kernel = Counting()
    where = put(folder, "set", policy())
    assert activate(where, kernel, **options(folder)).changes > 0
    kernel.written, kernel.reads = [], []
    assert not activate(where, kernel, **options(folder))
    assert kernel.written == []
    assert sorted(kernel.reads) == ["domain_policy", "exception_policy", "manager", "profile", "stat"]


def test_a_dry_run_writes_nothing_and_records_nothing(folder: Path) -> None:
    kernel = Counting()
    outcome = activate(put(folder, "set", policy()), kernel, dry_run=True, **options(folder))
    assert outcome.plan is not None
    assert "domain_policy: use_profile 3" in outcome.plan.text()
    assert kernel.written == []
    assert not (folder / "state").exists()


def test_the_sets_in_use_are_recorded(folder: Path) -> None:
    kernel = Counting()
    first, second = put(folder, "first", policy()), put(folder, "second", policy(NEW))
    for path in (first, second, second):
        activate(path, kernel, **options(folder))
    assert os.readlink(folder / "state" / "current") == str(second)
    assert os.readlink(folder / "state" / "previous") == str(first)


@pytest.mark.parametrize("drops", ["use_profile 3", "file read @nix:/nginx/etc/conf", bindings(NEW).splitlines()[0], "/manager"])
def test_a_line_that_the_kernel_drops_is_named_and_the_old_policy_comes_back(folder: Path, drops: str) -> None:
    old = PolicySet("<kernel> /old\nuse_profile 3\n\nfile read /x\n\n", "acl_group 1 file read /y\n", "", PROFILES, "/first\n")
    kernel = Counting(drops)
    for name, text in (("profile", old.profile), ("manager", old.manager), ("exception_policy", old.exception_policy)):
        kernel.write(name, text)
    SimulatedKernel.write(kernel, "domain_policy", old.domain_policy)
    before = [kernel.read(name) for name in ("domain_policy", "exception_policy", "manager")]
    with pytest.raises(ActivationError) as caught:
        activate(put(folder, "set", policy(NEW)), kernel, **options(folder))
    assert drops in str(caught.value)
    if drops != "use_profile 3":  # which this kernel drops from the old policy, too
        assert caught.value.restored
        assert [kernel.read(name) for name in ("domain_policy", "exception_policy", "manager")] == before
    assert os.listdir(folder / "state") == []


class Full(Active):
    """Has 50,000 bytes of policy."""

    def read(self, name: str) -> str:
        text = super().read(name)
        return text.replace("used by policy:                         0", "used by policy:                     50000")


@pytest.mark.parametrize(("quota", "fits"), [(60_000, True), (50_000, False), (40_000, False)])
def test_a_quota_that_is_reached_already_is_no_success(folder: Path, quota: int, fits: bool) -> None:
    # The kernel takes it, and then drops whatever comes, without a word.
    kernel = Full()
    activate(put(folder, "first", policy()), kernel, **options(folder))
    where = put(folder, "second", replace(policy(), stat=f"Memory used by policy: {quota}\n"))
    if fits:
        assert activate(where, kernel, **options(folder)).changes == 1
        return
    message = f"policy uses 50000 bytes, its quota is {quota}.*raise it.*in force again"
    with pytest.raises(ActivationError, match=message) as caught:
        activate(where, kernel, **options(folder))
    assert caught.value.restored
    assert "Quota" not in kernel.read("stat")
    assert os.readlink(folder / "state" / "current") == str(folder / "first")


def test_a_damaged_set_changes_nothing(folder: Path) -> None:
    where = put(folder, "set", policy())
    (where / "domain_policy.conf").write_text("<kernel>\nuse_profile 0\n\n\n")
    kernel = Counting()
    with pytest.raises(PolicySetError, match=r"domain_policy\.conf: differs from what the manifest tells"):
        activate(where, kernel, **options(folder))
    assert kernel.written == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("<kernel> /a\nuse_profile 7\n\n\n", "profile 7 of <kernel> /a is not defined"), ("<kernel> /a\nfile nothing /x\n", None)],
)
def test_a_set_that_the_kernel_would_drop_lines_of_is_refused(folder: Path, text: str, message: str | None) -> None:
    kernel = Counting()
    with pytest.raises((ActivationError, PolicySetError, tomoyo.PolicySyntaxError), match=message):
        activate(put(folder, "set", policy(domains=text)), kernel, **options(folder))
    assert "<kernel> /a" not in kernel.holding.domains


# What is in use


def test_old_bindings_go_at_once_if_told(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    process(folder, 7, f"{OLD}/bin/nginx")
    kernel.processes[7] = "<kernel> nix:/nginx/bin/nginx"
    activate(put(folder, "old", policy(OLD)), kernel, **where)
    activate(put(folder, "new", policy(NEW)), kernel, keep_used=False, **where)
    assert kernel.read("exception_policy") == bindings(NEW)


def test_a_domain_stays_while_a_process_is_in_it(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "old", policy(domains=f"{DOMAINS}<kernel> /old\nuse_profile 3\n\nfile read /x\n\n")), kernel, **where)
    kernel.processes[1] = "<kernel> /old"
    outcome = activate(put(folder, "new", policy()), kernel, **where)
    assert outcome.left == ("<kernel> /old",)
    assert not collect_garbage(None, kernel, **where)
    kernel.processes.clear()
    assert collect_garbage(None, kernel, **where).changes == 1
    assert "<kernel> /old" not in kernel.holding.domains


def test_domains_that_running_programs_made_are_left_to_gc(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    path = put(folder, "set", policy())
    activate(path, kernel, **where)
    kernel.write("domain_policy", "<kernel> /bin/ls\nuse_profile 0\n")
    assert not activate(path, kernel, **where)
    assert collect_garbage(None, kernel, **where).changes == 1


def test_a_damaged_set_deletes_nothing(folder: Path) -> None:
    kernel = Counting()
    where = options(folder)
    path = put(folder, "set", policy())
    activate(path, kernel, **where)
    held = kernel.read("domain_policy"), kernel.read("exception_policy")
    for name in ("domain_policy.conf", "bindings.conf"):
        (path / name).write_text("")
    with pytest.raises(PolicySetError, match="differs from what the manifest tells"):
        collect_garbage(None, kernel, **where)
    assert (kernel.read("domain_policy"), kernel.read("exception_policy")) == held


def test_what_a_failed_activation_wrote_to_a_learning_domain_goes_again(folder: Path) -> None:
    learning = replace(
        policy(domains="<kernel> /a\nuse_profile 1\n\nfile read /a\n\n"), profile=f"{PROFILES}1-CONFIG={{ mode=learning }}\n"
    )
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "first", learning), kernel, **where)
    held = kernel.read("domain_policy")
    kernel.drops = "file read /c"
    more = replace(learning, domain_policy=learning.domain_policy[:-1] + "file read /b\nfile read /c\n\n")
    with pytest.raises(ActivationError, match="in force again"):
        activate(put(folder, "second", more), kernel, **where)
    assert kernel.read("domain_policy") == held


CONFINING = "<kernel> /a\nuse_profile 3\n\nfile execute /b\n\n"


@pytest.mark.parametrize("above", ["<kernel> /a\nuse_profile 0\n", ""])
@pytest.mark.parametrize("others", ["", "acl_group 1 file read /x\n"])
def test_what_a_program_left_below_does_not_stay_free_when_the_domain_above_is_confined(
    folder: Path, above: str, others: str
) -> None:
    """With a shortcut, and where it has to be planned: a kernel without that domain would create it confined."""
    kernel = Counting()
    where = options(folder)
    activate(put(folder, "first", policy(domains="<kernel>\nuse_profile 0\n\n\n")), kernel, **where)
    kernel.write("domain_policy", f"{above}<kernel> /a /b\nuse_profile 0\n<kernel> /a /b /c\nuse_profile 0\n")
    second = put(folder, "second", replace(policy(domains=CONFINING), exception_policy=others))
    activate(second, kernel, **where)
    # Not deleted: whoever is in it, or enters it meanwhile, would stay in the old profile.
    assert {domain.profile for name, domain in kernel.holding.domains.items() if name != "<kernel>"} == {3}
    assert not activate(second, kernel, **where)
    collect_garbage(None, kernel, **where)
    assert kernel.holding.domains.keys() == {"<kernel>", "<kernel> /a"}
    # Below a domain that is confined it is confined, and may stay.
    kernel.write("domain_policy", "<kernel> /a /b\nuse_profile 3\n")
    assert not activate(second, kernel, **where)


@pytest.mark.parametrize("written", ["bindings", "exception_policy"])
def test_bindings_that_are_written_with_their_namespace_are_no_old_ones(folder: Path, written: str) -> None:
    kernel = Counting()
    where = options(folder)

    def named(name: str) -> PolicySet:
        lines = "".join(f"<kernel> {line}\n" for line in bindings(OLD).replace("nix:/nginx/bin", name).splitlines())
        return replace(policy(), **{"bindings": "", written: f"{lines}<other> path_group a /b\n"})

    activate(put(folder, "set", named("nix:/nginx/bin")), kernel, **where)
    held = kernel.read("exception_policy")
    assert OLD in held
    assert not collect_garbage(None, kernel, **where)
    assert kernel.read("exception_policy") == held
    # Nor does an old one of the same program stay before the wanted one, which would never be found.
    process(folder, 1, f"{OLD}/bin/nginx", f"{OLD}/lib")
    kernel.processes[1] = "<kernel> nix:/nginx/bin/nginx"
    activate(put(folder, "next", named("nix:/nginx/sbin")), kernel, **where)
    assert "nix:/nginx/bin" not in kernel.read("exception_policy")
    assert "nix:/nginx/sbin/nginx" in kernel.read("exception_policy")


# Two at once


def test_two_activations_take_turns(folder: Path) -> None:
    order: list[str] = []
    with Lock(str(folder / "locks")):
        other = threading.Thread(
            target=lambda: activate(folder / "set", Counting(), **options(folder)) and order.append("second")
        )
        put(folder, "set", policy())
        other.start()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


# Paths


def test_symlinks_and_what_others_may_write_are_refused(folder: Path) -> None:
    where = put(folder, "set", policy())
    (folder / "link").symlink_to("set")
    (folder / "up").symlink_to(folder.name and ".")
    with pytest.raises(PolicySetError, match=f"a symbolic link.*give {where} instead"):
        read_policy_set(folder / "link")
    with pytest.raises(PolicySetError, match=f"a symbolic link.*give {where} instead"):
        read_policy_set(folder / "up" / "set")
    for path, mode in ((where, 0o777), (where / "profile.conf", 0o666), (folder, 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(PolicySetError, match="others may write to it"):
            read_policy_set(where)
        path.chmod(before)
    assert read_policy_set(where).bindings == bindings(OLD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_a_stranger_is_refused(folder: Path) -> None:
    where = put(folder, "set", policy())
    for path in (where / "manager.conf", where):
        os.chown(path, 12345, 0)
        with pytest.raises(PolicySetError, match="belongs to user 12345"):
            read_policy_set(where)
        os.chown(path, 0, 0)


def test_something_else_in_place_of_a_file_is_refused(folder: Path) -> None:
    for kind, message in (
        ("directory", "a directory, not a file"),
        ("link", "a symbolic link"),
        ("pipe", "no regular file"),
        ("", "no such"),
    ):
        where = put(folder, "set", policy())
        path = where / "profile.conf"
        path.unlink()
        if kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to("manager.conf")
        elif kind == "pipe":
            os.mkfifo(path)
        with pytest.raises(PolicySetError, match=message):
            read_policy_set(where)
        if path.is_dir():
            path.rmdir()


def test_the_lock_and_the_record_follow_no_link(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for name in ("locks", "state"):
        (folder / name).symlink_to("elsewhere")
        with pytest.raises(PolicySetError, match="a symbolic link"):
            activate(put(folder, "set", policy()), Counting(), **options(folder))
        (folder / name).unlink()


def test_the_noop_path_loads_no_parser(folder: Path) -> None:
    kernel = held_by(policy())
    stand_in = folder / "kernel"
    stand_in.mkdir()
    for name in ("domain_policy", "exception_policy", "profile", "manager", "stat"):
        (stand_in / name).write_text(kernel.read(name))
    path = put(folder, "set", replace(policy(), profile=kernel.read("profile")))  # as compile writes it
    (folder / "s").mkdir()
    (folder / "s" / "current").symlink_to(path)
    script = (
        "import sys, tomoyo\n"
        "tomoyo.Securityfs.active = True\n"
        f"kernel = tomoyo.Securityfs({str(stand_in)!r})\n"
        f"assert not tomoyo.activate({str(folder / 'set')!r}, kernel, state={str(folder / 's')!r}, locks={str(folder / 'l')!r})\n"
        "print(*(name for name in sys.modules if name.startswith('tomoyo.')))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=Path(tomoyo.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not {"tomoyo.syntax", "tomoyo.model.words", "tomoyo.activation.planner"} & set(done.stdout.split())


def test_the_script_in_the_document_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = (Path(tomoyo.__file__).parents[1] / "docs" / "explanation" / "activation.md").read_text()
    script = document.partition("```python\n")[2].partition("```")[0]
    assert len(script.splitlines()) <= 5
    kernel = Counting()
    where = options(folder)
    real = activate
    monkeypatch.setattr(tomoyo, "activate", lambda path: real(path, kernel, **where), raising=False)
    monkeypatch.setattr(sys, "argv", ["activate.py", str(put(folder, "set", policy()))])
    exec(compile(script, "activate.py", "exec"), {})
    assert capsys.readouterr().err.endswith(" lines written\n")
    assert "nix:/nginx/bin/nginx" in kernel.read("domain_policy")


# What a review found


def test_a_recorded_set_that_no_longer_defines_a_profile_is_refused(folder: Path) -> None:
    kernel, where = Counting(), options(folder)
    whole = policy(domains=f"<kernel>\nuse_profile 0\n\n\n{DOMAINS}")
    profiles = held_by(whole).read("profile")
    path = put(folder, "set", replace(whole, profile=profiles))
    activate(path, kernel, **where)
    put(folder, "set", replace(whole, profile="".join(line for line in profiles.splitlines(True) if not line.startswith("3-"))))
    with pytest.raises(PolicySetError, match="profile 3 of <kernel> nix:/nginx/bin/nginx is not defined"):
        activate(path, kernel, **where)


def test_an_unusual_spelling_of_a_domain_keeps_those_in_use(folder: Path) -> None:
    kernel, where = Counting(), options(folder)
    root = "<kernel>\nuse_profile 0\n\n\n"
    activate(put(folder, "old", policy(domains=f"{root}<kernel> /u\nuse_profile 3\n\nfile read /x\n\n")), kernel, **where)
    kernel.processes[1] = "<kernel> /u"
    outcome = activate(
        put(folder, "new", policy(domains=f"{root}<kernel>  /a\nuse_profile 0\n\nfile read /x\n\n")), kernel, **where
    )
    assert outcome.left == ("<kernel> /u",)
    assert "<kernel> /a" in kernel.holding.domains


@pytest.mark.parametrize("family", ["inet {} bind 0.0.0.0 80", "unix {} bind /x"])
def test_the_order_of_entries_of_different_protocols_counts(folder: Path, family: str) -> None:
    kernel, where = Counting(), options(folder)
    lines = [f"network {family.format(p)} grant_log={log}" for p, log in (("stream", "yes"), ("dgram", "no"))]
    sets = ["<kernel> /a\nuse_profile 3\n\n" + "".join(f"{line}\n" for line in some) + "\n" for some in (lines, lines[::-1])]
    for number, domains in enumerate(sets):
        activate(put(folder, f"set{number}", policy(domains=domains)), kernel, **where)
    assert f"{lines[1]}\n{lines[0]}" in kernel.read("domain_policy")


def test_a_line_that_names_a_manager_is_no_comment(folder: Path) -> None:
    kernel = Counting()
    activate(put(folder, "set", replace(policy(), manager="/manager\n#/usr/bin/old\n# a comment\n")), kernel, **options(folder))
    assert list(map(str, kernel.managers.managers)) == ["/manager", "#/usr/bin/old"]

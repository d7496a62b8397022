"""ProgramPaths in that another user could turn to a program of their own: none is bound, and each is reported.

Every case is a system with one link to a program of the closure, good but for one thing that the case changes.
"""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import Done, tomoyo
from tomoyo.nix.names.binder import bind
from tomoyo.nix.names.name_uses import Role, Use
from tomoyo.nix.names.program_paths import find_program, find_program_paths
from tomoyo.nix.store.paths import StorePath

from .toystore import Link, Program, ToyStore

STRANGER = StorePath("z" * 32, "stranger")
USER = 1000
POLICY = "<kernel> nix:/nginx/bin/nginx\nuse_profile 3\nfile read /x\n"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


class System:
    """A toy store, with what the cases do to it.  Paths are inside paths."""

    def __init__(self, root: Path) -> None:
        root.mkdir(mode=0o755)
        self.toy = ToyStore(root)
        self.nginx = self.toy.add("nginx-1", {"bin/nginx": Program()})
        self.farm = self.toy.add("farm", {"bin/own": Link(f"{self.nginx}/bin/nginx")})
        self.folder = root.parent
        (self.folder / "closure").write_text(f"{self.nginx}\n{self.farm}\n")
        (self.folder / "domain_policy.conf").write_text(POLICY)

    def place(self, path: str) -> str:
        return f"{self.toy.root}{path}"

    def link(self, path: str, target: str) -> str:
        self.toy.make(path, Link(target))
        return path

    def good(self, path: str) -> str:
        """A link at PATH straight to the program."""
        return self.link(path, f"{self.nginx}/bin/nginx")

    def mode(self, path: str, mode: int) -> None:
        os.chmod(self.place(path), mode)

    def give(self, path: str) -> None:
        os.chown(self.place(path), USER, USER, follow_symlinks=False)

    def run(self, command: str, *arguments: str) -> Done:
        closure = ("--closure-file", str(self.folder / "closure"), "--root", str(self.toy.root))
        return tomoyo(command, *closure, *arguments)

    def source(self) -> str:
        """A policy source."""
        source = self.folder / "policy"
        (source / "domains").mkdir(parents=True)
        (source / "domains/a.conf").write_text(POLICY)
        (source / "manager.conf").write_text("nix:/nginx/bin/nginx\n")
        return str(source)

    def bind(self, *arguments: str) -> Done:
        return self.run("bind", *arguments, str(self.folder / "domain_policy.conf"))


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path / "root")


#: Each makes a link and gives its place, as another user could change it.
CASES: dict[str, Callable[[System], str]] = {}
#: Those for which files must be given away.
GIVEN: dict[str, Callable[[System], str]] = {}


def case(function: Callable[[System], str]) -> Callable[[System], str]:
    CASES[function.__name__] = function
    return function


def given(function: Callable[[System], str]) -> Callable[[System], str]:
    GIVEN[function.__name__] = function
    return function


@given
def directory_of_another(system: System) -> str:
    link = system.good("/etc/app/x")
    system.give("/etc/app")
    return link


@given
def link_of_another(system: System) -> str:
    link = system.good("/etc/app/x")
    system.give(link)
    return link


@given
def link_of_another_in_usr_bin(system: System) -> str:
    link = system.good("/usr/bin/x")
    system.give(link)
    return link


@given
def directory_above_of_another(system: System) -> str:
    link = system.good("/etc/app/very/deep/x")
    system.give("/etc/app")
    return link


@given
def whole_tree_of_another(system: System) -> str:
    link = system.good("/etc/x")
    system.give("/etc")
    return link


@given
def bin_led_to_another(system: System) -> str:
    system.toy.make("/usr/local", None)
    system.link("/bin", "usr/local")
    system.good("/usr/local/x")
    system.give("/usr/local")
    return "/usr/local/x"


@given
def middle_link_of_another(system: System) -> str:
    system.good("/etc/b")
    system.link("/etc/a", "b")
    system.give("/etc/b")
    return "/etc/a"


@given
def package_link_to_another(system: System) -> str:
    system.good("/etc/app/x")
    system.give("/etc/app")
    return system.link(f"{system.farm}/bin/x", "/etc/app/x")


@given
def parent_link_of_another(system: System) -> str:
    system.link("/etc/dir", f"{system.nginx}/bin")
    system.give("/etc/dir")
    return system.link("/usr/bin/x", "/etc/dir/nginx")


def with_mode(link: str, place: str, mode: int) -> Callable[[System], str]:
    """A LINK that is good but for the MODE of the directory PLACE above it."""

    def make(system: System) -> str:
        system.good(link)
        system.mode(place, mode)
        return link

    return make


CASES |= {
    "writable_by_all": with_mode("/etc/app/x", "/etc/app", 0o777),
    "writable_by_group": with_mode("/etc/app/x", "/etc/app", 0o775),
    "writable_by_all_but_sticky": with_mode("/etc/app/x", "/etc/app", 0o1777),
    "root_writable_by_all": with_mode("/etc/app/x", "", 0o777),
    "usr_writable_by_all": with_mode("/usr/sbin/x", "/usr", 0o777),
}


@case
def writable_by_name(system: System) -> str:
    """An access control list lets one user write: the group's bits are its mask."""
    link = system.good("/etc/app/x")
    entries = [(1, 7, -1), (2, 7, USER), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(system.place("/etc/app"), "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("no access control lists here")
    return link


@case
def chain_through_writable(system: System) -> str:
    system.good("/usr/bin/c")
    system.link("/usr/share/b", "../bin/c")
    system.link("/etc/a", "/usr/share/b")
    system.mode("/usr/share", 0o777)
    return "/etc/a"


@case
def package_chain_through_writable(system: System) -> str:
    system.good("/etc/app/x")
    system.mode("/etc/app", 0o777)
    system.link(f"{system.farm}/bin/hop", "/etc/app/x")
    return system.link(f"{system.farm}/bin/x", "hop")


@case
def dots_through_writable(system: System) -> str:
    """The directory is left again by '..', but whoever may write to it can put a link there."""
    system.toy.make("/etc/app/sub", None)
    system.mode("/etc/app", 0o777)
    system.good("/etc/y")
    return system.link("/etc/x", "app/sub/../../y")


@case
def package_dots_through_writable(system: System) -> str:
    system.toy.make("/etc/app", None)
    system.mode("/etc/app", 0o777)
    return system.link(f"{system.farm}/bin/x", f"../../../../etc/app/../..{system.nginx}/bin/nginx")


@case
def through_home(system: System) -> str:
    system.good("/home/alice/x")
    return system.link("/usr/bin/x", "/home/alice/x")


@case
def through_tmp(system: System) -> str:
    system.good("/tmp/x")
    system.mode("/tmp", 0o1777)
    return system.link("/etc/x", "../tmp/x")


@case
def through_run_user(system: System) -> str:
    system.good("/run/user/1000/x")
    return system.link(f"{system.farm}/bin/x", "/run/user/1000/x")


@case
def through_var(system: System) -> str:
    system.link("/var/app/dir", f"{system.nginx}/bin")
    return system.link("/etc/x", "/var/app/dir/nginx")


@case
def through_a_stranger_package(system: System) -> str:
    system.toy.fill(STRANGER, {"bin/x": Link(f"{system.nginx}/bin/nginx")})
    return system.link("/etc/x", f"{STRANGER}/bin/x")


@case
def package_through_a_stranger_directory(system: System) -> str:
    system.toy.fill(STRANGER, {"bin": Link(f"{system.nginx}/bin")})
    return system.link(f"{system.farm}/bin/x", f"{STRANGER}/bin/nginx")


@case
def package_dots_through_a_stranger(system: System) -> str:
    system.toy.fill(STRANGER, {"bin/x": Program()})
    return system.link(f"{system.farm}/bin/x", f"{STRANGER}/../{str(system.nginx)[11:]}/bin/nginx")


@case
def through_a_stranger_link(system: System) -> str:
    system.toy.fill(STRANGER, Link(str(system.nginx)))
    return system.link("/usr/bin/x", f"{STRANGER}/bin/nginx")


def is_refused(system: System, link: str) -> None:
    done = system.bind()
    assert done.status == 0, done.messages
    lines = done.output.splitlines()
    assert f"aggregator {system.nginx}/bin/nginx nix:/nginx/bin/nginx" in lines
    assert f"aggregator {system.farm}/bin/own nix:/nginx/bin/nginx" in lines
    assert not [line for line in lines if f" {link} " in line], done.output
    assert f"warning: {link}: leads " in done.messages
    assert ": skipped" in done.messages
    assert find_program(system.toy.contents, link) is None
    done = system.bind("--all-programs")
    assert f" {link} " not in done.output
    assert f"warning: {link}: leads " in done.messages


@pytest.mark.parametrize("name", CASES)
def test_what_others_may_turn_elsewhere_is_reported_and_not_bound(system: System, name: str) -> None:
    is_refused(system, CASES[name](system))


@as_root
@pytest.mark.parametrize("name", GIVEN)
def test_what_belongs_to_another_is_reported_and_not_bound(system: System, name: str) -> None:
    is_refused(system, GIVEN[name](system))


@pytest.mark.parametrize("name", CASES)
def test_compile_says_so_as_well(system: System, name: str) -> None:
    link = CASES[name](system)
    done = system.run("compile", system.source(), "-o", str(system.folder / "set"))
    assert done.status == 0, done.messages
    assert f"warning: {link}: leads " in done.messages
    assert f" {link} " not in (system.folder / "set/bindings.conf").read_text()


@pytest.mark.parametrize("path", ["/etc/app/x", "/usr/bin/x", "/bin/x", "/etc/a/b/c/x"])
def test_what_only_root_may_change_is_bound(system: System, path: str) -> None:
    system.good(path)
    done = system.bind()
    assert (done.status, done.messages) == (0, "")
    assert f"aggregator {path} nix:/nginx/bin/nginx" in done.output.splitlines()


@as_root
def test_a_tree_is_its_owners(system: System) -> None:
    """Of a checkout, a developer's, all of which belongs to the developer."""
    system.good("/etc/app/x")
    for folder, folders, files in os.walk(system.toy.root):
        for name in ("", *folders, *files):
            os.chown(os.path.join(folder, name), USER, USER, follow_symlinks=False)
    done = system.bind()
    assert (done.status, done.messages) == (0, "")
    assert "aggregator /etc/app/x nix:/nginx/bin/nginx" in done.output.splitlines()
    os.chown(system.place("/etc/app"), USER + 1, USER)
    is_refused(system, "/etc/app/x")


def test_a_tree_is_its_groups_too(system: System) -> None:
    """As with umask 002: who may write to the root may put anything below it."""
    system.good("/etc/app/x")
    for path in ("", "/etc", "/etc/app"):
        system.mode(path, 0o775)
    assert system.bind().messages == ""
    system.mode("/etc/app", 0o777)
    is_refused(system, "/etc/app/x")


def test_a_link_of_others_to_nothing_of_ours_is_none_of_our_business(system: System) -> None:
    system.mode("/", 0o755)
    system.toy.make("/etc/app/real", Program())
    system.link("/etc/app/x", "real")
    system.link("/etc/app/y", "/nowhere")
    system.link("/etc/app/z", f"{system.farm}/bin/own/not/there")
    system.mode("/etc/app", 0o777)
    assert system.bind().messages == ""


def test_links_that_are_only_declared_need_good_directories(system: System) -> None:
    target = f"{system.nginx}/bin/nginx"
    system.link("/bin/sh", "/nowhere")
    system.toy.make("/opt/app", None)
    links = ("--link", f"/bin/sh={target}", "--link", f"/opt/app/x={target}", "--link", f"/new/place/x={target}")
    done = system.bind(*links)
    assert done.messages == ""
    for path in ("/bin/sh", "/opt/app/x", "/new/place/x"):
        assert f"aggregator {path} nix:/nginx/bin/nginx" in done.output.splitlines()
    system.mode("/opt/app", 0o777)
    done = system.bind(*links)
    assert " /opt/app/x " not in done.output
    assert "warning: /opt/app/x: leads " in done.messages


def test_a_directory_that_others_fill_costs_little(system: System) -> None:
    """Neither a million names nor a depth that no recursion bears; what is not looked at is said."""
    for number in range(1500):
        system.good(f"/etc/app/{number:04}")
    system.mode("/etc/app", 0o777)
    system.toy.make("/etc/deep", None)
    system.mode("/etc/deep", 0o777)
    folder = os.open(system.place("/etc/deep"), os.O_RDONLY)
    for _ in range(2500):  # longer in the end than a path may be
        os.mkdir("d", dir_fd=folder)
        os.symlink(f"{system.nginx}/bin/nginx", "x", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    os.close(folder)
    found = find_program_paths(system.toy.contents)
    subprocess.run(["rm", "-r", system.place("/etc/deep")], check=True)  # pytest itself would recurse
    assert not [way for way in found.paths if way.executed.startswith("/etc")]
    unsafe = [report for report in found.reports if report.unsafe]
    assert len(unsafe) <= 1002
    assert any("more than is looked at" in report.reason for report in unsafe)


# What else is taken from a system


def test_wrappers_are_bound_only_where_root_alone_makes_them(system: System) -> None:
    policy = system.folder / "domain_policy.conf"
    policy.write_text("<kernel> nix:/wrappers/sudo\nfile read @nix:/wrappers/su\n")
    line = "aggregator /run/wrappers/wrappers.\\*/sudo nix:/wrappers/sudo"
    assert line in system.bind().output  # made at boot, it is not there as yet
    system.toy.make("/run/wrappers/wrappers.0123456789/sudo", Program())
    assert line in system.bind().output
    system.mode("/run/wrappers", 0o777)
    done = system.bind()
    assert (done.status, done.output) == (1, "")
    assert "others than root may change" in done.messages
    assert find_program_paths(system.toy.contents).wrappers == ()


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/tmp/x", "others than root"),
        (f"{STRANGER}/bin/x", "no program of the closure"),
        ("/usr/bin/x", "no program of the closure"),
    ],
)
def test_no_manager_is_what_a_link_of_others_leads_to(system: System, target: str, said: str) -> None:
    """The manager list holds real paths, so the link's end would be one that may change policy."""
    system.toy.make("/usr/bin/x", Program())
    system.toy.fill(STRANGER, {"bin/x": Program()})
    system.good("/tmp/x")
    system.link(f"{system.farm}/bin/x", target)
    use = Use("<kernel>", Role.MANAGER, "nix:/farm/bin/x")
    found = bind([use], system.toy.names, system.toy.tree)
    assert found.managers == ()
    assert found.errors[0].diagnostic.code in ("unsafe-place", "not-executable")
    assert said in found.errors[0].diagnostic.message


def test_learned_words_through_such_places_stay_as_they_are(system: System) -> None:
    system.good("/etc/app/x")
    policy = system.folder / "learned.conf"
    policy.write_text("<kernel> /etc/app/x\nuse_profile 1\nfile execute /etc/app/x\n")
    assert "<kernel> nix:/nginx/bin/nginx" in system.run("name", str(policy)).output
    system.mode("/etc/app", 0o777)
    done = system.run("name", str(policy))
    assert "<kernel> /etc/app/x" in done.output
    assert "others than root may change" in done.messages


def test_the_boot_loader_runs_nothing_of_others(system: System) -> None:
    system.good("/tmp/sh")
    system.link(f"{system.farm}/bin/sh", "/tmp/sh")
    done = system.run("compile", system.source(), "--check", "--boot-shell", "nix:/farm/bin/sh")
    assert done.status == 2
    assert "boot loader: " in done.messages
    assert "others than root" in done.messages

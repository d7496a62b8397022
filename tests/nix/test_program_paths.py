"""ProgramPaths in: which names execute which program."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from tomoyo.nix.names.program_paths import ProgramPaths, Script, Wrapper, find_program, find_program_paths
from tomoyo.nix.store.contents import NodeType, Report, read_contents
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.executables import Kind
from tomoyo.nix.store.paths import StoreFile, StorePath, parse_store_path
from tomoyo.nix.store.tree import Tree

from .nixstore import NixStore
from .toystore import LIBRARY, Link, Program, ToyStore


@pytest.fixture
def toy(tmp_path: Path) -> ToyStore:
    return ToyStore(tmp_path)


def programs(program_paths: ProgramPaths) -> dict[str, str]:
    """Executed name to the program that it means."""
    found = {way.executed: str(way.program) for way in program_paths.paths}
    assert len(found) == len(program_paths.paths), "each name once"
    return found


def reasons(program_paths: ProgramPaths) -> dict[str, str]:
    return {report.place: report.reason for report in program_paths.reports}


# A real system


@pytest.fixture(scope="module")
def rooted(nix_store: NixStore, system: dict[str, str]) -> Tree:
    """The real system with what activation puts beside the store."""
    links = {
        "/run/current-system": system["toplevel"],
        "/etc": None,
        "/etc/static": f"{system['etc']}/etc",
        "/etc/profiles": "static/profiles",
        "/etc/hosts": "/etc/static/hosts",
        "/bin": None,
        "/bin/sh": f"{system['bash']}/bin/sh",
        "/usr/bin": None,
        "/usr/bin/ls": "../../run/current-system/sw/bin/ls",
        "/home/alice": None,
        "/home/alice/.nix-profile": system["user-environment"],
    }
    for path, target in links.items():
        place = nix_store.inside(path)
        if target is None:
            place.mkdir(parents=True, exist_ok=True)
        elif not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
    return Tree(str(nix_store.root))


@pytest.fixture(scope="module")
def program_paths(nix_store: NixStore, system: dict[str, str], rooted: Tree) -> ProgramPaths:
    closure = StoreDatabase(str(nix_store.database)).closure([parse_store_path(system["toplevel"])])
    return find_program_paths(read_contents(closure.paths, rooted))


def test_links_between_packages_are_ways_to_the_package_they_enter(program_paths: ProgramPaths, system: dict[str, str]) -> None:
    found = programs(program_paths)
    profile, coreutils, bash = system["system-path"], system["coreutils"], system["bash"]
    assert found[f"{profile}/bin/ls"] == f"{coreutils}/bin/ls"
    assert found[f"{coreutils}/bin/ls"] == f"{coreutils}/bin/ls"
    assert found[f"{coreutils}/bin/sideways"] == f"{coreutils}/bin/sideways"
    assert found[f"{profile}/bin/sh"] == found["/bin/sh"] == f"{bash}/bin/sh"
    assert found["/usr/bin/ls"] == f"{coreutils}/bin/ls"
    assert found[f"{system['systemd']}/bin/init"] == f"{system['systemd']}/bin/init"
    assert found[f"{system['busybox']}/libexec/applets/wget"] == f"{system['busybox']}/libexec/applets/wget"
    assert found[f"{profile}/bin/openssl"] == f"{system['openssl_3']}/bin/openssl"
    assert found[f"{system['init-link']}"] == system["init-script"]
    assert found[f"{system['toplevel']}/init"] == system["init-script"]
    assert found[f"{system['etc']}/etc/dispatcher.d/up"] == system["init-script"]


def test_links_to_directories_are_no_ways(program_paths: ProgramPaths, system: dict[str, str]) -> None:
    found = programs(program_paths)
    assert f"{system['coreutils']}/sbin/ls" not in found
    assert not any(name.startswith((system["user-environment"], "/run", "/home")) for name in found)


def test_what_is_no_program_has_no_way(program_paths: ProgramPaths, system: dict[str, str]) -> None:
    found = programs(program_paths)
    assert system["etc-hosts"] not in found
    assert "/etc/hosts" not in found


def test_every_way_is_what_execve_would_show(program_paths: ProgramPaths, rooted: Tree) -> None:
    """By what the machine's own functions say, not ours."""
    for way in program_paths.paths:
        outside = f"{rooted.root}{way.executed}"
        parent, name = os.path.split(outside)
        assert os.path.realpath(parent) == parent, "no symlink before the last component"
        assert os.path.lexists(outside)
        assert name


def test_every_executable_file_and_link_is_a_way(
    program_paths: ProgramPaths, nix_store: NixStore, system: dict[str, str]
) -> None:
    found = programs(program_paths)
    for path in nix_store.requisites(system["toplevel"]):
        outside = nix_store.inside(path)
        for file in [outside, *outside.rglob("*")]:
            if file.is_file() and not file.is_symlink() and os.access(file, os.X_OK):
                assert f"/{file.relative_to(nix_store.root)}" in found


def test_scripts_tell_what_the_kernel_reads(program_paths: ProgramPaths, system: dict[str, str]) -> None:
    bash, firefox = parse_store_path(system["bash"]), parse_store_path(system["firefox"])
    init = parse_store_path(system["init-script"])
    assert program_paths.scripts == tuple(
        sorted(
            [
                Script(StoreFile(firefox, "/bin/firefox"), f"{bash}/bin/sh", f"{bash}/bin/bash"),
                Script(StoreFile(init, ""), "/usr/bin/env", None),
            ],
            key=lambda script: script.script,
        )
    )
    kinds = {way.executed: way.kind for way in program_paths.paths}
    assert kinds[f"{system['system-path']}/bin/firefox"] is Kind.SCRIPT
    assert kinds[f"{firefox}/bin/.firefox-wrapped"] is Kind.PROGRAM


def test_systemd_starts_its_executor_by_descriptor(program_paths: ProgramPaths, system: dict[str, str]) -> None:
    assert program_paths.by_descriptor == (StoreFile(parse_store_path(system["systemd"]), "/lib/systemd/systemd-executor"),)


def test_asking_for_some_programs_gives_their_ways_and_opens_nothing_else(
    program_paths: ProgramPaths, nix_store: NixStore, system: dict[str, str], rooted: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    closure = StoreDatabase(str(nix_store.database)).closure([parse_store_path(system["toplevel"])])
    wanted = {
        StoreFile(parse_store_path(system["coreutils"]), "/bin/ls"),
        StoreFile(parse_store_path(system["firefox"]), "/bin/firefox"),
    }
    opened = []
    real_open = os.open

    def watched(path: str, *arguments: int) -> int:
        opened.append(os.fsdecode(path).removeprefix(rooted.root))
        return real_open(path, *arguments)

    monkeypatch.setattr(os, "open", watched)
    some = find_program_paths(read_contents(closure.paths, rooted), programs=wanted)
    monkeypatch.undo()
    assert some.paths == tuple(way for way in program_paths.paths if way.program in wanted)
    assert [script.script.file for script in some.scripts] == ["/bin/firefox"]
    assert sorted(set(opened)) == sorted([f"{system['coreutils']}/bin/coreutils", f"{system['firefox']}/bin/firefox"])


# Hand-made


def test_loops_and_dangling_links_are_reported_and_skipped(toy: ToyStore) -> None:
    path = toy.add(
        "farm",
        {
            "bin/self": Link("self"),
            "bin/ping": Link("../bin/pong"),
            "bin/pong": Link("ping"),
            "bin/gone": Link("nothing"),
            "bin/far": Link("/nowhere/at/all"),
            "bin/through-file": Link("x/y"),
            "bin/empty-dir": Link(".."),
            "bin/x": Program(),
        },
    )
    for number in range(45):
        toy.make(f"{path}/chain/{number:02}", Link(f"{number + 1:02}" if number < 44 else "../bin/x"))
    found = find_program_paths(toy.contents)
    chain = {f"{path}/chain/{number:02}" for number in range(45)}
    assert set(programs(found)) == {f"{path}/bin/x", *sorted(chain)[5:]}
    assert set(reasons(found)) == {
        *(f"{path}/bin/{name}" for name in ("self", "ping", "pong", "gone", "far", "through-file")),
        *sorted(chain)[:5],
    }
    assert "loop" in reasons(found)[f"{path}/bin/self"]
    assert "does not exist" in reasons(found)[f"{path}/bin/gone"]


def test_the_chain_is_as_long_as_the_kernel_follows(toy: ToyStore) -> None:
    """The same chain, asked of the machine's own kernel."""
    path = toy.add("farm", {"x": Program()})
    for number in range(45):
        toy.make(f"{path}/{number:02}", Link(f"{number + 1:02}" if number < 44 else "x"))
    found = programs(find_program_paths(toy.contents))
    for number in range(45):
        assert (f"{path}/{number:02}" in found) == is_followed(f"{toy.root}{path}/{number:02}"), number


def is_followed(path: str) -> bool:
    """Whether the kernel follows PATH's symlinks, asked again where it says that they are too many.

    Where something is mounted meanwhile, the kernel looks a path up a second time and counts on from the links of the first:
    more than 20 may then be too many by chance, which more than 40 always are.
    """
    for _ in range(100):
        try:
            os.stat(path)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        else:
            return True
    return False


def test_a_link_out_of_the_closure_is_no_way(toy: ToyStore) -> None:
    stranger = StorePath("z" * 32, "nginx-1")
    toy.fill(stranger, {"bin/nginx": Program(), "bin/back": Link("/nix/store/" + "b" * 32 + "-own/bin/x")})
    farm = toy.add("farm", {"bin/nginx": Link(f"{stranger}/bin/nginx"), "bin/back": Link(f"{stranger}/bin/back")})
    own = toy.add("own", {"bin/x": Program()})
    found = find_program_paths(toy.contents)
    assert programs(found) == {f"{own}/bin/x": f"{own}/bin/x"}
    assert all("out of the closure" in reason for reason in reasons(found).values())
    assert set(reasons(found)) == {f"{farm}/bin/nginx", f"{farm}/bin/back"}


def test_a_link_through_a_place_that_others_may_change_is_no_way(toy: ToyStore) -> None:
    own = toy.add("own", {"bin/x": Program()})
    toy.make("/home/mallory/x", Link(f"{own}/bin/x"))
    toy.make("/tmp/x", Link(f"{own}/bin/x"))
    toy.make("/usr/bin/by-home", Link("/home/mallory/x"))
    toy.make("/usr/bin/by-tmp", Link("../../tmp/x"))
    toy.make("/usr/bin/good", Link(f"{own}/bin/x"))
    toy.make("/home/mallory/bin", Link(f"{own}/bin"))
    toy.make("/usr/bin/by-directory", Link("/home/mallory/bin/x"))
    farm = toy.add("farm", {"bin/x": Link("/tmp/x"), "bin/y": Link("/usr/bin/good")})
    found = find_program_paths(toy.contents)
    assert set(programs(found)) == {f"{own}/bin/x", "/usr/bin/good", f"{farm}/bin/y"}
    assert "others than root" in reasons(found)[f"{farm}/bin/x"]


def test_hostile_file_names_are_ways_like_others(toy: ToyStore) -> None:
    names = ["new\nline", "space bar", "\udcff\udcfe", "\\*", "nix:", "\x1b[2J", "-rf", "é", "a" * 255]
    own = toy.add("own", {f"bin/{name}": Program() for name in names})
    farm = toy.add("farm", {f"bin/{name}": Link(f"{own}/bin/{name}") for name in names})
    found = programs(find_program_paths(toy.contents))
    assert found == {f"{path}/bin/{name}": f"{own}/bin/{name}" for path in (own, farm) for name in names}


def test_what_is_neither_file_nor_link_is_left_alone(toy: ToyStore) -> None:
    own = toy.add("own", {"bin/x": Program(), "bin/to-pipe": Link("pipe")})
    os.mkfifo(f"{toy.root}{own}/bin/pipe", 0o777)
    contents = toy.contents
    assert contents.node(StoreFile(own, "/bin/pipe")) is NodeType.OTHER
    assert set(programs(find_program_paths(contents))) == {f"{own}/bin/x"}


def test_missing_and_odd_store_paths(toy: ToyStore) -> None:
    gone = toy.path("gone-1")
    single = toy.add("single", Program())
    alias = toy.add("alias", Link(str(single)))
    looped = toy.add("looped", Link("/nix/store/" + "d" * 32 + "-looped"))
    found = find_program_paths(toy.contents)
    assert programs(found) == {str(single): str(single), str(alias): str(single)}
    assert Report(str(gone), "does not exist") in found.reports
    assert str(looped) in reasons(found)


def test_kinds_are_told_apart(toy: ToyStore) -> None:
    own = toy.add(
        "own",
        {
            "elf": Program(),
            "lib.so": Program(LIBRARY),
            "script": Program(b"#!/bin/sh -e\n"),
            "text": Program(b"echo hello\n"),
            "empty": Program(b""),
            "plain": "#!/bin/sh\n",
        },
    )
    kinds = {way.executed: way.kind for way in find_program_paths(toy.contents).paths}
    assert kinds == {
        f"{own}/elf": Kind.PROGRAM,
        f"{own}/lib.so": Kind.LIBRARY,
        f"{own}/script": Kind.SCRIPT,
        f"{own}/text": Kind.OTHER,
        f"{own}/empty": Kind.OTHER,
    }


def test_wrappers_are_found_in_their_random_directory(toy: ToyStore) -> None:
    for name in ("wrappers.aB3xYz0123/sudo", "wrappers.aB3xYz0123/su", "wrappers.other/ping", "elsewhere/mount"):
        toy.make(f"/run/wrappers/{name}", Program())
    toy.make("/run/wrappers/wrappers.aB3xYz0123/sudo.real", "not executable")
    toy.make("/run/wrappers/bin", Link("wrappers.aB3xYz0123"))
    assert find_program_paths(toy.contents).wrappers == (
        Wrapper("su", "/run/wrappers/wrappers.aB3xYz0123/su"),
        Wrapper("sudo", "/run/wrappers/wrappers.aB3xYz0123/sudo"),
    )


def test_links_that_a_system_will_have(toy: ToyStore) -> None:
    own = toy.add("bash-5", {"bin/bash": Program(), "bin/sh": Link("bash")})
    toy.make("/bin/sh", Link("/nix/store/" + "z" * 32 + "-bash-4/bin/sh"))
    links = {"/bin/sh": f"{own}/bin/sh", "/usr/bin/env": "/nowhere", "/opt/sh": "/bin/sh"}
    found = find_program_paths(toy.contents, links=links)
    assert {way: program for way, program in programs(found).items() if not way.startswith("/nix")} == {
        "/bin/sh": f"{own}/bin/sh",
        "/opt/sh": f"{own}/bin/sh",
    }
    assert set(reasons(found)) == {"/usr/bin/env"}
    assert "/bin/sh" not in programs(find_program_paths(toy.contents))


def test_one_program_can_be_asked_about(toy: ToyStore) -> None:
    own = toy.add("own", {"bin/x": Program(), "bin/y": Link("x"), "readme": "text"})
    farm = toy.add("farm", {"bin/y": Link(f"{own}/bin/y"), "bin/readme": Link(f"{own}/readme")})
    assert find_program(toy.contents, f"{farm}/bin/y") == StoreFile(own, "/bin/y")
    assert find_program(toy.contents, f"{farm}/bin/readme") is None
    assert find_program(toy.contents, f"{farm}/bin/nothing") is None


def test_contents_know_each_place(toy: ToyStore) -> None:
    own = toy.add("own", {"lib/b.so": "b", "lib/a b": "a", "lib/sub": None, "lib/link": Link("b.so"), "libx": ""})
    contents = toy.contents
    assert contents.node(StoreFile(own, "")) is contents.node(StoreFile(own, "/lib")) is NodeType.DIRECTORY
    assert contents.node(StoreFile(own, "/lib/b.so")) is NodeType.FILE
    assert contents.node(StoreFile(own, "/lib/link")) == "b.so"
    assert contents.node(StoreFile(own, "/lib/none")) is None
    assert contents.words(own, "/lib/") == [
        ("/lib/", "/lib"),
        ("/lib/a\\040b", "/lib/a b"),
        ("/lib/b.so", "/lib/b.so"),
        ("/lib/link", "/lib/link"),
        ("/lib/sub/", "/lib/sub"),
    ]
    assert [word for word, _ in contents.words(own, "")][:3] == ["/", "/lib/", "/lib/a\\040b"]
    assert contents.words(own, "/libx") == [("/libx", "/libx")]
    assert contents.words(own, "/m") == []
    assert contents.executable(StoreFile(own, "/lib/b.so")) is None
    assert contents.store_file(f"{own}/lib/x") == StoreFile(own, "/lib/x")
    assert contents.store_file("/nix/store") is contents.store_file("/etc/x") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run as somebody else")
def test_unreadable_places_are_reported() -> None:
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory(prefix="tomoyo-nix-") as folder:
        os.chmod(folder, 0o755)
        toy = ToyStore(Path(folder))
        own = toy.add("own", {"secret/x": Program(), "locked": Program(), "bin/x": Program()})
        os.chmod(f"{folder}{own}/secret", 0o700)
        os.chmod(f"{folder}{own}/locked", 0o711)
        os.seteuid(65534)
        try:
            found = find_program_paths(toy.contents)
        finally:
            os.seteuid(0)
    assert reasons(found) == {f"{own}/secret": "Permission denied", f"{own}/locked": "not looked into: Permission denied"}
    # It can be executed, so it is a way all the same.
    assert set(programs(found)) == {f"{own}/bin/x", f"{own}/locked"}

"""Program paths, asked of a real kernel: a system built by Nix, executed in every way there is."""

from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from tests.nix.conftest import nix_store, system
from tests.nix.nixstore import NixStore
from tomoyo.decision.matching import matches
from tomoyo.nix.names.binder import DESCRIPTOR_PATTERN, bind
from tomoyo.nix.names.bindings import Programs
from tomoyo.nix.names.name_uses import policy_uses
from tomoyo.nix.names.names import NameTable, encode_file
from tomoyo.nix.names.program_paths import ProgramPaths, find_program_paths
from tomoyo.nix.store.contents import read_contents
from tomoyo.nix.store.database import StoreDatabase
from tomoyo.nix.store.paths import parse_store_path
from tomoyo.nix.store.tree import Tree
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.formatting import format_exception_policy

from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release", "nix_store", "system"]

#: File names that no honest package has.
HOSTILE = """
{
  hostile = script "hostile-1" ''
    mkdir -p $out/bin
    for name in 'new
    line' 'sp ace' 'back\\slash' 'star*' '-rf' "$(printf '\\377')"; do cp /bin/true "$out/bin/$name"; done
  '' { };
}
"""
WRAPPERS = "/run/wrappers/wrappers.aB3xYz0123"
EXECUTOR = "nix:/systemd/lib/systemd/systemd-executor"


def links(system: dict[str, str]) -> dict[str, str]:
    """What activation puts beside the store.  No link of the guest's own is replaced, but for /etc/hosts."""
    return {
        "/run/current-system": system["toplevel"],
        "/etc/static": f"{system['etc']}/etc",
        "/etc/profiles/per-user": "/etc/static/profiles/per-user",
        "/etc/dispatcher.d/up": "/etc/static/dispatcher.d/up",
        "/usr/sbin/nix-sh": f"{system['bash']}/bin/sh",
        "/usr/bin/nix-ls": "../../run/current-system/sw/bin/ls",
        "/usr/bin/nix-loop": "nix-loop",
        "/run/wrappers/bin": WRAPPERS,
        "/root/.nix-profile": system["user-environment"],
    }


def ways_from_outside(nix_store: NixStore, system: dict[str, str]) -> list[str]:
    """Paths that people execute, links and all."""
    profile = os.listdir(nix_store.inside(f"{system['system-path']}/bin"))
    return [
        *(f"/run/current-system/sw/bin/{name}" for name in sorted(profile)),
        *(f"/run/../run/current-system/sw/./bin//{name}" for name in sorted(profile)[:2]),
        "/run/current-system/systemd/lib/systemd/systemd",
        "/run/current-system/systemd/bin/init",
        "/etc/profiles/per-user/alice/bin/openssl",
        "/root/.nix-profile/bin/openssl",
        "/etc/dispatcher.d/up",
        f"{system['coreutils']}/sbin/ls",
        f"{system['toplevel']}/init",
        f"{system['toplevel']}/etc/profiles/per-user/alice/bin/openssl",
    ]


def kernel_view(path: str, root: str) -> str:
    """PATH as we say that the kernel shows it: parents followed, the name itself not."""
    return Tree(root).entry(path).path


@pytest.fixture(scope="module")
def found(nix_store: NixStore, system: dict[str, str]) -> tuple[NameTable, Tree, ProgramPaths]:
    """The names, tree and ways of the system, as a folder of this machine."""
    for path, target in links(system).items():
        place = nix_store.inside(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_symlink():
            place.symlink_to(target)
    wrapper = nix_store.inside(f"{WRAPPERS}/sudo")
    wrapper.parent.mkdir(exist_ok=True)
    shutil.copy("/bin/true", wrapper)
    roots = [parse_store_path(path) for path in (system["toplevel"], nix_store.build(HOSTILE)["hostile"])]
    names = NameTable(StoreDatabase(str(nix_store.database)).closure(roots))
    tree = Tree(str(nix_store.root))
    return names, tree, find_program_paths(read_contents(names.paths, tree))


def ask(
    kernel: Kernel, nix_store: NixStore, system: dict[str, str], exceptions: str, paths: list[str], descriptors: list[str]
) -> list[str]:
    """What the kernel calls PATHS, then DESCRIPTORS, when they are executed."""
    script = {
        "mounts": {str(nix_store.inside("/nix")): "/nix"},
        "links": links(system),
        "copies": {f"{WRAPPERS}/sudo": "/bin/true"},
        "exceptions": exceptions,
        "paths": paths,
        "descriptors": descriptors,
    }
    result = machine.run(kernel, "executing", files={"script.json": json.dumps(script).encode()})
    answers: list[str] = json.loads(result.files["answers.json"])
    return answers


def test_the_kernel_sees_each_way_as_found(
    kernel: Kernel, nix_store: NixStore, system: dict[str, str], found: tuple[NameTable, Tree, ProgramPaths]
) -> None:
    _, tree, ways = found
    direct = [way.executed for way in ways.paths]
    outside = ways_from_outside(nix_store, system)
    executor = f"{system['systemd']}/lib/systemd/systemd-executor"
    paths = [*direct, *outside]
    *answers, wrapper, by_descriptor = ask(kernel, nix_store, system, "", [*paths, "/run/wrappers/bin/sudo"], [executor])
    expected = [encode_file(path) for path in direct]
    expected += [encode_file(kernel_view(path, tree.root)) for path in outside]
    assert dict(zip(paths, answers)) == dict(zip(paths, expected))
    # Nothing that people execute is missed.
    assert set(expected) <= set(map(encode_file, direct))
    assert wrapper == ways.wrappers[0].executed == f"{WRAPPERS}/sudo"
    # Neither the program nor any link: only the number of the descriptor.
    assert re.fullmatch("proc:/self/fd/[0-9]+", by_descriptor)
    assert matches(DESCRIPTOR_PATTERN, by_descriptor)


def test_bound_programs_run_in_domains_of_their_names(
    kernel: Kernel, nix_store: NixStore, system: dict[str, str], found: tuple[NameTable, Tree, ProgramPaths]
) -> None:
    names, tree, ways = found
    uses = policy_uses(parse_domain_policy(f"<kernel> {EXECUTOR}\n"))
    bindings = bind(uses, names, tree, programs=Programs.ALL)
    meant = {way.executed: str(names.name(way.program)) for way in ways.paths}
    paths = [*meant, *ways_from_outside(nix_store, system)]
    executor = f"{system['systemd']}/lib/systemd/systemd-executor"
    lines = format_exception_policy(bindings.policy)
    *answers, wrapper, by_descriptor = ask(kernel, nix_store, system, lines, [*paths, "/run/wrappers/bin/sudo"], [executor])
    assert dict(zip(paths, answers)) == {path: meant[kernel_view(path, tree.root)] for path in paths}
    assert wrapper == "nix:/wrappers/sudo"
    assert by_descriptor == EXECUTOR

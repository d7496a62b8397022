"""The policy library's modules for desktops, each alone beside `base`: a real client of D-Bus, and fontconfig's fc-list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System, unpacked

__all__ = ["kernel", "kernel_release"]

DOMAINS = """\
<kernel> nix:/dbus/bin/dbus-send
use_profile 3
use_group base
use_group dbus-client
<kernel> nix:/fontconfig^bin/bin/fc-list
use_profile 3
use_group base
use_group fonts
# Where this build looks for files that nixpkgs' finds in its package.
file read/getattr /usr/share/fontconfig/conf.avail/
file read/getattr /usr/share/fontconfig/conf.avail/\\*.conf
"""
EXCEPTIONS = """\
initialize_domain nix:/dbus/bin/dbus-send from any
initialize_domain nix:/fontconfig^bin/bin/fc-list from any
"""
#: As nixpkgs' fontconfig has it.
MAIN = """\
<?xml version='1.0'?>
<!DOCTYPE fontconfig SYSTEM 'urn:fontconfig:fonts.dtd'>
<fontconfig>
  <dir prefix="xdg">fonts</dir>
  <include ignore_missing="yes">/etc/fonts/conf.d</include>
  <cachedir>/var/cache/fontconfig</cachedir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
#: As NixOS writes it.
CACHE = """\
<?xml version='1.0'?>
<!DOCTYPE fontconfig SYSTEM 'urn:fontconfig:fonts.dtd'>
<fontconfig><dir>FONTS</dir><cachedir>KNOWN</cachedir></fontconfig>
"""


def desktop_system(folder: Path) -> System:
    """A system with fonts and D-Bus."""
    system = System(folder, libraries=("libdbus-1-3", "libapparmor1", "libexpat1", "libfontconfig1", "libfreetype6"))
    programs = {"dbus-send": unpacked("dbus-bin"), "dbus-daemon": unpacked("dbus-daemon")}
    system.add("dbus-1.14.10", {f"bin/{name}": files / "usr/bin" / name for name, files in programs.items()})
    system.add(
        "fontconfig-2.14.1-bin", {f"bin/{name}": unpacked("fontconfig") / "usr/bin" / name for name in ("fc-list", "fc-cache")}
    )
    fonts = unpacked("fonts-dejavu-core") / "usr/share/fonts/truetype/dejavu"
    files = {f"share/fonts/truetype/{path.name}": path for path in fonts.glob("DejaVuSans*.ttf")}
    package = system.add("dejavu-fonts-2.37", files)
    known = system.add("fc-cache", {"CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n"})
    settings = unpacked("fontconfig-config") / "usr/share/fontconfig/conf.avail"
    names = ("10-scale-bitmap-fonts.conf", "49-sansserif.conf")
    shared = {f"share/fontconfig/conf.avail/{name}": settings / name for name in names}
    config = system.add("fontconfig-2.14.1", {"etc/fonts/fonts.conf": MAIN, **shared})
    cache = system.add("fc-00-nixos-cache.conf", CACHE.replace("FONTS", package).replace("KNOWN", known))
    # /etc/fonts is one link, to a folder of links.
    etc = system.add("fontconfig-etc", {"etc/fonts/empty": ""})
    place = system.inside(f"{etc}/etc/fonts")
    (place / "conf.d").mkdir()
    (place / "fonts.conf").symlink_to(f"{config}/etc/fonts/fonts.conf")
    (place / "conf.d/00-nixos-cache.conf").symlink_to(cache)
    for name in names:
        (place / "conf.d" / name).symlink_to(f"{config}/share/fontconfig/conf.avail/{name}")
    system.etc["fonts"] = f"{etc}/etc/fonts"
    system.state["passwd"] += "alice:x:1000:100::/home/alice:/bin/sh\nmessagebus:x:4:4::/run/dbus:/bin/sh\n"
    system.state["group"] += "users:x:100:\nmessagebus:x:4:\n"
    system.state["machine-id"] = "0123456789abcdef0123456789abcdef\n"
    system.write()
    return system


@pytest.fixture(scope="module")
def answers(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the job found out, all enforced."""
    folder = tmp_path_factory.mktemp("desktop")
    system = desktop_system(folder / "system")
    source = library_layout.source(folder / "source", {"domains/desktop.conf": DOMAINS, "exceptions/desktop.conf": EXCEPTIONS})
    files = library_layout.guest_files(system.compiled(source, {}).policy, folder / "set")
    result = machine.run(kernel, "desktop", arguments=[str(system.root)], files=files, loader="/run/set/boot")
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


def test_a_client_speaks_over_both_buses(answers: dict[str, Any]) -> None:
    for bus in ("system", "session"):
        assert answers[bus]["status"] == 0, answers[bus]
        assert 'string "org.freedesktop.DBus"' in answers[bus]["output"]


def test_fonts_are_found(answers: dict[str, Any]) -> None:
    assert (answers["fonts"]["status"], answers["fonts"]["errors"]) == (0, "")
    assert "/share/fonts/truetype/DejaVuSans-Bold.ttf: DejaVu Sans:style=Bold\n" in answers["fonts"]["output"]


def test_nothing_of_this_is_denied(answers: dict[str, Any]) -> None:
    assert answers["records"] == []


def test_what_the_modules_do_not_have_is_denied(answers: dict[str, Any]) -> None:
    assert {attempt: error for attempt, error in answers["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in answers["allowed"] if error} == {}

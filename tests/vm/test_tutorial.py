"""The tutorial, followed on a small NixOS-like system under a real kernel.

Its configurations are the system's generations, its commands are run as they are written. `nixos-rebuild switch` is the
activation script of the next generation, and `reboot` the boot with the first one.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ..nix.conftest import nix_store
from ..nixos.conftest import root, standin
from ..nixos.evaluation import ROOT, TOP_LEVEL, Evaluator
from . import machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel

__all__ = ["kernel", "kernel_release", "nix_store", "root", "standin"]

TUTORIAL = (ROOT / "docs" / "tutorials" / "confine-a-service.md").read_text()
#: What the machine does for these is the job's business.
SYSTEM_COMMANDS = ("nixos-rebuild switch", "reboot", "nix flake update")
DOMAIN = "<kernel> nix:/nginx/bin/nginx"
#: The stand-in is a script, for which the library's policy has no shell.  Nor has it the Python of the stand-in's `tomoyo`, which
#: lies outside the store, on an overlay, of whose layers the kernel asks, too.
SERVICE = """{
  security.tomoyo.enable = true;
  security.tomoyo.library.tomoyo.extraPolicy = ''
    <kernel> nix:/tomoyo/bin/tomoyo-audit
    file read/getattr /usr/\\{\\*\\}/\\*
    file read/getattr /usr/\\{\\*\\}/
    file ioctl /usr/\\{\\*\\}/\\* 0x5401
    file read/getattr 9p:/\\{\\*\\}/\\*
    file read/getattr 9p:/\\{\\*\\}/
    file read/getattr tmpfs:/\\{\\*\\}/\\*
    file read/getattr tmpfs:/\\{\\*\\}/
  '';
  security.tomoyo.library.nginx.extraPolicy = ''
    <kernel> nix:/nginx/bin/nginx
    file read @nix:/busybox/bin/busybox
  '';
  environment.systemPackages =
    let
      inherit (pkgs) busybox;
      nginx = pkgs.runCommand "nginx-VERSION" { } ''
        mkdir -p $out/bin
        cat > $out/bin/nginx <<END
        #!${busybox}/bin/sh
        while read -r request; do
          answer=VERSION
          ! read -r line < /home/www/site/index.html || answer="\\$answer page"
          ! read -r line < /etc/shadow || answer="\\$answer secret"
          echo "\\$answer"
        done
        END
        sed -i 's/^        //' $out/bin/nginx
        chmod +x $out/bin/nginx
      '';
    in
    [ nginx ];
}"""


def configurations() -> list[str]:
    """The system's generations: what the tutorial shows, added up, with the words between for what it only tells."""
    blocks = re.findall(r"```nix\n(.*?)```", TUTORIAL, re.DOTALL)
    service, extra, hello = (block.replace("services.nginx.enable = true;", "") for block in blocks)
    assert '`security.tomoyo.library.nginx.state = "enforce";`' in TUTORIAL
    enforced = '{ security.tomoyo.library.nginx.state = "enforce"; }'
    older, newer = (SERVICE.replace("VERSION", version) for version in ("1.28.0", "1.28.1"))
    generations = (
        (older, service),
        (older, service, extra),
        (older, service, extra, enforced),
        (newer, service, extra, enforced),
        (newer, service, extra, enforced, hello),
    )
    return [f"{{ imports = [ {' '.join(f'({module})' for module in modules)} ]; }}" for modules in generations]


def commands() -> dict[str, list[str]]:
    """The tutorial's commands for a running system, by the number of their section."""
    found: dict[str, list[str]] = {}
    for number, section in re.findall(r"^## ([0-9]).*\n((?:(?!## ).*\n)*)", TUTORIAL, re.MULTILINE):
        for block in re.findall(r"```console\n(# .*?)```", section, re.DOTALL):
            shown = [line.removeprefix("# ") for line in block.splitlines()]
            found.setdefault(number, []).extend(line for line in shown if line not in SYSTEM_COMMANDS)
    return found


@pytest.fixture(scope="module")
def answers(kernel: Kernel, standin: Evaluator) -> dict[str, Any]:
    """What the job found out."""
    store = standin.store
    tops = [standin.build("nixos", configuration, TOP_LEVEL) for configuration in configurations()]
    paths = [f"/{top.relative_to(store.root)}" for top in tops]
    parameters = dict(re.findall(r"(TOMOYO_[a-z]+)=(\S+)", (tops[0] / "kernel-params").read_text()))
    result = machine.run(
        kernel,
        "tutorial",
        arguments=[str(store.root), parameters["TOMOYO_trigger"], *paths],
        files={"closure": "\n".join(store.requisites(*paths)).encode(), "commands.json": json.dumps(commands()).encode()},
        loader=parameters["TOMOYO_loader"],
        command_line=f"TOMOYO_trigger={parameters['TOMOYO_trigger']}",
    )
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


def test_each_command_is_one_of_ours() -> None:
    found = commands()
    assert {number: len(lines) for number, lines in found.items()} == {"1": 2, "2": 1, "4": 0, "5": 3}
    assert all(line.startswith("tomoyo ") for lines in found.values() for line in lines)


def test_the_service_starts_permissive(answers: dict[str, Any]) -> None:
    assert answers["permissive"] == ["1.28.0 page secret", f"2 {DOMAIN}"]
    status, tree = answers["1"]
    assert re.search(r"^TOMOYO \S+: active$", status, re.MULTILINE)
    assert re.search(r"^processes: [0-9]+ \(.*\b1 permissive\b", status, re.MULTILINE)
    (nginx,) = (line for line in tree.splitlines() if DOMAIN in line)
    assert "permissive" in nginx


def test_what_would_be_denied_is_logged_until_it_is_added(answers: dict[str, Any]) -> None:
    (before,), (after,) = answers["2"], answers["2, again"]
    assert "file read /home/www/site/index.html" in before
    assert "file read /home/www/site/index.html" not in after
    for log in (before, after):
        assert "file read /etc/shadow" in log
        assert DOMAIN in log


def test_it_is_enforced_and_survives_the_upgrade(answers: dict[str, Any]) -> None:
    assert answers["enforced"] == ["1.28.0 page", f"3 {DOMAIN}"]
    assert answers["upgraded"] == ["1.28.0 page", f"3 {DOMAIN}", "1.28.1 page", f"3 {DOMAIN}"]
    assert answers["ends"] == [0, 0]


def test_another_program_is_learned_by_name(answers: dict[str, Any]) -> None:
    selected = answers["5"][-1]
    # A kernel knows the two modules by their numbers alone.
    assert selected.startswith("<kernel> nix:/hello/bin/hello\nuse_profile 1\nuse_group base\nuse_group libraries\n\n")
    assert "file read @nix:/hello/bin/hello\n" in selected
    assert "/nix/store/" not in selected

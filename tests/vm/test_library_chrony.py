"""The policy library's chrony: Debian's chronyd and chronyc as a package of a store, confined by a real kernel.

One chronyd serves the time over NTS, another one takes it from there as NixOS sets it up, and chronyc asks and commands that one.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tomoyo.model.profiles import ServiceState

from . import library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System, unpacked

__all__ = ["kernel", "kernel_release"]

#: As nixpkgs' module writes it, but for the server's name and for how often it is asked.
CLIENT = """\
server localhost iburst nts minpoll 0 maxpoll 0
makestep 0.1 3
driftfile /var/lib/chrony/chrony.drift
keyfile /var/lib/chrony/chrony.keys
rtcfile /var/lib/chrony/chrony.rtc
ntsdumpdir /var/lib/chrony
dumpdir /var/lib/chrony
rtcautotrim 30
rtconutc
leapsectz right/UTC
log tracking measurements
logdir /var/log/chrony
"""
SERVER = """\
local stratum 5
allow 127.0.0.0/8
bindaddress 127.0.0.1
ntsserverkey /var/lib/acme/time/key.pem
ntsservercert /var/lib/acme/time/fullchain.pem
ntsdumpdir /var/lib/chrony
cmdport 0
bindcmdaddress /
pidfile /var/lib/chrony/server.pid
"""
#: What a server has beside what every chronyd may do.
SERVER_POLICY = """\
<kernel> nix:/chrony/bin/chronyd
file read/getattr @nix:/server-chrony.conf
file read/getattr /var/lib/acme/time/\\*.pem
"""


def certificate(folder: Path) -> dict[str, bytes]:
    """A key with its certificate, for the server."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return {name: (folder / name).read_bytes() for name in ("key.pem", "fullchain.pem")}


def chrony_system(folder: Path, authority: bytes) -> System:
    """A system with chrony that trusts AUTHORITY."""
    system = System(folder, libraries=("libseccomp2", "libcap2", "libedit2", "libgnutls30", "libnettle8"))
    files = unpacked("chrony")
    system.add("chrony-4.3", {"bin/chronyd": files / "usr/sbin/chronyd", "bin/chronyc": files / "usr/bin/chronyc"})
    system.add("chrony.conf", CLIENT)
    system.add("server-chrony.conf", SERVER)
    bundle = system.etc["ssl/certs/ca-certificates.crt"]
    system.inside(bundle).write_bytes(authority)
    zones = system.etc["zoneinfo"].removesuffix("/share/zoneinfo")
    leap = Path("/usr/share/zoneinfo/right/Etc/UTC")
    if leap.exists():
        system.inside(f"{zones}/share/zoneinfo/right").mkdir()
        system.inside(f"{zones}/share/zoneinfo/right/UTC").write_bytes(leap.read_bytes())
    system.state["passwd"] += "chrony:x:61:61::/var/lib/chrony:/bin/sh\nnobody:x:65534:65534::/var/empty:/bin/sh\n"
    system.state["group"] += "chrony:x:61:\nnogroup:x:65534:\n"
    system.write()
    return system


@pytest.fixture(scope="module")
def answers(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the job found out, all enforced."""
    folder = tmp_path_factory.mktemp("chrony")
    keys = certificate(folder)
    system = chrony_system(folder / "system", keys["fullchain.pem"])
    source = library_layout.source(folder / "source", {"domains/time.conf": SERVER_POLICY})
    policy = system.compiled(source, {"chrony": ServiceState.ENFORCE}).policy
    files = {**library_layout.guest_files(policy, folder / "set"), **keys}
    result = machine.run(kernel, "chrony", arguments=[str(system.root)], files=files, loader="/run/set/boot")
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


def test_an_enforced_chronyd_serves_and_takes_the_time(answers: dict[str, Any]) -> None:
    assert answers["domains"] == ["3 <kernel> nix:/chrony/bin/chronyd"]
    assert "7F000001 (127.0.0.1)" in answers["tracking"], answers
    assert " NTS " in answers["authentication"]
    assert answers["stopped"] == [0, 0]


def test_chronyd_keeps_what_it_has_learned(answers: dict[str, Any]) -> None:
    assert answers["drift"].split(), answers
    assert {"chrony.drift", "ntskeys", "127.0.0.1.nts", "127.0.0.1.dat"} <= set(answers["kept"])
    assert answers["left"] == []


def test_chronyc_asks_by_both_ways_and_commands_by_one(answers: dict[str, Any]) -> None:
    assert [status for status, _ in answers["commands"].values()] == [0] * len(answers["commands"]), answers["commands"]
    assert "Stratum         : 6" in answers["another user"]


def test_nothing_of_this_is_denied(answers: dict[str, Any]) -> None:
    assert answers["records"] == []


def test_what_they_never_do_is_denied_to_their_domains(answers: dict[str, Any]) -> None:
    assert {attempt: error for attempt, error in answers["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in answers["allowed"] if error} == {}

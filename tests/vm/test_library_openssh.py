"""The policy library's openssh: Debian 13's sshd and its helpers as a package of a store, confined by a real kernel.

That OpenSSH is as nixpkgs has it: sshd, sshd-session and sshd-auth are three programs. Debian 12's, which is one, is tried with
the one line that it needs beside the library's policy.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tomoyo.model.profiles import ServiceState

from . import library_layout, machine
from .fixtures import kernel, kernel_release
from .kernels import Kernel
from .library_layout import System, unpacked_together

__all__ = ["kernel", "kernel_release"]

MASTER = "<kernel> nix:/openssh/bin/sshd"
SESSION = f"{MASTER} nix:/openssh/libexec/sshd-session"
LOGIN = f"{MASTER} /login"

SSHD_CONFIG = """\
AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2 /etc/ssh/authorized_keys.d/%u
HostKey /etc/ssh/ssh_host_ed25519_key
LogLevel INFO
Port 22
PrintMotd no
Subsystem sftp PACKAGE/libexec/sftp-server
UsePAM yes
PidFile /run/sshd.pid
"""
#: Where the helpers are is compiled into nixpkgs' sshd. And the tests look whether it answers, which it takes for an attack.
HELPERS = """\
SshdAuthPath PACKAGE/libexec/sshd-auth
SshdSessionPath PACKAGE/libexec/sshd-session
PerSourcePenalties no
"""
PAM = """\
account required MODULES/pam_unix.so
auth sufficient MODULES/pam_unix.so likeauth try_first_pass
auth required MODULES/pam_deny.so
password sufficient MODULES/pam_unix.so nullok yescrypt
session required MODULES/pam_env.so conffile=/etc/pam/environment readenv=0
session required MODULES/pam_unix.so
session required MODULES/pam_loginuid.so
session required MODULES/pam_limits.so conf=LIMITS
session optional MODULES/pam_motd.so motd=MOTD noupdate
"""
PAM_MODULES = ("unix", "deny", "env", "loginuid", "limits", "motd")
#: The hash of "secret".
HASH = "$6$tomoyotest$XukOQttdwnt7LS/kT.6WtaSCCdBsW1AWfhVbVkUBOvvwzSBvPo3HcJpuXeTvxfl0.FO3FHlVYiKqXMoF3jj01/"


@dataclass(frozen=True)
class Release:
    """A release of Debian.

    openssh: its version of OpenSSH.
    packages: what has its programs, and their libraries.
    policy: what its builds need, and nixpkgs' do not.
    """

    suite: str
    openssh: str
    packages: tuple[str, ...]
    policy: str


LIBRARIES = (
    *("libaudit1", "libc6", "libcap-ng0", "libcap2", "libcom-err2", "libcrypt1", "libgssapi-krb5-2", "libk5crypto3"),
    *("libkeyutils1", "libkrb5-3", "libkrb5support0", "libnsl2", "libpam-modules", "libpam-modules-bin", "libpam0g"),
    *("libpcre2-8-0", "libselinux1", "libsystemd0", "libtinfo6", "libwrap0", "libzstd1", "zlib1g"),
    *("libgcrypt20", "libgpg-error0", "liblz4-1", "liblzma5", "libedit2", "libbsd0", "libmd0"),
)
OPENSSH = ("bash", "openssh-client", "openssh-server", "openssh-sftp-server")
#: wtmpdb is Debian's.
NEW = Release(
    "trixie",
    "10.0p1",
    (*OPENSSH, *LIBRARIES, "libssl3t64", "libtirpc3t64", "libeconf0", "libsqlite3-0", "libwtmpdb0"),
    f"""\
{SESSION}
file read/getattr @nix:/wtmpdb/lib/\\*.so\\*
file getattr @nix:/wtmpdb/lib/
file read/getattr /var/log/
file create /var/log/wtmp.db\\* 0644
file read/write/unlink/getattr /var/log/wtmp.db\\*
file chown/chgrp /var/log/wtmp.db\\* 0
{MASTER} nix:/openssh/libexec/sshd-session nix:/openssh/libexec/sshd-auth
file read/getattr @nix:/wtmpdb/lib/\\*.so\\*
file getattr @nix:/wtmpdb/lib/
""",
)
OLD = Release(
    "bookworm",
    "9.2p1",
    (*OPENSSH, *LIBRARIES, "libssl3", "libtirpc3"),
    f"{MASTER}\nuse_group dbus-client\nuse_group openssh-session\n",
)


def openssh_system(folder: Path, release: Release) -> System:
    """A system with sshd, with the users alice, who may log in, and carol, whose shell is none of those that the policy knows."""
    files = unpacked_together("openssh", release.packages, release.suite)
    system = System(folder, folders=(files,))
    programs = {
        **{f"bin/{name}": files / "usr/bin" / name for name in ("ssh", "ssh-add", "ssh-agent", "ssh-keygen", "scp", "sftp")},
        "bin/sshd": files / "usr/sbin/sshd",
        **{
            f"libexec/{path.name}": path
            for path in (files / "usr/lib/openssh").iterdir()
            if path.name.startswith(("sshd-", "sftp"))
        },
        "etc/ssh/moduli": files / "etc/ssh/moduli",
    }
    package = system.add(f"openssh-{release.openssh}", programs)
    helpers = HELPERS if release is NEW else ""
    system.etc["ssh/sshd_config"] = system.add("sshd.conf-final", (SSHD_CONFIG + helpers).replace("PACKAGE", package))
    system.etc["ssh/moduli"] = f"{package}/etc/ssh/moduli"
    modules = next(path for path in files.rglob("pam_unix.so")).parent
    check = next(path for path in files.rglob("unix_chkpwd") if path.is_file())
    pam = system.add(
        "linux-pam-1.5.2",
        {"bin/unix_chkpwd": check, **{f"lib/security/pam_{name}.so": modules / f"pam_{name}.so" for name in PAM_MODULES}},
    )
    limits = system.add("limits.conf", "* soft nofile 4096\n")
    motd = system.add("motd", "Welcome.\n")
    text = PAM.replace("MODULES", f"{pam}/lib/security").replace("LIMITS", limits).replace("MOTD", motd)
    system.etc["pam.d/sshd"] = system.add("sshd.pam", text)
    system.etc["pam.d/other"] = system.add("other.pam", f"auth required {pam}/lib/security/pam_deny.so\n")
    system.etc["pam/environment"] = system.add("etc-pam-environment", "GREETING DEFAULT=hello\n")
    bash = files / ("usr/bin/bash" if (files / "usr/bin/bash").exists() else "bin/bash")
    shell = system.add("bash-interactive-5.2p37", {"bin/bash": bash})
    other = system.add("othershell-1.0", {"bin/othershell": bash})
    path = system.inside(system.add("system-path", {"share/empty": ""}))
    (path / "bin").mkdir()
    (path / "bin/bash").symlink_to(f"{shell}/bin/bash")
    # Where these builds of PAM look for it.
    (system.root / "usr/sbin").mkdir(parents=True)
    (system.root / "usr/sbin/unix_chkpwd").symlink_to(f"{pam}/bin/unix_chkpwd")
    system.state["passwd"] = (
        "root:x:0:0::/var/empty:/run/current-system/sw/bin/bash\n"
        "alice:x:1000:100::/home/alice:/run/current-system/sw/bin/bash\n"
        f"carol:x:1001:100::/home/carol:{other}/bin/othershell\n"
        "sshd:x:998:998::/var/empty:/run/current-system/sw/bin/nologin\n"
    )
    system.state["group"] += "users:x:100:\nsshd:x:998:\ntty:x:3:\n"
    system.state["shadow"] += f"alice:{HASH}:1::::::\ncarol:{HASH}:1::::::\nsshd:!:1::::::\n"
    system.write()
    return system


def run(kernel: Kernel, folder: Path, release: Release, *arguments: str) -> dict[str, Any]:
    """What the job found out with sshd of RELEASE, enforced; ARGUMENTS are the job's."""
    system = openssh_system(folder / "system", release)
    # The guest's root is an overlay, whose upper layer the kernel asks about, too.
    overlay = f"{SESSION if release is NEW else MASTER}\nfile getattr tmpfs:/data/\n"
    source = library_layout.source(folder / "source", {"domains/build.conf": release.policy, "domains/guest.conf": overlay})
    policy = system.compiled(source, {"openssh": ServiceState.ENFORCE}).policy
    files = library_layout.guest_files(policy, folder / "set")
    result = machine.run(kernel, "openssh", arguments=[str(system.root), *arguments], files=files, loader="/run/set/boot")
    found: dict[str, Any] = json.loads(result.files["answers.json"])
    return found


@pytest.fixture(scope="module")
def answers(kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """OpenSSH as nixpkgs has it."""
    return run(kernel, tmp_path_factory.mktemp("openssh"), NEW)


def assert_served(answers: dict[str, Any]) -> None:
    assert answers["command"] == [3, "hello 1000\n"], answers["command"]
    assert answers["terminal"][0] == 0, answers["terminal"]
    assert answers["terminal"][1] == "/dev/pts/0\n"
    assert answers["password"] == [0, "1000\n"], answers["password"]
    assert answers["root"] == [0, "0\nport 22\n"], answers["root"]
    assert answers["copied"] == "some text\n"
    assert answers["forwarded"] == ["SSH-2.0", "SSH-2.0"]
    assert "ED25519" in answers["agent"], answers["agent"]
    assert answers["stopped"] == 0
    assert answers["pid file"] == [True, False]


def test_an_enforced_sshd_lets_users_in_and_is_denied_nothing(answers: dict[str, Any]) -> None:
    assert_served(answers)
    assert answers["records"] == []
    assert answers["after reload"] == [0, "1000\n"]
    assert answers["wrong password"] == [255, ""]
    assert answers["later records"] == []


def test_each_program_is_in_its_domain_and_a_login_is_not_confined(answers: dict[str, Any]) -> None:
    assert answers["domains"] == {"sshd": [f"3 {MASTER}"], "sshd-session": [f"3 {SESSION}"]}
    # Whatever is executed there, but for what has a domain of its own.
    assert answers["login domain"] == [LOGIN, LOGIN]
    assert answers["login profiles"] == [f"0 {LOGIN}"]


def test_a_shell_that_the_policy_does_not_know_is_not_started(answers: dict[str, Any]) -> None:
    assert answers["other shell"][0] == 255
    assert any("othershell" in record for record in answers["other shell records"])


def test_a_login_is_confined_where_a_policy_says_so(answers: dict[str, Any]) -> None:
    assert answers["confined login"][0] != 0
    assert answers["confined login"][1] == ""
    assert any(f"{LOGIN}\n" in record for record in answers["confined login records"])


def test_what_they_never_do_is_denied_to_their_domains(answers: dict[str, Any]) -> None:
    assert {attempt: error for attempt, error in answers["forbidden"] if error != "EPERM"} == {}
    assert {attempt: error for attempt, error in answers["allowed"] if error} == {}


def test_an_older_sshd_needs_one_module_more(kernel: Kernel, tmp_path: Path) -> None:
    answers = run(kernel, tmp_path, OLD, "brief")
    assert_served(answers)
    assert answers["records"] == []
    assert answers["domains"] == {"sshd": [f"3 {MASTER}"]}
    assert answers["login profiles"] == [f"0 {LOGIN}"]

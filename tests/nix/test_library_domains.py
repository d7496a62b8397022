"""What the library's modules for desktops and its domains of openssh and chrony grant, and what not, though it is near."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import parse_request
from tomoyo.decision.transition import transition
from tomoyo.model.profiles import ServiceState
from tomoyo.model.records import FileAttributes, Task
from tomoyo.nix.source.compile import compile_policy
from tomoyo.nix.source.library import read_sources
from tomoyo.nix.source.policy import combine_sources
from tomoyo.nix.store.tree import Tree

from .sources import write_source
from .test_compile import store_path
from .test_library import ENFORCED, everything, standin

MASTER = "<kernel> nix:/openssh/bin/sshd"
SESSION = f"{MASTER} nix:/openssh/libexec/sshd-session"
AUTHENTICATION = f"{SESSION} nix:/openssh/libexec/sshd-auth"
PASSWORD = f"{MASTER} nix:/wrappers/unix_chkpwd"
LOGIN = f"{MASTER} /login"
CHRONYD = "<kernel> nix:/chrony/bin/chronyd"
CHRONYC = "<kernel> nix:/chrony/bin/chronyc"
FONTS, CACHE, MESA, ICONS = (store_path(f"{name}-1.0") for name in ("dejavu-fonts", "fc-cache", "mesa", "hicolor-icon-theme"))
SSH, CHRONY = store_path("openssh-1.0"), store_path("chrony-1.0")
STRANGER = store_path("dejavu-fonts-1.0", "b")

#: Of each domain what it grants, and what it does not though it is near.
GRANTS: dict[str, tuple[list[str], list[str]]] = {
    "<kernel> /m/dbus-client": (
        [
            "network unix stream connect /run/dbus/system_bus_socket",
            "network unix stream connect /var/run/dbus/system_bus_socket",
            "network unix stream connect /run/user/1000/bus",
            f"file read {store_path('dbus-1.0-lib')}/lib/x.sox",
            *("file read /etc/machine-id", "misc env DBUS_SESSION_BUS_ADDRESS"),
        ],
        [
            *("network unix stream bind /run/user/1000/bus", "network unix stream connect /run/user/1000/systemd/private"),
            *("network unix stream connect /run/systemd/private", "network unix stream connect /run/user/x/bus"),
            *("file write /etc/machine-id", "file unlink /run/user/1000/bus", "file read /etc/passwd", "misc env LD_PRELOAD"),
        ],
    ),
    "<kernel> /m/fonts": (
        [
            f"file read {FONTS}/share/fonts/truetype/DejaVuSans.ttf",
            f"file read {FONTS}/share/fonts/",
            f"file read {FONTS}/",
            f"file read {CACHE}/0123-le64.cache-9",
            f"file read {store_path('fc-00-nixos-cache.conf')}",
            f"file read {store_path('fontconfig-1.0')}/share/fontconfig/conf.avail/10-hinting-slight.conf",
            *("file read /home/u/.local/share/fonts/a/b.otf", "file write /home/u/.cache/fontconfig/0123-le64.cache-9"),
            "file rename /home/u/.cache/fontconfig/a.NEW /home/u/.cache/fontconfig/a",
        ],
        [
            *(f"file write {FONTS}/share/fonts/truetype/DejaVuSans.ttf", f"file read {FONTS}/bin/x"),
            f"file read {STRANGER}/share/fonts/truetype/DejaVuSans.ttf",
            f"file execute {FONTS}/share/fonts/truetype/DejaVuSans.ttf",
            *(
                "file write /home/u/.local/share/fonts/a.otf",
                "file read /home/u/.cache/other/x",
                "file read /home/u/.ssh/id_ed25519",
            ),
            "file rename /home/u/.cache/fontconfig/a /home/u/.profile",
            "file write /var/cache/fontconfig/0123-le64.cache-9",
        ],
    ),
    "<kernel> /m/desktop": (
        [
            *("network unix stream connect /run/user/1000/wayland-1", "network unix stream connect /tmp/.X11-unix/X0"),
            *(r"network unix stream connect \000/tmp/.X11-unix/X0", "network unix stream connect /run/user/1000/pipewire-0"),
            *("network unix stream connect /run/user/1000/pulse/native", "file read /home/u/.Xauthority"),
            *("file write /dev/dri/renderD128", "file ioctl /dev/dri/card0 0xC0106407"),
            *(f"file read {MESA}/lib/dri/x_dri.so", f"file read {ICONS}/share/icons/hicolor/index.theme"),
            *("file read /sys/devices/pci0000:00/0000:00:02.0/vendor", "file write /run/user/1000/dconf/user"),
            *("file read /home/u/.config/dconf/user", "misc env WAYLAND_DISPLAY"),
        ],
        [
            *("network unix stream bind /run/user/1000/wayland-1", "network unix stream connect /run/user/1000/bus"),
            *("network unix stream connect /run/user/1000/keyring/control", "file read /dev/input/event0", "file read /dev/fb0"),
            *("file read /dev/video0", "file read /dev/snd/pcmC0D0c", "file write /sys/devices/pci0000:00/0000:00:02.0/config"),
            *(f"file write {MESA}/lib/dri/x_dri.so", f"file execute {MESA}/lib/dri/x_dri.so"),
            *("file write /home/u/.config/dconf/user", "file write /home/u/.local/share/applications/x.desktop"),
            *("file read /home/u/.ssh/id_ed25519", "file create /home/u/.config/autostart/x.desktop 0644", "misc env LD_PRELOAD"),
        ],
    ),
    MASTER: (
        [
            *("file read /etc/ssh/ssh_host_ed25519_key", f"file read {store_path('sshd.conf-final')}"),
            *("network inet stream listen 0.0.0.0 22", "network inet stream bind :: 22", "file write /run/sshd.pid"),
            *("file execute nix:/openssh/libexec/sshd-session", "misc env LD_LIBRARY_PATH"),
        ],
        [
            *("file write /etc/ssh/ssh_host_ed25519_key", "file read /etc/ssh/ssh_host_ed25519_key.bak", "file read /etc/shadow"),
            *("file execute nix:/openssh/libexec/sshd-auth", "file execute nix:/bash-interactive/bin/bash"),
            *("file execute nix:/openssh/bin/ssh", f"file write {SSH}/bin/sshd", "network inet stream listen 0.0.0.0 23"),
            *("network inet stream connect 192.0.2.1 22", "file read /home/u/.ssh/authorized_keys", "misc env LD_PRELOAD"),
        ],
    ),
    SESSION: (
        [
            *("file read /home/u/.ssh/authorized_keys", "file read /etc/ssh/authorized_keys.d/u", "file read /etc/shadow"),
            *(f"file read {store_path('sshd.pam')}", f"file read {store_path('linux-pam-1.0')}/lib/security/pam_unix.so"),
            *("file execute nix:/bash-interactive/bin/bash", "file execute nix:/openssh/libexec/sshd-auth"),
            *(
                "file chown devpts:/3 1000",
                "network inet stream connect 192.0.2.1 25",
                "network inet stream listen 127.0.0.1 6010",
            ),
            "network unix stream connect /run/dbus/system_bus_socket",
        ],
        [
            *(
                "file write /home/u/.ssh/authorized_keys",
                "file create /home/u/.ssh/authorized_keys 0600",
                "file write /etc/shadow",
            ),
            *("file read /home/u/.ssh/id_ed25519", "file read /home/u/mail", "file read /etc/ssh/ssh_host_ed25519_key"),
            *("file execute nix:/coreutils/bin/cat", "file execute nix:/openssh/libexec/sftp-server", "file execute /home/u/x"),
            *("network inet stream listen 0.0.0.0 80", f"file write {store_path('sshd.pam')}", "file chmod /etc/shadow 0666"),
        ],
    ),
    AUTHENTICATION: (
        ["file chroot /var/empty/", "file read /etc/passwd", "network unix stream connect /var/run/nscd/socket"],
        [
            *("file read /etc/shadow", "file read /etc/ssh/ssh_host_ed25519_key", "file read /home/u/.ssh/authorized_keys"),
            *("network inet stream connect 192.0.2.1 22", "network inet dgram send 192.0.2.1 53", "file chroot /"),
            *("file execute nix:/bash-interactive/bin/bash", "file execute nix:/openssh/bin/sshd", "file write /etc/passwd"),
            "network unix stream connect /run/dbus/system_bus_socket",
        ],
    ),
    PASSWORD: (
        ["file read /etc/shadow", "file execute nix:/linux-pam/bin/unix_chkpwd"],
        ["file write /etc/shadow", "file execute nix:/wrappers/sudo", "network inet stream connect 192.0.2.1 80"],
    ),
    CHRONYD: (
        [
            *(
                f"file read {store_path('chrony.conf')}",
                "file read /var/lib/chrony/chrony.keys",
                "file write /var/lib/chrony/chrony.rtc.tmp",
            ),
            *("file rename /var/lib/chrony/chrony.drift.tmp /var/lib/chrony/chrony.drift", "file write /dev/rtc0"),
            *("file ioctl /dev/rtc0 0x4024700A", "network inet dgram bind 0.0.0.0 123", "network inet dgram send 192.0.2.1 123"),
            *("network inet stream connect 192.0.2.1 4460", "file mksock /run/chrony/chronyd.sock 0755"),
        ],
        [
            *("file write /var/lib/chrony/chrony.keys", "file unlink /var/lib/chrony/chrony.keys", "file read /etc/shadow"),
            *("file rename /var/lib/chrony/x.tmp /var/lib/chrony/chrony.keys", "file rename /var/lib/chrony/x.tmp /etc/passwd"),
            *(f"file write {CHRONY}/bin/chronyd", f"file write {store_path('chrony.conf')}", "file execute nix:/bash/bin/bash"),
            *("network inet stream connect 192.0.2.1 80", "network inet stream listen 0.0.0.0 80", "file write /dev/sda"),
            *("file ioctl /dev/rtc0 0x4028700F", "file create /etc/localtime 0644", "network inet dgram bind 0.0.0.0 124"),
        ],
    ),
    CHRONYC: (
        ["network unix dgram send /run/chrony/chronyd.sock", "network inet dgram send 127.0.0.1 323", "misc env EDITOR"],
        [
            *(
                "file read /var/lib/chrony/chrony.keys",
                "network inet dgram send 192.0.2.1 323",
                "file write /run/chrony/chronyd.pid",
            ),
            *("file execute nix:/bash/bin/bash", "file read /etc/shadow", "file unlink /run/chrony/chronyd.sock"),
        ],
    ),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DecisionEngine:
    """The library, enforced, with a domain for each module, for a system that has all packages."""
    folder = tmp_path_factory.mktemp("library")
    files = read_sources([everything(folder / "source")], ENFORCED)
    return DecisionEngine.of(compile_policy(files, standin(files, folder), Tree(str(folder))).policy.loaded().holding)


@pytest.mark.parametrize("domain", GRANTS)
def test_a_domain_grants_what_it_is_for_and_not_what_is_near(engine: DecisionEngine, domain: str) -> None:
    task = Task(1, 1, *[0] * 8)
    file = FileAttributes(0, 0, 1, 0, 1, 0o644, "file")

    def granted(text: str) -> bool:
        return engine.decide(domain, replace(parse_request(text), task=task, path1=file)).granted

    assert engine.domain(domain) is not None
    grants, neighbours = GRANTS[domain]
    assert [text for text in grants if not granted(text)] == []
    assert [text for text in neighbours if granted(text)] == []


def entered(engine: DecisionEngine, *programs: str) -> str:
    """The domain after executing PROGRAMS, one by the other, from `<kernel>`."""
    domain = "<kernel>"
    for program in programs:
        step = transition(engine, domain, parse_request(f"file execute {program}"))
        assert step.failure is None, (domain, program, step)
        domain = step.domain.text
    return domain


def test_every_program_of_openssh_is_in_its_domain(engine: DecisionEngine) -> None:
    sshd, session = "nix:/openssh/bin/sshd", "nix:/openssh/libexec/sshd-session"
    assert entered(engine, sshd) == MASTER
    assert entered(engine, sshd, sshd) == MASTER
    assert entered(engine, sshd, session) == SESSION
    assert entered(engine, sshd, session, "nix:/openssh/libexec/sshd-auth") == AUTHENTICATION
    assert entered(engine, sshd, session, "nix:/wrappers/unix_chkpwd") == PASSWORD
    assert entered(engine, sshd, session, "nix:/wrappers/unix_chkpwd", "nix:/linux-pam/bin/unix_chkpwd") == PASSWORD


@pytest.mark.parametrize("shell", ["nix:/bash-interactive/bin/bash", "nix:/zsh/bin/zsh", "nix:/shadow/bin/nologin"])
def test_a_login_is_one_domain_from_which_services_still_get_their_own(engine: DecisionEngine, shell: str) -> None:
    login = ("nix:/openssh/bin/sshd", "nix:/openssh/libexec/sshd-session", shell)
    assert entered(engine, *login) == LOGIN
    assert entered(engine, *login, "nix:/coreutils/bin/env", "/home/u/program", shell) == LOGIN
    assert entered(engine, *login, "nix:/chrony/bin/chronyc") == CHRONYC
    assert entered(engine, *login, "nix:/openssh/bin/sshd") == MASTER


@pytest.mark.parametrize("state", ServiceState)
def test_no_state_confines_a_login_but_a_policy_source_may(tmp_path: Path, state: ServiceState) -> None:
    def profiles() -> dict[str, int]:
        policy = combine_sources(read_sources([tmp_path], {"openssh": state}))
        return {domain.name.text: domain.profile for domain in policy.domains}

    write_source(tmp_path, manager="<kernel>")
    found = profiles()
    assert found.pop(LOGIN) == 0
    assert set(found) == {"<kernel>", MASTER, SESSION, AUTHENTICATION, PASSWORD}
    assert {found[name] for name in found if name != "<kernel>"} == {state.value}
    write_source(tmp_path, domains__login=f"{LOGIN}\nuse_profile 1")
    assert profiles()[LOGIN] == 1


def test_ports_and_shells_are_added_to_groups(tmp_path: Path) -> None:
    source = write_source(
        tmp_path / "source",
        manager="<kernel>",
        exceptions__ssh="number_group sshd-port 2222\npath_group login-shell nix:/elvish/bin/elvish",
        domains__ssh=f"{SESSION}\nfile getattr @nix:/elvish/bin/elvish",
    )
    files = read_sources([source], {"openssh": ServiceState.ENFORCE})
    compiled = compile_policy(files, standin(files, tmp_path), Tree(str(tmp_path)))
    engine = DecisionEngine.of(compiled.policy.loaded().holding)
    assert entered(engine, "nix:/openssh/bin/sshd", "nix:/openssh/libexec/sshd-session", "nix:/elvish/bin/elvish") == LOGIN
    for port in (22, 2222):
        assert engine.decide(MASTER, parse_request(f"network inet stream listen 0.0.0.0 {port}")).granted

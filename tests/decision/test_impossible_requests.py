"""Requests that the kernel never makes, and what it asks instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.impossible_requests import never_asked
from tomoyo.decision.requests import parse_request, request_of
from tomoyo.model.entries import Entry
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.lines import Reading
from tomoyo.syntax.profiles import parse_profile
from tomoyo.syntax.records import parse_audit

LOG = Path(__file__).parents[1] / "data" / "records" / "audit.log"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("file mkdir /srv/x 0755", "file mkdir /srv/x/ 0755"),
        ("file rmdir /srv/x", "file rmdir /srv/x/"),
        ("file chroot /srv/x", "file chroot /srv/x/"),
        ("file pivot_root /srv/a/ /srv/b", "file pivot_root /srv/a/ /srv/b/"),
        ("file pivot_root /srv/a /srv/b", "file pivot_root /srv/a/ /srv/b/"),
        *((f"file {operation} /srv/x/", f"file {operation} /srv/x") for operation in ("write", "append", "truncate", "execute")),
        ("file symlink /srv/x/", "file symlink /srv/x"),
        *((f"file {each} /srv/x/ 0644", f"file {each} /srv/x 0644") for each in ("create", "mkfifo", "mksock")),
        ("file mkchar /dev/x/ 0600 1 3", "file mkchar /dev/x 0600 1 3"),
        ("file execute /", None),
        ("file rename /a/ /b", "file rename /a/ /b/"),
        ("file link /a/ /b", "file link /a/ /b/"),
        ("file link /a /b/", "file link /a /b"),
        ("file read etc/shadow", "file read /etc/shadow"),
        ("file mkdir srv/x 0755", "file mkdir /srv/x/ 0755"),
        ("file rename /a b", "file rename /a /b"),
        ("file mount /dev/sda1 mnt/ ext4 0x0", "file mount /dev/sda1 /mnt/ ext4 0x0"),
        ("file read shadow", "file read /shadow"),
        ("file read /etc//shadow", "file read /etc/shadow"),
        ("file read /etc/./x/../shadow", "file read /etc/shadow"),
        ("file read /etc/..", "file read /"),
        ("file read proc://self/./maps", "file read proc:/self/maps"),
        ("file read /proc/meminfo", "file read proc:/meminfo"),
        ("file write /dev/pts/0", "file write devpts:/0"),
        ("file getattr sysfs:/class/net/", "file getattr /sys/class/net/"),
        ("file read nix:/notes/share/help", None),
        ("file write unit:/x.service", None),
        ("file chmod /x 010000", None),
        ("file chown /x 4294967295", None),
        ("network inet seqpacket bind ::1 80", None),
        ("network inet stream send ::1 80", "network inet stream connect ::1 80"),
        ("network inet dgram connect 10.0.0.1 80", "network inet dgram send 10.0.0.1 80"),
        ("network inet dgram listen 10.0.0.1 80", None),
        ("network inet raw connect 10.0.0.1 1", "network inet raw send 10.0.0.1 1"),
        ("network unix raw bind /run/x", "network unix dgram bind /run/x"),
        ("network unix raw connect /run/x", "network unix dgram send /run/x"),
        ("network unix raw listen /run/x", None),
        ("network unix seqpacket send /run/x", "network unix seqpacket connect /run/x"),
        ("network unix dgram connect /run/x", "network unix dgram send /run/x"),
    ],
)
def test_what_is_never_asked(text: str, instead: str | None) -> None:
    found = never_asked(parse_request(text))
    assert found is not None
    assert (found.instead.text if found.instead is not None else None) == instead
    assert found.instead is None or never_asked(found.instead) is None
    for entry in (text, ""):
        for profile in ("", "use_profile 1\n"):
            engine = DecisionEngine(
                parse_domain_policy(f"<kernel> /a\n{profile}{entry}\n", reading=Reading.AS_KERNEL),
                profiles=parse_profile("0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=permissive }\n") if profile else None,
            )
            verdict = engine.decide("<kernel> /a", parse_request(text))
            assert (verdict.granted, verdict.allowed, verdict.entry) == (False, False, None)
            assert verdict.never_asked == found
            assert engine.decide("<kernel> /a /b", parse_request(text)).never_asked == found


@pytest.mark.parametrize(
    "text",
    [
        *(
            "file read /",
            "file read /etc/",
            "file unlink /etc/",
            "file getattr /x",
            "file read proc:/self/maps",
            "file read pipe:[1]",
        ),
        *("file write socket:[family=1:type=1:protocol=0]", "file read dev(8,1):/x", "file read net:[4026531840]"),
        *("file execute nix:/bash/bin/bash", "file execute proc:/self/fd/4", "file unmount /mnt/", "file unmount /mnt/x"),
        *("file rename /a /b", "file rename /a/ /b/", "file rename /a /b/", "file link /a/ /b/", "file chmod /x/ 07777"),
        *("file mount any / --remount 0x0", "file mount tmpfs /tmp/ tmpfs 0x0", "file mount /a /b --bind 0x0"),
        *("file ioctl socket:[1] 0xFFFFFFFF", "file mkchar /dev/x 0600 1 3", "file mkdir /a/ 01777"),
        *("network unix stream connect run/x", "network unix dgram bind \\000x", "network unix stream connect anonymous"),
        *("network inet raw bind ::1 255", "misc env A", "task manual_domain_transition <kernel> /x"),
    ],
)
def test_what_is_asked(text: str) -> None:
    assert never_asked(parse_request(text)) is None


def test_what_a_kernel_asked_is_asked() -> None:
    requests = [request_of(record) for record in parse_audit(LOG.read_bytes()) if isinstance(record.request, Entry)]
    assert len(requests) > 200
    assert [(request.text, str(never_asked(request))) for request in requests if never_asked(request)] == []

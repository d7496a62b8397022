"""Lint, code by code: a policy in which each is found, and one that comes near and in which it is not."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tomoyo.lint.codes import LINT_CODES
from tomoyo.lint.linter import RULES, lint_policy
from tomoyo.model.diagnostics import Diagnostic, Severity
from tomoyo.model.exception_policy import TRANSITION_CONTROLS
from tomoyo.model.filesystems import FILESYSTEMS
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.lines import PolicySyntaxError
from tomoyo.syntax.policy_text import PolicyText, TextKind

PROFILES = """\
PROFILE_VERSION=20150505
0-CONFIG={ mode=disabled grant_log=no reject_log=no }
1-CONFIG={ mode=learning grant_log=no reject_log=no }
2-CONFIG={ mode=permissive grant_log=no reject_log=yes }
3-CONFIG={ mode=enforcing grant_log=no reject_log=yes }
"""
ROOT = "<kernel>\nuse_profile 0\n"
WEB = "<kernel> /bin/web\nuse_profile 3\n"
ENTER = "initialize_domain /bin/web from any\n"


@dataclass(frozen=True)
class Case:
    """Texts of a policy; ENTRIES are those of one enforced domain."""

    entries: str = ""
    exceptions: str = ""
    domains: str = ""
    profiles: str = PROFILES
    managers: str | None = None
    modules: tuple[tuple[str, str], ...] = ()

    def texts(self) -> list[PolicyText]:
        """The texts, as lint takes them."""
        domains = self.domains or f"{ROOT}\n{WEB}\n{self.entries or 'file read /etc/web'}\n"
        texts = [
            PolicyText(TextKind.DOMAIN, "domains", domains),
            PolicyText(TextKind.EXCEPTION, "exceptions", f"{ENTER}{self.exceptions}\n" if self.exceptions else ENTER),
            PolicyText(TextKind.PROFILE, "profiles", self.profiles),
        ]
        texts += [PolicyText(TextKind.MODULE, f"modules/{name}", f"{text}\n") for name, text in self.modules]
        if self.managers is not None:
            texts.append(PolicyText(TextKind.MANAGER, "managers", self.managers))
        return texts


def found(case: Case) -> list[Diagnostic]:
    """What lint finds in CASE."""
    return lint_policy(case.texts())


def entries(text: str) -> Case:
    """A case of entries alone."""
    return Case(entries=text)


def special_names(*, as_asked: bool) -> list[Case]:
    """Entries for files in each special filesystem, by the names that the kernel asks for, or by the others."""
    names = [f"{one.type}:/x" for one in FILESYSTEMS if one.by_type is as_asked]
    names += [f"{mount}x" for one in FILESYSTEMS if one.by_type is not as_asked for mount in one.mounts]
    return [entries(f"file read {name}") for name in names]


#: For each code, policies in which it is found, and policies in which it is not.
CASES: dict[str, tuple[list[Case], list[Case]]] = {
    "dropped-line": (
        [
            entries("file read\nfile read /a"),
            Case(exceptions="number_group g"),
            Case(domains="file read /a\n"),
            Case(managers="a b\n"),
        ],
        [entries("# a comment\nfile read /a")],
    ),
    "altered-line": ([entries("file readx /a")], [entries("file read /a")]),
    "useless-line": (
        [
            entries("network inet dgram listen 10.0.0.1 1"),
            entries("network inet stream bind 10.0.0.2-10.0.0.1 1"),
            Case(entries="file read @g", exceptions="path_group g @h\npath_group h /a"),
        ],
        [entries("network inet dgram bind 10.0.0.1 1")],
    ),
    "unknown-code": (
        [entries("# lint: allow whole-tre because\nfile read /a"), entries("# lint: alow x\nfile read /a")],
        [entries("# lint: allow whole-tree because\nfile read /etc/\\{\\*\\}/\\*"), entries("# we lint: all\nfile read /a")],
    ),
    "unused-allow": (
        [entries("# lint: allow whole-tree because\nfile read /a")],
        [entries("# lint: allow whole-tree because\nfile read /etc/\\{\\*\\}/\\*")],
    ),
    "unreasoned-allow": (
        [entries("# lint: allow whole-tree\nfile read /etc/\\{\\*\\}/\\*")],
        [entries("# lint: allow whole-tree: all of it\nfile read /etc/\\{\\*\\}/\\*")],
    ),
    "whole-system": (
        [
            entries("file read /\\{\\*\\}/\\*"),
            entries("file getattr /\\{\\*\\}/"),
            entries("file write /\\{\\*\\}/x"),
            entries("file read /\\*/\\*"),
        ],
        [entries("file read /\\*"), entries("file read /srv/\\{\\*\\}/\\*"), entries("file read /var/lib/web/\\{\\*\\}/\\*")],
    ),
    "whole-tree": (
        [
            entries("file read /etc/\\{\\*\\}/\\*"),
            Case(entries="file read @g", exceptions="path_group g /a\npath_group g /etc/\\{\\*\\}/\\*"),
            entries("file write /home/\\{\\*\\}/\\*"),
            entries("file getattr proc:/\\{\\*\\}/"),
        ],
        [entries("file read /etc/web/\\{\\*\\}/\\*"), entries("file read /home/\\*/x"), entries("file read proc:/self/\\*")],
    ),
    "whole-store": (
        [
            entries("file read /nix/store/\\{\\*\\}/\\*"),
            entries("file execute /nix/store/\\*/bin/sh"),
            entries("file read /nix/\\{\\*\\}/\\*"),
            entries('file execute /bin/x exec.realpath="/nix/store/\\*/bin/x"'),
        ],
        [
            entries("file read @nix:/glibc/lib/\\*"),
            entries("file getattr /nix/store/"),
            entries('file execute nix:/a/bin/x exec.argv[0]="/nix/store/\\*/bin/x"'),
        ],
    ),
    "store-pattern": (
        [entries("file read /nix/store/\\*-glibc-\\*/lib/\\*"), entries("file execute /nix/store/\\@-web/bin/web")],
        [entries("file read /nix/store/0123456789abcdfghijklmnpqrsvwxyz-web/\\*")],
    ),
    "store-hash": ([entries("file read /nix/store/0123456789abcdfghijklmnpqrsvwxyz-web/x")], [entries("file read @nix:/web/x")]),
    "package-pattern": ([entries("file execute nix:/\\*/bin/sh")], [entries("file execute nix:/bash/bin/\\*")]),
    "reads-secret": (
        [entries("file read /etc/\\*"), entries("file read /home/\\*/.ssh/\\*"), entries("file read /dev/\\*")],
        [
            entries("file read /etc/shadow"),
            entries("file read /etc/web\\*"),
            entries("file read /etc/\\*\\-shadow\\-gshadow\\-krb5.keytab"),
            entries("file getattr /etc/\\*"),
        ],
    ),
    "writes-system-file": (
        [
            entries("file write /etc/\\*"),
            entries("file create /root/.ssh/\\* 0600"),
            entries("file rename /tmp/x /etc/cron.d/\\*"),
            # Special files by either name: what is meant is judged.
            entries("file write /sys/kernel/\\*"),
            entries("file write sysfs:/kernel/\\*"),
            entries("file write proc:/sys/kernel/\\*"),
            entries("file write /proc/sys/kernel/\\*"),
            entries("file write securityfs:/tomoyo/\\*"),
            entries("file write /sys/kernel/security/tomoyo/\\*"),
            entries("file write binfmt_misc:/\\*"),
            entries("file write /proc/sys/fs/binfmt_misc/\\*"),
        ],
        [entries("file write /etc/web/\\*"), entries("file read /etc/sudoers.d/\\*"), entries("file write /etc/passwd")],
    ),
    "any-program": (
        [entries("file execute /usr/bin/\\*")],
        [entries("file execute /usr/bin/web-\\*"), entries("file execute nix:/git/libexec/\\*")],
    ),
    "any-variable": (
        [entries("misc env \\*"), entries("misc env LD_\\*"), entries("misc env LD_PRELOAD")],
        [entries("misc env LC_\\*")],
    ),
    "any-network": (
        [
            entries("network inet stream connect 0.0.0.0-255.255.255.255 0-65535"),
            entries("network inet dgram send ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1-65535"),
            entries("network inet stream connect ::ffff:0.0.0.0-::ffff:255.255.255.255 0-65535"),
            entries("network inet stream connect ::1-::ffff:255.255.255.255 0-65535"),
        ],
        [
            entries("network inet stream connect 0.0.0.0-255.255.255.255 443"),
            entries("network inet stream connect 10.0.0.0-10.255.255.255 0-65535"),
            entries("network inet stream connect ::ffff:10.0.0.0-::ffff:10.255.255.255 0-65535"),
            entries("network inet stream bind 0.0.0.0-255.255.255.255 0-65535"),
        ],
    ),
    "setuid-mode": (
        [entries("file chmod /srv/x 0-07777"), entries("file create /srv/x 04755")],
        [entries("file chmod /srv/x 0-0777"), entries("file chmod /srv/x/ 02755"), entries("file mkdir /srv/x/ 0-07777")],
    ),
    "any-device": ([entries("file mkchar /dev/x 0600 0-4095 0-255")], [entries("file mkchar /dev/x 0600 1 0-255")]),
    "write-and-execute": (
        [
            entries("file write /srv/x\nfile execute /srv/x"),
            entries("file create /srv/\\* 0600-0700\nfile execute /srv/x"),
            entries("file append /srv/x\nfile execute /srv/\\*"),
            entries("file rename /srv/a /srv/x\nfile execute /srv/x"),
            entries("file mount any /srv/ ext4 0\nfile execute /srv/bin/x"),
            entries("file rename /srv/a/ /srv/bin/\nfile execute /srv/bin/x"),
            Case(entries="file write /opt/x-1\nfile execute /x", exceptions="aggregator /opt/x-\\$ /x"),
            Case(entries="file write @g\nfile execute /srv/x", exceptions="path_group g /srv/\\*"),
            Case(entries="use_group 1\nfile write /srv/x", exceptions="acl_group 1 file execute /srv/x"),
        ],
        [
            entries("file write /srv/x\nfile execute /srv/y"),
            entries("file read /srv/x\nfile execute /srv/x"),
            entries("file rename /srv/x /srv/y\nfile execute /srv/x"),
            entries("file write /srv/\\*.html\nfile execute /srv/x.cgi"),
        ],
    ),
    "store-write": (
        [entries("file write /nix/store/x"), entries("file write @nix:/web/x"), entries("file link /srv/x /nix/store/x")],
        [entries("file read @nix:/web/x"), entries("file link /nix/store/x /srv/x")],
    ),
    "executed-elsewhere": (
        [
            Case(domains=f"{ROOT}file execute /srv/x\n{WEB}file write /srv/x\n"),
            Case(domains=f"{WEB}file execute /srv/x\n<kernel> /bin/web /srv/x\nuse_profile 3\nfile write /srv/\\*\n"),
            Case(
                domains=f"{WEB}file write /srv/x\n<kernel> /bin/m\nuse_profile 3\nfile execute /srv/x\n",
                managers="<kernel> /bin/m\n",
            ),
        ],
        [
            Case(domains=f"{WEB}file write /srv/x\n<kernel> /bin/m\nuse_profile 3\nfile execute /srv/x\n"),
            Case(domains=f"{ROOT}file execute /srv/y\n{WEB}file write /srv/x\n"),
        ],
    ),
    "configures-elsewhere": (
        [Case(domains=f"{WEB}file read /srv/x.conf\n<kernel> /bin/web /srv/x\nuse_profile 3\nfile write /srv/x.conf\n")],
        [Case(domains=f"{WEB}file read /srv/x.txt\n<kernel> /bin/web /srv/x\nuse_profile 3\nfile write /srv/x.txt\n")],
    ),
    "execute-temporary": (
        [entries("file execute /tmp/\\*.sh"), entries("file execute /dev/shm/x")],
        [entries("file execute /var/lib/tmp/x")],
    ),
    "not-canonical": (
        [entries(f"file read {path}") for path in ("/a//b", "/a/./b", "/a/../b", "a", "etc/passwd", "/a/..")]
        + [Case(entries="file read @g", exceptions="path_group g /a\npath_group g etc/passwd")],
        [
            entries(f"file read {path}")
            for path in ("/a/...", "proc:/self/x", "pipe:[\\$]", "/a/.b", "/\\*/..b", "anon_inode:[eventfd]")
        ]
        + [entries("network unix stream connect web"), entries("file mount proc /proc/ proc 0")]
        + [Case(entries="network unix stream connect @g", exceptions="path_group g web")],
    ),
    "never-asked": (
        special_names(as_asked=False)
        + [entries(f"file write {mount}\\*/\\$") for one in FILESYSTEMS if one.by_type for mount in one.mounts]
        + [
            entries("file read/write /proc/\\*/\\*"),
            entries("file read /\\{proc\\}/\\*"),
            entries("file read proc:/net/dev"),
            entries("file read/getattr proc:/mounts"),
            entries("file rename /a /dev/mqueue/x"),
            entries("file ioctl /dev/pts/\\$ 0x5401"),
            entries("file mount /proc/sys/ /mnt/ --bind 0"),
            entries("file mount any /proc/fs/nfsd/ nfsd 0"),
            entries("file execute /proc/self/exe"),
            entries('file execute /bin/x exec.realpath="/proc/\\*/exe"'),
            Case(entries="file read @g", exceptions="path_group g /a\npath_group g /proc/meminfo"),
            Case(entries='file execute /bin/x exec.realpath="@g"', exceptions="path_group g /proc/self/exe"),
            Case(entries="use_group 1", exceptions="acl_group 1 file read /proc/meminfo"),
            Case(exceptions="aggregator /proc/self/fd/\\$ /bin/x"),
            Case(exceptions="initialize_domain /proc/self/exe from any"),
            Case(managers="/proc/self/exe\n"),
            Case(modules=(("m", "file read /proc/meminfo"),)),
        ],
        [
            *special_names(as_asked=True),
            entries("file read /\\{\\*\\}/\\*"),
            entries("file read /\\*/meminfo"),
            entries("file read /proc\\*/x"),
            entries("file read /srv/proc/meminfo"),
            entries("file getattr proc:/mounts"),
            entries("file getattr /sys/kernel/debug/"),
            entries("file mount proc /proc/ proc 0"),
            entries("file mkdir /proc/ 0755"),
            entries("network unix stream connect /proc/self/fd/\\$/x"),
            Case(entries="network unix stream connect @g", exceptions="path_group g /proc/self/fd/\\$/x"),
            Case(entries="file mount any @g proc 0", exceptions="path_group g /proc/"),
            Case(entries="file execute /proc/x", exceptions="aggregator /bin/x /proc/x\ninitialize_domain /proc/x from any"),
            Case(entries='file symlink /a symlink.target="/proc/mounts"'),
            Case(entries="file read nix:/proc/x", exceptions="number_group g 1"),
        ],
    ),
    "wrong-directory": (
        [
            entries("file mkdir /a 0700"),
            entries("file rmdir /a"),
            entries("file write /a/"),
            entries("file read/write /a/"),
            entries("file rename /a/ /b"),
            entries("file link /a/ /b"),
            entries("file link/rename /a /b/"),
            entries("file rename /a/\\*/ /b/\\*"),
            Case(entries="file rmdir @g", exceptions="path_group g /a"),
            entries("file execute /a/\\*/"),
        ],
        [
            entries("file mkdir /a/ 0700"),
            entries("file read /a/"),
            entries("file unlink /a/"),
            entries("file getattr /a"),
            entries("file rename /a /b"),
            entries("file rename /a /b/"),
            entries("file link /a/ /b/"),
            Case(entries="file rmdir @g", exceptions="path_group g /a\npath_group g /b/"),
        ],
    ),
    "impossible-pattern": (
        [entries("file read /a/\\*\\-\\*"), entries("file read /a/\\$\\-\\$"), entries("file read /a\\-b")],
        [entries("file read /a/\\*\\-b"), entries("file read /a/b\\*\\-\\?")],
    ),
    "impossible-condition": (
        [
            entries(f"file read /a {tests}")
            for tests in (
                "task.uid=1 task.uid=2",
                "task.uid=0-5 task.uid!=0-9",
                "task.uid=4294967296",
                "1=2",
                "path1.type=file path1.type=fifo",
                "exec.argc=1",
                'exec.realpath="/x"',
                "path2.uid=0",
                'symlink.target="x"',
                "path1.perm=setuid path1.perm!=setuid",
                "task.uid!=task.uid",
                "path1.perm=010000",
                "task.gid=setuid",
            )
        ]
        + [
            entries("file create /a 0600 path1.uid=0"),
            entries("network inet stream bind 10.0.0.1 1 path1.uid=0"),
            entries('file execute /a exec.realpath="/b" exec.realpath="/c"'),
            entries('file execute /a exec.argv[2]="x" exec.argc=1'),
            entries('file execute /a exec.realpath="/b//c"'),
            entries('file execute /a exec.argv[0]="x" exec.argv[0]!="\\*"'),
            entries('file execute /a exec.envp["A"]="x" exec.envp["A"]!="x"'),
            Case(entries="file read /a task.uid=@g task.uid=7", exceptions="number_group g 1\nnumber_group g 3-5"),
        ],
        [
            entries(f"file read /a {tests}")
            for tests in (
                "task.uid=1 task.gid=2",
                "task.uid=0-5 task.uid!=3",
                "path1.perm=setuid path1.perm=0755",
                "1=1",
                "path1.parent.uid=0",
                "task.uid=task.euid",
                "path1.perm=owner_read path1.perm=others_read",
            )
        ]
        + [
            entries("file create /a 0600 path1.parent.uid=0"),
            entries("file rename /a /b path2.uid=0"),
            entries('misc env A exec.argv[0]="x"'),
            entries('file symlink /a symlink.target="x"'),
            entries('file execute /a exec.realpath="/b\\*" exec.realpath="/bc"'),
            Case(entries="file read /a task.uid=@g task.uid=4", exceptions="number_group g 1\nnumber_group g 3-5"),
        ],
    ),
    "impossible-number": (
        [entries("file create /a 010000"), entries("file chown /a 4294967296")],
        [entries("file create /a 0-010000"), entries("file chown /a 4294967295"), entries("file ioctl /a 010000")],
    ),
    "never-executed": (
        [
            Case(entries="file execute /bin/x1", exceptions="aggregator /bin/x\\$ /bin/x"),
            Case(exceptions="aggregator /bin/x1 /bin/x\ninitialize_domain /bin/x1 from any"),
            Case(exceptions="aggregator x1 /bin/x"),
            Case(exceptions="aggregator /bin/ /bin/x"),
            Case(exceptions="aggregator /bin//x1 /bin/x"),
            Case(exceptions="aggregator /a/\\*\\-\\* /bin/x"),
        ],
        [
            Case(entries="file execute /bin/x\nfile read /bin/x1", exceptions="aggregator /bin/x\\$ /bin/x"),
            Case(entries="file execute /bin/x1", exceptions="aggregator /bin/x\\$ /bin/x1"),
        ],
    ),
    "duplicate": (
        [
            entries("file read /a\nfile read /a"),
            entries("file read/write /a\nfile write /a"),
            Case(exceptions=ENTER.strip()),
            entries("file read /a\nuse_profile 3"),
            entries("file read /a\nuse_profile 2"),
            entries("use_group 1\nuse_group 1"),
            Case(modules=(("m", "file read /a\nfile read /a"),)),
        ],
        [entries("file read /a\nfile write /a"), entries("file read /a\nfile read /a task.uid=0")],
    ),
    "shadowed": (
        [
            entries("file read /srv/\\*\nfile read /srv/x"),
            entries("file read /srv/x\nfile read /srv/\\*"),
            entries("file read /srv/\\{\\*\\}/\\*\nfile read /srv/a/b/c\\*.html"),
            entries("file read /srv/x\nfile read /srv/x task.uid=0"),
            entries("file read/write /srv/\\*\nfile read /srv/x"),
            entries("file execute /srv/\\*\nfile execute /srv/x"),
            entries("file read /srv/\\* task.uid=0\nfile read /srv/x task.uid=0"),
            entries("file ioctl /dev/x 0-10\nfile ioctl /dev/x 5"),
            entries("network inet stream connect 10.0.0.0-10.0.0.9 0-80\nnetwork inet stream connect 10.0.0.1 80"),
            Case(entries="use_group 1\nfile read /srv/x", exceptions="acl_group 1 file read /srv/\\*"),
            Case(entries="use_group m\nfile read /srv/x", modules=(("m", "file read /srv/\\*"),)),
            Case(entries="file read @g\nfile read /srv/x", exceptions="path_group g /srv/x"),
            Case(entries="file read @g\nfile read /srv/\\*", exceptions="path_group g /srv/x"),
            entries("misc env LC_\\*\nmisc env LC_ALL"),
            entries("file read @nix:/web/share/\\*\nfile read @nix:/web/share/x"),
            entries("file read @nix:/web/share/\\{\\*\\}/\\*\nfile read @nix:/web/share/x/\\*.html"),
            Case(exceptions="initialize_domain /bin/web from <kernel>"),
            Case(exceptions="keep_domain any from any\nkeep_domain any from /bin/web"),
            Case(entries="file execute /x", exceptions="aggregator /y\\? /x\naggregator /yy /z"),
        ],
        [
            entries("file read /srv/\\*\nfile read /srv/a/x"),
            entries("file read /srv/\\*\nfile read/write /srv/x"),
            entries("file execute /srv/x\nfile execute /srv/\\*"),
            entries("file read /srv/\\* task.uid=0\nfile read /srv/x"),
            entries("file read /srv/x grant_log=yes\nfile read /srv/\\*"),
            entries("file ioctl /dev/x 0-10\nfile ioctl /dev/x 5-11"),
            entries("file read /srv/\\*\\-x\nfile read /srv/x"),
            entries("network inet stream bind 10.0.0.1 80\nnetwork inet dgram bind 10.0.0.1 80"),
            Case(entries="use_group 1\nfile execute /srv/x", exceptions="acl_group 1 file execute /srv/\\*"),
            entries("file read @nix:/web/share/\\*\nfile read @nix:/web-2/share/x"),
            entries("file read @nix:/web/share/\\*\nfile read nix:/web/share/x"),
            Case(exceptions="keep_domain /bin/x from any\nkeep_domain any from /bin/web"),
            Case(entries="file execute /x", exceptions="aggregator /yy /z\naggregator /y\\? /x"),
        ],
    ),
    "unreachable-domain": (
        [
            Case(domains=f"{ROOT}{WEB}file read /a\n<kernel> /bin/x /bin/web\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x\n<kernel> /bin/web /y\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x keep\n<kernel> /bin/web /x\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}file execute /\\?\n<kernel> /bin/web /x\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}<other> /x\nuse_profile 0\n", profiles=f"{PROFILES}<other> 0-CONFIG={{ mode=disabled }}\n"),
        ],
        [
            Case(domains=f"{ROOT}{WEB}file execute /x\n<kernel> /bin/web /x\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x /y\n<kernel> /bin/web /y\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}task manual_domain_transition <kernel> /bin/web /x\n<kernel> /bin/web /x\nuse_profile 3\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x\n<kernel> /a /b\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}<kernel> /a\nuse_profile 1\n<kernel> /a /b\nuse_profile 3\nfile read /a\n"),
        ],
    ),
    "never-entered": (
        [Case(domains=f"{ROOT}<kernel> /bin/y\nuse_profile 3\nfile read /a\n")],
        [Case(domains=f"{ROOT}{WEB}file read /a\n"), Case(domains=f"{ROOT}<kernel> /sbin/init\nuse_profile 3\nfile read /a\n")],
    ),
    "undefined-domain": (
        [
            entries("file execute /x reset"),
            entries("file execute /x <other> /x"),
            Case(exceptions="reset_domain /x from any"),
            Case(entries="use_group m", modules=(("m", "file execute /x reset"),)),
        ],
        [
            Case(
                domains=f"{ROOT}{WEB}file execute /x reset\n</x>\nuse_profile 0\n",
                profiles=f"{PROFILES}</x> 0-CONFIG={{ mode=disabled }}\n",
            ),
            entries("file execute /x keep"),
        ],
    ),
    "created-domain": (
        [
            entries("file execute /x <kernel> /y"),
            entries("task manual_domain_transition <kernel> /y"),
            entries("file execute /x"),
            entries("file execute /x /y"),
            Case(entries="file execute /x", exceptions="initialize_domain /x from any"),
            Case(entries="use_group 1\nfile read /a", exceptions="acl_group 1 file execute /x"),
        ],
        [
            entries("file execute /x <kernel> /bin/web"),
            entries("file execute /x keep"),
            Case(entries="file execute /x", exceptions="keep_domain any from /bin/web"),
            Case(domains=f"{ROOT}<kernel> /bin/web\nuse_profile 1\nfile execute /x\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x\n<kernel> /bin/web /x\nuse_profile 3\nfile read /a\n"),
        ],
    ),
    "failing-execution": ([entries(f"file execute /x /{'y' * 4080}")], [entries(f"file execute /x /{'y' * 4000}")]),
    "idle-control": (
        [
            Case(exceptions="no_keep_domain /bin/x from any"),
            Case(exceptions="keep_domain any from /bin/nobody"),
            Case(exceptions="keep_domain any from <kernel> /bin/nobody"),
        ],
        [Case(exceptions="keep_domain any from /bin/web"), Case(exceptions="keep_domain any from <kernel>")],
    ),
    "literal-pattern": (
        [
            Case(exceptions=f"{keyword} {program} from {source}")
            for keyword in TRANSITION_CONTROLS
            for program, source in (
                ("/opt/\\*", "any"),
                ("/opt/\\$", "/bin/web"),
                ("any", "/opt/\\*"),
                ("/bin/web", "<kernel> /opt/\\@"),
                ("proc:/self/fd/\\$", "any"),
            )
        ]
        + [Case(exceptions="keep_domain <kernel> /opt/\\*")]
        # Nothing that an aggregator makes is called by a pattern, but by an entry's own.
        + [Case(exceptions="aggregator /opt/\\* /opt/x\ninitialize_domain /opt/\\* from any")]
        + [Case(entries="file execute /opt/\\*", exceptions="initialize_domain /opt/\\* from any")],
        [
            Case(exceptions="initialize_domain /opt/x from any"),
            Case(exceptions="initialize_domain any from <kernel>"),
            Case(exceptions="initialize_domain /opt/\\040\\\\ from any"),
        ],
    ),
    "leaves-confinement": (
        [
            Case(domains=f"{ROOT}{WEB}file execute /x <kernel> /x\n<kernel> /x\nuse_profile 0\n"),
            Case(domains=f"{ROOT}{WEB}task manual_domain_transition <kernel>\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x\n<kernel> /bin/web /x\nuse_profile 0\n"),
            Case(domains=f"{ROOT}<kernel> /bin/web\nuse_profile 2\nfile execute /x\n<kernel> /bin/web /x\nuse_profile 0\n"),
        ],
        [
            Case(domains=f"{ROOT}{WEB}file execute /x <kernel> /x\n<kernel> /x\nuse_profile 3\nfile read /a\n"),
            Case(domains=f"{ROOT}{WEB}file execute /x\n"),
        ],
    ),
    "undefined-group": (
        [
            entries("file read @g"),
            entries("file read /a task.uid=@g"),
            entries("network inet stream connect @g 1"),
            Case(entries="file read @g", exceptions="number_group g 1"),
        ],
        [Case(entries="file read @g", exceptions="path_group g /a"), entries("file read @nix:/a/b")],
    ),
    "undefined-acl-group": ([entries("use_group 3")], [Case(entries="use_group 3", exceptions="acl_group 3 file read /a")]),
    "undefined-module": ([entries("use_group base")], [Case(entries="use_group base", modules=(("base", "file read /a"),))]),
    "unused-group": (
        [Case(exceptions="path_group g /a")],
        [Case(entries="file read @g", exceptions="path_group g /a"), Case(exceptions="path_group nix:/a/b /nix/store/x")],
    ),
    "unused-acl-group": (
        [Case(exceptions="acl_group 3 file read /a")],
        [Case(entries="use_group 3", exceptions="acl_group 3 file read /a")],
    ),
    "unused-module": (
        [Case(modules=(("base", "file read /a"),))],
        [Case(entries="use_group base", modules=(("base", "file read /a"),))],
    ),
    "unused-aggregator": (
        [Case(exceptions="aggregator /x\\* /x")],
        [
            Case(entries="file execute /x", exceptions="aggregator /x\\* /x"),
            Case(entries="file execute /\\?", exceptions="aggregator /x\\* /x"),
            Case(exceptions="aggregator /web /bin/web"),
            Case(exceptions="aggregator /nix/store/x nix:/a/b"),
        ],
    ),
    "undefined-profile": ([Case(domains=f"{ROOT}<kernel> /bin/web\nuse_profile 9\nfile read /a\n")], [Case()]),
    "implicit-profile": ([Case(domains=f"{ROOT}<kernel> /bin/web\nfile read /a\n")], [Case()]),
    "unused-profile": ([Case(profiles=f"{PROFILES}7-CONFIG={{ mode=disabled }}\n")], [Case()]),
    "enforced-without-entries": (
        [Case(domains=f"{ROOT}{WEB}")],
        [Case(), Case(domains=f"{ROOT}{WEB}use_group 1\n", exceptions="acl_group 1 file read /a")],
    ),
    "root-enforced": (
        [Case(domains="<kernel>\nuse_profile 3\nfile read /a\n")],
        [Case(), Case(domains="<kernel>\nuse_profile 2\n")],
    ),
    "partly-enforced": (
        [Case(profiles=f"{PROFILES}3-CONFIG::file::execute={{ mode=permissive reject_log=yes }}\n")],
        [Case(profiles=f"{PROFILES}3-CONFIG::network={{ mode=permissive reject_log=yes }}\n")],
    ),
    "silent-enforcement": ([Case(profiles=f"{PROFILES}3-CONFIG={{ mode=enforcing reject_log=no }}\n")], [Case()]),
    "learning-stopped": ([entries("quota_exceeded\nfile read /a")], [Case()]),
    "transition-failed": ([entries("transition_failed\nfile read /a")], [Case()]),
    "no-manager": ([Case(managers="# nobody\n")], [Case(managers="/bin/m\n"), Case()]),
    "manager-everyone": ([Case(managers="/bin/m\nmanage_by_non_root\n")], [Case(managers="/bin/m\n")]),
    "manager-interpreter": (
        [Case(managers=f"{path}\n") for path in ("/bin/sh", "/usr/bin/python3.11", "/nix/store/x/bin/bash")],
        [Case(managers=f"{path}\n") for path in ("/bin/tomoyo-sh", "nix:/tomoyo/bin/tomoyo", "<kernel> /bin/sh")],
    ),
    "manager-writable": (
        [
            Case(managers="/tmp/m\n"),
            Case(entries="file write /opt/m", managers="/opt/m\n"),
            Case(entries="file create /opt/\\* 0600", managers="/opt/m\n"),
        ],
        [
            Case(entries="file read /opt/m", managers="/opt/m\n"),
            Case(domains=f"{ROOT}{WEB}file write /opt/m\n", managers="<kernel> /bin/web\n/opt/m\n"),
        ],
    ),
    "manager-learning": (
        [Case(domains=f"{ROOT}<kernel> /bin/web\nuse_profile 1\n", managers="<kernel> /bin/web\n")],
        [Case(managers="<kernel> /bin/web\n")],
    ),
    "manager-executable": (
        [Case(entries="file execute /opt/m", managers="/opt/m\n")],
        [Case(entries="file execute /opt/n", managers="/opt/m\n")],
    ),
    "manager-broad": ([Case(managers="<kernel>\n")], [Case(managers="<kernel> /bin/web\n")]),
    "manager-undefined": (
        [Case(managers="/opt/\\*\n"), Case(managers="<kernel> /opt/m\n")],
        [Case(managers="/opt/m\n"), Case(managers="<kernel> /bin/web\n")],
    ),
}
#: Codes of `tomoyo.nix.source.lint`, which has tests of its own.
ELSEWHERE = {"misplaced-name", "unresolved-name"}

POSITIVE = [(code, case) for code, (positive, _) in CASES.items() for case in positive]
NEGATIVE = [(code, case) for code, (_, negative) in CASES.items() for case in negative]


def test_every_code_has_cases_and_a_rule() -> None:
    assert set(LINT_CODES) == set(CASES) | ELSEWHERE
    assert all(positive and negative for positive, negative in CASES.values())
    of_rules = {code for codes in RULES.values() for code in codes}
    assert of_rules | {"unknown-code", "unused-allow", "unreasoned-allow"} | ELSEWHERE == set(LINT_CODES)


@pytest.mark.parametrize(("code", "case"), POSITIVE, ids=[f"{code}-{number}" for number, (code, _) in enumerate(POSITIVE)])
def test_it_is_found(code: str, case: Case) -> None:
    findings = [finding for finding in found(case) if finding.code == code]
    assert findings, [str(finding) for finding in found(case)]
    texts = {text.name: text.text.split("\n") for text in case.texts()}
    for finding in findings:
        assert finding.message
        assert finding.help or code == "dropped-line"
        assert 1 <= finding.place.column <= len(texts[finding.place.file][finding.place.line - 1]) + 1


@pytest.mark.parametrize(("code", "case"), NEGATIVE, ids=[f"{code}-{number}" for number, (code, _) in enumerate(NEGATIVE)])
def test_it_is_not_found(code: str, case: Case) -> None:
    assert [str(finding) for finding in found(case) if finding.code == code] == []


def test_each_special_filesystem_is_explained() -> None:
    assert [one.type for one in FILESYSTEMS if one.type not in LINT_CODES["never-asked"].explanation] == []


def test_a_pattern_that_an_entry_executes_is_a_note() -> None:
    control = "initialize_domain /opt/\\* from any"
    for case, severity in (
        (Case(exceptions=control), Severity.WARNING),
        (Case(entries="file execute /opt/\\*", exceptions=control), Severity.NOTE),
        (Case(entries="file execute @g", exceptions=f"path_group g /opt/\\*\n{control}"), Severity.NOTE),
        (Case(entries="file execute /opt/\\@", exceptions=control), Severity.WARNING),
    ):
        assert [finding.severity for finding in found(case) if finding.code == "literal-pattern"] == [severity]


def test_a_domain_in_which_nothing_is_denied_makes_it_less_bad() -> None:
    broad = "file write /etc/\\{\\*\\}/\\*\n"
    severities = {}
    for number in (0, 1, 2, 3):
        (finding,) = (
            each for each in found(Case(domains=f"{ROOT}<kernel> /a\nuse_profile {number}\n{broad}")) if each.code == "whole-tree"
        )
        severities[number] = finding.severity
    assert severities == {0: Severity.NOTE, 1: Severity.NOTE, 2: Severity.WARNING, 3: Severity.WARNING}


def places(text: str) -> list[tuple[str, int, int]]:
    """Code, line and column of what is found in the domain policy TEXT alone."""
    return [
        (finding.code, finding.place.line, finding.place.column)
        for finding in lint_policy([PolicyText(TextKind.DOMAIN, "d", text)])
    ]


def test_places_are_those_of_the_words() -> None:
    text = "<kernel> /a\nuse_profile 3\n\tfile  read   /etc/\\{\\*\\}/\\*\nfile rename /b /c/../d\n"
    assert places(text) == [("whole-tree", 3, 15), ("not-canonical", 4, 16)]


def test_the_place_of_an_error_is_the_one_that_every_command_tells() -> None:
    text = "<kernel> /a\nuse_profile 3\n\tfile  read   /aaa\\q\nfile reed reed\nuse_group base\n<kernel> a\n"
    told: list[PolicySyntaxError] = []
    parse_domain_policy(text, report=told.append)
    assert len(told) == 4
    found = lint_policy([PolicyText(TextKind.DOMAIN, "d", text)], codes=["dropped-line", "undefined-module"])
    dropped = [(error.line, error.column) for error in told if "use_group" not in error.text]
    assert [(finding.place.line, finding.place.column) for finding in found if finding.code == "dropped-line"] == dropped


def test_a_file_of_a_source_judged_alone_has_no_modules() -> None:
    (finding,) = lint_policy([PolicyText(TextKind.DOMAIN, "d", f"{DOMAIN}use_group base\n")], codes=["undefined-module"])
    assert "directory" in finding.help
    with pytest.raises(PolicySyntaxError, match="whole folders"):
        parse_domain_policy(f"{DOMAIN}use_group base\n")


BROAD = "file read /etc/\\{\\*\\}/\\*\n"
DOMAIN = "<kernel> /a\nuse_profile 3\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (f"{DOMAIN}# lint: allow whole-tree: why\n{BROAD}{BROAD[:-1]} task.uid=0\n", [5]),
        (f"{DOMAIN}# lint: allow whole-tree why\n# more\n\n{BROAD}{BROAD[:-1]} task.uid=0\n", [7]),
        (f"#lint: allow whole-tree, shadowed why\n{DOMAIN}{BROAD}{BROAD[:-1]} task.uid=0\n<kernel> /b\n{BROAD}", [7, 6]),
        (f"# Ours.\n# lint: allow whole-tree, shadowed why\n\n{DOMAIN}{BROAD}<kernel> /b\n{BROAD}", [7, 2]),
        (f"# lint: allow whole-tree why\n\n{DOMAIN}{BROAD}<kernel> /b\nuse_profile 3\n{BROAD}", []),
    ],
)
def test_comments_allow_the_next_line_a_domain_or_a_file(text: str, lines: list[int]) -> None:
    findings = lint_policy([PolicyText(TextKind.DOMAIN, "d", text)])
    left = {
        finding.place.line
        for finding in findings
        if finding.code in ("whole-tree", "shadowed", "implicit-profile", "unused-allow")
    }
    assert left == set(lines), [str(finding) for finding in findings]


def test_two_files_may_say_the_same_of_a_domain() -> None:
    texts = [PolicyText(TextKind.DOMAIN, name, f"{WEB}use_group 1\nfile read /{name}\n") for name in ("a", "b")]
    assert lint_policy(texts, codes=["duplicate"]) == []
    again = PolicyText(TextKind.DOMAIN, "c", texts[0].text)
    assert [(finding.place.file, finding.place.line) for finding in lint_policy([*texts, again], codes=["duplicate"])] == [
        ("c", 4)
    ]


def test_a_comment_that_is_not_looked_for_is_not_unused() -> None:
    text = PolicyText(TextKind.DOMAIN, "d", f"{DOMAIN}# lint: allow whole-tree why\nfile read /a\n")
    assert [finding.code for finding in lint_policy([text])] == ["unused-allow"]
    assert lint_policy([text], codes=["unused-allow", "shadowed"]) == []
    assert lint_policy([text], allowed=["whole-tree"]) == []


def test_codes_can_be_chosen_and_left_out() -> None:
    text = PolicyText(TextKind.DOMAIN, "d", f"{DOMAIN}{BROAD}file read /a//b\n")
    assert [finding.code for finding in lint_policy([text])] == ["whole-tree", "not-canonical"]
    assert [finding.code for finding in lint_policy([text], codes=["not-canonical"])] == ["not-canonical"]
    assert [finding.code for finding in lint_policy([text], allowed=["not-canonical"])] == ["whole-tree"]
    with pytest.raises(ValueError, match="there is no code x"):
        lint_policy([text], codes=["x"])


def test_remedies_are_imperative_sentences() -> None:
    """Each begins with what to do, in lower case as behind ``help:``, and ends without a full stop."""
    verbs = re.findall(
        "[a-z]+", "allow change define delete enforce end execute exclude let list make move name raise set use write"
    )
    for code in LINT_CODES.values():
        assert code.remedy.split(" ")[0] in verbs, code.name
        assert not code.remedy.endswith(".") or code.remedy.endswith("...")

"""Special filesystems: by which name the kernel asks for a file.  tests/vm/test_filesystems.py asks the kernel itself."""

from __future__ import annotations

from pathlib import Path

import pytest

import tomoyo
from tomoyo.model.filesystems import FILESYSTEMS, Filesystem, asked_name, may_hold_misnamed, misnamed
from tomoyo.model.words import is_path

#: A name, and by which the kernel asks instead; the same where it is right, nothing where that is not known.
NAMES = [
    *[("/proc/meminfo", "proc:/meminfo"), ("/proc/self/status", "proc:/self/status"), ("/proc/", "proc:/"), ("/proc", "proc:/")],
    *[("proc:/meminfo", "proc:/meminfo"), ("proc:/", "proc:/"), (r"/proc/\$/status", r"proc:/\$/status")],
    *[
        ("/dev/pts/0", "devpts:/0"),
        (r"/dev/pts/\$", r"devpts:/\$"),
        ("/dev/pts/ptmx", "devpts:/ptmx"),
        ("devpts:/0", "devpts:/0"),
    ],
    *[("/dev/mqueue/q", "mqueue:/q"), ("/sys/fs/pstore/x", "pstore:/x"), ("/sys/kernel/debug/x", "debugfs:/x")],
    *[("/sys/kernel/tracing/trace", "tracefs:/trace"), ("/sys/kernel/debug/tracing/trace", "tracefs:/trace")],
    *[("debugfs:/tracing/trace", "tracefs:/trace"), ("sysfs:/kernel/debug/x", "debugfs:/x"), ("devtmpfs:/pts/0", "devpts:/0")],
    *[("/sys/kernel/security/tomoyo/stat", "securityfs:/tomoyo/stat"), ("/sys/kernel/config/x/", "configfs:/x/")],
    *[("/proc/sys/fs/binfmt_misc/register", "binfmt_misc:/register"), ("proc:/fs/nfsd/threads", "nfsd:/threads")],
    *[("sysfs:/kernel/x", "/sys/kernel/x"), (r"sysfs:/class/\*/", r"/sys/class/\*/"), ("/sys/kernel/x", "/sys/kernel/x")],
    *[("cgroup2:/a/cgroup.procs", "/sys/fs/cgroup/a/cgroup.procs"), ("cgroup:/a", ""), ("bpf:/a", "/sys/fs/bpf/a")],
    *[("hugetlbfs:/a", "/dev/hugepages/a"), ("devtmpfs:/null", "/dev/null"), ("/dev/null", "/dev/null"), ("tmpfs:/a", "")],
    # Links that are always there.
    *[("/proc/net/dev", "proc:/self/net/dev"), ("proc:/net/dev", "proc:/self/net/dev"), ("/proc/mounts", "proc:/self/mounts")],
    *[("/proc/thread-self/comm", r"proc:/self/task/\$/comm"), ("/proc/self/ns/net", r"net:[\$]")],
    # Not all names that match are below a mount, or some are of another filesystem.
    *[(name, name) for name in (r"/\{\*\}/\*", r"/proc\*/x", r"/\*/meminfo", r"/sys/kernel/\*/x", r"/dev/\*/0", r"\*:/x")],
    *[("/run/proc/meminfo", "/run/proc/meminfo"), ("/procession", "/procession"), ("nix:/proc/x", "nix:/proc/x")],
    *[(r"/\{proc\}/\*", ""), (r"/sys/kernel/\{debug\}/x", ""), ("pipe:[1]", "pipe:[1]"), ("autofs:/x", "autofs:/x")],
    # Where nothing may be mounted.
    *[(name, name) for name in ("/sys/kernel/debug/", "/sys/fs/cgroup/", "proc:/sys/fs/binfmt_misc/", "/dev/mqueue/")],
]


@pytest.mark.parametrize(("name", "asked"), NAMES)
def test_names(name: str, asked: str) -> None:
    found = misnamed(name)
    assert (found.asked if found else name) == asked
    if found and found.asked:
        assert asked_name(name) == asked
        assert misnamed(found.asked) is None


@pytest.mark.parametrize("operation", ["mount", "mkdir", "rmdir"])
def test_something_is_mounted_on_a_directory_of_the_filesystem_above(operation: str) -> None:
    assert misnamed("/proc/", operation) is None
    assert asked_name("/proc/sys/fs/binfmt_misc/", operation) == "proc:/sys/fs/binfmt_misc/"
    assert asked_name("/proc/sys/", operation) == "proc:/sys/"


def test_a_link_itself_may_be_looked_at() -> None:
    assert misnamed("proc:/mounts", "getattr") is None
    assert misnamed("proc:/self/ns/net", "getattr") is None
    assert misnamed("proc:/self/ns/net", "read") is not None


@pytest.mark.parametrize("filesystem", FILESYSTEMS, ids=lambda one: one.type)
def test_each_filesystem_has_one_right_name(filesystem: Filesystem) -> None:
    by_type = f"{filesystem.type}:/x"
    assert is_path(by_type)
    assert (misnamed(by_type) is None) is filesystem.by_type
    for mount in filesystem.mounts:
        assert asked_name(f"{mount}x") == (by_type if filesystem.by_type else f"{mount}x")
        assert asked_name(by_type) == (by_type if filesystem.by_type else f"{filesystem.mounts[0]}x")


def test_the_policies_that_are_shipped_use_the_right_names() -> None:
    texts = {path: path.read_text() for path in Path(tomoyo.__file__).parent.glob("policies/**/*.conf")}
    assert any("proc:/" in text for text in texts.values())
    assert [path for path, text in texts.items() if may_hold_misnamed(text)] == []

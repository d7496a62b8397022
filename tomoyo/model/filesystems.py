r"""Special filesystems: by which of two names the kernel asks for a file.

Files are named by their path, but for those of a filesystem that is on no
device and whose root directory cannot rename: their names begin with the type
of the filesystem, wherever it is mounted.  So ``/proc/meminfo`` is always
``proc:/meminfo``, while ``/sys/kernel/x`` is never ``sysfs:/kernel/x``.

>>> misnamed("/proc/meminfo").asked
'proc:/meminfo'
>>> misnamed("sysfs:/kernel/\\*").asked
'/sys/kernel/\\*'
>>> misnamed("/etc/passwd")

The rule is that of tomoyo_realpath_from_path() in security/tomoyo/realpath.c.
Linux 6.1, 6.12 and 7.2 were asked about each filesystem that they could mount
in a virtual machine; the others (autofs, efivarfs, selinuxfs, smackfs, xenfs,
binder, resctrl) were looked up in the source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .words import constant_length


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A special filesystem.

    Attributes: ``type``, as /proc/filesystems has it; ``by_type``, whether the
    kernel names its files ``TYPE:/...`` and not by their path; ``mounts``,
    where it usually is, each with ``/`` at the end; ``always``, whether every
    system that TOMOYO confines has it there; ``layered``, whether the kernel
    asks for ``TYPE:/...``, too, where it is a layer of an overlay.
    """

    type: str
    by_type: bool
    mounts: tuple[str, ...] = ()
    always: bool = False
    layered: bool = False


FILESYSTEMS = (
    Filesystem("proc", True, ("/proc/",), always=True),
    Filesystem("devpts", True, ("/dev/pts/",), always=True),
    Filesystem("securityfs", True, ("/sys/kernel/security/",), always=True),
    Filesystem("debugfs", True, ("/sys/kernel/debug/",)),
    Filesystem("tracefs", True, ("/sys/kernel/tracing/", "/sys/kernel/debug/tracing/")),
    Filesystem("mqueue", True, ("/dev/mqueue/",)),
    Filesystem("pstore", True, ("/sys/fs/pstore/",)),
    Filesystem("configfs", True, ("/sys/kernel/config/",)),
    Filesystem("fusectl", True, ("/sys/fs/fuse/connections/",)),
    Filesystem("efivarfs", True, ("/sys/firmware/efi/efivars/",)),
    Filesystem("selinuxfs", True, ("/sys/fs/selinux/",)),
    Filesystem("smackfs", True, ("/sys/fs/smackfs/",)),
    Filesystem("binfmt_misc", True, ("/proc/sys/fs/binfmt_misc/",)),
    Filesystem("nfsd", True, ("/proc/fs/nfsd/",)),
    Filesystem("xenfs", True, ("/proc/xen/",)),
    Filesystem("rpc_pipefs", True, ("/run/rpc_pipefs/", "/var/lib/nfs/rpc_pipefs/")),
    Filesystem("ocfs2_dlmfs", True),
    Filesystem("autofs", True),
    Filesystem("sysfs", False, ("/sys/",), always=True),
    Filesystem("devtmpfs", False, ("/dev/",), always=True),
    Filesystem("cgroup2", False, ("/sys/fs/cgroup/",)),
    Filesystem("cgroup", False),
    Filesystem("bpf", False, ("/sys/fs/bpf/",)),
    Filesystem("hugetlbfs", False, ("/dev/hugepages/",)),
    Filesystem("binder", False, ("/dev/binderfs/",)),
    Filesystem("resctrl", False, ("/sys/fs/resctrl/",)),
    Filesystem("tmpfs", False, layered=True),
    Filesystem("ramfs", False, layered=True),
)

_OF_TYPE = {filesystem.type: filesystem for filesystem in FILESYSTEMS}
#: Deepest mounts first, since the files below one are no longer those of the filesystem above.
_MOUNTS = sorted(
    ((mount, filesystem) for filesystem in FILESYSTEMS for mount in filesystem.mounts), key=lambda pair: -len(pair[0])
)
_BEGINNINGS = ("/\\{", *(mount[:-1] for mount, _ in _MOUNTS))
#: What a name holds that may be such a one: what several begin with counts once.
_MARKS = (":/", '="', *(one for one in _BEGINNINGS if not any(one != other and one.startswith(other) for other in _BEGINNINGS)))
#: Operations that may be about a directory before something is mounted on it.
_BEFORE_MOUNTING = frozenset({"mount", "mkdir", "rmdir"})
#: Operations that may be about a symlink itself; all others follow it.
_NOT_FOLLOWING = frozenset({"execute", "unlink", "getattr", "link", "rename", "chown", "chgrp"})
_NAMESPACE = re.compile(r"/proc/[^/]+/(?:task/[^/]+/)?ns/([a-z]+)(?:_for_children)?")
_REPEATED = re.compile(r"\\\{([^/\\]+)\\\}/")
_FOLLOWED = "the kernel never asks for this name: it follows the link in it"


@dataclass(frozen=True, slots=True)
class Misnamed:
    """That the kernel does not ask for a name.

    Attributes: ``asked``, the name or pattern by which it asks instead, empty
    where that is not known; ``reason``, why, in words; ``never``, whether it
    never asks for the name: else only for a layer of an overlay.
    """

    asked: str
    reason: str
    never: bool = True


def asked_name(name: str, operation: str = "read") -> str:
    """The name by which the kernel asks for NAME, a name or pattern of a file, when OPERATION is done to it.

    Filesystems are taken to be mounted where they usually are.  NAME itself
    where it is right, or where the right name is not known.
    """
    found = _misnamed(name, operation)
    return found.asked if found is not None and found.asked else name


def misnamed(name: str, operation: str = "read") -> Misnamed | None:
    """Why the kernel asks for none of the names that NAME, a name or pattern of a file, matches when OPERATION is done to it.

    None where it may.  Not for the address of a unix socket, which is
    whatever a program writes.
    """
    return None if name in _UNMOUNTED else _misnamed(name, operation)


def _misnamed(name: str, operation: str) -> Misnamed | None:
    path = name
    if not name.startswith("/"):
        kind, separator, rest = name.partition(":/")
        filesystem = _OF_TYPE.get(kind) if separator else None
        if filesystem is None or (filesystem.by_type and not filesystem.mounts):
            return None
        if not filesystem.mounts:
            return Misnamed("", _reason(filesystem), not filesystem.layered)
        path = filesystem.mounts[0] + rest
    elif not name.startswith(_BEGINNINGS):
        return None
    if path in ("/proc", "/dev/pts"):
        path += "/"
    followed = _followed(path, operation)
    if not followed.startswith("/"):
        return Misnamed(followed, _FOLLOWED)
    head = _directories(followed)
    for mount, filesystem in _MOUNTS:
        if head.startswith(mount) and not (path == mount and operation in _BEFORE_MOUNTING):
            asked = followed
            if filesystem.by_type:
                # A pattern such as /\{proc\}/\* may stand for names of several depths.
                asked = f"{filesystem.type}:/{followed[len(mount) :]}" if followed.startswith(mount) else ""
            if asked == name:
                return None
            return Misnamed(asked, _FOLLOWED if followed != path else _reason(filesystem))
    return None


def _reason(filesystem: Filesystem) -> str:
    kind = filesystem.type
    names = f"'{kind}:/...', wherever it is mounted" if filesystem.by_type else "by their path"
    if filesystem.layered:
        return (
            f"the kernel calls files of {kind} {names}; only where it is a layer of an overlay does it ask for '{kind}:/...', too"
        )
    return f"the kernel never asks for this name: it calls files of {kind} {names}"


def _followed(path: str, operation: str) -> str:
    """PATH behind the links that procfs always has; the name of a namespace where it leads to one."""
    if path.startswith("/proc/net/"):
        return "/proc/self" + path[len("/proc") :]
    if path.startswith("/proc/thread-self/"):
        return "/proc/self/task/\\$" + path[len("/proc/thread-self") :]
    if operation not in _NOT_FOLLOWING:
        if path == "/proc/mounts":
            return "/proc/self/mounts"
        namespace = _NAMESPACE.fullmatch(path)
        if namespace:
            return f"{namespace[1]}:[\\$]"
    return path


def _directories(path: str) -> str:
    r"""What every name that PATH matches begins with: the fixed head, and behind it what is in ``\{...\}`` without a pattern."""
    head = path[: constant_length(path)]
    repeated = _REPEATED.match(path, len(head))
    return f"{head}{repeated[1]}/" if repeated else head


#: Directories that are asked for as those of the filesystem above, where nothing is mounted there.
_UNMOUNTED = frozenset(asked_name(mount, "mount") for mount, filesystem in _MOUNTS if not filesystem.always)


def may_hold_misnamed(text: str) -> bool:
    """Whether a word of TEXT may be such a name; else none is."""
    marks = [mark for mark in _MARKS if mark in text]  # to look for each in all of the text takes less than to split that
    if not marks:
        return False
    lines = text.split("\n")
    words = set(" ".join({line for mark in marks for line in lines if mark in line}).split())  # policies repeat their lines
    likely = [word for word in words if word.startswith(_BEGINNINGS) or ":/" in word or '="' in word]
    return any(misnamed(word.rpartition('="')[2].removesuffix('"')) is not None for word in likely)

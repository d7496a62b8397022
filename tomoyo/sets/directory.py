"""The directory of a policy set, read as text and trusted as little as can be.

Whoever can change a set can change what a machine permits.  So no component of
its path may be a symbolic link, and nothing on the way, the root included, may
belong to, or be writable for, anyone but root and the caller.  Each file is
checked after it was opened, so that nothing can be put in its place in between.

An activation that has nothing to do loads this and none of what makes values of
the texts (see ``policy_set``), so nothing that takes long to load is imported.
"""

from __future__ import annotations

import os
import stat

from ..model.errors import MISSING, NO_DIRECTORY, NO_FILE, TomoyoError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from ..model.diagnostics import Diagnostic

    class Digest(Protocol):
        """A digest that is being made."""

        def update(self, data: bytes, /) -> None: ...
        def hexdigest(self) -> str: ...


__all__ = ["PolicySetError"]


#: The texts of a set, to the files that hold them.
FILES = {
    "domain_policy": "domain_policy.conf",
    "exception_policy": "exception_policy.conf",
    "bindings": "bindings.conf",
    "profile": "profile.conf",
    "manager": "manager.conf",
    "stat": "stat.conf",
    "boot": "boot",
}
REQUIRED = ("domain_policy", "exception_policy", "profile", "manager")
MANIFEST = "manifest.json"
FORMAT = 1
#: More than this is no policy: a million lines are less than half of it.  The boot loader reads no more, either.
MAX_FILE = 1 << 28
#: So many bytes are digested at once: no second copy of a large text, and another thread can go on in between.
_PIECE = 1 << 16

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class PolicySetError(TomoyoError):
    """A directory that cannot be used as a policy set.

    Attributes: path (what is wrong), reason (why), help (what to do, may be
    empty), line (in the file PATH, from 1; 0 for all of it) and source (that
    line).
    """

    def __init__(self, path: str, reason: str, line: int = 0, source: str = "") -> None:
        super().__init__(path, reason, line, source)
        self.path = path
        self.reason: str
        self.help: str
        self.reason, _, self.help = reason.partition("; ")
        self.line = line
        self.source = source

    @property
    def diagnostic(self) -> Diagnostic:
        """The same as a diagnostic."""
        from ..model.diagnostics import Diagnostic, Place, Severity

        place = Place(self.path, self.line, int(self.line > 0), self.source)
        return Diagnostic(Severity.ERROR, "unusable-set", self.reason, self.help, place)

    @property
    def place(self) -> str:
        """The path, with the line's place if there is one."""
        return f"{printable(self.path)}:{self.line}:1" if self.line else printable(self.path)

    def __str__(self) -> str:
        return f"{self.place}: {printable(self.reason)}{f'; {printable(self.help)}' if self.help else ''}"


def printable(text: str) -> str:
    """TEXT with control characters escaped, so that a terminal shows them."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class SetTexts:
    """The files of a set as they are.

    Attributes:
        path: the directory.
        domain_policy, exception_policy, bindings, profile, manager, stat: the
            texts, empty where a file that may be missing is.
        boot: the boot loader; None if there is none.
        manifest: the text of the manifest; None if there is none.
    """

    __slots__ = ("bindings", "boot", "domain_policy", "exception_policy", "manager", "manifest", "path", "profile", "stat")

    def __init__(self, path: str, texts: Mapping[str, str | None], manifest: str | None = None) -> None:
        self.path: str = path
        self.manifest: str | None = manifest
        self.boot: str | None = texts.get("boot")
        self.domain_policy: str = texts.get("domain_policy") or ""
        self.exception_policy: str = texts.get("exception_policy") or ""
        self.bindings: str = texts.get("bindings") or ""
        self.profile: str = texts.get("profile") or ""
        self.manager: str = texts.get("manager") or ""
        self.stat: str = texts.get("stat") or ""

    def files(self) -> dict[str, str]:
        """The texts by the names of their files; those that may be missing are, when empty."""
        return present({name: getattr(self, name) for name in FILES})

    def digests(self) -> dict[str, str] | None:
        """What the manifest tells of the other files: name and SHA-256 of each.

        None where there is no manifest, or one that ``write_policy_set`` has
        not written: then it takes more than this to read it.
        """
        text = self.manifest or ""
        whole = text.startswith("{\n") and text.endswith("\n}\n")
        if not whole or not any(text.count(f'\n  "format": {FORMAT}{end}') == 1 for end in (",\n", "\n}\n")):
            return None
        section = text.partition('\n  "files": {\n')[2].partition("\n  }")[0]
        found: dict[str, str] = {}
        for line in section.split("\n"):
            quoted = line.rstrip(",").split('"')
            if len(quoted) != 5 or quoted[0] != "    " or quoted[2] != ": " or quoted[4] or "\\" in line:
                return None
            found[quoted[1]] = quoted[3]
        return found


def present(texts: dict[str, str | None]) -> dict[str, str]:
    """TEXTS by the names of their files; those that may be missing are, when empty."""
    return {FILES[name]: text or "" for name, text in texts.items() if text or name in REQUIRED or name == "bindings"}


def digest(text: str) -> str:
    """The SHA-256 of TEXT, in hexadecimal digits."""
    found = _sha256()()
    for start in range(0, len(text), _PIECE):
        found.update(text[start : start + _PIECE].encode("latin-1"))
    return found.hexdigest()


def _sha256() -> Callable[[], Digest]:
    """Python's own, if it has one: hashlib would load OpenSSL first, which takes longer than a million lines."""
    for module in ("_sha2", "_sha256"):
        try:
            found: Callable[[], Digest] = __import__(module).sha256
            return found
        except ImportError:
            pass
    from hashlib import sha256

    return sha256


def read_set_texts(directory: str | os.PathLike[str]) -> SetTexts:
    """Read the files of the set in DIRECTORY; the manifest is not looked at.

    Raises PolicySetError where something is missing, is not what it should be
    or might be another's work, and OSError where the system refuses.
    """
    path = os.fspath(directory)
    descriptor = open_directory(path)
    try:
        texts = {name: _read(descriptor, path, file, name in REQUIRED) for name, file in FILES.items()}
        manifest = _read(descriptor, path, MANIFEST, required=False)
    finally:
        os.close(descriptor)
    return SetTexts(path, texts, manifest)


def read_set_text(directory: str | os.PathLike[str], name: str) -> str:
    """One of the texts that every set has; errors as in ``read_set_texts``."""
    path = os.fspath(directory)
    descriptor = open_directory(path)
    try:
        return _read(descriptor, path, FILES[name], required=True) or ""
    finally:
        os.close(descriptor)


def _read(directory: int, path: str, file: str, required: bool) -> str | None:
    full = os.path.join(path, file)
    try:
        descriptor = os.open(file, _OPEN, dir_fd=directory)
    except FileNotFoundError:
        if required:
            raise PolicySetError(
                full, "no such file, which a policy set must have; give a directory that 'tomoyo compile' or 'tomoyo save' wrote"
            ) from None
        return None
    except OSError as error:
        if os.path.islink(full):
            raise PolicySetError(full, "a symbolic link, which others may change; put the file itself there") from None
        error.filename = full
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PolicySetError(full, "; ".join(NO_FILE) if stat.S_ISDIR(status.st_mode) else "no regular file")
        check_trust(full, status, last=True)
        if status.st_size > MAX_FILE:
            raise PolicySetError(full, f"more than {MAX_FILE} bytes")
        with open(descriptor, "rb", closefd=False) as opened:
            return opened.read().decode("latin-1")
    finally:
        os.close(descriptor)


# Trust


def open_directory(path: str, *, holds_others: bool = False) -> int:
    """Open the directory PATH, trusting nothing on the way, and give a descriptor.

    Raises PolicySetError for a symbolic link, and for a directory that anyone
    but root and the caller owns or may write to.  A directory above may be
    writable for all where it is sticky, as /tmp is; PATH itself only where it
    may hold what belongs to others.
    """
    absolute = os.path.normpath(os.path.join(os.getcwd(), path))
    components = [component for component in absolute.split("/") if component]
    descriptor = os.open("/", _OPEN | os.O_DIRECTORY)
    walked = "/"
    try:
        check_trust(walked, os.fstat(descriptor), last=not components and not holds_others)
        for position, component in enumerate(components):
            walked = os.path.join(walked, component)
            try:
                below = os.open(component, _OPEN | os.O_DIRECTORY, dir_fd=descriptor)
            except OSError as error:
                raise _refusal(walked, absolute, error) from None
            os.close(descriptor)
            descriptor = below
            last = position == len(components) - 1 and not holds_others
            check_trust(walked, os.fstat(descriptor), last=last)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refusal(path: str, wanted: str, error: OSError) -> Exception:
    """Why PATH, on the way to WANTED, could not be opened as a directory."""
    if os.path.islink(path):
        target = os.path.realpath(wanted)
        leads_on = not os.path.islink(target) and os.path.lexists(target)
        reason = f"which others may change; give {target} instead" if leads_on else "and it leads nowhere"
        return PolicySetError(path, f"a symbolic link, {reason}")
    if isinstance(error, FileNotFoundError):
        return PolicySetError(path, "; ".join(MISSING))
    if isinstance(error, NotADirectoryError):
        return PolicySetError(path, "; ".join(NO_DIRECTORY))
    error.filename = path
    return error


def check_trust(path: str, status: os.stat_result, *, last: bool) -> None:
    """Raise PolicySetError where what has this STATUS may be another's work; a sticky bit excuses nothing at the LAST."""
    reason = another_owner(status) or other_writers(status, last=last)
    if reason:
        raise PolicySetError(path, reason)


def another_owner(status: os.stat_result, owner: int | None = None) -> str:
    """Why what has this STATUS may be another's: it belongs neither to root nor to OWNER, by default the caller.  Else empty."""
    if status.st_uid in (0, os.geteuid() if owner is None else owner) or status.st_uid == _unmapped_root():
        return ""
    return f"belongs to user {status.st_uid}; give it to root" + " or to the caller" * (owner is None)


def other_writers(status: os.stat_result, *, last: bool) -> str:
    """Why what has this STATUS may be another's: its owner is not alone in writing to it.  Else empty.

    Whichever its group is: who is in that group is not known here, and where
    there is an access control list, the group's bits are the most that it
    grants to anybody.
    """
    if not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or (status.st_mode & stat.S_ISVTX and not last):
        return ""
    return "others may write to it; take that away with 'chmod go-w'"


def _unmapped_root() -> int | None:
    """The user that root's files show where root is no user at all, as in the sandbox of a Nix build; else None."""
    try:
        with open("/proc/self/uid_map", encoding="ascii") as mapping:
            if any(line.split()[0] == "0" for line in mapping):
                return None
        with open("/proc/sys/kernel/overflowuid", encoding="ascii") as user:
            return int(user.read())
    except FileNotFoundError:
        return None  # procfs is not mounted, or the kernel knows no user namespaces

"""Policy sets: everything that one kernel is to hold, in one directory.

A set is what ``compile`` writes, what ``activate`` brings a kernel to and what
the boot loader loads.  Its directory holds

    domain_policy.conf  exception_policy.conf  profile.conf  manager.conf
    bindings.conf   generated lines of exception policy, loaded after the above
    stat.conf       memory quotas
    boot            the boot loader, a shell script
    manifest.json   where the set comes from, and digests of the other files

of which the first four must be there.  So a directory that tomoyo-savepolicy
wrote is a set, too.

Reading one trusts nothing: see ``set_directory``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..model.words import quoted
from .boot_faults import line_of
from .set_directory import (
    FILES,
    FORMAT,
    MANIFEST,
    REQUIRED,
    PolicySetError,
    SetTexts,
    another_owner,
    check_trust,
    digest,
    open_directory,
    other_writers,
    present,
    printable,
    read_set_texts,
)

if TYPE_CHECKING:
    from ..model.domains import DomainPolicy
    from ..model.exception_policy import ExceptionPolicy
    from ..model.managers import ManagerPolicy
    from ..model.profiles import ProfilePolicy
    from ..model.stat import Stat
    from ..syntax.lines import Report
    from .simulated import SimulatedKernel

#: The order in which a kernel takes the texts, each with the interface file that it is written to.
#: Quotas are the last: one that is reached stops a kernel that is not yet active, and makes another drop lines.
#: Transition control comes late, as it may keep the loader's programs from being executed while domains are missing.
LOADING = (
    ("profile", "profile"),
    ("manager", "manager"),
    ("domain_policy", "domain_policy"),
    ("exception_policy", "exception_policy"),
    ("bindings", "exception_policy"),
    ("stat", "stat"),
)
#: A line of a report that tells a quota.
_REPORTED = re.compile(r"^Memory used by (policy|audit log|query message):.* \(Quota: *([0-9]+)\)$", re.MULTILINE)
_DIRECTORY = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_DIRECTORY
_FILE_MODES = {"boot": 0o755}

__all__ = [
    "FILES",
    "FORMAT",
    "LOADING",
    "MANIFEST",
    "REQUIRED",
    "Fault",
    "PolicySet",
    "PolicySetError",
    "SetProblem",
    "check_digests",
    "check_policy_set",
    "open_directory",
    "printable",
    "read_policy_set",
    "remove_directory",
    "with_digests",
    "write_policy_set",
]


class Fault(Enum):
    """What would go wrong with a policy set."""

    PANIC = "a kernel that boots with this panics"
    STOPPED = "programs that this applies to cannot be executed any more"
    LOST = "the kernel drops this, or stores something else"
    UNDEFINED = "nothing defines this, so it grants nothing"
    DAMAGED = "not the file that the manifest tells of"


@dataclass(frozen=True, slots=True)
class SetProblem:
    """Something wrong with a set: in which of its files, and where (from 1; 0: the file as a whole)."""

    fault: Fault
    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {printable(self.message)}"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that a kernel is to hold, as texts.

    ``stat`` holds quotas, or a report whose quotas are meant.  ``boot`` is None
    where the set has no boot loader.  ``manifest`` is plain data, kept as it
    was found.  The texts are not checked: see ``check_policy_set``.
    """

    domain_policy: str = ""
    exception_policy: str = ""
    bindings: str = ""
    profile: str = ""
    manager: str = ""
    stat: str = ""
    boot: str | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "manifest", MappingProxyType(dict(self.manifest)))

    @property
    def domains(self) -> DomainPolicy:
        """The domains; parsed at each use, as are the other values.

        Raises PolicySyntaxError where a text is not as the kernel would print it.
        """
        from ..syntax.domain_policy import parse_domain_policy

        return parse_domain_policy(self.domain_policy, file=FILES["domain_policy"])

    @property
    def exceptions(self) -> ExceptionPolicy:
        """The exception policy without the bindings."""
        from ..syntax.exception_policy import parse_exception_policy

        return parse_exception_policy(self.exception_policy, file=FILES["exception_policy"])

    @property
    def bound(self) -> ExceptionPolicy:
        """The bindings alone."""
        from ..syntax.exception_policy import parse_exception_policy

        return parse_exception_policy(self.bindings, file=FILES["bindings"])

    @property
    def profiles(self) -> ProfilePolicy:
        """The profiles."""
        from ..syntax.profiles import parse_profile

        return parse_profile(self.profile, file=FILES["profile"])

    @property
    def managers(self) -> ManagerPolicy:
        """The manager list."""
        from ..syntax.managers import parse_manager

        return parse_manager(self.manager, file=FILES["manager"])

    @property
    def quotas(self) -> Stat:
        """The memory quotas to set."""
        from ..syntax.stat import parse_stat

        return parse_stat(self.stat, file=FILES["stat"]).settings()

    @property
    def store_directory(self) -> str:
        """Where the Nix store is whose paths the bindings name."""
        found = self.manifest.get("store_directory")
        return found if isinstance(found, str) and found.startswith("/") else "/nix/store"

    def loaded(self, report: Report | None = None) -> SimulatedKernel:
        """A simulated kernel, not yet active, to which this set was written.

        REPORT is told of each line that the kernel would drop or alter; the
        error's ``file`` is the file of the set.
        """
        from .simulated import SimulatedKernel

        kernel = SimulatedKernel()
        for name, interface in LOADING:
            text = self.stat_settings() if name == "stat" else getattr(self, name)
            kernel.write(interface, text, _renamed(report, FILES[name]) if report else None)
        return kernel

    def as_held(self) -> PolicySet:
        """What an active kernel prints that was booted with this set."""
        kernel = self.loaded()
        domains, exceptions = kernel.read("domain_policy"), kernel.read("exception_policy")
        return PolicySet(domains, exceptions, "", kernel.read("profile"), kernel.read("manager"), kernel.read("stat"))

    def stat_settings(self) -> str:
        """The text of ``stat`` as it may be written to a kernel: a report's quotas alone, which the boot loader takes, too."""
        if not any(piece in f"\n{self.stat}" for piece in ("\nPolicy ", "\nTotal ", "(Quota:")):
            return self.stat
        # What a kernel would take for a quota is how much is in use.
        return "".join(f"Memory used by {name}: {quota}\n" for name, quota in _REPORTED.findall(self.stat))


def _renamed(report: Report, file: str) -> Report:
    from ..syntax.lines import PolicySyntaxError, Problem

    def tell(error: PolicySyntaxError) -> None:
        problem = Problem(error.effect, 0, error.text, error.message, error.expected)
        report(PolicySyntaxError(file, error.line, error.column, problem))

    return tell


# Reading


def read_policy_set(directory: str | os.PathLike[str]) -> PolicySet:
    """Read the set in DIRECTORY.

    Raises PolicySetError where something is missing, is not what it should be
    or might be another's work, and OSError where the system refuses.
    """
    return policy_set_of(read_set_texts(directory))


def policy_set_of(texts: SetTexts) -> PolicySet:
    """The set with these TEXTS.  Raises PolicySetError for a manifest that is none."""
    given = {name: getattr(texts, name) for name in FILES}
    return PolicySet(**given, manifest=_manifest(os.path.join(texts.path, MANIFEST), texts.manifest))


def _manifest(path: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PolicySetError(path, f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise PolicySetError(path, "a manifest is a JSON object")
    if found.get("format") != FORMAT:
        raise PolicySetError(path, f"its format is {quoted(found.get('format'))}, and this version reads {FORMAT}")
    return found


# Writing


def write_policy_set(policy: PolicySet, directory: str | os.PathLike[str]) -> PolicySet:
    """Write POLICY to DIRECTORY, which appears as a whole or not at all; one that is there is replaced.

    The manifest gets its format and the digests of the files; the set as
    written is given back.  The directory above must exist.  Raises
    PolicySetError where DIRECTORY is no set that may be replaced, and for a
    text that no file can hold.

    To take the place of a directory takes two steps.  Killed between them,
    nothing is at DIRECTORY, and the old set is beside it as ``.NAME.PID.old``:
    the next call begins by putting it back.
    """
    path = os.path.normpath(os.path.join(os.getcwd(), os.fspath(directory)))
    parent = open_directory(os.path.dirname(path), holds_others=True)
    try:
        name = os.path.basename(path)
        _put_back(parent, name)
        _check_replaceable(parent, name, path)
        written = with_digests(policy)
        draft = f".{name}.{os.getpid()}"
        remove_directory(parent, draft)
        os.mkdir(draft, 0o700, dir_fd=parent)
        try:
            _fill(parent, draft, written)
            _exchange(parent, draft, name)
        finally:
            remove_directory(parent, draft)
        os.fsync(parent)
    finally:
        os.close(parent)
    return written


def with_digests(policy: PolicySet) -> PolicySet:
    """POLICY with a manifest that tells its format and the digests of its files.

    Raises PolicySetError for a text that no file can hold.
    """
    try:
        digests = {file: digest(text) for file, text in _texts(policy).items()}
    except UnicodeEncodeError:
        raise _unwritable(policy) from None
    return replace(policy, manifest={"format": FORMAT, **policy.manifest, "files": digests})


def _texts(policy: PolicySet) -> dict[str, str]:
    """The files of POLICY but the manifest; those that may be missing are, when empty."""
    return present({name: getattr(policy, name) for name in FILES})


def _unwritable(policy: PolicySet) -> PolicySetError:
    """What is wrong where a text holds what is no byte."""
    file, text = next((file, text) for file, text in _texts(policy).items() if text and max(text) > "\xff")
    position = next(position for position, character in enumerate(text) if character > "\xff")
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    reason = f"{text[position]!r} is no byte; policy is ASCII, in which other bytes are written as \\ooo, three octal digits each"
    return PolicySetError(f"{file}:{line}:{column}", reason)


def _put_back(parent: int, name: str) -> None:
    """Where there is no set, put back the one that a killed run had moved aside (see ``_exchange``)."""
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
        return
    except FileNotFoundError:
        pass
    for aside in sorted(os.listdir(parent)):
        if aside.startswith(f".{name}.") and aside.endswith(".old"):
            status = os.stat(aside, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode) and not (another_owner(status) or other_writers(status, last=True)):
                os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)
                return


def _check_replaceable(parent: int, name: str, path: str) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise PolicySetError(path, "there is something that is no directory")
    check_trust(path, status, last=True)
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        foreign = sorted(set(os.listdir(descriptor)) - {*FILES.values(), MANIFEST})
    finally:
        os.close(descriptor)
    if foreign:
        raise PolicySetError(path, f"holds {quoted(foreign[0])}, which is no part of a policy set, so it is not replaced")


def _fill(parent: int, name: str, policy: PolicySet) -> None:
    import json

    directory = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        manifest = json.dumps(dict(policy.manifest), indent=2, sort_keys=True, ensure_ascii=True) + "\n"
        for file, text in {**_texts(policy), MANIFEST: manifest}.items():
            mode = _FILE_MODES.get(file, 0o644)
            descriptor = os.open(
                file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=directory
            )
            with open(descriptor, "wb") as opened:
                os.fchmod(descriptor, mode)
                opened.write(text.encode("latin-1"))
                opened.flush()
                os.fsync(descriptor)
        os.fchmod(directory, 0o755)
        os.fsync(directory)
    finally:
        os.close(directory)


def _exchange(parent: int, draft: str, name: str) -> None:
    """Put DRAFT in the place of NAME.  A directory cannot be renamed over a full one, so that one goes first.

    The kernel could exchange the two (renameat2), but Python has no such call.
    """
    aside = f"{draft}.old"
    remove_directory(parent, aside)
    try:
        os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=parent)
    except FileNotFoundError:
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
        return
    try:
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        os.rename(aside, name, src_dir_fd=parent, dst_dir_fd=parent)
        raise
    remove_directory(parent, aside)


def remove_directory(parent: int, name: str) -> None:
    """Remove NAME below the open directory PARENT, if it is there: a directory with the files in it, or whatever else it is."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=parent)
        return
    try:
        for file in os.listdir(directory):
            os.unlink(file, dir_fd=directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)


# Checking


def check_policy_set(policy: PolicySet) -> list[SetProblem]:
    """Find what would make a boot panic, be stored otherwise than written, or grant nothing.

    The judge is a simulated kernel that loads the set.  Problems come in the
    order panic, damage, lost lines, undefined groups.
    """
    from ..syntax.lines import Effect, PolicySyntaxError

    lost: list[SetProblem] = []

    def report(error: PolicySyntaxError) -> None:
        if error.effect is not Effect.COMMENT:
            lost.append(SetProblem(Fault.LOST, error.file, error.line, error.column, error.explanation))

    kernel = policy.loaded(report)
    return [*_panics(policy, kernel), *check_digests(policy), *lost, *_undefined(policy, kernel)]


def check_digests(policy: PolicySet) -> list[SetProblem]:
    """Compare the set's files with the digests in its manifest, if it has any."""
    known = policy.manifest.get("files")
    if not isinstance(known, Mapping):
        return []
    texts = _texts(policy)
    found = [
        SetProblem(Fault.DAMAGED, file, 0, 0, "differs from what the manifest tells: the set is damaged or was changed")
        for file, known_digest in known.items()
        if file in texts and digest(texts[file]) != known_digest
    ]
    gone = sorted(set(known) - set(texts) - {FILES["bindings"]})
    return found + [SetProblem(Fault.DAMAGED, file, 0, 0, "the manifest tells of it, but it is not there") for file in gone]


def _panics(policy: PolicySet, kernel: SimulatedKernel) -> list[SetProblem]:
    from ..model.profiles import OLD_PROFILE_VERSION, PROFILE_VERSION

    found = []
    told: set[str] = set()
    for domain in kernel.holding.domains.values():
        namespace = domain.namespace
        if namespace.version not in (PROFILE_VERSION, OLD_PROFILE_VERSION) and namespace.name not in told:
            told.add(namespace.name)
            message = f"namespace {namespace.name} has profile version {namespace.version}, and must have {PROFILE_VERSION}"
            found.append(SetProblem(Fault.PANIC, FILES["profile"], 0, 0, message))
        if domain.profile not in namespace.profiles:
            line = line_of(policy.domain_policy, domain.name.text)
            message = f"profile {domain.profile} of {domain.name} is not defined in namespace {namespace.name}"
            found.append(SetProblem(Fault.PANIC, FILES["domain_policy"], line, 1 if line else 0, message))
    return found


def _undefined(policy: PolicySet, kernel: SimulatedKernel) -> list[SetProblem]:
    found = []
    for domain in kernel.holding.domains.values():
        defined = domain.namespace.acl_groups
        for group in sorted(number for number in domain.groups if not defined.get(number)):
            line = line_of(policy.domain_policy, domain.name.text)
            message = f"{domain.name} uses group {group}, which has no entries"
            found.append(SetProblem(Fault.UNDEFINED, FILES["domain_policy"], line, 1 if line else 0, message))
    for namespace in kernel.holding.namespaces.values():
        for kind, groups in namespace.groups.items():
            for name in (name for name, members in groups.items() if not members):
                message = f"{kind.value} {name} is named, but has no members in namespace {namespace.name}"
                found.append(SetProblem(Fault.UNDEFINED, FILES["exception_policy"], 0, 0, message))
    return found

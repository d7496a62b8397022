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
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..model.words import quoted
from .directory import FILES, FORMAT, MANIFEST, PolicySetError, SetTexts, digest, present, read_set_texts

if TYPE_CHECKING:
    from ..model.domains import DomainPolicy
    from ..model.exception_policy import ExceptionPolicy
    from ..model.managers import ManagerPolicy
    from ..model.profiles import ProfilePolicy
    from ..model.stat import Stat
    from ..simulation.simulated_kernel import SimulatedKernel
    from ..syntax.lines import Report

__all__ = ["PolicySet", "read_policy_set", "with_digests"]

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


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Everything that a kernel is to hold, as texts.  They are not checked: see `check_policy_set`.

    Attributes:
        domain_policy, exception_policy, profile, manager: as the interface files of these names take them.
        bindings: the part of the exception policy that ties names to store paths.
        stat: quotas, or a report whose quotas are meant.
        boot: the boot loader, a shell script; None where the set has none.
        manifest: plain data, kept as it was found.
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

    def __repr__(self) -> str:
        sizes = ", ".join(f"{FILES[name]}: {len(getattr(self, name) or '')}" for name in FILES)
        return f"<PolicySet with bytes of {sizes}>"

    def __reduce__(self) -> tuple[Any, ...]:
        # A view of a dict cannot be pickled.
        return type(self), (*(getattr(self, name) for name in FILES), dict(self.manifest))

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
        from ..simulation.simulated_kernel import SimulatedKernel

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
        report(PolicySyntaxError(file, error.line, error.column, problem, error.source))

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


# Digests


def with_digests(policy: PolicySet) -> PolicySet:
    """POLICY with a manifest that tells its format and the digests of its files.

    Raises PolicySetError for a text that no file can hold.
    """
    try:
        digests = {file: digest(text) for file, text in set_files(policy).items()}
    except UnicodeEncodeError:
        raise _unwritable(policy) from None
    return replace(policy, manifest={"format": FORMAT, **policy.manifest, "files": digests})


def set_files(policy: PolicySet) -> dict[str, str]:
    """The files of POLICY but the manifest; those that may be missing are, when empty."""
    return present({name: getattr(policy, name) for name in FILES})


def _unwritable(policy: PolicySet) -> PolicySetError:
    """What is wrong where a text holds what is no byte."""
    file, text = next((file, text) for file, text in set_files(policy).items() if text and max(text) > "\xff")
    position = next(position for position, character in enumerate(text) if character > "\xff")
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    reason = f"{text[position]!r} is no byte; policy is ASCII, in which other bytes are written as \\ooo, three octal digits each"
    return PolicySetError(f"{file}:{line}:{column}", reason)

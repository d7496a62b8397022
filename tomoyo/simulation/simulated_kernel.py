"""A simulated kernel: what a kernel does with what is written to its interface files.

It normalises, drops, merges, deletes and selects as the real one does, and
prints each interface in the real one's order.  The differential tests hold it
equal to real kernels; where those differ, it is that of the version given.
What it does not do: account for memory (so nothing is
dropped for a quota), run processes, or learn.

    >>> kernel = SimulatedKernel()
    >>> kernel.write("domain_policy", "<kernel> /bin/sh\\nfile write/read /tmp/x\\n")
    >>> print(kernel.read("domain_policy").split("\\n\\n")[2])
    <kernel> /bin/sh
    use_profile 0
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType

from ..model.domains import Domain
from ..model.entries import Entry, Kind
from ..model.errors import TomoyoError
from ..model.kernel_versions import DEFAULT_KERNEL, KernelVersion, kernel_version
from ..model.profiles import OLD_PROFILE_VERSION, PROFILE_VERSION
from ..model.records import AuditRecord, Query
from ..model.stat import COUNTERS, MEMORY, Counter, MemoryUse, Stat
from ..model.words import KERNEL, DomainName
from ..syntax.domain_policy import is_selectable, read_domain_line, with_modules
from ..syntax.exception_policy import read_exception_line
from ..syntax.formatting import (
    format_domain,
    format_domain_policy,
    format_exception_policy,
    format_manager,
    format_profile,
    format_stat,
)
from ..syntax.kernel_policy import HeldDomain, KernelPolicy
from ..syntax.lines import UNENDED, Line, Listener, Reading, Report, Said, normalise, replay
from ..syntax.managers import HeldManagers, read_manager_line
from ..syntax.profiles import apply_profile, read_profile_line
from ..syntax.stat import read_stat_line
from ..syntax.statements import (
    DomainStatement,
    Reset,
    SelectDomain,
    SelectProcess,
    SelectQuery,
    SelectTransitions,
    SetQuota,
    StatStatement,
)

__all__ = ["KernelPanic", "SimulatedFile", "SimulatedKernel"]

VERSION = "2.6.0"
#: What a kernel with the default configuration holds from the start; a simulated one starts empty.
BUILTIN_EXCEPTION_POLICY = """\
initialize_domain /sbin/modprobe from any
initialize_domain /sbin/hotplug from any
"""


class KernelPanic(TomoyoError):
    """The kernel would stop here; the message is its reason."""


class SimulatedKernel:
    """The whole policy of a kernel of VERSION, such as ``7.2``, behind the methods that the real interface has.

    Attributes:
        version: the kernel's version, for what differs between kernels (see
            ``model.kernel_versions``).
        holding: domains, exception policy and profiles, open to change.
        managers: the manager list.
        quotas: memory quotas by name; kept and printed, not applied.
        processes: process numbers to domain names, for ``select pid=``.
        audit, queries: what reading ``audit`` and ``query`` gives.
        is_manager: whether the caller may change policy once it is active.
        modules: the numbers of modules that domain policy may name, which no real kernel knows.

    Raises InvalidValueError where VERSION is none.
    """

    def __init__(self, version: str | KernelVersion = DEFAULT_KERNEL) -> None:
        self.version: KernelVersion = kernel_version(version)
        self.holding: KernelPolicy = KernelPolicy()
        self.holding.open_domain(DomainName(KERNEL))
        self.managers: HeldManagers = HeldManagers()
        self.quotas: dict[str, int] = dict.fromkeys(MEMORY, 0)
        self.processes: dict[int, str] = {}
        self.audit: deque[AuditRecord] = deque()
        self.queries: list[Query] = []
        self.is_manager = True
        self.modules: Mapping[str, int] = {}

    def __repr__(self) -> str:
        return f"<SimulatedKernel {self.version}: domains: {len(self.holding.domains)}{'' if self.active else ', not active'}>"

    @property
    def active(self) -> bool:
        """Whether the loader has run, so that policy is in force."""
        return self.holding.active

    def copy(self) -> SimulatedKernel:
        """An independent copy; the entries in it are shared, being immutable."""
        other = SimulatedKernel(self.version)
        other.holding = self.holding.copy()
        managers = self.managers
        other.managers = replace(managers, managers=dict(managers.managers))
        other.quotas = dict(self.quotas)
        other.processes = dict(self.processes)
        other.audit = deque(self.audit)
        other.queries = list(self.queries)
        other.is_manager = self.is_manager
        other.modules = self.modules
        return other

    def activate(self) -> None:
        """Put the policy in force, as the kernel does when its loader has ended.

        Raises KernelPanic where a domain's profile is not defined or its
        namespace has an unsupported profile version.
        """
        self.holding.active = True
        for domain in self.holding.domains.values():
            namespace = domain.namespace
            if namespace.version == OLD_PROFILE_VERSION:
                namespace.version = PROFILE_VERSION
            if namespace.version != PROFILE_VERSION:
                raise KernelPanic(f"Profile version {namespace.version} is not supported.")
            if domain.profile not in namespace.profiles:
                raise KernelPanic(f"Profile {domain.profile} (used by '{domain.name}') is not defined.")

    def open(self, name: str, report: Report | None = None) -> SimulatedFile:
        """Open the interface file NAME; REPORT is told of lines dropped or altered.

        Raises FileNotFoundError where the kernel has no such file.
        """
        if name not in FILES:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return SimulatedFile(self, name, report)

    def write(self, name: str, data: str | bytes, report: Report | None = None) -> None:
        """Open the interface file NAME, write DATA, and close it.

        Arguments:
            report: called with each line that the kernel drops or alters.

        Raises FileNotFoundError where the kernel has no such file.
        """
        with self.open(name, report) as file:
            file.write(data)

    def read(self, name: str) -> str:
        """Open the interface file NAME and read all of it.

        Raises FileNotFoundError where the kernel has no such file.
        """
        with self.open(name) as file:
            return file.read()

    def select(self, name: str, command: str) -> str:
        """Write COMMAND (``select domain=...``) and read, with NAME opened once.

        Raises FileNotFoundError where the kernel has no such file.
        """
        return self.select_all(name, [command])[0]

    def select_all(self, name: str, commands: Iterable[str]) -> list[str]:
        """The answer to each of COMMANDS, all with NAME opened once.

        Raises FileNotFoundError where the kernel has no such file.
        """
        answers = []
        with self.open(name) as file:
            for command in commands:
                file.write(command + "\n")
                answers.append(file.read())
        return answers

    def settle(self) -> None:
        """Wait until what was deleted is collected: here it is, as soon as a writer closes its file."""

    def process_domains(self) -> dict[int, str]:
        """The domain of each process, by its number."""
        return dict(self.processes)

    def own_names(self) -> list[str]:
        """The caller's program and domain: nobody calls a simulated kernel."""
        return []

    def stat(self) -> Stat:
        """What ``stat`` reports; memory in use is not known and given as 0."""
        counts = {"update": (self.holding.updates + self.managers.updates) % 2**32}
        return Stat(
            tuple(Counter(name, counts.get(name, 0)) for name in COUNTERS),
            tuple(MemoryUse(name, 0, self.quotas[name]) for name in MEMORY),
            0,
        )


class SimulatedFile:
    """An open interface file: what is selected in it, and a line not yet ended."""

    def __init__(self, kernel: SimulatedKernel, name: str, report: Report | None) -> None:
        self.kernel = kernel
        self.name = name
        self._listener = Listener(name, Reading.AS_KERNEL, report, kernel.version)
        self._buffer = ""
        self._line = 1
        self._written = False
        # The domain that lines are about, and the one that was chosen to be printed.
        self._domain: HeldDomain | None = None
        self._shown: HeldDomain | None = None
        self._selection: str | None = None
        self._transitions_only = False

    def __enter__(self) -> SimulatedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file.  A line without its newline is lost; what was deleted is collected."""
        if normalise(self._buffer):
            self._listener.tell(self._line, self._buffer, UNENDED)
        self._buffer = ""
        if self._written:
            self.kernel.holding.collect()
            self.kernel.managers.collect()

    def write(self, data: str | bytes) -> None:
        """Write DATA; the kernel acts on each line as its newline arrives.

        Raises PermissionError where the caller is no manager, and OSError for a
        file that takes nothing.
        """
        writer = FILES[self.name]
        if writer is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self.name)
        if self.kernel.active and not self.kernel.is_manager:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), self.name)
        self._written = True
        text = data.decode("latin-1") if isinstance(data, bytes) else data
        complete, newline, rest = text.rpartition("\n")
        if not newline:
            self._buffer += text
            return
        complete = self._buffer + complete + newline
        self._buffer = rest
        writer(self, complete)
        self._line += complete.count("\n")

    def read(self) -> str:
        """Read all that there is to read now."""
        kernel, holding = self.kernel, self.kernel.holding
        if self.name == "domain_policy":
            return self._read_domains()
        if self.name == "exception_policy":
            # The kernel takes "select transition_only" here, too, but forgets it before it prints.
            return format_exception_policy(holding.exception_policy())
        if self.name == "profile":
            return format_profile(holding.profile_policy())
        if self.name == "manager":
            return format_manager(replace(kernel.managers.value(), manage_by_non_root=False))
        if self.name == "stat":
            return format_stat(kernel.stat())
        if self.name == "audit":
            return f"{kernel.audit.popleft()}\0" if kernel.audit else ""
        if self.name == "query":
            return "".join(f"{query}\0" for query in kernel.queries)
        return VERSION if self.name == "version" else KERNEL

    def _read_domains(self) -> str:
        shown = self._show if self._transitions_only else format_domain
        if self._selection is not None:
            body = shown(self._shown.value()) if self._shown is not None else ""
            return f"# select {self._selection}\n{body}"
        policy = self.kernel.holding.domain_policy()
        if not self._transitions_only:
            return format_domain_policy(policy)
        return "".join(map(self._show, policy))

    @staticmethod
    def _show(domain: Domain) -> str:
        return format_domain(replace(domain, entries=transition_entries(domain.entries)))

    def _replay(self, text: str, reader: Callable[[Line], Said], apply: Callable[[Said], str | None]) -> None:
        replay(text, reader, apply, self._listener, first=self._line)

    def write_domain_policy(self, text: str) -> None:
        """Act on lines of domain policy."""
        holding = self.kernel.holding
        holding.selected = self._domain
        self._replay(text, with_modules(read_domain_line, self.kernel.modules), self._apply_domain)
        self._domain = holding.selected

    def _apply_domain(self, statement: DomainStatement) -> str | None:
        if type(statement) is Entry:
            return self.kernel.holding.apply_domain(statement)
        if isinstance(statement, SelectTransitions):
            self._transitions_only = True
            return None
        if isinstance(statement, Reset):
            self._selection, self._transitions_only = None, False
        elif isinstance(statement, SelectProcess):
            return self._select(statement.written, self.kernel.processes.get(statement.pid))
        elif isinstance(statement, SelectQuery):
            asking = {query.serial: query.record.domain.text for query in self.kernel.queries}
            return self._select(statement.written, asking.get(statement.serial))
        elif isinstance(statement, SelectDomain) and statement.prints:
            return self._select(f"domain={statement.name}", statement.name if is_selectable(statement.name) else None)
        return self.kernel.holding.apply_domain(statement)

    def _select(self, written: str, name: str | None) -> str | None:
        self._selection, self._transitions_only = written, False
        told = self.kernel.holding.apply_domain(SelectDomain(name or "", prints=True))
        self._shown = self.kernel.holding.selected
        return told

    def write_exception_policy(self, text: str) -> None:
        """Act on lines of exception policy."""
        self._replay(text, read_exception_line, self.kernel.holding.apply_exception)

    def write_profile(self, text: str) -> None:
        """Act on lines of profiles."""
        holding = self.kernel.holding
        self._replay(text, read_profile_line, lambda statement: apply_profile(holding, statement))

    def write_manager(self, text: str) -> None:
        """Act on lines of the manager list."""
        self._replay(text, read_manager_line, self.kernel.managers.apply)

    def write_stat(self, text: str) -> None:
        """Act on memory quotas; the kernel counts every line as an update, whatever it says."""
        self._replay(text, read_stat_line, self._apply_stat)
        lines = text.split("\n")[:-1]
        self.kernel.holding.updates += sum(normalise(line) != "reset" for line in lines)

    def _apply_stat(self, statement: StatStatement) -> str | None:
        if isinstance(statement, SetQuota):
            self.kernel.quotas[statement.name] = statement.quota
        return None


def transition_entries(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """What ``select transition_only`` leaves of ENTRIES: what decides on domain transitions."""
    return tuple(
        entry.with_operations(("execute",)) if entry.kind is Kind.PATH else entry
        for entry in entries
        if entry.kind is Kind.TRANSITION or "execute" in entry.operations
    )


#: The interface files, to what takes their text; None for those that are only read.
FILES: dict[str, Callable[[SimulatedFile, str], None] | None] = {
    "domain_policy": SimulatedFile.write_domain_policy,
    "exception_policy": SimulatedFile.write_exception_policy,
    "profile": SimulatedFile.write_profile,
    "manager": SimulatedFile.write_manager,
    "stat": SimulatedFile.write_stat,
    "audit": None,
    "query": None,
    "self_domain": None,
    "version": None,
}

"""What the kernel would answer: a policy, put into a form that answers fast.

    >>> from tomoyo import parse_domain_policy
    >>> policy = parse_domain_policy("<kernel> /bin/sh\\nuse_profile 0\\nfile read /tmp/\\\\*\\n")
    >>> engine = DecisionEngine(policy)
    >>> str(engine.decide("<kernel> /bin/sh", Request(Kind.PATH, "read", ("/tmp/x",))).entry)
    'file read /tmp/\\\\*'

The search is the kernel's: the domain's own entries in order, then each
acl_group that it uses, ascending; the first entry whose operation, arguments
and condition match decides.  A policy without profiles is asked what its
entries grant; no mode is known then.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from ..model.domains import Domain, DomainPolicy
from ..model.entries import Entry, Kind
from ..model.errors import TomoyoError
from ..model.exception_policy import ExceptionPolicy, NamespaceExceptions
from ..model.profiles import Config, Mode, Profile, ProfilePolicy
from ..model.records import AuditRecord
from ..model.words import DomainName
from ..syntax.kernel_policy import KernelPolicy
from .conditions import Holds, holds
from .groups import Groups
from .impossible_requests import NeverAsked, never_asked
from .index import EntryIndex, Scrutiny, argument_matches, arguments_match
from .requests import Request, functionality_of, request_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..syntax.lines import PolicySyntaxError, Report

__all__ = ["DecisionEngine", "UnknownDomain", "Verdict"]

_UNDEFINED = Profile(0)
#: Files of a policy with the interface that each is for, in the order of loading.
_LOADED = {
    "profile.conf": "profile",
    "exception_policy.conf": "exception_policy",
    "bindings.conf": "exception_policy",
    "domain_policy.conf": "domain_policy",
}


class UnknownDomain(TomoyoError, LookupError):
    """The policy holds no such domain, and none that it would be created from; the message is its name."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a request.

    Attributes:
        mode: the mode that holds for it; None where no profiles were given,
            and for ``manual_domain_transition``, which entries alone grant.
        granted: whether an entry grants it; always so in disabled mode.
        entry: the entry that decided, or None.
        group: the acl_group that the entry is in; None if it is the domain's own.
        logged: whether an audit record is written.
        learned: the entry that learning mode adds, or None.
        certain: False where something that a condition asks for is not known:
            the request was written by hand, or the record cut off before it.
        matched_path: for ``execute``, what the new domain is named after.
        conditional: the entries that would decide, the first whose condition
            holds, each with its acl_group; all come before ``entry``.  They
            are there where it is not ``certain``.
        created_from: where the policy has no such domain, the one of which
            execve would inherit profile and groups as it creates it.
        never_asked: why the kernel never makes such a request, so that nothing
            grants it; else None.
    """

    mode: Mode | None
    granted: bool
    entry: Entry | None = None
    group: int | None = None
    logged: bool = False
    learned: Entry | None = None
    certain: bool = True
    matched_path: str | None = None
    conditional: tuple[tuple[int | None, Entry], ...] = ()
    created_from: DomainName | None = None
    never_asked: NeverAsked | None = None

    def __repr__(self) -> str:
        answer = "granted" if self.granted else "not granted"
        mode = f" in {self.mode.value} mode" if self.mode else ""
        known = "" if self.certain else ", as far as is known"
        return f"<Verdict {answer}{mode}{known}{f': {self.entry}' if self.entry else ''}>"

    @property
    def domain_defined(self) -> bool:
        """Whether the policy has the domain; the answer is else that of the one that execve would create."""
        return self.created_from is None

    @property
    def allowed(self) -> bool:
        """Whether the process gets what it asks for, as far as is known: only enforcing mode denies."""
        return self.granted or self.mode not in (Mode.ENFORCING, None)


def _refuse(error: PolicySyntaxError) -> None:
    from ..syntax.lines import Effect

    if error.effect is not Effect.COMMENT:
        raise error


class DecisionEngine:
    """A policy that answers requests.  Each domain's index is built when it is first asked.

    Arguments:
        domains: whose entries are searched.
        exceptions: the groups, acl_groups and transition control that they use; none where it is left out.
        profiles: what says the mode; without them a verdict has none, and only ``granted`` counts.
        names: the packages' names by which a request may ask for a file, such as ``nix:/notes/share/help``;
            patterns may be among them.  The path group called so holds its own name.
        modules: what the policy source calls acl_groups, by their numbers.

    There are three ways to make one: from parsed policies; `load` for the files of
    a saved policy or a policy set, taken line by line as a kernel takes them, where
    a line that it would drop is an error; and ``load_policy(PATH).engine()`` for any
    form of policy, policy sources and the running kernel among them.

    The answers are the kernel's (security/tomoyo); the tests ask real kernels the same.
    """

    def __init__(
        self,
        domains: DomainPolicy,
        exceptions: ExceptionPolicy | None = None,
        profiles: ProfilePolicy | None = None,
        *,
        names: Collection[str] = (),
        modules: Mapping[int, str] | None = None,
    ) -> None:
        self.profiles = profiles
        self.names = names
        self.modules: Mapping[int, str] = modules or {}
        self._domains = {domain.name.text: domain for domain in domains}
        self._exceptions = {part.namespace: part for part in exceptions or ExceptionPolicy()}
        self._groups: dict[str, Groups] = {}
        self._own: dict[str, EntryIndex] = {}
        self._shared: dict[tuple[str, int], EntryIndex] = {}
        self._lists: dict[str, list[tuple[int | None, EntryIndex]]] = {}
        self._configs: dict[tuple[str, int, str], tuple[Profile, Config]] = {}

    def __repr__(self) -> str:
        return f"<DecisionEngine: domains: {len(self._domains)}{'' if self.profiles else ', no profiles'}>"

    @classmethod
    def of(cls, holding: KernelPolicy) -> DecisionEngine:
        """The engine for what a simulated kernel holds (its ``holding``, HOLDING) at this moment."""
        return cls(holding.domain_policy(), holding.exception_policy(), holding.profile_policy())

    @classmethod
    def load(cls, path: str | os.PathLike[str], report: Report | None = None) -> DecisionEngine:
        """The engine for what a kernel would make of the files at PATH.

        Arguments:
            path: a directory with domain_policy.conf and, if there, exception_policy.conf, bindings.conf and
                profile.conf, as `compile` and tomoyo-savepolicy write it; or a file of domain policy alone.
                `load_policy` takes every other form.
            report: told of each line that the kernel would drop or alter; the error's ``file`` is the interface.
                Without it such a line is an error: an answer without it might grant more than was meant.

        Raises PolicySyntaxError for such a line, and OSError for what cannot be
        read, FileNotFoundError among them.
        """
        from ..simulation.simulated_kernel import SimulatedKernel

        files = {path: "domain_policy"}
        if os.path.isdir(path):
            places = {os.path.join(path, name): interface for name, interface in _LOADED.items()}
            files = {place: name for place, name in places.items() if name == "domain_policy" or os.path.exists(place)}
        kernel = SimulatedKernel()
        for place, interface in files.items():
            with open(place, "rb") as file:
                kernel.write(interface, file.read(), report or _refuse)
        holding = kernel.holding
        profiles = holding.profile_policy() if "profile" in files.values() else None
        return cls(holding.domain_policy(), holding.exception_policy(), profiles)

    def with_domains(self, domains: DomainPolicy) -> DecisionEngine:
        """The engine for other DOMAINS under the same exception policy and profiles, of which what is indexed is shared."""
        other = DecisionEngine(domains, None, self.profiles, names=self.names, modules=self.modules)
        other._exceptions = self._exceptions
        other._groups = self._groups
        other._shared = self._shared
        other._configs = self._configs
        return other

    def domain(self, name: DomainName | str) -> Domain | None:
        """The domain called NAME, or None."""
        return self._domains.get(str(name))

    def domains(self) -> Iterator[Domain]:
        """All domains, in the policy's order."""
        return iter(self._domains.values())

    def exceptions(self, namespace: str) -> NamespaceExceptions:
        """The exception policy of NAMESPACE, which may be empty."""
        return self._exceptions.get(namespace) or NamespaceExceptions(namespace)

    def groups(self, namespace: str) -> Groups:
        """The groups of NAMESPACE."""
        found = self._groups.get(namespace)
        if found is None:
            found = self._groups[namespace] = Groups(self.exceptions(namespace))
        return found

    def origin(self, name: DomainName | str) -> Domain:
        """The domain called NAME as it would stand: one that does not exist is created by
        execve, without entries, with profile and groups of the one that it comes from.

        Raises UnknownDomain where nothing is known to create it from.
        """
        text = str(name)
        found = self._domains.get(text)
        if found is not None:
            return found
        ancestor = self.ancestor(text)
        return Domain(DomainName(text), ancestor.profile, ancestor.groups)

    def ancestor(self, name: DomainName | str) -> Domain:
        """The nearest domain above NAME that the policy has: what a domain inherits from where its program is executed.

        Raises UnknownDomain where there is none.
        """
        parent, space, _ = str(name).rpartition(" ")
        while space:
            found = self._domains.get(parent)
            if found is not None:
                return found
            parent, space, _ = parent.rpartition(" ")
        raise UnknownDomain(str(name))

    def config(self, domain: Domain, functionality: str) -> tuple[Profile, Config] | None:
        """DOMAIN's profile, and its settings for FUNCTIONALITY (``file::read``); None without profiles."""
        if self.profiles is None:
            return None
        namespace = domain.name.namespace
        key = (namespace, domain.profile, functionality)
        found = self._configs.get(key)
        if found is None:
            part = self.profiles.namespace(namespace)
            profile = (part.profile(domain.profile) if part else None) or _UNDEFINED
            found = self._configs[key] = (profile, profile.config(functionality))
        return found

    def decide_record(self, record: AuditRecord) -> Verdict:
        """The answer to the request in RECORD, which the kernel made whatever it is.

        Raises InvalidValueError where the record is of an event, UnknownDomain where
        its domain could not be there.
        """
        return self.decide_entries(record.domain, request_of(record))

    def decide(self, name: DomainName | str, request: Request) -> Verdict:
        """The answer to REQUEST, made in the domain called NAME.

        A request that the kernel never makes is not granted; ``never_asked``
        says why.

        Raises UnknownDomain where the policy has no such domain and none above it,
        and InvalidValueError where NAME is no domain's name.
        """
        never = never_asked(request, names=self.names)
        if never is None:
            return self.decide_entries(name, request)
        created_from = None if str(name) in self._domains else self.ancestor(name).name
        return Verdict(None, granted=False, created_from=created_from, never_asked=never)

    def decide_entries(self, name: DomainName | str, request: Request) -> Verdict:
        """What the entries of the domain called NAME answer to REQUEST, even if the kernel never makes it.

        Raises as `decide`: UnknownDomain, and InvalidValueError.
        """
        text = str(name)
        domain = self._domains.get(text)
        if domain is None:
            return replace(self._decide(self.origin(text), request), created_from=self.ancestor(text).name)
        return self._decide(domain, request)

    def _decide(self, domain: Domain, request: Request) -> Verdict:
        functionality = functionality_of(request.kind, request.operation)
        # No mode lets a process choose its domain: that takes an entry.
        settings = self.config(domain, functionality) if request.kind is not Kind.TRANSITION else None
        mode = settings[1].mode if settings else None
        executes = request.operation == "execute"
        if mode is Mode.DISABLED and not executes:
            return Verdict(mode, granted=True)
        groups = self.groups(domain.name.namespace)
        lists = self.lists(domain)
        unknown: list[tuple[int | None, Entry]] = []
        for group, index in lists:
            for _, entry in index.candidates(request):
                if not arguments_match(entry, request, groups):
                    continue
                found = Holds.YES if entry.condition is None else holds(entry.condition, request, groups)
                if found is Holds.UNKNOWN:
                    unknown.append((group, entry))
                elif found is Holds.YES:
                    path = _path(entry, request, groups) if executes else None
                    logged = settings is not None and _is_logged(settings, entry)
                    return Verdict(mode, True, entry, group, logged, None, not unknown, path, tuple(unknown))
        path = self._last_path(lists, request, groups) if executes else None
        if mode is Mode.DISABLED and executes:
            return Verdict(mode, granted=True, certain=not unknown, matched_path=path, conditional=tuple(unknown))
        learned = None
        if mode is Mode.LEARNING and settings is not None:
            count = self._own_index(domain).weight
            if not domain.quota_exceeded and count < settings[0].max_learning_entry:
                learned = request.learned
        logged = settings is not None and _is_logged(settings, None)
        return Verdict(mode, False, None, None, logged, learned, not unknown, path, tuple(unknown))

    def scrutiny(self, name: DomainName | str, kind: Kind, operation: str) -> Scrutiny:
        """What the answer to a request of the domain called NAME may hang on beside its arguments.

        Arguments:
            kind, operation: what the request asks for, as in `Request`.

        Raises UnknownDomain as `decide`.
        """
        if kind is Kind.MOUNT:  # where the request has no path1, the kernel does not compare the device
            return max(Scrutiny.ATTRIBUTES, *self._scrutinies(name, kind, operation))
        return max(self._scrutinies(name, kind, operation))

    def _scrutinies(self, name: DomainName | str, kind: Kind, operation: str) -> list[Scrutiny]:
        return [index.scrutiny(kind, operation) for _, index in self.lists(self.origin(name))]

    def matched_path(self, domain: Domain, entry: Entry, request: Request) -> str | None:
        """What a new domain is named after where ENTRY of DOMAIN grants the execution REQUEST; None where it does not match."""
        return _path(entry, request, self.groups(domain.name.namespace))

    def lists(self, domain: Domain) -> list[tuple[int | None, EntryIndex]]:
        """What is searched for DOMAIN, in order: its own entries (None), then acl_groups by number."""
        found = self._lists.get(domain.name.text)
        if found is None:
            namespace = domain.name.namespace
            found = [(None, self._own_index(domain))]
            found += [(group, self._shared_index(namespace, group)) for group in domain.groups]
            if domain.name.text in self._domains:  # of others there is no end
                self._lists[domain.name.text] = found
        return found

    def _own_index(self, domain: Domain) -> EntryIndex:
        found = self._own.get(domain.name.text)
        if found is None:
            found = EntryIndex(domain.entries, self.groups(domain.name.namespace))
            if domain.name.text in self._domains:
                self._own[domain.name.text] = found
        return found

    def _shared_index(self, namespace: str, group: int) -> EntryIndex:
        found = self._shared.get((namespace, group))
        if found is None:
            entries = dict(self.exceptions(namespace).acl_groups).get(group, ())
            found = self._shared[namespace, group] = EntryIndex(entries, self.groups(namespace))
        return found

    @staticmethod
    def _last_path(lists: list[tuple[int | None, EntryIndex]], request: Request, groups: Groups) -> str | None:
        """What the kernel remembers of a search in vain: the path of the last entry, if that much of it matched."""
        for _, index in reversed(lists):
            entries = index.entries(Kind.PATH, "execute")
            if entries:
                return _path(entries[-1][1], request, groups)
        return None


def _path(entry: Entry, request: Request, groups: Groups) -> str | None:
    found = argument_matches(entry.arguments[0], request.arguments[0], groups)
    return found if isinstance(found, str) else None


def _is_logged(settings: tuple[Profile, Config], entry: Entry | None) -> bool:
    profile, config = settings
    if profile.max_audit_log == 0:
        return False
    if entry is None:
        return config.reject_log
    if entry.condition is not None and entry.condition.grant_log is not None:
        return entry.condition.grant_log
    return config.grant_log

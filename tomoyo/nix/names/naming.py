"""Naming: a named policy from what a kernel learned.

    file read /nix/store/H-glibc-2.40/lib/libc.so.6     file read @nix:/glibc/lib/libc.so.6
    <kernel> /nix/store/H-system-path/bin/nginx         <kernel> nix:/nginx/bin/nginx

With the bindings of the same closure the result answers as the learned policy
did, but for three things that `Named.findings` tells: a program is the same
whichever way it is executed, so domains that were learned for two ways become
one; conditions on argv and envp, which cannot hold a name, hold more often;
and where two packages have one name and version, that means both.

Which words become what is the business of `rename_words`; here is where each
kind of word stands in a policy.  Everything takes time linear in the policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from ...model.conditions import TRANSITION_KEYWORDS, Attribute, Comparison, Condition, Test
from ...model.diagnostics import Diagnostic
from ...model.domains import Domain, DomainPolicy, merge_entries
from ...model.entries import Argument, Entry, GroupKind, Kind
from ...model.exception_policy import (
    Aggregator,
    ExceptionPolicy,
    Group,
    Member,
    NamespaceExceptions,
    TransitionControl,
)
from ...model.words import MAX_DOMAIN_NAME, DomainName, GroupReference, Quoted, Word
from ...syntax.policy_text import Renaming
from ...syntax.statements import (
    ExceptionContent,
    GroupMember,
    InNamespace,
    OpenDomain,
    SharedEntry,
    Statement,
)
from ..store.contents import Contents
from .executed_words import executed_groups, executed_words
from .names import NameTable, is_name
from .program_paths import WRAPPER_DIRECTORY
from .rename_words import Change, NamedWords, UnsafeWords, Words

__all__ = ["EntryNames", "Named", "name_policy", "unsafe_policy"]

_TARGET = Attribute("symlink.target")
#: How many groups may stand in the place of one group with store paths in it.
MAX_ALTERNATIVES = 32


@dataclass(frozen=True, slots=True)
class Named:
    """What `name_policy` and `unsafe_policy` give.

    Attributes:
        exceptions: None where none was given.
        findings: each once, in the order of the policy.
        renamed: what became of a statement in a namespace, the first thing if it
            became several; None for nothing.
        merged_entries: how many entries are gone because they became equal to
            others, or differ from them in operations alone.
    """

    domains: DomainPolicy
    exceptions: ExceptionPolicy | None
    findings: tuple[Diagnostic, ...] = ()
    merged_entries: int = 0
    renamed: Renaming = field(default=lambda said, _: said, repr=False, compare=False)


def name_policy(
    domains: DomainPolicy,
    exceptions: ExceptionPolicy | None,
    names: NameTable,
    contents: Contents,
    links: Mapping[str, str] | None = None,
) -> Named:
    """Put names in the place of the store paths in a policy.

    Arguments:
        domains, exceptions: the policy; None where there is no exception policy.
        names: the trusted closure.
        contents: what lies in it.
        links: as for `tomoyo.nix.names.program_paths.find_program_paths`.

    Raises `NameSyntaxError` for a word that claims to be a name and is none.
    """
    words = NamedWords.learned(names, contents, executed_words(domains, exceptions), links)
    return _Naming(words, names.directory).policy(domains, exceptions)


class EntryNames:
    """Names for single domains and entries of DOMAINS, where it matters which became what.

    Arguments as for `name_policy`, which they are named as by.
    """

    def __init__(
        self, domains: DomainPolicy, names: NameTable, contents: Contents, links: Mapping[str, str] | None = None
    ) -> None:
        words = NamedWords.learned(names, contents, executed_words(domains, None), links)
        self._naming = _Naming(words, names.directory)

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What a person should know of what was named so far."""
        return tuple(self._naming.words.findings)

    def domain(self, name: DomainName | str) -> DomainName:
        """What the domain NAME is called."""
        return self._naming.domain_name(DomainName.of(name))

    def entries(self, entry: Entry, namespace: str) -> tuple[Entry, ...]:
        """What ENTRY, of a domain of NAMESPACE, becomes."""
        return tuple(self._naming.named_entries((entry,), namespace))


def unsafe_policy(domains: DomainPolicy, exceptions: ExceptionPolicy | None, names: NameTable) -> Named:
    """Put patterns in the place of the hashes in a policy.

    Whoever may add a package to the store then has the rights of every
    package that he names alike.
    """
    return _Naming(UnsafeWords(names), names.directory).policy(domains, exceptions)


class _Naming:
    """Where the words of a policy stand."""

    def __init__(self, words: Words, store_directory: str) -> None:
        self.words = words
        self.store = store_directory + "/"
        self.entries: dict[tuple[str, str], tuple[Entry, ...]] = {}
        self.alternatives: dict[tuple[str, str], tuple[GroupReference, ...]] = {}
        self.merged_entries = 0

    def policy(self, domains: DomainPolicy, exceptions: ExceptionPolicy | None) -> Named:
        executed = executed_groups(domains, exceptions)
        for held in exceptions or ():
            self._find_alternatives(held)
        named = DomainPolicy(tuple(self._domains(domains)))
        parts = None
        if exceptions is not None:
            each = [self._namespace(held, executed) for held in exceptions]
            parts = ExceptionPolicy(tuple(_merge_parts(each)), exceptions.named)
        return Named(
            named,
            parts,
            tuple(self.words.findings),
            self.merged_entries,
            lambda said, space: self.statement(said, space, executed),
        )

    def statement(self, said: Statement, namespace: str, executed_groups: set[tuple[str, str]]) -> Statement | None:
        """As `Named.renamed`."""
        if isinstance(said, OpenDomain) and said.name is not None:
            return OpenDomain(self.domain_name(said.name))
        if isinstance(said, Entry):
            return next(self.named_entries((said,), namespace), None)
        if not isinstance(said, InNamespace):
            return said
        content = said.content
        new: ExceptionContent | None = None
        if isinstance(content, TransitionControl):
            new = self._control(content)
        elif isinstance(content, Aggregator):
            new = next(self._aggregators((content,)), None)
        elif isinstance(content, SharedEntry):
            entry = next(self.named_entries((content.entry,), namespace), None)
            new = replace(content, entry=entry) if entry else None
        elif isinstance(content, GroupMember):
            key = namespace, content.name.text
            group = Group(content.kind, content.name, (content.member,))
            members = self._members(group, key in executed_groups, key in self.alternatives)
            member = content.member if content.kind is not GroupKind.PATH else next(members, None)
            new = replace(content, member=member) if member else None
        return InNamespace(self._namespace_name(namespace), new) if new else None

    def tell(self, change: Change, text: str, reason: str) -> None:
        self.words.findings[change.finding(text, reason)] = None

    # Domains

    def _domains(self, domains: DomainPolicy) -> Iterator[Domain]:
        together: dict[str, list[Domain]] = {}
        for domain in domains:
            together.setdefault(self.domain_name(domain.name).text, []).append(domain)
        for name, parts in together.items():
            entries = self._all_entries(
                named for domain in parts for named in self.named_entries(domain.entries, domain.name.namespace)
            )
            yield Domain(
                DomainName(name),
                parts[0].profile,
                tuple(group for domain in parts for group in domain.groups),
                entries,
                any(domain.quota_exceeded for domain in parts),
                any(domain.transition_failed for domain in parts),
            )
            self._tell_merged(name, parts)

    def _tell_merged(self, name: str, parts: list[Domain]) -> None:
        first = parts[0]
        for other in parts[1:]:
            reason = f"one domain with {first.name} now: {name}"
            if other.profile != first.profile:
                reason += f"; it has profile {first.profile}, where this one had {other.profile}"
            if other.groups != first.groups:
                reason += "; it uses the groups of both"
            self.tell(Change.MERGED, other.name.text, reason)

    def domain_name(self, name: DomainName) -> DomainName:
        namespace, *programs = name.text.split(" ")
        if not programs and "/" not in namespace:
            return name
        text = " ".join([self._namespace_name(namespace), *map(self.words.executed, programs)])
        if text == name.text:
            return name
        if len(text) >= MAX_DOMAIN_NAME:
            self.tell(Change.KEPT, name.text, "kept: with names it would be too long for a domain")
            return name
        return DomainName(text)

    def _namespace_name(self, namespace: str) -> str:
        # reset_domain makes a namespace of what is executed.
        return f"<{self.words.executed(namespace[1:-1])}>" if "/" in namespace else namespace

    # Entries

    def _all_entries(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        named = list(entries)
        merged = merge_entries(named)
        self.merged_entries += len(named) - len(merged)
        return merged

    def named_entries(self, entries: Iterable[Entry], namespace: str) -> Iterator[Entry]:
        """What ENTRIES become: mostly one each; two where one executes and does something else besides."""
        for entry in entries:
            executes = entry.kind is Kind.PATH and "execute" in entry.operations
            text = entry.subject
            unchanged = not executes and entry.kind is not Kind.TRANSITION and self.store not in text
            if unchanged and WRAPPER_DIRECTORY not in text and not (self.alternatives and "@" in text):
                yield entry
                continue
            found = self.entries.get((namespace, entry.text))
            if found is None:
                found = self.entries[namespace, entry.text] = tuple(self._name_entry(entry, executes, namespace))
            yield from found

    def _name_entry(self, entry: Entry, executes: bool, namespace: str) -> Iterator[Entry]:
        conditions = self._conditions(entry.condition, namespace) if entry.condition else [None]
        executed: Argument | None = None
        if executes:
            path = entry.arguments[0]
            executed = Word(self.words.executed(path.text)) if isinstance(path, Word) else path
            if len(entry.operations) == 1:
                for condition in conditions:
                    yield _changed(entry, entry.operations, (executed,), condition)
                return
        others = tuple(operation for operation in entry.operations if operation != "execute")
        if self.alternatives:
            references = list(product(*(self._arguments(value, namespace) for value in entry.arguments)))
        else:
            references = [tuple([self._argument(value) for value in entry.arguments])]
        if references == [(executed,)]:
            for condition in conditions:
                yield _changed(entry, entry.operations, references[0], condition)
            return
        for condition in conditions:
            if executed is not None:
                yield _changed(entry, ("execute",), (executed,), condition)
            for arguments in references:
                yield _changed(entry, others, arguments, condition)

    def _arguments(self, value: Argument, namespace: str) -> list[Argument]:
        """What stands in the place of VALUE, one or the other."""
        if isinstance(value, GroupReference):
            return [*self.alternatives.get((namespace, value.name), (value,))]
        return [self._argument(value)]

    def _argument(self, value: Argument) -> Argument:
        if isinstance(value, Word):
            return self.words.reference(value.text)
        return self.domain_name(value) if isinstance(value, DomainName) else value

    def _conditions(self, condition: Condition, namespace: str) -> list[Condition | None]:
        """What stands in the place of CONDITION, one or the other; None for no condition."""
        transition = condition.transition
        if isinstance(transition, DomainName):
            transition = self.domain_name(transition)
        elif transition is not None and transition.text not in TRANSITION_KEYWORDS:
            transition = Word(self.words.executed(transition.text))
        tests: list[list[list[Test]]] = []  # of each test the alternatives, all parts of which must hold
        for test in condition.tests:
            found = self._test(test)
            if isinstance(found, Comparison) and isinstance(found.right, GroupReference) and found.compares_strings:
                others = self.alternatives.get((namespace, found.right.name), (found.right,))
                each: list[Test] = [replace(found, right=other) for other in others]
                tests.append([[one] for one in each] if found.equal else [each])
            elif found is not None:
                tests.append([[found]])
        result: list[Condition | None] = []
        for chosen in product(*tests):
            parts = tuple(part for some in chosen for part in some)
            result.append(Condition.left(transition, parts, condition.grant_log))
        return result

    def _test(self, test: Test) -> Test | None:
        """What TEST becomes; None where it is dropped."""
        if isinstance(test, Comparison):
            if not isinstance(test.right, Quoted) or not test.right.text:
                return test
            refer = self.words.target if test.left == _TARGET else self.words.reference
            found = refer(test.right.text)
            return replace(test, right=found if isinstance(found, GroupReference) else Quoted(found.text))
        if test.value is None or self.store not in test.value.text:
            return test
        text = self.words.text(test.value.text)
        if text == test.value.text:
            return test
        if text is None or not test.equal:
            why = "a pattern would have too many escapes" if text is None else "a pattern would make '!=' hold less often"
            self.tell(Change.LOOSENED, str(test), f"left out, since {why}: this loosens the condition")
            return None
        changed = replace(test, value=Quoted(text))
        self.tell(Change.LOOSENED, str(test), f"{changed} instead: this loosens the condition")
        return changed

    # Exception policy

    def _namespace(self, part: NamespaceExceptions, executed_groups: set[tuple[str, str]]) -> NamespaceExceptions:
        return NamespaceExceptions(
            self._namespace_name(part.namespace),
            tuple(dict.fromkeys(self._control(control) for control in part.transitions)),
            tuple(dict.fromkeys(self._aggregators(part.aggregators))),
            tuple(self._groups(part, executed_groups)),
            tuple(
                (number, self._all_entries(self.named_entries(entries, part.namespace))) for number, entries in part.acl_groups
            ),
        )

    def _control(self, control: TransitionControl) -> TransitionControl:
        domain = control.domain
        if isinstance(domain, DomainName):
            domain = self.domain_name(domain)
        elif domain is not None:
            domain = Word(self.words.executed(domain.text))
        program = control.program
        return TransitionControl(control.keyword, Word(self.words.executed(program.text)) if program else None, domain)

    def _aggregators(self, aggregators: Iterable[Aggregator]) -> Iterator[Aggregator]:
        for aggregator in aggregators:
            pattern, name = aggregator.pattern.text, aggregator.name.text
            in_store = pattern.startswith(self.store)
            if is_name(name) and (in_store or pattern.startswith((WRAPPER_DIRECTORY, "proc:/self/fd/"))):
                self.tell(Change.UNBOUND, pattern, f"an old binding to {name}, left out: the bindings say it anew")
                continue
            named = self.words.executed(name)
            if Word(named).is_pattern:  # which an aggregator cannot give
                named = name
            if is_name(named) and not aggregator.pattern.is_pattern and self.words.executed(pattern) == named:
                self.tell(Change.UNBOUND, pattern, f"left out: the bindings call it {named}")
                continue
            if in_store:
                self.tell(Change.KEPT, pattern, "kept: an aggregator's pattern can only be a path")
            yield Aggregator(aggregator.pattern, Word(named))

    def _groups(self, part: NamespaceExceptions, executed_groups: set[tuple[str, str]]) -> Iterator[Group]:
        for group in part.groups:
            if group.kind is not GroupKind.PATH:
                yield group
                continue
            executed = (part.namespace, group.name.text) in executed_groups
            divided = (part.namespace, group.name.text) in self.alternatives
            members = tuple(dict.fromkeys(self._members(group, executed, divided)))
            if members:
                yield replace(group, members=members)

    def _members(self, group: Group, executed: bool, divided: bool) -> Iterator[Member]:
        binding = is_name(group.name.text)
        for member in group.members:
            text = str(member)
            in_store = text.startswith(self.store)
            if binding and (in_store or text.startswith(WRAPPER_DIRECTORY)):
                self.tell(Change.UNBOUND, text, f"an old binding of {group.name}, left out: the bindings say it anew")
                continue
            if not isinstance(member, Word):
                yield member
                continue
            if executed:
                yield Word(self.words.executed(text))
            found = self.words.reference(text) if in_store else member
            if isinstance(found, Word):
                yield found
            elif not divided:
                self.tell(Change.KEPT, text, f"kept in group {group.name}, which has too many members to be divided")
                yield member

    def _find_alternatives(self, part: NamespaceExceptions) -> None:
        """Find the groups with members that get names: a group cannot hold a group."""
        for group in part.groups:
            if group.kind is GroupKind.PATH and not is_name(group.name.text):
                words = [member for member in group.members if isinstance(member, Word) and member.text.startswith(self.store)]
                found = [self.words.reference(word.text) for word in words]
                named = tuple(dict.fromkeys(one for one in found if isinstance(one, GroupReference)))
                if named and len(named) <= MAX_ALTERNATIVES:
                    rest = len(group.members) > len([one for one in found if isinstance(one, GroupReference)])
                    own = (GroupReference(group.name.text),) if rest else ()
                    self.alternatives[part.namespace, group.name.text] = own + named


def _changed(entry: Entry, operations: tuple[str, ...], arguments: tuple[Argument, ...], condition: Condition | None) -> Entry:
    if operations == entry.operations and arguments == entry.arguments and condition == entry.condition:
        return entry
    return Entry(entry.kind, operations, arguments, condition)


def _merge_parts(parts: Iterable[NamespaceExceptions]) -> Iterable[NamespaceExceptions]:
    """PARTS with each namespace once; the first, that of the kernel, keeps its place."""
    merged: dict[str, NamespaceExceptions] = {}
    for part in parts:
        held = merged.get(part.namespace)
        merged[part.namespace] = part if held is None else held.merged(part)
    return merged.values()

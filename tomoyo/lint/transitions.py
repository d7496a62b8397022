"""Lint: domains that no execution leads to, and transitions that lead nowhere.

Reachability is worked out with generosity: where it is not known whether a
program can be executed, it is taken for possible.  So a domain that is said to
be unreachable is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..decision.missing_domains import missing_domains
from ..model.conditions import TRANSITION_KEYWORDS
from ..model.diagnostics import Diagnostic, Severity
from ..model.domains import Domain, DomainPolicy
from ..model.entries import Entry, Kind
from ..model.exception_policy import ExceptionPolicy, NamespaceExceptions, TransitionControl
from ..model.profiles import Mode
from ..model.words import KERNEL, MAX_DOMAIN_NAME, DomainName, Word, constant_length
from ..simulation.located_policy import LocatedDomain
from ..syntax.policy_text import Located, TextKind
from .context import EntryList, LintContext

#: What the kernel starts first is called so.
FIRST_PROGRAMS = ("init", "systemd", "finit", "openrc-init", "runit", "s6-svscan")


#: Programs of a group that are looked at for each domain that uses it.
_TRIED = 64
#: Modes in which a domain's entries count, or are to count once they are found to be right.
_CONFINED = (Mode.ENFORCING, Mode.PERMISSIVE)


def find_unreachable(context: LintContext) -> Iterator[Diagnostic]:
    """Domains that no execution leads to, or only the kernel's own."""
    policy = context.policy
    if not policy.has(TextKind.DOMAIN) or not policy.has(TextKind.EXCEPTION):
        return
    ways = _Ways(context)
    reached = ways.search()
    for domain in policy.domains.values():
        name = domain.name.text
        if name not in reached:
            yield context.finding("unreachable-domain", domain.opened[0], f"{name}: {ways.why_not(domain)}", entry=name)
        elif name in ways.started_by_root:
            program = domain.name.programs[0]
            reason = f"{name} is entered only where {domain.name.namespace} itself executes {program}"
            remedy = f"write 'initialize_domain {program} from any'"
            yield context.finding("never-entered", domain.opened[0], reason, entry=name, remedy=remedy)


class _Ways:
    """The ways from each domain to others."""

    def __init__(self, context: LintContext) -> None:
        self._context = context
        self._children: dict[str, list[str]] = {}
        self._names: set[str] = set()
        self._executed: dict[str, set[str]] = {}
        self._free: set[str] = set()
        self._of_groups: dict[str, set[str]] = {}
        #: For each list the programs that its entries let execute, and those with a transition preference.
        self._programs: dict[tuple[EntryList, str], tuple[set[str], list[tuple[str, Word | DomainName]]]] = {}
        #: Domains right below the root that nothing but an execution there leads to.
        self.started_by_root: set[str] = set()
        for domain in context.policy.domains.values():
            name = domain.name.text
            while name not in self._names:
                self._names.add(name)
                above, space, _ = name.rpartition(" ")
                if not space:
                    break
                self._children.setdefault(above, []).append(name)
                name = above
        if KERNEL not in context.policy.domains:
            self._free.add(KERNEL)  # it exists all the same, in profile 0
        for domain in context.policy.domains.values():
            namespace = domain.name.namespace
            if context.mode(domain, "file::execute") is not Mode.ENFORCING:
                self._free.add(namespace)
            programs = self._executed.setdefault(namespace, set())
            for entries in (context.own(domain), *context.used(domain)):
                if (entries, namespace) not in self._programs:
                    plain, preferring = self._read(entries, namespace)
                    programs |= plain
                    programs.update(program for program, _ in preferring)
        for entries in context.shared_lists():
            for namespace in self._namespaces(entries.namespace, entries.title):
                words = self._of_groups.setdefault(namespace, set())
                for program, preference, _ in context.executions(entries, namespace):
                    if isinstance(preference, Word) and preference.text == "child":
                        words.add(program)
                    elif isinstance(preference, Word) and preference.text not in TRANSITION_KEYWORDS:
                        words.add(preference.text)

    def search(self) -> set[str]:
        """The names of all domains that may be reached, those that are not defined included."""
        reached = {KERNEL, *self._names.intersection(self._entered_by_name())}
        self.started_by_root = set()
        by_root = {
            child
            for child in self._children.get(KERNEL, ())
            if child in self._context.policy.domains and child not in reached and child not in self._children
            if child.rpartition("/")[2] not in FIRST_PROGRAMS
        }
        waiting = deque(reached)
        while waiting:
            name = waiting.popleft()
            for following in self._following(name):
                # Others that come into being on the way lead to none of those that are defined.
                if following in self._names and following not in reached:
                    reached.add(following)
                    waiting.append(following)
        self.started_by_root = by_root & reached
        return reached

    def _entered_by_name(self) -> Iterator[str]:
        """Domains that a rule enters wherever the process comes from."""
        context = self._context
        for part in context.policy.namespaces.values():
            for placed in part.transitions:
                control = placed.value
                if control.keyword == "initialize_domain":
                    yield from self._initialized(part.name, control.program)
                elif control.keyword == "reset_domain":
                    if control.program is None:
                        yield from (name for name in self._names if " " not in name)
                    else:
                        yield f"<{control.program}>"
        for entries in context.lists():
            for namespace in self._namespaces(entries.namespace, entries.title):
                yield from self._preferred(entries, namespace)

    def _namespaces(self, namespace: str, title: str) -> list[str]:
        # A module's entries count in every namespace that uses it.
        return list(self._executed) or [namespace] if title.startswith("module ") else [namespace]

    def _initialized(self, namespace: str, program: Word | None) -> Iterator[str]:
        if program is None:
            yield from (name for name in self._children.get(namespace, ()))
        elif namespace in self._free or program.text in self._executed.get(namespace, ()):
            yield f"{namespace} {program}"

    def _preferred(self, entries: EntryList, namespace: str) -> Iterator[str]:
        for placed in entries.entries:
            entry: Entry = placed.value
            if entry.kind is Kind.TRANSITION:
                yield str(entry.arguments[0])
        for program, preference, _ in self._context.executions(entries, namespace):
            if isinstance(preference, DomainName):
                yield preference.text
            elif preference is not None and preference.text == "initialize":
                yield f"{namespace} {program}"
            elif preference is not None and preference.text == "reset":
                yield f"<{program}>"

    def _following(self, name: str) -> Iterator[str]:
        """The domains that a process in NAME may enter by what it executes there."""
        context = self._context
        domain = context.policy.domains.get(name)
        namespace = name.partition(" ")[0]
        free = domain is None or context.mode(domain, "file::execute") is not Mode.ENFORCING
        executed: list[set[str]] = []
        for entries in (context.own(domain), *context.used(domain)) if domain is not None else ():
            plain, preferring = self._programs[entries, namespace]
            executed.append(plain)
            for program, preference in preferring:
                if not isinstance(preference, Word):
                    continue  # entered by its name, wherever from
                if preference.text == "child":
                    yield f"{name} {program}"
                elif preference.text == "parent":
                    yield name.rpartition(" ")[0] or name
                elif preference.text not in TRANSITION_KEYWORDS:
                    yield f"{name} {preference}"
        own = DomainName(name)
        rules = context.rules(namespace)
        # A domain that comes into being on the way has the groups of another one.
        of_groups = self._of_groups.get(namespace, ()) if domain is None else ()
        for child in self._children.get(name, ()):
            program = child[len(name) + 1 :]
            may = free or any(program in programs for programs in executed)
            if program in of_groups or (may and rules.control(own, program) is None):
                yield child
        if domain is None:
            yield name.rpartition(" ")[0]

    def _read(self, entries: EntryList, namespace: str) -> tuple[set[str], list[tuple[str, Word | DomainName]]]:
        plain: set[str] = set()
        preferring: list[tuple[str, Word | DomainName]] = []
        for program, preference, _ in self._context.executions(entries, namespace):
            if preference is None:
                plain.add(program)
            else:
                preferring.append((program, preference))
        self._programs[entries, namespace] = plain, preferring
        return plain, preferring

    def why_not(self, domain: LocatedDomain) -> str:
        """Why no execution leads to DOMAIN."""
        context = self._context
        above = domain.name.parent
        program = domain.name.programs[-1:] or ("",)
        if above is None:
            return "no reset_domain and no transition preference leads into this namespace"
        control = context.rules(above.namespace).control(above, program[0])
        if control is not None:
            return f"'{control}' leads elsewhere"
        if above.text in context.policy.domains and context.mode(context.policy.domains[above.text], "file::execute"):
            return f"{above} may not execute {program[0]}, or cannot be reached itself"
        return f"{above} cannot be reached itself"


def find_missing(context: LintContext) -> Iterator[Diagnostic]:
    """Transitions to domains that are not defined, or that must fail."""
    policy = context.policy
    if not policy.has(TextKind.DOMAIN):
        return
    preferring = []
    for entries in context.lists():
        found = tuple(placed.value for placed in entries.entries if _prefers(placed.value))
        if found:
            preferring.append(Domain(DomainName(entries.namespace), entries=tuple(dict.fromkeys(found))))
    known = set(policy.domains)
    controls = (NamespaceExceptions(name, context.exceptions(name).transitions) for name in policy.namespaces)
    places: dict[str, Located[object]] = {}
    places |= {str(placed.value): placed for entries in context.lists() for placed in entries.entries if _prefers(placed.value)}
    places |= {str(placed.value): placed for part in policy.namespaces.values() for placed in part.transitions}
    told = set()
    for missing in missing_domains(DomainPolicy(tuple(preferring)), ExceptionPolicy(tuple(controls))):
        placed = places.get(str(missing.rule))
        if (missing.domain is None or missing.domain not in known) and placed is not None and str(missing.rule) not in told:
            told.add(str(missing.rule))
            yield context.finding("undefined-domain", placed, f"{missing.rule}: {missing.reason}", entry=str(missing.rule))
    yield from _preferences(context)
    yield from _controls(context)


def _prefers(entry: Entry) -> bool:
    return entry.condition is not None and entry.condition.transition is not None


def _preferences(context: LintContext) -> Iterator[Diagnostic]:
    """Transitions and manual transitions, domain by domain."""
    for domain in context.policy.domains.values():
        for placed in domain.entries:
            if placed.value.kind is Kind.TRANSITION:
                yield from _manual(context, domain, placed)
        told: set[str] = set()
        for program, preference, placed in context.executions(context.own(domain), domain.name.namespace):
            yield from _executed(context, domain, program, preference, placed, told)
        if context.mode(domain, "file::execute") in _CONFINED:
            for entries, use in context.used_with_places(domain):
                yield from _shared(context, domain, entries, use, told)


def _shared(
    context: LintContext, domain: LocatedDomain, entries: EntryList, use: Located[int | str], told: set[str]
) -> Iterator[Diagnostic]:
    """The first of each kind for a group that many domains use; what is to be done is done in the domain's own lines."""
    codes: set[str] = set()
    for program, preference, placed in context.executions(entries, domain.name.namespace)[:_TRIED]:
        for finding in _executed(context, domain, program, preference, use.saying(placed.value), told):
            if finding.code not in codes:
                codes.add(finding.code)
                yield finding


def _manual(context: LintContext, domain: LocatedDomain, placed: Located[Entry]) -> Iterator[Diagnostic]:
    target = str(placed.value.arguments[0])
    if target not in context.policy.domains:
        yield context.finding("created-domain", placed, f"{target} is not defined", word=target, entry=placed.value.text)
    yield from _way_out(context, domain, target, placed, None)


def _way_out(
    context: LintContext, domain: LocatedDomain, target: str, placed: Located[Entry], severity: Severity | None
) -> Iterator[Diagnostic]:
    other = context.policy.domains.get(target)
    own = context.mode(domain, "file::execute")
    if other is None or own not in _CONFINED:
        return
    mode = context.mode(other, "file::execute")
    if mode is not None and mode is not own and mode is not Mode.ENFORCING:
        how = "is enforced" if own is Mode.ENFORCING else "may be enforced one day"
        reason = f"{domain.name}, which {how}, may enter {target}, which is in {mode.value} mode"
        yield context.finding(
            "leaves-confinement",
            placed,
            reason,
            word=target,
            severity=severity if own is Mode.ENFORCING else Severity.NOTE,
            entry=placed.value.text,
        )


def _executed(
    context: LintContext,
    domain: LocatedDomain,
    program: str,
    preference: Word | DomainName | None,
    placed: Located[Entry],
    told: set[str],
) -> Iterator[Diagnostic]:
    """What comes of executing PROGRAM in DOMAIN; TOLD has the domains that were told of."""
    policy = context.policy
    name = domain.name
    control = context.rules(name.namespace).control(name, program) if preference is None else None
    wanted = str(preference) if preference is not None else control.keyword.removesuffix("_domain") if control else "child"
    target = _target(name, program, wanted)
    entry = placed.value.text
    if len(target) >= MAX_DOMAIN_NAME:
        length = f"{len(target)} bytes long, and a domain's name is shorter than {MAX_DOMAIN_NAME}"
        yield context.finding("failing-execution", placed, f"{target[:60]}... is {length}", entry=entry)
    elif target in policy.domains:
        yield from _way_out(context, domain, target, placed, Severity.NOTE if preference is None else None)
    elif target.startswith(f"{name.namespace} ") and target not in told:
        explicit, mode = wanted.startswith("<"), context.mode(domain, "file::execute")
        if not explicit and mode not in _CONFINED:
            return
        told.add(target)
        shared = any(entries.entries for entries in context.used(domain))
        what = "would have no entries but those of groups" if shared else "would have no entries"
        severity = Severity.NOTE if not explicit and (shared or mode is Mode.PERMISSIVE) else None
        reason = f"'{entry}' leads to {target}, which is not defined and {what}"
        yield context.finding(
            "created-domain", placed, reason, word=wanted if explicit else program, severity=severity, entry=entry
        )


def _target(domain: DomainName, program: str, preference: str) -> str:
    if preference == "keep":
        return domain.text
    if preference == "parent":
        return str(domain.parent or domain)
    if preference == "initialize":
        return f"{domain.namespace} {program}"
    if preference == "reset":
        return f"<{program}>"
    if preference.startswith("<"):
        return preference
    return f"{domain} {program if preference == 'child' else preference}"


def _controls(context: LintContext) -> Iterator[Diagnostic]:
    """Transition controls for domains that are not there, and those that change nothing."""
    policy = context.policy
    last = {name.rpartition(" ")[2] for name in policy.domains}
    for part in policy.namespaces.values():
        every = {
            (placed.value.keyword, str(placed.value.program)): placed
            for placed in part.transitions
            if placed.value.domain is None
        }
        keywords = {placed.value.keyword for placed in part.transitions}
        for placed in part.transitions:
            control: TransitionControl = placed.value
            source = control.domain
            wider = every.get((control.keyword, "None")) or every.get((control.keyword, str(control.program)))
            if isinstance(source, DomainName) and source.text not in policy.domains and source.text != KERNEL:
                code, reason = "idle-control", f"'{control}': {source} is not defined"
            elif isinstance(source, Word) and source.text not in last:
                code, reason = "idle-control", f"'{control}': no domain's name ends in {source}"
            elif control.keyword.startswith("no_") and control.keyword.removeprefix("no_") not in keywords:
                code, reason = "idle-control", f"'{control}': there is no {control.keyword.removeprefix('no_')} to switch off"
            elif wider is not None and wider.value != control:
                code, reason = "shadowed", f"'{control}' adds nothing to '{wider.value}' in line {wider.line}"
            else:
                continue
            yield context.finding(code, placed, reason, word="" if code == "shadowed" else str(source or ""), entry=str(control))
        rules = context.rules(part.name)
        for aggregator in part.aggregators:
            pattern = aggregator.value.pattern
            given = pattern.text if pattern.is_pattern else rules.aggregated(pattern.text)
            if not pattern.is_pattern and given != aggregator.value.name.text:
                reason = f"'{aggregator.value}' does nothing: an aggregator before it makes {given} of this program"
                yield context.finding("shadowed", aggregator, reason, entry=str(aggregator.value))


def find_literal_patterns(context: LintContext) -> Iterator[Diagnostic]:
    """Patterns in transition controls, where the kernel compares words.

    One means something only where an entry that lets a program execute has just this pattern, since the program is then named so.
    """
    named: dict[str, set[str]] = {}
    for part in context.policy.namespaces.values():
        for placed in part.transitions:
            control: TransitionControl = placed.value
            sources = control.domain.programs if isinstance(control.domain, DomainName) else [str(control.domain or "")]
            for text in dict.fromkeys((str(control.program or ""), *sources)):
                if constant_length(text) == len(text):
                    continue
                if part.name not in named:
                    named[part.name] = _executed_names(context, part.name)
                literal = f"the kernel takes {text} for a word, not for a pattern"
                severity, reason = None, f"{literal}, and nothing is executed by that name"
                if text in named[part.name]:
                    severity, reason = Severity.NOTE, f"{literal}: it is what an entry with just this pattern executes"
                yield context.finding("literal-pattern", placed, reason, word=text, severity=severity, entry=str(control))


def _executed_names(context: LintContext, namespace: str) -> set[str]:
    """What programs are called that entries of NAMESPACE let execute, and the paths to which they lead."""
    found: set[str] = set()
    for entries in context.lists():
        if entries.namespace == namespace or entries.title.startswith("module "):
            for program, preference, _ in context.executions(entries, namespace):
                found.add(program)
                found.update(str(preference or "").split(" "))
    return found

"""Suggest the entries that a policy lacks, from audit records or from what a kernel learned.

Names that are another each time become patterns, by rules; each suggestion
comes with its evidence.  Prints them, or with --policy shows as a --diff, or
writes --in-place, what becomes of the files of that policy: an entry goes to the
file that has its domain.

  tomoyo suggest --kernel /var/log/tomoyo/audit.log
  tomoyo suggest --policy PATH --learned /sys/kernel/security/tomoyo/domain_policy

With --interactive each is asked about:

  a  allow what was seen, as it was       s  skip: ask again another time
  g  generalise: add the entry shown      u  undo: back to the one before
  d  deny: do not ask again               q  quit; what is decided holds
  e  edit: add an entry that you write

and --state FILE keeps the answers, so that one may go on another day.

Example:

  tomoyo suggest --policy policy --diff audit.log
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator

from ...model.diagnostics import Place, did_you_mean
from ...model.words import quoted
from ..closure_options import add_closure, read_closure
from ..kernel_options import refused
from ..library_options import add_library
from ..messages import coloured, counted, say
from ..options import UsageError, add_all, message, print_policy, replace_file, report, set_result, visible, write_file
from ..policy_files import read_file, read_policy
from ..policy_source import policy_paths
from ..project import let_source
from .audit import add_filter, filter_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...decision.engine import DecisionEngine
    from ...model.domains import Domain, DomainPolicy
    from ...model.entries import Entry
    from ...suggestion.dialogue import SuggestionDialogue
    from ...suggestion.generalisation import Rule, UserRule
    from ...suggestion.suggestions import Suggestion, Suggestions
    from ...syntax.record_grammar import RecordText

    Chosen = Iterable[tuple[Suggestion, tuple[Entry, ...]]]

_CHOICES = "[a]llow [g]eneralise [d]eny [e]dit [s]kip [u]ndo [q]uit"
_WORDS = ("allow", "generalise", "deny", "edit", "skip", "undo", "quit")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("logs", nargs="*", metavar="LOG", help="audit logs; - or none: standard input")
    parser.add_argument(
        "--learned", action="append", default=[], metavar="DOMAIN_POLICY", help="what a kernel learned, instead of or beside logs"
    )
    parser.add_argument(
        "--policy",
        metavar="PATH",
        help="the policy that lacks them, a policy source, a policy set or a file of either: "
        "what it grants is left out, whatever the records say",
    )
    parser.add_argument("--kernel", action="store_true", help="the same with the policy that the kernel holds")
    parser.add_argument("--interface", metavar="DIR", help="with --kernel: its interface files, if not at the usual place")
    parser.add_argument("--interactive", action="store_true", help="ask about each")
    parser.add_argument("--state", metavar="FILE", help="with --interactive, keep the answers here, and begin with those in it")
    rules = parser.add_argument_group("what becomes a pattern")
    rules.add_argument(
        "--rule",
        action="append",
        metavar="RULE",
        help="use this rule, and no others that are not named: process, descriptor, pipe, user, terminal, boot, date, temporary, "
        "number, or none (default: all but number)",
    )
    rules.add_argument("--rules", metavar="FILE", help="more rules, as tomoyo-patternize takes them; they come first")
    rules.add_argument("--missing", action="store_true", help="tell which names exist no more here, as tomoyo-findtemp does")
    result = parser.add_argument_group("what becomes of it").add_mutually_exclusive_group()
    result.add_argument("--diff", action="store_true", help="show the change to the policy's files")
    result.add_argument("-i", "--in-place", action="store_true", help="make the change to the policy's files")
    result.add_argument("-o", "--output", metavar="FILE", help="write the policy with the change to FILE")
    add_filter(parser)
    add_all(parser)
    add_library(parser)
    add_closure(parser)
    let_source(parser, "policy")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from ...kernel.securityfs import SecurityfsError
    from ...suggestion.suggestions import policy_of

    _check(arguments)
    try:
        engine = _engine(arguments)
    except SecurityfsError as error:
        return refused(error)
    collector = _collect(arguments, engine)
    found = collector.suggestions()
    if arguments.closure or arguments.closure_file:
        found = _named(arguments, found)
    chosen = [(suggestion, suggestion.recommended) for suggestion in found]
    if arguments.interactive:
        chosen = list(_ask(arguments, found))
    edits = arguments.diff or arguments.in_place or arguments.output
    if arguments.json or not edits:
        _print(arguments, chosen)
    if edits:
        _edit(arguments, policy_of(chosen))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if (arguments.diff or arguments.in_place) and not policy_paths(arguments):
        raise UsageError("--diff and --in-place need a policy: --policy PATH")
    if (arguments.diff or arguments.in_place or arguments.output) and arguments.policy == "-":
        raise UsageError("standard input cannot be changed: name the policy")
    compiled = [path for path in policy_paths(arguments) if _is_compiled(path)]
    if arguments.in_place and compiled:
        raise UsageError(
            "a set that 'tomoyo compile' made",
            "put what --diff shows into its policy source, and compile that",
            place=Place(compiled[0]),
        )
    if arguments.json and arguments.diff:
        raise UsageError("--diff prints no JSON", "leave out --diff: the result has all suggestions")
    if arguments.kernel and arguments.policy is not None:
        raise UsageError("--policy PATH or --kernel, not both")
    if arguments.state and not arguments.interactive:
        raise UsageError("--state goes with --interactive")
    inputs = [*arguments.logs, *arguments.learned, *([arguments.policy] if arguments.policy == "-" else [])]
    if inputs.count("-") > 1:
        raise UsageError("standard input holds only one of them")
    if arguments.interactive and (not inputs or "-" in inputs):
        raise UsageError("with --interactive your answers are on standard input: name the logs")


def _is_compiled(policy: str) -> bool:
    directory = policy if os.path.isdir(policy) else os.path.dirname(policy)
    return os.path.lexists(os.path.join(directory, "manifest.json"))


# Evidence


def _collect(arguments: argparse.Namespace, engine: DecisionEngine | None) -> Suggestions:
    from ...suggestion.suggestions import Suggestions, lacking

    rules, user_rules = _rules(arguments)
    collector = Suggestions(rules, user_rules)
    for name in arguments.learned:
        learned = _learned(name)
        collector.add_learned(learned if engine is None else lacking(engine, learned))
    if arguments.logs or not arguments.learned:
        lacks = _lacking(engine)
        for text in _texts(arguments):
            if lacks(text):
                collector.add_text(text)
    if collector.left_out:
        message(
            "warning",
            f"{counted(collector.left_out, 'record')} left out: they ask for more different names than are remembered; "
            "choose some with --domain or --path, or add what is suggested here and run this again",
            code="too-many-names",
        )
    return collector


def _rules(arguments: argparse.Namespace) -> tuple[tuple[Rule, ...], tuple[UserRule, ...]]:
    from ...suggestion.generalisation import BUILT_IN_RULES, DEFAULT, parse_user_rules

    user_rules: tuple[UserRule, ...] = ()
    if arguments.rules:
        with open(arguments.rules, encoding="ascii", errors="backslashreplace") as file:
            user_rules = parse_user_rules(file.read(), file=arguments.rules)
    if arguments.rule is None:
        return DEFAULT, user_rules
    wanted = set(arguments.rule)
    unknown = wanted - BUILT_IN_RULES.keys() - {"none"}
    if unknown:
        word = sorted(unknown)[0]
        advice = did_you_mean(word, (*BUILT_IN_RULES, "none")) or f"a rule is one of {', '.join(BUILT_IN_RULES)} and none"
        raise UsageError(f"there is no rule {quoted(word)}", advice)
    return tuple(rule for rule in BUILT_IN_RULES.values() if rule.name in wanted), user_rules


def _engine(arguments: argparse.Namespace) -> DecisionEngine | None:
    if arguments.policy is None and not arguments.kernel:
        return None
    from ..policy_source import read_engine

    return read_engine(arguments)


def _learned(name: str) -> DomainPolicy:
    return read_file(name, "domain").domains()


def _texts(arguments: argparse.Namespace) -> Iterator[RecordText]:
    """The records of requests that are chosen; what is broken is told, skipped and counted."""
    from ...syntax.record_grammar import outline_of
    from ..logs import LogReader

    chooses = filter_of(arguments)
    log = LogReader()
    for text in log.texts(arguments.logs):
        if not text.event and (chooses is None or chooses(outline_of(text))):
            yield text
    log.tell_broken()


def _lacking(engine: DecisionEngine | None) -> Callable[[RecordText], bool]:
    """Whether the policy does not grant what a record asked; without one, whether that of its time did not."""
    if engine is None:
        return lambda text: text.granted == "no"
    from ...analysis.replay import RecordVerdicts

    verdicts = RecordVerdicts(engine)

    def lacks(text: RecordText) -> bool:
        verdict = verdicts.verdict(text)
        return verdict is None or not verdict.granted

    return lacks


def _named(arguments: argparse.Namespace, found: list[Suggestion]) -> list[Suggestion]:
    """FOUND with the names of the closure that ARGUMENTS say."""
    from ...nix.names.names import NameSyntaxError
    from ...nix.names.naming import EntryNames
    from ...nix.store.contents import read_contents
    from ...suggestion.suggestions import merge_suggestions, policy_of, renamed

    trusted = read_closure(arguments)
    contents = read_contents(trusted.names.paths, trusted.tree)
    everything = policy_of((one, (*one.exact, *((one.general,) if one.general else ()))) for one in found)
    try:
        names = EntryNames(everything, trusted.names, contents, trusted.links)
        result = [
            renamed(one, names.domain(one.domain), lambda entry, space=one.domain.namespace: names.entries(entry, space))  # type: ignore[misc]
            for one in found
        ]
    except NameSyntaxError as error:
        raise UsageError(f"not a name: {error}") from None
    for finding in names.findings:
        report(finding)
    return merge_suggestions(result)


# Asking


def _ask(arguments: argparse.Namespace, found: list[Suggestion]) -> Chosen:
    from ...sets.trusted_files import read_output
    from ...suggestion.dialogue import SuggestionDialogue

    state = None
    if arguments.state and os.path.lexists(arguments.state):
        try:
            state = json.loads(read_output(arguments.state))
        except json.JSONDecodeError as error:
            raise UsageError(f"not a state: {error.msg}", place=Place(arguments.state, error.lineno, error.colno)) from None
        except (ValueError, RecursionError):
            raise UsageError("not a state: no JSON", place=Place(arguments.state)) from None
    try:
        dialogue = SuggestionDialogue(found, state)
    except ValueError as error:
        raise UsageError(str(error), place=Place(arguments.state)) from None
    asked = None
    while (current := dialogue.current) is not None:
        if current is not asked:
            _show(current, dialogue.left, arguments.missing)
            asked = current
        say(f"{_CHOICES}: ")
        line = sys.stdin.readline()
        if not line or line.strip() in ("q", "quit"):
            break
        try:
            _answer(dialogue, line.strip())
        except ValueError as error:
            say(f"{coloured('error', sys.stderr)}: {visible(str(error))}\n")
            continue
        if arguments.state:
            write_file(arguments.state, json.dumps(dialogue.state(), indent=1) + "\n")
    return dialogue.chosen()


def _answer(dialogue: SuggestionDialogue, text: str) -> None:
    word, _, rest = text.partition(" ")
    answer = {choice: choice[0] for choice in _WORDS}.get(word, word)
    simple = {"a": dialogue.allow, "g": dialogue.generalise, "d": dialogue.deny, "s": dialogue.skip}
    if answer in simple and not rest:
        simple[answer]()
    elif answer == "u" and not rest:
        if not dialogue.undo():
            raise ValueError("there is none before")
    elif answer == "e":
        if not rest:
            say("entry: ")
            rest = sys.stdin.readline().strip()
        dialogue.edit(rest)
    else:
        raise ValueError(f"{quoted(text[:20])} is no answer: {_CHOICES}")


def _show(suggestion: Suggestion, left: int, missing: bool) -> None:
    say(f"\n{left} left: {visible(suggestion.domain.text)}\n")
    for entry in suggestion.exact:
        say(f"  seen: {visible(entry.text)}\n")
    if not suggestion.complete:
        say("  seen: and more\n")
    if suggestion.general is not None:
        say(f"  general: {visible(suggestion.general.text)}\n")
    say(f"  {visible(_because(suggestion))}\n")
    if missing:
        for name in _missing(suggestion):
            say(f"  exists no more: {visible(name)}\n")


# Results


def _edit(arguments: argparse.Namespace, added: DomainPolicy) -> None:
    from ...suggestion.insertions import find_insertions, insert_lines, unified_diff

    if arguments.policy is None:
        write_file(arguments.output, insert_lines("", find_insertions("", added)))
        return
    changes = []
    for path, text, part in _parts(policy_paths(arguments), added):
        try:
            changes.append((path, text, find_insertions(text, part)))
        except ValueError as error:
            raise UsageError(str(error), place=Place(path)) from None
    if arguments.output and len(changes) > 1:
        raise UsageError("the policy has several files of domain policy", "use --diff or --in-place, or name one file")
    for path, text, insertions in changes:
        if arguments.diff:
            print_policy("".join(unified_diff(text, insertions, os.fsencode(path).decode("latin-1"))))
        elif arguments.output:
            write_file(arguments.output, insert_lines(text, insertions))
        elif insertions:
            replace_file(path, insert_lines(text, insertions))


def _parts(policies: list[str], added: DomainPolicy) -> list[tuple[str, str, DomainPolicy]]:
    """The files of domain policy in POLICIES: each with its text, and those domains of ADDED that belong there.

    A domain belongs where it is, else where the nearest domain above it is, else to the first file.
    """
    from ...model.domains import DomainPolicy
    from ...syntax.policy_text import read_lines
    from ...syntax.statements import OpenDomain

    files = [file for policy in policies for file in read_policy(policy, None, default="domain").files]
    texts = {file.name: file for file in files if file.kind.name == "DOMAIN"}
    if not texts:
        raise UsageError("no file of domain policy", place=Place(policies[0]))
    homes = {
        str(placed.value.name): file.name
        for file in reversed(texts.values())
        for placed in read_lines(file)
        if isinstance(placed.value, OpenDomain)
    }
    parts: dict[str, list[Domain]] = {path: [] for path in texts}
    for domain in added:
        name = domain.name.text
        while name and name not in homes:
            name = name.rpartition(" ")[0]
        parts[homes.get(name, next(iter(texts)))].append(domain)
    return [(path, texts[path].text, DomainPolicy(tuple(domains))) for path, domains in parts.items()]


def _print(arguments: argparse.Namespace, chosen: Chosen) -> None:
    if arguments.json:
        set_result([_plain(suggestion, entries, arguments.missing) for suggestion, entries in chosen])
        return
    domain = None
    for suggestion, entries in chosen:
        if suggestion.domain != domain:
            sys.stdout.write(f"{'' if domain is None else chr(10)}{suggestion.domain}\nuse_profile {suggestion.profile}\n\n")
            domain = suggestion.domain
        sys.stdout.write(f"# {visible(_because(suggestion))}\n")
        for name in _missing(suggestion) if arguments.missing else ():
            sys.stdout.write(f"# exists no more: {visible(name)}\n")
        sys.stdout.writelines(f"{entry}\n" for entry in entries)


def _because(suggestion: Suggestion) -> str:
    evidence = suggestion.evidence
    text = "learned"
    if evidence.records:
        text = f"{evidence.records} record{'s' * (evidence.records > 1)}, {evidence.first}"
        if evidence.last != evidence.first:
            text += f" to {evidence.last}"
    if suggestion.general is not None:
        text += f"; by {', '.join(suggestion.rules)}, from {evidence.example}"
    return text


def _missing(suggestion: Suggestion) -> tuple[str, ...]:
    from ...model.words import decode
    from ...suggestion.suggestions import missing_paths

    return missing_paths(suggestion, lambda name: os.path.lexists(decode(name)))


def _plain(suggestion: Suggestion, entries: tuple[Entry, ...], missing: bool) -> dict[str, object]:
    evidence = suggestion.evidence
    plain: dict[str, object] = {
        "domain": suggestion.domain.text,
        "profile": suggestion.profile,
        "entries": [entry.text for entry in entries],
        "exact": [entry.text for entry in suggestion.exact],
        "complete": suggestion.complete,
        "general": suggestion.general.text if suggestion.general else None,
        "rules": list(suggestion.rules),
        "records": evidence.records,
        "first": str(evidence.first) if evidence.first else None,
        "last": str(evidence.last) if evidence.last else None,
        "example": evidence.example.text,
    }
    if missing:
        plain["missing"] = list(_missing(suggestion))
    return plain

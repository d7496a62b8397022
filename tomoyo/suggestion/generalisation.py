r"""Rules that put a pattern in the place of a name that is another each time.

A rule changes as few characters of a name as it can, and each for the
narrowest escape: ``/tmp/tmp.Ab3dE6`` becomes ``/tmp/tmp.\?\?\?\?\?\?``, not ``/tmp/\*``.
What it gives always matches the name that it was given.

Three things no rule touches.  A name in the Nix store: a pattern in the place
of a hash lets anyone who may build a package in.  The name of what is
executed: the kernel would name the next domain after the pattern.  And a name
that the kernel never asks for, such as ``/dev/pts/0`` for ``devpts:/0``.

Names come from whoever may create a file.  So each takes time linear in its
length, nothing of it is remembered, and one in which more would change than a
program ever makes (`MAX_ESCAPES`) stays as it is.

    >>> generalise_name("proc:/42/status", (BUILT_IN_RULES["process"],))
    Generalised(name='proc:/\\$/status', rules=('process',), least=1)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..decision.matching import Pattern, compile_pattern
from ..model.addresses import AddressRange
from ..model.conditions import Comparison, Condition, Test
from ..model.entries import Argument, Entry, Kind
from ..model.filesystems import Misnamed, misnamed
from ..model.numbers import NumberRange
from ..model.words import GroupReference, Quoted, Word, constant_length, word_fault
from ..syntax.arguments import address_range, parse_range
from ..syntax.lines import Dropped, Effect, Line, PolicySyntaxError, Problem

__all__ = ["BUILT_IN_RULES", "GeneralEntry", "Rule", "UserRule", "generalise", "parse_user_rules"]

#: Where no name is ever made a pattern.
STORE = "/nix/store/"
#: A pattern has at most this many more escapes than the name that it is made of: three identifiers and a time.
MAX_ESCAPES = 128
#: The heads and tails of longer and deeper names are not tried by rules of the user, each of which takes time for itself.
_LONGEST = 1024
_DEEPEST = 32

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_TEMPORARY = re.compile(r"/(?:tmp|shm)(?=/)")
_BOOT = re.compile(rf"(?<![0-9A-Fa-f])(?:{_UUID}|[0-9a-f]{{32}})(?![0-9A-Fa-f])")
_DATE = re.compile(
    r"(?<![0-9])(?:19|20)[0-9]{2}([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12][0-9]|3[01])"
    r"(?:[-_T.:]?(?:[01][0-9]|2[0-3])([-_.:]?)[0-5][0-9](?:\2[0-5][0-9])?)?(?![0-9])"
)
#: What mktemp(3) and Python's tempfile put into a name: the part that is random.
_RANDOM = re.compile(r"(?:(?<=[-._/])|(?<=/tmp)|(?<=/t))(?:[0-9A-Za-z]{6}|[0-9A-Za-z]{10}|[0-9a-z_]{8})(?=\Z|[-./])")
#: What looks like it and is more likely a word: README, Config, build1, 5minute.
_WORD_LIKE = re.compile(r"[A-Z]?[a-z]*[0-9]*|[A-Z]+[0-9]*|[0-9]+[a-z]+")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that comes with the program.

    Attributes:
        name: by which it is chosen.
        purpose: what it is for, in words.
        rewrite: the name as a pattern; the name itself where it is none of its business.
        least: of how many different names it wants to have seen before what it
            gives is suggested rather than those names.
    """

    name: str
    purpose: str
    rewrite: Callable[[str], str]
    least: int = 1


@dataclass(frozen=True, slots=True)
class Generalised:
    """What became of a name; ``rules`` are those that changed it, none where it is what it was."""

    name: str | GroupReference
    rules: tuple[str, ...] = ()
    least: int = 1


def _process(name: str) -> str:
    if not name.startswith("proc:/"):  # to ask this first takes a tenth of the time of a pattern
        return name
    name = re.sub(r"^proc:/[0-9]+(?=/)", r"proc:/\\$", name)
    return re.sub(r"^(proc:/(?:self|\\\$)/(?:task/)?)[0-9]+(?=/)", r"\1\\$", name)


def _descriptor(name: str) -> str:
    if not name.startswith("proc:/"):
        return name
    return re.sub(r"^(proc:/(?:self|[0-9]+|\\\$)(?:/task/(?:[0-9]+|\\\$))?/(?:fd|fdinfo)/)[0-9]+\Z", r"\1\\$", name)


def _pipe(name: str) -> str:
    return name if not name.startswith(("pipe:", "socket:")) else re.sub(r"^(pipe|socket):\[[0-9]+\]\Z", r"\1:[\\$]", name)


def _user(name: str) -> str:
    return name if not name.startswith("/run/user/") else re.sub(r"^/run/user/[0-9]+(?=/)", r"/run/user/\\$", name)


def _terminal(name: str) -> str:
    return name if not name.startswith("devpts:/") else re.sub(r"^devpts:/[0-9]+\Z", r"devpts:/\\$", name)


def _boot(name: str) -> str:
    if not name.startswith(("/run/", "/tmp/", "/var/tmp/", "/dev/shm/", "/sys/fs/cgroup/")):
        return name
    return _BOOT.sub(lambda found: re.sub("[0-9a-f]", r"\\x", found[0]), name)


def _date(name: str) -> str:
    return _DATE.sub(lambda found: re.sub("[0-9]", r"\\+", found[0]), name)


def _temporary(name: str) -> str:
    begin = _TEMPORARY.search(name)
    return name if begin is None else name[: begin.end()] + _RANDOM.sub(_random, name[begin.end() :])


def _random(found: re.Match[str]) -> str:
    return found[0] if _WORD_LIKE.fullmatch(found[0]) else r"\?" * len(found[0])


def _number(name: str) -> str:
    directory, slash, last = name.rpartition("/") if not name.endswith("/") else ("", "", name)
    # Three digits behind a backslash are one byte, and a library's number is its interface.
    return directory + slash + re.sub(r"(\\[0-3][0-7]{2}|\.so(?:\.[0-9]+)+)|[0-9]+", lambda found: found[1] or r"\$", last)


#: The rules that come with the program, in the order in which they are applied.
BUILT_IN_RULES = {
    rule.name: rule
    for rule in (
        Rule("process", "numbers of processes and threads below /proc", _process),
        Rule("descriptor", "numbers of descriptors in /proc/PID/fd", _descriptor),
        Rule("pipe", "numbers of pipes and sockets, pipe:[N]", _pipe),
        Rule("user", "numbers of users in /run/user", _user),
        Rule("terminal", "numbers of pseudo terminals", _terminal),
        Rule("boot", "identifiers that are made at each boot or start, below /run, /tmp, /sys", _boot),
        Rule("date", "dates and times", _date, least=2),
        Rule("temporary", "random names below directories tmp and shm, as mktemp makes them", _temporary),
        Rule("number", "any number in the last part of a name", _number, least=3),
    )
}
#: Those that hold where nothing else is said: what they stand for can be told from a single name.
DEFAULT = tuple(rule for rule in BUILT_IN_RULES.values() if rule.name != "number")


def generalise_name(name: str, rules: Iterable[Rule]) -> Generalised:
    """NAME, a word without patterns, as RULES make it, one after the other."""
    if STORE in name or constant_length(name) < len(name) or _never_asked(name):
        return Generalised(name)
    found, applied, least = name, [], 1
    for rule in rules:
        changed = rule.rewrite(found)
        if changed != found and _is_pattern_for(changed, name):
            found, least = changed, max(least, rule.least)
            applied.append(rule.name)
    return Generalised(found, tuple(applied), least)


def _never_asked(name: str) -> Misnamed | None:
    """Why the kernel never asks for NAME, a name or pattern, whatever is done to it; None where it may."""
    found = misnamed(name)
    return found if found is not None and found.never else None


def _is_pattern_for(pattern: str, name: str) -> bool:
    """Whether PATTERN is one that a kernel takes, is for NAME, and for nothing in the store."""
    if pattern.count("\\") - name.count("\\") > MAX_ESCAPES or word_fault(pattern) is not None or reaches_store(pattern):
        return False
    # To compile a pattern takes a hundred times as long as to see that one of our rules did what it should.
    return _stands_for(pattern, name) or Pattern(pattern).matches(name)


#: A piece of a pattern: what stands for itself, or an escape that our rules use.
_PIECES = re.compile(r"((?:[^\\]|\\(?:\\|[0-3][0-7]{2}))+)|\\([+x?$])")
_STANDS_FOR = {kind: re.compile(text) for kind, text in {"+": "[0-9]", "x": "[0-9a-fA-F]", "?": r"[^/\\]", "$": "[0-9]+"}.items()}


def _stands_for(pattern: str, name: str) -> bool:
    """Whether PATTERN matches NAME piece by piece, each escape taking all that it can."""
    read = position = 0
    for piece in _PIECES.finditer(pattern):
        read += len(piece[0])
        if piece[2] is None:
            if not name.startswith(piece[1], position):
                return False
            position += len(piece[1])
        else:
            found = _STANDS_FOR[piece[2]].match(name, position)
            if found is None:
                return False
            position = found.end()
    return read == len(pattern) and position == len(name)


# Rules of the user


@dataclass(frozen=True, slots=True)
class UserRule:
    """One line of a file of rules: what is like ``pattern`` becomes ``replacement``.

    Attributes:
        kind: ``path_pattern``, ``head_pattern``, ``tail_pattern``, ``number_pattern``
            or ``address_pattern``.
    """

    kind: str
    pattern: str | NumberRange | AddressRange
    group: GroupReference | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.pattern}" + (f" {self.group}" if self.group else "")

    def rewrite(self, value: Argument) -> Argument | None:
        """What stands for VALUE; None where the rule is not for it."""
        if isinstance(value, NumberRange) and isinstance(self.pattern, NumberRange):
            inside = self.pattern.first.value <= value.first.value and value.last.value <= self.pattern.last.value
            return (self.group or self.pattern) if inside else None
        if isinstance(value, AddressRange) and isinstance(self.pattern, AddressRange):
            inside = value.first in self.pattern and value.last in self.pattern
            return (self.group or self.pattern) if inside else None
        if isinstance(value, Word) and isinstance(self.pattern, str) and not value.is_pattern and STORE not in value.text:
            return self._name(value.text, self.pattern)
        return None

    def _name(self, name: str, pattern: str) -> Word | GroupReference | None:
        compiled = compile_pattern(pattern)
        if self.kind == "path_pattern":
            return (self.group or Word(pattern)) if compiled.matches(name) else None
        if len(name) > _LONGEST or name.count("/") > _DEEPEST:
            return None
        for slash in re.finditer("/", name):
            head, tail = (name[: slash.start()], name[slash.start() :]) if self.kind == "tail_pattern" else ("", name)
            part = tail if head or self.kind == "tail_pattern" else name[: slash.end()]
            if compiled.matches(part):
                # What matches a part matches with the rest of the name as well: the kernel compares component by component.
                made = head + pattern + tail[len(part) :]
                return Word(made) if word_fault(made) is None and not reaches_store(made) else None
        return None


_KINDS = ("path_pattern", "head_pattern", "tail_pattern", "number_pattern", "address_pattern")
_EXPECTED = "rewrite, one of " + ", ".join(_KINDS) + ", a pattern and perhaps @GROUP"


def parse_user_rules(text: str, *, file: str = "rules") -> tuple[UserRule, ...]:
    """Parse rules, one a line, as tomoyo-patternize takes them; ``#`` begins a comment.

    Raises PolicySyntaxError for the first line that is none, or whose pattern
    would stand for names in the Nix store, or for such as no kernel asks for.
    """
    rules = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            rules.append(_rule(line, file, number))
    return tuple(rules)


def _rule(line: str, file: str, number: int) -> UserRule:
    places = [*re.finditer(r"\S+", line)]
    words = [place[0] for place in places]

    def error(position: int, message: str, expected: str = "") -> PolicySyntaxError:
        offset = places[position].start()
        problem = Problem(Effect.DROPPED, offset, words[position] if position else line.strip(), message, expected)
        return PolicySyntaxError(file, number, offset + 1, problem)

    if words[0] != "rewrite" or not 3 <= len(words) <= 4 or words[1] not in _KINDS:
        raise error(0, "no rule", _EXPECTED)
    kind, text = words[1:3]
    group = None
    if len(words) == 4:
        if not words[3].startswith("@") or word_fault(words[3][1:]):
            raise error(3, "no group", "@GROUP")
        group = GroupReference(words[3][1:])
        if kind in ("head_pattern", "tail_pattern"):
            raise error(3, "a group cannot be part of a name")
    if kind == "number_pattern":
        found = parse_range(text)
        if not isinstance(found, tuple) or found[1]:
            raise error(2, "no number and no range")
        return UserRule(kind, found[0], group)
    if kind == "address_pattern":
        try:
            return UserRule(kind, address_range(Line(text), 0, text, "an address or a range"), group)
        except Dropped:
            raise error(2, "no address and no range") from None
    fault = word_fault(text)
    if fault:
        raise error(2, fault.reason)
    if kind == "head_pattern" and not text.endswith("/"):
        raise error(2, "the head of a name ends with '/'")
    never = _never_asked(text) if kind in ("path_pattern", "head_pattern") else None
    if never is not None:
        raise error(2, never.reason, never.asked)
    if kind == "path_pattern" and reaches_store(text):
        raise error(2, "this would stand for names in the Nix store", "a narrower pattern")
    return UserRule(kind, text, group)


def reaches_store(pattern: str) -> bool:
    """Whether PATTERN could be of a name in the Nix store."""
    if not pattern.startswith("/"):
        return False
    parts = pattern.split("/", 3)[1:]
    for part, wanted in zip(parts, STORE.strip("/").split("/")):
        if part.startswith("\\{"):
            return True
        # What "but not" is compared with begins elsewhere: see `decision.matching`.
        if "\\-" not in part and not Pattern(part).matches(wanted):
            return False
    return len(parts) > 2


# Entries


@dataclass(frozen=True, slots=True)
class GeneralEntry:
    """An entry as the rules make it; ``rules`` is empty where it is what it was."""

    entry: Entry
    rules: tuple[str, ...]
    least: int


def generalise(entry: Entry, rules: Sequence[Rule] = DEFAULT, user_rules: Sequence[UserRule] = ()) -> GeneralEntry:
    """ENTRY with patterns for the names in it, also those of its condition.

    Of USER_RULES the first that is for a name, number or address holds, and
    then no other.
    """
    if entry.kind in (Kind.ENVIRONMENT, Kind.TRANSITION):
        return GeneralEntry(entry, (), 1)
    applied: dict[str, int] = {}

    def general(value: Argument) -> Argument:
        for rule in user_rules:
            found = rule.rewrite(value)
            if found is not None:
                if found != value:
                    applied[str(rule)] = 1
                return found
        if not isinstance(value, Word):
            return value
        made = generalise_name(value.text, rules)
        applied.update(dict.fromkeys(made.rules, made.least))
        return value if not made.rules else Word(str(made.name))

    def tested(test: Test) -> Test:
        if isinstance(test, Comparison) and isinstance(test.right, Quoted) and test.right.text and test.equal:
            made = generalise_name(test.right.text, rules)
            applied.update(dict.fromkeys(made.rules, made.least))
            return replace(test, right=Quoted(str(made.name)))
        return test

    executes = entry.kind is Kind.PATH and "execute" in entry.operations
    arguments = entry.arguments if executes else tuple(map(general, entry.arguments))
    condition = entry.condition
    if condition is not None and not executes:
        condition = Condition(condition.transition, tuple(map(tested, condition.tests)), condition.grant_log)
    if not applied:
        return GeneralEntry(entry, (), 1)
    return GeneralEntry(Entry(entry.kind, entry.operations, arguments, condition), tuple(applied), max(applied.values()))

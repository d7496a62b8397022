"""What is safe on the way from one small policy to another, and the shortest such way, found by trying all.

A state is what a kernel holds, cut into pieces that one line changes at most
one of: each domain, each acl_group, each profile.  What a line does to a piece
is asked of a simulated kernel, and what a domain's processes may do, of the
decision engine.  The search goes by the fewest lines first (A*, guided by how
many facts still differ), and only over states that are safe:

- every request on which both policies agree is answered so at every moment;
  the others as one of the two answers;
- a domain that is new confines as the one did that the kernel would have
  created before, where both confine, and denies nothing that neither would; so
  does the one that the kernel would create until it is written.  Between its
  creation and the next line it has profile 0, which no order can help;
- no domain that is not new learns what neither policy would let it learn.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

from tomoyo.decision.engine import DecisionEngine, Verdict
from tomoyo.decision.requests import Request, parse_request
from tomoyo.kernel.plan import Plan
from tomoyo.kernel.policy_set import PolicySet
from tomoyo.kernel.policy_text import DomainLines, ancestors, domain_blocks, named_lines
from tomoyo.kernel.simulated import SimulatedKernel
from tomoyo.model.entries import Entry
from tomoyo.model.profiles import Mode
from tomoyo.syntax.domain_policy import parse_domain_policy

#: A number that neither policy uses, to stand in for another: of a group, and of a profile.
FREE = 255
#: A condition that always holds.
STAND_IN = "0=0"
#: States looked at before giving up.
MOST = 30_000

#: What is changed: an interface and a domain's name or a number.
Piece = tuple[str, str]
#: The lines of a piece; None where it is not there.
Lines = tuple[str, ...] | None
State = tuple[Lines, ...]


class TooLarge(Exception):
    """There are too many states to look at."""


def atoms(entries: Iterator[Entry] | tuple[Entry, ...]) -> dict[str, set[str]]:
    """Operations by subject."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        found.setdefault(entry.subject, set()).update(entry.operations)
    return found


def entries_of(lines: Lines) -> tuple[Entry, ...]:
    """The entries among LINES of a domain or a group."""
    return next(iter(parse_domain_policy("<kernel>\n" + "".join(f"{line}\n" for line in lines or ())))).entries


@dataclass
class Search:
    """A search from one policy to another, both as a kernel prints them.

    PROBES are the requests that are asked.  ORDERED tells that the order of
    entries counts.  FREE are numbers that neither policy uses, to stand in for
    others.
    """

    first: PolicySet
    second: PolicySet
    probes: list[str]
    ordered: bool = False
    free: tuple[int, ...] = (FREE,)
    _steps: dict[tuple[Piece, Lines, str], Lines] = field(default_factory=dict)
    _answers: dict[object, tuple[object, ...]] = field(default_factory=dict)
    _safe: dict[object, bool] = field(default_factory=dict)
    _left: dict[tuple[Piece, Lines], int] = field(default_factory=dict)

    # What there is

    def pieces(self, policy: PolicySet) -> dict[Piece, Lines]:
        """POLICY in pieces."""
        found: dict[Piece, Lines] = {}
        for name, block in domain_blocks(policy.domain_policy).items():
            found["domain_policy", name] = self._canonical(block.split("\n"))
            for number in DomainLines(block).groups:
                found.setdefault(("exception_policy", str(number)), ())
        for line in named_lines(policy.exception_policy)["<kernel>"]:
            _, number, entry = line.split(" ", 2)
            found["exception_policy", number] = self._canonical([*(found.get(("exception_policy", number)) or ()), entry])
        for line in named_lines(policy.profile)["<kernel>"]:
            number, dash, rest = line.partition("-")
            if dash and rest.startswith("CONFIG"):
                found["profile", number] = self._canonical([*(found.get(("profile", number)) or ()), rest])
        return found

    def _canonical(self, lines: list[str]) -> Lines:
        lines = [line for line in lines if line]
        return tuple(lines if self.ordered else sorted(lines))

    @cached_property
    def names(self) -> list[Piece]:
        """All pieces."""
        found = {**self.pieces(self.first), **self.pieces(self.second)}
        return [*found, *((kind, str(number)) for number in self.free for kind in ("exception_policy", "profile"))]

    @cached_property
    def start(self) -> State:
        """What is held at first."""
        held = self.pieces(self.first)
        return tuple(held.get(name, () if name[0] == "exception_policy" else None) for name in self.names)

    @cached_property
    def goal(self) -> State:
        """What is wanted; None for a profile where that does not matter, as none can be forgotten."""
        wanted = self.pieces(self.second)
        return tuple(wanted.get(name, () if name[0] == "exception_policy" else None) for name in self.names)

    # What can be written

    @cached_property
    def lines(self) -> list[list[str]]:
        """For each piece, all that is worth trying."""
        return [self._candidates(position) for position in range(len(self.names))]

    def _candidates(self, position: int) -> list[str]:
        kind = self.names[position][0]
        before, after = self.start[position], self.goal[position]
        if kind == "profile":
            profiles = [n for n, piece in enumerate(self.names) if piece[0] == "profile"]
            settings = dict.fromkeys(line for n in profiles for s in (self.start, self.goal) for line in s[n] or ())
            keys = dict.fromkeys(line.partition("=")[0] for line in settings if "::" in line)
            return [*settings, *(f"{key}=use_default" for key in keys)]
        groups = [n for n, piece in enumerate(self.names) if piece[0] == "exception_policy"]
        shared = [lines for n in groups for lines in (self.start[n], self.goal[n])]
        if kind == "exception_policy":
            return self._entry_lines(shared)
        if before is not None and after is None:
            return ["delete"]
        used = {line.partition(" ")[2] for lines in (before, after) for line in lines or () if line.startswith("use_group")}
        own = [s[n] for n in groups if self.names[n][1] in used for s in (self.start, self.goal)]
        found = self._entry_lines([before, after, *own])
        found += [f"use_profile {number}" for kind, number in self.names if kind == "profile"]
        found += [f"{delete}use_group {self.names[n][1]}" for n in groups for delete in ("", "delete ")]
        return [*found, "create"] if before is None else found

    def _entry_lines(self, pieces: list[Lines]) -> list[str]:
        known: dict[str, Entry] = {}
        for lines in pieces:
            for entry in entries_of(lines):
                held = known.get(entry.subject)
                known[entry.subject] = entry if held is None else held.merged(entry)
        found = []
        for entry in known.values():
            for count in range(1, len(entry.operations) + 1):
                for operations in combinations(entry.operations, count):
                    text = entry.with_operations(operations).text
                    found += [text, f"delete {text}"]
                if self.ordered:  # the same, and no merging with the other
                    found += [f"{text} {STAND_IN}", f"delete {text} {STAND_IN}"]
        return found

    def step(self, name: Piece, lines: Lines, line: str) -> Lines:
        """What a kernel makes of the piece NAME, which holds LINES, when LINE is written."""
        key = (name, lines, line)
        if key not in self._steps:
            self._steps[key] = self._ask(name, lines, line)
        return self._steps[key]

    def _ask(self, name: Piece, lines: Lines, line: str) -> Lines:
        interface, which = name
        if line == "delete":
            return None
        kernel = SimulatedKernel()
        if interface == "domain_policy":
            kernel.write("profile", "".join(f"{number}-COMMENT=\n" for kind, number in self.names if kind == "profile"))
            head = [which, *(lines or ())]
            kernel.write(interface, "".join(f"{text}\n" for text in head) + ("" if line == "create" else f"{which}\n{line}\n"))
            return self._canonical(domain_blocks(kernel.read(interface))[which].split("\n"))
        start = f"acl_group {which} " if interface == "exception_policy" else f"{which}-"
        kernel.write(interface, "".join(f"{start}{text}\n" for text in lines or ()))
        text = f"delete {start}{line.removeprefix('delete ')}" if line.startswith("delete ") else f"{start}{line}"
        kernel.write(interface, f"{text}\n")
        held = [held for held in kernel.read(interface).split("\n") if held.startswith(start)]
        return self._canonical([text.removeprefix(start) for text in held if interface != "profile" or "-CONFIG" in text])

    # How much is left

    def left(self, state: State) -> int:
        """No fewer lines than these lead from STATE to the goal: how many facts differ."""
        return sum(map(self._differences, self.names, state, self.goal))

    def _differences(self, name: Piece, lines: Lines, wanted: Lines) -> int:
        key = (name, lines)
        if key not in self._left:
            self._left[key] = self._count(name[0], lines, wanted)
        return self._left[key]

    @staticmethod
    def _count(kind: str, lines: Lines, wanted: Lines) -> int:
        if lines == wanted or (kind == "profile" and wanted is None):
            return 0
        if kind == "profile":
            now, then = (dict(line.partition("=")[::2] for line in some or ()) for some in (lines, wanted))
            if lines is None:
                now = {"CONFIG": "{ mode=disabled grant_log=yes reject_log=yes }"}
            return max(sum(now.get(key) != then.get(key) for key in now.keys() | then.keys()), int(lines is None))
        if wanted is None:
            return 1
        before, after = DomainLines("\n".join(lines or ())), DomainLines("\n".join(wanted))
        count = int(before.profile != after.profile) + len(before.groups ^ after.groups)
        held, then_held = (atoms(entries_of(tuple(some.entries))) for some in (before, after))
        for subject in held.keys() | then_held.keys():
            ours, theirs = held.get(subject, set()), then_held.get(subject, set())
            count += bool(ours - theirs) + bool(theirs - ours)
        return max(count, int(lines is None))

    # What is safe

    def _verdicts(self, name: str, state: State) -> tuple[Verdict, ...]:
        """The answers to the probes in the domain NAME."""
        found = dict(zip(self.names, state))
        lines = found["domain_policy", name]
        if lines is None:  # as a kernel would create it
            above = next(other for other in ancestors(name) if found.get(("domain_policy", other)) is not None)
            lines = tuple(line for line in found["domain_policy", above] or () if line.startswith("use_"))
        parts = DomainLines("\n".join(lines))
        groups = {str(number): found.get(("exception_policy", str(number))) or () for number in parts.groups}
        profile = found["profile", str(parts.profile)] or ()
        key = (name, lines, tuple(groups.items()), profile)
        if key not in self._answers:
            kernel = SimulatedKernel()
            kernel.write("profile", "".join(f"{parts.profile}-{line}\n" for line in profile))
            for number, entries in groups.items():
                kernel.write("exception_policy", "".join(f"acl_group {number} {entry}\n" for entry in entries))
            kernel.write("domain_policy", "".join(f"{line}\n" for line in (name, *lines)))
            engine = DecisionEngine.of(kernel.holding)
            self._answers[key] = tuple(engine.decide(name, request) for request in self._requests)
        return self._answers[key]  # type: ignore[return-value]

    @cached_property
    def _requests(self) -> list[Request]:
        return [parse_request(probe) for probe in self.probes]

    def is_safe(self, state: State) -> bool:
        """Whether nobody would get an answer that is neither policy's."""
        for position, (kind, name) in enumerate(self.names):
            before, after = self.start[position], self.goal[position]
            if kind != "domain_policy" or after is None:
                continue
            ours, old, new = (self._verdicts(name, some) for some in (state, self.start, self.goal))
            judge = _is_between
            if before is None:
                judge = _is_new_safe if state[position] is not None else _is_yet_safe
            if not all(map(judge, ours, old, new)):
                return False
        return True

    # A way that is given

    def follow(self, found: Plan) -> Iterator[tuple[str, State]]:
        """Carry FOUND out, giving each line and the state after it."""
        state = dict(zip(self.names, self.start))
        for write in found.writes:
            for line in write.text.split("\n") if write.interface else ():
                name, text = self._piece_of(write.interface, write.domain, line)
                if name[0] != "profile" or text.startswith("CONFIG"):
                    state[name] = self.step(name, state[name], text)
                    yield f"{name[1]}: {text}", tuple(state[name] for name in self.names)

    @staticmethod
    def _piece_of(interface: str, domain: str, line: str) -> tuple[Piece, str]:
        if interface == "domain_policy":
            return ((interface, domain), line or "create") if domain else ((interface, line.removeprefix("delete ")), "delete")
        if interface == "profile":
            number, _, text = line.partition("-")
            return (interface, number), text
        _, number, entry = line.removeprefix("delete ").split(" ", 2)
        return (interface, number), f"{'delete ' * line.startswith('delete ')}{entry}"

    # The search

    def is_goal(self, state: State) -> bool:
        """Whether STATE is what is wanted."""
        if self.left(state):
            return False
        return not self.ordered or all(
            lines == wanted for (kind, _), lines, wanted in zip(self.names, state, self.goal) if kind == "domain_policy"
        )

    def neighbours(self, state: State) -> Iterator[tuple[int, str, State]]:
        """The states that one line leads to."""
        for position, name in enumerate(self.names):
            lines = state[position]
            for line in self.lines[position]:
                if (line == "create" and lines is not None) or not self._is_defined(line, state):
                    continue
                then = self.step(name, lines, line)
                if then != lines:
                    yield position, line, (*state[:position], then, *state[position + 1 :])

    def _is_defined(self, line: str, state: State) -> bool:
        """Whether LINE names no profile that is not there: the kernel drops it."""
        keyword, _, number = line.partition(" ")
        return keyword != "use_profile" or state[self.names.index(("profile", number))] is not None

    def shortest(self) -> list[tuple[Piece, str]]:
        """A shortest safe way: what is written to what.  Raises TooLarge."""
        queue: list[tuple[int, int, int, State]] = [(self.left(self.start), 0, 0, self.start)]
        came: dict[State, tuple[State, int, str] | None] = {self.start: None}
        cost = {self.start: 0}
        number = 0
        while queue:
            _, _, _, state = heapq.heappop(queue)
            if self.is_goal(state):
                return self._way(came, state)
            for position, line, then in self.neighbours(state):
                if cost[state] + 1 >= cost.get(then, 1 << 30) or not self.is_safe(then):
                    continue
                number += 1
                if number > MOST:
                    raise TooLarge
                cost[then] = cost[state] + 1
                came[then] = (state, position, line)
                heapq.heappush(queue, (cost[then] + self.left(then), -cost[then], number, then))
        raise AssertionError("there is no safe way")

    def _way(self, came: dict[State, tuple[State, int, str] | None], state: State) -> list[tuple[Piece, str]]:
        found = []
        while (step := came[state]) is not None:
            state, position, line = step
            found.append((self.names[position], line))
        return found[::-1]


def _effect(verdict: Verdict) -> object:
    """What a process sees of an answer."""
    condition = verdict.entry.condition if verdict.entry else None
    return verdict.allowed, verdict.matched_path, condition.transition if condition else None


def _learns(verdict: Verdict) -> bool:
    return verdict.learned is not None


def _is_between(now: Verdict, old: Verdict, new: Verdict) -> bool:
    if _learns(now) and not (_learns(old) or _learns(new)):
        return False
    confines = old.mode is new.mode is Mode.ENFORCING and now.mode is not Mode.ENFORCING
    return not confines and _effect(now) in (_effect(old), _effect(new))


def _is_yet_safe(now: Verdict, old: Verdict, new: Verdict) -> bool:
    """For a domain that is not there yet, which may what the one above may."""
    confined = old.mode is Mode.ENFORCING
    if confined and new.mode is Mode.ENFORCING and now.mode is not Mode.ENFORCING:
        return False
    return confined or now.allowed or not new.allowed


def _is_new_safe(now: Verdict, old: Verdict, new: Verdict) -> bool:
    is_granted = now.allowed and now.mode is Mode.ENFORCING
    return _is_yet_safe(now, old, new) and (old.allowed or new.allowed or not is_granted)

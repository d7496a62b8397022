"""What is safe on the way from one small policy to another.

A state is what a kernel holds, cut into pieces that one line changes at most
one of: each domain, each acl_group, each profile.  What a line does to a piece
is asked of a simulated kernel, and what a domain's processes may do, of the
decision engine.  A state is safe where:

- every request on which both policies agree is answered so at every moment;
  the others as one of the two answers;
- a domain that is new confines as the one did that the kernel would have
  created before, where both confine, and denies nothing that neither would; so
  does the one that the kernel would create until it is written.  Between its
  creation and the next line it has profile 0, which no order can help;
- no domain that is not new learns what neither policy would let it learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from tomoyo.activation.plan import Plan
from tomoyo.decision.engine import DecisionEngine, Verdict
from tomoyo.decision.requests import Request, parse_request
from tomoyo.model.profiles import Mode
from tomoyo.sets.policy_set import PolicySet
from tomoyo.simulation.policy_reading import ancestors, domain_blocks
from tomoyo.simulation.simulated_kernel import SimulatedKernel

#: What is changed: an interface and a domain's name or a number.
Piece = tuple[str, str]
#: The lines of a piece; None where it is not there.
Lines = tuple[str, ...] | None
State = tuple[Lines, ...]


def blocks(text: str) -> dict[str, str]:
    """The domains of TEXT, which a kernel printed, and the lines of each."""
    return domain_blocks(text) or {}


def numbers(lines: Lines, keyword: str) -> list[str]:
    """The numbers behind KEYWORD among LINES."""
    return [line.partition(" ")[2] for line in lines or () if line.startswith(f"{keyword} ")]


@dataclass
class Way:
    """The way from one policy to another, both as a kernel prints them.

    PROBES are the requests that are asked.  ORDERED says that the order of
    entries counts.  FREE are numbers that neither policy uses, to stand in for
    others.
    """

    first: PolicySet
    second: PolicySet
    probes: list[str]
    ordered: bool = False
    free: tuple[int, ...] = (255, 254, 253)
    _steps: dict[tuple[Piece, Lines, str], Lines] = field(default_factory=dict)
    _answers: dict[object, tuple[object, ...]] = field(default_factory=dict)

    # What there is

    def pieces(self, policy: PolicySet) -> dict[Piece, Lines]:
        """POLICY in pieces."""
        found: dict[Piece, Lines] = {}
        for name, block in blocks(policy.domain_policy).items():
            found["domain_policy", name] = self._canonical(block.split("\n"))
            for number in numbers(found["domain_policy", name], "use_group"):
                found.setdefault(("exception_policy", number), ())
        for line in filter(None, policy.exception_policy.split("\n")):
            _, number, entry = line.split(" ", 2)
            found["exception_policy", number] = self._canonical([*(found.get(("exception_policy", number)) or ()), entry])
        for line in policy.profile.split("\n"):
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
            return self._canonical(blocks(kernel.read(interface))[which].split("\n"))
        start = f"acl_group {which} " if interface == "exception_policy" else f"{which}-"
        kernel.write(interface, "".join(f"{start}{text}\n" for text in lines or ()))
        text = f"delete {start}{line.removeprefix('delete ')}" if line.startswith("delete ") else f"{start}{line}"
        kernel.write(interface, f"{text}\n")
        held = [held for held in kernel.read(interface).split("\n") if held.startswith(start)]
        return self._canonical([text.removeprefix(start) for text in held if interface != "profile" or "-CONFIG" in text])

    # What is safe

    def _verdicts(self, name: str, state: State) -> tuple[Verdict, ...]:
        """The answers to the probes in the domain NAME."""
        found = dict(zip(self.names, state))
        lines = found["domain_policy", name]
        if lines is None:  # as a kernel would create it
            above = next(other for other in ancestors(name) if found.get(("domain_policy", other)) is not None)
            lines = tuple(line for line in found["domain_policy", above] or () if line.startswith("use_"))
        groups = {number: found.get(("exception_policy", number)) or () for number in numbers(lines, "use_group")}
        own = (numbers(lines, "use_profile") or ["0"])[0]
        profile = found["profile", own] or ()
        key = (name, lines, tuple(groups.items()), profile)
        if key not in self._answers:
            kernel = SimulatedKernel()
            kernel.write("profile", "".join(f"{own}-{line}\n" for line in profile))
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

    def is_goal(self, state: State) -> bool:
        """Whether STATE is what is wanted; a profile that nobody wants may be anything."""
        found = zip(self.names, state, self.goal)
        return all(
            lines == wanted or (kind == "profile" and (wanted is None or set(wanted) == set(lines or ())))
            for (kind, _), lines, wanted in found
        )


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

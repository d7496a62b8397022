"""The shortest way from what a kernel holds to a policy set, where nothing need be parsed to find it.

Most activations load a set into an empty kernel, change nothing, or change
some entries about single paths.  Then the lines to write can be told from the
texts, and so can what the kernel prints afterwards, which makes verifying a
comparison of two texts.  `find_shortcut` finds the same writes as ``plan`` does
and gives None wherever it is not sure that it would; so this module decides
nothing, and only saves time.
"""

from __future__ import annotations

from .policy_text import (
    EMPTY_DOMAIN,
    KERNEL,
    DomainLines,
    ancestors,
    domain_blocks,
    is_byproduct,
    is_ordered,
    is_plain,
    manager_lines,
    named_lines,
    profiles_differ,
    quotas,
    same_exceptions,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from .plan import Plan

    class Texts(Protocol):
        """The texts of a set, or of what a kernel holds."""

        @property
        def domain_policy(self) -> str: ...
        @property
        def exception_policy(self) -> str: ...
        @property
        def bindings(self) -> str: ...
        @property
        def profile(self) -> str: ...
        @property
        def manager(self) -> str: ...
        @property
        def stat(self) -> str: ...


#: What may be done with one path and stands for itself: all such operations (see model.entries.Kind.PATH) but to execute it,
#: where the order of entries counts.
PATH_OPERATIONS = frozenset(("read", "write", "append", "unlink", "getattr", "rmdir", "truncate", "symlink", "chroot", "unmount"))
#: How the entries of a domain begin.
_ENTRIES = ("file ", "network ", "misc ", "task ")
#: What no line of a kernel's holds.  Two spaces are not looked for, which would take longer than all else: the kernel reads
#: them as one, and what it then prints is not what was expected, which is looked into.
_UNUSUAL = ("\t", "\r", "\0")
#: So many characters are compared at once.
_STEP = 1024


class Shortcut:
    """Lines to write to ``domain_policy``, all at once.

    Attributes:
        writes: lines, and the domain that they are of, in order.
        blocks: the domains as the kernel then prints them, by name.
    """

    __slots__ = ("blocks", "writes")
    #: No bindings, and no domains that say anything, differ where there is a shortcut.
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __init__(self, writes: list[tuple[str, str]], blocks: Mapping[str, str]) -> None:
        self.writes = tuple(writes)
        self.blocks = blocks

    @property
    def count(self) -> int:
        """How many lines are written, those that only select a domain not counted."""
        return sum(max(text.count("\n") + 1, 1) for text, _ in self.writes)

    @property
    def text(self) -> str:
        """What to write."""
        pieces: list[str] = []
        domain = ""
        for text, name in self.writes:
            if name != domain:
                domain = name
                pieces.append(name)
            if text:
                pieces.append(text)
        pieces.append("")
        return "\n".join(pieces)

    def is_reached(self, domain_policy: str) -> bool:
        """Whether DOMAIN_POLICY, which a kernel printed, is what it then prints if nothing else happens meanwhile."""
        position = 0
        for name, block in self.blocks.items():
            head = f"{name}\n"
            if not domain_policy.startswith(head, position):
                return False
            position += len(head)
            if not domain_policy.startswith(block, position):
                return False
            position += len(block)
            if not domain_policy.startswith("\n", position):
                return False
            position += 1
        return position == len(domain_policy)

    def as_plan(self) -> Plan:
        """The same as a plan."""
        from .plan import Plan, Write

        return Plan(tuple(Write("domain_policy", text, domain) for text, domain in self.writes))


def find_shortcut(held: Texts, wanted: Texts, *, keep_learned: bool = False) -> Shortcut | None:
    """Find what to write to bring a kernel from HELD, as it prints it, to WANTED; None where that has to be planned.

    A domain that is not wanted stays if it says nothing, as in ``activate``;
    where a recorded set names it, the caller has to plan.
    """
    text = wanted.domain_policy
    if text and not (text.startswith("<") and text.endswith("\n")):
        return None
    if not same_but_domains(held, wanted):
        return None
    now = domain_blocks(held.domain_policy)
    then = {KERNEL: EMPTY_DOMAIN, **domain_blocks(text)}
    if not all(name in then or is_byproduct(name, block, now) for name, block in now.items()):
        return None
    found = _Finder(now, held.profile)
    for name, block in then.items():
        before = now.get(name)
        if before != block and not (found.create(name, block) if before is None else found.change(name, before, block)):
            return None
    if keep_learned and found.deletions:
        return None
    return Shortcut(found.creations + found.additions + found.deletions, {**now, **found.blocks})


def same_but_domains(held: Texts, wanted: Texts) -> bool:
    """Whether everything but the domain policy is as WANTED."""
    now = quotas(held.stat)
    return (
        same_exceptions(held.exception_policy, wanted.exception_policy, wanted.bindings)
        and not profiles_differ(held.profile, wanted.profile)
        and set(manager_lines(held.manager)) == set(manager_lines(wanted.manager))
        and all(now.get(name, 0) == quota for name, quota in quotas(wanted.stat).items())
    )


class _Finder:
    """Goes through the wanted domains; what `create` and `change` answer is whether they were sure."""

    def __init__(self, now: Mapping[str, str], profile: str) -> None:
        self.creations: list[tuple[str, str]] = []
        self.additions: list[tuple[str, str]] = []
        self.deletions: list[tuple[str, str]] = []
        self.now = now
        self.profile = profile
        self.blocks: dict[str, str] = {}  # as they will be
        self.created: dict[str, int] = {}
        self.defined: dict[str, set[str]] = {}

    def create(self, name: str, block: str) -> bool:
        """Create the domain NAME as ``plan`` does, where the kernel would have given it its own profile or none."""
        found = _cut(block)
        if found is None or not is_plain(f"{name}\n"):
            return False
        head, entries = found
        if not self._is_defined(name, head.profile):
            return False
        inherited = 0
        for above in ancestors(name):
            if above in self.created or above in self.now:
                inherited = self.created[above] if above in self.created else DomainLines(self.now[above]).profile
                break
        self.created[name] = inherited
        if inherited not in (0, head.profile):
            return False
        lines = [entries] if entries else []
        if inherited:
            lines.insert(0, f"use_profile {inherited}")
        writes = ["\n".join(lines)] if lines else []
        writes += [f"use_group {number}" for number in sorted(head.groups)]
        if head.profile != inherited:
            writes.append(f"use_profile {head.profile}")
        self.creations += [(text, name) for text in writes or [""]]
        self.blocks[name] = block
        return True

    def _is_defined(self, name: str, profile: int) -> bool:
        if not self.defined:
            for namespace, lines in named_lines(self.profile).items():
                self.defined[namespace] = {line.partition("-")[0] for line in lines}
        return str(profile) in self.defined.get(name.partition(" ")[0], ())

    def change(self, name: str, before: str, block: str) -> bool:
        """Change entries about single paths, each of which no other entry is about, for the kernel would merge the two."""
        (old_head, _, old_body), (head, blank, body) = before.partition("\n\n"), block.partition("\n\n")
        old, new = DomainLines(f"{old_head}\n\n"), DomainLines(f"{head}\n\n")
        if new.entries or not blank or (body and body[-1] != "\n") or (old.profile, old.groups) != (new.profile, new.groups):
            return False
        gone, come, rest, in_order = changed_lines(old_body, body)
        if not in_order and is_ordered(block) and _ordered(old_body) != _ordered(body):
            return False
        ends = [line.rpartition(" ")[2] for line in (*gone, *come)]
        if len(set(ends)) != len(ends) or not all(map(_is_about_one_path, (*gone, *come))):
            return False
        if come and not set(rest.split()).isdisjoint(line.rpartition(" ")[2] for line in come):
            return False
        self.additions += [(line, name) for line in come]
        self.deletions += [(f"delete {line}", name) for line in gone]
        added = "".join(f"{line}\n" for line in come)
        self.blocks[name] = f"{old_head}\n\n{rest}{added}"
        return True


def _cut(block: str) -> tuple[DomainLines, str] | None:
    """What stands before the entries of a domain, and the entries; None where something else than that is in BLOCK."""
    head, blank, body = block.partition("\n\n")
    lines = DomainLines(f"{head}\n\n")
    if lines.entries or (body and not blank):
        return None
    if not body:
        return lines, ""
    text = f"\n{body}"
    count = text.count("\n") - 1
    for keyword in _ENTRIES:
        count -= text.count(f"\n{keyword}")
        if not count:
            break
    if count or not body.endswith("\n") or not body.isascii() or any(piece in body for piece in _UNUSUAL):
        return None
    return lines, body[:-1]


def _is_about_one_path(line: str) -> bool:
    """Whether LINE is ``file OPERATIONS PATH``, which the kernel stores as it stands."""
    words = line.split(" ")
    return (
        len(words) == 3
        and words[0] == "file"
        and PATH_OPERATIONS.issuperset(words[1].split("/"))
        and line.isascii()
        and line.isprintable()
    )


def _ordered(body: str) -> list[str]:
    return [line for line in body.split("\n") if is_ordered(line)]


def changed_lines(held: str, wanted: str) -> tuple[list[str], list[str], str, bool]:
    """The lines of HELD that WANTED has not, those of WANTED that HELD has not, and HELD without the former.

    At last, whether what both have is certainly in the same order.
    Both texts end with a newline, if there is anything in them.  Lines that
    merely stand in another place are in none of the lists.  Quick where most
    lines are equal and in one order.
    """
    gone: list[str] = []
    come: list[str] = []
    pieces: list[str] = []
    start = here = there = 0  # where what stays begins, and how far both are read
    while True:
        here, there = _skip_equal(held, wanted, here, there)
        end, other_end = held.find("\n", here) + 1, wanted.find("\n", there) + 1
        if not end and not other_end:
            break
        line, other = held[here:end], wanted[there:other_end]
        is_gone, is_new = bool(end), bool(other_end)
        if end and other_end:
            after, other_after = held[end : held.find("\n", end) + 1], wanted[other_end : wanted.find("\n", other_end) + 1]
            if after == other:
                is_new = False
            elif other_after == line:
                is_gone = False
        if is_gone:
            gone.append(line[:-1])
            pieces.append(held[start:here])
            start = here = end
        if is_new:
            come.append(other[:-1])
            there = other_end
    pieces.append(held[start:])
    moved = set(gone).intersection(come)
    if moved:
        kept = set(gone) - moved
        lines = held.split("\n")
        pieces = ["\n".join(line for line in lines if line not in kept)]
        gone, come = ([line for line in lines if line not in moved] for lines in (gone, come))
    return gone, come, "".join(pieces), not moved


def _skip_equal(held: str, wanted: str, here: int, there: int) -> tuple[int, int]:
    """Go on to the first line that is not the same."""
    start = here
    while here < len(held) and held[here : here + _STEP] == wanted[there : there + _STEP]:
        here, there = here + _STEP, there + _STEP
    # The last step may have ended within a line, or behind the end.
    back = here - max(held.rfind("\n", start, here) + 1, start)
    here, there = here - back, there - back
    while True:
        end, other_end = held.find("\n", here) + 1, wanted.find("\n", there) + 1
        if not end or held[here:end] != wanted[there:other_end]:
            return here, there
        here, there = end, other_end

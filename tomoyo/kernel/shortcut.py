"""The shortest way from what a kernel holds to a policy set, where nothing need be parsed to find it.

Most activations load a set into an empty kernel, change nothing, or change
some entries about single paths.  Then the lines to write can be told from the
texts, and so can what the kernel prints afterwards, which makes verifying a
comparison of two texts.  `find_shortcut` finds the same writes as ``plan`` does,
those of one domain in the same order, and gives None wherever it is not sure
that it would; so this module decides nothing, and only saves time.
"""

from __future__ import annotations

from .policy_text import (
    CONTROL,
    EMPTY_DOMAIN,
    KERNEL,
    DomainLines,
    Domains,
    ancestors,
    below_first,
    differing_domains,
    is_byproduct,
    is_ordered,
    is_plain_policy,
    manager_lines,
    named_lines,
    profiles_differ,
    quotas,
    same_exceptions,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Protocol

    from .plan import Plan
    from .policy_text import Difference

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
#: So many paths are looked for one by one.
_FEW = 30
#: A domain that is chosen and read back by itself takes a kernel as long as it takes to print so many of them.
_CHOICE = 4


class Shortcut:
    """Lines to write to ``domain_policy``, all at once or domain by domain.

    Attributes:
        creations: the domains that are new: name, what is written at once
            (its entries), and then line by line (its groups and its profile).
        changes: lines of domains that are held already, and the domain of each.
        extra: domains that are held and not wanted.
    """

    __slots__ = ("_changed", "_expected", "_held", "changes", "creations", "extra")
    #: No bindings, and no domains that say anything, differ where there is a shortcut.
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def __init__(self, found: _Finder) -> None:
        self.creations = found.creations
        self.changes = found.changes
        self.extra = frozenset(found.extra)
        self._changed = {name: text for name, (_, _, text) in found.changed.items()}
        self._expected = found.expected()
        self._held = found.held

    def __bool__(self) -> bool:
        return bool(self.creations or self.changes)

    @property
    def count(self) -> int:
        """How many lines are written, those that only select a domain not counted."""
        lines = sum(max(entries.count("\n") + settings.count("\n"), 1) for _, entries, settings in self.creations)
        return lines + len(self.changes)

    @property
    def text(self) -> str:
        """What to write."""
        pieces = [f"{name}\n{entries}{settings}" for name, entries, settings in self.creations]
        domain = ""
        for line, name in self.changes:
            pieces.append(f"{line}\n" if name == domain else f"{name}\n{line}\n")
            domain = name
        return "".join(pieces)

    @property
    def is_local(self) -> bool:
        """Whether only domains change that are there, and so few that it is quicker to read back each of them."""
        return not self.creations and len(self._changed) * _CHOICE <= self._held.count("\n<") + 1

    def by_domain(self) -> dict[str, str]:
        """The same lines by domain: what to write to change and choose each, and what then is to be read."""
        lines: dict[str, list[str]] = {}
        for line, name in self.changes:
            lines.setdefault(name, []).append(line)
        return {
            "\n".join([f"select domain={name}", *found]): f"# select domain={name}\n{self._changed[name]}"
            for name, found in lines.items()
        }

    def is_reached(self, domain_policy: str) -> bool:
        """Whether DOMAIN_POLICY, which a kernel printed, is what it then prints if nothing else happens meanwhile."""
        return "".join(self._expected) == domain_policy

    def as_plan(self) -> Plan:
        """The same as a plan."""
        from .plan import Plan, Write

        writes: list[Write] = []
        for name, entries, settings in self.creations:
            texts = [text for text in (entries[:-1], *settings.split("\n")) if text]
            writes += [Write("domain_policy", text, name) for text in texts or [""]]
        writes += [Write("domain_policy", line, name) for line, name in self.changes]
        return Plan(tuple(writes))


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
    differences = differing_domains(held.domain_policy, text)
    if differences is None:
        return None
    differing, new = differences
    found = _Finder(held.domain_policy, held.profile)
    for difference in differing:
        if not found.take(difference):
            return None
    if not found.create(new) or (keep_learned and found.deletes) or not found.leaves(differing, new):
        return None
    return Shortcut(found)


def same_but_domains(held: Texts, wanted: Texts) -> bool:
    """Whether everything but the domain policy is as WANTED; False may also mean: not sure."""
    now = quotas(held.stat)
    return (
        all(is_plain_policy(name, getattr(wanted, name)) for name in ("profile", "manager", "stat"))
        and same_exceptions(held.exception_policy, wanted.exception_policy, wanted.bindings)
        and not profiles_differ(held.profile, wanted.profile)
        and set(manager_lines(held.manager)) == set(manager_lines(wanted.manager))
        and all(now.get(name, 0) == quota for name, quota in quotas(wanted.stat).items())
    )


class _Finder:
    """Goes through the domains that differ; what `create` and `change` answer is whether they were sure."""

    def __init__(self, held: str, profile: str) -> None:
        self.creations: list[tuple[str, str, str]] = []
        self.changes: list[tuple[str, str]] = []
        self.extra: set[str] = set()
        self.deletes = False
        self.held = held
        self.now = Domains(held)
        self.profile = profile
        self.heads: dict[str, tuple[int, set[int]] | None] = {}
        self.starts: dict[str, bool] = {}
        # What the kernel then prints: where each domain that changes begins and ends, and what stands there; and what is new.
        self.changed: dict[str, tuple[int, int, str]] = {}
        self.created = ""

    def expected(self) -> list[str]:
        """What the kernel then prints, in pieces."""
        pieces: list[str] = []
        position = 0
        for start, end, text in sorted(self.changed.values()):
            pieces += (self.held[position:start], text)
            position = end
        return [*pieces, self.held[position:], self.created]

    def take(self, difference: Difference) -> bool:
        """Take one of the domains that differ."""
        name, before, wanted = difference.name, difference.held, difference.wanted
        if wanted is None and name == KERNEL:
            wanted = EMPTY_DOMAIN
        if wanted is None:
            self.extra.add(name)
            return is_byproduct(name, before, self.now)  # and `leaves` asks again when all is known
        if before == wanted:
            return True
        after = self.change(name, before, wanted)
        if after is None:
            return False
        self.changed[name] = (difference.start, difference.start + len(name) + len(before) + 2, after)
        return True

    def leaves(self, differing: Iterable[Difference], new: Mapping[str, str]) -> bool:
        """Whether the domains that nobody names say nothing of their own below those that are then above them, either."""
        if not self.extra:
            return True
        then = {difference.name: difference.wanted for difference in differing if difference.wanted is not None}
        then.update(new)
        for name in self.extra:
            above = next((above for above in ancestors(name) if above in then or above in self.now), None)
            if above in then:
                block = self.now.get(name)
                if block is None or not is_byproduct(name, block, then):
                    return False
        return True

    def create(self, domains: Mapping[str, str]) -> bool:
        """Create DOMAINS as ``plan`` does, where the kernel would have given each its own profile or none."""
        if not domains:
            return True
        names = sorted(domains, key=below_first)
        text = "".join([f"{name}\n{domains[name]}\n" for name in names])
        each_name = "\n".join([*names, ""])
        # Two spaces are not looked for elsewhere, which would take longer than all else: the kernel reads them as one, and what
        # it then prints is not what was expected, which is looked into.
        if not text.isascii() or any(character in text for character in CONTROL) or "  " in each_name or " \n" in each_name:
            return False
        inherited = self._inherited(names)
        known: dict[tuple[str, str], tuple[int, str, int] | None] = {}
        known_lines = 0
        for name in names:
            head, blank, entries = domains[name].partition("\n\n")
            key = (name.partition(" ")[0], head)
            if key not in known:
                known[key] = self._settings(*key)
            found = known[key]
            if found is None or not blank or (entries and entries[-1] != "\n"):
                return False
            profile, settings, own = found
            if inherited and inherited[name]:
                if inherited[name] != profile:
                    return False
                entries = f"use_profile {profile}\n{entries}"
                settings = settings[: settings.rfind("use_profile")]
            self.creations.append((name, entries, settings))
            known_lines += own
        self.created = text
        # Then no line is left that is neither a domain's name, nor about its groups or its profile, nor blank, nor an entry.
        lines = text.count("\n") - known_lines
        for keyword in _ENTRIES:
            if not lines:
                break
            lines -= text.count(f"\n{keyword}")
        return not lines

    def _inherited(self, names: list[str]) -> dict[str, int]:
        """The profile that the kernel would give each of NAMES if somebody entered it now; empty if that is 0 for all."""
        found: dict[str, int] = {}
        if self.held.count("\nuse_profile ") == self.held.count("\nuse_profile 0\n"):
            return found
        for name in names:
            blocks = (self.now.get(above) for above in ancestors(name))
            above = next(filter(None, blocks), None)
            found[name] = DomainLines(above).profile if above else 0
        return found

    def _settings(self, namespace: str, head: str) -> tuple[int, str, int] | None:
        """The profile in HEAD, which stands before the entries of a domain, and the lines that give the domain what it says.

        And how many lines such a domain has beside its entries.  None where it
        says something else, or where the profile is not defined.
        """
        found = self._head(head)
        if found is None:
            return None
        profile, groups = found
        start = f"{profile}-"
        if not any(line.startswith(start) for line in named_lines(self.profile).get(namespace, ())):
            return None
        settings = [f"use_group {number}\n" for number in sorted(groups)]
        if profile:
            settings.append(f"use_profile {profile}\n")
        # Its name, an empty line in front of the entries, and one behind them.
        return profile, "".join(settings), len(head.split("\n")) + 3

    def _head(self, text: str) -> tuple[int, set[int]] | None:
        """The profile and the groups in TEXT, which stands before the entries of a domain; None where it says something else."""
        if text not in self.heads:
            lines = DomainLines(f"{text}\n\n")
            self.heads[text] = None if lines.entries else (lines.profile, lines.groups)
        return self.heads[text]

    def change(self, name: str, before: str, block: str) -> str | None:
        """Change entries about single paths, each of which no other entry is about, for the kernel would merge the two.

        Gives what the kernel then prints of the domain; None if not sure.
        """
        (old_head, _, old_body), (head, blank, body) = before.partition("\n\n"), block.partition("\n\n")
        new = self._head(head)
        if new is None or (head != old_head and new != self._head(old_head)) or not blank or (body and body[-1] != "\n"):
            return None
        gone, come, rest = changed_lines(old_body, body)
        if is_ordered(block) and _ordered(old_body) != _ordered(body):
            return None
        paths: list[str] = []
        for line in (*come, *gone):
            start, _, path = line.rpartition(" ")
            if not (self._is_about_paths(start) and path.isascii() and path.isprintable()):
                return None
            paths.append(path)
        if len(set(paths)) != len(paths) or _names_any(rest, paths[: len(come)]):
            return None
        # Every request is judged by one domain, so no domain need wait for another; and the kernel goes through all to find one.
        self.changes += [(line, name) for line in come]
        self.changes += [(f"delete {line}", name) for line in gone]
        self.deletes = self.deletes or bool(gone)
        added = "".join([f"{line}\n" for line in come])
        return f"{name}\n{old_head}\n\n{rest}{added}\n"

    def _is_about_paths(self, text: str) -> bool:
        """Whether TEXT is ``file OPERATIONS``, behind which one path stands, so that the kernel stores the line as it is."""
        if text not in self.starts:
            keyword, _, operations = text.partition(" ")
            self.starts[text] = keyword == "file" and PATH_OPERATIONS.issuperset(operations.split("/"))
        return self.starts[text]


def _names_any(text: str, words: list[str]) -> bool:
    """Whether any of WORDS is a word of TEXT."""
    if len(words) <= _FEW:
        words = [word for word in words if word in text]
    return bool(words) and not set(text.split()).isdisjoint(words)


def _ordered(body: str) -> list[str]:
    return [line for line in body.split("\n") if is_ordered(line)]


def changed_lines(held: str, wanted: str) -> tuple[list[str], list[str], str]:
    """The lines of HELD that WANTED has not, those of WANTED that HELD has not, and HELD without the former.

    Both texts end with a newline, if there is anything in them.  Lines that
    merely stand in another place are in none of the lists.
    """
    ours, theirs = held.split("\n"), wanted.split("\n")
    now, then = set(ours), set(theirs)
    gone = [line for line in ours if line not in then]
    come = [line for line in theirs if line not in now]
    return gone, come, "\n".join([line for line in ours if line in then]) if gone else held

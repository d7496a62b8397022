"""Policy texts, parsed only where they have to be.

A kernel prints one thing in one way.  So a domain whose text in a policy set is
to the byte what the kernel prints is held as it is written, and need not be
parsed.  Texts are compared for nothing else: whatever is not the same is read
by the parser, what a kernel holds as well as what is wanted.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, Protocol

    from ..model.domains import Domain
    from ..model.words import DomainName, Word
    from ..syntax.kernel_policy import HeldDomain, HeldNamespace
    from ..syntax.lines import Line, PolicySyntaxError
    from ..syntax.statements import Statement

    class Texts(Protocol):
        """The texts of a policy set, or those that a kernel printed."""

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


__all__ = ["Texts"]


KERNEL = "<kernel>"
#: What the kernel prints behind the name of a domain that says nothing.
EMPTY = "use_profile 0\n\n"


# Texts that are compared


def domain_blocks(text: str) -> dict[str, str] | None:
    """TEXT cut where a line begins with ``<``: each domain's name and the lines behind it.

    None where TEXT cannot be cut so: it does not begin with a domain, its last
    line is not ended, or a domain is named twice.
    """
    pieces = _pieces(text)
    if pieces is None:
        return None
    blocks = {f"<{name}": block for name, _, block in [piece.partition("\n") for piece in pieces]}
    return blocks if len(blocks) == len(pieces) else None


def _pieces(text: str) -> list[str] | None:
    """The domains of TEXT without their first character; None where it cannot be cut."""
    if not text:
        return []
    if text[0] != "<" or text[-1] != "\n":
        return None
    pieces = text[1:-1].split("\n<")
    # The last newline belongs to the last line, unless that is a domain's name.
    if "\n" not in pieces[-1]:
        pieces[-1] += "\n"
    return pieces


def same_domains(held: str, wanted: str) -> bool:
    """Whether WANTED has just the domains that HELD, which a kernel printed, has, to the letter."""
    if held == wanted:
        return wanted.startswith("<")
    ours, theirs = _pieces(held), _pieces(wanted)
    if ours is None or theirs is None:
        return False
    names = {f"{KERNEL[1:]}\n{EMPTY}"} if not any(piece.startswith(f"{KERNEL[1:]}\n") for piece in theirs) else set()
    return names.union(theirs) == set(ours)


def is_unchanged(held: Texts, wanted: Texts) -> bool:
    """Whether a kernel that printed HELD holds just what WANTED says.  False may also mean: not sure, so parse."""
    return (
        same_domains(held.domain_policy, wanted.domain_policy)
        and same_exceptions(held, wanted)
        and _same_profiles(held.profile, wanted.profile, wanted.domain_policy)
        and sorted(_lines(held.manager)) == sorted(_lines(wanted.manager))
        and not wanted.stat
        and "Quota:" not in held.stat
    )


def same_exceptions(held: Texts, wanted: Texts) -> bool:
    """Whether WANTED has the lines of exception policy that HELD, which a kernel printed, has.

    In the same order where that may count.  False may also mean: not sure.
    """
    if any(text and text[-1] != "\n" for text in (wanted.exception_policy, wanted.bindings)):
        return False
    # With one namespace a kernel prints no name in front, with more it prints all; either may be written.
    printed = {}
    for line in held.exception_policy.split("\n"):
        printed[line] = line
        if line.startswith(f"{KERNEL} "):
            printed[line[len(KERNEL) + 1 :]] = line
        elif not line.startswith("<"):
            printed[f"{KERNEL} {line}"] = line
    then = [printed.get(line) for line in f"{wanted.exception_policy}{wanted.bindings}".split("\n")]
    if None in then:
        return False
    ours, theirs = _lines(held.exception_policy), [line for line in dict.fromkeys(then) if line]
    return len(ours) == len(theirs) and list(filter(_has_order, ours)) == list(filter(_has_order, theirs))


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


def _has_order(line: str) -> bool:
    return "aggregator " in line or "acl_group " in line


def _same_profiles(held: str, wanted: str, domains: str) -> bool:
    """Whether each profile of WANTED is held, line by line, and DOMAINS use no other.

    HELD may have more, as a kernel forgets no profile.
    """
    if not wanted.endswith("\n"):
        return False
    ours, theirs = set(_lines(held)), set(_lines(wanted))
    numbers = {line.partition("-")[0] for line in theirs}
    others = {line.partition("-")[0] for line in ours - theirs}
    if not theirs <= ours or numbers & others:
        return False
    if any("PROFILE_VERSION=" in other and not other.endswith("=20150505") for other in others):
        return False
    return not any(f"\nuse_profile {other.rpartition(' ')[2]}\n" in domains for other in others)


# Texts that are parsed


class PolicyReading:
    """A policy, its domains parsed where they are asked for.

    Attributes:
        texts: what is read.
        blocks: the text of each domain by name.  For one that was parsed it is
            of no account.
        domains: those that were parsed.
        namespaces: profiles, and exception policy as soon as that was parsed.
        dropped: what a kernel printed and no kernel would read, of what was
            parsed.
        managers: who may change policy, in order.
        manage_by_non_root: whether other users may, too.
    """

    def __init__(self, texts: Texts, *, file_names: Mapping[str, str] | None = None) -> None:
        """Read TEXTS, what a kernel printed, or with FILE_NAMES (by text) those of a policy set.

        Of a policy set, a line that the kernel would drop, or store as
        something else than it says, is refused with a PolicySyntaxError.
        """
        from ..syntax.kernel_policy import KernelPolicy

        self.texts = texts
        self.dropped: list[str] = []
        self._files = file_names
        self._holding = KernelPolicy()
        self.domains: dict[str, HeldDomain] = self._holding.domains
        self.namespaces: dict[str, HeldNamespace] = self._holding.namespaces
        self._heads: dict[str, tuple[int, frozenset[int]]] = {}
        self._has_exceptions = False
        found = domain_blocks(texts.domain_policy)
        self.blocks: dict[str, str] = found or {}
        if found is None:
            self._parse_all()
        self.blocks.setdefault(KERNEL, EMPTY)
        self._read_profiles()
        self.managers: list[Word | DomainName]
        self.manage_by_non_root: bool
        self.managers, self.manage_by_non_root = self._read_managers()

    def _read(self, name: str, text: str, reader: Callable[[Line], Statement], apply: Callable[[Any], str | None]) -> None:
        from ..syntax.lines import Dropped, Listener, Reading, replay

        if self._files is None:
            replay(text, reader, apply, Listener(name, Reading.AS_KERNEL, self._note_dropped))
            return

        def read(line: Line) -> Statement | None:
            if not line.text.startswith("#"):
                return reader(line)
            try:
                statement = reader(line)
            except Dropped:
                return None
            if name == "manager":  # a program may be called so
                return statement
            line.problems.clear()
            return None

        replay(text, read, apply, Listener(self._files[name], Reading.AS_KERNEL, _refuse))

    def _note_dropped(self, error: PolicySyntaxError) -> None:
        from ..syntax.lines import Effect

        if error.effect is Effect.DROPPED:
            self.dropped.append(error.source or error.text)

    # Domains

    def parse(self, names: Iterable[str]) -> None:
        """Parse the domains NAMES, as far as there are such."""
        from ..syntax.lines import PolicySyntaxError

        names = [name for name in names if name in self.blocks and name not in self.domains]
        if not names:
            return
        before = len(self.domains)
        try:
            self._read_domains("".join([f"{name}\n{self.blocks[name]}\n" for name in names]))
        except PolicySyntaxError:
            self._parse_all()  # says where it stands in the file
            raise
        # Behind a space or a tab, a domain's name stood where the text was not cut.
        if len(self.domains) != before + len(names) or not all(name in self.domains for name in names):
            self._parse_all()

    def _parse_all(self) -> None:
        self._holding.domains.clear()
        self._read_domains(self.texts.domain_policy)
        self.blocks = dict.fromkeys(self.domains, "")
        self.blocks.setdefault(KERNEL, EMPTY)

    def _read_domains(self, text: str) -> None:
        from ..syntax.domain_policy import read_domain_content, read_domain_line

        self._holding.selected = None
        self._read("domain_policy", text, read_domain_content if self._files else read_domain_line, self._holding.apply_domain)

    def domain(self, name: str) -> HeldDomain | None:
        """The domain NAME, parsed; None if there is none."""
        self.parse([name])
        return self.domains.get(name)

    def put(self, domain: Domain) -> None:
        """Let DOMAIN be part of this policy, in the place of the one of its name."""
        from ..syntax.kernel_policy import HeldDomain

        held = HeldDomain(domain.name, self._holding.namespace(domain.name.namespace), domain.profile, set(domain.groups))
        held.entries.update({entry.subject: entry for entry in domain.entries})
        self.domains[domain.name.text] = held
        self.blocks[domain.name.text] = ""

    def head(self, name: str) -> tuple[int, frozenset[int]]:
        """The profile and the groups of the domain NAME."""
        held = self.domains.get(name)
        if held is not None:
            return held.profile, frozenset(held.groups)
        text = self.blocks[name].partition("\n\n")[0]
        if text not in self._heads:
            self._heads[text] = _read_head(text)
        return self._heads[text]

    def above(self, name: str) -> str | None:
        """The nearest domain above NAME that there is: the kernel gives a domain that it makes what that one has."""
        return next((above for above in ancestors(name) if above in self.blocks), None)

    # All else

    def _read_profiles(self) -> None:
        from ..syntax.profiles import apply_profile, read_profile_content, read_profile_line

        reader = read_profile_content if self._files else read_profile_line
        self._read("profile", self.texts.profile, reader, lambda statement: apply_profile(self._holding, statement))

    def parse_exceptions(self) -> None:
        """Parse the exception policy, bindings included."""
        from ..syntax.exception_policy import read_exception_content, read_exception_line

        if self._has_exceptions:
            return
        self._has_exceptions = True
        reader = read_exception_content if self._files else read_exception_line
        for name in ("exception_policy", "bindings"):
            self._read(name, getattr(self.texts, name), reader, self._holding.apply_exception)

    def _read_managers(self) -> tuple[list[Word | DomainName], bool]:
        from ..syntax.managers import HeldManagers, read_manager_content, read_manager_line

        held = HeldManagers()
        reader = read_manager_content if self._files else read_manager_line
        self._read("manager", self.texts.manager, reader, held.apply)
        return list(held.managers), held.manage_by_non_root

    @property
    def quotas(self) -> dict[str, int]:
        """The memory quotas by name; 0 is none."""
        from ..syntax.stat import parse_stat

        file = self._files["stat"] if self._files else "stat"
        return {use.name: use.quota for use in parse_stat(self.texts.stat, file=file).memory}


def _refuse(error: PolicySyntaxError) -> None:
    from ..syntax.lines import Effect

    if error.effect in (Effect.DROPPED, Effect.ALTERED):
        raise error


def _read_head(text: str) -> tuple[int, frozenset[int]]:
    from ..syntax.domain_policy import parse_domain_policy
    from ..syntax.lines import Reading

    (domain,) = parse_domain_policy(f"{KERNEL}\n{text}\n", reading=Reading.AS_KERNEL)
    return domain.profile, frozenset(domain.groups)


def ancestors(name: str) -> Iterator[str]:
    """The names above the domain NAME, the nearest first."""
    name = name.rpartition(" ")[0]
    while name:
        yield name
        name = name.rpartition(" ")[0]


def below_first(name: str) -> int:
    """A key that sorts domains so that each stands behind those below it."""
    return -name.count(" ")


def line_of(text: str, name: str) -> int:
    """The line (from 1) at which the domain NAME stands in TEXT, 0 if it is spelled in another way."""
    position = f"\n{text}".find(f"\n{name}\n")
    return text.count("\n", 0, position) + 1 if position >= 0 else 0

"""Policy texts cut up, not parsed: what most of an activation needs to know of them.

A kernel prints one thing in one way, so where two texts are equal nothing need
be read at all.  Only what differs is parsed (see ``differences``), which keeps
an activation that has nothing to do nearly as cheap as reading the interfaces.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

KERNEL = "<kernel>"
#: What a domain holds that says nothing.
EMPTY_DOMAIN = "use_profile 0\n\n"
#: What a canonical text never holds.  Where one of these stands lines have to be normalised first.
_UNUSUAL = ("  ", "\n ", " \n", "\n#", "\nselect ", "\ndelete ", "\nreset\n")
#: What a kernel takes for a space, or for the end of a line.
CONTROL = tuple(map(chr, (*range(10), *range(11, 32), 127)))
_QUOTAS = ("Memory used by policy", "Memory used by audit log", "Memory used by query message")
_FLAGS = ("quota_exceeded", "transition_failed")
#: What was found of the texts that were asked for last, as the same are asked for again and again.  Told apart by being
#: the same object: to hash a large text takes about as long as to cut it up.
_REMEMBERED = 8
#: So many domains are looked for one by one.
_FEW = 5
#: So many characters are compared at once, and so near is near enough.
_STEP = 4096
_NEAR = 64
#: So many digits at most has a number that a kernel reads.
_DIGITS = 10
_plain: list[tuple[str, str]] = []
_blocks: list[tuple[str, Mapping[str, str]]] = []


def is_plain(text: str) -> bool:
    """Whether TEXT consists of policy lines alone, in the kernel's spacing, each of them ended."""
    if not text.isascii() or text.startswith((" ", "#", "select ", "delete ", "reset\n")) or (text and text[-1] != "\n"):
        return False
    return not any(piece in text for piece in _UNUSUAL) and not any(character in text for character in CONTROL)


def is_plain_policy(name: str, text: str) -> bool:
    """Whether TEXT, the one of a set that is called NAME, is plain, and no line of it is lost when it is cut up as here.

    False may also mean: not sure, so that it has to be parsed.
    """
    if name == "domain_policy":
        return not text or (text.startswith("<") and is_plain(text))
    if name == "stat":
        is_line = _is_of_report if is_report(text) else _is_quota
        return all(map(is_line, text.split("\n")[:-1])) and (not text or text[-1] == "\n")
    if not is_plain(text):
        return False
    # No line is a namespace alone, nor does a second one follow the first.
    lines = (line for lines in named_lines(text).values() for line in lines) if _has_namespaces(text) else ()
    return not any(not line or line.startswith("<") for line in lines)


def _is_quota(line: str) -> bool:
    name, colon, number = line.partition(": ")
    return bool(colon) and name in _QUOTAS and read_number(number) is not None


def _is_of_report(line: str) -> bool:
    quota = line.partition("(Quota:")[2]
    return line.startswith(("Policy ", "Memory used by ", "Total memory used:")) and (
        not quota or read_number(quota.rstrip(")").strip()) is not None
    )


def is_report(text: str) -> bool:
    """Whether the text of ``stat`` is what a kernel printed, and no settings."""
    return text.startswith("Policy ") or "\nTotal " in text


def read_number(text: str) -> int | None:
    """The number that TEXT is; None for anything else, or for one that no kernel has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _has_namespaces(text: str) -> bool:
    return text.startswith("<") or "\n<" in text


def plain(text: str) -> str:
    """TEXT with each line as the kernel sees it; what is no policy (comments, commands) and an unended line left out."""
    for known, found in _plain:
        if known is text:
            return found
    found = text if is_plain(text) else _normalised(text)
    _remember(_plain, text, found)
    return found


def _remember(known: list[tuple[str, Any]], text: str, found: object) -> None:
    del known[: len(known) + 1 - _REMEMBERED]
    known.append((text, found))


def _normalised(text: str) -> str:
    from ..syntax.lines import normalise

    lines = map(normalise, text.split("\n")[:-1])
    return "".join(f"{line}\n" for line in lines if not line.startswith(("#", "select ", "delete ")) and line != "reset")


def domain_blocks(text: str) -> Mapping[str, str]:
    """Each domain of TEXT by name, with the lines that follow its name.

    TEXT is plain (see above).  A domain that is named twice gets all lines.
    """
    for known, found in _blocks:
        if known is text:
            return found
    pieces = f"\n{text}".split("\n<")
    # The last one ends with the text, and no newline is the next one's.
    pieces[-1] = _without_newline(pieces[-1])
    cut = [piece.partition("\n") for piece in pieces[1:]]
    blocks = {f"<{name}": block for name, _, block in cut}
    if len(blocks) < len(cut):
        blocks.clear()
        for name, _, block in cut:
            held = blocks.get(f"<{name}")
            blocks[f"<{name}"] = block if held is None else f"{held}\n{block}"
    _remember(_blocks, text, blocks)
    return blocks


def _without_newline(domain: str) -> str:
    """DOMAIN without the newline at its end, unless that ends its name."""
    return domain[:-1] if domain.endswith("\n", domain.find("\n") + 1) else domain


class Domains:
    """The domains of a plain text by name: a few are looked for in the text, which is cut up only for more."""

    __slots__ = ("_asked", "_blocks", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._asked = 0
        self._blocks: Mapping[str, str] | None = None

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def isdisjoint(self, names: Mapping[str, object]) -> bool:
        """Whether none of NAMES is there."""
        if len(names) <= _FEW:
            return not any(name in self for name in names)
        return names.keys().isdisjoint(domain_blocks(self._text))

    def get(self, name: str) -> str | None:
        """The lines of the domain NAME; None if there is none."""
        if self._blocks is None:
            self._asked += 1
            if self._asked <= _FEW:
                start = 0 if self._text.startswith(f"{name}\n") else self._text.find(f"\n{name}\n") + 1
                found, block, _ = domain_at(self._text, start)
                return block if found == name else None
            self._blocks = domain_blocks(self._text)
        return self._blocks.get(name)


def domain_at(text: str, start: int) -> tuple[str, str, int]:
    """The domain that begins at START: its name, its lines, and where the next one begins or the text ends."""
    # One character is found far quicker than two.
    end = text.find("<", start + 1)
    while end >= 0 and text[end - 1] != "\n":
        end = text.find("<", end + 1)
    if end < 0:
        end = len(text)
    name, _, block = text[start:end].partition("\n")
    return name, block[:-1] if block.endswith("\n") else block, end


class Difference:
    """A domain that is held, and not as it is wanted.

    Attributes:
        name: of the domain.
        held, wanted: its lines; None where it is not wanted.
        start: where in the held text it begins.
    """

    __slots__ = ("held", "name", "start", "wanted")

    def __init__(self, name: str, held: str, wanted: str | None, start: int) -> None:
        self.name = name
        self.held = held
        self.wanted = wanted
        self.start = start


def differing_domains(held: str, wanted: str) -> tuple[list[Difference], Mapping[str, str]] | None:
    """The domains in HELD, as a kernel prints it, that are not as in WANTED, which is plain; and those that HELD has not.

    The wanted ones are in their order, the kernel's own first.  None if either
    is odd.  Quick where both have most domains alike and in the same order.
    """
    if wanted and not (wanted.startswith("<") and wanted.endswith("\n")):
        return None
    found = _differing_in_order(held, wanted)
    if found is not None:
        return found
    now, then = domain_blocks(held), domain_blocks(wanted)
    starts: dict[str, int] = {}
    start = 0
    for name, block in now.items():
        starts[name] = start
        start += len(name) + len(block) + 2
    if start != len(held):
        return None
    names = [KERNEL] if KERNEL in then and KERNEL in now else []
    names += [name for name in then if name in now and name != KERNEL]
    names += [name for name in now if name not in then]
    differing = [Difference(name, now[name], then.get(name), starts[name]) for name in names if now[name] != then.get(name)]
    return differing, {name: block for name, block in then.items() if name not in now}


def _differing_in_order(held: str, wanted: str) -> tuple[list[Difference], Mapping[str, str]] | None:
    """As `differing_domains`; None where it takes more than to go through both texts side by side."""
    if not all(text.startswith("<") or not text for text in (held, wanted)):
        return None
    differing: list[Difference] = []
    new: dict[str, str] = {}
    ours, theirs = Domains(held), Domains(wanted)
    here = there = 0
    while True:
        here, there = _skip_equal(held, wanted, here, there)
        if here == len(held) or there == len(wanted):
            break
        name, block, end = domain_at(held, here)
        other, other_block, other_end = domain_at(wanted, there)
        if name == other:
            if block != other_block:
                differing.append(Difference(name, block, other_block, here))
            here, there = end, other_end
        elif name not in theirs:
            differing.append(Difference(name, block, None, here))
            here = end
        elif other not in ours and other not in new:
            new[other] = other_block
            there = other_end
        else:
            return None
    while here < len(held):
        name, block, end = domain_at(held, here)
        if name in theirs:
            return None
        differing.append(Difference(name, block, None, here))
        here = end
    if there < len(wanted):
        rest = domain_blocks(wanted[there:] if there else wanted)
        if not ours.isdisjoint(rest) or not new.keys().isdisjoint(rest):
            return None
        new = {**new, **rest} if new else dict(rest)
    return differing, new


def _skip_equal(held: str, wanted: str, here: int, there: int) -> tuple[int, int]:
    """Go on in both texts past domains that are the same: to the end of one, or to where one that differs begins, or is near.

    HERE and THERE are where domains begin, and so are those that are given.
    """
    first, offset = here, there - here
    step = min(_STEP, len(held) - here)
    while step > _NEAR:
        piece = held[here : here + step]
        if piece and piece == wanted[here + offset : here + offset + step]:
            here += len(piece)
        else:
            step //= 2
    there = here + offset
    if here == len(held):
        if there == len(wanted) or wanted[there] == "<":
            return here, there
    elif there == len(wanted) and held[here] == "<":
        return here, there
    here = held.rfind("\n<", first, here) + 1 or first
    return here, here + offset


class DomainLines:
    """One domain's lines by what they are.  Flags are the kernel's notes, no policy, and left out."""

    __slots__ = ("entries", "groups", "profile")

    def __init__(self, block: str) -> None:
        self.profile = 0
        self.groups: set[int] = set()
        self.entries: list[str] = []
        head, blank, body = block.partition("\n\n")
        for line in head.split("\n"):
            self._take(line)
        if blank:
            if "\nuse_" in body or body.startswith("use_") or "\nquota_" in body or "\ntransition_" in body:
                for line in body.split("\n"):
                    self._take(line)
            else:
                self.entries += filter(None, body.split("\n"))

    def _take(self, line: str) -> None:
        keyword, _, rest = line.partition(" ")
        number = read_number(rest) if keyword in ("use_profile", "use_group") else None
        if number is not None and keyword == "use_profile":
            self.profile = number
        elif number is not None:
            self.groups.add(number)
        elif line and line not in _FLAGS:
            self.entries.append(line)


def named_lines(text: str) -> dict[str, list[str]]:
    """The lines of a plain exception policy or profile by namespace, without its name."""
    if not _has_namespaces(text):
        return {KERNEL: [line for line in text.split("\n") if line]}
    found: dict[str, list[str]] = {KERNEL: []}
    for line in text.split("\n"):
        if line.startswith("<"):
            namespace, _, rest = line.partition(" ")
            found.setdefault(namespace, []).append(rest)
        elif line:
            found[KERNEL].append(line)
    return found


def in_namespace(namespace: str, line: str) -> str:
    """LINE of a profile or of exception policy, as it is written for NAMESPACE."""
    return line if namespace == KERNEL else f"{namespace} {line}"


def profile_numbers(lines: Iterable[str]) -> set[str]:
    """The numbers of the profiles that LINES are about."""
    return {line.partition("-")[0] for line in lines if not line.startswith("PROFILE_VERSION")}


def has_learning(lines: Iterable[str]) -> set[int]:
    """The profiles among LINES of one namespace that have something in learning mode."""
    found = (read_number(line.partition("-")[0]) for line in lines if "mode=learning" in line and "-COMMENT=" not in line)
    return {number for number in found if number is not None}


def ancestors(name: str) -> Iterable[str]:
    """The domains above NAME, the nearest first."""
    name = name.rpartition(" ")[0]
    while name:
        yield name
        name = name.rpartition(" ")[0]


def below_first(name: str) -> int:
    """A key by which domains are sorted so that each stands behind those below it.

    So they are created: the kernel gives one that is not there what the one above has.
    """
    return -name.count(" ")


#: What a new profile has; a test holds this equal to what the parser says.
PROFILE_DEFAULTS = {
    "COMMENT": "",
    "PREFERENCE": "{ max_audit_log=1024 max_learning_entry=2048 }",
    "CONFIG": "{ mode=disabled grant_log=yes reject_log=yes }",
}
PROFILE_VERSION = 20150505


def profiles_differ(held: str, wanted: str) -> bool:
    """Whether the texts differ in more than profiles that nobody wants."""
    now = named_lines(held)
    for namespace, lines in named_lines(plain(wanted)).items():
        before = now.get(namespace, [])
        numbers = profile_numbers(lines)
        relevant = [line for line in before if line.partition("-")[0] in numbers or line.startswith("PROFILE_VERSION")]
        if lines and set(relevant) != set(_with_defaults(lines, numbers)):
            return True
    return False


def _with_defaults(lines: list[str], numbers: Iterable[str]) -> list[str]:
    """LINES of profiles and those that a kernel prints where they are missing."""
    keys = {line.partition("=")[0] for line in lines}
    version = [] if "PROFILE_VERSION" in keys else [f"PROFILE_VERSION={PROFILE_VERSION}"]
    missing = (f"{number}-{key}" for number in numbers for key in PROFILE_DEFAULTS if f"{number}-{key}" not in keys)
    return [*lines, *version, *(f"{key}={PROFILE_DEFAULTS[key.partition('-')[2]]}" for key in missing)]


def manager_lines(text: str) -> list[str]:
    """The managers that TEXT names, each once."""
    return list(dict.fromkeys(line for line in plain(text).split("\n") if line and line != "manage_by_non_root"))


def quotas(text: str) -> dict[str, int]:
    """The memory quotas in TEXT, a report or settings."""
    found: dict[str, int] = {}
    printed = is_report(text)
    for line in text.split("\n"):
        name, colon, rest = line.removeprefix("Memory used by ").partition(":")
        if colon and line.startswith("Memory used by "):
            number = rest.partition("(Quota:")[2].rstrip(")") if printed else rest
            found[name] = read_number(number.strip()) or 0
    return found


def is_byproduct(name: str, block: str, blocks: Mapping[str, str] | Domains) -> bool:
    """Whether the domain NAME says nothing of its own: the kernel made it when a program ran, and would make it again."""
    lines = DomainLines(block)
    if lines.entries:
        return False
    above = next((above for above in map(blocks.get, ancestors(name)) if above is not None), None)
    if above is None:
        return False
    other = DomainLines(above)
    return (lines.profile, lines.groups) == (other.profile, other.groups)


def same_domains(held: str, wanted: str) -> bool:
    """Whether every wanted domain is held as it is written, and no other that says anything of its own.

    False may also mean: not sure.
    """
    # What a kernel prints is plain, so lines that equal it need not be looked through.
    found = differing_domains(held, wanted)
    if found is None or found[1]:
        return False
    now = Domains(held)
    return all(
        _same_block(difference.held, difference.wanted)
        if difference.wanted is not None
        else is_empty_kernel(difference) or is_byproduct(difference.name, difference.held, now)
        for difference in found[0]
    )


def is_empty_kernel(difference: Difference) -> bool:
    """Whether the domain is the kernel's, which is always there, and says nothing."""
    return difference.name == KERNEL and difference.held == EMPTY_DOMAIN


def _same_block(held: str, wanted: str) -> bool:
    """Whether the same lines are held in another order, where that cannot count."""
    if len(held) != len(wanted) or is_ordered(wanted):
        return False
    return set(held.split("\n")) == set(wanted.split("\n"))


def is_ordered(text: str) -> bool:
    """Whether TEXT may have entries whose order counts."""
    return "execute" in text or "grant_log=" in text


def same_exceptions(held: str, wanted: str, bindings: str) -> bool:
    """Whether the same lines are held as are written, in the same order where that might count.

    False may also mean: not sure.
    """
    if not (is_plain(wanted) and is_plain(bindings)):
        return False
    now = named_lines(held)
    then = named_lines(wanted)
    for namespace, lines in named_lines(bindings).items():
        then[namespace] = then.get(namespace, []) + lines
    for namespace in now.keys() | then.keys():
        ours, theirs = now.get(namespace, []), then.get(namespace, [])
        if ours != theirs and (set(ours) != set(theirs) or list(filter(_is_ordered, ours)) != list(filter(_is_ordered, theirs))):
            return False
    return True


def _is_ordered(line: str) -> bool:
    return line.startswith("aggregator ") or (line.startswith("acl_group ") and is_ordered(line))

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
_UNUSUAL = ("\t", "\r", "\0", "  ", "\n ", " \n", "\n#", "\nselect ", "\ndelete ", "\nreset\n")
_FLAGS = ("quota_exceeded", "transition_failed")
#: What was found of the texts that were asked for last, as the same are asked for again and again.  Told apart by being
#: the same object: to hash a large text takes about as long as to cut it up.
_REMEMBERED = 8
_plain: list[tuple[str, str]] = []
_blocks: list[tuple[str, Mapping[str, str]]] = []


def is_plain(text: str) -> bool:
    """Whether TEXT consists of policy lines alone, in the kernel's spacing."""
    if not text.isascii() or text.startswith((" ", "#", "select ", "delete ", "reset\n")) or (text and text[-1] != "\n"):
        return False
    return not any(piece in text for piece in _UNUSUAL)


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
    blocks: dict[str, str] = {}
    start = 0 if text.startswith("<") else text.find("\n<") + 1
    more = text.startswith("<") or start > 0
    while more:
        after = text.find("\n<", start)
        more = after >= 0
        end = after if more else len(text)
        name_end = text.find("\n", start, end)
        if name_end < 0:
            name_end = end
        # The last one ends with the text, and no newline is the next one's.
        block_end = end if more else end - text.endswith("\n", name_end + 1)
        _put(blocks, text[start:name_end], text[name_end + 1 : block_end])
        start = after + 1
    _remember(_blocks, text, blocks)
    return blocks


def _put(blocks: dict[str, str], name: str, block: str) -> None:
    held = blocks.get(name)
    blocks[name] = block if held is None else f"{held}\n{block}"


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
        keyword, _, number = line.partition(" ")
        if keyword == "use_profile" and number.isdigit():
            self.profile = int(number)
        elif keyword == "use_group" and number.isdigit():
            self.groups.add(int(number))
        elif line and line not in _FLAGS:
            self.entries.append(line)


def named_lines(text: str) -> dict[str, list[str]]:
    """The lines of a plain exception policy or profile by namespace, without its name."""
    if not text.startswith("<") and "\n<" not in text:
        return {KERNEL: [line for line in text.split("\n") if line]}
    found: dict[str, list[str]] = {KERNEL: []}
    for line in text.split("\n"):
        if line.startswith("<"):
            namespace, _, rest = line.partition(" ")
            found.setdefault(namespace, []).append(rest)
        elif line:
            found[KERNEL].append(line)
    return found


def profile_numbers(lines: Iterable[str]) -> set[str]:
    """The numbers of the profiles that LINES are about."""
    return {line.partition("-")[0] for line in lines if not line.startswith("PROFILE_VERSION")}


def has_learning(lines: Iterable[str]) -> set[int]:
    """The profiles among LINES of one namespace that have something in learning mode."""
    return {int(line.partition("-")[0]) for line in lines if "mode=learning" in line and line.partition("-")[0].isdigit()}


def ancestors(name: str) -> Iterable[str]:
    """The domains above NAME, the nearest first."""
    name = name.rpartition(" ")[0]
    while name:
        yield name
        name = name.rpartition(" ")[0]


def profiles_differ(held: str, wanted: str) -> bool:
    """Whether the texts differ in more than profiles that nobody wants."""
    now = named_lines(held)
    for namespace, lines in named_lines(plain(wanted)).items():
        before = now.get(namespace, [])
        numbers = profile_numbers(lines)
        relevant = [line for line in before if line.partition("-")[0] in numbers or line.startswith("PROFILE_VERSION")]
        if lines and set(relevant) != set(lines):
            return True
    return False


def manager_lines(text: str) -> list[str]:
    """The managers that TEXT names, each once."""
    return list(dict.fromkeys(line for line in plain(text).split("\n") if line and line != "manage_by_non_root"))


def quotas(text: str) -> dict[str, int]:
    """The memory quotas in TEXT, a report or settings."""
    found: dict[str, int] = {}
    is_report = text.startswith("Policy ") or "\nTotal " in text
    for line in text.split("\n"):
        name, colon, rest = line.removeprefix("Memory used by ").partition(":")
        if colon and line.startswith("Memory used by "):
            number = rest.partition("(Quota:")[2].rstrip(")") if is_report else rest
            found[name] = int(number) if number.strip().isdigit() else 0
    return found


def is_byproduct(name: str, block: str, blocks: Mapping[str, str]) -> bool:
    """Whether the domain NAME says nothing of its own: the kernel made it when a program ran, and would make it again."""
    lines = DomainLines(block)
    if lines.entries:
        return False
    above = next((blocks[other] for other in ancestors(name) if other in blocks), None)
    if above is None:
        return False
    other = DomainLines(above)
    return (lines.profile, lines.groups) == (other.profile, other.groups)


def same_domains(held: str, wanted: str) -> bool:
    """Whether every wanted domain is held as it is written, and no other that says anything of its own."""
    # What a kernel prints is plain, so a text that equals it need not be looked through.
    return _same_domains(held, wanted) or (not is_plain(wanted) and _same_domains(held, plain(wanted)))


def _same_domains(held: str, wanted: str) -> bool:
    now = domain_blocks(held)
    then = {KERNEL: EMPTY_DOMAIN, **domain_blocks(wanted)}
    if any(now.get(name) != block and not _same_block(now.get(name), block) for name, block in then.items()):
        return False
    return all(name in then or is_byproduct(name, block, now) for name, block in now.items())


def _same_block(held: str | None, wanted: str) -> bool:
    """Whether the same lines are held in another order, where that cannot count."""
    if held is None or len(held) != len(wanted) or is_ordered(wanted):
        return False
    return set(held.split("\n")) == set(wanted.split("\n"))


def is_ordered(text: str) -> bool:
    """Whether TEXT may have entries whose order counts."""
    return "file execute" in text or "grant_log=" in text


def same_exceptions(held: str, wanted: str, bindings: str) -> bool:
    """Whether the same lines are held as are written, in the same order where that might count."""
    now = named_lines(held)
    then = named_lines(plain(wanted))
    for namespace, lines in named_lines(plain(bindings)).items():
        then[namespace] = then.get(namespace, []) + lines
    for namespace in now.keys() | then.keys():
        ours, theirs = now.get(namespace, []), then.get(namespace, [])
        if ours != theirs and (set(ours) != set(theirs) or list(filter(_is_ordered, ours)) != list(filter(_is_ordered, theirs))):
            return False
    return True


def _is_ordered(line: str) -> bool:
    return line.startswith("aggregator ") or (line.startswith("acl_group ") and (" execute" in line or "grant_log=" in line))

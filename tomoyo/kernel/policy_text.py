"""Policy texts cut up, not parsed: what most of an activation needs to know of them.

A kernel prints one thing in one way, so where two texts are equal nothing need
be read at all.  Only what differs is parsed (see ``differences``), which keeps
an activation that has nothing to do nearly as cheap as reading the interfaces.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

KERNEL = "<kernel>"
#: What a canonical text never holds.  Where one of these stands lines have to be normalised first.
_UNUSUAL = ("\t", "\r", "\0", "  ", "\n ", " \n", "\n#", "\nselect ", "\ndelete ", "\nreset\n")
_FLAGS = ("quota_exceeded", "transition_failed")


def is_plain(text: str) -> bool:
    """Whether TEXT consists of policy lines alone, in the kernel's spacing."""
    if not text.isascii() or text.startswith((" ", "#", "select ", "delete ", "reset\n")) or (text and text[-1] != "\n"):
        return False
    return not any(piece in text for piece in _UNUSUAL)


def plain(text: str) -> str:
    """TEXT with each line as the kernel sees it; what is no policy (comments, commands) and an unended line left out."""
    if is_plain(text):
        return text
    from ..syntax.lines import normalise

    lines = map(normalise, text.split("\n")[:-1])
    return "".join(f"{line}\n" for line in lines if not line.startswith(("#", "select ", "delete ")) and line != "reset")


def domain_blocks(text: str) -> dict[str, str]:
    """Each domain of TEXT by name, with the lines that follow its name.

    TEXT is plain (see above).  A domain that is named twice gets all lines.
    """
    parts = f"\n{text}".split("\n<")
    blocks: dict[str, str] = {}
    for part in parts[1:-1]:
        name, _, block = part.partition("\n")
        _put(blocks, f"<{name}", block)
    if len(parts) > 1:
        name, _, block = parts[-1].partition("\n")
        _put(blocks, f"<{name}", block.removesuffix("\n"))
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

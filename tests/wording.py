"""How the project speaks, as far as a rule can find it: phrases that no reader should meet, and the sentences that begin wrongly.

The rules are for prose. In a document that is what stands outside of code; in the package it is docstrings and messages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: What is not written, with what to write instead.
PHRASES = {
    r"folders?": "directory",
    r"nor": "and not, or",
    r"who(?:m|so)?ever": "a user who, everybody who",
    r"stands? in": "is in, replaces",
    r"stand-ins?": "a replacement, a test double",
    r"(?:is|are|was|were|be|been|being) told(?! to)": "is reported, you see",
    r"told of": "reported",
    r"would it": "put it as a statement",
    r"answer(?:s|ed)? otherwise": "give another answer",
    r"in (?:the|its|their) place of": "instead of",
    r"takes? the place of": "replaces",
    r"by way of": "through",
    r"all the same": "still",
    r"lest": "so that ... not",
    r"(?:hence|thus|thereof|whence|wherein|therein|whereby)": "so",
    r"is (?:a|no) strangers? to": "is not trusted by",
    r"for want of": "without",
    r"(?:simply|obviously|of course|easily)": "leave it out",
    r"(?:effortless(?:ly)?|seamless(?:ly)?|powerful|blazing(?:ly)?|elegant(?:ly)?)": "leave it out",
    r"(?:robust|cutting-edge|state-of-the-art|world-class|amazing|awesome|best-in-class|battle-tested)": "leave it out",
    r"(?:sorry|unfortunately|alas|regrettably)": "leave it out",
    r"please": "leave it out",
}
_PHRASES = [(re.compile(rf"\b{phrase}\b", re.IGNORECASE), instead) for phrase, instead in PHRASES.items()]
#: A clause as the subject, "What is not allowed is logged"; a question may begin so.
_CLAUSE = re.compile(r"(?:^|(?<=[.:;!?] ))(?:What|Who|Whom|Whether|That which) [^.?!:;|]*\.")


class Finding(NamedTuple):
    """What was found: the line, the words, and what to write."""

    line: int
    words: str
    instead: str


def find(text: str) -> Iterator[Finding]:
    """What the rules find in TEXT, which is prose; lines without prose are empty."""
    paragraphs = re.finditer(r"(?:.+\n?)+", text)
    for paragraph in paragraphs:
        first = text.count("\n", 0, paragraph.start()) + 1
        flat = paragraph[0].replace("\n", " ")
        for rule, instead in _PHRASES:
            for found in rule.finditer(flat):
                yield Finding(first + paragraph[0].count("\n", 0, found.start()), found[0], instead)
        for found in _CLAUSE.finditer(flat.strip()):
            yield Finding(first + paragraph[0].count("\n", 0, found.start()), found[0][:60], "begin with the noun")


def prose(document: str) -> str:
    """DOCUMENT, a text in Markdown, without code, headings, tables' heads and the targets of links; lines stay where they are."""
    text = re.sub(r"^( *)(```+).*?^\1\2$", lambda found: "\n" * found[0].count("\n"), document, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"^#+ .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^\|.*\n\|[-:| ]*$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"`[^`]*`", "CODE", text)
    return re.sub(r"\]\([^)]*\)", "]", text)

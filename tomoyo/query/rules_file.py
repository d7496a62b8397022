"""The file that answers of a query session are kept in."""

from __future__ import annotations

import re

from ..sets.trusted_files import read_file, replace_file
from .rules import QueryRule, parse_query_rules


def read_rules(path: str) -> tuple[QueryRule, ...]:
    """The rules in the file PATH.

    Raises PolicySyntaxError for what is no rule, UnsafeFile where another user
    could have written it, OSError where it cannot be read.
    """
    return parse_query_rules(read_file(path).decode("utf-8", "surrogateescape"), file=path)


def prepend_rule(path: str, rule: QueryRule) -> None:
    """Put RULE before all others in the file PATH, which is replaced as a whole.

    Comments that begin the file stay there, if a blank line ends them.

    Errors as in ``read_rules``; a symbolic link, as NixOS has for files that
    it generates, is not replaced.
    """
    text = read_file(path)
    top = _TOP.match(text)
    end = top.end() if top else 0
    replace_file(path, text[:end] + f"{rule}\n".encode() + text[end:])


#: Comments and blank lines up to the last blank line before a rule.
_TOP = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*\n")

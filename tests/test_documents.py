"""What the documents show is what happens; `documents.py` says how a document marks its examples."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from .documents import ROOT, Commands, DocumentError, File, check_document, documents, fresh_copy, read_examples, same_lines

DOCUMENTS = documents()
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if "<!-- test: " in path.read_text()], ids=name)
def test_examples_do_what_is_shown(path: Path, tmp_path: Path) -> None:
    check_document(path.read_text(), name(path), fresh_copy(tmp_path))


def anchors(text: str) -> set[str]:
    """What a link into the document TEXT may name: its headings, as code hosts make names of them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    wrong = []
    for link in (link for link in _LINK.findall(path.read_text()) if ":" not in link):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            wrong.append(link)
    assert wrong == []


def test_each_document_is_in_an_index() -> None:
    """A reader gets from the README to every document by links."""
    found, ways = {ROOT / "README.md"}, [ROOT / "README.md"]
    while ways:
        here = ways.pop()
        linked = {(here.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(here.read_text()) if ":" not in link}
        new = {path for path in linked if path.suffix == ".md" and path.exists()} - found
        found |= new
        ways += new
    assert [name(path) for path in DOCUMENTS if path not in found] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/**/*.svg")), ids=name)
def test_a_picture_is_described_and_has_colours_for_the_dark(path: Path) -> None:
    from xml.etree import ElementTree

    namespace = "{http://www.w3.org/2000/svg}"
    picture = ElementTree.parse(path).getroot()
    parts = {part.tag.removeprefix(namespace): part.text or "" for part in picture}
    assert parts["title"]
    assert parts["desc"]
    assert "prefers-color-scheme: dark" in parts["style"]


# The runner itself


def block(*lines: str, mark: str = "run") -> str:
    return "\n".join(["text", f"<!-- test: {mark} -->", "```console", *lines, "```", ""])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "tomoyo").mkdir()
    return tmp_path / "tomoyo"


@pytest.mark.parametrize(
    "text",
    [
        block("$ echo a; echo b >&2", "a", "b", "$ true", "$ printf c", "c"),
        block("$ for i in 1 2 3 4; do", "> echo $i", "> done", "1", "...", "4"),
        block("$ a=1", "$ echo $a", "1"),
        block("$ echo", "", "$ true"),
        block("$ echo x; false", "x", mark="run, exit 1"),
        block("$ cat <<EOF", "> x  ", "> EOF", "x"),
        block("a b", mark="file f/g") + block("$ cat f/g", "a b"),
        block("a", mark="file f/g") + block("$ cat g; false", "a", mark="run in f, exit 1"),
        textwrap.indent(block("$ echo '", "> a'", "", "a"), "  "),
        "```console\n$ false\n```\n",
    ],
)
def test_a_document_that_is_right(text: str, copy: Path) -> None:
    check_document(text, "x.md", copy)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (block("$ true", "$ echo a", "b"), r"^x\.md:5: \$ echo a\nshould print\n    b\nbut prints\n    a$"),
        (block("$ echo a"), "prints\n    a$"),
        (block("$ true", "a"), "but prints\n$"),
        (block("$ false"), "ended with 1, not 0"),
        (block("$ true", mark="run, exit 1"), "ended with 0, not 1"),
        (block("$ exit 0", "$ true"), "ended the shell"),
        (block("$ echo 1; echo 2", "...", "1"), "should print"),
        (block("text"), "begins with"),
        (block("$ true", mark="ran"), r"^x\.md:2: not a mark: 'ran'"),
        ("<!-- test: run -->\n\n```console\n$ true\n```\n", "no block follows"),
        ("<!-- test: run -->\n```console\n$ true\n", "no block follows"),
        ("<!-- test: run -->", "no block follows"),
    ],
)
def test_a_document_that_is_wrong(text: str, reason: str, copy: Path) -> None:
    with pytest.raises(DocumentError, match=reason):
        check_document(text, "x.md", copy)


def test_blocks_are_read_with_their_lines() -> None:
    text = "a\n<!-- test: run -->\n````console\n$ a\n> b\nc\n```\n$ d\n````\n<!-- test: file x -->\n```\ny\n```\n"
    commands, file = read_examples(text, "x.md")
    assert isinstance(commands, Commands)
    assert [(command.line, command.text, command.output) for command in commands.commands] == [
        (4, "a\nb", ("c", "```")),
        (8, "d", ()),
    ]
    assert file == File("x", "y\n")


def test_python_is_the_one_of_the_tests_in_a_copy_of_the_repository(tmp_path: Path) -> None:
    import sys

    text = block(
        '$ python3 -c "import sys, tomoyo; print(sys.prefix, tomoyo.__file__)"',
        f"{sys.prefix} {tmp_path}/tomoyo/tomoyo/__init__.py",
    )
    check_document(text, "x.md", fresh_copy(tmp_path))


def test_any_lines() -> None:
    assert same_lines(["a", "...", "c"], ["a", "c"])
    assert same_lines(["...", "b", "...", "c"], ["a", "b", "b", "c"])
    assert not same_lines(["...", "b"], ["b", "a"])

"""The references in docs are those of the code at hand."""

from __future__ import annotations

import re

import pytest

import tomoyo

from .reference import DOCS, DOCUMENTS, library


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), f"docs/{name} is out of date: run `python3 -m tests.reference`"


def test_each_public_name_is_explained() -> None:
    entries = dict(re.findall(r"^### (.+)\n((?:(?!##).*\n?)*)", library(), re.MULTILINE))
    assert set(tomoyo.__all__) - {"__version__"} <= set(entries)
    text = {
        name: re.sub(r"```.*?```|^- .*$", "", entry, flags=re.DOTALL | re.MULTILINE).strip() for name, entry in entries.items()
    }
    assert [name for name, found in text.items() if not found] == []


def test_each_type_in_a_signature_is_public_or_shown() -> None:
    document = library()
    for shown in ("### Conflicts\n", "### Unresolved\n", "### Argument (model.entries)\n", "### Interface (kernel.securityfs)\n"):
        assert document.count(shown) == 1

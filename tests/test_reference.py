"""The references in docs are those of the code at hand."""

from __future__ import annotations

import pytest

from .reference import DOCS, DOCUMENTS


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), f"docs/{name} is out of date: run `python3 -m tests.reference`"

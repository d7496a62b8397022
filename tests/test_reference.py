"""The references in docs are those of the code at hand."""

from __future__ import annotations

import re

import pytest

import tomoyo

from .reference import DOCS, DOCUMENTS, library, met, public


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_document_is_current(name: str) -> None:
    assert (DOCS / name).read_text() == DOCUMENTS[name](), f"docs/{name} is out of date: run `python3 -m tests.reference`"


def test_each_public_name_is_explained() -> None:
    entries = re.findall(r"^### (.+)\n((?:(?!##).*\n?)*)", library(), re.MULTILINE)
    assert [name for name, _ in entries] == [name for names in public().values() for name in names]
    text = [(name, re.sub(r"```.*?```|^- .*$", "", entry, flags=re.DOTALL | re.MULTILINE).strip()) for name, entry in entries]
    assert [name for name, found in text if not found] == []


def test_what_is_public_at_the_top_is_public_in_its_module() -> None:
    modules = public()
    homes = {name: module for module, names in tomoyo._HOMES.items() for name in names.split()}
    assert sorted(homes) == sorted(set(tomoyo.__all__) - {"__version__"})
    assert [name for name, module in homes.items() if name not in modules[module]] == []
    assert len(tomoyo.__all__) <= 60


def test_each_type_in_a_public_signature_is_public() -> None:
    modules = public()
    assert {f"{found.module}.{found.name}" for found in met() if found.name not in modules.get(found.module, ())} == set()

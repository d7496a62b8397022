"""The reference of all options, made from their declarations: `python3 -m tests.nixos.options_document` writes it.

Needs Nix, but neither nixpkgs nor a system.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..nix.nixstore import NixStore
from .evaluation import ROOT, STANDIN, Evaluator

DOCUMENT = ROOT / "docs" / "reference" / "options.md"
INTRODUCTION = """\
# Options for NixOS and finix

All of them stand below `security.tomoyo`. This page is made from their declarations by
`python3 -m tests.nixos.options_document`.
"""


def listed(evaluator: Evaluator, platform: str) -> list[dict[str, Any]]:
    """The public options of a platform, sorted by name."""
    lib = f"(import {evaluator.library})"
    options = evaluator.value(
        platform,
        "{ }",
        f"map (option: {{ inherit (option) name type description internal; default = option.default.text or null;"
        f" example = option.example.text or null; }}) ({lib}.optionAttrSetToDocList"
        " { security.tomoyo = s.options.security.tomoyo; })",
    )
    return sorted((option for option in options if not option["internal"]), key=lambda option: str(option["name"]))


def document(evaluator: Evaluator) -> str:
    """The text of the reference."""
    common = listed(evaluator, "nixos")
    known = {option["name"] for option in common}
    finix = [option for option in listed(evaluator, "finix") if option["name"] not in known]
    sections = [INTRODUCTION, *map(section, common)]
    if finix:
        sections += ["# Options for finix alone\n", *map(section, finix)]
    return "\n".join(sections)


def section(option: dict[str, Any]) -> str:
    """What is said about one option."""
    return "\n".join(
        [
            f"## `{option['name']}`\n",
            f"{option['description'].strip()}\n",
            f"Type: {option['type']}\n",
            *value("Default", option["default"]),
            *value("Example", option["example"]),
        ]
    )


def value(title: str, text: str | None) -> Iterable[str]:
    if text is None:
        return
    if "\n" in text.strip():
        yield f"{title}:\n\n```nix\n{text.strip()}\n```\n"
    else:
        yield f"{title}: `{text.strip()}`\n"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tomoyo-nix-") as folder:
        text = document(Evaluator(NixStore(Path(folder)), STANDIN / "lib.nix"))
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()

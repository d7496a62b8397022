"""The rooms of the package, for the test that holds their order and for the document that shows it."""

from __future__ import annotations

#: The rooms from the bottom up: a module imports from its own room and those before it.
LAYERS = (
    *("model", "syntax", "simulation", "decision", "lint", "analysis", "suggestion", "sets", "kernel", "boot"),
    *("activation", "query", "audit", "nix.store", "nix.names", "nix.source", "draft", "report", "cli"),
)

"""What Nix has: store paths, databases, closures, derivations, and what lies in a store path.

It may import: `model` and `sets.directory`.

Start with `paths`, what the text of a store path means; `closure`, a store path with all that it
refers to.
"""

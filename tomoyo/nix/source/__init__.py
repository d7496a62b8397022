"""Policy sources, the policy library, and compiling both into a policy set.

It may import: `nix.names` and below.

Start with `files`, the layout of a source; `policy` puts sources together; `compile` makes the set.
"""

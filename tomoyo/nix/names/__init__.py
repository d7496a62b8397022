"""Names instead of hashes: what they mean, which programs and files they bind, and how to get them from store paths.

It may import: `nix.store` and below.

Start with `names`; `binder` makes the generated part of a set; `naming` is the way back.
"""

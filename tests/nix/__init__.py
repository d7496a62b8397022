"""Store paths, derivations, closures and ways in, held equal to what Nix itself says.

`nixstore` builds real stores with the machine's Nix; where there is none, the tests that need one are skipped,
but fail if `CI` is set.
"""

"""What the Nix store tells about a system: paths, derivations, closures and the ways into their programs.

Import from the modules; this package loads none of them by itself, since an activation script pays for every import at each boot.
"""

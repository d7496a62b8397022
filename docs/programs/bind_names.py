"""Print what ties a policy's names to a closure: bind_names.py POLICY CLOSURE ROOT

POLICY is a policy source, CLOSURE a file in which Nix lists a closure, ROOT the directory that holds `nix/store`.
"""

from __future__ import annotations

import os
import sys

import tomoyo
from tomoyo.nix.names.names import NameTable
from tomoyo.nix.store.closure import learn_outputs
from tomoyo.nix.store.closure_formats import read_listing
from tomoyo.nix.store.tree import Tree


def main(policy: str, closure: str, root: str) -> int:
    try:
        tree = Tree(os.path.abspath(root))
        names = NameTable(learn_outputs(read_listing(closure), tree))
        compiled = tomoyo.compile_policy(tomoyo.read_sources([policy]), names, tree)
    except tomoyo.TomoyoError as error:
        print(error, file=sys.stderr)
        return 2
    print(compiled.policy.bindings, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The policy set on disk: files, manifest, digests, checks, and trust in the paths that lead to it.

It may import: `model`, `syntax`, `simulation`.

Start with `policy_set`; `directory` reads the files and trusts nothing; `checks` says what a boot
would make of them.
"""

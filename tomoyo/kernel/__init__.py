"""The running kernel: its interface files, processes, modes, learning, and why TOMOYO may not work.

It may import: everything above it in `docs/contributing.md`, up to `sets`.

Start with `securityfs`, one method for each interface file; `modes` and `learning` use it.
"""

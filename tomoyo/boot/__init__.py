"""The boot loader, and what it must refuse so that a kernel never panics.

It may import: up to `kernel`.

Start with `loader` makes the script from `boot.sh`; `faults` finds what no kernel may be given.
"""

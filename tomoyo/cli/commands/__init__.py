"""The commands, one file each: `configure(parser)` says what it takes, `run(arguments)` does it.

They may import everything, but not each other; what they share lies beside this directory.

Start with `fmt`, the simplest.
"""

"""Lint: what in a policy is most likely a mistake. One family of rules a file.

It may import: `model`, `syntax`, `simulation`, `decision`.

Start with `codes`, the table of everything lint finds; `linter` runs the rules; `context` is what a
rule looks at.
"""

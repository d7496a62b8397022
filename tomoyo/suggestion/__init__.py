"""From evidence to entries: what a policy lacks, generalised, asked about, and put into its text.

It may import: `model`, `syntax`, `decision`.

Start with `suggestions`; then `generalisation`, the rules that put a pattern in the place of a
name.
"""

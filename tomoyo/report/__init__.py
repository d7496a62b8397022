"""Values as plain data and as lines for people and programs.

It may import: `model`, `syntax`.

Start with `plain`, values ready for JSON.
"""

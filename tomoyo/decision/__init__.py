"""What the kernel would answer: matching, requests, granting and domain transition.

It may import: `model`, `syntax`.

Start with `engine`, which decides; `matching` for patterns, `transition` for what happens at an
execution.
"""

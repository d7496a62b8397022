"""Bringing a kernel to a policy set without a gap: differences, plan, writing, verifying, undoing, cleaning up.

It may import: up to `boot`.

Start with `activation`; then `planner` with its four stages grow, switch, settle and shrink.
"""

"""Requests that wait for an answer: the kernel's dialogue, rules, explanations, sessions.

It may import: up to `activation`.

Start with `dialogue`, which does no I/O; `session` puts rules and people behind it.
"""

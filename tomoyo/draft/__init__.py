"""Drafts: what a system's declarations of its services say, as the beginning of a policy.

It may import: `sets`, `nix` and below.

Start with `units`, which reads a unit as systemd does; `commands` are what it executes, `declarations` what else its settings
grant or bound, each with the place of the line that says so; `unit_settings` finds them.
"""

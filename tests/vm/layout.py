"""Where the host's side and the guest's side meet: paths inside the guest.

A module of its own so that jobs need not import what the host needs: every import costs time in an emulated machine.
"""

SHARE = "/run/share"
"""The folder that the host sees, too; the job's working folder is `files` in it."""

TRIGGER = "/run/tomoyo-trigger"
"""The program whose execution activates TOMOYO: the shell, under a name that nothing executes by itself."""

LOADER = "/run/tomoyo-loader"
"""The default policy loader: it does nothing."""

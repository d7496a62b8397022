"""The kernel's interface files: simulated here, and read and written where there are some."""

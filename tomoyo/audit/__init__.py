"""What the kernel logs: reading it, recording it, rotating the log, notifying somebody.

It may import: up to `query`.

Start with `kernel_log`; `recorder` writes what it gives to a `log_file`.
"""

"""Policy text and records to values and back, exactly as the kernel reads and prints them.

It may import: `model`.

Start with `lines`, how the kernel cuts its input up; then `domain_policy`. `records` reads audit
records, `formatting` prints.
"""

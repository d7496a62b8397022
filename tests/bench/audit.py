"""How fast the kernel's audit records are read and recorded, as ratios to tomoyo-auditd; in one virtual machine.

The best of several rounds counts.
"""

from __future__ import annotations

import json
import sys

from tests.vm import kernels, machine

from ._size import sizes, times

TIMES = times(3)
(RECORDS,) = sizes(12_000)


def main() -> int:
    """Measure, and print."""
    try:
        kernel = kernels.kernel("6.1")
    except kernels.Unavailable as reason:
        print(f"skipped: {reason}")
        return 0
    result = machine.run(kernel, "audit_speed", arguments=[str(TIMES), str(RECORDS)], processors=2, timeout=1800)
    seconds = {name: min(times) for name, times in json.loads(result.files["seconds.json"]).items()}
    for name, value in seconds.items():
        print(f"{name:<20} {RECORDS / value:>9,.0f} records/s   {seconds['tomoyo-auditd'] / value:>6.2f} times tomoyo-auditd")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Count denials by domain in an audit log of any size, read from standard input: stream_log.py < audit.log"""

from __future__ import annotations

import sys
from collections import Counter

import tomoyo


def main() -> int:
    denied: Counter[str] = Counter()
    # One record is held at a time; what is no record is reported, and reading goes on.
    for record in tomoyo.iterate_audit(sys.stdin.buffer, report=lambda error: print(error, file=sys.stderr)):
        if not record.granted:
            denied[str(record.domain)] += 1
    for domain, count in denied.most_common():
        print(f"{count:8} {domain}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

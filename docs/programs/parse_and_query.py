"""Print the domains of a policy that may write below a directory: parse_and_query.py FILE DIRECTORY"""

from __future__ import annotations

import sys
from pathlib import Path

import tomoyo
from tomoyo.model.entries import Kind


def main(file: str, directory: str) -> int:
    try:
        policy = tomoyo.parse_domain_policy(Path(file).read_bytes(), file=file)
    except tomoyo.PolicySyntaxError as error:
        print(error, file=sys.stderr)  # FILE:LINE:COLUMN and what is wrong
        return 2
    for domain in policy:
        for entry in domain.entries:
            path = str(entry.arguments[0])
            if entry.kind is Kind.PATH and "write" in entry.operations and path.startswith(directory):
                print(f"{domain.name}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

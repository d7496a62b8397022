"""Say whether a policy permits a request, and what would: ask_engine.py FILE DOMAIN REQUEST"""

from __future__ import annotations

import sys
from pathlib import Path

import tomoyo


def main(file: str, domain: str, text: str) -> int:
    try:
        # Without profiles every domain counts as enforcing.
        engine = tomoyo.DecisionEngine(tomoyo.parse_domain_policy(Path(file).read_bytes(), file=file))
        explanation = tomoyo.explain(engine, domain, tomoyo.parse_request(text))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(explanation.conclusion.value)
    return 0 if explanation.verdict.granted else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

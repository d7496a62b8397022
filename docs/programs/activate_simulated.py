"""Bring a simulated kernel from one policy set to another, and show the lines that it takes: activate_simulated.py OLD NEW"""

from __future__ import annotations

import sys
import tempfile

import tomoyo


def main(old: str, new: str) -> int:
    kernel = tomoyo.SimulatedKernel()
    with tempfile.TemporaryDirectory() as state:
        try:
            for directory in (old, new):
                outcome = tomoyo.activate(directory, kernel, state=state, locks=state, inactive=True)
                print(outcome)
                print(outcome.plan.text() if outcome.plan else "", end="")
        except (tomoyo.TomoyoError, OSError) as error:
            print(error, file=sys.stderr)
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

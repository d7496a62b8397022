"""How fast a kernel is brought to a policy, as ratios to what the kernel itself takes; in the virtual machine, in one run.

- a cold load of 100,000 lines to `cat FILE > domain_policy` (the floor) and to `tomoyo-loadpolicy -df`;
- a second activation of the same set to one read of the interfaces and a Python that does nothing;
- one line in a hundred changed, evenly over all domains, to the cold load.

The best of several rounds counts; the command is run as the Nix package installs it.
"""

from __future__ import annotations

import compileall
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tomoyo
from tests.vm import kernels, machine

LINES = int(os.environ.get("TOMOYO_BENCH_LINES", "100000"))
#: The kernel's time for a line grows with its domain.
PER_DOMAIN = int(os.environ.get("TOMOYO_BENCH_PER_DOMAIN", "1000"))
ROUNDS = int(os.environ.get("TOMOYO_BENCH_TIMES", "3"))


def main() -> int:
    try:
        kernel = kernels.kernel("6.1")
    except kernels.Unavailable as reason:
        print(f"skipped: {reason}")
        return 0
    compileall.compile_dir(str(Path(tomoyo.__file__).parent), quiet=1)  # the guest keeps nothing that it compiles
    result = machine.run(kernel, "activation_speed", arguments=[str(LINES), str(PER_DOMAIN), str(ROUNDS)], timeout=1800)
    seconds = {name: min(times) for name, times in json.loads(result.files["seconds.json"]).items()}
    for name, value in seconds.items():
        print(f"{name:<40} {value:>8.2f} s")
    floor = seconds["read the interfaces"] + seconds["start Python"]
    for name, ratio, most in (
        ("cold load / cat", seconds["cold load"] / seconds["cat"], 1.3),
        ("cold load / tomoyo-loadpolicy -df", seconds["cold load"] / seconds["tomoyo-loadpolicy -df"], 1.0),
        ("second activation / read and start-up", seconds["second activation"] / floor, 1.5),
        ("1% changed / cold load", seconds["1% changed"] / seconds["cold load"], 0.2),
    ):
        print(f"{name:<40} {ratio:>8.2f}   (at most {most})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

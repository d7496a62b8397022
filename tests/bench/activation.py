"""How fast a kernel is brought to a policy, as ratios to what the kernel itself takes; in the virtual machine, in one run.

- a cold load of 100,000 lines to `cat FILE > domain_policy` (the floor) and to `tomoyo-loadpolicy -df`;
- a second activation of the same set to one read of the interfaces and the command's start-up, and to such a read and a
  Python that does nothing;
- one line in a hundred changed, evenly over all domains, to the cold load.

Policies are of three shapes, on which the kernel and the C tool spend their time with different things: 20,000 domains of one
entry, all of which the kernel looks through for each name (there tomoyo-loadpolicy takes twice what the kernel takes); as a
kernel learns them, thousands of domains of some dozen entries that they share; and a hundred large domains, all of which it
looks through for each line.  The best of several rounds counts; the command is run as the Nix package installs it.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.policy_text import write_policy
from tests.vm import kernels, machine
from tomoyo.syntax.domain_policy import parse_domain_policy
from tomoyo.syntax.formatting import format_domain_policy

LINES = int(os.environ.get("TOMOYO_BENCH_LINES", "100000"))
#: Entries of a domain, and what such a policy is called.
SHAPES = ((1, "many domains"), (0, "as learned"), (1000, "large domains"))
#: The most that each ratio may be, by what the policy is called.
LIMITS = {
    "many domains": (1.3, 0.65, 1.4, 0.2),
    "as learned": (1.3, 0.35, 1.4, 0.65),
    "large domains": (1.4, 1.05, 1.6, 0.65),
}
ROUNDS = int(os.environ.get("TOMOYO_BENCH_TIMES", "3"))


def learned() -> str:
    """A policy as a kernel learns it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy"
        write_policy(path, LINES)
        return format_domain_policy(parse_domain_policy(path.read_text(encoding="ascii")))


def equal_domains(size: int) -> str:
    """Domains of SIZE entries each, which they share."""
    draw = random.Random(7)
    pool = [f"file read /usr/lib/x86_64-linux-gnu/package{draw.randint(0, 999)}/lib{i}.so.{i % 9}" for i in range(8000)]
    domains = ["<kernel>\nuse_profile 0\n\n\n"]
    for number in range(LINES // (size + 4)):
        entries = "\n".join(sorted(draw.sample(pool, size)))
        domains.append(f"<kernel> /usr/sbin/daemon{number % 50} /usr/bin/tool{number}\nuse_profile 3\n\n{entries}\n\n")
    return "".join(domains)


def changed(policy: str) -> str:
    """POLICY with another path in one line of a hundred."""
    lines = policy.split("\n")
    about_paths = [number for number, line in enumerate(lines) if re.fullmatch(r"file (read|getattr|read/getattr) \S+", line)]
    for number in random.Random(1).sample(about_paths, len(lines) // 100):
        lines[number] += ".new"
    return "\n".join(lines)


def main() -> int:
    try:
        kernel = kernels.kernel("6.1")
    except kernels.Unavailable as reason:
        print(f"skipped: {reason}")
        return 0
    # Tried with next to nothing, one shape is as good as three: each is a machine of its own.
    for size, shape in SHAPES if LINES >= 10_000 else SHAPES[:1]:
        policy = equal_domains(size) if size else learned()
        files = {"first.conf": policy.encode(), "second.conf": changed(policy).encode()}
        result = machine.run(kernel, "activation_speed", arguments=[str(ROUNDS)], files=files, processors=2, timeout=1800)
        seconds = {name: min(times) for name, times in json.loads(result.files["seconds.json"]).items()}
        print(f"{shape}: {policy.count(chr(10))} lines")
        for name, value in seconds.items():
            print(f"{name:<40} {value:>8.2f} s")
        second, read = seconds["second activation"], seconds["read the interfaces"]
        ratios = (
            ("cold load / cat", seconds["cold load"] / seconds["cat"]),
            ("cold load / tomoyo-loadpolicy -df", seconds["cold load"] / seconds["tomoyo-loadpolicy -df"]),
            ("second activation / read and start-up", second / (read + seconds["start the command"])),
            ("1% changed / cold load", seconds["1% changed"] / seconds["cold load"]),
        )
        for (name, ratio), most in zip(ratios, LIMITS[shape], strict=True):
            print(f"{name:<40} {ratio:>8.2f}   (at most {most})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

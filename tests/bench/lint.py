"""How long `lint` takes beside `check` on the same policy, which shows whether its time grows as the policy does.

    python3 -m tests.bench.lint [LINES]...

Shapes: learned policy (thousands of domains that share entries); one domain of all lines; and what a rule that compares entries
with each other would take forever for: one domain with a wide entry and all that it covers, patterns of one head, and domains
that write what others execute.  Each line of the result is one shape and size; `growth` is the time for a line, against that of
the smallest size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ._size import times
from .policy_text import ROOT, SIZES, write_policy

PROFILES = (
    "PROFILE_VERSION=20150505\n0-CONFIG={ mode=disabled }\n1-CONFIG={ mode=learning }\n"
    "2-CONFIG={ mode=permissive }\n3-CONFIG={ mode=enforcing reject_log=yes }\n"
)
ENTER = "initialize_domain /usr/sbin/web from any\n"


def one_domain(lines: int) -> Iterator[str]:
    """Fixed paths, a tenth of them conditional, some patterns."""
    yield "<kernel> /usr/sbin/web\nuse_profile 3"
    for number in range(lines):
        if number % 10 == 0:
            yield f'file execute /usr/bin/x{number % 500} exec.argv[0]="x{number}"'
        elif number % 10 == 1:
            yield f"file ioctl /dev/x{number % 50} {number}"
        elif number % 10 == 2:
            yield f"file read/getattr /srv/{number % 100}/\\*.{number}"
        else:
            yield f"file read/write /srv/{number % 100}/{number}"


def covered(lines: int) -> Iterator[str]:
    """All is shadowed, so that all is told of, too."""
    yield "<kernel> /usr/sbin/web\nuse_profile 3\nfile read /srv/\\{\\*\\}/\\*"
    yield from (f"file read /srv/a/{number}" for number in range(lines))


def one_head(lines: int) -> Iterator[str]:
    """Patterns that an index by heads and tails does not tell from each other."""
    yield "<kernel> /usr/sbin/web\nuse_profile 3"
    for number in range(lines):
        yield f"file read /srv/\\*a{number}\\*" if number % 2 else f"file read/write /srv/{number}\\*"


def many_domains(lines: int) -> Iterator[str]:
    """Domains that write and execute the same places."""
    for number in range(lines // 10):
        yield f"<kernel> /d{number % 300} /e{number}\nuse_profile {number % 4}"
        for each in range(3):
            yield f"file write /srv/{each}/\\*"
            yield f"file execute /opt/{number % 100}/x{each}"
        yield f"file write /opt/{number}/x"
        yield "file execute /srv/0/x"
        yield "file read /etc/x.conf"


def one_group(lines: int) -> Iterator[str]:
    """Domains that all use the groups of `groups`."""
    for number in range(lines // 12):
        yield f"<kernel> /d{number % 300} /e{number}\nuse_profile {number % 4}\nuse_group 1\nuse_group 2"
        yield f"file write /srv/{number}/\\*\nfile execute /opt/{number}/x\nfile read /etc/{number}"


def groups(lines: int) -> Iterator[str]:
    """Two groups that have half of the lines."""
    for number in range(lines // 4):
        yield f"acl_group 1 file write /srv/{number}/x"
        yield f"acl_group 2 file execute /opt/{number}/x"


SHAPES = {
    "one domain": one_domain,
    "all covered": covered,
    "one head": one_head,
    "many domains": many_domains,
    "one group": one_group,
}


def seconds(*arguments: str) -> tuple[float, int]:
    """Processor time and peak memory in MiB of a command; the better of two runs."""
    found = []
    for _ in range(times(2)):
        with open(os.devnull, "wb") as nowhere:
            process = subprocess.Popen([sys.executable, "-m", "tomoyo", *arguments], stdout=nowhere, stderr=nowhere, cwd=ROOT)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        found.append((usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024))
    return min(found)


def main() -> None:
    """Print the measurements."""
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "domain_policy.conf"
        (Path(folder) / "profile.conf").write_text(PROFILES)
        for shape in ("learned", *SHAPES):
            first = 0.0
            for lines in map(int, sys.argv[1:]) if sys.argv[1:] else SIZES:
                if shape == "learned":
                    (Path(folder) / "exception_policy.conf").write_text(ENTER)
                    write_policy(policy, lines)
                else:
                    more = "".join(f"{line}\n" for line in groups(lines)) if shape == "one group" else ""
                    (Path(folder) / "exception_policy.conf").write_text(ENTER + more)
                    policy.write_text("".join(f"{line}\n" for line in SHAPES[shape](lines)))
                lint, memory = seconds("lint", folder, "--fail-on", "never")
                check, _ = seconds("check", str(policy))
                first = first or lint / lines
                print(
                    f"{shape:<12} {lines:>9,} lines: lint {lint:7.2f} s, {memory:5} MiB, check {check:6.2f} s,"
                    f" ratio {lint / check:5.2f}, growth {lint / lines / first:4.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

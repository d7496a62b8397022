"""Measures decisions in policies of 10,000, 100,000 and 1,000,000 lines, in one domain and in many.

Run by hand: `python3 -m tests.bench.decision`. Prints decisions a second, and how much longer one takes than with the fewest.
"""

from __future__ import annotations

import gc
import random
import time

from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import Request
from tomoyo.model.domains import Domain, DomainPolicy
from tomoyo.model.entries import Entry, Kind
from tomoyo.model.exception_policy import ExceptionPolicy
from tomoyo.model.words import DomainName, GroupReference, Word
from tomoyo.syntax.exception_policy import parse_exception_policy

from ._size import sizes

DECISIONS = min(100_000, 10 * max(sizes(100_000)))
GROUPS = 1_000
SHAPES = (
    "/srv/data{0}/app{1}/file{2}",
    "/etc/app{1}/conf{2}",
    "/home/u{0}/\\*.{2}",
    "/var/lib/app{1}/{2}/\\{{\\*\\}}/x",
    "/proc/\\$/{2}",
)


def exceptions() -> ExceptionPolicy:
    """Groups as bindings have them."""
    lines = [f"path_group nix:/p{n}/lib/l.so /nix/store/{n:032}-p{n}/lib/l.so\n" for n in range(GROUPS)]
    return parse_exception_policy("".join(lines))


def policy(lines: int, domains: int, draw: random.Random) -> DomainPolicy:
    """LINES entries, evenly over DOMAINS."""
    share = lines // domains
    return DomainPolicy(tuple(Domain(DomainName(f"<kernel> /d{n}"), 3, (), tuple(entries(share, draw))) for n in range(domains)))


def entries(count: int, draw: random.Random) -> list[Entry]:
    """Fixed paths, patterns and groups, as learned and generalised policy has them."""
    found = []
    for number in range(count):
        if draw.random() < 0.1:
            found.append(Entry(Kind.PATH, ("read", "getattr"), (GroupReference(f"nix:/p{number % GROUPS}/lib/l.so"),)))
        else:
            shape = SHAPES[0 if draw.random() < 0.6 else draw.randrange(len(SHAPES))]
            text = shape.format(number % 7, number % 1000, number)
            found.append(Entry(Kind.PATH, (draw.choice(("read", "write", "getattr")),), (Word(text),)))
    return found


def requests(count: int, share: int, domains: int, draw: random.Random) -> list[tuple[str, Request]]:
    """Requests of which about half are granted."""
    found = []
    for _ in range(count):
        number = draw.randrange(share)
        text = draw.choice(
            (
                f"/srv/data{number % 7}/app{number % 1000}/file{number}",
                f"/etc/app{number % 1000}/conf{number}",
                f"/nix/store/{number % GROUPS:032}-p{number % GROUPS}/lib/l.so",
                f"/home/u{number % 7}/x.{number}",
                f"/proc/1/{number}",
            )
        )
        found.append((f"<kernel> /d{draw.randrange(domains)}", Request(Kind.PATH, draw.choice(("read", "write")), (text,))))
    return found


def main() -> None:
    """Print the measurements."""
    gc.disable()
    draw = random.Random(1)
    groups = exceptions()
    for domains in (1, 100):
        first = 0.0
        for lines in sizes(10_000, 100_000, 1_000_000):
            engine = DecisionEngine(policy(lines, domains, draw), groups)
            asked = requests(DECISIONS, lines // domains, domains, draw)
            started = time.perf_counter()
            for held in engine.domains():
                engine.decide(held.name, asked[0][1])
            built = time.perf_counter() - started
            for domain, request in asked:  # patterns are compiled when first met
                engine.decide(domain, request)
            started = time.perf_counter()
            granted = sum(engine.decide(domain, request).granted for domain, request in asked)
            each = (time.perf_counter() - started) / DECISIONS
            first = first or each
            print(
                f"{lines:>9,} lines, {domains:>3} domains: {1 / each:>9,.0f} decisions/s, {each / first:4.2f} times that of"
                f" the fewest lines; index built in {built:.2f} s; {granted / DECISIONS:.0%} granted"
            )


if __name__ == "__main__":
    main()

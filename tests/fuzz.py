"""The fuzz target: damaged policy to every parser; nothing but the documented error may come out.

`python3 -m tests.fuzz [SECONDS [SEED]]` runs for that long, 60 seconds by default, and prints its seed and what it found.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomoyo
from tests.generate import Generator
from tests.interfaces import PARSE, WRITE
from tests.seeds import fresh
from tomoyo import PolicySyntaxError
from tomoyo.syntax.formatting import format_query
from tomoyo.syntax.lines import Reading

DATA = Path(__file__).parent / "data"
PARSERS = (*PARSE, "audit", "query")
#: Texts to start from, besides random lines.
SEEDS = {
    name: [path.read_bytes() for path in sorted(DATA.glob(f"kernel/{name}/*")) + sorted(DATA.glob(f"records/{name}*"))]
    for name in PARSERS
}
LONG = 3000
PIECES = (
    b"\\",
    b"\\{",
    b"/",
    b" ",
    b"\n",
    b"\0",
    b"\xff",
    b'"',
    b"=",
    b"@",
    b"<kernel>",
    b"-",
    b"0x",
    b"::",
    b"9" * 30,
    b"{ ",
    b" }",
)


def parse(parser: str, source: Any, readings: tuple[Reading, ...] = tuple(Reading)) -> None:
    """Read SOURCE in every way that PARSER has; what it gives must be writable."""
    if parser in ("audit", "query"):
        read, write = (tomoyo.parse_audit, tomoyo.format_audit) if parser == "audit" else (tomoyo.parse_query, format_query)
        write(read(source, report=_check))  # type: ignore[arg-type]
        return
    for reading in readings:
        WRITE[parser](PARSE[parser](source, reading=reading, report=_check))
    if Reading.STRICT in readings:
        try:
            PARSE[parser](source)
        except PolicySyntaxError as error:
            _check(error)


def _check(error: PolicySyntaxError) -> None:
    assert error.line > 0
    assert error.column > 0
    str(error)


def mutations(parser: str, generator: random.Random, count: int) -> Iterator[bytes]:
    """COUNT texts, each damaged in a few places."""
    lines = Generator(generator.randrange(2**32))
    for _ in range(count):
        texts = (
            [*SEEDS[parser], "\n".join(lines.line(parser) for _ in range(20)).encode("latin-1")]
            if parser in PARSE
            else SEEDS[parser]
        )
        text = bytearray(generator.choice(texts))
        # Of a long one a part: more of it is damaged in the same time.
        cut = generator.randrange(max(1, len(text) - LONG))
        text = text[cut : cut + 2 * LONG]
        for _ in range(generator.randint(1, 8)):
            start = generator.randint(0, len(text))
            end = min(len(text), start + generator.choice((0, 1, 1, 4, 40)))
            donor = generator.choice(texts)
            cut = generator.randint(0, len(donor))
            text[start:end] = generator.choice(
                (b"", generator.choice(PIECES), bytes([generator.randrange(256)]), donor[cut : cut + 30])
            )
        yield bytes(text)


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else fresh()
    print(f"seed {seed}", flush=True)
    generator = random.Random(seed)
    done = time.monotonic() + seconds
    count = 0
    while time.monotonic() < done:
        parser = generator.choice(PARSERS)
        for source in mutations(parser, generator, 20):
            try:
                parse(parser, source)
            except Exception:
                print(f"{parser} fails on {source!r}", flush=True)
                raise
            count += 1
    print(f"{count} texts, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Network entries grant to every protocol of their family: the kernel compares operation, address and port alone.

The questions and their answers are those of Linux 6.1.
"""

from __future__ import annotations

import pytest

import tomoyo
from tomoyo.decision.engine import DecisionEngine
from tomoyo.decision.requests import Request
from tomoyo.model.entries import Kind
from tomoyo.syntax.lines import Reading

LOCAL = bytes([127, 0, 0, 1])
ABSTRACT = "\\000abs"


@pytest.mark.parametrize(
    ("line", "asked", "granted"),
    [
        ("inet seqpacket bind 127.0.0.1 0", Request(Kind.INET_STREAM, "bind", (LOCAL, 0)), True),
        ("inet seqpacket bind 127.0.0.1 0", Request(Kind.INET_DGRAM, "bind", (LOCAL, 0)), True),
        ("inet stream bind 127.0.0.1 0", Request(Kind.INET_DGRAM, "bind", (LOCAL, 0)), True),
        ("inet dgram bind 127.0.0.1 0", Request(Kind.INET_STREAM, "bind", (LOCAL, 0)), True),
        ("inet raw bind 127.0.0.1 0", Request(Kind.INET_STREAM, "bind", (LOCAL, 0)), True),
        ("inet stream listen 127.0.0.1 0", Request(Kind.INET_STREAM, "bind", (LOCAL, 0)), False),
        ("inet stream bind 127.0.0.1 1", Request(Kind.INET_DGRAM, "bind", (LOCAL, 0)), False),
        ("inet stream send 127.0.0.1 9", Request(Kind.INET_DGRAM, "send", (LOCAL, 9)), True),
        (f"unix raw bind {ABSTRACT}", Request(Kind.UNIX_STREAM, "bind", (ABSTRACT,)), True),
        (f"unix stream bind {ABSTRACT}", Request(Kind.UNIX_DGRAM, "bind", (ABSTRACT,)), True),
        (f"unix stream bind {ABSTRACT}", Request(Kind.UNIX_STREAM, "listen", (ABSTRACT,)), False),
    ],
)
def test_the_protocol_is_not_compared(line: str, asked: Request, granted: bool) -> None:
    text = f"<kernel> /a\nnetwork {line}\n"
    engine = DecisionEngine(tomoyo.parse_domain_policy(text, reading=Reading.AS_KERNEL))
    assert engine.decide("<kernel> /a", asked).granted is granted
